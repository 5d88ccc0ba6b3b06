/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/options.h"

#include <assert.h>

#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb-c.h"
#include "event/turn.h"
#include "route/duration.h"

typedef Envoy__Extensions__Upstreams__Http__V3__HttpProtocolOptions http_options;
typedef Envoy__Extensions__TransportSockets__Tls__V3__UpstreamTlsContext tls_context;
typedef Envoy__Config__Core__V3__Http1ProtocolOptions h1_options;
typedef Envoy__Config__Core__V3__Http2ProtocolOptions h2_options;

#define OPTIONS_KEY "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

enum {
    DEFAULT_CONNECT_S = 5,
    DEFAULT_IDLE_S = 3600,
    DEFAULT_MAX_STREAMS = 1024,
    /* An origin is not the wide internet: a stream may have more under way than an edge client's. */
    DEFAULT_STREAM_WINDOW = 256 * 1024,
    DEFAULT_CONN_WINDOW = 1024 * 1024,
    DEFAULT_BUFFER = 1024 * 1024,
};

struct build {
    struct sp_cluster_options *o;
    struct sp_arena *arena;
    const struct sp_doc *doc;
    struct sp_diag *diag;
    const Envoy__Config__Cluster__V3__Cluster *msg;
    const tls_context *tls; /* NULL: plain text */
};

uint64_t sp_duration_ns(const Google__Protobuf__Duration *d, uint64_t otherwise)
{
    if (!d)
        return otherwise;
    if (d->seconds < 0)
        return 0;
    if ((uint64_t)d->seconds >= UINT64_MAX / SP_NS_PER_S)
        return UINT64_MAX;
    return (uint64_t)d->seconds * SP_NS_PER_S + (uint64_t)d->nanos;
}

static void take_h1(struct sp_codec_config *c, const h1_options *h1)
{
    if (h1)
        c->h1_trailers = h1->enable_trailers;
}

#define SET(field, wrapper) \
    do { \
        if (wrapper) \
            (field) = (wrapper)->value; \
    } while (0)

static void take_h2(struct sp_cluster_options *o, const h2_options *h2)
{
    struct sp_codec_config *c = &o->h2;
    if (!h2)
        return;
    SET(c->h2_table_size, h2->hpack_table_size);
    SET(o->max_streams, h2->max_concurrent_streams);
    SET(c->h2_stream_window, h2->initial_stream_window_size);
    SET(c->h2_conn_window, h2->initial_connection_window_size);
    SET(c->h2_max_outbound, h2->max_outbound_frames);
    SET(c->h2_max_outbound_control, h2->max_outbound_control_frames);
    SET(c->h2_max_empty_frames, h2->max_consecutive_inbound_frames_with_empty_payload);
    SET(c->h2_max_priority_per_stream, h2->max_inbound_priority_frames_per_stream);
    SET(c->h2_max_window_update_per_data, h2->max_inbound_window_update_frames_per_data_frame_sent);
    SET(c->h2_stream_error_on_invalid, h2->override_stream_error_on_invalid_http_message);
    const Envoy__Config__Core__V3__KeepaliveSettings *k = h2->connection_keepalive;
    if (k) {
        c->h2_ping_interval_ns = sp_duration_ns(k->interval, 0);
        c->h2_ping_timeout_ns = sp_duration_ns(k->timeout, 0);
        c->h2_ping_jitter_ns = sp_ping_jitter(c->h2_ping_interval_ns, k);
        o->stale_ns = sp_duration_ns(k->connection_idle_interval, 0);
    }
}

static void take_common(struct build *b, const Envoy__Config__Core__V3__HttpProtocolOptions *common)
{
    struct sp_cluster_options *o = b->o;
    if (!common)
        return;
    o->idle_ns = sp_duration_ns(common->idle_timeout, o->idle_ns);
    o->max_age_ns = sp_duration_ns(common->max_connection_duration, 0);
    o->max_stream_ns = sp_duration_ns(common->max_stream_duration, 0);
    SET(o->h1.max_headers, common->max_headers_count);
    SET(o->h2.max_headers, common->max_headers_count);
    if (common->max_response_headers_kb)
        o->h1.max_header_bytes = o->h2.max_header_bytes = (size_t)common->max_response_headers_kb->value * 1024;
    o->h1.underscores = o->h2.underscores = (uint8_t)common->headers_with_underscores_action;
    if (common->max_requests_per_connection && common->max_requests_per_connection->value)
        o->max_requests = common->max_requests_per_connection->value;
}

static void take_names(struct build *b, const Envoy__Config__Core__V3__UpstreamHttpProtocolOptions *up)
{
    if (!up)
        return;
    b->o->auto_sni = up->auto_sni;
    b->o->auto_san = up->auto_san_validation;
    char *lower = sp_arena_alloc(b->arena, strlen(up->override_auto_sni_header) + 1);
    size_t n = 0;
    for (const char *s = up->override_auto_sni_header; *s; s++)
        lower[n++] = sp_ascii_lower(*s);
    lower[n] = 0;
    b->o->sni_header = sp_str_n(lower, n);
}

#define CASE(member) ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__##member

static void take_explicit(struct build *b, const Envoy__Extensions__Upstreams__Http__V3__HttpProtocolOptions__ExplicitHttpConfig *e)
{
    if (e->protocol_config_case == CASE(EXPLICIT_HTTP_CONFIG__PROTOCOL_CONFIG_HTTP2_PROTOCOL_OPTIONS)) {
        b->o->protocol = SP_UPSTREAM_H2;
        take_h2(b->o, e->http2_protocol_options);
    } else {
        take_h1(&b->o->h1, e->http_protocol_options);
    }
}

static void take_http(struct build *b, const http_options *h)
{
    struct sp_cluster_options *o = b->o;
    take_common(b, h->common_http_protocol_options);
    take_names(b, h->upstream_http_protocol_options);
    switch (h->upstream_protocol_options_case) {
    case CASE(UPSTREAM_PROTOCOL_OPTIONS_EXPLICIT_HTTP_CONFIG):
        take_explicit(b, h->explicit_http_config);
        break;
    case CASE(UPSTREAM_PROTOCOL_OPTIONS_USE_DOWNSTREAM_PROTOCOL_CONFIG):
        /* Envoy: without http2_protocol_options only HTTP/1.1 is spoken. */
        if (h->use_downstream_protocol_config->http2_protocol_options)
            o->protocol = SP_UPSTREAM_DOWNSTREAM;
        take_h1(&o->h1, h->use_downstream_protocol_config->http_protocol_options);
        take_h2(o, h->use_downstream_protocol_config->http2_protocol_options);
        break;
    case CASE(UPSTREAM_PROTOCOL_OPTIONS_AUTO_CONFIG):
        o->protocol = SP_UPSTREAM_AUTO;
        take_h1(&o->h1, h->auto_config->http_protocol_options);
        take_h2(o, h->auto_config->http2_protocol_options);
        break;
    default: /* a field rule demands one of them */
        break;
    }
}

static void find_http(struct build *b)
{
    for (size_t i = 0; i < b->msg->n_typed_extension_protocol_options; i++) {
        const Envoy__Config__Cluster__V3__Cluster__TypedExtensionProtocolOptionsEntry *e =
            b->msg->typed_extension_protocol_options[i];
        const http_options *h = sp_doc_any_as(
            b->doc, e->value, &envoy__extensions__upstreams__http__v3__http_protocol_options__descriptor);
        if (strcmp(e->key, OPTIONS_KEY) != 0)
            sp_doc_err(b->doc, b->diag, b->msg, "typed_extension_protocol_options", (int)i,
                       "\"%s\" is not known (the key is \"" OPTIONS_KEY "\")", e->key);
        else if (!h)
            sp_doc_err(b->doc, b->diag, b->msg, "typed_extension_protocol_options", (int)i,
                       "is not an HttpProtocolOptions (set @type to type.googleapis.com/" OPTIONS_KEY ")");
        else
            take_http(b, h);
    }
}

/* Where options stood before HttpProtocolOptions was made; still common. */
static void take_deprecated(struct build *b)
{
    const Envoy__Config__Cluster__V3__Cluster *c = b->msg;
    take_common(b, c->common_http_protocol_options);
    take_names(b, c->upstream_http_protocol_options);
    take_h1(&b->o->h1, c->http_protocol_options);
    take_h2(b->o, c->http2_protocol_options);
    if (c->http2_protocol_options)
        b->o->protocol = SP_UPSTREAM_H2;
    if (c->max_requests_per_connection && c->max_requests_per_connection->value)
        b->o->max_requests = c->max_requests_per_connection->value;
    bool any = c->common_http_protocol_options || c->http_protocol_options || c->http2_protocol_options ||
               c->max_requests_per_connection || c->upstream_http_protocol_options;
    if (any && c->n_typed_extension_protocol_options)
        sp_doc_err(b->doc, b->diag, c, "typed_extension_protocol_options", -1,
                   "stands beside HTTP options of the cluster itself, and only one of them can hold (move those into it)");
    if (c->http_protocol_options && c->http2_protocol_options)
        sp_doc_err(b->doc, b->diag, c, "http2_protocol_options", -1,
                   "stands beside http_protocol_options: the cluster speaks one of them (take one out)");
}

static void take_tls(struct build *b)
{
    static const char *const h1[] = {"http/1.1", NULL}, *const h2[] = {"h2", NULL},
                                  *const both[] = {"h2", "http/1.1", NULL};
    static const char *const *const alpn[] = {h1, h2, h2, both};
    const Envoy__Config__Core__V3__TransportSocket *socket = sp_transport_inner(b->doc, b->msg->transport_socket);
    sp_proxy_header_init(&b->o->proxy, b->arena, b->doc, b->diag, b->msg->transport_socket);
    if (!socket || !socket->typed_config)
        return;
    if (sp_doc_any_as(b->doc, socket->typed_config,
                      &envoy__extensions__transport_sockets__raw_buffer__v3__raw_buffer__descriptor))
        return;
    b->tls = sp_doc_any_as(b->doc, socket->typed_config,
                           &envoy__extensions__transport_sockets__tls__v3__upstream_tls_context__descriptor);
    if (!b->tls) {
        sp_doc_err(b->doc, b->diag, socket, "typed_config", -1,
                   "is not for clusters (use an UpstreamTlsContext, a RawBuffer, or a ProxyProtocolUpstreamTransport with one of these)");
        return;
    }
    b->o->host_sni = b->tls->auto_host_sni;
    b->o->sni_san = b->tls->auto_sni_san_validation;
    b->o->sni = sp_arena_str(b->arena, sp_str_c(b->tls->sni));
    b->o->tls = sp_tls_ctx_client(b->doc, b->diag, b->tls, alpn[b->o->protocol], sp_str_c(b->msg->name));
    if (b->o->tls && b->o->protocol == SP_UPSTREAM_DOWNSTREAM)
        b->o->tls_h1 = sp_tls_ctx_client(b->doc, b->diag, b->tls, h1, sp_str_c(b->msg->name));
}

/* A CA alone says that somebody is at the other end, and with a public one, that anybody may be. */
static void check_whose(struct build *b)
{
    const Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext *common = b->tls->common_tls_context;
    const Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext *v =
        common ? common->validation_context : NULL;
    if (v && v->trusted_ca && !b->o->auto_san && !b->o->sni_san && !v->n_match_typed_subject_alt_names && !v->n_match_subject_alt_names &&
        !v->n_verify_certificate_spki && !v->n_verify_certificate_hash)
        sp_doc_warn(b->doc, b->diag, v, "trusted_ca", -1,
                    "any certificate that it vouches for is taken for the origin's, whatever its name (set "
                    "match_typed_subject_alt_names, or auto_san_validation of HttpProtocolOptions)");
}

static void check_names(struct build *b)
{
    const struct sp_cluster_options *o = b->o;
    const char *field = "typed_extension_protocol_options";
    if (o->protocol == SP_UPSTREAM_AUTO && !b->tls)
        sp_doc_err(b->doc, b->diag, b->msg, field, -1,
                   "auto_config chooses by ALPN, which needs TLS (set transport_socket, or use explicit_http_config)");
    if ((o->auto_sni || o->auto_san) && !b->tls && !b->msg->n_transport_socket_matches)
        sp_doc_err(b->doc, b->diag, b->msg, field, -1,
                   "auto_sni and auto_san_validation need TLS (set transport_socket, or take them out)");
    if (o->auto_san && o->tls && !sp_tls_ctx_verifies(o->tls))
        sp_doc_err(b->doc, b->diag, b->msg, field, -1,
                   "auto_san_validation checks nothing without trusted_ca (set it in the validation_context)");
    if (o->sni_san && o->tls && !sp_tls_ctx_verifies(o->tls))
        sp_doc_err(b->doc, b->diag, b->tls, "auto_sni_san_validation", -1,
                   "auto_sni_san_validation checks nothing without trusted_ca (set it in the validation_context)");
    if (o->sni_san && !o->sni.len && !o->host_sni && !o->auto_sni)
        sp_doc_err(b->doc, b->diag, b->tls, "auto_sni_san_validation", -1,
                   "no server name is asked for, so none can be checked (set sni, auto_host_sni or auto_sni)");
}

static void take_socket(struct build *b)
{
    const Envoy__Config__Cluster__V3__UpstreamConnectionOptions *u = b->msg->upstream_connection_options;
    if (!u || !u->tcp_keepalive)
        return;
    struct sp_sock_options *s = &b->o->sock;
    s->keepalive = true;
    SET(s->keepalive_probes, u->tcp_keepalive->keepalive_probes);
    SET(s->keepalive_time, u->tcp_keepalive->keepalive_time);
    SET(s->keepalive_interval, u->tcp_keepalive->keepalive_interval);
}

void sp_cluster_options_init(struct sp_cluster_options *o, struct sp_arena *arena, const struct sp_doc *doc,
                             struct sp_diag *diag, const Envoy__Config__Cluster__V3__Cluster *msg)
{
    assert(o && arena && doc && diag && msg);
    struct build b = {.o = o, .arena = arena, .doc = doc, .diag = diag, .msg = msg};
    memset(o, 0, sizeof(*o));
    o->connect_ns = sp_duration_ns(msg->connect_timeout, DEFAULT_CONNECT_S * SP_NS_PER_S);
    o->idle_ns = DEFAULT_IDLE_S * SP_NS_PER_S;
    o->max_requests = UINT64_MAX;
    o->max_streams = DEFAULT_MAX_STREAMS;
    o->preconnect = o->predictive = 1;
    if (msg->preconnect_policy) {
        SET(o->preconnect, msg->preconnect_policy->per_upstream_preconnect_ratio);
        SET(o->predictive, msg->preconnect_policy->predictive_preconnect_ratio);
    }
    o->makes_spare = o->preconnect > 1 || o->predictive > 1;
    o->buffer_limit = DEFAULT_BUFFER;
    SET(o->buffer_limit, msg->per_connection_buffer_limit_bytes);
    sp_codec_config_init(&o->h1, false);
    sp_codec_config_init(&o->h2, false);
    o->h2.h2_stream_window = DEFAULT_STREAM_WINDOW;
    o->h2.h2_conn_window = DEFAULT_CONN_WINDOW;
    take_deprecated(&b);
    find_http(&b);
    o->h2.h2_max_streams = o->max_streams;
    take_tls(&b);
    check_names(&b);
    if (b.tls)
        check_whose(&b);
    take_socket(&b);
}

void sp_cluster_options_use(const struct sp_cluster_options *o, const struct sp_doc *doc)
{
    assert(o && doc);
    if (o->tls)
        sp_tls_ctx_use(o->tls, doc);
    if (o->tls_h1)
        sp_tls_ctx_use(o->tls_h1, doc);
}

void sp_cluster_options_done(struct sp_cluster_options *o)
{
    assert(o);
    sp_tls_ctx_unref(o->tls);
    sp_tls_ctx_unref(o->tls_h1);
    o->tls = o->tls_h1 = NULL;
    if (o->asker)
        o->asker->free(o->asker);
    o->asker = NULL;
}

void sp_cluster_names_host(const struct sp_cluster_options *o, struct sp_str hostname, struct sp_str *sni, struct sp_str *verify)
{
    assert(o && sni && verify);
    struct sp_addr addr;
    if (SP_LIKELY(!o->host_sni && !o->sni_san))
        return;
    if (o->host_sni && !sni->len && hostname.len && sp_addr_parse_ip(hostname, &addr) < 0)
        *sni = hostname;
    if (!o->sni_san)
        return;
    struct sp_str asked = sni->len ? *sni : o->sni;
    *verify = asked.len ? asked : SP_STR("nothing-asked.invalid"); /* no certificate is for that: none is taken unchecked */
}
