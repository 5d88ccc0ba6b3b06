/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clusters over real sockets and TLS: nginx with a certificate of a CA of our own, that may ask for one of ours. */
#include "crypto/cert_gen.h"
#include "net/tls_ctx.h"
#include "origin_call.h"

static struct sp_arena arena;
static struct sp_made_cert ca, other_ca, server, client, stranger;

static int setup(void **state)
{
    static const char *const names[] = {"o.test", "*.w.test", NULL}, *const uri[] = {"spiffe://t/client", NULL};
    (void)state;
    sp_arena_init(&arena);
    struct sp_cert_request r = {.common_name = "ca", .is_ca = true};
    assert_int_equal(sp_cert_make(&r, NULL, &arena, &ca), 0);
    r.common_name = "other ca";
    assert_int_equal(sp_cert_make(&r, NULL, &arena, &other_ca), 0);
    r = (struct sp_cert_request){.common_name = "origin", .dns = names, .server = true};
    assert_int_equal(sp_cert_make(&r, &ca, &arena, &server), 0);
    r = (struct sp_cert_request){.common_name = "gateway", .uri = uri, .client = true};
    assert_int_equal(sp_cert_make(&r, &ca, &arena, &client), 0);
    assert_int_equal(sp_cert_make(&r, &other_ca, &arena, &stranger), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sp_arena_done_wipe(&arena);
    return 0;
}

static struct origin *origin_new(const char *config)
{
    struct origin *o = origin_nginx_tls(server.cert_pem.ptr, server.key_pem.ptr, ca.cert_pem.ptr, config);
    if (!o)
        skip();
    return o;
}

/* "{inline_string: "..."}" of a PEM, in the arena. */
static const char *inline_pem(struct sp_str pem)
{
    char *out = sp_arena_alloc(&arena, pem.len * 2 + 32), *at = out;
    at += sprintf(at, "{inline_string: \"");
    for (size_t i = 0; i < pem.len; i++)
        at += sprintf(at, pem.ptr[i] == '\n' ? "\\n" : "%c", pem.ptr[i]);
    sprintf(at, "\"}");
    return out;
}

static const char *tls(const struct sp_made_cert *trusted, const struct sp_made_cert *own, const char *more)
{
    char *text = sp_arena_alloc(&arena, 16384);
    int at = snprintf(text, 16384, "transport_socket:\n  name: tls\n  typed_config:\n    \"@type\": "
                                   "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\n"
                                   "%s    common_tls_context:\n      validation_context: {trusted_ca: %s}\n", more,
                      inline_pem(trusted->cert_pem));
    if (own)
        snprintf(text + at, 16384 - (size_t)at, "      tls_certificates: [{certificate_chain: %s, private_key: %s}]\n",
                 inline_pem(own->cert_pem), inline_pem(own->key_pem));
    return text;
}

static const char *join(const char *a, const char *b)
{
    return sp_arena_cat(&arena, sp_str_c(a), sp_str_c(b)).ptr;
}

static void test_verified(void **state)
{
    (void)state;
    struct bed b;
    struct call c = {0};
    struct origin *o = origin_new("location / { return 200 fine; }");
    bed_new(&b, &o, 1, tls(&ca, NULL, "    sni: o.test\n"));
    call_begin(&c, &b, GET("/"), true);
    LOOP_UNTIL(b.loop, over(&c));
    assert_int_equal(c.status, 200);
    assert_string_equal(t_c(&c.arena, c.info.upstream_tls.sni), "o.test");
    assert_true(c.info.upstream_tls.peer_verified);
    assert_string_equal(t_c(&c.arena, c.info.upstream_tls.peer_subject), "CN=origin");
    assert_int_equal(get(&b, GET("/")), 200);
    assert_int_equal(stat_of("ssl.handshake"), 1);
    /* What is known of the TLS outlives the connection: the access log comes late. */
    sp_cluster_detach(b.cluster, &b.loop->worker, false);
    LOOP_UNTIL(b.loop, stat_of("upstream_cx_active") == 0);
    loop_turn(b.loop);
    assert_string_equal(t_c(&c.arena, c.info.upstream_tls.peer_subject), "CN=origin");
    call_done(&c);
    bed_free(&b);
    origin_free(o);
}

static void refused(const char *cluster, struct origin *o, const char *lines, const char *counter, const char *words)
{
    struct bed b;
    struct call c = {0};
    bed_new(&b, &o, 1, cluster);
    call_begin(&c, &b, lines, true);
    LOOP_UNTIL(b.loop, over(&c));
    assert_true(c.failed);
    assert_int_equal(c.failure.status, 503);
    assert_int_equal(c.failure.flags, SP_FLAG_UF);
    const char *why = t_c(&c.arena, c.info.upstream_failure_reason);
    if (!strstr(why, "TLS error: ") || !strstr(why, words))
        fail_msg("%s", why);
    assert_null(strstr(t_c(&c.arena, c.failure.body), "TLS")); /* the client is not told */
    assert_int_equal(stat_of(counter), 1);
    assert_int_equal(stat_of("ssl.connection_error"), strcmp(counter, "ssl.connection_error") == 0); /* one reason, one counter */
    assert_int_equal(stat_of("upstream_cx_connect_fail"), 1);
    call_done(&c);
    bed_free(&b);
}

static void test_not_verified(void **state)
{
    (void)state;
    struct origin *o = origin_new("location / { return 200 fine; }");
    refused(tls(&other_ca, NULL, "    sni: o.test\n"), o, GET("/"), "ssl.fail_verify_error", "");
#define NAMES(text) \
    OPTIONS("    upstream_http_protocol_options: {" text "}\n    explicit_http_config: {http_protocol_options: {}}\n")
    refused(join(NAMES("auto_sni: true, auto_san_validation: true"), tls(&ca, NULL, "")), o,
            ":method: GET\n:scheme: https\n:authority: elsewhere.test\n:path: /\n", "ssl.fail_verify_san", "");
    origin_free(o);
}

static void test_auto_names(void **state)
{
    (void)state;
    struct bed b;
    struct origin *o = origin_new("location / { return 200 $ssl_server_name; }");
    bed_new(&b, &o, 1, join(NAMES("auto_sni: true, auto_san_validation: true"), tls(&ca, NULL, "")));
    assert_int_equal(get(&b, GET("/")), 200);
    assert_int_equal(get(&b, ":method: GET\n:scheme: https\n:authority: a.w.test:8443\n:path: /\n"), 200);
    assert_int_equal(get(&b, ":method: GET\n:scheme: https\n:authority: b.w.test\n:path: /\n"), 200);
    assert_int_equal(get(&b, GET("/")), 200);
    assert_int_equal(stat_of("upstream_cx_total"), 3); /* a name each */
    /* A connection that was good for one name is no way to another. */
    assert_int_equal(get(&b, ":method: GET\n:scheme: https\n:authority: w.test\n:path: /\n"), 503);
    bed_free(&b);
    origin_free(o);
}

static void test_client_certificate(void **state)
{
    (void)state;
    struct bed b;
    struct origin *o = origin_new("ssl_verify_client on; location / { return 200 fine; }");
    bed_new(&b, &o, 1, tls(&ca, &client, "    sni: o.test\n"));
    assert_int_equal(get(&b, GET("/")), 200);
    bed_free(&b);
    /* nginx says it in an answer. */
    bed_new(&b, &o, 1, tls(&ca, NULL, "    sni: o.test\n"));
    assert_int_equal(get(&b, GET("/")), 400);
    bed_free(&b);
    bed_new(&b, &o, 1, tls(&ca, &stranger, "    sni: o.test\n"));
    assert_int_equal(get(&b, GET("/")), 400);
    bed_free(&b);
    origin_free(o);
}

static void versions(const char *options, enum sp_protocol expected)
{
    struct bed b;
    struct call c = {0};
    struct origin *o = origin_new("location / { return 200 fine; }");
    bed_new(&b, &o, 1, join(options, tls(&ca, NULL, "    sni: o.test\n")));
    call_begin(&c, &b, GET("/"), true);
    LOOP_UNTIL(b.loop, over(&c));
    assert_int_equal(c.status, 200);
    assert_int_equal(c.info.upstream_protocol, expected);
    call_done(&c);
    bed_free(&b);
    origin_free(o);
}

static void test_versions(void **state)
{
    (void)state;
    versions("", SP_HTTP_11);
    versions(H2, SP_HTTP_2);
    versions(OPTIONS("    auto_config: {}\n"), SP_HTTP_2);
    versions(OPTIONS("    use_downstream_protocol_config: {http2_protocol_options: {}}\n"), SP_HTTP_11);
}

/* The other side wants another version than ours: that is said, and nothing is sent. */
static void test_version_mismatch(void **state)
{
    (void)state;
    struct bed b;
    struct call c = {0};
    struct origin *o = origin_new("location / { return 200 fine; }");
    char *offers = sp_arena_alloc(&arena, 16384);
    snprintf(offers, 16384, "%s      alpn_protocols: [h2]\n", tls(&ca, NULL, "    sni: o.test\n"));
    bed_new(&b, &o, 1, offers); /* HTTP/1.1, but only h2 is offered */
    call_begin(&c, &b, GET("/"), true);
    LOOP_UNTIL(b.loop, over(&c));
    assert_true(c.failed);
    assert_int_equal(c.failure.flags, SP_FLAG_UF);
    assert_non_null(strstr(t_c(&c.arena, c.info.upstream_failure_reason), "TLS error: ALPN"));
    call_done(&c);
    bed_free(&b);
    origin_free(o);
}

static void test_plain_port(void **state)
{
    (void)state;
    struct origin *o = origin_nginx("location / { return 200 fine; }");
    if (!o)
        skip();
    struct bed b;
    bed_new(&b, &o, 1, tls(&ca, NULL, "    sni: o.test\n"));
    assert_int_equal(get(&b, GET("/")), 503);
    bed_free(&b);
    origin_free(o);
    o = origin_new("location / { return 200 fine; }"); /* and the other way round */
    bed_new(&b, &o, 1, "");
    assert_int_equal(get(&b, GET("/")), 400);
    bed_free(&b);
    origin_free(o);
}

static void test_big_and_checks(void **state)
{
    (void)state;
    struct bed b;
    struct call c = {.pattern = true, .stutter = 5};
    struct origin *o = origin_new("");
    origin_file(o, "big", 3 << 20);
    bed_new(&b, &o, 1, join("health_checks:\n- {timeout: 1s, interval: 0.05s, no_traffic_interval: 0.05s, unhealthy_threshold: 1, "
                            "healthy_threshold: 1, http_health_check: {path: /big, method: HEAD}}\n",
                            tls(&ca, &client, "    sni: o.test\n")));
    sp_cluster_start(b.cluster, &b.loop->worker);
    LOOP_UNTIL(b.loop, stat_of("membership_healthy") == 1);
    call_begin(&c, &b, GET("/big"), true);
    LOOP_UNTIL(b.loop, over(&c));
    assert_int_equal(c.got, 3 << 20);
    assert_false(c.wrong);
    call_done(&c);
    LOOP_UNTIL(b.loop, stat_of("health_check.success") >= 3);
    assert_int_equal(stat_of("health_check.failure"), 0);
    sp_cluster_stop(b.cluster);
    bed_free(&b);
    bed_new(&b, &o, 1, join("health_checks:\n- {timeout: 1s, interval: 0.05s, no_traffic_interval: 0.05s, unhealthy_threshold: 1, "
                            "healthy_threshold: 1, tcp_health_check: {send: {text: 474554202f20485454502f312e300d0a0d0a}, "
                            "receive: [{text: 485454502f312e}]}}\n",
                            tls(&ca, NULL, "    sni: o.test\n")));
    sp_cluster_start(b.cluster, &b.loop->worker);
    LOOP_UNTIL(b.loop, stat_of("membership_healthy") == 1);
    sp_cluster_stop(b.cluster);
    bed_free(&b);
    bed_new(&b, &o, 1, join("health_checks:\n- {timeout: 1s, interval: 0.05s, no_traffic_interval: 0.05s, unhealthy_threshold: 1, "
                            "healthy_threshold: 1, tcp_health_check: {}}\n",
                            tls(&other_ca, NULL, "    sni: o.test\n")));
    sp_cluster_start(b.cluster, &b.loop->worker);
    LOOP_UNTIL(b.loop, stat_of("health_check.failure") >= 3);
    assert_int_equal(stat_of("membership_healthy"), 0); /* a connection is not enough: it has to be the host */
    sp_cluster_stop(b.cluster);
    bed_free(&b);
    origin_free(o);
}

int main(void)
{
    sp_tls_global_init();
    atomic_store(&sp_log_threshold, SP_LOG_OFF);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verified),
        cmocka_unit_test(test_not_verified),
        cmocka_unit_test(test_auto_names),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_version_mismatch),
        cmocka_unit_test(test_plain_port),
        cmocka_unit_test(test_big_and_checks),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
