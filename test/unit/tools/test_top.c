/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sallyport top: rates out of two answers, order, and what fits into a window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/top_ask.h"
#include "tools/top_view.h"

#define CLUSTER(name, hosts, healthy, total, completed, errors) \
    "{\"name\":\"" name "\",\"hosts\":{\"total\":" #hosts ",\"healthy\":" #healthy ",\"degraded\":0},\"connections\":{\"active\":3}," \
    "\"requests\":{\"total\":" #total ",\"completed\":" #completed ",\"5xx\":" #errors ",\"active\":1,\"pending\":2}," \
    "\"request_ms\":{\"count\":9,\"p50\":1.5,\"p99\":20.0,\"last\":{\"count\":" #errors ",\"p50\":2.5,\"p99\":30.0}}}"
#define ANSWER(at, uptime, clusters, denied, refused) \
    "{\"at_ms\":" #at ",\"server\":{\"version\":\"9\",\"state\":\"LIVE\",\"uptime_seconds\":" #uptime ",\"workers\":2}," \
    "\"config\":{\"version\":4,\"loaded\":\"then\",\"refused\":null,\"phase\":\"serving\"},\"totals\":{\"clusters\":3}," \
    "\"clusters\":[" clusters "],\"connection_managers\":[{\"stat_prefix\":\"m\",\"requests\":{\"completed\":" #denied ",\"5xx\":1}}]," \
    "\"listeners\":[{\"name\":\"door\",\"address\":\"a:1\",\"connections\":{\"active\":1,\"total\":" #denied "}," \
    "\"refused\":{\"overload\":5,\"ip_restriction\":" #refused "},\"filter_chains\":[{\"connection_manager\":\"m\"},{\"connection_manager\":\"m\"}]}]," \
    "\"filters\":[{\"scope\":\"http.m\",\"filter\":\"shield\",\"allowed\":0,\"denied\":" #denied ",\"counters\":{\"refused\":" #denied ",\"allowed\":3}}]," \
    "\"certificates\":[{\"name\":\"b\",\"path\":\"p\",\"days_left\":90},{\"name\":\"a\",\"path\":\"q\",\"days_left\":3}]}"

static bool take(struct sp_top_model *m, const char *text)
{
    return sp_top_model_take(m, text, strlen(text));
}

static void rates(void **state)
{
    struct sp_top_model m;
    sp_top_model_init(&m);
    assert_true(take(&m, ANSWER(1000, 5, CLUSTER("a", 2, 2, 100, 90, 0), 10, 1)));
    sp_top_model_rows(&m, SP_TOP_BY_TROUBLE, "");
    assert_true(isnan(m.clusters[0].requests_s) && isnan(m.requests_s));
    assert_true(m.clusters[0].errors == 0); /* ever */
    assert_true(isnan(m.clusters[0].p99)); /* nothing lately */
    assert_string_equal(m.listeners[0].why, "overload");
    assert_true(take(&m, ANSWER(3000, 7, CLUSTER("a", 2, 2, 300, 190, 5), 30, 3)));
    sp_top_model_rows(&m, SP_TOP_BY_TROUBLE, "");
    assert_true(m.clusters[0].requests_s == 100 && m.clusters[0].errors == .05 && m.clusters[0].bad);
    assert_true(m.clusters[0].p50 == 2.5 && m.clusters[0].p99 == 30); /* lately, not ever */
    assert_true(m.requests_s == 10); /* a manager that two chains have counts once */
    assert_true(m.listeners[0].requests_s == 10 && m.listeners[0].refused_s == 1);
    assert_string_equal(m.listeners[0].why, "ip_restriction"); /* what grew */
    assert_true(m.filters[0].denied_s == 10);
    assert_string_equal(m.filters[0].why, "refused +20");
    assert_string_equal(m.certs[0].name, "a"); /* the first to go */
    sp_top_model_done(&m);
}

static void a_new_process_counts_anew(void **state)
{
    struct sp_top_model m;
    sp_top_model_init(&m);
    assert_true(take(&m, ANSWER(1000, 50, CLUSTER("a", 2, 2, 100, 90, 0), 10, 1)));
    assert_true(take(&m, ANSWER(2000, 1, CLUSTER("a", 2, 2, 5, 5, 0), 2, 0)));
    sp_top_model_rows(&m, SP_TOP_BY_TROUBLE, "");
    assert_true(isnan(m.clusters[0].requests_s));
    assert_true(take(&m, ANSWER(3000, 2, CLUSTER("a", 2, 2, 3, 3, 0), 1, 0))); /* after /reset_counters */
    sp_top_model_rows(&m, SP_TOP_BY_TROUBLE, "");
    assert_true(m.clusters[0].requests_s == 3);
    assert_false(take(&m, "{}"));
    assert_false(take(&m, "[1"));
    sp_top_model_rows(&m, SP_TOP_BY_TROUBLE, ""); /* the last one stays */
    assert_int_equal(m.n_clusters, 1);
    sp_top_model_done(&m);
}

#define THREE(a, b, c) CLUSTER("down", 2, 1, a, a, 0) "," CLUSTER("busy", 1, 1, b, b, 0) "," CLUSTER("quiet", 1, 1, c, c, 0)

static void orders(void **state)
{
    static const struct {
        enum sp_top_sort sort;
        const char *first;
    } cases[] = {{SP_TOP_BY_TROUBLE, "down"}, {SP_TOP_BY_REQUESTS, "busy"}, {SP_TOP_BY_NAME, "busy"}};
    struct sp_top_model m;
    sp_top_model_init(&m);
    assert_true(take(&m, ANSWER(1000, 5, THREE(1, 1, 1), 1, 1)));
    assert_true(take(&m, ANSWER(2000, 6, THREE(2, 99, 2), 1, 1)));
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        sp_top_model_rows(&m, cases[i].sort, "");
        assert_string_equal(m.clusters[0].name, cases[i].first);
        assert_int_equal(m.n_clusters, 3);
    }
    sp_top_model_rows(&m, SP_TOP_BY_NAME, "QUI");
    assert_int_equal(m.n_clusters, 1);
    json_t *j = sp_top_model_json(&m);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(j, "clusters"), 0), "name")), "quiet");
    json_decref(j);
    sp_top_model_done(&m);
}

static void fits(void **state)
{
    static const struct {
        const char *text;
        unsigned width;
        char pad;
        const char *is;
    } cases[] = {{"abc", 5, 0, "abc"}, {"abc", 5, '<', "abc  "}, {"abc", 5, '>', "  abc"}, {"abcdef", 4, '<', "abc~"}, {"abcd", 4, '>', "abcd"},
                 {"a\x1b[2Jb", 9, 0, "a?[2Jb"}, {"\xc3\xa9t\xc3\xa9", 4, '<', "\xc3\xa9t\xc3\xa9 "}, {"\xff\xfe", 3, '<', "?? "},
                 {"\xe4\xb8\xad", 3, '<', "?  "}, {"\xe2\x80\xae", 2, 0, "?"}, {"x", 0, '<', ""}, {"\n", 2, 0, "?"}};
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        char out[64];
        size_t n = sp_top_fit(out, sizeof(out), cases[i].text, cases[i].width, cases[i].pad);
        assert_string_equal(out, cases[i].is);
        assert_int_equal(n, strlen(cases[i].is));
    }
}

/* Every width: no line is wider, and the more room the more columns. */
static void windows(void **state)
{
    struct sp_top_model m;
    sp_top_model_init(&m);
    assert_true(take(&m, ANSWER(1000, 5, THREE(1, 1, 1), 1, 1)));
    assert_true(take(&m, ANSWER(2000, 6, THREE(2, 99, 2), 9, 9)));
    sp_top_model_rows(&m, SP_TOP_BY_TROUBLE, "");
    for (unsigned width = 1; width <= 600; width++) {
        struct sp_top_view v;
        bool wait = false;
        sp_top_view_init(&v, width);
        sp_top_view_head(&v, &m, "a reason");
        for (int part = 0; part < SP_TOP_PARTS; part++)
            sp_top_view_body(&v, &m, (enum sp_top_part)part, SP_TOP_BY_TROUBLE);
        sp_top_view_help(&v);
        for (unsigned i = 0; i < v.n; i++) {
            assert_true(strlen(v.v[i].text) <= width);
            wait |= strstr(v.v[i].text, "WAIT") != NULL && strstr(v.v[i].text, "HOSTS") != NULL;
        }
        if (width >= 80)
            assert_true(wait);
        sp_top_view_done(&v);
    }
    sp_top_model_done(&m);
}

static void addresses(void **state)
{
    struct sp_addr a;
    char text[SP_ADDR_TEXT_MAX];
    static const struct {
        const char *text, *is;
    } good[] = {{"127.0.0.1:9901", "127.0.0.1:9901"}, {"localhost:80", "127.0.0.1:80"}, {"[::1]:9", "[::1]:9"}, {"unix:/run/x", "/run/x"}, {"/run/x", "/run/x"}};
    static const char *const bad[] = {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "host:1", "unix:", "unix:x", ":1"};
    for (size_t i = 0; i < SP_ARRAY_LEN(good); i++) {
        assert_true(sp_top_address(good[i].text, &a));
        sp_addr_format(&a, text);
        assert_string_equal(text, good[i].is);
    }
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        assert_false(sp_top_address(bad[i], &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rates),   cmocka_unit_test(a_new_process_counts_anew), cmocka_unit_test(orders),
                                       cmocka_unit_test(fits),    cmocka_unit_test(windows),                   cmocka_unit_test(addresses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
