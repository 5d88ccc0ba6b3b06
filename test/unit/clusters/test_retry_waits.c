/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is tried again, by a policy and without one. */
#include "support.h"

#include <errno.h>
#include <string.h>

#define UP "upstream connect error or disconnect/reset before headers. "
#define H2 \
    "typed_extension_protocol_options:\n" \
    "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n" \
    "    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n" \
    "    explicit_http_config: {http2_protocol_options: {}}\n"

static void test_back_off_of_a_policy(void **state)
{
    (void)state;
    struct t_bed b;
    static struct sp_retry_reset resets[] = {{SP_STR_INIT("x-at"), true}, {SP_STR_INIT("retry-after"), false}};
    const struct sp_retry_policy p = {.on = SP_RETRY_5XX, .num_retries = 9, .base_ns = 1000 * SP_NS_PER_MS, .most_ns = 3000 * SP_NS_PER_MS,
                                      .resets = resets, .n_resets = 2, .reset_most_ns = 100 * SP_NS_PER_S};
    struct sp_retry r = {.on = SP_RETRY_5XX, .policy = &p, .left = 9};
    t_bed_hosts(&b, 1, NULL);
    for (r.done = 1; r.done < 5; r.done++) {
        uint64_t most = r.done == 1 ? 1000 : r.done == 2 ? 2000 : 3000, longest = 0;
        for (unsigned k = 0; k < 300; k++) {
            uint64_t wait = sp_retry_wait_ns(&r, t_slot(&b, 0));
            longest = SP_MAX(longest, wait);
        }
        assert_true(longest < most * SP_NS_PER_MS && longest > most * SP_NS_PER_MS * 8 / 10);
    }
    struct sp_arena arena;
    struct sp_headers h;
    sp_arena_init(&arena);
    static const struct {
        const char *text;
        uint64_t seconds; /* 0: the answer does not count */
    } cases[] = {{":status: 503\nretry-after: 7\n", 7}, {":status: 503\nx-at: 1030\nretry-after: 7\n", 30},
                 {":status: 503\nx-at: 999\nretry-after: 7\n", 7}, {":status: 503\nretry-after: 101\n", 0},
                 {":status: 503\nretry-after: soon\n", 0}, {":status: 503\n", 0}};
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        t_headers(&h, &arena, cases[i].text);
        assert_int_equal(sp_retry_response(&r, t_slot(&b, 0), &h, 1000 * (int64_t)SP_NS_PER_S), SP_RETRY_YES);
        uint64_t wait = sp_retry_wait_ns(&r, t_slot(&b, 0)), asked = cases[i].seconds * SP_NS_PER_S;
        assert_true(asked ? wait >= asked && wait <= asked + asked / 2 : wait <= 3 * SP_NS_PER_S);
    }
    sp_retry_release(&r, t_slot(&b, 0));
    sp_arena_done(&arena);
    t_bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_back_off_of_a_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
