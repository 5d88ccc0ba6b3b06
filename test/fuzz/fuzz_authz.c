/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an authorisation service answers, as ext_authz applies it.  Byte 0 says which config (bits 0 and 1) and whether the request goes
 * on when the service fails (bit 2), byte 1 the status; then lines of the answer's head, up to a NUL; then its body.  Only a 200 opens
 * the door, or a failure where the config lets it; what is told on to the origin or to the client is a header, frames nothing, and leaves
 * the request's method, path and authority alone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../unit/filters/fake_call.h"
#include "base/json.h"
#include "base/log.h"
#include "clusters/state.h"
#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb-c.h"
#include "filters/registry.h"
#include "head_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SERVICE "http_service: {server_uri: {uri: 'http://authz.test', cluster: authz, timeout: 1s}"
#define ANSWER ", authorization_response: {"
#define ALL "{patterns: [{safe_regex: {regex: '.*'}}]}"
#define X "{patterns: [{prefix: x-}]}"

enum { CONFIGS = 8 };

static struct fake_config *config_of(unsigned which)
{
    static const char *const responses[] = {
        "}\n",
        ANSWER "allowed_upstream_headers: " ALL ", allowed_client_headers: " ALL ", allowed_client_headers_on_success: " ALL
        ", dynamic_metadata_from_headers: " ALL "}}\n",
        ANSWER "allowed_upstream_headers_to_append: " ALL ", allowed_client_headers: " X "}}\nclear_route_cache: true\n",
        ANSWER "allowed_upstream_headers: " X ", allowed_upstream_headers_to_append: " X "}}\n",
    };
    static struct fake_config *all[CONFIGS];
    static struct sp_cluster service = {.name = SP_STR_INIT("authz")};
    char yaml[1000];
    if (all[which])
        return all[which];
    if (!fake_cluster) {
        sp_stats_init(0);
        atomic_store(&sp_log_threshold, SP_LOG_OFF);
        fake_cluster = &service;
    }
    snprintf(yaml, sizeof(yaml), SERVICE "%s%s", responses[which & 3],
             which & 4 ? "failure_mode_allow: true\nfailure_mode_allow_header_add: true\n" : "");
    return all[which] = fake_config_new(&sp_ext_authz_ops, &envoy__extensions__filters__http__ext_authz__v3__ext_authz__descriptor, yaml);
}

/* Framing too, other than head_lines: a codec leaves some of it in answers. */
static void answer_lines(struct sp_headers *h, struct sp_arena *arena, struct sp_str text)
{
    struct sp_str line, name;
    sp_headers_init(h, arena);
    while (h->n < HEAD_LINES && sp_str_split(&text, '\n', &line)) {
        if (!sp_str_split(&line, ':', &name) || !sp_header_name_valid(name))
            continue;
        line = sp_str_trim(line);
        if (sp_header_value_valid(line))
            sp_headers_add(h, name, line);
    }
}

static void none_frames(const struct sp_header *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        CHECK(sp_header_name_valid(v[i].name) && sp_header_value_valid(v[i].value) && v[i].id == sp_header_id(v[i].name));
        CHECK(!sp_header_is_framing(v[i].id) && v[i].id != SP_H_CONTENT_LENGTH && v[i].id != SP_H_HOST);
    }
}

static void check_passed(struct fake_stream *s, struct sp_filter *f)
{
    const struct sp_headers *h = &s->request;
    CHECK(s->continued[SP_DECODE] == 1);
    CHECK(sp_str_eq(h->method, SP_STR("GET")) && sp_str_eq(h->path, SP_STR("/p?q")) && sp_str_eq(h->authority, SP_STR("door.example")));
    none_frames(h->v, h->n);
    for (const struct sp_metadata *m = s->info.metadata; m; m = m->next) {
        json_t *value = sp_json_load_any(m->json, 8, 500);
        CHECK(json_is_string(value));
        json_decref(value);
    }
    s->response.status = 200;
    f->ops->encode_headers(f, &s->response, true);
    none_frames(s->response.v, s->response.n);
}

static void check_refused(const struct fake_stream *s, unsigned status)
{
    CHECK(s->continued[SP_DECODE] == 0 && s->reply.flags == SP_FLAG_UAEX);
    CHECK(s->reply.status == status || s->reply.status == 403);
    CHECK(s->reply.status >= 200 && sp_header_value_valid(s->reply.content_type));
    none_frames(s->reply.headers, s->reply.n_headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned statuses[] = {200, 200, 0, 101, 201, 204, 302, 401, 403, 404, 413, 499, 500, 503, 199, 999};
    struct fake_stream s;
    struct sp_headers h;
    struct sp_buf body;
    if (size < 2)
        return 0;
    const struct fake_config *c = config_of(data[0] & 7);
    unsigned status = statuses[data[1] & 15];
    struct sp_str lines = sp_str_n((const char *)data + 2, size - 2);
    ptrdiff_t nul = sp_str_chr(lines, '\0');
    struct sp_str text = nul < 0 ? SP_STR_NULL : sp_str_sub(lines, (size_t)nul + 1, lines.len);
    if (nul >= 0)
        lines = sp_str_sub(lines, 0, (size_t)nul);
    fake_stream_init(&s, "/p?q");
    fake_header(&s, "authorization", "Bearer t");
    fake_header(&s, "x-user", "mallory");
    struct sp_filter *f = fake_filter(&s, c);
    CHECK(f->ops->decode_headers(f, &s.request, true) == SP_STOP_PAUSE && n_fake_calls == 1);
    answer_lines(&h, &s.arena, lines);
    h.status = status;
    sp_buf_init(&body);
    sp_buf_append_str(&body, text);
    fake_calls[0].over = true;
    fake_calls[0].done(fake_calls[0].ctx, status, status ? &h : NULL, &body, status ? SP_ABORT_NONE : SP_ABORT_TIMEOUT);
    sp_buf_clear(&body);
    bool failed = status < 200 || status >= 500;
    CHECK(s.replied == !(status == 200 || (failed && data[0] & 4)));
    if (s.replied)
        check_refused(&s, status);
    else
        check_passed(&s, f);
    f->ops->destroy(f);
    fake_calls_forget();
    fake_stream_done(&s);
    sp_buf_thread_done();
    sp_arena_thread_done();
    return 0;
}
