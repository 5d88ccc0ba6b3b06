/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/chain_route.h"

#include <assert.h>

const struct sp_filter_config *sp_chain_filter_config(const struct sp_chain *c, unsigned slot)
{
    assert(c && slot < c->plan->n);
    if (!c->route)
        return NULL;
    const struct sp_filter_config *f = NULL;
    if (c->weighted)
        f = sp_filter_configs_find(c->weighted->filter_configs, slot);
    if (!f)
        f = sp_filter_configs_find(c->route->filter_configs, slot);
    if (!f)
        f = sp_filter_configs_find(c->route->vhost->filter_configs, slot);
    if (!f)
        f = sp_filter_configs_find(sp_route_table_filter_configs(c->route->vhost->table), slot);
    return f;
}

uint64_t sp_chain_disabled(const struct sp_chain *c)
{
    assert(c && c->route);
    const struct sp_vhost *vhost = c->route->vhost;
    if (!c->group && !c->route->filter_configs && !vhost->filter_configs && !sp_route_table_filter_configs(vhost->table) &&
        !(c->weighted && c->weighted->filter_configs))
        return c->plan->disabled;
    uint64_t skip = 0;
    for (unsigned i = c->plan->n_gates; i < c->plan->n; i++) {
        const struct sp_filter_config *f = sp_chain_filter_config(c, i);
        bool foreign = c->plan->v[i].group != c->group && i != c->plan->n - 1;
        if (foreign || (f ? f->disabled : c->plan->v[i].disabled))
            skip |= 1ull << i;
    }
    return skip;
}

void sp_chain_sanitize(const struct sp_chain *c, struct sp_headers *h)
{
    assert(c && h);
    for (unsigned i = c->plan->n_gates; c->skip && i < c->plan->n; i++) {
        const struct sp_filter_slot *slot = &c->plan->v[i];
        if (sp_chain_skips(c, i) && slot->ops->sanitize)
            slot->ops->sanitize(slot->config, h);
    }
}

const void *sp_filter_route_config(const struct sp_filter *f)
{
    assert(f && f->chain);
    const struct sp_filter_config *entry = sp_chain_filter_config(f->chain, f->index);
    return entry ? entry->config : NULL;
}

unsigned sp_filter_route_configs(const struct sp_filter *f, const void *ret[static SP_FILTER_LEVELS])
{
    assert(f && f->chain);
    const struct sp_chain *c = f->chain;
    unsigned n = 0;
    if (!c->route)
        return 0;
    const struct sp_filter_configs *levels[SP_FILTER_LEVELS] = {
        sp_route_table_filter_configs(c->route->vhost->table), c->route->vhost->filter_configs, c->route->filter_configs,
        c->weighted ? c->weighted->filter_configs : NULL};
    for (unsigned i = 0; i < SP_FILTER_LEVELS; i++) {
        const struct sp_filter_config *entry = sp_filter_configs_find(levels[i], f->index);
        if (entry && entry->config)
            ret[n++] = entry->config;
    }
    return n;
}
