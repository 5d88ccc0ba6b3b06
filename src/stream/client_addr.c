/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/client_addr.h"

#include <assert.h>

static bool is_internal(const struct sp_client_rules *r, const struct sp_addr *a)
{
    if (a->family == AF_UNIX)
        return r->internal_unix;
    return r->internal && sp_cidr_table_find(r->internal, a, NULL, NULL);
}

/* The n-th address from the right, 0 being the last. */
static bool nth_from_right(struct sp_str list, uint32_t n, struct sp_addr *ret)
{
    return sp_xff_parse(sp_xff_from_right(list, n), ret);
}

static bool is_only(struct sp_str list)
{
    return list.ptr && sp_str_chr(list, ',') < 0;
}

bool sp_client_rules_derive(const struct sp_client_rules *r)
{
    assert(r);
    bool named = r->use_remote_address || r->hops;
    for (unsigned i = 0; i < r->n_ext; i++)
        named |= r->ext[i].kind != SP_CLIENT_XFF_HOPS || r->ext[i].hops;
    return named;
}

static void find_at_edge(const struct sp_client_rules *r, struct sp_str list, struct sp_client *ret)
{
    ret->believe_proto = r->hops > 0;
    ret->append = r->append;
    if (r->hops && !nth_from_right(list, r->hops - 1, &ret->addr))
        ret->failed = true;
    ret->internal = !list.ptr && is_internal(r, &ret->addr);
    ret->edge = !ret->internal;
}

/* Inside a network: everybody's x-forwarded-for is believed. True: an address was found. */
static bool find_inside(const struct sp_client_rules *r, uint32_t hops, struct sp_str list, struct sp_client *ret)
{
    bool found = nth_from_right(list, hops, &ret->addr);
    ret->believe_proto = true;
    ret->failed |= !found && hops > 0;
    ret->internal = found && hops == 0 && is_only(list) && is_internal(r, &ret->addr);
    return found;
}

static bool find_by_cidrs(const struct sp_client_ext *e, struct sp_str list, struct sp_client *ret)
{
    ret->edge = ret->believe_proto = true;
    bool found = list.ptr && sp_xff_first_untrusted(list, e->trusted, &ret->addr);
    ret->failed |= list.ptr && !found;
    return found;
}

/* Of several lines nobody knows which is the trusted proxy's (Envoy takes the first). */
static bool find_by_header(const struct sp_client_rules *r, const struct sp_client_ext *e, const struct sp_headers *h,
                           struct sp_client *ret)
{
    const struct sp_header *line = sp_headers_find(h, e->header, NULL);
    bool found = line && !sp_headers_find(h, e->header, line) && sp_xff_parse(line->value, &ret->addr);
    ret->internal = found && e->may_be_internal && is_internal(r, &ret->addr);
    ret->edge = !ret->internal;
    ret->believe_proto = r->proof;
    ret->failed |= !found;
    ret->reject = found ? 0 : e->reject;
    return found;
}

static bool find_by_ext(const struct sp_client_rules *r, const struct sp_client_ext *e, const struct sp_headers *h,
                        struct sp_str list, struct sp_client *ret)
{
    switch (e->kind) {
    case SP_CLIENT_XFF_HOPS:
        return find_inside(r, e->hops, list, ret);
    case SP_CLIENT_XFF_CIDRS:
        return find_by_cidrs(e, list, ret);
    case SP_CLIENT_HEADER:
        return find_by_header(r, e, h, ret);
    }
    return false;
}

/* The first that finds an address counts; a peer that is no trusted proxy, and a refusal, end the search. */
static void find_by_exts(const struct sp_client_rules *r, const struct sp_headers *h, struct sp_str list,
                         struct sp_client *ret)
{
    bool edge = false;
    for (unsigned i = 0; i < r->n_ext; i++) {
        const struct sp_client_ext *e = &r->ext[i];
        if (e->kind == SP_CLIENT_XFF_CIDRS && !sp_cidr_table_find(e->trusted, &ret->addr, NULL, NULL)) {
            const struct sp_addr peer = ret->addr;
            sp_client_stranger(&peer, ret);
            return;
        }
        bool found = find_by_ext(r, e, h, list, ret);
        edge |= ret->edge;
        ret->append = e->append;
        if (found)
            ret->failed = false;
        if (found || ret->reject)
            break;
    }
    ret->edge = edge && !ret->internal;
}

void sp_client_find(const struct sp_client_rules *r, const struct sp_addr *peer, const struct sp_headers *h,
                    struct sp_client *ret)
{
    assert(r && peer && h && ret);
    struct sp_str list = sp_xff_list(h);
    *ret = (struct sp_client){.addr = *peer};
    if (r->use_remote_address)
        find_at_edge(r, list, ret);
    else if (r->n_ext)
        find_by_exts(r, h, list, ret);
    else
        find_inside(r, r->hops, list, ret);
    ret->derived = !ret->failed && sp_client_rules_derive(r);
}

void sp_client_stranger(const struct sp_addr *peer, struct sp_client *ret)
{
    assert(peer && ret);
    *ret = (struct sp_client){.addr = *peer, .edge = true, .stranger = true};
}

void sp_client_proven(const struct sp_client_rules *r, const struct sp_addr *client, struct sp_client *ret)
{
    assert(r && client && ret);
    *ret = (struct sp_client){.addr = *client, .derived = true, .edge = true};
    ret->believe_proto = !r->use_remote_address || r->hops > 0;
    ret->append = r->append;
    for (unsigned i = 0; i < r->n_ext; i++)
        ret->append |= r->ext[i].append;
}
