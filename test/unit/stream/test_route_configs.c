/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A filter's configs of all levels, on a real route table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/mem.h"
#include "route/route.h"
#include "stream/filter_configs.h"
#include "support/config.h"

/* Two filters have a config at each level: "table", "vhost" ... is the message's place in the order of compiling. */
static int n_made;

static struct sp_filter_configs *make(void *ctx, const void *msg, const void *entries, size_t n)
{
    struct sp_filter_configs *c = sp_xcalloc(1, sizeof(*c) + 2 * sizeof(c->v[0]));
    if (!n) {
        free(c);
        return NULL;
    }
    c->n = 2;
    c->v[0] = (struct sp_filter_config){.slot = 1, .config = (void *)(intptr_t)++n_made};
    c->v[1] = (struct sp_filter_config){.slot = 2, .disabled = true};
    return c;
}

static void release(struct sp_filter_configs *c)
{
    free(c);
}

#define SOME "typed_per_filter_config: {f: {'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig}}"

static void least_specific_first(void **state)
{
    struct t_config c;
    struct sp_arena arena;
    struct sp_headers h;
    const void *got[SP_FILTER_LEVELS];
    t_config_load(&c, &envoy__config__route__v3__route_configuration__descriptor,
                  SOME "\nvalidate_clusters: false\nvirtual_hosts:\n- name: v\n  domains: ['*']\n  " SOME "\n  routes:\n"
                  "  - {match: {path: /a}, route: {weighted_clusters: {clusters: [{name: c, weight: 1, " SOME "}]}}, " SOME "}\n"
                  "  - {match: {path: /b}, route: {cluster: c}}\n");
    struct sp_route_build b = {.doc = c.doc, .diag = &c.diag, .filter_configs = make, .filter_configs_free = release};
    struct sp_route_table *t = sp_route_table_new(&b, c.msg);
    assert_non_null(t);
    sp_arena_init(&arena);
    t_headers(&h, &arena, ":path: /a");
    struct sp_chain chain = {0};
    struct sp_filter f = {.chain = &chain, .index = 1};
    assert_int_equal(sp_filter_route_configs(&f, got), 0);
    chain.route = sp_route_find(sp_route_vhost(t, SP_STR("x")), &h, 0);
    /* compiled in the order: table, virtual host, cluster of the route, route */
    assert_int_equal(sp_filter_route_configs(&f, got), 3);
    assert_ptr_equal(got[0], (void *)1);
    assert_ptr_equal(got[1], (void *)2);
    assert_ptr_equal(got[2], (void *)4);
    chain.weighted = &chain.route->weighted[0];
    assert_int_equal(sp_filter_route_configs(&f, got), 4);
    assert_ptr_equal(got[2], (void *)4);
    assert_ptr_equal(got[3], (void *)3);
    chain.weighted = NULL;
    h.path = SP_STR("/b");
    chain.route = sp_route_find(sp_route_vhost(t, SP_STR("x")), &h, 0);
    assert_int_equal(sp_filter_route_configs(&f, got), 2);
    /* a switch alone is no config */
    f.index = 2;
    assert_int_equal(sp_filter_route_configs(&f, got), 0);
    sp_arena_done(&arena);
    sp_route_table_free(t);
    t_config_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_specific_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
