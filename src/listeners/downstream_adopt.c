/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections when their listener gets a newer version. */
#include <assert.h>

#include "listeners/downstream_impl.h"

static struct sp_snapshot *swap(struct sp_downstream *d, struct sp_snapshot *old, struct sp_snapshot *fresh)
{
    unsigned worker = d->home->worker->index;
    if (fresh)
        sp_snapshot_ref(fresh, worker);
    if (old)
        sp_snapshot_unref(old, worker);
    return fresh;
}

void sp_downstream_hold(struct sp_downstream *d, struct sp_snapshot *snapshot)
{
    assert(d && !d->snapshot && !d->owner.snapshot);
    d->snapshot = swap(d, NULL, snapshot);
    d->owner.snapshot = swap(d, NULL, snapshot);
}

void sp_downstream_let_go(struct sp_downstream *d)
{
    assert(d);
    d->snapshot = swap(d, d->snapshot, NULL);
    d->owner.snapshot = swap(d, d->owner.snapshot, NULL);
}

static void on_drain_due(struct sp_timer *t)
{
    struct sp_downstream_home *h = SP_CONTAINER_OF(t, struct sp_downstream_home, drain);
    uint64_t now = h->worker->turn.now_ns, next = UINT64_MAX;
    SP_LIST_FOREACH_SAFE (n, &h->conns) {
        struct sp_downstream *d = SP_CONTAINER_OF(n, struct sp_downstream, link);
        uint64_t due = d->drains || d->stale ? d->due_ns : 0;
        if (!due || !d->wire)
            continue;
        if (due <= now)
            sp_wire_close(d->wire, true);
        else
            next = SP_MIN(next, due);
    }
    if (next != UINT64_MAX)
        sp_timer_start(&h->worker->turn, t, next - now);
}

/* It is being closed, and has nothing left to be told. */
static bool is_ending(const struct sp_downstream *d)
{
    return !d->wire || (d->ready && !sp_wire_codec(d->wire));
}

/*
 * An idle HTTP/1 connection stays until its next answer, since a client that sends a request while we close would lose it;
 * HTTP/2 has GOAWAY for that.
 */
static void say_goodbye(struct sp_downstream *d)
{
    d->owner.draining = true;
    if (d->ready && sp_wire_codec(d->wire)->ops->protocol == SP_HTTP_2)
        sp_wire_drain(d->wire);
}

/* When one is closed that the home's newest version finds open. */
static uint64_t drain_due(struct sp_downstream_home *h)
{
    h->drain.fire = on_drain_due;
    if (!sp_timer_armed(&h->drain))
        sp_timer_start(&h->worker->turn, &h->drain, h->drain_ns);
    return h->worker->turn.now_ns + h->drain_ns;
}

static void retire(struct sp_downstream *d)
{
    struct sp_downstream_home *h = d->home;
    if (d->drains || is_ending(d))
        return;
    if (d->chain && !d->owner.draining)
        sp_counter_inc(sp_hcm_cx(d->chain->hcm)->drain_close);
    d->drains = true;
    d->due_ns = drain_due(h);
    say_goodbye(d);
}

/* Whoever never comes to the end of a handshake must not hold an old config for ever. */
static void set_stale(struct sp_downstream *d, bool stale)
{
    if (stale && !d->stale && !d->drains)
        d->due_ns = drain_due(d->home);
    d->stale = stale;
}

static void count_limit(const struct sp_filter_chain *from, const struct sp_filter_chain *to)
{
    sp_cx_limit_move(&from->limit, &to->limit);
    if (from->limit.count)
        sp_gauge_dec(from->limit_active);
    if (to->limit.count)
        sp_gauge_inc(to->limit_active);
}

/* The connection itself: nothing of it needs the old version any more. */
static void move(struct sp_downstream *d, const struct sp_filter_chain *to)
{
    const struct sp_listener *l = d->home->listener;
    sp_cx_limit_move(&d->listener->limit, &l->limit);
    sp_cx_limit_move(&d->listener->global_limit, &l->global_limit);
    if (d->chain) {
        assert(to);
        count_limit(d->chain, to);
        sp_downstream_ask(d, sp_ocsp_asker(to->ocsp));
    }
    d->chain = to;
    d->listener = l;
    d->conn.listener = &l->place;
    d->conn.filter_chain = to ? &to->place : NULL;
    d->snapshot = swap(d, d->snapshot, d->home->snapshot);
    set_stale(d, false);
}

/* What its next streams run. */
static void move_streams(struct sp_downstream *d, const struct sp_filter_chain *to)
{
    d->owner.hcm = to ? to->hcm : NULL;
    d->owner.snapshot = swap(d, d->owner.snapshot, d->home->snapshot);
}

/* It is still being opened, or a question about its certificate is under way: later. */
static bool is_between(const struct sp_downstream *d)
{
    return (d->chain && !d->ready) || (d->check && d->check->check.wait.entry);
}

static void adopt_unchosen(struct sp_downstream *d)
{
    const struct sp_listener *l = d->home->listener;
    /* What it waits for was settled when it was accepted. */
    set_stale(d, !sp_listener_same_base(d->listener, l) || d->listener->inspect != l->inspect);
    if (d->stale)
        return;
    move(d, NULL);
    move_streams(d, NULL);
}

void sp_downstream_adopt(struct sp_downstream *d)
{
    assert(d);
    const struct sp_listener *l = d->home->listener;
    if (d->listener == l || d->home->draining || is_ending(d))
        return;
    if (!d->chain) {
        adopt_unchosen(d);
        return;
    }
    set_stale(d, is_between(d));
    if (d->stale)
        return;
    bool stays;
    const struct sp_filter_chain *to = sp_listener_successor(l, d->chain, &stays);
    stays = stays && !d->drains && sp_listener_same_base(d->listener, l);
    if (to)
        move_streams(d, to);
    if (stays)
        move(d, to);
    else
        retire(d);
}

void sp_downstream_opened(struct sp_downstream *d)
{
    assert(d && d->ready);
    if (d->drains)
        say_goodbye(d);
    if (d->stale)
        sp_downstream_adopt(d);
}

void sp_downstream_adopt_all(struct sp_downstream_home *h)
{
    assert(h);
    SP_LIST_FOREACH_SAFE (n, &h->conns)
        sp_downstream_adopt(SP_CONTAINER_OF(n, struct sp_downstream, link));
}

void sp_downstream_retire_all(struct sp_downstream_home *h)
{
    assert(h);
    SP_LIST_FOREACH_SAFE (n, &h->conns)
        retire(SP_CONTAINER_OF(n, struct sp_downstream, link));
}

void sp_downstream_cut_all(struct sp_downstream_home *h, uint64_t number)
{
    assert(h);
    SP_LIST_FOREACH_SAFE (n, &h->conns) {
        struct sp_downstream *d = SP_CONTAINER_OF(n, struct sp_downstream, link);
        bool old = (d->snapshot && d->snapshot->number <= number) || (d->owner.snapshot && d->owner.snapshot->number <= number);
        if (!d->wire)
            continue;
        if (old)
            sp_wire_close(d->wire, true);
        else
            sp_stream_cut_old(&d->owner, number);
    }
}

void sp_downstream_weigh_all(const struct sp_downstream_home *h, struct sp_heavy *heavy)
{
    assert(h && heavy);
    SP_LIST_FOREACH (n, &h->conns) {
        const struct sp_downstream *d = SP_CONTAINER_OF(n, struct sp_downstream, link);
        if (!sp_list_empty(&d->owner.streams))
            sp_heavy_weigh(heavy, &d->owner, d->wire && !d->h2 ? sp_wire_held(d->wire) : 0);
    }
}
