/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.health_check: answers the health checks of what stands in front: by itself, by how many hosts of some
 * clusters are healthy, or for a while by what the origin said last.  /healthcheck/fail makes it say 503.
 */
#include "envoy/extensions/filters/http/health_check/v3/health_check.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/cluster.h"
#include "config/doc.h"
#include "config/own_node.h"
#include "filters/registry.h"
#include "route/duration.h"
#include "route/matcher.h"
#include "stream/local_health.h"

typedef Envoy__Extensions__Filters__Http__HealthCheck__V3__HealthCheck Message;
typedef Envoy__Extensions__Filters__Http__HealthCheck__V3__HealthCheck__ClusterMinHealthyPercentagesEntry Entry;

/* Of `cached`: the time in ms that it holds until, and what was answered. */
enum { CODE_BITS = 10, DEGRADED = 1 << CODE_BITS, TIME_SHIFT = 16 };

struct min_healthy {
    struct sp_str name;
    double percent;
};

struct config {
    struct sp_arena arena;
    struct sp_header_matcher **headers; /* n_headers of them */
    size_t n_headers;
    struct min_healthy *clusters; /* n_clusters of them, in order of the config */
    size_t n_clusters;
    struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name);
    void *ctx;
    struct sp_str own_cluster; /* node.cluster */
    uint64_t cache_ns;         /* 0: nothing is kept */
    bool pass_through;
    _Atomic uint64_t *cached;  /* of all workers */
};

struct filter {
    struct sp_filter base;
    bool is_check, handles;
};

static void config_free(void *config)
{
    struct config *c = config;
    for (size_t i = 0; i < c->n_headers; i++)
        sp_header_matcher_free(c->headers[i]);
    free(c->cached);
    sp_arena_done(&c->arena);
    free(c);
}

static bool read_headers(const struct sp_filter_build *b, const Message *msg, struct config *c)
{
    bool good = true;
    c->headers = sp_arena_zalloc(&c->arena, (msg->n_headers + 1) * sizeof(*c->headers));
    for (size_t i = 0; i < msg->n_headers; i++) {
        struct sp_header_matcher *m = sp_header_matcher_new(b->doc, b->diag, msg->headers[i]);
        good = good && m;
        if (m)
            c->headers[c->n_headers++] = m;
    }
    if (!msg->n_headers)
        sp_doc_warn(b->doc, b->diag, msg, "headers", -1,
                    "without headers every request is a health check (add {name: \":path\", string_match: {exact: /healthz}})");
    return good;
}

static bool read_clusters(const struct sp_filter_build *b, const Message *msg, struct config *c)
{
    bool good = true;
    c->clusters = sp_arena_zalloc(&c->arena, (msg->n_cluster_min_healthy_percentages + 1) * sizeof(*c->clusters));
    for (size_t i = 0; i < msg->n_cluster_min_healthy_percentages; i++) {
        const Entry *e = msg->cluster_min_healthy_percentages[i];
        c->clusters[c->n_clusters++] = (struct min_healthy){.name = sp_arena_str(&c->arena, sp_str_c(e->key)),
                                                            .percent = e->value ? e->value->value : 0};
        if (b->find_cluster && !b->find_cluster(b->ctx, sp_str_c(e->key)))
            sp_doc_warn(b->doc, b->diag, msg, "cluster_min_healthy_percentages", -1,
                        "there is no cluster \"%s\": as long as it is not there, every health check is answered with 503", e->key);
    }
    if (c->n_clusters && c->pass_through) {
        sp_doc_err(b->doc, b->diag, msg, "cluster_min_healthy_percentages", -1,
                   "with pass_through_mode the origin answers, and nobody looks at these (take one of the two)");
        good = false;
    }
    return good;
}

static bool read_cache(const struct sp_filter_build *b, const Message *msg, struct config *c)
{
    c->cache_ns = sp_duration_or(msg->cache_time, 0);
    if (!c->cache_ns)
        return true;
    c->cached = sp_xcalloc(1, sizeof(*c->cached));
    if (c->pass_through)
        return true;
    sp_doc_err(b->doc, b->diag, msg, "cache_time", -1,
               "without pass_through_mode there is no answer of an origin to keep (drop it, or pass_through_mode: true)");
    return false;
}

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    sp_arena_init(&c->arena);
    c->pass_through = msg->pass_through_mode->value;
    c->find_cluster = b->find_cluster;
    c->ctx = b->ctx;
    c->own_cluster = sp_arena_str(&c->arena, sp_own_cluster(b->doc));
    bool good = read_headers(b, msg, c);
    good &= read_clusters(b, msg, c);
    good &= read_cache(b, msg, c);
    if (good)
        return c;
    config_free(c);
    return NULL;
}

static uint64_t now_ms(const struct filter *f)
{
    return sp_filter_turn(&f->base)->now_ns / SP_NS_PER_MS;
}

/* What the origin said, 0 if that is too old. */
static uint64_t remembered(const struct filter *f)
{
    const struct config *c = f->base.config;
    uint64_t v = c->cached ? atomic_load_explicit(c->cached, memory_order_relaxed) : 0;
    return v >> TIME_SHIFT > now_ms(f) ? v & ((1u << TIME_SHIFT) - 1) : 0;
}

static void remember(const struct filter *f, const struct sp_headers *h)
{
    const struct config *c = f->base.config;
    uint64_t until = now_ms(f) + c->cache_ns / SP_NS_PER_MS;
    uint64_t what = h->status | (sp_headers_find(h, SP_STR("x-envoy-degraded"), NULL) ? DEGRADED : 0);
    atomic_store_explicit(c->cached, until << TIME_SHIFT | what, memory_order_relaxed);
}

/* --- the answer --- */

static bool enough(const struct config *c, const struct min_healthy *m, struct sp_str *ret_details)
{
    struct sp_cluster *cluster = c->find_cluster ? c->find_cluster(c->ctx, m->name) : NULL;
    uint64_t total, available;
    if (!cluster) {
        *ret_details = SP_STR("health_check_failed_no_cluster_found");
        return false;
    }
    sp_cluster_members(cluster, &total, &available);
    if (!total && m->percent > 0) {
        *ret_details = SP_STR("health_check_failed_cluster_empty");
        return false;
    }
    *ret_details = SP_STR("health_check_failed_cluster_unhealthy");
    return 100.0 * (double)available >= (double)total * m->percent;
}

static unsigned verdict(const struct config *c, struct sp_str *ret_details)
{
    if (sp_local_health_failing()) {
        *ret_details = SP_STR("health_check_failed");
        return 503;
    }
    for (size_t i = 0; i < c->n_clusters; i++)
        if (!enough(c, &c->clusters[i], ret_details))
            return 503;
    *ret_details = c->n_clusters ? SP_STR("health_check_ok_cluster_healthy") : SP_STR("health_check_ok");
    return 200;
}

static void answer(struct filter *f)
{
    static const struct sp_header degraded = {.name = SP_STR_INIT("x-envoy-degraded"), .value = SP_STR_INIT("")};
    struct sp_reply r = {0};
    uint64_t cached = sp_local_health_failing() ? 0 : remembered(f);
    if (cached) {
        r.status = cached & (DEGRADED - 1);
        r.details = SP_STR("health_check_cached");
        r.headers = &degraded;
        r.n_headers = cached & DEGRADED ? 1 : 0;
    } else {
        r.status = verdict(f->base.config, &r.details);
    }
    if (r.status / 100 != 2)
        r.flags = SP_FLAG_LH;
    sp_filter_reply(&f->base, &r);
}

static bool matches(const struct config *c, const struct sp_headers *h)
{
    for (size_t i = 0; i < c->n_headers; i++)
        if (!sp_header_match(c->headers[i], h))
            return false;
    return true;
}

static enum sp_status decode_headers(struct sp_filter *base, struct sp_headers *h, bool end)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    const struct config *c = base->config;
    if (!matches(c, h))
        return SP_CONTINUE;
    f->is_check = true;
    sp_filter_info(base)->health_check = true;
    f->handles = !c->pass_through || sp_local_health_failing() || remembered(f);
    if (!f->handles)
        return SP_CONTINUE;
    answer(f);
    return SP_STOP;
}

static enum sp_status encode_headers(struct sp_filter *base, struct sp_headers *h, bool end)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    const struct config *c = base->config;
    if (f->is_check && c->cached && !f->handles)
        remember(f, h);
    if (f->is_check)
        sp_headers_set(h, SP_STR("x-envoy-upstream-healthchecked-cluster"), c->own_cluster);
    if (sp_local_health_failing())
        sp_headers_set(h, SP_STR("x-envoy-immediate-health-check-fail"), SP_STR("true"));
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_health_check_ops = {
    .name = "health_check",
    .type_url = "envoy.extensions.filters.http.health_check.v3.HealthCheck",
    .not_staged = "it never refuses",
    .routeless = true,
    .size = sizeof(struct filter),
    .config_new = config_new,
    .config_free = config_free,
    .decode_headers = decode_headers,
    .encode_headers = encode_headers,
};
