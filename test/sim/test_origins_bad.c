/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clusters over real sockets: an origin that misbehaves, and health checks of good and bad ones. */
#include "origin_call.h"

/* --- an origin that misbehaves --- */

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

static void scripted(struct bed *b, struct origin **o, const struct origin_step *const *scripts, unsigned n, const char *more)
{
    *o = origin_scripted(scripts, n);
    bed_new(b, o, 1, more);
}

/* Closes after each answer without saying so: the next request finds out, and nobody else does. */
static void test_silent_close(void **state)
{
    (void)state;
    static const struct origin_step once[] = {{O_HEAD, NULL, 0},
                                              {O_SEND, OK_HEAD "content-length: 2\r\n\r\nok", 0},
                                              {O_HEAD, NULL, 0},
                                              {O_RESET, NULL, 0}};
    static const struct origin_step *const scripts[] = {once};
    struct bed b;
    struct origin *o;
    scripted(&b, &o, scripts, 1, "");
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(get(&b, GET("/")), 200);
    assert_int_equal(stat_of("upstream_rq_retry"), 9);
    /* What may not be sent twice gets the truth. */
    struct call c = {0};
    call_begin(&c, &b, ":method: POST\n:authority: o.test\n:path: /\ncontent-length: 0\n", true);
    LOOP_UNTIL(b.loop, over(&c));
    assert_true(c.failed);
    assert_int_equal(c.failure.flags, SP_FLAG_UC);
    call_done(&c);
    bed_free(&b);
    origin_free(o);
}

static unsigned scripted_get(const struct origin_step *script, uint32_t *ret_flags, char *details, size_t size)
{
    const struct origin_step *const scripts[] = {script};
    struct bed b;
    struct origin *o;
    struct call c = {0};
    scripted(&b, &o, scripts, 1, "connect_timeout: 0.3s\n");
    call_begin(&c, &b, GET("/"), true);
    LOOP_UNTIL(b.loop, over(&c));
    unsigned status = c.failed ? c.failure.status : c.aborted ? 0 : c.status;
    *ret_flags = c.failed ? c.failure.flags : c.info.flags;
    snprintf(details, size, "%s", t_c(&c.arena, c.failed ? c.failure.details : c.info.details));
    call_done(&c);
    bed_free(&b);
    origin_free(o);
    return status;
}

static void test_bad_answers(void **state)
{
    (void)state;
    static const struct {
        struct origin_step script[4];
        unsigned status;
        uint32_t flags;
        const char *details;
    } cases[] = {
        {{{O_HEAD, NULL, 0}, {O_CLOSE, NULL, 0}}, 503, SP_FLAG_UC, "before_response_started{connection_termination}"},
        {{{O_HEAD, NULL, 0}, {O_SEND, "HTTP/1.1 200", 0}, {O_CLOSE, NULL, 0}}, 503, SP_FLAG_UC,
         "before_response_started{connection_termination}"},
        {{{O_HEAD, NULL, 0}, {O_SEND, "nonsense\r\n\r\n", 0}, {O_CLOSE, NULL, 0}}, 502, SP_FLAG_UPE,
         "before_response_started{protocol_error}"},
        {{{O_HEAD, NULL, 0}, {O_SEND, OK_HEAD "content-length: 5\r\ncontent-length: 6\r\n\r\n", 0}, {O_CLOSE, NULL, 0}}, 502,
         SP_FLAG_UPE, "before_response_started{protocol_error}"},
        {{{O_HEAD, NULL, 0}, {O_SEND, OK_HEAD "content-length: 50\r\n\r\nhalf", 0}, {O_CLOSE, NULL, 0}}, 0, SP_FLAG_UPE,
         "after_response_started{protocol_error}"},
        {{{O_HEAD, NULL, 0}, {O_SEND, OK_HEAD "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", 0}, {O_RESET, NULL, 0}}, 0,
         SP_FLAG_UC, "after_response_started{connection_termination}"},
        {{{O_HEAD, NULL, 0}, {O_SEND, OK_HEAD "transfer-encoding: chunked\r\n\r\nzz\r\n", 0}, {O_HOLD, NULL, 0}}, 0, SP_FLAG_UPE,
         "after_response_started{protocol_error}"},
        {{{O_HEAD, NULL, 0}, {O_SEND, OK_HEAD "\r\nuntil the end", 0}, {O_CLOSE, NULL, 0}}, 200, 0, "(null)"},
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        uint32_t flags;
        char details[256];
        unsigned status = scripted_get(cases[i].script, &flags, details, sizeof(details));
        if (status != cases[i].status || flags != cases[i].flags || !strstr(details, cases[i].details))
            fail_msg("case %u: %u, flags %x, %s", i, status, flags, details);
    }
}

/* The origin does not read: the request waits, and memory does not grow. */
static void test_upload_nobody_reads(void **state)
{
    (void)state;
    static const struct origin_step slow[] = {{O_HEAD, NULL, 0},
                                              {O_SLEEP, NULL, 2000},
                                              {O_BODY, NULL, 24 << 20},
                                              {O_SEND, OK_HEAD "content-length: 0\r\n\r\n", 0},
                                              {O_HOLD, NULL, 0}};
    static const struct origin_step *const scripts[] = {slow};
    struct bed b;
    struct origin *o;
    struct call c = {0};
    scripted(&b, &o, scripts, 1, "");
    call_begin(&c, &b, ":method: POST\n:authority: o.test\n:path: /\ncontent-length: 25165824\n", false);
    unsigned waits = 0;
    size_t left = 24 << 20, most = 0;
    char piece[65536];
    memset(piece, 'u', sizeof(piece));
    while (left) {
        struct sp_buf out;
        sp_buf_init(&out);
        size_t k = SP_MIN(left, sizeof(piece));
        sp_buf_append(&out, piece, k);
        left -= k;
        sp_upstream_data(&c.up, &out, left == 0);
        for (unsigned turns = 0; c.paused; turns++) {
            loop_turn(b.loop);
            most = SP_MAX(most, sp_buf_thread_chunks());
            waits += turns > 3; /* the kernel had its fill */
        }
    }
    LOOP_UNTIL(b.loop, over(&c));
    assert_int_equal(c.status, 200);
    assert_true(waits > 3);
    assert_true(most * SP_CHUNK_SIZE < 2 << 20);
    call_done(&c);
    bed_free(&b);
    origin_free(o);
}

/* An answer while the request is still coming: it is taken, the rest of the request is not sent. */
static void test_early_answer(void **state)
{
    (void)state;
    static const struct origin_step early[] = {{O_HEAD, NULL, 0},
                                               {O_SEND, "HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig", 0},
                                               {O_HOLD, NULL, 0}};
    static const struct origin_step *const scripts[] = {early};
    struct bed b;
    struct origin *o;
    struct call c = {0};
    scripted(&b, &o, scripts, 1, "");
    call_begin(&c, &b, ":method: POST\n:authority: o.test\n:path: /\ncontent-length: 1000000\n", false);
    struct sp_buf out;
    sp_buf_init(&out);
    sp_buf_append(&out, "begin", 5);
    sp_upstream_data(&c.up, &out, false);
    LOOP_UNTIL(b.loop, over(&c));
    assert_int_equal(c.status, 413);
    assert_int_equal(c.got, 3);
    call_done(&c);
    LOOP_UNTIL(b.loop, stat_of("upstream_cx_active") == 0);
    bed_free(&b);
    origin_free(o);
}

static void test_interim(void **state)
{
    (void)state;
    static const struct origin_step hints[] = {
        {O_HEAD, NULL, 0},
        {O_SEND, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" OK_HEAD "content-length: 0\r\n\r\n", 0},
        {O_HOLD, NULL, 0}};
    static const struct origin_step *const scripts[] = {hints};
    struct bed b;
    struct origin *o;
    scripted(&b, &o, scripts, 1, "");
    assert_int_equal(get(&b, GET("/")), 200);
    bed_free(&b);
    origin_free(o);
}

/* --- health checks --- */

#define CHECK(kind) \
    "health_checks:\n- {timeout: 0.2s, interval: 0.05s, no_traffic_interval: 0.05s, unhealthy_threshold: 2, " \
    "healthy_threshold: 2, " kind "}\n"

static void check_origin(const char *more, struct origin *o, bool healthy)
{
    struct bed b;
    bed_new(&b, &o, 1, more);
    sp_cluster_start(b.cluster, &b.loop->worker);
    LOOP_UNTIL(b.loop, sp_cluster_warm(b.cluster));
    if (healthy)
        LOOP_UNTIL(b.loop, stat_of("membership_healthy") == 1);
    LOOP_UNTIL(b.loop, stat_of("health_check.attempt") >= 5);
    assert_int_equal(stat_of("membership_healthy"), healthy);
    if (healthy)
        assert_int_equal(stat_of("health_check.failure"), 0);
    else
        assert_int_equal(stat_of("health_check.success"), 0);
    sp_cluster_stop(b.cluster);
    bed_free(&b);
    origin_free(o);
}

static void test_health_checks(void **state)
{
    (void)state;
    struct origin *o = origin_nginx("location /up { return 204; } location /down { return 503; }");
    if (!o)
        skip();
    origin_free(o);
    check_origin(CHECK("http_health_check: {path: /up, expected_statuses: [{start: 204, end: 205}]}"),
                 origin_nginx("location /up { return 204; }"), true);
    check_origin(CHECK("http_health_check: {path: /down}"), origin_nginx("location /down { return 503; }"), false);
    check_origin(CHECK("reuse_connection: false, http_health_check: {path: /}"), origin_nginx("location / { return 200; }"), true);
    check_origin(CHECK("tcp_health_check: {}"), origin_nginx(""), true);
    struct origin *h2 = origin_nghttpd();
    if (h2) {
        origin_file(h2, "up", 10);
        check_origin(H2 CHECK("http_health_check: {path: /up, codec_client_type: HTTP2}"), h2, true);
    }
}

static void test_tcp_checks(void **state)
{
    (void)state;
    static const struct origin_step pong[] = {{O_SEND, "+hello ", 0}, {O_BODY, NULL, 4}, {O_SEND, "PO", 0}, {O_SLEEP, NULL, 10},
                                              {O_SEND, "NG\n", 0},    {O_BODY, NULL, 4}, {O_SEND, "hello PONG", 0},
                                              {O_HOLD, NULL, 0}};
    static const struct origin_step mute[] = {{O_HOLD, NULL, 0}};
    static const struct origin_step closes[] = {{O_BODY, NULL, 4}, {O_CLOSE, NULL, 0}};
    static const struct origin_step *const good[] = {pong}, *const silent[] = {mute}, *const rude[] = {closes};
#define PING "tcp_health_check: {send: {text: 50494e47}, receive: [{text: \"68656c6c6f\"}, {text: 504f4e47}]}"
    check_origin(CHECK("reuse_connection: false, " PING), origin_scripted(good, 1), true);
    check_origin(CHECK(PING), origin_scripted(silent, 1), false);
    check_origin(CHECK(PING), origin_scripted(rude, 1), false);
}

/* A host dies and comes back. */
static void test_host_goes_and_returns(void **state)
{
    (void)state;
    static const struct origin_step up[] = {{O_HEAD, NULL, 0}, {O_SEND, OK_HEAD "content-length: 0\r\n\r\n", 0},
                                            {O_HEAD, NULL, 0}, {O_SEND, OK_HEAD "content-length: 0\r\n\r\n", 0}, {O_CLOSE, NULL, 0}};
    static const struct origin_step down[] = {{O_HEAD, NULL, 0}, {O_RESET, NULL, 0}};
    static const struct origin_step *const life[] = {up, down, down, down, up};
    struct bed b;
    struct origin *o;
    scripted(&b, &o, life, 5, CHECK("http_health_check: {path: /}"));
    sp_cluster_start(b.cluster, &b.loop->worker);
    LOOP_UNTIL(b.loop, stat_of("membership_healthy") == 1);
    LOOP_UNTIL(b.loop, stat_of("membership_healthy") == 0);
    assert_true(stat_of("health_check.network_failure") >= 2);
    LOOP_UNTIL(b.loop, stat_of("membership_healthy") == 1);
    sp_cluster_stop(b.cluster);
    bed_free(&b);
    origin_free(o);
}

int main(void)
{
    sp_tls_global_init();
    atomic_store(&sp_log_threshold, SP_LOG_OFF);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_close),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_upload_nobody_reads),
        cmocka_unit_test(test_early_answer),
        cmocka_unit_test(test_interim),
        cmocka_unit_test(test_health_checks),
        cmocka_unit_test(test_tcp_checks),
        cmocka_unit_test(test_host_goes_and_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
