/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a cluster is divided into subsets: lb_subset_config, or the extension Subset.  In the cluster's arena, immutable.
 */
#ifndef SP_CLUSTERS_SUBSET_CONFIG_H
#define SP_CLUSTERS_SUBSET_CONFIG_H

#include "config/doc.h"
#include "envoy/config/cluster/v3/cluster.pb-c.h"
#include "envoy/extensions/load_balancing_policies/subset/v3/subset.pb-c.h"
#include "route/criteria.h"

/* Where a request goes that no subset is for. */
enum sp_subset_fallback { SP_SUBSET_NOT_DEFINED, SP_SUBSET_NONE, SP_SUBSET_ANY, SP_SUBSET_DEFAULT, SP_SUBSET_KEYS };

struct sp_subset_selector {
    struct sp_str *keys; /* n_keys of them, sorted, each once */
    unsigned n_keys;
    struct sp_str *fewer; /* SP_SUBSET_KEYS: n_fewer of them that are looked for again */
    unsigned n_fewer;
    enum sp_subset_fallback fallback;
    bool single;          /* single_host_per_subset */
};

struct sp_subset_config {
    struct sp_subset_selector *selectors; /* n_selectors of them; the order of the config, or those with the most keys first */
    unsigned n_selectors;
    enum sp_subset_fallback fallback;
    struct sp_criterion *default_subset; /* n_default of them */
    unsigned n_default;
    bool needs_default;                  /* somebody falls back on it */
    bool locality_aware, scale_weight, panic_any, list_as_any, redundant_keys, fallback_list;
};

/* NULL: there are no selectors, so that nothing is divided; errors go to `diag`. */
struct sp_subset_config *sp_subset_config_new(struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                                              const Envoy__Config__Cluster__V3__Cluster__LbSubsetConfig *msg);
struct sp_subset_config *sp_subset_config_of(struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                                             const Envoy__Extensions__LoadBalancingPolicies__Subset__V3__Subset *msg);

#endif
