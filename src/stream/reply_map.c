/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/reply_map.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/secret.h"
#include "stream/access_filter.h"
#include "stream/header_ops.h"

typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__LocalReplyConfig config_msg;
typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__ResponseMapper mapper_msg;
typedef Envoy__Config__Core__V3__SubstitutionFormatString format_msg;

struct body_format {
    struct sp_format *format; /* NULL: the body stays as it is */
    struct sp_str type;
    bool json;
};

struct mapper {
    struct sp_access_filter *filter;
    unsigned status; /* 0: stays */
    bool has_body;
    struct sp_str body;
    struct sp_header_ops *ops; /* NULL: none */
    struct body_format format;
};

struct sp_reply_map {
    struct sp_arena arena;
    struct mapper *v; /* n of them */
    size_t n;
    struct body_format format;
};

static bool format_init(struct sp_reply_map *m, struct body_format *f, const struct sp_doc *doc, struct sp_diag *diag,
                        const format_msg *msg)
{
    if (!msg)
        return true;
    bool json = msg->format_case == ENVOY__CONFIG__CORE__V3__SUBSTITUTION_FORMAT_STRING__FORMAT_JSON_FORMAT;
    f->json = json;
    f->type = msg->content_type[0] ? sp_arena_str(&m->arena, sp_str_c(msg->content_type))
              : json               ? SP_STR("application/json")
                                   : SP_STR("text/plain");
    f->format = sp_format_new_msg(doc, diag, msg);
    return f->format != NULL;
}

static bool mapper_init(struct sp_reply_map *m, struct mapper *to, const struct sp_doc *doc, struct sp_diag *diag,
                        const mapper_msg *msg)
{
    bool good = true;
    to->filter = sp_access_filter_new(doc, diag, msg->filter);
    good &= to->filter != NULL;
    to->status = msg->status_code ? msg->status_code->value : 0;
    to->has_body = msg->body != NULL;
    if (msg->body) {
        struct sp_secret body;
        if (sp_secret_read(doc, diag, msg->body, 0, &body) < 0)
            return false;
        to->body = sp_arena_str(&m->arena, sp_secret_str(&body));
        sp_secret_done(&body);
    }
    if (msg->n_headers_to_add) {
        to->ops = sp_header_ops_new(doc, diag, msg, NULL, 0, NULL, 0, msg->headers_to_add, msg->n_headers_to_add, NULL, 0);
        good &= to->ops != NULL;
    }
    return format_init(m, &to->format, doc, diag, msg->body_format_override) && good;
}

struct sp_reply_map *sp_reply_map_new(const struct sp_doc *doc, struct sp_diag *diag, const config_msg *msg)
{
    assert(doc && diag && msg);
    struct sp_reply_map *m = sp_xcalloc(1, sizeof(*m));
    sp_arena_init(&m->arena);
    m->v = sp_xcalloc(msg->n_mappers + 1, sizeof(*m->v));
    bool good = format_init(m, &m->format, doc, diag, msg->body_format);
    for (size_t i = 0; i < msg->n_mappers; i++)
        good &= mapper_init(m, &m->v[m->n++], doc, diag, msg->mappers[i]);
    if (good)
        return m;
    sp_reply_map_free(m);
    return NULL;
}

void sp_reply_map_free(struct sp_reply_map *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++) {
        sp_access_filter_free(m->v[i].filter);
        sp_header_ops_free(m->v[i].ops);
        sp_format_free(m->v[i].format.format);
    }
    sp_format_free(m->format.format);
    sp_arena_done(&m->arena);
    free(m->v);
    free(m);
}

static const struct mapper *find(const struct sp_reply_map *m, const struct sp_format_input *in, uint64_t random)
{
    for (size_t i = 0; i < m->n; i++)
        if (sp_access_filter_pass(m->v[i].filter, in, random))
            return &m->v[i];
    return NULL;
}

static struct sp_str written(const struct sp_format *f, const struct sp_format_input *in, struct sp_arena *arena)
{
    struct sp_buf b;
    sp_buf_init(&b);
    sp_format_write(f, in, &b);
    size_t n = b.len;
    char *text = sp_arena_alloc(arena, n + 1);
    sp_buf_peek(&b, text, n);
    sp_buf_clear(&b);
    return sp_str_n(text, n);
}

void sp_reply_map_apply(const struct sp_reply_map *m, const struct sp_format_input *in, struct sp_stream_info *info,
                        struct sp_reply *reply, struct sp_headers *h, uint64_t random)
{
    assert(m && in && info && reply && h && in->info == info && in->response == h);
    const struct body_format *format = &m->format;
    info->response_code = h->status = reply->status;
    const struct mapper *to = find(m, in, random);
    if (to) {
        if (to->has_body)
            reply->body = to->body;
        if (to->ops)
            sp_header_ops_response(to->ops, h, in);
        if (to->status)
            info->response_code = h->status = reply->status = to->status;
        if (to->format.format)
            format = &to->format;
    }
    if (!format->format)
        return;
    struct sp_format_input with_body = *in;
    with_body.local_reply_body = reply->body;
    reply->body = written(format->format, &with_body, h->arena);
    reply->content_type = format->type;
    reply->json = format->json;
}
