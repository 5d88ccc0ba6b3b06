/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listeners/ip_gate.h"

#include <assert.h>

#include "base/log.h"

typedef Sallyport__Filters__Listener__IpRestriction__V1__IpRestriction Message;

enum { LOG_BURST = 5 };

static bool sets_init(struct sp_ip_gate *g, const struct sp_doc *doc, struct sp_diag *diag, const Message *msg,
                      struct sp_stats_scope *scope)
{
    const struct sp_address_fields allow = {.msg = msg,
                                            .field = "allow",
                                            .cidrs = msg->allow,
                                            .n_cidrs = msg->n_allow,
                                            .lists = msg->allow_lists,
                                            .n_lists = msg->n_allow_lists};
    const struct sp_address_fields deny = {.msg = msg,
                                           .field = "deny",
                                           .cidrs = msg->deny,
                                           .n_cidrs = msg->n_deny,
                                           .lists = msg->deny_lists,
                                           .n_lists = msg->n_deny_lists,
                                           .before = msg->allow_lists,
                                           .n_before = msg->n_allow_lists};
    bool allows = allow.n_cidrs || allow.n_lists, denies = deny.n_cidrs || deny.n_lists;
    if (!allows && !denies) {
        sp_doc_err(doc, diag, msg, NULL, -1,
                   "it has neither allow nor deny and would let everyone in (set one, or allow_lists or deny_lists)");
        return false;
    }
    if (allows)
        g->allow = sp_address_set_new(doc, diag, "accept", scope, &allow);
    if (denies)
        g->deny = sp_address_set_new(doc, diag, "accept", scope, &deny);
    return !g->allow == !allows && !g->deny == !denies;
}

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
    return sets_init(g, doc, diag, msg, scope) && good;
}

void sp_ip_gate_done(struct sp_ip_gate *g)
{
    sp_address_set_free(g->allow);
    sp_address_set_free(g->deny);
    *g = (struct sp_ip_gate){0};
}

static void log_denial(bool enforced, const struct sp_addr *peer, struct sp_str where, const char *why,
                       struct sp_str list)
{
    char text[SP_ADDR_TEXT_MAX];
    sp_addr_format_ip(peer, text);
    sp_log_limited(SP_LOG_INFO, "listener", LOG_BURST, "%.*s: %s %s: %s%s%.*s", SP_STR_ARG(where),
                   enforced ? "ip_restriction denied" : "ip_restriction would deny", text, why,
                   list.len ? " of " : "", SP_STR_ARG(list));
}

bool sp_ip_gate_admit(const struct sp_ip_gate *g, const struct sp_addr *peer, struct sp_str where)
{
    assert(g && peer);
    struct sp_cidr range;
    struct sp_str list = SP_STR("");
    char why[SP_ADDR_TEXT_MAX + 16] = "not in allow";
    if (g->deny && sp_address_set_find(g->deny, peer, &range, &list)) {
        memcpy(why, "in ", 3);
        sp_cidr_format(&range, why + 3);
    } else if (!g->allow || sp_address_set_find(g->allow, peer, NULL, NULL)) {
        sp_counter_inc(g->allowed);
        return true;
    }
    bool enforced = !g->shadow && sp_sample_has(&g->sample, peer);
    log_denial(enforced, peer, where, why, list);
    sp_counter_inc(enforced ? g->denied : g->shadow_denied);
    return !enforced;
}
