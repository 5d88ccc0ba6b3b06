/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route/mirror.h"

#include <assert.h>

typedef Envoy__Config__Route__V3__RouteAction__RequestMirrorPolicy Policy;

static void fraction(struct sp_mirror_policy *p, const Policy *msg)
{
    static const uint32_t denominators[] = {100, 10000, 1000000};
    const Envoy__Config__Core__V3__RuntimeFractionalPercent *f = msg->runtime_fraction;
    if (!f || !f->default_value)
        return;
    p->numerator = f->default_value->numerator;
    p->denominator = denominators[f->default_value->denominator];
}

static bool named(struct sp_mirror_policy *p, const struct sp_route_ctx *c, const Policy *msg)
{
    const struct sp_route_build *b = c->build;
    if (!msg->cluster[0] == !msg->cluster_header[0]) {
        sp_doc_err(b->doc, b->diag, msg, NULL, -1, "exactly one of these is required: cluster, cluster_header");
        return false;
    }
    if (msg->cluster[0])
        return sp_route_find_cluster(c, msg, "cluster", sp_str_c(msg->cluster), &p->cluster);
    p->header = sp_route_lower(c->arena, msg->cluster_header);
    return true;
}

bool sp_mirrors_init(struct sp_mirror_list *list, const struct sp_route_ctx *c, Policy *const *msgs, size_t n)
{
    assert(list && c);
    bool good = true;
    if (!n)
        return true;
    struct sp_mirror_policy *v = sp_arena_zalloc(c->arena, n * sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        good = named(&v[i], c, msgs[i]) && good;
        good = sp_route_host(c, msgs[i], msgs[i]->host_rewrite_literal, &v[i].host) && good;
        fraction(&v[i], msgs[i]);
        v[i].keep_host = msgs[i]->disable_shadow_host_suffix_append;
    }
    *list = (struct sp_mirror_list){v, (unsigned)n};
    return good;
}

bool sp_mirror_takes(const struct sp_mirror_policy *p, unsigned i, uint64_t random)
{
    assert(p);
    if (!p->denominator)
        return true;
    uint64_t x = random + (i + 1) * 0x9e3779b97f4a7c15u; /* SplitMix64: each policy draws for itself */
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (x ^ (x >> 31)) % p->denominator < p->numerator;
}
