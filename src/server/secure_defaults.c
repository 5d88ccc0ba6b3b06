/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/secure_defaults.h"

#include <assert.h>

#include "clusters/proxy_header.h"
#include "config/fill.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb-c.h"
#include "server/edge.h"

typedef Envoy__Config__Bootstrap__V3__Bootstrap Bootstrap;
typedef Envoy__Config__Cluster__V3__Cluster Cluster;
typedef Envoy__Config__Listener__V3__FilterChain Chain;
typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager Hcm;
typedef Envoy__Extensions__TransportSockets__Tls__V3__UpstreamTlsContext Tls;
typedef Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext Validation;
typedef Envoy__Extensions__Upstreams__Http__V3__HttpProtocolOptions Options;

#define HCM_DESC \
    &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor
#define LISTENER_DESC &envoy__config__listener__v3__listener__descriptor
#define CHAIN_DESC &envoy__config__listener__v3__filter_chain__descriptor
#define CLUSTER_DESC &envoy__config__cluster__v3__cluster__descriptor
#define DOWN_DESC &envoy__extensions__transport_sockets__tls__v3__downstream_tls_context__descriptor
#define UP_DESC &envoy__extensions__transport_sockets__tls__v3__upstream_tls_context__descriptor
#define OPTIONS_DESC &envoy__extensions__upstreams__http__v3__http_protocol_options__descriptor
#define REDIRECT \
    ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__PATH_WITH_ESCAPED_SLASHES_ACTION__UNESCAPE_AND_REDIRECT
#define REJECT ENVOY__CONFIG__CORE__V3__HTTP_PROTOCOL_OPTIONS__HEADERS_WITH_UNDERSCORES_ACTION__REJECT_REQUEST
#define TLS12 ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__TLS_PARAMETERS__TLS_PROTOCOL__TLSv1_2

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, KIB = 1024 };

/* docs/secure-defaults.md has each row, with Envoy's own default and the reason. */
static const struct sp_secure_default table[] = {
    {HCM_DESC, "use_remote_address", true},
    {HCM_DESC, "normalize_path", true},
    {HCM_DESC, "merge_slashes", true},
    {HCM_DESC, "path_with_escaped_slashes_action", REDIRECT},
    {HCM_DESC, "common_http_protocol_options.headers_with_underscores_action", REJECT},
    {HCM_DESC, "common_http_protocol_options.max_headers_count", 100},
    {HCM_DESC, "common_http_protocol_options.idle_timeout", HOUR},
    {HCM_DESC, "max_request_headers_kb", 60},
    {HCM_DESC, "request_headers_timeout", 10 * SECOND},
    {HCM_DESC, "request_timeout", 5 * MINUTE},
    {HCM_DESC, "stream_idle_timeout", 5 * MINUTE},
    {HCM_DESC, "stream_error_on_invalid_http_message", true},
    {HCM_DESC, "http2_protocol_options.max_concurrent_streams", 100},
    {HCM_DESC, "http2_protocol_options.initial_stream_window_size", 64 * KIB},
    {HCM_DESC, "http2_protocol_options.initial_connection_window_size", KIB * KIB},
    {LISTENER_DESC, "per_connection_buffer_limit_bytes", 32 * KIB},
    {LISTENER_DESC, "listener_filters_timeout", 15 * SECOND},
    {CHAIN_DESC, "transport_socket_connect_timeout", 10 * SECOND},
    {DOWN_DESC, "common_tls_context.tls_params.tls_minimum_protocol_version", TLS12},
    {UP_DESC, "common_tls_context.tls_params.tls_minimum_protocol_version", TLS12},
    {CLUSTER_DESC, "per_connection_buffer_limit_bytes", 32 * KIB},
};

const struct sp_secure_default *sp_secure_defaults_table(size_t *ret_n)
{
    assert(ret_n);
    *ret_n = SP_ARRAY_LEN(table);
    return table;
}

bool sp_secure_defaults_on(const struct sp_doc *doc, const Bootstrap *msg)
{
    assert(doc && msg);
    const Sallyport__Bootstrap__V1__Edge *edge = sp_edge_find(doc, msg);
    return edge && edge->secure_defaults;
}

/* What would contradict the rest of the message, or say something of nothing. */
static bool is_out_of_place(const ProtobufCMessage *msg, const char *field)
{
    if (msg->descriptor == CHAIN_DESC)
        return !((const Chain *)msg)->transport_socket;
    return msg->descriptor == HCM_DESC && strcmp(field, "use_remote_address") == 0 &&
           ((const Hcm *)msg)->n_original_ip_detection_extensions > 0;
}

static void fill(void *arg, const ProtobufCMessage *msg)
{
    const struct sp_doc *doc = arg;
    for (size_t i = 0; i < SP_ARRAY_LEN(table); i++)
        if (table[i].message == msg->descriptor && !is_out_of_place(msg, table[i].field))
            sp_doc_fill(doc, msg, table[i].field, table[i].value);
}

/* ---- what cannot be filled in: whom an origin's certificate has to be of ---- */

/* auto_san_validation: the request says which name is meant. */
static bool goes_by_host(const struct sp_doc *doc, const Cluster *c)
{
    for (size_t i = 0; i < c->n_typed_extension_protocol_options; i++) {
        const Options *o = sp_doc_any_as(doc, c->typed_extension_protocol_options[i]->value, OPTIONS_DESC);
        if (o && o->upstream_http_protocol_options && o->upstream_http_protocol_options->auto_san_validation)
            return true;
    }
    return false;
}

static void check_origin(const struct sp_doc *doc, struct sp_diag *diag, const Cluster *c)
{
    const Tls *tls = sp_transport_tls(doc, c->transport_socket);
    if (!tls)
        return;
    const Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext *common = tls->common_tls_context;
    const Validation *v = common ? common->validation_context : NULL;
    const void *at = v ? (const void *)v : tls;
    bool pins = v && (v->n_verify_certificate_spki || v->n_verify_certificate_hash);
    bool names = v && (v->n_match_typed_subject_alt_names || v->n_match_subject_alt_names);
    if (pins)
        return;
    if (!v || (!v->trusted_ca && !v->system_root_certs) || v->trust_chain_verification)
        sp_doc_err(doc, diag, at, NULL, -1,
                   "with secure_defaults the origin's certificate has to be verified (set trusted_ca or system_root_certs, and "
                   "match_typed_subject_alt_names)");
    else if (!names && !tls->auto_sni_san_validation && !goes_by_host(doc, c))
        sp_doc_err(doc, diag, at, NULL, -1,
                   "with secure_defaults the origin's certificate has to have a name that is meant (set "
                   "match_typed_subject_alt_names, or auto_san_validation of HttpProtocolOptions)");
}

static void check_sockets(const struct sp_doc *doc, struct sp_diag *diag, const Cluster *c)
{
    check_origin(doc, diag, c);
    for (size_t i = 0; i < c->n_transport_socket_matches; i++) {
        Cluster *with = sp_doc_derive(doc, c, &envoy__config__cluster__v3__cluster__descriptor);
        with->transport_socket = c->transport_socket_matches[i]->transport_socket;
        check_origin(doc, diag, with);
    }
}

void sp_secure_defaults_fill(const struct sp_doc *doc)
{
    assert(doc);
    sp_doc_each(doc, fill, (void *)(uintptr_t)doc);
}

void sp_secure_defaults(const struct sp_doc *doc, struct sp_diag *diag, const Bootstrap *msg)
{
    assert(doc && diag && msg);
    if (!sp_secure_defaults_on(doc, msg))
        return;
    sp_secure_defaults_fill(doc);
    for (size_t i = 0; msg->static_resources && i < msg->static_resources->n_clusters; i++)
        check_sockets(doc, diag, msg->static_resources->clusters[i]);
}
