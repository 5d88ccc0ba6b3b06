/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands between the gates and the filters (sanitising, the route), and before the terminal filter (answers that
 * the route gives itself); header changes of routes.
 */
#include <assert.h>

#include "stream/chain_route.h"
#include "stream/config_meta.h"
#include "stream/hcm_upgrades.h"
#include "stream/header_ops.h"
#include "stream/local_reply.h"
#include "stream/max_forwards.h"
#include "stream/sanitize.h"
#include "stream/server_span.h"
#include "stream/stream_impl.h"

static bool answer(struct sp_stream *s, unsigned status, struct sp_str details, uint32_t flags)
{
    sp_chain_reply(&s->chain, &(struct sp_reply){.status = status, .details = details, .flags = flags});
    return false;
}

static bool answer_location(struct sp_stream *s, unsigned status, struct sp_str location, struct sp_str details)
{
    struct sp_header *line = sp_arena_zalloc(s->chain.arena, sizeof(*line));
    *line = (struct sp_header){.name = SP_STR("location"), .value = location, .id = SP_H_LOCATION};
    sp_chain_reply(&s->chain,
                   &(struct sp_reply){.status = status, .details = details, .headers = line, .n_headers = 1});
    return false;
}

static bool refuse_upgrade(struct sp_stream *s)
{
    s->close = true; /* what comes behind the head may be no HTTP */
    sp_counter_inc(s->hcm->stats.rq_upgrade_refused);
    return answer(s, 403, SP_STR("upgrade_failed"), 0);
}

/* A path that begins with two slashes would name another host: such a redirect says which host it means. */
static bool redirect_path(struct sp_stream *s, const struct sp_headers *h)
{
    struct sp_str location = h->path;
    if (h->path.len > 1 && (h->path.ptr[1] == '/' || h->path.ptr[1] == '\\'))
        location = sp_arena_printf(s->chain.arena, "%.*s://%.*s%.*s", SP_STR_ARG(h->scheme), SP_STR_ARG(h->authority),
                                   SP_STR_ARG(h->path));
    sp_counter_inc(s->hcm->stats.rq_path_redirect);
    return answer_location(s, 307, location, SP_STR("path_normalization_failed"));
}

/* The gates let the request pass: from here on CLIENT is what it will be, and the head says only what we believe. */
static void settle_client(struct sp_stream *s, struct sp_headers *h)
{
    const struct sp_hcm *hcm = s->hcm;
    struct sp_stream_info *info = &s->info;
    bool stranger = hcm->proof_gate && !info->proven, by_gate = info->client_derived || info->client_failed;
    if (stranger)
        sp_client_stranger(&info->conn->peer, &s->client);
    else if (hcm->proof_gate && by_gate)
        sp_client_proven(&hcm->client, &info->client, &s->client);
    else if (hcm->proof_gate)
        sp_client_find(&hcm->client, &info->conn->peer, h, &s->client);
    if (stranger || (hcm->proof_gate && !by_gate)) {
        info->client = s->client.addr;
        info->client_derived = s->client.derived;
        info->client_failed = s->client.failed;
    }
    sp_sanitize_request(hcm, info, &s->client, h);
    if (SP_UNLIKELY(info->early)) /* RFC 8470 section 5.1; one that came along says the same */
        sp_headers_set(h, SP_STR("early-data"), SP_STR("1"));
    if (s->redirected)
        sp_stream_redirect_settle(s, h);
    info->match_upstream_scheme = hcm->match_upstream_scheme;
    if (hcm->scheme.len) {
        h->scheme = hcm->scheme;
        sp_headers_set_id(h, SP_H_X_FORWARDED_PROTO, hcm->scheme);
    }
    const struct sp_format_input in = {.info = info, .request = h, .now_ns = s->owner->turn->now_ns};
    for (unsigned i = 0; i < hcm->n_early; i++)
        sp_mutations_apply(hcm->early[i], h, &in);
}

/* VirtualHost.require_tls. */
static bool lacks_tls(const struct sp_stream *s, const struct sp_vhost *vhost, const struct sp_headers *h)
{
    if (!vhost->require_tls || (vhost->require_tls == 1 && s->client.internal))
        return false;
    return !sp_str_ieq(sp_headers_get_id(h, SP_H_X_FORWARDED_PROTO), SP_STR("https"));
}

static bool demand_tls(struct sp_stream *s, const struct sp_headers *h)
{
    struct sp_str location = sp_arena_printf(s->chain.arena, "https://%.*s%.*s", SP_STR_ARG(h->authority),
                                             SP_STR_ARG(h->path));
    sp_counter_inc(s->hcm->stats.routed);
    sp_counter_inc(s->hcm->stats.redirect);
    return answer_location(s, 301, location, SP_STR("direct_response"));
}

static bool no_route(struct sp_stream *s)
{
    sp_counter_inc(s->hcm->stats.routed);
    sp_counter_inc(s->hcm->stats.no_route);
    sp_chain_reply(&s->chain, &(struct sp_reply){.status = s->hcm->no_route.status, .details = SP_STR("route_not_found"),
                                                 .flags = SP_FLAG_NR, .reset = s->hcm->no_route.reset});
    return false;
}

/* Its host as a ClientHello would name it: an address it would not. False: longer than a name can be. */
static bool server_name(struct sp_str authority, char out[256], struct sp_str *ret)
{
    struct sp_addr addr;
    ptrdiff_t colon = sp_str_chr(authority, ':');
    struct sp_str host = sp_str_starts(authority, SP_STR("[")) || colon < 0 ? authority : sp_str_sub(authority, 0, (size_t)colon);
    if (host.len && host.ptr[host.len - 1] == '.')
        host.len--;
    if (host.len > 255)
        return false;
    for (size_t i = 0; i < host.len; i++)
        out[i] = sp_ascii_lower(host.ptr[i]);
    bool address = sp_str_starts(host, SP_STR("[")) || sp_addr_parse_ip(host, &addr) == 0;
    *ret = sp_str_n(out, address ? 0 : host.len);
    return true;
}

bool sp_stream_is_misdirected(const struct sp_stream *s, const struct sp_headers *h)
{
    const struct sp_hcm_place *p = &s->hcm->place;
    const struct sp_conn_info *conn = s->info.conn;
    char text[256];
    struct sp_str name;
    if (sp_is_connect(h)) /* it names the tunnel's other end, not us */
        return false;
    if (SP_LIKELY(!p->elsewhere) || !conn->tls_used || !server_name(h->authority, text, &name) || sp_str_ieq(name, conn->tls->sni))
        return false;
    return p->elsewhere(p->listener, p->chain, conn, name);
}

static bool answer_misdirected(struct sp_stream *s)
{
    sp_counter_inc(s->hcm->stats.rq_misdirected);
    sp_chain_reply(&s->chain, &(struct sp_reply){.status = 421, .details = SP_STR("misdirected_request")});
    return false;
}

/* RFC 8470 section 5.2: its client asks again once the handshake is done. */
static bool answer_too_early(struct sp_stream *s)
{
    sp_counter_inc(s->hcm->stats.rq_too_early);
    return answer(s, 425, SP_STR("too_early"), 0);
}

static bool answer_unrouted(struct sp_stream *s, const struct sp_headers *h)
{
    return s->wants_tls ? demand_tls(s, h) : no_route(s);
}

/* Once it is known how the route has it, if there is one. */
static void begin_span(struct sp_stream *s)
{
    if (SP_UNLIKELY(s->hcm->tracing != NULL) && !s->info.span)
        sp_server_span_begin(s, s->chain.head[SP_DECODE]);
}

/* There is no route to go by: filters that need none are asked first, the others are left out. */
static bool unrouted(struct sp_stream *s, const struct sp_headers *h)
{
    struct sp_chain *c = &s->chain;
    begin_span(s);
    if (c->plan->n_early == c->plan->n_gates)
        return answer_unrouted(s, h);
    s->unrouted = true;
    c->skip = c->plan->disabled | ~0ull << c->plan->n_early;
    return true;
}

/* Times that the route sets. */
static void adopt_limits(struct sp_stream *s, const struct sp_route *r)
{
    uint64_t idle = r->has_idle_timeout ? r->idle_timeout_ns : s->hcm->idle_ns;
    uint64_t max = r->has_max_stream_duration ? r->max_stream_duration_ns : s->hcm->max_duration_ns;
    uint64_t asked;
    struct sp_headers *h = s->chain.head[SP_DECODE];
    if (r->has_grpc_stream && sp_grpc_timeout(h, &asked))
        max = SP_MAX(sp_grpc_limit(asked, r->grpc_stream_max_ns, r->grpc_stream_offset_ns), 1u);
    if (r->has_grpc_stream && max && sp_is_grpc(h)) /* the origin is told what holds */
        sp_headers_set(h, SP_STR("grpc-timeout"), sp_grpc_timeout_value(s->chain.arena, max));
    uint64_t due = max ? s->info.start_ns + max : 0;
    if (idle == s->idle_ns && due == s->max_due_ns)
        return;
    s->idle_ns = idle;
    s->max_due_ns = due;
    sp_stream_arm(s);
}

/* Whether the request may become a tunnel here, and with which filters. */
static bool settle_upgrade(struct sp_stream *s, const struct sp_headers *h)
{
    struct sp_chain *c = &s->chain;
    uint8_t group;
    bool connect = sp_is_connect(h);
    /* HTTP/2 may end such a request at once: a WebSocket that nothing can be said in. */
    if ((c->request_end && !connect) || connect != sp_str_ieq(h->protocol, SP_CONNECT))
        return false;
    if (!sp_hcm_upgrade_allowed(s->hcm, c->route, h->protocol, &group))
        return false;
    c->group = group;
    if (c->upgrade)
        return true; /* matched anew */
    c->upgrade = true;
    sp_counter_inc(s->hcm->stats.upgrades);
    sp_gauge_inc(s->hcm->stats.upgrades_active);
    return true;
}

/* For RouteMatch.tls_context. */
static void note_certificate(const struct sp_stream *s, struct sp_headers *h)
{
    const struct sp_client_cert *cert = sp_info_cert(&s->info);
    h->cert_presented = cert->der.len;
    h->cert_validated = cert->der.len && cert->tls->peer_verified;
}

/* The route is as good as the head: header look-ups happen once a match. False: the request was answered. */
static bool match(struct sp_stream *s, const struct sp_headers *h)
{
    struct sp_chain *c = &s->chain;
    bool first = !c->route;
    c->route = NULL;
    c->weighted = NULL;
    if (first && sp_stream_is_misdirected(s, h))
        return answer_misdirected(s);
    struct sp_str host = SP_UNLIKELY(sp_is_connect(h)) ? sp_stream_host(s, h->authority) : h->authority;
    const struct sp_vhost *vhost = sp_route_vhost(s->hcm->routes, host);
    if (!vhost)
        return unrouted(s, h);
    s->info.vhost_name = vhost->name;
    sp_config_meta_note(&s->info, c->arena, SP_META_VHOST, vhost->metadata);
    s->wants_tls = first && lacks_tls(s, vhost, h);
    if (s->wants_tls)
        return unrouted(s, h);
    note_certificate(s, c->head[SP_DECODE]);
    c->route = sp_route_find(vhost, h, s->random);
    if (!c->route)
        return first ? unrouted(s, h) : no_route(s);
    s->info.route_name = c->route->name;
    sp_config_meta_note(&s->info, c->arena, SP_META_ROUTE, c->route->metadata);
    begin_span(s);
    if (c->route->n_weighted) {
        struct sp_str name;
        sp_route_pick_cluster(c->route, h, s->random, NULL, NULL, &name, &c->weighted);
    }
    if (h->protocol.len && !settle_upgrade(s, h)) {
        refuse_upgrade(s);
        return false;
    }
    if (first) { /* which filters run is decided once */
        c->skip = sp_chain_disabled(c);
        sp_chain_sanitize(c, c->head[SP_DECODE]);
    }
    adopt_limits(s, c->route);
    return true;
}

/* True: the request goes on. TRACE would show whoever can ask what was added on its way here: it is not answered with that. */
static bool forwards(struct sp_stream *s, struct sp_headers *h)
{
    switch (sp_max_forwards(h)) {
    case SP_FORWARDS_GO:
        return true;
    case SP_FORWARDS_LAST:
        return answer(s, h->method.ptr[0] == 'O' ? 200 : 501, SP_STR("max_forwards_reached"), 0);
    case SP_FORWARDS_BAD:
        break;
    }
    return answer(s, 400, SP_STR("invalid_max_forwards"), 0);
}

bool sp_stream_on_route(struct sp_chain *c)
{
    struct sp_stream *s = sp_stream_of(c);
    struct sp_headers *h = c->head[SP_DECODE];
    if (!s->gates_passed) {
        s->gates_passed = true;
        settle_client(s, h);
        if (s->client.reject) {
            sp_counter_inc(s->hcm->stats.rq_ip_rejected);
            return answer(s, s->client.reject, SP_STR("rejecting_because_detection_failed"), 0);
        }
        if (SP_UNLIKELY(s->info.early == SP_EARLY_TOO_SOON))
            return answer_too_early(s);
        if (s->path_redirect)
            return redirect_path(s, h);
        if (!forwards(s, h))
            return false;
    }
    return match(s, h);
}

bool sp_stream_on_terminal(struct sp_chain *c)
{
    struct sp_stream *s = sp_stream_of(c);
    const struct sp_route *r = c->route;
    if (s->unrouted)
        return answer_unrouted(s, c->head[SP_DECODE]);
    if (s->redirected && !sp_stream_redirect_accepted(s))
        return answer(s, 502, SP_STR("internal_redirect_refused"), 0);
    if (r->kind == SP_ROUTE_CLUSTER)
        return true;
    unsigned status = r->direct_status;
    struct sp_str location = SP_STR_NULL;
    if (r->kind == SP_ROUTE_REDIRECT)
        location = sp_route_redirect(r, c->head[SP_DECODE], &status);
    sp_counter_inc(s->hcm->stats.routed);
    sp_counter_inc(status / 100 == 3 ? s->hcm->stats.redirect : s->hcm->stats.direct_response);
    s->route_answers = true;
    if (r->kind == SP_ROUTE_REDIRECT && !location.ptr) /* a regular expression hit its limit, or made no path */
        return answer(s, status, SP_STR("redirect_rewrite_failed"), 0);
    if (r->kind == SP_ROUTE_REDIRECT)
        return answer_location(s, status, location, SP_STR("direct_response"));
    sp_chain_reply(c, &(struct sp_reply){.status = status, .body = r->direct_body,
                                         .details = SP_STR("direct_response")});
    return false;
}

/* --- header changes --- */

typedef void apply_fn(const struct sp_header_ops *ops, struct sp_headers *h, const struct sp_format_input *in);

/*
 * The weighted cluster's always come first. Of the others the last one wins: the table's, or with
 * most_specific_header_mutations_wins the route's.
 */
static void apply(struct sp_stream *s, apply_fn *fn, struct sp_headers *h)
{
    const struct sp_chain *c = &s->chain;
    const struct sp_vhost *vhost = c->route->vhost;
    const struct sp_header_ops *ops[4] = {c->weighted ? c->weighted->header_ops : NULL, c->route->header_ops,
                                          vhost->header_ops, sp_route_table_header_ops(vhost->table)};
    if (!ops[0] && !ops[1] && !ops[2] && !ops[3])
        return;
    if (sp_route_table_most_specific_wins(vhost->table)) {
        const struct sp_header_ops *route = ops[1];
        ops[1] = ops[3];
        ops[3] = route;
    }
    const struct sp_format_input in = {.info = &s->info, .request = c->head[SP_DECODE], .response = c->head[SP_ENCODE],
                                       .now_ns = s->owner->turn->now_ns};
    for (unsigned i = 0; i < 4; i++)
        if (ops[i])
            fn(ops[i], h, &in);
}

void sp_stream_finalize_request(struct sp_filter *f, const struct sp_weighted_cluster *w)
{
    assert(f && f->chain && f->chain->stream && f->chain->head[SP_DECODE]);
    if (w)
        f->chain->weighted = w;
    if (f->chain->route)
        apply(f->chain->stream, sp_header_ops_request, f->chain->head[SP_DECODE]);
}

void sp_stream_response_ops(struct sp_stream *s, struct sp_headers *h)
{
    assert(s && s->chain.route);
    apply(s, sp_header_ops_response, h);
}
