/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Balancing: the schedulers, the spread over priorities, panic, and what permits lend. */
#include "support.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "clusters/edf.h"
#include "clusters/lb.h"
#include "clusters/permits.h"
#include "clusters/priority.h"
#include "clusters/tried.h"

static void test_edf_ratio(void **state)
{
    (void)state;
    static const double weights[] = {1, 2, 5};
    struct sp_edf e;
    unsigned seen[3] = {0};
    sp_edf_init(&e, 3);
    for (uint32_t i = 0; i < 3; i++)
        sp_edf_add(&e, i, 1 / weights[i]);
    for (unsigned i = 0; i < 8000; i++) {
        uint32_t x = sp_edf_peek(&e);
        seen[x]++;
        sp_edf_again(&e, 1 / weights[x]);
        /* Evenly mixed: nobody is ever more than one turn off. */
        for (unsigned k = 0; k < 3; k++)
            assert_true(fabs(seen[k] - (i + 1) * weights[k] / 8) <= 1.5);
    }
    assert_int_equal(seen[0], 1000);
    assert_int_equal(seen[2], 5000);
    sp_edf_done(&e);
}

static void test_edf_long(void **state)
{
    (void)state;
    struct sp_edf e;
    unsigned seen[2] = {0};
    sp_edf_init(&e, 2);
    sp_edf_add(&e, 0, 1);
    sp_edf_add(&e, 1, 1.0 / 3);
    for (unsigned i = 0; i < 6000000; i++) { /* over the point where deadlines start anew */
        uint32_t x = sp_edf_peek(&e);
        seen[x]++;
        sp_edf_again(&e, x ? 1.0 / 3 : 1);
    }
    assert_true(seen[0] >= 1500000 - 2 && seen[0] <= 1500000 + 2);
    sp_edf_done(&e);
}

static void show_loads(const struct sp_priority_load *l, unsigned n, char text[256])
{
    int at = 0;
    for (unsigned i = 0; i < n; i++)
        at += snprintf(text + at, 256 - (size_t)at, "%s%u/%u%s", i ? " " : "", l[i].healthy, l[i].degraded, l[i].panic ? "!" : "");
}

static void check_loads(const struct sp_priority_health *h, unsigned n, double threshold, const char *expected)
{
    struct sp_priority_load l[4];
    char text[256];
    sp_priority_loads(h, n, threshold, 140, l);
    show_loads(l, n, text);
    assert_string_equal(text, expected);
}

/* `out`: '-' for each priority that is left out. */
static void check_without(const struct sp_priority_health *h, const char *out, const char *expected)
{
    struct sp_priority_load l[4] = {{0}};
    bool without[4] = {0};
    char text[256];
    unsigned n = (unsigned)strlen(out);
    for (unsigned i = 0; i < n; i++)
        without[i] = out[i] == '-';
    if (!sp_priority_loads_without(h, n, without, 140, l)) {
        assert_null(expected);
        return;
    }
    show_loads(l, n, text);
    assert_string_equal(text, expected);
}

#define HEALTH(t, h, d, e) {.total = (t), .healthy = (h), .degraded = (d), .excluded = (e)}

static void test_priorities(void **state)
{
    (void)state;
    check_loads((struct sp_priority_health[]){HEALTH(10, 10, 0, 0)}, 1, 50, "100/0");
    check_loads((struct sp_priority_health[]){HEALTH(10, 8, 0, 0), HEALTH(10, 10, 0, 0)}, 2, 50, "100/0 0/0");
    /* Envoy's documentation: 71 % healthy is not enough any more. */
    check_loads((struct sp_priority_health[]){HEALTH(100, 71, 0, 0), HEALTH(100, 100, 0, 0)}, 2, 50, "99/0 1/0");
    check_loads((struct sp_priority_health[]){HEALTH(100, 50, 0, 0), HEALTH(100, 100, 0, 0)}, 2, 50, "70/0 30/0");
    check_loads((struct sp_priority_health[]){HEALTH(100, 25, 0, 0), HEALTH(100, 100, 0, 0)}, 2, 50, "35/0 65/0");
    check_loads((struct sp_priority_health[]){HEALTH(100, 0, 0, 0), HEALTH(100, 100, 0, 0)}, 2, 50, "0/0 100/0");
    /* Both weak, but one of them above the threshold: the other is in panic. */
    check_loads((struct sp_priority_health[]){HEALTH(100, 25, 0, 0), HEALTH(100, 25, 0, 0)}, 2, 50, "50/0! 50/0!");
    check_loads((struct sp_priority_health[]){HEALTH(100, 20, 0, 0), HEALTH(100, 50, 0, 0)}, 2, 50, "29/0! 71/0");
    check_loads((struct sp_priority_health[]){HEALTH(10, 0, 0, 0)}, 1, 50, "100/0!");
    check_loads((struct sp_priority_health[]){HEALTH(10, 0, 0, 0)}, 1, 0, "0/0");
    check_loads((struct sp_priority_health[]){HEALTH(10, 4, 0, 0)}, 1, 50, "100/0!");
    check_loads((struct sp_priority_health[]){HEALTH(10, 6, 0, 0)}, 1, 50, "100/0");
    check_loads((struct sp_priority_health[]){HEALTH(10, 6, 4, 0)}, 1, 50, "84/16");
    check_loads((struct sp_priority_health[]){HEALTH(10, 0, 10, 0), HEALTH(10, 10, 0, 0)}, 2, 50, "0/0 100/0");
    check_loads((struct sp_priority_health[]){HEALTH(10, 0, 10, 0), HEALTH(10, 0, 0, 0)}, 2, 50, "0/100 0/0");
    check_loads((struct sp_priority_health[]){HEALTH(0, 0, 0, 0)}, 1, 50, "0/0!");
    check_loads((struct sp_priority_health[]){HEALTH(0, 0, 0, 0), HEALTH(3, 3, 0, 0)}, 2, 50, "0/0 100/0");
    /* Hosts that took themselves out do not count. */
    check_loads((struct sp_priority_health[]){HEALTH(10, 5, 0, 5)}, 1, 50, "100/0");
}

static void test_other_priorities(void **state)
{
    (void)state;
    const struct sp_priority_health all[] = {HEALTH(10, 10, 0, 0), HEALTH(10, 10, 0, 0), HEALTH(10, 10, 0, 0)};
    check_without(all, "+++", "100/0 0/0 0/0");
    check_without(all, "-++", "0/0 100/0 0/0");
    check_without(all, "--+", "0/0 0/0 100/0");
    check_without(all, "+-+", "100/0 0/0 0/0");
    check_without(all, "---", NULL);
    const struct sp_priority_health some[] = {HEALTH(10, 10, 0, 0), HEALTH(10, 3, 0, 0), HEALTH(10, 10, 0, 0)}; /* the second is good for 42 % */
    check_without(some, "-++", "0/0 42/0 58/0");
    check_without(some, "-+-", "0/0 100/0 0/0");
    const struct sp_priority_health weak[] = {HEALTH(3, 0, 0, 0), HEALTH(3, 1, 0, 0), HEALTH(3, 1, 1, 0)}; /* 46 and 46, 46 % */
    check_without(weak, "+++", "0/0 46/0 46/8");
    check_without(weak, "+-+", "0/0 0/0 50/50");
    check_without(weak, "+--", NULL);
}

/* Hosts of three priorities, one each: where attempts go that leave out what was tried. */
static void check_tried(unsigned every, const char *ill, const char *expected)
{
    struct t_bed b;
    struct sp_arena a;
    char got[16] = "";
    char yaml[1024] = "name: c\nload_assignment:\n  cluster_name: c\n  endpoints:\n";
    for (unsigned i = 0; i < 3; i++)
        snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml),
                 "  - {priority: %u, lb_endpoints: [{endpoint: {address: {socket_address: {address: 10.0.0.%u, port_value: 80}}}}]}\n", i, i + 1);
    t_bed_new(&b, yaml);
    for (const char *p = ill; *p; p++)
        sp_host_set_health(b.cluster, t_host(&b, (unsigned)(*p - '0')), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    sp_arena_init(&a);
    struct sp_tried *t = sp_tried_new(&a, every);
    t_slot(&b, 0)->tried = t;
    for (unsigned i = 0; i < strlen(expected); i++) {
        struct sp_host *h = sp_lb_pick(t_slot(&b, 0), NULL);
        assert_non_null(h);
        got[i] = (char)('0' + t_at(&b, h));
        sp_tried_note(t, t_at(&b, h));
    }
    if (strcmp(got, expected) != 0)
        fail_msg("every %u, ill \"%s\": %s, not %s", every, ill, got, expected);
    t_slot(&b, 0)->tried = NULL;
    sp_arena_done(&a);
    t_bed_free(&b);
}

static void test_tried(void **state)
{
    (void)state;
    check_tried(1, "", "012012012");
    check_tried(2, "", "001122001");
    check_tried(3, "", "000111222");
    check_tried(1, "0", "121212");
    check_tried(1, "1", "020202");
    check_tried(1, "12", "000000");
}

/* Chi-square of equal shares; 10 degrees of freedom: 29.59 is passed once in a thousand runs. */
static double chi_square(const unsigned *seen, unsigned n, unsigned total)
{
    double sum = 0, expected = (double)total / n;
    for (unsigned i = 0; i < n; i++)
        sum += (seen[i] - expected) * (seen[i] - expected) / expected;
    return sum;
}

static void test_round_robin(void **state)
{
    (void)state;
    struct t_bed b;
    unsigned seen[3] = {0};
    t_bed_hosts(&b, 3, NULL);
    const struct sp_host *last = NULL;
    for (unsigned i = 0; i < 300; i++) {
        struct sp_host *h = sp_lb_pick(t_slot(&b, 0), NULL);
        assert_ptr_not_equal(h, last);
        last = h;
        seen[t_at(&b, h)]++;
    }
    assert_int_equal(seen[0], 100);
    assert_int_equal(seen[1], 100);
    /* An avoided host is not taken where there is another. */
    for (unsigned i = 0; i < 30; i++)
        assert_int_not_equal(t_at(&b, sp_lb_pick(t_slot(&b, 0), t_host(&b, 1))), 1);
    t_bed_free(&b);
}

static const char weighted[] =
    "name: c\n"
    "%s"
    "load_assignment:\n"
    "  cluster_name: c\n"
    "  endpoints:\n"
    "  - lb_endpoints:\n"
    "    - {load_balancing_weight: 1, endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 80}}}}\n"
    "    - {load_balancing_weight: 3, endpoint: {address: {socket_address: {address: 10.0.0.2, port_value: 80}}}}\n"
    "    - {load_balancing_weight: 6, endpoint: {address: {socket_address: {address: 10.0.0.3, port_value: 80}}}}\n";

static void weighted_bed(struct t_bed *b, const char *policy)
{
    char yaml[2048];
    snprintf(yaml, sizeof(yaml), weighted, policy);
    t_bed_new(b, yaml);
}

static void test_weighted_round_robin(void **state)
{
    (void)state;
    struct t_bed b;
    unsigned seen[3] = {0};
    weighted_bed(&b, "");
    for (unsigned i = 0; i < 1000; i++)
        seen[t_at(&b, sp_lb_pick(t_slot(&b, 1), NULL))]++;
    assert_true(seen[0] >= 99 && seen[0] <= 101);
    assert_true(seen[1] >= 299 && seen[1] <= 301);
    assert_true(seen[2] >= 599 && seen[2] <= 601);
    t_bed_free(&b);
}

static void test_least_request(void **state)
{
    (void)state;
    struct t_bed b;
    unsigned seen[11] = {0}, busy = 0;
    t_bed_hosts(&b, 11, "lb_policy: LEAST_REQUEST\n");
    for (unsigned i = 0; i < 11000; i++)
        seen[t_at(&b, sp_lb_pick(t_slot(&b, 0), NULL))]++;
    assert_true(chi_square(seen, 11, 11000) < 40); /* random, so with room */
    /* A busy host is taken only when both choices fall on it: once in 121. */
    atomic_store(&t_host(&b, 4)->active, 50);
    for (unsigned i = 0; i < 12100; i++)
        busy += t_at(&b, sp_lb_pick(t_slot(&b, 0), NULL)) == 4;
    assert_true(busy > 50 && busy < 170);
    atomic_store(&t_host(&b, 4)->active, 0);
    t_bed_free(&b);
}

static void test_weighted_least_request(void **state)
{
    (void)state;
    struct t_bed b;
    unsigned seen[3] = {0};
    weighted_bed(&b, "lb_policy: LEAST_REQUEST\n");
    for (unsigned i = 0; i < 1000; i++)
        seen[t_at(&b, sp_lb_pick(t_slot(&b, 0), NULL))]++;
    assert_true(seen[2] >= 598 && seen[2] <= 602);
    atomic_store(&t_host(&b, 2)->active, 5); /* weighs 1 now */
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < 1000; i++)
        seen[t_at(&b, sp_lb_pick(t_slot(&b, 0), NULL))]++;
    assert_true(seen[2] >= 195 && seen[2] <= 205);
    assert_true(seen[1] >= 590 && seen[1] <= 610);
    atomic_store(&t_host(&b, 2)->active, 0);
    t_bed_free(&b);
}

static void test_health_changes(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 4, NULL);
    struct sp_cluster *c = b.cluster;
    assert_int_equal(t_stat("membership_healthy"), 4);
    sp_host_set_health(c, t_host(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    assert_int_equal(t_stat("membership_healthy"), 3);
    for (unsigned i = 0; i < 30; i++)
        assert_int_not_equal(t_at(&b, sp_lb_pick(t_slot(&b, 0), NULL)), 0);
    sp_host_set_health(c, t_host(&b, 1), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    sp_host_set_health(c, t_host(&b, 2), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    assert_int_equal(t_stat("lb_healthy_panic"), 0);
    unsigned seen[4] = {0}; /* 25 % are under the threshold: all get requests */
    for (unsigned i = 0; i < 40; i++)
        seen[t_at(&b, sp_lb_pick(t_slot(&b, 0), NULL))]++;
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
    assert_int_equal(t_stat("lb_healthy_panic"), 40);
    for (unsigned i = 0; i < 3; i++)
        sp_host_set_health(c, t_host(&b, i), 0, SP_HEALTH_FAILED_ACTIVE_HC);
    sp_lb_pick(t_slot(&b, 0), NULL);
    assert_int_equal(t_stat("lb_healthy_panic"), 40);
    t_bed_free(&b);
}

static void test_no_panic(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 2, "common_lb_config: {healthy_panic_threshold: {value: 0}}\n");
    struct sp_cluster *c = b.cluster;
    sp_host_set_health(c, t_host(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(t_at(&b, sp_lb_pick(t_slot(&b, 0), NULL)), 1);
    sp_host_set_health(c, t_host(&b, 1), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    assert_null(sp_lb_pick(t_slot(&b, 0), NULL));
    sp_host_set_health(c, t_host(&b, 0), 0, SP_HEALTH_FAILED_ACTIVE_HC);
    sp_host_set_health(c, t_host(&b, 1), 0, SP_HEALTH_FAILED_ACTIVE_HC);
    t_bed_free(&b);
}

static void check_fails_in_panic(const char *more)
{
    struct t_bed b;
    t_bed_hosts(&b, 4, more);
    struct sp_cluster *c = b.cluster;
    sp_host_set_health(c, t_host(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    assert_non_null(sp_lb_pick(t_slot(&b, 0), NULL));
    for (unsigned i = 1; i < 3; i++)
        sp_host_set_health(c, t_host(&b, i), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    for (unsigned i = 0; i < 10; i++) /* even though one of them is well */
        assert_null(sp_lb_pick(t_slot(&b, 0), NULL));
    assert_int_equal(t_stat("lb_healthy_panic"), 10);
    t_bed_free(&b);
}

static void test_fail_on_panic(void **state)
{
    (void)state;
    check_fails_in_panic("common_lb_config: {zone_aware_lb_config: {fail_traffic_on_panic: true}}\n");
    check_fails_in_panic("load_balancing_policy: {policies: [{typed_extension_config: {name: r, typed_config: {\"@type\": "
                         "type.googleapis.com/envoy.extensions.load_balancing_policies.random.v3.Random, locality_lb_config: "
                         "{zone_aware_lb_config: {fail_traffic_on_panic: true, routing_enabled: {value: 50}}}}}}]}\n");
}

static void test_failover(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_new(&b, "name: c\n"
                  "load_assignment:\n"
                  "  cluster_name: c\n"
                  "  endpoints:\n"
                  "  - priority: 0\n"
                  "    lb_endpoints:\n"
                  "    - endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 80}}}\n"
                  "    - endpoint: {address: {socket_address: {address: 10.0.0.2, port_value: 80}}}\n"
                  "  - priority: 1\n"
                  "    lb_endpoints:\n"
                  "    - endpoint: {address: {socket_address: {address: 10.0.0.3, port_value: 80}}}\n"
                  "    - endpoint: {address: {socket_address: {address: 10.0.0.4, port_value: 80}}}\n"
                  "      health_status: UNHEALTHY\n");
    struct sp_cluster *c = b.cluster;
    assert_int_equal(t_stat("membership_total"), 4);
    assert_int_equal(t_stat("membership_healthy"), 3);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(t_at(&b, sp_lb_pick(t_slot(&b, 0), NULL)) / 2, 0);
    sp_host_set_health(c, t_host(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    unsigned second = 0; /* 50 % * 1.4: 70 of 100 stay */
    for (unsigned i = 0; i < 10000; i++) {
        struct sp_host *h = sp_lb_pick(t_slot(&b, 0), NULL);
        assert_true(t_at(&b, h) == 1 || t_at(&b, h) == 2);
        second += t_at(&b, h) / 2 == 1;
    }
    assert_true(second > 2750 && second < 3250);
    sp_host_set_health(c, t_host(&b, 1), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    t_bed_free(&b);
}

static void test_first_host_is_random(void **state)
{
    (void)state;
    unsigned firsts[8] = {0};
    for (unsigned i = 0; i < 64; i++) {
        struct t_bed b;
        t_bed_hosts(&b, 8, NULL);
        firsts[t_at(&b, sp_lb_pick(t_slot(&b, 0), NULL))]++;
        t_bed_free(&b);
    }
    unsigned used = 0;
    for (unsigned i = 0; i < 8; i++)
        used += firsts[i] > 0;
    assert_true(used >= 4);
}

/* --- permits --- */

enum { THREADS = 4 };
static struct sp_permits shared;
static _Atomic int held, most, refused;

static void *take_and_give(void *arg)
{
    unsigned slot = (unsigned)(uintptr_t)arg;
    unsigned mine = 0;
    sp_stats_thread(slot + 1);
    for (unsigned i = 0; i < 200000; i++) {
        if ((i * 2654435761u >> 28) % 3 && mine < 40) {
            if (sp_permit_take(&shared, slot)) {
                int n = atomic_fetch_add(&held, 1) + 1, m = atomic_load(&most);
                while (n > m && !atomic_compare_exchange_weak(&most, &m, n))
                    ;
                mine++;
            } else {
                atomic_fetch_add(&refused, 1);
            }
        } else if (mine) {
            atomic_fetch_sub(&held, 1);
            sp_permit_give(&shared, slot);
            mine--;
        }
    }
    while (mine--) {
        atomic_fetch_sub(&held, 1);
        sp_permit_give(&shared, slot);
    }
    sp_permits_settle(&shared, slot);
    return NULL;
}

static void run_permits(uint32_t limit)
{
    pthread_t threads[THREADS];
    sp_stats_init(THREADS);
    memset(&shared, 0, sizeof(shared));
    shared.open = sp_stats_gauge(sp_stats_root(), SP_STR("open"));
    shared.remaining = sp_stats_gauge(sp_stats_root(), SP_STR("remaining"));
    shared.track = true;
    sp_permits_init(&shared, limit, THREADS);
    sp_permits_publish(&shared);
    atomic_store(&held, 0);
    atomic_store(&most, 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, take_and_give, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_true((uint32_t)atomic_load(&most) <= limit);
    assert_int_equal(atomic_load(&shared.free), limit);
    assert_int_equal(sp_gauge_value(shared.remaining), limit);
    assert_int_equal(sp_gauge_value(shared.open), 0);
    sp_permits_done(&shared);
    sp_stats_done();
}

static void test_permits_threads(void **state)
{
    (void)state;
    run_permits(100);
    run_permits(7);
    run_permits(1000);
}

static void test_permits_one(void **state)
{
    (void)state;
    struct sp_permits p = {0};
    sp_stats_init(1);
    p.open = sp_stats_gauge(sp_stats_root(), SP_STR("open"));
    sp_permits_init(&p, 1024, 2);
    assert_int_equal(p.batch, 4);
    for (unsigned i = 0; i < 1024; i++)
        assert_true(sp_permit_take(&p, 0));
    assert_false(sp_permit_take(&p, 0));
    assert_int_equal(sp_gauge_value(p.open), 1);
    for (unsigned i = 0; i < 1024; i++) {
        sp_permit_give(&p, 0);
        assert_true(p.loans[0].unused < 6); /* what others may miss is bounded */
    }
    assert_int_equal(sp_gauge_value(p.open), 0);
    unsigned taken = 0; /* worker 0 still holds a few that it does not use */
    while (sp_permit_take(&p, 1))
        taken++;
    assert_in_range(taken, 1024 - 5, 1024);
    sp_permits_done(&p);
    /* A small limit: a permit that comes back is there for the other worker at once. */
    memset(&p, 0, sizeof(p));
    sp_permits_init(&p, 1, 3);
    assert_true(sp_permit_take(&p, 0));
    assert_false(sp_permit_take(&p, 1));
    sp_permit_give(&p, 0);
    assert_true(sp_permit_take(&p, 1));
    sp_permit_give(&p, 1);
    sp_permits_done(&p);
    memset(&p, 0, sizeof(p));
    sp_permits_init(&p, 0, 3);
    assert_false(sp_permit_take(&p, 0));
    sp_permits_done(&p);
    sp_stats_done();
}

static void test_random(void **state)
{
    (void)state;
    struct t_bed b;
    unsigned seen[11] = {0};
    t_bed_hosts(&b, 11, "load_balancing_policy: {policies: [{typed_extension_config: {name: r, typed_config: {\"@type\": "
                        "type.googleapis.com/envoy.extensions.load_balancing_policies.random.v3.Random}}}]}\n");
    for (unsigned i = 0; i < 11000; i++)
        seen[t_at(&b, sp_lb_pick(t_slot(&b, 0), NULL))]++;
    assert_true(chi_square(seen, 11, 11000) < 40);
    unsigned same = 0;
    for (unsigned i = 0, last = 99; i < 1000; i++) {
        unsigned at = t_at(&b, sp_lb_pick(t_slot(&b, 0), NULL));
        same += at == last;
        last = at;
    }
    assert_in_range(same, 30, 200); /* not one after the other */
    t_bed_free(&b);
}

#define LOCALITY(zone, weight, hosts) \
    "  - {locality: {zone: " zone "}, load_balancing_weight: " weight ", lb_endpoints: [" hosts "]}\n"
#define AT(n) "{endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: " n "}}}}"

static double share_of_first(struct t_bed *b)
{
    unsigned first = 0;
    for (unsigned i = 0; i < 10000; i++)
        first += t_at(b, sp_lb_pick(t_slot(b, 0), NULL)) < 2;
    return first / 100.0;
}

static void test_localities(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_new(&b, "name: c\ncommon_lb_config: {locality_weighted_lb_config: {}}\n"
                  "load_assignment:\n  cluster_name: c\n  endpoints:\n"
                  LOCALITY("a", "3", AT("1") "," AT("2")) LOCALITY("b", "1", AT("3") "," AT("4") "," AT("5") "," AT("6")));
    assert_true(share_of_first(&b) > 72 && share_of_first(&b) < 78);
    /* Half of a's are ill: a is good for 1.4 * 1/2 of its weight. 2.1 to 1. */
    sp_host_set_health(b.cluster, t_host(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    assert_true(share_of_first(&b) > 64 && share_of_first(&b) < 71);
    sp_host_set_health(b.cluster, t_host(&b, 1), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    assert_true(share_of_first(&b) == 0);
    t_bed_free(&b);
    /* Without weights: by hosts. Two of six. */
    t_bed_new(&b, "name: c\ncommon_lb_config: {locality_weighted_lb_config: {}}\n"
                  "load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [" AT("1") "," AT("2") "]}, {lb_endpoints: ["
                  AT("3") "," AT("4") "," AT("5") "," AT("6") "]}]}\n");
    assert_true(share_of_first(&b) > 30 && share_of_first(&b) < 37);
    t_bed_free(&b);
    /* Weights without the policy: by hosts, too. */
    t_bed_new(&b, "name: c\nload_assignment:\n  cluster_name: c\n  endpoints:\n"
                  LOCALITY("a", "3", AT("1") "," AT("2")) LOCALITY("b", "1", AT("3") "," AT("4") "," AT("5") "," AT("6")));
    assert_true(share_of_first(&b) > 30 && share_of_first(&b) < 37);
    t_bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edf_ratio),
        cmocka_unit_test(test_edf_long),
        cmocka_unit_test(test_priorities),
        cmocka_unit_test(test_other_priorities),
        cmocka_unit_test(test_tried),
        cmocka_unit_test(test_round_robin),
        cmocka_unit_test(test_weighted_round_robin),
        cmocka_unit_test(test_least_request),
        cmocka_unit_test(test_weighted_least_request),
        cmocka_unit_test(test_health_changes),
        cmocka_unit_test(test_no_panic),
        cmocka_unit_test(test_fail_on_panic),
        cmocka_unit_test(test_failover),
        cmocka_unit_test(test_first_host_is_random),
        cmocka_unit_test(test_permits_threads),
        cmocka_unit_test(test_permits_one),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_localities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
