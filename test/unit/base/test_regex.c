/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sp_regex: RE2's ways, limits, substitution, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "base/regex.h"

static struct sp_regex *good(const char *pattern, unsigned flags)
{
    char why[SP_REGEX_WHY_MAX] = "";
    struct sp_regex *r = sp_regex_new(sp_str_c(pattern), flags, why);
    assert_string_equal(why, "");
    assert_non_null(r);
    return r;
}

static bool full(const char *pattern, struct sp_str text)
{
    struct sp_regex *r = good(pattern, 0);
    bool limit = true, yes = sp_regex_full_match(r, text, &limit);
    assert_false(limit);
    sp_regex_free(r);
    return yes;
}

static void full_match_is_of_the_whole_text(void **state)
{
    assert_true(full("/a/[0-9]+", SP_STR("/a/12")));
    assert_false(full("/a/[0-9]+", SP_STR("/a/12/")));
    assert_false(full("/a/[0-9]+", SP_STR("x/a/12")));
    assert_false(full("a$", SP_STR("a\n")));
    assert_false(full("a.b", SP_STR("a\nb")));
    assert_true(full("a|ab", SP_STR("ab")));
    assert_true(full("", SP_STR("")));
    assert_true(full("", SP_STR_NULL));
    /* bytes, as Envoy 1.40 has it: asked with a real one */
    assert_false(full("caf.", SP_STR("caf\xc3\xa9")));
    assert_true(full("caf..", SP_STR("caf\xc3\xa9")));
    assert_true(full("caf\xc3\xa9", SP_STR("caf\xc3\xa9")));
    assert_true(full("a\\xff", SP_STR("a\xff")));
    assert_true(full("a.b", SP_STR("a\xff" "b")));
    assert_false(full("(?i)k", SP_STR("\xe2\x84\xaa")));
    assert_false(full("A", SP_STR("a")));
    struct sp_regex *r = good("A+", SP_REGEX_ICASE);
    assert_true(sp_regex_full_match(r, SP_STR("aA"), NULL));
    sp_regex_free(r);
}

static void search_finds_a_part(void **state)
{
    struct sp_regex *r = good("b+", SP_REGEX_SEARCH);
    bool limit;
    assert_true(sp_regex_search(r, SP_STR("abba"), &limit));
    assert_false(sp_regex_full_match(r, SP_STR("abba"), &limit));
    assert_false(sp_regex_search(r, SP_STR("aa"), &limit));
    assert_false(limit);
    sp_regex_free(r);
}

static void groups_are_where_they_matched(void **state)
{
    struct sp_regex *r = good("x(a)?(b+)", SP_REGEX_SEARCH);
    struct sp_str g[4];
    assert_int_equal(sp_regex_n_groups(r), 2);
    assert_true(sp_regex_groups(r, SP_STR("--xbb-"), g, 4));
    assert_true(sp_str_eq(g[0], SP_STR("xbb")) && !g[1].ptr && sp_str_eq(g[2], SP_STR("bb")) && !g[3].ptr);
    assert_false(sp_regex_groups(r, SP_STR("y"), g, 4));
    assert_null(g[0].ptr);
    sp_regex_free(r);
}

static void bad(const char *pattern, const char *expected)
{
    char why[SP_REGEX_WHY_MAX];
    assert_null(sp_regex_new(sp_str_c(pattern), SP_REGEX_SEARCH, why));
    assert_string_equal(why, expected);
}

static void bad_patterns_say_why_and_where(void **state)
{
    bad("a(b", "missing closing parenthesis, at byte 3");
    bad("[z-a]", "range out of order in character class, at byte 3");
    bad("*", "quantifier does not follow a repeatable item, at byte 0");
    char *big = sp_xmalloc(SP_REGEX_MAX_PATTERN + 2);
    memset(big, 'a', SP_REGEX_MAX_PATTERN + 1);
    big[SP_REGEX_MAX_PATTERN + 1] = 0;
    bad(big, "longer than 16384 bytes");
    free(big);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void the_limit_makes_bombs_harmless(void **state)
{
    /* Each with a text that has the pattern's last character, or PCRE2 would see at once that nothing matches. */
    static const struct {
        const char *pattern;
        char fill;
    } bombs[] = {
        {"(a+)+bc", 'a'}, {"([a-z]|[a-z])+9c", 'a'}, {"(.*)(.*)(.*)(.*)bc", 'a'}, {"(x+x+)+yc", 'x'}, {"(.*,){8}Pc", ','},
        {"[a-z]*[a-z]*[a-z]*9c", 'a'},
    };
    enum { SIZE = 65536 };
    char *text = sp_xmalloc(SIZE);
    for (size_t i = 0; i < SP_ARRAY_LEN(bombs); i++) {
        struct sp_regex *r = good(bombs[i].pattern, SP_REGEX_SEARCH);
        struct sp_arena arena;
        sp_arena_init(&arena);
        memset(text, bombs[i].fill, SIZE);
        text[SIZE - 1] = 'c';
        double start = seconds();
        bool limit = false;
        assert_false(sp_regex_full_match(r, sp_str_n(text, SIZE), &limit));
        assert_true(limit);
        limit = false;
        assert_false(sp_regex_search(r, sp_str_n(text, SIZE), &limit));
        assert_true(limit);
        assert_null(sp_regex_substitute(r, sp_str_n(text, SIZE), SP_STR("x"), SIZE, &arena).ptr);
        /* a thousand times less than it would take, and with room for slow machines and sanitizers */
        assert_true(seconds() - start < 1.0);
        sp_arena_done(&arena);
        sp_regex_free(r);
    }
    free(text);
}

static void sub(const char *pattern, const char *text, const char *with, const char *expected)
{
    struct sp_regex *r = good(pattern, SP_REGEX_SEARCH);
    struct sp_arena arena;
    sp_arena_init(&arena);
    char why[SP_REGEX_WHY_MAX];
    assert_int_equal(sp_regex_check_substitution(r, sp_str_c(with), why), 0);
    struct sp_str got = sp_regex_substitute(r, sp_str_c(text), sp_str_c(with), 1000, &arena);
    assert_non_null(got.ptr);
    assert_int_equal(got.len, strlen(expected));
    assert_memory_equal(got.ptr, expected, got.len);
    sp_arena_done(&arena);
    sp_regex_free(r);
}

static void substitution_is_re2s(void **state)
{
    sub("^/service/([^/]+)(/.*)$", "/service/foo/v1/api", "\\2/instance/\\1", "/v1/api/instance/foo");
    sub("one", "/xxx/one/yyy/one/zzz", "two", "/xxx/two/yyy/two/zzz");
    sub("(?i)/xxx/", "/aaa/XxX/bbb", "/yyy/", "/aaa/yyy/bbb");
    sub("o", "foo", "[\\0]", "f[o][o]");
    sub("o", "foo", "\\\\", "f\\\\");
    sub("x", "foo", "y", "foo");
    sub("foo", "foo", "", "");
    sub("a*", "baac", "-", "-b-c-");
    sub("", "ab", "-", "-a-b-");
    sub("", "\xc3\xa9", "-", "-\xc3-\xa9-");
    sub("(a)|b", "ab", "<\\1>", "<a><>");
    sub("", "", "x", "x");
    sub("a\\Kb", "ab", "x", "ax");
}

static void substitutions_are_checked(void **state)
{
    struct sp_regex *r = good("(a)(b)", SP_REGEX_SEARCH);
    char why[SP_REGEX_WHY_MAX];
    assert_int_equal(sp_regex_check_substitution(r, SP_STR("\\2\\1\\0\\\\"), why), 0);
    assert_int_equal(sp_regex_check_substitution(r, SP_STR("x\\3"), why), -EINVAL);
    assert_string_equal(why, "\\3, but the pattern has 2 groups");
    assert_int_equal(sp_regex_check_substitution(r, SP_STR("x\\"), why), -EINVAL);
    assert_string_equal(why, "a backslash at byte 1 without a digit or a second backslash behind it");
    assert_int_equal(sp_regex_check_substitution(r, SP_STR("\\n"), why), -EINVAL);
    sp_regex_free(r);
}

static void results_are_bounded(void **state)
{
    struct sp_regex *r = good("a", SP_REGEX_SEARCH);
    struct sp_arena arena;
    char text[SP_REGEX_MAX_REPLACED + 1];
    sp_arena_init(&arena);
    memset(text, 'a', sizeof(text));
    assert_non_null(sp_regex_substitute(r, sp_str_n(text, 10), SP_STR("bb"), 20, &arena).ptr);
    assert_null(sp_regex_substitute(r, sp_str_n(text, 10), SP_STR("bb"), 19, &arena).ptr);
    assert_null(sp_regex_substitute(r, SP_STR("axxxx"), SP_STR("b"), 4, &arena).ptr);
    assert_non_null(sp_regex_substitute(r, sp_str_n(text, SP_REGEX_MAX_REPLACED), SP_STR("b"), 10000, &arena).ptr);
    assert_null(sp_regex_substitute(r, sp_str_n(text, sizeof(text)), SP_STR("b"), 10000, &arena).ptr);
    sp_arena_done(&arena);
    sp_regex_free(r);
}

static void *match_many(void *p)
{
    const struct sp_regex *r = p;
    for (int i = 0; i < 1000; i++)
        if (!sp_regex_full_match(r, SP_STR("/a/b/c/d"), NULL) || sp_regex_full_match(r, SP_STR("x"), NULL))
            return NULL;
    return p;
}

static void any_thread_matches(void **state)
{
    struct sp_regex *r = good("(/[a-z]+)*", 0);
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, match_many, r), 0);
    for (int i = 0; i < 4; i++) {
        void *ret;
        pthread_join(t[i], &ret);
        assert_ptr_equal(ret, r);
    }
    sp_regex_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_match_is_of_the_whole_text),
        cmocka_unit_test(search_finds_a_part),
        cmocka_unit_test(groups_are_where_they_matched),
        cmocka_unit_test(bad_patterns_say_why_and_where),
        cmocka_unit_test(the_limit_makes_bombs_harmless),
        cmocka_unit_test(substitution_is_re2s),
        cmocka_unit_test(substitutions_are_checked),
        cmocka_unit_test(results_are_bounded),
        cmocka_unit_test(any_thread_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
