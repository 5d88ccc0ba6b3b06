/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/hcm_upgrades.h"

#include <assert.h>

typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager__UpgradeConfig
    upgrade_msg;

bool sp_hcm_upgrades(struct sp_hcm *h, const struct sp_hcm_build *build, const sp_hcm_msg *msg)
{
    assert(h && build && msg);
    size_t n = msg->n_upgrade_configs;
    const char **names = sp_arena_zalloc(&h->arena, (n + 1) * sizeof(*names));
    bool good = true;
    uint8_t groups = 0;
    h->upgrades = sp_arena_zalloc(&h->arena, (n + 1) * sizeof(*h->upgrades));
    for (size_t i = 0; i < n; i++) {
        const upgrade_msg *m = msg->upgrade_configs[i];
        names[i] = m->upgrade_type;
        good &= sp_upgrade_type_check(build->doc, build->diag, m, m->upgrade_type, names, i);
        h->upgrades[h->n_upgrades++] = (struct sp_hcm_upgrade){
            .type = sp_arena_str(&h->arena, sp_str_c(m->upgrade_type)),
            .enabled = !m->enabled || m->enabled->value,
            .group = m->n_filters ? ++groups : 0,
        };
    }
    return good;
}

bool sp_hcm_upgrade_allowed(const struct sp_hcm *h, const struct sp_route *r, struct sp_str protocol, uint8_t *ret_group)
{
    assert(h && r && ret_group);
    bool allowed = false, by_route = false;
    for (unsigned i = 0; i < r->n_upgrades; i++) {
        if (!sp_str_ieq(r->upgrades[i].type, protocol))
            continue;
        if (!r->upgrades[i].enabled)
            return false;
        by_route = true;
    }
    *ret_group = 0;
    for (unsigned i = 0; i < h->n_upgrades; i++) {
        if (!sp_str_ieq(h->upgrades[i].type, protocol))
            continue;
        allowed = h->upgrades[i].enabled;
        *ret_group = h->upgrades[i].group;
    }
    return allowed || by_route;
}
