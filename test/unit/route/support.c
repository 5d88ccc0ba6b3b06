/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

/* Never looked into: only its address counts. */
static char clusters[3];

struct sp_cluster *t_cluster(void *ctx, struct sp_str name)
{
    if (name.len == 1 && name.ptr[0] >= 'a' && name.ptr[0] <= 'c')
        return (struct sp_cluster *)(void *)&clusters[name.ptr[0] - 'a'];
    return NULL;
}

void t_table(struct t_table *x, const char *yaml, const char *said)
{
    t_config_load(&x->c, &envoy__config__route__v3__route_configuration__descriptor, yaml);
    struct sp_route_build b = {.doc = x->c.doc, .diag = &x->c.diag, .find_cluster = t_cluster};
    x->t = sp_route_table_new(&b, x->c.msg);
    assert_string_equal(t_config_said(&x->c), said);
    assert_true(!x->t == (x->c.diag.n_errors > 0));
    sp_arena_init(&x->arena);
    t_headers(&x->h, &x->arena, "");
}

void t_table_done(struct t_table *x)
{
    sp_route_table_free(x->t);
    sp_arena_done(&x->arena);
    t_config_done(&x->c);
}

void t_table_routes(struct t_table *x, const char *routes, const char *said)
{
    char *yaml = NULL;
    assert_true(asprintf(&yaml, "virtual_hosts:\n- name: v\n  domains: ['*']\n  routes:\n%s", routes) > 0);
    t_table(x, yaml, said);
    free(yaml);
}

const struct sp_route *t_find(struct t_table *x, const char *lines, uint64_t random)
{
    t_headers(&x->h, &x->arena, lines);
    const struct sp_vhost *v = sp_route_vhost(x->t, x->h.authority);
    return v ? sp_route_find(v, &x->h, random) : NULL;
}

const char *t_found(struct t_table *x, const char *lines)
{
    const struct sp_route *r = t_find(x, lines, 0);
    return r ? r->name.ptr : "-";
}
