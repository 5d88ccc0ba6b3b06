/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/starve.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

enum {
    POLL_MS = 10,
    BEG_MAX = 8, /* of those who wait on a worker, so many ask others at a time */
};

static bool frees(const struct sp_conn *c, enum sp_routing routing, const struct sp_host *host)
{
    return host ? c->host == host : c->routing == routing;
}

static bool evict_idle(struct sp_slot *s, enum sp_routing routing, const struct sp_host *host)
{
    SP_LIST_FOREACH(n, &s->idle) {
        struct sp_conn *c = SP_CONTAINER_OF(n, struct sp_conn, idle_link);
        if (!frees(c, routing, host))
            continue;
        sp_conn_close(c);
        c->events->changed(c);
        return true;
    }
    return false;
}

static _Atomic unsigned *starving(const struct sp_slot *s, const struct sp_starved *w)
{
    return w->host ? &w->host->starving : &s->cluster->starving[w->routing];
}

/* --- other workers --- */

struct beg_msg {
    struct sp_msg msg;
    struct sp_slot *slot;
    enum sp_routing routing;
    struct sp_host *host; /* a reference, or NULL */
};

static bool starves_too(const struct sp_slot *s, const struct beg_msg *b)
{
    SP_LIST_FOREACH(n, &s->starved) {
        const struct sp_starved *w = SP_CONTAINER_OF(n, struct sp_starved, link);
        if (w->host == b->host && (w->host || w->routing == b->routing))
            return true;
    }
    return false;
}

static void run_beg(struct sp_msg *m)
{
    struct beg_msg *b = SP_CONTAINER_OF(m, struct beg_msg, msg);
    struct sp_cluster *c = b->slot->cluster;
    _Atomic unsigned *n = b->host ? &b->host->starving : &c->starving[b->routing];
    if (atomic_load_explicit(n, memory_order_relaxed) && !starves_too(b->slot, b)) {
        evict_idle(b->slot, b->routing, b->host);
        sp_permits_settle(&c->breakers[b->routing].connections, b->slot->index);
    }
    sp_host_unref(b->host);
    free(b);
    sp_cluster_drop(c);
}

static void beg(struct sp_slot *s, const struct sp_starved *w)
{
    for (unsigned i = 0; i < s->cluster->n_slots; i++) {
        struct sp_slot *other = &s->cluster->slots[i];
        if (other == s || !atomic_load_explicit(&other->attached, memory_order_acquire))
            continue;
        struct beg_msg *b = sp_xcalloc(1, sizeof(*b));
        b->msg.run = run_beg;
        b->slot = other;
        b->routing = w->routing;
        b->host = w->host ? sp_host_ref(w->host) : NULL;
        sp_cluster_hold(s->cluster);
        sp_worker_post(other->worker, &b->msg);
    }
}

/* --- who waits --- */

static void sated(struct sp_slot *s)
{
    if (sp_list_empty(&s->starved))
        sp_timer_stop(&s->starve_timer);
}

static void take_out(struct sp_slot *s, struct sp_starved *w)
{
    sp_list_remove(&w->link);
    atomic_fetch_sub_explicit(starving(s, w), 1, memory_order_relaxed);
}

/* The first on this worker to wait for what it waits for. */
static bool is_first(const struct sp_slot *s, const struct sp_starved *w)
{
    SP_LIST_FOREACH(n, &s->starved) {
        const struct sp_starved *other = SP_CONTAINER_OF(n, struct sp_starved, link);
        if (other != w && starving(s, other) == starving(s, w))
            return false;
    }
    return true;
}

void sp_starve(struct sp_slot *s, struct sp_starved *w)
{
    assert(s && w && w->again && w->routing < SP_ROUTINGS);
    if (sp_list_linked(&w->link))
        return;
    if (sp_list_empty(&s->starved))
        sp_timer_start(s->turn, &s->starve_timer, POLL_MS * SP_NS_PER_MS);
    sp_list_push_back(&s->starved, &w->link);
    atomic_fetch_add_explicit(starving(s, w), 1, memory_order_relaxed);
    bool evicted = evict_idle(s, w->routing, w->host);
    if (!evicted && is_first(s, w))
        beg(s, w);
}

void sp_starve_cancel(struct sp_slot *s, struct sp_starved *w)
{
    assert(s && w);
    if (sp_list_linked(&w->link))
        take_out(s, w);
    sated(s);
}

/* Each is tried once: one that waits for its host's limit says nothing of the others. */
void sp_starve_feed(struct sp_slot *s)
{
    assert(s);
    struct sp_list all, kept, *n;
    bool none[SP_ROUTINGS] = {false};
    sp_list_init(&all);
    sp_list_init(&kept);
    sp_list_splice(&all, &s->starved);
    while ((n = sp_list_first(&all)) != NULL) {
        struct sp_starved *w = SP_CONTAINER_OF(n, struct sp_starved, link);
        bool of_host = w->host != NULL;
        if (!of_host && none[w->routing]) { /* still none of that priority: it stands before who was tried just now */
            sp_list_remove(&w->link);
            sp_list_push_back(&kept, &w->link);
            continue;
        }
        take_out(s, w);
        w->again(w);
        if (!of_host && sp_list_linked(&w->link))
            none[w->routing] = true;
    }
    sp_list_splice(&kept, &s->starved);
    sp_list_splice(&s->starved, &kept);
    sated(s);
}

static void on_timer(struct sp_timer *t)
{
    struct sp_slot *s = SP_CONTAINER_OF(t, struct sp_slot, starve_timer);
    unsigned asked = 0;
    sp_timer_start(s->turn, t, POLL_MS * SP_NS_PER_MS);
    sp_starve_feed(s);
    SP_LIST_FOREACH(n, &s->starved) {
        const struct sp_starved *w = SP_CONTAINER_OF(n, struct sp_starved, link);
        if (is_first(s, w) && asked++ < BEG_MAX)
            beg(s, w);
    }
}

void sp_starve_init(struct sp_slot *s)
{
    assert(s);
    sp_list_init(&s->starved);
    s->starve_timer.fire = on_timer;
}
