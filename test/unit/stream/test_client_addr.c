/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who the client is: the worked examples of Envoy's documentation (http_conn_man/headers.rst), and what fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "stream/client_addr.h"

static struct sp_arena arena;
static struct sp_client got;

static struct sp_cidr_table *table(const char *a, const char *b)
{
    struct sp_cidr_table *t = sp_cidr_table_new();
    const char *both[] = {a, b}, *why;
    for (int i = 0; i < 2; i++) {
        struct sp_cidr c;
        if (both[i]) {
            assert_int_equal(sp_cidr_parse(sp_str_c(both[i]), &c, &why), 0);
            sp_cidr_table_add(t, &c, 0);
        }
    }
    sp_cidr_table_build(t);
    return t;
}

/* The client's text; `xff` and `xff2` are header lines, or NULL. */
static const char *find(struct sp_client_rules r, const char *peer, const char *xff, const char *xff2)
{
    static char text[SP_ADDR_TEXT_MAX];
    struct sp_headers h;
    struct sp_addr p;
    sp_headers_init(&h, &arena);
    assert_int_equal(sp_addr_parse_ip(sp_str_c(peer), &p), 0);
    p.port = 1234;
    if (xff)
        sp_headers_add_id(&h, SP_H_X_FORWARDED_FOR, sp_str_c(xff));
    if (xff2)
        sp_headers_add_id(&h, SP_H_X_FORWARDED_FOR, sp_str_c(xff2));
    sp_client_find(&r, &p, &h, &got);
    sp_addr_format_ip(&got.addr, text);
    assert_int_equal(got.addr.port, sp_addr_eq(&got.addr, &p, false) ? 1234 : 0);
    sp_arena_done(&arena);
    return text;
}

#define THREE "203.0.113.128, 203.0.113.10, 203.0.113.1"

static void test_examples_edge(void **state)
{
    struct sp_client_rules r = {.use_remote_address = true};
    assert_string_equal(find(r, "192.0.2.5", THREE, NULL), "192.0.2.5"); /* 1 */
    assert_true(got.edge && got.derived && !got.internal && !got.believe_proto && !got.failed);
    r.hops = 2;
    assert_string_equal(find(r, "192.0.2.5", THREE, NULL), "203.0.113.10"); /* 3 */
    assert_true(got.edge && got.derived && got.believe_proto);
}

static void test_examples_inside(void **state)
{
    struct sp_client_rules r = {0};
    assert_string_equal(find(r, "10.11.12.13", THREE ", 192.0.2.5", NULL), "192.0.2.5"); /* 2 */
    assert_true(!got.edge && !got.derived && !got.internal && got.believe_proto);
    r.hops = 2;
    assert_string_equal(find(r, "10.11.12.13", THREE ", 192.0.2.5", NULL), "203.0.113.10"); /* 4 */
    assert_true(!got.edge && got.derived);
    r.hops = 0;
    r.internal = table("10.0.0.0/8", NULL); /* what Envoy took for internal when the examples were written */
    assert_string_equal(find(r, "10.20.30.40", NULL, NULL), "10.20.30.40"); /* 5 */
    assert_false(got.internal || got.edge);
    assert_string_equal(find(r, "10.20.30.50", "10.20.30.40", NULL), "10.20.30.40"); /* 6 */
    assert_true(got.internal && !got.edge);
    sp_cidr_table_free(r.internal);
}

static struct sp_client_ext by_cidrs(const char *a, const char *b)
{
    return (struct sp_client_ext){.kind = SP_CLIENT_XFF_CIDRS, .trusted = table(a, b)};
}

/* Example 7 says 192.0.2.1; but that address is in the trusted range, and Envoy itself takes the one before it. */
static void test_examples_cidrs(void **state)
{
    struct sp_client_ext one = by_cidrs("192.0.2.0/24", NULL), two = by_cidrs("192.0.2.0/24", "198.51.100.0/24");
    struct sp_client_rules r = {.ext = &one, .n_ext = 1};
    assert_string_equal(find(r, "192.0.2.5", "203.0.113.128, 203.0.113.10, 192.0.2.1", NULL), "203.0.113.10"); /* 7 */
    assert_true(got.edge && got.derived && got.believe_proto && !got.stranger);
    r.ext = &two;
    assert_string_equal(find(r, "192.0.2.5", "203.0.113.128, 203.0.113.10, 198.51.100.1", NULL),
                        "203.0.113.10"); /* 8 */
    assert_string_equal(find(r, "192.0.2.5", "192.0.2.9,198.51.100.1", NULL), "192.0.2.9"); /* all are trusted */
    assert_string_equal(find(r, "192.0.2.5", NULL, NULL), "192.0.2.5");
    assert_true(got.derived && !got.failed);
    assert_string_equal(find(r, "192.0.2.5", "1.1.1.1, x, 198.51.100.1", NULL), "192.0.2.5");
    assert_true(got.failed && !got.derived);
    assert_string_equal(find(r, "192.0.2.5", "x, 1.1.1.1, 198.51.100.1", NULL), "1.1.1.1"); /* the rest is not read */
    sp_cidr_table_free(one.trusted);
    sp_cidr_table_free(two.trusted);
}

/* The trap of Envoy's: whoever is not in the ranges would be sanitised of nothing. Here he is a stranger. */
static void test_untrusted_peer(void **state)
{
    struct sp_client_ext e = by_cidrs("192.0.2.0/24", NULL);
    struct sp_client_rules r = {.ext = &e, .n_ext = 1, .internal = table("203.0.113.0/24", NULL)};
    assert_string_equal(find(r, "203.0.113.7", "1.1.1.1", NULL), "203.0.113.7");
    assert_true(got.edge && got.derived && got.stranger && !got.believe_proto && !got.internal);
    find(r, "192.0.2.5", "203.0.113.7", NULL);
    assert_true(got.edge && !got.internal && !got.stranger); /* nor is anybody internal */
    sp_cidr_table_free(r.internal);
    sp_cidr_table_free(e.trusted);
}

static void test_cidrs_are_bounded(void **state)
{
    struct sp_client_ext e = by_cidrs("192.0.2.0/24", NULL);
    struct sp_client_rules r = {.ext = &e, .n_ext = 1};
    char list[1000] = "1.1.1.1";
    for (int i = 1; i < SP_XFF_MAX_ENTRIES; i++)
        strcat(list, ",192.0.2.1");
    assert_string_equal(find(r, "192.0.2.5", list, NULL), "1.1.1.1");
    strcat(list, ",192.0.2.1");
    assert_string_equal(find(r, "192.0.2.5", list, NULL), "192.0.2.5");
    assert_true(got.failed);
    sp_cidr_table_free(e.trusted);
}

/* The client by a header of its own. */
static const char *by_header(struct sp_client_rules r, const char *value, const char *second)
{
    static char text[SP_ADDR_TEXT_MAX];
    struct sp_headers h;
    struct sp_addr peer = {.family = AF_INET, .ip = {9, 9, 9, 9}};
    sp_headers_init(&h, &arena);
    sp_headers_add_id(&h, SP_H_X_FORWARDED_FOR, SP_STR("7.7.7.7"));
    if (value)
        sp_headers_add(&h, SP_STR("x-client"), sp_str_c(value));
    if (second)
        sp_headers_add(&h, SP_STR("x-client"), sp_str_c(second));
    sp_client_find(&r, &peer, &h, &got);
    text[sp_addr_format_ip(&got.addr, text)] = '\0';
    sp_arena_done(&arena);
    return text;
}

static void test_custom_header(void **state)
{
    struct sp_client_ext e[2] = {{.kind = SP_CLIENT_HEADER, .header = SP_STR("x-client")}, {.kind = SP_CLIENT_XFF_HOPS}};
    struct sp_client_rules r = {.ext = e, .n_ext = 1, .internal = table("10.0.0.0/8", NULL)};
    assert_string_equal(by_header(r, "1.1.1.1", NULL), "1.1.1.1");
    assert_true(got.derived && got.edge && !got.believe_proto && !got.stranger);
    assert_string_equal(by_header(r, "2001:db8::1", NULL), "2001:db8::1");
    assert_string_equal(by_header(r, "10.0.0.1", NULL), "10.0.0.1");
    assert_true(got.edge && !got.internal);
    static const char *const bad[] = {NULL, "", "x", "1.1.1.1:80", "1.1.1.1, 2.2.2.2"};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        assert_string_equal(by_header(r, bad[i], NULL), "9.9.9.9");
        assert_true(got.failed && !got.derived && got.edge && !got.reject);
    }
    assert_string_equal(by_header(r, "1.1.1.1", "2.2.2.2"), "9.9.9.9"); /* whose is which? */
    assert_true(got.failed);
    e[0].may_be_internal = true;
    by_header(r, "10.0.0.1", NULL);
    assert_true(got.internal && !got.edge);
    by_header(r, "11.0.0.1", NULL);
    assert_true(!got.internal && got.edge);
    r.proof = true;
    by_header(r, "1.1.1.1", NULL);
    assert_true(got.believe_proto);
    r.n_ext = 2;
    assert_string_equal(by_header(r, "x", NULL), "7.7.7.7"); /* the next one has it */
    assert_true(got.derived && !got.failed && got.edge);
    e[0].reject = 403;
    assert_string_equal(by_header(r, "x", NULL), "9.9.9.9");
    assert_int_equal(got.reject, 403);
    assert_string_equal(by_header(r, "1.1.1.1", NULL), "1.1.1.1");
    assert_int_equal(got.reject, 0);
    sp_cidr_table_free(r.internal);
}

static void test_lists(void **state)
{
    struct sp_client_rules r = {0};
    assert_string_equal(find(r, "9.9.9.9", "1.1.1.1", "2.2.2.2"), "2.2.2.2"); /* lines are one list */
    assert_string_equal(find(r, "9.9.9.9", " 1.1.1.1 ,\t2.2.2.2 ", NULL), "2.2.2.2");
    assert_string_equal(find(r, "9.9.9.9", "2001:db8::1", NULL), "2001:db8::1");
    assert_string_equal(find(r, "9.9.9.9", "::ffff:1.2.3.4", NULL), "1.2.3.4");
    static const char *const bad[] = {"x", "1.1.1.1:80", "[2001:db8::1]", "", " ", "1.1.1.1,", "01.2.3.4",
                                      "1.1.1.1;", ","};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        assert_string_equal(find(r, "9.9.9.9", bad[i], NULL), "9.9.9.9");
        assert_false(got.failed); /* nobody said that there had to be one */
    }
    r.hops = 1;
    assert_string_equal(find(r, "9.9.9.9", "1.1.1.1, 2.2.2.2", NULL), "1.1.1.1");
    assert_string_equal(find(r, "9.9.9.9", "1.1.1.1", "2.2.2.2"), "1.1.1.1");
    assert_string_equal(find(r, "9.9.9.9", "1.1.1.1", NULL), "9.9.9.9");
    assert_true(got.failed && !got.derived);
    assert_string_equal(find(r, "9.9.9.9", NULL, NULL), "9.9.9.9");
    assert_true(got.failed);
    r.use_remote_address = true;
    assert_string_equal(find(r, "9.9.9.9", "1.1.1.1, 2.2.2.2", NULL), "2.2.2.2");
    assert_string_equal(find(r, "9.9.9.9", "x", NULL), "9.9.9.9");
    assert_true(got.failed && got.edge);
    r.hops = UINT32_MAX;
    assert_string_equal(find(r, "9.9.9.9", "1.1.1.1, 2.2.2.2", NULL), "9.9.9.9");
}

static void test_internal_at_the_edge(void **state)
{
    struct sp_client_rules r = {.use_remote_address = true, .internal = table("10.0.0.0/8", NULL)};
    find(r, "10.0.0.1", NULL, NULL);
    assert_true(got.internal && !got.edge);
    find(r, "10.0.0.1", "10.0.0.2", NULL); /* it came through somebody */
    assert_true(!got.internal && got.edge);
    find(r, "11.0.0.1", NULL, NULL);
    assert_true(!got.internal && got.edge);
    sp_cidr_table_free(r.internal);
}

static void test_strangers_and_proof(void **state)
{
    struct sp_addr a = {.family = AF_INET, .ip = {1, 2, 3, 4}};
    struct sp_client_rules r = {.hops = 3};
    sp_client_stranger(&a, &got);
    assert_true(sp_addr_eq(&got.addr, &a, true) && got.edge && !got.believe_proto && !got.derived && !got.internal &&
                got.stranger);
    sp_client_proven(&r, &a, &got);
    assert_true(sp_addr_eq(&got.addr, &a, true) && got.edge && got.believe_proto && got.derived);
    r = (struct sp_client_rules){.use_remote_address = true};
    sp_client_proven(&r, &a, &got);
    assert_false(got.believe_proto);
}

static void test_who_derives(void **state)
{
    assert_false(sp_client_rules_derive(&(struct sp_client_rules){0})); /* x-forwarded-for of anybody */
    assert_true(sp_client_rules_derive(&(struct sp_client_rules){.use_remote_address = true}));
    assert_true(sp_client_rules_derive(&(struct sp_client_rules){.hops = 1}));
    struct sp_client_ext e = {.kind = SP_CLIENT_XFF_HOPS};
    assert_false(sp_client_rules_derive(&(struct sp_client_rules){.ext = &e, .n_ext = 1}));
    e.hops = 1;
    assert_true(sp_client_rules_derive(&(struct sp_client_rules){.ext = &e, .n_ext = 1}));
    e.kind = SP_CLIENT_HEADER;
    assert_true(sp_client_rules_derive(&(struct sp_client_rules){.ext = &e, .n_ext = 1}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_edge),  cmocka_unit_test(test_examples_inside),
        cmocka_unit_test(test_examples_cidrs), cmocka_unit_test(test_cidrs_are_bounded),
        cmocka_unit_test(test_untrusted_peer), cmocka_unit_test(test_custom_header),
        cmocka_unit_test(test_lists),          cmocka_unit_test(test_internal_at_the_edge),
        cmocka_unit_test(test_strangers_and_proof), cmocka_unit_test(test_who_derives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
