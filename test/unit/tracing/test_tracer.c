/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Spans as bytes, and batches: when they go, what is dropped, and who frees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tracing/tracer.h"

/* --- bytes --- */

static void is_bytes(const struct sp_otlp *o, const char *wanted, size_t n)
{
    assert_int_equal(o->len, n);
    assert_memory_equal(o->p, wanted, n);
}
#define IS(o, lit) is_bytes(o, lit, sizeof(lit) - 1)

static void test_bytes(void **state)
{
    (void)state;
    const struct sp_trace_ctx ctx = {{0x0102030405060708ull, 0x090a0b0c0d0e0f10ull}, 0x1112131415161718ull, SP_STR_NULL, true};
    struct sp_attrs attrs = {.n = 0};
    struct sp_otlp o = {0};
    sp_attrs_str(&attrs, SP_STR("k"), SP_STR("v"));
    const struct sp_span_data span = {.ctx = &ctx, .parent = 0x21, .name = SP_STR("n"), .kind = SP_SPAN_SERVER, .start_ns = 1, .end_ns = 2,
                                      .attrs = &attrs, .error = true, .remote = true};
    sp_otlp_span(&o, &span);
    IS(&o, "\x12\x51"
           "\x0a\x10\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"
           "\x12\x08\x11\x12\x13\x14\x15\x16\x17\x18"
           "\x22\x08\0\0\0\0\0\0\0\x21"
           "\x2a\x01n\x30\x02"
           "\x39\x01\0\0\0\0\0\0\0\x41\x02\0\0\0\0\0\0\0"
           "\x4a\x08\x0a\x01k\x12\x03\x0a\x01v"
           "\x7a\x02\x18\x02"
           "\x85\x01\x01\x03\0\0");
    sp_otlp_done(&o);
    sp_otlp_resource(&o, &attrs);
    IS(&o, "\x0a\x0a\x0a\x08\x0a\x01k\x12\x03\x0a\x01v");
    struct sp_otlp all = {0};
    sp_otlp_request(&all, sp_str_n(o.p, o.len), SP_STR("\x0a\x01s"), SP_STR("\x12\x01x"));
    IS(&all, "\x0a\x14\x0a\x0a\x0a\x08\x0a\x01k\x12\x03\x0a\x01v\x12\x06\x0a\x01s\x12\x01x");
    sp_otlp_done(&o);
    sp_otlp_done(&all);
}

/* A collector refuses a whole message for one text that is no UTF-8. */
static void test_texts(void **state)
{
    (void)state;
    struct sp_otlp o = {0};
    sp_otlp_scope(&o, SP_STR("a\xff\xc3\xa4\xc3"), SP_STR_NULL);
    IS(&o, "\x0a\x0b\x0a\x09" "a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd");
    sp_otlp_done(&o);
    char *big = sp_xmalloc(100000);
    memset(big, 'x', 100000);
    sp_otlp_scope(&o, sp_str_n(big, 100000), SP_STR_NULL);
    assert_int_equal(o.len, SP_OTLP_TEXT_MAX + 3 + 3);
    sp_otlp_done(&o);
    free(big);
}

static void test_attributes(void **state)
{
    (void)state;
    struct sp_attrs a = {.n = 0};
    sp_attrs_str(&a, SP_STR("a"), SP_STR("1"));
    sp_attrs_str(&a, SP_STR("b"), SP_STR("2"));
    sp_attrs_str(&a, SP_STR("a"), SP_STR("3"));
    assert_int_equal(a.n, 2);
    assert_true(sp_str_eq(a.v[0].str, SP_STR("3")));
    char names[2 * SP_ATTRS_MAX];
    for (unsigned i = 0; i < 2 * SP_ATTRS_MAX; i++) {
        names[i] = (char)(1 + i % 127);
        sp_attrs_str(&a, sp_str_n(names, i + 1), SP_STR("x"));
    }
    assert_int_equal(a.n, SP_ATTRS_MAX);
    struct sp_attrs kinds = {.v = {{.key = SP_STR("i"), .kind = SP_ATTR_INT, .num = -1}, {.key = SP_STR("d"), .kind = SP_ATTR_DOUBLE, .real = 1},
                                   {.key = SP_STR("t"), .kind = SP_ATTR_BOOL, .num = 1}}, .n = 3};
    struct sp_otlp o = {0};
    sp_otlp_resource(&o, &kinds);
    IS(&o, "\x0a\x2b"
           "\x0a\x10\x0a\x01i\x12\x0b\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
           "\x0a\x0e\x0a\x01" "d\x12\x09\x21\0\0\0\0\0\0\xf0\x3f"
           "\x0a\x07\x0a\x01t\x12\x02\x10\x01");
    sp_otlp_done(&o);
}

/* --- batches --- */

static unsigned sends, frees, last_n;
static size_t last_len;
static bool takes;
static struct sp_span_batch *last_batch;

static bool send_batch(struct sp_tracer *t, struct sp_span_batch *b, struct sp_turn *turn, struct sp_str request)
{
    (void)t, (void)turn;
    sends++;
    last_n = sp_span_batch_sending(b);
    last_len = request.len;
    last_batch = b;
    return takes;
}

static void tracer_free(struct sp_tracer *t)
{
    frees++;
    sp_tracer_done(t);
    free(t);
}

static const struct sp_tracer_ops ops = {send_batch, tracer_free};
static struct sp_turn turn;

static struct sp_tracer *tracer_new(void)
{
    struct sp_tracer *t = sp_xcalloc(1, sizeof(*t));
    const struct sp_attrs none = {.n = 0};
    t->ops = &ops;
    sp_tracer_init(t);
    sp_otlp_resource(&t->resource, &none);
    return t;
}

static void add(struct sp_tracer *t, unsigned n)
{
    const struct sp_trace_ctx ctx = {.trace = {1, 2}, .span = 3};
    while (n--)
        sp_tracer_add(t, &turn, 0, &(struct sp_span_data){.ctx = &ctx, .name = SP_STR("n"), .kind = SP_SPAN_SERVER});
}

static uint64_t stat(const char *name)
{
    uint64_t v = 0;
    char full[64];
    snprintf(full, sizeof(full), "tracing.opentelemetry.%s", name);
    assert_int_equal(sp_stats_find(sp_str_c(full), &v), 0);
    return v;
}

static int set_up(void **state)
{
    (void)state;
    sp_stats_init(1);
    sp_turn_init(&turn);
    sends = frees = last_n = 0;
    takes = true;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sp_turn_done(&turn);
    sp_stats_done();
    return 0;
}

static void test_by_number(void **state)
{
    (void)state;
    struct sp_tracer *t = tracer_new();
    add(t, 4);
    assert_int_equal(sends, 0);
    add(t, 1);
    assert_int_equal(sends, 1);
    assert_int_equal(last_n, 5);
    assert_int_equal(sp_tracers_busy(), 1);
    sp_tracer_unref(t); /* the config goes first */
    assert_int_equal(frees, 0);
    sp_tracer_sent(last_batch, 5, true);
    assert_int_equal(frees, 1);
    assert_int_equal(stat("spans_sent"), 5);
    assert_int_equal(stat("spans_dropped"), 0);
    assert_int_equal(sp_tracers_busy(), 0);
}

static void test_by_time(void **state)
{
    (void)state;
    struct sp_tracer *t = tracer_new();
    add(t, 1);
    sp_turn_begin(&turn, 4999 * SP_NS_PER_MS, 0);
    assert_int_equal(sends, 0);
    sp_tracer_unref(t);
    sp_turn_begin(&turn, 5000 * SP_NS_PER_MS, 0);
    assert_int_equal(sends, 1);
    assert_int_equal(stat("timer_flushed"), 1);
    sp_tracer_sent(last_batch, 1, false);
    assert_int_equal(stat("spans_dropped"), 1);
    assert_int_equal(frees, 1);
}

/* A collector that never answers: so many requests, so many spans that wait, and no more. */
static void test_bounds(void **state)
{
    (void)state;
    struct sp_tracer *t = tracer_new();
    struct sp_span_batch *b;
    add(t, 5 * SP_TRACER_CALLS);
    assert_int_equal(sends, SP_TRACER_CALLS);
    add(t, 1024 + 7);
    assert_int_equal(sends, SP_TRACER_CALLS);
    assert_int_equal(stat("spans_dropped"), 7);
    b = last_batch;
    sp_tracer_sent(b, 5, true); /* and on, with all that waits */
    assert_int_equal(sends, SP_TRACER_CALLS + 1);
    assert_int_equal(last_n, 1024);
    for (unsigned i = 0; i < SP_TRACER_CALLS; i++)
        sp_tracer_sent(b, 5, true);
    assert_int_equal(sp_tracers_busy(), 0);
    sp_tracer_unref(t);
    assert_int_equal(frees, 1);
}

static void test_the_end(void **state)
{
    (void)state;
    struct sp_tracer *t = tracer_new(), *other = tracer_new();
    add(t, 2);
    sp_tracers_flush();
    struct sp_span_batch *first = last_batch;
    add(other, 3);
    sp_tracers_flush();
    assert_int_equal(sends, 2);
    assert_int_equal(sp_tracers_busy(), 2);
    add(t, 1);
    sp_tracers_end(); /* what still waits is lost */
    assert_int_equal(stat("spans_dropped"), 1);
    sp_tracer_unref(t);
    sp_tracer_unref(other);
    assert_int_equal(frees, 0);
    sp_tracer_sent(last_batch, 3, true);
    sp_tracer_sent(first, 2, true);
    assert_int_equal(frees, 2);
}

/* `send` cannot: nothing is under way, nothing waits. */
static void test_refused(void **state)
{
    (void)state;
    struct sp_tracer *t = tracer_new();
    takes = false;
    add(t, 5);
    assert_int_equal(stat("spans_dropped"), 5);
    assert_int_equal(stat("spans_sent"), 0);
    sp_tracer_unref(t);
    assert_int_equal(frees, 1);
}

#define BATCH(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bytes), cmocka_unit_test(test_texts), cmocka_unit_test(test_attributes),
                                       BATCH(test_by_number), BATCH(test_by_time), BATCH(test_bounds), BATCH(test_the_end), BATCH(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
