/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/socket_match.h"

#include <assert.h>

typedef Envoy__Config__Cluster__V3__Cluster cluster_msg;

static struct sp_counter counter_of(struct sp_stats_scope *scope, struct sp_str name)
{
    return sp_stats_counter(sp_stats_scope(scope, name, NULL, SP_STR_NULL), SP_STR("total_match_count"));
}

void sp_socket_matches_init(struct sp_socket_matches *m, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                            const cluster_msg *msg, const struct sp_cluster_options *own, struct sp_stats_scope *scope)
{
    assert(m && own && arena && doc && diag && msg && scope);
    bool for_all = false; /* one of them is */
    *m = (struct sp_socket_matches){0};
    if (!msg->n_transport_socket_matches)
        return;
    m->v = sp_arena_zalloc(arena, msg->n_transport_socket_matches * sizeof(*m->v));
    m->fallback = counter_of(scope, SP_STR("default"));
    for (size_t i = 0; i < msg->n_transport_socket_matches; i++) {
        const Envoy__Config__Cluster__V3__Cluster__TransportSocketMatch *t = msg->transport_socket_matches[i];
        struct sp_socket_match *x = &m->v[m->n++];
        x->name = sp_arena_str(arena, sp_str_c(t->name));
        if (t->match) {
            x->v = sp_criteria_read(arena, t->match);
            x->n = (unsigned)t->match->n_fields;
        }
        x->matched = counter_of(scope, x->name);
        if (!t->transport_socket)
            sp_doc_err(doc, diag, t, "transport_socket", -1, "required, but missing (add it; for plain text a RawBuffer)");
        cluster_msg *with = sp_doc_derive(doc, msg, &envoy__config__cluster__v3__cluster__descriptor);
        with->transport_socket = t->transport_socket;
        sp_cluster_options_init(&x->options, arena, doc, diag, with);
        if (x->options.proxy.version || own->proxy.version) /* which is written before the host is known */
            sp_doc_err(doc, diag, t, "transport_socket", -1,
                       "PROXY headers are for all hosts of a cluster or for none (take ProxyProtocolUpstreamTransport out, or use a cluster of its own)");
        for_all = for_all || !x->n;
    }
    if (!msg->transport_socket && !for_all && sp_socket_matches_tls(m))
        sp_doc_warn(doc, diag, msg, "transport_socket_matches", -1,
                    "hosts that none of them matches get plain text (set transport_socket; if plain text is meant, to a RawBuffer)");
}

void sp_socket_matches_use(const struct sp_socket_matches *m, const struct sp_doc *doc)
{
    assert(m);
    for (unsigned i = 0; i < m->n; i++)
        sp_cluster_options_use(&m->v[i].options, doc);
}

void sp_socket_matches_done(struct sp_socket_matches *m)
{
    assert(m);
    for (unsigned i = 0; i < m->n; i++)
        sp_cluster_options_done(&m->v[i].options);
    m->n = 0;
}

static bool has_all(const struct sp_socket_match *x, const struct sp_endpoint_meta *meta)
{
    return meta ? sp_meta_has(&meta->socket, x->v, x->n, false) : !x->n;
}

static unsigned find(const struct sp_socket_matches *m, const struct sp_endpoint_meta *meta)
{
    for (unsigned i = 0; i < m->n; i++)
        if (has_all(&m->v[i], meta))
            return i + 1;
    return SP_SOCKET_DEFAULT;
}

unsigned sp_socket_matches_choose(const struct sp_socket_matches *m, const struct sp_endpoint_meta *host, const struct sp_endpoint_meta *locality)
{
    assert(m);
    if (SP_LIKELY(!m->n))
        return SP_SOCKET_DEFAULT;
    unsigned at = find(m, host);
    if (at == SP_SOCKET_DEFAULT)
        at = find(m, locality);
    return at;
}

void sp_socket_matches_count(const struct sp_socket_matches *m, unsigned at)
{
    assert(m && at <= m->n);
    if (SP_UNLIKELY(m->n))
        sp_counter_inc(at ? m->v[at - 1].matched : m->fallback);
}

unsigned sp_socket_matches_by(const struct sp_socket_matches *m, const Google__Protobuf__Struct *criteria)
{
    assert(m && criteria);
    struct sp_endpoint_meta *meta = sp_endpoint_meta_of_socket(criteria);
    unsigned at = find(m, meta);
    sp_endpoint_meta_unref(meta);
    return at;
}

const struct sp_cluster_options *sp_socket_matches_options(const struct sp_socket_matches *m, const struct sp_cluster_options *own, unsigned at)
{
    assert(m && own && at <= m->n);
    return at ? &m->v[at - 1].options : own;
}

bool sp_socket_matches_tls(const struct sp_socket_matches *m)
{
    assert(m);
    for (unsigned i = 0; i < m->n; i++)
        if (m->v[i].options.tls)
            return true;
    return false;
}

bool sp_socket_matches_plain(const struct sp_socket_matches *m)
{
    assert(m);
    for (unsigned i = 0; i < m->n; i++)
        if (!m->v[i].options.tls)
            return true;
    return false;
}
