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
    return &key->host->parts[s->index].pools[key->kind];
}

struct sp_pool *sp_pool_find(struct sp_slot *s, const struct sp_pool_key *key)
{
    assert(s && key && key->host);
    struct sp_pool **head = pool_head(s, key);
    for (struct sp_pool **at = head; *at; at = &(*at)->next) {
        struct sp_pool *p = *at;
        if (!sp_pool_key_eq(&p->key, key))
            continue;
        if (at != head) { /* names that are asked for often are found soon */
            *at = p->next;
            p->next = *head;
            *head = p;
        }
        return p;
    }
    return NULL;
}

struct sp_pool *sp_pool_add(struct sp_slot *s, const struct sp_pool_key *key)
{
    assert(s && key && key->host);
    struct sp_pool *p = sp_xcalloc(1, sizeof(*p) + key->sni.len + key->verify_name.len + key->first.len);
    p->slot = s;
    sp_pool_key_copy(&p->key, key, p->names);
    struct sp_list *lists[] = {&p->connecting, &p->idle, &p->ready, &p->busy, &p->leaving, &p->queue, &p->starved.link, &p->link};
    for (size_t i = 0; i < SP_ARRAY_LEN(lists); i++)
        sp_list_init(lists[i]);
    p->starved.routing = key->routing;
    p->grave.free = pool_free;
    struct sp_pool **head = pool_head(s, key);
    p->next = *head;
    *head = p;
    sp_list_push_back(&s->pools, &p->link);
    sp_host_hold(key->host, s->index);
    return p;
}

/* One that a name or header of a request made, of a host that is gone, or of a limited number lives as long as it has something to do. */
void sp_pool_retire(struct sp_pool *p)
{
    assert(p);
    if (p->n_conns || p->n_queued || !sp_list_linked(&p->link))
        return;
    bool few = sp_pool_breakers(p)->pools.limit != UINT32_MAX;
    if (!few && !p->key.sni.len && !p->key.verify_name.len && !p->key.first.len && !sp_pool_orphaned(p))
        return;
    sp_permit_give(&sp_pool_breakers(p)->pools, p->slot->index);
    struct sp_pool **at = pool_head(p->slot, &p->key);
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    sp_list_remove(&p->link);
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
        free(p);
    }
    sp_subset_lb_free(s);
    sp_lb_free(s->lb);
    s->lb = NULL;
    sp_hashed_unref(s->hashed);
    s->hashed = NULL;
    sp_host_set_unref(s->hosts);
    s->hosts = NULL;
}
