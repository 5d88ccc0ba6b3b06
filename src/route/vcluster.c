/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route/vcluster.h"

#include <assert.h>

typedef Envoy__Config__Route__V3__VirtualHost VirtualHost;
typedef Envoy__Config__Route__V3__VirtualCluster VirtualCluster;

struct vcluster {
    struct sp_header_matcher **headers; /* n of them */
    size_t n;
    struct sp_str name;
    struct sp_rq_stats stats;
};

struct sp_vclusters {
    struct vcluster *v; /* n of them */
    size_t n;
    struct sp_rq_stats other;
};

static void stats_init(struct sp_rq_stats *s, const struct sp_route_ctx *c, struct sp_str kind, const char *tag, struct sp_str name)
{
    sp_rq_stats_init(s, sp_stats_scope(c->stats, kind, tag, name));
}

static bool vcluster_init(struct vcluster *v, const struct sp_route_ctx *c, const VirtualCluster *msg)
{
    bool good = true;
    v->headers = sp_arena_zalloc(c->arena, (msg->n_headers + 1) * sizeof(struct sp_header_matcher *));
    for (size_t i = 0; i < msg->n_headers; i++) {
        v->headers[v->n] = sp_header_matcher_new(c->build->doc, c->build->diag, msg->headers[i]);
        good = good && v->headers[v->n];
        v->n += v->headers[v->n] != NULL;
    }
    v->name = sp_arena_str(c->arena, sp_str_c(msg->name));
    stats_init(&v->stats, c, SP_STR("vcluster"), "envoy_virtual_cluster", sp_str_c(msg->name));
    return good;
}

struct sp_vclusters *sp_vclusters_new(const struct sp_route_ctx *c, const VirtualHost *msg, bool *good)
{
    assert(c && c->arena && msg && good);
    if (!msg->n_virtual_clusters)
        return NULL;
    struct sp_vclusters *v = sp_arena_zalloc(c->arena, sizeof(*v));
    v->v = sp_arena_zalloc(c->arena, msg->n_virtual_clusters * sizeof(*v->v));
    for (size_t i = 0; i < msg->n_virtual_clusters; i++)
        *good = vcluster_init(&v->v[v->n++], c, msg->virtual_clusters[i]) && *good;
    stats_init(&v->other, c, SP_STR("vcluster"), "envoy_virtual_cluster", SP_STR("other"));
    return v;
}

void sp_vclusters_free(struct sp_vclusters *v)
{
    for (size_t i = 0; v && i < v->n; i++)
        for (size_t k = 0; k < v->v[i].n; k++)
            sp_header_matcher_free(v->v[i].headers[k]);
}

struct sp_rq_stats *sp_vclusters_find(const struct sp_vclusters *v, const struct sp_headers *h, struct sp_str *ret_name)
{
    assert(v && h && ret_name);
    for (size_t i = 0; i < v->n; i++) {
        size_t k = 0;
        while (k < v->v[i].n && sp_header_match(v->v[i].headers[k], h))
            k++;
        if (k == v->v[i].n) {
            *ret_name = v->v[i].name;
            return &v->v[i].stats;
        }
    }
    *ret_name = SP_STR_NULL;
    return (struct sp_rq_stats *)(uintptr_t)&v->other;
}

struct sp_rq_stats *sp_route_stats_new(const struct sp_route_ctx *c, struct sp_str prefix)
{
    assert(c && c->arena && c->stats && prefix.len);
    struct sp_rq_stats *s = sp_arena_zalloc(c->arena, sizeof(*s));
    stats_init(s, c, SP_STR("route"), "envoy_route", prefix);
    return s;
}
