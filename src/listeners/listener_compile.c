/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/doc_hash.h"
#include "config/struct_json.h"
#include "envoy/extensions/filters/network/connection_limit/v3/connection_limit.pb-c.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb-c.h"
#include "filters/trace_export.h"
#include "listeners/listener_filters.h"
#include "route/duration.h"
#include "stream/local_health.h"

typedef Envoy__Config__Listener__V3__Listener Message;
typedef Envoy__Config__Listener__V3__FilterChain ChainMessage;
typedef Envoy__Extensions__Filters__Network__ConnectionLimit__V3__ConnectionLimit LimitMessage;
typedef Envoy__Extensions__TransportSockets__Tls__V3__DownstreamTlsContext TlsMessage;
typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager HcmMessage;

#define LIMIT_DESC &envoy__extensions__filters__network__connection_limit__v3__connection_limit__descriptor
#define TLS_DESC &envoy__extensions__transport_sockets__tls__v3__downstream_tls_context__descriptor
#define RAW_DESC &envoy__extensions__transport_sockets__raw_buffer__v3__raw_buffer__descriptor
#define HCM_DESC \
    &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor

static const uint64_t default_first_ns = 15 * SP_NS_PER_S, default_handshake_ns = 10 * SP_NS_PER_S;
enum { DEFAULT_BUFFER = 1024 * 1024, ACCEPT_TURN = 32 };

static bool read_ip(struct sp_listener *l, const struct sp_listener_build *b,
                    const Envoy__Config__Core__V3__SocketAddress *msg)
{
    if (sp_addr_parse_ip(sp_str_c(msg->address), &l->addr)) {
        sp_doc_err(b->doc, b->diag, msg, "address", -1,
                   "not an IP address (a listener binds to one of the machine's: 0.0.0.0 or :: takes all)");
        return false;
    }
    l->addr.port = (uint16_t)msg->port_value;
    l->v4_compat = msg->ipv4_compat;
    return true;
}

static bool read_address(struct sp_listener *l, const struct sp_listener_build *b,
                         const Envoy__Config__Core__V3__Address *msg)
{
    if (msg->address_case == ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS)
        return read_ip(l, b, msg->socket_address);
    if (msg->address_case != ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE) {
        sp_doc_err(b->doc, b->diag, msg, NULL, -1, "no address (set socket_address or pipe)");
        return false;
    }
    struct sockaddr_storage ss;
    l->addr = (struct sp_addr){.family = AF_UNIX};
    l->addr.path = sp_arena_str(&l->arena, sp_str_c(msg->pipe->path)).ptr;
    l->unix_mode = msg->pipe->mode;
    if (!l->addr.path[0] || !sp_addr_to_sockaddr(&l->addr, &ss)) {
        sp_doc_err(b->doc, b->diag, msg->pipe, "path", -1, "a unix socket's path has 1 to 107 bytes");
        return false;
    }
    return true;
}

static struct sp_stats_scope *scope_of(const struct sp_listener *l, const char *stat_prefix)
{
    char text[SP_ADDR_TEXT_MAX];
    struct sp_str value = sp_str_c(stat_prefix);
    if (!value.len)
        value = sp_str_n(text, sp_addr_format(&l->addr, text));
    return sp_stats_scope_hold(sp_stats_root(), SP_STR("listener"), "envoy_listener_address", value);
}

/* A chain is its name, or what it matches, in the listener of that name: with that it keeps its TLS context, if this is equal. */
static struct sp_tls_ctx *tls_of(const struct sp_listener *l, const struct sp_listener_build *b, const ChainMessage *msg, const TlsMessage *tls)
{
    struct sp_hash whose;
    sp_doc_hash_text(b->doc, msg->name[0] ? NULL : msg->filter_chain_match, NULL, &whose);
    sp_hash_mix(&whose, sp_str_c(msg->name));
    sp_hash_mix(&whose, l->name);
    return sp_tls_ctx_server(b->doc, b->diag, tls, sp_str_n((const char *)whose.bytes, sizeof(whose.bytes)));
}

static bool read_transport(struct sp_listener *l, struct sp_filter_chain *c, const struct sp_listener_build *b,
                           const ChainMessage *msg)
{
    if (!msg->transport_socket)
        return true;
    const Google__Protobuf__Any *any = msg->transport_socket->typed_config;
    const TlsMessage *tls = sp_doc_any_as(b->doc, any, TLS_DESC);
    if (tls) {
        sp_listener_stats_tls(&l->stats);
        c->tls = tls_of(l, b, msg, tls);
        const Sallyport__Tls__V1__Ocsp *ocsp = c->tls ? sp_tls_ctx_ocsp(b->doc, tls->common_tls_context) : NULL;
        if (ocsp)
            c->ocsp = sp_ocsp_new(b->doc, b->diag, ocsp, b->find_cluster, b->ctx, l->stats.ssl.scope);
        return c->tls && (c->ocsp || !ocsp);
    }
    if (sp_doc_any_as(b->doc, any, RAW_DESC))
        return true;
    sp_doc_err(b->doc, b->diag, msg->transport_socket, "typed_config", -1,
               "no such transport for clients (DownstreamTlsContext or RawBuffer)");
    return false;
}

/* One limit at most, then the connection manager. */
static const HcmMessage *find_hcm(const struct sp_listener_build *b, const ChainMessage *msg, const LimitMessage **ret_limit)
{
    const HcmMessage *hcm = NULL;
    size_t n = msg->n_filters;
    if (n == 2)
        *ret_limit = sp_doc_any_as(b->doc, msg->filters[0]->typed_config, LIMIT_DESC);
    if (n == 1 || (n == 2 && *ret_limit))
        hcm = sp_doc_any_as(b->doc, msg->filters[n - 1]->typed_config, HCM_DESC);
    if (!hcm)
        sp_doc_err(b->doc, b->diag, msg, "filters", -1,
                   "exactly one network filter, an HttpConnectionManager, is needed (before it there may be one ConnectionLimit)");
    return hcm;
}

/* The count goes by the chain's place, so that it stays over a new config. */
static void limit_chain(struct sp_listener *l, struct sp_filter_chain *c, const LimitMessage *msg)
{
    c->limit_scope =
        sp_stats_scope_hold(sp_stats_root(), SP_STR("connection_limit"), "envoy_connection_limit_prefix", sp_str_c(msg->stat_prefix));
    struct sp_str name = sp_arena_printf(&l->arena, "%.*s\n%.*s\n%s", SP_STR_ARG(l->name), SP_STR_ARG(c->name), msg->stat_prefix);
    sp_cx_limit_init(&c->limit, name, msg->max_connections->value);
    c->limited = sp_stats_counter(c->limit_scope, SP_STR("limited_connections"));
    c->limit_active = sp_stats_gauge(c->limit_scope, SP_STR("active_connections"));
}

/* Behind the server name of one chain, with the Host of another: what guards that one has not seen the connection. */
static bool belongs_elsewhere(const void *listener, const void *chain, const struct sp_conn_info *conn, struct sp_str host)
{
    const struct sp_listener *l = listener;
    const struct sp_str alpn = conn->tls->alpn;
    const struct sp_chain_input in = {.local = &conn->local, .direct = &conn->socket, .peer = &conn->peer, .tls = conn->tls_used,
                                      .sni = host, .alpn = &alpn, .n_alpn = alpn.len != 0};
    const void *other = sp_chain_match_find(l->match, &in);
    if (!other)
        other = l->fallback;
    return other && other != chain;
}

/* Fills `c`; false after an error, when what is in it still has to be given back. */
static bool read_chain(struct sp_listener *l, const struct sp_listener_build *b, const ChainMessage *msg,
                       struct sp_filter_chain *c)
{
    c->name = sp_arena_str(&l->arena, sp_str_c(msg->name));
    c->place.metadata = sp_config_metadata_text(&l->arena, msg->metadata);
    c->handshake_ns = sp_duration_or(msg->transport_socket_connect_timeout, default_handshake_ns);
    bool good = read_transport(l, c, b, msg);
    const LimitMessage *limit = NULL;
    const HcmMessage *hcm = find_hcm(b, msg, &limit);
    if (!hcm)
        return false;
    if (limit)
        limit_chain(l, c, limit);
    struct sp_hcm_build build = {
        .doc = b->doc,
        .diag = b->diag,
        .registry = b->registry,
        .find_cluster = b->find_cluster,
        .ctx = b->ctx,
        .make_tracer = sp_trace_export_new,
        .tls = msg->transport_socket && sp_doc_any_as(b->doc, msg->transport_socket->typed_config, TLS_DESC),
        .tls_verifies = c->tls && sp_tls_ctx_verifies(c->tls),
        .buffer_limit = l->buffer_limit,
        .ends_by = l->ends_by,
        .sheds = l->sheds,
        .no_route = b->no_route,
        .place = {b->answer_misdirected ? belongs_elsewhere : NULL, l, c},
        .listener_scope = l->stats.scope,
    };
    c->hcm = sp_hcm_new(&build, hcm);
    return good && c->hcm;
}

static bool name_is_new(const struct sp_listener *l, const struct sp_listener_build *b, const ChainMessage *msg, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (msg->name[0] && sp_str_eq(l->chains[i].name, sp_str_c(msg->name))) {
            sp_doc_err(b->doc, b->diag, msg, "name", -1, "another filter chain of this listener has that name");
            return false;
        }
    }
    return true;
}

static bool read_chains(struct sp_listener *l, const struct sp_listener_build *b, const Message *msg)
{
    size_t n = msg->n_filter_chains + (msg->default_filter_chain ? 1 : 0);
    bool good = true;
    if (!n) {
        sp_doc_err(b->doc, b->diag, msg, NULL, -1, "no filter chain (set filter_chains or default_filter_chain)");
        return false;
    }
    l->chains = sp_arena_zalloc(&l->arena, n * sizeof(*l->chains));
    l->n_chains = (unsigned)n;
    for (unsigned i = 0; i < msg->n_filter_chains; i++) {
        const ChainMessage *c = msg->filter_chains[i];
        good &= read_chain(l, b, c, &l->chains[i]);
        good &= name_is_new(l, b, c, i);
        good &= sp_chain_match_add(l->match, b->doc, b->diag, c->filter_chain_match, c, &l->chains[i]);
    }
    if (msg->default_filter_chain) {
        l->fallback = &l->chains[n - 1];
        l->chains[n - 1].fallback = true;
        good &= read_chain(l, b, msg->default_filter_chain, &l->chains[n - 1]);
        if (msg->default_filter_chain->filter_chain_match)
            sp_doc_warn(b->doc, b->diag, msg->default_filter_chain, "filter_chain_match", -1,
                        "not looked at: the default chain takes what no other one matches");
    }
    sp_chain_match_build(l->match);
    l->inspect |= sp_chain_match_inspects(l->match);
    return good;
}

static struct sp_listener *listener_new(struct sp_str name)
{
    struct sp_listener *l = sp_xcalloc(1, sizeof(*l));
    sp_arena_init(&l->arena);
    l->match = sp_chain_match_new();
    l->name = sp_arena_str(&l->arena, name);
    l->buffer_limit = DEFAULT_BUFFER;
    l->accept_turn = ACCEPT_TURN;
    l->backlog = INT_MAX; /* the system's limit is what counts then */
    return l;
}

static void name_by_address(struct sp_listener *l)
{
    char text[SP_ADDR_TEXT_MAX];
    if (!l->name.len)
        l->name = sp_arena_str(&l->arena, sp_str_n(text, sp_addr_format(&l->addr, text)));
}

static void read_keepalive(struct sp_sock_options *o, const Envoy__Config__Core__V3__TcpKeepalive *msg)
{
    o->keepalive = true;
    o->keepalive_probes = msg->keepalive_probes ? msg->keepalive_probes->value : 0;
    o->keepalive_time = msg->keepalive_time ? msg->keepalive_time->value : 0;
    o->keepalive_interval = msg->keepalive_interval ? msg->keepalive_interval->value : 0;
}

static void adopt_limits(struct sp_listener *l, const struct sp_cx_limits *limits, bool no_global)
{
    if (limits->global && !no_global)
        sp_cx_limit_init(&l->global_limit, SP_STR_NULL, limits->global);
    for (unsigned i = 0; i < limits->n; i++)
        if (sp_str_eq(limits->v[i].listener, l->name))
            sp_cx_limit_init(&l->limit, l->name, limits->v[i].max);
}

static bool compile(struct sp_listener *l, const struct sp_listener_build *b, const Message *msg)
{
    if (!read_address(l, b, msg->address))
        return false;
    name_by_address(l);
    l->place.metadata = sp_config_metadata_text(&l->arena, msg->metadata);
    sp_listener_stats_init(&l->stats, scope_of(l, msg->stat_prefix));
    l->first_ns = sp_duration_or(msg->listener_filters_timeout, default_first_ns);
    l->freebind = msg->freebind && msg->freebind->value;
    l->transparent = msg->transparent && msg->transparent->value;
    l->accept_turn = msg->max_connections_to_accept_per_socket_event ? msg->max_connections_to_accept_per_socket_event->value : ACCEPT_TURN;
    if (msg->tcp_keepalive)
        read_keepalive(&l->keepalive, msg->tcp_keepalive);
    l->sheds = !msg->bypass_overload_manager;
    l->inbound = msg->traffic_direction == ENVOY__CONFIG__CORE__V3__TRAFFIC_DIRECTION__INBOUND;
    l->ends_by = (uint8_t)(SP_LOCAL_DRAINS | (l->inbound ? SP_LOCAL_DRAINS_INBOUND : 0));
    if (msg->drain_type == ENVOY__CONFIG__LISTENER__V3__LISTENER__DRAIN_TYPE__DEFAULT)
        l->ends_by |= SP_LOCAL_FAILING;
    if (msg->per_connection_buffer_limit_bytes)
        l->buffer_limit = msg->per_connection_buffer_limit_bytes->value;
    if (msg->tcp_backlog_size)
        l->backlog = (int)SP_MIN(msg->tcp_backlog_size->value, (uint32_t)INT_MAX);
    l->reuse_port = l->addr.family != AF_UNIX && (!msg->enable_reuse_port || msg->enable_reuse_port->value);
    if (b->limits)
        adopt_limits(l, b->limits, msg->ignore_global_conn_limit);
    bool good = sp_listener_filters(l, b, msg);
    if (msg->n_access_log) {
        l->access_log = sp_access_logs_new(b->doc, b->diag, msg->access_log, msg->n_access_log);
        good &= l->access_log != NULL;
    }
    return read_chains(l, b, msg) && good;
}

struct sp_listener *sp_listener_new(const struct sp_listener_build *build, const Message *msg)
{
    assert(build && build->doc && build->diag && msg);
    struct sp_listener *l = listener_new(sp_str_c(msg->name));
    if (compile(l, build, msg)) {
        sp_listener_hash(l, build, msg);
        return l;
    }
    sp_listener_free(l);
    return NULL;
}

struct sp_listener *sp_listener_new_plain(struct sp_str name, const struct sp_addr *addr, struct sp_hcm *hcm)
{
    assert(addr && addr->family && hcm);
    struct sp_listener *l = listener_new(name);
    l->addr = *addr;
    if (addr->family == AF_UNIX)
        l->addr.path = sp_arena_str(&l->arena, sp_str_c(addr->path)).ptr;
    name_by_address(l);
    sp_listener_stats_init(&l->stats, sp_stats_scope_hold(sp_stats_root(), SP_STR("listener"), "envoy_listener_address", l->name));
    l->chains = sp_arena_zalloc(&l->arena, sizeof(*l->chains));
    l->n_chains = 1;
    l->chains[0].hcm = hcm;
    l->fallback = &l->chains[0];
    sp_chain_match_build(l->match);
    return l;
}

void sp_listener_free(struct sp_listener *l)
{
    if (!l)
        return;
    for (unsigned i = 0; i < l->n_chains; i++) {
        sp_cx_limit_done(&l->chains[i].limit);
        sp_stats_scope_drop(l->chains[i].limit_scope);
        sp_hcm_free(l->chains[i].hcm);
        sp_tls_ctx_unref(l->chains[i].tls);
        sp_ocsp_free(l->chains[i].ocsp);
    }
    for (unsigned i = 0; i < l->n_gates; i++)
        sp_ip_gate_done(&l->gates[i]);
    sp_rate_gate_done(&l->rate);
    sp_cx_limit_done(&l->limit);
    sp_cx_limit_done(&l->global_limit);
    if (l->access_log)
        sp_access_logs_free(l->access_log);
    sp_stats_scope_drop(l->stats.scope);
    sp_chain_match_free(l->match);
    sp_arena_done(&l->arena);
    free(l);
}

struct sp_str sp_listener_name(const struct sp_listener *l)
{
    assert(l);
    return l->name;
}

const struct sp_addr *sp_listener_addr(const struct sp_listener *l)
{
    assert(l);
    return &l->addr;
}

bool sp_listener_inbound(const struct sp_listener *l)
{
    assert(l);
    return l->inbound;
}

bool sp_listener_reuse_port(const struct sp_listener *l)
{
    assert(l);
    return l->reuse_port;
}

int sp_listener_backlog(const struct sp_listener *l)
{
    assert(l);
    return l->backlog;
}

void sp_listener_expiries(const struct sp_listener *l)
{
    assert(l);
    struct sp_tls_expiries e = {0};
    for (unsigned i = 0; i < l->n_chains; i++)
        sp_tls_expiries_add(&e, l->chains[i].tls);
    sp_tls_expiries_show(&e, &l->stats.ssl);
}

void sp_listener_certs(const struct sp_listener *l, void (*each)(void *arg, const struct sp_tls_cert_info *info), void *arg)
{
    assert(l && each);
    for (unsigned i = 0; i < l->n_chains; i++)
        if (l->chains[i].tls)
            sp_tls_ctx_certs(l->chains[i].tls, each, arg);
}

uint64_t sp_listener_open_connections(const struct sp_listener *l)
{
    assert(l);
    return sp_gauge_value(l->stats.cx_active);
}
