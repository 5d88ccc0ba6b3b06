/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kong's order of routes, and what becomes of its hosts and paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/regex.h"
#include "tools/kong_order.h"

#define S(lit) SP_STR(lit)

static uint64_t priority(struct sp_kong_criteria c)
{
    return sp_kong_priority(&c);
}

/* Each comes before the next. */
static void test_priority(void **state)
{
    const struct sp_kong_criteria order[] = {
        {.methods = true, .hosts = true, .plain_hosts = true, .headers = true, .n_headers = 1, .snis = true, .path = true, .path_len = 1},
        {.methods = true, .hosts = true, .plain_hosts = true, .path = true, .path_len = 5},
        {.methods = true, .hosts = true, .path = true, .path_len = 500},
        {.hosts = true, .plain_hosts = true, .headers = true, .n_headers = 1},
        {.hosts = true, .plain_hosts = true, .path = true, .regex = true, .regex_priority = 0},
        {.hosts = true, .plain_hosts = true, .path = true, .path_len = 99},
        {.headers = true, .n_headers = 2, .path = true, .path_len = 1},
        {.headers = true, .n_headers = 1, .path = true, .regex = true, .regex_priority = 10},
        {.hosts = true, .path = true, .regex = true, .regex_priority = 10},
        {.hosts = true, .path = true, .regex = true, .regex_priority = 9},
        {.hosts = true, .path = true, .path_len = 9},
        {.hosts = true, .plain_hosts = true},
        {.path = true, .regex = true},
        {.path = true, .path_len = 4},
        {.path = true, .path_len = 3},
        {0},
    };
    for (size_t i = 1; i < SP_ARRAY_LEN(order); i++)
        if (priority(order[i - 1]) <= priority(order[i]))
            fail_msg("%zu does not come before %zu", i - 1, i);
    assert_true(priority((struct sp_kong_criteria){.n_headers = 9999, .headers = true}) <
                priority((struct sp_kong_criteria){.n_headers = 1, .headers = true, .path = true}));
}

static void test_hosts(void **state)
{
    assert_true(sp_kong_covers(S(""), S("a.example.com")));
    assert_true(sp_kong_covers(S("a.Example.com"), S("a.example.com")));
    assert_false(sp_kong_covers(S("a.example.com"), S("*.example.com")));
    assert_true(sp_kong_covers(S("*.example.com"), S("a.example.com")));
    assert_true(sp_kong_covers(S("*.example.com"), S("*.b.example.com")));
    assert_false(sp_kong_covers(S("*.b.example.com"), S("*.example.com")));
    assert_false(sp_kong_covers(S("*.example.com"), S("example.com")));
    assert_true(sp_kong_covers(S("api.*"), S("api.test")));
    assert_false(sp_kong_covers(S("api.*"), S("*.test")));
    assert_false(sp_kong_covers(S("*.test"), S("*")));
    assert_true(sp_kong_overlaps(S("api.*"), S("*.test")));
    assert_false(sp_kong_overlaps(S("*.test"), S("api.*")));
    assert_false(sp_kong_overlaps(S("api.test"), S("*.test")));
}

static void test_regex(void **state)
{
    assert_true(sp_kong_is_regex(S("~/a/\\d+"), false));
    assert_false(sp_kong_is_regex(S("/a/(b)"), false));
    assert_true(sp_kong_is_regex(S("/a/(b)"), true));
    assert_false(sp_kong_is_regex(S("/a/b-c_d.e~f%20"), true));
}

/* What a path becomes: "-" where no route takes it. */
static struct sp_str sent(struct sp_arena *arena, const char *path, bool strip, const char *base, const char *request)
{
    struct sp_kong_rewrite r[SP_KONG_MAX_REWRITES];
    bool regex = sp_kong_is_regex(sp_str_c(path), false), limit;
    char why[SP_REGEX_WHY_MAX];
    unsigned n = sp_kong_rewrites(arena, sp_str_c(path), regex, strip, sp_str_c(base), r);
    assert_int_equal(n, regex && strip && *base ? 2 : 1);
    for (unsigned i = 0; i < n; i++) {
        struct sp_str q = sp_str_c(request), out = q;
        struct sp_regex *match = r[i].kind == SP_KONG_REGEX ? sp_regex_new(r[i].match, 0, why) : NULL;
        bool yes = match ? sp_regex_full_match(match, q, &limit) : sp_str_starts(q, r[i].match);
        sp_regex_free(match);
        if (!yes)
            continue;
        if (r[i].pattern.len) {
            struct sp_regex *pattern = sp_regex_new(r[i].pattern, SP_REGEX_SEARCH, why);
            out = sp_regex_substitute(pattern, q, r[i].with, 65536, arena);
            sp_regex_free(pattern);
        }
        return out;
    }
    return S("-");
}

static void test_paths(void **state)
{
    static const struct {
        const char *path;
        bool strip;
        const char *base, *request, *becomes;
    } table[] = {
        {"/foo", true, "", "/foo/bar", "/bar"},      {"/foo", true, "", "/foo", "/"},
        {"/foo", true, "", "/foo/", "/"},            {"/foo", true, "", "/foobar", "/bar"},
        {"/foo/", true, "", "/foo/bar", "/bar"},     {"/foo/", true, "", "/foo", "-"},
        {"/", true, "", "/x/y", "/x/y"},             {"", true, "", "/x/y", "/x/y"},
        {"/foo", true, "/api", "/foo/bar", "/api/bar"}, {"/foo", true, "/api", "/foo", "/api"},
        {"/foo", true, "/api", "/foo/", "/api/"},    {"/foo", true, "/api", "/foobar", "/api/bar"},
        {"/foo/", true, "/api", "/foo/", "/api/"},   {"/", true, "/api", "/", "/api"},
        {"/", true, "/api", "/x", "/api/x"},         {"/foo", false, "", "/foo/bar", "/foo/bar"},
        {"/foo", false, "/api", "/foo/bar", "/api/foo/bar"}, {"/a.b", true, "", "/a.b/c", "/c"},
        {"/a.b", true, "", "/axb/c", "-"},           {"~/v\\d+", true, "", "/v12/x", "/x"},
        {"~/v\\d+", true, "/api", "/v12/x", "/api/x"}, {"~/v\\d+", true, "/api", "/v12", "/api"},
        {"~/v\\d+", false, "", "/v12/x", "/v12/x"},  {"~/v\\d+$", false, "", "/v12/x", "-"},
        {"~/v\\d+", false, "", "/w/v12", "-"},       {"/foo", true, "/a\\1b", "/foo/x", "/a\\1b/x"},
        {"/foo", true, "/a\\1b", "/foo", "/a\\1b"},  {"/a.b", true, "/api", "/a.b/c/d", "/api/c/d"},
        {"/a.b", true, "/api", "/a.b", "/api"},      {"/foo/", true, "/api", "/foo/x/", "/api/x/"},
    };
    struct sp_arena arena;
    sp_arena_init(&arena);
    for (size_t i = 0; i < SP_ARRAY_LEN(table); i++) {
        struct sp_str is = sent(&arena, table[i].path, table[i].strip, table[i].base, table[i].request);
        if (!sp_str_eq(is, sp_str_c(table[i].becomes)))
            fail_msg("%s (strip %d, base \"%s\"): %s becomes %.*s, not %s", table[i].path, table[i].strip, table[i].base, table[i].request,
                     SP_STR_ARG(is), table[i].becomes);
    }
    sp_arena_done(&arena);
    sp_arena_thread_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_priority),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_regex),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
