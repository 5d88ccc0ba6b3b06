/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/stats_export.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "clusters/state.h"
#include "filters/trace_config.h"
#include "sallyport_version.h"
#include "stats/stats.h"
#include "tracing/otlp.h"

typedef Envoy__Extensions__StatSinks__OpenTelemetry__V3__SinkConfig Message;

enum { UNDER_WAY_MAX = 16, MAX_ANSWER = 64 << 10 };
static const uint64_t default_timeout_ns = 5 * SP_NS_PER_S;
static const struct sp_str path = SP_STR_INIT("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");

struct sp_stats_export {
    _Atomic unsigned refs;
    struct sp_arena arena; /* may hold a token: wiped */
    struct sp_grpc_target to;
    struct sp_otlp resource, scope;
    struct sp_counter sent, failed;
    bool held; /* its cluster */
};

struct request {
    struct sp_msg msg;
    struct sp_stats_export *of;
    struct sp_worker *prober;
    struct sp_otlp bytes;
};

static void over(struct request *r)
{
    sp_otlp_done(&r->bytes);
    sp_stats_export_unref(r->of);
    free(r);
}

static void on_answer(void *ctx, int code, struct sp_str message, struct sp_str why)
{
    struct request *r = ctx;
    (void)message;
    sp_counter_inc(code == SP_GRPC_OK ? r->of->sent : r->of->failed);
    if (code != SP_GRPC_OK)
        sp_log_limited(SP_LOG_WARNING, "stats", 1, "the collector (cluster \"%.*s\") took no metrics: %.*s (%d)",
                       SP_STR_ARG(sp_cluster_name(r->of->to.cluster)), SP_STR_ARG(why), code);
    over(r);
}

/* On the prober; or, when that has ended, for whoever buries it: nobody would hear the answer. */
static void start(struct sp_msg *m)
{
    struct request *r = SP_CONTAINER_OF(m, struct request, msg);
    const struct sp_grpc_target *t = &r->of->to;
    if (r->prober->stopping) {
        over(r);
        return;
    }
    sp_grpc_call_start(t->cluster, r->prober, &(struct sp_grpc_request){
        .authority = t->authority, .path = path, .message = sp_str_n(r->bytes.p, r->bytes.len), .metadata = t->metadata, .n_metadata = t->n_metadata,
        .timeout_ns = t->timeout_ns ? t->timeout_ns : default_timeout_ns, .max_message = MAX_ANSWER}, on_answer, r);
}

int sp_stats_export_send(struct sp_stats_export *x, struct sp_worker *prober, struct sp_str metrics)
{
    assert(x && prober && metrics.len);
    if (atomic_load_explicit(&x->refs, memory_order_relaxed) > UNDER_WAY_MAX)
        return -EAGAIN;
    struct request *r = sp_xcalloc(1, sizeof(*r));
    r->msg.run = start;
    r->of = x;
    r->prober = prober;
    atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
    sp_otlp_request(&r->bytes, sp_str_n(x->resource.p, x->resource.len), sp_str_n(x->scope.p, x->scope.len), metrics);
    sp_worker_post(prober, &r->msg);
    return 0;
}

void sp_stats_export_unref(struct sp_stats_export *x)
{
    if (!x || atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (x->held)
        sp_cluster_drop(x->to.cluster);
    sp_otlp_done(&x->resource);
    sp_otlp_done(&x->scope);
    sp_arena_done_wipe(&x->arena);
    free(x);
}

static bool describe(struct sp_stats_export *x, const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    struct sp_attrs attrs = {.n = 0};
    bool good = sp_trace_detect(&attrs, doc, diag, msg->resource_detectors, msg->n_resource_detectors);
    sp_otlp_resource(&x->resource, &attrs);
    sp_otlp_scope(&x->scope, SP_STR("sallyport"), SP_STR(SP_VERSION));
    return good;
}

struct sp_stats_export *sp_stats_export_new(const struct sp_doc *doc, struct sp_diag *diag, const Message *msg,
                                            struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name), void *ctx)
{
    assert(doc && diag && msg && find_cluster);
    if (!msg->grpc_service) /* a rule has said so */
        return NULL;
    struct sp_stats_export *x = sp_xcalloc(1, sizeof(*x));
    const struct sp_filter_build build = {.doc = doc, .diag = diag, .find_cluster = find_cluster, .ctx = ctx};
    struct sp_stats_scope *scope = sp_stats_scope(sp_stats_root(), SP_STR("stats_sinks"), NULL, SP_STR_NULL);
    atomic_init(&x->refs, 1);
    sp_arena_init(&x->arena);
    x->sent = sp_stats_counter(scope, SP_STR("requests"));
    x->failed = sp_stats_counter(scope, SP_STR("requests_failed"));
    bool good = sp_grpc_target_init(&x->to, &build, &x->arena, msg->grpc_service);
    good &= describe(x, doc, diag, msg);
    if (x->to.cluster) {
        sp_cluster_hold(x->to.cluster);
        x->held = true;
    }
    if (good)
        return x;
    sp_stats_export_unref(x);
    return NULL;
}
