/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/cluster_overview.h"

#include <assert.h>

#include "base/json.h"
#include "clusters/current.h"
#include "clusters/outlier.h"
#include "stats/read.h"

static json_int_t count(struct sp_counter c)
{
    return c.cell ? (json_int_t)sp_counter_value(c) : 0; /* cell 0 is what counters that nobody made have in common */
}

/* Shares are read one after the other: one that moves can look negative. */
static json_int_t gauge(struct sp_gauge g)
{
    return (json_int_t)SP_MAX((int64_t)sp_gauge_value(g), 0);
}

static json_t *connections(const struct sp_cluster_stats *s)
{
    json_t *j = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "active", gauge(s->upstream_cx_active), "http1_active",
                          gauge(s->upstream_cx_http1_active), "http2_active", gauge(s->upstream_cx_http2_active), "total",
                          count(s->upstream_cx_total), "connect_fail", count(s->upstream_cx_connect_fail), "overflow",
                          count(s->upstream_cx_overflow));
    json_object_set_new(j, "none_healthy", json_integer(count(s->upstream_cx_none_healthy)));
    json_object_set_new(j, "protocol_error", json_integer(count(s->upstream_cx_protocol_error)));
    return j;
}

static json_t *requests(const struct sp_cluster_stats *s)
{
    static const char *const classes[] = {NULL, "1xx", "2xx", "3xx", "4xx", "5xx"};
    json_t *j = json_pack("{s:I, s:I, s:I, s:I}", "total", count(s->upstream_rq_total), "active", gauge(s->upstream_rq_active),
                          "pending", gauge(s->upstream_rq_pending_active), "completed", count(s->upstream_rq_completed));
    for (int i = 1; i < 6; i++)
        json_object_set_new(j, classes[i], json_integer(count(s->codes.classes[i])));
    const struct {
        const char *name;
        struct sp_counter c;
    } rest[] = {{"timeout", s->upstream_rq_timeout},   {"retry", s->upstream_rq_retry},
                {"rx_reset", s->upstream_rq_rx_reset}, {"tx_reset", s->upstream_rq_tx_reset},
                {"cancelled", s->upstream_rq_cancelled}, {"pending_overflow", s->upstream_rq_pending_overflow}};
    for (size_t i = 0; i < SP_ARRAY_LEN(rest); i++)
        json_object_set_new(j, rest[i].name, json_integer(count(rest[i].c)));
    return j;
}

/* Which circuit breakers let nothing more pass now. */
static json_t *open_breakers(const struct sp_cluster *c)
{
    json_t *list = json_array();
    for (int p = 0; p < SP_ROUTINGS; p++) {
        const struct sp_breakers *b = &c->breakers[p];
        const struct {
            const char *name[SP_ROUTINGS];
            struct sp_gauge open;
        } all[] = {{{"connections", "high.connections"}, b->connections.open},
                   {{"pending", "high.pending"}, b->pending.open},
                   {{"requests", "high.requests"}, b->requests.open},
                   {{"retries", "high.retries"}, b->retries.open}};
        for (size_t i = 0; i < SP_ARRAY_LEN(all); i++)
            if (gauge(all[i].open))
                json_array_append_new(list, json_string(all[i].name[p]));
    }
    return list;
}

static json_t *time_of(const struct sp_histogram_reading *r)
{
    return json_pack("{s:I, s:f, s:f, s:f, s:f}", "count", (json_int_t)r->n, "p50", r->p50, "p90", r->p90, "p99", r->p99, "max", r->p100);
}

json_t *sp_cluster_overview(const struct sp_cluster *c)
{
    assert(c);
    const struct sp_cluster_stats *s = &c->stats;
    struct sp_histogram_reading took, last;
    sp_timing_read(s->upstream_rq_time, &took);
    sp_histogram_read_last(sp_stats_scope_prefix(s->scope), SP_STR("upstream_rq_time"), &last);
    json_t *hosts = json_pack("{s:I, s:I, s:I, s:I}", "total", gauge(s->membership_total), "healthy", gauge(s->membership_healthy),
                              "degraded", gauge(s->membership_degraded), "excluded", gauge(s->membership_excluded));
    json_t *time = time_of(&took);
    json_object_set_new(time, "last", time_of(&last));
    return json_pack("{s:o, s:b, s:o, s:o, s:o, s:o, s:o}", "name", sp_json_text(c->name), "tls", c->options.tls != NULL, "hosts", hosts,
                     "connections", connections(s), "requests", requests(s), "request_ms", time, "breakers_open", open_breakers(c));
}

static json_t *flags_of(uint32_t flags)
{
    struct sp_buf text;
    char out[256];
    sp_buf_init(&text);
    sp_host_flags_text(flags, &text);
    size_t n = sp_buf_peek(&text, out, sizeof(out));
    sp_buf_clear(&text);
    return json_stringn(out, n);
}

static json_t *host(const struct sp_endpoint *e)
{
    static const char *const healths[] = {[SP_HEALTHY] = "healthy", [SP_DEGRADED] = "degraded", [SP_UNHEALTHY] = "unhealthy"};
    const struct sp_host_totals t = sp_host_sum(e->host);
    uint32_t flags = atomic_load_explicit(&e->host->health, memory_order_relaxed);
    json_t *j = json_pack("{s:o, s:o, s:s, s:o, s:i, s:I}", "address", sp_json_text(e->text), "hostname", sp_json_text(e->hostname), "health",
                          healths[sp_health_of(flags)], "flags", flags_of(flags), "priority", (int)e->priority, "weight",
                          (json_int_t)e->weight);
    json_object_set_new(j, "zone", sp_json_text(e->zone));
    json_object_set_new(j, "connections", json_pack("{s:I, s:I, s:I}", "active", (json_int_t)SP_MAX(t.cx_active, 0), "total",
                                                    (json_int_t)t.cx_total, "connect_fail", (json_int_t)t.cx_connect_fail));
    json_object_set_new(j, "requests",
                        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "total", (json_int_t)t.rq_total, "active",
                                  (json_int_t)SP_MAX(t.rq_active, 0), "pending", (json_int_t)SP_MAX(t.rq_pending, 0), "success",
                                  (json_int_t)t.rq_success, "error", (json_int_t)t.rq_error, "timeout", (json_int_t)t.rq_timeout));
    double rate = sp_outlier_rate(e->host, false);
    json_object_set_new(j, "success_rate", rate < 0 ? json_null() : json_real(rate));
    return j;
}

json_t *sp_cluster_overview_hosts(const struct sp_cluster *c, unsigned offset, unsigned limit, unsigned *ret_n)
{
    assert(c && ret_n);
    json_t *list = json_array();
    struct sp_host_set *set = sp_hosts_get(c);
    for (unsigned i = offset; i < set->n && i - offset < limit; i++)
        json_array_append_new(list, host(&set->v[i]));
    *ret_n = set->n;
    sp_host_set_unref(set);
    return list;
}
