/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/lb_config.h"

#include <assert.h>
#include <math.h>

#include "clusters/options.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb-c.h"
#include "envoy/extensions/load_balancing_policies/maglev/v3/maglev.pb-c.h"
#include "envoy/extensions/load_balancing_policies/random/v3/random.pb-c.h"
#include "envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.pb-c.h"
#include "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.pb-c.h"

typedef Envoy__Config__Cluster__V3__Cluster cluster_msg;
typedef Envoy__Extensions__LoadBalancingPolicies__Common__V3__LocalityLbConfig locality_msg;
typedef Envoy__Extensions__LoadBalancingPolicies__Common__V3__LocalityLbConfig__ZoneAwareLbConfig zone_msg;
typedef Envoy__Config__Cluster__V3__LoadBalancingPolicy list_msg;
typedef Envoy__Config__Core__V3__RuntimeDouble double_msg;
typedef Envoy__Extensions__LoadBalancingPolicies__LeastRequest__V3__LeastRequest least_msg;

enum { DEFAULT_CHOICES = 2, DEFAULT_PANIC = 50, DEFAULT_RING = 1024, DEFAULT_TABLE = 65537, DEFAULT_ZONE_HOSTS = 6 };
/* Rings and tables are built on a worker's loop: tens of milliseconds at most. Envoy's may be larger. */
enum { PLACES_MOST = 262144 };

#define LB_CONFIG(name) ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_##name
#define MURMUR ENVOY__CONFIG__CLUSTER__V3__CLUSTER__RING_HASH_LB_CONFIG__HASH_FUNCTION__MURMUR_HASH_2
#define FULL_SCAN ENVOY__EXTENSIONS__LOAD_BALANCING_POLICIES__LEAST_REQUEST__V3__LEAST_REQUEST__SELECTION_METHOD__FULL_SCAN
#define BY_WEIGHT ENVOY__EXTENSIONS__LOAD_BALANCING_POLICIES__COMMON__V3__LOCALITY_LB_CONFIG__ZONE_AWARE_LB_CONFIG__LOCALITY_BASIS__HEALTHY_HOSTS_WEIGHT
/* Which member of the oneof is set: they share one pointer. */
#define COMMON_KIND(name) ENVOY__CONFIG__CLUSTER__V3__CLUSTER__COMMON_LB_CONFIG__LOCALITY_CONFIG_SPECIFIER_##name##_LB_CONFIG
#define EXTENSION_KIND(name) \
    ENVOY__EXTENSIONS__LOAD_BALANCING_POLICIES__COMMON__V3__LOCALITY_LB_CONFIG__LOCALITY_CONFIG_SPECIFIER_##name##_LB_CONFIG
#define POLICY(name) ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__##name

/* What both messages have. */
static void take_zones(struct sp_zone_config *z, const Envoy__Type__V3__Percent *enabled, const Google__Protobuf__UInt64Value *least)
{
    if (enabled)
        z->percent = (unsigned)lround(enabled->value);
    if (least)
        z->least_hosts = least->value;
}

static void take_localities(struct sp_lb_config *l, const locality_msg *msg)
{
    const zone_msg *z = msg && msg->locality_config_specifier_case == EXTENSION_KIND(ZONE_AWARE) ? msg->zone_aware_lb_config : NULL;
    l->by_locality = msg && msg->locality_config_specifier_case == EXTENSION_KIND(LOCALITY_WEIGHTED);
    if (!z)
        return;
    take_zones(&l->zone, z->routing_enabled, z->min_cluster_size);
    l->fail_on_panic = z->fail_traffic_on_panic;
    l->zone.by_weight = z->locality_basis == BY_WEIGHT;
    l->zone.force_least = z->force_locality_direct_routing;
    if (z->force_local_zone)
        l->zone.force_least = z->force_local_zone->min_size ? SP_MAX(z->force_local_zone->min_size->value, 1u) : 1;
}

static void take_bias(struct sp_lb_config *l, const struct sp_doc *doc, struct sp_diag *diag, const double_msg *bias)
{
    if (!bias)
        return;
    if (!(bias->default_value >= 0) || isinf(bias->default_value))
        sp_doc_err(doc, diag, bias, "default_value", -1, "a bias is 0 or more (1 is the default)");
    else
        l->request_bias = bias->default_value;
}

static void take_aggression(struct sp_lb_config *l, const struct sp_doc *doc, struct sp_diag *diag, const double_msg *aggression)
{
    if (!aggression)
        return;
    if (!(aggression->default_value > 0) || isinf(aggression->default_value))
        sp_doc_err(doc, diag, aggression, "default_value", -1, "an aggression is over 0 (1 is the default)");
    else
        l->slow_aggression = aggression->default_value;
}

/* Of two messages that have the same fields. */
#define TAKE_SLOW(l, doc, diag, msg) \
    do { \
        if (msg) { \
            (l)->slow_ns = sp_duration_ns((msg)->slow_start_window, 0); \
            take_aggression(l, doc, diag, (msg)->aggression); \
            if ((msg)->min_weight_percent) \
                (l)->slow_least = (msg)->min_weight_percent->value / 100; \
        } \
    } while (0)

static bool prime(uint64_t n)
{
    for (uint64_t i = 2; i * i <= n; i++)
        if (n % i == 0)
            return false;
    return n > 1;
}

/* Whether so many places can be had. */
static void check_places(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field, uint64_t n)
{
    if (n > PLACES_MOST)
        sp_doc_err(doc, diag, msg, field, -1, "%llu places are too many to build while serving (at most %d)",
                   (unsigned long long)n, PLACES_MOST);
}

static void take_ring(struct sp_lb_config *l, const struct sp_doc *doc, struct sp_diag *diag, const void *msg,
                      const Google__Protobuf__UInt64Value *least, const Google__Protobuf__UInt64Value *most, bool murmur)
{
    l->murmur = murmur;
    l->ring_min = least ? SP_MAX(least->value, 1u) : DEFAULT_RING;
    l->ring_max = SP_MIN(most ? most->value : PLACES_MOST, (uint64_t)PLACES_MOST);
    if (least)
        check_places(doc, diag, msg, "minimum_ring_size", least->value);
    if (l->ring_min > l->ring_max && l->ring_min <= PLACES_MOST)
        sp_doc_err(doc, diag, msg, least ? "minimum_ring_size" : "maximum_ring_size", -1,
                   "minimum_ring_size (%llu) is over maximum_ring_size (%llu): make the minimum smaller",
                   (unsigned long long)l->ring_min, (unsigned long long)l->ring_max);
}

static void take_table(struct sp_lb_config *l, const struct sp_doc *doc, struct sp_diag *diag, const void *msg,
                       const Google__Protobuf__UInt64Value *size)
{
    l->table_size = size ? size->value : DEFAULT_TABLE;
    check_places(doc, diag, msg, "table_size", l->table_size);
    if (!prime(l->table_size))
        sp_doc_err(doc, diag, msg, "table_size", -1, "%llu is no prime number (such as 65537)",
                   (unsigned long long)l->table_size);
}

/* Of two messages that have the same fields. */
#define TAKE_CONSISTENT(l, msg) \
    do { \
        if (msg) { \
            (l)->by_hostname = (msg)->use_hostname_for_hashing; \
            (l)->balance_factor = (msg)->hash_balance_factor ? (msg)->hash_balance_factor->value : 0; \
        } \
    } while (0)

#define RING(name) ENVOY__EXTENSIONS__LOAD_BALANCING_POLICIES__RING_HASH__V3__RING_HASH__HASH_FUNCTION__##name

/* False: neither. */
static bool take_hashing(struct sp_lb_config *l, const struct sp_doc *doc, struct sp_diag *diag, const Google__Protobuf__Any *any)
{
    const Envoy__Extensions__LoadBalancingPolicies__RingHash__V3__RingHash *ring =
        sp_doc_any_as(doc, any, &envoy__extensions__load_balancing_policies__ring_hash__v3__ring_hash__descriptor);
    const Envoy__Extensions__LoadBalancingPolicies__Maglev__V3__Maglev *maglev =
        sp_doc_any_as(doc, any, &envoy__extensions__load_balancing_policies__maglev__v3__maglev__descriptor);
    if (ring) {
        l->policy = SP_LB_RING_HASH;
        l->by_hostname = ring->use_hostname_for_hashing;
        l->balance_factor = ring->hash_balance_factor ? ring->hash_balance_factor->value : 0;
        TAKE_CONSISTENT(l, ring->consistent_hashing_lb_config);
        l->by_locality = ring->locality_weighted_lb_config != NULL;
        take_ring(l, doc, diag, ring, ring->minimum_ring_size, ring->maximum_ring_size,
                  ring->hash_function == RING(MURMUR_HASH_2));
    } else if (maglev) {
        l->policy = SP_LB_MAGLEV;
        TAKE_CONSISTENT(l, maglev->consistent_hashing_lb_config);
        l->by_locality = maglev->locality_weighted_lb_config != NULL;
        take_table(l, doc, diag, maglev, maglev->table_size);
    }
    return ring || maglev;
}

#undef RING

/* lb_policy RING_HASH and MAGLEV. */
static void init_hashing(struct sp_lb_config *l, const struct sp_doc *doc, struct sp_diag *diag, const cluster_msg *msg)
{
    const Envoy__Config__Cluster__V3__Cluster__CommonLbConfig *common = msg->common_lb_config;
    const Envoy__Config__Cluster__V3__Cluster__RingHashLbConfig *ring =
        msg->lb_config_case == LB_CONFIG(RING_HASH_LB_CONFIG) ? msg->ring_hash_lb_config : NULL;
    const Envoy__Config__Cluster__V3__Cluster__MaglevLbConfig *maglev =
        msg->lb_config_case == LB_CONFIG(MAGLEV_LB_CONFIG) ? msg->maglev_lb_config : NULL;
    if (common)
        TAKE_CONSISTENT(l, common->consistent_hashing_lb_config);
    if (l->policy == SP_LB_MAGLEV)
        take_table(l, doc, diag, maglev, maglev ? maglev->table_size : NULL);
    else
        take_ring(l, doc, diag, ring, ring ? ring->minimum_ring_size : NULL, ring ? ring->maximum_ring_size : NULL,
                  ring && ring->hash_function == MURMUR);
}

static void take_least(struct sp_lb_config *l, const struct sp_doc *doc, struct sp_diag *diag, const least_msg *least)
{
    l->policy = SP_LB_LEAST_REQUEST;
    take_localities(l, least->locality_lb_config);
    take_bias(l, doc, diag, least->active_request_bias);
    TAKE_SLOW(l, doc, diag, least->slow_start_config);
    l->full_scan = (least->enable_full_scan && least->enable_full_scan->value) || least->selection_method == FULL_SCAN;
    if (least->choice_count)
        l->choice_count = least->choice_count->value;
}

/* False: none of those that are run. */
static bool take_extension(struct sp_lb_config *l, const struct sp_doc *doc, struct sp_diag *diag, const Google__Protobuf__Any *any)
{
    const Envoy__Extensions__LoadBalancingPolicies__RoundRobin__V3__RoundRobin *round =
        sp_doc_any_as(doc, any, &envoy__extensions__load_balancing_policies__round_robin__v3__round_robin__descriptor);
    const least_msg *least =
        sp_doc_any_as(doc, any, &envoy__extensions__load_balancing_policies__least_request__v3__least_request__descriptor);
    const Envoy__Extensions__LoadBalancingPolicies__Random__V3__Random *random =
        sp_doc_any_as(doc, any, &envoy__extensions__load_balancing_policies__random__v3__random__descriptor);
    if (round) {
        l->policy = SP_LB_ROUND_ROBIN;
        take_localities(l, round->locality_lb_config);
        TAKE_SLOW(l, doc, diag, round->slow_start_config);
    } else if (least) {
        take_least(l, doc, diag, least);
    } else if (random) {
        l->policy = SP_LB_RANDOM;
        take_localities(l, random->locality_lb_config);
    }
    return round || least || random;
}

static void take_list(struct sp_lb_config *l, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag, const list_msg *list);

/* False: it is none. */
static bool take_subset(struct sp_lb_config *l, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                        const Google__Protobuf__Any *any)
{
    const Envoy__Extensions__LoadBalancingPolicies__Subset__V3__Subset *subset =
        sp_doc_any_as(doc, any, &envoy__extensions__load_balancing_policies__subset__v3__subset__descriptor);
    if (!subset)
        return false;
    if (l->subsets) {
        sp_doc_err(doc, diag, subset, "subset_lb_policy", -1, "subsets within subsets are not run (use a RoundRobin, LeastRequest, Random, RingHash or Maglev)");
        return true;
    }
    l->subsets = sp_subset_config_of(arena, doc, diag, subset);
    if (subset->subset_lb_policy) /* else reported by the field rules */
        take_list(l, arena, doc, diag, subset->subset_lb_policy);
    return true;
}

static void take_list(struct sp_lb_config *l, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag, const list_msg *list)
{
    for (size_t i = 0; i < list->n_policies; i++) {
        const Envoy__Config__Core__V3__TypedExtensionConfig *e = list->policies[i]->typed_extension_config;
        if (e && (take_extension(l, doc, diag, e->typed_config) || take_hashing(l, doc, diag, e->typed_config) ||
                  take_subset(l, arena, doc, diag, e->typed_config)))
            return; /* as Envoy: the first that is known */
    }
    sp_doc_err(doc, diag, list, "policies", -1,
               "has none that is run (use a RoundRobin, LeastRequest, Random, RingHash, Maglev or Subset)");
}

/* Localities count in subsets if these say so. */
static void finish(struct sp_lb_config *l)
{
    if (l->subsets && !l->subsets->locality_aware)
        l->by_locality = false;
}

void sp_lb_config_init(struct sp_lb_config *l, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag, const cluster_msg *msg)
{
    assert(l && doc && diag && msg);
    *l = (struct sp_lb_config){.choice_count = DEFAULT_CHOICES, .panic_threshold = DEFAULT_PANIC, .request_bias = 1,
                                .slow_aggression = 1, .slow_least = 0.1,
                                .zone = {.percent = 100, .least_hosts = DEFAULT_ZONE_HOSTS}};
    const Envoy__Config__Cluster__V3__Cluster__CommonLbConfig *common = msg->common_lb_config;
    if (common && common->healthy_panic_threshold)
        l->panic_threshold = common->healthy_panic_threshold->value;
    l->close_on_change = common && common->close_connections_on_host_set_change;
    if (msg->load_balancing_policy) {
        take_list(l, arena, doc, diag, msg->load_balancing_policy);
        finish(l);
        return;
    }
    if (msg->lb_policy == POLICY(LOAD_BALANCING_POLICY_CONFIG))
        sp_doc_err(doc, diag, msg, "load_balancing_policy", -1, "required for this lb_policy, but missing (add it)");
    l->policy = msg->lb_policy == POLICY(LEAST_REQUEST) ? SP_LB_LEAST_REQUEST
                : msg->lb_policy == POLICY(RANDOM)      ? SP_LB_RANDOM
                : msg->lb_policy == POLICY(RING_HASH)   ? SP_LB_RING_HASH
                : msg->lb_policy == POLICY(MAGLEV)      ? SP_LB_MAGLEV
                                                        : SP_LB_ROUND_ROBIN;
    l->by_locality = common && common->locality_config_specifier_case == COMMON_KIND(LOCALITY_WEIGHTED);
    if (common && common->locality_config_specifier_case == COMMON_KIND(ZONE_AWARE) && !sp_lb_hashes(l)) {
        take_zones(&l->zone, common->zone_aware_lb_config->routing_enabled, common->zone_aware_lb_config->min_cluster_size);
        l->fail_on_panic = common->zone_aware_lb_config->fail_traffic_on_panic;
    }
    if (sp_lb_hashes(l))
        init_hashing(l, doc, diag, msg);
    if (msg->lb_subset_config) {
        l->subsets = sp_subset_config_new(arena, doc, diag, msg->lb_subset_config);
        finish(l);
    }
    if (l->policy == SP_LB_LEAST_REQUEST && msg->lb_config_case == LB_CONFIG(LEAST_REQUEST_LB_CONFIG)) {
        if (msg->least_request_lb_config->choice_count)
            l->choice_count = msg->least_request_lb_config->choice_count->value;
        take_bias(l, doc, diag, msg->least_request_lb_config->active_request_bias);
        TAKE_SLOW(l, doc, diag, msg->least_request_lb_config->slow_start_config);
    } else if (l->policy == SP_LB_ROUND_ROBIN && msg->lb_config_case == LB_CONFIG(ROUND_ROBIN_LB_CONFIG)) {
        TAKE_SLOW(l, doc, diag, msg->round_robin_lb_config->slow_start_config);
    }
}
