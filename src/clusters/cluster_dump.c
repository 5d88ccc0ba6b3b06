/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The admin page's /clusters: Envoy's text lines and its JSON ClusterStatus. */
#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/json.h"
#include "clusters/cluster.h"
#include "clusters/current.h"
#include "clusters/outlier.h"

static void put(struct sp_buf *out, const char *fmt, ...) SP_PRINTF(2, 3);

/* One line at most a few hundred bytes: names come from the config, which bounds nothing, so they are cut. */
static void put(struct sp_buf *out, const char *fmt, ...)
{
    char line[2048];
    va_list ap;
    va_start(ap, fmt);
    size_t n = sp_text_line(line, sizeof(line), fmt, ap);
    va_end(ap);
    sp_buf_append(out, line, n);
}

static void limits_of(const struct sp_breakers *b, uint32_t out[4])
{
    const struct sp_permits *all[] = {&b->connections, &b->pending, &b->requests, &b->retries};
    for (size_t i = 0; i < SP_ARRAY_LEN(all); i++)
        out[i] = all[i]->limit;
}

static void limits_text(const struct sp_cluster *c, const char *priority, const struct sp_breakers *b, struct sp_buf *out)
{
    uint32_t limits[4];
    limits_of(b, limits);
    static const char *const names[] = {"max_connections", "max_pending_requests", "max_requests", "max_retries"};
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++)
        put(out, "%.*s::%s_priority::%s::%u\n", SP_STR_ARG(c->name), priority, names[i], limits[i]);
}

struct metric {
    const char *name;
    uint64_t value;
    bool gauge;
};
enum { N_STATS = 9 };

static void host_stats(const struct sp_host *h, struct metric out[N_STATS])
{
    struct sp_host_totals t = sp_host_sum(h);
    struct metric all[N_STATS] = {
        {"cx_active", (uint64_t)SP_MAX(t.cx_active, 0), true}, {"cx_connect_fail", t.cx_connect_fail, false},
        {"cx_total", t.cx_total, false},                       {"rq_active", (uint64_t)SP_MAX(t.rq_active, 0), true},
        {"rq_error", t.rq_error, false},                       {"rq_pending_active", (uint64_t)SP_MAX(t.rq_pending, 0), true},
        {"rq_success", t.rq_success, false},
        {"rq_timeout", t.rq_timeout, false},                   {"rq_total", t.rq_total, false},
    };
    memcpy(out, all, sizeof(all));
}

static void host_text(const struct sp_cluster *c, const struct sp_endpoint *h, struct sp_buf *out)
{
    struct metric stats[N_STATS];
    host_stats(h->host, stats);
    char prefix[512];
    snprintf(prefix, sizeof(prefix), "%.*s::%.*s", SP_STR_ARG(c->name), SP_STR_ARG(h->text));
    for (size_t i = 0; i < N_STATS; i++)
        put(out, "%s::%s::%" PRIu64 "\n", prefix, stats[i].name, stats[i].value);
    put(out, "%s::hostname::%.*s\n", prefix, SP_STR_ARG(h->hostname));
    put(out, "%s::health_flags::", prefix);
    sp_host_flags_text(atomic_load_explicit(&h->host->health, memory_order_relaxed), out);
    put(out, "\n%s::weight::%u\n", prefix, h->weight);
    put(out, "%s::region::%.*s\n", prefix, SP_STR_ARG(h->region));
    put(out, "%s::zone::%.*s\n", prefix, SP_STR_ARG(h->zone));
    put(out, "%s::sub_zone::%.*s\n", prefix, SP_STR_ARG(h->sub_zone));
    put(out, "%s::canary::%s\n", prefix, h->meta && h->meta->canary ? "true" : "false");
    put(out, "%s::priority::%u\n", prefix, h->priority);
    put(out, "%s::success_rate::%g\n", prefix, sp_outlier_rate(h->host, false));
    put(out, "%s::local_origin_success_rate::%g\n", prefix, sp_outlier_rate(h->host, true));
}

void sp_cluster_text(const struct sp_cluster *c, bool via_api, struct sp_buf *out)
{
    assert(c && out);
    put(out, "%.*s::observability_name::%.*s\n", SP_STR_ARG(c->name), SP_STR_ARG(c->observability_name));
    limits_text(c, "default", &c->breakers[SP_ROUTING_DEFAULT], out);
    limits_text(c, "high", &c->breakers[SP_ROUTING_HIGH], out);
    put(out, "%.*s::added_via_api::%s\n", SP_STR_ARG(c->name), via_api ? "true" : "false");
    struct sp_host_set *set = sp_hosts_get(c);
    for (unsigned i = 0; i < set->n; i++)
        host_text(c, &set->v[i], out);
    sp_host_set_unref(set);
}

static json_t *thresholds_json(const char *priority, const struct sp_breakers *b)
{
    uint32_t limits[4];
    limits_of(b, limits);
    return json_pack("{s:s,s:I,s:I,s:I,s:I}", "priority", priority, "max_connections", (json_int_t)limits[0],
                     "max_pending_requests", (json_int_t)limits[1], "max_requests", (json_int_t)limits[2], "max_retries",
                     (json_int_t)limits[3]);
}

static json_t *address_json(const struct sp_addr *a)
{
    char text[SP_ADDR_TEXT_MAX];
    if (a->family == AF_UNIX)
        return json_pack("{s:{s:s}}", "pipe", "path", a->path);
    size_t n = sp_addr_format_ip(a, text);
    return json_pack("{s:{s:s%,s:i}}", "socket_address", "address", text, n, "port_value", (int)a->port);
}

static json_t *health_json(uint32_t flags)
{
    bool failed = flags & (SP_HEALTH_FAILED_EDS | SP_HEALTH_EDS_DRAINING);
    const char *eds = failed ? "UNHEALTHY" : flags & SP_HEALTH_DEGRADED_EDS ? "DEGRADED" : "HEALTHY";
    json_t *j = json_pack("{s:s}", "eds_health_status", eds);
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {{SP_HEALTH_FAILED_ACTIVE_HC, "failed_active_health_check"},
                 {SP_HEALTH_FAILED_OUTLIER, "failed_outlier_check"},
                 {SP_HEALTH_DEGRADED_ACTIVE_HC, "failed_active_degraded_check"},
                 {SP_HEALTH_PENDING_ACTIVE_HC, "pending_active_hc"},
                 {SP_HEALTH_EXCLUDED, "excluded_via_immediate_hc_fail"},
                 {SP_HEALTH_ACTIVE_HC_TIMEOUT, "active_hc_timeout"}};
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++)
        if (flags & names[i].flag)
            json_object_set_new(j, names[i].name, json_true());
    return j;
}

static json_t *fields_json(const struct sp_meta_fields *f)
{
    json_t *j = json_object();
    for (unsigned i = 0; i < f->n; i++) {
        struct sp_str key = f->v[i].is.key, value = f->v[i].is.json;
        json_t *v = json_loadb(value.ptr, value.len, JSON_DECODE_ANY, NULL);
        json_object_setn_new(j, key.ptr, key.len, v ? v : json_null());
    }
    return j;
}

/* What of an endpoint's metadata has an effect, in the form that it has in a config. */
static json_t *metadata_json(const struct sp_endpoint_meta *m)
{
    json_t *j = json_object();
    if (m->lb.n)
        json_object_set_new(j, SP_CRITERIA_NS, fields_json(&m->lb));
    if (m->socket.n)
        json_object_set_new(j, SP_SOCKET_META_NS, fields_json(&m->socket));
    return json_pack("{s:o}", "filter_metadata", j);
}

static json_t *host_json(const struct sp_endpoint *h)
{
    struct metric stats[N_STATS];
    host_stats(h->host, stats);
    json_t *list = json_array();
    for (size_t i = 0; i < N_STATS; i++) {
        char value[24]; /* 64-bit numbers are strings in protobuf's JSON */
        snprintf(value, sizeof(value), "%" PRIu64, stats[i].value);
        json_t *stat = json_pack("{s:s,s:s}", "name", stats[i].name, "value", value);
        if (stats[i].gauge)
            json_object_set_new(stat, "type", json_string("GAUGE"));
        json_array_append_new(list, stat);
    }
    json_t *j = json_pack("{s:o,s:o,s:o,s:o,s:i,s:i,s:{s:o,s:o,s:o}}", "address", address_json(&h->addr), "stats", list,
                     "health_status", health_json(atomic_load_explicit(&h->host->health, memory_order_relaxed)), "hostname",
                     sp_json_text(h->hostname), "weight", (int)SP_MIN(h->weight, (uint32_t)INT32_MAX), "priority",
                     (int)h->priority, "locality", "region", sp_json_text(h->region), "zone", sp_json_text(h->zone), "sub_zone",
                     sp_json_text(h->sub_zone));
    double rate = sp_outlier_rate(h->host, false), local = sp_outlier_rate(h->host, true);
    if (rate >= 0)
        json_object_set_new(j, "success_rate", json_pack("{s:f}", "value", rate));
    if (local >= 0)
        json_object_set_new(j, "local_origin_success_rate", json_pack("{s:f}", "value", local));
    if (h->meta)
        json_object_set_new(j, "metadata", metadata_json(h->meta));
    return j;
}

void sp_cluster_json(const struct sp_cluster *c, bool via_api, struct sp_buf *out)
{
    assert(c && out);
    json_t *hosts = json_array();
    struct sp_host_set *set = sp_hosts_get(c);
    for (unsigned i = 0; i < set->n; i++)
        json_array_append_new(hosts, host_json(&set->v[i]));
    sp_host_set_unref(set);
    json_t *j = json_pack("{s:o,s:o,s:b,s:{s:[o,o]},s:o}", "name", sp_json_text(c->name), "observability_name",
                          sp_json_text(c->observability_name), "added_via_api", via_api, "circuit_breakers", "thresholds",
                          thresholds_json("DEFAULT", &c->breakers[SP_ROUTING_DEFAULT]), thresholds_json("HIGH", &c->breakers[SP_ROUTING_HIGH]), "host_statuses",
                          hosts);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    sp_buf_append_str(out, text ? sp_str_c(text) : SP_STR("{}"));
    free(text);
    json_decref(j);
}
