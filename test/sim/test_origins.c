/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clusters over real sockets: our own wire and codecs against nginx, nghttpd, and an origin that misbehaves. */
#include "support/loop.h"

#include <string.h>

#include "clusters/cluster.h"
#include "clusters/http_client.h"
#include "clusters/upstream.h"
#include "origin.h"
#include "stats/stats.h"
#include "support/config.h"

struct bed {
    struct loop *loop;
    struct t_config config;
    struct sp_cluster *cluster;
};

static void bed_new(struct bed *b, struct origin *const *origins, unsigned n, const char *more)
{
    char yaml[4096];
    int at = snprintf(yaml, sizeof(yaml), "name: c\n%sload_assignment:\n  cluster_name: c\n  endpoints:\n  - lb_endpoints:\n", more);
    for (unsigned i = 0; i < n; i++)
        at += snprintf(yaml + at, sizeof(yaml) - (size_t)at,
                       "    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %u}}}\n",
                       origin_port(origins[i]));
    sp_stats_init(2);
    b->loop = loop_new();
    t_config_load(&b->config, &envoy__config__cluster__v3__cluster__descriptor, yaml);
    struct sp_cluster_build build = {.doc = b->config.doc, .diag = &b->config.diag, .n_workers = 1};
    b->cluster = sp_cluster_new(&build, b->config.msg);
    if (!b->cluster)
        fail_msg("%s", t_config_said(&b->config));
    sp_cluster_attach(b->cluster, &b->loop->worker);
}

static void bed_free(struct bed *b)
{
    sp_cluster_detach(b->cluster, &b->loop->worker, true);
    LOOP_UNTIL(b->loop, sp_cluster_connections(b->cluster, &b->loop->worker) == 0);
    loop_turn(b->loop);
    sp_cluster_unref(b->cluster);
    loop_free(b->loop);
    t_config_done(&b->config);
    sp_stats_done();
}

static uint64_t stat_of(const char *name)
{
    char full[128];
    uint64_t value = 0;
    snprintf(full, sizeof(full), "cluster.c.%s", name);
    assert_int_equal(sp_stats_find(sp_str_c(full), &value), 0);
    return value;
}

#define OPTIONS(text) \
    "typed_extension_protocol_options:\n" \
    "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n" \
    "    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n" text
#define H2 OPTIONS("    explicit_http_config: {http2_protocol_options: {}}\n")

/* --- a request --- */

struct call {
    struct sp_upstream up;
    struct sp_arena arena;
    struct sp_stream_info info;
    struct sp_headers request;
    struct sp_sink sink;
    struct bed *bed;
    unsigned status;
    size_t got;          /* bytes of the body */
    bool wrong;          /* a byte is not origin_byte's */
    bool pattern;
    bool ended, aborted, failed;
    struct sp_upstream_failure failure;
    int paused;          /* of the request */
    unsigned stutter;    /* pauses the response at each so many pieces, for some turns */
    unsigned pieces;
    struct sp_timer go_on;
};

static bool over(const struct call *c)
{
    return c->ended || c->aborted || c->failed;
}

static void on_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    struct call *c = SP_CONTAINER_OF(s, struct call, sink);
    if (h->status < 200)
        return;
    c->status = h->status;
    c->ended = end;
}

static void on_go_on(struct sp_timer *t)
{
    struct call *c = SP_CONTAINER_OF(t, struct call, go_on);
    c->sink.source->ops->resume(c->sink.source);
}

static void on_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    struct call *c = SP_CONTAINER_OF(s, struct call, sink);
    assert_false(over(c));
    for (; c->pattern && b->head; sp_buf_drain(b, b->head->len)) {
        const char *p = b->head->ptr;
        for (size_t i = 0; i < b->head->len; i++)
            c->wrong |= p[i] != origin_byte(c->got++);
    }
    c->got += b->len;
    sp_buf_clear(b);
    c->ended = end;
    if (!end && c->stutter && ++c->pieces % c->stutter == 0 && !sp_timer_armed(&c->go_on)) {
        s->source->ops->pause(s->source);
        sp_timer_start(&c->bed->loop->worker.turn, &c->go_on, 2 * SP_NS_PER_MS);
    }
}

static void on_trailers(struct sp_sink *s, struct sp_headers *t)
{
    (void)t;
    SP_CONTAINER_OF(s, struct call, sink)->ended = true;
}

static void on_abort(struct sp_sink *s, enum sp_abort why)
{
    (void)why;
    SP_CONTAINER_OF(s, struct call, sink)->aborted = true;
}

static const struct sp_sink_ops sink_ops = {on_headers, on_data, on_trailers, on_abort};

static void up_failed(struct sp_upstream *u, const struct sp_upstream_failure *f)
{
    struct call *c = u->owner;
    c->failed = true;
    c->failure = *f;
}

static void up_pause(struct sp_upstream *u)
{
    ((struct call *)u->owner)->paused++;
}

static void up_resume(struct sp_upstream *u)
{
    struct call *c = u->owner;
    c->paused--;
    assert_true(c->paused >= 0);
}

static const struct sp_upstream_ops up_ops = {.failed = up_failed, .pause = up_pause, .resume = up_resume};

static void call_begin(struct call *c, struct bed *b, const char *lines, bool end)
{
    sp_arena_init(&c->arena);
    c->bed = b;
    c->go_on.fire = on_go_on;
    sp_headers_init(&c->request, &c->arena);
    t_headers(&c->request, &c->arena, lines);
    c->sink.ops = &sink_ops;
    c->up.owner = c;
    c->up.ops = &up_ops;
    sp_upstream_init(&c->up, &(struct sp_upstream_setup){.cluster = b->cluster, .worker = &b->loop->worker,
                                                         .arena = &c->arena, .info = &c->info,
                                                         .timeout_ns = 10 * SP_NS_PER_S});
    sp_link(&c->up.out, &c->sink);
    sp_upstream_headers(&c->up, &c->request, end);
}

#define GET(path) ":method: GET\n:scheme: http\n:authority: o.test\n:path: " path "\n"

static void call_done(struct call *c)
{
    sp_timer_stop(&c->go_on);
    sp_upstream_done(&c->up);
    sp_arena_done(&c->arena);
    memset(c, 0, sizeof(*c));
}

static unsigned get(struct bed *b, const char *lines)
{
    struct call c = {0};
    call_begin(&c, b, lines, true);
    LOOP_UNTIL(b->loop, over(&c));
    unsigned status = c.failed ? c.failure.status : c.aborted ? 0 : c.status;
    call_done(&c);
    return status;
}

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

/* Sends n bytes of a body, as backpressure allows. */
static void send_body(struct call *c, size_t n)
{
    char piece[30000];
    memset(piece, 'u', sizeof(piece));
    while (n && !over(c)) {
        LOOP_UNTIL(c->bed->loop, !c->paused || over(c));
        struct sp_buf out;
        sp_buf_init(&out);
        size_t k = SP_MIN(n, sizeof(piece));
        sp_buf_append(&out, piece, k);
        n -= k;
        sp_upstream_data(&c->up, &out, n == 0);
    }
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
        {{{O_HEAD, NULL, 0}, {O_SEND, OK_HEAD "content-length: 50\r\n\r\nhalf", 0}, {O_CLOSE, NULL, 0}}, 0, SP_FLAG_UC,
         "after_response_started{connection_termination}"},
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
                                              {O_SLEEP, NULL, 300},
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nginx_reuse),
        cmocka_unit_test(test_nginx_big),
        cmocka_unit_test(test_nginx_upload),
        cmocka_unit_test(test_nghttpd_big),
        cmocka_unit_test(test_nghttpd_many),
        cmocka_unit_test(test_nghttpd_cancel),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_silent_close),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_upload_nobody_reads),
        cmocka_unit_test(test_early_answer),
        cmocka_unit_test(test_interim),
        cmocka_unit_test(test_two_hosts_one_dead),
        cmocka_unit_test(test_client),
        cmocka_unit_test(test_health_checks),
        cmocka_unit_test(test_tcp_checks),
        cmocka_unit_test(test_host_goes_and_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
