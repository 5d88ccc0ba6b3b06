/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is tried again, by a policy and without one. */
#include "support.h"

#include <errno.h>
#include <string.h>

#define UP "upstream connect error or disconnect/reset before headers. "
#define H2 \
    "typed_extension_protocol_options:\n" \
    "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n" \
    "    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n" \
    "    explicit_http_config: {http2_protocol_options: {}}\n"

static struct sp_wire *last_wire(void)
{
    return fake_wires[fake_n - 1];
}

/* The stream of the attempt under way, connecting first where it has to. */
static struct fake_exchange *attempt(struct t_bed *b)
{
    if (!last_wire()->ready && !last_wire()->dead) {
        fake_connect(last_wire());
        t_step(b, 0);
    }
    for (unsigned i = fake_n; i-- > 0;)
        if (!fake_wires[i]->dead && fake_stream_at(fake_wires[i], 0))
            return fake_stream_at(fake_wires[i], 0);
    fail_msg("there is no attempt");
    return NULL;
}

static void begin(struct t_call *c, struct t_bed *b, const struct sp_retry_policy *p, const char *lines, bool end)
{
    struct sp_upstream_setup more = {.retry = p, .timeout_ns = 15 * SP_NS_PER_S};
    if (p)
        more.per_try_timeout_ns = p->per_try_timeout_ns;
    t_call_begin(c, b, 0, &more, lines, end);
}

static void test_5xx(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    struct sp_retry_policy p = {.on = SP_RETRY_5XX, .num_retries = 2};
    t_bed_hosts(&b, 1, NULL);
    begin(&c, &b, &p, NULL, true);
    fake_respond(attempt(&b), 503, true);
    assert_null(c.response);
    assert_int_equal(t_stat("upstream_rq_retry"), 1);
    assert_int_equal(t_stat("upstream_rq_retry_backoff_exponential"), 1);
    t_step(&b, 25); /* the first back-off is under 25 ms */
    t_step(&b, 0);
    fake_respond(attempt(&b), 500, true);
    assert_null(c.response);
    t_step(&b, 50);
    t_step(&b, 0);
    fake_respond(attempt(&b), 200, true);
    assert_int_equal(c.status, 200);
    t_step(&b, 0);
    assert_int_equal(t_stat("upstream_rq_retry_success"), 1);
    assert_int_equal(t_stat("retry.upstream_rq_503"), 1);
    assert_int_equal(t_stat("retry.upstream_rq_5xx"), 2);
    assert_int_equal(t_stat("upstream_rq_completed"), 1);
    assert_int_equal(t_stat("upstream_rq_total"), 3);
    assert_int_equal(c.info.upstream_attempts, 3);
    assert_int_equal(c.info.flags, 0);
    assert_int_equal(fake_n, 1); /* the connection was good all along */
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_limit(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    struct sp_retry_policy p = {.on = SP_RETRY_GATEWAY_ERROR, .num_retries = 1};
    t_bed_hosts(&b, 1, NULL);
    begin(&c, &b, &p, NULL, true);
    fake_respond(attempt(&b), 502, true);
    t_step(&b, 25);
    t_step(&b, 0);
    fake_respond(attempt(&b), 504, true);
    assert_int_equal(c.status, 504); /* what the host said goes through */
    assert_int_equal(c.info.flags, SP_FLAG_URX);
    assert_int_equal(t_stat("upstream_rq_retry_limit_exceeded"), 1);
    t_step(&b, 0);
    t_call_done(&c);
    begin(&c, &b, &p, NULL, true);
    fake_respond(attempt(&b), 500, true); /* no gateway's error */
    assert_int_equal(c.status, 500);
    assert_int_equal(c.info.flags, 0);
    t_step(&b, 0);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_back_off_grows(void **state)
{
    (void)state;
    struct t_bed b;
    struct sp_retry r = {.on = SP_RETRY_5XX};
    static const uint64_t most[] = {25, 25, 50, 100, 200, 250, 250};
    t_bed_hosts(&b, 1, NULL);
    for (unsigned i = 0; i < SP_ARRAY_LEN(most); i++) {
        r.done = i;
        uint64_t longest = 0;
        for (unsigned k = 0; k < 300; k++) {
            uint64_t wait = sp_retry_wait_ns(&r, t_slot(&b, 0));
            longest = SP_MAX(longest, wait);
        }
        assert_true(longest < most[i] * SP_NS_PER_MS && longest > most[i] * SP_NS_PER_MS * 8 / 10);
    }
    t_bed_free(&b);
}

/* --- what of a response is retried --- */

static bool retried_on(uint32_t on, const char *request, const char *response)
{
    static const uint32_t codes[] = {418, 425};
    struct t_bed b;
    struct t_call c = {0};
    struct sp_retry_policy p = {.on = on, .num_retries = 1, .status_codes = codes, .n_status_codes = 2};
    t_bed_hosts(&b, 1, NULL);
    begin(&c, &b, on ? &p : NULL, request, true);
    struct fake_exchange *s = attempt(&b);
    assert_null(sp_headers_find(s->request, SP_STR("x-envoy-retry-on"), NULL));
    assert_null(sp_headers_find(s->request, SP_STR("x-envoy-max-retries"), NULL));
    fake_respond_with(s, response, true);
    bool again = !c.response;
    t_step(&b, 25);
    t_step(&b, 0);
    t_call_done(&c);
    t_bed_free(&b);
    return again;
}

static void test_terms(void **state)
{
    (void)state;
    assert_true(retried_on(SP_RETRY_5XX, NULL, ":status: 500\n"));
    assert_false(retried_on(SP_RETRY_5XX, NULL, ":status: 499\n"));
    assert_false(retried_on(SP_RETRY_5XX, NULL, ":status: 503\nx-envoy-ratelimited: true\n"));
    assert_true(retried_on(SP_RETRY_RATELIMITED, NULL, ":status: 429\nx-envoy-ratelimited: true\n"));
    assert_true(retried_on(1u << (SP_RETRY_GRPC + 14), NULL, ":status: 200\ngrpc-status: 14\n"));
    assert_false(retried_on(1u << (SP_RETRY_GRPC + 14), NULL, ":status: 200\ngrpc-status: 13\n"));
    assert_false(retried_on(1u << (SP_RETRY_GRPC + 14), NULL, ":status: 200\ngrpc-status: 99\n"));
    assert_true(retried_on(SP_RETRY_RETRIABLE_4XX, NULL, ":status: 409\n"));
    assert_false(retried_on(SP_RETRY_RETRIABLE_4XX, NULL, ":status: 404\n"));
    assert_true(retried_on(SP_RETRY_STATUS_CODES, NULL, ":status: 418\n"));
    assert_false(retried_on(SP_RETRY_STATUS_CODES, NULL, ":status: 417\n"));
    assert_false(retried_on(SP_RETRY_CONNECT_FAILURE | SP_RETRY_RESET | SP_RETRY_REFUSED_STREAM, NULL, ":status: 503\n"));
    /* By the request's own headers, which an internal client may send. */
#define GET ":method: GET\n:authority: h\n:path: /\n"
    assert_true(retried_on(0, GET "x-envoy-retry-on: reset, gateway-error\n", ":status: 503\n"));
    assert_false(retried_on(0, GET "x-envoy-retry-on: nonsense\n", ":status: 503\n"));
    assert_false(retried_on(0, GET "x-envoy-retry-on: 5xx\nx-envoy-max-retries: 0\n", ":status: 503\n"));
    assert_true(retried_on(0, GET "x-envoy-retry-on: 5xx\nx-envoy-max-retries: 99999999999\n", ":status: 503\n"));
    assert_true(retried_on(0, GET "x-envoy-retry-on: retriable-status-codes\nx-envoy-retriable-status-codes: 400, 401\n",
                           ":status: 401\n"));
    assert_true(retried_on(0, GET "x-envoy-retry-on: retriable-headers\nx-envoy-retriable-header-names: x-a, X-B\n",
                           ":status: 200\nx-b: 1\n"));
    assert_false(retried_on(0, GET "x-envoy-retry-on: retriable-headers\nx-envoy-retriable-header-names: x-a\n",
                            ":status: 200\nx-b: 1\n"));
    assert_false(retried_on(0, NULL, ":status: 503\n"));
    assert_true(retried_on(SP_RETRY_STATUS_CODES, GET, ":status: 425\n")); /* but not of a request that came early: RFC 8470 section 5.2 */
    assert_false(retried_on(SP_RETRY_STATUS_CODES, GET "early-data: 1\n", ":status: 425\n"));
}

/* An answer that is not over when it is given up: HTTP/1 closes, HTTP/2 does not. */
static void test_given_up_in_the_middle(void **state)
{
    (void)state;
    for (unsigned h2 = 0; h2 < 2; h2++) {
        struct t_bed b;
        struct t_call c = {0};
        struct sp_retry_policy p = {.on = SP_RETRY_5XX, .num_retries = 1};
        t_bed_hosts(&b, 1, h2 ? H2 : NULL);
        begin(&c, &b, &p, NULL, true);
        fake_respond(attempt(&b), 503, false);
        t_step(&b, 25);
        t_step(&b, 0);
        assert_int_equal(fake_wires[0]->dead, !h2);
        fake_respond(attempt(&b), 200, true);
        assert_int_equal(c.status, 200);
        t_step(&b, 0);
        t_call_done(&c);
        t_bed_free(&b);
    }
}

static void test_body_is_sent_again(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    struct sp_retry_policy p = {.on = SP_RETRY_5XX, .num_retries = 2};
    t_bed_hosts(&b, 2, NULL);
    begin(&c, &b, &p, ":method: POST\n:authority: h\n:path: /\n", false);
    t_call_data(&c, "early ", false);
    struct fake_exchange *s = attempt(&b);
    t_call_data(&c, "and ", false);
    assert_memory_equal(s->body, "early and ", 10);
    fake_end(last_wire(), SP_WIRE_REMOTE, -ECONNRESET, NULL, SP_ABORT_RESET);
    assert_false(c.failed);
    t_call_data(&c, "later ", false); /* while it waits */
    t_step(&b, 25);
    t_step(&b, 0);
    s = attempt(&b);
    assert_memory_equal(s->body, "early and later ", 16);
    assert_int_equal(s->wire->to.port == fake_wires[0]->to.port, 0); /* not the one that failed */
    t_call_data(&c, "end", true);
    assert_memory_equal(s->body, "early and later end", 19);
    fake_respond(s, 503, true);
    t_step(&b, 60);
    t_step(&b, 0);
    s = attempt(&b);
    assert_memory_equal(s->body, "early and later end", 19);
    assert_true(s->tx_ended);
    fake_respond(s, 200, true);
    assert_int_equal(c.status, 200);
    t_step(&b, 0);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_big_body_is_not(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    char big[6001];
    memset(big, 'x', 6000);
    big[6000] = 0;
    struct sp_retry_policy p = {.on = SP_RETRY_5XX, .num_retries = 2};
    t_bed_hosts(&b, 1, "per_connection_buffer_limit_bytes: 10000\n");
    begin(&c, &b, &p, ":method: PUT\n:authority: h\n:path: /\n", false);
    struct fake_exchange *s = attempt(&b);
    t_call_data(&c, big, false);
    t_call_data(&c, big, true);
    assert_int_equal(s->body_total, 12000);
    assert_int_equal(t_stat("retry_or_shadow_abandoned"), 1);
    fake_respond(s, 503, true);
    assert_int_equal(c.status, 503);
    t_step(&b, 0);
    t_call_done(&c);
    /* Too big before there is a connection: it is sent once, and whole. */
    begin(&c, &b, &p, ":method: PUT\n:authority: h\n:path: /\n", false);
    s = fake_stream_at(last_wire(), 0);
    sp_upstream_cancel(&c.up, SP_ABORT_CANCEL);
    t_call_done(&c);
    t_step(&b, 0);
    begin(&c, &b, &p, ":method: PUT\n:authority: h\n:path: /\n", false);
    t_call_data(&c, big, false);
    t_call_data(&c, big, true);
    assert_int_equal(t_stat("retry_or_shadow_abandoned"), 2);
    s = attempt(&b);
    assert_int_equal(s->body_total, 12000);
    fake_respond(s, 200, true);
    t_step(&b, 0);
    t_call_done(&c);
    t_bed_free(&b);
}

/* --- resets --- */

static void test_reset_terms(void **state)
{
    (void)state;
    static const struct {
        uint32_t on;
        bool connect, refused, reset;
    } cases[] = {
        {SP_RETRY_CONNECT_FAILURE, true, false, false}, {SP_RETRY_REFUSED_STREAM, false, true, false},
        {SP_RETRY_RESET, true, true, true},             {SP_RETRY_5XX, true, true, true},
        {SP_RETRY_GATEWAY_ERROR, true, true, true},     {SP_RETRY_RESET_BEFORE_REQUEST, true, false, false},
        {SP_RETRY_RETRIABLE_4XX, false, false, false},
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        for (unsigned how = 0; how < 3; how++) {
            struct t_bed b;
            struct t_call c = {0};
            struct sp_retry_policy p = {.on = cases[i].on, .num_retries = 1};
            t_bed_hosts(&b, 1, H2);
            begin(&c, &b, &p, ":method: POST\n:authority: h\n:path: /\n", true);
            c.up.second = true; /* what is safe without a policy is not the question here */
            if (how == 0)
                fake_end(last_wire(), SP_WIRE_CONNECT, -ECONNREFUSED, NULL, 0);
            else
                fake_abort(attempt(&b), how == 1 ? SP_ABORT_REFUSED : SP_ABORT_RESET);
            bool expected = how == 0 ? cases[i].connect : how == 1 ? cases[i].refused : cases[i].reset;
            assert_int_equal(!c.failed, expected);
            t_step(&b, 25);
            t_step(&b, 0);
            t_call_done(&c);
            t_bed_free(&b);
        }
    }
}

static void test_failure_after_retry(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    struct sp_retry_policy p = {.on = SP_RETRY_CONNECT_FAILURE, .num_retries = 1};
    t_bed_hosts(&b, 1, NULL);
    begin(&c, &b, &p, NULL, true);
    fake_end(last_wire(), SP_WIRE_CONNECT, -ECONNREFUSED, NULL, 0);
    assert_false(c.failed);
    t_step(&b, 25);
    t_step(&b, 0);
    fake_end(last_wire(), SP_WIRE_CONNECT, -ECONNREFUSED, NULL, 0);
    assert_true(c.failed);
    assert_str(c.failure.body, UP "retried and the latest reset reason: remote connection failure");
    assert_int_equal(c.info.flags, SP_FLAG_URX);
    assert_int_equal(c.failure.flags, SP_FLAG_UF);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_per_try_timeout(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    struct sp_retry_policy p = {.on = SP_RETRY_5XX, .num_retries = 1, .per_try_timeout_ns = 100 * SP_NS_PER_MS};
    t_bed_hosts(&b, 1, NULL);
    begin(&c, &b, &p, NULL, true);
    attempt(&b);
    t_step(&b, 99);
    assert_int_equal(t_stat("upstream_rq_per_try_timeout"), 0);
    t_step(&b, 1);
    assert_int_equal(t_stat("upstream_rq_per_try_timeout"), 1);
    assert_false(c.failed);
    t_step(&b, 25);
    t_step(&b, 0);
    attempt(&b);
    t_step(&b, 100);
    assert_true(c.failed);
    assert_int_equal(c.failure.status, 504);
    assert_str(c.failure.details, "upstream_per_try_timeout");
    assert_int_equal(c.failure.flags, SP_FLAG_UT);
    assert_int_equal(c.info.flags, SP_FLAG_URX);
    t_step(&b, 0);
    t_call_done(&c);
    /* Once the head is there, only the route's timeout counts. */
    begin(&c, &b, &p, NULL, true);
    fake_respond(attempt(&b), 200, false);
    t_step(&b, 500);
    assert_false(c.aborted);
    sp_upstream_cancel(&c.up, SP_ABORT_CANCEL);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_route_timeout_while_pausing(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    struct sp_retry_policy p = {.on = SP_RETRY_5XX, .num_retries = 5};
    struct sp_upstream_setup more = {.retry = &p, .timeout_ns = 1};
    t_bed_hosts(&b, 1, NULL);
    t_call_begin(&c, &b, 0, &more, ":method: POST\n:authority: h\n:path: /\n", false);
    struct fake_exchange *s = attempt(&b);
    t_call_data(&c, "x", true);
    fake_respond(s, 503, true);
    assert_int_equal(c.up.phase, SP_UPSTREAM_PAUSING);
    sp_timer_start(&b.workers[0].turn, &c.up.try_timer, SP_NS_PER_S);
    t_step(&b, 1);
    assert_true(c.failed);
    assert_int_equal(c.failure.status, 504);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_breaker(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[3] = {0};
    struct sp_retry_policy p = {.on = SP_RETRY_5XX, .num_retries = 1};
    t_bed_hosts(&b, 1, H2 "circuit_breakers: {thresholds: [{max_retries: 2}]}\n");
    for (unsigned i = 0; i < 3; i++)
        begin(&c[i], &b, &p, NULL, true);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    for (unsigned i = 0; i < 3; i++)
        fake_respond(fake_stream_at(fake_wires[0], 0), 503, true);
    assert_null(c[0].response);
    assert_null(c[1].response);
    assert_int_equal(c[2].status, 503);
    assert_int_equal(c[2].info.flags, SP_FLAG_UO);
    assert_int_equal(t_stat("upstream_rq_retry_overflow"), 1);
    assert_int_equal(t_stat("circuit_breakers.default.rq_retry_open"), 1);
    t_step(&b, 25);
    t_step(&b, 0);
    fake_respond(fake_stream_at(fake_wires[0], 0), 200, true);
    fake_respond(fake_stream_at(fake_wires[0], 0), 200, true);
    assert_int_equal(t_stat("circuit_breakers.default.rq_retry_open"), 0);
    t_step(&b, 0);
    for (unsigned i = 0; i < 3; i++)
        t_call_done(&c[i]);
    t_bed_free(&b);
}

/* --- without a policy --- */

/* A connection that has served before breaks under the next request before any answer. */
static bool stale_retried(const char *lines, const char *body, bool h2, enum sp_abort why)
{
    struct t_bed b;
    struct t_call first = {0}, c = {0};
    t_bed_hosts(&b, 1, h2 ? H2 : NULL);
    begin(&first, &b, NULL, NULL, true);
    fake_respond(attempt(&b), 200, true);
    t_step(&b, 0);
    t_call_done(&first);
    begin(&c, &b, NULL, lines, !body);
    if (body)
        t_call_data(&c, body, true);
    fake_end(last_wire(), SP_WIRE_REMOTE, -ECONNRESET, NULL, why);
    bool again = !c.failed;
    if (again) {
        t_step(&b, 0);
        assert_int_equal(fake_n, 2);
        struct fake_exchange *s = attempt(&b);
        fake_respond(s, 200, true);
        assert_int_equal(c.status, 200);
        assert_int_equal(c.info.flags, 0);
        assert_int_equal(t_stat("upstream_rq_retry"), 1);
        t_step(&b, 0);
    } else {
        assert_int_equal(c.failure.flags, SP_FLAG_UC);
    }
    t_call_done(&c);
    t_bed_free(&b);
    return again;
}

static void test_stale(void **state)
{
    (void)state;
    assert_true(stale_retried(NULL, NULL, false, SP_ABORT_CLOSED));
    assert_true(stale_retried(NULL, NULL, false, SP_ABORT_RESET));
    assert_true(stale_retried(":method: DELETE\n:authority: h\n:path: /\n", NULL, true, SP_ABORT_CLOSED));
    assert_false(stale_retried(":method: POST\n:authority: h\n:path: /\n", NULL, false, SP_ABORT_CLOSED));
    assert_false(stale_retried(":method: PUT\n:authority: h\n:path: /\n", "a body that is gone", false, SP_ABORT_CLOSED));
    assert_false(stale_retried(":method: PATCH\n:authority: h\n:path: /\n", NULL, false, SP_ABORT_RESET));
}

static void test_fresh_connection_is_no_excuse(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, NULL);
    begin(&c, &b, NULL, NULL, true);
    attempt(&b);
    fake_end(last_wire(), SP_WIRE_REMOTE, 0, NULL, SP_ABORT_CLOSED);
    assert_true(c.failed);
    t_call_done(&c);
    t_bed_free(&b);
}

/* Those that were idle for longer are dead too: the second attempt does not find out one by one. */
static void test_stale_takes_the_others_along(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[3] = {0};
    t_bed_hosts(&b, 1, NULL);
    for (unsigned i = 0; i < 3; i++)
        begin(&c[i], &b, NULL, NULL, true);
    for (unsigned i = 0; i < 3; i++) {
        fake_connect(fake_wires[i]);
        t_step(&b, 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        fake_respond(fake_stream_at(fake_wires[i], 0), 200, true);
        t_step(&b, 0);
        t_call_done(&c[i]);
    }
    begin(&c[0], &b, NULL, NULL, true);
    assert_non_null(fake_stream_at(fake_wires[2], 0));
    fake_end(fake_wires[2], SP_WIRE_REMOTE, 0, NULL, SP_ABORT_CLOSED);
    t_step(&b, 0);
    assert_true(fake_wires[0]->dead && fake_wires[1]->dead);
    assert_int_equal(fake_n, 4);
    /* The new one breaks too: there is no third attempt. */
    attempt(&b);
    fake_end(last_wire(), SP_WIRE_REMOTE, 0, NULL, SP_ABORT_CLOSED);
    assert_true(c[0].failed);
    assert_str(c[0].failure.body, UP "retried and the latest reset reason: connection termination");
    assert_int_equal(c[0].info.flags, 0);
    t_call_done(&c[0]);
    t_bed_free(&b);
}

static void test_half_an_answer_is_none(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, NULL);
    begin(&c, &b, NULL, NULL, true);
    fake_respond(attempt(&b), 200, true);
    t_step(&b, 0);
    t_call_done(&c);
    begin(&c, &b, NULL, NULL, true);
    fake_respond(attempt(&b), 103, false); /* it was alive */
    fake_end(last_wire(), SP_WIRE_REMOTE, 0, NULL, SP_ABORT_CLOSED);
    assert_true(c.failed);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_refused_stream(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, H2);
    begin(&c, &b, NULL, ":method: POST\n:authority: h\n:path: /\n", true); /* not idempotent: it was not looked at */
    fake_abort(attempt(&b), SP_ABORT_REFUSED);
    assert_false(c.failed);
    t_step(&b, 0);
    fake_abort(attempt(&b), SP_ABORT_REFUSED);
    assert_true(c.failed);
    assert_int_equal(c.failure.flags, SP_FLAG_UR);
    assert_str(c.failure.details, "upstream_reset_before_response_started{remote_refused_stream_reset}");
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_other_host_after_refused_connection(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 2, NULL);
    begin(&c, &b, NULL, ":method: POST\n:authority: h\n:path: /\n", false);
    t_call_data(&c, "kept, since nothing was sent", true);
    fake_end(last_wire(), SP_WIRE_CONNECT, -ECONNREFUSED, NULL, 0);
    t_step(&b, 0);
    assert_int_equal(fake_n, 2);
    assert_int_not_equal(fake_wires[0]->to.port, fake_wires[1]->to.port);
    struct fake_exchange *s = attempt(&b);
    assert_int_equal(s->body_len, 28);
    fake_respond(s, 200, true);
    assert_int_equal(c.status, 200);
    t_step(&b, 0);
    t_call_done(&c);
    t_bed_free(&b);
}

/* A connect timeout is not repeated: it has cost its time already. */
static void test_connect_timeout_is_final(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 2, NULL);
    begin(&c, &b, NULL, NULL, true);
    fake_end(last_wire(), SP_WIRE_TIMEOUT, -ETIMEDOUT, NULL, 0);
    assert_true(c.failed);
    t_call_done(&c);
    t_bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_5xx),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_back_off_grows),
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_given_up_in_the_middle),
        cmocka_unit_test(test_body_is_sent_again),
        cmocka_unit_test(test_big_body_is_not),
        cmocka_unit_test(test_reset_terms),
        cmocka_unit_test(test_failure_after_retry),
        cmocka_unit_test(test_per_try_timeout),
        cmocka_unit_test(test_route_timeout_while_pausing),
        cmocka_unit_test(test_breaker),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_fresh_connection_is_no_excuse),
        cmocka_unit_test(test_stale_takes_the_others_along),
        cmocka_unit_test(test_half_an_answer_is_none),
        cmocka_unit_test(test_refused_stream),
        cmocka_unit_test(test_other_host_after_refused_connection),
        cmocka_unit_test(test_connect_timeout_is_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
