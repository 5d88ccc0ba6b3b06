/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams: timeouts, ends of every kind, access log, config snapshots.
 */
#include <stdlib.h>
#include <unistd.h>

#include "stats/stats.h"
#include "stream/access_log.h"
#include "stream/stream_impl.h"
#include "stream_support.h"

#define RESPONSE_200 ":status: 200\ncontent-length: 0\n"

static void test_idle_timeout(void **state)
{
    struct world *w = world_new("stream_idle_timeout: 10s\n", NULL, NULL);
    struct exchange *e = ask(w, GET("/"), false); /* the client is slow */
    world_pass(w, 9000);
    ask_data(e, "x", false);
    world_pass(w, 9000);
    assert_null(e->head);
    world_pass(w, 1000);
    assert_int_equal(e->head->status, 408);
    sent_body(e, "stream timeout");
    assert_string_equal(sent(e, "connection"), "close");
    assert_string_equal(details(e), "stream_idle_timeout");
    assert_int_equal(info_of(e)->flags, SP_FLAG_SI);
    assert_true(e->cancelled && e->up_cancelled);
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/"), true); /* the upstream is slow */
    world_pass(w, 10000);
    assert_int_equal(e->head->status, 504);
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/"), true); /* in the middle of a response */
    respond(e, ":status: 200\n", false);
    world_pass(w, 9000);
    respond_data(e, "x", false);
    world_pass(w, 9000);
    assert_false(e->aborted);
    e->cs.tx.source->ops->resume(e->cs.tx.source); /* the client read */
    world_pass(w, 9000);
    assert_false(e->aborted);
    world_pass(w, 1000);
    assert_true(e->aborted);
    over(e, SP_ABORT_LOCAL);
    assert_int_equal(world_stat("http.test.downstream_rq_idle_timeout"), 3);
    assert_int_equal(world_stat("http.test.downstream_rq_tx_reset"), 1);
    world_free(w);
}

/* A response that the client does not read is given up in the end. */
static void test_unread_response(void **state)
{
    struct world *w = world_new("stream_idle_timeout: 10s\n", NULL, NULL);
    struct exchange *e = ask(w, GET("/"), true);
    respond(e, RESPONSE_200, true);
    world_pass(w, 9999);
    assert_false(e->aborted);
    world_pass(w, 1);
    assert_true(e->aborted);
    assert_int_equal(e->why, SP_ABORT_TIMEOUT);
    over(e, SP_ABORT_TIMEOUT);
    world_free(w);
}

static void test_request_timeout(void **state)
{
    struct world *w = world_new("request_timeout: 5s\n", NULL, NULL);
    struct exchange *e = ask(w, GET("/"), false);
    for (int i = 0; i < 4; i++) {
        world_pass(w, 1000);
        ask_data(e, "x", false);
    }
    assert_null(e->head);
    world_pass(w, 1000);
    assert_int_equal(e->head->status, 408);
    assert_string_equal(details(e), "request_overall_timeout");
    sent_body(e, "request timeout");
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/"), true); /* it was received in time: it may take its time */
    world_pass(w, 50000);
    assert_null(e->head);
    respond(e, RESPONSE_200, true);
    over(e, SP_ABORT_NONE);
    assert_int_equal(world_stat("http.test.downstream_rq_timeout"), 1);
    world_free(w);
}

static void test_max_duration(void **state)
{
    struct world *w = world_new("common_http_protocol_options: {max_stream_duration: 20s}\n", NULL,
        "- {match: {prefix: /own}, route: {cluster: c, max_stream_duration: {max_stream_duration: 5s}, "
        "idle_timeout: 2s}}\n"
        "- {match: {prefix: /none}, route: {cluster: c, max_stream_duration: {max_stream_duration: 0s}, "
        "idle_timeout: 0s}}\n"
        "- {match: {prefix: /}, route: {cluster: c}}\n");
    struct exchange *e = ask(w, GET("/"), true);
    world_pass(w, 19999);
    assert_null(e->head);
    world_pass(w, 1);
    assert_int_equal(e->head->status, 504);
    assert_string_equal(details(e), "max_duration_timeout");
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/own"), true);
    respond(e, ":status: 200\n", false);
    for (int i = 0; i < 4; i++) {
        world_pass(w, 1000);
        respond_data(e, "x", false);
    }
    assert_false(e->aborted);
    world_pass(w, 1000);
    assert_true(e->aborted);
    over(e, SP_ABORT_LOCAL);
    e = ask(w, GET("/own"), true); /* the route's idle time */
    world_pass(w, 2000);
    assert_string_equal(details(e), "stream_idle_timeout");
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/none"), true);
    world_pass(w, 100000000);
    assert_null(e->head);
    respond(e, RESPONSE_200, true);
    over(e, SP_ABORT_NONE);
    assert_int_equal(world_stat("http.test.downstream_rq_max_duration_reached"), 2);
    world_free(w);
}

/* --- ends --- */

static void test_client_goes(void **state)
{
    static const struct {
        enum sp_abort why;
        enum sp_protocol protocol;
        uint32_t flags;
        const char *details;
    } cases[] = {
        {SP_ABORT_CLOSED, SP_HTTP_11, SP_FLAG_DC, "downstream_remote_disconnect"},
        {SP_ABORT_RESET, SP_HTTP_11, SP_FLAG_DC, "downstream_remote_disconnect"},
        {SP_ABORT_RESET, SP_HTTP_2, SP_FLAG_DR, "http2.remote_reset"},
        {SP_ABORT_LOCAL, SP_HTTP_11, 0, "downstream_local_disconnect"},
        {SP_ABORT_PROTOCOL, SP_HTTP_2, SP_FLAG_DPE, "codec_error"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct world *w = world_new(NULL, NULL, NULL);
        w->codec_ops.protocol = cases[i].protocol;
        struct exchange *e = ask(w, GET("/"), false);
        e->cs.rx.sink->ops->abort(e->cs.rx.sink, cases[i].why);
        e->cs.rx.sink = NULL;
        e->cs.tx.source->ops->cancel(e->cs.tx.source, cases[i].why);
        assert_true(e->up_cancelled);
        assert_null(e->head);
        assert_int_equal(info_of(e)->flags, cases[i].flags);
        assert_string_equal(details(e), cases[i].details);
        over(e, cases[i].why);
        assert_int_equal(world_stat("http.test.downstream_rq_rx_reset"), 1);
        assert_int_equal(world_stat("http.test.downstream_rq_completed"), 0);
        world_free(w);
    }
}

static void test_malformed_body(void **state)
{
    struct world *w = world_new(NULL, NULL, NULL);
    struct exchange *e = ask(w, GET("/"), false);
    struct sp_sink *sink = e->cs.rx.sink;
    e->cs.rx.sink = NULL;
    sink->ops->abort(sink, SP_ABORT_PROTOCOL);
    assert_int_equal(e->head->status, 400);
    assert_string_equal(sent(e, "connection"), "close");
    assert_int_equal(info_of(e)->flags, SP_FLAG_DPE);
    assert_true(e->up_cancelled);
    over(e, SP_ABORT_NONE);
    world_free(w);
}

/* The answer ends before the request: the rest is not wanted. */
static void test_early_response(void **state)
{
    struct world *w = world_new(NULL, NULL, NULL);
    struct exchange *e = ask(w, GET("/"), false);
    respond(e, RESPONSE_200, true);
    assert_true(e->ended && e->cancelled);
    over(e, SP_ABORT_NONE);
    assert_int_equal(world_stat("http.test.downstream_rq_response_before_rq_complete"), 1);
    world_free(w);
}

static unsigned order;

static void completes(struct sp_filter *f)
{
    assert_int_equal(order, 0);
    order = 1;
    sp_filter_set_metadata(f, SP_STR("ns"), SP_STR("key"), SP_STR("\"late\""));
}

/* on_complete, the access log, destroy. */
static void test_access_log(void **state)
{
    char path[] = "/tmp/sp-test-stream-log-XXXXXX", yaml[1024], line[256] = "";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    snprintf(yaml, sizeof(yaml),
             "access_log:\n- name: f\n  typed_config:\n    \"@type\": "
             "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog\n    path: %s\n    log_format: "
             "{text_format_source: {inline_string: \"%%REQ(:path)%% %%RESPONSE_CODE%% %%RESPONSE_CODE_DETAILS%% "
             "%%RESPONSE_FLAGS%% %%DURATION%% %%BYTES_SENT%% %%DYNAMIC_METADATA(ns:key)%% %%ROUTE_NAME%%\\n\"}}\n",
             path);
    struct world *w = world_new(yaml, NULL, "- {name: r, match: {prefix: /}, route: {cluster: c}}\n");
    fake_complete = completes;
    order = 0;
    struct exchange *e = ask(w, GET("/a"), true);
    respond(e, ":status: 200\n", false);
    respond_data(e, "12345", true);
    world_pass(w, 30);
    over(e, SP_ABORT_NONE);
    assert_int_equal(order, 1);
    sp_access_log_thread_flush();
    assert_true(read(fd, line, sizeof(line) - 1) > 0);
    assert_string_equal(line, "/a 200 via_upstream - 30 5 late r\n");
    close(fd);
    unlink(path);
    world_free(w);
}

static bool snapshot_dead;

static void on_dead(struct sp_snapshot *snapshot)
{
    snapshot_dead = true;
}

/* A newer config came: the stream keeps its own, and lets go of it as the last thing it does. */
static void test_snapshot(void **state)
{
    struct world *w = world_new(NULL, NULL, NULL);
    struct sp_snapshot snapshot;
    snapshot_dead = false;
    sp_snapshot_init(&snapshot, 1, on_dead);
    w->owner.snapshot = &snapshot;
    struct exchange *e = ask(w, GET("/"), true);
    respond(e, RESPONSE_200, true);
    w->owner.snapshot = NULL;
    sp_snapshot_unref(&snapshot, 0); /* the worker's own */
    assert_false(snapshot_dead);
    over(e, SP_ABORT_NONE);
    assert_true(snapshot_dead);
    sp_snapshot_done(&snapshot);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_timeout),
        cmocka_unit_test(test_unread_response),
        cmocka_unit_test(test_request_timeout),
        cmocka_unit_test(test_max_duration),
        cmocka_unit_test(test_client_goes),
        cmocka_unit_test(test_malformed_body),
        cmocka_unit_test(test_early_response),
        cmocka_unit_test(test_access_log),
        cmocka_unit_test(test_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
