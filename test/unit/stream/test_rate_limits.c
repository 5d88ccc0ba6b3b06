/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What requests are counted by: every action, what is left out and when, and values that must not be evaded. */
#include "format_support.h"

#include <stdlib.h>
#include <string.h>

#include "stream/rate_limits.h"

/* The descriptors of a request as "key=value,key=value; ...". */
static const char *made(struct t_stream *s, const char *actions, unsigned stage)
{
    static char out[4096];
    char yaml[4096];
    struct t_config c;
    struct sp_descriptors d = {0};
    snprintf(yaml, sizeof(yaml), "name: v\ndomains: ['*']\nrate_limits:\n%s", actions);
    t_config_load(&c, &envoy__config__route__v3__virtual_host__descriptor, yaml);
    const Envoy__Config__Route__V3__VirtualHost *v = c.msg;
    struct sp_rate_limits *l = sp_rate_limits_new(c.doc, &c.diag, v->rate_limits, v->n_rate_limits);
    assert_non_null(l);
    sp_rate_limits_add(l, stage, &s->in, SP_STR("origin"), &s->arena, &d);
    out[0] = 0;
    for (unsigned i = 0; i < d.n; i++)
        for (unsigned k = 0; k < d.v[i].n; k++)
            snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%.*s=%.*s", k ? "," : i ? "; " : "",
                     SP_STR_ARG(d.v[i].v[k].key), SP_STR_ARG(d.v[i].v[k].value));
    for (unsigned i = 0; i < d.n; i++)
        if (d.v[i].unit)
            snprintf(out + strlen(out), sizeof(out) - strlen(out), " (%u in %u)", d.v[i].limit, d.v[i].unit);
    sp_rate_limits_free(l);
    t_config_done(&c);
    return out;
}

#define ONE(action) "- actions: [" action "]\n"

static void headers_and_query(void **state)
{
    struct t_stream s;
    t_stream_init(&s);
    t_headers(&s.request, &s.arena, ":method: GET\n:path: /p?a=1&%62=x%20y%2Bz+&empty=&flag\nx-a: 1\nx-a: 2\nx-e: ");
    assert_string_equal(made(&s, ONE("{request_headers: {header_name: X-A, descriptor_key: a}}"), 0), "a=1");
    assert_string_equal(made(&s, ONE("{request_headers: {header_name: x-none, descriptor_key: none}}"), 0), "");
    assert_string_equal(made(&s, ONE("{request_headers: {header_name: x-none, descriptor_key: none, skip_if_absent: true}}"), 0), "");
    assert_string_equal(made(&s, ONE("{request_headers: {header_name: x-none, descriptor_key: none, skip_if_absent: true}}, "
                                     "{request_headers: {header_name: ':method', descriptor_key: m}}"), 0), "m=GET");
    assert_string_equal(made(&s, ONE("{query_parameters: {query_parameter_name: b, descriptor_key: q}}"), 0), "q=x y+z+");
    assert_string_equal(made(&s, ONE("{query_parameters: {query_parameter_name: flag, descriptor_key: q}}"), 0), "q=");
    assert_string_equal(made(&s, ONE("{query_parameters: {query_parameter_name: c, descriptor_key: q}}"), 0), "");
    t_stream_done(&s);
}

static void addresses(void **state)
{
    static const struct {
        const char *ip, *masked;
    } masks[] = {{"203.0.113.9", "203.0.112.0/21"}, {"2001:db8:1:2:3::4", "2001:db8:1::/61"}};
    struct t_stream s;
    t_stream_init(&s);
    for (int i = 0; i < 2; i++) {
        char expected[64];
        sp_addr_parse_ip(sp_str_c(masks[i].ip), &s.info.client);
        snprintf(expected, sizeof(expected), "remote_address=%s", masks[i].ip);
        assert_string_equal(made(&s, ONE("{remote_address: {}}"), 0), expected);
        snprintf(expected, sizeof(expected), "masked_remote_address=%s", masks[i].masked);
        assert_string_equal(made(&s, ONE("{masked_remote_address: {v4_prefix_mask_len: 21, v6_prefix_mask_len: 61}}"), 0), expected);
    }
    assert_string_equal(made(&s, ONE("{masked_remote_address: {}}"), 0), "masked_remote_address=2001:db8:1:2:3::4/128");
    /* a header that makes the derivation fail does not make the limit go away */
    s.info.client_failed = true;
    assert_string_equal(made(&s, ONE("{remote_address: {}}"), 0), "remote_address=198.51.100.7");
    s.info.client_failed = false;
    s.info.client = (struct sp_addr){.family = AF_UNIX, .path = ""};
    assert_string_equal(made(&s, ONE("{remote_address: {}}"), 0), "");
    t_stream_done(&s);
}

static void fixed_and_matched(void **state)
{
    struct t_stream s;
    t_stream_init(&s);
    t_headers(&s.request, &s.arena, ":method: POST\n:path: /p?v=seen\nx-a: 1");
    assert_string_equal(made(&s, ONE("{generic_key: {descriptor_value: slow}}, {destination_cluster: {}}, {source_cluster: {}}"), 0),
                        "generic_key=slow,destination_cluster=origin,source_cluster=");
    assert_string_equal(made(&s, ONE("{generic_key: {descriptor_value: '%REQ(x-a)%-%REQ(:method)%', descriptor_key: k}}"), 0), "k=1-POST");
    assert_string_equal(made(&s, ONE("{generic_key: {descriptor_value: '%REQ(x-b)%'}}"), 0), "");
    assert_string_equal(made(&s, ONE("{generic_key: {descriptor_value: '%REQ(x-b)%', default_value: d}}"), 0), "generic_key=d");
#define POST "headers: [{name: ':method', string_match: {exact: POST}}]"
    assert_string_equal(made(&s, ONE("{header_value_match: {descriptor_value: w, " POST "}}"), 0), "header_match=w");
    assert_string_equal(made(&s, ONE("{header_value_match: {descriptor_value: w, expect_match: false, " POST "}}"), 0), "");
    assert_string_equal(made(&s, ONE("{query_parameter_value_match: {descriptor_value: w, query_parameters: [{name: v, "
                                     "string_match: {exact: seen}}]}}"), 0), "query_match=w");
    /* an expression that gives up counts the request, whichever way it was meant */
    char lines[600] = ":method: GET\n:path: /\nx-a: ";
    memset(lines + strlen(lines), 'a', 500);
    strcat(lines, "c");
    t_headers(&s.request, &s.arena, lines);
#define EVIL "headers: [{name: x-a, safe_regex_match: {regex: '(a+)+bc'}}]"
    assert_string_equal(made(&s, ONE("{header_value_match: {descriptor_value: w, " EVIL "}}"), 0), "header_match=w");
    assert_string_equal(made(&s, ONE("{header_value_match: {descriptor_value: w, expect_match: false, " EVIL "}}"), 0), "header_match=w");
    t_stream_done(&s);
}

static void metadata(void **state)
{
    struct t_stream s;
    t_stream_init(&s);
    t_stream_metadata(&s, "jwt", "claims", "{\"sub\":\"al\\\"ice\",\"org\":{\"id\":7},\"admin\":true,\"list\":[1],\"none\":null}");
#define META(path, more) ONE("{metadata: {descriptor_key: k, metadata_key: {key: jwt, path: [{key: claims}, " path "]}" more "}}")
    assert_string_equal(made(&s, META("{key: sub}", ""), 0), "k=al\"ice");
    assert_string_equal(made(&s, META("{key: org}, {key: id}", ""), 0), "k=7");
    assert_string_equal(made(&s, META("{key: admin}", ""), 0), "k=true");
    assert_string_equal(made(&s, META("{key: list}", ""), 0), "");
    assert_string_equal(made(&s, META("{key: none}", ""), 0), "");
    assert_string_equal(made(&s, META("{key: org}", ", default_value: d"), 0), "k=d");
    assert_string_equal(made(&s, ONE("{metadata: {descriptor_key: k, metadata_key: {key: jwt, path: [{key: x}]}, skip_if_absent: true}}, "
                                     "{generic_key: {descriptor_value: g}}"), 0), "generic_key=g");
    t_stream_done(&s);
}

static void limits_of_their_own(void **state)
{
    static const char *const good[][2] = {{"{\"requests_per_unit\":42,\"unit\":\"HOUR\"}", "generic_key=g (42 in 3)"},
                                          {"{\"unit\":\"WEEK\",\"requests_per_unit\":0}", "generic_key=g (0 in 7)"}};
    static const char *const bad[] = {"{\"requests_per_unit\":42}", "{\"requests_per_unit\":-1,\"unit\":\"HOUR\"}",
                                      "{\"requests_per_unit\":1.5,\"unit\":\"HOUR\"}", "{\"requests_per_unit\":4294967296,\"unit\":\"HOUR\"}",
                                      "{\"requests_per_unit\":1,\"unit\":\"UNKNOWN\"}", "{\"requests_per_unit\":\"1\",\"unit\":\"HOUR\"}", "7", "[]"};
#define OVERRIDE "- {actions: [{generic_key: {descriptor_value: g}}], limit: {dynamic_metadata: {metadata_key: {key: jwt, path: [{key: limit}]}}}}\n"
    for (size_t i = 0; i < SP_ARRAY_LEN(good) + SP_ARRAY_LEN(bad); i++) {
        struct t_stream s;
        bool fine = i < SP_ARRAY_LEN(good);
        t_stream_init(&s);
        t_stream_metadata(&s, "jwt", "limit", fine ? good[i][0] : bad[i - SP_ARRAY_LEN(good)]);
        assert_string_equal(made(&s, OVERRIDE, 0), fine ? good[i][1] : "generic_key=g");
        t_stream_done(&s);
    }
}

static void several_and_stages(void **state)
{
    struct t_stream s;
    t_stream_init(&s);
    const char *yaml = "- actions: [{generic_key: {descriptor_value: a}}]\n"
                       "- actions: [{request_headers: {header_name: x-none, descriptor_key: none}}]\n"
                       "- {stage: 3, actions: [{generic_key: {descriptor_value: b}}]}\n"
                       "- {actions: [{generic_key: {descriptor_value: c}}], disable_key: d}\n";
    assert_string_equal(made(&s, yaml, 0), "generic_key=a; generic_key=c");
    assert_string_equal(made(&s, yaml, 3), "generic_key=b");
    assert_string_equal(made(&s, yaml, 1), "");
    t_stream_done(&s);
}

static void texts_are_unique(void **state)
{
    struct sp_arena a;
    sp_arena_init(&a);
    const struct sp_descriptor_entry one[] = {{SP_STR("a"), SP_STR("bc")}}, other[] = {{SP_STR("ab"), SP_STR("c")}},
                                     two[] = {{SP_STR("a"), SP_STR("b")}, {SP_STR("c"), SP_STR("")}};
    const struct sp_descriptor d[] = {{.v = one, .n = 1}, {.v = other, .n = 1}, {.v = two, .n = 2}};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            assert_int_equal(sp_str_eq(sp_descriptor_text(&d[i], &a), sp_descriptor_text(&d[k], &a)), i == k);
    sp_arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_and_query), cmocka_unit_test(addresses),          cmocka_unit_test(fixed_and_matched),
        cmocka_unit_test(limits_of_their_own), cmocka_unit_test(metadata),          cmocka_unit_test(several_and_stages), cmocka_unit_test(texts_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
