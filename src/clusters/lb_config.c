/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/lb_config.h"

#include <assert.h>

#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb-c.h"
#include "envoy/extensions/load_balancing_policies/random/v3/random.pb-c.h"
#include "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.pb-c.h"

typedef Envoy__Config__Cluster__V3__Cluster cluster_msg;
typedef Envoy__Extensions__LoadBalancingPolicies__Common__V3__LocalityLbConfig locality_msg;

enum { DEFAULT_CHOICES = 2, DEFAULT_PANIC = 50 };

#define POLICY(name) ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__##name

static void take_localities(struct sp_lb_config *l, const locality_msg *msg)
{
    l->by_locality = msg && msg->locality_weighted_lb_config;
}

/* False: none of those that are run. */
static bool take_extension(struct sp_lb_config *l, const struct sp_doc *doc, const Google__Protobuf__Any *any)
{
    const Envoy__Extensions__LoadBalancingPolicies__RoundRobin__V3__RoundRobin *round =
        sp_doc_any_as(doc, any, &envoy__extensions__load_balancing_policies__round_robin__v3__round_robin__descriptor);
    const Envoy__Extensions__LoadBalancingPolicies__LeastRequest__V3__LeastRequest *least =
        sp_doc_any_as(doc, any, &envoy__extensions__load_balancing_policies__least_request__v3__least_request__descriptor);
    const Envoy__Extensions__LoadBalancingPolicies__Random__V3__Random *random =
        sp_doc_any_as(doc, any, &envoy__extensions__load_balancing_policies__random__v3__random__descriptor);
    if (round) {
        l->policy = SP_LB_ROUND_ROBIN;
        take_localities(l, round->locality_lb_config);
    } else if (least) {
        l->policy = SP_LB_LEAST_REQUEST;
        take_localities(l, least->locality_lb_config);
        if (least->choice_count)
            l->choice_count = least->choice_count->value;
    } else if (random) {
        l->policy = SP_LB_RANDOM;
        take_localities(l, random->locality_lb_config);
    }
    return round || least || random;
}

static void take_list(struct sp_lb_config *l, const struct sp_doc *doc, struct sp_diag *diag, const cluster_msg *msg)
{
    const Envoy__Config__Cluster__V3__LoadBalancingPolicy *list = msg->load_balancing_policy;
    for (size_t i = 0; i < list->n_policies; i++) {
        const Envoy__Config__Core__V3__TypedExtensionConfig *e = list->policies[i]->typed_extension_config;
        if (e && take_extension(l, doc, e->typed_config))
            return; /* as Envoy: the first that is known */
    }
    sp_doc_err(doc, diag, list, "policies", -1, "has none that is run (use a RoundRobin, LeastRequest or Random)");
}

void sp_lb_config_init(struct sp_lb_config *l, const struct sp_doc *doc, struct sp_diag *diag, const cluster_msg *msg)
{
    assert(l && doc && diag && msg);
    *l = (struct sp_lb_config){.choice_count = DEFAULT_CHOICES, .panic_threshold = DEFAULT_PANIC};
    const Envoy__Config__Cluster__V3__Cluster__CommonLbConfig *common = msg->common_lb_config;
    if (common && common->healthy_panic_threshold)
        l->panic_threshold = common->healthy_panic_threshold->value;
    if (msg->load_balancing_policy) {
        take_list(l, doc, diag, msg);
        return;
    }
    if (msg->lb_policy == POLICY(LOAD_BALANCING_POLICY_CONFIG))
        sp_doc_err(doc, diag, msg, "load_balancing_policy", -1, "required for this lb_policy, but missing (add it)");
    l->policy = msg->lb_policy == POLICY(LEAST_REQUEST) ? SP_LB_LEAST_REQUEST
                : msg->lb_policy == POLICY(RANDOM)      ? SP_LB_RANDOM
                                                        : SP_LB_ROUND_ROBIN;
    l->by_locality = common && common->locality_weighted_lb_config;
    if (msg->lb_config_case == ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_LEAST_REQUEST_LB_CONFIG &&
        msg->least_request_lb_config->choice_count)
        l->choice_count = msg->least_request_lb_config->choice_count->value;
}
