/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listeners/ip_gate.h"

#include <assert.h>

#include "base/log.h"

typedef Sallyport__Filters__Listener__IpRestriction__V1__IpRestriction Message;

enum { LOG_BURST = 5 };

bool sp_ip_gate_init(struct sp_ip_gate *g, const struct sp_doc *doc, struct sp_diag *diag, const Message *msg,
                     struct sp_stats_scope *listener_scope)
{
    assert(g && doc && diag && msg && listener_scope);
    struct sp_stats_scope *scope = sp_stats_scope(listener_scope, SP_STR("ip_restriction"), NULL, SP_STR_NULL);
    *g = (struct sp_ip_gate){.shadow = msg->enforcement == SALLYPORT__COMMON__V1__ENFORCEMENT__SHADOW};
    bool good = sp_sample_read(&g->sample, doc, diag, msg, g->shadow, msg->enforced_percent, SP_STR("listener"),
                               SP_STR("ip_restriction"));
    g->allowed = sp_stats_counter(scope, SP_STR("allowed"));
    g->denied = sp_stats_counter(scope, SP_STR("denied"));
    g->shadow_denied = sp_stats_counter(scope, SP_STR("shadow_denied"));
    const struct sp_address_rules_fields fields = SP_ADDRESS_RULES_FIELDS(msg);
    return sp_address_rules_init(&g->rules, doc, diag, "accept", scope, &fields) && good;
}

void sp_ip_gate_done(struct sp_ip_gate *g)
{
    sp_address_rules_done(&g->rules);
    *g = (struct sp_ip_gate){0};
}

static void log_denial(bool enforced, const struct sp_addr *peer, struct sp_str where, const char *why,
                       struct sp_str list)
{
    char text[SP_ADDR_TEXT_MAX];
    sp_log_limited(SP_LOG_INFO, "listener", LOG_BURST, "%.*s: %s %s: %s%s%.*s", SP_STR_ARG(where),
                   enforced ? "ip_restriction denied" : "ip_restriction would deny", sp_addr_ip_text(peer, text), why,
                   list.len ? " of " : "", SP_STR_ARG(list));
}

bool sp_ip_gate_admit(const struct sp_ip_gate *g, const struct sp_addr *peer, struct sp_str where)
{
    assert(g && peer);
    struct sp_cidr range;
    struct sp_str list;
    char why[SP_ADDR_TEXT_MAX + 16] = "not in allow";
    if (sp_address_rules_admit(&g->rules, peer, &range, &list)) {
        sp_counter_inc(g->allowed);
        return true;
    }
    if (range.family) {
        memcpy(why, "in ", 3);
        sp_cidr_format(&range, why + 3);
    }
    bool enforced = !g->shadow && sp_sample_has(&g->sample, peer);
    log_denial(enforced, peer, where, why, list);
    sp_counter_inc(enforced ? g->denied : g->shadow_denied);
    return !enforced;
}
