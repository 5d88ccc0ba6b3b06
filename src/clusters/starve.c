/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/starve.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

enum { POLL_MS = 10 };

static bool evict_idle(struct sp_slot *s)
{
    struct sp_list *n = sp_list_first(&s->idle);
    if (!n)
        return false;
    struct sp_conn *c = SP_CONTAINER_OF(n, struct sp_conn, idle_link);
    sp_conn_close(c);
    c->events->changed(c);
    return true;
}

struct beg_msg {
    struct sp_msg msg;
    struct sp_slot *slot;
};

static void run_beg(struct sp_msg *m)
{
    struct beg_msg *b = SP_CONTAINER_OF(m, struct beg_msg, msg);
    struct sp_cluster *c = b->slot->cluster;
    if (sp_starve_anybody(b->slot) && !b->slot->starving) {
        evict_idle(b->slot);
        sp_permits_settle(&c->connections, b->slot->index);
    }
    free(b);
    sp_cluster_drop(c);
}

static void beg(struct sp_slot *s)
{
    for (unsigned i = 0; i < s->cluster->n_slots; i++) {
        struct sp_slot *other = &s->cluster->slots[i];
        if (other == s || !atomic_load_explicit(&other->attached, memory_order_acquire))
            continue;
        struct beg_msg *b = sp_xcalloc(1, sizeof(*b));
        b->msg.run = run_beg;
        b->slot = other;
        sp_cluster_hold(s->cluster);
        sp_worker_post(other->worker, &b->msg);
    }
}

static void sated(struct sp_slot *s)
{
    if (!s->starving || !sp_list_empty(&s->starved))
        return;
    s->starving = false;
    sp_timer_stop(&s->starve_timer);
    atomic_fetch_sub_explicit(&s->cluster->n_starving, 1, memory_order_relaxed);
}

void sp_starve(struct sp_slot *s, struct sp_starved *w)
{
    assert(s && w && w->again);
    if (sp_list_linked(&w->link))
        return;
    sp_list_push_back(&s->starved, &w->link);
    bool evicted = evict_idle(s);
    if (s->starving)
        return;
    s->starving = true;
    atomic_fetch_add_explicit(&s->cluster->n_starving, 1, memory_order_relaxed);
    sp_timer_start(s->turn, &s->starve_timer, POLL_MS * SP_NS_PER_MS);
    if (!evicted)
        beg(s);
}

void sp_starve_cancel(struct sp_slot *s, struct sp_starved *w)
{
    assert(s && w);
    sp_list_remove(&w->link);
    sated(s);
}

void sp_starve_feed(struct sp_slot *s)
{
    assert(s);
    struct sp_list *n;
    while ((n = sp_list_first(&s->starved)) != NULL) {
        struct sp_starved *w = SP_CONTAINER_OF(n, struct sp_starved, link);
        sp_list_remove(&w->link);
        w->again(w);
        if (sp_list_linked(&w->link))
            break; /* still none; it stands behind the others now */
    }
    sated(s);
}

static void on_timer(struct sp_timer *t)
{
    struct sp_slot *s = SP_CONTAINER_OF(t, struct sp_slot, starve_timer);
    sp_timer_start(s->turn, t, POLL_MS * SP_NS_PER_MS);
    sp_starve_feed(s);
    if (s->starving)
        beg(s);
}

void sp_starve_init(struct sp_slot *s)
{
    assert(s);
    sp_list_init(&s->starved);
    s->starve_timer.fire = on_timer;
}
