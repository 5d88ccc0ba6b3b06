/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Subsets: who is in which, where requests go for which there is none, and what follows a change of hosts. */
#include "support.h"

#include <string.h>

#include "clusters/publish.h"
#include "clusters/subset_lb.h"

/* Endpoints 10.0.0.1:1 and so on, with this under "envoy.lb" each; `config`: of lb_subset_config. */
static void bed_of(struct t_bed *b, const char *config, const char *const *metas, unsigned n, const char *more)
{
    char yaml[8192];
    int at = snprintf(yaml, sizeof(yaml), "name: c\nlb_subset_config: {%s}\n%sload_assignment:\n  cluster_name: c\n  endpoints:\n", config, more);
    for (unsigned i = 0; i < n; i++)
        at += snprintf(yaml + at, sizeof(yaml) - (size_t)at,
                       "  - {load_balancing_weight: 1, lb_endpoints: [{metadata: {filter_metadata: {envoy.lb: {%s}}}, endpoint: {address: "
                       "{socket_address: {address: 10.0.0.1, port_value: %u}}}}]}\n", metas[i], i + 1);
    t_bed_new(b, yaml);
}

static const char *const four[] = {"version: v1, stage: prod", "version: v2, stage: prod", "version: v2, stage: test", "other: 1"};

/* "version=\"v1\" stage=\"prod\"": values are JSON. */
static const struct sp_criteria *asking(struct sp_arena *a, const char *text)
{
    struct sp_criterion v[8];
    unsigned n = 0;
    for (const char *p = text; *p;) {
        const char *eq = strchr(p, '='), *end = eq + 1 + strcspn(eq + 1, " ");
        sp_criterion_init(&v[n++], sp_arena_str(a, sp_str_n(p, (size_t)(eq - p))), sp_arena_str(a, sp_str_n(eq + 1, (size_t)(end - eq - 1))));
        p = *end ? end + 1 : end;
    }
    return n ? sp_criteria_over(a, NULL, v, n) : NULL;
}

/* Which hosts get requests that ask for this: "1 3", or "" when nobody does. */
static void check_hosts(struct t_bed *b, const char *text, const char *expected)
{
    struct sp_arena a;
    char got[64] = "";
    bool seen[16] = {false};
    sp_arena_init(&a);
    const struct sp_criteria *c = asking(&a, text);
    for (unsigned i = 0; i < 40; i++) {
        struct sp_host *h = sp_subset_pick(t_slot(b, 0), c, NULL, NULL);
        if (h)
            seen[h->addr.port] = true;
    }
    for (unsigned i = 0; i < 16; i++)
        if (seen[i])
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%u", got[0] ? " " : "", i);
    if (strcmp(got, expected) != 0)
        fail_msg("%s: %s, not %s", text, got, expected);
    sp_arena_done(&a);
}

static void test_selectors(void **state)
{
    (void)state;
    struct t_bed b;
    bed_of(&b, "subset_selectors: [{keys: [version]}, {keys: [version, stage]}]", four, 4, "");
    assert_int_equal(t_stat("lb_subsets_active"), 5);
    assert_int_equal(t_stat("lb_subsets_created"), 5);
    check_hosts(&b, "version=\"v1\"", "1");
    check_hosts(&b, "version=\"v2\"", "2 3");
    check_hosts(&b, "stage=\"prod\" version=\"v2\"", "2"); /* in any order */
    check_hosts(&b, "version=\"v2\" stage=\"test\"", "3");
    assert_int_equal(t_stat("lb_subsets_selected"), 160);
    /* No such value, no selector of these keys, nothing asked for: NO_FALLBACK. */
    check_hosts(&b, "version=\"v3\"", "");
    check_hosts(&b, "stage=\"prod\"", "");
    check_hosts(&b, "stage=\"prod\" version=\"v2\" other=1", "");
    check_hosts(&b, "version=v1", "");
    check_hosts(&b, "", "");
    assert_int_equal(t_stat("lb_subsets_selected"), 160);
    assert_int_equal(t_stat("lb_subsets_fallback"), 0);
    t_bed_free(&b);
}

static void test_fallbacks(void **state)
{
    (void)state;
    struct t_bed b;
    bed_of(&b, "fallback_policy: ANY_ENDPOINT, subset_selectors: [{keys: [version]}, {keys: [stage], fallback_policy: NO_FALLBACK}]", four, 4, "");
    check_hosts(&b, "version=\"v3\"", "1 2 3 4");
    check_hosts(&b, "", "1 2 3 4");
    assert_int_equal(t_stat("lb_subsets_fallback"), 80);
    check_hosts(&b, "stage=\"dev\"", "");
    t_bed_free(&b);
    bed_of(&b, "fallback_policy: DEFAULT_SUBSET, default_subset: {stage: prod}, subset_selectors: [{keys: [version]}, "
               "{keys: [stage], fallback_policy: ANY_ENDPOINT}]", four, 4, "");
    check_hosts(&b, "version=\"v3\"", "1 2");
    check_hosts(&b, "", "1 2");
    check_hosts(&b, "stage=\"dev\"", "1 2 3 4");
    assert_int_equal(t_stat("lb_subsets_fallback"), 80); /* as Envoy: a selector's is not counted */
    t_bed_free(&b);
    /* The keys that are left are looked for as if the others had not been asked for. */
    bed_of(&b, "fallback_policy: DEFAULT_SUBSET, default_subset: {other: 1}, subset_selectors: [{keys: [version]}, "
               "{keys: [version, stage], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [version]}]", four, 4, "");
    check_hosts(&b, "stage=\"dev\" version=\"v2\"", "2 3");
    check_hosts(&b, "stage=\"dev\" version=\"v9\"", "4");
    t_bed_free(&b);
    /* Nobody is in the default subset: anybody is taken where that is allowed. */
    bed_of(&b, "fallback_policy: DEFAULT_SUBSET, default_subset: {stage: none}, panic_mode_any: true, subset_selectors: [{keys: [version]}]", four, 4, "");
    check_hosts(&b, "version=\"v3\"", "1 2 3 4");
    assert_int_equal(t_stat("lb_subsets_fallback"), 0);
    assert_int_equal(t_stat("lb_subsets_fallback_panic"), 40);
    t_bed_free(&b);
    bed_of(&b, "fallback_policy: DEFAULT_SUBSET, default_subset: {stage: none}, subset_selectors: [{keys: [version]}]", four, 4, "");
    check_hosts(&b, "version=\"v3\"", "");
    t_bed_free(&b);
}

static void test_values(void **state)
{
    (void)state;
    static const char *const metas[] = {"a: 1, b: [p, q]", "a: 0x1, b: [q, r, q]", "a: \"1\", b: q", "a: {d: 1, c: [true, null]}, b: []"};
    struct t_bed b;
    bed_of(&b, "list_as_any: true, subset_selectors: [{keys: [a]}, {keys: [b]}, {keys: [a, b]}]", metas, 4, "");
    check_hosts(&b, "a=1", "1 2");
    check_hosts(&b, "a=\"1\"", "3");
    check_hosts(&b, "a={\"c\":[true,null],\"d\":1}", "4"); /* however it is written */
    check_hosts(&b, "b=\"q\"", "1 2 3");
    check_hosts(&b, "b=\"p\"", "1");
    check_hosts(&b, "a=1 b=\"r\"", "2");
    check_hosts(&b, "b=[\"p\",\"q\"]", "");
    t_bed_free(&b);
    bed_of(&b, "subset_selectors: [{keys: [b]}]", metas, 4, ""); /* a list is a value */
    check_hosts(&b, "b=[\"p\",\"q\"]", "1");
    check_hosts(&b, "b=\"p\"", "");
    t_bed_free(&b);
}

static void test_fallback_list(void **state)
{
    (void)state;
    static const char config[] = "metadata_fallback_policy: FALLBACK_LIST, subset_selectors: [{keys: [version]}, {keys: [version, stage]}]";
    struct t_bed b;
    bed_of(&b, config, four, 4, "");
    check_hosts(&b, "version=\"v2\" fallback_list=[{\"version\":\"v9\"},{\"stage\":\"test\"},{\"version\":\"v1\"}]", "3");
    check_hosts(&b, "version=\"v2\" fallback_list=[{\"stage\":\"x\"},{\"version\":\"v1\"}]", "1");
    check_hosts(&b, "version=\"v2\" fallback_list=[]", "2 3");
    check_hosts(&b, "version=\"v2\" fallback_list=[{\"version\":\"v9\"}]", "");
    t_bed_free(&b);
    bed_of(&b, config + strlen("metadata_fallback_policy: FALLBACK_LIST, "), four, 4, "");
    check_hosts(&b, "version=\"v2\" fallback_list=[]", "");
    t_bed_free(&b);
}

static void test_health(void **state)
{
    (void)state;
    struct t_bed b;
    bed_of(&b, "fallback_policy: ANY_ENDPOINT, subset_selectors: [{keys: [version]}, {keys: [stage], single_host_per_subset: true}]", four, 4, "");
    sp_host_set_health(b.cluster, t_host(&b, 1), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    check_hosts(&b, "version=\"v2\"", "3");
    /* All of it are ill: a subset panics by itself, and is not left. */
    sp_host_set_health(b.cluster, t_host(&b, 2), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    check_hosts(&b, "version=\"v2\"", "2 3");
    check_hosts(&b, "version=\"v1\"", "1");
    assert_int_equal(t_stat("lb_healthy_panic"), 40);
    check_hosts(&b, "stage=\"test\"", "3"); /* the one host, whatever its health */
    check_hosts(&b, "stage=\"prod\"", "1");
    assert_int_equal(t_stat("lb_subsets_single_host_per_subset_duplicate"), 1);
    t_bed_free(&b);
    bed_of(&b, "fallback_policy: ANY_ENDPOINT, subset_selectors: [{keys: [version]}]", four, 4, "common_lb_config: {healthy_panic_threshold: {}}\n");
    sp_host_set_health(b.cluster, t_host(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC, 0);
    check_hosts(&b, "version=\"v1\"", "");
    t_bed_free(&b);
}

/* Two localities, of weight 6 and 2: by weight within a subset only if that is asked for. */
static void check_locality(const char *config, double first)
{
    struct t_bed b;
    struct sp_arena a;
    char yaml[4096];
    snprintf(yaml, sizeof(yaml),
             "name: c\ncommon_lb_config: {locality_weighted_lb_config: {}}\nlb_subset_config: {%s subset_selectors: [{keys: [v]}]}\n"
             "load_assignment:\n  cluster_name: c\n  endpoints:\n"
             "  - load_balancing_weight: 6\n    locality: {zone: a}\n    lb_endpoints:\n"
             "    - {metadata: {filter_metadata: {envoy.lb: {v: 1}}}, endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 1}}}}\n"
             "    - {endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 2}}}}\n"
             "  - load_balancing_weight: 2\n    locality: {zone: b}\n    lb_endpoints:\n"
             "    - {metadata: {filter_metadata: {envoy.lb: {v: 1}}}, endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 3}}}}\n"
             "    - {metadata: {filter_metadata: {envoy.lb: {v: 1}}}, endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 4}}}}\n",
             config);
    t_bed_new(&b, yaml);
    sp_arena_init(&a);
    const struct sp_criteria *c = asking(&a, "v=1");
    unsigned n = 0;
    for (unsigned i = 0; i < 10000; i++)
        n += sp_subset_pick(t_slot(&b, 0), c, NULL, NULL)->addr.port == 1;
    if (n < 10000 * (first - 0.025) || n > 10000 * (first + 0.025))
        fail_msg("%s: %u of 10000, not %g", config, n, first);
    sp_arena_done(&a);
    t_bed_free(&b);
}

static void test_localities(void **state)
{
    (void)state;
    check_locality("", 1 / 3.0);
    check_locality("locality_weight_aware: true,", 6 / 8.0);
    check_locality("locality_weight_aware: true, scale_locality_weight: true,", 3 / 5.0); /* half of the first's hosts: half its weight */
}

static void test_redundant(void **state)
{
    (void)state;
    struct t_bed b;
    char yaml[4096];
    int at = snprintf(yaml, sizeof(yaml), "name: c\nload_balancing_policy: {policies: [{typed_extension_config: {name: s, typed_config: {\"@type\": "
                      "type.googleapis.com/envoy.extensions.load_balancing_policies.subset.v3.Subset, allow_redundant_keys: true, "
                      "subset_selectors: [{keys: [version]}, {keys: [version, stage]}], subset_lb_policy: {policies: [{typed_extension_config: "
                      "{name: r, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.load_balancing_policies.random.v3.Random}}}]}}}}]}\n"
                      "load_assignment:\n  cluster_name: c\n  endpoints:\n  - lb_endpoints:\n");
    for (unsigned i = 0; i < 4; i++)
        at += snprintf(yaml + at, sizeof(yaml) - (size_t)at, "    - {metadata: {filter_metadata: {envoy.lb: {%s}}}, endpoint: {address: {socket_address: "
                       "{address: 10.0.0.1, port_value: %u}}}}\n", four[i], i + 1);
    t_bed_new(&b, yaml);
    check_hosts(&b, "version=\"v2\" other=2", "2 3");
    check_hosts(&b, "version=\"v2\" stage=\"test\" other=2", "3");
    check_hosts(&b, "version=\"v1\" stage=\"test\"", ""); /* not again with fewer keys */
    check_hosts(&b, "other=2", "");
    t_bed_free(&b);
}

/* Metadata changes while a host stays: the subsets are others, its connections and counters are not. */
static void test_change(void **state)
{
    (void)state;
    struct t_bed b;
    bed_of(&b, "subset_selectors: [{keys: [version]}]", four, 4, "");
    struct sp_host *first = t_host(&b, 0);
    struct t_config config;
    t_config_load(&config, &envoy__config__core__v3__metadata__descriptor, "filter_metadata: {envoy.lb: {version: v3}}\n");
    struct sp_host_set *s = sp_host_set_new();
    for (unsigned i = 0; i < 2; i++) {
        struct sp_endpoint *e = sp_host_set_add(s);
        e->addr = e->health_addr = t_host(&b, i)->addr;
        e->meta = sp_endpoint_meta_new(config.msg);
    }
    sp_host_set_close(s);
    sp_hosts_publish(b.cluster, s);
    t_step(&b, 0);
    assert_ptr_equal(t_host(&b, 0), first);
    check_hosts(&b, "version=\"v3\"", "1 2");
    check_hosts(&b, "version=\"v1\"", "");
    assert_int_equal(t_stat("lb_subsets_active"), 1);
    assert_int_equal(t_stat("lb_subsets_created"), 3);
    assert_int_equal(t_stat("lb_subsets_removed"), 2);
    t_config_done(&config);
    t_bed_free(&b);
}

/* What filters left goes over the route's. */
static void test_dynamic(void **state)
{
    (void)state;
    struct sp_arena a;
    sp_arena_init(&a);
    struct sp_metadata other = {.ns = SP_STR("x"), .key = SP_STR("version"), .json = SP_STR("\"v9\"")},
                       stage = {.next = &other, .ns = SP_STR("envoy.lb"), .key = SP_STR("stage"), .json = SP_STR("1.0")},
                       version = {.next = &stage, .ns = SP_STR("envoy.lb"), .key = SP_STR("version"), .json = SP_STR("\"v\\u0031\"")};
    struct sp_stream_info info = {.metadata = &other};
    const struct sp_criteria *route = asking(&a, "version=\"v2\" more=true");
    assert_ptr_equal(sp_subset_criteria(&a, route, &info), route);
    info.metadata = &version;
    const struct sp_criteria *c = sp_subset_criteria(&a, route, &info);
    assert_int_equal(c->n, 3);
    assert_string_equal(c->v[0].json.ptr, "true");
    assert_string_equal(c->v[1].json.ptr, "1");
    assert_string_equal(c->v[2].json.ptr, "\"v1\"");
    sp_arena_done(&a);
}

static void check_refused(const char *config, const char *expected)
{
    char yaml[1024];
    snprintf(yaml, sizeof(yaml), "name: c\n%s\nload_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: "
             "{address: 10.0.0.1, port_value: 1}}}}]}]}\n", config);
    char *said = t_cluster_errors(yaml);
    if (!strstr(said, expected))
        fail_msg("%s: %s", config, said);
    free(said);
}

static void test_refused(void **state)
{
    (void)state;
    check_refused("lb_subset_config: {subset_selectors: [{}]}", "required, but missing (add the keys of metadata that make a subset)");
    check_refused("lb_subset_config: {subset_selectors: [{keys: [a, b, a], single_host_per_subset: true}]}",
                  "is for one key, and there are 2 (take the others out, or this)");
    check_refused("lb_subset_config: {subset_selectors: [{keys: [a], fallback_policy: KEYS_SUBSET}]}",
                  "required with KEYS_SUBSET, but missing (add some of the keys)");
    check_refused("lb_subset_config: {subset_selectors: [{keys: [a], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [b]}]}",
                  "\"b\" is none of the keys (take some of them)");
    check_refused("lb_subset_config: {subset_selectors: [{keys: [a], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [a]}]}",
                  "has all of the keys, and nothing was found with these (leave one out)");
    check_refused("lb_subset_config: {subset_selectors: [{keys: [a], fallback_keys_subset: [a]}]}", "has no effect without fallback_policy KEYS_SUBSET (take it out)");
    char keys[512] = "lb_subset_config: {subset_selectors: [{keys: [k0";
    for (unsigned i = 1; i <= SP_CRITERIA_MOST; i++)
        snprintf(keys + strlen(keys), sizeof(keys) - strlen(keys), ", k%u", i);
    strcat(keys, "]}]}");
    check_refused(keys, "33 keys are too many (at most 32)");
#define SUBSET "{typed_extension_config: {name: s, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.load_balancing_policies.subset.v3.Subset"
    check_refused("load_balancing_policy: {policies: [" SUBSET ", subset_selectors: [{keys: [a]}], subset_lb_policy: {policies: [" SUBSET
                  ", subset_selectors: [{keys: [b]}], subset_lb_policy: {policies: [{typed_extension_config: {name: r, typed_config: {\"@type\": "
                  "type.googleapis.com/envoy.extensions.load_balancing_policies.random.v3.Random}}}]}}}}]}}}}]}",
                  "subsets within subsets are not run (use a RoundRobin, LeastRequest, Random, RingHash or Maglev)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_selectors),  cmocka_unit_test(test_fallbacks), cmocka_unit_test(test_values), cmocka_unit_test(test_fallback_list),
        cmocka_unit_test(test_health),     cmocka_unit_test(test_localities), cmocka_unit_test(test_redundant), cmocka_unit_test(test_change),
        cmocka_unit_test(test_dynamic),    cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
