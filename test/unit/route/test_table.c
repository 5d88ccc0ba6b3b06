/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Route tables: virtual hosts, first match, clusters, and what is refused. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *vhost(struct t_table *x, const char *authority)
{
    const struct sp_vhost *v = sp_route_vhost(x->t, sp_str_c(authority));
    return v ? v->name.ptr : "-";
}

static void domains_as_in_envoy(void **state)
{
    struct t_table x;
    t_table(&x,
            "virtual_hosts:\n"
            "- {name: exact, domains: [www.a.com, 'B.com', 'c.com:8080']}\n"
            "- {name: suffix, domains: ['*.a.com']}\n"
            "- {name: dash, domains: ['*-x.a.com']}\n"
            "- {name: deep, domains: ['*.b.a.com', '*com']}\n"
            "- {name: prefix, domains: ['www.*']}\n"
            "- {name: longer, domains: ['www.z*', 'www.a.com.*']}\n",
            "");
    assert_string_equal(vhost(&x, "www.a.com"), "exact");
    assert_string_equal(vhost(&x, "WWW.A.com"), "exact");
    assert_string_equal(vhost(&x, "b.COM"), "exact");
    assert_string_equal(vhost(&x, "c.com:8080"), "exact");
    assert_string_equal(vhost(&x, "c.com"), "deep");
    assert_string_equal(vhost(&x, "y.a.com"), "suffix");
    assert_string_equal(vhost(&x, "Y.z.A.com"), "suffix");
    assert_string_equal(vhost(&x, "y-x.a.com"), "dash");
    assert_string_equal(vhost(&x, "y.b.a.com"), "deep");
    /* a wildcard stands for something */
    assert_string_equal(vhost(&x, ".a.com"), "deep");
    assert_string_equal(vhost(&x, "-x.a.com"), "suffix");
    assert_string_equal(vhost(&x, "com"), "-");
    assert_string_equal(vhost(&x, "www."), "-");
    assert_string_equal(vhost(&x, "www.q"), "prefix");
    assert_string_equal(vhost(&x, "www.zq"), "longer");
    assert_string_equal(vhost(&x, "www.z"), "prefix");
    assert_string_equal(vhost(&x, "www.a.com.au"), "longer");
    assert_string_equal(vhost(&x, "www.a.com:80"), "prefix");
    assert_string_equal(vhost(&x, ""), "-");
    assert_string_equal(vhost(&x, "q"), "-");
    t_table_done(&x);
}

static void star_takes_the_rest(void **state)
{
    struct t_table x;
    t_table(&x, "virtual_hosts:\n- {name: rest, domains: ['*']}\n- {name: a, domains: [a.com]}", "");
    assert_string_equal(vhost(&x, "a.com"), "a");
    assert_string_equal(vhost(&x, "a.com:80"), "rest");
    assert_string_equal(vhost(&x, ""), "rest");
    t_table_done(&x);
}

static void ports_are_ignored_on_request(void **state)
{
    struct t_table x;
    t_table(&x, "ignore_port_in_host_matching: true\nvirtual_hosts:\n- {name: a, domains: [a.com, '[::1]', '*.b']}", "");
    assert_string_equal(vhost(&x, "a.com:80"), "a");
    assert_string_equal(vhost(&x, "a.com"), "a");
    assert_string_equal(vhost(&x, "a.com:"), "a");
    assert_string_equal(vhost(&x, "[::1]:443"), "a");
    assert_string_equal(vhost(&x, "[::1]"), "a");
    assert_string_equal(vhost(&x, "x.b:8080"), "a");
    assert_string_equal(vhost(&x, "::1"), "-");
    t_table_done(&x);
}

static void domains_are_checked(void **state)
{
    struct t_table x;
    t_table(&x,
            "virtual_hosts:\n"
            "- {name: a, domains: [a.com, '*']}\n"
            "- {name: b, domains: ['*', A.com, '*.x', '*.X', 'a.*.com', '**', 'w.*', 'w.*']}\n",
            "t.yaml:3:23: virtual_hosts[1].domains[0]: this domain is in virtual host \"a\" already (no domain can stand "
            "twice, in any case of its letters)\n"
            "t.yaml:3:28: virtual_hosts[1].domains[1]: this domain is in virtual host \"a\" already (no domain can stand "
            "twice, in any case of its letters)\n"
            "t.yaml:3:42: virtual_hosts[1].domains[3]: this domain is in virtual host \"b\" already (no domain can stand "
            "twice, in any case of its letters)\n"
            "t.yaml:3:49: virtual_hosts[1].domains[4]: a '*' can stand at the beginning or at the end only (such as "
            "\"*.a.com\" or \"www.*\")\n"
            "t.yaml:3:60: virtual_hosts[1].domains[5]: a '*' can stand at the beginning or at the end only (such as "
            "\"*.a.com\" or \"www.*\")\n"
            "t.yaml:3:73: virtual_hosts[1].domains[7]: this domain is in virtual host \"b\" already (no domain can stand "
            "twice, in any case of its letters)\n");
    t_table_done(&x);
}

static void first_match_wins(void **state)
{
    struct t_table x;
    t_table_routes(&x,
                   "  - {name: '0', match: {path: /a/b}, route: {cluster: a}}\n"
                   "  - {name: '1', match: {prefix: /a, headers: [{name: x}]}, route: {cluster: a}}\n"
                   "  - {name: '2', match: {safe_regex: {regex: '/a/[0-9]+'}}, route: {cluster: a}}\n"
                   "  - {name: '3', match: {prefix: /A/B, case_sensitive: false}, route: {cluster: a}}\n"
                   "  - {name: '4', match: {path_separated_prefix: /a}, route: {cluster: a}}\n"
                   "  - {name: '5', match: {prefix: /a/}, route: {cluster: a}}\n"
                   "  - {name: '6', match: {prefix: /}, route: {cluster: a}}\n"
                   "  - {name: '7', match: {prefix: /z}, route: {cluster: a}}\n",
                   "");
    assert_string_equal(t_found(&x, ":path: /a/b"), "0");
    assert_string_equal(t_found(&x, ":path: /a/b\nx: 1"), "0");
    assert_string_equal(t_found(&x, ":path: /a/bc\nx: 1"), "1");
    assert_string_equal(t_found(&x, ":path: /a/12"), "2");
    assert_string_equal(t_found(&x, ":path: /a/12\nx: 1"), "1");
    assert_string_equal(t_found(&x, ":path: /a/bc"), "3");
    assert_string_equal(t_found(&x, ":path: /A/bc"), "3");
    assert_string_equal(t_found(&x, ":path: /a?/12"), "4");
    assert_string_equal(t_found(&x, ":path: /a/"), "4");
    assert_string_equal(t_found(&x, ":path: /ab"), "6");
    assert_string_equal(t_found(&x, ":path: /z"), "6");
    assert_string_equal(t_found(&x, ":path: *"), "-");
    assert_string_equal(t_found(&x, ":authority: a:443"), "-");
    t_table_done(&x);
    t_table_routes(&x, "   []\n", "");
    assert_string_equal(t_found(&x, ":path: /"), "-");
    t_table_done(&x);
}

static void a_limit_ends_the_search(void **state)
{
    struct t_table x;
    t_table_routes(&x,
                   "  - {name: bomb, match: {safe_regex: {regex: '/(a+)+bc'}}, route: {cluster: a}}\n"
                   "  - {name: open, match: {prefix: /}, route: {cluster: a}}\n",
                   "");
    char lines[600] = ":path: /";
    memset(lines + 8, 'a', 500);
    assert_string_equal(t_found(&x, lines), "open");
    strcpy(lines + 508, "c");
    assert_string_equal(t_found(&x, lines), "-");
    t_table_done(&x);
    t_table_routes(&x,
                   "  - {name: bomb, match: {prefix: /, headers: [{name: ':path', safe_regex_match: {regex: '/(a+)+bc'}}]}, "
                   "route: {cluster: a}}\n"
                   "  - {name: open, match: {prefix: /}, route: {cluster: a}}\n",
                   "");
    assert_string_equal(t_found(&x, lines), "-");
    t_table_done(&x);
}

#define CONNECT(to, more) ":method: CONNECT\n:authority: " to "\n:protocol: CONNECT\n" more

static void connect_has_matchers_of_its_own(void **state)
{
    struct t_table x;
    t_table_routes(&x,
                   "  - {name: '1', match: {prefix: ''}, route: {cluster: a}}\n"
                   "  - {name: '2', match: {safe_regex: {regex: '.*'}}, route: {cluster: a}}\n"
                   "  - {name: '3', match: {connect_matcher: {}, headers: [{name: x, present_match: true}]}, route: {cluster: a}}\n"
                   "  - {name: '4', match: {connect_matcher: {}}, route: {cluster: a, upgrade_configs: [{upgrade_type: connect, connect_config:\n"
                   "      {proxy_protocol_config: {version: V2}}}]}}\n"
                   "  - {name: '5', match: {prefix: /}, route: {cluster: a}}\n", "");
    assert_string_equal(t_found(&x, CONNECT("a:1", "")), "4");
    assert_string_equal(t_found(&x, CONNECT("a:1", "x: y\n")), "3");
    const struct sp_route *r = t_find(&x, CONNECT("a:1", ""), 0);
    assert_true(r->connect_ends && r->connect_proxy);
    r = t_find(&x, CONNECT("a:1", "x: y\n"), 0);
    assert_true(!r->connect_ends && !r->connect_proxy);
    assert_string_equal(t_found(&x, ":method: GET\n:authority: a\n:path: /\n"), "1");
    assert_string_equal(t_found(&x, ":method: GET\n:authority: a\n:path: /\n:protocol: CONNECT\n"), "1");
    struct sp_str path, host; /* there is no path to rewrite, and that is no failure */
    assert_true(sp_route_rewrite(r, NULL, &x.h, &path, &host));
    t_table_done(&x);
    t_table_routes(&x, "  - {name: '1', match: {connect_matcher: {}, headers: [{name: x, string_match: {safe_regex: {regex: '(a+)+bc'}}}]}, route: {cluster: a}}\n"
                       "  - {name: '2', match: {connect_matcher: {}}, route: {cluster: a}}\n", "");
    char lines[700] = CONNECT("a:1", "x: ");
    size_t n = strlen(lines);
    memset(lines + n, 'a', 500);
    strcpy(lines + n + 500, "bc");
    assert_string_equal(t_found(&x, lines), "1");
    strcpy(lines + n + 500, "c");
    assert_string_equal(t_found(&x, lines), "-"); /* a limit ends the search */
    t_table_done(&x);
}

static void connect_is_checked(void **state)
{
    struct t_table x;
    t_table_routes(&x,
                   "  - {match: {connect_matcher: {}}, redirect: {host_redirect: b}}\n"
                   "  - {match: {connect_matcher: {}}, direct_response: {status: 204}}\n"
                   "  - {match: {connect_matcher: {}}, direct_response: {status: 403}}\n"
                   "  - {match: {connect_matcher: {}}, route: {cluster: a, prefix_rewrite: /b}}\n"
                   "  - {match: {prefix: /}, route: {cluster: a, upgrade_configs: [{upgrade_type: websocket, connect_config: {}}]}}\n"
                   "  - {match: {prefix: /}, route: {cluster: a, upgrade_configs: [{upgrade_type: CONNECT}]}}\n"
                   "  - {match: {prefix: /}, route: {cluster: a, upgrade_configs: [{upgrade_type: CONNECT, enabled: false}]}}\n"
                   "  - {match: {prefix: /}, route: {cluster: a, upgrade_configs: [{upgrade_type: connect-udp}]}}\n",
                   "t.yaml:5:46: virtual_hosts[0].routes[0].redirect: nobody follows a redirect of a CONNECT (use route or direct_response)\n"
                   "t.yaml:6:62: virtual_hosts[0].routes[1].direct_response.status: 204 would tell a client that its tunnel is open "
                   "(use a status from 300 on)\n"
                   "t.yaml:8:72: virtual_hosts[0].routes[3].route.prefix_rewrite: a CONNECT has no path (take it out)\n"
                   "t.yaml:9:106: virtual_hosts[0].routes[4].route.upgrade_configs[0].connect_config: is for upgrade_type: CONNECT only (take it out)\n"
                   "t.yaml:10:79: warning: virtual_hosts[0].routes[5].route.upgrade_configs[0].upgrade_type: no CONNECT comes here: it has no path to "
                   "be matched (let the route match by connect_matcher)\n"
                   "t.yaml:12:79: virtual_hosts[0].routes[7].route.upgrade_configs[0].upgrade_type: connect-udp is not run (CONNECT, and upgrades such "
                   "as websocket, are)\n");
    t_table_done(&x);
}

static void clusters_are_picked(void **state)
{
    struct t_table x;
    struct sp_str name;
    const struct sp_weighted_cluster *w;
    t_table_routes(&x,
                   "  - {match: {path: /1}, route: {cluster: b}}\n"
                   "  - {match: {path: /2}, route: {cluster_header: X-Cluster, cluster_not_found_response_code: NOT_FOUND}}\n"
                   "  - {match: {path: /3}, route: {weighted_clusters: {total_weight: 10, clusters: [{name: a, weight: 3},\n"
                   "    {name: b, weight: 0}, {name: c, weight: 7, host_rewrite_literal: c.com}]}}}\n"
                   "  - {match: {path: /4}, route: {cluster_header: ':Authority'}}\n",
                   "");
    const struct sp_route *r = t_find(&x, ":path: /1", 0);
    assert_ptr_equal(sp_route_pick_cluster(r, &x.h, 0, t_cluster, NULL, &name, &w), t_cluster(NULL, SP_STR("b")));
    assert_null(w);
    assert_string_equal(name.ptr, "b");
    assert_int_equal(r->cluster_not_found_status, 503);
    r = t_find(&x, ":path: /2\nx-cluster: c\nx-cluster: a", 0);
    assert_ptr_equal(sp_route_pick_cluster(r, &x.h, 0, t_cluster, NULL, &name, &w), t_cluster(NULL, SP_STR("c")));
    assert_int_equal(r->cluster_not_found_status, 404);
    r = t_find(&x, ":path: /2\nx-cluster: q", 0);
    assert_null(sp_route_pick_cluster(r, &x.h, 0, t_cluster, NULL, &name, &w));
    assert_string_equal(name.ptr, "q");
    r = t_find(&x, ":path: /2", 0);
    assert_null(sp_route_pick_cluster(r, &x.h, 0, t_cluster, NULL, &name, &w));
    assert_int_equal(name.len, 0);
    r = t_find(&x, ":path: /4\n:authority: b", 0);
    assert_ptr_equal(sp_route_pick_cluster(r, &x.h, 0, t_cluster, NULL, &name, &w), t_cluster(NULL, SP_STR("b")));
    r = t_find(&x, ":path: /3", 0);
    for (uint64_t i = 0; i < 30; i++) {
        const char *want = i % 10 < 3 ? "a" : "c";
        assert_ptr_equal(sp_route_pick_cluster(r, &x.h, i, NULL, NULL, &name, &w), t_cluster(NULL, sp_str_c(want)));
        assert_string_equal(name.ptr, want);
        assert_string_equal(w->name.ptr, want);
        assert_int_equal(w->host_rewrite.len, i % 10 < 3 ? 0 : 5);
    }
    t_table_done(&x);
}

static void clusters_are_checked(void **state)
{
    struct t_table x;
    t_table_routes(&x,
                   "  - {match: {path: /1}, route: {cluster: nope}}\n"
                   "  - {match: {path: /2}, route: {weighted_clusters: {clusters: [{name: q, weight: 1}, {name: a}]}}}\n"
                   "  - {match: {path: /3}, route: {weighted_clusters: {clusters: [{name: a, weight: 0}]}}}\n"
                   "  - {match: {path: /4}, route: {weighted_clusters: {clusters: [{name: a, weight: 4294967295}, "
                   "{name: b, weight: 1}]}}}\n"
                   "  - {match: {path: /5}, route: {weighted_clusters: {total_weight: 5, clusters: [{name: a, weight: 4}]}}}\n"
                   "  - {match: {path: /6}, route: {cluster_header: ':path'}}\n",
                   "t.yaml:5:42: virtual_hosts[0].routes[0].route.cluster: there is no cluster \"nope\" (name one of "
                   "static_resources.clusters)\n"
                   "t.yaml:6:71: virtual_hosts[0].routes[1].route.weighted_clusters.clusters[0].name: there is no cluster "
                   "\"q\" (name one of static_resources.clusters)\n"
                   "t.yaml:6:86: virtual_hosts[0].routes[1].route.weighted_clusters.clusters[1].weight: required, but "
                   "missing (add it; 0 sends nothing there)\n"
                   "t.yaml:7:63: virtual_hosts[0].routes[2].route.weighted_clusters.clusters: the sum of the weights is 0 "
                   "(at least one has to be greater)\n"
                   "t.yaml:8:63: virtual_hosts[0].routes[3].route.weighted_clusters.clusters: the sum of the weights is "
                   "over 4294967295 (make them smaller)\n"
                   "t.yaml:9:67: virtual_hosts[0].routes[4].route.weighted_clusters.total_weight: the weights add up to 4, "
                   "not to this (take it out)\n"
                   "t.yaml:10:49: virtual_hosts[0].routes[5].route.cluster_header: no cluster can be named by this "
                   "pseudo-header (take an ordinary header, or :authority)\n");
    t_table_done(&x);
    t_table(&x,
            "validate_clusters: false\nvirtual_hosts:\n- {name: v, domains: ['*'], routes: [{match: {prefix: /}, route: "
            "{cluster: nope}}, {match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: q, weight: 1}]}}}]}\n",
            "");
    const struct sp_route *r = t_find(&x, ":path: /", 0);
    assert_null(r->cluster);
    assert_string_equal(r->cluster_name.ptr, "nope");
    t_table_done(&x);
}

static void timeouts_and_retries(void **state)
{
    struct t_table x;
    t_table(&x,
            "virtual_hosts:\n"
            "- name: v\n"
            "  domains: ['*']\n"
            "  retry_policy: {retry_on: 'reset'}\n"
            "  routes:\n"
            "  - {match: {path: /1}, route: {cluster: a}}\n"
            "  - {match: {path: /2}, route: {cluster: a, timeout: 0s, idle_timeout: 1.5s, max_stream_duration:\n"
            "     {max_stream_duration: 0s}, retry_policy: {retry_on: '5xx, gateway-error,connect-failure,refused-stream,\n"
            "     retriable-status-codes,retriable-headers,retriable-4xx,reset-before-request', num_retries: 0,\n"
            "     per_try_timeout: 0.25s, retriable_status_codes: [418, 503], retriable_headers: [{name: X-R}]}}}\n"
            "  - {match: {path: /3}, route: {cluster: a, timeout: 315576000000s}}\n",
            "");
    const struct sp_route *r = t_find(&x, ":path: /1", 0);
    assert_int_equal(r->timeout_ns, 15000000000);
    assert_false(r->has_idle_timeout);
    assert_false(r->has_max_stream_duration);
    assert_int_equal(r->retry->on, SP_RETRY_RESET);
    assert_int_equal(r->retry->num_retries, 1);
    assert_int_equal(r->retry->per_try_timeout_ns, 0);
    r = t_find(&x, ":path: /2", 0);
    assert_int_equal(r->timeout_ns, 0);
    assert_true(r->has_idle_timeout);
    assert_int_equal(r->idle_timeout_ns, 1500000000);
    assert_true(r->has_max_stream_duration);
    assert_int_equal(r->max_stream_duration_ns, 0);
    assert_int_equal(r->retry->on, 0x1ff & ~SP_RETRY_RESET);
    assert_int_equal(r->retry->num_retries, 0);
    assert_int_equal(r->retry->per_try_timeout_ns, 250000000);
    assert_int_equal(r->retry->n_status_codes, 2);
    assert_int_equal(r->retry->status_codes[0], 418);
    assert_int_equal(r->retry->n_headers, 1);
    r = t_find(&x, ":path: /3", 0);
    assert_true(r->timeout_ns > 3000000000000000000);
    t_table_done(&x);
}

static void retries_are_checked(void **state)
{
    struct t_table x;
    t_table_routes(&x,
                   "  - {match: {path: /1}, route: {cluster: a, retry_policy: {retry_on: '5xx,conect-failure,http3-post-connect-failure,zzz'}}}\n"
                   "  - {match: {path: /2}, route: {cluster: a, retry_policy: {retry_on: '5xx', retriable_status_codes: [409],\n"
                   "    retriable_headers: [{name: a}]}}}\n"
                   "  - {match: {path: /3}, route: {cluster: a, retry_policy: {num_retries: 3}}}\n",
                   "t.yaml:5:70: virtual_hosts[0].routes[0].route.retry_policy.retry_on: unknown condition "
                   "\"conect-failure\" (did you mean \"connect-failure\"?)\n"
                   "t.yaml:5:70: virtual_hosts[0].routes[0].route.retry_policy.retry_on: \"http3-post-connect-failure\" is a condition of "
                   "Envoy's that is not run here (take it out)\n"
                   "t.yaml:5:70: virtual_hosts[0].routes[0].route.retry_policy.retry_on: unknown condition \"zzz\" (known: "
                   "5xx, gateway-error, reset, reset-before-request, connect-failure, retriable-4xx, refused-stream, "
                   "retriable-status-codes, retriable-headers)\n"
                   "t.yaml:6:101: warning: virtual_hosts[0].routes[1].route.retry_policy.retriable_status_codes: without "
                   "effect: retry_on does not name retriable-status-codes\n"
                   "t.yaml:7:24: warning: virtual_hosts[0].routes[1].route.retry_policy.retriable_headers: without effect: "
                   "retry_on does not name retriable-headers\n"
                   "t.yaml:8:59: warning: virtual_hosts[0].routes[2].route.retry_policy.retry_on: nothing is retried: it "
                   "names no condition\n");
    t_table_done(&x);
}

static void direct_responses(void **state)
{
    struct t_table x;
    char big[4200] = "  - {match: {path: /1}, direct_response: {status: 200, body: {inline_string: ";
    size_t n = strlen(big);
    memset(big + n, 'x', 4096);
    strcpy(big + n + 4096, "}}}\n");
    t_table_routes(&x, big, "");
    const struct sp_route *r = t_find(&x, ":path: /1", 0);
    assert_int_equal(r->kind, SP_ROUTE_DIRECT);
    assert_int_equal(r->direct_body.len, 4096);
    assert_int_equal(r->direct_status, 200);
    t_table_done(&x);
    strcpy(big + n + 4096, "x}}}\n");
    t_table_routes(&x, big, "t.yaml:5:62: virtual_hosts[0].routes[0].direct_response.body: 4097 bytes: at most 4096 (serve "
                            "larger ones from a cluster)\n");
    t_table_done(&x);
    t_table_routes(&x,
                   "  - {match: {path: /1}, direct_response: {status: 204, body: {inline_string: x}}}\n"
                   "  - {match: {path: /2}, direct_response: {status: 404, body: {filename: /nonexistent}}}\n",
                   "t.yaml:5:62: virtual_hosts[0].routes[0].direct_response.body: an answer with status 204 has no body "
                   "(take it out)\n"
                   "t.yaml:6:73: virtual_hosts[0].routes[1].direct_response.body.filename: cannot read /nonexistent: No "
                   "such file or directory (check the path and its permissions)\n");
    t_table_done(&x);
    t_table_routes(&x, "  - {match: {path: /1}, direct_response: {status: 404}}\n", "");
    assert_int_equal(t_find(&x, ":path: /1", 0)->direct_body.len, 0);
    t_table_done(&x);
}

static void what_a_table_says_of_itself(void **state)
{
    struct t_table x;
    unsigned n;
    t_table(&x,
            "name: local\ninternal_only_headers: [X-Internal]\nmost_specific_header_mutations_wins: true\n"
            "virtual_hosts:\n- {name: v, domains: [a], require_tls: ALL}\n- {name: v, domains: [b]}\n",
            "t.yaml:6:10: warning: virtual_hosts[1].name: another virtual host has this name too: their stats and log lines "
            "cannot be told apart\n");
    assert_string_equal(sp_route_table_name(x.t).ptr, "local");
    assert_true(sp_route_table_most_specific_wins(x.t));
    assert_string_equal(sp_route_table_internal_only_headers(x.t, &n)[0].ptr, "x-internal");
    assert_int_equal(n, 1);
    assert_int_equal(sp_route_vhost(x.t, SP_STR("a"))->require_tls, 2);
    assert_ptr_equal(sp_route_vhost(x.t, SP_STR("a"))->table, x.t);
    t_table_done(&x);
}

/* The callbacks: called for each level, freed once, and an error of theirs refuses the table. */
static unsigned n_ops, n_configs;
static struct sp_diag *fail_to;

static struct sp_header_ops *ops_new(void *ctx, const void *msg, Envoy__Config__Core__V3__HeaderValueOption **add, size_t n,
                                     char **remove, size_t n_remove, Envoy__Config__Core__V3__HeaderValueOption **radd,
                                     size_t n_radd, char **rremove, size_t n_rremove)
{
    if (!(n + n_remove + n_radd + n_rremove))
        return NULL;
    n_ops++;
    return malloc(1);
}

static void ops_free(struct sp_header_ops *ops)
{
    n_ops--;
    free(ops);
}

static struct sp_filter_configs *configs_new(void *ctx, const void *msg, const void *entries, size_t n)
{
    if (!n)
        return NULL;
    n_configs++;
    if (fail_to)
        sp_doc_err(ctx, fail_to, msg, "typed_per_filter_config", -1, "bad");
    return malloc(1);
}

static void configs_free(struct sp_filter_configs *c)
{
    n_configs--;
    free(c);
}

static void callbacks_at_every_level(void **state)
{
    const char *yaml =
        "request_headers_to_add: [{header: {key: a, value: b}}]\n"
        "typed_per_filter_config: {f: {'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig}}\n"
        "virtual_hosts:\n"
        "- name: v\n"
        "  domains: ['*']\n"
        "  response_headers_to_remove: [x]\n"
        "  typed_per_filter_config: {f: {'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig}}\n"
        "  routes:\n"
        "  - match: {prefix: /}\n"
        "    request_headers_to_remove: [x]\n"
        "    typed_per_filter_config: {f: {'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig}}\n"
        "    route: {weighted_clusters: {clusters: [{name: a, weight: 1, response_headers_to_add: [{header: {key: a, value: "
        "b}}],\n"
        "      typed_per_filter_config: {f: {'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig}}}]}}\n";
    for (int fail = 0; fail < 2; fail++) {
        struct t_config c;
        t_config_load(&c, &envoy__config__route__v3__route_configuration__descriptor, yaml);
        fail_to = fail ? &c.diag : NULL;
        struct sp_route_build b = {.doc = c.doc,
                                   .diag = &c.diag,
                                   .ctx = c.doc,
                                   .find_cluster = t_cluster,
                                   .header_ops = ops_new,
                                   .header_ops_free = ops_free,
                                   .filter_configs = configs_new,
                                   .filter_configs_free = configs_free};
        struct sp_route_table *t = sp_route_table_new(&b, c.msg);
        assert_true(fail == !t);
        if (t) {
            assert_int_equal(n_ops, 4);
            assert_int_equal(n_configs, 4);
            const struct sp_vhost *v = sp_route_vhost(t, SP_STR("a"));
            struct sp_arena arena;
            struct sp_headers h;
            sp_arena_init(&arena);
            t_headers(&h, &arena, ":path: /");
            const struct sp_route *r = sp_route_find(v, &h, 0);
            assert_non_null(r->header_ops);
            assert_non_null(r->filter_configs);
            assert_non_null(r->weighted[0].header_ops);
            assert_non_null(r->weighted[0].filter_configs);
            assert_non_null(v->header_ops);
            assert_non_null(v->filter_configs);
            assert_non_null(sp_route_table_header_ops(t));
            assert_non_null(sp_route_table_filter_configs(t));
            sp_arena_done(&arena);
        }
        sp_route_table_free(t);
        assert_int_equal(n_ops, 0);
        assert_int_equal(n_configs, 0);
        t_config_done(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(domains_as_in_envoy),
        cmocka_unit_test(star_takes_the_rest),
        cmocka_unit_test(ports_are_ignored_on_request),
        cmocka_unit_test(domains_are_checked),
        cmocka_unit_test(first_match_wins),
        cmocka_unit_test(a_limit_ends_the_search),
        cmocka_unit_test(connect_has_matchers_of_its_own),
        cmocka_unit_test(connect_is_checked),
        cmocka_unit_test(clusters_are_picked),
        cmocka_unit_test(clusters_are_checked),
        cmocka_unit_test(timeouts_and_retries),
        cmocka_unit_test(retries_are_checked),
        cmocka_unit_test(direct_responses),
        cmocka_unit_test(what_a_table_says_of_itself),
        cmocka_unit_test(callbacks_at_every_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
