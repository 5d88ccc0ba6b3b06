/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ext_authz over HTTP: which headers the service gets, and which of its own count. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/doc.h"
#include "filters/ext_authz.h"
#include "filters/gate.h"

typedef Envoy__Extensions__Filters__Http__ExtAuthz__V3__ExtAuthz Message;
typedef Envoy__Extensions__Filters__Http__ExtAuthz__V3__HttpService Service;
typedef Envoy__Extensions__Filters__Http__ExtAuthz__V3__AuthorizationResponse Response;
typedef Envoy__Type__Matcher__V3__ListStringMatcher List;

enum { MAX_BODY = 64 * 1024, MAX_VALUE = 16 * 1024 };

/* --- compiling --- */

static bool list_init(struct sp_name_list *l, const struct sp_filter_build *b, struct sp_arena *arena, const List *msg)
{
    bool good = true;
    if (!msg)
        return true;
    struct sp_string_matcher **v = sp_arena_zalloc(arena, (l->n + msg->n_patterns + 1) * sizeof(*v));
    if (l->n)
        memcpy(v, l->v, l->n * sizeof(*v));
    l->v = v;
    for (size_t i = 0; i < msg->n_patterns; i++) {
        struct sp_string_matcher *m = sp_string_matcher_new(b->doc, b->diag, msg->patterns[i]);
        good = good && m;
        if (m)
            l->v[l->n++] = m;
    }
    return good;
}

static void list_done(struct sp_name_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        sp_string_matcher_free(l->v[i]);
}

static bool has(const struct sp_name_list *l, struct sp_str name)
{
    for (size_t i = 0; i < l->n; i++)
        if (sp_string_match(l->v[i], name))
            return true;
    return false;
}

static bool read_added(struct sp_authz_http *s, const struct sp_filter_build *b, struct sp_arena *arena, const Service *msg)
{
    bool good = true;
    size_t n = msg->authorization_request ? msg->authorization_request->n_headers_to_add : 0;
    s->add = sp_arena_zalloc(arena, (n + 1) * sizeof(*s->add));
    for (size_t i = 0; i < n; i++) {
        const Envoy__Config__Core__V3__HeaderValue *h = msg->authorization_request->headers_to_add[i];
        s->add[s->n_add].name = sp_gate_header_name(b, arena, h, "key", h->key);
        s->add[s->n_add].value = sp_format_new(b->doc, b->diag, h, "value", -1, sp_str_c(h->value));
        good &= s->add[s->n_add].name.ptr && s->add[s->n_add].value;
        s->n_add++;
    }
    return good;
}

static bool read_response(struct sp_authz_http *s, const struct sp_filter_build *b, struct sp_arena *arena, const Response *msg)
{
    s->client_all = !msg || !msg->allowed_client_headers;
    if (!msg)
        return true;
    bool good = list_init(&s->upstream, b, arena, msg->allowed_upstream_headers);
    good &= list_init(&s->append, b, arena, msg->allowed_upstream_headers_to_append);
    good &= list_init(&s->client, b, arena, msg->allowed_client_headers);
    good &= list_init(&s->on_success, b, arena, msg->allowed_client_headers_on_success);
    return list_init(&s->metadata, b, arena, msg->dynamic_metadata_from_headers) && good;
}

bool sp_authz_http_init(struct sp_authz_http *s, const struct sp_filter_build *b, struct sp_arena *arena, const Message *all)
{
    assert(s && b && arena && all && all->http_service);
    const Service *msg = all->http_service;
    bool good = sp_fetch_service_init(&s->target, b, arena, msg->server_uri);
    s->prefix = sp_arena_str(arena, sp_str_c(msg->path_prefix));
    if (s->prefix.len && s->prefix.ptr[0] != '/') {
        sp_doc_err(b->doc, b->diag, msg, "path_prefix", -1, "does not begin with '/' (write /check, for instance)");
        good = false;
    }
    good &= list_init(&s->ask, b, arena, all->allowed_headers);
    good &= list_init(&s->ask, b, arena, msg->authorization_request ? msg->authorization_request->allowed_headers : NULL);
    good &= list_init(&s->not_ask, b, arena, all->disallowed_headers);
    good &= read_added(s, b, arena, msg);
    return read_response(s, b, arena, msg->authorization_response) && good;
}

void sp_authz_http_done(struct sp_authz_http *s)
{
    struct sp_name_list *all[] = {&s->ask, &s->not_ask, &s->upstream, &s->append, &s->client, &s->on_success, &s->metadata};
    for (size_t i = 0; i < SP_ARRAY_LEN(all); i++)
        list_done(all[i]);
    for (size_t i = 0; i < s->n_add; i++)
        sp_format_free(s->add[i].value);
}

/* --- asking --- */

static bool is_sent(const struct sp_authz_http *s, const struct sp_header *line)
{
    if (sp_header_is_framing(line->id) || line->id == SP_H_CONTENT_LENGTH || line->secret || has(&s->not_ask, line->name))
        return false;
    return line->id == SP_H_AUTHORIZATION || has(&s->ask, line->name);
}

static void add_own(const struct sp_authz_http *s, struct sp_filter *f, struct sp_headers *to)
{
    const struct sp_format_input in = {.info = sp_filter_info(f), .request = sp_filter_request(f), .now_ns = sp_filter_turn(f)->now_ns};
    for (size_t i = 0; i < s->n_add; i++)
        sp_headers_set(to, s->add[i].name, sp_format_value(s->add[i].value, &in, to->arena));
}

struct sp_http_call *sp_authz_http_ask(const struct sp_authz_http *s, struct sp_filter *f, struct sp_str body, bool partial,
                                       sp_http_call_cb *done, void *ctx)
{
    assert(s && f && done);
    const struct sp_headers *h = sp_filter_request(f);
    struct sp_arena *a = sp_filter_arena(f);
    struct sp_str mark = SP_STR("x-envoy-auth-partial-body");
    struct sp_headers to;
    sp_headers_init(&to, a);
    for (unsigned i = 0; i < h->n; i++)
        if (is_sent(s, &h->v[i]))
            sp_headers_add(&to, h->v[i].name, h->v[i].value);
    if (body.ptr && !has(&s->not_ask, mark))
        sp_headers_set(&to, mark, partial ? SP_STR("true") : SP_STR("false"));
    add_own(s, f, &to);
    return sp_http_call_start(s->target.cluster, sp_filter_turn(f)->worker, &(struct sp_http_request){
        .method = h->method, .scheme = s->target.scheme, .authority = h->authority, .path = sp_arena_cat(a, s->prefix, h->path),
        .headers = to.v, .n_headers = to.n, .body = body, .parent = sp_filter_info(f)->span, .timeout_ns = s->target.timeout_ns, .max_body = MAX_BODY}, done, ctx);
}

/* --- the answer --- */

/* What stands in no list, whatever it says: it frames the answer of the service, not ours. */
static bool is_its_own(const struct sp_header *line)
{
    return sp_header_is_framing(line->id) || line->id == SP_H_CONTENT_LENGTH || line->id == SP_H_HOST || line->value.len > MAX_VALUE;
}

/* Always told to clients, whatever allowed_client_headers says. */
static bool is_for_clients(const struct sp_header *line)
{
    return line->id == SP_H_LOCATION || line->id == SP_H_WWW_AUTHENTICATE || sp_str_eq(line->name, SP_STR("proxy-authenticate"));
}

static void put(struct sp_arena *a, struct sp_header **v, unsigned *n, const struct sp_headers *of, const struct sp_header *line)
{
    if (!*v)
        *v = sp_arena_zalloc(a, of->n * sizeof(**v));
    (*v)[(*n)++] = (struct sp_header){.name = sp_arena_str(a, line->name), .value = sp_arena_str(a, line->value), .id = line->id};
}

static void take_yes(const struct sp_authz_http *s, struct sp_arena *a, const struct sp_headers *h, struct sp_authz_answer *ret)
{
    for (unsigned i = 0; i < h->n; i++) {
        const struct sp_header *line = &h->v[i];
        if (is_its_own(line))
            continue;
        if (has(&s->upstream, line->name))
            put(a, &ret->set, &ret->n_set, h, line);
        if (has(&s->append, line->name))
            put(a, &ret->append, &ret->n_append, h, line);
        if (has(&s->on_success, line->name))
            put(a, &ret->client, &ret->n_client, h, line);
        if (has(&s->metadata, line->name))
            put(a, &ret->metadata, &ret->n_metadata, h, line);
    }
    ret->remove = sp_arena_str(a, sp_headers_joined(h, SP_STR("x-envoy-auth-headers-to-remove")));
}

static void take_no(const struct sp_authz_http *s, struct sp_arena *a, const struct sp_headers *h, const struct sp_buf *body,
                    struct sp_authz_answer *ret)
{
    for (unsigned i = 0; i < h->n; i++)
        if (!is_its_own(&h->v[i]) && (s->client_all || is_for_clients(&h->v[i]) || has(&s->client, h->v[i].name)))
            put(a, &ret->client, &ret->n_client, h, &h->v[i]);
    char *text = sp_arena_alloc(a, body->len + 1);
    ret->body = sp_str_n(text, sp_buf_peek(body, text, body->len));
}

void sp_authz_http_answer(const struct sp_authz_http *s, struct sp_arena *a, unsigned status, const struct sp_headers *h,
                          const struct sp_buf *body, struct sp_authz_answer *ret)
{
    assert(s && a && ret);
    *ret = (struct sp_authz_answer){.verdict = SP_AUTHZ_ERROR, .status = status};
    if (!status || !h)
        ret->why = "no answer";
    else if (status < 200 || status >= 500)
        ret->why = "its answer is an error of its own";
    else if (status == 200)
        ret->verdict = SP_AUTHZ_OK;
    else
        ret->verdict = SP_AUTHZ_DENIED;
    if (ret->verdict == SP_AUTHZ_OK)
        take_yes(s, a, h, ret);
    else if (ret->verdict == SP_AUTHZ_DENIED)
        take_no(s, a, h, body, ret);
}
