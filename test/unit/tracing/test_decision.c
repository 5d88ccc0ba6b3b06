/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why a request is traced, by its id and its headers; the values are a real Envoy's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracing/decision.h"
#include "tracing/tracer.h"

static struct sp_arena arena;

static enum sp_trace_reason decide(struct sp_sampling s, const char *id, struct sp_trace_ask ask, const char *wanted)
{
    const struct sp_id_rules rules = {true, true};
    struct sp_str text = sp_str_c(id);
    enum sp_trace_reason r = sp_trace_decide(&s, &rules, &ask, &text, &arena);
    assert_int_equal(text.len, strlen(wanted));
    assert_memory_equal(text.ptr, wanted, text.len);
    return r;
}

static const struct sp_trace_share all = {10000, 10000}, none = {0, 10000}, two = {2, 10000};
#define TAIL "-1111-4111-8111-111111111111"
#define TAIL_OF(c) "-1111-" c "111-8111-111111111111"
static const struct sp_trace_ask nothing = {.random = 0};

static void test_chance(void **state)
{
    (void)state;
    const struct sp_sampling s = {all, two, all};
    sp_arena_init(&arena);
    assert_int_equal(decide(s, "00000001" TAIL, nothing, "00000001" TAIL_OF("9")), SP_TRACE_SAMPLING);
    assert_int_equal(decide(s, "00000002" TAIL, nothing, "00000002" TAIL), SP_TRACE_NOT_TRACEABLE);
    assert_int_equal(decide(s, "00002710" TAIL, nothing, "00002710" TAIL_OF("9")), SP_TRACE_SAMPLING); /* 10000 */
    /* What is no UUID may decide, but takes no note. */
    assert_int_equal(decide(s, "00000001", nothing, "00000001"), SP_TRACE_SAMPLING);
    assert_int_equal(decide(s, "00000001zz", nothing, "00000001zz"), SP_TRACE_SAMPLING);
    static const char *const bad[] = {"", "foo", "0000001", "0000000g" TAIL, "-0000001" TAIL, " 0000001" TAIL};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        assert_int_equal(decide((struct sp_sampling){all, all, all}, bad[i], nothing, bad[i]), SP_TRACE_NOT_TRACEABLE);
    sp_arena_done(&arena);
}

static void test_asked(void **state)
{
    (void)state;
    const struct sp_sampling s = {all, none, all};
    const struct sp_trace_ask client = {.client_trace_id = true}, forced = {.forced = true}, both = {.client_trace_id = true, .forced = true};
    sp_arena_init(&arena);
    assert_int_equal(decide(s, "00000001" TAIL, nothing, "00000001" TAIL), SP_TRACE_NOT_TRACEABLE);
    assert_int_equal(decide(s, "00000001" TAIL, client, "00000001" TAIL_OF("b")), SP_TRACE_CLIENT_ENABLED);
    assert_int_equal(decide(s, "00000001" TAIL, forced, "00000001" TAIL_OF("a")), SP_TRACE_SERVICE_FORCED);
    assert_int_equal(decide(s, "00000001" TAIL, both, "00000001" TAIL_OF("b")), SP_TRACE_CLIENT_ENABLED);
    const struct sp_sampling no_client = {none, none, all}, nobody = {all, all, none};
    assert_int_equal(decide(no_client, "00000001" TAIL, client, "00000001" TAIL), SP_TRACE_NOT_TRACEABLE);
    assert_int_equal(decide(nobody, "00000001" TAIL, both, "00000001" TAIL), SP_TRACE_NOT_TRACEABLE);
    sp_arena_done(&arena);
}

/* What another gateway has packed holds here; the most of all may take it back. */
static void test_packed(void **state)
{
    (void)state;
    const struct sp_sampling s = {none, none, all}, nobody = {all, all, none};
    sp_arena_init(&arena);
    assert_int_equal(decide(s, "00000001" TAIL_OF("9"), nothing, "00000001" TAIL_OF("9")), SP_TRACE_SAMPLING);
    assert_int_equal(decide(s, "00000001" TAIL_OF("a"), nothing, "00000001" TAIL_OF("a")), SP_TRACE_SERVICE_FORCED);
    assert_int_equal(decide(s, "00000001" TAIL_OF("b"), nothing, "00000001" TAIL_OF("b")), SP_TRACE_CLIENT_ENABLED);
    assert_int_equal(decide(s, "00000001" TAIL_OF("7"), nothing, "00000001" TAIL_OF("7")), SP_TRACE_NOT_TRACEABLE);
    assert_int_equal(decide(nobody, "00000001" TAIL_OF("9"), nothing, "00000001" TAIL_OF("4")), SP_TRACE_NOT_TRACEABLE);
    struct sp_str id = SP_STR("00000001" TAIL_OF("9"));
    const struct sp_id_rules no_pack = {false, true}, no_decide = {true, false};
    assert_int_equal(sp_trace_decide(&s, &no_pack, &nothing, &id, &arena), SP_TRACE_NOT_TRACEABLE);
    id = SP_STR("foo");
    assert_int_equal(sp_trace_decide(&s, &no_decide, &nothing, &id, &arena), SP_TRACE_SAMPLING);
    sp_arena_done(&arena);
}

static bool takes(struct sp_sampler s, uint64_t trace, int parent)
{
    const struct sp_trace_ctx ctx = {.trace = {trace, 1}}, p = {.sampled = parent > 0};
    return sp_sampler_takes(&s, &ctx, parent < 0 ? NULL : &p);
}

static void test_samplers(void **state)
{
    (void)state;
    const struct sp_sampler usual = {SP_SAMPLE_AS_PARENT, false, 0, 0}, always = {SP_SAMPLE_ALWAYS, false, 0, 0}, parent = {SP_SAMPLE_ALWAYS, true, 0, 0},
                            ratio = {SP_SAMPLE_RATIO, false, 1, 100};
    assert_true(takes(usual, 1, -1) && takes(usual, 1, 1) && !takes(usual, 1, 0));
    assert_true(takes(always, 1, -1) && takes(always, 1, 1) && takes(always, 1, 0));
    assert_true(takes(parent, 1, -1) && takes(parent, 1, 1) && !takes(parent, 1, 0));
    /* As Envoy 1.40 takes them. */
    assert_true(takes(ratio, 0, 0) && takes(ratio, 0x6400000000000000ull, 0) && takes(ratio, 0x64, 0));
    assert_true(!takes(ratio, 0x0100000000000000ull, 1) && !takes(ratio, UINT64_MAX, 1));
    const struct sp_sampler half = {SP_SAMPLE_RATIO, false, 50, 100};
    assert_true(!takes(half, 0x7fffffffffffffffull, 0) && takes(half, 1, 0) && takes(half, UINT64_MAX, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chance), cmocka_unit_test(test_asked), cmocka_unit_test(test_packed),
                                       cmocka_unit_test(test_samplers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
