/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/publish.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "clusters/adopt.h"
#include "clusters/health.h"
#include "clusters/outlier.h"
#include "clusters/rehash.h"
#include "clusters/subsets.h"

static const uint32_t EDS_FLAGS = SP_HEALTH_FAILED_EDS | SP_HEALTH_DEGRADED_EDS | SP_HEALTH_EDS_DRAINING;

/* --- which hosts stay --- */

/* Hosts of one key: a config may name an address twice. */
struct same {
    struct sp_host *host;
    struct same *next;
};

struct old_hosts {
    struct sp_arena arena;
    struct sp_map by_key; /* of struct same *, a list's head */
};

static struct sp_str key_of(struct sp_arena *a, const struct sp_host_set *s, const struct sp_endpoint *e)
{
    if (s->logical)
        return sp_arena_cat(a, SP_STR("\n"), e->hostname);
    struct sp_str key = sp_arena_cat(a, sp_arena_cat(a, e->text, SP_STR("\n")), e->hostname);
    for (unsigned i = 0; i < e->n_race; i++) { /* with other addresses it is another host */
        char text[SP_ADDR_TEXT_MAX];
        key = sp_arena_cat(a, sp_arena_cat(a, key, SP_STR("\n")), sp_str_n(text, sp_addr_format(&e->race[i], text)));
    }
    return key;
}

static void old_hosts_init(struct old_hosts *o, const struct sp_host_set *s)
{
    sp_arena_init(&o->arena);
    sp_map_init(&o->by_key);
    for (unsigned i = s ? s->n : 0; i-- > 0;) {
        struct sp_str key = key_of(&o->arena, s, &s->v[i]);
        struct same *x = sp_arena_alloc(&o->arena, sizeof(*x)), **head = sp_map_get(&o->by_key, key);
        if (!head) {
            head = sp_arena_zalloc(&o->arena, sizeof(*head));
            sp_map_add(&o->by_key, key, head);
        }
        *x = (struct same){.host = s->v[i].host, .next = *head};
        *head = x;
    }
}

static void old_hosts_done(struct old_hosts *o)
{
    sp_map_done(&o->by_key);
    sp_arena_done(&o->arena);
}

static struct sp_host *old_hosts_take(struct old_hosts *o, const struct sp_host_set *s, const struct sp_endpoint *e)
{
    struct same **head = sp_map_get(&o->by_key, key_of(&o->arena, s, e)), *x = head ? *head : NULL;
    if (!x)
        return NULL;
    *head = x->next;
    return sp_host_ref(x->host);
}

static struct sp_host *host_new(const struct sp_cluster *c, const struct sp_host_set *s, const struct sp_endpoint *e, bool later)
{
    struct sp_host *h = sp_host_new(&e->addr, e->hostname, s->logical, c->n_slots);
    sp_host_set_race(h, e->race, e->n_race);
    uint32_t flags = e->eds_health;
    if (c->checker && !e->no_active_hc)
        flags |= SP_HEALTH_FAILED_ACTIVE_HC; /* until its first check says otherwise */
    if (c->checker && later && !e->no_active_hc)
        flags |= SP_HEALTH_PENDING_ACTIVE_HC; /* others serve meanwhile: it says nothing of how the cluster fares */
    atomic_init(&h->health, flags);
    atomic_init(&h->since_ns, c->prober ? c->prober->turn.now_ns : 0);
    if (c->outlier)
        h->outlier = sp_outlier_host_new(c->outlier);
    return h;
}

/* Gives each endpoint its host. Returns how many are new. */
static unsigned give_hosts(struct sp_cluster *c, struct sp_host_set *s, const struct sp_host_set *old)
{
    struct old_hosts o;
    unsigned fresh = 0;
    old_hosts_init(&o, old);
    for (unsigned i = 0; i < s->n; i++) {
        struct sp_endpoint *e = &s->v[i];
        assert(!e->host);
        e->host = old_hosts_take(&o, s, e);
        e->zone_stats = sp_zone_stats_of(&c->zone_stats, c->stats.scope, c->own.zone, e->zone);
        e->socket = sp_socket_matches_choose(&c->sockets, e->meta, e->locality_meta);
        if (!e->host || e->host->socket != e->socket)
            sp_socket_matches_count(&c->sockets, e->socket);
        if (!e->host) {
            e->host = host_new(c, s, e, old && old->n);
            fresh++;
        }
        e->host->socket = e->socket;
    }
    old_hosts_done(&o);
    return fresh;
}

static bool same_endpoint(const struct sp_endpoint *a, const struct sp_endpoint *b)
{
    return a->host == b->host && a->weight == b->weight && a->eds_health == b->eds_health && a->priority == b->priority &&
           a->locality == b->locality && a->locality_weight == b->locality_weight && a->no_active_hc == b->no_active_hc &&
           a->socket == b->socket && sp_endpoint_meta_eq(a->meta, b->meta) && sp_endpoint_meta_eq(a->locality_meta, b->locality_meta) && sp_str_eq(a->text, b->text) && sp_str_eq(a->region, b->region) &&
           sp_str_eq(a->zone, b->zone) && sp_str_eq(a->sub_zone, b->sub_zone) &&
           sp_str_eq(a->health_hostname, b->health_hostname) && sp_addr_eq(&a->health_addr, &b->health_addr, true);
}

static bool same_set(const struct sp_host_set *a, const struct sp_host_set *b)
{
    if (a->n != b->n || a->policy.overprovisioning != b->policy.overprovisioning ||
        a->policy.weighted_health != b->policy.weighted_health || a->policy.drop != b->policy.drop)
        return false;
    for (unsigned i = 0; i < a->n; i++)
        if (!same_endpoint(&a->v[i], &b->v[i]))
            return false;
    return true;
}

/* --- publishing --- */

/* Workers that balance by hash get hosts with their tables, once those are made. */
static void set_current(struct sp_cluster *c, struct sp_host_set *fresh)
{
    pthread_mutex_lock(&c->hosts_lock);
    c->hosts = fresh;
    if (!c->hashed)
        sp_adopt_post(c, fresh, NULL);
    pthread_mutex_unlock(&c->hosts_lock);
    sp_rehash_check(c, true);
}

/* Takes the hosts that are not in the new set out of the gauges and the health checks. Returns how many. */
static unsigned take_out(struct sp_cluster *c, const struct sp_host_set *fresh, const struct sp_host_set *old)
{
    unsigned gone = 0;
    c->stamp++;
    for (unsigned i = 0; i < fresh->n; i++)
        fresh->v[i].host->stamp = c->stamp;
    for (unsigned i = 0; i < old->n; i++) {
        struct sp_host *h = old->v[i].host;
        if (h->stamp == c->stamp)
            continue;
        gone++;
        sp_host_count_out(c, h);
        if (c->checker)
            sp_health_remove(c->checker, h);
        if (c->outlier)
            sp_outlier_remove(c->outlier, h);
    }
    return gone;
}

static void put_in(struct sp_cluster *c, struct sp_host_set *fresh)
{
    for (unsigned i = 0; i < fresh->n; i++) {
        struct sp_endpoint *e = &fresh->v[i];
        sp_host_count_in(c, e->host);
        sp_host_set_health(c, e->host, e->eds_health, EDS_FLAGS & ~e->eds_health);
    }
}

static void divide(struct sp_cluster *c, struct sp_host_set *s)
{
    if (!c->lb.subsets)
        return;
    s->subsets = sp_subsets_new(c->lb.subsets, s);
    s->free_subsets = sp_subsets_free;
    if (s->subsets->too_many)
        sp_log(SP_LOG_WARNING, "cluster", "cluster \"%.*s\": more than %d subsets: the rest is not made", SP_STR_ARG(c->name),
               SP_SUBSETS_MOST);
}

static void count_subsets(struct sp_cluster *c, const struct sp_subsets *fresh, const struct sp_subsets *old)
{
    if (!fresh)
        return;
    unsigned created = sp_subsets_missing(fresh, old), removed = sp_subsets_missing(old, fresh);
    sp_counter_add(c->stats.subsets.created, created);
    sp_counter_add(c->stats.subsets.removed, removed);
    sp_gauge_add(c->stats.subsets.active, (int64_t)created - (int64_t)removed);
    sp_gauge_add(c->stats.subsets.duplicates, (int64_t)fresh->duplicates - (int64_t)old->duplicates);
}

static void publish(struct sp_cluster *c, struct sp_host_set *fresh)
{
    struct sp_host_set *old = c->hosts; /* nobody else sets it */
    unsigned added = give_hosts(c, fresh, old);
    if (!added && same_set(fresh, old)) {
        sp_counter_inc(c->stats.update_no_rebuild);
        sp_host_set_unref(fresh);
        return;
    }
    divide(c, fresh);
    put_in(c, fresh);
    set_current(c, fresh);
    count_subsets(c, fresh->subsets, old->subsets);
    unsigned gone = take_out(c, fresh, old);
    if (fresh->logical && !gone && old->n)
        added = added || !sp_str_eq(fresh->v[0].text, old->v[0].text); /* another address counts as another host */
    sp_gauge_add(c->stats.membership_total, (int64_t)fresh->n - (int64_t)old->n);
    if (added || gone)
        sp_counter_inc(c->stats.membership_change);
    if (c->checker)
        sp_health_update(c->checker, fresh);
    sp_host_set_unref(old);
}

/* --- a handover --- */

static void copy_endpoint(struct sp_host_set *to, const struct sp_endpoint *from)
{
    struct sp_endpoint *e = sp_host_set_add(to);
    *e = *from;
    e->host = NULL;
    sp_endpoint_copied(e);
    struct sp_str *texts[] = {&e->hostname, &e->health_hostname, &e->region, &e->zone, &e->sub_zone};
    for (size_t i = 0; i < SP_ARRAY_LEN(texts); i++)
        *texts[i] = texts[i]->len ? sp_arena_str(&to->arena, *texts[i]) : SP_STR_NULL;
    if (e->n_race)
        e->race = memcpy(sp_arena_alloc(&to->arena, e->n_race * sizeof(*e->race)), e->race, e->n_race * sizeof(*e->race));
    struct sp_addr *addrs[] = {&e->addr, &e->health_addr};
    for (size_t i = 0; i < SP_ARRAY_LEN(addrs); i++)
        if (addrs[i]->family == AF_UNIX)
            addrs[i]->path = sp_arena_str(&to->arena, sp_str_c(addrs[i]->path)).ptr;
}

/*
 * Where hosts that are checked go and others come, those that come would get requests before their first check, or nobody
 * would. So the ones that go stay until then. NULL: there is nothing to wait for.
 */
static struct sp_host_set *bridge(struct sp_cluster *c, const struct sp_host_set *fresh)
{
    const struct sp_host_set *old = c->hosts;
    bool unknown = false, useful = false;
    struct old_hosts o;
    if (!c->checker || fresh->logical || !old->n)
        return NULL;
    struct sp_host_set *both = sp_host_set_new();
    both->policy = fresh->policy;
    old_hosts_init(&o, old);
    for (unsigned i = 0; i < fresh->n; i++) {
        struct sp_host *h = old_hosts_take(&o, fresh, &fresh->v[i]);
        unknown = unknown || (!fresh->v[i].no_active_hc && !(h && sp_health_knows(h)));
        sp_host_unref(h);
        copy_endpoint(both, &fresh->v[i]);
    }
    for (unsigned i = 0; i < old->n; i++) {
        struct sp_host *h = old_hosts_take(&o, old, &old->v[i]); /* those that are left over */
        if (!h)
            continue;
        useful = useful || sp_host_health(h) != SP_UNHEALTHY;
        sp_host_unref(h);
        copy_endpoint(both, &old->v[i]);
    }
    old_hosts_done(&o);
    sp_host_set_close(both);
    if (unknown && useful)
        return both;
    sp_host_set_unref(both);
    return NULL;
}

static void forget_awaiting(struct sp_cluster *c)
{
    sp_defer_cancel(&c->settle);
    sp_host_set_unref(c->awaiting);
    c->awaiting = NULL;
}

static void run_settle(struct sp_defer *d)
{
    struct sp_cluster *c = SP_CONTAINER_OF(d, struct sp_cluster, settle);
    struct sp_host_set *s = c->awaiting;
    c->awaiting = NULL;
    publish(c, s);
}

/* Hosts that nobody has confirmed for too long are no hosts. */
static void on_stale(struct sp_timer *t)
{
    struct sp_cluster *c = SP_CONTAINER_OF(t, struct sp_cluster, stale);
    struct sp_host_set *nobody = sp_host_set_new();
    sp_log(SP_LOG_WARNING, "cluster", "cluster \"%.*s\": its hosts were not read anew within endpoint_stale_after: it has none now",
           SP_STR_ARG(c->name));
    sp_counter_inc(c->stats.assignment_stale);
    sp_host_set_close(nobody);
    forget_awaiting(c);
    publish(c, nobody);
}

static void watch_age(struct sp_cluster *c, const struct sp_host_set *fresh)
{
    sp_timer_stop(&c->stale);
    if (!fresh->policy.stale_ns)
        return;
    sp_counter_inc(c->stats.assignment_timeout_received);
    sp_timer_start(&c->prober->turn, &c->stale, fresh->policy.stale_ns);
}

void sp_hosts_publish(struct sp_cluster *c, struct sp_host_set *fresh)
{
    assert(c && fresh && fresh->priorities && c->prober);
    forget_awaiting(c);
    watch_age(c, fresh);
    struct sp_host_set *both = bridge(c, fresh);
    if (both) {
        c->awaiting = fresh;
        publish(c, both);
    } else {
        publish(c, fresh);
    }
}

void sp_hosts_first(struct sp_cluster *c, struct sp_host_set *s)
{
    assert(c && s && s->priorities && !c->hosts);
    pthread_mutex_init(&c->hosts_lock, NULL);
    give_hosts(c, s, NULL);
    divide(c, s);
    c->hosts = s;
}

/* A set on its way to the publisher. */
struct set_msg {
    struct sp_msg msg;
    struct sp_cluster *cluster; /* held */
    struct sp_host_set *set;
};

static void run_publish(struct sp_msg *msg)
{
    struct set_msg *m = SP_CONTAINER_OF(msg, struct set_msg, msg);
    if (m->cluster->prober)
        sp_hosts_publish(m->cluster, m->set);
    else
        sp_host_set_unref(m->set);
    sp_cluster_drop(m->cluster);
    free(m);
}

static void send_set(struct sp_cluster *c, struct sp_host_set *set)
{
    struct set_msg *m = sp_xcalloc(1, sizeof(*m));
    *m = (struct set_msg){.msg.run = run_publish, .cluster = c, .set = set};
    sp_cluster_hold(c);
    sp_worker_post(c->prober, &m->msg);
}

void sp_hosts_post(struct sp_cluster *c, struct sp_host_set *s)
{
    assert(c && s && s->priorities);
    struct sp_host_set *before = NULL;
    pthread_mutex_lock(&c->hosts_lock);
    if (c->prober) {
        send_set(c, s);
    } else {
        before = c->posted;
        c->posted = s;
    }
    pthread_mutex_unlock(&c->hosts_lock);
    sp_host_set_unref(before);
}

void sp_hosts_start(struct sp_cluster *c, struct sp_worker *prober)
{
    assert(c && prober && !c->prober);
    pthread_mutex_lock(&c->hosts_lock);
    c->prober = prober;
    c->settle.run = run_settle;
    c->stale.fire = on_stale;
    watch_age(c, c->hosts);
    struct sp_host_set *posted = c->posted;
    c->posted = NULL;
    pthread_mutex_unlock(&c->hosts_lock);
    if (posted)
        sp_hosts_publish(c, posted);
    sp_rehash_check(c, false);
}

void sp_hosts_stop(struct sp_cluster *c)
{
    assert(c);
    forget_awaiting(c);
    sp_timer_stop(&c->stale);
    pthread_mutex_lock(&c->hosts_lock);
    c->prober = NULL;
    pthread_mutex_unlock(&c->hosts_lock);
}
