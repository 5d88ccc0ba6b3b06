/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/chain_iter.h"

#include <assert.h>

#include "stream/chain_hold.h"

static const size_t ALIGN = 16;

/* Index and step of a direction are turned into each other in the same way. */
static inline unsigned turned(const struct sp_chain *c, enum sp_direction dir, unsigned n)
{
    return dir == SP_DECODE ? n : c->plan->n - 1 - n;
}

static inline bool is_terminal(const struct sp_chain *c, enum sp_direction dir, unsigned step)
{
    return dir == SP_DECODE && step == c->plan->n - 1;
}

static size_t aligned(size_t n)
{
    return (n + ALIGN - 1) & ~(ALIGN - 1);
}

void sp_filter_plan_layout(struct sp_filter_plan *p)
{
    assert(p && p->n && p->n <= SP_CHAIN_MAX_FILTERS && p->n_gates < p->n);
    size_t at = 0;
    p->n_early = p->n_gates;
    while (p->v[p->n_early].ops->routeless)
        p->n_early++;
    for (unsigned i = 0; i < p->n; i++) {
        const struct sp_filter_ops *ops = p->v[i].ops;
        assert(ops->size >= sizeof(struct sp_filter) && ops->gate == (i < p->n_gates));
        assert(ops->terminal == (i == p->n - 1));
        p->v[i].offset = (unsigned)at;
        p->disabled |= (uint64_t)(p->v[i].disabled || p->v[i].group) << i;
        at = aligned(at + ops->size);
    }
    p->holds = at;
    p->size = at + 2 * sizeof(struct sp_hold) * p->n;
}

/* --- callbacks --- */

static void leave(struct sp_chain *c)
{
    assert(c->depth);
    if (--c->depth == 0 && c->reply_pending)
        sp_chain_run_reply(c);
}

/*
 * A filter whose refusal was let pass is out of the stream.  It still sees request trailers, and what it holds of the
 * response it lets go of itself.
 */
static inline bool is_out(const struct sp_chain *c, enum sp_direction dir, unsigned i)
{
    return sp_chain_skips(c, i) || (SP_UNLIKELY(sp_chain_passed(c, i)) && !c->hold[dir][i].mode);
}

/* What a callback answered; of a refusal that was let pass in it, that the request goes on. */
static inline enum sp_status answered(const struct sp_chain *c, enum sp_direction dir, unsigned i, bool before,
                                      enum sp_status st)
{
    return sp_chain_passed(c, i) && (!before || dir == SP_DECODE) ? SP_CONTINUE : st;
}

static enum sp_status call_headers(struct sp_chain *c, enum sp_direction dir, unsigned i, bool end)
{
    const struct sp_filter_ops *ops = c->plan->v[i].ops;
    enum sp_status (*cb)(struct sp_filter *, struct sp_headers *, bool) =
        dir == SP_DECODE ? ops->decode_headers : ops->encode_headers;
    if (!cb)
        return SP_CONTINUE;
    bool before = sp_chain_passed(c, i);
    c->depth++;
    enum sp_status st = cb(sp_chain_filter(c, i), c->head[dir], end);
    leave(c);
    return answered(c, dir, i, before, st);
}

static inline bool sees_data(const struct sp_chain *c, enum sp_direction dir, unsigned i)
{
    const struct sp_filter_ops *ops = c->plan->v[i].ops;
    return (dir == SP_DECODE ? ops->decode_data : ops->encode_data) != NULL;
}

static enum sp_status call_data(struct sp_chain *c, enum sp_direction dir, unsigned i, struct sp_buf *b, bool end)
{
    const struct sp_filter_ops *ops = c->plan->v[i].ops;
    bool before = sp_chain_passed(c, i);
    c->depth++;
    enum sp_status st = (dir == SP_DECODE ? ops->decode_data : ops->encode_data)(sp_chain_filter(c, i), b, end);
    leave(c);
    return answered(c, dir, i, before, st);
}

static inline bool sees_trailers(const struct sp_chain *c, enum sp_direction dir, unsigned i)
{
    const struct sp_filter_ops *ops = c->plan->v[i].ops;
    return (dir == SP_DECODE ? ops->decode_trailers : ops->encode_trailers) != NULL;
}

static enum sp_status call_trailers(struct sp_chain *c, enum sp_direction dir, unsigned i, struct sp_headers *t)
{
    const struct sp_filter_ops *ops = c->plan->v[i].ops;
    bool before = sp_chain_passed(c, i);
    c->depth++;
    enum sp_status st = (dir == SP_DECODE ? ops->decode_trailers : ops->encode_trailers)(sp_chain_filter(c, i), t);
    leave(c);
    return answered(c, dir, i, before, st);
}

/* --- the ends of the chain --- */

static void request_passed(struct sp_chain *c)
{
    if (c->ops->request_passed)
        c->ops->request_passed(c);
}

/* The response's end went to the codec: nothing is left to do but to be closed. */
static void response_passed(struct sp_chain *c)
{
    c->over = true;
    c->epoch[SP_DECODE]++;
    sp_hold_drop(c, SP_DECODE);
    sp_hold_drop(c, SP_ENCODE);
    sp_chain_resume_all(c, SP_DECODE);
    c->upstream.source = c->pausing = NULL;
    c->ops->finished(c);
}

void sp_chain_out_headers(struct sp_chain *c, struct sp_headers *h, bool end)
{
    c->head_out = true;
    c->ops->headers(c, h, end);
    if (end)
        response_passed(c);
}

void sp_chain_out_data(struct sp_chain *c, struct sp_buf *b, bool end)
{
    if (b->len || end)
        c->ops->data(c, b, end);
    sp_buf_clear(b);
    if (end)
        response_passed(c);
}

/* What has to be done before filter i sees the request's head. False: the stream was answered or ended meanwhile. */
static bool reach(struct sp_chain *c, unsigned i)
{
    unsigned epoch = c->epoch[SP_DECODE];
    if (!c->routed) {
        c->routed = true;
        if (!c->ops->route(c) || epoch != c->epoch[SP_DECODE])
            return false;
    }
    if (i == c->plan->n - 1 && !c->at_terminal) {
        c->at_terminal = true;
        if (!c->ops->terminal(c) || epoch != c->epoch[SP_DECODE])
            return false;
    }
    return true;
}

/* --- the iterator --- */

static void stop_at_headers(struct sp_chain *c, enum sp_direction dir, unsigned i, enum sp_status st, bool end)
{
    struct sp_hold *hold = &c->hold[dir][i];
    assert(hold->mode == SP_FLOW);
    c->n_stops[dir]++;
    hold->mode = st == SP_STOP ? SP_HOLD_SEEN : st == SP_STOP_BUFFER ? SP_HOLD_BUFFER : SP_HOLD_PAUSE;
    hold->head = true;
    hold->end = end;
    /* Only a filter that lets data come to it may be waiting for the body. */
    if (dir == SP_DECODE && c->expects && st == SP_STOP && !end && i >= c->plan->n_gates && sees_data(c, dir, i))
        c->ops->want_body(c);
}

void sp_chain_run_headers(struct sp_chain *c, enum sp_direction dir, unsigned step, bool end)
{
    unsigned epoch = c->epoch[dir], n = c->plan->n;
    for (; step < n; step++) {
        unsigned i = turned(c, dir, step);
        if (dir == SP_DECODE && i >= c->plan->n_gates && !reach(c, i))
            return;
        if (is_out(c, dir, i))
            continue;
        enum sp_status st = call_headers(c, dir, i, end);
        if (epoch != c->epoch[dir])
            return;
        if (st == SP_CONTINUE || (st == SP_STOP && is_terminal(c, dir, step)))
            continue;
        stop_at_headers(c, dir, i, st, end);
        return;
    }
    if (dir == SP_ENCODE)
        sp_chain_out_headers(c, c->head[dir], end);
    else if (end)
        request_passed(c);
    else if (c->expects && !c->expects_origin)
        c->ops->want_body(c);
}

/* Filter i lets go on what it stopped: the head, and in front of `b` the data. False: the half ended meanwhile. */
static bool let_go(struct sp_chain *c, enum sp_direction dir, unsigned i, struct sp_buf *b)
{
    struct sp_hold hold = c->hold[dir][i];
    unsigned epoch = c->epoch[dir];
    c->hold[dir][i] = (struct sp_hold){0};
    if (hold.data.len) {
        size_t n = hold.data.len;
        sp_buf_move(&hold.data, b);
        sp_buf_move(b, &hold.data);
        sp_hold_release(c, dir, n);
    }
    if (hold.head)
        sp_chain_run_headers(c, dir, turned(c, dir, i) + 1, false);
    return epoch == c->epoch[dir];
}

static void stop_at_data(struct sp_chain *c, enum sp_direction dir, unsigned i, enum sp_status st, struct sp_buf *b,
                         bool end)
{
    struct sp_hold *hold = &c->hold[dir][i];
    c->n_stops[dir]++;
    if (st == SP_STOP) {
        sp_buf_clear(b);
        hold->mode = SP_HOLD_SEEN;
        hold->end = end;
        return;
    }
    if (is_terminal(c, dir, i)) { /* nothing stands behind it: what it does not want now is shown to it again */
        hold->mode = st == SP_STOP_BUFFER ? SP_HOLD_BUFFER : SP_HOLD_PAUSE;
        hold->seen = 0;
    } else {
        hold->mode = st == SP_STOP_BUFFER ? SP_HOLD_SEEN : SP_HOLD_PAUSE;
        hold->seen = hold->data.len + b->len;
    }
    sp_hold_data(c, dir, hold, b, end);
}

/* Whether what comes now is held at filter i without its seeing it. */
static bool unseen(struct sp_hold *hold, bool sees)
{
    if (hold->mode == SP_HOLD_SEEN && !sees) {
        hold->mode = SP_HOLD_PAUSE;
        hold->seen = hold->data.len;
    }
    return hold->mode != SP_FLOW && hold->mode != SP_HOLD_SEEN;
}

void sp_chain_run_data(struct sp_chain *c, enum sp_direction dir, unsigned step, struct sp_buf *b, bool end)
{
    unsigned epoch = c->epoch[dir], n = c->plan->n;
    for (; step < n; step++) {
        unsigned i = turned(c, dir, step);
        struct sp_hold *hold = &c->hold[dir][i];
        bool sees = sees_data(c, dir, i);
        if ((!hold->mode && !sees) || is_out(c, dir, i))
            continue;
        if (unseen(hold, sees)) {
            sp_hold_data(c, dir, hold, b, end);
            return;
        }
        enum sp_status st = call_data(c, dir, i, b, end);
        if (epoch != c->epoch[dir]) {
            sp_buf_clear(b);
            return;
        }
        if (st != SP_CONTINUE && !(st == SP_STOP && is_terminal(c, dir, step))) {
            stop_at_data(c, dir, i, st, b, end);
            return;
        }
        if (hold->mode && !let_go(c, dir, i, b)) {
            sp_buf_clear(b);
            return;
        }
    }
    if (dir == SP_ENCODE) {
        sp_chain_out_data(c, b, end);
        return;
    }
    sp_buf_clear(b);
    if (end)
        request_passed(c);
}

/* The trailers let go on what filter i stopped before them. False: the half ended meanwhile. */
static bool let_go_before_trailers(struct sp_chain *c, enum sp_direction dir, unsigned i)
{
    unsigned epoch = c->epoch[dir];
    struct sp_buf b;
    sp_buf_init(&b);
    if (let_go(c, dir, i, &b) && b.len)
        sp_chain_run_data(c, dir, turned(c, dir, i) + 1, &b, false);
    sp_buf_clear(&b);
    return epoch == c->epoch[dir];
}

void sp_filter_inject(struct sp_filter *f, enum sp_direction dir, struct sp_buf *b)
{
    assert(f && f->chain && b && f->chain->depth && !f->chain->hold[dir][f->index].mode);
    if (b->len)
        sp_chain_run_data(f->chain, dir, turned(f->chain, dir, f->index) + 1, b, false);
}

void sp_chain_run_trailers(struct sp_chain *c, enum sp_direction dir, unsigned step, struct sp_headers *t)
{
    unsigned epoch = c->epoch[dir], n = c->plan->n;
    for (; step < n; step++) {
        unsigned i = turned(c, dir, step);
        struct sp_hold *hold = &c->hold[dir][i];
        bool sees = sees_trailers(c, dir, i);
        if ((!hold->mode && !sees) || (dir == SP_DECODE ? sp_chain_skips(c, i) : is_out(c, dir, i)))
            continue;
        if (unseen(hold, sees)) {
            hold->trailers = t;
            return;
        }
        enum sp_status st = call_trailers(c, dir, i, t);
        if (epoch != c->epoch[dir])
            return;
        if (st != SP_CONTINUE && !(st == SP_STOP && is_terminal(c, dir, step))) {
            bool again = is_terminal(c, dir, step);
            c->n_stops[dir]++;
            hold->mode = again ? SP_HOLD_PAUSE : SP_HOLD_SEEN;
            hold->trailers = t;
            hold->trailers_seen = !again;
            return;
        }
        if (hold->mode && !let_go_before_trailers(c, dir, i))
            return;
    }
    if (dir == SP_DECODE) {
        request_passed(c);
        return;
    }
    c->ops->trailers(c, t);
    response_passed(c);
}

/* --- continuing --- */

/* Data that was held: what the filter has seen goes on behind it, the rest comes to it first. False: the half ended. */
static bool run_held_data(struct sp_chain *c, enum sp_direction dir, unsigned step, struct sp_hold *hold)
{
    unsigned epoch = c->epoch[dir];
    size_t total = hold->data.len;
    bool rest = hold->seen < total;
    struct sp_buf first;
    sp_buf_init(&first);
    sp_buf_move_n(&first, &hold->data, hold->seen);
    sp_hold_release(c, dir, total);
    if (first.len || (hold->end && !rest))
        sp_chain_run_data(c, dir, step + 1, &first, hold->end && !rest);
    if (rest && epoch == c->epoch[dir])
        sp_chain_run_data(c, dir, step, &hold->data, hold->end);
    sp_buf_clear(&hold->data);
    return epoch == c->epoch[dir];
}

void sp_filter_continue(struct sp_filter *f, enum sp_direction dir)
{
    assert(f && f->chain && (dir == SP_DECODE || dir == SP_ENCODE));
    struct sp_chain *c = f->chain;
    assert(c->depth == 0 && !c->destroyed);
    struct sp_hold hold = c->hold[dir][f->index];
    if (!sp_chain_open(c, dir) || !hold.mode)
        return; /* answered, aborted or let go meanwhile */
    unsigned epoch = c->epoch[dir], step = turned(c, dir, f->index);
    c->hold[dir][f->index] = (struct sp_hold){0};
    bool head_ends = hold.head && hold.end && !hold.data.len;
    if (hold.mode == SP_HOLD_SEEN)
        hold.seen = hold.data.len;
    if (hold.head)
        sp_chain_run_headers(c, dir, step + 1, head_ends);
    if (epoch != c->epoch[dir]) {
        sp_buf_clear(&hold.data);
        return;
    }
    if (!head_ends && (hold.data.len || hold.end) && !run_held_data(c, dir, step, &hold))
        return;
    if (hold.trailers)
        sp_chain_run_trailers(c, dir, hold.trailers_seen ? step + 1 : step, hold.trailers);
}

/* --- the request comes --- */

void sp_chain_init(struct sp_chain *c, const struct sp_filter_plan *plan, const struct sp_chain_ops *ops)
{
    assert(c && plan && plan->size && ops && c->arena && c->request && c->limit);
    c->plan = plan;
    c->ops = ops;
    c->block = sp_arena_zalloc(c->arena, plan->size);
    c->hold[SP_DECODE] = (struct sp_hold *)(void *)(c->block + plan->holds);
    c->hold[SP_ENCODE] = c->hold[SP_DECODE] + plan->n;
    for (unsigned i = 0; i < plan->n; i++) {
        const struct sp_filter_slot *slot = &plan->v[i];
        *sp_chain_filter(c, i) =
            (struct sp_filter){.ops = slot->ops, .chain = c, .config = slot->config, .index = i};
    }
    c->skip = plan->disabled;
}

void sp_chain_request_headers(struct sp_chain *c, struct sp_headers *h, bool end)
{
    assert(c && h && !c->head[SP_DECODE] && !c->destroyed);
    c->head[SP_DECODE] = h;
    c->request_end = end;
    if (sp_chain_open(c, SP_DECODE))
        sp_chain_run_headers(c, SP_DECODE, 0, end);
}

void sp_chain_request_data(struct sp_chain *c, struct sp_buf *b, bool end)
{
    assert(c && b && c->head[SP_DECODE] && !c->request_end && !c->destroyed);
    c->request_end = end;
    if (sp_chain_open(c, SP_DECODE))
        sp_chain_run_data(c, SP_DECODE, 0, b, end);
    else
        sp_buf_clear(b);
}

void sp_chain_request_trailers(struct sp_chain *c, struct sp_headers *t)
{
    assert(c && t && c->head[SP_DECODE] && !c->request_end && !c->destroyed);
    c->request_end = true;
    if (sp_chain_open(c, SP_DECODE))
        sp_chain_run_trailers(c, SP_DECODE, 0, t);
}
