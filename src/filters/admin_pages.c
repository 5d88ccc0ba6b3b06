/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of the admin page on an ordinary listener (sallyport.filters.http.admin_pages.v1): the request goes to the main thread, where the admin
 * page answers, and the answer comes back; the worker goes on meanwhile.
 */
#include "sallyport/filters/http/admin_pages/v1/admin_pages.pb-c.h"

#include <stdlib.h>

#include "base/mem.h"
#include "config/doc.h"
#include "filters/admin_desk.h"
#include "filters/admin_guard.h"
#include "filters/registry.h"
#include "route/matcher.h"
#include "stats/stats.h"

typedef Sallyport__Filters__Http__AdminPages__V1__AdminPages Message;

struct config {
    struct sp_string_matcher **paths; /* n_paths of them */
    size_t n_paths;
    bool may_change;
    struct sp_counter answered, refused;
};

struct filter {
    struct sp_filter base;
    struct sp_admin_question *question; /* NULL: none was asked */
};

static void config_free(void *config)
{
    struct config *c = config;
    for (size_t i = 0; i < c->n_paths; i++)
        sp_string_matcher_free(c->paths[i]);
    free(c->paths);
    free(c);
}

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    bool good = true;
    if (!msg->n_allow_paths) {
        sp_doc_err(b->doc, b->diag, msg, NULL, -1, "no path is named (allow_paths: [{exact: /ready}, {prefix: /stats}])");
        good = false;
    }
    c->paths = sp_xcalloc(msg->n_allow_paths + 1, sizeof(*c->paths));
    for (size_t i = 0; i < msg->n_allow_paths; i++) {
        struct sp_string_matcher *m = sp_string_matcher_new(b->doc, b->diag, msg->allow_paths[i]);
        good = good && m;
        if (m)
            c->paths[c->n_paths++] = m;
    }
    c->may_change = msg->allow_changes;
    if (c->may_change && !b->client_certs)
        sp_doc_warn(b->doc, b->diag, msg, "allow_changes", -1,
                    "no client certificate is asked for here: whoever reaches this listener can end the process (require one, or drop this)");
    if (!good) {
        config_free(c);
        return NULL;
    }
    struct sp_stats_scope *scope = sp_stats_scope(b->scope, SP_STR("admin_pages"), NULL, SP_STR_NULL);
    c->answered = sp_stats_counter(scope, SP_STR("answered"));
    c->refused = sp_stats_counter(scope, SP_STR("refused"));
    return c;
}

static bool is_ours(const struct config *c, struct sp_str path)
{
    ptrdiff_t mark = sp_str_chr(path, '?');
    if (mark >= 0)
        path.len = (size_t)mark;
    for (size_t i = 0; i < c->n_paths; i++)
        if (sp_string_match(c->paths[i], path))
            return true;
    return false;
}

static void refuse(struct filter *f, unsigned status, struct sp_str body, struct sp_str details)
{
    const struct config *c = f->base.config;
    const struct sp_reply r = {.status = status, .body = body, .details = details, .no_store = true};
    sp_counter_inc(c->refused);
    sp_filter_reply(&f->base, &r);
}

static void told(struct sp_filter *base, const struct sp_admin_said *said)
{
    const struct config *c = base->config;
    sp_counter_inc(c->answered);
    struct sp_reply r = {.status = said->status,
                         .body = sp_str_n(said->body, said->n_body),
                         .content_type = sp_str_c(said->content_type),
                         .details = SP_STR("admin_filter_response"),
                         .headers = said->headers,
                         .n_headers = said->n_headers};
    sp_filter_reply(base, &r);
}

static enum sp_status decode_headers(struct sp_filter *base, struct sp_headers *h, bool end)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    const struct config *c = base->config;
    const struct sp_conn_info *conn = sp_filter_info(base)->conn;
    bool reads = sp_str_eq(h->method, SP_STR("GET")) || sp_str_eq(h->method, SP_STR("HEAD"));
    if (!is_ours(c, h->path))
        return SP_CONTINUE;
    if (!conn->tls_used && sp_admin_is_rebound(&conn->local, h))
        refuse(f, 403, SP_STR("not under this name (use localhost or the address)\n"), SP_STR("admin_pages_refused{name}"));
    else if (!reads && !c->may_change)
        refuse(f, 405, SP_STR("only reading is allowed here\n"), SP_STR("admin_pages_refused{read_only}"));
    else if (!reads && sp_admin_is_cross_site(h))
        refuse(f, 403, SP_STR("not from another site\n"), SP_STR("admin_pages_refused{cross_site}"));
    else if (!(f->question = sp_admin_desk_ask(base, told, h->method, h->path, c->may_change)))
        refuse(f, 503, SP_STR("too many ask, or nobody answers here\n"), SP_STR("admin_pages_refused{busy}"));
    return SP_STOP;
}

static void destroy(struct sp_filter *base)
{
    sp_admin_desk_let_go(SP_CONTAINER_OF(base, struct filter, base)->question);
}

const struct sp_filter_ops sp_admin_pages_ops = {
    .name = "admin_pages",
    .type_url = "sallyport.filters.http.admin_pages.v1.AdminPages",
    .not_staged = "what it would answer is not for everyone",
    .routeless = true,
    .size = sizeof(struct filter),
    .config_new = config_new,
    .config_free = config_free,
    .decode_headers = decode_headers,
    .destroy = destroy,
};
