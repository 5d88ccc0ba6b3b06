/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How evenly balancers spread, by statistics: the real balancer with fixed seeds, Pearson's chi-square against the shares that
 * weights ask for, and what is moved when one of ten hosts is lost.
 */
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/hash64.h"
#include "clusters/lb.h"

enum { HOSTS = 10, PICKS = 20000, KEYS = 20000 };

/* Passed by chance once in a thousand runs, with 9 degrees of freedom; seeds are fixed, so that it is passed always or never. */
static const double CHI_9 = 27.88;
static const uint64_t seeds[] = {1, 42, 0x9e3779b97f4a7c15ull};

#define EXTENSION(name, rest) \
    "load_balancing_policy: {policies: [{typed_extension_config: {name: p, typed_config: {\"@type\": " \
    "type.googleapis.com/envoy.extensions.load_balancing_policies." name rest "}}}]}\n"

/* Ten hosts; the n-th weighs weights[n], or 1. */
static void bed(struct t_bed *b, const char *more, const unsigned *weights)
{
    char yaml[8192];
    int at = snprintf(yaml, sizeof(yaml), "name: c\n%sload_assignment:\n  cluster_name: c\n  endpoints:\n  - lb_endpoints:\n", more);
    for (unsigned i = 0; i < HOSTS; i++)
        at += snprintf(yaml + at, sizeof(yaml) - (size_t)at,
                       "    - {load_balancing_weight: %u, endpoint: {address: {socket_address: {address: 10.0.0.%u, port_value: 80}}}}\n",
                       weights ? weights[i] : 1, i + 1);
    t_bed_new(b, yaml);
}

/* The slot begins anew, at random by this seed. */
static void seed(struct t_bed *b, uint64_t x)
{
    struct sp_slot *s = t_slot(b, 0);
    s->random[0] = x;
    s->random[1] = x ^ 0xd1b54a32d192ed03ull;
    atomic_fetch_add(&b->cluster->generation, 1);
}

static double chi_square(const unsigned *seen, const double *shares, unsigned n, unsigned picks)
{
    double sum = 0;
    for (unsigned i = 0; i < n; i++) {
        double expected = shares[i] * picks;
        if (expected > 0)
            sum += (seen[i] - expected) * (seen[i] - expected) / expected;
        else
            assert_int_equal(seen[i], 0);
    }
    return sum;
}

static void shares_of(const unsigned *weights, double *ret)
{
    double sum = 0;
    for (unsigned i = 0; i < HOSTS; i++)
        sum += weights ? weights[i] : 1;
    for (unsigned i = 0; i < HOSTS; i++)
        ret[i] = (weights ? weights[i] : 1) / sum;
}

static void pick_many(struct t_bed *b, unsigned *seen, unsigned picks)
{
    memset(seen, 0, HOSTS * sizeof(*seen));
    for (unsigned i = 0; i < picks; i++)
        seen[t_at(b, sp_lb_pick(t_slot(b, 0), NULL))]++;
}

/* `least`, `most`: a spread that is too even for its policy fails too (random is not round robin). */
static void check_spread(const char *policy, const unsigned *weights, const unsigned *expected, double least, double most)
{
    struct t_bed b;
    unsigned seen[HOSTS];
    double shares[HOSTS], sum = 0;
    bed(&b, policy, weights);
    shares_of(expected, shares);
    for (size_t i = 0; i < SP_ARRAY_LEN(seeds); i++) {
        seed(&b, seeds[i]);
        pick_many(&b, seen, PICKS);
        double chi = chi_square(seen, shares, HOSTS, PICKS);
        if (chi > most)
            fail_msg("%s: chi-square is %g", policy, chi);
        sum += chi;
    }
    assert_true(sum / SP_ARRAY_LEN(seeds) >= least);
    t_bed_free(&b);
}

static const unsigned mixed[HOSTS] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, steep[HOSTS] = {100, 1, 1, 1, 1, 1, 1, 1, 1, 50};

static void test_spread(void **state)
{
    (void)state;
    check_spread("", NULL, NULL, 0, 0.01);
    check_spread("", mixed, mixed, 0, 0.1);
    check_spread("", steep, steep, 0, 0.5);
    check_spread("lb_policy: LEAST_REQUEST\n", NULL, NULL, 1, CHI_9);
    check_spread("lb_policy: LEAST_REQUEST\n", mixed, mixed, 0, 0.1);
    check_spread("lb_policy: LEAST_REQUEST\nleast_request_lb_config: {choice_count: 5}\n", NULL, NULL, 1, CHI_9);
    check_spread(EXTENSION("least_request.v3.LeastRequest", ", selection_method: FULL_SCAN"), NULL, NULL, 1, CHI_9);
    check_spread("lb_policy: RANDOM\n", NULL, NULL, 1, CHI_9);
    check_spread("lb_policy: RANDOM\n", mixed, NULL, 1, CHI_9); /* weights do not count */
}

/* --- least request: who is busy --- */

static void busy_bed(struct t_bed *b, const char *policy, const unsigned *weights)
{
    bed(b, policy, weights);
    for (unsigned i = 0; i < HOSTS; i++)
        atomic_store(&t_host(b, i)->active, (int32_t)i); /* nobody is as busy as another */
    seed(b, 7);
}

static void busy_free(struct t_bed *b)
{
    for (unsigned i = 0; i < HOSTS; i++)
        atomic_store(&t_host(b, i)->active, 0);
    t_bed_free(b);
}

/* Of k random hosts out of ten, the i-th least busy is the best with ((10 - i)^k - (9 - i)^k) / 10^k. */
static void check_choices(const char *policy, unsigned k)
{
    struct t_bed b;
    unsigned seen[HOSTS];
    double shares[HOSTS];
    busy_bed(&b, policy, NULL);
    for (unsigned i = 0; i < HOSTS; i++)
        shares[i] = (pow(10 - i, k) - pow(9 - i, k)) / pow(10, k);
    pick_many(&b, seen, PICKS);
    assert_true(chi_square(seen, shares, HOSTS, PICKS) < CHI_9);
    busy_free(&b);
}

static void test_choices(void **state)
{
    (void)state;
    check_choices("lb_policy: LEAST_REQUEST\n", 2);
    check_choices("lb_policy: LEAST_REQUEST\nleast_request_lb_config: {choice_count: 3}\n", 3);
    check_choices(EXTENSION("least_request.v3.LeastRequest", ", choice_count: 4"), 4);
    struct t_bed b;
    unsigned seen[HOSTS];
    static const char *const scans[] = {EXTENSION("least_request.v3.LeastRequest", ", selection_method: FULL_SCAN"),
                                        EXTENSION("least_request.v3.LeastRequest", ", enable_full_scan: true")};
    for (size_t i = 0; i < SP_ARRAY_LEN(scans); i++) {
        busy_bed(&b, scans[i], NULL);
        pick_many(&b, seen, 1000);
        assert_int_equal(seen[0], 1000);
        busy_free(&b);
    }
    /* More choices than there are hosts find the least busy nearly always, and do not take for ever. */
    busy_bed(&b, "lb_policy: LEAST_REQUEST\nleast_request_lb_config: {choice_count: 4000000000}\n", NULL);
    pick_many(&b, seen, 1000);
    assert_true(seen[0] > 990);
    busy_free(&b);
}

/* With different weights: weight / (requests under way + 1) ^ bias. */
static void check_bias(const char *policy, double bias)
{
    struct t_bed b;
    unsigned seen[HOSTS];
    double shares[HOSTS], sum = 0;
    busy_bed(&b, policy, mixed);
    for (unsigned i = 0; i < HOSTS; i++)
        sum += shares[i] = mixed[i] / pow(i + 1, bias);
    for (unsigned i = 0; i < HOSTS; i++)
        shares[i] /= sum;
    pick_many(&b, seen, PICKS);
    assert_true(chi_square(seen, shares, HOSTS, PICKS) < 0.2);
    busy_free(&b);
}

static void test_bias(void **state)
{
    (void)state;
    check_bias("lb_policy: LEAST_REQUEST\n", 1);
    check_bias("lb_policy: LEAST_REQUEST\nleast_request_lb_config: {active_request_bias: {default_value: 0, runtime_key: r}}\n", 0);
    check_bias("lb_policy: LEAST_REQUEST\nleast_request_lb_config: {active_request_bias: {default_value: 2, runtime_key: r}}\n", 2);
    check_bias(EXTENSION("least_request.v3.LeastRequest", ", active_request_bias: {default_value: 0.5, runtime_key: r}"), 0.5);
}

/* --- hashes --- */

static uint64_t key(unsigned i)
{
    char text[16];
    return sp_xxh64((struct sp_str){text, (size_t)snprintf(text, sizeof(text), "key%u", i)}, 0);
}

static unsigned of_key(struct t_bed *b, unsigned i)
{
    uint64_t hash = key(i);
    return t_at(b, sp_lb_pick_hashed(t_slot(b, 0), NULL, &hash));
}

static void place_all(struct t_bed *b, unsigned char *at, unsigned *seen)
{
    for (unsigned i = 0; i < 4; i++) /* new tables are made and taken */
        t_step(b, 0);
    memset(seen, 0, HOSTS * sizeof(*seen));
    for (unsigned i = 0; i < KEYS; i++)
        seen[at[i] = (unsigned char)of_key(b, i)]++;
}

/*
 * Each host gets its share of the keys, to a relative error of `off`: a ring's shares of the hash space are uneven by themselves.  When
 * one of ten is lost, ideally its keys move and no others: at most 2 points more do, and those that move go to the others by their shares.
 */
static void check_hashed(const char *policy, const unsigned *weights, double off)
{
    struct t_bed b;
    static unsigned char before[KEYS], after[KEYS];
    unsigned seen[HOSTS], now[HOSTS];
    double shares[HOSTS];
    bed(&b, policy, weights);
    shares_of(weights, shares);
    place_all(&b, before, seen);
    for (unsigned i = 0; i < HOSTS; i++)
        if (fabs(seen[i] / (shares[i] * KEYS) - 1) > off)
            fail_msg("%s: host %u has %u of %u keys, not %g", policy, i, seen[i], KEYS, shares[i] * KEYS);
    for (unsigned lost = 0; lost < HOSTS; lost += 3) {
        unsigned moved = 0;
        sp_host_set_health(b.cluster, t_host(&b, lost), SP_HEALTH_FAILED_ACTIVE_HC, 0);
        place_all(&b, after, now);
        for (unsigned i = 0; i < KEYS; i++)
            moved += before[i] != after[i];
        assert_int_equal(now[lost], 0);
        double more = 100.0 * (moved - (double)seen[lost]) / KEYS;
        if (more > 2)
            fail_msg("%s: %g points of the keys moved beyond those of the lost host", policy, more);
        for (unsigned i = 0; i < HOSTS; i++)
            if (i != lost)
                assert_true(fabs(now[i] / (shares[i] / (1 - shares[lost]) * KEYS) - 1) < off);
        sp_host_set_health(b.cluster, t_host(&b, lost), 0, SP_HEALTH_FAILED_ACTIVE_HC);
        place_all(&b, after, now);
        assert_memory_equal(before, after, sizeof(before));
    }
    t_bed_free(&b);
}

static void test_hashed(void **state)
{
    (void)state;
    check_hashed("lb_policy: MAGLEV\n", NULL, 0.1);
    check_hashed("lb_policy: MAGLEV\n", mixed, 0.15);
    check_hashed("lb_policy: RING_HASH\nring_hash_lb_config: {minimum_ring_size: 20000}\n", NULL, 0.15);
    check_hashed("lb_policy: RING_HASH\nring_hash_lb_config: {minimum_ring_size: 20000, hash_function: MURMUR_HASH_2}\n", mixed, 0.25);
    /* The default size is too small for even shares, not for few keys that move. */
    check_hashed("lb_policy: RING_HASH\n", NULL, 0.5);
}

/* hash_balance_factor: nobody gets more than its part, however the keys fall; who has room gets its keys. */
static void test_balanced(void **state)
{
    (void)state;
    struct t_bed b;
    enum { MANY = 200 };
    bed(&b, "lb_policy: RING_HASH\ncommon_lb_config: {consistent_hashing_lb_config: {hash_balance_factor: 120}}\n", NULL);
    struct sp_cluster *c = b.cluster;
    uint64_t hash = key(1);
    struct sp_host *first = sp_lb_pick_hashed(t_slot(&b, 0), NULL, &hash), *second = NULL;
    for (unsigned i = 0; i < MANY; i++) { /* all with one key, and none of them ends */
        struct sp_host *h = sp_lb_pick_hashed(t_slot(&b, 0), NULL, &hash);
        if (i == 0)
            assert_ptr_equal(h, first);
        second = second || h == first ? second : h;
        atomic_fetch_add(&h->active, 1);
        sp_gauge_inc(c->stats.upstream_rq_active);
        for (unsigned k = 0; k < HOSTS; k++) /* 120 % of the average, rounded up; one that has just that gets one more */
            assert_true(atomic_load(&t_host(&b, k)->active) <= ceil(((i + 1) * 120 + 99) / 100 / 10.0) + 1);
    }
    assert_non_null(second);
    atomic_store(&first->active, 0); /* there is room again */
    assert_ptr_equal(sp_lb_pick_hashed(t_slot(&b, 0), NULL, &hash), first);
    for (unsigned k = 0; k < HOSTS; k++) /* all are full: the least full one is taken */
        atomic_store(&t_host(&b, k)->active, k == 7 ? 1000 : 2000);
    assert_int_equal(t_at(&b, sp_lb_pick_hashed(t_slot(&b, 0), NULL, &hash)), 7);
    for (unsigned k = 0; k < HOSTS; k++)
        atomic_store(&t_host(&b, k)->active, 0);
    sp_gauge_add(c->stats.upstream_rq_active, -MANY);
    t_bed_free(&b);
}

/* --- priorities --- */

static void test_shares(void **state)
{
    (void)state;
    struct t_bed b;
    unsigned seen[HOSTS];
    char more[1024];
    /* Two priorities of five; three of the first are ill: 40 % * 1.4 = 56 % stay. */
    snprintf(more, sizeof(more), "name: c\nload_assignment:\n  cluster_name: c\n  endpoints:\n");
    char yaml[4096];
    int at = snprintf(yaml, sizeof(yaml), "%s", more);
    for (unsigned i = 0; i < HOSTS; i++)
        at += snprintf(yaml + at, sizeof(yaml) - (size_t)at,
                       "  - {priority: %u, lb_endpoints: [{load_balancing_weight: %u, endpoint: {address: {socket_address: {address: "
                       "10.0.0.%u, port_value: 80}}}}]}\n", i / 5, i == 0 ? 6 : 1, i + 1);
    char *policy = yaml + at;
    static const struct {
        const char *policy;
        double stay;
    } cases[] = {{"", 0.56}, {"  policy: {overprovisioning_factor: 100}\n", 0.4}, {"  policy: {overprovisioning_factor: 200}\n", 0.8},
                 {"  policy: {overprovisioning_factor: 100, weighted_priority_health: true}\n", 0.2}};
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        strcpy(policy, cases[i].policy);
        t_bed_new(&b, yaml);
        for (unsigned k = 0; k < 3; k++)
            sp_host_set_health(b.cluster, t_host(&b, k), SP_HEALTH_FAILED_ACTIVE_HC, 0);
        seed(&b, 11);
        pick_many(&b, seen, PICKS);
        unsigned halves[2] = {seen[3] + seen[4], PICKS - seen[3] - seen[4]};
        assert_int_equal(seen[0] + seen[1] + seen[2], 0);
        double shares[2] = {cases[i].stay, 1 - cases[i].stay}, chi = chi_square(halves, shares, 2, PICKS);
        if (chi > 10.83) /* 1 degree of freedom, once in a thousand */
            fail_msg("%s: %u of %u stay, chi-square %g", cases[i].policy, halves[0], PICKS, chi);
        t_bed_free(&b);
    }
}

/* --- slow start --- */

#define SLOW(aggression) \
    "{slow_start_window: 10s, aggression: {default_value: " aggression ", runtime_key: r}, min_weight_percent: {value: 20}}"

/* Host 4 comes back to life; how many of 10 + 9 * factor requests it gets `ms` later. */
static void check_slow(struct t_bed *b, unsigned ms, double factor)
{
    unsigned seen[HOSTS];
    double shares[HOSTS];
    t_step(b, ms);
    atomic_fetch_add(&b->cluster->generation, 1);
    for (unsigned i = 0; i < HOSTS; i++)
        shares[i] = (i == 4 ? factor : 1) / (9 + factor);
    pick_many(b, seen, PICKS);
    double chi = chi_square(seen, shares, HOSTS, PICKS);
    if (chi > 0.2)
        fail_msg("%u ms: host 4 got %u of %u, not %g (chi-square %g)", ms, seen[4], PICKS, shares[4] * PICKS, chi);
}

static void slow_bed(struct t_bed *b, const char *policy)
{
    bed(b, policy, NULL);
    t_step(b, 60000);
    sp_host_set_health(b->cluster, t_host(b, 4), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    t_step(b, 60000);
    sp_host_set_health(b->cluster, t_host(b, 4), 0, SP_HEALTH_FAILED_ACTIVE_HC);
    seed(b, 3);
}

static void test_slow_start(void **state)
{
    (void)state;
    struct t_bed b;
    static const char *const policies[] = {"round_robin_lb_config: {slow_start_config: " SLOW("1") "}\n",
                                           "lb_policy: LEAST_REQUEST\nleast_request_lb_config: {slow_start_config: " SLOW("1") "}\n",
                                           EXTENSION("round_robin.v3.RoundRobin", ", slow_start_config: " SLOW("1")),
                                           EXTENSION("least_request.v3.LeastRequest", ", slow_start_config: " SLOW("1"))};
    for (size_t i = 0; i < SP_ARRAY_LEN(policies); i++) {
        slow_bed(&b, policies[i]);
        check_slow(&b, 0, 0.2); /* the least */
        check_slow(&b, 5000, 0.5);
        check_slow(&b, 4000, 0.9);
        t_step(&b, 1500); /* without a change of health, too */
        unsigned seen[HOSTS];
        pick_many(&b, seen, PICKS);
        assert_in_range(seen[4], PICKS / HOSTS * 9 / 10, PICKS / HOSTS * 11 / 10);
        t_bed_free(&b);
    }
    slow_bed(&b, "round_robin_lb_config: {slow_start_config: " SLOW("2") "}\n"); /* (1/4) ^ (1/2) */
    check_slow(&b, 2500, 0.5);
    t_bed_free(&b);
    slow_bed(&b, "round_robin_lb_config: {slow_start_config: " SLOW("0.5") "}\n"); /* (1/2) ^ 2 */
    check_slow(&b, 5000, 0.25);
    t_bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spread), cmocka_unit_test(test_choices), cmocka_unit_test(test_bias),
        cmocka_unit_test(test_hashed), cmocka_unit_test(test_balanced), cmocka_unit_test(test_shares),  cmocka_unit_test(test_slow_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
