/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Histograms: how right their quantiles are, over threads and over flushes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/registry.h"

enum { THREADS = 3 };

static int setup(void **state)
{
    sp_stats_init(THREADS);
    return 0;
}

static int teardown(void **state)
{
    sp_stats_done();
    sp_buf_thread_done();
    return 0;
}

static void sum_of(const char *name, struct sp_hist_sum *ret)
{
    struct sp_str full = sp_str_c(name);
    pthread_mutex_lock(&sp_registry.lock);
    struct sp_stat *s = sp_stat_find(sp_name_hash(sp_name_seed(), full), &(struct sp_full_name){SP_STR(""), full});
    assert_non_null(s);
    sp_stat_hist(s, ret);
    pthread_mutex_unlock(&sp_registry.lock);
}

static void buckets_hold_their_values(void **state)
{
    for (unsigned b = 0; b + 1 < SP_HIST_BUCKETS; b++) {
        assert_int_equal(sp_hist_bucket(sp_hist_floor(b)), b);
        assert_int_equal(sp_hist_bucket(sp_hist_floor(b + 1) - 1), b);
        assert_int_equal(sp_hist_floor(b) + sp_hist_width(b), sp_hist_floor(b + 1));
        assert_true(b < SP_HIST_SUB || (double)sp_hist_width(b) / (double)sp_hist_floor(b) <= 1. / SP_HIST_SUB);
    }
    assert_int_equal(sp_hist_floor(SP_HIST_BUCKETS - 1) + sp_hist_width(SP_HIST_BUCKETS - 1), UINT64_C(1) << 52);
    assert_int_equal(sp_hist_bucket(UINT64_C(1) << 52), SP_HIST_BUCKETS - 1);
    assert_int_equal(sp_hist_bucket(UINT64_MAX), SP_HIST_BUCKETS - 1);
}

static uint64_t seed = 88172645463325252u;
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Nanoseconds between 1 us and 100 s, alike over magnitudes. */
static uint64_t any_time(void)
{
    return (uint64_t)(1000 * pow(10, 8 * ((double)(next_random() >> 11) / 9007199254740992.0)));
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double exact(const uint64_t *sorted, size_t n, double share)
{
    size_t rank = (size_t)ceil(share * (double)n);
    return (double)sorted[rank ? rank - 1 : 0];
}

static void is_right(const struct sp_hist_sum *h, uint64_t *values, size_t n)
{
    double shares[1001], got[1001];
    qsort(values, n, sizeof(*values), by_value);
    for (int i = 0; i <= 1000; i++)
        shares[i] = i / 1000.;
    sp_hist_quantiles(h, shares, 1001, got);
    for (int i = 0; i <= 1000; i++) {
        double want = exact(values, n, shares[i]);
        if (fabs(got[i] - want) > want * 0.01)
            fail_msg("P%g of %zu values: %.10g for %.10g", shares[i] * 100, n, got[i], want);
    }
}

static void quantiles_within_one_percent(void **state)
{
    enum { MOST = 20000 };
    uint64_t *values = sp_xcalloc(MOST, sizeof(*values));
    struct sp_hist_sum *sum = sp_xcalloc(1, sizeof(*sum));
    for (unsigned round = 0; round < 12; round++) {
        char name[16];
        snprintf(name, sizeof(name), "t%u", round);
        struct sp_timing t = sp_stats_timing(sp_stats_root(), sp_str_c(name));
        size_t n = round ? next_random() % MOST + 1 : 1;
        uint64_t middle = any_time(), total_us = 0;
        for (size_t i = 0; i < n; i++) { /* over all, or close to each other */
            values[i] = round % 2 ? any_time() : middle + next_random() % (middle / 8 + 1);
            sp_timing_record(t, values[i]);
            total_us += (values[i] + 500) / 1000;
        }
        sum_of(name, sum);
        assert_int_equal(sum->n, n);
        assert_int_equal(sum->sum, total_us);
        is_right(sum, values, n);
    }
    free(sum);
    free(values);
}

struct thread {
    pthread_t id;
    unsigned index;
    struct sp_timing t;
    uint64_t *values;
    size_t n;
    _Atomic bool *stop;
};

static void *record_all(void *arg)
{
    struct thread *x = arg;
    sp_stats_thread(x->index);
    for (size_t i = 0; i < x->n; i++)
        sp_timing_record(x->t, x->values[i]);
    return NULL;
}

static void merged_over_threads(void **state)
{
    enum { EACH = 5000 };
    uint64_t *values = sp_xcalloc(THREADS * EACH, sizeof(*values));
    struct sp_hist_sum *sum = sp_xcalloc(1, sizeof(*sum));
    struct thread threads[THREADS];
    struct sp_timing t = sp_stats_timing(sp_stats_root(), SP_STR("t"));
    for (size_t i = 0; i < THREADS * EACH; i++)
        values[i] = any_time() >> i / EACH; /* each another range */
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = (struct thread){.index = i + 1, .t = t, .values = values + (size_t)i * EACH, .n = EACH};
        pthread_create(&threads[i].id, NULL, record_all, &threads[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i].id, NULL);
    sum_of("t", sum);
    assert_int_equal(sum->n, THREADS * EACH);
    is_right(sum, values, THREADS * EACH);
    free(sum);
    free(values);
}

/* For the thread sanitizer: recording, flushing and reading at once; and no value is counted twice or lost. */
static void *record_until(void *arg)
{
    struct thread *x = arg;
    uint64_t v = x->index;
    sp_stats_thread(x->index);
    for (; !atomic_load(x->stop); x->n++)
        sp_timing_record(x->t, v = (v * 6364136223846793005u + 1) >> 20);
    return NULL;
}

static void flush(void)
{
    sp_stats_flush_begin();
    while (sp_stats_flush_step()) {
    }
}

static void recorded_while_read(void **state)
{
    _Atomic bool stop = false;
    struct thread threads[THREADS];
    struct sp_hist_sum *sum = sp_xcalloc(1, sizeof(*sum));
    struct sp_timing t = sp_stats_timing(sp_stats_root(), SP_STR("t"));
    struct sp_stat *s = sp_registry.hists.v[0];
    uint64_t intervals = 0, before = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = (struct thread){.index = i + 1, .t = t, .stop = &stop};
        pthread_create(&threads[i].id, NULL, record_until, &threads[i]);
    }
    for (unsigned i = 0; i < 200 || before < 1000; i++) { /* threads may begin late */
        flush();
        intervals += s->u.kept ? s->u.kept->some_n : 0;
        sum_of("t", sum);
        assert_true(sum->n >= before);
        before = sum->n;
    }
    atomic_store(&stop, true);
    uint64_t n = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i].id, NULL);
        n += threads[i].n;
    }
    flush();
    intervals += s->u.kept->some_n;
    sum_of("t", sum);
    assert_int_equal(sum->n, n);
    assert_int_equal(intervals, n);
    free(sum);
}

static void intervals(void **state)
{
    struct sp_histogram h = sp_stats_histogram(sp_stats_root(), SP_STR("h"));
    struct sp_stat *s = sp_registry.hists.v[0];
    struct sp_hist_sum *sum = sp_xcalloc(1, sizeof(*sum));
    flush();
    assert_null(s->u.kept);
    sp_histogram_record(h, 7);
    sp_histogram_record(h, 1000000);
    flush();
    sp_histogram_record(h, 7);
    sp_histogram_record(h, 9);
    sp_hist_sum_of_kept(sum, s->u.kept); /* what comes after the flush is not of it */
    assert_int_equal(sum->n, 2);
    assert_int_equal(sum->sum, 1000007);
    flush();
    sp_hist_sum_of_kept(sum, s->u.kept);
    assert_int_equal(sum->n, 2);
    assert_int_equal(sum->sum, 16);
    double q[2];
    sp_hist_quantiles(sum, (double[]){0, 1}, 2, q);
    assert_true(q[0] == 7 && q[1] == 9);
    flush();
    sp_hist_sum_of_kept(sum, s->u.kept);
    assert_int_equal(sum->n, 0);
    free(sum);
}

/* One that was never made, and a name that is another kind: nothing happens. */
static void none(void **state)
{
    sp_histogram_record((struct sp_histogram){0}, 5);
    sp_timing_record((struct sp_timing){0}, 5);
    sp_stats_histogram(sp_stats_root(), SP_STR("h"));
    assert_int_equal(sp_stats_timing(sp_stats_root(), SP_STR("h")).cell, 0);
    assert_int_equal(sp_stats_counter(sp_stats_root(), SP_STR("h")).cell, 0);
}

static void counts_under_bounds(void **state)
{
    struct sp_histogram h = sp_stats_histogram(sp_stats_root(), SP_STR("h"));
    struct sp_hist_sum *sum = sp_xcalloc(1, sizeof(*sum));
    const uint64_t values[] = {0, 1, 5, 5, 6, 100, 40000, UINT64_MAX};
    for (unsigned i = 0; i < SP_ARRAY_LEN(values); i++)
        sp_histogram_record(h, values[i]);
    uint64_t got[5];
    sum_of("h", sum);
    sp_hist_below(sum, (double[]){0.5, 5, 99, 100, 1e6}, 5, got);
    const uint64_t want[] = {1, 4, 5, 6, 7};
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(got[i], want[i]);
    free(sum);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(buckets_hold_their_values), T(quantiles_within_one_percent), T(merged_over_threads), T(recorded_while_read),
        T(intervals), T(none), T(counts_under_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
