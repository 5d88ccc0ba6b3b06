/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Those who wait for a connection of a pool, in the order in which they came. */
#include <assert.h>

#include "clusters/pool_impl.h"

void sp_pool_enqueue(struct sp_pool *p, struct sp_ticket *t)
{
    assert(p && t && !t->pool);
    t->pool = p;
    sp_list_push_back(&p->queue, &t->link);
    p->n_queued++;
    sp_counter_inc(sp_pool_stats(p)->upstream_rq_pending_total);
    sp_gauge_inc(sp_pool_stats(p)->upstream_rq_pending_active);
    sp_host_gauge(&p->key.host->parts[p->slot->index].rq_pending, 1);
}

void sp_pool_dequeue(struct sp_pool *p, struct sp_ticket *t)
{
    assert(t->pool == p && p->n_queued > 0);
    sp_list_remove(&t->link);
    t->pool = NULL;
    p->n_queued--;
    sp_gauge_dec(sp_pool_stats(p)->upstream_rq_pending_active);
    sp_host_gauge(&p->key.host->parts[p->slot->index].rq_pending, -1);
    sp_permit_give(&sp_pool_breakers(p)->pending, p->slot->index);
}

/* Fails the first n in line. Their callbacks may take others out of it or put new ones in. */
void sp_pool_fail_first(struct sp_pool *p, unsigned n, enum sp_ticket_failure why, struct sp_str text)
{
    assert(p);
    while (n-- && p->n_queued) {
        struct sp_ticket *t = SP_CONTAINER_OF(sp_list_first(&p->queue), struct sp_ticket, link);
        sp_pool_dequeue(p, t);
        if (why != SP_TICKET_OVERFLOW)
            sp_counter_inc(sp_pool_stats(p)->upstream_rq_pending_failure_eject);
        t->ops->failed(t, why, text);
    }
}

void sp_pool_serve_later(struct sp_pool *p)
{
    assert(p);
    if (p->n_queued)
        sp_defer(p->slot->turn, &p->serve);
}
