/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What enters the peer's HPACK table, and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/h2_nv.h"

static bool indexed(const struct sp_h2_nv *nv, const char *name)
{
    for (size_t i = 0; i < nv->n; i++)
        if (nv->v[i].namelen == strlen(name) && !memcmp(nv->v[i].name, name, nv->v[i].namelen))
            return !(nv->v[i].flags & NGHTTP2_NV_FLAG_NO_INDEX);
    fail_msg("%s is not there", name);
    return false;
}

static void response(struct sp_headers *h, struct sp_arena *arena, const char *took)
{
    sp_headers_init(h, arena);
    h->status = 200;
    sp_headers_add_id(h, SP_H_CONTENT_TYPE, SP_STR("text/plain"));
    sp_headers_add_id(h, SP_H_X_ENVOY_UPSTREAM_SERVICE_TIME, sp_str_c(took));
    sp_headers_add_id(h, SP_H_X_REQUEST_ID, sp_str_c(took));
    sp_headers_add_secret(h, SP_STR("x-key"), SP_STR("s"));
}

static void test_volatile_values(void **state)
{
    (void)state;
    struct sp_arena arena;
    sp_arena_init(&arena);
    struct sp_headers h;
    response(&h, &arena, "700");
    for (unsigned name_too = 0; name_too <= 1; name_too++) {
        struct sp_h2_nv nv;
        sp_h2_nv_build(&nv, SP_H2_NV_RESPONSE, &h, &arena, name_too);
        assert_int_equal(nv.n, 5);
        assert_true(indexed(&nv, ":status"));
        assert_true(indexed(&nv, "content-type"));
        assert_int_equal(indexed(&nv, "x-envoy-upstream-service-time"), name_too);
        assert_int_equal(indexed(&nv, "x-request-id"), name_too);
        assert_false(indexed(&nv, "x-key"));
    }
    response(&h, &arena, "70");
    struct sp_h2_nv nv;
    sp_h2_nv_build(&nv, SP_H2_NV_RESPONSE, &h, &arena, false);
    assert_true(indexed(&nv, "x-envoy-upstream-service-time"));
    assert_false(indexed(&nv, "x-request-id"));
    sp_arena_done(&arena);
}

/* A thousand answers that took a thousand times: the table holds their names once. */
static void test_the_table_stays_small(void **state)
{
    (void)state;
    nghttp2_hd_deflater *d;
    assert_int_equal(nghttp2_hd_deflate_new(&d, 4096), 0);
    size_t last = 0;
    for (unsigned i = 0; i < 1000; i++) {
        struct sp_arena arena;
        sp_arena_init(&arena);
        char took[16];
        snprintf(took, sizeof(took), "%u", i + 100);
        struct sp_headers h;
        response(&h, &arena, took);
        struct sp_h2_nv nv;
        sp_h2_nv_build(&nv, SP_H2_NV_RESPONSE, &h, &arena, i == 0);
        uint8_t out[512];
        ssize_t n = nghttp2_hd_deflate_hd(d, out, sizeof(out), nv.v, nv.n);
        assert_true(n > 0);
        last = (size_t)n;
        sp_arena_done(&arena);
    }
    assert_int_equal(nghttp2_hd_deflate_get_num_table_entries(d) - 61, 3);
    assert_true(last < 24); /* with names in full it would be 50 */
    nghttp2_hd_deflate_del(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_volatile_values), cmocka_unit_test(test_the_table_stays_small)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
