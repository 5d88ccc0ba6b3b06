/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/health_config.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "clusters/grpc_frame.h"
#include "clusters/health_payload.h"
#include "envoy/extensions/health_check/event_sinks/file/v3/file.pb-c.h"
#include "event/turn.h"
#include "grpc/health/v1/health.pb-c.h"

typedef Envoy__Config__Core__V3__HealthCheck__HttpHealthCheck http_msg;
typedef Envoy__Config__Core__V3__HealthCheck__TcpHealthCheck tcp_msg;
typedef Envoy__Config__Core__V3__HealthCheck__GrpcHealthCheck grpc_msg;
typedef Envoy__Config__Core__V3__HealthCheck__TlsOptions tls_msg;

enum { DEFAULT_NO_TRAFFIC_S = 60, MAX_RECEIVE_BYTES = 16384, DEFAULT_RESPONSE = 1024, MAX_RESPONSE = 1 << 20, MAX_ALPN = 1024 };

struct build {
    struct sp_health_config *h;
    struct sp_arena *arena;
    const struct sp_doc *doc;
    struct sp_diag *diag;
    const struct sp_cluster_options *options;
};

#define ERR(b, ...) sp_doc_err((b)->doc, (b)->diag, __VA_ARGS__)

static void ranges(struct build *b, const http_msg *msg, const char *field, Envoy__Type__V3__Int64Range **list, size_t n,
                   const struct sp_status_range **ret, unsigned *ret_n)
{
    struct sp_status_range *out = sp_arena_alloc(b->arena, (n + 1) * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        int64_t from = list[i]->start, upto = list[i]->end;
        if (from < 100 || upto > 600 || from >= upto)
            ERR(b, msg, field, (int)i,
                "%lld to %lld is no range of statuses (start at 100 or more, end at 600 or less; the end is not in it)",
                (long long)from, (long long)upto);
        out[i] = (struct sp_status_range){(unsigned)from, (unsigned)upto};
    }
    *ret = out;
    *ret_n = (unsigned)n;
}

static struct sp_str method_of(const http_msg *msg)
{
    static const struct sp_str names[] = {SP_STR_INIT("GET"),   SP_STR_INIT("GET"),     SP_STR_INIT("HEAD"),
                                          SP_STR_INIT("POST"),  SP_STR_INIT("PUT"),     SP_STR_INIT("DELETE"),
                                          SP_STR_INIT("CONNECT"), SP_STR_INIT("OPTIONS"), SP_STR_INIT("TRACE"),
                                          SP_STR_INIT("PATCH")};
    assert((size_t)msg->method < SP_ARRAY_LEN(names));
    return names[msg->method];
}

static bool has_body(const http_msg *msg)
{
    return msg->method == ENVOY__CONFIG__CORE__V3__REQUEST_METHOD__POST || msg->method == ENVOY__CONFIG__CORE__V3__REQUEST_METHOD__PUT ||
           msg->method == ENVOY__CONFIG__CORE__V3__REQUEST_METHOD__PATCH || msg->method == ENVOY__CONFIG__CORE__V3__REQUEST_METHOD__OPTIONS;
}

static void take_path(struct build *b, const http_msg *msg)
{
    b->h->path = sp_arena_str(b->arena, sp_str_c(msg->path));
    if (msg->path[0] != '/')
        ERR(b, msg, "path", -1, "\"%s\" does not begin with '/'", msg->path);
    for (const char *s = msg->path; *s; s++)
        if (*s <= ' ' || *s == 0x7f) {
            ERR(b, msg, "path", -1, "has a space or a control character (write it as %%20 and the like)");
            break;
        }
}

static void take_bodies(struct build *b, const http_msg *msg)
{
    struct sp_health_config *h = b->h;
    size_t bytes, limit = msg->response_buffer_size ? (size_t)msg->response_buffer_size->value : DEFAULT_RESPONSE;
    if (msg->send && !has_body(msg))
        ERR(b, msg, "send", -1, "is a body, and %.*s has none (set method to POST, PUT, PATCH or OPTIONS)", SP_STR_ARG(h->method));
    if (msg->send)
        h->send = sp_payload_read(b->arena, b->doc, b->diag, msg->send);
    h->response_limit = limit ? SP_MIN(limit, (size_t)MAX_RESPONSE) : MAX_RESPONSE;
    h->receive = sp_payload_list(b->arena, b->doc, b->diag, msg, msg->receive, msg->n_receive, &bytes);
    h->n_receive = (unsigned)msg->n_receive;
    if (bytes > h->response_limit)
        ERR(b, msg, "receive", -1, "has %zu bytes and can never be found in the %zu that response_buffer_size keeps (raise that)", bytes,
            h->response_limit);
}

static void take_http(struct build *b, const http_msg *msg)
{
    static const struct sp_status_range ok = {200, 201};
    struct sp_health_config *h = b->h;
    h->kind = SP_HEALTH_HTTP;
    h->h2 = msg->codec_client_type == ENVOY__TYPE__V3__CODEC_CLIENT_TYPE__HTTP2;
    h->host = sp_arena_str(b->arena, sp_str_c(msg->host));
    h->method = method_of(msg);
    take_path(b, msg);
    take_bodies(b, msg);
    ranges(b, msg, "expected_statuses", msg->expected_statuses, msg->n_expected_statuses, &h->expected, &h->n_expected);
    ranges(b, msg, "retriable_statuses", msg->retriable_statuses, msg->n_retriable_statuses, &h->retriable,
           &h->n_retriable);
    if (!h->n_expected) {
        h->expected = &ok;
        h->n_expected = 1;
    }
    if (msg->service_name_matcher)
        h->service = sp_string_matcher_new(b->doc, b->diag, msg->service_name_matcher);
    h->headers = sp_header_ops_new(b->doc, b->diag, msg, msg->request_headers_to_add, msg->n_request_headers_to_add,
                                   msg->request_headers_to_remove, msg->n_request_headers_to_remove, NULL, 0, NULL, 0);
}

/* The message of a Check, which is the same each time. */
static struct sp_str check_message(struct build *b, const grpc_msg *msg)
{
    Grpc__Health__V1__HealthCheckRequest ask;
    grpc__health__v1__health_check_request__init(&ask);
    ask.service = msg->service_name;
    size_t n = protobuf_c_message_get_packed_size(&ask.base);
    char *out = sp_arena_alloc(b->arena, SP_GRPC_PREFIX + n);
    sp_grpc_prefix(out, (uint32_t)n);
    protobuf_c_message_pack(&ask.base, (uint8_t *)out + SP_GRPC_PREFIX);
    return sp_str_n(out, SP_GRPC_PREFIX + n);
}

static void take_grpc(struct build *b, const Envoy__Config__Core__V3__HealthCheck *hc, const grpc_msg *msg)
{
    struct sp_health_config *h = b->h;
    h->kind = SP_HEALTH_GRPC;
    h->h2 = true;
    h->host = sp_arena_str(b->arena, sp_str_c(msg->authority));
    h->send = check_message(b, msg);
    h->headers = sp_header_ops_new(b->doc, b->diag, msg, msg->initial_metadata, msg->n_initial_metadata, NULL, 0, NULL, 0, NULL, 0);
    if (b->options->protocol == SP_UPSTREAM_H1)
        ERR(b, hc, "grpc_health_check", -1,
            "needs a cluster that speaks HTTP/2, and this one speaks HTTP/1.1 (set http2_protocol_options in its HttpProtocolOptions)");
}

static void take_tcp(struct build *b, const tcp_msg *msg)
{
    static const enum sp_health_proxy versions[] = {SP_HEALTH_PROXY_V1, SP_HEALTH_PROXY_V2};
    struct sp_health_config *h = b->h;
    size_t bytes;
    h->kind = SP_HEALTH_TCP;
    if (msg->send)
        h->send = sp_payload_read(b->arena, b->doc, b->diag, msg->send);
    h->receive = sp_payload_list(b->arena, b->doc, b->diag, msg, msg->receive, msg->n_receive, &bytes);
    h->n_receive = (unsigned)msg->n_receive;
    if (bytes > MAX_RECEIVE_BYTES)
        ERR(b, msg, "receive", -1, "has %zu bytes (at most %d)", bytes, MAX_RECEIVE_BYTES);
    if (msg->proxy_protocol_config) {
        assert((size_t)msg->proxy_protocol_config->version < SP_ARRAY_LEN(versions));
        h->proxy = versions[msg->proxy_protocol_config->version];
        if (msg->proxy_protocol_config->n_added_tlvs)
            ERR(b, msg->proxy_protocol_config, "added_tlvs", -1, "are not sent by health checks, which are nobody's (take them out)");
    }
}

/* What is offered by ALPN: what the check says, or the context; else what the check speaks, not the cluster. */
static void take_alpn(struct build *b, const tls_msg *msg)
{
    struct sp_health_config *h = b->h;
    size_t n = 0, size = 0;
    for (size_t i = 0; msg && i < msg->n_alpn_protocols; i++) {
        size_t len = strlen(msg->alpn_protocols[i]);
        size += 1 + len;
        if (len == 0 || len > UINT8_MAX || size > MAX_ALPN) {
            ERR(b, msg, "alpn_protocols", (int)i, "has %zu bytes (1 to 255, and %d in the whole list)", len, MAX_ALPN);
            return;
        }
    }
    char *out = sp_arena_alloc(b->arena, size + 1);
    for (size_t i = 0; msg && i < msg->n_alpn_protocols; i++) {
        size_t len = strlen(msg->alpn_protocols[i]);
        out[n++] = (char)len;
        memcpy(out + n, msg->alpn_protocols[i], len);
        n += len;
    }
    h->alpn = sp_str_n(out, n);
    if (!n && h->kind != SP_HEALTH_TCP && b->options->tls && !sp_tls_ctx_own_alpn(b->options->tls))
        h->alpn = h->h2 ? SP_STR("\x02h2") : SP_STR("\x08http/1.1");
}

static void take_times(struct sp_health_config *h, const Envoy__Config__Core__V3__HealthCheck *msg)
{
    h->timeout_ns = sp_duration_ns(msg->timeout, 0);
    h->interval_ns = sp_duration_ns(msg->interval, 0);
    h->initial_jitter_ns = sp_duration_ns(msg->initial_jitter, 0);
    h->interval_jitter_ns = sp_duration_ns(msg->interval_jitter, 0);
    h->jitter_percent = msg->interval_jitter_percent;
    h->no_traffic_ns = sp_duration_ns(msg->no_traffic_interval, DEFAULT_NO_TRAFFIC_S * SP_NS_PER_S);
    h->no_traffic_healthy_ns = sp_duration_ns(msg->no_traffic_healthy_interval, h->no_traffic_ns);
    h->unhealthy_ns = sp_duration_ns(msg->unhealthy_interval, h->interval_ns);
    h->unhealthy_edge_ns = sp_duration_ns(msg->unhealthy_edge_interval, h->unhealthy_ns);
    h->healthy_edge_ns = sp_duration_ns(msg->healthy_edge_interval, h->interval_ns);
}

/* Last: nothing is made on the disk for a config that is refused anyway. */
static void take_events(struct build *b, const Envoy__Config__Core__V3__HealthCheck *msg)
{
    struct sp_health_config *h = b->h;
    h->log_failures = msg->always_log_health_check_failures;
    h->log_successes = msg->always_log_health_check_success;
    if (msg->event_log_path[0])
        sp_event_log_add(&h->events, b->doc, b->diag, msg, "event_log_path", msg->event_log_path);
    for (size_t i = 0; i < msg->n_event_logger; i++) {
        const Google__Protobuf__Any *any = msg->event_logger[i]->typed_config;
        const Envoy__Extensions__HealthCheck__EventSinks__File__V3__HealthCheckEventFileSink *sink =
            any ? sp_doc_any_as(b->doc, any, &envoy__extensions__health_check__event_sinks__file__v3__health_check_event_file_sink__descriptor)
                : NULL;
        if (!sink)
            ERR(b, msg->event_logger[i], "typed_config", -1, "is no sink of events that is run (take a HealthCheckEventFileSink)");
        else
            sp_event_log_add(&h->events, b->doc, b->diag, sink, "event_log_path", sink->event_log_path);
    }
}

bool sp_health_config_init(struct sp_health_config *h, struct sp_arena *arena, const struct sp_doc *doc,
                           struct sp_diag *diag, const Envoy__Config__Core__V3__HealthCheck *msg,
                           const struct sp_cluster_options *o)
{
    assert(h && arena && doc && diag && msg && o);
    struct build b = {h, arena, doc, diag, o};
    unsigned errors = diag->n_errors;
    memset(h, 0, sizeof(*h));
    take_times(h, msg);
    h->name = sp_arena_str(arena, sp_str_c(msg->name));
    if (h->name.len) {
        char *label = sp_arena_alloc(arena, h->name.len + 4);
        h->label = sp_str_n(label, (size_t)snprintf(label, h->name.len + 4, " (%s)", msg->name));
    }
    h->unhealthy_threshold = msg->unhealthy_threshold ? SP_MAX(msg->unhealthy_threshold->value, 1u) : 1;
    h->healthy_threshold = msg->healthy_threshold ? SP_MAX(msg->healthy_threshold->value, 1u) : 1;
    h->alt_port = msg->alt_port ? msg->alt_port->value : 0;
    h->reuse = !msg->reuse_connection || msg->reuse_connection->value;
    switch (msg->health_checker_case) {
    case ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_HTTP_HEALTH_CHECK:
        take_http(&b, msg->http_health_check);
        break;
    case ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_TCP_HEALTH_CHECK:
        take_tcp(&b, msg->tcp_health_check);
        break;
    case ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_GRPC_HEALTH_CHECK:
        take_grpc(&b, msg, msg->grpc_health_check);
        break;
    default:
        return false; /* a field rule has reported it */
    }
    take_alpn(&b, msg->tls_options);
    if (diag->n_errors == errors)
        take_events(&b, msg);
    return diag->n_errors == errors;
}

void sp_health_config_done(struct sp_health_config *h)
{
    assert(h);
    sp_header_ops_free(h->headers);
    sp_string_matcher_free(h->service);
    sp_event_log_free(h->events);
    h->events = NULL;
    h->headers = NULL;
    h->service = NULL;
}
