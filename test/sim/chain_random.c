/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chain_random.h"

#include "chain_fix.h"

static uint64_t seed;
static const uint8_t *bytes, *bytes_end; /* drawn from in place of the seed */

static unsigned rnd(unsigned n)
{
    if (bytes)
        return bytes < bytes_end ? *bytes++ % n : n - 1;
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 11) % n;
}

enum { BODY = 40 };

struct half {
    bool head, end;
    unsigned sent;
    bool trailers;
};

static void random_scripts(struct fix *x, unsigned calm)
{
    for (unsigned i = 0; i < x->plan.n; i++) {
        x->s[i].blind = i < x->plan.n - 1 && rnd(5) == 0;
        x->s[i].off = i >= x->plan.n_gates && i < x->plan.n - 1 && rnd(8) == 0;
        for (int e = 0; e < N_EVENTS; e++) {
            for (unsigned k = 0; k < FIX_STEPS; k++) {
                unsigned r = rnd(4 + calm);
                bool data = e == DD || e == ED; /* SP_STOP for data would take it away */
                x->s[i].step[e][k] = r == 1 && !data ? SP_STOP : r == 2 ? SP_STOP_BUFFER
                                                             : r == 3   ? SP_STOP_PAUSE
                                                                        : SP_CONTINUE;
            }
        }
    }
}

/* One more piece of the request, unless it is paused. */
static void request_step(struct fix *x, struct half *h)
{
    if (h->end || x->rx_pauses)
        return;
    if (!h->head) {
        h->head = true;
        h->end = rnd(10) == 0;
        fix_req_headers(x, "POST", h->end);
        return;
    }
    if (h->sent < BODY) {
        char c[2] = {(char)('a' + h->sent % 26), 0};
        h->sent++;
        h->end = h->sent == BODY && !h->trailers;
        fix_req_data(x, c, h->end);
        return;
    }
    h->end = true;
    fix_req_trailers(x);
}

static void response_step(struct fix *x, struct half *h)
{
    if (h->end || x->up_pauses || !x->up.sink)
        return;
    if (!h->head) {
        h->head = true;
        h->end = rnd(10) == 0;
        fix_resp_headers(x, 200, h->end);
        return;
    }
    if (h->sent < BODY) {
        char c[2] = {(char)('A' + h->sent % 26), 0};
        h->sent++;
        h->end = h->sent == BODY && !h->trailers;
        fix_resp_data(x, c, h->end);
        return;
    }
    h->end = true;
    fix_resp_trailers(x);
}

static void continue_one(struct fix *x)
{
    unsigned i = rnd(x->plan.n);
    enum sp_direction dir = rnd(2) ? SP_DECODE : SP_ENCODE;
    if (!sp_chain_skips(&x->chain, i))
        sp_filter_continue(fix_filter(x, i), dir);
}

static void refusal_hook(struct fix *x, struct sp_filter *f, enum event e)
{
    if (rnd(20) == 0 && x->slots[f->index].staging.staged)
        sp_filter_reply_text(f, 401, SP_STR("in a callback"), SP_STR("denied"));
}

/* Some filters are on trial: whatever they answer, and whenever, all has to arrive. */
static void stage_some(struct fix *x)
{
    for (unsigned i = x->plan.n_gates; i + 1 < x->plan.n; i++) {
        x->slots[i].staging.staged = x->slots[i].staging.shadow = rnd(2);
        x->s[i].hook = refusal_hook;
    }
}

/* A filter on trial has nothing to say before it has seen the request. */
static void reply_one(struct fix *x, const struct sp_reply *reply)
{
    unsigned i = rnd(x->plan.n);
    if (!x->slots[i].staging.staged || x->s[i].phase[0])
        sp_filter_reply(fix_filter(x, i), reply);
}

static void refuse_one(struct fix *x)
{
    unsigned i = rnd(x->plan.n);
    if (x->slots[i].staging.staged && x->s[i].phase[0])
        sp_filter_reply_text(fix_filter(x, i), 403, SP_STR("between callbacks"), SP_STR("denied"));
}

static void expect_body(struct sp_buf *b, unsigned n, char first)
{
    assert_int_equal(b->len, n);
    const char *p = n ? sp_buf_pullup(b, n) : "";
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(p[i], first + i % 26);
}

/* With room for all, and nobody interfering, everything arrives. */
static void run_calm(unsigned round)
{
    unsigned n = 1 + rnd(FIX_FILTERS);
    struct fix *x = fix_new(n, rnd(n), 10000);
    x->quiet = true;
    random_scripts(x, round % 5);
    if (round % 2)
        stage_some(x);
    struct half req = {.trailers = rnd(2)}, resp = {.trailers = rnd(2)};
    fix_start(x);
    for (unsigned i = 0; i < 20000 && !x->client_end; i++) {
        if (!req.end && rnd(2))
            request_step(x, &req);
        else if (req.end && x->upstream_end && rnd(2))
            response_step(x, &resp);
        else if (rnd(8) == 0)
            refuse_one(x);
        else
            continue_one(x);
    }
    assert_true(x->client_end && x->status == 200 && x->upstream_end && !x->reset);
    expect_body(&x->to_upstream, req.sent, 'a');
    expect_body(&x->to_client, resp.sent, 'A');
    assert_int_equal(x->up_pauses, 0);
    fix_end(x);
}

static void interfere(struct fix *x)
{
    switch (rnd(60)) {
    case 0:
        if (!x->aborted && !x->chain.over) {
            sp_chain_abort(&x->chain, SP_ABORT_RESET);
            x->aborted = true;
        }
        break;
    case 1:
        reply_one(x, &(struct sp_reply){.status = 403, .details = SP_STR("denied")});
        break;
    case 2:
        reply_one(x, &(struct sp_reply){.reset = true});
        break;
    case 3:
        fix_resp_abort(x, SP_ABORT_CLOSED);
        break;
    case 4:
        sp_filter_request_pause(fix_filter(x, x->plan.n - 1));
        sp_chain_response_pause(&x->chain);
        break;
    case 5:
        sp_filter_request_resume(fix_filter(x, x->plan.n - 1));
        sp_chain_response_resume(&x->chain);
        break;
    default:
        break;
    }
}

static void reply_hook(struct fix *x, struct sp_filter *f, enum event e)
{
    if (rnd(200) == 0)
        sp_filter_reply_text(f, 401, SP_STR("in a callback"), SP_STR("denied"));
    if (rnd(100) == 0)
        sp_filter_clear_route(f);
}

/* Small limits, replies, resets, aborts: nothing is promised but order, balance and an end. */
static void run_rough(unsigned round)
{
    unsigned n = 1 + rnd(FIX_FILTERS);
    struct fix *x = fix_new(n, rnd(n), 1 + rnd(20));
    x->quiet = true;
    random_scripts(x, round % 7);
    if (round % 2)
        stage_some(x);
    for (unsigned i = 0; i < n; i++)
        x->s[i].hook = reply_hook;
    struct half req = {.trailers = rnd(2)}, resp = {.trailers = rnd(2)};
    fix_start(x);
    unsigned steps = rnd(300);
    for (unsigned i = 0; i < steps; i++) {
        switch (rnd(4)) {
        case 0:
            request_step(x, &req);
            break;
        case 1:
            response_step(x, &resp);
            break;
        case 2:
            continue_one(x);
            break;
        default:
            interfere(x);
        }
        for (int dir = 0; dir < 2; dir++) {
            size_t held = 0;
            for (unsigned k = 0; k < n; k++)
                held += x->chain.hold[dir][k].data.len;
            assert_int_equal(held, x->chain.held[dir]);
            assert_true(held <= x->chain.limit + (dir == SP_DECODE ? 1 : 64)); /* a local reply is one piece */
        }
        if (x->chain.over)
            assert_int_equal(x->rx_pauses, 0);
    }
    fix_end(x);
}

void chain_random_calm(uint64_t from, unsigned round)
{
    seed = from;
    run_calm(round);
}

void chain_random_rough(uint64_t from, unsigned round)
{
    seed = from;
    run_rough(round);
}

void chain_random_bytes(const uint8_t *p, size_t n, unsigned round)
{
    bytes = p;
    bytes_end = p + n;
    run_rough(round);
    bytes = NULL;
}
