/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pools a worker has: they are found by host and key, made when first asked for, and retire when nobody will ask again. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/current.h"
#include "clusters/hashed.h"
#include "clusters/lb.h"
#include "clusters/pool.h"
#include "clusters/pool_impl.h"
#include "clusters/subset_lb.h"

static void pool_free(struct sp_grave *g)
{
    free(SP_CONTAINER_OF(g, struct sp_pool, grave));
}

static struct sp_pool **pool_head(struct sp_slot *s, const struct sp_pool_key *key)
{
    return &key->host->parts[s->index].pools[sp_pool_key_named(key) ? SP_POOL_KINDS : (unsigned)key->kind];
}

/* --- those with names: a table, since clients and their requests make them --- */

static struct sp_pool **bucket(const struct sp_slot *s, uint64_t hash)
{
    return &s->named[hash & (s->n_buckets - 1)];
}

static void put_in(struct sp_slot *s, struct sp_pool *p)
{
    struct sp_pool **b = bucket(s, p->hash);
    p->chain = *b;
    *b = p;
}

static void grow_table(struct sp_slot *s)
{
    struct sp_pool **old = s->named;
    unsigned n_old = s->n_buckets;
    s->n_buckets = n_old ? n_old * 2 : 16;
    s->named = sp_xcalloc(s->n_buckets, sizeof(struct sp_pool *));
    for (unsigned i = 0; i < n_old; i++)
        for (struct sp_pool *p = old[i], *next; p; p = next) {
            next = p->chain;
            put_in(s, p);
        }
    free(old);
}

static struct sp_pool *find_named(const struct sp_slot *s, const struct sp_pool_key *key)
{
    uint64_t hash = sp_pool_key_hash(key);
    for (struct sp_pool *p = s->n_named ? *bucket(s, hash) : NULL; p; p = p->chain)
        if (p->hash == hash && sp_pool_key_eq(&p->key, key))
            return p;
    return NULL;
}

static void add_named(struct sp_slot *s, struct sp_pool *p)
{
    if (s->n_named >= s->n_buckets)
        grow_table(s);
    p->hash = sp_pool_key_hash(&p->key);
    put_in(s, p);
    s->n_named++;
}

static void remove_named(struct sp_slot *s, struct sp_pool *p)
{
    struct sp_pool **at = bucket(s, p->hash);
    while (*at != p)
        at = &(*at)->chain;
    *at = p->chain;
    s->n_named--;
}

/* --- all --- */

struct sp_pool *sp_pool_find(struct sp_slot *s, const struct sp_pool_key *key)
{
    assert(s && key && key->host);
    if (sp_pool_key_named(key))
        return find_named(s, key);
    for (struct sp_pool *p = *pool_head(s, key); p; p = p->next)
        if (p->key.routing == key->routing)
            return p;
    return NULL;
}

static void client_gone(struct sp_conn_watch *w)
{
    struct sp_pool *p = SP_CONTAINER_OF(w, struct sp_pool, watch);
    p->forsaken = true;
    sp_pool_end_list(&p->idle, sp_conn_close);
}

struct sp_pool *sp_pool_add(struct sp_slot *s, const struct sp_pool_key *key)
{
    assert(s && key && key->host);
    struct sp_pool *p = sp_xcalloc(1, sizeof(*p) + key->sni.len + key->verify_name.len + key->first.len);
    p->slot = s;
    sp_pool_key_copy(&p->key, key, p->names);
    struct sp_list *lists[] = {&p->connecting, &p->idle, &p->ready, &p->busy, &p->leaving, &p->queue, &p->starved.link, &p->link, &p->watch.link};
    for (size_t i = 0; i < SP_ARRAY_LEN(lists); i++)
        sp_list_init(lists[i]);
    p->starved.routing = key->routing;
    p->grave.free = pool_free;
    p->watch.gone = client_gone;
    p->at = pool_head(s, key);
    p->next = *p->at;
    *p->at = p;
    if (p->next)
        p->next->at = &p->next;
    if (sp_pool_key_named(key))
        add_named(s, p);
    sp_list_push_back(&s->pools, &p->link);
    sp_host_hold(key->host, s->index);
    return p;
}

void sp_pool_belong(struct sp_pool *p, const struct sp_pool_key *key)
{
    assert(p && key);
    if (!key->personal || sp_list_linked(&p->watch.link))
        return;
    p->forsaken = !key->conn || !key->conn->watches;
    if (!p->forsaken)
        sp_list_push_back(key->conn->watches, &p->watch.link);
}

/* One that a name or header of a request made, of a host that is gone, or of a limited number lives as long as it has something to do. */
void sp_pool_retire(struct sp_pool *p)
{
    assert(p);
    if (p->n_conns || p->n_queued || !sp_list_linked(&p->link))
        return;
    bool few = sp_pool_breakers(p)->pools.limit != UINT32_MAX;
    if (!few && !sp_pool_key_named(&p->key) && !sp_pool_orphaned(p))
        return;
    sp_permit_give(&sp_pool_breakers(p)->pools, p->slot->index);
    *p->at = p->next;
    if (p->next)
        p->next->at = p->at;
    if (sp_pool_key_named(&p->key))
        remove_named(p->slot, p);
    sp_list_remove(&p->link);
    sp_list_remove(&p->watch.link);
    sp_starve_cancel(p->slot, &p->starved);
    sp_defer_cancel(&p->serve);
    sp_host_let_go(p->key.host, p->slot->index);
    sp_bury(p->slot->turn, &p->grave);
}

void sp_slot_done(struct sp_slot *s)
{
    assert(s && !s->n_connections && sp_list_empty(&s->starved));
    if (!s->lb)
        return;
    for (struct sp_list *n; (n = sp_list_pop(&s->pools)) != NULL;) {
        struct sp_pool *p = SP_CONTAINER_OF(n, struct sp_pool, link);
        assert(!p->n_conns && !p->n_queued && !sp_list_linked(&p->serve.link));
        sp_permit_give(&sp_pool_breakers(p)->pools, s->index);
        sp_host_let_go(p->key.host, s->index);
        sp_list_remove(&p->watch.link);
#ifndef __clang_analyzer__ /* to which the host might have put it into the list again */
        free(p);
#endif
    }
    free(s->named);
    s->named = NULL;
    s->n_named = s->n_buckets = 0;
    sp_subset_lb_free(s);
    sp_lb_free(s->lb);
    s->lb = NULL;
    sp_hashed_unref(s->hashed);
    s->hashed = NULL;
    sp_host_set_unref(s->hosts);
    s->hosts = NULL;
}
