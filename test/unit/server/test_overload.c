/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The overload manager: triggers, actions, timeouts, what is measured, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "event/overload.h"
#include "server/overload.h"
#include "server/overload_monitor.h"
#include "stats/stats.h"
#include "support/config.h"

#define DESC &envoy__config__overload__v3__overload_manager__descriptor
#define AT "'@type': type.googleapis.com/envoy.extensions.resource_monitors."
#define ACTION "envoy.overload_actions."

static char dir[64];
static struct sp_turn turn;

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static uint64_t stat_of(const char *name)
{
    uint64_t n = 12345;
    sp_stats_find(sp_str_c(name), &n);
    return n;
}

static uint64_t delay_ns;
static uint32_t reset_on;
static unsigned reset_log2, n_resets;

static uint64_t hand_delay(void *ctx)
{
    (void)ctx;
    return delay_ns;
}

static void hand_reset(void *ctx, uint32_t on, unsigned log2_min)
{
    (void)ctx;
    n_resets++;
    reset_on = on;
    reset_log2 = log2_min;
}

static const struct sp_overload_hands hands = {NULL, hand_delay, hand_reset};

static struct sp_overload *make(struct t_config *c, const char *yaml)
{
    char *text = NULL;
    assert_true(asprintf(&text, "refresh_interval: 0.1s\nresource_monitors: [{name: file, typed_config: {" AT
                                "injected_resource.v3.InjectedResourceConfig, filename: %s/pressure}}]\n%s", dir, yaml) > 0);
    t_config_load(c, DESC, text);
    free(text);
    return sp_overload_new(c->doc, &c->diag, c->msg);
}

static void refresh(void)
{
    sp_turn_begin(&turn, turn.now_ns + SP_NS_PER_S, 0);
    sp_turn_end(&turn);
}

static void test_triggers(void **state)
{
    struct t_config c;
    struct sp_overload *o = make(&c, "actions:\n"
        "- {name: " ACTION "stop_accepting_requests, triggers: [{name: file, threshold: {value: 0.9}}]}\n"
        "- {name: " ACTION "disable_http_keepalive, triggers: [{name: file, scaled: {scaling_threshold: 0.5, saturation_threshold: 0.75}}]}\n"
        "loadshed_points:\n"
        "- {name: envoy.load_shed_points.tcp_listener_accept, triggers: [{name: file, threshold: {value: 1}}]}\n");
    assert_string_equal(t_config_said(&c), "");
    put("pressure", "0.5\n");
    sp_overload_run(o, &turn, &hands);
    assert_int_equal(stat_of("overload.file.pressure"), 50);
    assert_false(sp_overload_hits(SP_OL_STOP_REQUESTS) || sp_overload_hits(SP_OL_NO_KEEPALIVE));
    put("pressure", "0.625");
    refresh();
    assert_int_equal(sp_overload_value(SP_OL_NO_KEEPALIVE), SP_OVERLOAD_FULL / 2);
    assert_int_equal(stat_of("overload." ACTION "disable_http_keepalive.scale_percent"), 50);
    assert_int_equal(stat_of("overload." ACTION "disable_http_keepalive.active"), 0);
    unsigned hit = 0;
    for (int i = 0; i < 10000; i++)
        hit += sp_overload_hits(SP_OL_NO_KEEPALIVE);
    assert_in_range(hit, 4000, 6000);
    assert_false(sp_overload_hits(SP_OL_STOP_REQUESTS));
    put("pressure", "0.9");
    refresh();
    assert_true(sp_overload_hits(SP_OL_STOP_REQUESTS) && sp_overload_hits(SP_OL_NO_KEEPALIVE));
    assert_false(sp_overload_hits(SP_OL_SHED_ACCEPT));
    assert_int_equal(stat_of("overload." ACTION "stop_accepting_requests.active"), 1);
    put("pressure", "1");
    refresh();
    assert_true(sp_overload_hits(SP_OL_SHED_ACCEPT));
    /* what cannot be measured stays as it was */
    put("pressure", "7");
    refresh();
    put("pressure", "x");
    refresh();
    assert_int_equal(stat_of("overload.file.failed_updates"), 2);
    assert_true(sp_overload_hits(SP_OL_STOP_REQUESTS));
    put("pressure", "0");
    refresh();
    assert_false(sp_overload_hits(SP_OL_STOP_REQUESTS) || sp_overload_hits(SP_OL_NO_KEEPALIVE));
    put("pressure", "1");
    refresh();
    sp_overload_free(o); /* nothing of it is left on */
    assert_false(sp_overload_hits(SP_OL_STOP_REQUESTS));
    assert_int_equal(stat_of("overload." ACTION "stop_accepting_requests.active"), 0);
    t_config_done(&c);
}

/* The next config's takes its place. */
static void test_replaced(void **state)
{
    struct t_config c[2];
    const char *yaml = "actions: [{name: " ACTION "shrink_heap, triggers: [{name: file, threshold: {value: 0.1}}]}]\n";
    put("pressure", "1");
    struct sp_overload *a = make(&c[0], yaml), *b = make(&c[1], yaml);
    sp_overload_run(a, &turn, NULL);
    assert_int_equal(stat_of("overload." ACTION "shrink_heap.shrink_count"), 1);
    sp_overload_run(b, &turn, NULL);
    sp_overload_free(a);
    assert_int_equal(sp_overload_value(SP_OL_SHRINK_HEAP), SP_OVERLOAD_FULL);
    assert_int_equal(stat_of("overload." ACTION "shrink_heap.shrink_count"), 2);
    refresh();
    assert_int_equal(stat_of("overload." ACTION "shrink_heap.shrink_count"), 2); /* every 10 s */
    for (int i = 0; i < 10; i++)
        refresh();
    assert_int_equal(stat_of("overload." ACTION "shrink_heap.shrink_count"), 3);
    sp_overload_run(NULL, NULL, NULL);
    assert_int_equal(sp_overload_value(SP_OL_SHRINK_HEAP), 0);
    sp_overload_free(b);
    t_config_done(&c[0]);
    t_config_done(&c[1]);
}

static void test_timeouts(void **state)
{
    struct t_config c;
    put("pressure", "0");
    struct sp_overload *o = make(&c, "actions: [{name: " ACTION "reduce_timeouts, triggers: [{name: file, scaled: {scaling_threshold: 0, "
        "saturation_threshold: 1}}], typed_config: {'@type': type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig, "
        "timer_scale_factors: [{timer: HTTP_DOWNSTREAM_CONNECTION_IDLE, min_timeout: 2s}, "
        "{timer: HTTP_DOWNSTREAM_STREAM_IDLE, min_scale: {value: 10}}]}}]\n");
    assert_string_equal(t_config_said(&c), "");
    sp_overload_run(o, &turn, &hands);
    const uint64_t s = SP_NS_PER_S;
    assert_int_equal(sp_overload_timeout(SP_OL_CONNECTION_IDLE, 10 * s), 10 * s);
    put("pressure", "0.5");
    refresh();
    assert_int_equal(sp_overload_timeout(SP_OL_CONNECTION_IDLE, 10 * s), 6 * s);
    assert_int_equal(sp_overload_timeout(SP_OL_STREAM_IDLE, 10 * s), 5500 * SP_NS_PER_MS);
    assert_int_equal(sp_overload_timeout(SP_OL_HANDSHAKE, 10 * s), 10 * s);
    put("pressure", "1");
    refresh();
    assert_int_equal(sp_overload_timeout(SP_OL_CONNECTION_IDLE, 10 * s), 2 * s);
    assert_int_equal(sp_overload_timeout(SP_OL_CONNECTION_IDLE, 1 * s), 1 * s); /* shorter anyway */
    assert_int_equal(sp_overload_timeout(SP_OL_CONNECTION_IDLE, 0), 0);         /* none stays none */
    assert_int_equal(sp_overload_timeout(SP_OL_STREAM_IDLE, 10 * s), 1 * s);
    assert_int_equal(sp_overload_look_again(SP_OL_CONNECTION_IDLE, 60 * s), 5 * s);
    assert_int_equal(sp_overload_look_again(SP_OL_CONNECTION_IDLE, 3 * s), 3 * s);
    assert_int_equal(sp_overload_look_again(SP_OL_HANDSHAKE, 60 * s), 60 * s);
    sp_overload_free(o);
    assert_int_equal(sp_overload_timeout(SP_OL_CONNECTION_IDLE, 10 * s), 10 * s);
    assert_int_equal(sp_overload_look_again(SP_OL_CONNECTION_IDLE, 60 * s), 60 * s);
    t_config_done(&c);
}

/* How late the workers are: what they do by themselves, and a pressure like any other. */
static void test_delay(void **state)
{
    struct t_config c;
    t_config_load(&c, DESC, "refresh_interval: 0.1s\nresource_monitors: [{name: late, typed_config: {'@type': "
        "type.googleapis.com/sallyport.resource_monitors.v1.WorkerDelayConfig, max_delay: 0.2s}}]\n"
        "actions: [{name: " ACTION "reject_incoming_connections, triggers: [{name: late, threshold: {value: 1}}]}]\n");
    struct sp_overload *o = sp_overload_new(c.doc, &c.diag, c.msg);
    assert_string_equal(t_config_said(&c), "");
    const uint64_t ms = SP_NS_PER_MS;
    struct sp_turn late = {.late_ns = 3000 * ms};
    assert_false(sp_overload_hits_late(&late) || sp_overload_too_late(&late)); /* there is no limit yet */
    delay_ns = 100 * ms;
    sp_overload_run(o, &turn, &hands);
    assert_int_equal(stat_of("overload.late.pressure"), 50);
    assert_true(sp_overload_too_late(&late));
    unsigned hit = 0;
    for (int i = 0; i < 10000; i++)
        hit += sp_overload_hits_late(&late);
    assert_in_range(hit, 8700, 9300); /* never all */
    late.late_ns = 300 * ms;
    assert_false(sp_overload_too_late(&late));
    assert_int_equal(sp_overload_late_part(&late, 200 * ms), SP_OVERLOAD_FULL * 45 / 100);
    late.late_ns = 200 * ms;
    for (int i = 0; i < 1000; i++)
        assert_false(sp_overload_hits_late(&late));
    assert_false(sp_overload_hits(SP_OL_REJECT_CONNECTIONS));
    delay_ns = 300 * ms;
    refresh();
    assert_int_equal(stat_of("overload.late.pressure"), 150);
    assert_true(sp_overload_hits(SP_OL_REJECT_CONNECTIONS));
    sp_overload_free(o);
    late.late_ns = 1000 * ms;
    assert_false(sp_overload_too_late(&late));
    delay_ns = 0;
    t_config_done(&c);
}

static void test_heavy_streams(void **state)
{
    struct t_config c;
    put("pressure", "0.25");
    struct sp_overload *o = make(&c, "buffer_factory_config: {minimum_account_to_track_power_of_two: 20}\n"
        "actions: [{name: " ACTION "reset_high_memory_stream, triggers: [{name: file, scaled: {scaling_threshold: 0.5, saturation_threshold: 1}}]}]\n");
    assert_string_equal(t_config_said(&c), "");
    n_resets = 0;
    sp_overload_run(o, &turn, &hands);
    assert_int_equal(n_resets, 0);
    put("pressure", "0.75");
    refresh();
    assert_int_equal(n_resets, 1);
    assert_int_equal(reset_on, SP_OVERLOAD_FULL / 2);
    assert_int_equal(reset_log2, 20);
    sp_overload_add_count(SP_OL_RESET_STREAMS, 3); /* the workers did */
    refresh();
    assert_int_equal(n_resets, 2); /* again and again */
    assert_int_equal(stat_of("overload." ACTION "reset_high_memory_stream.count"), 3);
    sp_overload_free(o);
    t_config_done(&c);
    o = make(&c, "actions: [{name: " ACTION "reset_high_memory_stream, triggers: [{name: file, threshold: {value: 0.5}}]}]\n");
    assert_non_null(strstr(t_config_said(&c), "without buffer_factory_config.minimum_account_to_track_power_of_two it resets nothing"));
    n_resets = 0;
    sp_overload_run(o, &turn, &hands);
    assert_int_equal(n_resets, 0);
    sp_overload_free(o);
    t_config_done(&c);
}

/* What a load shed point hit is counted, by whichever thread, and shown at the next refresh. */
static void test_shed_counts(void **state)
{
    struct t_config c;
    put("pressure", "1");
    struct sp_overload *o = make(&c, "loadshed_points:\n"
        "- {name: envoy.load_shed_points.http1_server_abort_dispatch, triggers: [{name: file, threshold: {value: 1}}]}\n");
    assert_string_equal(t_config_said(&c), "");
    sp_overload_run(o, &turn, &hands);
    for (int i = 0; i < 5; i++)
        assert_true(sp_overload_hits(SP_OL_SHED_H1));
    assert_int_equal(stat_of("overload.envoy.load_shed_points.http1_server_abort_dispatch.shed_load_count"), 0);
    refresh();
    assert_int_equal(stat_of("overload.envoy.load_shed_points.http1_server_abort_dispatch.shed_load_count"), 5);
    sp_overload_free(o);
    t_config_done(&c);
}

static double measured(struct sp_monitor *m, uint64_t now_ns)
{
    double p = -1;
    m->root = m->proc = dir;
    assert_int_equal(sp_monitor_read(m, now_ns, &p), 0);
    return p;
}

static void close_to(double a, double b)
{
    if (a < b - 1e-9 || a > b + 1e-9)
        fail_msg("%f is not %f", a, b);
}

static void test_cgroup_memory(void **state)
{
    struct sp_monitor m = {.kind = SP_MONITOR_CGROUP, .root = dir, .proc = dir};
    double p;
    assert_true(sp_monitor_read(&m, 0, &p) < 0);
    char sub[128];
    snprintf(sub, sizeof(sub), "%s/memory", dir);
    mkdir(sub, 0755);
    put("memory/memory.usage_in_bytes", "500\n");
    put("memory/memory.limit_in_bytes", "9223372036854771712\n");
    close_to(measured(&m, 0), 0);
    put("memory/memory.limit_in_bytes", "1000\n");
    close_to(measured(&m, 0), 0.5);
    put("memory.current", "300\n"); /* version 2 goes first */
    put("memory.max", "max\n");
    close_to(measured(&m, 0), 0);
    m.max = 600;
    close_to(measured(&m, 0), 0.5);
    put("memory.max", "400\n");
    close_to(measured(&m, 0), 0.75);
    m.max = 0;
    close_to(measured(&m, 0), 0.75);
}

/* The process's own group, and those that it stands in. */
static void test_own_group(void **state)
{
    struct sp_monitor m = {.kind = SP_MONITOR_CGROUP};
    char sub[160];
    static const char *const made[] = {"self", "v2", "v2/a", "v2/a/b"};
    for (size_t i = 0; i < SP_ARRAY_LEN(made); i++) {
        snprintf(sub, sizeof(sub), "%s/%s", dir, made[i]);
        mkdir(sub, 0755);
    }
    put("self/cgroup", "4:memory:/x\n0::/v2/a/b\n");
    put("v2/a/b/memory.current", "100\n");
    put("v2/a/b/memory.max", "1000\n");
    close_to(measured(&m, 0), 0.75); /* of the root, which other tests left: it is the worst */
    put("v2/a/memory.current", "900\n");
    put("v2/a/memory.max", "1000\n");
    close_to(measured(&m, 0), 0.9);
    m.max = 100; /* of its own group */
    close_to(measured(&m, 0), 1);
    put("self/cgroup", "4:memory:/x\n0::/\n");
    m.max = 0;
    close_to(measured(&m, 0), 0.75);
}

static void test_processors(void **state)
{
    struct sp_monitor host = {.kind = SP_MONITOR_CPU_HOST}, group = {.kind = SP_MONITOR_CPU_CGROUP};
    put("stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1\n");
    close_to(measured(&host, 0), 0);
    put("stat", "cpu  150 0 150 700 100 0 0 0 0 0\n"); /* busy all the time */
    close_to(measured(&host, 0), 0.05);
    put("stat", "cpu  150 0 150 750 150 0 0 0 0 0\n"); /* idle */
    close_to(measured(&host, 0), 0.05 * 0.95);
    put("cpu.stat", "usage_usec 1000000\nuser_usec 5\n");
    put("cpu.max", "50000 100000\n");
    close_to(measured(&group, 10 * SP_NS_PER_S), 0);
    put("cpu.stat", "usage_usec 1250000\nuser_usec 5\n"); /* half of half a processor */
    close_to(measured(&group, 11 * SP_NS_PER_S), 0.5 * 0.05);
}

static void refused(const char *yaml, const char *word)
{
    struct t_config c;
    assert_null(make(&c, yaml));
    if (!strstr(t_config_said(&c), word))
        fail_msg("expected \"%s\" in: %s", word, t_config_said(&c));
    t_config_done(&c);
}

static void test_refused(void **state)
{
    const char *on = "triggers: [{name: file, threshold: {value: 1}}]";
    char yaml[600];
    refused("actions: [{name: " ACTION "stop_accepting_requests, triggers: [{name: other, threshold: {value: 1}}]}]",
            "no resource monitor has this name");
    snprintf(yaml, sizeof(yaml), "actions: [{name: " ACTION "stop_accepting_request, %s}]", on);
    refused(yaml, "did you mean \"" ACTION "stop_accepting_requests\"");
    snprintf(yaml, sizeof(yaml), "actions: [{name: " ACTION "do_something_else, %s}]", on);
    refused(yaml, "not run here (docs/overload.md has the actions)");
    snprintf(yaml, sizeof(yaml), "actions: [{name: " ACTION "shrink_heap, %s}, {name: " ACTION "shrink_heap, %s}]", on, on);
    refused(yaml, "it stands above already");
    refused("actions: [{name: " ACTION "shrink_heap, triggers: [{name: file, threshold: {value: 1}}, {name: file, threshold: {value: 0.5}}]}]",
            "a trigger of this resource stands above already");
    struct t_config c;
    t_config_load(&c, DESC, "resource_monitors: [{name: a, typed_config: {'@type': type.googleapis.com/sallyport.resource_monitors.v1.WorkerDelayConfig, "
                  "max_delay: 1s}}, {name: b, typed_config: {'@type': type.googleapis.com/sallyport.resource_monitors.v1.WorkerDelayConfig, max_delay: 1s}}]");
    assert_null(sp_overload_new(c.doc, &c.diag, c.msg));
    assert_non_null(strstr(t_config_said(&c), "the delay of workers has a limit above already"));
    t_config_done(&c);
    refused("actions: [{name: " ACTION "shrink_heap, triggers: [{name: file, scaled: {scaling_threshold: 0.5, saturation_threshold: 0.5}}]}]",
            "not below saturation_threshold");
    snprintf(yaml, sizeof(yaml), "actions: [{name: " ACTION "reduce_timeouts, %s}]", on);
    refused(yaml, "a ScaleTimersOverloadActionConfig is needed here");
    snprintf(yaml, sizeof(yaml), "loadshed_points: [{name: envoy.load_shed_points.none_such, %s}]", on);
    refused(yaml, "not run here (docs/overload.md has the load shed points)");
}

static int setup(void **state)
{
    sp_stats_init(0);
    atomic_store(&sp_log_threshold, SP_LOG_OFF);
    sp_turn_init(&turn);
    turn.now_ns = 1000 * SP_NS_PER_S;
    snprintf(dir, sizeof(dir), "/tmp/sp-overload-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int teardown(void **state)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    sp_turn_done(&turn);
    sp_stats_done();
    sp_buf_thread_done();
    sp_arena_thread_done();
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_triggers),       cmocka_unit_test(test_replaced),   cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_delay),          cmocka_unit_test(test_heavy_streams), cmocka_unit_test(test_shed_counts),
        cmocka_unit_test(test_cgroup_memory),  cmocka_unit_test(test_own_group),  cmocka_unit_test(test_processors),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
