/* SPDX-License-Identifier: GPL-2.0-or-later */
/* health_check: what is one, who answers it, the cache, clusters, /healthcheck/fail. */
#include "fake_chain.h"

#include "clusters/state.h"
#include "envoy/extensions/filters/http/health_check/v3/health_check.pb-c.h"
#include "filters/registry.h"
#include "stream/local_health.h"
#include "support/config.h"

#define OPS &sp_health_check_ops
#define DESC &envoy__extensions__filters__http__health_check__v3__health_check__descriptor
#define PATH "headers: [{name: ':path', string_match: {exact: /healthz}}]\n"

static struct fake_stream s;

static enum sp_status ask(const struct fake_config *c, const char *path)
{
    fake_stream_init(&s, path);
    struct sp_filter *f = fake_filter(&s, c);
    enum sp_status st = c->ops->decode_headers(f, &s.request, true);
    t_headers(&s.response, &s.arena, ":status: 200");
    s.response.status = s.replied ? s.reply.status : 200;
    s.has_response = true;
    c->ops->encode_headers(f, &s.response, true);
    return st;
}

static struct sp_str told(const char *name)
{
    return sp_headers_get(&s.response, sp_str_c(name));
}

static void test_answers(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, "pass_through_mode: false\n" PATH);
    assert_int_equal(ask(c, "/healthz"), SP_STOP);
    fake_replied(&s, 200, "", "health_check_ok");
    assert_true(s.info.health_check && !s.reply.flags);
    assert_true(told("x-envoy-upstream-healthchecked-cluster").ptr != NULL);
    fake_stream_done(&s);
    assert_int_equal(ask(c, "/healthz/x"), SP_CONTINUE);
    assert_false(s.replied || s.info.health_check || told("x-envoy-upstream-healthchecked-cluster").ptr);
    fake_stream_done(&s);
    fake_config_free(c);
}

static void test_failing(void **state)
{
    struct fake_config *own = fake_config_new(OPS, DESC, "pass_through_mode: false\n" PATH);
    struct fake_config *through = fake_config_new(OPS, DESC, "{pass_through_mode: true, cache_time: 9s, headers: [{name: ':path', "
                                                             "string_match: {exact: /healthz}}]}");
    struct fake_config *both[] = {own, through};
    assert_int_equal(ask(through, "/healthz"), SP_CONTINUE);
    fake_stream_done(&s);
    sp_local_health_fail(true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask(both[i], "/healthz"), SP_STOP);
        fake_replied(&s, 503, "", "health_check_failed");
        assert_int_equal(s.reply.flags, SP_FLAG_LH);
        fake_stream_done(&s);
        assert_int_equal(ask(both[i], "/"), SP_CONTINUE);
        assert_true(sp_str_eq(told("x-envoy-immediate-health-check-fail"), SP_STR("true")));
        fake_stream_done(&s);
    }
    sp_local_health_fail(false);
    assert_int_equal(ask(own, "/healthz"), SP_STOP);
    fake_replied(&s, 200, "", "health_check_ok");
    fake_stream_done(&s);
    fake_config_free(own);
    fake_config_free(through);
}

static void test_cache(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, "pass_through_mode: true\ncache_time: 2s\n" PATH);
    struct fake_config *none = fake_config_new(OPS, DESC, "pass_through_mode: true\n" PATH);
    fake_stream_init(&s, "/healthz");
    struct sp_filter *f = fake_filter(&s, c);
    assert_int_equal(c->ops->decode_headers(f, &s.request, true), SP_CONTINUE);
    t_headers(&s.response, &s.arena, ":status: 502\nx-envoy-degraded: ");
    c->ops->encode_headers(f, &s.response, true);
    uint64_t now = s.turn.now_ns;
    fake_stream_done(&s);

    for (int i = 0; i < 3; i++) { /* it does not live longer because it is asked for */
        fake_stream_init(&s, "/healthz");
        s.turn.now_ns = now + (uint64_t)i * 900 * SP_NS_PER_MS;
        f = fake_filter(&s, c);
        assert_int_equal(c->ops->decode_headers(f, &s.request, true), SP_STOP);
        fake_replied(&s, 502, "", "health_check_cached");
        assert_non_null(fake_reply_header(&s, "x-envoy-degraded"));
        assert_int_equal(s.reply.flags, SP_FLAG_LH);
        t_headers(&s.response, &s.arena, ":status: 502");
        c->ops->encode_headers(f, &s.response, true);
        fake_stream_done(&s);
    }
    fake_stream_init(&s, "/healthz");
    s.turn.now_ns = now + 2000 * SP_NS_PER_MS;
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    fake_stream_done(&s);
    ask(none, "/healthz");
    fake_stream_done(&s);
    assert_int_equal(ask(none, "/healthz"), SP_CONTINUE);
    fake_stream_done(&s);
    fake_config_free(c);
    fake_config_free(none);
}

static void test_missing_cluster(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, "pass_through_mode: false\ncluster_min_healthy_percentages: {missing: "
                                                       "{value: 0}}\n" PATH);
    assert_int_equal(c->diag.n_warnings, 1);
    assert_int_equal(ask(c, "/healthz"), SP_STOP);
    fake_replied(&s, 503, "", "health_check_failed_no_cluster_found");
    fake_stream_done(&s);
    fake_config_free(c);
}

static void clusters(const char *percent, uint64_t total, uint64_t healthy, uint64_t degraded, unsigned status, const char *details)
{
    static struct sp_cluster cluster;
    char yaml[200];
    struct sp_stats_scope *scope = sp_stats_scope(sp_stats_root(), SP_STR("cluster.o"), NULL, SP_STR_NULL);
    cluster.stats.membership_total = sp_stats_gauge(scope, SP_STR("membership_total"));
    cluster.stats.membership_healthy = sp_stats_gauge(scope, SP_STR("membership_healthy"));
    cluster.stats.membership_degraded = sp_stats_gauge(scope, SP_STR("membership_degraded"));
    sp_gauge_set(cluster.stats.membership_total, total);
    sp_gauge_set(cluster.stats.membership_healthy, healthy);
    sp_gauge_set(cluster.stats.membership_degraded, degraded);
    fake_cluster = &cluster;
    snprintf(yaml, sizeof(yaml), "pass_through_mode: false\ncluster_min_healthy_percentages: {o: {value: %s}}\n" PATH, percent);
    struct fake_config *c = fake_config_new(OPS, DESC, yaml);
    assert_int_equal(ask(c, "/healthz"), SP_STOP);
    fake_replied(&s, status, "", details);
    assert_int_equal(s.reply.flags, status == 200 ? 0 : SP_FLAG_LH);
    fake_stream_done(&s);
    fake_config_free(c);
    fake_cluster = NULL;
}

static void test_clusters(void **state)
{
    const char *good = "health_check_ok_cluster_healthy", *bad = "health_check_failed_cluster_unhealthy";
    clusters("50", 4, 2, 0, 200, good);
    clusters("50", 4, 1, 1, 200, good);
    clusters("50", 4, 1, 0, 503, bad);
    clusters("25.1", 4, 1, 0, 503, bad);
    clusters("0", 4, 0, 0, 200, good);
    clusters("0", 0, 0, 0, 200, good);
    clusters("1", 0, 0, 0, 503, "health_check_failed_cluster_empty");
}

static void test_config(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, "{pass_through_mode: true}");
    assert_int_equal(c->diag.n_warnings, 1); /* everything is one */
    fake_config_free(c);
    fake_config_refused(OPS, DESC, "{}", "pass_through_mode");
    fake_config_refused(OPS, DESC, "{pass_through_mode: false, cache_time: 1s}", "cache_time");
    fake_config_refused(OPS, DESC, "{pass_through_mode: true, cluster_min_healthy_percentages: {a: {value: 5}}}",
                        "cluster_min_healthy_percentages");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_failing),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_missing_cluster),
        cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
