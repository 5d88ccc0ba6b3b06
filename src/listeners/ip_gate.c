/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listeners/ip_gate.h"

#include <assert.h>

#include "base/log.h"

typedef Sallyport__Filters__Listener__IpRestriction__V1__IpRestriction Message;

enum { LOG_BURST = 5 };

static struct sp_cidr_table *read_list(const struct sp_doc *doc, struct sp_diag *diag, const Message *msg,
                                       const char *field, char **list, size_t n, bool *good)
{
    if (!n)
        return NULL;
    struct sp_cidr_table *t = sp_cidr_table_new();
    for (size_t i = 0; i < n; i++) {
        struct sp_cidr c;
        const char *why;
        if (sp_cidr_parse(sp_str_c(list[i]), &c, &why)) {
            sp_doc_err(doc, diag, msg, field, (int)i, "%s", why);
            *good = false;
            continue;
        }
        sp_cidr_table_add(t, &c, 0);
    }
    sp_cidr_table_build(t);
    return t;
}

bool sp_ip_gate_init(struct sp_ip_gate *g, const struct sp_doc *doc, struct sp_diag *diag, const Message *msg,
                     struct sp_stats_scope *listener_scope)
{
    assert(g && doc && diag && msg && listener_scope);
    bool good = true;
    *g = (struct sp_ip_gate){.shadow = msg->enforcement == SALLYPORT__COMMON__V1__ENFORCEMENT__SHADOW};
    sp_sample_init(&g->sample, msg->enforced_percent ? msg->enforced_percent->value : 100, SP_STR("listener"),
                   SP_STR("ip_restriction"));
    if (!msg->n_allow && !msg->n_deny) {
        sp_doc_err(doc, diag, msg, NULL, -1, "it has neither allow nor deny and would let everyone in (set one)");
        good = false;
    }
    g->allow = read_list(doc, diag, msg, "allow", msg->allow, msg->n_allow, &good);
    g->deny = read_list(doc, diag, msg, "deny", msg->deny, msg->n_deny, &good);
    struct sp_stats_scope *scope = sp_stats_scope(listener_scope, SP_STR("ip_restriction"), NULL, SP_STR_NULL);
    g->allowed = sp_stats_counter(scope, SP_STR("allowed"));
    g->denied = sp_stats_counter(scope, SP_STR("denied"));
    g->shadow_denied = sp_stats_counter(scope, SP_STR("shadow_denied"));
    return good;
}

void sp_ip_gate_done(struct sp_ip_gate *g)
{
    sp_cidr_table_free(g->allow);
    sp_cidr_table_free(g->deny);
    *g = (struct sp_ip_gate){0};
}

static void log_denial(bool enforced, const struct sp_addr *peer, struct sp_str where, const char *why)
{
    char text[SP_ADDR_TEXT_MAX];
    sp_addr_format_ip(peer, text);
    sp_log_limited(SP_LOG_INFO, "listener", LOG_BURST, "%.*s: %s %s: %s", SP_STR_ARG(where),
                   enforced ? "ip_restriction denied" : "ip_restriction would deny", text, why);
}

bool sp_ip_gate_admit(const struct sp_ip_gate *g, const struct sp_addr *peer, struct sp_str where)
{
    assert(g && peer);
    struct sp_cidr range;
    char why[SP_ADDR_TEXT_MAX + 16] = "not in allow";
    if (g->deny && sp_cidr_table_find(g->deny, peer, &range, NULL)) {
        memcpy(why, "in ", 3);
        sp_cidr_format(&range, why + 3);
    } else if (!g->allow || sp_cidr_table_find(g->allow, peer, NULL, NULL)) {
        sp_counter_inc(g->allowed);
        return true;
    }
    bool enforced = !g->shadow && sp_sample_has(&g->sample, peer);
    log_denial(enforced, peer, where, why);
    sp_counter_inc(enforced ? g->denied : g->shadow_denied);
    return !enforced;
}
