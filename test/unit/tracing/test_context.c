/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trace headers, read strictly and written. */
#include "support/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tracing/context.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define PARENT "00-" TRACE "-" SPAN

static struct sp_arena arena;

static int set_up(void **state)
{
    (void)state;
    sp_arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sp_arena_done(&arena);
    return 0;
}

static void is_ours(const struct sp_trace_ctx *c, bool sampled)
{
    assert_true(c->trace[0] == 0x0af7651916cd43ddull && c->trace[1] == 0x8448eb211c80319cull && c->span == 0xb7ad6b7169203331ull);
    assert_int_equal(c->sampled, sampled);
}

static void test_traceparent(void **state)
{
    (void)state;
    static const char *const good[] = {PARENT "-01", PARENT "-03", PARENT "-ff", "01-" TRACE "-" SPAN "-01", "fe-" TRACE "-" SPAN "-01-more",
                                       "cc-" TRACE "-" SPAN "-01-what-the-future-will-be-like"};
    static const char *const bad[] = {
        "", "garbage", PARENT, PARENT "-", PARENT "-0", PARENT "-0g", PARENT "-01-", PARENT "-01-more", PARENT "-011", "ff-" TRACE "-" SPAN "-01",
        "cc-" TRACE "-" SPAN "-01.more", "00-" TRACE "-0000000000000000-01", "00-00000000000000000000000000000000-" SPAN "-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", "00-" TRACE "-B7AD6B7169203331-01", "0-" TRACE "-" SPAN "-01", " " PARENT "-01",
        "00_" TRACE "-" SPAN "-01", "00-" TRACE "_" SPAN "-01", "00-" TRACE "-" SPAN "_01", "0g-" TRACE "-" SPAN "-01", "00-" TRACE TRACE SPAN};
    for (size_t i = 0; i < SP_ARRAY_LEN(good); i++) {
        struct sp_trace_ctx c = {.span = 1};
        assert_true(sp_traceparent_parse(sp_str_c(good[i]), &c));
        is_ours(&c, true);
    }
    struct sp_trace_ctx c = {.span = 1};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        if (sp_traceparent_parse(sp_str_c(bad[i]), &c))
            fail_msg("taken: %s", bad[i]);
        assert_true(c.span == 1);
    }
    assert_true(sp_traceparent_parse(SP_STR(PARENT "-02"), &c));
    is_ours(&c, false);
}

/* Every byte of a good one, replaced by every other: nothing is read beyond it, and what is taken is what stands there. */
static void test_every_byte(void **state)
{
    (void)state;
    const struct sp_str good = SP_STR(PARENT "-01");
    for (size_t at = 0; at < good.len; at++)
        for (int b = 0; b < 256; b++) {
            char *copy = malloc(good.len), back[SP_TRACEPARENT_LEN];
            memcpy(copy, good.ptr, good.len);
            copy[at] = (char)b;
            struct sp_trace_ctx c = {.span = 1};
            if (sp_traceparent_parse(sp_str_n(copy, good.len), &c)) {
                sp_traceparent_write(&c, back);
                assert_memory_equal(back + 3, copy + 3, 50);
            }
            free(copy);
        }
}

static void test_hex(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 0x9a, 0xfedcba9876543210ull, 0x0123456789abcdefull, UINT64_MAX, 0xa0b0c0d0e0f00908ull};
    for (size_t i = 0; i < SP_ARRAY_LEN(values); i++) {
        char out[16], wanted[17];
        uint64_t back;
        sp_trace_hex(values[i], out);
        snprintf(wanted, sizeof(wanted), "%016llx", (unsigned long long)values[i]);
        assert_memory_equal(out, wanted, 16);
        assert_true(sp_trace_unhex(out, 16, true, &back) && back == values[i]);
    }
    uint64_t v = 7;
    assert_false(sp_trace_unhex("A", 1, true, &v));
    assert_true(sp_trace_unhex("Ab", 2, false, &v) && v == 0xab);
    assert_true(sp_trace_unhex("", 0, true, &v) && v == 0);
}

static const char *state_of(const char *list)
{
    return t_c(&arena, sp_tracestate_check(sp_str_c(list), &arena));
}

/* n members "k000=vvv", each of `bytes`. */
static char *members(unsigned n, unsigned bytes)
{
    char *out = sp_arena_zalloc(&arena, n * (bytes + 1) + 1), *p = out;
    for (unsigned i = 0; i < n; i++) {
        if (i)
            *p++ = ',';
        int head = sprintf(p, "k%03u=", i);
        memset(p + head, 'v', bytes - (unsigned)head);
        p += bytes;
    }
    *p = 0;
    return out;
}

static void test_tracestate(void **state)
{
    (void)state;
    assert_string_equal(state_of("a=b"), "a=b");
    assert_string_equal(state_of("a=b, c=d e,,tenant@vendor=x*/y"), "a=b, c=d e,,tenant@vendor=x*/y");
    static const char *const bad[] = {"", ",", "a", "=b", "a=", "A=b", "a=b=c", "a=b,c", "a=\x7f", "a=\xc3\xa4", "a b=c"};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        assert_int_equal(sp_tracestate_check(sp_str_c(bad[i]), &arena).len, 0);
    assert_string_equal(state_of(members(32, 8)), members(32, 8));
    assert_int_equal(sp_tracestate_check(sp_str_c(members(33, 8)), &arena).len, 0);
    /* 512 bytes fit; one more, and the last goes. */
    assert_int_equal(strlen(members(19, 26)), 512);
    assert_int_equal(strlen(state_of(members(19, 26))), 512);
    assert_string_equal(state_of(sp_arena_cat(&arena, sp_str_c(members(19, 26)), SP_STR("v")).ptr), members(18, 26));
    /* Long ones go before short ones do. */
    struct sp_str long_first = sp_arena_printf(&arena, "%s,%s", members(1, 200), members(20, 24));
    assert_string_equal(state_of(long_first.ptr), members(20, 24));
    assert_string_equal(state_of(members(4, 250)), "");
}

static enum sp_trace_found extract(const char *lines, unsigned n, const uint8_t *v, struct sp_trace_ctx *ret)
{
    struct sp_headers h;
    struct sp_propagators p = {.n = n};
    memcpy(p.v, v, n);
    t_headers(&h, &arena, lines);
    *ret = (struct sp_trace_ctx){.span = 0};
    return sp_trace_extract(&p, &h, ret);
}

static const uint8_t W3C[] = {SP_PROPAGATE_W3C}, B3[] = {SP_PROPAGATE_B3}, MULTI[] = {SP_PROPAGATE_B3_MULTI},
                     ALL[] = {SP_PROPAGATE_B3, SP_PROPAGATE_W3C, SP_PROPAGATE_B3_MULTI};

static void test_extract(void **state)
{
    (void)state;
    struct sp_trace_ctx c;
    assert_int_equal(extract("traceparent: " PARENT "-01\ntracestate: a=b\ntracestate: c=d\n", 1, W3C, &c), SP_TRACE_FOUND);
    is_ours(&c, true);
    assert_string_equal(t_c(&arena, c.state), "a=b, c=d");
    /* An empty line at the end leaves no space behind, with which no value may end. */
    assert_int_equal(extract("traceparent: " PARENT "-01\ntracestate: a=b\ntracestate: \n", 1, W3C, &c), SP_TRACE_FOUND);
    assert_string_equal(t_c(&arena, c.state), "a=b,");
    assert_int_equal(extract("traceparent: " PARENT "-00\ntracestate: A=b\n", 1, W3C, &c), SP_TRACE_FOUND);
    is_ours(&c, false);
    assert_int_equal(c.state.len, 0);
    assert_int_equal(extract("traceparent: " PARENT "-00\ntraceparent: " PARENT "-01\n", 1, W3C, &c), SP_TRACE_NONE);
    assert_int_equal(extract("tracestate: a=b\n", 1, W3C, &c), SP_TRACE_NONE);
    assert_int_equal(extract("b3: " TRACE "-" SPAN "-1\n", 1, W3C, &c), SP_TRACE_NONE);
}

static void test_b3(void **state)
{
    (void)state;
    struct sp_trace_ctx c;
    assert_int_equal(extract("b3: " TRACE "-" SPAN "-0\n", 1, B3, &c), SP_TRACE_FOUND);
    is_ours(&c, false);
    assert_int_equal(extract("b3: " TRACE "-" SPAN "\n", 1, B3, &c), SP_TRACE_FOUND);
    is_ours(&c, true);
    assert_int_equal(extract("b3: " TRACE "-" SPAN "-d-00000000000000ab\n", 1, B3, &c), SP_TRACE_FOUND);
    is_ours(&c, true);
    assert_int_equal(extract("b3: B7AD6B7169203331-" SPAN "-1\n", 1, B3, &c), SP_TRACE_FOUND);
    assert_true(c.trace[0] == 0 && c.trace[1] == 0xb7ad6b7169203331ull);
    assert_int_equal(extract("b3: 0\n", 1, B3, &c), SP_TRACE_FLAG);
    assert_false(c.sampled);
    assert_int_equal(extract("b3: d\n", 1, B3, &c), SP_TRACE_FLAG);
    assert_true(c.sampled);
    static const char *const bad[] = {"x", TRACE, TRACE "-", TRACE "-" SPAN "-", TRACE "-" SPAN "-2", TRACE "-" SPAN "-1-", TRACE "-" SPAN "-1-" SPAN "-",
                                      TRACE "-" SPAN "-1-0000000000000000", "0000000000000000-" SPAN "-1", TRACE "-0000000000000000-1", "0af-" SPAN "-1"};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        assert_int_equal(extract(sp_arena_printf(&arena, "b3: %s\n", bad[i]).ptr, 1, B3, &c), SP_TRACE_NONE);
    assert_int_equal(extract("b3: 1\nb3: 0\n", 1, B3, &c), SP_TRACE_NONE);
}

static void test_b3_multi(void **state)
{
    (void)state;
    struct sp_trace_ctx c;
#define IDS "x-b3-traceid: " TRACE "\nx-b3-spanid: " SPAN "\n"
    assert_int_equal(extract(IDS, 1, MULTI, &c), SP_TRACE_FOUND);
    is_ours(&c, true);
    assert_int_equal(extract(IDS "x-b3-sampled: false\n", 1, MULTI, &c), SP_TRACE_FOUND);
    is_ours(&c, false);
    assert_int_equal(extract(IDS "x-b3-sampled: 0\nx-b3-flags: 1\n", 1, MULTI, &c), SP_TRACE_FOUND);
    is_ours(&c, true);
    assert_int_equal(extract("x-b3-sampled: 0\n", 1, MULTI, &c), SP_TRACE_FLAG);
    assert_false(c.sampled);
    assert_int_equal(extract("x-b3-traceid: " TRACE "\n", 1, MULTI, &c), SP_TRACE_NONE);
    assert_int_equal(extract(IDS "x-b3-spanid: " SPAN "\n", 1, MULTI, &c), SP_TRACE_NONE);
}

/* The first that is good counts; a flag alone gives way to a trace. */
static void test_order(void **state)
{
    (void)state;
    struct sp_trace_ctx c;
    assert_int_equal(extract("b3: 0\ntraceparent: " PARENT "-01\n", 3, ALL, &c), SP_TRACE_FOUND);
    is_ours(&c, true);
    assert_int_equal(extract("b3: 00000000000000ab-00000000000000cd-1\ntraceparent: " PARENT "-01\n", 3, ALL, &c), SP_TRACE_FOUND);
    assert_true(c.trace[1] == 0xab && c.span == 0xcd);
    assert_int_equal(extract("b3: bad\ntraceparent: bad\n" IDS, 3, ALL, &c), SP_TRACE_FOUND);
    is_ours(&c, true);
}

static const char *inject(const char *lines, const struct sp_trace_ctx *c, uint64_t parent, unsigned n, const uint8_t *v)
{
    struct sp_headers h;
    struct sp_propagators p = {.n = n};
    memcpy(p.v, v, n);
    t_headers(&h, &arena, lines);
    sp_trace_inject(&p, c, parent, &h);
    return t_headers_text(&h, &arena);
}

static void test_inject(void **state)
{
    (void)state;
    const struct sp_trace_ctx c = {{0x0af7651916cd43ddull, 0x8448eb211c80319cull}, 0xb7ad6b7169203331ull, SP_STR("a=b"), true};
    struct sp_trace_ctx bare = c;
    bare.state = SP_STR_NULL;
    bare.sampled = false;
    assert_string_equal(inject("", &c, 0, 1, W3C), "traceparent: " PARENT "-01\ntracestate: a=b\n");
    assert_string_equal(inject("traceparent: x\nx-a: b\ntraceparent: y\ntracestate: z=z\n", &bare, 0, 1, W3C), "traceparent: " PARENT "-00\nx-a: b\n");
    assert_string_equal(inject("", &c, 0, 1, B3), "b3: " TRACE "-" SPAN "-1\n");
    assert_string_equal(inject("", &c, 0xab, 1, B3), "b3: " TRACE "-" SPAN "-1-00000000000000ab\n");
    assert_string_equal(inject("x-b3-flags: 1\nx-b3-parentspanid: x\n", &bare, 0, 1, MULTI),
                        "x-b3-traceid: " TRACE "\nx-b3-spanid: " SPAN "\nx-b3-sampled: 0\n");
    assert_string_equal(inject("", &c, 0xab, 1, MULTI),
                        "x-b3-traceid: " TRACE "\nx-b3-spanid: " SPAN "\nx-b3-parentspanid: 00000000000000ab\nx-b3-sampled: 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_traceparent, set_up, tear_down), cmocka_unit_test_setup_teardown(test_every_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hex, set_up, tear_down),         cmocka_unit_test_setup_teardown(test_tracestate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_extract, set_up, tear_down),     cmocka_unit_test_setup_teardown(test_b3, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_b3_multi, set_up, tear_down),    cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_inject, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
