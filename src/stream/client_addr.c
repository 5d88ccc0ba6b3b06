/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/client_addr.h"

#include <assert.h>

/* Takes the last entry of a list off *s; false when there is none left. */
static bool take_last(struct sp_str *s, struct sp_str *ret_entry)
{
    if (!s->ptr)
        return false;
    size_t i = s->len;
    while (i && s->ptr[i - 1] != ',')
        i--;
    *ret_entry = sp_str_trim(sp_str_sub(*s, i, s->len));
    *s = i ? sp_str_sub(*s, 0, i - 1) : SP_STR_NULL;
    return true;
}

/* x-forwarded-for has addresses without ports and brackets. */
static bool parse(struct sp_str entry, struct sp_addr *ret)
{
    return entry.len && entry.ptr[0] != '[' && sp_addr_parse_ip(entry, ret) == 0;
}

struct sp_str sp_client_xff(const struct sp_headers *h)
{
    assert(h);
    const struct sp_header *first = NULL;
    for (unsigned i = 0; i < h->n; i++) {
        if (h->v[i].id != SP_H_X_FORWARDED_FOR)
            continue;
        if (first)
            return sp_headers_joined(h, SP_STR("x-forwarded-for"));
        first = &h->v[i];
    }
    return first ? first->value : SP_STR_NULL;
}

/* The n-th address from the right, 0 being the last. *ret_only: there is no other. */
static bool nth_from_right(struct sp_str list, uint32_t n, struct sp_addr *ret, bool *ret_only)
{
    struct sp_str entry;
    bool first = true;
    do {
        if (!take_last(&list, &entry))
            return false;
        *ret_only = first && !list.ptr;
        first = false;
    } while (n--);
    return parse(entry, ret);
}

/* From the right to the first address that is not a trusted proxy; if all are, the leftmost. */
static bool first_untrusted(const struct sp_cidr_table *trusted, struct sp_str list, struct sp_addr *ret)
{
    struct sp_str entry;
    unsigned n = 0;
    struct sp_addr addr = {0};
    while (take_last(&list, &entry)) {
        if (++n > SP_XFF_MAX_ENTRIES || !parse(entry, &addr))
            return false;
        if (!sp_cidr_table_find(trusted, &addr, NULL, NULL))
            break;
    }
    if (!n)
        return false;
    *ret = addr;
    return true;
}

static bool is_internal(const struct sp_client_rules *r, const struct sp_addr *a)
{
    if (a->family == AF_UNIX)
        return r->internal_unix;
    return r->internal && sp_cidr_table_find(r->internal, a, NULL, NULL);
}

bool sp_client_rules_derive(const struct sp_client_rules *r)
{
    assert(r);
    return r->use_remote_address || r->hops || r->trusted;
}

static void find_at_edge(const struct sp_client_rules *r, struct sp_str list, struct sp_client *ret)
{
    bool only;
    ret->believe_proto = r->hops > 0;
    if (r->hops && !nth_from_right(list, r->hops - 1, &ret->addr, &only))
        ret->failed = true;
    ret->internal = !list.ptr && is_internal(r, &ret->addr);
    ret->edge = !ret->internal;
}

static void find_by_cidrs(const struct sp_client_rules *r, struct sp_str list, struct sp_client *ret)
{
    ret->edge = true;
    ret->believe_proto = sp_cidr_table_find(r->trusted, &ret->addr, NULL, NULL);
    if (ret->believe_proto && list.ptr)
        ret->failed = !first_untrusted(r->trusted, list, &ret->addr);
}

static void find_inside(const struct sp_client_rules *r, struct sp_str list, struct sp_client *ret)
{
    bool only = false;
    bool found = nth_from_right(list, r->hops, &ret->addr, &only);
    ret->believe_proto = true;
    ret->failed = !found && r->hops > 0;
    ret->internal = found && only && is_internal(r, &ret->addr);
}

void sp_client_find(const struct sp_client_rules *r, const struct sp_addr *peer, struct sp_str xff,
                    struct sp_client *ret)
{
    assert(r && peer && ret);
    *ret = (struct sp_client){.addr = *peer};
    if (r->use_remote_address)
        find_at_edge(r, xff, ret);
    else if (r->trusted)
        find_by_cidrs(r, xff, ret);
    else
        find_inside(r, xff, ret);
    ret->derived = !ret->failed && sp_client_rules_derive(r);
}

void sp_client_stranger(const struct sp_addr *peer, struct sp_client *ret)
{
    assert(peer && ret);
    *ret = (struct sp_client){.addr = *peer, .edge = true};
}

void sp_client_proven(const struct sp_client_rules *r, const struct sp_addr *client, struct sp_client *ret)
{
    assert(r && client && ret);
    *ret = (struct sp_client){.addr = *client, .derived = true, .edge = true};
    ret->believe_proto = !r->use_remote_address || r->hops > 0;
}
