/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A complete config, as a user would write it: it loads, and what others rely on can be found in it. */
#include "support.h"

#include <stdlib.h>

#include "config/load.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"

typedef Envoy__Config__Bootstrap__V3__Bootstrap Bootstrap;
typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager Hcm;
typedef Sallyport__Filters__Http__OriginShield__V1__OriginShield Shield;

static int load_edge(void **state)
{
    struct sp_diag d;
    sp_diag_init(&d);
    *state = sp_config_load(data_path("edge.yaml"), NULL, &d);
    char *errors = printed(&d);
    assert_string_equal(errors, "");
    free(errors);
    sp_diag_done(&d);
    return *state ? 0 : -1;
}

static int free_edge(void **state)
{
    sp_doc_free(*state);
    return 0;
}

static const Hcm *find_hcm(const struct sp_doc *doc)
{
    const Bootstrap *b = sp_doc_root(doc);
    assert_int_equal(b->static_resources->n_listeners, 1);
    Envoy__Config__Listener__V3__FilterChain *chain = b->static_resources->listeners[0]->filter_chains[0];
    assert_int_equal(chain->n_filters, 1);
    return sp_doc_any_as(
        doc, chain->filters[0]->typed_config,
        &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor);
}

static void test_contents(void **state)
{
    const struct sp_doc *doc = *state;
    const Hcm *hcm = find_hcm(doc);
    assert_non_null(hcm);
    assert_string_equal(hcm->stat_prefix, "edge");
    assert_true(hcm->merge_slashes);
    assert_true(hcm->normalize_path->value);
    assert_int_equal(hcm->http2_protocol_options->max_concurrent_streams->value, 100);
    assert_int_equal(hcm->n_http_filters, 5);
    const Shield *shield = sp_doc_any_as(doc, hcm->http_filters[0]->typed_config,
                                         &sallyport__filters__http__origin_shield__v1__origin_shield__descriptor);
    assert_non_null(shield);
    assert_int_equal(shield->proof->all_of->n_proofs, 2);
    assert_null(sp_doc_any_as(doc, hcm->http_filters[1]->typed_config,
                              &sallyport__filters__http__origin_shield__v1__origin_shield__descriptor));
    const Bootstrap *b = sp_doc_root(doc);
    Envoy__Config__Cluster__V3__Cluster *origin = b->static_resources->clusters[0];
    Envoy__Config__Cluster__V3__Cluster *canary = b->static_resources->clusters[1];
    assert_int_equal(origin->connect_timeout->seconds, 1);
    assert_int_equal(canary->connect_timeout->nanos, 250000000);
    assert_int_equal(canary->load_assignment->endpoints[0]->lb_endpoints[0]->endpoint->address->pipe->mode, 0600);
    assert_true(origin->common_lb_config->healthy_panic_threshold->value == 50.5);
}

static void test_places(void **state)
{
    const struct sp_doc *doc = *state;
    const Hcm *hcm = find_hcm(doc);
    struct sp_arena a;
    sp_arena_init(&a);
    const char *base = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config";
    assert_string_equal(sp_doc_path(doc, hcm, NULL, -1, &a).ptr, base);
    const void *route = hcm->route_config->virtual_hosts[0]->routes[0];
    char want[300];
    snprintf(want, sizeof(want), "%s.route_config.virtual_hosts[0].routes[0].typed_per_filter_config[\"jwt\"]", base);
    assert_string_equal(sp_doc_path(doc, route, "typed_per_filter_config", 0, &a).ptr, want);
    assert_string_equal(sp_doc_path(doc, sp_doc_root(doc), NULL, -1, &a).ptr, "");
    struct sp_mark m = sp_doc_mark(doc, hcm, "stat_prefix", -1);
    assert_string_equal(m.file, data_path("edge.yaml"));
    assert_int_equal(m.line, 88);
    assert_int_equal(m.column, 24);
    assert_int_equal(sp_doc_mark(doc, hcm, "via", -1).line, sp_doc_mark(doc, hcm, NULL, -1).line);
    assert_null(sp_doc_mark(doc, &a, NULL, -1).file);
    assert_true(sp_doc_written(doc, hcm, "merge_slashes"));
    assert_false(sp_doc_written(doc, hcm, "via"));
    sp_arena_done(&a);
}

static void test_dump_hides_secrets(void **state)
{
    char *text = dumped(*state, sp_doc_root(*state));
    assert_non_null(strstr(text, "\"private_key\": {\"inline_string\": \"[redacted]\"}"));
    assert_non_null(strstr(text, "{\"name\": \"2026-11\",\"value\": {\"inline_string\": \"[redacted]\"}}"));
    assert_non_null(strstr(text, "\"value\": {\"environment_variable\": \"ORIGIN_OLD\"}"));
    assert_non_null(strstr(text, "\"local_jwks\": {\"inline_string\": \"[redacted]\"}"));
    assert_null(strstr(text, "correct-horse"));
    assert_null(strstr(text, "PRIVATE"));
    free(text);
}

/* What is dumped is itself a config that says the same. */
static void test_dump_loads_again(void **state)
{
    char *text = dumped(*state, sp_doc_root(*state));
    struct sp_doc *again = load_good(&envoy__config__bootstrap__v3__bootstrap__descriptor, SP_SYNTAX_JSON, text);
    char *second = dumped(again, sp_doc_root(again));
    assert_string_equal(text, second);
    free(text);
    free(second);
    sp_doc_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_dump_hides_secrets),
        cmocka_unit_test(test_dump_loads_again),
    };
    return cmocka_run_group_tests(tests, load_edge, free_edge);
}
