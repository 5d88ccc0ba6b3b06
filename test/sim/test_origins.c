/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clusters over real sockets: our own wire and codecs against nginx and nghttpd. */
#include "clusters/http_client.h"
#include "origin_call.h"

/* --- nginx --- */

static void test_nginx_reuse(void **state)
{
    (void)state;
    struct bed b;
    struct origin *o = origin_nginx("location /ok { return 200 fine; } location /no { return 404 none; }");
    if (!o)
        skip();
    bed_new(&b, &o, 1, "");
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(get(&b, GET("/ok")), 200);
    assert_int_equal(get(&b, ":method: HEAD\n:authority: o.test\n:path: /ok\n"), 200);
    assert_int_equal(get(&b, GET("/no")), 404);
    assert_int_equal(get(&b, GET("/ok")), 200);
    assert_int_equal(stat_of("upstream_cx_total"), 1);
    assert_int_equal(stat_of("upstream_rq_total"), 203);
    assert_true(stat_of("upstream_cx_rx_bytes_total") > 203 * 100);
    assert_int_equal(stat_of("upstream_rq_2xx"), 202);
    bed_free(&b);
    origin_free(o);
}

static void big_down(struct origin *o, const char *more)
{
    struct bed b;
    struct call c[3] = {0};
    enum { SIZE = 6 << 20 };
    origin_file(o, "big", SIZE);
    bed_new(&b, &o, 1, more);
    for (unsigned i = 0; i < 3; i++) {
        c[i].pattern = true;
        c[i].stutter = i * 7;
        call_begin(&c[i], &b, GET("/big"), true);
    }
    LOOP_UNTIL(b.loop, over(&c[0]) && over(&c[1]) && over(&c[2]));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(c[i].status, 200);
        assert_true(c[i].ended);
        assert_int_equal(c[i].got, SIZE);
        assert_false(c[i].wrong);
        assert_int_equal(c[i].info.up_rx_body_bytes, SIZE);
        call_done(&c[i]);
    }
    assert_int_equal(get(&b, GET("/big")), 200);
    bed_free(&b);
    origin_free(o);
}

static void test_nginx_big(void **state)
{
    (void)state;
    struct origin *o = origin_nginx("");
    if (!o)
        skip();
    big_down(o, "");
}

static void test_nghttpd_big(void **state)
{
    (void)state;
    struct origin *o = origin_nghttpd();
    if (!o)
        skip();
    big_down(o, H2);
}

static void test_nginx_upload(void **state)
{
    (void)state;
    struct bed b;
    struct call c = {0};
    struct origin *o = origin_nginx("location /up { client_body_buffer_size 64k; proxy_pass http://127.0.0.1:$server_port/end; }"
                                    " location /end { return 200 done; }");
    if (!o)
        skip();
    bed_new(&b, &o, 1, "");
    call_begin(&c, &b, ":method: POST\n:authority: o.test\n:path: /up\ncontent-length: 8388608\n", false);
    send_body(&c, 8 << 20);
    LOOP_UNTIL(b.loop, over(&c));
    assert_int_equal(c.status, 200);
    assert_int_equal(c.info.up_tx_body_bytes, 8 << 20);
    call_done(&c);
    call_begin(&c, &b, ":method: POST\n:authority: o.test\n:path: /up\n", false); /* chunked */
    send_body(&c, 1 << 20);
    LOOP_UNTIL(b.loop, over(&c));
    assert_int_equal(c.status, 200);
    call_done(&c);
    assert_int_equal(stat_of("upstream_cx_total"), 1);
    bed_free(&b);
    origin_free(o);
}

static void test_killed(void **state)
{
    (void)state;
    struct bed b;
    struct origin *o = origin_nginx("location / { return 200 fine; }");
    if (!o)
        skip();
    bed_new(&b, &o, 1, "");
    assert_int_equal(get(&b, GET("/")), 200);
    origin_kill(o);
    loop_wait(b.loop, 20);
    struct call c = {0};
    call_begin(&c, &b, GET("/"), true);
    LOOP_UNTIL(b.loop, over(&c));
    assert_true(c.failed);
    assert_int_equal(c.failure.status, 503);
    assert_int_equal(c.failure.flags, SP_FLAG_UF);
    assert_string_equal(t_c(&c.arena, c.failure.details), "upstream_reset_before_response_started{remote_connection_failure|"
                                                         "delayed_connect_error:_Connection_refused}");
    call_done(&c);
    bed_free(&b);
    origin_free(o);
}

/* --- nghttpd --- */

static void test_nghttpd_many(void **state)
{
    (void)state;
    enum { N = 150 };
    struct bed b;
    struct call *c = calloc(N, sizeof(*c));
    struct origin *o = origin_nghttpd();
    if (!o)
        skip();
    origin_file(o, "small", 1000);
    bed_new(&b, &o, 1, H2);
    for (unsigned i = 0; i < N; i++) {
        c[i].pattern = true;
        call_begin(&c[i], &b, GET("/small"), true);
    }
    for (unsigned i = 0; i < N; i++) {
        LOOP_UNTIL(b.loop, over(&c[i]));
        assert_int_equal(c[i].status, 200);
        assert_int_equal(c[i].got, 1000);
        assert_false(c[i].wrong);
        call_done(&c[i]);
    }
    assert_true(stat_of("upstream_cx_total") <= 2); /* nghttpd takes 100 at once */
    assert_int_equal(stat_of("upstream_rq_200"), N);
    free(c);
    bed_free(&b);
    origin_free(o);
}

/* Cancelled at random moments: streams are reset, the connection goes on. */
static void test_nghttpd_cancel(void **state)
{
    (void)state;
    struct bed b;
    struct origin *o = origin_nghttpd();
    if (!o)
        skip();
    origin_file(o, "big", 1 << 20);
    bed_new(&b, &o, 1, H2);
    srand(7);
    for (unsigned i = 0; i < 60; i++) {
        struct call c[4] = {0};
        for (unsigned k = 0; k < 4; k++)
            call_begin(&c[k], &b, GET("/big"), true);
        for (int turns = rand() % 6; turns; turns--)
            loop_turn(b.loop);
        for (unsigned k = 0; k < 4; k++)
            call_done(&c[k]);
    }
    assert_int_equal(get(&b, GET("/big")), 200);
    assert_int_equal(stat_of("upstream_rq_active"), 0);
    assert_true(stat_of("upstream_cx_total") <= 3);
    bed_free(&b);
    origin_free(o);
}

static void test_two_hosts_one_dead(void **state)
{
    (void)state;
    struct bed b;
    struct origin *o[2] = {origin_nginx("location / { return 200 a; }"), origin_nginx("location / { return 200 b; }")};
    if (!o[0] || !o[1])
        skip();
    bed_new(&b, o, 2, "");
    origin_kill(o[0]);
    for (unsigned i = 0; i < 20; i++) /* nothing was sent to the dead one, so the other one serves */
        assert_int_equal(get(&b, GET("/")), 200);
    assert_true(stat_of("upstream_cx_connect_fail") >= 9);
    bed_free(&b);
    origin_free(o[0]);
    origin_free(o[1]);
}

/* --- the client --- */

struct got {
    unsigned calls, status;
    size_t len;
    enum sp_abort why;
};

static void on_done(void *ctx, unsigned status, const struct sp_headers *h, struct sp_buf *body, enum sp_abort why)
{
    struct got *g = ctx;
    (void)h;
    g->calls++;
    g->status = status;
    g->len = body->len;
    g->why = why;
}

static void test_client(void **state)
{
    (void)state;
    struct bed b;
    struct got g = {0};
    struct origin *o = origin_nginx("location /keys { return 200 '{\"keys\":[]}'; }");
    if (!o)
        skip();
    origin_file(o, "big", 100000);
    bed_new(&b, &o, 1, "");
    struct sp_http_request r = {.method = SP_STR("GET"), .scheme = SP_STR("http"), .authority = SP_STR("o.test"),
                                .path = SP_STR("/keys"), .timeout_ns = 5 * SP_NS_PER_S, .max_body = 1000};
    sp_http_call_start(b.cluster, &b.loop->worker, &r, on_done, &g);
    LOOP_UNTIL(b.loop, g.calls == 1);
    assert_int_equal(g.status, 200);
    assert_int_equal(g.len, 11);
    r.path = SP_STR("/big");
    sp_http_call_start(b.cluster, &b.loop->worker, &r, on_done, &g);
    LOOP_UNTIL(b.loop, g.calls == 2);
    assert_int_equal(g.why, SP_ABORT_TOO_LARGE);
    bed_free(&b);
    origin_free(o);
}

int main(void)
{
    sp_tls_global_init();
    atomic_store(&sp_log_threshold, SP_LOG_OFF);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nginx_reuse),
        cmocka_unit_test(test_nginx_big),
        cmocka_unit_test(test_nghttpd_big),
        cmocka_unit_test(test_nginx_upload),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_nghttpd_many),
        cmocka_unit_test(test_nghttpd_cancel),
        cmocka_unit_test(test_two_hosts_one_dead),
        cmocka_unit_test(test_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
