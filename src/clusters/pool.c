/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/pool.h"

#include <assert.h>

#include "clusters/lb.h"
#include "clusters/pool_impl.h"
#include "event/overload.h"

enum {
    EXPECTED_STREAMS = 100, /* that an HTTP/2 connection under way is thought good for */
    CONNECTING_MAX = 32,    /* handshakes under way in one pool */
    AHEAD_AT_ONCE = 3,      /* for one request */
};

/* How many in line the connections under way will take. */
static uint64_t capacity(const struct sp_pool *p)
{
    enum sp_conn_kind kind = p->key.kind;
    if (kind == SP_KIND_H1 || kind == SP_KIND_RAW || (kind == SP_KIND_AUTO && p->seen == SP_SEEN_H1))
        return p->n_connecting;
    if (kind == SP_KIND_AUTO && p->seen == SP_SEEN_NOTHING) /* the first one will tell */
        return p->n_connecting ? UINT64_MAX : 0;
    return (uint64_t)p->n_connecting * SP_MIN((unsigned)EXPECTED_STREAMS, p->slot->cluster->options.max_streams);
}

static const struct sp_conn_events events;

/* The pool waits for a connection: one that counts for `host`, or for its priority. */
static bool starve(struct sp_pool *p, struct sp_host *host)
{
    if (!sp_list_linked(&p->starved.link)) {
        sp_counter_inc(sp_pool_stats(p)->upstream_cx_overflow);
        p->starved.host = host;
    }
    sp_starve(p->slot, &p->starved);
    return false;
}

/* `spare`: nobody waits for it (preconnect_policy), so nobody has to give way. */
static bool connect_one(struct sp_pool *p, bool spare)
{
    struct sp_slot *s = p->slot;
    if (!sp_conn_host_take(s, p->key.host, p->key.routing))
        return !spare && starve(p, p->key.host);
    if (!sp_permit_take(&sp_pool_breakers(p)->connections, s->index)) {
        sp_conn_host_give(s, p->key.host);
        return !spare && starve(p, NULL);
    }
    const struct sp_cluster_options *o = sp_slot_options(s, p->key.host);
    struct sp_conn_setup setup = {
        .to = &p->key.host->parts[s->index].addr,
        .kind = p->key.kind,
        .tls = p->key.kind == SP_KIND_H1 && o->tls_h1 ? o->tls_h1 : o->tls,
        .sni = p->key.sni,
        .verify_name = p->key.verify_name,
        .first = p->key.first,
        .connect_ns = o->connect_ns,
        .routing = p->key.routing,
        .counted = true,
    };
    sp_cluster_names_host(o, p->key.host->hostname, &setup.sni, &setup.verify_name);
    struct sp_conn *c = sp_conn_new(s, p->key.host, &setup, p, &events);
    p->n_conns++;
    p->n_connecting++;
    sp_pool_place(c, &p->connecting, false);
    return true;
}

/* As Envoy: a host that is not well gets no more than it needs. */
static bool wants_spare(const struct sp_pool *p)
{
    double ratio = p->slot->cluster->options.preconnect;
    if (!sp_pool_makes_spare(p) || p->slot->draining || sp_pool_orphaned(p) || sp_host_health(p->key.host) != SP_HEALTHY)
        return false;
    return (double)(p->n_queued + p->n_active) * ratio > (double)capacity(p) + p->n_room + p->n_active;
}

/*
 * Opens as many connections as the line is long, but not all at once: a thousand handshakes side by side all run into
 * their timeout where one after the other would have been quick, and the first ones soon serve those who wait.
 */
static void grow(struct sp_pool *p)
{
    if (sp_list_linked(&p->serve.link))
        return; /* what came free is handed out first */
    while (p->n_queued > capacity(p) && p->n_connecting < CONNECTING_MAX && connect_one(p, false))
        ;
    while (SP_UNLIKELY(wants_spare(p)) && p->n_connecting < CONNECTING_MAX && connect_one(p, true))
        ;
}

static void grow_again(struct sp_starved *w)
{
    grow(SP_CONTAINER_OF(w, struct sp_pool, starved));
}

static void serve(struct sp_pool *p)
{
    struct sp_permits *requests = &sp_pool_breakers(p)->requests;
    while (p->n_queued) {
        struct sp_ticket *t = SP_CONTAINER_OF(sp_list_first(&p->queue), struct sp_ticket, link);
        if (!sp_permit_take(requests, p->slot->index)) {
            sp_counter_inc(sp_pool_stats(p)->upstream_rq_active_overflow);
            sp_pool_fail_first(p, 1, SP_TICKET_OVERFLOW, SP_STR_NULL);
            continue;
        }
        enum sp_opened opened = sp_pool_open_some(p, t);
        if (opened != SP_OPENED) {
            sp_permit_give(requests, p->slot->index);
            if (opened == SP_BARREN) /* or it would be tried for ever */
                sp_pool_fail_first(p, 1, SP_TICKET_REFUSED, SP_STR("the host allows no streams"));
            break;
        }
        sp_pool_dequeue(p, t);
        t->ops->ready(t);
    }
    if (!p->n_queued)
        sp_pool_offer_idle(p);
    grow(p);
    sp_pool_retire(p);
}

static void run_serve(struct sp_defer *d)
{
    serve(SP_CONTAINER_OF(d, struct sp_pool, serve));
}

/* --- what connections tell --- */

static void on_ready(struct sp_conn *c)
{
    struct sp_pool *p = c->owner;
    p->n_connecting--;
    if (sp_conn_outdated(c))
        sp_conn_close(c); /* another one takes its place when it is closed */
    else
        p->seen = c->h2 ? SP_SEEN_H2 : SP_SEEN_H1;
    sp_pool_settle(c);
    sp_pool_serve_later(p);
}

static void on_changed(struct sp_conn *c)
{
    sp_pool_settle(c);
    sp_pool_serve_later(c->owner);
}

/*
 * A connect failed: those in line that the other attempts have no room for are told, so that they can try elsewhere. If
 * other connections live, only the one that this attempt was for.
 */
static void connect_failed(struct sp_pool *p, enum sp_ticket_failure why, struct sp_str text)
{
    uint64_t room = capacity(p);
    bool live = !sp_list_empty(&p->ready) || !sp_list_empty(&p->busy) || !sp_list_empty(&p->idle);
    unsigned n = p->n_queued > room ? p->n_queued - (unsigned)room : 0;
    sp_pool_fail_first(p, live ? SP_MIN(n, 1u) : n, why, text);
}

static void on_closed(struct sp_conn *c, const struct sp_conn_end *end)
{
    struct sp_pool *p = c->owner;
    p->n_conns--;
    sp_pool_count(c);
    if (!end->connected) {
        p->n_connecting--;
        connect_failed(p, sp_pool_conn_failure(c, end), end->text);
    }
    if (sp_starve_anybody(p->slot, p->key.routing, p->key.host))
        sp_permits_settle(&sp_pool_breakers(p)->connections, p->slot->index);
    if (!sp_list_empty(&p->slot->starved))
        sp_starve_feed(p->slot);
    sp_pool_serve_later(p);
    sp_pool_retire(p);
}

static const struct sp_conn_events events = {on_ready, on_changed, on_closed};

/* --- the outside --- */

/* Of a new pool: a place among max_connection_pools. Those that do nothing give theirs up, for the next that asks. */
static bool take_place(struct sp_slot *s, const struct sp_pool_key *key)
{
    if (sp_permit_take(&s->cluster->breakers[key->routing].pools, s->index))
        return true;
    sp_counter_inc(s->cluster->stats.upstream_cx_pool_overflow);
    SP_LIST_FOREACH(n, &s->pools) {
        struct sp_pool *p = SP_CONTAINER_OF(n, struct sp_pool, link);
        if (p->key.routing == key->routing && !p->n_queued && sp_list_empty(&p->busy) && sp_list_empty(&p->ready))
            sp_pool_end_list(&p->idle, sp_conn_close);
    }
    return false;
}

static struct sp_pool *pool_new(struct sp_slot *s, const struct sp_pool_key *key)
{
    struct sp_pool *p = sp_pool_add(s, key);
    p->serve.run = run_serve;
    p->starved.again = grow_again;
    sp_pool_belong(p, key);
    return p;
}

enum sp_pool_answer sp_pool_get(struct sp_slot *s, const struct sp_pool_key *key, struct sp_ticket *t)
{
    assert(s && key && t && t->ops && !t->cs && !t->pool);
    struct sp_breakers *b = &s->cluster->breakers[key->routing];
    if (s->closed)
        return SP_POOL_CLOSED;
    struct sp_pool *p = sp_pool_find(s, key);
    if (SP_UNLIKELY(key->personal) && p)
        sp_pool_belong(p, key);
    if (p && !p->n_queued && (!sp_list_empty(&p->ready) || !sp_list_empty(&p->idle))) {
        if (!sp_permit_take(&b->requests, s->index)) {
            sp_counter_inc(s->cluster->stats.upstream_rq_active_overflow);
            return SP_POOL_OVERFLOW;
        }
        if (sp_pool_open_some(p, t) == SP_OPENED) {
            if (sp_pool_makes_spare(p))
                grow(p);
            return SP_POOL_OPEN;
        }
        sp_permit_give(&b->requests, s->index);
    }
    if (!p && !take_place(s, key))
        return SP_POOL_OVERFLOW;
    p = p ? p : pool_new(s, key);
    if (SP_UNLIKELY(sp_overload_value(SP_OL_SHED_POOL) != 0) && p->n_queued >= capacity(p) && sp_overload_hits(SP_OL_SHED_POOL)) {
        sp_pool_retire(p); /* it would take a new connection */
        return SP_POOL_OVERFLOW;
    }
    if (!b->connections.limit || !sp_permit_take(&b->pending, s->index)) {
        sp_counter_inc(s->cluster->stats.upstream_rq_pending_overflow);
        sp_pool_retire(p);
        return SP_POOL_OVERFLOW;
    }
    sp_pool_enqueue(p, t);
    grow(p);
    return SP_POOL_QUEUED;
}

/* As Envoy: with one more request in mind. */
static bool needs_more(uint64_t queued, uint64_t active, uint64_t room, double ratio)
{
    return (double)(queued + active + 1) * ratio > (double)(room + active);
}

/* All of the worker's pools have too few connections for what may come. */
static bool is_short(const struct sp_slot *s, double ratio)
{
    uint64_t queued = 0, active = 0, room = 0;
    SP_LIST_FOREACH(n, &s->pools) {
        const struct sp_pool *p = SP_CONTAINER_OF(n, struct sp_pool, link);
        uint64_t coming = capacity(p);
        queued += p->n_queued;
        active += p->n_active;
        room += p->n_room + SP_MIN(coming, (uint64_t)UINT32_MAX);
    }
    return needs_more(queued, active, room, ratio);
}

/* Not with the last permit: the request that comes needs one. */
static bool connect_one_of_two(struct sp_pool *p)
{
    struct sp_permits *permits = &sp_pool_breakers(p)->connections;
    if (!sp_permit_take(permits, p->slot->index))
        return false;
    bool made = connect_one(p, true);
    sp_permit_give(permits, p->slot->index);
    return made;
}

static bool connect_ahead(struct sp_slot *s, const struct sp_pool_key *key, double ratio)
{
    if (sp_host_health(key->host) != SP_HEALTHY)
        return false;
    struct sp_pool *p = sp_pool_find(s, key);
    if (!p && !take_place(s, key))
        return false;
    p = p ? p : pool_new(s, key);
    bool made = p->n_connecting < CONNECTING_MAX && needs_more(p->n_queued, p->n_active, (uint64_t)p->n_room + capacity(p), ratio) &&
                connect_one_of_two(p);
    sp_pool_retire(p);
    return made;
}

void sp_pool_look_ahead(struct sp_slot *s, const struct sp_pool_key *key)
{
    assert(s && key);
    double ratio = s->cluster->options.predictive;
    struct sp_pool_key next = *key;
    for (unsigned i = 0; i < AHEAD_AT_ONCE && !s->draining && is_short(s, ratio); i++) {
        next.host = sp_lb_look_ahead(s);
        if (!next.host || !connect_ahead(s, &next, ratio))
            return;
    }
}

void sp_pool_leave(struct sp_ticket *t)
{
    assert(t);
    struct sp_pool *p = t->pool;
    if (!p)
        return;
    sp_pool_dequeue(p, t);
    sp_counter_inc(sp_pool_stats(p)->upstream_rq_cancelled);
    if (!p->n_queued) {
        sp_starve_cancel(p->slot, &p->starved);
        sp_pool_offer_idle(p);
    }
    sp_pool_retire(p);
}
