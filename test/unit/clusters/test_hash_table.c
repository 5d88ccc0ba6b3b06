/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hashes against published values, and hosts that are taken by hash. */
#include "support.h"

#include "base/hash64.h"
#include "clusters/lb.h"

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
    for (unsigned i = 0; i < KEYS; i++) {
        unsigned now = of_key(&b, 0, i);
        assert_int_not_equal(now, 2);
        moved += before[i] != 2 && now != before[i];
    }
    assert_true(moved <= most_moved);
    sp_host_set_health(b.cluster, t_host(&b, 2), 0, SP_HEALTH_FAILED_ACTIVE_HC);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_without_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
