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
    sp_overload_run(o, &turn);
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
    sp_overload_run(a, &turn);
    assert_int_equal(stat_of("overload." ACTION "shrink_heap.shrink_count"), 1);
    sp_overload_run(b, &turn);
    sp_overload_free(a);
    assert_int_equal(sp_overload_value(SP_OL_SHRINK_HEAP), SP_OVERLOAD_FULL);
    assert_int_equal(stat_of("overload." ACTION "shrink_heap.shrink_count"), 2);
    refresh();
    assert_int_equal(stat_of("overload." ACTION "shrink_heap.shrink_count"), 2); /* every 10 s */
    for (int i = 0; i < 10; i++)
        refresh();
    assert_int_equal(stat_of("overload." ACTION "shrink_heap.shrink_count"), 3);
    sp_overload_run(NULL, NULL);
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
    sp_overload_run(o, &turn);
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
    struct sp_monitor m = {.kind = SP_MONITOR_CGROUP, .root = dir};
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
    snprintf(yaml, sizeof(yaml), "actions: [{name: " ACTION "reset_high_memory_stream, %s}]", on);
    refused(yaml, "not run here");
    snprintf(yaml, sizeof(yaml), "actions: [{name: " ACTION "shrink_heap, %s}, {name: " ACTION "shrink_heap, %s}]", on, on);
    refused(yaml, "it stands above already");
    refused("actions: [{name: " ACTION "shrink_heap, triggers: [{name: file, threshold: {value: 1}}, {name: file, threshold: {value: 0.5}}]}]",
            "a trigger of this resource stands above already");
    refused("actions: [{name: " ACTION "shrink_heap, triggers: [{name: file, scaled: {scaling_threshold: 0.5, saturation_threshold: 0.5}}]}]",
            "not below saturation_threshold");
    snprintf(yaml, sizeof(yaml), "actions: [{name: " ACTION "reduce_timeouts, %s}]", on);
    refused(yaml, "a ScaleTimersOverloadActionConfig is needed here");
    snprintf(yaml, sizeof(yaml), "loadshed_points: [{name: envoy.load_shed_points.http1_server_abort_dispatch, %s}]", on);
    refused(yaml, "not run here");
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
        cmocka_unit_test(test_cgroup_memory),  cmocka_unit_test(test_processors), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
