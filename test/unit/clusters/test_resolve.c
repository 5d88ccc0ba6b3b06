/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names: when they are asked for, and what answers and failures do to the hosts. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "clusters/dns_config.h"
#include "fake_dns.h"

#define NAMED(kind, names, more) \
    "name: c\ntype: " kind "\nload_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [" names "]}]}\n" more
#define NAME(name) "{endpoint: {address: {socket_address: {address: " name ", port_value: 80}}}}"

/* "10.0.0.1:80 10.0.0.2:80" */
static const char *hosts(const struct t_bed *b)
{
    static char text[512];
    text[0] = 0;
    for (unsigned i = 0; i < b->cluster->hosts->n; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.*s", i ? " " : "",
                 SP_STR_ARG(b->cluster->hosts->v[i].text));
    return text;
}

static void test_strict(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_new(&b, NAMED("STRICT_DNS", NAME("a.test") "," NAME("b.test") "," NAME("10.9.9.9"), "dns_refresh_rate: 10s\n"));
    assert_false(sp_cluster_warm(b.cluster));
    assert_string_equal(hosts(&b), "10.9.9.9:80"); /* an address need not be asked for */
    fake_answer("a.test", "10.0.0.2 10.0.0.1", 3);
    assert_false(sp_cluster_warm(b.cluster));
    fake_fail("b.test");
    assert_true(sp_cluster_warm(b.cluster));
    assert_string_equal(hosts(&b), "10.0.0.1:80 10.0.0.2:80 10.9.9.9:80");
    assert_str(b.cluster->hosts->v[0].hostname, "a.test");
    struct sp_host *h = t_host(&b, 0);
    t_step(&b, 9999);
    assert_int_equal(fake_asked, 2);
    t_step(&b, 1);
    assert_int_equal(fake_asked, 4);
    fake_answer("b.test", "10.0.0.2", 0); /* one address of two names: two hosts */
    fake_answer("a.test", "10.0.0.1", 0);
    assert_string_equal(hosts(&b), "10.0.0.1:80 10.0.0.2:80 10.9.9.9:80");
    assert_str(b.cluster->hosts->v[1].hostname, "b.test");
    assert_ptr_equal(t_host(&b, 0), h);
    t_step(&b, 10000);
    fake_answer("a.test", "", 0); /* nobody: that is believed */
    fake_fail("b.test");          /* nobody answers: the last hosts stay */
    assert_string_equal(hosts(&b), "10.0.0.2:80 10.9.9.9:80");
    assert_int_equal(t_stat("update_attempt"), 6);
    assert_int_equal(t_stat("update_success"), 4);
    assert_int_equal(t_stat("update_failure"), 2);
    t_bed_free(&b);
    fake_asked = 0;
}

static void test_logical(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_new(&b, NAMED("LOGICAL_DNS", NAME("a.test"), "dns_lookup_family: V4_PREFERRED\n"));
    assert_int_equal(fake_question("a.test")->family, SP_DNS_V4_PREFERRED);
    fake_answer("a.test", "10.0.0.2 10.0.0.1", 0);
    assert_string_equal(hosts(&b), "10.0.0.2:80");
    struct sp_host *h = t_host(&b, 0);
    t_step(&b, 5000);
    fake_answer("a.test", "10.0.0.1 10.0.0.2", 0);
    assert_string_equal(hosts(&b), "10.0.0.1:80");
    assert_ptr_equal(t_host(&b, 0), h);
    assert_int_equal(t_stat("membership_change"), 2);
    t_step(&b, 5000);
    fake_answer("a.test", "", 0);
    assert_string_equal(hosts(&b), "10.0.0.1:80");
    assert_int_equal(t_stat("update_failure"), 1);
    t_bed_free(&b);
    fake_asked = 0;
}

static void test_times(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_new(&b, NAMED("STRICT_DNS", NAME("a.test"), "dns_refresh_rate: 100s\nrespect_dns_ttl: true\n"
                        "dns_failure_refresh_rate: {base_interval: 2s, max_interval: 5s}\n"));
    fake_answer("a.test", "10.0.0.1", 3);
    t_step(&b, 2999);
    assert_null(fake_question("a.test"));
    t_step(&b, 1);
    /* 2, 4, 5, 5 s, each up to half of it less. */
    static const unsigned most[] = {2000, 4000, 5000, 5000};
    for (size_t i = 0; i < SP_ARRAY_LEN(most); i++) {
        fake_fail("a.test");
        t_step(&b, most[i] / 2 - 1);
        assert_null(fake_question("a.test"));
        t_step(&b, most[i] / 2 + 1);
        assert_non_null(fake_question("a.test"));
    }
    fake_answer("a.test", "10.0.0.1", 0); /* no TTL: the refresh rate */
    t_step(&b, 99999);
    assert_null(fake_question("a.test"));
    t_step(&b, 1);
    fake_fail("a.test"); /* the back-off begins anew */
    t_step(&b, 2000);
    fake_answer("a.test", "10.0.0.1", 4000000000u); /* a day at most */
    t_step(&b, 24 * 3600 * 1000);
    assert_non_null(fake_question("a.test"));
    t_bed_free(&b); /* with a question under way */
    assert_null(fake_question("a.test"));
    fake_asked = 0;
}

static void test_nobody_answers(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_new(&b, NAMED("STRICT_DNS", NAME("a.test"), ""));
    t_step(&b, 4999);
    assert_false(sp_cluster_warm(b.cluster));
    t_step(&b, 1);
    assert_true(sp_cluster_warm(b.cluster));
    fake_answer("a.test", "10.0.0.1", 0);
    assert_string_equal(hosts(&b), "10.0.0.1:80");
    t_bed_free(&b);
    t_bed_new(&b, NAMED("STRICT_DNS", NAME("a.test"), "wait_for_warm_on_init: false\n"));
    assert_true(sp_cluster_warm(b.cluster));
    t_bed_free(&b);
    fake_asked = 0;
}

static void test_errors(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {NAMED("LOGICAL_DNS", NAME("a.test") "," NAME("b.test"), ""), "a LOGICAL_DNS cluster has exactly one endpoint"},
        {NAMED("STRICT_DNS", NAME("a..test"), ""), "has an empty label"},
        {NAMED("STRICT_DNS", NAME("\"a.test:80\""), ""), "has characters that no host name has"},
        {NAMED("STRICT_DNS", "{endpoint: {address: {pipe: {path: /x}}}}", ""), "is no name to resolve"},
        {NAMED("STRICT_DNS", NAME("a.test"), "dns_failure_refresh_rate: {base_interval: 2s, max_interval: 1s}\n"),
         "is less than base_interval"},
        {NAMED("STRICT_DNS", NAME("a.test"), "dns_resolvers: [{pipe: {path: /x}}]\n"), "is not the IP address of a DNS server"},
        {NAMED("STATIC", NAME("a.test"), ""), "set type to STRICT_DNS or LOGICAL_DNS for a name"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(wrong); i++) {
        char *text = t_cluster_errors(wrong[i][0]);
        if (!strstr(text, wrong[i][1]))
            fail_msg("\"%s\" is not in: %s", wrong[i][1], text);
        free(text);
    }
    char label[70];
    memset(label, 'a', sizeof(label));
    assert_non_null(sp_dns_bad_name(sp_str_n(label, 64)));
    assert_null(sp_dns_bad_name(sp_str_n(label, 63)));
    assert_null(sp_dns_bad_name(SP_STR("_x.a-b.test.")));
    assert_non_null(sp_dns_bad_name(SP_STR("")));
    assert_non_null(sp_dns_bad_name(SP_STR("a b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strict),         cmocka_unit_test(test_logical), cmocka_unit_test(test_times),
        cmocka_unit_test(test_nobody_answers), cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
