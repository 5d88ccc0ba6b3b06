/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hash_policy: what of a request is hashed, and how several are joined.  The numbers are of another implementation of XXH64 (written
 * in Python after the specification), put together as Envoy documents it: seed 0, a list in order of its values with each hash the
 * next one's seed, entries joined by rotating one to the left and exclusive or.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "route/hash_policy.h"

#define ALICE 0x73a3ea485f2e6049ull
#define K1 0xdfa4515ddff407d3ull
#define CLIENT 0xc2a930683c53389cull /* "1.2.3.4" */

struct bed {
    struct t_table t;
    const struct sp_route *route;
    struct sp_request_hash hash;
};

/* policies: a flow list; lines: more heads of the request to /p?k=v&k=w&e=. */
static void hashed(struct bed *b, const char *policies, const char *lines, const char *client)
{
    struct sp_addr from, local;
    char *routes = NULL, *heads = NULL;
    assert_true(asprintf(&routes, "  - {match: {prefix: /}, name: r, route: {cluster: a, hash_policy: %s}}\n", policies) > 0);
    assert_true(asprintf(&heads, ":method: GET\n:scheme: https\n:authority: h.test\n:path: /p?k=v&k=w&e=&x\n%s", lines) > 0);
    assert_int_equal(sp_addr_parse(sp_str_c(client), &from), 0);
    assert_int_equal(sp_addr_parse(SP_STR("10.0.0.1:443"), &local), 0);
    t_table_routes(&b->t, routes, "");
    b->route = t_find(&b->t, heads, 0);
    assert_non_null(b->route);
    sp_route_hash(b->route, &b->t.h, &from, &local, &b->t.arena, &b->hash);
    free(routes);
    free(heads);
}

static void expect(const char *policies, const char *lines, bool found, uint64_t hash)
{
    struct bed b;
    hashed(&b, policies, lines, "1.2.3.4:50001");
    if (b.hash.hashed != found || b.hash.hash != hash)
        fail_msg("%s with \"%s\": %d, %#llx", policies, lines, b.hash.hashed, (unsigned long long)b.hash.hash);
    assert_int_equal(b.hash.n_cookies, 0);
    t_table_done(&b.t);
}

static void test_header(void **state)
{
    (void)state;
    expect("[{header: {header_name: x-user}}]", "x-user: alice\n", true, ALICE);
    expect("[{header: {header_name: X-User}}]", "x-user: alice\n", true, ALICE);
    expect("[{header: {header_name: x-user}}]", "", false, 0);
    /* The lines in order of their values, whatever order they came in. */
    expect("[{header: {header_name: x-user}}]", "x-user: alice\nx-user: zoe\n", true, 0x880cb10f66bdd15dull);
    expect("[{header: {header_name: x-user}}]", "x-user: zoe\nx-user: alice\n", true, 0x880cb10f66bdd15dull);
    expect("[{header: {header_name: ':path'}}]", "", true, 0x8513a8f5485ad80ull);
    expect("[{header: {header_name: ':authority'}}]", "", true, 0x3b53f3c881e5cd7dull);
    expect("[{header: {header_name: x-user, regex_rewrite: {pattern: {regex: '^user-(.*)$'}, substitution: '\\1'}}}]",
           "x-user: user-alice\n", true, ALICE);
    /* A line that is there and empty is something. */
    expect("[{header: {header_name: x-user}}]", "x-user: \n", true, 0xef46db3751d8e999ull);
}

static void test_source_and_query(void **state)
{
    (void)state;
    struct bed b;
    expect("[{connection_properties: {source_ip: true}}]", "", true, CLIENT); /* without its port */
    expect("[{connection_properties: {source_ip: false}}]", "", false, 0);
    hashed(&b, "[{connection_properties: {source_ip: true}}]", "", "[2001:db8::1]:50001");
    assert_true(b.hash.hashed && b.hash.hash == 0x26c33ef1c67e1031ull);
    t_table_done(&b.t);
    expect("[{query_parameter: {name: k}}]", "", true, 0xa293d43641f17ec1ull); /* the first one: v */
    expect("[{query_parameter: {name: K}}]", "", false, 0);
    expect("[{query_parameter: {name: e}}]", "", true, 0xef46db3751d8e999ull); /* there, and empty */
    expect("[{query_parameter: {name: nobody}}]", "", false, 0);
}

static void test_cookie(void **state)
{
    (void)state;
    expect("[{cookie: {name: sid}}]", "cookie: a=b; sid=alice\n", true, ALICE);
    expect("[{cookie: {name: sid}}]", "cookie: a=b\ncookie: sid=\"alice\"\n", true, ALICE);
    expect("[{cookie: {name: sid, ttl: 60s}}]", "cookie: sid=alice\n", true, ALICE); /* it has one: none is made */
    expect("[{cookie: {name: sid}}]", "", false, 0);
    expect("[{cookie: {name: sid, path: /p}}]", "cookie: other=alice\n", false, 0); /* without a ttl none is made */
}

static void made(const char *policy, const char *set_cookie)
{
    struct bed b;
    hashed(&b, policy, "", "1.2.3.4:50001");
    assert_true(b.hash.hashed);
    assert_true(b.hash.hash == 0xbe9fc88bbfa080eeull); /* of the value that the client will bring back */
    assert_int_equal(b.hash.n_cookies, 1);
    assert_string_equal(b.hash.cookies[0].ptr, set_cookie);
    t_table_done(&b.t);
}

/* Made of both ends of the connection, so that its requests until then go to the same host. */
static void test_new_cookie(void **state)
{
    (void)state;
    struct bed b;
    made("[{cookie: {name: sid, ttl: 60s}}]", "sid=\"30bf737d31f4b5a2\"; Max-Age=60; HttpOnly");
    made("[{cookie: {name: sid, ttl: 0s}}]", "sid=\"30bf737d31f4b5a2\"; HttpOnly");
    made("[{cookie: {name: sid, ttl: 3600s, path: /p}}]", "sid=\"30bf737d31f4b5a2\"; Max-Age=3600; Path=/p; HttpOnly");
    made("[{cookie: {name: sid, ttl: 60s, attributes: [{name: SameSite, value: Strict}, {name: Secure}]}}]",
         "sid=\"30bf737d31f4b5a2\"; Max-Age=60; SameSite=Strict; Secure; HttpOnly");
    hashed(&b, "[{cookie: {name: sid, ttl: 60s}}, {cookie: {name: two, ttl: 0s}}]", "", "[2001:db8::1]:50001");
    assert_int_equal(b.hash.n_cookies, 2);
    assert_string_equal(b.hash.cookies[0].ptr, "sid=\"e2fb2a5299b4222f\"; Max-Age=60; HttpOnly");
    assert_string_equal(b.hash.cookies[1].ptr, "two=\"e2fb2a5299b4222f\"; HttpOnly");
    t_table_done(&b.t);
}

#define USER "{header: {header_name: x-user}}"
#define SOURCE "{connection_properties: {source_ip: true}}"
#define COOKIE "{cookie: {name: sid}}"

static void test_several(void **state)
{
    (void)state;
    const char *both = "x-user: alice\ncookie: sid=k1\n";
    expect("[" USER ", " SOURCE "]", both, true, 0x25eee4f8820ff80eull);
    expect("[" USER ", " COOKIE ", " SOURCE "]", both, true, 0xb36e3bf2ff02b61eull);
    expect("[" USER ", " USER "]", both, true, 0x94e43ed8e172a0dbull); /* they do not cancel out */
    /* What finds nothing is left out, and order matters. */
    expect("[{header: {header_name: x-none}}, " USER ", {query_parameter: {name: none}}]", both, true, ALICE);
    expect("[" SOURCE ", " USER "]", both, true, (CLIENT << 1 | CLIENT >> 63) ^ ALICE);
    expect("[]", both, false, 0);
}

static void test_terminal(void **state)
{
    (void)state;
    const char *both = "x-user: alice\ncookie: sid=k1\n";
    expect("[{header: {header_name: x-user}, terminal: true}, " SOURCE "]", both, true, ALICE);
    expect("[{header: {header_name: x-none}, terminal: true}, " SOURCE "]", both, true, CLIENT);
    expect("[" COOKIE ", {header: {header_name: x-user}, terminal: true}, " SOURCE "]", both, true, (K1 << 1 | K1 >> 63) ^ ALICE);
    /* With something found before it ends there, whether it finds anything or not. */
    expect("[" COOKIE ", {header: {header_name: x-none}, terminal: true}, " SOURCE "]", both, true, K1);
}

static void test_refused(void **state)
{
    (void)state;
    struct t_table t;
    t_table_routes(&t, "  - {match: {prefix: /}, route: {cluster: a, hash_policy: [{header: {header_name: a, regex_rewrite: {pattern: {regex: '('}, "
                       "substitution: b}}}]}}\n",
                   "t.yaml:5:119: virtual_hosts[0].routes[0].route.hash_policy[0].header.regex_rewrite.pattern.regex: not a regular expression: "
                   "missing closing parenthesis, at byte 1\n");
    t_table_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),     cmocka_unit_test(test_source_and_query),
        cmocka_unit_test(test_cookie),     cmocka_unit_test(test_new_cookie),
        cmocka_unit_test(test_several),    cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
