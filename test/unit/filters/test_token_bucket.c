/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Token buckets: how tokens go and come back, threads that take at once, and the table's rule when it is full. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/arena.h"
#include "event/turn.h"
#include "filters/token_bucket.h"
#include "support/config.h"

#define DESC &envoy__type__v3__token_bucket__descriptor
#define NOW (3 * SP_NS_PER_S) /* a machine that has just started */

static struct sp_token_rate rate(const char *yaml)
{
    struct t_config c;
    struct sp_token_rate r;
    t_config_load(&c, DESC, yaml);
    assert_true(sp_token_rate_init(&r, c.doc, &c.diag, c.msg));
    t_config_done(&c);
    return r;
}

static unsigned drain(const struct sp_token_rate *r, sp_token_word *word, uint64_t now_ns)
{
    struct sp_token_left left;
    unsigned n = 0;
    while (sp_token_take(r, word, now_ns, &left))
        n++;
    return n;
}

static void begins_full_and_fills_evenly(void **state)
{
    struct sp_token_rate r = rate("{max_tokens: 5, tokens_per_fill: 2, fill_interval: 1s}");
    sp_token_word word = 0;
    struct sp_token_left left;
    assert_true(sp_token_take(&r, &word, NOW, &left));
    assert_int_equal(left.tokens, 4);
    assert_int_equal(left.reset_s, 0);
    assert_int_equal(drain(&r, &word, NOW), 4);
    assert_false(sp_token_take(&r, &word, NOW, &left));
    assert_int_equal(left.tokens, 0);
    assert_int_equal(left.reset_s, 1);
    assert_int_equal(drain(&r, &word, NOW + 490 * SP_NS_PER_MS), 0);
    assert_int_equal(drain(&r, &word, NOW + 500 * SP_NS_PER_MS), 1);
    assert_int_equal(drain(&r, &word, NOW + 1490 * SP_NS_PER_MS), 1);
    /* and never more than it holds */
    assert_int_equal(drain(&r, &word, NOW + 3600 * SP_NS_PER_S), 5);
    /* a clock of another worker that is a little behind takes nothing away, and gives nothing beyond what there is */
    word = 0;
    assert_true(sp_token_take(&r, &word, NOW, &left));
    assert_int_equal(drain(&r, &word, NOW - 4 * SP_NS_PER_MS), 4);
    word = 0;
    assert_int_equal(drain(&r, &word, NOW + 3600 * SP_NS_PER_S), 5);
    assert_int_equal(drain(&r, &word, NOW + 3599 * SP_NS_PER_S), 0);
}

static void odd_rates(void **state)
{
    struct sp_token_rate r = rate("{max_tokens: 3, tokens_per_fill: 3, fill_interval: 1s}");
    sp_token_word word = 0;
    assert_int_equal(drain(&r, &word, NOW), 3);
    unsigned n = 0;
    for (unsigned s = 1; s <= 1000; s++)
        n += drain(&r, &word, NOW + s * SP_NS_PER_S);
    assert_in_range(n, 2999, 3000); /* a third of a second is no whole number of anything */
    r = rate("{max_tokens: 4294967295, tokens_per_fill: 4294967295, fill_interval: 0.05s}");
    word = 0;
    struct sp_token_left left;
    assert_true(sp_token_take(&r, &word, NOW, &left));
    assert_true(left.tokens >= 4294967293);
    struct t_config c;
    t_config_load(&c, DESC, "{max_tokens: 10000, fill_interval: 86400s}");
    assert_false(sp_token_rate_init(&r, c.doc, &c.diag, c.msg));
    assert_non_null(strstr(t_config_said(&c), "would take more than four years to fill"));
    t_config_done(&c);
}

struct taker {
    pthread_t thread;
    const struct sp_token_rate *rate;
    struct sp_token_table *table;
    sp_token_word *word;
    unsigned got;
};

static void *take_all(void *arg)
{
    struct taker *t = arg;
    bool over;
    struct sp_token_left left;
    for (unsigned i = 0; i < 2000; i++) {
        sp_token_word *w = t->word ? t->word : sp_token_table_get(t->table, SP_STR("client"), NOW, &over);
        t->got += sp_token_take(t->rate, w, NOW, &left);
    }
    return NULL;
}

static void threads_share(void **state)
{
    struct sp_token_rate r = rate("{max_tokens: 1000, fill_interval: 3600s}");
    sp_token_word word = 0;
    for (int by_key = 0; by_key < 2; by_key++) {
        struct taker t[4] = {0};
        struct sp_token_table *table = sp_token_table_new(8);
        unsigned got = 0;
        for (unsigned i = 0; i < 4; i++) {
            t[i] = (struct taker){.rate = &r, .table = table, .word = by_key ? NULL : &word};
            assert_int_equal(pthread_create(&t[i].thread, NULL, take_all, &t[i]), 0);
        }
        for (unsigned i = 0; i < 4; i++) {
            pthread_join(t[i].thread, NULL);
            got += t[i].got;
        }
        assert_int_equal(got, 1000);
        sp_token_table_free(table);
    }
}

static struct sp_str key(char room[static 16], unsigned i)
{
    return sp_str_n(room, (size_t)snprintf(room, 16, "10.0.%u.%u", i / 256, i % 256));
}

static void keys_have_their_own(void **state)
{
    struct sp_token_rate r = rate("{max_tokens: 2, fill_interval: 3600s}");
    struct sp_token_table *t = sp_token_table_new(1000);
    char room[16];
    bool over;
    assert_int_equal(sp_token_table_size(t), 1024);
    for (unsigned i = 0; i < 100; i++) /* far from full: nobody meets anybody */
        assert_int_equal(drain(&r, sp_token_table_get(t, key(room, i), NOW, &over), NOW), 2);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(drain(&r, sp_token_table_get(t, key(room, i), NOW, &over), NOW), 0);
    sp_token_table_free(t);
}

/* However many keys come, together they get what the buckets hold and no more; later the buckets are free again. */
static void full_table_is_no_way_out(void **state)
{
    struct sp_token_rate r = rate("{max_tokens: 2, fill_interval: 10s}");
    struct sp_token_table *t = sp_token_table_new(16);
    char room[16];
    unsigned got = 0, overs = 0;
    bool over;
    for (unsigned i = 0; i < 5000; i++) {
        got += drain(&r, sp_token_table_get(t, key(room, i), NOW, &over), NOW);
        overs += over;
    }
    assert_int_equal(got, 16 * 2);
    assert_int_equal(overs, 5000 - 16);
    for (unsigned i = 0; i < 5000; i++) /* nobody is better off by coming back */
        got += drain(&r, sp_token_table_get(t, key(room, i), NOW, &over), NOW);
    assert_int_equal(got, 16 * 2);
    uint64_t later = NOW + 20 * SP_NS_PER_S;
    assert_int_equal(drain(&r, sp_token_table_get(t, key(room, 7777), later, &over), later), 2);
    assert_false(over);
    sp_token_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_full_and_fills_evenly), cmocka_unit_test(odd_rates),
        cmocka_unit_test(threads_share),                cmocka_unit_test(keys_have_their_own),
        cmocka_unit_test(full_table_is_no_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
