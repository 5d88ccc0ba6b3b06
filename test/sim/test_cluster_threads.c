/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One cluster, three workers on threads of their own and a prober, over real sockets: limits, health, connections that
 * give way to another worker's, and hosts that change all the time.  For the thread sanitizer above all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "clusters/cluster.h"
#include "clusters/http_client.h"
#include "clusters/publish.h"
#include "event/worker.h"
#include "origin.h"
#include "stats/stats.h"
#include "support/config.h"

enum { WORKERS = 3, CALLS = 300, AT_ONCE = 4 };

static struct sp_cluster *cluster;
static _Atomic unsigned n_good, n_bad, n_over;

struct load {
    struct sp_worker worker;
    unsigned begun, done;
    bool leaving;
    struct sp_timer poll;
};

static void on_done(void *ctx, unsigned status, const struct sp_headers *h, struct sp_buf *body, enum sp_abort why);

static void begin_one(struct load *l)
{
    struct sp_http_request r = {.method = SP_STR("GET"), .scheme = SP_STR("http"), .authority = SP_STR("o.test"),
                                .path = SP_STR("/"), .timeout_ns = 20 * SP_NS_PER_S, .max_body = 1000};
    l->begun++;
    sp_http_call_start(cluster, &l->worker, &r, on_done, l);
}

/* All workers leave together: idle connections of one that has left may be what another waits for. */
static void on_poll(struct sp_timer *t)
{
    struct load *l = SP_CONTAINER_OF(t, struct load, poll);
    if (!l->leaving && l->done == CALLS && n_over == WORKERS) {
        l->leaving = true;
        if (l->worker.index == WORKERS)
            sp_cluster_stop(cluster);
        sp_cluster_detach(cluster, &l->worker, true);
    }
    if (l->leaving && !sp_cluster_connections(cluster, &l->worker)) {
        sp_worker_stop(&l->worker);
        return;
    }
    sp_timer_start(&l->worker.turn, t, 2 * SP_NS_PER_MS);
}

static void on_done(void *ctx, unsigned status, const struct sp_headers *h, struct sp_buf *body, enum sp_abort why)
{
    struct load *l = ctx;
    (void)h, (void)body, (void)why;
    atomic_fetch_add(status == 200 ? &n_good : &n_bad, 1);
    if (l->begun < CALLS)
        begin_one(l);
    if (++l->done == CALLS)
        atomic_fetch_add(&n_over, 1);
}

static void on_start(struct sp_worker *w)
{
    struct load *l = SP_CONTAINER_OF(w, struct load, worker);
    sp_stats_thread(w->index + 1);
    sp_cluster_attach(cluster, w);
    if (w->index == WORKERS) {
        sp_cluster_start(cluster, w);
        l->done = CALLS;
    } else {
        for (unsigned i = 0; i < AT_ONCE; i++)
            begin_one(l);
    }
    l->poll.fire = on_poll;
    sp_timer_start(&w->turn, &l->poll, 0);
}

/* The same origin under one name or two: each name is another host. */
static void change_hosts(unsigned round, unsigned port)
{
    static const char *const names[] = {"a", "b", "c"};
    struct sp_host_set *s = sp_host_set_new();
    for (unsigned i = 0; i < 1 + round % 2; i++) {
        struct sp_endpoint *e = sp_host_set_add(s);
        sp_addr_parse_ip(SP_STR("127.0.0.1"), &e->addr);
        e->addr.port = (uint16_t)port;
        e->health_addr = e->addr;
        e->hostname = sp_str_c(names[(round + i) % 3]);
        e->weight = 1 + round % 3;
    }
    sp_host_set_close(s);
    sp_hosts_post(cluster, s);
    usleep(300);
}

static void run(const char *limits, bool changing)
{
    struct origin *o = origin_nginx("location / { return 200 ok; }");
    if (!o)
        skip();
    char yaml[1024];
    snprintf(yaml, sizeof(yaml),
             "name: c\n%shealth_checks:\n- {timeout: 1s, interval: 0.005s, no_traffic_interval: 0.005s, unhealthy_threshold: 2, "
             "healthy_threshold: 1, http_health_check: {path: /}}\n"
             "lb_policy: LEAST_REQUEST\nload_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: "
             "{socket_address: {address: 127.0.0.1, port_value: %u}}}}]}]}\n", limits, origin_port(o));
    sp_stats_init(WORKERS + 1);
    struct t_config config;
    t_config_load(&config, &envoy__config__cluster__v3__cluster__descriptor, yaml);
    struct sp_cluster_build build = {.doc = config.doc, .diag = &config.diag, .n_workers = WORKERS};
    cluster = sp_cluster_new(&build, config.msg);
    assert_non_null(cluster);
    n_good = n_bad = n_over = 0;
    struct load *loads = sp_xcalloc(WORKERS + 1, sizeof(*loads));
    for (unsigned i = 0; i <= WORKERS; i++) {
        loads[i].worker.on_start = on_start;
        assert_int_equal(sp_worker_init(&loads[i].worker, "w", i), 0);
        assert_int_equal(sp_worker_start(&loads[i].worker), 0);
    }
    struct sp_buf shown; /* what the admin page does meanwhile */
    sp_buf_init(&shown);
    unsigned round = 0;
    while (atomic_load(&n_over) < WORKERS) {
        sp_cluster_text(cluster, false, &shown);
        sp_buf_clear(&shown);
        sp_cluster_warm(cluster);
        if (changing)
            change_hosts(round++, origin_port(o));
    }
    for (unsigned i = 0; i <= WORKERS; i++)
        sp_worker_done(&loads[i].worker);
    assert_int_equal(n_good + n_bad, WORKERS * CALLS);
    assert_int_equal(n_bad, 0);
    const struct sp_breakers *b = &cluster->breakers[SP_ROUTING_DEFAULT];
    assert_int_equal(sp_permits_used(&b->connections) + sp_permits_used(&b->pending) + sp_permits_used(&b->requests), 0);
    sp_cluster_unref(cluster);
    free(loads);
    t_config_done(&config);
    sp_buf_thread_done();
    sp_stats_done();
    origin_free(o);
}

static void test_plenty(void **state)
{
    (void)state;
    run("", false);
}

static void test_one_connection_for_all(void **state)
{
    (void)state;
    run("circuit_breakers: {thresholds: [{max_connections: 1}]}\n", false);
}

static void test_few(void **state)
{
    (void)state;
    run("circuit_breakers: {thresholds: [{max_connections: 4, max_requests: 50, max_pending_requests: 60}]}\n", false);
}

static void test_changing(void **state)
{
    (void)state;
    run("", true);
    run("circuit_breakers: {thresholds: [{max_connections: 2}]}\n", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plenty),
        cmocka_unit_test(test_few),
        cmocka_unit_test(test_one_connection_for_all),
        cmocka_unit_test(test_changing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
