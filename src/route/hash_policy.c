/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route/hash_policy.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash64.h"
#include "route/duration.h"
#include "route/route_match.h"

typedef Envoy__Config__Route__V3__RouteAction__HashPolicy HashPolicy;
typedef Envoy__Config__Route__V3__RouteAction__HashPolicy__Cookie Cookie;
typedef Envoy__Config__Route__V3__RouteAction__HashPolicy__Header Header;
#define KIND(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HASH_POLICY__POLICY_SPECIFIER_##name

enum { VALUES_MOST = 64, REWRITTEN_MOST = 64 * 1024 };

static bool header(struct sp_hash_policy *p, const struct sp_route_build *b, struct sp_arena *arena, const Header *msg)
{
    p->kind = SP_HASH_HEADER;
    p->name = sp_arena_str(arena, sp_str_c(msg->header_name));
    for (size_t i = 0; i < p->name.len; i++)
        ((char *)(uintptr_t)p->name.ptr)[i] = sp_ascii_lower(p->name.ptr[i]);
    if (!msg->regex_rewrite)
        return true;
    p->regex = sp_regex_new_substitute(b->doc, b->diag, msg->regex_rewrite);
    p->with = sp_arena_str(arena, sp_str_c(msg->regex_rewrite->substitution));
    return p->regex != NULL;
}

static void cookie(struct sp_hash_policy *p, struct sp_arena *arena, const Cookie *msg)
{
    p->kind = SP_HASH_COOKIE;
    p->name = sp_arena_str(arena, sp_str_c(msg->name));
    p->generates = msg->ttl != NULL;
    uint64_t s = sp_duration_or(msg->ttl, 0) / 1000000000ull;
    struct sp_str t = s ? sp_arena_printf(arena, "; Max-Age=%llu", (unsigned long long)s) : SP_STR("");
    if (msg->path[0])
        t = sp_arena_printf(arena, "%.*s; Path=%s", SP_STR_ARG(t), msg->path);
    for (size_t i = 0; i < msg->n_attributes; i++)
        t = sp_arena_printf(arena, "%.*s; %s%s%s", SP_STR_ARG(t), msg->attributes[i]->name,
                            msg->attributes[i]->value[0] ? "=" : "", msg->attributes[i]->value);
    p->tail = sp_arena_printf(arena, "%.*s; HttpOnly", SP_STR_ARG(t));
}

bool sp_hash_policies_init(struct sp_route *r, const struct sp_route_build *b, struct sp_arena *arena,
                           const Envoy__Config__Route__V3__RouteAction *msg)
{
    assert(r && b && arena && msg);
    bool good = true;
    r->hash_policies = sp_arena_zalloc(arena, (msg->n_hash_policy + 1) * sizeof(*r->hash_policies));
    for (size_t i = 0; i < msg->n_hash_policy; i++) {
        const HashPolicy *m = msg->hash_policy[i];
        if (m->policy_specifier_case == KIND(CONNECTION_PROPERTIES) && !m->connection_properties->source_ip)
            continue; /* nothing to hash */
        struct sp_hash_policy *p = &r->hash_policies[r->n_hash_policies++];
        p->terminal = m->terminal;
        switch (m->policy_specifier_case) {
        case KIND(HEADER):
            good = header(p, b, arena, m->header) && good;
            break;
        case KIND(COOKIE):
            cookie(p, arena, m->cookie);
            break;
        case KIND(QUERY_PARAMETER):
            p->kind = SP_HASH_QUERY;
            p->name = sp_arena_str(arena, sp_str_c(m->query_parameter->name));
            break;
        default: /* a rule has seen to it that there is one */
            p->kind = SP_HASH_SOURCE_IP;
        }
    }
    return good;
}

void sp_hash_policies_done(struct sp_route *r)
{
    for (unsigned i = 0; i < r->n_hash_policies; i++)
        sp_regex_free(r->hash_policies[i].regex);
}

static int by_text(const void *a, const void *b)
{
    return sp_str_cmp(*(const struct sp_str *)a, *(const struct sp_str *)b);
}

/* Of a pseudo-header, or all lines of a header in an order of their own. */
static bool hash_header(const struct sp_hash_policy *p, const struct sp_headers *h, struct sp_arena *arena, uint64_t *ret)
{
    struct sp_str v[VALUES_MOST];
    unsigned n = 0;
    if (p->name.ptr[0] == ':') {
        v[0] = sp_str_eq(p->name, SP_STR(":path"))        ? h->path
               : sp_str_eq(p->name, SP_STR(":authority")) ? h->authority
               : sp_str_eq(p->name, SP_STR(":method"))    ? h->method
               : sp_str_eq(p->name, SP_STR(":scheme"))    ? h->scheme
                                                          : SP_STR_NULL;
        n = v[0].len != 0;
    } else {
        for (struct sp_header *l = NULL; n < VALUES_MOST && (l = sp_headers_find(h, p->name, l)) != NULL;)
            v[n++] = l->value;
    }
    for (unsigned i = 0; p->regex && i < n; i++)
        v[i] = sp_regex_substitute(p->regex, v[i], p->with, REWRITTEN_MOST, arena);
    qsort(v, n, sizeof(*v), by_text);
    *ret = 0;
    for (unsigned i = 0; i < n; i++)
        *ret = sp_xxh64(v[i], *ret);
    return n != 0;
}

static struct sp_str make_cookie(const struct sp_hash_policy *p, const struct sp_addr *client, const struct sp_addr *local,
                                 struct sp_arena *arena, struct sp_request_hash *ret)
{
    char text[2 * SP_ADDR_TEXT_MAX];
    size_t n = sp_addr_format(client, text);
    n += sp_addr_format(local, text + n);
    struct sp_str value = sp_arena_printf(arena, "%016llx", (unsigned long long)sp_xxh64((struct sp_str){text, n}, 0));
    ret->cookies[ret->n_cookies++] =
        sp_arena_printf(arena, "%.*s=\"%.*s\"%.*s", SP_STR_ARG(p->name), SP_STR_ARG(value), SP_STR_ARG(p->tail));
    return value;
}

static bool hash_one(const struct sp_hash_policy *p, const struct sp_headers *h, const struct sp_addr *client,
                     const struct sp_addr *local, struct sp_arena *arena, struct sp_request_hash *out, uint64_t *ret)
{
    char text[SP_ADDR_TEXT_MAX];
    struct sp_str value;
    switch (p->kind) {
    case SP_HASH_HEADER:
        return hash_header(p, h, arena, ret);
    case SP_HASH_COOKIE:
        value = sp_request_cookie(h, p->name);
        if (!value.len && p->generates)
            value = make_cookie(p, client, local, arena, out);
        if (!value.len)
            return false;
        break;
    case SP_HASH_QUERY:
        value = sp_query_parameter(h->path, p->name);
        if (!value.ptr)
            return false;
        break;
    default:
        if (client->family != AF_INET && client->family != AF_INET6)
            return false;
        value = (struct sp_str){text, sp_addr_format_ip(client, text)};
    }
    *ret = sp_xxh64(value, 0);
    return true;
}

void sp_route_hash(const struct sp_route *r, const struct sp_headers *h, const struct sp_addr *client,
                   const struct sp_addr *local, struct sp_arena *arena, struct sp_request_hash *ret)
{
    assert(r && h && client && local && arena && ret);
    *ret = (struct sp_request_hash){0};
    if (!r->n_hash_policies)
        return;
    ret->cookies = sp_arena_alloc(arena, r->n_hash_policies * sizeof(*ret->cookies));
    for (unsigned i = 0; i < r->n_hash_policies; i++) {
        uint64_t one;
        if (hash_one(&r->hash_policies[i], h, client, local, arena, ret, &one)) {
            ret->hash = (ret->hash << 1 | ret->hash >> 63) ^ one; /* two that are the same shall not cancel out */
            ret->hashed = true;
        }
        if (ret->hashed && r->hash_policies[i].terminal)
            return;
    }
}
