/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Header changes: every append action, Envoy's order, mutations, and what is refused. */
#include "format_support.h"

#include <stdio.h>
#include <stdlib.h>

#include "envoy/config/route/v3/route_components.pb-c.h"
#include "envoy/extensions/filters/http/header_mutation/v3/header_mutation.pb-c.h"
#include "stream/header_ops.h"

typedef Envoy__Config__Route__V3__Route Route;
typedef Envoy__Extensions__Filters__Http__HeaderMutation__V3__Mutations Mutations;

static struct sp_header_ops *ops_of(struct t_config *c, const char *yaml)
{
    char *text = NULL;
    assert_true(asprintf(&text, "match: {prefix: /}\ndirect_response: {status: 200}\n%s", yaml) > 0);
    t_config_load(c, &envoy__config__route__v3__route__descriptor, text);
    free(text);
    const Route *r = c->msg;
    return sp_header_ops_new(c->doc, &c->diag, r, r->request_headers_to_add, r->n_request_headers_to_add,
                             r->request_headers_to_remove, r->n_request_headers_to_remove, r->response_headers_to_add,
                             r->n_response_headers_to_add, r->response_headers_to_remove, r->n_response_headers_to_remove);
}

/* The request after the changes, in a static buffer. */
static const char *request_after(const char *yaml, const char *lines)
{
    static char text[4096];
    struct t_config c;
    struct t_stream s;
    struct sp_header_ops *ops = ops_of(&c, yaml);
    assert_string_equal(t_config_said(&c), "");
    assert_non_null(ops);
    t_stream_init(&s);
    t_headers(&s.request, &s.arena, lines);
    sp_header_ops_request(ops, &s.request, &s.in);
    snprintf(text, sizeof(text), "%s", t_headers_text(&s.request, &s.arena));
    sp_header_ops_free(ops);
    t_stream_done(&s);
    t_config_done(&c);
    return text;
}

#define becomes(yaml, before, after) assert_string_equal(request_after(yaml, before), after)

static void append_actions(void **state)
{
    becomes("request_headers_to_add: [{header: {key: X-A, value: new}}]", "x-a: old\nx-b: b",
            "x-a: old\nx-b: b\nx-a: new\n");
    becomes("request_headers_to_add: [{header: {key: x-a, value: new}, append_action: ADD_IF_ABSENT}]", "x-a: old",
            "x-a: old\n");
    becomes("request_headers_to_add: [{header: {key: x-a, value: new}, append_action: ADD_IF_ABSENT}]", "x-b: b",
            "x-b: b\nx-a: new\n");
    becomes("request_headers_to_add: [{header: {key: x-a, value: new}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]",
            "x-a: 1\nx-b: b\nx-a: 2", "x-a: new\nx-b: b\n");
    becomes("request_headers_to_add: [{header: {key: x-a, value: new}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]",
            "x-b: b", "x-b: b\nx-a: new\n");
    becomes("request_headers_to_add: [{header: {key: x-a, value: new}, append_action: OVERWRITE_IF_EXISTS}]", "x-b: b",
            "x-b: b\n");
    becomes("request_headers_to_add: [{header: {key: user-agent, value: new}, append_action: OVERWRITE_IF_EXISTS}]",
            "user-agent: old", "user-agent: new\n");
    /* the deprecated form */
    becomes("request_headers_to_add: [{header: {key: x-a, value: new}, append: true}]", "x-a: old", "x-a: old\nx-a: new\n");
    becomes("request_headers_to_add: [{header: {key: x-a, value: new}, append: false}]", "x-a: old", "x-a: new\n");
}

static void removal_comes_first(void **state)
{
    becomes("request_headers_to_remove: [X-A, user-agent]", "x-a: 1\nuser-agent: u\nx-b: b\nx-a: 2", "x-b: b\n");
    becomes("request_headers_to_remove: [x-a]\n"
            "request_headers_to_add: [{header: {key: x-a, value: new}, append_action: ADD_IF_ABSENT}]",
            "x-a: old", "x-a: new\n");
}

static void values_see_the_request_as_it_was(void **state)
{
    /* neither value sees the other; what replaces is put before what is added */
    becomes("request_headers_to_add:\n"
            "- {header: {key: x-new, value: 'a=%REQ(x-a)%'}}\n"
            "- {header: {key: x-a, value: 'n=%REQ(x-new)%'}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}\n"
            "- {header: {key: x-c, value: c}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}\n",
            "x-a: 1", "x-a: n=\nx-c: c\nx-new: a=1\n");
}

static void empty_values(void **state)
{
    becomes("request_headers_to_add: [{header: {key: x-a, value: '%REQ(none)%'}}]", "x-b: b", "x-b: b\n");
    becomes("request_headers_to_add: [{header: {key: x-a, value: '%REQ(none)%'}, keep_empty_value: true}]", "x-b: b",
            "x-b: b\nx-a: \n");
    /* an empty value replaces nothing either */
    becomes("request_headers_to_add: [{header: {key: x-b, value: '%REQ(none)%'}, append: false}]", "x-b: b", "x-b: b\n");
    becomes("request_headers_to_add: [{header: {key: x-a, value: ''}, keep_empty_value: true}]", "", "x-a: \n");
    becomes("request_headers_to_add: [{header: {key: x-a, raw_value: eMOp}}]", "", "x-a: x\xc3\xa9\n");
}

static void many_at_once(void **state)
{
    char yaml[4000] = "request_headers_to_add:\n", expected[2000] = "";
    for (int i = 0; i < 40; i++) {
        sprintf(yaml + strlen(yaml), "- {header: {key: x-%d, value: '%%RESPONSE_CODE%%'}}\n", i);
        sprintf(expected + strlen(expected), "x-%d: 200\n", i);
    }
    becomes(yaml, "", expected);
}

static void responses(void **state)
{
    struct t_config c;
    struct t_stream s;
    struct sp_header_ops *ops = ops_of(&c, "response_headers_to_add: [{header: {key: x-path, value: '%REQ(:path)%'}}]\n"
                                           "response_headers_to_remove: [server]\n"
                                           "request_headers_to_remove: [x-path]\n");
    t_stream_init(&s);
    t_headers(&s.request, &s.arena, ":path: /p");
    t_headers(&s.response, &s.arena, ":status: 200\nserver: nginx\nx-path: old");
    sp_header_ops_response(ops, &s.response, &s.in);
    assert_string_equal(t_headers_text(&s.response, &s.arena), ":status: 200\nx-path: old\nx-path: /p\n");
    sp_header_ops_free(ops);
    t_stream_done(&s);
    t_config_done(&c);
    assert_null(ops_of(&c, ""));
    assert_string_equal(t_config_said(&c), "");
    t_config_done(&c);
    sp_header_ops_free(NULL);
}

static void bad(const char *yaml, const char *expected)
{
    struct t_config c;
    struct sp_header_ops *ops = ops_of(&c, yaml);
    assert_string_equal(t_config_said(&c), expected);
    assert_true(!ops == (c.diag.n_errors > 0));
    sp_header_ops_free(ops);
    t_config_done(&c);
}

static void what_is_refused(void **state)
{
    bad("request_headers_to_add:\n"
        "- {header: {key: ':path', value: a}}\n"
        "- {header: {key: Host, value: a}}\n"
        "- {header: {key: ':authority', value: a}}\n"
        "- {header: {key: Connection, value: a}}\n"
        "- {header: {key: content-length, value: a}}\n"
        "- {header: {key: x, value: '%NOPE%'}}\n"
        "- {header: {key: x, value: ' a'}}\n"
        "- {header: {key: x, value: a}, append: true, append_action: ADD_IF_ABSENT}\n"
        "- {header: {key: x, value: a, raw_value: YQ==}}\n"
        "- {header: {key: x, raw_value: AAo=}}\n"
        "request_headers_to_remove: [x, ':path', HOST]\n"
        "response_headers_to_remove: [':status']\n",
        "t.yaml:4:18: request_headers_to_add[0].header.key: pseudo-headers cannot be set here (rewrite paths with a route's "
        "prefix_rewrite or regex_rewrite)\n"
        "t.yaml:5:18: request_headers_to_add[1].header.key: host cannot be set here (use a route's host_rewrite_literal)\n"
        "t.yaml:6:18: request_headers_to_add[2].header.key: host cannot be set here (use a route's host_rewrite_literal)\n"
        "t.yaml:7:18: request_headers_to_add[3].header.key: this header is the connection's own and cannot be set\n"
        "t.yaml:8:18: request_headers_to_add[4].header.key: this header is the connection's own and cannot be set\n"
        "t.yaml:9:28: request_headers_to_add[5].header.value: unknown operator %NOPE% (docs/access-log.md has them all; a "
        "'%' is written %%)\n"
        "t.yaml:10:28: request_headers_to_add[6].header.value: not a header value (no control characters, no space at "
        "either end)\n"
        "t.yaml:11:40: request_headers_to_add[7].append: cannot stand beside append_action (take append out)\n"
        "t.yaml:12:42: request_headers_to_add[8].header.raw_value: cannot stand beside value (take one of them)\n"
        "t.yaml:13:32: request_headers_to_add[9].header.raw_value: not a header value (no control characters, no space at "
        "either end)\n"
        "t.yaml:14:32: request_headers_to_remove[1]: pseudo-headers and host cannot be removed\n"
        "t.yaml:14:41: request_headers_to_remove[2]: pseudo-headers and host cannot be removed\n"
        "t.yaml:15:30: response_headers_to_remove[0]: pseudo-headers and host cannot be removed\n");
    bad("request_headers_to_add: [{header: {key: x, value: ''}}]",
        "t.yaml:3:35: warning: request_headers_to_add[0].header: without effect: its value is empty (set "
        "keep_empty_value)\n");
}

/* The message after mutations; what was said instead when they do not compile. */
static const char *mutated(const char *field, const char *yaml, const char *lines)
{
    static char text[4096];
    struct t_config c;
    struct t_stream s;
    char *all = NULL;
    assert_true(asprintf(&all, "%s:\n%s", field, yaml) > 0);
    t_config_load(&c, &envoy__extensions__filters__http__header_mutation__v3__mutations__descriptor, all);
    const Mutations *msg = c.msg;
    bool request = strcmp(field, "request_mutations") == 0;
    struct sp_mutations *m = sp_mutations_new(c.doc, &c.diag, msg, field,
                                              request ? msg->request_mutations : msg->response_mutations,
                                              request ? msg->n_request_mutations : msg->n_response_mutations);
    t_stream_init(&s);
    t_headers(&s.request, &s.arena, lines);
    if (m) {
        sp_mutations_apply(m, &s.request, &s.in);
        snprintf(text, sizeof(text), "%s", t_headers_text(&s.request, &s.arena));
    } else {
        snprintf(text, sizeof(text), "%s", t_config_said(&c));
    }
    sp_mutations_free(m);
    t_stream_done(&s);
    t_config_done(&c);
    free(all);
    return text;
}

static void mutations_run_one_after_the_other(void **state)
{
    assert_string_equal(mutated("request_mutations",
                                "- {append: {header: {key: x-b, value: 'was %REQ(x-a)%'}}}\n"
                                "- {remove: X-A}\n"
                                "- {append: {header: {key: x-c, value: 'is %REQ(x-a)%%REQ(x-b)%'}}}\n"
                                "- {append: {header: {key: x-b, value: z}, append_action: OVERWRITE_IF_EXISTS}}\n",
                                "x-a: 1\nx-b: 0\nx-a: 2"),
                        "x-b: z\nx-c: is 0\n");
    assert_string_equal(mutated("request_mutations", "- {remove_on_match: {key_matcher: {prefix: x-debug-}}}\n",
                                ":path: /\nx-debug-1: a\nx-keep: b\nx-debug-2: c\ny: d"),
                        ":path: /\nx-keep: b\ny: d\n");
}

static void bad_mutations(void **state)
{
    assert_string_equal(mutated("request_mutations",
                                "- {remove: ':path'}\n- {append: {header: {key: ':method', value: GET}}}\n"
                                "- {append: {header: {key: ':path', value: /x}}}\n"
                                "- {remove_on_match: {key_matcher: {safe_regex: {regex: '('}}}}\n",
                                ""),
                        "t.yaml:2:12: request_mutations[0].remove: pseudo-headers and host cannot be removed\n"
                        "t.yaml:3:27: request_mutations[1].append.header.key: pseudo-headers cannot be set here (rewrite paths "
                        "with a route's prefix_rewrite or regex_rewrite)\n"
                        "t.yaml:4:27: request_mutations[2].append.header.key: pseudo-headers cannot be set here (rewrite paths "
                        "with a route's prefix_rewrite or regex_rewrite)\n"
                        "t.yaml:5:56: request_mutations[3].remove_on_match.key_matcher.safe_regex.regex: not a regular "
                        "expression: missing closing parenthesis, at byte 1\n");
    assert_string_equal(mutated("response_mutations",
                                "- {append: {header: {key: ':path', value: /x}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}\n"
                                "- {append: {header: {key: host, value: x}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}\n"
                                "- {append: {header: {key: transfer-encoding, value: chunked}}}\n",
                                ""),
                        "t.yaml:2:27: response_mutations[0].append.header.key: pseudo-headers cannot be set here (rewrite "
                        "paths with a route's prefix_rewrite or regex_rewrite)\n"
                        "t.yaml:3:27: response_mutations[1].append.header.key: host cannot be set here (use a route's "
                        "host_rewrite_literal)\n"
                        "t.yaml:4:27: response_mutations[2].append.header.key: this header is the connection's own and cannot "
                        "be set\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_actions),
        cmocka_unit_test(removal_comes_first),
        cmocka_unit_test(values_see_the_request_as_it_was),
        cmocka_unit_test(empty_values),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(responses),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(mutations_run_one_after_the_other),
        cmocka_unit_test(bad_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
