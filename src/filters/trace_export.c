/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/trace_export.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "clusters/state.h"
#include "filters/fetch.h"
#include "filters/grpc_target.h"
#include "filters/trace_config.h"

typedef Envoy__Config__Trace__V3__OpenTelemetryConfig Message;
typedef Envoy__Config__Trace__V3__Tracing__Http Provider;
typedef Envoy__Config__Core__V3__HeaderValueOption Option;
typedef Sallyport__Tracing__V1__OpenTelemetry Own;

#define OTEL_DESC &envoy__config__trace__v3__open_telemetry_config__descriptor
#define OWN_DESC &sallyport__tracing__v1__open_telemetry__descriptor

static const struct sp_str grpc_path = SP_STR_INIT("/opentelemetry.proto.collector.trace.v1.TraceService/Export");
static const uint64_t default_timeout_ns = 10 * SP_NS_PER_S;
enum { MAX_ANSWER = 64 * 1024 };

struct export {
    struct sp_tracer tracer;
    struct sp_arena arena; /* may hold keys of the collector: wiped */
    struct sp_cluster *cluster; /* held; NULL: spans go nowhere */
    bool grpc;
    struct sp_fetch_target http;
    struct sp_grpc_target rpc;
    struct sp_header *headers; /* n_headers: of HTTP */
    unsigned n_headers;
    uint64_t timeout_ns;
};

/* A request under way. It lives as long as its call, which nobody cancels. */
struct sending {
    struct export *export;
    struct sp_span_batch *batch;
    unsigned n_spans;
};

/* --- sending --- */

static void lost(const struct sending *s, const char *why, int code)
{
    sp_log_limited(SP_LOG_WARNING, "tracing", 1, "the collector (cluster \"%.*s\") took no spans: %s (%d): %u are lost",
                   SP_STR_ARG(sp_cluster_name(s->export->cluster)), why, code, s->n_spans);
}

static void over(struct sending *s, bool good)
{
    sp_tracer_sent(s->batch, s->n_spans, good); /* the export may go with it */
    free(s);
}

static void on_http(void *ctx, unsigned status, const struct sp_headers *h, struct sp_buf *body, enum sp_abort why)
{
    struct sending *s = ctx;
    bool good = status >= 200 && status < 300;
    (void)h, (void)body;
    if (!good)
        lost(s, status ? "its answer is no 2xx" : sp_abort_name(why), (int)status);
    over(s, good);
}

static void on_grpc(void *ctx, int code, struct sp_str message, struct sp_str why)
{
    struct sending *s = ctx;
    char text[128];
    (void)message;
    if (code != SP_GRPC_OK) {
        snprintf(text, sizeof(text), "%.*s", SP_STR_ARG(why));
        lost(s, text, code);
    }
    over(s, code == SP_GRPC_OK);
}

static bool send_batch(struct sp_tracer *t, struct sp_span_batch *b, struct sp_turn *turn, struct sp_str request)
{
    struct export *e = SP_CONTAINER_OF(t, struct export, tracer);
    if (!turn->worker)
        return false;
    struct sending *s = sp_xmalloc(sizeof(*s));
    *s = (struct sending){e, b, sp_span_batch_sending(b)};
    if (e->grpc)
        sp_grpc_call_start(e->cluster, turn->worker, &(struct sp_grpc_request){
            .authority = e->rpc.authority, .path = grpc_path, .message = request, .metadata = e->rpc.metadata,
            .n_metadata = e->rpc.n_metadata, .timeout_ns = e->timeout_ns, .max_message = MAX_ANSWER}, on_grpc, s);
    else
        sp_http_call_start(e->cluster, turn->worker, &(struct sp_http_request){
            .method = SP_STR("POST"), .scheme = e->http.scheme, .authority = e->http.authority, .path = e->http.path, .headers = e->headers,
            .n_headers = e->n_headers, .body = request, .timeout_ns = e->timeout_ns, .max_body = MAX_ANSWER}, on_http, s);
    return true;
}

static void export_free(struct sp_tracer *t)
{
    struct export *e = SP_CONTAINER_OF(t, struct export, tracer);
    sp_tracer_done(t);
    if (e->cluster)
        sp_cluster_drop(e->cluster);
    sp_arena_done_wipe(&e->arena);
    free(e);
}

static const struct sp_tracer_ops ops = {.send = send_batch, .free = export_free};

/* --- compiling --- */

/* %ENVIRONMENT(NAME)% becomes what it stands for. False: there is another operator. */
static bool expand(struct sp_arena *arena, struct sp_str text, struct sp_str *ret)
{
    static const struct sp_str open = SP_STR_INIT("%ENVIRONMENT(");
    struct sp_str out = SP_STR("");
    ptrdiff_t at;
    while ((at = sp_str_chr(text, '%')) >= 0) {
        struct sp_str rest = sp_str_sub(text, (size_t)at, text.len);
        ptrdiff_t end = sp_str_find(rest, SP_STR(")%"));
        if (!sp_str_starts(rest, open) || end < 0)
            return false;
        struct sp_str name = sp_arena_str(arena, sp_str_sub(rest, open.len, (size_t)end));
        out = sp_arena_cat(arena, out, sp_str_sub(text, 0, (size_t)at));
        out = sp_arena_cat(arena, out, sp_str_c(getenv(name.ptr)));
        text = sp_str_sub(rest, (size_t)end + 2, rest.len);
    }
    *ret = sp_arena_cat(arena, out, text);
    return true;
}

static bool header(struct export *e, const struct sp_hcm_build *b, const Option *msg)
{
    struct sp_header *h = &e->headers[e->n_headers++];
    struct sp_str name = sp_arena_str(&e->arena, sp_str_c(msg->header->key)), value;
    for (size_t k = 0; k < name.len; k++)
        ((char *)(uintptr_t)name.ptr)[k] = sp_ascii_lower(name.ptr[k]);
    *h = (struct sp_header){.name = name, .never_index = true};
    if (!sp_header_name_valid(name) || sp_header_is_framing(sp_header_id(name)) || sp_header_id(name) == SP_H_HOST) {
        sp_doc_err(b->doc, b->diag, msg->header, "key", -1, "this cannot be sent to a collector (take an ordinary header)");
        return false;
    }
    if (!expand(&e->arena, sp_str_c(msg->header->value), &value)) {
        sp_doc_err(b->doc, b->diag, msg->header, "value", -1, "the only operator here is %%ENVIRONMENT(NAME)%%");
        return false;
    }
    h->value = value;
    if (sp_header_value_valid(value))
        return true;
    sp_doc_err(b->doc, b->diag, msg->header, "value", -1, "no header can have this value (printable bytes, no space at an end)");
    return false;
}

static bool http_target(struct export *e, const struct sp_hcm_build *b, const struct sp_filter_build *fb, const Envoy__Config__Core__V3__HttpService *msg)
{
    bool good = sp_fetch_service_init(&e->http, fb, &e->arena, msg->http_uri);
    e->headers = sp_arena_zalloc(&e->arena, (2 + msg->n_request_headers_to_add) * sizeof(*e->headers));
    e->headers[e->n_headers++] = (struct sp_header){.name = SP_STR("content-type"), .value = SP_STR("application/x-protobuf")};
    e->headers[e->n_headers++] = (struct sp_header){.name = SP_STR("user-agent"), .value = SP_STR("OTel-OTLP-Exporter-sallyport")};
    for (size_t i = 0; i < msg->n_request_headers_to_add; i++)
        good &= header(e, b, msg->request_headers_to_add[i]);
    e->cluster = e->http.cluster;
    e->timeout_ns = e->http.timeout_ns;
    return good;
}

static bool target(struct export *e, const struct sp_hcm_build *b, const Message *msg)
{
    const struct sp_filter_build fb = {.doc = b->doc, .diag = b->diag, .find_cluster = b->find_cluster, .ctx = b->ctx};
    if (msg->grpc_service && msg->http_service) {
        sp_doc_err(b->doc, b->diag, msg, "http_service", -1, "cannot stand beside grpc_service (spans go to one place)");
        return false;
    }
    if (msg->http_service)
        return http_target(e, b, &fb, msg->http_service);
    if (!msg->grpc_service) {
        sp_doc_warn(b->doc, b->diag, msg, NULL, -1, "neither grpc_service nor http_service: traces are passed on, and no span is sent (name a collector)");
        return true;
    }
    bool good = sp_grpc_target_init(&e->rpc, &fb, &e->arena, msg->grpc_service);
    e->grpc = true;
    e->cluster = e->rpc.cluster;
    e->timeout_ns = e->rpc.timeout_ns;
    return good;
}

static bool read_provider(struct export *e, const struct sp_hcm_build *b, const Provider *provider)
{
    const Own *own = sp_doc_any_as(b->doc, provider->typed_config, OWN_DESC);
    const Message *msg = own ? own->config : sp_doc_any_as(b->doc, provider->typed_config, OTEL_DESC);
    if (!msg) {
        sp_doc_err(b->doc, b->diag, provider, "typed_config", -1,
                   "no such tracer (envoy.config.trace.v3.OpenTelemetryConfig, sallyport.tracing.v1.OpenTelemetry)");
        return false;
    }
    bool good = target(e, b, msg);
    good &= sp_trace_config_read(&e->tracer, b, msg, own);
    if (!e->timeout_ns)
        e->timeout_ns = default_timeout_ns;
    if (!e->cluster) /* what is not sent is not encoded either */
        sp_otlp_done(&e->tracer.resource);
    return good;
}

struct sp_tracer *sp_trace_export_new(const struct sp_hcm_build *build, const Provider *provider)
{
    assert(build && provider);
    struct export *e = sp_xcalloc(1, sizeof(*e));
    e->tracer.ops = &ops;
    sp_tracer_init(&e->tracer);
    sp_arena_init(&e->arena);
    bool good = read_provider(e, build, provider);
    if (e->cluster)
        sp_cluster_hold(e->cluster);
    if (good)
        return &e->tracer;
    sp_tracer_unref(&e->tracer);
    return NULL;
}
