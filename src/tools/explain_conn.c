/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/explain_conn.h"

#include <assert.h>


/* --- which listener --- */

static struct sp_listener *by_port(const struct sp_config *config, uint16_t port)
{
    for (unsigned i = 0; i < config->n_listeners; i++)
        if (sp_listener_addr(config->listeners[i])->port == port)
            return config->listeners[i];
    return NULL;
}

static struct sp_listener *by_name(const struct sp_config *config, const char *name)
{
    for (unsigned i = 0; i < config->n_listeners; i++)
        if (sp_str_eq(sp_listener_name(config->listeners[i]), sp_str_c(name)))
            return config->listeners[i];
    return NULL;
}

static struct sp_listener *by_scheme(const struct sp_config *config, bool tls)
{
    for (unsigned i = 0; i < config->n_listeners; i++)
        if (sp_whatif_any_tls(config->listeners[i]) == tls)
            return config->listeners[i];
    return NULL;
}

static const struct sp_listener *pick(const struct sp_explain_args *a, const struct sp_config *config, const char **ret_why)
{
    const struct sp_listener *l;
    *ret_why = "--listener names it";
    if (a->listener)
        return by_name(config, a->listener);
    *ret_why = "it has the URL's port";
    if ((l = by_port(config, a->port ? a->port : a->https ? 443 : 80)) != NULL)
        return l;
    *ret_why = "it is the only listener";
    if (config->n_listeners == 1)
        return config->listeners[0];
    *ret_why = a->https ? "no listener has the URL's port; it is the first that speaks TLS"
                        : "no listener has the URL's port; it is the first without TLS";
    return by_scheme(config, a->https);
}

static bool find_listener(struct sp_explain_conn *c, const struct sp_config *config)
{
    const char *why;
    c->listener = pick(c->args, config, &why);
    if (!c->listener) {
        sp_report_verdict(c->report, SP_EXPLAIN_REFUSED, "refused", "no listener is meant (--listener NAME says which)");
        return false;
    }
    char text[SP_ADDR_TEXT_MAX];
    sp_addr_format(sp_listener_addr(c->listener), text);
    for (unsigned i = 0; config->bootstrap->static_resources && i < config->n_listeners; i++)
        if (config->listeners[i] == c->listener)
            c->places.listener = config->bootstrap->static_resources->listeners[i];
    json_t *step = sp_report_step(c->report, "listener", sp_listener_name(c->listener), "chosen", "%s", why);
    sp_report_set(step, "address", sp_str_c(text));
    sp_report_place(c->report, step, c->places.listener, NULL, -1);
    return true;
}

/* --- gates --- */

static void refused(struct sp_explain_conn *c, const char *what)
{
    sp_report_verdict(c->report, SP_EXPLAIN_REFUSED, "reset", "%s", what);
}

static const char *gate_why(const struct sp_gate_whatif *g, const struct sp_addr *a, struct sp_arena *arena)
{
    char range[SP_ADDR_TEXT_MAX], text[SP_ADDR_TEXT_MAX];
    sp_addr_ip_text(a, text);
    if (g->admits)
        return sp_arena_printf(arena, "%s %s may connect", g->peer ? "PEER" : "SOCKET", text).ptr;
    if (!g->range.family)
        return sp_arena_printf(arena, "%s is not in allow", text).ptr;
    sp_cidr_format(&g->range, range);
    return sp_arena_printf(arena, "%s is in %s of deny%s%.*s", text, range, g->list.len ? ", list " : "", SP_STR_ARG(g->list)).ptr;
}

static bool one_gate(struct sp_explain_conn *c, unsigned i, const struct sp_client_whatif *client)
{
    struct sp_gate_whatif g;
    sp_whatif_gate(c->listener, i, client, &g);
    bool passes = g.admits || !g.enforced;
    json_t *step = sp_report_step(c->report, "gate", SP_STR("ip_restriction"), passes ? "passes" : "refuses", "%s%s",
                                  gate_why(&g, g.peer ? &client->peer : &client->socket, &c->report->arena),
                                  !g.admits && passes ? "; on trial: let in all the same" : "");
    sp_report_place(c->report, step, sp_places_gate(&c->places, i), NULL, -1);
    if (!passes)
        refused(c, g.peer ? "the connection is reset behind its PROXY header, before TLS" : "the connection is reset at accept, before TLS");
    return passes;
}

static bool gates(struct sp_explain_conn *c, const struct sp_client_whatif *client, bool peer)
{
    struct sp_gate_whatif g;
    for (unsigned i = 0; i < sp_whatif_gates(c->listener); i++) {
        sp_whatif_gate(c->listener, i, client, &g);
        if (g.peer == peer && !one_gate(c, i, client))
            return false;
    }
    return true;
}

/* What stands before all else on the connection. */
static bool proxy_header(struct sp_explain_conn *c, struct sp_client_whatif *client)
{
    bool optional = false, takes = sp_whatif_proxied(c->listener, &optional), given = c->args->proxy_from.family != 0;
    if (!takes && !given)
        return true;
    bool good = takes && (given || optional);
    char text[SP_ADDR_TEXT_MAX];
    sp_addr_format(&c->args->proxy_from, text);
    sp_report_step(c->report, "gate", SP_STR("proxy_protocol"), good ? "passes" : "refuses", "%s%s",
                   !takes  ? "this listener takes no PROXY header"
                   : given ? "the PROXY header names PEER "
                   : good  ? "no PROXY header, which may be left out here"
                           : "the PROXY header is missing (--proxy-from IP adds one)",
                   good && given ? text : "");
    if (!good)
        refused(c, "the connection is reset");
    if (good && given)
        client->peer = c->args->proxy_from;
    return good;
}

/* --- the filter chain --- */

static bool find_chain(struct sp_explain_conn *c, const struct sp_client_whatif *client)
{
    sp_whatif_chain(c->listener, client, &c->chain);
    bool inspects = sp_whatif_inspects(c->listener);
    if (!c->chain.found) {
        sp_report_step(c->report, "filter chain", SP_STR_NULL, "refuses", "none matches%s%.*s", client->sni.len ? " server name " : "",
                       SP_STR_ARG(client->sni));
        refused(c, "no filter chain matches: the connection is reset");
        return false;
    }
    sp_places_chain(&c->places, c->chain.index);
    json_t *step = sp_report_step(c->report, "filter chain", c->chain.name, "chosen", "%s",
                                  c->chain.fallback ? "no other matches: it is default_filter_chain"
                                  : inspects        ? "its filter_chain_match fits address, server name and ALPN best"
                                                    : "its filter_chain_match fits the addresses best");
    json_object_set_new(step, "index", json_integer(c->chain.index));
    sp_report_place(c->report, step, c->places.chain, NULL, -1);
    if (c->chain.limited)
        json_object_set_new(step, "limited", json_true());
    return true;
}

/* --- TLS --- */

static bool wrong_transport(struct sp_explain_conn *c)
{
    const char *what = c->chain.tls ? "the filter chain speaks TLS, the URL is http" : "the filter chain has no TLS, the URL is https";
    sp_report_step(c->report, "tls", SP_STR_NULL, "refuses", "%s", what);
    refused(c, what);
    return false;
}

static void describe_tls(struct sp_explain_conn *c)
{
    const struct sp_tls_info *t = &c->tls.info;
    json_t *step = sp_report_step(c->report, "tls", SP_STR_NULL, "passes", "%s",
                                  c->tls.n_ders && c->tls.asks  ? "the client's certificate is taken"
                                  : c->tls.n_ders               ? "the client's certificate is not asked for"
                                  : c->tls.asks                 ? "a client certificate is asked for, none will do"
                                                                : "no client certificate is asked for");
    sp_report_set(step, "version", t->version);
    sp_report_set(step, "sni", t->sni);
    sp_report_set(step, "alpn", t->alpn);
    sp_report_set(step, "server_certificate", t->local_subject);
    sp_report_set(step, "client_certificate", t->peer_subject);
    if (c->tls.peer_der.len)
        json_object_set_new(step, "client_certificate_verified", json_boolean(t->peer_verified));
    if (c->chain.ocsp && c->tls.peer_der.len)
        c->report->unless = SP_STR("an OCSP responder has to be asked whether the client's certificate stands");
}

static bool handshake(struct sp_explain_conn *c)
{
    if (c->chain.tls != c->args->https)
        return wrong_transport(c);
    if (!c->chain.tls)
        return true;
    c->tls = (struct sp_tls_whatif){.sni = c->args->sni, .alpn = c->args->alpn, .n_alpn = c->args->n_alpn,
                                    .ders = c->args->certs, .n_ders = c->args->n_certs};
    sp_tls_whatif(c->chain.tls_ctx, &c->tls);
    if (!c->tls.good) {
        sp_report_step(c->report, "tls", SP_STR_NULL, "refuses", "%s", c->tls.why);
        sp_report_verdict(c->report, SP_EXPLAIN_REFUSED, "reset", "the TLS handshake fails");
        return false;
    }
    describe_tls(c);
    c->info.tls_used = true;
    c->info.tls = c->info.cert.tls = &c->tls.info;
    c->info.cert.der = c->tls.peer_der;
    c->info.cert.others = c->tls.others;
    c->info.cert.n_others = c->tls.n_others;
    return true;
}

/* --- all of it --- */

static struct sp_addr local_of(const struct sp_explain_conn *c)
{
    struct sp_addr local = *sp_listener_addr(c->listener);
    if (c->args->to.family) {
        uint16_t port = local.port;
        local = c->args->to;
        local.port = local.port ? local.port : port;
    }
    return local;
}

bool sp_explain_connect(struct sp_explain_conn *c, const struct sp_config *config)
{
    assert(c && c->args && c->report && config);
    if (!find_listener(c, config))
        return false;
    struct sp_client_whatif client = {.socket = c->args->from, .peer = c->args->from, .local = local_of(c), .tls = c->args->https,
                                      .sni = c->args->sni, .alpn = c->args->alpn, .n_alpn = c->args->n_alpn};
    c->place.name = sp_listener_name(c->listener);
    c->info = (struct sp_conn_info){.id = 1, .socket = client.socket, .local = client.local, .tls = &sp_tls_info_none,
                                    .cert.tls = &sp_tls_info_none, .listener = &c->place};
    if (!gates(c, &client, false) || !proxy_header(c, &client) || !gates(c, &client, true))
        return false;
    c->info.peer = client.peer;
    return find_chain(c, &client) && handshake(c);
}

void sp_explain_conn_done(struct sp_explain_conn *c)
{
    sp_tls_whatif_done(&c->tls);
}
