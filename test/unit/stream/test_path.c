/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Path normalisation. What is expected was read off a running Envoy (1.40), but where a comment says otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stream/path.h"

static struct sp_arena arena;

static void expect(struct sp_path_rules rules, const char *in, enum sp_path_result result, const char *out)
{
    struct sp_str path = sp_str_c(in);
    assert_int_equal(sp_path_normalize(&rules, &arena, &path), result);
    if (result != SP_PATH_REJECT)
        assert_string_equal(sp_arena_str(&arena, path).ptr, out);
    sp_arena_done(&arena);
}

static const struct sp_path_rules none, norm = {.normalize = true}, merge = {.merge_slashes = true},
                                        both = {.normalize = true, .merge_slashes = true};

static void ok(struct sp_path_rules rules, const char *in, const char *out)
{
    expect(rules, in, SP_PATH_OK, out);
}

static void test_dot_segments(void **state)
{
    static const char *const cases[][2] = {
        {"/", "/"}, {"/a/b", "/a/b"}, {"/a/../b", "/b"}, {"/a/./b", "/a/b"}, {"/..", "/"}, {"/a/..", "/"}, {"/.", "/"},
        {"/a/.", "/a/"}, {"/a/b/../../../c", "/c"}, {"/%2e%2e/a", "/a"}, {"/a/%2E./b", "/b"}, {"/a/.%2e/b", "/b"},
        {"/a/%2e", "/a/"}, {"/a/...", "/a/..."}, {"/a/..b", "/a/..b"}, {"/a/.b", "/a/.b"}, {"/a/b..", "/a/b.."},
        {"/a/b.", "/a/b."}, {"/a//../b", "/a/b"}, {"//a//b", "//a//b"}, {"/a/../../..", "/"}, {"/a/b/..", "/a/"},
        {"/a/%252e%252e/b", "/a/%252e%252e/b"}, {"/%2E%2E%2F", "/..%2F"}, {"/a/../b?x=/../y", "/b?x=/../y"},
        {"/a/%2e%2e?x=%2e%2e/", "/?x=%2e%2e/"}, {"/..?", "/?"},
        {"/a/..;/b", "/b"}, {"/a/..;x=y/b", "/b"}, {"/a/.;/b", "/a/b"}, {"/a/..;", "/"}, {"/a/.;", "/a/"},
        {"/a/..;..;/b", "/b"}, {"/a/..;b", "/"}, {"/..;/..;/", "/"}, {"/a/...;/b", "/a/...;/b"}, {"/a/;/b", "/a/;/b"},
        {"/a/b;/../c", "/a/c"}, {"/a/..%3b/b", "/a/..%3b/b"}, {"/a/..;%2f../b", "/b"},
        {"/a/%2e%2e;/b", "/b"}, /* Envoy leaves "/a/..;/b" */
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++)
        ok(norm, cases[i][0], cases[i][1]);
}

static void test_characters(void **state)
{
    static const char *const cases[][2] = {
        {"/a\\b", "/a/b"}, {"/a\\..\\b", "/b"}, {"/\\x", "//x"}, {"/a\\", "/a/"}, {"/a%41", "/aA"}, {"/a%7Eb", "/a~b"},
        {"/a%2fb", "/a%2fb"}, {"/a%2Fb", "/a%2Fb"}, {"/a%5cb", "/a%5cb"}, {"/a%20b", "/a%20b"}, {"/a%25", "/a%25"},
        {"/a%3fb", "/a%3fb"}, {"/a%23b", "/a%23b"}, {"/a%7f", "/a%7f"}, {"/a%80", "/a%80"}, {"/%c3%a9", "/%c3%a9"},
        {"/a%0ab", "/a%0ab"}, {"/a;b=c/d", "/a;b=c/d"}, {"/a'b*(c)!$&+,=:@", "/a'b*(c)!$&+,=:@"}, {"/a[b]", "/a[b]"},
        {"/a|b", "/a%7Cb"}, {"/a^b", "/a%5Eb"}, {"/a`b", "/a%60b"}, {"/a{b}", "/a%7Bb%7D"}, {"/a\"b", "/a%22b"},
        {"/a<b>", "/a%3Cb%3E"}, {"/a b", "/a%20b"}, {"/a\xff", "/a%FF"}, {"/a%2d%5f%30", "/a-_0"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++)
        ok(norm, cases[i][0], cases[i][1]);
    expect(norm, "/a%00b", SP_PATH_REJECT, NULL);
    expect(norm, "/a/.%00/b", SP_PATH_REJECT, NULL);
}

/* A '%' that begins no escape stays, but nothing that is decoded behind it may make one of it. */
static void test_bare_percent(void **state)
{
    static const char *const cases[][2] = {
        {"/%zz", "/%zz"}, {"/a%", "/a%"}, {"/a%2", "/a%2"}, {"/a%%", "/a%%"}, {"/%%32%65", "/%252e"},
        {"/%%32e/x", "/%252e/x"}, {"/x/%2%65/b", "/x/%252e/b"}, {"/x/%2%65%2e/b", "/x/%252e./b"},
        {"/x/%%32g", "/x/%2g"},
        {"/x/%%2e/b", "/x/%./b"}, {"/x/%%2e%2e/b", "/x/%../b"}, {"/x/%4%31", "/x/%2541"}, {"/x/%%41%42", "/x/%25AB"},
        {"/x/%%%32%65", "/x/%%252e"}, {"/a%2%2541", "/a%2%2541"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++)
        ok(norm, cases[i][0], cases[i][1]);
}

/* Whatever goes in, what comes out is normal: normalising it again changes nothing. */
static void test_idempotent(void **state)
{
    static const char alphabet[] = "/.%2eE5cF;\\a0\x80";
    uint64_t seed = 88172645463325252ull;
    for (unsigned round = 0; round < 200000; round++) {
        char in[16] = "/", again[64];
        size_t n = 1;
        for (; n < 2 + round % 12; n++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            in[n] = alphabet[(seed >> 20) % (sizeof(alphabet) - 1)];
        }
        struct sp_str path = sp_str_n(in, n);
        if (sp_path_normalize(&both, &arena, &path) == SP_PATH_OK) {
            assert_true(path.len && path.ptr[0] == '/' && path.len < sizeof(again));
            memcpy(again, path.ptr, path.len);
            struct sp_str second = sp_str_n(again, path.len);
            assert_int_equal(sp_path_normalize(&both, &arena, &second), SP_PATH_OK);
            if (!sp_str_eq(second, path))
                fail_msg("%.*s -> %.*s -> %.*s", (int)n, in, SP_STR_ARG(path), SP_STR_ARG(second));
            assert_true(sp_str_find(path, SP_STR("/../")) < 0 && sp_str_find(path, SP_STR("/./")) < 0);
            assert_true(sp_str_find(path, SP_STR("\\")) < 0 && sp_str_find(path, SP_STR("//")) < 0);
            assert_false(sp_str_ends(path, SP_STR("/..")));
        }
        sp_arena_done(&arena);
    }
}

static void test_merge(void **state)
{
    static const char *const cases[][2] = {
        {"//a//b", "/a/b"}, {"//", "/"}, {"///", "/"}, {"/a//", "/a/"}, {"/a///b?x=//", "/a/b?x=//"}, {"/a", "/a"},
        {"/a/..//b", "/a/../b"}, {"/a\\\\b", "/a\\\\b"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++)
        ok(merge, cases[i][0], cases[i][1]);
    ok(both, "/a\\\\b//..//c", "/a/b/c"); /* an empty segment counts when dots are resolved */
}

static void test_escaped_slashes(void **state)
{
    struct sp_path_rules r = {.escaped_slashes = SP_SLASHES_REJECT};
    expect(r, "/a%2fb", SP_PATH_REJECT, NULL);
    expect(r, "/a%5Cb", SP_PATH_REJECT, NULL);
    ok(r, "/a?b=%2f", "/a?b=%2f");
    ok(r, "/a%2", "/a%2");
    r.escaped_slashes = SP_SLASHES_FORWARD;
    ok(r, "/a%2Fb%5c?c=%2f", "/a/b\\?c=%2f");
    r.normalize = true;
    ok(r, "/a%2fb%5C..%2Fc", "/a/c");
    r = (struct sp_path_rules){.escaped_slashes = SP_SLASHES_REDIRECT};
    expect(r, "/a%2fb%5C..%2Fc", SP_PATH_REDIRECT, "/a/b\\../c");
    expect(r, "/a%2fb?x=%2f", SP_PATH_REDIRECT, "/a/b?x=%2f");
    ok(r, "/a/b", "/a/b");
    r.normalize = true;
    expect(r, "/a%2fb%5C..%2Fc", SP_PATH_REDIRECT, "/a/c");
    expect(r, "/%2F%2Fevil.com", SP_PATH_REDIRECT, "///evil.com");
    expect(r, "/a%2f%00", SP_PATH_REJECT, NULL);
    r.merge_slashes = true;
    expect(r, "/%2F%2Fevil.com", SP_PATH_REDIRECT, "/evil.com");
}

static void test_off(void **state)
{
    static const char *const same[] = {"/a/../b", "/a%00b", "//a", "/a\\b", "/%2f", "/a?b=c"};
    for (size_t i = 0; i < SP_ARRAY_LEN(same); i++) {
        struct sp_str path = sp_str_c(same[i]);
        assert_int_equal(sp_path_normalize(&none, &arena, &path), SP_PATH_OK);
        assert_ptr_equal(path.ptr, same[i]);
    }
    expect(none, "/a#b", SP_PATH_REJECT, NULL);
    expect(none, "/a?b#c", SP_PATH_REJECT, NULL);
    struct sp_str path = SP_STR("/plain/path-1_2~3?q=%2e%2e/"); /* nothing to do: no copy either */
    const char *before = path.ptr;
    assert_int_equal(sp_path_normalize(&both, &arena, &path), SP_PATH_OK);
    assert_ptr_equal(path.ptr, before);
    assert_int_equal(arena.total, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dot_segments), cmocka_unit_test(test_characters), cmocka_unit_test(test_bare_percent),
        cmocka_unit_test(test_idempotent),   cmocka_unit_test(test_merge),      cmocka_unit_test(test_escaped_slashes),
        cmocka_unit_test(test_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
