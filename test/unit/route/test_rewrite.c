/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Path and host rewriting, redirects, and what is refused about them. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * The request after the rewrite, or "500", in a static buffer.  `original` is what has to be told of the path and host
 * before, "path|host", "-" for one that was not changed.
 */
static const char *rewritten(const char *match, const char *action, const char *lines, const char *original)
{
    static char text[4096];
    struct t_table x;
    char *routes = NULL;
    struct sp_str path = SP_STR_NULL, host = SP_STR_NULL;
    assert_true(asprintf(&routes, "  - {match: {%s}, route: {cluster: a, %s}}\n", match, action) > 0);
    t_table_routes(&x, routes, "");
    const struct sp_route *r = t_find(&x, lines, 0);
    assert_non_null(r);
    if (sp_route_rewrite(r, NULL, &x.h, &path, &host)) {
        snprintf(text, sizeof(text), "%s", t_headers_text(&x.h, &x.arena));
        char got[200];
        snprintf(got, sizeof(got), "%s|%s", path.ptr ? t_c(&x.arena, path) : "-", host.ptr ? t_c(&x.arena, host) : "-");
        assert_string_equal(got, original);
    } else {
        strcpy(text, "500");
    }
    free(routes);
    t_table_done(&x);
    return text;
}

static void path_becomes(const char *match, const char *action, const char *path, const char *after)
{
    char lines[200], original[200], expected[200];
    snprintf(lines, sizeof(lines), ":path: %s", path);
    snprintf(original, sizeof(original), "%s|-", strcmp(path, after) ? path : "-");
    snprintf(expected, sizeof(expected), ":path: %s\n", after);
    assert_string_equal(rewritten(match, action, lines, original), expected);
}

static void prefixes(void **state)
{
    path_becomes("prefix: /api/", "prefix_rewrite: /", "/api/users?id=1", "/users?id=1");
    path_becomes("prefix: /api", "prefix_rewrite: /v2", "/api", "/v2");
    path_becomes("prefix: /api", "prefix_rewrite: /", "/api/x", "//x");
    path_becomes("prefix: /", "prefix_rewrite: /v2/", "/?q", "/v2/?q");
    path_becomes("prefix: /API, case_sensitive: false", "prefix_rewrite: /v2", "/aPi/x", "/v2/x");
    path_becomes("path: /a/b", "prefix_rewrite: /c", "/a/b?q=/a/b", "/c?q=/a/b");
    path_becomes("path_separated_prefix: /a", "prefix_rewrite: /c", "/a/b", "/c/b");
    path_becomes("path_separated_prefix: /a", "prefix_rewrite: /c", "/a?b", "/c?b");
    path_becomes("safe_regex: {regex: '/[a-z]+/[0-9]+'}", "prefix_rewrite: /c", "/abc/12?x", "/c?x");
    path_becomes("prefix: ''", "prefix_rewrite: /c", "/a", "/c/a");
    path_becomes("prefix: /a", "timeout: 1s", "/a?b", "/a?b");
}

static void regexes(void **state)
{
    path_becomes("prefix: /", "regex_rewrite: {pattern: {regex: '^/service/([^/]+)(/.*)$'}, substitution: '\\2/instance/\\1'}",
                 "/service/foo/v1/api?q", "/v1/api/instance/foo?q");
    path_becomes("prefix: /", "regex_rewrite: {pattern: {regex: one}, substitution: two}", "/xxx/one/yyy/one?one",
                 "/xxx/two/yyy/two?one");
    path_becomes("prefix: /", "regex_rewrite: {pattern: {regex: one}, substitution: two}", "/xxx", "/xxx");
    assert_string_equal(rewritten("prefix: /", "regex_rewrite: {pattern: {regex: '^/'}, substitution: ''}", ":path: /a", ""),
                        "500");
    assert_string_equal(rewritten("prefix: /", "regex_rewrite: {pattern: {regex: x}, substitution: ' '}", ":path: /x", ""),
                        "500");
    assert_string_equal(rewritten("prefix: /", "regex_rewrite: {pattern: {regex: x}, substitution: '#'}", ":path: /x", ""),
                        "500");
    char lines[600] = ":path: /";
    memset(lines + 8, 'a', 500);
    strcpy(lines + 508, "c");
    assert_string_equal(rewritten("prefix: /", "regex_rewrite: {pattern: {regex: '(a+)+bc'}, substitution: ''}", lines, ""),
                        "500");
}

static void hosts(void **state)
{
    const char *in = ":authority: old.com:8080\n:path: /t1.com/x?y\nx-h: new.com\nx-h: other\nx-bad: a b\nx-empty: ";
    const char *rest = ":path: /t1.com/x?y\nx-h: new.com\nx-h: other\nx-bad: a b\nx-empty: \n";
    char expected[300];
    snprintf(expected, sizeof(expected), ":authority: lit.com\n%s", rest);
    assert_string_equal(rewritten("prefix: /", "host_rewrite_literal: lit.com", in, "-|old.com:8080"), expected);
    snprintf(expected, sizeof(expected), ":authority: new.com\n%s", rest);
    assert_string_equal(rewritten("prefix: /", "host_rewrite_header: X-H", in, "-|old.com:8080"), expected);
    snprintf(expected, sizeof(expected), ":authority: t1.com\n%s", rest);
    assert_string_equal(rewritten("prefix: /",
                                  "host_rewrite_path_regex: {pattern: {regex: '^/([^/]+)/.*$'}, substitution: '\\1'}", in,
                                  "-|old.com:8080"),
                        expected);
    /* what is not there or empty changes nothing */
    snprintf(expected, sizeof(expected), ":authority: old.com:8080\n%s", rest);
    assert_string_equal(rewritten("prefix: /", "host_rewrite_header: x-none", in, "-|-"), expected);
    assert_string_equal(rewritten("prefix: /", "host_rewrite_header: x-empty", in, "-|-"), expected);
    assert_string_equal(rewritten("prefix: /", "auto_host_rewrite: true", in, "-|-"), expected);
    /* what comes from outside has to be a host */
    assert_string_equal(rewritten("prefix: /", "host_rewrite_header: x-bad", in, ""), "500");
    assert_string_equal(rewritten("prefix: /", "host_rewrite_path_regex: {pattern: {regex: '^/'}, substitution: 'a/'}", in,
                                  ""),
                        "500");
}

static void host_and_path_together(void **state)
{
    assert_string_equal(rewritten("prefix: /a/", "prefix_rewrite: /, host_rewrite_path_regex: {pattern: {regex: "
                                                 "'^/a/([a-z]+).*$'}, substitution: '\\1.com'}",
                                  ":authority: o\n:path: /a/b/c", "/a/b/c|o"),
                        ":authority: b.com\n:path: /b/c\n");
}

static void forwarded_hosts(void **state)
{
    const char *action = "host_rewrite_literal: q, append_x_forwarded_host: true";
    assert_string_equal(rewritten("prefix: /", action, ":authority: o\n:path: /", "-|o"),
                        ":authority: q\n:path: /\nx-forwarded-host: o\n");
    assert_string_equal(rewritten("prefix: /", action, ":authority: o\n:path: /\nx-forwarded-host: a", "-|o"),
                        ":authority: q\n:path: /\nx-forwarded-host: a,o\n");
    assert_string_equal(rewritten("prefix: /", action, ":authority: o\n:path: /\nx-forwarded-host: a, o", "-|o"),
                        ":authority: q\n:path: /\nx-forwarded-host: a, o\n");
    assert_string_equal(rewritten("prefix: /", "append_x_forwarded_host: true", ":authority: o\n:path: /", "-|-"),
                        ":authority: o\n:path: /\n");
}

static void weighted_hosts_win(void **state)
{
    struct t_table x;
    struct sp_str name, path, host;
    const struct sp_weighted_cluster *w;
    t_table_routes(&x,
                   "  - {match: {prefix: /}, route: {host_rewrite_literal: l.com, weighted_clusters: {clusters: [{name: a, "
                   "weight: 1}, {name: b, weight: 1, host_rewrite_literal: w.com}]}}}\n",
                   "");
    for (uint64_t i = 0; i < 2; i++) {
        const struct sp_route *r = t_find(&x, ":authority: o\n:path: /", 0);
        sp_route_pick_cluster(r, &x.h, i, NULL, NULL, &name, &w);
        assert_true(sp_route_rewrite(r, w, &x.h, &path, &host));
        assert_string_equal(t_c(&x.arena, x.h.authority), i ? "w.com" : "l.com");
    }
    t_table_done(&x);
}

static void redirect(const char *match, const char *action, const char *lines, unsigned status, const char *location)
{
    struct t_table x;
    char *routes = NULL;
    unsigned got = 0;
    assert_true(asprintf(&routes, "  - {match: {%s}, redirect: {%s}}\n", match, action) > 0);
    t_table_routes(&x, routes, "");
    const struct sp_route *r = t_find(&x, lines, 0);
    assert_non_null(r);
    assert_int_equal(r->kind, SP_ROUTE_REDIRECT);
    assert_string_equal(t_c(&x.arena, sp_route_redirect(r, &x.h, &got)), location);
    assert_int_equal(got, status);
    free(routes);
    t_table_done(&x);
}

#define PLAIN(host, path) ":scheme: http\n:authority: " host "\n:path: " path
#define SECURE(host, path) ":scheme: https\n:authority: " host "\n:path: " path

static void redirects_to_https(void **state)
{
    redirect("prefix: /", "https_redirect: true", PLAIN("a.com", "/x?y"), 301, "https://a.com/x?y");
    redirect("prefix: /", "https_redirect: true", PLAIN("a.com:80", "/"), 301, "https://a.com/");
    redirect("prefix: /", "https_redirect: true", PLAIN("a.com:8080", "/"), 301, "https://a.com:8080/");
    redirect("prefix: /", "https_redirect: true", PLAIN("a.com:443", "/"), 301, "https://a.com:443/");
    redirect("prefix: /", "https_redirect: true, port_redirect: 8443", PLAIN("a.com:8080", "/"), 301,
             "https://a.com:8443/");
    redirect("prefix: /", "https_redirect: true", PLAIN("[fe80::1]:80", "/"), 301, "https://[fe80::1]/");
    redirect("prefix: /", "https_redirect: true", PLAIN("[fe80::1]", "/"), 301, "https://[fe80::1]/");
    redirect("prefix: /", "https_redirect: true, port_redirect: 8443", PLAIN("[fe80::1]:80", "/"), 301,
             "https://[fe80::1]:8443/");
    /* already https: the port is no default of a scheme that was left */
    redirect("prefix: /", "https_redirect: true", SECURE("a.com:443", "/"), 301, "https://a.com:443/");
    /* what the client used counts, not what the last hop did */
    redirect("prefix: /", "https_redirect: true", PLAIN("a.com:80", "/") "\nx-forwarded-proto: https", 301,
             "https://a.com:80/");
    redirect("prefix: /", "scheme_redirect: http", SECURE("a.com:443", "/"), 301, "http://a.com/");
}

static void redirects_elsewhere(void **state)
{
    redirect("prefix: /", "host_redirect: b.com", SECURE("a.com:8443", "/x?y"), 301, "https://b.com/x?y");
    redirect("prefix: /", "host_redirect: 'b.com:81'", PLAIN("a.com", "/"), 301, "http://b.com:81/");
    redirect("prefix: /", "port_redirect: 81", PLAIN("a.com:80", "/x"), 301, "http://a.com:81/x");
    redirect("prefix: /", "path_redirect: /new", PLAIN("a.com", "/x?y=1"), 301, "http://a.com/new?y=1");
    redirect("prefix: /", "path_redirect: new", PLAIN("a.com", "/x"), 301, "http://a.com/new");
    redirect("prefix: /", "path_redirect: '/new?z=2'", PLAIN("a.com", "/x?y=1"), 301, "http://a.com/new?z=2");
    redirect("prefix: /", "path_redirect: '/new?z=2', strip_query: true", PLAIN("a.com", "/x?y=1"), 301,
             "http://a.com/new?z=2");
    redirect("prefix: /", "path_redirect: /new, strip_query: true", PLAIN("a.com", "/x?y=1"), 301, "http://a.com/new");
    redirect("prefix: /", "path_redirect: '/new#frag'", PLAIN("a.com", "/x"), 301, "http://a.com/new#frag");
    redirect("prefix: /", "strip_query: true", PLAIN("a.com", "/x?y=1"), 301, "http://a.com/x");
    redirect("prefix: /old", "prefix_rewrite: /new", PLAIN("a.com", "/old/x?y"), 301, "http://a.com/new/x?y");
    redirect("prefix: /", "regex_rewrite: {pattern: {regex: '^/a/(.*)$'}, substitution: '/\\1'}", PLAIN("a.com", "/a/b?c"),
             301, "http://a.com/b?c");
    redirect("prefix: /", "regex_rewrite: {pattern: {regex: '^/a/(.*)$'}, substitution: '\\1'}", PLAIN("a.com", "/a/b"), 500,
             "(null)");
}

static void redirect_statuses(void **state)
{
    redirect("prefix: /", "host_redirect: b, response_code: FOUND", PLAIN("a", "/"), 302, "http://b/");
    redirect("prefix: /", "host_redirect: b, response_code: SEE_OTHER", PLAIN("a", "/"), 303, "http://b/");
    redirect("prefix: /", "host_redirect: b, response_code: TEMPORARY_REDIRECT", PLAIN("a", "/"), 307, "http://b/");
    redirect("prefix: /", "host_redirect: b, response_code: PERMANENT_REDIRECT", PLAIN("a", "/"), 308, "http://b/");
}

static void bad_rewrites(void **state)
{
    struct t_table x;
    t_table_routes(&x,
                   "  - {match: {prefix: /1}, route: {cluster: a, prefix_rewrite: x}}\n"
                   "  - {match: {prefix: /2}, route: {cluster: a, prefix_rewrite: '/a b'}}\n"
                   "  - {match: {prefix: /3}, route: {cluster: a, prefix_rewrite: /x, regex_rewrite: {pattern: {regex: a}, "
                   "substitution: b}}}\n"
                   "  - {match: {prefix: /4}, route: {cluster: a, regex_rewrite: {pattern: {regex: a}, substitution: "
                   "'\\1'}}}\n"
                   "  - {match: {prefix: /5}, route: {cluster: a, host_rewrite_path_regex: {pattern: {regex: '('}, "
                   "substitution: b}}}\n"
                   "  - {match: {prefix: /6}, route: {cluster: a, host_rewrite_literal: 'a b'}}\n"
                   "  - {match: {prefix: /7}, route: {weighted_clusters: {clusters: [{name: a, weight: 1, "
                   "host_rewrite_literal: a/}]}}}\n",
                   "t.yaml:5:63: virtual_hosts[0].routes[0].route.prefix_rewrite: makes no valid path (it has to begin with "
                   "'/' and cannot hold spaces, '#' or control characters)\n"
                   "t.yaml:6:63: virtual_hosts[0].routes[1].route.prefix_rewrite: makes no valid path (it has to begin with "
                   "'/' and cannot hold spaces, '#' or control characters)\n"
                   "t.yaml:7:82: virtual_hosts[0].routes[2].route.regex_rewrite: cannot stand beside prefix_rewrite (take one "
                   "of them)\n"
                   "t.yaml:8:98: virtual_hosts[0].routes[3].route.regex_rewrite.substitution: \\1, but the pattern has 0 "
                   "groups (\\0 is the match, \\1 to \\9 its groups, \\\\ a backslash)\n"
                   "t.yaml:9:90: virtual_hosts[0].routes[4].route.host_rewrite_path_regex.pattern.regex: not a regular "
                   "expression: missing closing parenthesis, at byte 1\n"
                   "t.yaml:10:69: virtual_hosts[0].routes[5].route.host_rewrite_literal: not a host name (such as "
                   "\"www.example.com\" or \"10.0.0.1:8080\")\n"
                   "t.yaml:11:109: virtual_hosts[0].routes[6].route.weighted_clusters.clusters[0].host_rewrite_literal: not a "
                   "host name (such as \"www.example.com\" or \"10.0.0.1:8080\")\n");
    t_table_done(&x);
}

static void bad_redirects(void **state)
{
    struct t_table x;
    t_table_routes(&x,
                   "  - {match: {prefix: /1}, redirect: {response_code: FOUND}}\n"
                   "  - {match: {prefix: /2}, redirect: {host_redirect: 'a b'}}\n"
                   "  - {match: {prefix: /3}, redirect: {host_redirect: 'a:81', port_redirect: 82}}\n"
                   "  - {match: {prefix: /4}, redirect: {scheme_redirect: 'h t'}}\n"
                   "  - {match: {prefix: /5}, redirect: {path_redirect: '/a b'}}\n"
                   "  - {match: {prefix: /6}, redirect: {prefix_rewrite: a}}\n"
                   "  - {match: {prefix: /7}, redirect: {https_redirect: false}}\n",
                   "t.yaml:5:37: virtual_hosts[0].routes[0].redirect: redirects to where the request came from, for ever (set "
                   "https_redirect, host_redirect, path_redirect or another target)\n"
                   "t.yaml:6:53: virtual_hosts[0].routes[1].redirect.host_redirect: not a host name (such as "
                   "\"www.example.com\")\n"
                   "t.yaml:7:76: virtual_hosts[0].routes[2].redirect.port_redirect: host_redirect has a port too (take one of "
                   "them out)\n"
                   "t.yaml:8:55: virtual_hosts[0].routes[3].redirect.scheme_redirect: not a scheme (such as \"https\")\n"
                   "t.yaml:9:53: virtual_hosts[0].routes[4].redirect.path_redirect: cannot hold spaces or control characters "
                   "(write %20)\n"
                   "t.yaml:10:54: virtual_hosts[0].routes[5].redirect.prefix_rewrite: makes no valid path (it has to begin "
                   "with '/' and cannot hold spaces, '#' or control characters)\n"
                   "t.yaml:11:37: virtual_hosts[0].routes[6].redirect: redirects to where the request came from, for ever (set "
                   "https_redirect, host_redirect, path_redirect or another target)\n");
    t_table_done(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes),
        cmocka_unit_test(regexes),
        cmocka_unit_test(hosts),
        cmocka_unit_test(host_and_path_together),
        cmocka_unit_test(forwarded_hosts),
        cmocka_unit_test(weighted_hosts_win),
        cmocka_unit_test(redirects_to_https),
        cmocka_unit_test(redirects_elsewhere),
        cmocka_unit_test(redirect_statuses),
        cmocka_unit_test(bad_rewrites),
        cmocka_unit_test(bad_redirects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
