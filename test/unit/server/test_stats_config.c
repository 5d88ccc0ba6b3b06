/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stats_config: which stats are shown, with which labels and bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/stats_config.h"
#include "stats/print.h"
#include "stats/stats.h"
#include "support/config.h"

#define DESC &envoy__config__metrics__v3__stats_config__descriptor

static int setup(void **state)
{
    sp_stats_init(0);
    struct sp_stats_scope *api = sp_stats_scope(sp_stats_root(), SP_STR("cluster"), "envoy_cluster_name", SP_STR("api.eu"));
    struct sp_stats_scope *tier = sp_stats_scope(sp_stats_root(), SP_STR("tier.gold"), NULL, SP_STR_NULL);
    sp_counter_add(sp_stats_counter(api, SP_STR("upstream_rq_200")), 5);
    sp_counter_add(sp_stats_counter(tier, SP_STR("served")), 7);
    sp_histogram_record(sp_stats_histogram(tier, SP_STR("ms")), 30);
    return 0;
}

static int teardown(void **state)
{
    sp_stats_done();
    sp_buf_thread_done();
    sp_arena_thread_done();
    return 0;
}

static const char *printed(void (*print)(const struct sp_stats_query *, struct sp_buf *))
{
    static char text[16384];
    struct sp_stats_query q = {.used_only = true};
    struct sp_buf out;
    sp_buf_init(&out);
    print(&q, &out);
    text[sp_buf_peek(&out, text, sizeof(text) - 1)] = 0;
    sp_buf_clear(&out);
    return text;
}

/* `words`: separated by '|', each in the text; those with '!' in front are not. */
static void shows(void (*print)(const struct sp_stats_query *, struct sp_buf *), const char *yaml, const char *words)
{
    struct t_config c;
    t_config_load(&c, DESC, yaml);
    struct sp_stats_config *s = sp_stats_config_new(c.doc, &c.diag, c.msg);
    assert_string_equal(t_config_said(&c), "");
    sp_stats_config_show(s);
    const char *text = printed(print);
    struct sp_str rest = sp_str_c(words), word;
    while (sp_str_split(&rest, '|', &word)) {
        bool without = sp_str_starts(word, SP_STR("!"));
        struct sp_str w = sp_str_sub(word, without, word.len);
        if ((sp_str_find(sp_str_c(text), w) < 0) != without)
            fail_msg("%s\"%.*s\" in:\n%s", without ? "no " : "", SP_STR_ARG(w), text);
    }
    sp_stats_config_free(s);
    t_config_done(&c);
    assert_non_null(strstr(printed(sp_stats_text), "tier.gold.served: 7")); /* all is as before */
}

static void test_matcher(void **state)
{
    shows(sp_stats_text, "{}", "tier.gold.served: 7|cluster.api.eu.upstream_rq_200: 5|tier.gold.ms");
    shows(sp_stats_text, "stats_matcher: {exclusion_list: {patterns: [{prefix: tier.}]}}", "!tier.|cluster.api.eu.upstream_rq_200: 5");
    shows(sp_stats_text, "stats_matcher: {inclusion_list: {patterns: [{suffix: .ms}, {safe_regex: {regex: 'cluster[.].*'}}]}}",
          "tier.gold.ms|!served|cluster.api");
    shows(sp_stats_text, "stats_matcher: {reject_all: true}", "!tier|!cluster");
    shows(sp_stats_json, "stats_matcher: {reject_all: true}", "{\"stats\":[]}");
    shows(sp_stats_prometheus, "stats_matcher: {exclusion_list: {patterns: [{contains: gold}]}}", "!tier|envoy_cluster_upstream_rq");
}

static void test_tags(void **state)
{
    shows(sp_stats_prometheus, "{}", "envoy_tier_gold_served{} 7|envoy_cluster_upstream_rq{envoy_cluster_name=\"api.eu\",envoy_response_code=\"200\"} 5");
    shows(sp_stats_prometheus, "stats_tags: [{tag_name: site, fixed_value: 'fra\"1'}]",
          "envoy_tier_gold_served{site=\"fra\\\"1\"} 7|envoy_response_code=\"200\",site=\"fra\\\"1\"} 5");
    shows(sp_stats_prometheus, "stats_tags: [{tag_name: my.tier, regex: '^tier\\.((.+?)\\.)'}]",
          "envoy_tier_served{my_tier=\"gold\"} 7|envoy_tier_ms_bucket{my_tier=\"gold\",le=\"25\"} 0|!site");
    shows(sp_stats_prometheus, "stats_tags: [{tag_name: region, regex: '^cluster\\.(?:\\w+)(\\.(eu|us))'}]",
          "envoy_cluster_name=\"api.eu\",envoy_response_code=\"200\",region=\"eu\"} 5");
    shows(sp_stats_prometheus, "stats_tags: [{tag_name: envoy_cluster_name, regex: '^cluster\\.(\\w+)'}]", "{envoy_cluster_name=\"api\",");
    shows(sp_stats_prometheus, "use_all_default_tags: false", "envoy_cluster_api_eu_upstream_rq_200{} 5");
    shows(sp_stats_prometheus, "{use_all_default_tags: false, stats_tags: [{tag_name: c, regex: '^cluster\\.((.+?)\\.)upstream'}]}",
          "envoy_cluster_upstream_rq_200{c=\"api.eu\"} 5");
}

static void test_buckets(void **state)
{
    shows(sp_stats_prometheus, "histogram_bucket_settings: [{match: {prefix: tier}, buckets: [10, 31.5, 1000], bins: 5}]",
          "le=\"10\"} 0|le=\"31.5\"} 1|le=\"1000\"} 1|le=\"+Inf\"} 1|!le=\"50\"");
    shows(sp_stats_prometheus, "histogram_bucket_settings: [{match: {prefix: other}, buckets: [10]}]", "le=\"25\"} 0|le=\"50\"} 1");
}

/* What a view made of a stat is made anew by the next one, however often. */
static void test_many_views(void **state)
{
    for (int i = 0; i < 50; i++) {
        char yaml[100], words[100];
        snprintf(yaml, sizeof(yaml), "stats_tags: [{tag_name: t, fixed_value: v%d}]", i);
        snprintf(words, sizeof(words), "envoy_tier_gold_served{t=\"v%d\"} 7", i);
        shows(sp_stats_prometheus, yaml, words);
    }
}

static void refused(const char *yaml, const char *word)
{
    struct t_config c;
    t_config_load(&c, DESC, yaml);
    assert_null(sp_stats_config_new(c.doc, &c.diag, c.msg));
    if (!strstr(t_config_said(&c), word))
        fail_msg("expected \"%s\" in: %s", word, t_config_said(&c));
    t_config_done(&c);
}

static void test_refused(void **state)
{
    refused("stats_tags: [{tag_name: a, regex: '(x'}]", "missing closing parenthesis");
    refused("stats_tags: [{tag_name: a, regex: 'x'}]", "no group in it");
    refused("stats_tags: [{tag_name: envoy.cluster_name}]", "write regex or fixed_value");
    refused("stats_tags: [{tag_name: a, fixed_value: b}, {tag_name: a, fixed_value: c}]", "stands above already");
    refused("histogram_bucket_settings: [{match: {prefix: a}, buckets: [2, 2]}]", "each greater than the one before");
    refused("histogram_bucket_settings: [{match: {prefix: a}, buckets: [0]}]", "each greater than the one before");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matcher),    cmocka_unit_test(test_tags),    cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_many_views), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
