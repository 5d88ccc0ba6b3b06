/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Subsets that are balanced by hash: the same host for the same key, tables that are made anew where they have to be, and bounded. */
#include "support.h"

#include <sched.h>
#include <string.h>

#include "base/mem.h"
#include "clusters/hashed_parts.h"
#include "clusters/rehash.h"
#include "clusters/subset_lb.h"

enum { KEYS = 500 };

/* Hosts 10.0.0.1:1 and on; host i has version v<i % versions>. */
static char *yaml_of(const char *policy, unsigned n, unsigned versions)
{
    size_t size = 512 + n * 200;
    char *yaml = sp_xcalloc(1, size);
    int at = snprintf(yaml, size, "name: c\n%slb_subset_config: {fallback_policy: DEFAULT_SUBSET, default_subset: {version: v0}, "
                      "subset_selectors: [{keys: [version]}]}\nload_assignment:\n  cluster_name: c\n  endpoints:\n  - lb_endpoints:\n", policy);
    for (unsigned i = 0; i < n; i++)
        at += snprintf(yaml + at, size - (size_t)at, "    - {metadata: {filter_metadata: {envoy.lb: {version: v%u}}}, endpoint: {address: "
                       "{socket_address: {address: 10.0.0.1, port_value: %u}}}}\n", i % versions, i + 1);
    return yaml;
}

static void bed(struct t_bed *b, const char *policy, unsigned n, unsigned versions)
{
    char *yaml = yaml_of(policy, n, versions);
    t_bed_new(b, yaml);
    free(yaml);
}

/* Tables are made on a thread of their own. */
static void settle(struct t_bed *b)
{
    while (!sp_rehash_settled(b->cluster)) {
        sched_yield();
        t_step(b, 0);
    }
    t_step(b, 0);
}

static uint64_t key(uint64_t i)
{
    return (i + 1) * 0x9e3779b97f4a7c15ull;
}

/* The port that a key gets in a version; 0: nobody. */
static unsigned port_of(struct t_bed *b, unsigned worker, const char *version, uint64_t k)
{
    struct sp_arena a;
    struct sp_criterion v;
    char json[32];
    uint64_t hash = key(k);
    sp_arena_init(&a);
    snprintf(json, sizeof(json), "\"%s\"", version);
    sp_criterion_init(&v, SP_STR("version"), sp_str_c(json));
    const struct sp_host *h = sp_subset_pick(t_slot(b, worker), sp_criteria_over(&a, NULL, &v, 1), NULL, &hash);
    sp_arena_done(&a);
    return h ? h->addr.port : 0;
}

/* As a cluster of these hosts alone, on every worker. */
static void check_alike(const char *policy)
{
    struct t_bed b;
    unsigned got[KEYS];
    bed(&b, policy, 12, 3);
    for (unsigned k = 0; k < KEYS; k++) {
        got[k] = port_of(&b, 0, "v1", k);
        assert_int_equal(got[k], port_of(&b, 1, "v1", k));
        assert_int_equal(port_of(&b, 0, "v9", k), port_of(&b, 0, "v0", k)); /* the fallback */
        assert_int_equal(port_of(&b, 0, "v0", k) % 3, 1);
    }
    t_bed_free(&b);
    char yaml[2048];
    snprintf(yaml, sizeof(yaml), "name: c\n%sload_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [", policy);
    for (unsigned port = 2; port <= 11; port += 3)
        snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml), "{endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: %u}}}},", port);
    strcpy(yaml + strlen(yaml) - 1, "]}]}\n");
    t_bed_new(&b, yaml);
    for (unsigned k = 0; k < KEYS; k++) {
        uint64_t hash = key(k);
        assert_int_equal(sp_lb_pick_hashed(t_slot(&b, 0), NULL, &hash)->addr.port, got[k]);
    }
    t_bed_free(&b);
}

static void test_alike(void **state)
{
    (void)state;
    check_alike("lb_policy: RING_HASH\n");
    check_alike("lb_policy: MAGLEV\n");
}

/* A request without a hash gets any of them. */
static void test_no_hash(void **state)
{
    (void)state;
    struct t_bed b;
    unsigned seen[13] = {0};
    bed(&b, "lb_policy: MAGLEV\n", 12, 3);
    for (unsigned i = 0; i < 400; i++)
        seen[sp_subset_pick(t_slot(&b, 0), NULL, NULL, NULL)->addr.port]++;
    for (unsigned i = 1; i <= 12; i++)
        assert_true(i % 3 == 1 ? seen[i] > 40 : !seen[i]);
    t_bed_free(&b);
}

/* Of three subsets one has the host that is ill: the others' tables stay, its keys go to its others. */
static void test_health(void **state)
{
    (void)state;
    struct t_bed b;
    unsigned before[KEYS];
    bed(&b, "lb_policy: MAGLEV\n", 12, 3);
    for (unsigned k = 0; k < KEYS; k++)
        before[k] = port_of(&b, 0, "v1", k);
    struct sp_hashed *old[3], *whole = t_slot(&b, 0)->hashed;
    assert_int_equal(whole->parts->n, 3);
    for (unsigned i = 0; i < 3; i++)
        old[i] = whole->parts->v[i];
    sp_host_set_health(b.cluster, t_host(&b, 1), SP_HEALTH_FAILED_ACTIVE_HC, 0); /* port 2 */
    assert_int_equal(port_of(&b, 0, "v1", 0), before[0]);                        /* not in a request's time */
    settle(&b);
    const struct sp_hashed_parts *now = t_slot(&b, 0)->hashed->parts;
    assert_ptr_equal(now->v[0], old[0]);
    assert_ptr_not_equal(now->v[1], old[1]);
    assert_ptr_equal(now->v[2], old[2]);
    assert_ptr_equal(t_slot(&b, 1)->hashed, t_slot(&b, 0)->hashed);
    unsigned moved = 0;
    for (unsigned k = 0; k < KEYS; k++) {
        unsigned port = port_of(&b, 0, "v1", k);
        assert_true(port != 2 && port % 3 == 2);
        moved += before[k] != 2 && port != before[k];
    }
    assert_true(moved < KEYS / 20);
    sp_host_set_health(b.cluster, t_host(&b, 1), 0, SP_HEALTH_FAILED_ACTIVE_HC);
    settle(&b);
    for (unsigned k = 0; k < KEYS; k++)
        assert_int_equal(port_of(&b, 0, "v1", k), before[k]);
    t_bed_free(&b);
}

static void check_size(const char *policy, uint64_t tables, uint64_t expected)
{
    struct t_bed b;
    bed(&b, policy, 1, 1);
    struct sp_lb_config c = b.cluster->lb;
    sp_hashed_parts_shrink(&c, tables);
    assert_int_equal(c.policy == SP_LB_MAGLEV ? c.table_size : c.ring_min, expected);
    assert_true(c.ring_min <= c.ring_max);
    t_bed_free(&b);
}

static void test_sizes(void **state)
{
    (void)state;
    check_size("lb_policy: MAGLEV\n", 0, 65537);
    check_size("lb_policy: MAGLEV\n", 255, 65537);
    check_size("lb_policy: MAGLEV\n", 257, 32749);
    check_size("lb_policy: MAGLEV\nmaglev_lb_config: {table_size: 1009}\n", 10000, 1009);
    check_size("lb_policy: MAGLEV\n", 65536, 251);
    check_size("lb_policy: RING_HASH\n", 4000, 1024);
    check_size("lb_policy: RING_HASH\n", 65536, 64);
}

/* Two thousand subsets: all are there, in less than 100 MB. */
static void test_many(void **state)
{
    (void)state;
    struct t_bed b;
    enum { MANY = 2000 };
    bed(&b, "lb_policy: MAGLEV\n", 2 * MANY, MANY);
    uint64_t places = 0;
    const struct sp_hashed_parts *p = t_slot(&b, 0)->hashed->parts;
    assert_int_equal(p->n, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        assert_true(p->v[i]->levels[0].healthy.n > 1000);
        places += p->v[i]->levels[0].healthy.n;
    }
    assert_true(places * sizeof(uint32_t) < 100 << 20);
    char version[16];
    for (unsigned i = 0; i < MANY; i += 37) {
        snprintf(version, sizeof(version), "v%u", i);
        assert_int_equal((port_of(&b, 0, version, i) - 1) % MANY, i);
    }
    t_bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alike), cmocka_unit_test(test_no_hash), cmocka_unit_test(test_health),
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
