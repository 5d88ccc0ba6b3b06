/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/pool.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/current.h"
#include "clusters/hashed.h"
#include "clusters/lb.h"
#include "clusters/starve.h"
#include "clusters/subset_lb.h"

enum {
    EXPECTED_STREAMS = 100, /* that an HTTP/2 connection under way is thought good for */
    CONNECTING_MAX = 32,    /* handshakes under way in one pool */
};

enum seen { SEEN_NOTHING, SEEN_H1, SEEN_H2 };

struct sp_pool {
    struct sp_pool *next; /* of the same host and kind */
    struct sp_list link;  /* in slot->pools; not linked: retired */
    struct sp_slot *slot;
    struct sp_pool_key key;
    struct sp_list connecting, idle, ready, busy; /* of sp_conn; idle: the last used first */
    struct sp_list leaving;                       /* draining and closing ones */
    struct sp_list queue;                         /* of sp_ticket */
    unsigned n_queued, n_connecting, n_conns;
    unsigned n_active, n_room;                    /* streams under way on its connections, and that could be */
    enum seen seen;                               /* what ALPN gave last */
    struct sp_starved starved;
    struct sp_defer serve;
    struct sp_grave grave;
    char names[]; /* of key */
};

static struct sp_cluster_stats *stats(const struct sp_pool *p)
{
    return &p->slot->cluster->stats;
}

static void pool_free(struct sp_grave *g)
{
    free(SP_CONTAINER_OF(g, struct sp_pool, grave));
}

static struct sp_pool **pool_head(struct sp_slot *s, const struct sp_pool_key *key)
{
    return &key->host->parts[s->index].pools[key->kind];
}

static struct sp_breakers *breakers(const struct sp_pool *p)
{
    return &p->slot->cluster->breakers[p->key.routing];
}

static struct sp_pool *pool_find(struct sp_slot *s, const struct sp_pool_key *key)
{
    struct sp_pool **head = pool_head(s, key);
    for (struct sp_pool **at = head; *at; at = &(*at)->next) {
        struct sp_pool *p = *at;
        if (!sp_pool_key_eq(&p->key, key))
            continue;
        if (at != head) { /* names that are asked for often are found soon */
            *at = p->next;
            p->next = *head;
            *head = p;
        }
        return p;
    }
    return NULL;
}

static void run_serve(struct sp_defer *d);
static void grow_again(struct sp_starved *w);

static struct sp_pool *pool_new(struct sp_slot *s, const struct sp_pool_key *key)
{
    struct sp_pool *p = sp_xcalloc(1, sizeof(*p) + key->sni.len + key->verify_name.len + key->first.len);
    p->slot = s;
    sp_pool_key_copy(&p->key, key, p->names);
    struct sp_list *lists[] = {&p->connecting, &p->idle, &p->ready, &p->busy, &p->leaving, &p->queue, &p->starved.link, &p->link};
    for (size_t i = 0; i < SP_ARRAY_LEN(lists); i++)
        sp_list_init(lists[i]);
    p->serve.run = run_serve;
    p->starved.again = grow_again;
    p->starved.routing = key->routing;
    p->grave.free = pool_free;
    struct sp_pool **head = pool_head(s, key);
    p->next = *head;
    *head = p;
    sp_list_push_back(&s->pools, &p->link);
    sp_host_hold(key->host, s->index);
    return p;
}

static bool host_gone(const struct sp_pool *p)
{
    return p->key.host->parts[p->slot->index].gone;
}

/* One that a name or header of a request made, of a host that is gone, or of a limited number lives as long as it has something to do. */
static void pool_retire(struct sp_pool *p)
{
    if (p->n_conns || p->n_queued || !sp_list_linked(&p->link))
        return;
    bool few = breakers(p)->pools.limit != UINT32_MAX;
    if (!few && !p->key.sni.len && !p->key.verify_name.len && !p->key.first.len && !host_gone(p))
        return;
    sp_permit_give(&breakers(p)->pools, p->slot->index);
    struct sp_pool **at = pool_head(p->slot, &p->key);
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    sp_list_remove(&p->link);
    sp_starve_cancel(p->slot, &p->starved);
    sp_defer_cancel(&p->serve);
    sp_host_let_go(p->key.host, p->slot->index);
    sp_bury(p->slot->turn, &p->grave);
}

/* --- the lists of connections --- */

static void place(struct sp_conn *c, struct sp_list *list, bool front)
{
    sp_list_remove(&c->link);
    if (front)
        sp_list_push_front(list, &c->link);
    else
        sp_list_push_back(list, &c->link);
}

/* Puts a connection where its state belongs; closes it where it is not wanted any more. */
static void find_place(struct sp_conn *c)
{
    struct sp_pool *p = c->owner;
    struct sp_slot *s = p->slot;
    if (c->state < SP_CONN_DRAINING && !c->n_streams && !p->n_queued &&
        (s->draining || host_gone(p) || sp_starve_anybody(s, p->key.routing, p->key.host)))
        sp_conn_close(c);
    if (c->state >= SP_CONN_DRAINING) {
        sp_list_remove(&c->idle_link);
        place(c, &p->leaving, false);
        return;
    }
    if (c->n_streams) {
        sp_list_remove(&c->idle_link);
        bool room = sp_conn_room(c) > 0;
        c->state = room ? SP_CONN_READY : SP_CONN_BUSY;
        place(c, room ? &p->ready : &p->busy, true);
        return;
    }
    if (c->state == SP_CONN_IDLE && sp_list_linked(&c->idle_link))
        return;
    c->state = SP_CONN_IDLE;
    place(c, &p->idle, true);
    if (!p->n_queued) /* else it is about to be used and may not give way */
        sp_list_push_back(&s->idle, &c->idle_link);
}

static bool makes_spare(const struct sp_pool *p)
{
    return SP_UNLIKELY(p->slot->cluster->options.preconnect > 1);
}

/* For preconnect_policy alone. */
static void count(struct sp_conn *c)
{
    struct sp_pool *p = c->owner;
    if (!makes_spare(p))
        return;
    unsigned room = sp_conn_room(c);
    p->n_active += c->n_streams - c->told_streams;
    p->n_room += room - c->told_room;
    c->told_streams = c->n_streams;
    c->told_room = room;
}

static void settle(struct sp_conn *c)
{
    find_place(c);
    count(c);
}

/* What was idle for the line, and was not taken after all, may give way again. */
static void offer_idle(struct sp_pool *p)
{
    SP_LIST_FOREACH(n, &p->idle) {
        struct sp_conn *c = SP_CONTAINER_OF(n, struct sp_conn, link);
        if (sp_list_linked(&c->idle_link))
            break; /* these stood there before */
        sp_list_push_back(&p->slot->idle, &c->idle_link);
    }
}

enum opened { OPENED, NONE_FREE, BARREN };

/* Opens a stream on some connection that has room. BARREN: none, and the host allows no streams on an idle one. */
static enum opened open_some(struct sp_pool *p, struct sp_ticket *t)
{
    enum opened none = NONE_FREE;
    for (;;) {
        struct sp_list *ready = sp_list_first(&p->ready), *n = ready ? ready : sp_list_first(&p->idle);
        if (!n)
            return none;
        struct sp_conn *c = SP_CONTAINER_OF(n, struct sp_conn, link);
        if (SP_UNLIKELY(!sp_conn_trusted(c))) {
            settle(c);
            continue;
        }
        if (!sp_pool_conn_stale(c) && sp_conn_open(c, t)) {
            settle(c);
            return OPENED;
        }
        if (c->n_streams) { /* full: so it stays until a stream ends */
            c->state = SP_CONN_BUSY;
            place(c, &p->busy, false);
            continue;
        }
        none = sp_pool_conn_stale(c) ? none : BARREN;
        sp_conn_close(c);
        settle(c);
    }
}

/* --- the line --- */

static void enqueue(struct sp_pool *p, struct sp_ticket *t)
{
    t->pool = p;
    sp_list_push_back(&p->queue, &t->link);
    p->n_queued++;
    sp_counter_inc(stats(p)->upstream_rq_pending_total);
    sp_gauge_inc(stats(p)->upstream_rq_pending_active);
}

static void dequeue(struct sp_pool *p, struct sp_ticket *t)
{
    assert(t->pool == p && p->n_queued > 0);
    sp_list_remove(&t->link);
    t->pool = NULL;
    p->n_queued--;
    sp_gauge_dec(stats(p)->upstream_rq_pending_active);
    sp_permit_give(&breakers(p)->pending, p->slot->index);
}

/* Fails the first n in line. Their callbacks may take others out of it or put new ones in. */
static void fail_first(struct sp_pool *p, unsigned n, enum sp_ticket_failure why, struct sp_str text)
{
    while (n-- && p->n_queued) {
        struct sp_ticket *t = SP_CONTAINER_OF(sp_list_first(&p->queue), struct sp_ticket, link);
        dequeue(p, t);
        if (why != SP_TICKET_OVERFLOW)
            sp_counter_inc(stats(p)->upstream_rq_pending_failure_eject);
        t->ops->failed(t, why, text);
    }
}

/* How many in line the connections under way will take. */
static uint64_t capacity(const struct sp_pool *p)
{
    enum sp_conn_kind kind = p->key.kind;
    if (kind == SP_KIND_H1 || (kind == SP_KIND_AUTO && p->seen == SEEN_H1))
        return p->n_connecting;
    if (kind == SP_KIND_AUTO && p->seen == SEEN_NOTHING) /* the first one will tell */
        return p->n_connecting ? UINT64_MAX : 0;
    return (uint64_t)p->n_connecting * SP_MIN((unsigned)EXPECTED_STREAMS, p->slot->cluster->options.max_streams);
}

static const struct sp_conn_events events;

/* The pool waits for a connection: one that counts for `host`, or for its priority. */
static bool starve(struct sp_pool *p, struct sp_host *host)
{
    if (!sp_list_linked(&p->starved.link)) {
        sp_counter_inc(stats(p)->upstream_cx_overflow);
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
    if (!sp_permit_take(&breakers(p)->connections, s->index)) {
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
    place(c, &p->connecting, false);
    return true;
}

/* As Envoy: a host that is not well gets no more than it needs. */
static bool wants_spare(const struct sp_pool *p)
{
    double ratio = p->slot->cluster->options.preconnect;
    if (!makes_spare(p) || p->slot->draining || host_gone(p) || sp_host_health(p->key.host) != SP_HEALTHY)
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
    struct sp_permits *requests = &breakers(p)->requests;
    while (p->n_queued) {
        struct sp_ticket *t = SP_CONTAINER_OF(sp_list_first(&p->queue), struct sp_ticket, link);
        if (!sp_permit_take(requests, p->slot->index)) {
            sp_counter_inc(stats(p)->upstream_rq_active_overflow);
            fail_first(p, 1, SP_TICKET_OVERFLOW, SP_STR_NULL);
            continue;
        }
        enum opened opened = open_some(p, t);
        if (opened != OPENED) {
            sp_permit_give(requests, p->slot->index);
            if (opened == BARREN) /* or it would be tried for ever */
                fail_first(p, 1, SP_TICKET_REFUSED, SP_STR("the host allows no streams"));
            break;
        }
        dequeue(p, t);
        t->ops->ready(t);
    }
    if (!p->n_queued)
        offer_idle(p);
    grow(p);
    pool_retire(p);
}

static void run_serve(struct sp_defer *d)
{
    serve(SP_CONTAINER_OF(d, struct sp_pool, serve));
}

/* --- what connections tell --- */

static void serve_later(struct sp_pool *p)
{
    if (p->n_queued)
        sp_defer(p->slot->turn, &p->serve);
}

static void on_ready(struct sp_conn *c)
{
    struct sp_pool *p = c->owner;
    p->n_connecting--;
    if (sp_conn_outdated(c))
        sp_conn_close(c); /* another one takes its place when it is closed */
    else
        p->seen = c->h2 ? SEEN_H2 : SEEN_H1;
    settle(c);
    serve_later(p);
}

static void on_changed(struct sp_conn *c)
{
    settle(c);
    serve_later(c->owner);
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
    fail_first(p, live ? SP_MIN(n, 1u) : n, why, text);
}

static void on_closed(struct sp_conn *c, const struct sp_conn_end *end)
{
    struct sp_pool *p = c->owner;
    p->n_conns--;
    count(c);
    if (!end->connected) {
        p->n_connecting--;
        connect_failed(p, sp_pool_conn_failure(c, end), end->text);
    }
    if (sp_starve_anybody(p->slot, p->key.routing, p->key.host))
        sp_permits_settle(&breakers(p)->connections, p->slot->index);
    if (!sp_list_empty(&p->slot->starved))
        sp_starve_feed(p->slot);
    serve_later(p);
    pool_retire(p);
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
            sp_pool_drop_idle(s, &p->key);
    }
    return false;
}

enum sp_pool_answer sp_pool_get(struct sp_slot *s, const struct sp_pool_key *key, struct sp_ticket *t)
{
    assert(s && key && t && t->ops && !t->cs && !t->pool);
    struct sp_breakers *b = &s->cluster->breakers[key->routing];
    if (s->closed)
        return SP_POOL_CLOSED;
    struct sp_pool *p = pool_find(s, key);
    if (p && !p->n_queued && (!sp_list_empty(&p->ready) || !sp_list_empty(&p->idle))) {
        if (!sp_permit_take(&b->requests, s->index)) {
            sp_counter_inc(s->cluster->stats.upstream_rq_active_overflow);
            return SP_POOL_OVERFLOW;
        }
        if (open_some(p, t) == OPENED) {
            if (makes_spare(p))
                grow(p);
            return SP_POOL_OPEN;
        }
        sp_permit_give(&b->requests, s->index);
    }
    if (!p && !take_place(s, key))
        return SP_POOL_OVERFLOW;
    p = p ? p : pool_new(s, key);
    if (!b->connections.limit || !sp_permit_take(&b->pending, s->index)) {
        sp_counter_inc(s->cluster->stats.upstream_rq_pending_overflow);
        pool_retire(p);
        return SP_POOL_OVERFLOW;
    }
    enqueue(p, t);
    grow(p);
    return SP_POOL_QUEUED;
}

void sp_pool_leave(struct sp_ticket *t)
{
    assert(t);
    struct sp_pool *p = t->pool;
    if (!p)
        return;
    dequeue(p, t);
    sp_counter_inc(stats(p)->upstream_rq_cancelled);
    if (!p->n_queued) {
        sp_starve_cancel(p->slot, &p->starved);
        offer_idle(p);
    }
    pool_retire(p);
}

void sp_pool_drop_idle(struct sp_slot *s, const struct sp_pool_key *key)
{
    assert(s && key);
    struct sp_pool *p = s->closed ? NULL : pool_find(s, key);
    if (!p)
        return;
    SP_LIST_FOREACH_SAFE(n, &p->idle) {
        struct sp_conn *c = SP_CONTAINER_OF(n, struct sp_conn, link);
        sp_conn_close(c);
        settle(c);
    }
}

static void end_list(struct sp_list *l, void (*end)(struct sp_conn *c))
{
    struct sp_list all; /* settle moves them to another list */
    sp_list_init(&all);
    sp_list_splice(&all, l);
    for (struct sp_list *n; (n = sp_list_pop(&all)) != NULL;) {
        struct sp_conn *c = SP_CONTAINER_OF(n, struct sp_conn, link);
        end(c);
        settle(c);
    }
}

static void close_list(struct sp_list *l)
{
    end_list(l, sp_conn_close);
}

static void pool_detach(struct sp_pool *p, bool now)
{
    close_list(&p->idle);
    if (!now)
        return;
    struct sp_list *lists[] = {&p->connecting, &p->ready, &p->busy, &p->leaving};
    for (size_t i = 0; i < SP_ARRAY_LEN(lists); i++)
        close_list(lists[i]);
    fail_first(p, p->n_queued, SP_TICKET_REFUSED, SP_STR("the cluster is gone"));
}

static void detach_all(struct sp_slot *s, bool now)
{
    struct sp_list all; /* what one of them does may make another one retire */
    sp_list_init(&all);
    sp_list_splice(&all, &s->pools);
    for (struct sp_list *n; (n = sp_list_pop(&all)) != NULL;) {
        sp_list_push_back(&s->pools, n);
        pool_detach(SP_CONTAINER_OF(n, struct sp_pool, link), now);
    }
}

void sp_slot_detach(struct sp_slot *s, bool now)
{
    assert(s);
    if (!s->lb)
        return;
    sp_hosts_detach(s);
    s->draining = true;
    s->closed = s->closed || now;
    detach_all(s, now);
    for (size_t i = 0; i < SP_ROUTINGS; i++)
        sp_permits_settle(&s->cluster->breakers[i].connections, s->index);
}

void sp_pool_host_gone(struct sp_slot *s, struct sp_host *h)
{
    assert(s && h && h->parts[s->index].gone);
    for (size_t i = 0; i < SP_POOL_KINDS; i++)
        for (struct sp_pool *p = h->parts[s->index].pools[i], *next; p; p = next) {
            next = p->next;
            close_list(&p->idle);
            pool_retire(p);
        }
}

void sp_pool_host_drain(struct sp_slot *s, struct sp_host *h)
{
    assert(s && h);
    for (size_t i = 0; i < SP_POOL_KINDS; i++)
        for (struct sp_pool *p = h->parts[s->index].pools[i]; p; p = p->next) {
            struct sp_list *lists[] = {&p->idle, &p->ready, &p->busy};
            for (size_t k = 0; k < SP_ARRAY_LEN(lists); k++)
                end_list(lists[k], sp_conn_drain);
            serve_later(p);
        }
}

void sp_slot_done(struct sp_slot *s)
{
    assert(s && !s->n_connections && sp_list_empty(&s->starved));
    if (!s->lb)
        return;
    for (struct sp_list *n; (n = sp_list_pop(&s->pools)) != NULL;) {
        struct sp_pool *p = SP_CONTAINER_OF(n, struct sp_pool, link);
        assert(!p->n_conns && !p->n_queued && !sp_list_linked(&p->serve.link));
        sp_permit_give(&breakers(p)->pools, s->index);
        sp_host_let_go(p->key.host, s->index);
        free(p);
    }
    sp_subset_lb_free(s);
    sp_lb_free(s->lb);
    s->lb = NULL;
    sp_hashed_unref(s->hashed);
    s->hashed = NULL;
    sp_host_set_unref(s->hosts);
    s->hosts = NULL;
}
