/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host and path rewriting of a request, and the Location of a redirect. */
#include <assert.h>

#include "route/domains.h"
#include "route/rewrite.h"
#include "route/route_match.h"

/* The host to send: a NULL slice for no change. False: what a request brought is no host. */
static bool new_host(const struct sp_route *r, const struct sp_weighted_cluster *w, const struct sp_headers *h,
                     struct sp_str *ret_host)
{
    const struct sp_rewrite *rw = r->priv;
    struct sp_str host = SP_STR_NULL;
    if (w && w->host_rewrite.len)
        host = w->host_rewrite;
    else if (r->host_rewrite_literal.len)
        host = r->host_rewrite_literal;
    else if (r->host_rewrite_header.len)
        host = sp_headers_get(h, r->host_rewrite_header);
    else if (rw->host_path_regex) {
        host = sp_regex_substitute(rw->host_path_regex, sp_path_only(h->path), rw->host_path_with, SP_REWRITE_PATH_MAX,
                                   h->arena);
        if (!host.ptr)
            return false;
    }
    if (host.len && !sp_authority_valid(host))
        return false;
    *ret_host = host.len ? host : SP_STR_NULL;
    return true;
}

/* Not again if it is the last one there already: a request may pass here twice. */
static void append_forwarded_host(struct sp_headers *h, struct sp_str host)
{
    struct sp_str old = sp_headers_joined(h, sp_header_name(SP_H_X_FORWARDED_HOST)), last = SP_STR_NULL, rest = old;
    while (sp_str_split(&rest, ',', &last))
        ;
    if (sp_str_eq(sp_str_trim(last), host))
        return;
    if (old.len)
        host = sp_arena_cat(h->arena, sp_arena_cat(h->arena, old, SP_STR(",")), host);
    sp_headers_set_id(h, SP_H_X_FORWARDED_HOST, host);
}

bool sp_route_rewrite(const struct sp_route *r, const struct sp_weighted_cluster *w, struct sp_headers *h,
                      struct sp_str *ret_original_path, struct sp_str *ret_original_host)
{
    assert(r && r->kind == SP_ROUTE_CLUSTER && h && ret_original_path && ret_original_host);
    struct sp_str host, path = h->path.len ? sp_rewrite_path(r->priv, h->path, h->arena) : h->path; /* CONNECT has none */
    if ((h->path.len && !path.ptr) || !new_host(r, w, h, &host))
        return false;
    *ret_original_host = *ret_original_path = SP_STR_NULL;
    if (host.len) {
        if (r->append_x_forwarded_host && h->authority.len)
            append_forwarded_host(h, h->authority);
        *ret_original_host = h->authority;
        h->authority = host;
    }
    if (path.ptr != h->path.ptr) {
        *ret_original_path = h->path;
        h->path = path;
    }
    return true;
}

/*
 * The request's host with or without its port: it goes when the redirect names another, or when the scheme changes and it
 * was the old scheme's default.
 */
static struct sp_str request_host(const struct sp_headers *h, struct sp_str scheme, bool new_port)
{
    struct sp_str host = sp_authority_host(h->authority), port = sp_str_sub(h->authority, host.len, h->authority.len);
    struct sp_str proto = sp_headers_get_id(h, SP_H_X_FORWARDED_PROTO);
    if (!proto.len)
        proto = h->scheme;
    if (new_port)
        return host;
    if (!sp_str_eq(scheme, proto) && ((sp_str_eq(proto, SP_STR("https")) && sp_str_eq(port, SP_STR(":443"))) ||
                                      (sp_str_eq(proto, SP_STR("http")) && sp_str_eq(port, SP_STR(":80")))))
        return host;
    return h->authority;
}

static struct sp_str redirect_path(const struct sp_redirect *to, struct sp_str path, struct sp_arena *arena)
{
    if (to->path_has_query) {
        path = to->path;
    } else if (to->path.len) {
        ptrdiff_t mark = sp_str_chr(path, '?');
        path = mark < 0 ? to->path : sp_arena_cat(arena, to->path, sp_str_sub(path, (size_t)mark, path.len));
    }
    ptrdiff_t mark = to->strip_query && !to->path_has_query ? sp_str_chr(path, '?') : -1;
    return mark < 0 ? path : sp_str_sub(path, 0, (size_t)mark);
}

struct sp_str sp_route_redirect(const struct sp_route *r, const struct sp_headers *h, unsigned *ret_status)
{
    assert(r && r->kind == SP_ROUTE_REDIRECT && h && ret_status);
    const struct sp_rewrite *rw = r->priv;
    const struct sp_redirect *to = &rw->redirect;
    struct sp_str scheme = to->scheme.len ? to->scheme : to->https ? SP_STR("https") : h->scheme;
    struct sp_str host = to->host.len ? to->host : request_host(h, scheme, to->port.len > 0);
    struct sp_str path = sp_rewrite_path(rw, h->path, h->arena);
    *ret_status = path.ptr ? to->status : 500;
    if (!path.ptr)
        return SP_STR_NULL;
    path = redirect_path(to, path, h->arena);
    return sp_arena_printf(h->arena, "%.*s://%.*s%.*s%s%.*s", SP_STR_ARG(scheme), SP_STR_ARG(host), SP_STR_ARG(to->port),
                           path.len && path.ptr[0] == '/' ? "" : "/", SP_STR_ARG(path));
}
