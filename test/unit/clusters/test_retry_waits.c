/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long retries wait, what an attempt may take, and what later attempts are told. */
#include "support.h"

#include <errno.h>
#include <string.h>

static void test_back_off_of_a_policy(void **state)
{
    (void)state;
    struct t_bed b;
    static struct sp_retry_reset resets[] = {{SP_STR_INIT("x-at"), true}, {SP_STR_INIT("retry-after"), false}};
    const struct sp_retry_policy p = {.on = SP_RETRY_5XX, .num_retries = 9, .base_ns = 1000 * SP_NS_PER_MS, .most_ns = 3000 * SP_NS_PER_MS,
                                      .resets = resets, .n_resets = 2, .reset_most_ns = 100 * SP_NS_PER_S};
    struct sp_retry r = {.on = SP_RETRY_5XX, .policy = &p, .left = 9};
    t_bed_hosts(&b, 1, NULL);
    for (r.done = 1; r.done < 5; r.done++) {
        uint64_t most = r.done == 1 ? 1000 : r.done == 2 ? 2000 : 3000, longest = 0;
        for (unsigned k = 0; k < 300; k++) {
            uint64_t wait = sp_retry_wait_ns(&r, t_slot(&b, 0));
            longest = SP_MAX(longest, wait);
        }
        assert_true(longest < most * SP_NS_PER_MS && longest > most * SP_NS_PER_MS * 8 / 10);
    }
    struct sp_arena arena;
    struct sp_headers h;
    sp_arena_init(&arena);
    static const struct {
        const char *text;
        uint64_t seconds; /* 0: the answer does not count */
    } cases[] = {{":status: 503\nretry-after: 7\n", 7}, {":status: 503\nx-at: 1030\nretry-after: 7\n", 30},
                 {":status: 503\nx-at: 999\nretry-after: 7\n", 7}, {":status: 503\nretry-after: 101\n", 0},
                 {":status: 503\nretry-after: soon\n", 0}, {":status: 503\n", 0}};
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        t_headers(&h, &arena, cases[i].text);
        assert_int_equal(sp_retry_response(&r, t_slot(&b, 0), &h, 1000 * (int64_t)SP_NS_PER_S), SP_RETRY_YES);
        uint64_t wait = sp_retry_wait_ns(&r, t_slot(&b, 0)), asked = cases[i].seconds * SP_NS_PER_S;
        assert_true(asked ? wait >= asked && wait <= asked + asked / 2 : wait <= 3 * SP_NS_PER_S);
    }
    sp_retry_release(&r, t_slot(&b, 0));
    sp_arena_done(&arena);
    t_bed_free(&b);
}

#define POST ":method: POST\n:authority: h\n:path: /\n"

static struct fake_exchange *attempt(struct t_bed *b)
{
    struct sp_wire *w = fake_wires[fake_n - 1];
    if (!w->ready)
        fake_connect(w);
    t_step(b, 0);
    assert_non_null(fake_stream_at(w, 0));
    return fake_stream_at(w, 0);
}

static void again(struct t_bed *b)
{
    t_step(b, 300);
    t_step(b, 0);
}

static struct sp_str told(const struct fake_exchange *s, const char *name)
{
    return sp_headers_get(s->request, sp_str_c(name));
}

/* reset-before-request: no attempt was, not this one alone. */
static void test_sent_once_is_sent(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    const struct sp_retry_policy p = {.on = SP_RETRY_RESET_BEFORE_REQUEST | SP_RETRY_RETRIABLE_4XX, .num_retries = 5};
    const struct sp_upstream_setup more = {.retry = &p};
    t_bed_hosts(&b, 1, NULL);
    t_call_begin(&c, &b, 0, &more, POST, true);
    fake_end(fake_wires[0], SP_WIRE_CONNECT, -ECONNREFUSED, NULL, 0);
    assert_false(c.failed); /* nothing was sent yet */
    again(&b);
    fake_respond(attempt(&b), 409, false); /* the connection is given up with it */
    again(&b);
    fake_end(fake_wires[fake_n - 1], SP_WIRE_CONNECT, -ECONNREFUSED, NULL, 0);
    assert_true(c.failed);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_asked_grpc(void **state)
{
    (void)state;
    static const struct {
        const char *line, *answer;
        bool again;
    } cases[] = {
        {"x-envoy-retry-grpc-on: cancelled, unavailable\n", ":status: 200\ngrpc-status: 14\n", true},
        {"x-envoy-retry-grpc-on: cancelled\n", ":status: 200\ngrpc-status: 14\n", false},
        {"x-envoy-retry-grpc-on: 5xx\n", ":status: 503\n", false}, /* each header names its own conditions only */
        {"x-envoy-retry-on: unavailable\n", ":status: 200\ngrpc-status: 14\n", false},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct t_bed b;
        struct t_call c = {0};
        char lines[200];
        snprintf(lines, sizeof(lines), POST "%sx-envoy-hedge-on-per-try-timeout: true\n", cases[i].line);
        t_bed_hosts(&b, 1, NULL);
        t_call_begin(&c, &b, 0, NULL, lines, true);
        struct fake_exchange *s = attempt(&b);
        assert_int_equal(told(s, "x-envoy-retry-grpc-on").len + told(s, "x-envoy-hedge-on-per-try-timeout").len, 0);
        fake_respond_with(s, cases[i].answer, true);
        assert_int_equal(!c.response, cases[i].again);
        again(&b);
        t_call_done(&c);
        t_bed_free(&b);
    }
}

/* A slow client is no slow host. */
static void test_idle_counts_from_the_end_of_the_request(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    const struct sp_retry_policy p = {.on = SP_RETRY_RESET, .num_retries = 1};
    const struct sp_upstream_setup more = {.retry = &p, .per_try_idle_ns = 100 * SP_NS_PER_MS, .late_in_request = true};
    t_bed_hosts(&b, 1, NULL);
    t_call_begin(&c, &b, 0, &more, POST, false);
    struct fake_exchange *s = attempt(&b);
    assert_int_equal(told(s, "x-envoy-is-timeout-retry").len, 0);
    t_step(&b, 500);
    assert_int_equal(t_stat("upstream_rq_per_try_idle_timeout"), 0);
    t_call_data(&c, "x", true);
    t_step(&b, 99);
    assert_int_equal(t_stat("upstream_rq_per_try_idle_timeout"), 0);
    t_step(&b, 1);
    assert_int_equal(t_stat("upstream_rq_per_try_idle_timeout"), 1);
    again(&b);
    s = attempt(&b);
    assert_str(told(s, "x-envoy-is-timeout-retry"), "true");
    fake_respond(s, 200, true);
    t_step(&b, 0);
    assert_int_equal(c.status, 200);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_time_that_is_left(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    const struct sp_retry_policy p = {.on = SP_RETRY_5XX, .num_retries = 2};
    const struct sp_upstream_setup more = {.retry = &p, .timeout_ns = 2 * SP_NS_PER_S, .expect_in_request = true, .expect_in_grpc = true};
    t_bed_hosts(&b, 1, NULL);
    t_call_begin(&c, &b, 0, &more, POST, true);
    struct fake_exchange *s = attempt(&b);
    assert_str(told(s, "x-envoy-expected-rq-timeout-ms"), "2000");
    assert_str(told(s, "grpc-timeout"), "2000m");
    t_step(&b, 700);
    fake_respond(s, 503, true);
    again(&b);
    s = attempt(&b);
    struct sp_str left = told(s, "x-envoy-expected-rq-timeout-ms");
    uint64_t ms;
    assert_int_equal(sp_str_u64(left, 10000, &ms), 0);
    assert_true(ms <= 1300 && ms >= 1000);
    t_step(&b, 0);
    sp_upstream_cancel(&c.up, SP_ABORT_CANCEL);
    t_call_done(&c);
    t_bed_free(&b);
}

/* The cluster's max_stream_duration ends an attempt, as a reset does. */
static void test_longest_attempt(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    const struct sp_retry_policy p = {.on = SP_RETRY_RESET, .num_retries = 1};
    const struct sp_upstream_setup more = {.retry = &p};
    t_bed_hosts(&b, 1, "common_http_protocol_options: {max_stream_duration: 0.1s}\n");
    t_call_begin(&c, &b, 0, &more, NULL, true);
    attempt(&b);
    t_step(&b, 100);
    assert_false(c.failed);
    again(&b);
    attempt(&b);
    t_step(&b, 100);
    assert_true(c.failed);
    assert_int_equal(c.failure.status, 504);
    assert_int_equal(c.failure.flags, SP_FLAG_UMSDR);
    assert_int_equal(c.info.flags, SP_FLAG_URX);
    assert_int_equal(t_stat("upstream_rq_max_duration_reached"), 2);
    t_call_done(&c);
    t_bed_free(&b);
}

/* previous_hosts: none that was tried, not the last one alone. */
static void test_each_host_once(void **state)
{
    (void)state;
    static const char *const policies[] = {"lb_policy: RANDOM\n", "lb_policy: MAGLEV\nmaglev_lb_config: {table_size: 101}\n"};
    const struct sp_retry_policy p = {.on = SP_RETRY_CONNECT_FAILURE, .num_retries = 4, .previous_hosts = true, .host_looks = 100};
    for (unsigned hashed = 0; hashed < 2; hashed++)
        for (unsigned n = 0; n < 20; n++) {
            struct t_bed b;
            struct t_call c = {0};
            unsigned seen = 0;
            const struct sp_upstream_setup more = {.retry = &p, .hashed = hashed, .hash = n * 77777};
            t_bed_hosts(&b, 5, policies[hashed]);
            t_call_begin(&c, &b, 0, &more, NULL, true);
            for (unsigned i = 0; i < 5; i++) {
                seen |= 1u << t_at(&b, c.up.host);
                fake_end(fake_wires[fake_n - 1], SP_WIRE_CONNECT, -ECONNREFUSED, NULL, 0);
                again(&b);
            }
            assert_true(c.failed);
            assert_int_equal(seen, 31);
            t_call_done(&c);
            t_bed_free(&b);
        }
}

/* Of two hosts one is a canary: retries go to the other, whoever failed. */
static void test_omitted_hosts(void **state)
{
    (void)state;
    static struct sp_criterion stage;
    static struct sp_retry_omit omit = {&stage, 1};
    struct sp_retry_policy policies[] = {
        {.on = SP_RETRY_CONNECT_FAILURE, .num_retries = 1, .omit_canaries = true, .host_looks = 100},
        {.on = SP_RETRY_CONNECT_FAILURE, .num_retries = 1, .omits = &omit, .n_omits = 1, .host_looks = 100},
    };
    sp_criterion_init(&stage, SP_STR("stage"), SP_STR("\"new\""));
    for (size_t k = 0; k < SP_ARRAY_LEN(policies); k++)
        for (unsigned n = 0; n < 20; n++) {
            struct t_bed b;
            struct t_call c = {0};
            const struct sp_upstream_setup more = {.retry = &policies[k]};
            t_bed_new(&b, "{name: c, connect_timeout: 1s, lb_policy: RANDOM, load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: ["
                          "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}, metadata: {filter_metadata: "
                          "{envoy.lb: {canary: true, stage: new}}}}, "
                          "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 2}}}}]}]}}");
            t_call_begin(&c, &b, 0, &more, NULL, true);
            fake_end(fake_wires[0], SP_WIRE_CONNECT, -ECONNREFUSED, NULL, 0);
            again(&b);
            assert_int_equal(fake_n, 2);
            assert_int_equal(fake_wires[1]->to.port, 2);
            sp_upstream_cancel(&c.up, SP_ABORT_CANCEL);
            t_call_done(&c);
            t_bed_free(&b);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_back_off_of_a_policy),
        cmocka_unit_test(test_sent_once_is_sent),
        cmocka_unit_test(test_asked_grpc),
        cmocka_unit_test(test_idle_counts_from_the_end_of_the_request),
        cmocka_unit_test(test_time_that_is_left),
        cmocka_unit_test(test_longest_attempt),
        cmocka_unit_test(test_each_host_once),
        cmocka_unit_test(test_omitted_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
