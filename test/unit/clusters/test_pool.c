/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools: reuse, multiplexing, draining, names, leaving. */
#include "support.h"

#include <string.h>

#define OPTIONS(text) \
    "typed_extension_protocol_options:\n" \
    "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n" \
    "    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n" text
#define H1 "    explicit_http_config: {http_protocol_options: {}}\n"
#define H2 "    explicit_http_config: {http2_protocol_options: {}}\n"

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

static void test_reuse_last_first(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[3] = {0};
    t_bed_hosts(&b, 1, NULL);
    for (unsigned i = 0; i < 3; i++)
        t_call_get(&c[i], &b);
    assert_int_equal(fake_n, 3); /* HTTP/1: one each */
    for (unsigned i = 0; i < 3; i++)
        fake_connect(fake_wires[i]);
    t_step(&b, 0);
    answer(&b, fake_wires[1], 0);
    answer(&b, fake_wires[0], 0);
    answer(&b, fake_wires[2], 0);
    for (unsigned i = 0; i < 3; i++)
        t_call_done(&c[i]);
    one(&b, 2);
    one(&b, 2); /* the last used */
    assert_int_equal(fake_n, 3);
    /* The pool of another worker has its own. */
    t_call_begin(&c[0], &b, 1, NULL, NULL, true);
    assert_int_equal(fake_n, 4);
    t_call_done(&c[0]);
    fake_connect(fake_wires[3]);
    t_step(&b, 0);
    assert_int_equal(t_stat("upstream_cx_active"), 4);
    assert_int_equal(t_stat("upstream_rq_cancelled"), 1);
    t_bed_free(&b);
}

static void test_idle_close(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, NULL);
    one(&b, 0);
    fake_end(fake_wires[0], SP_WIRE_REMOTE, 0, NULL, SP_ABORT_CLOSED);
    assert_int_equal(t_stat("upstream_cx_destroy_remote"), 1);
    assert_int_equal(t_stat("upstream_cx_destroy_with_active_rq"), 0);
    one(&b, 1); /* nobody noticed */
    t_bed_free(&b);
}

static void test_idle_timeout(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, OPTIONS("    common_http_protocol_options: {idle_timeout: 10s}\n" H1));
    one(&b, 0);
    t_step(&b, 6000);
    one(&b, 0); /* the time begins anew */
    t_step(&b, 6000);
    assert_false(fake_wires[0]->dead);
    t_step(&b, 4001);
    assert_true(fake_wires[0]->dead);
    assert_int_equal(t_stat("upstream_cx_idle_timeout"), 1);
    /* A request that takes long is not idle. */
    struct t_call c = {0};
    t_call_get(&c, &b);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    t_step(&b, 60000);
    assert_false(fake_wires[1]->dead);
    answer(&b, fake_wires[1], 0);
    t_step(&b, 9999);
    assert_false(fake_wires[1]->dead);
    t_step(&b, 10000);
    assert_true(fake_wires[1]->dead);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_close_header(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, NULL);
    t_call_get(&c, &b);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    fake_goaway(fake_wires[0]); /* Connection: close in the head that comes */
    answer(&b, fake_wires[0], 0);
    assert_true(fake_wires[0]->dead);
    assert_int_equal(c.status, 200);
    assert_int_equal(t_stat("upstream_cx_close_notify"), 1);
    t_call_done(&c);
    one(&b, 1);
    fake_goaway(fake_wires[1]); /* idle */
    t_step(&b, 0);
    assert_true(fake_wires[1]->dead);
    t_bed_free(&b);
}

static void test_max_requests(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, OPTIONS("    common_http_protocol_options: {max_requests_per_connection: 2}\n" H1));
    one(&b, 0);
    assert_false(fake_wires[0]->dead);
    one(&b, 0);
    assert_true(fake_wires[0]->dead);
    one(&b, 1);
    assert_int_equal(t_stat("upstream_cx_max_requests"), 1);
    t_bed_free(&b);
}

static void test_unfinished_is_closed(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, NULL);
    t_call_get(&c, &b);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    fake_respond(fake_stream_at(fake_wires[0], 0), 200, false);
    sp_upstream_cancel(&c.up, SP_ABORT_CANCEL); /* half an answer is still to come */
    t_call_done(&c);
    t_call_get(&c, &b); /* in the same turn */
    assert_int_equal(fake_n, 2);
    t_step(&b, 0);
    assert_true(fake_wires[0]->dead);
    assert_int_equal(t_stat("upstream_cx_destroy_local_with_active_rq"), 1);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_h2_multiplex(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[5] = {0};
    t_bed_hosts(&b, 1, OPTIONS(H2));
    for (unsigned i = 0; i < 4; i++)
        t_call_get(&c[i], &b);
    assert_int_equal(fake_n, 1);
    fake_wires[0]->max_streams = 3;
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    assert_int_equal(fake_wires[0]->codec.n_streams, 3);
    assert_int_equal(fake_n, 2); /* the fourth found it full */
    assert_int_equal(t_stat("upstream_rq_pending_active"), 1);
    /* Room on the first comes before the second is there. */
    answer(&b, fake_wires[0], 1);
    assert_int_equal(fake_wires[0]->codec.n_streams, 3);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    assert_int_equal(fake_wires[1]->codec.n_streams, 0);
    t_call_get(&c[4], &b);
    assert_int_equal(fake_n, 2);
    assert_int_equal(fake_wires[1]->codec.n_streams, 1);
    for (unsigned i = 0; i < 3; i++)
        answer(&b, fake_wires[0], 0);
    answer(&b, fake_wires[1], 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(c[i].status, 200);
        t_call_done(&c[i]);
    }
    assert_int_equal(t_stat("upstream_cx_http2_total"), 2);
    assert_int_equal(t_stat("upstream_cx_http2_active"), 2);
    t_bed_free(&b);
}

static void test_h2_goaway(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[3] = {0};
    t_bed_hosts(&b, 1, OPTIONS(H2));
    t_call_get(&c[0], &b);
    t_call_get(&c[1], &b);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    fake_goaway(fake_wires[0]);
    assert_int_equal(t_stat("upstream_cx_close_notify"), 1);
    t_call_get(&c[2], &b); /* goes elsewhere */
    assert_int_equal(fake_n, 2);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    answer(&b, fake_wires[0], 0);
    assert_false(fake_wires[0]->dead);
    answer(&b, fake_wires[0], 0);
    assert_true(fake_wires[0]->dead);
    answer(&b, fake_wires[1], 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(c[i].status, 200);
        t_call_done(&c[i]);
    }
    t_bed_free(&b);
}

static void test_h2_cancel_keeps_connection(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[2] = {0};
    t_bed_hosts(&b, 1, OPTIONS(H2));
    t_call_get(&c[0], &b);
    t_call_get(&c[1], &b);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    sp_upstream_cancel(&c[0].up, SP_ABORT_CANCEL);
    t_step(&b, 0);
    assert_false(fake_wires[0]->dead);
    answer(&b, fake_wires[0], 0);
    assert_int_equal(c[1].status, 200);
    t_call_done(&c[0]);
    t_call_done(&c[1]);
    assert_int_equal(t_stat("upstream_rq_active"), 0);
    t_bed_free(&b);
}

/* A host that allows no streams ends in an answer, not in a circle. */
static void test_h2_barren(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, OPTIONS(H2));
    t_call_get(&c, &b);
    fake_wires[0]->max_streams = 0;
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    assert_true(c.failed);
    assert_int_equal(c.failure.status, 503);
    assert_int_equal(fake_n, 1);
    assert_true(fake_wires[0]->dead);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_h2_stale(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, OPTIONS("    explicit_http_config: {http2_protocol_options: {connection_keepalive: {interval: 30s,"
                               " timeout: 5s, connection_idle_interval: 2s}}}\n"));
    one(&b, 0);
    assert_int_equal(fake_wires[0]->setup.config.h2_ping_interval_ns, 30 * SP_NS_PER_S);
    assert_int_equal(fake_wires[0]->setup.config.h2_ping_jitter_ns, 30 * SP_NS_PER_S * 15 / 100);
    t_step(&b, 1999);
    one(&b, 0);
    t_step(&b, 2001);
    one(&b, 1);
    assert_true(fake_wires[0]->dead);
    t_bed_free(&b);
}

/* preconnect_policy: a connection ahead for each two requests, none to a host that is not well, none at others' cost. */
static void test_ahead(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 3; variant++) {
        struct t_bed b;
        struct t_call first = {0}, second = {0};
        t_bed_hosts(&b, 1, variant == 2 ? "preconnect_policy: {per_upstream_preconnect_ratio: 1.5}\n"
                                          "circuit_breakers: {thresholds: [{max_connections: 1}]}\n"
                                        : "preconnect_policy: {per_upstream_preconnect_ratio: 1.5}\n");
        if (variant == 1)
            sp_host_set_health(b.cluster, t_host(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC, 0);
        t_call_get(&first, &b);
        assert_int_equal(fake_n, variant ? 1 : 2);
        assert_int_equal(t_stat("upstream_cx_overflow"), 0);
        fake_connect(fake_wires[0]);
        t_step(&b, 0);
        if (!variant) {
            fake_connect(fake_wires[1]);
            t_step(&b, 0);
            t_call_get(&second, &b); /* takes the one that was ready: (1 + 1) * 1.5 are three */
            assert_int_equal(fake_n, 3);
            fake_connect(fake_wires[2]);
            t_step(&b, 0);
            fake_respond(fake_stream_at(fake_wires[1], 0), 200, true);
            t_step(&b, 0);
            t_call_done(&second);
            memset(&second, 0, sizeof(second));
            t_call_get(&second, &b); /* two were ready: one is */
            assert_int_equal(fake_n, 3);
            t_call_done(&second);
        }
        t_call_done(&first);
        t_bed_free(&b);
    }
}

static uint16_t to(unsigned wire)
{
    return fake_wires[wire]->to.port;
}

/* predictive_preconnect_ratio: the hosts of the next requests get connections, and these requests. */
static void test_look_ahead(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call calls[3] = {0};
    t_bed_hosts(&b, 5, "preconnect_policy: {predictive_preconnect_ratio: 2}\n");
    t_call_get(&calls[0], &b);
    assert_int_equal(fake_n, 3); /* two more than the one that comes */
    for (unsigned i = 0; i < 3; i++)
        fake_connect(fake_wires[i]);
    t_step(&b, 0);
    uint16_t second = to(0), third = to(1);
    assert_int_equal(to(2), calls[0].info.upstream_host.port);
    t_call_get(&calls[1], &b);
    assert_int_equal(calls[1].info.upstream_host.port, second);
    t_call_get(&calls[2], &b);
    assert_int_equal(calls[2].info.upstream_host.port, third);
    for (unsigned i = 0; i < 3; i++)
        t_call_done(&calls[i]);
    t_bed_free(&b);
    /* What was foreseen holds while hosts do; those that are not well get none, and nobody more than the limit. */
    t_bed_hosts(&b, 5, "preconnect_policy: {predictive_preconnect_ratio: 2}\nhealth_checks: []\n");
    memset(calls, 0, sizeof(calls));
    t_call_get(&calls[0], &b);
    assert_int_equal(fake_n, 3);
    unsigned at = to(0) - 1u;
    sp_host_set_health(b.cluster, t_host(&b, at), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    t_call_get(&calls[1], &b);
    assert_int_not_equal(calls[1].info.upstream_host.port, at + 1);
    t_call_done(&calls[0]);
    t_call_done(&calls[1]);
    t_bed_free(&b);
    memset(calls, 0, sizeof(calls));
    t_bed_hosts(&b, 5, "preconnect_policy: {predictive_preconnect_ratio: 3}\ncircuit_breakers: {thresholds: [{max_connections: 2}]}\n");
    t_call_get(&calls[0], &b);
    assert_int_equal(fake_n, 2);
    t_call_done(&calls[0]);
    t_bed_free(&b);
}

static void test_downstream_protocol(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[2] = {0};
    struct sp_upstream_setup h2 = {.h2 = true};
    t_bed_hosts(&b, 1, OPTIONS("    use_downstream_protocol_config: {http2_protocol_options: {}}\n"));
    t_call_begin(&c[0], &b, 0, NULL, NULL, true);
    t_call_begin(&c[1], &b, 0, &h2, NULL, true);
    assert_int_equal(fake_n, 2);
    assert_int_equal(fake_wires[0]->setup.codec, SP_CODEC_H1);
    assert_int_equal(fake_wires[1]->setup.codec, SP_CODEC_H2);
    t_call_done(&c[0]);
    t_call_done(&c[1]);
    t_bed_free(&b);
}

static void tls_bed(struct t_bed *b, const char *options)
{
    char more[8192];
    snprintf(more, sizeof(more), "%s%s", options, t_tls());
    t_bed_hosts(b, 1, more);
}

static void test_alpn(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[4] = {0};
    tls_bed(&b, OPTIONS("    auto_config: {}\n"));
    for (unsigned i = 0; i < 3; i++)
        t_call_get(&c[i], &b);
    assert_int_equal(fake_n, 1); /* it may be HTTP/2: one is enough until it is known */
    fake_connect_as(fake_wires[0], false);
    t_step(&b, 0);
    assert_int_equal(fake_n, 3);
    fake_connect_as(fake_wires[1], true); /* the host has changed its mind */
    fake_connect_as(fake_wires[2], true);
    t_step(&b, 0);
    unsigned n = fake_wires[1]->codec.n_streams + fake_wires[2]->codec.n_streams;
    assert_int_equal(n, 2);
    t_call_get(&c[3], &b);
    assert_int_equal(fake_n, 3);
    for (unsigned w = 0; w < 3; w++)
        while (fake_stream_at(fake_wires[w], 0))
            answer(&b, fake_wires[w], 0);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(c[i].status, 200);
        t_call_done(&c[i]);
    }
    t_bed_free(&b);
}

static unsigned pools_of(struct t_bed *b)
{
    unsigned n = 0;
    SP_LIST_FOREACH(p, &t_slot(b, 0)->pools)
        n++;
    return n;
}

static void test_auto_sni(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    static const char *const hosts[] = {"A.Test:8443", "b.test", "a.test.", "10.0.0.1:443", "[::1]", "bad host"};
    static const char *const names[] = {"a.test", "b.test", "a.test", "", "", ""};
    static const char *const verify[] = {"a.test", "b.test", "a.test", "10.0.0.1", "::1", ""};
    static const unsigned wire[] = {0, 1, 0, 2, 3, 4};
    tls_bed(&b, OPTIONS("    upstream_http_protocol_options: {auto_sni: true, auto_san_validation: true}\n" H1));
    for (unsigned i = 0; i < SP_ARRAY_LEN(hosts); i++) {
        char lines[128];
        snprintf(lines, sizeof(lines), ":method: GET\n:authority: %s\n:path: /\n", hosts[i]);
        t_call_begin(&c, &b, 0, NULL, lines, true);
        struct sp_wire *w = fake_wires[wire[i]];
        if (!w->ready)
            fake_connect(w);
        t_step(&b, 0);
        assert_string_equal(w->sni, names[i]);
        assert_string_equal(w->verify_name, verify[i]);
        answer(&b, w, 0);
        t_call_done(&c);
    }
    /* A name's pool goes with its last connection. */
    assert_int_equal(pools_of(&b), 5);
    for (unsigned i = 0; i < fake_n; i++)
        fake_end(fake_wires[i], SP_WIRE_REMOTE, 0, NULL, SP_ABORT_CLOSED);
    t_step(&b, 0);
    assert_int_equal(pools_of(&b), 1); /* the one without a name */
    t_bed_free(&b);
}

/* --- leaving --- */

static void test_detach(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[3] = {0};
    t_bed_hosts(&b, 1, NULL);
    one(&b, 0);
    t_call_get(&c[0], &b);
    t_call_get(&c[1], &b); /* connecting */
    sp_cluster_detach(b.cluster, &b.workers[0], false);
    t_step(&b, 0);
    assert_false(fake_wires[0]->dead || fake_wires[1]->dead);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    answer(&b, fake_wires[0], 0);
    assert_true(fake_wires[0]->dead); /* not kept */
    t_call_get(&c[2], &b);            /* a stream of the old config comes late, and is served */
    assert_int_equal(fake_n, 3);
    fake_connect(fake_wires[2]);
    t_step(&b, 0);
    answer(&b, fake_wires[2], 0);
    assert_int_equal(c[2].status, 200);
    assert_int_equal(sp_cluster_connections(b.cluster, &b.workers[0]), 1);
    answer(&b, fake_wires[1], 0);
    assert_int_equal(sp_cluster_connections(b.cluster, &b.workers[0]), 0);
    for (unsigned i = 0; i < 3; i++)
        t_call_done(&c[i]);
    t_bed_free(&b);
}

static void test_detach_now(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c[4] = {0};
    t_bed_hosts(&b, 1, NULL);
    one(&b, 0);
    t_call_get(&c[0], &b);
    t_call_get(&c[1], &b);
    t_call_get(&c[2], &b);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    fake_respond(fake_stream_at(fake_wires[1], 0), 200, false);
    sp_cluster_detach(b.cluster, &b.workers[0], true);
    t_step(&b, 0);
    assert_int_equal(fake_alive(), 0);
    assert_true(c[0].failed && c[1].aborted && c[2].failed);
    t_call_get(&c[3], &b);
    assert_true(c[3].failed);
    assert_int_equal(c[3].failure.flags, SP_FLAG_UH);
    for (unsigned i = 0; i < 4; i++)
        t_call_done(&c[i]);
    t_bed_free(&b);
}

/* The cluster outlives its last reference elsewhere as long as a connection needs it. */
static void test_connection_holds_cluster(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, NULL);
    one(&b, 0);
    assert_int_equal(atomic_load(&b.cluster->refs), 2);
    fake_end(fake_wires[0], SP_WIRE_REMOTE, 0, NULL, SP_ABORT_CLOSED);
    t_step(&b, 0);
    assert_int_equal(atomic_load(&b.cluster->refs), 1);
    t_bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reuse_last_first),
        cmocka_unit_test(test_idle_close),
        cmocka_unit_test(test_idle_timeout),
        cmocka_unit_test(test_close_header),
        cmocka_unit_test(test_max_requests),
        cmocka_unit_test(test_unfinished_is_closed),
        cmocka_unit_test(test_h2_multiplex),
        cmocka_unit_test(test_h2_goaway),
        cmocka_unit_test(test_h2_cancel_keeps_connection),
        cmocka_unit_test(test_h2_barren),
        cmocka_unit_test(test_h2_stale), cmocka_unit_test(test_ahead), cmocka_unit_test(test_look_ahead),
        cmocka_unit_test(test_downstream_protocol),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_auto_sni),
        cmocka_unit_test(test_detach),
        cmocka_unit_test(test_detach_now),
        cmocka_unit_test(test_connection_holds_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
