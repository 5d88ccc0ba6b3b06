/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/host_failure.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/pool.h"

struct drain_msg {
    struct sp_msg msg;
    struct sp_slot *slot;
    struct sp_host *host; /* a reference */
};

static void run_drain(struct sp_msg *m)
{
    struct drain_msg *d = SP_CONTAINER_OF(m, struct drain_msg, msg);
    struct sp_cluster *c = d->slot->cluster;
    if (atomic_load_explicit(&d->slot->attached, memory_order_relaxed))
        sp_pool_host_drain(d->slot, d->host);
    sp_host_unref(d->host);
    free(d);
    sp_cluster_drop(c);
}

void sp_host_failed(struct sp_cluster *c, struct sp_host *h)
{
    assert(c && h);
    pthread_mutex_lock(&c->hosts_lock); /* nobody detaches meanwhile */
    for (unsigned i = 0; i < c->n_slots; i++) {
        struct sp_slot *s = &c->slots[i];
        if (!atomic_load_explicit(&s->attached, memory_order_relaxed))
            continue;
        struct drain_msg *d = sp_xcalloc(1, sizeof(*d));
        *d = (struct drain_msg){.msg.run = run_drain, .slot = s, .host = sp_host_ref(h)};
        sp_cluster_hold(c);
        sp_worker_post(s->worker, &d->msg);
    }
    pthread_mutex_unlock(&c->hosts_lock);
}
