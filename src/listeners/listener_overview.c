/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listeners/listener_overview.h"

#include <assert.h>

#include "base/json.h"
#include "listeners/listener_impl.h"
#include "stats/read.h"

static json_int_t count(struct sp_counter c)
{
    return c.cell ? (json_int_t)sp_counter_value(c) : 0; /* cell 0 is what counters that nobody made have in common */
}

static json_int_t gauge(struct sp_gauge g)
{
    return (json_int_t)SP_MAX((int64_t)sp_gauge_value(g), 0);
}

/* Why connections were refused or failed, those that are not 0. */
static json_t *refusals(const struct sp_listener *l)
{
    const struct sp_listener_stats *s = &l->stats;
    json_int_t denied = 0, chain_limit = 0;
    json_t *j = json_object();
    for (unsigned i = 0; i < l->n_gates; i++)
        denied += count(l->gates[i].denied);
    for (unsigned i = 0; i < l->n_chains; i++)
        chain_limit += count(l->chains[i].limited);
    const struct {
        const char *why;
        json_int_t n;
    } all[] = {
        {"ip_restriction", denied},
        {"connection_limit", count(s->cx_overflow)},
        {"global_connection_limit", count(s->global_cx_overflow)},
        {"chain_connection_limit", chain_limit},
        {"overload", count(s->cx_overload_reject)},
        {"rate_limit", l->rated ? count(l->rate.rate_limited) : 0},
        {"no_filter_chain", count(s->no_filter_chain_match)},
        {"silent", count(s->pre_cx_timeout)},
        {"tls_timeout", count(s->connect_timeout)},
        {"tls_no_certificate", count(s->ssl.fail_verify_no_cert)},
        {"tls_certificate", count(s->ssl.fail_verify_error) + count(s->ssl.fail_verify_san) + count(s->ssl.fail_verify_cert_hash)},
        {"tls_error", count(s->ssl.connection_error)},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(all); i++)
        if (all[i].n)
            json_object_set_new(j, all[i].why, json_integer(all[i].n));
    return j;
}

static json_t *tls_of(const struct sp_tls_stats *s)
{
    json_t *by_version = json_object();
    for (int i = 0; i < SP_TLS_VERSIONS; i++) {
        struct sp_counter c = {atomic_load_explicit(&s->versions[i], memory_order_relaxed)};
        json_object_set_new(by_version, sp_tls_stats_version(i), json_integer(c.cell ? count(c) : 0));
    }
    return json_pack("{s:I, s:I, s:o}", "handshakes", count(s->handshake), "resumed", count(s->session_reused), "versions", by_version);
}

static json_t *chains(const struct sp_listener *l)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < l->n_chains; i++) {
        const struct sp_filter_chain *c = &l->chains[i];
        json_array_append_new(list, json_pack("{s:o, s:b, s:o}", "name", sp_json_text(c->name), "tls", c->tls != NULL, "connection_manager",
                                              c->hcm ? sp_json_text(sp_hcm_stat_prefix(c->hcm)) : json_null()));
    }
    return list;
}

json_t *sp_listener_overview(const struct sp_listener *l)
{
    assert(l);
    const struct sp_listener_stats *s = &l->stats;
    json_t *cx = json_pack("{s:I, s:I, s:I}", "active", gauge(s->cx_active), "total", count(s->cx_total), "waiting", gauge(s->pre_cx_active));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "name", sp_json_text(l->name), "connections", cx, "refused", refusals(l), "tls",
                     tls_of(&s->ssl), "filter_chains", chains(l));
}

struct sp_str sp_listener_stats_prefix(const struct sp_listener *l)
{
    assert(l && l->stats.scope);
    return sp_stats_scope_prefix(l->stats.scope);
}

void sp_listener_managers(const struct sp_listener *l, void (*each)(void *arg, struct sp_str stat_prefix), void *arg)
{
    assert(l && each);
    for (unsigned i = 0; i < l->n_chains; i++)
        if (l->chains[i].hcm)
            each(arg, sp_hcm_stat_prefix(l->chains[i].hcm));
}
