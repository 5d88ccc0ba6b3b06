/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chain_fix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fix_say(struct fix *x, const char *fmt, ...)
{
    if (x->quiet)
        return;
    size_t at = strlen(x->trace);
    assert_true(at + 100 < sizeof(x->trace));
    va_list ap;
    va_start(ap, fmt);
    if (at)
        x->trace[at++] = ' ';
    vsnprintf(x->trace + at, sizeof(x->trace) - at, fmt, ap);
    va_end(ap);
}

static struct fix *fix_of(struct sp_filter *f)
{
    return SP_CONTAINER_OF(f->chain, struct fix, chain);
}

/* Whatever happens, a filter sees one head, then data, then at most one end, and nothing after the stream was ended. */
static void check_order(struct fix *x, struct sp_filter *f, enum event e, bool end)
{
    unsigned *phase = &x->s[f->index].phase[e >= EH];
    assert_false(x->chain.over || x->reset || x->aborted || sp_chain_skips(&x->chain, f->index));
    assert_int_equal(*phase, e == DH || e == EH ? 0 : 1);
    *phase = end ? 2 : 1;
}

static enum sp_status did(struct sp_filter *f, enum event e, bool end)
{
    struct fix *x = fix_of(f);
    struct script *s = &x->s[f->index];
    unsigned n = s->calls[e]++;
    enum sp_status st = n < FIX_STEPS ? s->step[e][n] : SP_CONTINUE;
    bool again = f->ops->terminal && (st == SP_STOP_BUFFER || st == SP_STOP_PAUSE) && e != DH;
    check_order(x, f, e, end && !again);
    if (s->hook)
        s->hook(x, f, e);
    return st;
}

static const char *name_of(struct sp_filter *f)
{
    return fix_of(f)->names[f->index];
}

static enum sp_status dh(struct sp_filter *f, struct sp_headers *h, bool end)
{
    struct fix *x = fix_of(f);
    assert_ptr_equal(h, &x->request);
    fix_say(x, "%s.dh%s", name_of(f), end ? "!" : "");
    if (f->ops->terminal) {
        if (x->link_up)
            sp_link(&x->up, sp_filter_response_sink(f));
        x->upstream_end |= end;
    }
    return did(f, DH, end);
}

static enum sp_status dd(struct sp_filter *f, struct sp_buf *b, bool end)
{
    struct fix *x = fix_of(f);
    fix_say(x, "%s.dd%zu%s", name_of(f), b->len, end ? "!" : "");
    enum sp_status st = did(f, DD, end);
    if (f->ops->terminal && (st == SP_CONTINUE || st == SP_STOP)) {
        sp_buf_move(&x->to_upstream, b);
        x->upstream_end |= end;
    }
    return st;
}

static enum sp_status dt(struct sp_filter *f, struct sp_headers *t)
{
    struct fix *x = fix_of(f);
    assert_ptr_equal(t, &x->req_trailers);
    fix_say(x, "%s.dt", name_of(f));
    enum sp_status st = did(f, DT, true);
    if (f->ops->terminal && (st == SP_CONTINUE || st == SP_STOP))
        x->upstream_end = true;
    return st;
}

static enum sp_status eh(struct sp_filter *f, struct sp_headers *h, bool end)
{
    fix_say(fix_of(f), "%s.eh%u%s", name_of(f), h->status, end ? "!" : "");
    return did(f, EH, end);
}

static enum sp_status ed(struct sp_filter *f, struct sp_buf *b, bool end)
{
    fix_say(fix_of(f), "%s.ed%zu%s", name_of(f), b->len, end ? "!" : "");
    return did(f, ED, end);
}

static enum sp_status et(struct sp_filter *f, struct sp_headers *t)
{
    assert_ptr_equal(t, &fix_of(f)->resp_trailers);
    fix_say(fix_of(f), "%s.et", name_of(f));
    return did(f, ET, true);
}

static void on_complete(struct sp_filter *f)
{
    assert_int_equal(fix_of(f)->s[f->index].destroyed, 0);
    fix_of(f)->s[f->index].completed++;
}

static void destroy(struct sp_filter *f)
{
    fix_of(f)->s[f->index].destroyed++;
}

/* --- the codec's side --- */

static void rx_pause(struct sp_source *s)
{
    struct fix *x = SP_CONTAINER_OF(s, struct fix, rx);
    x->rx_pauses++;
    fix_say(x, "rx.pause");
}

static void rx_resume(struct sp_source *s)
{
    struct fix *x = SP_CONTAINER_OF(s, struct fix, rx);
    assert_true(x->rx_pauses-- > 0);
    fix_say(x, "rx.resume");
}

static void rx_cancel(struct sp_source *s, enum sp_abort why)
{
    fail_msg("the chain cancels the request through its owner only");
}

static void up_pause(struct sp_source *s)
{
    struct fix *x = SP_CONTAINER_OF(s, struct fix, up);
    x->up_pauses++;
    fix_say(x, "up.pause");
}

static void up_resume(struct sp_source *s)
{
    struct fix *x = SP_CONTAINER_OF(s, struct fix, up);
    assert_true(x->up_pauses-- > 0);
    fix_say(x, "up.resume");
}

static void up_cancel(struct sp_source *s, enum sp_abort why)
{
    struct fix *x = SP_CONTAINER_OF(s, struct fix, up);
    assert_non_null(s->sink);
    s->sink = NULL;
    fix_say(x, "up.cancel(%u)", (unsigned)why);
}

static const struct sp_source_ops rx_ops = {rx_pause, rx_resume, rx_cancel}, up_ops = {up_pause, up_resume, up_cancel};

/* --- the owner --- */

static struct fix *of_chain(struct sp_chain *c)
{
    return SP_CONTAINER_OF(c, struct fix, chain);
}

static bool on_route(struct sp_chain *c)
{
    fix_say(of_chain(c), "route");
    return !of_chain(c)->route || of_chain(c)->route(of_chain(c));
}

static bool on_terminal(struct sp_chain *c)
{
    return !of_chain(c)->at_terminal || of_chain(c)->at_terminal(of_chain(c));
}

static void on_want_body(struct sp_chain *c)
{
    c->expects = false;
    fix_say(of_chain(c), "want");
}

static void on_begin(struct sp_chain *c, struct sp_headers *h)
{
    assert_ptr_equal(h, c->head[SP_ENCODE]);
}

static void on_inform(struct sp_chain *c, struct sp_headers *h)
{
    fix_say(of_chain(c), "out.i%u", h->status);
}

static void on_headers(struct sp_chain *c, struct sp_headers *h, bool end)
{
    struct fix *x = of_chain(c);
    assert_false(x->client_end || x->status || x->reset);
    x->status = h->status;
    x->client_end = end;
    fix_say(x, "out.h%u%s", h->status, end ? "!" : "");
}

static void on_data(struct sp_chain *c, struct sp_buf *b, bool end)
{
    struct fix *x = of_chain(c);
    assert_true(x->status && !x->client_end && !x->reset);
    fix_say(x, "out.d%zu%s", b->len, end ? "!" : "");
    sp_buf_move(&x->to_client, b);
    x->client_end = end;
}

static void on_trailers(struct sp_chain *c, struct sp_headers *t)
{
    struct fix *x = of_chain(c);
    assert_true(x->status && !x->client_end && !x->reset);
    x->client_end = true;
    fix_say(x, "out.t");
}

static void on_passed(struct sp_chain *c)
{
    fix_say(of_chain(c), "passed");
}

static void on_finished(struct sp_chain *c)
{
    assert_true(of_chain(c)->client_end);
    fix_say(of_chain(c), "fin");
}

static void on_reset(struct sp_chain *c, enum sp_abort why)
{
    assert_false(of_chain(c)->reset || of_chain(c)->client_end);
    of_chain(c)->reset = true;
    fix_say(of_chain(c), "reset(%u)", (unsigned)why);
}

static void on_too_large(struct sp_chain *c, enum sp_direction dir)
{
    fix_say(of_chain(c), "large(%c)", dir == SP_DECODE ? 'd' : 'e');
}

static const struct sp_chain_ops owner_ops = {
    on_route, on_terminal, on_want_body, NULL, NULL, on_begin, on_inform, on_headers, on_data, on_trailers,
    on_passed, on_finished, on_reset, on_too_large, NULL,
};

/* --- the fixture --- */

static void fill_filter(struct fix *x, unsigned i, unsigned n, unsigned n_gates)
{
    x->names[i][0] = i == n - 1 ? 't' : (char)('a' + i);
    x->ops[i] = (struct sp_filter_ops){
        .name = x->names[i], .size = sizeof(struct sp_filter) + 8 * i, .gate = i < n_gates, .terminal = i == n - 1,
        .decode_headers = dh, .decode_data = dd, .decode_trailers = dt,
        .on_complete = on_complete, .destroy = destroy,
    };
    if (i < n - 1) {
        x->ops[i].encode_headers = eh;
        x->ops[i].encode_data = ed;
        x->ops[i].encode_trailers = et;
    }
    x->slots[i].ops = &x->ops[i];
    x->slots[i].name = sp_str_c(x->names[i]);
}

struct fix *fix_new(unsigned n, unsigned n_gates, size_t limit)
{
    assert_true(n && n <= FIX_FILTERS);
    struct fix *x = calloc(1, sizeof(*x));
    sp_turn_init(&x->turn);
    sp_arena_init(&x->arena);
    for (unsigned i = 0; i < n; i++)
        fill_filter(x, i, n, n_gates);
    x->plan = (struct sp_filter_plan){.v = x->slots, .n = n, .n_gates = n_gates};
    x->rx.ops = &rx_ops;
    x->up.ops = &up_ops;
    x->link_up = true;
    x->chain.limit = limit;
    sp_buf_init(&x->to_upstream);
    sp_buf_init(&x->to_client);
    sp_headers_init(&x->request, &x->arena);
    sp_headers_init(&x->response, &x->arena);
    sp_headers_init(&x->req_trailers, &x->arena);
    sp_headers_init(&x->resp_trailers, &x->arena);
    return x;
}

void fix_start(struct fix *x)
{
    for (unsigned i = 0; i < x->plan.n; i++) {
        x->slots[i].disabled = x->s[i].off;
        if (x->s[i].blind) {
            x->ops[i].decode_data = x->ops[i].encode_data = NULL;
            x->ops[i].decode_trailers = x->ops[i].encode_trailers = NULL;
        }
    }
    sp_filter_plan_layout(&x->plan);
    x->chain.arena = &x->arena;
    x->chain.turn = &x->turn;
    x->chain.info = &x->info;
    x->chain.request = &x->rx;
    sp_chain_init(&x->chain, &x->plan, &owner_ops);
}

void fix_end(struct fix *x)
{
    sp_chain_complete(&x->chain);
    sp_chain_destroy(&x->chain);
    for (unsigned i = 0; i < x->plan.n; i++) {
        assert_int_equal(x->s[i].completed, !sp_chain_skips(&x->chain, i));
        assert_int_equal(x->s[i].destroyed, !sp_chain_skips(&x->chain, i));
        for (int dir = 0; dir < 2; dir++)
            assert_int_equal(x->chain.hold[dir][i].data.len, 0);
    }
    assert_int_equal(x->rx_pauses, 0);
    sp_buf_clear(&x->to_upstream);
    sp_buf_clear(&x->to_client);
    sp_arena_done(&x->arena);
    sp_turn_done(&x->turn);
    assert_int_equal(sp_buf_thread_chunks(), 0);
    free(x);
    sp_arena_thread_done();
    sp_buf_thread_done();
}

struct sp_filter *fix_filter(struct fix *x, unsigned i)
{
    return sp_chain_filter(&x->chain, i);
}

void fix_req_headers(struct fix *x, const char *method, bool end)
{
    x->request.method = sp_str_c(method);
    sp_chain_request_headers(&x->chain, &x->request, end);
}

void fix_req_data(struct fix *x, const char *text, bool end)
{
    struct sp_buf b;
    sp_buf_init(&b);
    sp_buf_append(&b, text, strlen(text));
    sp_chain_request_data(&x->chain, &b, end);
    assert_int_equal(b.len, 0);
    sp_buf_clear(&b);
}

void fix_req_trailers(struct fix *x)
{
    sp_chain_request_trailers(&x->chain, &x->req_trailers);
}

/* As sources do: nothing is delivered to a sink that cancelled. */
static struct sp_sink *sink(struct fix *x)
{
    return x->up.sink;
}

void fix_resp_headers(struct fix *x, unsigned status, bool end)
{
    if (!sink(x))
        return;
    x->response.status = status;
    sink(x)->ops->headers(sink(x), &x->response, end);
}

void fix_resp_data(struct fix *x, const char *text, bool end)
{
    if (!sink(x))
        return;
    struct sp_buf b;
    sp_buf_init(&b);
    sp_buf_append(&b, text, strlen(text));
    sink(x)->ops->data(sink(x), &b, end);
    sp_buf_clear(&b);
}

void fix_resp_trailers(struct fix *x)
{
    if (sink(x))
        sink(x)->ops->trailers(sink(x), &x->resp_trailers);
}

void fix_resp_abort(struct fix *x, enum sp_abort why)
{
    struct sp_sink *to = sink(x);
    if (!to)
        return;
    x->up.sink = NULL;
    to->ops->abort(to, why);
}

void fix_expect(struct fix *x, const char *trace)
{
    assert_string_equal(x->trace, trace);
    x->trace[0] = 0;
}

void fix_bytes(struct sp_buf *b, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(b->len, n);
    if (n)
        assert_memory_equal(sp_buf_pullup(b, n), text, n);
    sp_buf_clear(b);
}

void fix_details(struct fix *x, const char *text)
{
    assert_int_equal(x->info.details.len, strlen(text));
    if (*text)
        assert_memory_equal(x->info.details.ptr, text, strlen(text));
}
