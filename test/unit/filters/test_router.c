/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The router: what it does to a request, and what it answers; the cluster below it runs on the fake wire. */
#include "unit/clusters/fake_wire.c"
#include "unit/clusters/support.c"

#include "envoy/config/route/v3/route.pb-c.h"
#include "envoy/extensions/filters/http/router/v3/router.pb-c.h"
#include "fake_chain.h"
#include "filters/registry.h"
#include "route/route.h"

struct rig {
    struct t_bed bed;
    struct t_config routes_config;
    struct sp_route_table *routes;
    struct t_config router_config;
    struct fake_config fake; /* for fake_filter */
    struct fake_stream s;
    struct sp_filter *f;
    struct sp_sink sink;
    unsigned status;
    struct sp_headers *head;
    size_t body;
    bool ended, aborted;
};

static struct sp_cluster *find_cluster(void *ctx, struct sp_str name)
{
    struct rig *r = ctx;
    return sp_str_eq(name, SP_STR("c")) ? r->bed.cluster : NULL;
}

static struct rig *of_sink_(struct sp_sink *s)
{
    return SP_CONTAINER_OF(s, struct rig, s.response_sink);
}

static void got_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    struct rig *r = of_sink_(s);
    r->head = h;
    r->status = h->status;
    r->ended = end;
}
static void got_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    of_sink_(s)->body += b->len;
    sp_buf_clear(b);
    of_sink_(s)->ended = end;
}
static void got_trailers(struct sp_sink *s, struct sp_headers *t)
{
    (void)t;
    of_sink_(s)->ended = true;
}
static void got_abort(struct sp_sink *s, enum sp_abort why)
{
    (void)why;
    of_sink_(s)->aborted = true;
}
static const struct sp_sink_ops got_ops = {got_headers, got_data, got_trailers, got_abort};

/* `route`: the lines of a Route below match. */
static void rig_new(struct rig *r, const char *cluster, const char *route, const char *router, const char *path)
{
    char yaml[2048];
    memset(r, 0, sizeof(*r));
    t_bed_hosts(&r->bed, 1, cluster);
    t_config_load(&r->router_config, &envoy__extensions__filters__http__router__v3__router__descriptor, router);
    struct sp_filter_build fb = {.doc = r->router_config.doc, .diag = &r->router_config.diag, .find_cluster = find_cluster,
                                 .ctx = r};
    fb.scope = sp_stats_scope(sp_stats_root(), SP_STR("http"), "envoy_http_conn_manager_prefix", SP_STR("ingress"));
    r->fake = (struct fake_config){.ops = &sp_router_ops, .config = sp_router_ops.config_new(&fb, r->router_config.msg)};
    snprintf(yaml, sizeof(yaml), "validate_clusters: false\nvirtual_hosts:\n- name: v\n  domains: [\"*\"]\n  routes:\n"
                                 "  - match: {prefix: /}\n%s", route);
    t_config_load(&r->routes_config, &envoy__config__route__v3__route_configuration__descriptor, yaml);
    struct sp_route_build build = {.doc = r->routes_config.doc, .diag = &r->routes_config.diag, .find_cluster = find_cluster,
                                   .ctx = r};
    r->routes = sp_route_table_new(&build, r->routes_config.msg);
    if (!r->routes)
        fail_msg("%s", t_config_said(&r->routes_config));
    fake_stream_init(&r->s, path);
    r->s.response_sink.ops = &got_ops;
    r->s.turn.worker = &r->bed.workers[0];
    r->s.turn.now_ns = r->bed.now_ns;
    r->f = fake_filter(&r->s, &r->fake);
}

static void rig_send(struct rig *r, bool end)
{
    r->s.route = sp_route_find(sp_route_vhost(r->routes, r->s.request.authority), &r->s.request, r->s.random);
    assert_int_equal(sp_router_ops.decode_headers(r->f, &r->s.request, end), SP_STOP);
}

static void rig_data(struct rig *r, const char *text, bool end)
{
    struct sp_buf b;
    sp_buf_init(&b);
    sp_buf_append(&b, text, strlen(text));
    assert_int_equal(sp_router_ops.decode_data(r->f, &b, end), SP_STOP);
    assert_int_equal(b.len, 0);
}

static struct fake_exchange *upstream(struct rig *r)
{
    if (!fake_wires[fake_n - 1]->ready)
        fake_connect(fake_wires[fake_n - 1]);
    t_step(&r->bed, 0);
    return fake_stream_at(fake_wires[fake_n - 1], 0);
}

static void rig_free(struct rig *r)
{
    sp_router_ops.destroy(r->f);
    sp_router_ops.config_free(r->fake.config);
    t_step(&r->bed, 0);
    fake_stream_done(&r->s);
    sp_route_table_free(r->routes);
    t_config_done(&r->routes_config);
    t_config_done(&r->router_config);
    t_bed_free(&r->bed);
}

static const char *sent(struct fake_exchange *s, const char *name)
{
    struct sp_str v = sp_headers_get(s->request, sp_str_c(name));
    return v.ptr ? t_c(&c_arena_, v) : NULL;
}

#define TO_C "    route: {cluster: c}\n"

static void test_plain(void **state)
{
    (void)state;
    struct rig r;
    rig_new(&r, NULL, TO_C, "{}", "/a?b=c");
    rig_send(&r, true);
    assert_int_equal(r.s.finalized, 1);
    struct fake_exchange *s = upstream(&r);
    assert_str(s->request->path, "/a?b=c");
    assert_str(s->request->authority, "door.example");
    assert_string_equal(sent(s, "x-envoy-expected-rq-timeout-ms"), "15000");
    assert_null(sent(s, "x-envoy-original-path"));
    r.s.turn.now_ns += 12 * SP_NS_PER_MS;
    fake_respond(s, 200, false);
    assert_int_equal(r.status, 200);
    assert_str(sp_headers_get(r.head, SP_STR("x-envoy-upstream-service-time")), "12");
    fake_data(s, "body", true);
    assert_true(r.ended);
    assert_int_equal(r.body, 4);
    assert_int_equal(fake_stat("rq_total"), 1);
    assert_str(r.s.info.upstream_cluster, "c");
    rig_free(&r);
}

static void test_suppress(void **state)
{
    (void)state;
    struct rig r;
    rig_new(&r, "circuit_breakers: {thresholds: [{max_pending_requests: 0}]}\n",
            "    route: {cluster: c, prefix_rewrite: /x, host_rewrite_literal: o.test}\n", "{suppress_envoy_headers: true}", "/a");
    rig_send(&r, true);
    fake_replied(&r.s, 503, "upstream connect error or disconnect/reset before headers. reset reason: overflow",
                 "upstream_reset_before_response_started{overflow}");
    assert_null(fake_reply_header(&r.s, "x-envoy-overloaded"));
    assert_null(fake_request_header(&r.s, "x-envoy-expected-rq-timeout-ms"));
    assert_null(fake_request_header(&r.s, "x-envoy-original-path"));
    rig_free(&r);
    rig_new(&r, "circuit_breakers: {thresholds: [{max_pending_requests: 0}]}\n", TO_C, "{}", "/a");
    rig_send(&r, true);
    assert_string_equal(fake_reply_header(&r.s, "x-envoy-overloaded"), "true");
    assert_int_equal(r.s.reply.flags, SP_FLAG_UO);
    rig_free(&r);
}

static void test_rewrites(void **state)
{
    (void)state;
    struct rig r;
    rig_new(&r, NULL, "    route: {cluster: c, prefix_rewrite: /new/, host_rewrite_literal: o.test, timeout: 2.5s}\n", "{}", "/a/b?q");
    rig_send(&r, true);
    struct fake_exchange *s = upstream(&r);
    assert_str(s->request->path, "/new/a/b?q");
    assert_str(s->request->authority, "o.test");
    assert_string_equal(sent(s, "x-envoy-original-path"), "/a/b?q");
    assert_string_equal(sent(s, "x-envoy-original-host"), "door.example");
    assert_string_equal(sent(s, "x-envoy-expected-rq-timeout-ms"), "2500");
    fake_respond(s, 204, true);
    rig_free(&r);
}

static void test_unknown_cluster(void **state)
{
    (void)state;
    struct rig r;
    rig_new(&r, NULL, "    route: {cluster: nobody, cluster_not_found_response_code: NOT_FOUND}\n", "{}", "/");
    rig_send(&r, false);
    fake_replied(&r.s, 404, "", "cluster_not_found");
    assert_int_equal(r.s.reply.flags, SP_FLAG_NC);
    assert_int_equal(fake_stat("no_cluster"), 1);
    rig_data(&r, "dropped", true);
    rig_free(&r);
    rig_new(&r, NULL, "    route: {cluster_header: x-where}\n", "{}", "/");
    fake_header(&r.s, "x-where", "c");
    rig_send(&r, true);
    assert_false(r.s.replied);
    fake_respond(upstream(&r), 200, true);
    assert_int_equal(r.status, 200);
    rig_free(&r);
    rig_new(&r, NULL, "    route: {cluster_header: x-where}\n", "{}", "/");
    rig_send(&r, true);
    fake_replied(&r.s, 503, "", "cluster_not_found");
    rig_free(&r);
}

static void test_no_route(void **state)
{
    (void)state;
    struct rig r;
    rig_new(&r, NULL, TO_C, "{}", "/");
    assert_int_equal(sp_router_ops.decode_headers(r.f, &r.s.request, true), SP_STOP);
    fake_replied(&r.s, 404, "", "route_not_found");
    rig_free(&r);
}

static void test_weighted(void **state)
{
    (void)state;
    struct rig r;
    rig_new(&r, NULL, "    route: {weighted_clusters: {clusters: [{name: nobody, weight: 50}, {name: c, weight: 50}]}}\n", "{}", "/");
    r.s.random = 75;
    rig_send(&r, true);
    assert_non_null(r.s.weighted);
    assert_str(r.s.weighted->name, "c");
    fake_respond(upstream(&r), 200, true);
    rig_free(&r);
}

/* What an internal client may ask for goes no further. */
static void test_time_headers(void **state)
{
    (void)state;
    static const struct {
        const char *total, *try, *expected;
        uint64_t total_ms, try_ms;
    } cases[] = {
        {"3000", NULL, "3000", 3000, 0}, {NULL, "200", "200", 15000, 200}, {"100", "200", "100", 100, 0},
        {"0", NULL, NULL, 0, 0},         {"0", "50", "50", 0, 50},         {"soon", "-1", "15000", 15000, 0},
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct rig r;
        rig_new(&r, NULL, TO_C, "{}", "/");
        if (cases[i].total)
            fake_header(&r.s, "x-envoy-upstream-rq-timeout-ms", cases[i].total);
        fake_header(&r.s, "x-kept", "1");
        if (cases[i].try)
            fake_header(&r.s, "x-envoy-upstream-rq-per-try-timeout-ms", cases[i].try);
        fake_header(&r.s, "x-envoy-upstream-alt-stat-name", "x");
        rig_send(&r, true);
        struct fake_exchange *s = upstream(&r);
        assert_null(sent(s, "x-envoy-upstream-rq-timeout-ms"));
        assert_null(sent(s, "x-envoy-upstream-rq-per-try-timeout-ms"));
        assert_null(sent(s, "x-envoy-upstream-alt-stat-name"));
        assert_string_equal(sent(s, "x-kept"), "1");
        if (cases[i].expected)
            assert_string_equal(sent(s, "x-envoy-expected-rq-timeout-ms"), cases[i].expected);
        else
            assert_null(sent(s, "x-envoy-expected-rq-timeout-ms"));
        const struct sp_upstream *u = (const void *)(r.f + 1);
        assert_int_equal(u->setup.timeout_ns, cases[i].total_ms * SP_NS_PER_MS);
        assert_int_equal(u->setup.per_try_timeout_ns, cases[i].try_ms * SP_NS_PER_MS);
        rig_free(&r);
    }
}

static void test_timeout(void **state)
{
    (void)state;
    struct rig r;
    rig_new(&r, NULL, "    route: {cluster: c, timeout: 1s}\n", "{}", "/");
    rig_send(&r, true);
    upstream(&r);
    t_step(&r.bed, 1000);
    fake_replied(&r.s, 504, "upstream request timeout", "response_timeout");
    rig_free(&r);
    rig_new(&r, NULL, "    route: {cluster: c, timeout: 1s}\n", "{}", "/");
    fake_header(&r.s, "x-envoy-upstream-rq-timeout-alt-response", "1");
    rig_send(&r, true);
    upstream(&r);
    t_step(&r.bed, 1000);
    fake_replied(&r.s, 204, "", "response_timeout");
    rig_free(&r);
}

static void test_body_and_pauses(void **state)
{
    (void)state;
    struct rig r;
    rig_new(&r, NULL, TO_C, "{}", "/");
    r.s.request.method = SP_STR("POST");
    rig_send(&r, false);
    rig_data(&r, "one", false);
    struct fake_exchange *s = upstream(&r);
    fake_pause_request(s);
    assert_int_equal(r.s.paused, 1);
    rig_data(&r, "two", true);
    fake_resume_request(s);
    assert_int_equal(r.s.paused, 0);
    assert_memory_equal(s->body, "onetwo", 6);
    fake_respond(s, 200, true);
    /* An answer to a request that was complete has a service time, one that came before has none. */
    assert_non_null(sp_headers_find(r.head, SP_STR("x-envoy-upstream-service-time"), NULL));
    rig_free(&r);
    rig_new(&r, NULL, TO_C, "{}", "/");
    r.s.request.method = SP_STR("POST");
    rig_send(&r, false);
    fake_respond(upstream(&r), 413, true);
    assert_null(sp_headers_find(r.head, SP_STR("x-envoy-upstream-service-time"), NULL));
    rig_data(&r, "late", false);
    rig_free(&r);
}

static void test_retry_policy(void **state)
{
    (void)state;
    struct rig r;
    rig_new(&r, NULL, "    route: {cluster: c, retry_policy: {retry_on: 5xx, num_retries: 1, per_try_timeout: 0.25s}}\n", "{}", "/");
    rig_send(&r, true);
    struct fake_exchange *s = upstream(&r);
    assert_string_equal(sent(s, "x-envoy-expected-rq-timeout-ms"), "250");
    fake_respond(s, 503, true);
    assert_null(r.head);
    t_step(&r.bed, 25);
    t_step(&r.bed, 0);
    fake_respond(fake_stream_at(fake_wires[0], 0), 200, true);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.s.info.upstream_attempts, 2);
    rig_free(&r);
}

/* Destroyed at any point. */
static void test_destroy(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 5; at++) {
        struct rig r;
        rig_new(&r, NULL, TO_C, "{}", "/");
        if (at >= 1)
            rig_send(&r, false);
        struct fake_exchange *s = at >= 2 ? upstream(&r) : NULL;
        if (at >= 3)
            rig_data(&r, "x", true);
        if (at >= 4)
            fake_respond(s, 200, false);
        rig_free(&r);
    }
}

static void test_registry(void **state)
{
    (void)state;
    const struct sp_filter_ops *const *table = sp_filter_registry();
    unsigned n = 0, terminal = 0;
    for (; table[n]; n++) {
        terminal += table[n]->terminal;
        assert_true(table[n]->size >= sizeof(struct sp_filter));
        assert_true(!table[n]->config_new == !table[n]->config_free);
        for (unsigned i = 0; i < n; i++)
            assert_string_not_equal(table[i]->type_url, table[n]->type_url);
    }
    assert_true(n > 5);
    assert_int_equal(terminal, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_suppress),
        cmocka_unit_test(test_rewrites),
        cmocka_unit_test(test_unknown_cluster),
        cmocka_unit_test(test_no_route),
        cmocka_unit_test(test_weighted),
        cmocka_unit_test(test_time_headers),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_body_and_pauses),
        cmocka_unit_test(test_retry_policy),
        cmocka_unit_test(test_destroy),
        cmocka_unit_test(test_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
