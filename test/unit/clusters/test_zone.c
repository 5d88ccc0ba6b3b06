/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zones: what stays in the gateway's own, and where the rest goes, by statistics: the real balancer with fixed seeds against the
 * shares that Envoy's arithmetic gives.
 */
#include "support.h"

#include <string.h>

#include "clusters/lb.h"
#include "clusters/publish.h"

enum { ZONES = 4, PICKS = 20000 };

/* Passed by chance once in a thousand runs, with 3 degrees of freedom; seeds are fixed. */
static const double CHI_3 = 16.27;

/* Hosts in zones a, b, c ...: so many in each; the hosts of zone z are 10.<net>.<z>.<n>, and weigh weights[z] or 1. */
static const char *zoned(const char *name, unsigned net, const unsigned *hosts, const unsigned *weights, const char *more)
{
    static char texts[2][16384];
    char *yaml = texts[net & 1];
    size_t size = sizeof(texts[0]);
    int at = snprintf(yaml, size, "name: %s\n%sload_assignment:\n  cluster_name: x\n  endpoints:\n", name, more);
    for (unsigned z = 0; z < ZONES; z++) {
        if (!hosts[z])
            continue;
        at += snprintf(yaml + at, size - (size_t)at, "  - locality: {zone: %c}\n    lb_endpoints:\n", 'a' + z);
        for (unsigned i = 0; i < hosts[z]; i++)
            at += snprintf(yaml + at, size - (size_t)at,
                           "    - {load_balancing_weight: %u, endpoint: {address: {socket_address: {address: 10.%u.%u.%u, port_value: 80}}}}\n",
                           weights ? weights[z] : 1, net, z, i + 1);
    }
    return yaml;
}

static void bed(struct t_bed *b, const char *zone, const unsigned *gateways, const unsigned *hosts, const char *more)
{
    t_bed_zone(b, zone, zoned("fleet", 1, gateways, NULL, ""), zoned("c", 2, hosts, NULL, more));
}

static void seed(struct t_bed *b, uint64_t x)
{
    struct sp_slot *s = t_slot(b, 0);
    s->random[0] = x;
    s->random[1] = x ^ 0xd1b54a32d192ed03ull;
}

/* Requests by zone; [ZONES]: those that nobody gets. */
static void pick_many(struct t_bed *b, unsigned *seen)
{
    memset(seen, 0, (ZONES + 1) * sizeof(*seen));
    for (unsigned i = 0; i < PICKS; i++) {
        const struct sp_host *h = sp_lb_pick(t_slot(b, 0), NULL);
        const struct sp_endpoint *e = h ? &b->cluster->hosts->v[t_at(b, h)] : NULL;
        seen[e ? (unsigned)(e->zone.ptr[0] - 'a') : ZONES]++;
    }
}

/* Shares: percent of the requests. */
static void check(struct t_bed *b, const double *shares)
{
    static const uint64_t seeds[] = {1, 42, 0x9e3779b97f4a7c15ull};
    for (size_t k = 0; k < SP_ARRAY_LEN(seeds); k++) {
        unsigned seen[ZONES + 1];
        double chi = 0;
        seed(b, seeds[k]);
        pick_many(b, seen);
        assert_int_equal(seen[ZONES], 0);
        for (unsigned i = 0; i < ZONES; i++) {
            double expected = shares[i] * PICKS / 100;
            if (expected == 0)
                assert_int_equal(seen[i], 0);
            else
                chi += (seen[i] - expected) * (seen[i] - expected) / expected;
        }
        if (chi > CHI_3)
            fail_msg("chi-square is %g: %u %u %u %u", chi, seen[0], seen[1], seen[2], seen[3]);
    }
}

static void check_bed(const char *zone, const unsigned *gateways, const unsigned *hosts, const char *more, const double *shares)
{
    struct t_bed b;
    bed(&b, zone, gateways, hosts, more);
    check(&b, shares);
    t_bed_free(&b);
}

#define N(...) ((const unsigned[ZONES]){__VA_ARGS__})
#define SHARES(...) ((const double[ZONES]){__VA_ARGS__})
#define ZONE_AWARE(text) "common_lb_config: {zone_aware_lb_config: " text "}\n"
#define EXTENSION(text) \
    "load_balancing_policy: {policies: [{typed_extension_config: {name: p, typed_config: {\"@type\": " \
    "type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin, locality_lb_config: " \
    "{zone_aware_lb_config: " text "}}}}]}\n"

static void test_parts(void **state)
{
    (void)state;
    /* A zone with a larger part of the hosts than of the gateways keeps all. */
    check_bed("a", N(2, 2, 2), N(4, 4, 4), "", SHARES(100));
    check_bed("b", N(2, 2, 2), N(1, 10, 1), "", SHARES(0, 100));
    /* 40, 40, 20 % of the gateways, 25, 50, 25 % of the hosts: 62.5 % stay, what is over goes 2 to 1. */
    check_bed("a", N(4, 4, 2), N(3, 6, 3), "", SHARES(62.5, 25, 12.5));
    check_bed("a", N(4, 4, 2), N(3, 6, 3), "lb_policy: RANDOM\n", SHARES(62.5, 25, 12.5));
    check_bed("a", N(4, 4, 2), N(3, 6, 3), "lb_policy: LEAST_REQUEST\n", SHARES(62.5, 25, 12.5));
    /* No host here: all goes elsewhere, where gateways leave room. */
    check_bed("d", N(1, 1, 0, 2), N(4, 2, 2), "", SHARES(100 / 2., 0, 100 / 2.));
    check_bed("d", N(0, 0, 1, 1), N(4, 4, 0), "", SHARES(50, 50));
}

static void test_counters(void **state)
{
    (void)state;
    struct t_bed b;
    unsigned seen[ZONES + 1];
    bed(&b, "a", N(4, 4, 2), N(3, 6, 3), "");
    pick_many(&b, seen);
    assert_int_equal(t_stat("lb_zone_routing_sampled"), seen[0]);
    assert_int_equal(t_stat("lb_zone_routing_cross_zone"), seen[1] + seen[2]);
    assert_int_equal(t_stat("lb_zone_routing_all_directly"), 0);
    assert_int_equal(t_stat("lb_recalculate_zone_structures"), T_WORKERS + 1);
    t_bed_free(&b);
    bed(&b, "a", N(2, 2), N(3, 3), "");
    pick_many(&b, seen);
    assert_int_equal(t_stat("lb_zone_routing_all_directly"), PICKS);
    t_bed_free(&b);
}

static void test_not(void **state)
{
    (void)state;
    struct t_bed b;
    static const double even[ZONES] = {25, 50, 25};
    /* Too few hosts; a smaller minimum. */
    check_bed("a", N(1, 1), N(1, 2, 1), "", even);
    check_bed("a", N(1, 1), N(2, 2, 1), ZONE_AWARE("{min_cluster_size: 5}"), SHARES(80, 0, 20));
    check_bed("a", N(1, 1), N(1, 2, 1), ZONE_AWARE("{min_cluster_size: 5}"), even);
    bed(&b, "a", N(1, 1), N(1, 2, 1), "");
    assert_int_equal(t_stat("lb_zone_cluster_too_small"), T_WORKERS + 1);
    t_bed_free(&b);
    /* A part of the requests: half of them keep to the zone, half to nothing. */
    check_bed("a", N(1, 1), N(4, 4), ZONE_AWARE("{routing_enabled: {value: 50}}"), SHARES(75, 25));
    check_bed("a", N(1, 1), N(4, 4), ZONE_AWARE("{routing_enabled: {value: 0}}"), SHARES(50, 50));
    /* Gateways in one zone only; of no zone; none here. */
    check_bed("a", N(5), N(2, 4, 2), "", even);
    check_bed("d", N(1, 1), N(2, 4, 2), "", even);
    check_bed(NULL, N(1, 1), N(2, 4, 2), "", even);
    bed(&b, "d", N(1, 1), N(2, 4, 2), "");
    assert_int_equal(t_stat("lb_local_cluster_not_ok"), T_WORKERS + 1);
    t_bed_free(&b);
}

static void test_forced(void **state)
{
    (void)state;
    check_bed("a", N(3, 1), N(2, 6), EXTENSION("{force_local_zone: {}}"), SHARES(100));
    check_bed("a", N(3, 1), N(2, 6), EXTENSION("{force_local_zone: {min_size: 2}}"), SHARES(100));
    check_bed("a", N(3, 1), N(2, 6), EXTENSION("{force_locality_direct_routing: true}"), SHARES(100));
    check_bed("a", N(3), N(2, 6), EXTENSION("{force_local_zone: {}}"), SHARES(100)); /* one zone of gateways is enough */
    check_bed("a", N(3, 1), N(2, 6), EXTENSION("{force_local_zone: {min_size: 3}}"), SHARES(100 / 3., 200 / 3.));
    check_bed("a", N(3, 1), N(2, 6), EXTENSION("{}"), SHARES(100 / 3., 200 / 3.));
}

static void test_weights(void **state)
{
    (void)state;
    struct t_bed b;
    const char *more = EXTENSION("{locality_basis: HEALTHY_HOSTS_WEIGHT}");
    t_bed_zone(&b, "a", zoned("fleet", 1, N(2, 2), N(3, 1), ""), zoned("c", 2, N(3, 3), N(1, 3), more));
    check(&b, SHARES(100 / 3., 200 / 3.)); /* 75 % of the gateways, 25 % of the hosts */
    t_bed_free(&b);
    t_bed_zone(&b, "a", zoned("fleet", 1, N(2, 2), N(3, 1), ""), zoned("c", 2, N(3, 3), N(1, 3), EXTENSION("{}")));
    check(&b, SHARES(100));
    t_bed_free(&b);
}

static void ail(struct sp_cluster *c, unsigned at, bool ill)
{
    sp_host_set_health(c, c->hosts->v[at].host, ill ? SP_HEALTH_FAILED_ACTIVE_HC : 0, ill ? 0 : SP_HEALTH_FAILED_ACTIVE_HC);
}

static void test_health(void **state)
{
    (void)state;
    struct t_bed b;
    bed(&b, "a", N(2, 2), N(4, 4), "");
    check(&b, SHARES(100));
    ail(b.cluster, 0, true); /* 3 of 7 hosts for half of the gateways */
    check(&b, SHARES(85.7, 14.3));
    ail(b.local, 1, true); /* a third of them */
    check(&b, SHARES(100));
    ail(b.cluster, 0, false);
    ail(b.local, 2, true); /* half again, and panic is below */
    check(&b, SHARES(100));
    ail(b.local, 3, true); /* nobody knows */
    uint64_t before = t_stat("lb_local_cluster_not_ok");
    check(&b, SHARES(50, 50));
    assert_int_equal(t_stat("lb_local_cluster_not_ok"), before + 3 * PICKS);
    t_bed_free(&b);
    unsigned seen[ZONES + 1];
    bed(&b, "a", N(2, 2), N(4, 4), ZONE_AWARE("{fail_traffic_on_panic: true}"));
    for (unsigned i = 1; i < 4; i++)
        ail(b.local, i, true);
    pick_many(&b, seen);
    assert_int_equal(seen[ZONES], PICKS);
    t_bed_free(&b);
}

/* Gateways come and go while hosts stay. */
static void test_fleet(void **state)
{
    (void)state;
    struct t_bed b;
    bed(&b, "a", N(1, 3), N(4, 4), "");
    check(&b, SHARES(100));
    struct sp_host_set *s = sp_host_set_new();
    for (unsigned i = 0; i < 4; i++) {
        struct sp_endpoint *e = sp_host_set_add(s);
        *e = b.local->hosts->v[i];
        e->host = NULL;
        e->zone = i < 3 ? SP_STR("a") : SP_STR("b");
        e->locality = i < 3 ? 0 : 1;
        e->text = sp_arena_str(&s->arena, e->text);
    }
    sp_host_set_close(s);
    sp_hosts_publish(b.local, s);
    t_step(&b, 1);
    check(&b, SHARES(200 / 3., 100 / 3.)); /* half of the hosts for three quarters of the gateways */
    t_bed_free(&b);
}

/* zone_aware_lb_config is no locality_weighted_lb_config: hosts count. */
static void test_no_weights(void **state)
{
    (void)state;
    static const char *const ways[] = {ZONE_AWARE("{min_cluster_size: 100}"), EXTENSION("{min_cluster_size: 100}")};
    static char yaml[4096];
    for (size_t i = 0; i < SP_ARRAY_LEN(ways); i++) {
        struct t_bed b;
        snprintf(yaml, sizeof(yaml),
                 "name: c\n%sload_assignment:\n  cluster_name: c\n  endpoints:\n"
                 "  - {locality: {zone: a}, load_balancing_weight: 1, lb_endpoints: [{endpoint: {address: {socket_address: {address: 10.2.0.1, port_value: 80}}}}]}\n"
                 "  - {locality: {zone: b}, load_balancing_weight: 9, lb_endpoints: [{endpoint: {address: {socket_address: {address: 10.2.0.2, port_value: 80}}}}]}\n",
                 ways[i]);
        t_bed_new(&b, yaml);
        check(&b, SHARES(50, 50));
        t_bed_free(&b);
    }
}

/* Weights of localities come first; further priorities know no zones. */
static void test_other_ways(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_zone(&b, "a", zoned("fleet", 1, N(2, 2), NULL, ""),
               "name: c\ncommon_lb_config: {locality_weighted_lb_config: {}, healthy_panic_threshold: {value: 0}}\nload_assignment:\n  cluster_name: c\n"
               "  endpoints:\n"
               "  - {locality: {zone: a}, load_balancing_weight: 1, lb_endpoints: [{endpoint: {address: {socket_address: {address: 10.2.0.1, port_value: 80}}}}]}\n"
               "  - {locality: {zone: b}, load_balancing_weight: 3, lb_endpoints: [{endpoint: {address: {socket_address: {address: 10.2.0.2, port_value: 80}}}}]}\n"
               "  - {priority: 1, locality: {zone: a}, lb_endpoints: [{endpoint: {address: {socket_address: {address: 10.2.0.3, port_value: 80}}}}]}\n"
               "  - {priority: 1, locality: {zone: c}, lb_endpoints: [{endpoint: {address: {socket_address: {address: 10.2.0.4, port_value: 80}}}}]}\n");
    check(&b, SHARES(25, 75));
    ail(b.cluster, 0, true);
    ail(b.cluster, 1, true);
    check(&b, SHARES(50, 0, 50));
    t_bed_free(&b);
}

static void test_errors(void **state)
{
    (void)state;
    struct t_config config;
    sp_stats_init(T_WORKERS + 2);
    t_config_load(&config, &envoy__config__cluster__v3__cluster__descriptor,
                  "name: fleet\nload_assignment: {cluster_name: x, endpoints: [{priority: 1, lb_endpoints: [{endpoint: {address: {socket_address: "
                  "{address: 10.2.0.3, port_value: 80}}}}]}]}\n");
    struct sp_cluster_build build = {.doc = config.doc, .diag = &config.diag, .n_workers = T_WORKERS, .is_local = true};
    assert_null(sp_cluster_new(&build, config.msg));
    assert_non_null(strstr(t_config_said(&config), "has priority 0 only (take this out)"));
    t_config_done(&config);
    sp_stats_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),  cmocka_unit_test(test_counters), cmocka_unit_test(test_not),        cmocka_unit_test(test_forced),
        cmocka_unit_test(test_weights), cmocka_unit_test(test_health),  cmocka_unit_test(test_fleet),      cmocka_unit_test(test_other_ways),
        cmocka_unit_test(test_errors),  cmocka_unit_test(test_no_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
