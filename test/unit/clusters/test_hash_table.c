/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hashes against published values, and hosts that are taken by hash. */
#include "support.h"

#include "base/hash64.h"
#include "clusters/hashed.h"
#include "clusters/lb.h"
#include "clusters/publish.h"
#include "clusters/rehash.h"

enum { KEYS = 2000 };

static void test_hashes(void **state)
{
    (void)state;
    assert_int_equal(sp_xxh64(SP_STR(""), 0), 0xef46db3751d8e999ull);
    assert_int_equal(sp_xxh64(SP_STR("a"), 0), 0xd24ec4f1a98c6e5bull);
    assert_int_equal(sp_xxh64(SP_STR("abc"), 0), 0x44bc2cf5ad770999ull);
    assert_int_equal(sp_xxh64(SP_STR("Nobody inspects the spammish repetition"), 0), 0xfbcea83c8a378bf1ull);
    assert_int_equal(sp_murmur64(SP_STR(""), 0), 0);
}

static uint64_t key(unsigned i)
{
    char text[16];
    return sp_xxh64((struct sp_str){text, (size_t)snprintf(text, sizeof(text), "key%u", i)}, 0);
}

/* The prober hears of it, has tables made and gets them; the workers get them. */
static void settle(struct t_bed *b)
{
    for (unsigned i = 0; i < 3; i++)
        t_step(b, 0);
    assert_true(sp_rehash_settled(b->cluster));
}

static unsigned of_key(struct t_bed *b, unsigned worker, unsigned i)
{
    uint64_t hash = key(i);
    return t_at(b, sp_lb_pick_hashed(t_slot(b, worker), NULL, &hash));
}

/* Every worker sends a key to the same host; a host that is lost moves its own keys, and not many others
 * (the ring gives the hosts that stay more places, so that it has its minimum).  */
static void check_steady(const char *policy, unsigned most_moved)
{
    struct t_bed b;
    unsigned before[KEYS], seen[5] = {0}, moved = 0;
    t_bed_hosts(&b, 5, policy);
    for (unsigned i = 0; i < KEYS; i++) {
        seen[before[i] = of_key(&b, 0, i)]++;
        assert_int_equal(of_key(&b, 1, i), before[i]);
    }
    for (unsigned i = 0; i < 5; i++)
        assert_true(seen[i] > KEYS / 10 && seen[i] < KEYS * 3 / 10);
    sp_host_set_health(b.cluster, t_host(&b, 2), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    settle(&b);
    for (unsigned i = 0; i < KEYS; i++) {
        unsigned now = of_key(&b, 0, i);
        assert_int_not_equal(now, 2);
        moved += before[i] != 2 && now != before[i];
    }
    assert_true(moved <= most_moved);
    sp_host_set_health(b.cluster, t_host(&b, 2), 0, SP_HEALTH_FAILED_ACTIVE_HC);
    settle(&b);
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(of_key(&b, 0, i), before[i]);
    t_bed_free(&b);
}

static void test_steady(void **state)
{
    (void)state;
    check_steady("lb_policy: RING_HASH\n", KEYS / 4);
    check_steady("lb_policy: RING_HASH\nring_hash_lb_config: {hash_function: MURMUR_HASH_2, minimum_ring_size: 2048}\n", KEYS / 4);
    check_steady("lb_policy: MAGLEV\n", KEYS / 10);
}

static void test_without_hash(void **state)
{
    (void)state;
    struct t_bed b;
    unsigned seen[3] = {0};
    uint64_t hash = key(1);
    t_bed_hosts(&b, 3, "lb_policy: MAGLEV\nmaglev_lb_config: {table_size: 1009}\n");
    for (unsigned i = 0; i < 600; i++)
        seen[t_at(&b, sp_lb_pick(t_slot(&b, 0), NULL))]++;
    for (unsigned i = 0; i < 3; i++)
        assert_true(seen[i] > 100);
    struct sp_host *first = sp_lb_pick_hashed(t_slot(&b, 0), NULL, &hash);
    assert_ptr_not_equal(sp_lb_pick_hashed(t_slot(&b, 0), first, &hash), first);
    t_bed_free(&b);
}

static const char maglev[] = "lb_policy: MAGLEV\nmaglev_lb_config: {table_size: 1009}\n";

/* No request makes tables: the ones before serve until others were made, once for however many changes. */
static void test_beside_requests(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 4, maglev);
    struct sp_hashed *first = t_slot(&b, 0)->hashed;
    assert_ptr_equal(t_slot(&b, 1)->hashed, first); /* one for all */
    assert_true(sp_rehash_settled(b.cluster));
    for (unsigned i = 0; i < 3; i++)
        sp_host_set_health(b.cluster, t_host(&b, i), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    sp_host_set_health(b.cluster, t_host(&b, 0), 0, SP_HEALTH_FAILED_ACTIVE_HC);
    assert_false(sp_rehash_settled(b.cluster));
    assert_false(sp_cluster_warm(b.cluster));
    unsigned gone = 0;
    for (unsigned i = 0; i < 100; i++)
        gone += of_key(&b, 0, i) == 1;
    assert_true(gone > 0);
    assert_ptr_equal(t_slot(&b, 0)->hashed, first);
    settle(&b);
    assert_true(sp_cluster_warm(b.cluster));
    assert_ptr_equal(t_slot(&b, 1)->hashed, t_slot(&b, 0)->hashed);
    assert_ptr_not_equal(t_slot(&b, 0)->hashed, first);
    assert_int_equal(t_slot(&b, 0)->hashed->generation, 4); /* of all changes */
    for (unsigned i = 0; i < 100; i++) {
        unsigned at = of_key(&b, 0, i);
        assert_true(at == 0 || at == 3);
    }
    /* A change while tables are made: they are made again. */
    struct sp_hashed *second = t_slot(&b, 0)->hashed;
    sp_host_set_health(b.cluster, t_host(&b, 3), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    t_step(&b, 0); /* made, but not yet taken */
    sp_host_set_health(b.cluster, t_host(&b, 2), 0, SP_HEALTH_FAILED_ACTIVE_HC);
    assert_ptr_equal(t_slot(&b, 0)->hashed, second);
    settle(&b);
    t_step(&b, 0);
    for (unsigned i = 0; i < 100; i++) {
        unsigned at = of_key(&b, 0, i);
        assert_true(at == 0 || at == 2);
    }
    t_bed_free(&b);
}

/* Hosts come with their tables: until then the ones before serve, whole. */
static void test_other_hosts(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 2, maglev);
    struct sp_host_set *s = sp_host_set_new();
    for (unsigned i = 0; i < 3; i++) {
        struct sp_endpoint *e = sp_host_set_add(s);
        assert_int_equal(sp_addr_parse_ip(SP_STR("127.0.0.1"), &e->addr), 0);
        e->addr.port = (uint16_t)(11 + i);
    }
    sp_host_set_close(s);
    sp_hosts_publish(b.cluster, s);
    uint64_t hash = key(1);
    assert_true(sp_lb_pick_hashed(t_slot(&b, 0), NULL, &hash)->addr.port <= 2);
    assert_int_equal(t_slot(&b, 0)->hosts->n, 2);
    settle(&b);
    assert_ptr_equal(t_slot(&b, 0)->hosts, s);
    unsigned seen[3] = {0};
    for (unsigned i = 0; i < 300; i++)
        seen[of_key(&b, 0, i)]++;
    for (unsigned i = 0; i < 3; i++)
        assert_true(seen[i] > 30);
    /* A stop while tables are made. */
    sp_host_set_health(b.cluster, t_host(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    t_step(&b, 0);
    sp_cluster_stop(b.cluster);
    t_step(&b, 0);
    assert_int_equal(t_slot(&b, 0)->hashed->generation, 1);
    sp_cluster_start(b.cluster, &b.workers[T_WORKERS]); /* it has missed something */
    settle(&b);
    for (unsigned i = 0; i < 100; i++)
        assert_int_not_equal(of_key(&b, 0, i), 0);
    t_bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_without_hash),
        cmocka_unit_test(test_beside_requests),
        cmocka_unit_test(test_other_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
