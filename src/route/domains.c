/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route/domains.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "route/trie.h"

/* Owners by slot of a trie. */
struct owners {
    uint32_t *v;
    uint32_t cap;
};

struct sp_domains {
    struct sp_trie *forward;  /* exact names and prefixes; a name may be both */
    struct sp_trie *backward; /* suffixes */
    struct owners exact, prefix, suffix;
    bool prefixes;
    uint32_t any;
};

struct sp_domains *sp_domains_new(void)
{
    struct sp_domains *d = sp_xcalloc(1, sizeof(*d));
    d->forward = sp_trie_new(SP_TRIE_FOLD);
    d->backward = sp_trie_new(SP_TRIE_FOLD | SP_TRIE_REVERSE);
    d->any = SP_DOMAINS_NONE;
    return d;
}

void sp_domains_free(struct sp_domains *d)
{
    if (!d)
        return;
    sp_trie_free(d->forward);
    sp_trie_free(d->backward);
    free(d->exact.v);
    free(d->prefix.v);
    free(d->suffix.v);
    free(d);
}

static void grow(struct owners *o, uint32_t slot)
{
    while (slot >= o->cap) {
        uint32_t cap = o->cap ? o->cap * 2 : 8;
        o->v = sp_xrealloc(o->v, cap * sizeof(*o->v));
        while (o->cap < cap)
            o->v[o->cap++] = SP_DOMAINS_NONE;
    }
}

static int claim(uint32_t *place, uint32_t owner, uint32_t *ret_owner)
{
    if (*place != SP_DOMAINS_NONE) {
        *ret_owner = *place;
        return -EEXIST;
    }
    *place = owner;
    return 0;
}

int sp_domains_add(struct sp_domains *d, struct sp_str domain, uint32_t owner, uint32_t *ret_owner)
{
    assert(d && domain.len && owner != SP_DOMAINS_NONE && ret_owner);
    if (sp_str_eq(domain, SP_STR("*")))
        return claim(&d->any, owner, ret_owner);
    bool suffix = domain.ptr[0] == '*', prefix = !suffix && domain.ptr[domain.len - 1] == '*';
    struct sp_str name = sp_str_sub(domain, suffix, domain.len - prefix);
    if (sp_str_chr(name, '*') >= 0)
        return -EINVAL;
    uint32_t slot = sp_trie_add(suffix ? d->backward : d->forward, name);
    struct owners *o = suffix ? &d->suffix : prefix ? &d->prefix : &d->exact;
    if (!suffix) {
        grow(&d->exact, slot);
        grow(&d->prefix, slot);
        d->prefixes |= prefix;
    } else {
        grow(&d->suffix, slot);
    }
    return claim(&o->v[slot], owner, ret_owner);
}

void sp_domains_build(struct sp_domains *d)
{
    assert(d);
    sp_trie_build(d->forward);
    sp_trie_build(d->backward);
}

/* The longest key that is a wildcard's and shorter than the text. */
static uint32_t longest(const struct sp_trie *t, struct sp_trie_hit hit, const struct owners *o)
{
    uint32_t slot = hit.longest;
    while (slot != SP_TRIE_NONE && (slot == hit.exact || o->v[slot] == SP_DOMAINS_NONE))
        slot = sp_trie_up(t, slot);
    return slot == SP_TRIE_NONE ? SP_DOMAINS_NONE : o->v[slot];
}

uint32_t sp_domains_find(const struct sp_domains *d, struct sp_str authority)
{
    assert(d);
    struct sp_trie_hit forward = {SP_TRIE_NONE, SP_TRIE_NONE};
    if (sp_trie_count(d->forward))
        forward = sp_trie_find(d->forward, authority);
    if (forward.exact != SP_TRIE_NONE && d->exact.v[forward.exact] != SP_DOMAINS_NONE)
        return d->exact.v[forward.exact];
    uint32_t owner = SP_DOMAINS_NONE;
    if (sp_trie_count(d->backward))
        owner = longest(d->backward, sp_trie_find(d->backward, authority), &d->suffix);
    if (owner == SP_DOMAINS_NONE && d->prefixes)
        owner = longest(d->forward, forward, &d->prefix);
    return owner == SP_DOMAINS_NONE ? d->any : owner;
}

struct sp_str sp_authority_host(struct sp_str a)
{
    for (size_t i = a.len; i && a.ptr[i - 1] != ']'; i--)
        if (a.ptr[i - 1] == ':')
            return sp_str_n(a.ptr, i - 1);
    return a;
}
