/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request to a cluster: the plain way, bodies, pauses, timeouts, what fails and how it is said. */
#include "support.h"

#include <errno.h>
#include <string.h>

#define UP "upstream connect error or disconnect/reset before headers. "

static struct fake_exchange *connected(struct t_bed *b, unsigned i)
{
    fake_connect(fake_wires[i]);
    t_step(b, 0);
    return fake_stream_at(fake_wires[i], 0);
}

static void expect_failure(struct t_call *c, unsigned status, uint32_t flags, const char *body, const char *details)
{
    assert_true(c->failed);
    assert_int_equal(c->failure.status, status);
    assert_int_equal(c->failure.flags, flags);
    assert_str(c->failure.body, body);
    assert_str(c->failure.details, details);
}

static void test_get(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, NULL);
    t_call_get(&c, &b);
    assert_int_equal(fake_n, 1);
    assert_int_equal(fake_wires[0]->to.port, 1);
    assert_int_equal(fake_wires[0]->setup.connect_ns, 5 * SP_NS_PER_S);
    assert_int_equal(t_stat("upstream_rq_pending_active"), 1);
    t_step(&b, 3);
    struct fake_exchange *s = connected(&b, 0);
    assert_true(s->tx_ended);
    assert_str(s->request->path, "/");
    assert_int_equal(t_stat("upstream_rq_active"), 1);
    assert_int_equal(t_stat("upstream_rq_pending_active"), 0);
    t_step(&b, 5);
    fake_respond(s, 200, false);
    assert_int_equal(c.status, 200);
    fake_data(s, "hello", true);
    assert_true(c.ended);
    assert_memory_equal(c.body, "hello", 5);
    t_step(&b, 0);
    assert_int_equal(t_stat("upstream_rq_total"), 1);
    assert_int_equal(t_stat("upstream_rq_200"), 1);
    assert_int_equal(t_stat("upstream_rq_2xx"), 1);
    assert_int_equal(t_stat("upstream_rq_completed"), 1);
    assert_int_equal(t_stat("upstream_rq_active"), 0);
    assert_int_equal(t_stat("upstream_cx_http1_total"), 1);
    assert_int_equal(t_stat("upstream_cx_active"), 1);
    assert_int_equal(c.info.up_rx_body_bytes, 5);
    assert_int_equal(c.info.upstream_host.port, 1);
    assert_int_equal(c.info.upstream_attempts, 1);
    assert_int_equal(c.info.upstream_protocol, SP_HTTP_11);
    assert_int_equal(c.info.up_first_rx_ns - c.info.up_first_tx_ns, 5 * SP_NS_PER_MS);
    assert_str(c.info.upstream_cluster, "c");
    struct sp_host_totals t = sp_host_sum(t_host(&b, 0));
    assert_int_equal(t.rq_success, 1);
    assert_int_equal(t.rq_active, 0);
    assert_int_equal(t.cx_active, 1);
    /* The response's head outlives the exchange below it. */
    assert_str(sp_headers_get(c.response, SP_STR("server")), "fake");
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_body_both_ways(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, NULL);
    t_call_begin(&c, &b, 0, NULL, ":method: POST\n:authority: h\n:path: /\n", false);
    t_call_data(&c, "one ", false); /* before there is a connection */
    struct fake_exchange *s = connected(&b, 0);
    assert_int_equal(s->body_len, 4);
    t_call_data(&c, "two ", false);
    fake_respond(s, 200, false); /* early, and the exchange goes on */
    fake_data(s, "a", false);
    t_call_data(&c, "three", true);
    assert_memory_equal(s->body, "one two three", 13);
    assert_true(s->tx_ended);
    fake_data(s, "b", false);
    fake_trailers(s);
    assert_true(c.ended && c.trailers);
    assert_memory_equal(c.body, "ab", 2);
    t_step(&b, 0);
    assert_int_equal(c.info.up_tx_body_bytes, 13);
    assert_false(fake_wires[0]->dead);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_request_trailers(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0}, d = {0};
    struct sp_headers t;
    t_bed_hosts(&b, 1, NULL);
    t_call_begin(&c, &b, 0, NULL, ":method: POST\n:authority: h\n:path: /\n", false);
    sp_headers_init(&t, &c.arena);
    sp_headers_add(&t, SP_STR("x-t"), SP_STR("1"));
    t_call_data(&c, "x", false);
    sp_upstream_trailers(&c.up, &t); /* all of it waits for the connection */
    struct fake_exchange *s = connected(&b, 0);
    assert_true(s->tx_trailers && s->tx_ended);
    assert_int_equal(s->body_len, 1);
    fake_respond(s, 204, true);
    t_step(&b, 0);
    assert_true(c.ended);
    t_call_begin(&d, &b, 0, NULL, ":method: POST\n:authority: h\n:path: /\n", false);
    s = fake_stream_at(fake_wires[0], 0);
    assert_false(s->tx_ended);
    sp_upstream_trailers(&d.up, &t);
    assert_true(s->tx_trailers);
    fake_respond(s, 204, true);
    t_step(&b, 0);
    t_call_done(&c);
    t_call_done(&d);
    t_bed_free(&b);
}

/* The whole answer before the end of the request: HTTP/1 can only close, HTTP/2 resets the stream. */
static void test_early_answer(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, NULL);
    t_call_begin(&c, &b, 0, NULL, ":method: POST\n:authority: h\n:path: /\n", false);
    struct fake_exchange *s = connected(&b, 0);
    t_call_data(&c, "x", false);
    fake_pause_request(s);
    assert_int_equal(c.paused, 1);
    fake_respond(s, 413, true);
    assert_true(c.ended);
    assert_int_equal(c.paused, 0); /* what waits upstream may run out */
    t_call_data(&c, "more", true); /* and is dropped */
    t_step(&b, 0);
    assert_true(fake_wires[0]->dead);
    assert_int_equal(t_stat("upstream_rq_413"), 1);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_informational(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, NULL);
    t_call_get(&c, &b);
    struct fake_exchange *s = connected(&b, 0);
    fake_respond(s, 100, false);
    assert_int_equal(c.informed, 0); /* ours to say */
    fake_respond(s, 103, false);
    assert_int_equal(c.informed, 1);
    assert_null(c.response);
    fake_respond(s, 200, true);
    assert_int_equal(c.status, 200);
    t_step(&b, 0);
    t_call_done(&c);
    t_call_get(&c, &b); /* an upgrade that nobody asked for */
    s = fake_stream_at(fake_wires[0], 0);
    fake_respond(s, 101, false);
    expect_failure(&c, 502, SP_FLAG_UPE, UP "reset reason: protocol error",
                   "upstream_reset_before_response_started{protocol_error}");
    t_step(&b, 0);
    assert_true(fake_wires[0]->dead);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_request_backpressure(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    char big[20000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    t_bed_hosts(&b, 1, NULL);
    t_call_begin(&c, &b, 0, NULL, ":method: POST\n:authority: h\n:path: /\n", false);
    t_call_data(&c, "small", false);
    assert_int_equal(c.paused, 0);
    t_call_data(&c, big, false); /* there is no stream to take it */
    assert_int_equal(c.paused, 1);
    t_call_data(&c, "on its way", false);
    assert_int_equal(c.paused, 1);
    struct fake_exchange *s = connected(&b, 0);
    assert_int_equal(c.paused, 0);
    assert_int_equal(s->body_total, 5 + sizeof(big) - 1 + 10);
    fake_pause_request(s);
    fake_pause_request(s);
    assert_int_equal(c.paused, 2);
    fake_resume_request(s);
    assert_int_equal(c.paused, 1);
    /* The host gives up: the pause goes with it. */
    fake_end(fake_wires[0], SP_WIRE_REMOTE, -ECONNRESET, NULL, SP_ABORT_RESET);
    assert_int_equal(c.paused, 0);
    expect_failure(&c, 503, SP_FLAG_UC, UP "reset reason: connection termination",
                   "upstream_reset_before_response_started{connection_termination}");
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_response_backpressure(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0}, d = {0};
    t_bed_hosts(&b, 1, NULL);
    t_call_get(&c, &b);
    struct fake_exchange *s = connected(&b, 0);
    fake_respond(s, 200, false);
    struct sp_source *out = c.sink.source;
    out->ops->pause(out);
    out->ops->pause(out);
    assert_int_equal(s->paused, 2);
    out->ops->resume(out);
    assert_int_equal(s->paused, 1);
    fake_data(s, "rest", true);
    assert_int_equal(s->paused, 0); /* unwound before the connection is used again */
    out->ops->resume(out);          /* late, and harmless */
    out->ops->pause(out);
    t_step(&b, 0);
    t_call_get(&d, &b);
    assert_int_equal(fake_n, 1);
    s = fake_stream_at(fake_wires[0], 0);
    fake_respond(s, 200, true);
    t_step(&b, 0);
    t_call_done(&c);
    t_call_done(&d);
    t_bed_free(&b);
}

/* A pause that comes before there is a stream holds for it. */
static void test_early_pause(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, NULL);
    t_call_get(&c, &b);
    struct sp_source *out = c.sink.source;
    out->ops->pause(out);
    struct fake_exchange *s = connected(&b, 0);
    assert_int_equal(s->paused, 1);
    out->ops->resume(out);
    assert_int_equal(s->paused, 0);
    out->ops->resume(out);
    fake_respond(s, 200, true);
    t_step(&b, 0);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_connect_refused(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, NULL);
    t_call_get(&c, &b);
    fake_end(fake_wires[0], SP_WIRE_CONNECT, -ECONNREFUSED, "connection refused", 0);
    expect_failure(&c, 503, SP_FLAG_UF,
                   UP "reset reason: remote connection failure",
                   "upstream_reset_before_response_started{remote_connection_failure|"
                   "delayed_connect_error:_Connection_refused}");
    assert_str(c.info.upstream_failure_reason, "delayed connect error: Connection refused");
    assert_int_equal(t_stat("upstream_cx_connect_fail"), 1);
    assert_int_equal(t_stat("upstream_rq_pending_failure_eject"), 1);
    assert_int_equal(t_stat("upstream_rq_503"), 1);
    assert_int_equal(sp_host_sum(t_host(&b, 0)).cx_connect_fail, 1);
    assert_int_equal(sp_host_sum(t_host(&b, 0)).rq_error, 1);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_connect_timeout(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, "connect_timeout: 0.25s\n");
    t_call_get(&c, &b);
    assert_int_equal(fake_wires[0]->setup.connect_ns, 250 * SP_NS_PER_MS);
    fake_end(fake_wires[0], SP_WIRE_TIMEOUT, -ETIMEDOUT, NULL, 0);
    expect_failure(&c, 503, SP_FLAG_UF, UP "reset reason: connection timeout",
                   "upstream_reset_before_response_started{connection_timeout}");
    assert_int_equal(t_stat("upstream_cx_connect_timeout"), 1);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_tls_failure(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, NULL);
    t_call_get(&c, &b);
    fake_end(fake_wires[0], SP_WIRE_TLS, 0, "TLS error: certificate verify failed", 0);
    expect_failure(&c, 503, SP_FLAG_UF,
                   UP "reset reason: remote connection failure",
                   "upstream_reset_before_response_started{remote_connection_failure|"
                   "TLS_error:_certificate_verify_failed}");
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_no_host(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 0, NULL);
    t_call_get(&c, &b);
    expect_failure(&c, 503, SP_FLAG_UH, "no healthy upstream", "no_healthy_upstream");
    assert_int_equal(t_stat("upstream_cx_none_healthy"), 1);
    assert_int_equal(t_stat("upstream_rq_503"), 1);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_reset_before_head(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, "typed_extension_protocol_options:\n"
                       "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n"
                       "    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n"
                       "    explicit_http_config: {http2_protocol_options: {}}\n");
    t_call_get(&c, &b);
    struct fake_exchange *s = connected(&b, 0);
    fake_abort(s, SP_ABORT_RESET);
    expect_failure(&c, 503, SP_FLAG_UR, UP "reset reason: remote reset",
                   "upstream_reset_before_response_started{remote_reset}");
    assert_int_equal(t_stat("upstream_rq_rx_reset"), 1);
    assert_int_equal(t_stat("upstream_rq_tx_reset"), 0);
    t_call_done(&c);
    t_call_get(&c, &b);
    s = fake_stream_at(fake_wires[0], 0);
    fake_abort(s, SP_ABORT_PROTOCOL);
    expect_failure(&c, 502, SP_FLAG_UPE, UP "reset reason: protocol error",
                   "upstream_reset_before_response_started{protocol_error}");
    t_call_done(&c);
    t_bed_free(&b);
}

/* After the head there is no other answer: the client's stream is reset. */
static void test_dies_after_head(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, NULL);
    t_call_get(&c, &b);
    struct fake_exchange *s = connected(&b, 0);
    fake_respond(s, 200, false);
    fake_data(s, "ha", false);
    fake_end(fake_wires[0], SP_WIRE_REMOTE, 0, NULL, SP_ABORT_CLOSED);
    assert_true(c.aborted && !c.failed);
    assert_int_equal(c.why, SP_ABORT_PROTOCOL); /* as Envoy: what is cut short is no HTTP */
    assert_int_equal(c.info.flags, SP_FLAG_UPE);
    assert_str(c.info.details, "upstream_reset_after_response_started{protocol_error}");
    assert_int_equal(t_stat("upstream_cx_destroy_remote_with_active_rq"), 1);
    assert_int_equal(t_stat("upstream_rq_completed"), 1); /* the 200 */
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_timeout(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    struct sp_upstream_setup more = {.timeout_ns = SP_NS_PER_S};
    t_bed_hosts(&b, 1, NULL);
    t_call_begin(&c, &b, 0, &more, ":method: POST\n:authority: h\n:path: /\n", false);
    connected(&b, 0);
    t_step(&b, 5000); /* the request may take its time */
    assert_false(c.failed);
    t_call_data(&c, "x", true);
    t_step(&b, 999);
    assert_false(c.failed);
    t_step(&b, 1);
    expect_failure(&c, 504, SP_FLAG_UT, "upstream request timeout", "response_timeout");
    assert_true(fake_wires[0]->close_asked);
    assert_int_equal(t_stat("upstream_rq_timeout"), 1);
    assert_int_equal(t_stat("upstream_rq_504"), 1);
    assert_int_equal(t_stat("upstream_rq_tx_reset"), 0); /* HTTP/1 has no resets */
    assert_int_equal(sp_host_sum(t_host(&b, 0)).rq_timeout, 1);
    t_step(&b, 0);
    assert_true(fake_wires[0]->dead);
    t_call_done(&c);

    /* While it waits for a connection. */
    t_call_begin(&c, &b, 0, &more, NULL, true);
    t_step(&b, 1000);
    expect_failure(&c, 504, SP_FLAG_UT, "upstream request timeout", "response_timeout");
    assert_int_equal(t_stat("upstream_rq_cancelled"), 1);
    t_call_done(&c);

    /* In the middle of the answer. */
    t_call_begin(&c, &b, 0, &more, NULL, true);
    struct fake_exchange *s = connected(&b, 1);
    fake_respond(s, 200, false);
    t_step(&b, 1000);
    assert_true(c.aborted);
    assert_int_equal(c.info.flags, SP_FLAG_UT);
    t_step(&b, 0);
    t_call_done(&c);

    /* An answer in time ends the timer. */
    t_call_begin(&c, &b, 0, &more, NULL, true);
    s = connected(&b, 2);
    fake_respond(s, 200, true);
    t_step(&b, 2000);
    assert_false(c.failed || c.aborted);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_max_stream_duration(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, "typed_extension_protocol_options:\n"
                       "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n"
                       "    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n"
                       "    common_http_protocol_options: {max_stream_duration: 2s}\n"
                       "    explicit_http_config: {http_protocol_options: {}}\n");
    t_call_get(&c, &b);
    connected(&b, 0);
    t_step(&b, 2000);
    expect_failure(&c, 504, SP_FLAG_UMSDR, "upstream max stream duration reached", "upstream_max_stream_duration_reached");
    assert_int_equal(t_stat("upstream_rq_max_duration_reached"), 1);
    t_step(&b, 0);
    t_call_done(&c);
    t_call_begin(&c, &b, 0, NULL, ":method: POST\n:authority: h\n:path: /\n", false);
    connected(&b, 1);
    t_step(&b, 2000);
    assert_int_equal(c.failure.status, 408);
    t_step(&b, 0);
    t_call_done(&c);
    t_bed_free(&b);
}

/* Cancelled at each point there is: nothing is called afterwards, nothing is left behind. */
static void test_cancel_anywhere(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 8; at++) {
        struct t_bed b;
        struct t_call c = {0};
        struct sp_retry_policy policy = {.on = SP_RETRY_5XX, .num_retries = 3};
        struct sp_upstream_setup more = {.timeout_ns = SP_NS_PER_S, .retry = &policy, .per_try_timeout_ns = SP_NS_PER_S};
        t_bed_hosts(&b, 1, NULL);
        t_call_begin(&c, &b, 0, &more, ":method: POST\n:authority: h\n:path: /\n", false);
        struct fake_exchange *s = NULL;
        if (at >= 1)
            t_call_data(&c, "x", false);
        if (at >= 2) {
            s = connected(&b, 0);
            assert_non_null(s);
        }
        if (at >= 3)
            t_call_data(&c, "y", true);
        if (at == 4) { /* waiting to try again */
            fake_respond(s, 503, true);
            assert_int_equal(c.up.phase, SP_UPSTREAM_PAUSING);
        }
        if (at >= 5)
            fake_respond(s, 200, false);
        if (at >= 6)
            fake_data(s, "z", false);
        if (at == 7)
            fake_data(s, "end", true);
        sp_upstream_cancel(&c.up, SP_ABORT_CANCEL);
        sp_upstream_cancel(&c.up, SP_ABORT_CANCEL);
        t_call_data(&c, "late", at < 3);
        t_step(&b, 5000);
        assert_false(c.failed || c.aborted);
        assert_int_equal(c.ended, at == 7);
        t_call_done(&c);
        t_bed_free(&b);
    }
}

static void test_cancel_in_head(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, NULL);
    t_call_get(&c, &b);
    struct fake_exchange *s = connected(&b, 0);
    c.cancel_in_head = true;
    fake_respond(s, 200, false);
    assert_true(s->rx_cancelled);
    t_step(&b, 0);
    assert_true(fake_wires[0]->dead);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_auto_host_rewrite(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    struct sp_upstream_setup more = {.auto_host_rewrite = true, .append_x_forwarded_host = true};
    t_bed_new(&b, "name: c\nload_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {hostname: origin.test,"
                  " address: {pipe: {path: /run/o.sock}}}}]}]}\n");
    t_call_begin(&c, &b, 0, &more, NULL, true);
    assert_int_equal(fake_wires[0]->to.family, AF_UNIX);
    struct fake_exchange *s = connected(&b, 0);
    assert_str(s->request->authority, "origin.test");
    assert_str(sp_headers_get_id(s->request, SP_H_X_FORWARDED_HOST), "h");
    fake_respond(s, 200, true);
    t_step(&b, 0);
    t_call_done(&c);
    t_bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_body_both_ways),
        cmocka_unit_test(test_request_trailers),
        cmocka_unit_test(test_early_answer),
        cmocka_unit_test(test_informational),
        cmocka_unit_test(test_request_backpressure),
        cmocka_unit_test(test_response_backpressure),
        cmocka_unit_test(test_early_pause),
        cmocka_unit_test(test_connect_refused),
        cmocka_unit_test(test_connect_timeout),
        cmocka_unit_test(test_tls_failure),
        cmocka_unit_test(test_no_host),
        cmocka_unit_test(test_reset_before_head),
        cmocka_unit_test(test_dies_after_head),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_max_stream_duration),
        cmocka_unit_test(test_cancel_anywhere),
        cmocka_unit_test(test_cancel_in_head),
        cmocka_unit_test(test_auto_host_rewrite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
