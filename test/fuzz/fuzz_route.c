/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A route table and a request against it.  Up to the first NUL the input is a RouteConfiguration in YAML, behind it lines
 * of a head: host, path, then "name: value".  Whatever the table does with the request must neither crash nor leak, a route
 * that is found must be the first that matches when each is asked, and a rewritten path must still be one.
 */
#include <stdint.h>
#include <stdlib.h>

#include "config/rules.h"
#include "route/route.h"
#include "stream/header_ops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct sp_doc *doc;
    struct sp_diag diag;
    const Envoy__Config__Route__V3__RouteConfiguration *msg;
    struct sp_route_table *table;
    struct sp_arena arena;
    struct sp_headers h;
};

static struct sp_header_ops *header_ops(void *ctx, const void *msg, Envoy__Config__Core__V3__HeaderValueOption **add, size_t n,
                                        char **remove, size_t n_remove, Envoy__Config__Core__V3__HeaderValueOption **radd,
                                        size_t n_radd, char **rremove, size_t n_rremove)
{
    struct run *x = ctx;
    return sp_header_ops_new(x->doc, &x->diag, msg, add, n, remove, n_remove, radd, n_radd, rremove, n_rremove);
}

static void head(struct run *x, struct sp_str text)
{
    struct sp_str line;
    sp_headers_init(&x->h, &x->arena);
    x->h.method = SP_STR("GET");
    x->h.scheme = SP_STR("https");
    if (sp_str_split(&text, '\n', &line))
        x->h.authority = line;
    if (sp_str_split(&text, '\n', &line))
        x->h.path = line;
    while (sp_str_split(&text, '\n', &line)) {
        ptrdiff_t colon = sp_str_chr(line, ':');
        struct sp_str name = sp_str_sub(line, 0, colon < 0 ? 0 : (size_t)colon);
        struct sp_str value = sp_str_trim(sp_str_sub(line, (size_t)colon + 1, line.len));
        if (colon > 0 && sp_header_name_valid(name) && sp_header_value_valid(value))
            sp_headers_add(&x->h, name, value);
    }
}

static const Envoy__Config__Route__V3__VirtualHost *message_of(const struct run *x, const struct sp_vhost *v)
{
    for (size_t i = 0; i < x->msg->n_virtual_hosts; i++)
        if (sp_str_eq(sp_str_c(x->msg->virtual_hosts[i]->name), v->name))
            return x->msg->virtual_hosts[i];
    return NULL;
}

/* Names of virtual hosts may stand twice; then there is nothing to compare with. */
static void ask_each(struct run *x, const struct sp_vhost *v, const struct sp_route *found)
{
    const Envoy__Config__Route__V3__VirtualHost *msg = message_of(x, v);
    bool limit = false;
    if (x->diag.n_warnings)
        return;
    for (size_t i = 0; i < msg->n_routes; i++) {
        struct sp_route_match *m = sp_route_match_new(x->doc, &x->diag, msg->routes[i]->match);
        bool yes = sp_route_match(m, &x->h, 7, &limit);
        sp_route_match_free(m);
        if (limit)
            return;
        if (!yes)
            continue;
        if (!found || !sp_str_eq(found->name, sp_str_c(msg->routes[i]->name)))
            abort();
        return;
    }
    if (found)
        abort();
}

static void answer(struct run *x, const struct sp_route *r)
{
    struct sp_str name, path, host;
    const struct sp_weighted_cluster *w = NULL;
    struct sp_stream_info info = {0};
    struct sp_format_input in = {.info = &info, .request = &x->h};
    unsigned status;
    if (r->kind == SP_ROUTE_REDIRECT) {
        struct sp_str to = sp_route_redirect(r, &x->h, &status);
        if ((status == 500) != !to.ptr)
            abort();
    }
    if (r->kind != SP_ROUTE_CLUSTER)
        return;
    sp_route_pick_cluster(r, &x->h, 12345, NULL, NULL, &name, &w);
    if (r->header_ops)
        sp_header_ops_request(r->header_ops, &x->h, &in);
    if (!sp_route_rewrite(r, w, &x->h, &path, &host))
        return;
    if (path.ptr && (!x->h.path.len || x->h.path.ptr[0] != '/'))
        abort();
    if (host.ptr && !sp_authority_valid(x->h.authority))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_str all = sp_str_n((const char *)data, size), yaml = SP_STR_NULL;
    struct run x = {0};
    if (!size || !sp_str_split(&all, '\0', &yaml))
        return 0;
    sp_diag_init(&x.diag);
    sp_arena_init(&x.arena);
    x.doc = sp_doc_load_text("fuzz", yaml, SP_SYNTAX_YAML, &envoy__config__route__v3__route_configuration__descriptor, &x.diag);
    if (x.doc)
        sp_rules_check(x.doc, &x.diag);
    if (x.doc && !x.diag.n_errors) {
        struct sp_route_build b = {.doc = x.doc, .diag = &x.diag, .ctx = &x, .header_ops = header_ops,
                                   .header_ops_free = sp_header_ops_free};
        x.msg = sp_doc_root(x.doc);
        x.table = sp_route_table_new(&b, x.msg);
        head(&x, all);
        const struct sp_vhost *v = x.table ? sp_route_vhost(x.table, x.h.authority) : NULL;
        const struct sp_route *r = v ? sp_route_find(v, &x.h, 7) : NULL;
        if (v)
            ask_each(&x, v, r);
        if (r)
            answer(&x, r);
    }
    sp_route_table_free(x.table);
    sp_arena_done(&x.arena);
    sp_doc_free(x.doc);
    sp_diag_done(&x.diag);
    return 0;
}
