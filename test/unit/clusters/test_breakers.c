/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Circuit breakers: priorities, limits of each host, pools, the retry budget. */
#include "support.h"

#include <string.h>

#define THRESHOLDS(text) "circuit_breakers: {thresholds: [" text "]}\n"
#define H2 \
    "typed_extension_protocol_options:\n" \
    "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n" \
    "    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n" \
    "    explicit_http_config: {http2_protocol_options: {}}\n"

static void get(struct t_call *c, struct t_bed *b, unsigned worker, enum sp_routing routing)
{
    const struct sp_upstream_setup more = {.routing = routing};
    t_call_begin(c, b, worker, &more, NULL, true);
}

static void connect_wire(struct t_bed *b, unsigned i)
{
    assert_true(fake_n > i);
    fake_connect(fake_wires[i]);
    t_step(b, 0);
}

static void answer(struct t_bed *b, unsigned i)
{
    fake_respond(fake_stream_at(fake_wires[i], 0), 200, true);
    t_step(b, 0);
}

static void test_priorities_share_nothing(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[5] = {0};
    t_bed_hosts(&b, 1, H2 THRESHOLDS("{max_requests: 1}, {priority: HIGH, max_requests: 2}"));
    get(&c[0], &b, 0, SP_ROUTING_DEFAULT);
    connect_wire(&b, 0);
    get(&c[1], &b, 0, SP_ROUTING_DEFAULT);
    assert_true(c[1].failed);
    assert_int_equal(c[1].failure.flags, SP_FLAG_UO);
    assert_true(c[1].failure.overloaded);
    get(&c[2], &b, 0, SP_ROUTING_HIGH);
    assert_int_equal(fake_n, 2); /* a pool of its own */
    connect_wire(&b, 1);
    get(&c[3], &b, 0, SP_ROUTING_HIGH);
    assert_int_equal(t_stat("circuit_breakers.high.rq_open"), 1);
    assert_int_equal(t_stat("circuit_breakers.default.rq_open"), 1);
    get(&c[4], &b, 0, SP_ROUTING_HIGH);
    assert_true(c[4].failed && !c[2].failed && !c[3].failed);
    assert_int_equal(t_stat("upstream_rq_active_overflow"), 2);
    answer(&b, 0);
    answer(&b, 1);
    answer(&b, 1);
    for (unsigned i = 0; i < 5; i++)
        t_call_done(&c[i]);
    assert_int_equal(t_stat("circuit_breakers.high.rq_open"), 0);
    t_bed_free(&b);
}

/* Another worker's idle connection gives way; there is never a second one. */
static void test_host_across_workers(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call first = {0}, second = {0}, other = {0};
    t_bed_hosts(&b, 2, "circuit_breakers: {per_host_thresholds: [{max_connections: 1}]}\n");
    get(&first, &b, 0, SP_ROUTING_DEFAULT);
    connect_wire(&b, 0);
    unsigned at = t_at(&b, first.up.host);
    do { /* workers begin with any host: the one that has its connection */
        if (second.up.slot) {
            sp_upstream_cancel(&second.up, SP_ABORT_CANCEL);
            t_call_done(&second);
            memset(&second, 0, sizeof(second));
        }
        get(&second, &b, 1, SP_ROUTING_DEFAULT);
    } while (t_at(&b, second.up.host) != at);
    unsigned others = fake_n - 1; /* what was cancelled has begun connections to the other host: one at most */
    assert_true(others <= 1);
    assert_int_equal(second.up.phase, SP_UPSTREAM_WAITING);
    assert_int_equal(t_stat("upstream_cx_overflow"), 1);
    for (unsigned i = 0; i < 20; i++)
        t_step(&b, 10);
    assert_int_equal(fake_n, 1 + others);
    answer(&b, 0); /* its connection is wanted elsewhere */
    assert_int_equal(first.status, 200);
    for (unsigned i = 0; i < 3; i++)
        t_step(&b, 10);
    assert_true(fake_wires[0]->dead);
    assert_int_equal(fake_n, 2 + others);
    connect_wire(&b, fake_n - 1);
    answer(&b, fake_n - 1);
    assert_int_equal(second.status, 200);
    assert_int_equal(atomic_load(&t_host(&b, at)->starving), 0);
    t_call_done(&first);
    t_call_done(&second);
    t_call_done(&other);
    t_bed_free(&b);
}

static void test_pools(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[3] = {0};
    t_bed_hosts(&b, 2, THRESHOLDS("{max_connection_pools: 1}"));
    get(&c[0], &b, 0, SP_ROUTING_DEFAULT);
    connect_wire(&b, 0);
    answer(&b, 0);
    assert_int_equal(c[0].status, 200);
    get(&c[1], &b, 0, SP_ROUTING_DEFAULT); /* the other host */
    assert_true(c[1].failed);
    assert_int_equal(c[1].failure.flags, SP_FLAG_UO);
    assert_int_equal(t_stat("upstream_cx_pool_overflow"), 1);
    assert_int_equal(t_stat("circuit_breakers.default.cx_pool_open"), 1);
    t_step(&b, 0); /* the pool that did nothing has gone */
    assert_true(fake_wires[0]->dead);
    assert_int_equal(t_stat("circuit_breakers.default.cx_pool_open"), 0);
    get(&c[2], &b, 0, SP_ROUTING_DEFAULT);
    connect_wire(&b, 1);
    answer(&b, 1);
    assert_int_equal(c[2].status, 200);
    for (unsigned i = 0; i < 3; i++)
        t_call_done(&c[i]);
    t_bed_free(&b);
}

static void retried(struct t_bed *b, unsigned n_calls, unsigned expected)
{
    struct t_call c[16] = {0};
    const struct sp_retry_policy p = {.on = SP_RETRY_5XX, .num_retries = 1};
    const struct sp_upstream_setup more = {.retry = &p};
    for (unsigned i = 0; i < n_calls; i++)
        t_call_begin(&c[i], b, 0, &more, NULL, true);
    if (!fake_wires[0]->ready)
        fake_connect(fake_wires[0]);
    t_step(b, 0);
    unsigned before = (unsigned)t_stat("upstream_rq_retry"), refused = (unsigned)t_stat("upstream_rq_retry_overflow");
    for (unsigned i = 0; i < n_calls; i++)
        fake_respond(fake_stream_at(fake_wires[0], 0), 503, true);
    assert_int_equal(t_stat("upstream_rq_retry") - before, expected);
    assert_int_equal(t_stat("upstream_rq_retry_overflow") - refused, n_calls - expected);
    for (unsigned i = 0; i < n_calls; i++) {
        assert_int_equal(!c[i].response, c[i].info.flags == 0);
        assert_true(!c[i].response || c[i].info.flags == SP_FLAG_UO);
    }
    assert_int_equal(t_stat("circuit_breakers.default.rq_retry_open"), expected > 0); /* as many as there may be */
    for (unsigned i = 0; i < n_calls; i++) {
        if (!c[i].response)
            sp_upstream_cancel(&c[i].up, SP_ABORT_CANCEL);
        t_call_done(&c[i]);
    }
    t_step(b, 0);
    assert_int_equal(t_stat("circuit_breakers.default.rq_retry_open"), 0);
}

/* Requests that go on count, those that are done do not. */
static void test_budget(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, H2 THRESHOLDS("{retry_budget: {budget_percent: {value: 25}, min_retry_concurrency: 1}}"));
    retried(&b, 1, 1);
    retried(&b, 4, 1);
    retried(&b, 16, 3); /* a quarter of 16, of 15, of 14; of 13 there are three already */
    t_bed_free(&b);
    t_bed_hosts(&b, 1, H2 THRESHOLDS("{retry_budget: {budget_percent: {value: 0}, min_retry_concurrency: 0}}"));
    retried(&b, 4, 0);
    t_bed_free(&b);
    t_bed_hosts(&b, 1, H2 THRESHOLDS("{retry_budget: {}}"));
    retried(&b, 5, 3);
    t_bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_priorities_share_nothing),
        cmocka_unit_test(test_host_across_workers),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
