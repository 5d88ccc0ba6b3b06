/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compiling rewrites, and the path's. */
#include "route/rewrite.h"

#include <assert.h>

#include "route/domains.h"
#include "route/route_match.h"

typedef Envoy__Type__Matcher__V3__RegexMatchAndSubstitute Substitute;
typedef Envoy__Config__Route__V3__RouteAction RouteAction;
typedef Envoy__Config__Route__V3__RedirectAction RedirectAction;
#define HOST(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HOST_REWRITE_SPECIFIER_##name
#define SCHEME(name) ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__SCHEME_REWRITE_SPECIFIER_##name
#define TO_PATH(name) ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__PATH_REWRITE_SPECIFIER_##name

/* What a request line can carry as its target, or, with a fragment, a Location. */
static bool path_bytes(struct sp_str p, bool fragment)
{
    for (size_t i = 0; i < p.len; i++)
        if ((unsigned char)p.ptr[i] <= ' ' || p.ptr[i] == 0x7f || (p.ptr[i] == '#' && !fragment))
            return false;
    return true;
}

static bool substitute(const struct sp_route_build *b, struct sp_arena *arena, const Substitute *msg,
                       struct sp_regex **ret_regex, struct sp_str *ret_with)
{
    *ret_regex = sp_regex_new_substitute(b->doc, b->diag, msg);
    *ret_with = sp_arena_str(arena, sp_str_c(msg->substitution));
    return *ret_regex != NULL;
}

static bool prefix(struct sp_rewrite *w, const struct sp_route_build *b, struct sp_arena *arena, const void *msg,
                   const char *text)
{
    w->prefix = sp_arena_str(arena, sp_str_c(text));
    if (w->prefix.len && (w->prefix.ptr[0] != '/' || !path_bytes(w->prefix, false))) {
        sp_doc_err(b->doc, b->diag, msg, "prefix_rewrite", -1,
                   "makes no valid path (it has to begin with '/' and cannot hold spaces, '#' or control characters)");
        return false;
    }
    return true;
}

bool sp_rewrite_action(struct sp_rewrite *w, const struct sp_route_build *b, struct sp_arena *arena,
                       const RouteAction *msg)
{
    assert(w && b && msg);
    bool good = prefix(w, b, arena, msg, msg->prefix_rewrite);
    if (msg->regex_rewrite && w->prefix.len) {
        sp_doc_err(b->doc, b->diag, msg, "regex_rewrite", -1, "cannot stand beside prefix_rewrite (take one of them)");
        good = false;
    }
    if (msg->regex_rewrite)
        good = substitute(b, arena, msg->regex_rewrite, &w->regex, &w->regex_with) && good;
    if (msg->host_rewrite_specifier_case == HOST(HOST_REWRITE_PATH_REGEX))
        good = substitute(b, arena, msg->host_rewrite_path_regex, &w->host_path_regex, &w->host_path_with) && good;
    return good;
}

static bool redirect_target(struct sp_redirect *r, const struct sp_route_build *b, const RedirectAction *msg)
{
    bool good = true;
    if (r->host.len && !sp_authority_valid(r->host)) {
        sp_doc_err(b->doc, b->diag, msg, "host_redirect", -1, "not a host name (such as \"www.example.com\")");
        good = false;
    } else if (r->port.len && sp_authority_host(r->host).len != r->host.len) {
        sp_doc_err(b->doc, b->diag, msg, "port_redirect", -1, "host_redirect has a port too (take one of them out)");
        good = false;
    }
    for (size_t i = 0; i < r->scheme.len; i++) {
        char c = sp_ascii_lower(r->scheme.ptr[i]);
        if ((c >= 'a' && c <= 'z') || (i && ((c >= '0' && c <= '9') || strchr("+-.", c))))
            continue;
        sp_doc_err(b->doc, b->diag, msg, "scheme_redirect", -1, "not a scheme (such as \"https\")");
        return false;
    }
    if (!path_bytes(r->path, true)) {
        sp_doc_err(b->doc, b->diag, msg, "path_redirect", -1, "cannot hold spaces or control characters (write %%20)");
        good = false;
    }
    return good;
}

static bool redirect_path(struct sp_rewrite *w, const struct sp_route_build *b, struct sp_arena *arena,
                          const RedirectAction *msg)
{
    switch (msg->path_rewrite_specifier_case) {
    case TO_PATH(PATH_REDIRECT):
        w->redirect.path = sp_arena_str(arena, sp_str_c(msg->path_redirect));
        w->redirect.path_has_query = sp_str_chr(w->redirect.path, '?') >= 0;
        return true;
    case TO_PATH(PREFIX_REWRITE):
        return prefix(w, b, arena, msg, msg->prefix_rewrite);
    case TO_PATH(REGEX_REWRITE):
        return substitute(b, arena, msg->regex_rewrite, &w->regex, &w->regex_with);
    default:
        return true;
    }
}

bool sp_rewrite_redirect(struct sp_rewrite *w, const struct sp_route_build *b, struct sp_arena *arena,
                         const RedirectAction *msg)
{
    static const unsigned statuses[] = {301, 302, 303, 307, 308};
    assert(w && b && msg && (size_t)msg->response_code < SP_ARRAY_LEN(statuses));
    struct sp_redirect *r = &w->redirect;
    r->status = statuses[msg->response_code];
    r->https = msg->scheme_rewrite_specifier_case == SCHEME(HTTPS_REDIRECT) && msg->https_redirect;
    if (msg->scheme_rewrite_specifier_case == SCHEME(SCHEME_REDIRECT))
        r->scheme = sp_arena_str(arena, sp_str_c(msg->scheme_redirect));
    r->host = sp_arena_str(arena, sp_str_c(msg->host_redirect));
    if (msg->port_redirect)
        r->port = sp_arena_printf(arena, ":%u", msg->port_redirect);
    r->strip_query = msg->strip_query;
    bool good = redirect_path(w, b, arena, msg);
    good = redirect_target(r, b, msg) && good;
    bool moves = r->https || r->strip_query || r->scheme.len || r->host.len || r->port.len || r->path.len ||
                 w->prefix.len || w->regex;
    if (good && !moves) {
        sp_doc_err(b->doc, b->diag, msg, NULL, -1, "redirects to where the request came from, for ever (set https_redirect, "
                                                   "host_redirect, path_redirect or another target)");
        return false;
    }
    return good;
}

void sp_rewrite_done(struct sp_rewrite *w)
{
    assert(w);
    sp_regex_free(w->regex);
    sp_regex_free(w->host_path_regex);
}

struct sp_str sp_rewrite_path(const struct sp_rewrite *w, struct sp_str path, struct sp_arena *arena)
{
    assert(w && arena);
    struct sp_str only = sp_path_only(path), query = sp_str_sub(path, only.len, path.len), head;
    if (w->prefix.len) {
        size_t n = SP_MIN(sp_route_match_length(w->match, path), only.len);
        head = sp_arena_cat(arena, w->prefix, sp_str_sub(only, n, only.len));
    } else if (w->regex) {
        head = sp_regex_substitute(w->regex, only, w->regex_with, SP_REWRITE_PATH_MAX, arena);
    } else {
        return path;
    }
    if (!head.len || head.ptr[0] != '/' || !path_bytes(head, false))
        return SP_STR_NULL;
    return query.len ? sp_arena_cat(arena, head, query) : head;
}
