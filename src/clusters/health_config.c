/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/health_config.h"

#include <assert.h>

#include "event/turn.h"

typedef Envoy__Config__Core__V3__HealthCheck__HttpHealthCheck http_msg;
typedef Envoy__Config__Core__V3__HealthCheck__TcpHealthCheck tcp_msg;
typedef Envoy__Config__Core__V3__HealthCheck__Payload payload_msg;

enum { DEFAULT_NO_TRAFFIC_S = 60, MAX_RECEIVE_BYTES = 16384 };

struct build {
    struct sp_health_config *h;
    struct sp_arena *arena;
    const struct sp_doc *doc;
    struct sp_diag *diag;
    bool failed;
};

#define ERR(b, ...) \
    do { \
        sp_doc_err((b)->doc, (b)->diag, __VA_ARGS__); \
        (b)->failed = true; \
    } while (0)

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

static void take_http(struct build *b, const http_msg *msg)
{
    static const struct sp_status_range ok = {200, 201};
    struct sp_health_config *h = b->h;
    h->http = true;
    h->h2 = msg->codec_client_type == ENVOY__TYPE__V3__CODEC_CLIENT_TYPE__HTTP2;
    h->host = sp_arena_str(b->arena, sp_str_c(msg->host));
    h->path = sp_arena_str(b->arena, sp_str_c(msg->path));
    h->method = method_of(msg);
    if (msg->path[0] != '/')
        ERR(b, msg, "path", -1, "\"%s\" does not begin with '/'", msg->path);
    for (const char *s = msg->path; *s; s++)
        if (*s <= ' ' || *s == 0x7f) {
            ERR(b, msg, "path", -1, "has a space or a control character (write it as %%20 and the like)");
            break;
        }
    ranges(b, msg, "expected_statuses", msg->expected_statuses, msg->n_expected_statuses, &h->expected, &h->n_expected);
    ranges(b, msg, "retriable_statuses", msg->retriable_statuses, msg->n_retriable_statuses, &h->retriable,
           &h->n_retriable);
    if (!h->n_expected) {
        h->expected = &ok;
        h->n_expected = 1;
    }
    unsigned errors = b->diag->n_errors;
    h->headers = sp_header_ops_new(b->doc, b->diag, msg, msg->request_headers_to_add, msg->n_request_headers_to_add,
                                   msg->request_headers_to_remove, msg->n_request_headers_to_remove, NULL, 0, NULL, 0);
    b->failed = b->failed || b->diag->n_errors > errors;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = sp_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct sp_str payload(struct build *b, const payload_msg *msg)
{
    if (msg->payload_case != ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__PAYLOAD__PAYLOAD_TEXT)
        return sp_arena_str(b->arena, sp_str_n((const char *)msg->binary.data, msg->binary.len));
    size_t n = strlen(msg->text) / 2;
    char *out = sp_arena_alloc(b->arena, n + 1);
    bool good = strlen(msg->text) % 2 == 0;
    for (size_t i = 0; good && i < n; i++) {
        int hi = hex_digit(msg->text[2 * i]), lo = hex_digit(msg->text[2 * i + 1]);
        good = hi >= 0 && lo >= 0;
        out[i] = (char)(hi << 4 | lo);
    }
    if (!good)
        ERR(b, msg, "text", -1, "is not in hexadecimal (two digits a byte, such as 50494e47 for PING)");
    return sp_str_n(out, n);
}

static void take_tcp(struct build *b, const tcp_msg *msg)
{
    struct sp_health_config *h = b->h;
    if (msg->send)
        h->send = payload(b, msg->send);
    struct sp_str *receive = sp_arena_alloc(b->arena, (msg->n_receive + 1) * sizeof(*receive));
    size_t bytes = 0;
    for (size_t i = 0; i < msg->n_receive; i++) {
        receive[i] = payload(b, msg->receive[i]);
        bytes += receive[i].len;
        if (!receive[i].len)
            ERR(b, msg, "receive", (int)i, "is empty (take it out: a connection alone is enough then)");
    }
    if (bytes > MAX_RECEIVE_BYTES)
        ERR(b, msg, "receive", -1, "has %zu bytes (at most %d)", bytes, MAX_RECEIVE_BYTES);
    h->receive = receive;
    h->n_receive = (unsigned)msg->n_receive;
}

static void take_times(struct sp_health_config *h, const Envoy__Config__Core__V3__HealthCheck *msg)
{
    h->timeout_ns = sp_duration_ns(msg->timeout, 0);
    h->interval_ns = sp_duration_ns(msg->interval, 0);
    h->initial_jitter_ns = sp_duration_ns(msg->initial_jitter, 0);
    h->interval_jitter_ns = sp_duration_ns(msg->interval_jitter, 0);
    h->no_traffic_ns = sp_duration_ns(msg->no_traffic_interval, DEFAULT_NO_TRAFFIC_S * SP_NS_PER_S);
    h->no_traffic_healthy_ns = sp_duration_ns(msg->no_traffic_healthy_interval, h->no_traffic_ns);
    h->unhealthy_ns = sp_duration_ns(msg->unhealthy_interval, h->interval_ns);
    h->unhealthy_edge_ns = sp_duration_ns(msg->unhealthy_edge_interval, h->unhealthy_ns);
    h->healthy_edge_ns = sp_duration_ns(msg->healthy_edge_interval, h->interval_ns);
}

bool sp_health_config_init(struct sp_health_config *h, struct sp_arena *arena, const struct sp_doc *doc,
                           struct sp_diag *diag, const Envoy__Config__Core__V3__HealthCheck *msg)
{
    assert(h && arena && doc && diag && msg);
    struct build b = {.h = h, .arena = arena, .doc = doc, .diag = diag};
    memset(h, 0, sizeof(*h));
    take_times(h, msg);
    h->unhealthy_threshold = msg->unhealthy_threshold ? SP_MAX(msg->unhealthy_threshold->value, 1u) : 1;
    h->healthy_threshold = msg->healthy_threshold ? SP_MAX(msg->healthy_threshold->value, 1u) : 1;
    h->alt_port = msg->alt_port ? msg->alt_port->value : 0;
    h->reuse = !msg->reuse_connection || msg->reuse_connection->value;
    if (msg->health_checker_case == ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_HTTP_HEALTH_CHECK)
        take_http(&b, msg->http_health_check);
    else if (msg->health_checker_case == ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_TCP_HEALTH_CHECK)
        take_tcp(&b, msg->tcp_health_check);
    else
        b.failed = true; /* a field rule has reported it */
    return !b.failed;
}

void sp_health_config_done(struct sp_health_config *h)
{
    assert(h);
    sp_header_ops_free(h->headers);
    h->headers = NULL;
}
