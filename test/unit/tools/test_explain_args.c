/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of explain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/explain_args.h"

static struct sp_arena arena;
static char why[512];

/* NULL-terminated arguments behind the verb. */
static int parse(struct sp_explain_args *a, const char *const *args)
{
    const char *argv[32] = {"sallyport", "explain"};
    int n = 2;
    while (*args)
        argv[n++] = *args++;
    return sp_explain_args(n, (char **)(uintptr_t)argv, &arena, a, why, sizeof(why));
}

#define PARSE(a, ...) parse(a, (const char *const[]){"-c", "x.yaml", "--from", "192.0.2.1:77", __VA_ARGS__, NULL})

static void requests(void **state)
{
    static const struct {
        const char *text, *method, *authority, *target, *sni;
        unsigned port;
        bool https;
    } table[] = {
        {"GET https://A.example.com/v1/x?y", "GET", "A.example.com", "/v1/x?y", "a.example.com", 0, true},
        {"  POST   http://a.test:8080  ", "POST", "a.test:8080", "/", "a.test", 8080, false},
        {"https://192.0.2.1", "GET", "192.0.2.1", "/", "", 0, true},
        {"https://[2001:db8::1]:444/", "GET", "[2001:db8::1]:444", "/", "", 444, true},
        {"http://a.test?q", "GET", "a.test", "/?q", "a.test", 0, false},
    };
    sp_arena_init(&arena);
    for (size_t i = 0; i < SP_ARRAY_LEN(table); i++) {
        struct sp_explain_args a;
        assert_int_equal(PARSE(&a, "--request", table[i].text), 0);
        assert_true(sp_str_eq(a.method, sp_str_c(table[i].method)) && sp_str_eq(a.authority, sp_str_c(table[i].authority)));
        assert_true(sp_str_eq(a.target, sp_str_c(table[i].target)) && sp_str_eq(a.sni, sp_str_c(table[i].sni)));
        assert_true(a.port == table[i].port && a.https == table[i].https && a.from.port == 77);
    }
    static const char *const bad[] = {"", "GET", "ftp://a.test/", "GET https://", "GET https://a.test:0/", "GET https://a.test:99999/", "G(T https://a.test/"};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        struct sp_explain_args a;
        assert_true(PARSE(&a, "--request", bad[i]) < 0);
        assert_non_null(strstr(why, "is not a request"));
    }
    sp_arena_done(&arena);
}

static void times(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } table[] = {
        {"2026-11-30T12:00:00Z", 1796040000},      {"2026-11-30T12:00:00.25Z", 1796040000},
        {"2026-11-30T13:30:00+01:30", 1796040000}, {"2026-11-30T11:00:00-01:00", 1796040000},
    };
    sp_arena_init(&arena);
    for (size_t i = 0; i < SP_ARRAY_LEN(table); i++) {
        struct sp_explain_args a;
        assert_int_equal(PARSE(&a, "--request", "http://a/", "--time", table[i].text), 0);
        assert_int_equal(a.wall_ns / 1000000000, table[i].seconds);
    }
    static const char *const bad[] = {"now", "2026-11-30", "2026-11-30T12:00:00", "2026-11-30T12:00:00Zx", "2026-11-30T12:00:00*01:00"};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        struct sp_explain_args a;
        assert_true(PARSE(&a, "--request", "http://a/", "--time", bad[i]) < 0);
    }
    sp_arena_done(&arena);
}

static void the_rest(void **state)
{
    struct sp_explain_args a;
    sp_arena_init(&arena);
    assert_int_equal(PARSE(&a, "--request=http://a/", "-H", "X-A:  b ", "--header=c:d:e", "--body", "text", "--alpn", "h2", "--format", "json"), 0);
    assert_true(a.n_headers == 2 && sp_str_eq(a.headers[0].value, SP_STR("b")) && sp_str_eq(a.headers[1].value, SP_STR("d:e")));
    assert_true(a.json && a.has_body && a.n_alpn == 1);
    assert_true(PARSE(&a, "--request", "http://a/", "-H", ": x") < 0);
    assert_true(PARSE(&a, "--request", "http://a/", "--alpn", "h3") < 0);
    assert_true(PARSE(&a, "--request", "http://a/", "--show-headers=yes") < 0);
    assert_true(PARSE(&a, "--request") < 0);
    assert_true(PARSE(&a, "--client-cert", "/nowhere") < 0);
    assert_int_equal(parse(&a, (const char *const[]){"--help", NULL}), 0);
    assert_true(a.help);
    sp_arena_done(&arena);
    sp_arena_thread_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(times),
        cmocka_unit_test(the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
