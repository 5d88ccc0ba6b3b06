/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/rehash.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/adopt.h"
#include "clusters/hashed_parts.h"

/* Tables under way. */
struct making {
    struct sp_job job;
    struct sp_cluster *cluster; /* held */
    struct sp_host_set *hosts;  /* a reference */
    unsigned generation;
    struct sp_hashed *before;   /* a reference */
    struct sp_hashed *made;
};

struct ask {
    struct sp_msg msg;
    struct sp_cluster *cluster; /* held */
};

static unsigned generation_of(const struct sp_cluster *c)
{
    return atomic_load_explicit(&c->generation, memory_order_acquire);
}

static void install(struct sp_cluster *c, struct sp_hashed *fresh)
{
    struct sp_hashed *old = c->hashed;
    pthread_mutex_lock(&c->hosts_lock);
    c->hashed = fresh;
    sp_adopt_post(c, fresh->hosts, fresh);
    pthread_mutex_unlock(&c->hosts_lock);
    atomic_store_explicit(&c->hashed_generation, fresh->generation, memory_order_release);
    sp_hashed_unref(old);
}

static void work(struct sp_job *j)
{
    struct making *m = SP_CONTAINER_OF(j, struct making, job);
    m->made = sp_hashed_whole(&m->cluster->lb, m->hosts, m->generation, m->before);
}

static void done(struct sp_job *j)
{
    struct making *m = SP_CONTAINER_OF(j, struct making, job);
    struct sp_cluster *c = m->cluster;
    c->rehashing = false;
    if (c->prober) {
        install(c, m->made);
        sp_rehash_check(c, false);
    } else {
        sp_hashed_unref(m->made);
    }
    sp_hashed_unref(m->before);
    sp_host_set_unref(m->hosts);
    free(m);
    sp_cluster_drop(c);
}

void sp_rehash_check(struct sp_cluster *c, bool hosts)
{
    assert(c && c->prober);
    if (!c->hashed)
        return;
    if (hosts)
        atomic_fetch_add_explicit(&c->generation, 1, memory_order_release);
    if (c->rehashing || c->hashed->generation == generation_of(c))
        return;
    struct making *m = sp_xcalloc(1, sizeof(*m));
    *m = (struct making){.job = {.work = work, .done = done}, .cluster = c, .hosts = sp_host_set_ref(c->hosts),
                         .generation = generation_of(c), .before = sp_hashed_ref(c->hashed)};
    sp_cluster_hold(c);
    c->rehashing = true;
    sp_worker_job(c->prober, &m->job);
}

static void run_ask(struct sp_msg *msg)
{
    struct ask *a = SP_CONTAINER_OF(msg, struct ask, msg);
    struct sp_cluster *c = a->cluster;
    free(a);
    atomic_store(&c->rehash_asked, false); /* before the generation is read: what comes now asks again */
    if (c->prober)
        sp_rehash_check(c, false);
    sp_cluster_drop(c);
}

/* sp_cluster.health_changed: of many changes in a row one asks. */
static void health_changed(struct sp_cluster *c)
{
    if (atomic_exchange(&c->rehash_asked, true))
        return;
    struct ask *a = sp_xcalloc(1, sizeof(*a));
    *a = (struct ask){.msg.run = run_ask, .cluster = c};
    pthread_mutex_lock(&c->hosts_lock);
    if (c->prober) {
        sp_cluster_hold(c);
        sp_worker_post(c->prober, &a->msg);
        a = NULL;
    } else {
        atomic_store(&c->rehash_asked, false); /* it is looked at when the cluster starts */
    }
    pthread_mutex_unlock(&c->hosts_lock);
    free(a);
}

void sp_rehash_first(struct sp_cluster *c)
{
    assert(c && c->hosts && !c->hashed);
    if (!sp_lb_hashes(&c->lb))
        return;
    c->hashed = sp_hashed_whole(&c->lb, c->hosts, generation_of(c), NULL);
    atomic_init(&c->hashed_generation, c->hashed->generation);
    c->health_changed = health_changed;
}

bool sp_rehash_settled(const struct sp_cluster *c)
{
    assert(c);
    return !c->health_changed ||
           atomic_load_explicit(&c->hashed_generation, memory_order_acquire) == generation_of(c);
}
