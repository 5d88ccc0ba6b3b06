/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route/internal_redirect.h"

#include <assert.h>

#include "envoy/extensions/internal_redirect/allow_listed_routes/v3/allow_listed_routes_config.pb-c.h"
#include "envoy/extensions/internal_redirect/previous_routes/v3/previous_routes_config.pb-c.h"
#include "envoy/extensions/internal_redirect/safe_cross_scheme/v3/safe_cross_scheme_config.pb-c.h"
#include "route/route_ctx.h"

typedef Envoy__Config__Route__V3__InternalRedirectPolicy Policy;
typedef Envoy__Config__Route__V3__RouteAction Action;
typedef Envoy__Extensions__InternalRedirect__AllowListedRoutes__V3__AllowListedRoutesConfig AllowList;

#define HANDLE ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__INTERNAL_REDIRECT_ACTION__HANDLE_INTERNAL_REDIRECT
#define ALLOW_LIST &envoy__extensions__internal_redirect__allow_listed_routes__v3__allow_listed_routes_config__descriptor
#define PREVIOUS &envoy__extensions__internal_redirect__previous_routes__v3__previous_routes_config__descriptor
#define SAFE_SCHEME &envoy__extensions__internal_redirect__safe_cross_scheme__v3__safe_cross_scheme_config__descriptor

enum { FIRST = 301, LAST = 308 };

static uint8_t code_bit(unsigned status)
{
    bool known = status >= FIRST && status <= LAST && status != 304 && status != 305 && status != 306;
    return known ? (uint8_t)(1u << (status - FIRST)) : 0;
}

/* --- compiling --- */

static void codes(struct sp_redirect_policy *p, const struct sp_route_build *b, const Policy *msg)
{
    p->codes = msg->n_redirect_response_codes ? 0 : code_bit(302);
    for (size_t i = 0; i < msg->n_redirect_response_codes; i++) {
        unsigned status = msg->redirect_response_codes[i];
        p->codes |= code_bit(status);
        if (!code_bit(status))
            sp_doc_warn(b->doc, b->diag, msg, "redirect_response_codes", (int)i,
                        "without effect: %u is no redirect (301, 302, 303, 307 and 308 are)", status);
    }
}

static struct sp_redirect_names names(struct sp_arena *arena, char *const *list, size_t n)
{
    struct sp_str *v = sp_arena_alloc(arena, (n + 1) * sizeof(*v));
    for (size_t i = 0; i < n; i++)
        v[i] = sp_arena_str(arena, sp_str_c(list[i]));
    return (struct sp_redirect_names){v, (unsigned)n};
}

static bool predicates(struct sp_redirect_policy *p, const struct sp_route_build *b, struct sp_arena *arena, const Policy *msg)
{
    struct sp_redirect_names *lists = sp_arena_alloc(arena, (msg->n_predicates + 1) * sizeof(*lists));
    bool good = true;
    for (size_t i = 0; i < msg->n_predicates; i++) {
        const Google__Protobuf__Any *any = msg->predicates[i]->typed_config;
        const AllowList *allow = sp_doc_any_as(b->doc, any, ALLOW_LIST);
        if (allow) {
            lists[p->n_allowed++] = names(arena, allow->allowed_route_names, allow->n_allowed_route_names);
        } else if (sp_doc_any_as(b->doc, any, PREVIOUS)) {
            p->previous = true;
        } else if (sp_doc_any_as(b->doc, any, SAFE_SCHEME)) {
            p->safe_scheme = true;
        } else {
            sp_doc_err(b->doc, b->diag, msg->predicates[i], "typed_config", -1,
                       "no such predicate (AllowListedRoutesConfig, PreviousRoutesConfig and SafeCrossSchemeConfig are run)");
            good = false;
        }
    }
    p->allowed = lists;
    return good;
}

/* What frames a message or names its host is not an answer's to say. */
static bool copies(struct sp_redirect_policy *p, const struct sp_route_build *b, struct sp_arena *arena, const Policy *msg)
{
    struct sp_str *v = sp_arena_alloc(arena, (msg->n_response_headers_to_copy + 1) * sizeof(*v));
    bool good = true;
    for (size_t i = 0; i < msg->n_response_headers_to_copy; i++) {
        v[i] = sp_route_lower(arena, msg->response_headers_to_copy[i]);
        enum sp_header_id id = sp_header_id(v[i]);
        if (v[i].ptr[0] != ':' && id != SP_H_HOST && id != SP_H_CONTENT_LENGTH && id != SP_H_EXPECT && !sp_header_is_framing(id))
            continue;
        sp_doc_err(b->doc, b->diag, msg, "response_headers_to_copy", (int)i,
                   "%s is no header that a request could take from an answer (take it out)", msg->response_headers_to_copy[i]);
        good = false;
    }
    p->copies = (struct sp_redirect_names){v, (unsigned)msg->n_response_headers_to_copy};
    return good;
}

static bool most(struct sp_redirect_policy *p, const struct sp_route_build *b, const void *msg, const Google__Protobuf__UInt32Value *n)
{
    p->most = n ? n->value : 1;
    if (p->most <= SP_REDIRECTS_MAX)
        return true;
    sp_doc_err(b->doc, b->diag, msg, "max_internal_redirects", -1, "%u: at most %d are followed for one request (make it less)", p->most,
               SP_REDIRECTS_MAX);
    return false;
}

bool sp_redirect_policy_init(struct sp_route *r, const struct sp_route_build *b, struct sp_arena *arena, const Action *action)
{
    assert(r && b && arena && action);
    const Policy *msg = action->internal_redirect_policy;
    if (!msg && action->internal_redirect_action != HANDLE)
        return true;
    struct sp_redirect_policy *p = sp_arena_zalloc(arena, sizeof(*p));
    r->redirects = p;
    if (!msg) {
        p->codes = code_bit(302);
        return most(p, b, action, action->max_internal_redirects);
    }
    p->cross_scheme = msg->allow_cross_scheme_redirect;
    codes(p, b, msg);
    bool good = predicates(p, b, arena, msg);
    good = copies(p, b, arena, msg) && good;
    return most(p, b, msg, msg->max_internal_redirects) && good;
}

/* --- deciding --- */

bool sp_redirect_policy_takes(const struct sp_redirect_policy *p, unsigned status)
{
    return p && p->codes & code_bit(status);
}

static bool path_bytes(struct sp_str path)
{
    for (size_t i = 0; i < path.len; i++)
        if ((unsigned char)path.ptr[i] <= ' ' || (unsigned char)path.ptr[i] >= 0x7f)
            return false;
    return true;
}

static bool scheme_bytes(struct sp_str scheme)
{
    for (size_t i = 0; i < scheme.len; i++)
        if (!((unsigned)(sp_ascii_lower(scheme.ptr[i]) - 'a') < 26))
            return false;
    return scheme.len > 0;
}

bool sp_redirect_parse(struct sp_str location, struct sp_arena *arena, struct sp_redirect_target *ret)
{
    assert(arena && ret);
    ptrdiff_t colon = sp_str_chr(location, ':');
    struct sp_str rest = colon < 0 ? SP_STR_NULL : sp_str_sub(location, (size_t)colon + 1, location.len);
    if (colon < 0 || !sp_str_starts(rest, SP_STR("//")) || !scheme_bytes(sp_str_sub(location, 0, (size_t)colon)))
        return false;
    rest = sp_str_sub(rest, 2, rest.len);
    size_t host = 0;
    while (host < rest.len && rest.ptr[host] != '/' && rest.ptr[host] != '?' && rest.ptr[host] != '#')
        host++;
    struct sp_str path = sp_str_sub(rest, host, rest.len);
    ptrdiff_t fragment = sp_str_chr(path, '#');
    if (fragment >= 0)
        path = sp_str_sub(path, 0, (size_t)fragment);
    if (!sp_authority_valid(sp_str_sub(rest, 0, host)) || !path_bytes(path))
        return false;
    if (!path.len || path.ptr[0] != '/')
        path = sp_arena_cat(arena, SP_STR("/"), path);
    ret->scheme = sp_str_sub(location, 0, (size_t)colon);
    ret->authority = sp_str_sub(rest, 0, host);
    ret->path = path;
    ret->http = sp_str_ieq(ret->scheme, SP_STR("http"));
    return true;
}

static bool is_in(const struct sp_redirect_names *list, struct sp_str name)
{
    for (unsigned i = 0; i < list->n; i++)
        if (sp_str_eq(list->v[i], name))
            return true;
    return false;
}

bool sp_redirect_policy_accepts(const struct sp_redirect_policy *p, const struct sp_redirect_hop *hops, struct sp_str from, struct sp_str to,
                                bool from_http, bool to_http)
{
    assert(p);
    for (unsigned i = 0; i < p->n_allowed; i++)
        if (!is_in(&p->allowed[i], to))
            return false;
    if (p->safe_scheme && from_http && !to_http)
        return false;
    for (; p->previous && hops; hops = hops->before)
        if (sp_str_eq(hops->from, from) && sp_str_eq(hops->to, to))
            return false;
    return true;
}
