/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listeners/whatif.h"

#include <assert.h>

#include "listeners/listener_impl.h"

bool sp_whatif_proxied(const struct sp_listener *l, bool *ret_optional)
{
    assert(l && ret_optional);
    *ret_optional = l->proxy.optional;
    return l->proxy.set;
}

bool sp_whatif_inspects(const struct sp_listener *l)
{
    assert(l);
    return l->inspect;
}

unsigned sp_whatif_gates(const struct sp_listener *l)
{
    assert(l);
    return l->n_gates;
}

void sp_whatif_gate(const struct sp_listener *l, unsigned i, const struct sp_client_whatif *c, struct sp_gate_whatif *ret)
{
    assert(l && i < l->n_gates && c && ret);
    const struct sp_ip_gate *g = &l->gates[i];
    const struct sp_addr *a = g->peer ? &c->peer : &c->socket;
    *ret = (struct sp_gate_whatif){.peer = g->peer};
    ret->admits = sp_address_rules_admit(&g->rules, a, &ret->range, &ret->list);
    ret->enforced = !g->shadow && sp_sample_has(&g->sample, a);
}

void sp_whatif_chain(const struct sp_listener *l, const struct sp_client_whatif *c, struct sp_chain_whatif *ret)
{
    assert(l && c && ret);
    struct sp_chain_input in = {.local = &c->local, .direct = &c->socket, .peer = &c->peer};
    if (c->tls && l->inspect) { /* else nobody looks before the choice */
        in.tls = true;
        in.sni = c->sni;
        in.alpn = c->alpn;
        in.n_alpn = c->n_alpn;
    }
    const struct sp_filter_chain *chain = sp_chain_match_find(l->match, &in);
    *ret = (struct sp_chain_whatif){.fallback = !chain};
    if (!chain)
        chain = l->fallback;
    if (!chain)
        return;
    ret->found = true;
    ret->index = (unsigned)(chain - l->chains);
    ret->name = chain->name;
    ret->tls = chain->tls != NULL;
    ret->ocsp = chain->ocsp != NULL;
    ret->limited = chain->limit.count != NULL;
    ret->hcm = chain->hcm;
    ret->tls_ctx = chain->tls;
}

bool sp_whatif_any_tls(const struct sp_listener *l)
{
    assert(l);
    for (unsigned i = 0; i < l->n_chains; i++)
        if (l->chains[i].tls)
            return true;
    return false;
}
