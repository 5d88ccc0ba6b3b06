/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/adopt.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/hashed.h"
#include "clusters/lb.h"
#include "clusters/pool.h"
#include "clusters/subset_lb.h"

struct adopt_msg {
    struct sp_msg msg;
    struct sp_cluster *cluster; /* held */
    struct sp_slot *slot;
    struct sp_host_set *set;  /* a reference */
    struct sp_hashed *hashed; /* a reference, or NULL */
};

static void leave(struct sp_slot *s, struct sp_host *h)
{
    sp_host_ref(h); /* for what the worker still has of it */
    sp_host_hold(h, s->index);
    h->parts[s->index].gone = true;
    sp_pool_host_gone(s, h);
    sp_host_let_go(h, s->index);
}

static void adopt(struct sp_slot *s, struct sp_host_set *fresh)
{
    struct sp_host_set *old = s->hosts;
    s->hosts = fresh;
    s->stamp++;
    for (unsigned i = 0; i < fresh->n; i++) {
        struct sp_host_part *p = &fresh->v[i].host->parts[s->index];
        bool other = p->socket != fresh->v[i].socket;
        p->stamp = s->stamp;
        p->socket = fresh->v[i].socket;
        p->zone_stats = fresh->v[i].zone_stats;
        sp_host_part_meta(p, fresh->v[i].meta);
        if (fresh->logical)
            p->addr = fresh->v[i].addr;
        if (SP_UNLIKELY(other)) /* what it has is not as it has to be */
            sp_pool_host_drain(s, fresh->v[i].host);
    }
    sp_subset_lb_free(s);
    sp_lb_free(s->lb);
    sp_lb_new(s);
    sp_subset_lb_new(s);
    sp_slot_judge(s);
    bool changed = old->n != fresh->n;
    for (unsigned i = 0; i < old->n; i++)
        if (old->v[i].host->parts[s->index].stamp != s->stamp) {
            leave(s, old->v[i].host);
            changed = true;
        }
    for (unsigned i = 0; changed && s->cluster->lb.close_on_change && i < fresh->n; i++)
        sp_pool_host_drain(s, fresh->v[i].host);
    sp_host_set_unref(old);
}

static void take(struct adopt_msg *m)
{
    struct sp_slot *s = m->slot;
    struct sp_hashed *tables = s->hashed; /* of the hosts before: they end together */
    if (m->hashed)
        s->hashed = sp_hashed_ref(m->hashed);
    if (m->set != s->hosts)
        adopt(s, sp_host_set_ref(m->set));
    if (m->hashed)
        sp_hashed_unref(tables);
}

static void run_adopt(struct sp_msg *msg)
{
    struct adopt_msg *m = SP_CONTAINER_OF(msg, struct adopt_msg, msg);
    if (atomic_load_explicit(&m->slot->attached, memory_order_relaxed))
        take(m);
    sp_hashed_unref(m->hashed);
    sp_host_set_unref(m->set);
    sp_cluster_drop(m->cluster);
    free(m);
}

void sp_adopt_post(struct sp_cluster *c, struct sp_host_set *set, struct sp_hashed *hashed)
{
    assert(c && set);
    for (unsigned i = 0; i < c->n_slots; i++) {
        struct sp_slot *s = &c->slots[i];
        if (!atomic_load_explicit(&s->attached, memory_order_relaxed))
            continue;
        struct adopt_msg *m = sp_xcalloc(1, sizeof(*m));
        *m = (struct adopt_msg){.msg.run = run_adopt, .cluster = c, .slot = s, .set = sp_host_set_ref(set),
                                .hashed = hashed ? sp_hashed_ref(hashed) : NULL};
        sp_cluster_hold(c);
        sp_worker_post(s->worker, &m->msg);
    }
}
