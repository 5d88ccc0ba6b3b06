/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The line for connections: who is told of a failure, and the circuit breakers. */
#include "support.h"

#include <errno.h>
#include <string.h>

#define OPTIONS(text) \
    "typed_extension_protocol_options:\n" \
    "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n" \
    "    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n" text
#define H2 "    explicit_http_config: {http2_protocol_options: {}}\n"
#define LIMITS(text) "circuit_breakers: {thresholds: [{" text "}]}\n"

static void answer(struct t_bed *b, struct sp_wire *w, unsigned i)
{
    fake_respond(fake_stream_at(w, i), 200, true);
    t_step(b, 0);
}

/* A call that is answered at once on wire i. */
static void one(struct t_bed *b, unsigned i)
{
    struct t_call c = {0};
    t_call_get(&c, b);
    assert_true(fake_n > i);
    if (!fake_wires[i]->ready)
        fake_connect(fake_wires[i]);
    t_step(b, 0);
    answer(b, fake_wires[i], 0);
    assert_int_equal(c.status, 200);
    t_call_done(&c);
}

/* --- failures --- */

static void test_connect_failures_in_line(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[4] = {0};
    t_bed_hosts(&b, 1, LIMITS("max_connections: 2"));
    for (unsigned i = 0; i < 4; i++)
        t_call_get(&c[i], &b);
    assert_int_equal(fake_n, 2);
    assert_true(t_stat("upstream_cx_overflow") > 0);
    fake_end(fake_wires[0], SP_WIRE_CONNECT, -ECONNREFUSED, NULL, 0);
    /* One attempt is left: it can take one; the others are told at once, the longest waiting first. */
    assert_true(c[0].failed && c[1].failed && c[2].failed && !c[3].failed);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    answer(&b, fake_wires[1], 0);
    assert_int_equal(c[3].status, 200);
    for (unsigned i = 0; i < 4; i++)
        t_call_done(&c[i]);
    t_bed_free(&b);
}

static void cancel_next(struct t_call *c)
{
    struct t_call *other = c->user;
    if (other->up.phase != SP_UPSTREAM_DONE)
        sp_upstream_cancel(&other->up, SP_ABORT_CANCEL);
}

/* Who is told may take the next one out of the line, or stand in it anew. */
static void test_failing_is_reentrant(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[3] = {0};
    t_bed_hosts(&b, 1, OPTIONS(H2));
    for (unsigned i = 0; i < 3; i++) {
        c[i].on_end = cancel_next;
        c[i].user = &c[(i + 1) % 3];
        t_call_get(&c[i], &b);
    }
    fake_end(fake_wires[0], SP_WIRE_CONNECT, -ECONNREFUSED, NULL, 0);
    assert_true(c[0].failed && !c[1].failed && c[2].failed);
    assert_int_equal(t_stat("upstream_rq_cancelled"), 1);
    for (unsigned i = 0; i < 3; i++)
        t_call_done(&c[i]);
    t_bed_free(&b);
}

/* --- limits --- */

static void expect_overflow(const struct t_call *c)
{
    assert_true(c->failed);
    assert_int_equal(c->failure.status, 503);
    assert_int_equal(c->failure.flags, SP_FLAG_UO);
    assert_true(c->failure.overloaded);
    assert_str(c->failure.body, "upstream connect error or disconnect/reset before headers. reset reason: overflow");
    assert_str(c->failure.details, "upstream_reset_before_response_started{overflow}");
}

static void test_max_pending(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[4] = {0};
    t_bed_hosts(&b, 1, LIMITS("max_connections: 1, max_pending_requests: 2"));
    for (unsigned i = 0; i < 4; i++)
        t_call_get(&c[i], &b);
    expect_overflow(&c[2]);
    expect_overflow(&c[3]);
    assert_int_equal(t_stat("upstream_rq_pending_overflow"), 2);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    answer(&b, fake_wires[0], 0);
    answer(&b, fake_wires[0], 0); /* the second had waited for the same connection */
    assert_int_equal(c[0].status, 200);
    assert_int_equal(c[1].status, 200);
    assert_int_equal(fake_n, 1);
    for (unsigned i = 0; i < 4; i++)
        t_call_done(&c[i]);
    t_bed_free(&b);
}

static void test_max_requests_at_once(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[3] = {0};
    t_bed_hosts(&b, 1, OPTIONS(H2) LIMITS("max_requests: 2, track_remaining: true"));
    assert_int_equal(t_stat("circuit_breakers.default.remaining_rq"), 2);
    for (unsigned i = 0; i < 3; i++)
        t_call_get(&c[i], &b);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    assert_int_equal(fake_wires[0]->codec.n_streams, 2);
    expect_overflow(&c[2]);
    assert_int_equal(t_stat("circuit_breakers.default.rq_open"), 1);
    assert_int_equal(t_stat("circuit_breakers.default.remaining_rq"), 0);
    t_call_done(&c[2]);
    t_call_get(&c[2], &b);
    expect_overflow(&c[2]);
    answer(&b, fake_wires[0], 0);
    assert_int_equal(t_stat("circuit_breakers.default.rq_open"), 0);
    t_call_done(&c[2]);
    t_call_get(&c[2], &b);
    answer(&b, fake_wires[0], 0);
    answer(&b, fake_wires[0], 0);
    assert_int_equal(c[2].status, 200);
    for (unsigned i = 0; i < 3; i++)
        t_call_done(&c[i]);
    t_bed_free(&b);
}

static void test_no_connections_at_all(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, LIMITS("max_connections: 0"));
    t_call_get(&c, &b);
    expect_overflow(&c);
    t_call_done(&c);
    assert_int_equal(t_stat("circuit_breakers.default.cx_open"), 1);
    t_bed_free(&b);
}

/* An idle connection to another host gives way. */
static void test_idle_gives_way(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 2, LIMITS("max_connections: 1"));
    one(&b, 0);
    t_call_get(&c, &b); /* round robin: the other host */
    t_step(&b, 0);
    assert_true(fake_wires[0]->dead);
    assert_int_equal(fake_n, 2);
    assert_int_not_equal(fake_wires[0]->to.port, fake_wires[1]->to.port);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    answer(&b, fake_wires[1], 0);
    assert_int_equal(c.status, 200);
    t_call_done(&c);
    assert_int_equal(t_stat("upstream_cx_active"), 1);
    t_bed_free(&b);
}

/* So does one of another worker, which is asked. */
static void test_other_worker_gives_way(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, LIMITS("max_connections: 1"));
    one(&b, 0);
    t_call_begin(&c, &b, 1, NULL, NULL, true);
    assert_int_equal(fake_n, 1);
    for (unsigned i = 0; i < 5 && fake_n < 2; i++)
        t_step(&b, 10);
    assert_true(fake_wires[0]->dead);
    assert_int_equal(fake_n, 2);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    answer(&b, fake_wires[1], 0);
    assert_int_equal(c.status, 200);
    t_call_done(&c);
    assert_int_equal(atomic_load(&b.cluster->starving[SP_ROUTING_DEFAULT]), 0);
    t_bed_free(&b);
}

/* A busy one of another worker is closed once it has nothing to do. */
static void test_busy_other_worker(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[2] = {0};
    t_bed_hosts(&b, 1, LIMITS("max_connections: 1"));
    t_call_get(&c[0], &b);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    t_call_begin(&c[1], &b, 1, NULL, NULL, true);
    t_step(&b, 100);
    assert_int_equal(fake_n, 1);
    answer(&b, fake_wires[0], 0);
    t_step(&b, 10);
    assert_true(fake_wires[0]->dead);
    assert_int_equal(fake_n, 2);
    /* Who waits may also give up. */
    sp_upstream_cancel(&c[1].up, SP_ABORT_CANCEL);
    t_step(&b, 0);
    assert_int_equal(atomic_load(&b.cluster->starving[SP_ROUTING_DEFAULT]), 0);
    t_call_done(&c[0]);
    t_call_done(&c[1]);
    t_bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connect_failures_in_line),
        cmocka_unit_test(test_failing_is_reentrant),
        cmocka_unit_test(test_max_pending),
        cmocka_unit_test(test_max_requests_at_once),
        cmocka_unit_test(test_no_connections_at_all),
        cmocka_unit_test(test_idle_gives_way),
        cmocka_unit_test(test_other_worker_gives_way),
        cmocka_unit_test(test_busy_other_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
