/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/current.h"

#include <assert.h>

#include "clusters/hashed.h"

void sp_hosts_attach(struct sp_slot *s)
{
    assert(s && !s->hosts);
    struct sp_cluster *c = s->cluster;
    pthread_mutex_lock(&c->hosts_lock);
    if (c->hashed) /* whose hosts may be the ones before the current for a moment */
        s->hashed = sp_hashed_ref(c->hashed);
    s->hosts = sp_host_set_ref(c->hashed ? c->hashed->hosts : c->hosts);
    for (unsigned i = 0; i < s->hosts->n; i++) {
        const struct sp_endpoint *e = &s->hosts->v[i];
        e->host->parts[s->index].socket = e->socket;
        e->host->parts[s->index].zone_stats = e->zone_stats;
        sp_host_part_meta(&e->host->parts[s->index], e->meta);
        if (s->hosts->logical)
            e->host->parts[s->index].addr = e->addr;
    }
    atomic_store_explicit(&s->attached, true, memory_order_release);
    pthread_mutex_unlock(&c->hosts_lock);
}

void sp_hosts_detach(struct sp_slot *s)
{
    assert(s);
    pthread_mutex_lock(&s->cluster->hosts_lock);
    atomic_store_explicit(&s->attached, false, memory_order_release);
    pthread_mutex_unlock(&s->cluster->hosts_lock);
}

struct sp_host_set *sp_hosts_get(const struct sp_cluster *c)
{
    assert(c);
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&c->hosts_lock;
    pthread_mutex_lock(lock);
    struct sp_host_set *s = sp_host_set_ref(c->hosts);
    pthread_mutex_unlock(lock);
    return s;
}

void sp_hosts_done(struct sp_cluster *c)
{
    assert(c);
    if (!c->hosts)
        return;
    sp_hashed_unref(c->hashed);
    sp_host_set_unref(c->posted);
    sp_host_set_unref(c->hosts);
    pthread_mutex_destroy(&c->hosts_lock);
}
