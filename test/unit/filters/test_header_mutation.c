/* SPDX-License-Identifier: GPL-2.0-or-later */
/* header_mutation: headers, trailers, the query, all levels in their order, and what is refused. */
#include "fake_chain.h"

#include <stdio.h>
#include <stdlib.h>

#include "envoy/extensions/filters/http/header_mutation/v3/header_mutation.pb-c.h"
#include "filters/registry.h"
#include "support/config.h"

#define DESC &envoy__extensions__filters__http__header_mutation__v3__header_mutation__descriptor
#define ROUTE_DESC &envoy__extensions__filters__http__header_mutation__v3__header_mutation_per_route__descriptor

static struct fake_config *config(const char *yaml)
{
    return fake_config_new(&sp_header_mutation_ops, DESC, yaml);
}

static void headers_both_ways(void **state)
{
    struct fake_config *c = config("mutations:\n"
                                   "  request_mutations:\n"
                                   "  - {remove: x-drop}\n"
                                   "  - {append: {header: {key: x-peer, value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%'}}}\n"
                                   "  response_mutations:\n"
                                   "  - {append: {header: {key: x-seen, value: '%REQ(:path)% %RESP(server)%'}}}\n"
                                   "  - {remove: server}\n");
    struct fake_stream s;
    fake_stream_init(&s, "/p");
    fake_header(&s, "x-drop", "1");
    struct sp_filter *f = fake_filter(&s, c);
    assert_int_equal(c->ops->decode_headers(f, &s.request, true), SP_CONTINUE);
    assert_null(fake_request_header(&s, "x-drop"));
    assert_string_equal(fake_request_header(&s, "x-peer"), "192.0.2.1");
    t_headers(&s.response, &s.arena, ":status: 200\nserver: nginx");
    s.has_response = true;
    assert_int_equal(c->ops->encode_headers(f, &s.response, true), SP_CONTINUE);
    assert_string_equal(t_headers_text(&s.response, &s.arena), ":status: 200\nx-seen: /p nginx\n");
    fake_stream_done(&s);
    fake_config_free(c);
}

static void trailers_both_ways(void **state)
{
    struct fake_config *c = config("mutations:\n"
                                   "  request_trailers_mutations: [{append: {header: {key: x-t, value: '%REQ(:path)%'}}}]\n"
                                   "  response_trailers_mutations: [{append: {header: {key: x-t, value: '%TRAILER(x-sum)%'}}}]\n");
    struct fake_stream s;
    struct sp_headers t;
    fake_stream_init(&s, "/p");
    struct sp_filter *f = fake_filter(&s, c);
    t_headers(&t, &s.arena, "a: b");
    assert_int_equal(c->ops->decode_trailers(f, &t), SP_CONTINUE);
    assert_string_equal(t_headers_text(&t, &s.arena), "a: b\nx-t: /p\n");
    t_headers(&t, &s.arena, "x-sum: 5");
    assert_int_equal(c->ops->encode_trailers(f, &t), SP_CONTINUE);
    assert_string_equal(t_headers_text(&t, &s.arena), "x-sum: 5\nx-t: 5\n");
    /* headers are no business of theirs */
    assert_int_equal(c->ops->decode_headers(f, &s.request, false), SP_CONTINUE);
    assert_int_equal(s.request.n, 0);
    fake_stream_done(&s);
    fake_config_free(c);
}

static void levels_in_order(void **state)
{
    const char *level[3] = {"table", "vhost", "route"};
    for (int wins = 0; wins < 2; wins++) {
        char yaml[400];
        struct fake_config *routes[3];
        struct fake_stream s;
        snprintf(yaml, sizeof(yaml), "most_specific_header_mutations_wins: %s\nmutations: {request_mutations: [{append: "
                                     "{header: {key: x-l, value: own}}}]}", wins ? "true" : "false");
        struct fake_config *c = config(yaml);
        fake_stream_init(&s, "/p");
        for (int i = 0; i < 3; i++) {
            snprintf(yaml, sizeof(yaml), "mutations: {request_mutations: [{append: {header: {key: x-l, value: %s}}}, {append: "
                                         "{header: {key: x-set, value: %s}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}]}",
                     level[i], level[i]);
            routes[i] = fake_route_config_new(&sp_header_mutation_ops, ROUTE_DESC, yaml);
            s.route_configs[s.n_route_configs++] = routes[i]->config;
        }
        fake_decode(&s, c);
        assert_string_equal(t_headers_text(&s.request, &s.arena) + strlen(":method: GET\n:scheme: https\n:authority: "
                                                                          "door.example\n:path: /p\n"),
                            wins ? "x-l: own\nx-l: table\nx-set: route\nx-l: vhost\nx-l: route\n"
                                 : "x-l: own\nx-l: route\nx-set: table\nx-l: vhost\nx-l: table\n");
        fake_stream_done(&s);
        for (int i = 0; i < 3; i++)
            fake_config_free(routes[i]);
        fake_config_free(c);
    }
}

static void query(const char *mutations, const char *path, const char *after)
{
    char yaml[600];
    struct fake_stream s;
    snprintf(yaml, sizeof(yaml), "mutations: {query_parameter_mutations: [%s]}", mutations);
    struct fake_config *c = config(yaml);
    fake_stream_init(&s, path);
    fake_header(&s, "x-v", "a b&c");
    fake_decode(&s, c);
    assert_string_equal(t_c(&s.arena, s.request.path), after);
    fake_stream_done(&s);
    fake_config_free(c);
}

static void query_parameters(void **state)
{
    query("{remove: a}", "/p?a=1&b=2&a=3&c", "/p?b=2&c");
    query("{remove: a}", "/p?a=1", "/p");
    query("{remove: a}", "/p?a", "/p");
    query("{remove: a}", "/p?b&&ab=1&%20", "/p?b&&ab=1&%20");
    query("{remove: a}", "/p", "/p");
    query("{remove: a}", "/p?", "/p?");
    /* no spelling hides a name */
    query("{remove: access_token}", "/p?acc%65ss%5Ftoken=x&b", "/p?b");
    query("{remove: 'a b'}", "/p?a+b=1&a%20b=2&a%2bb=3&a%2", "/p?a%2bb=3&a%2");
    query("{append: {record: {key: a, value: '1'}}}", "/p", "/p?a=1");
    query("{append: {record: {key: a, value: '1'}}}", "/p?", "/p?a=1");
    query("{append: {record: {key: a, value: '1'}}}", "/p?a=0&b", "/p?a=0&b&a=1");
    query("{append: {record: {key: 'a b', value: '%REQ(x-v)%'}}}", "/p?z", "/p?z&a%20b=a%20b%26c");
    query("{append: {record: {key: a, value: '%REQ(none)%'}}}", "/p", "/p?a=");
    query("{append: {record: {key: a, value: '1'}, action: ADD_IF_ABSENT}}", "/p?%61=0", "/p?%61=0");
    query("{append: {record: {key: a, value: '1'}, action: ADD_IF_ABSENT}}", "/p?b", "/p?b&a=1");
    query("{append: {record: {key: a, value: '1'}, action: OVERWRITE_IF_EXISTS}}", "/p?b", "/p?b");
    query("{append: {record: {key: a, value: '1'}, action: OVERWRITE_IF_EXISTS}}", "/p?b&a=0&c&a=2&d", "/p?b&a=1&c&d");
    query("{append: {record: {key: a, value: '1'}, action: OVERWRITE_IF_EXISTS_OR_ADD}}", "/p?a", "/p?a=1");
    query("{append: {record: {key: a, value: '1'}, action: OVERWRITE_IF_EXISTS_OR_ADD}}", "/p?b=2", "/p?b=2&a=1");
    query("{remove: a}, {append: {record: {key: b, value: x}}}", "/p?a=1", "/p?b=x");
}

static void queries_do_not_grow_without_end(void **state)
{
    struct fake_config *c = config("mutations: {query_parameter_mutations: [{append: {record: {key: a, value: "
                                   "'%REQ(x-big)%'}}}]}");
    struct fake_stream s;
    char *big = malloc(70001);
    memset(big, 'x', 70000);
    big[70000] = 0;
    fake_stream_init(&s, "/p?b");
    fake_header(&s, "x-big", big);
    fake_decode(&s, c);
    assert_string_equal(t_c(&s.arena, s.request.path), "/p?b");
    fake_stream_done(&s);
    free(big);
    fake_config_free(c);
}

static void what_is_refused(void **state)
{
    fake_config_refused(&sp_header_mutation_ops, DESC,
                        "mutations:\n"
                        "  request_mutations: [{remove: ':path'}]\n"
                        "  response_mutations: [{append: {header: {key: a, value: '%NOPE%'}}}]\n"
                        "  response_trailers_mutations: [{remove: host}]\n"
                        "  query_parameter_mutations: [{append: {record: {key: a, value: 1}}}, {append: {record: {key: a, value: "
                        "'%NOPE%'}}}, {append: {record: {key: a, value: x}}, remove: b}, {remove: ''}]\n",
                        "t.yaml:2:32: mutations.request_mutations[0].remove: pseudo-headers and host cannot be removed|"
                        "mutations.response_mutations[0].append.header.value: unknown operator %NOPE%|"
                        "mutations.response_trailers_mutations[0].remove: pseudo-headers and host cannot be removed|"
                        "mutations.query_parameter_mutations[0].append.record.value: a query parameter's value is a string (put "
                        "it in quotes)|"
                        "mutations.query_parameter_mutations[1].append.record.value: unknown operator %NOPE%|"
                        "mutations.query_parameter_mutations[2].remove: cannot stand beside append (make two mutations of it)|"
                        "mutations.query_parameter_mutations[3].remove: must not be empty");
    fake_config_refused(&sp_header_mutation_ops, ROUTE_DESC, "mutations: {request_mutations: [{remove: ':path'}]}",
                        "mutations.request_mutations[0].remove: pseudo-headers and host cannot be removed");
}

static void nothing_to_do(void **state)
{
    struct fake_config *c = config("{}");
    struct fake_stream s;
    fake_stream_init(&s, "/p?q");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_int_equal(s.request.n, 0);
    fake_stream_done(&s);
    fake_config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_both_ways),
        cmocka_unit_test(trailers_both_ways),
        cmocka_unit_test(levels_in_order),
        cmocka_unit_test(query_parameters),
        cmocka_unit_test(queries_do_not_grow_without_end),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(nothing_to_do),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
