/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bootstrap_extensions and layered_runtime: what is taken, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "server/edge.h"

static struct sp_arena arena;
static struct sp_doc *doc;
static struct sp_diag diag;
static struct sp_edge edge;

#define EDGE "'@type': type.googleapis.com/sallyport.bootstrap.v1.Edge"
#define LISTENERS "static_resources: {listeners: [{name: a, address: {}}, {name: b.c, address: {}}]}\n"

static int setup(void **state)
{
    (void)state;
    sp_arena_init(&arena);
    sp_diag_init(&diag);
    doc = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sp_doc_free(doc);
    sp_diag_done(&diag);
    sp_arena_done(&arena);
    return 0;
}

static unsigned read_yaml(const char *yaml)
{
    sp_doc_free(doc);
    doc = sp_doc_load_text("t.yaml", sp_str_c(yaml), SP_SYNTAX_YAML, &envoy__config__bootstrap__v3__bootstrap__descriptor,
                           &diag);
    if (!doc)
        sp_diag_print(&diag, stderr);
    assert_non_null(doc);
    unsigned before = diag.n_errors;
    sp_edge_read(&edge, &arena, doc, &diag, sp_doc_root(doc));
    return diag.n_errors - before;
}

static void refused(const char *yaml, const char *why)
{
    unsigned before = diag.n_items;
    assert_int_equal(read_yaml(yaml), 1);
    if (!strstr(diag.items[before].text, why))
        fail_msg("%s", diag.items[before].text);
}

static void no_route(void **state)
{
    (void)state;
    assert_int_equal(read_yaml("{}"), 0);
    assert_int_equal(edge.no_route.status, 0);
    assert_int_equal(read_yaml("bootstrap_extensions: [{name: e, typed_config: {" EDGE ", no_route: {status: 421}}}]"), 0);
    assert_int_equal(edge.no_route.status, 421);
    assert_false(edge.no_route.reset);
    assert_int_equal(read_yaml("bootstrap_extensions: [{name: e, typed_config: {" EDGE ", no_route: {reset: true}}}]"), 0);
    assert_true(edge.no_route.reset);
    assert_int_equal(read_yaml("bootstrap_extensions: [{name: e, typed_config: {" EDGE "}}]"), 0);
    assert_false(edge.no_route.reset);
    refused("bootstrap_extensions: [{name: e, typed_config: {" EDGE ", no_route: {reset: true, status: 404}}}]", "no status");
    refused("bootstrap_extensions: [{name: e, typed_config: {" EDGE "}}, {name: f, typed_config: {" EDGE "}}]", "above already");
    refused("bootstrap_extensions: [{name: e, typed_config: {'@type': "
            "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}]", "no such bootstrap");
}

static void issuers(void **state)
{
#define ISSUERS "bootstrap_extensions: [{name: i, typed_config: {'@type': type.googleapis.com/sallyport.oidc.v1.Issuers, issuers: ["
    (void)state;
    assert_int_equal(read_yaml(ISSUERS "{issuer: 'https://a', cluster: c}, {issuer: 'https://b', cluster: c}]}}]"), 0);
    refused(ISSUERS "{issuer: 'https://a', cluster: c}, {issuer: 'https://a', cluster: d}]}}]", "name an issuer once");
}

static void limits(void **state)
{
    (void)state;
    assert_int_equal(read_yaml(LISTENERS "layered_runtime: {layers: [{name: x, static_layer: {envoy: {resource_limits: {listener: {a: "
                               "{connection_limit: 7}}}}, overload: {global_downstream_max_connections: 9}}}]}"), 0);
    assert_int_equal(edge.limits.global, 9);
    assert_int_equal(edge.limits.n, 1);
    assert_true(sp_str_eq(edge.limits.v[0].listener, SP_STR("a")));
    assert_int_equal(edge.limits.v[0].max, 7);
    assert_int_equal(read_yaml(LISTENERS "layered_runtime: {layers: [{name: x, static_layer: {envoy.resource_limits.listener.b.c"
                               ".connection_limit: 7, envoy.resource_limits.listener.a.connection_limit: 1}}, {name: z, static_layer: "
                               "{envoy.resource_limits.listener.b.c.connection_limit: 8}}]}"), 0);
    assert_int_equal(edge.limits.global, 0);
    assert_int_equal(edge.limits.n, 2);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(edge.limits.v[i].max, sp_str_eq(edge.limits.v[i].listener, SP_STR("a")) ? 1 : 8);
}

#define LAYER(text) LISTENERS "layered_runtime: {layers: [{name: x, static_layer: {" text "}}]}"

static void bad_limits(void **state)
{
    (void)state;
    refused(LAYER("overload.global_downstream_max_connections: 0"), "whole number");
    refused(LAYER("overload.global_downstream_max_connections: 1.5"), "whole number");
    refused(LAYER("overload.global_downstream_max_connections: -1"), "whole number");
    refused(LAYER("overload.global_downstream_max_connections: many"), "whole number");
    refused(LAYER("overload.global_downstream_max_connections: 1e300"), "whole number");
    refused(LAYER("overload: 5"), "no such runtime key");
    refused(LAYER("re2.max_program_size.error_level: 100"), "no such runtime key");
    assert_int_equal(read_yaml(LAYER("envoy.resource_limits.listener.d.connection_limit: 5")), 0); /* warned */
    assert_int_equal(edge.limits.n, 0);
    refused(LAYER("envoy.resource_limits.listener.connection_limit: 5"), "no such runtime key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_route, setup, teardown),
        cmocka_unit_test_setup_teardown(issuers, setup, teardown),
        cmocka_unit_test_setup_teardown(limits, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_limits, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
