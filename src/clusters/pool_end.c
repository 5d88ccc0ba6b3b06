/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts and clusters that a worker leaves, and what becomes of their pools. */
#include <assert.h>

#include "clusters/current.h"
#include "clusters/pool.h"
#include "clusters/pool_impl.h"

static void close_list(struct sp_list *l)
{
    sp_pool_end_list(l, sp_conn_close);
}

static void pool_detach(struct sp_pool *p, bool now)
{
    close_list(&p->idle);
    if (!now)
        return;
    struct sp_list *lists[] = {&p->connecting, &p->ready, &p->busy, &p->leaving};
    for (size_t i = 0; i < SP_ARRAY_LEN(lists); i++)
        close_list(lists[i]);
    sp_pool_fail_first(p, p->n_queued, SP_TICKET_REFUSED, SP_STR("the cluster is gone"));
}

static void detach_all(struct sp_slot *s, bool now)
{
    struct sp_list all; /* what one of them does may make another one retire */
    sp_list_init(&all);
    sp_list_splice(&all, &s->pools);
    for (struct sp_list *n; (n = sp_list_pop(&all)) != NULL;) {
        sp_list_push_back(&s->pools, n);
        pool_detach(SP_CONTAINER_OF(n, struct sp_pool, link), now);
    }
}

void sp_slot_detach(struct sp_slot *s, bool now)
{
    assert(s);
    if (!s->lb)
        return;
    sp_hosts_detach(s);
    s->draining = true;
    s->closed = s->closed || now;
    detach_all(s, now);
    for (size_t i = 0; i < SP_ROUTINGS; i++)
        sp_permits_settle(&s->cluster->breakers[i].connections, s->index);
}

void sp_pool_host_gone(struct sp_slot *s, struct sp_host *h)
{
    assert(s && h && h->parts[s->index].gone);
    for (size_t i = 0; i <= SP_POOL_KINDS; i++)
        for (struct sp_pool *p = h->parts[s->index].pools[i], *next; p; p = next) {
            next = p->next;
            close_list(&p->idle);
            sp_pool_retire(p);
        }
}

void sp_pool_host_drain(struct sp_slot *s, struct sp_host *h)
{
    assert(s && h);
    for (size_t i = 0; i <= SP_POOL_KINDS; i++)
        for (struct sp_pool *p = h->parts[s->index].pools[i]; p; p = p->next) {
            struct sp_list *lists[] = {&p->idle, &p->ready, &p->busy};
            for (size_t k = 0; k < SP_ARRAY_LEN(lists); k++)
                sp_pool_end_list(lists[k], sp_conn_drain);
            sp_pool_serve_later(p);
        }
}
