/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a peer may make the door hold, and for how long. */
#include "envoy/extensions/filters/network/connection_limit/v3/connection_limit.pb-c.h"
#include "tools/audit_look.h"

typedef Envoy__Config__Core__V3__Http2ProtocolOptions Http2;
typedef Envoy__Config__Core__V3__HttpProtocolOptions Common;
typedef Google__Protobuf__UInt32Value U32;

#define CX_LIMIT_DESC &envoy__extensions__filters__network__connection_limit__v3__connection_limit__descriptor

enum { EDGE_STREAMS = 100, EDGE_STREAM_WINDOW = 64 << 10, EDGE_CONNECTION_WINDOW = 1 << 20, LARGE_BUFFER = 1 << 20, LARGE_HEADERS_KIB = 96,
       MANY_HEADERS = 200 };

/* ---- turned off ---- */

static void headers(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->hcm && sp_look_is_zero(c->hcm->request_headers_timeout))
        sp_audit_found(a, c->hcm, "request_headers_timeout", -1, "headers may take for ever to arrive");
}

static void handshake(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->tls && sp_look_is_zero(c->chain->transport_socket_connect_timeout))
        sp_audit_found(a, c->chain, "transport_socket_connect_timeout", -1, "a TLS handshake may take for ever");
}

static void first_bytes(struct sp_audit *a, const sp_look_listener *l)
{
    if (sp_look_is_zero(l->listener_filters_timeout))
        sp_audit_found(a, l, "listener_filters_timeout", -1, "a connection may say nothing for ever");
}

static void stream_idle(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->hcm && sp_look_is_zero(c->hcm->stream_idle_timeout))
        sp_audit_found(a, c->hcm, "stream_idle_timeout", -1, "a request may stand still for ever");
}

static void connection_idle(struct sp_audit *a, const struct sp_look_chain *c)
{
    const Common *o = c->hcm ? c->hcm->common_http_protocol_options : NULL;
    if (o && sp_look_is_zero(o->idle_timeout))
        sp_audit_found(a, o, "idle_timeout", -1, "a connection may be idle for ever");
}

static void request(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->hcm && (!c->hcm->request_timeout || sp_look_is_zero(c->hcm->request_timeout)))
        sp_audit_found(a, c->hcm, "request_timeout", -1, "a body that trickles may take for ever to arrive");
}

static void route_timeouts(struct sp_audit *a, const struct sp_look_chain *c, const sp_look_route *r)
{
    (void)c;
    const Envoy__Config__Route__V3__RouteAction *action = sp_look_action(r);
    if (!action)
        return;
    if (action->max_stream_duration && !action->max_stream_duration->max_stream_duration) /* then `timeout` says nothing */
        sp_audit_found(a, action, "max_stream_duration", -1, "takes the timeout's place and names none: an answer may take for ever");
    else if (sp_look_is_zero(action->timeout))
        sp_audit_found(a, action, "timeout", -1, "an answer may take for ever");
    if (sp_look_is_zero(action->idle_timeout))
        sp_audit_found(a, action, "idle_timeout", -1, "a request may stand still for ever");
}

static void max_age(struct sp_audit *a, const struct sp_look_chain *c)
{
    const Common *o = c->hcm ? c->hcm->common_http_protocol_options : NULL;
    if (c->hcm && (!o || !o->max_connection_duration))
        sp_audit_found(a, o ? (const void *)o : c->hcm, NULL, -1,
                       "a busy connection lives for ever, with the certificate that it began with");
}

/* ---- what only sallyport limits of itself ---- */

static void unwritten(struct sp_audit *a, const struct sp_look_chain *c)
{
    const Http2 *o = c->hcm ? c->hcm->http2_protocol_options : NULL;
    if (!c->hcm)
        return;
    if (!c->hcm->request_headers_timeout)
        sp_audit_found(a, c->hcm, "request_headers_timeout", -1, "not written: 10 s here, no limit in Envoy");
    if (c->tls && !c->chain->transport_socket_connect_timeout)
        sp_audit_found(a, c->chain, "transport_socket_connect_timeout", -1, "not written: 10 s for a TLS handshake here, no limit in Envoy");
    if (!o || !o->max_concurrent_streams || !o->initial_stream_window_size || !o->initial_connection_window_size)
        sp_audit_found(a, o ? (const void *)o : c->hcm, o ? NULL : "http2_protocol_options", -1,
                       "not all written: 100 streams and windows of 64 KiB and 1 MiB here, 1024, 16 MiB and 24 MiB in Envoy");
}

/* ---- too much ---- */

static bool over(const U32 *v, uint32_t max)
{
    return v && v->value > max;
}

static void http2(struct sp_audit *a, const struct sp_look_chain *c)
{
    const Http2 *o = c->hcm ? c->hcm->http2_protocol_options : NULL;
    if (!o)
        return;
    if (over(o->max_concurrent_streams, EDGE_STREAMS))
        sp_audit_found(a, o, "max_concurrent_streams", -1, "one connection may have %u requests under way", o->max_concurrent_streams->value);
    if (over(o->initial_stream_window_size, EDGE_STREAM_WINDOW))
        sp_audit_found(a, o, "initial_stream_window_size", -1, "one request can make the door hold %u bytes", o->initial_stream_window_size->value);
    if (over(o->initial_connection_window_size, EDGE_CONNECTION_WINDOW))
        sp_audit_found(a, o, "initial_connection_window_size", -1, "one connection can make the door hold %u bytes",
                       o->initial_connection_window_size->value);
}

static void buffers(struct sp_audit *a, const sp_look_listener *l)
{
    const U32 *v = l->per_connection_buffer_limit_bytes;
    if (!v || v->value >= LARGE_BUFFER)
        sp_audit_found(a, l, "per_connection_buffer_limit_bytes", -1, "filters that collect bodies, and retries, may hold %u bytes for each stream",
                       v ? v->value : LARGE_BUFFER);
}

static void origin_buffers(struct sp_audit *a, const sp_look_cluster *c)
{
    const U32 *v = c->per_connection_buffer_limit_bytes;
    if (!v || v->value >= LARGE_BUFFER)
        sp_audit_found(a, c, "per_connection_buffer_limit_bytes", -1, "%u bytes may wait on each connection",
                       v ? v->value : LARGE_BUFFER);
}

static void large_headers(struct sp_audit *a, const struct sp_look_chain *c)
{
    const Common *o = c->hcm ? c->hcm->common_http_protocol_options : NULL;
    if (c->hcm && over(c->hcm->max_request_headers_kb, LARGE_HEADERS_KIB))
        sp_audit_found(a, c->hcm, "max_request_headers_kb", -1, "each request may have %u KiB of headers", c->hcm->max_request_headers_kb->value);
    if (o && over(o->max_headers_count, MANY_HEADERS))
        sp_audit_found(a, o, "max_headers_count", -1, "each request may have %u headers", o->max_headers_count->value);
}

/* ---- how many ---- */

/* `key` is the end of a runtime key, in whatever depth it was written. */
static bool runtime_has(const Google__Protobuf__Struct *s, const char *key, unsigned depth)
{
    for (size_t i = 0; s && i < s->n_fields && depth < 16; i++) {
        const Google__Protobuf__Value *v = s->fields[i]->value;
        if (sp_str_ends(sp_str_c(s->fields[i]->key), sp_str_c(key)))
            return true;
        if (v && v->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE && runtime_has(v->struct_value, key, depth + 1))
            return true;
    }
    return false;
}

static bool runtime_says(const struct sp_audit *a, const char *key)
{
    const Envoy__Config__Bootstrap__V3__LayeredRuntime *r = a->bootstrap->layered_runtime;
    for (size_t i = 0; r && i < r->n_layers; i++)
        if (r->layers[i]->layer_specifier_case == ENVOY__CONFIG__BOOTSTRAP__V3__RUNTIME_LAYER__LAYER_SPECIFIER_STATIC_LAYER &&
            runtime_has(r->layers[i]->static_layer, key, 0))
            return true;
    return false;
}

static bool overload_counts(const struct sp_audit *a)
{
    const Envoy__Config__Overload__V3__OverloadManager *o = a->bootstrap->overload_manager;
    for (size_t i = 0; o && i < o->n_resource_monitors; i++)
        if (sp_str_ends(sp_str_c(o->resource_monitors[i]->name), SP_STR("downstream_connections")) ||
            sp_str_ends(sp_str_c(o->resource_monitors[i]->name), SP_STR("global_downstream_max_connections")))
            return true;
    return false;
}

static void connections(struct sp_audit *a, const struct sp_look_chain *c)
{
    bool global = runtime_says(a, "global_downstream_max_connections") || overload_counts(a);
    if (!c->outside || runtime_says(a, "connection_limit") || (global && !c->listener->ignore_global_conn_limit))
        return;
    for (size_t i = 0; i < c->chain->n_filters; i++)
        if (sp_doc_any_as(a->doc, c->chain->filters[i]->typed_config, CX_LIMIT_DESC))
            return;
    sp_audit_found(a, c->chain, NULL, -1, "clients may open connections until the process's descriptors are nearly gone");
}

static const struct sp_audit_check checks[] = {
    {"no-request-headers-timeout", SP_AUDIT_MEDIUM, "no limit for the headers' arrival", "set request_headers_timeout: 10s, or take it out",
     SP_CONTROL_SLOW, .chain = headers},
    {"no-handshake-timeout", SP_AUDIT_MEDIUM, "no limit for TLS handshakes", "set transport_socket_connect_timeout: 10s, or take it out",
     SP_CONTROL_SLOW, .chain = handshake},
    {"no-listener-filters-timeout", SP_AUDIT_MEDIUM, "no limit for the first bytes", "set listener_filters_timeout: 15s, or take it out",
     SP_CONTROL_SLOW, .listener = first_bytes},
    {"no-stream-idle-timeout", SP_AUDIT_MEDIUM, "no limit for streams in which nothing moves", "set stream_idle_timeout: 300s, or take it out",
     SP_CONTROL_SLOW, .chain = stream_idle},
    {"no-idle-timeout", SP_AUDIT_MEDIUM, "no limit for idle connections", "set common_http_protocol_options.idle_timeout: 3600s, or take it out",
     SP_CONTROL_SLOW, .chain = connection_idle},
    {"no-request-timeout", SP_AUDIT_LOW, "no limit for a request's arrival",
     "set request_timeout: 300s, unless uploads take longer or requests stream", SP_CONTROL_SLOW, .chain = request},
    {"route-without-timeout", SP_AUDIT_LOW, "a route whose answers have no limit", "set a timeout that is long enough, or max_stream_duration",
     SP_CONTROL_SLOW, .route = route_timeouts},
    {"no-max-connection-duration", SP_AUDIT_INFO, "connections have no greatest age",
     "set common_http_protocol_options.max_connection_duration: 3600s", SP_CONTROL_FLOOD, .chain = max_age},
    {"unwritten-limit", SP_AUDIT_INFO, "a limit that the config does not write, and Envoy would not have",
     "write it, or turn secure_defaults on: then the same file is safe with Envoy too", SP_CONTROL_SLOW, .chain = unwritten},
    {"http2-limits", SP_AUDIT_LOW, "HTTP/2 limits above Envoy's advice for edges",
     "100 streams, windows of 65536 and 1048576 bytes; or take them out", SP_CONTROL_H2, .chain = http2},
    {"buffer-limit", SP_AUDIT_LOW, "large buffers towards clients", "set per_connection_buffer_limit_bytes: 32768", SP_CONTROL_MEMORY,
     .listener = buffers},
    {"origin-buffer-limit", SP_AUDIT_INFO, "large buffers towards origins", "set per_connection_buffer_limit_bytes: 32768",
     SP_CONTROL_MEMORY, .cluster = origin_buffers},
    {"header-limits", SP_AUDIT_LOW, "very large or very many headers", "60 KiB and 100 headers are the defaults", SP_CONTROL_MEMORY,
     .chain = large_headers},
    {"no-connection-limit", SP_AUDIT_LOW, "connections are not limited",
     "set envoy.resource_limits.listener.<name>.connection_limit or overload.global_downstream_max_connections in layered_runtime",
     SP_CONTROL_FLOOD, .chain = connections},
};

const struct sp_audit_area sp_audit_limits = {"Time and room", checks, SP_ARRAY_LEN(checks)};
