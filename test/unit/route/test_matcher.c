/* SPDX-License-Identifier: GPL-2.0-or-later */
/* StringMatcher, HeaderMatcher and RouteMatch, and what is refused about them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/mem.h"
#include "route/matcher.h"
#include "support/config.h"

static struct sp_string_matcher *string_of(struct t_config *c, const char *yaml)
{
    t_config_load(c, &envoy__type__matcher__v3__string_matcher__descriptor, yaml);
    return sp_string_matcher_new(c->doc, &c->diag, c->msg);
}

static bool string(const char *yaml, const char *text)
{
    struct t_config c;
    struct sp_string_matcher *m = string_of(&c, yaml);
    assert_string_equal(t_config_said(&c), "");
    bool yes = sp_string_match(m, sp_str_c(text));
    sp_string_matcher_free(m);
    t_config_done(&c);
    return yes;
}

static void strings(void **state)
{
    assert_true(string("exact: abc", "abc"));
    assert_false(string("exact: abc", "abcd"));
    assert_false(string("exact: abc", "ABC"));
    assert_true(string("{exact: aBc, ignore_case: true}", "AbC"));
    assert_true(string("exact: ''", ""));
    assert_false(string("exact: ''", "a"));
    assert_true(string("prefix: ab", "abc"));
    assert_false(string("prefix: ab", "a"));
    assert_true(string("{prefix: ab, ignore_case: true}", "ABc"));
    assert_true(string("suffix: bc", "abc"));
    assert_false(string("suffix: bc", "bcd"));
    assert_true(string("{suffix: BC, ignore_case: true}", "abc"));
    assert_true(string("contains: bc", "abcd"));
    assert_false(string("contains: bc", "bdc"));
    assert_false(string("contains: bc", "b"));
    assert_true(string("{contains: bC, ignore_case: true}", "aBcd"));
    assert_false(string("{contains: bC, ignore_case: true}", "abdc"));
    assert_true(string("{contains: bC, ignore_case: true}", "xxBC"));
    assert_true(string("safe_regex: {regex: 'a+'}", "aaa"));
    assert_false(string("safe_regex: {regex: 'a+'}", "aaab"));
    assert_true(string("safe_regex: {google_re2: {}, regex: '(?i)a+'}", "AAA"));
}

static void bad_string(const char *yaml, const char *expected)
{
    struct t_config c;
    assert_null(string_of(&c, yaml));
    assert_string_equal(t_config_said(&c), expected);
    t_config_done(&c);
}

static void bad_strings(void **state)
{
    bad_string("safe_regex: {regex: 'a('}", "t.yaml:1:21: safe_regex.regex: not a regular expression: missing closing "
                                            "parenthesis, at byte 2\n");
    bad_string("{safe_regex: {regex: 'a'}, ignore_case: true}",
               "t.yaml:1:41: ignore_case: has no effect on safe_regex (begin the expression with (?i))\n");
}

static void bad_substitution(const char *yaml, const char *expected)
{
    struct t_config c;
    t_config_load(&c, &envoy__type__matcher__v3__regex_match_and_substitute__descriptor, yaml);
    assert_null(sp_regex_new_substitute(c.doc, &c.diag, c.msg));
    assert_string_equal(t_config_said(&c), expected);
    t_config_done(&c);
}

static void bad_substitutions(void **state)
{
    bad_substitution("{pattern: {regex: 'a('}, substitution: b}",
                     "t.yaml:1:19: pattern.regex: not a regular expression: missing closing parenthesis, at byte 2\n");
    bad_substitution("{pattern: {regex: '(a)'}, substitution: '\\2'}",
                     "t.yaml:1:41: substitution: \\2, but the pattern has 1 groups (\\0 is the match, \\1 to \\9 its "
                     "groups, \\\\ a backslash)\n");
}

static struct sp_header_matcher *header_of(struct t_config *c, const char *yaml)
{
    t_config_load(c, &envoy__config__route__v3__header_matcher__descriptor, yaml);
    return sp_header_matcher_new(c->doc, &c->diag, c->msg);
}

static bool header(const char *yaml, const char *lines)
{
    struct t_config c;
    struct sp_header_matcher *m = header_of(&c, yaml);
    assert_string_equal(t_config_said(&c), "");
    struct sp_arena arena;
    struct sp_headers h;
    sp_arena_init(&arena);
    t_headers(&h, &arena, lines);
    bool yes = sp_header_match(m, &h);
    sp_arena_done(&arena);
    sp_header_matcher_free(m);
    t_config_done(&c);
    return yes;
}

static void header_forms(void **state)
{
    assert_true(header("{name: X-A, exact_match: b}", "x-a: b"));
    assert_false(header("{name: x-a, exact_match: b}", "x-a: bc"));
    assert_false(header("{name: x-a, exact_match: b}", "x-b: b"));
    /* Envoy's deprecated form matches any value when it is empty */
    assert_true(header("{name: x-a, exact_match: ''}", "x-a: bc"));
    assert_false(header("{name: x-a, exact_match: ''}", ""));
    assert_false(header("{name: x-a, string_match: {exact: ''}}", "x-a: bc"));
    assert_true(header("{name: x-a, prefix_match: b}", "x-a: bc"));
    assert_true(header("{name: x-a, suffix_match: c}", "x-a: bc"));
    assert_true(header("{name: x-a, contains_match: c}", "x-a: bcd"));
    assert_true(header("{name: x-a, safe_regex_match: {regex: 'b.*'}}", "x-a: bcd"));
    assert_false(header("{name: x-a, safe_regex_match: {regex: 'b'}}", "x-a: bcd"));
    assert_true(header("{name: x-a, string_match: {exact: BC, ignore_case: true}}", "x-a: bc"));
    assert_true(header("{name: x-a}", "x-a: "));
    assert_false(header("{name: x-a}", "x-b: "));
    assert_true(header("{name: user-agent, prefix_match: curl}", "user-agent: curl/8"));
}

static void header_ranges(void **state)
{
    const char *r = "{name: x-a, range_match: {start: -10, end: 0}}";
    assert_true(header(r, "x-a: -1"));
    assert_true(header(r, "x-a: -10"));
    assert_false(header(r, "x-a: -11"));
    assert_false(header(r, "x-a: 0"));
    assert_false(header(r, "x-a: -1a"));
    assert_false(header(r, "x-a: -1.9"));
    assert_false(header(r, "x-a: somestring"));
    assert_false(header(r, "x-a: "));
    assert_false(header(r, "x-a: -"));
    assert_false(header(r, ""));
    assert_true(header("{name: x-a, range_match: {start: 5, end: 6}}", "x-a: +5"));
    assert_true(header("{name: x-a, range_match: {start: -9223372036854775808, end: 0}}", "x-a: -9223372036854775808"));
    assert_false(header("{name: x-a, range_match: {start: 0, end: 9223372036854775807}}", "x-a: 18446744073709551616"));
    assert_false(header("{name: x-a, range_match: {start: -9223372036854775808, end: 0}}", "x-a: 9223372036854775808"));
}

static void header_presence_and_inversion(void **state)
{
    assert_true(header("{name: x-a, present_match: true}", "x-a: b"));
    assert_false(header("{name: x-a, present_match: true}", ""));
    assert_false(header("{name: x-a, present_match: false}", "x-a: b"));
    assert_true(header("{name: x-a, present_match: false}", ""));
    assert_false(header("{name: x-a, present_match: true, invert_match: true}", "x-a: b"));
    assert_true(header("{name: x-a, present_match: true, invert_match: true}", ""));
    assert_true(header("{name: x-a, present_match: false, invert_match: true}", "x-a: b"));
    assert_false(header("{name: x-a, present_match: false, invert_match: true}", ""));
    assert_true(header("{name: x-a, invert_match: true}", ""));
    assert_true(header("{name: x-a, exact_match: b, invert_match: true}", "x-a: c"));
    assert_false(header("{name: x-a, exact_match: b, invert_match: true}", "x-a: b"));
    /* what is not there does not match a value, inverted or not */
    assert_false(header("{name: x-a, exact_match: b, invert_match: true}", "x-b: c"));
    assert_true(header("{name: x-a, exact_match: b, invert_match: true, treat_missing_header_as_empty: true}", ""));
    assert_true(header("{name: x-a, string_match: {exact: ''}, treat_missing_header_as_empty: true}", ""));
    assert_true(header("{name: x-a, safe_regex_match: {regex: '^$'}, treat_missing_header_as_empty: true}", ""));
    assert_false(header("{name: x-a, exact_match: b, treat_missing_header_as_empty: true}", ""));
    assert_false(header("{name: x-a, range_match: {start: 0, end: 10}, treat_missing_header_as_empty: true}", ""));
    assert_true(header("{name: x-a, present_match: true, treat_missing_header_as_empty: true}", ""));
}

/* As Envoy 1.40 answers: asked with a real one. */
static void several_lines(void **state)
{
    const char *two = "x-a: a\nx-b: z\nx-a: b", *numbers = "x-a: 5\nx-a: 20";
    assert_true(header("{name: x-a, string_match: {exact: a}}", two));
    assert_true(header("{name: x-a, exact_match: b}", two));
    assert_false(header("{name: x-a, exact_match: 'a,b'}", two));
    assert_false(header("{name: x-a, contains_match: ','}", two));
    assert_true(header("{name: x-a, safe_regex_match: {regex: b}}", two));
    assert_false(header("{name: x-a, exact_match: b, invert_match: true}", two));
    assert_true(header("{name: x-a, exact_match: z, invert_match: true}", two));
    assert_true(header("{name: x-a}", two));
    assert_false(header("{name: x-a, present_match: false}", two));
    assert_true(header("{name: x-a, range_match: {start: 20, end: 21}}", numbers));
    assert_false(header("{name: x-a, range_match: {start: 20, end: 21}, invert_match: true}", numbers));
    assert_true(header("{name: x-a, string_match: {exact: 'a,b'}}", "x-a: a,b"));
    assert_false(header("{name: cookie, exact_match: 'a=1; b=2'}", "cookie: a=1\ncookie: b=2"));
}

static void some_headers_are_joined(void **state)
{
    assert_true(header("{name: accept, exact_match: 'a,b'}", "accept: a\naccept: b"));
    assert_false(header("{name: accept, exact_match: a}", "accept: a\naccept: b"));
    assert_true(header("{name: x-forwarded-for, exact_match: ',b,'}", "x-forwarded-for: \nx-forwarded-for: b\n"
                                                                       "x-forwarded-for: "));
    assert_true(header("{name: x-envoy-retry-on, exact_match: 'a,b'}", "x-envoy-retry-on: a\nx-envoy-retry-on: b"));
    char *big = sp_xmalloc(20100);
    size_t n = 0;
    for (int i = 0; i < 4; i++) {
        memcpy(big + n, "via: ", 5);
        memset(big + n + 5, 'q', 5000);
        big[n + 5005] = '\n';
        n += 5006;
    }
    big[n] = 0;
    assert_true(header("{name: via, safe_regex_match: {regex: 'q+,q+,q+,q+'}}", big));
    assert_false(header("{name: via, safe_regex_match: {regex: 'q+,q+,q+,q+,'}}", big));
    free(big);
}

static void pseudo_headers(void **state)
{
    const char *h = ":method: GET\n:scheme: https\n:authority: a.com\n:path: /x?y";
    assert_true(header("{name: ':method', exact_match: GET}", h));
    assert_true(header("{name: ':scheme', exact_match: https}", h));
    assert_true(header("{name: ':authority', exact_match: a.com}", h));
    assert_true(header("{name: Host, exact_match: a.com}", h));
    assert_true(header("{name: ':path', exact_match: '/x?y'}", h));
    assert_false(header("{name: ':protocol', present_match: true}", h));
    assert_true(header("{name: ':protocol', present_match: false}", h));
    assert_true(header("{name: ':status', range_match: {start: 500, end: 600}}", ":status: 503"));
    assert_false(header("{name: ':status', present_match: true}", h));
}

static void header_limit_never_matches(void **state)
{
    char lines[600] = "x-a: ";
    memset(lines + 5, 'a', 500);
    strcpy(lines + 505, "c");
    const char *bomb[] = {"{name: x-a, safe_regex_match: {regex: '(a+)+bc'}}",
                          "{name: x-a, safe_regex_match: {regex: '(a+)+bc'}, invert_match: true}"};
    for (int i = 0; i < 2; i++) {
        struct t_config c;
        struct sp_header_matcher *m = header_of(&c, bomb[i]);
        struct sp_arena arena;
        struct sp_headers h;
        bool limit = false;
        sp_arena_init(&arena);
        t_headers(&h, &arena, lines);
        assert_false(sp_header_match_limited(m, &h, &limit));
        assert_true(limit);
        sp_arena_done(&arena);
        sp_header_matcher_free(m);
        t_config_done(&c);
    }
}

static void bad_header(const char *yaml, const char *expected)
{
    struct t_config c;
    assert_null(header_of(&c, yaml));
    assert_string_equal(t_config_said(&c), expected);
    t_config_done(&c);
}

static void bad_headers(void **state)
{
    bad_header("{name: ':pth', exact_match: a}", "t.yaml:1:8: name: there is no such pseudo-header (known: :method, "
                                                 ":scheme, :authority, :path, :protocol, :status)\n");
    bad_header("{name: a, range_match: {start: 3, end: 3}}",
               "t.yaml:1:24: range_match: no number is in it: start has to be less than end, which is not part of the "
               "range\n");
    bad_header("{name: a, safe_regex_match: {regex: '['}}",
               "t.yaml:1:37: safe_regex_match.regex: not a regular expression: missing terminating ] for character "
               "class, at byte 1\n");
    bad_header("{name: a, string_match: {safe_regex: {regex: '['}}}",
               "t.yaml:1:46: string_match.safe_regex.regex: not a regular expression: missing terminating ] for "
               "character class, at byte 1\n");
}

static bool route_said(const char *yaml, const char *lines, uint64_t random, const char *said)
{
    struct t_config c;
    t_config_load(&c, &envoy__config__route__v3__route_match__descriptor, yaml);
    struct sp_route_match *m = sp_route_match_new(c.doc, &c.diag, c.msg);
    assert_string_equal(t_config_said(&c), said);
    assert_non_null(m);
    struct sp_arena arena;
    struct sp_headers h;
    bool limit = false;
    sp_arena_init(&arena);
    t_headers(&h, &arena, lines);
    bool yes = sp_route_match(m, &h, random, &limit);
    assert_false(limit);
    sp_arena_done(&arena);
    sp_route_match_free(m);
    t_config_done(&c);
    return yes;
}

static bool route(const char *yaml, const char *path)
{
    char lines[200];
    snprintf(lines, sizeof(lines), ":path: %s", path);
    return route_said(yaml, lines, 0, "");
}

static void route_paths(void **state)
{
    assert_true(route("prefix: /a", "/abc"));
    assert_true(route("prefix: /a", "/a?b"));
    assert_false(route("prefix: /a", "/A"));
    assert_true(route("{prefix: /a, case_sensitive: false}", "/Abc"));
    assert_true(route("prefix: ''", "/"));
    assert_false(route("prefix: ''", ""));
    assert_true(route("path: /a", "/a"));
    assert_true(route("path: /a", "/a?b=/c"));
    assert_true(route("path: /a", "/a#b?c"));
    assert_false(route("path: /a", "/a/"));
    assert_false(route("path: /a", "/a%3fb"));
    assert_true(route("{path: /a, case_sensitive: false}", "/A"));
    assert_true(route("path_separated_prefix: /a/b", "/a/b"));
    assert_true(route("path_separated_prefix: /a/b", "/a/b/"));
    assert_true(route("path_separated_prefix: /a/b", "/a/b/c?d"));
    assert_true(route("path_separated_prefix: /a/b", "/a/b?d"));
    assert_false(route("path_separated_prefix: /a/b", "/a/bc"));
    assert_false(route("path_separated_prefix: /a/b", "/a/B"));
    assert_true(route("{path_separated_prefix: /a/b, case_sensitive: false}", "/a/B/c"));
    assert_true(route("safe_regex: {regex: '/a/[0-9]+'}", "/a/12?x"));
    assert_false(route("safe_regex: {regex: '/a/[0-9]+'}", "/a/12/b"));
    assert_false(route("safe_regex: {regex: '/a.*'}", "/b?/a"));
}

static void route_queries(void **state)
{
    const char *exact = "{prefix: /, query_parameters: [{name: a, string_match: {exact: b}}]}";
    assert_true(route(exact, "/?a=b"));
    assert_true(route(exact, "/?x=y&a=b&a=c"));
    assert_false(route(exact, "/?a=c&a=b"));
    assert_false(route(exact, "/?a"));
    assert_false(route(exact, "/?A=b"));
    assert_false(route(exact, "/?a=b%20"));
    assert_false(route(exact, "/a=b"));
    assert_true(route("{prefix: /, query_parameters: [{name: a, string_match: {exact: ''}}]}", "/?a"));
    assert_true(route("{prefix: /, query_parameters: [{name: a, string_match: {exact: 'b=c'}}]}", "/?a=b=c"));
    assert_true(route("{prefix: /, query_parameters: [{name: a}]}", "/?a"));
    assert_true(route("{prefix: /, query_parameters: [{name: a, present_match: true}]}", "/?&&a=1"));
    assert_false(route("{prefix: /, query_parameters: [{name: a, present_match: true}]}", "/?aa=1"));
    assert_false(route("{prefix: /, query_parameters: [{name: a, present_match: false}]}", "/?a=1"));
    assert_true(route("{prefix: /, query_parameters: [{name: a, present_match: false}]}", "/"));
    assert_true(route("{prefix: /, query_parameters: [{name: a}, {name: b}]}", "/?b&a"));
    assert_false(route("{prefix: /, query_parameters: [{name: a}, {name: b}]}", "/?b"));
}

static void route_headers_and_fractions(void **state)
{
    const char *two = "{prefix: /, headers: [{name: x-a, exact_match: b}, {name: ':method', exact_match: GET}]}";
    assert_true(route_said(two, ":path: /\n:method: GET\nx-a: b", 0, ""));
    assert_false(route_said(two, ":path: /\n:method: PUT\nx-a: b", 0, ""));
    const char *ten = "{prefix: /, runtime_fraction: {default_value: {numerator: 10}}}";
    assert_true(route_said(ten, ":path: /", 209, ""));
    assert_false(route_said(ten, ":path: /", 210, ""));
    const char *m = "{prefix: /, runtime_fraction: {default_value: {numerator: 1, denominator: MILLION}}}";
    assert_true(route_said(m, ":path: /", 7000000, ""));
    assert_false(route_said(m, ":path: /", 7000001, ""));
    const char *none = "{prefix: /, runtime_fraction: {default_value: {numerator: 0}}}";
    assert_false(route_said(none, ":path: /", 100, ""));
}

static void route_warnings(void **state)
{
    assert_false(route_said("prefix: /a?b", ":path: /a?b", 0,
                            "t.yaml:1:9: warning: prefix: no request can match: what is matched is the path without its "
                            "query (match that with query_parameters)\n"));
    assert_false(route_said("path: a", ":path: /a", 0,
                            "t.yaml:1:7: warning: path: no request can match: every path but \"*\" begins with '/'\n"));
    assert_true(route_said("{prefix: /, runtime_fraction: {default_value: {numerator: 101}}}", ":path: /a", 100,
                           "t.yaml:1:59: warning: runtime_fraction.default_value.numerator: more than the denominator "
                           "(100): all requests match\n"));
}

static void route_limit_is_told(void **state)
{
    struct t_config c;
    char lines[600] = ":path: /";
    memset(lines + 8, 'a', 500);
    strcpy(lines + 508, "c");
    t_config_load(&c, &envoy__config__route__v3__route_match__descriptor, "safe_regex: {regex: '/(a+)+bc'}");
    struct sp_route_match *m = sp_route_match_new(c.doc, &c.diag, c.msg);
    struct sp_arena arena;
    struct sp_headers h;
    bool limit = false;
    sp_arena_init(&arena);
    t_headers(&h, &arena, lines);
    assert_false(sp_route_match(m, &h, 0, &limit));
    assert_true(limit);
    sp_arena_done(&arena);
    sp_route_match_free(m);
    t_config_done(&c);
}

static enum sp_route_part part(const char *yaml, const char *lines, unsigned *ret_index)
{
    struct t_config c;
    struct sp_arena arena;
    struct sp_headers h;
    bool limit = false;
    t_config_load(&c, &envoy__config__route__v3__route_match__descriptor, yaml);
    struct sp_route_match *m = sp_route_match_new(c.doc, &c.diag, c.msg);
    sp_arena_init(&arena);
    t_headers(&h, &arena, lines);
    enum sp_route_part p = sp_route_match_part(m, &h, 60, ret_index);
    assert_int_equal(sp_route_match(m, &h, 60, &limit), p == SP_ROUTE_PART_NONE);
    sp_arena_done(&arena);
    sp_route_match_free(m);
    t_config_done(&c);
    return p;
}

static void route_parts(void **state)
{
    static const char yaml[] = "{prefix: /a, headers: [{name: x}, {name: w, exact_match: z}], query_parameters: [{name: p}, {name: q, "
                               "string_match: {exact: '1'}}]}";
    unsigned i = 99;
    assert_int_equal(part(yaml, ":path: /b", &i), SP_ROUTE_PART_PATH);
    assert_int_equal(part(yaml, ":path: /a", &i), SP_ROUTE_PART_HEADER);
    assert_int_equal(i, 0);
    assert_int_equal(part(yaml, ":path: /a\nx: 1\nw: no", &i), SP_ROUTE_PART_HEADER);
    assert_int_equal(i, 1);
    assert_int_equal(part(yaml, ":path: /a\nx: 1\nw: z", &i), SP_ROUTE_PART_QUERY);
    assert_int_equal(i, 0);
    assert_int_equal(part(yaml, ":path: /a?p=1&q=2\nx: 1\nw: z", &i), SP_ROUTE_PART_QUERY);
    assert_int_equal(i, 1);
    assert_int_equal(part(yaml, ":path: /a?p=1&q=1\nx: 1\nw: z", &i), SP_ROUTE_PART_NONE);
    assert_int_equal(part("{prefix: /, runtime_fraction: {default_value: {numerator: 60}}}", ":path: /", &i), SP_ROUTE_PART_FRACTION);
    assert_int_equal(part("{prefix: /, runtime_fraction: {default_value: {numerator: 61}}}", ":path: /", &i), SP_ROUTE_PART_NONE);
}

static void bad_routes_tell_all(void **state)
{
    struct t_config c;
    t_config_load(&c, &envoy__config__route__v3__route_match__descriptor,
                  "safe_regex: {regex: '('}\n"
                  "headers:\n- {name: a, safe_regex_match: {regex: ')'}}\n- {name: ':x'}\n"
                  "query_parameters:\n- {name: a, string_match: {safe_regex: {regex: '?'}}}\n");
    assert_null(sp_route_match_new(c.doc, &c.diag, c.msg));
    assert_string_equal(t_config_said(&c),
                        "t.yaml:1:21: safe_regex.regex: not a regular expression: missing closing parenthesis, at byte 1\n"
                        "t.yaml:3:39: headers[0].safe_regex_match.regex: not a regular expression: unmatched closing "
                        "parenthesis, at byte 0\n"
                        "t.yaml:4:10: headers[1].name: there is no such pseudo-header (known: :method, :scheme, "
                        ":authority, :path, :protocol, :status)\n"
                        "t.yaml:6:48: query_parameters[0].string_match.safe_regex.regex: not a regular expression: "
                        "quantifier does not follow a repeatable item, at byte 0\n");
    t_config_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings),
        cmocka_unit_test(bad_strings),
        cmocka_unit_test(bad_substitutions),
        cmocka_unit_test(header_forms),
        cmocka_unit_test(header_ranges),
        cmocka_unit_test(header_presence_and_inversion),
        cmocka_unit_test(several_lines),
        cmocka_unit_test(some_headers_are_joined),
        cmocka_unit_test(pseudo_headers),
        cmocka_unit_test(header_limit_never_matches),
        cmocka_unit_test(bad_headers),
        cmocka_unit_test(route_paths),
        cmocka_unit_test(route_queries),
        cmocka_unit_test(route_headers_and_fractions),
        cmocka_unit_test(route_warnings),
        cmocka_unit_test(route_limit_is_told),
        cmocka_unit_test(route_parts),
        cmocka_unit_test(bad_routes_tell_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
