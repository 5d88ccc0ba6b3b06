/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool's connections, each in the list of its state. */
#include <assert.h>

#include "clusters/pool.h"
#include "clusters/pool_impl.h"

void sp_pool_place(struct sp_conn *c, struct sp_list *list, bool front)
{
    assert(c && list);
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
        (s->draining || sp_pool_orphaned(p) || SP_UNLIKELY(p->forsaken) || SP_UNLIKELY(c->kind == SP_KIND_RAW) ||
         sp_starve_anybody(s, p->key.routing, p->key.host)))
        sp_conn_close(c);
    if (c->state >= SP_CONN_DRAINING) {
        sp_list_remove(&c->idle_link);
        sp_pool_place(c, &p->leaving, false);
        return;
    }
    if (c->n_streams) {
        sp_list_remove(&c->idle_link);
        bool room = sp_conn_room(c) > 0;
        c->state = room ? SP_CONN_READY : SP_CONN_BUSY;
        sp_pool_place(c, room ? &p->ready : &p->busy, true);
        return;
    }
    if (c->state == SP_CONN_IDLE && sp_list_linked(&c->idle_link))
        return;
    c->state = SP_CONN_IDLE;
    sp_pool_place(c, &p->idle, true);
    if (!p->n_queued) /* else it is about to be used and may not give way */
        sp_list_push_back(&s->idle, &c->idle_link);
}

/* For preconnect_policy alone. */
void sp_pool_count(struct sp_conn *c)
{
    assert(c);
    struct sp_pool *p = c->owner;
    if (!sp_pool_makes_spare(p))
        return;
    unsigned room = sp_conn_room(c);
    p->n_active += c->n_streams - c->told_streams;
    p->n_room += room - c->told_room;
    c->told_streams = c->n_streams;
    c->told_room = room;
}

void sp_pool_settle(struct sp_conn *c)
{
    assert(c && c->owner);
    find_place(c);
    sp_pool_count(c);
}

/* What was idle for the line, and was not taken after all, may give way again. */
void sp_pool_offer_idle(struct sp_pool *p)
{
    assert(p);
    if (SP_UNLIKELY(p->key.kind == SP_KIND_RAW)) { /* what the host says and when it ends is the tunnel's: none waits for one */
        sp_pool_end_list(&p->idle, sp_conn_close);
        return;
    }
    SP_LIST_FOREACH(n, &p->idle) {
        struct sp_conn *c = SP_CONTAINER_OF(n, struct sp_conn, link);
        if (sp_list_linked(&c->idle_link))
            break; /* these stood there before */
        sp_list_push_back(&p->slot->idle, &c->idle_link);
    }
}

bool sp_pool_conn_stale(const struct sp_conn *c)
{
    assert(c);
    uint64_t limit = c->slot->cluster->options.stale_ns;
    return limit && c->h2 && !c->n_streams && c->slot->turn->now_ns - c->idle_since_ns > limit;
}

enum sp_ticket_failure sp_pool_conn_failure(const struct sp_conn *c, const struct sp_conn_end *end)
{
    assert(c && end);
    bool ours = c->refusal.len || end->why == SP_WIRE_LOCAL;
    return end->timed_out ? SP_TICKET_TIMEOUT : ours ? SP_TICKET_REFUSED : SP_TICKET_CONNECT;
}

/* Opens a stream on some connection that has room. SP_BARREN: none, and the host allows no streams on an idle one. */
enum sp_opened sp_pool_open_some(struct sp_pool *p, struct sp_ticket *t)
{
    assert(p && t);
    enum sp_opened none = SP_NONE_FREE;
    for (;;) {
        struct sp_list *ready = sp_list_first(&p->ready), *n = ready ? ready : sp_list_first(&p->idle);
        if (!n)
            return none;
        struct sp_conn *c = SP_CONTAINER_OF(n, struct sp_conn, link);
        if (SP_UNLIKELY(!sp_conn_trusted(c))) {
            sp_pool_settle(c);
            continue;
        }
        if (!sp_pool_conn_stale(c) && sp_conn_open(c, t)) {
            sp_pool_settle(c);
            return SP_OPENED;
        }
        if (c->n_streams) { /* full: so it stays until a stream ends */
            c->state = SP_CONN_BUSY;
            sp_pool_place(c, &p->busy, false);
            continue;
        }
        none = sp_pool_conn_stale(c) ? none : SP_BARREN;
        sp_conn_close(c);
        sp_pool_settle(c);
    }
}

void sp_pool_end_list(struct sp_list *l, void (*end)(struct sp_conn *c))
{
    assert(l && end);
    struct sp_list all; /* settle moves them to another list */
    sp_list_init(&all);
    sp_list_splice(&all, l);
    for (struct sp_list *n; (n = sp_list_pop(&all)) != NULL;) {
        struct sp_conn *c = SP_CONTAINER_OF(n, struct sp_conn, link);
        end(c);
        sp_pool_settle(c);
    }
}

void sp_pool_drop_idle(struct sp_slot *s, const struct sp_pool_key *key)
{
    assert(s && key);
    struct sp_pool *p = s->closed ? NULL : sp_pool_find(s, key);
    if (p)
        sp_pool_end_list(&p->idle, sp_conn_close);
}
