/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hosts weigh, and how the tables of RING_HASH and MAGLEV share their places out: looked at when stats are shown. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/cluster.h"
#include "clusters/hashed.h"
#include "clusters/state.h"

/* The least and the most places of a host. */
static void count_places(const struct sp_hash_table *t, bool maglev, uint64_t *ret_least, uint64_t *ret_most)
{
    uint64_t *n = sp_xcalloc(t->n_shares + 1, sizeof(*n));
    for (uint64_t i = 0; i < t->n; i++)
        n[maglev ? t->of[i] : t->v[i].of]++;
    *ret_least = t->n_shares ? UINT64_MAX : 0;
    *ret_most = 0;
    for (unsigned i = 0; i < t->n_shares; i++) {
        *ret_least = SP_MIN(*ret_least, n[i]);
        *ret_most = SP_MAX(*ret_most, n[i]);
    }
    free(n);
}

/* Of those that are well in the first priority. */
static void measure(struct sp_cluster *c, const struct sp_hashed *h)
{
    uint64_t least, most;
    if (!h->n_levels || c->stats.measured == h->generation + 1)
        return;
    c->stats.measured = h->generation + 1;
    count_places(&h->levels[0].healthy, c->lb.policy == SP_LB_MAGLEV, &least, &most);
    sp_gauge_set(c->stats.table_size, h->levels[0].healthy.n);
    sp_gauge_set(c->stats.table_least, least);
    sp_gauge_set(c->stats.table_most, most);
}

void sp_cluster_lb_gauges(struct sp_cluster *c)
{
    assert(c);
    uint64_t most = 0;
    pthread_mutex_lock(&c->hosts_lock);
    for (unsigned i = 0; i < c->hosts->n; i++)
        most = SP_MAX(most, c->hosts->v[i].weight);
    if (c->hashed)
        measure(c, c->hashed);
    pthread_mutex_unlock(&c->hosts_lock);
    sp_gauge_set(c->stats.max_host_weight, most);
}
