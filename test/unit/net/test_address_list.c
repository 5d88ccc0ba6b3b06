/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists in files: the first reading and later ones, what is refused, what is counted; and sets of ranges and lists. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>
#include <cmocka.h>

#include "base/log.h"
#include "net/address_set.h"
#include "sallyport/filters/http/ip_restriction/v1/ip_restriction.pb-c.h"
#include "support/config.h"

typedef Sallyport__Filters__Http__IpRestriction__V1__IpRestriction Message;

static char dir[] = "/tmp/sp-lists-XXXXXX";
static char path[2][64];

static void write_file(int which, const char *text)
{
    FILE *f = fopen(path[which], "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

struct rig {
    struct t_config config;
    struct sp_stats_scope *scope;
    struct sp_address_set *set;
};

static const Message *message(const struct rig *r)
{
    return r->config.msg;
}

/* `yaml`: of an IpRestriction with allow and allow_lists; %0 and %1 are the files. */
static void make(struct rig *r, const char *yaml, bool narrow)
{
    char text[2000] = "";
    for (size_t n = 0; *yaml; yaml++) {
        n = strlen(text);
        if (*yaml == '%') {
            yaml++;
            strcat(text, path[*yaml - '0']);
        } else {
            text[n] = *yaml;
            text[n + 1] = 0;
        }
    }
    t_config_load(&r->config, &sallyport__filters__http__ip_restriction__v1__ip_restriction__descriptor, text);
    r->scope = sp_stats_scope(sp_stats_root(), SP_STR("gate"), NULL, SP_STR_NULL);
    const struct sp_address_fields f = {.msg = message(r),
                                        .field = "allow",
                                        .cidrs = message(r)->allow,
                                        .n_cidrs = message(r)->n_allow,
                                        .lists = message(r)->allow_lists,
                                        .n_lists = message(r)->n_allow_lists,
                                        .before = message(r)->deny_lists,
                                        .n_before = message(r)->n_deny_lists,
                                        .narrow = narrow};
    r->set = sp_address_set_new(r->config.doc, &r->config.diag, "gate", r->scope, &f);
}

static void done(struct rig *r)
{
    sp_address_set_free(r->set);
    t_config_done(&r->config);
}

static void made(struct rig *r, const char *yaml)
{
    make(r, yaml, true);
    if (!r->set)
        fail_msg("%s", t_config_said(&r->config));
}

static void refused(const char *yaml, const char *expected)
{
    struct rig r;
    make(&r, yaml, true);
    assert_null(r.set);
    if (!strstr(t_config_said(&r.config), expected))
        fail_msg("'%s' is not in: %s", expected, t_config_said(&r.config));
    done(&r);
}

/* "range@list", or "-". */
static void finds(const struct rig *r, const char *address, const char *expected)
{
    struct sp_addr a;
    struct sp_cidr c;
    struct sp_str list;
    char got[SP_ADDR_TEXT_MAX + 64] = "-";
    assert_int_equal(sp_addr_parse_ip(sp_str_c(address), &a), 0);
    if (sp_address_set_find(r->set, &a, &c, &list)) {
        size_t n = sp_cidr_format(&c, got);
        snprintf(got + n, sizeof(got) - n, "@%.*s", SP_STR_ARG(list));
    }
    assert_string_equal(got, expected);
}

static uint64_t stat_of(const char *name)
{
    char full[100];
    uint64_t v;
    snprintf(full, sizeof(full), "gate.list.%s", name);
    assert_int_equal(sp_stats_find(sp_str_c(full), &v), 0);
    return v;
}

static void test_one_set(void **state)
{
    struct rig r;
    write_file(0, "203.0.113.0/24\n198.51.100.7\n::ffff:192.0.2.0/120\n");
    write_file(1, "{\"addresses\": [\"203.0.113.128/25\"], \"ipv6_addresses\": [\"2001:db8::/32\"]}");
    made(&r, "allow: [198.51.100.0/24, '2001:db8:1::/48']\n"
             "allow_lists: [{name: one, path: %0}, {name: two, path: %1, format: FASTLY}]\nsource: PEER\n");
    finds(&r, "198.51.100.1", "198.51.100.0/24@");
    finds(&r, "198.51.100.7", "198.51.100.7/32@one");
    finds(&r, "203.0.113.1", "203.0.113.0/24@one");
    finds(&r, "203.0.113.129", "203.0.113.128/25@two");
    finds(&r, "2001:db8:1::1", "2001:db8:1::/48@");
    finds(&r, "2001:db8:2::1", "2001:db8::/32@two");
    finds(&r, "::ffff:203.0.113.129", "203.0.113.128/25@two");
    finds(&r, "192.0.2.9", "192.0.2.0/24@one");
    finds(&r, "192.0.3.9", "-");
    finds(&r, "2001:db9::", "-");
    struct sp_addr local = {.family = AF_UNIX, .path = "/run/x"};
    assert_false(sp_address_set_find(r.set, &local, NULL, NULL));
    assert_int_equal(stat_of("one.entries"), 3);
    assert_int_equal(stat_of("two.entries"), 2);
    done(&r);
}

static void test_config_errors(void **state)
{
    write_file(0, "203.0.113.0/24\n");
    write_file(1, "");
    refused("{allow_lists: [{name: a, path: /nonexistent/list}], source: PEER}",
            "t.yaml:1:32: allow_lists[0].path: /nonexistent/list: cannot be read: No such file or directory");
    refused("{allow_lists: [{name: a, path: %1}], source: PEER}", ": it is empty");
    refused("{allow_lists: [{name: a, path: /tmp}], source: PEER}", "cannot be read: Is a directory");
    refused("{allow_lists: [{name: a, path: /dev/zero}], source: PEER}", "not a regular file");
    refused("{allow_lists: [{name: a, path: %0, format: AWS_IP_RANGES}], source: PEER}", "not a JSON object");
    refused("{allow_lists: [{name: a, path: %0, services: [x]}], source: PEER}",
            "allow_lists[0].services: lists of this format have no services to select by");
    refused("{allow_lists: [{name: a, path: %0, format: FASTLY, regions: [x]}], source: PEER}", "have no regions");
    refused("{allow_lists: [{name: a, path: %0, format: AKAMAI_SITE_SHIELD, regions: [x]}], source: PEER}",
            "have no regions");
    refused("{allow_lists: [{name: a, path: %0}, {name: a, path: %0}], source: PEER}",
            "allow_lists[1].name: there is a list named 'a' before it");
    refused("{allow_lists: [{name: a, path: %0}], deny_lists: [{name: a, path: %0}], source: PEER}",
            "allow_lists[0].name: there is a list named 'a' before it");
    refused("{allow: [10.0.0.0/7], source: PEER}", "allow[0]: 10.0.0.0/7 is too wide");
    refused("{allow: [10.0.0.1/8], source: PEER}", "did you mean 10.0.0.0/8?");
    write_file(1, "0.0.0.0/0\n");
    refused("{allow_lists: [{name: a, path: %1}], source: PEER}", "line 1 '0.0.0.0/0' is too wide");
    struct rig r;
    make(&r, "{allow: [0.0.0.0/0], source: PEER}", false);
    assert_non_null(r.set);
    done(&r);
}

/* Everyone in narrow pieces. */
static void test_half_of_the_world(void **state)
{
    struct rig r;
    char text[8000] = "";
    for (unsigned i = 0; i < 128; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u.0.0.0/8\n%u.1.0.0/16\n", i * 2, i * 2);
    write_file(0, text);
    made(&r, "{allow_lists: [{name: a, path: %0}], source: PEER}"); /* half, and ranges inside do not count twice */
    done(&r);
    strcat(text, "1.0.0.0/24\n");
    write_file(0, text);
    refused("{allow_lists: [{name: a, path: %0}], source: PEER}", "more than half of all addresses");
    FILE *f = fopen(path[0], "w");
    for (unsigned i = 0x2000; i <= 0x3000; i++)
        fprintf(f, "%x::/16\n", i);
    fclose(f);
    refused("{allow_lists: [{name: a, path: %0}], source: PEER}", "more than half of all addresses");
}

static void test_warns_of_whole_clouds(void **state)
{
    struct rig r;
    write_file(0, "{\"prefixes\": [{\"ip_prefix\": \"203.0.113.0/24\", \"service\": \"EC2\"}]}");
    made(&r, "{allow_lists: [{name: a, path: %0, format: AWS_IP_RANGES}], source: PEER}");
    assert_non_null(strstr(t_config_said(&r.config), "without services it holds the whole cloud"));
    done(&r);
}

/* --- later readings, as sp_live makes them */

static struct sp_address_list *list_of(struct rig *r, const char *more)
{
    char yaml[400];
    snprintf(yaml, sizeof(yaml), "{allow_lists: [{name: one, path: %%0%s}], source: PEER}", more);
    make(r, yaml, true);
    struct sp_address_list *l =
        sp_address_list_new(r->config.doc, &r->config.diag, "gate", r->scope, message(r)->allow_lists[0]);
    assert_non_null(l);
    return l;
}

/* "" when the file is taken, else why not. */
static const char *reload(struct sp_address_list *l)
{
    static char why[1000];
    struct sp_diag diag;
    struct sp_live *live = sp_address_list_live(l);
    sp_diag_init(&diag);
    void *value = sp_address_list_kind.load(l, sp_live_get(live), &diag);
    snprintf(why, sizeof(why), "%s", value ? "" : diag.items[0].text);
    if (value)
        sp_live_publish(live, value);
    else
        sp_live_failed(live, sp_str_c(why));
    sp_diag_done(&diag);
    return why;
}

static void has(const struct sp_address_list *l, const char *address, bool expected)
{
    struct sp_addr a;
    assert_int_equal(sp_addr_parse_ip(sp_str_c(address), &a), 0);
    assert_int_equal(sp_address_list_find(l, &a, NULL), expected);
}

static void test_reload(void **state)
{
    struct rig r;
    write_file(0, "203.0.113.0/24\n");
    struct sp_address_list *l = list_of(&r, "");
    uint64_t ok = stat_of("one.reload_ok"), bad = stat_of("one.reload_refused");
    write_file(0, "198.51.100.0/24\n192.0.2.0/24\n");
    assert_string_equal(reload(l), "");
    has(l, "198.51.100.1", true);
    has(l, "203.0.113.1", false);
    assert_int_equal(stat_of("one.reload_ok"), ok + 1);
    assert_int_equal(stat_of("one.entries"), 2);

    static const char *const bad_ones[][2] = {
        {"", "it is empty"},
        {"# none\n", "no ranges"},
        {"198.51.100.0/24\n192.0.2", "line 2 '192.0.2'"},
        {"198.51.100.0/24\n0.0.0.0/0\n", "too wide"},
        {"<html>", "an error page?"},
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad_ones); i++) {
        write_file(0, bad_ones[i][0]);
        if (!strstr(reload(l), bad_ones[i][1]))
            fail_msg("%s", reload(l));
        assert_int_equal(stat_of("one.reload_refused"), bad + i + 1);
    }
    unlink(path[0]);
    assert_non_null(strstr(reload(l), "cannot be read"));
    has(l, "198.51.100.1", true);
    assert_int_equal(stat_of("one.reload_ok"), ok + 1);
    assert_int_equal(stat_of("one.entries"), 2);
    sp_address_list_unref(l);
    done(&r);
}

/* `n` hosts from 10.0.0.`from` on. */
static void write_hosts(unsigned from, unsigned n)
{
    char text[4000] = "";
    for (unsigned i = from; i < from + n; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "10.0.0.%u\n", i);
    write_file(0, text);
}

static void test_shrinking(void **state)
{
    struct rig r;
    write_hosts(0, 100);
    struct sp_address_list *l = list_of(&r, "");
    write_hosts(0, 49);
    assert_non_null(strstr(reload(l), "51 of its 100 ranges would be lost, more than max_shrink_percent 50 allows"));
    has(l, "10.0.0.99", true);
    write_hosts(0, 50);
    assert_string_equal(reload(l), "");
    has(l, "10.0.0.99", false);
    write_hosts(100, 50); /* others, but not fewer */
    assert_string_equal(reload(l), "");
    write_file(0, "10.0.0.96/27\n10.0.0.128/27\n"); /* joined */
    assert_string_equal(reload(l), "");
    has(l, "10.0.0.149", true);
    sp_address_list_unref(l);
    done(&r);

    write_hosts(0, 10);
    l = list_of(&r, ", max_shrink_percent: 0");
    write_hosts(0, 9);
    assert_non_null(strstr(reload(l), "max_shrink_percent 0"));
    write_hosts(0, 11);
    assert_string_equal(reload(l), "");
    sp_address_list_unref(l);
    done(&r);

    write_hosts(0, 10);
    l = list_of(&r, ", max_shrink_percent: 100");
    write_hosts(0, 1);
    assert_string_equal(reload(l), "");
    write_file(0, "");
    assert_non_null(strstr(reload(l), "empty"));
    sp_address_list_unref(l);
    done(&r);
}

static void test_selectors_that_stop_matching(void **state)
{
    struct rig r;
    write_file(0, "{\"prefixes\": [{\"ip_prefix\": \"203.0.113.0/24\", \"service\": \"CLOUDFRONT_ORIGIN_FACING\"},"
                  "{\"ip_prefix\": \"192.0.2.0/24\", \"service\": \"EC2\"}]}");
    struct sp_address_list *l = list_of(&r, ", format: AWS_IP_RANGES, services: [CLOUDFRONT_ORIGIN_FACING]");
    has(l, "203.0.113.1", true);
    has(l, "192.0.2.1", false);
    write_file(0, "{\"prefixes\": [{\"ip_prefix\": \"192.0.2.0/24\", \"service\": \"EC2\"}]}");
    assert_non_null(strstr(reload(l), "services: 'CLOUDFRONT_ORIGIN_FACING' matches no range"));
    has(l, "203.0.113.1", true);
    sp_address_list_unref(l);
    done(&r);
}

static void test_age(void **state)
{
    struct rig r;
    time_t then = time(NULL) - 5000;
    write_file(0, "203.0.113.0/24\n");
    assert_int_equal(utime(path[0], &(struct utimbuf){then, then}), 0);
    struct sp_address_list *l = list_of(&r, "");
    assert_in_range(stat_of("one.age_seconds"), 5000, 5100);
    write_file(0, ""); /* refused: what serves is as old as before */
    reload(l);
    assert_in_range(stat_of("one.age_seconds"), 5000, 5100);
    write_file(0, "203.0.113.0/24\n");
    reload(l);
    assert_in_range(stat_of("one.age_seconds"), 0, 100);
    sp_address_list_unref(l);
    done(&r);
}

/* The set of the document frees the last value after the gate's config. */
static void test_the_gate_goes_first(void **state)
{
    struct rig r;
    write_file(0, "203.0.113.0/24\n");
    struct sp_address_list *l = list_of(&r, "");
    sp_address_list_unref(l);
    assert_string_equal(reload(l), ""); /* still there: its value has it */
    done(&r);
}

static int setup(void **state)
{
    sp_stats_init(0);
    atomic_store(&sp_log_threshold, SP_LOG_OFF);
    if (!mkdtemp(dir))
        return -1;
    for (int i = 0; i < 2; i++)
        snprintf(path[i], sizeof(path[i]), "%s/list%d", dir, i);
    return 0;
}

static int teardown(void **state)
{
    for (int i = 0; i < 2; i++)
        unlink(path[i]);
    rmdir(dir);
    sp_stats_done();
    sp_buf_thread_done();
    sp_arena_thread_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_set),
        cmocka_unit_test(test_config_errors),
        cmocka_unit_test(test_half_of_the_world),
        cmocka_unit_test(test_warns_of_whole_clouds),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_shrinking),
        cmocka_unit_test(test_selectors_that_stop_matching),
        cmocka_unit_test(test_age),
        cmocka_unit_test(test_the_gate_goes_first),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
