/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What gates and filters decided, and the requests of connection managers, out of their counters: "http.<p>.<filter>.<counter>".
 * A counter's last word says what it means, so that a new filter is shown without a line here, as long as it uses the usual ones.
 */
#include <assert.h>

#include "admin/overview.h"
#include "base/map.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb-c.h"
#include "listeners/listener_overview.h"
#include "stats/read.h"

typedef Envoy__Extensions__Filters__Http__LocalRatelimit__V3__LocalRateLimit LocalRateLimit;

enum { COUNTERS_MAX = 200, FILTERS_MAX = 1000 };
enum verdict { NEITHER, ALLOWED, DENIED, SHADOWED, FAILED, VERDICTS };

static const char *const verdicts[VERDICTS] = {
    [ALLOWED] = "allowed", [DENIED] = "denied", [SHADOWED] = "shadow_denied", [FAILED] = "errors"};

static enum verdict verdict_of(struct sp_str filter, struct sp_str counter)
{
    static const struct {
        struct sp_str word;
        enum verdict is;
    } words[] = {
        {SP_STR_INIT("allowed"), ALLOWED},        {SP_STR_INIT("ok"), ALLOWED},
        {SP_STR_INIT("verified"), ALLOWED},       {SP_STR_INIT("request_valid"), ALLOWED},
        {SP_STR_INIT("origin_valid"), ALLOWED},   {SP_STR_INIT("exempted"), ALLOWED},
        {SP_STR_INIT("injected"), ALLOWED},       {SP_STR_INIT("failure_mode_allowed"), ALLOWED},
        {SP_STR_INIT("cors_preflight_bypassed"), ALLOWED},
        {SP_STR_INIT("denied"), DENIED},          {SP_STR_INIT("refused"), DENIED},
        {SP_STR_INIT("unauthorized"), DENIED},    {SP_STR_INIT("forbidden"), DENIED},
        {SP_STR_INIT("unauthenticated"), DENIED}, {SP_STR_INIT("request_invalid"), DENIED},
        {SP_STR_INIT("missing_source_origin"), DENIED}, {SP_STR_INIT("enforced"), DENIED},
        {SP_STR_INIT("shadow_denied"), SHADOWED}, {SP_STR_INIT("shadow_refused"), SHADOWED},
        {SP_STR_INIT("shadow_mode"), SHADOWED},   {SP_STR_INIT("error"), FAILED},
        {SP_STR_INIT("errors"), FAILED},
    };
    if (sp_str_eq(filter, SP_STR("credential_injector")) && sp_str_eq(counter, SP_STR("failed")))
        return DENIED;
    for (size_t i = 0; i < SP_ARRAY_LEN(words); i++)
        if (sp_str_eq(counter, words[i].word))
            return words[i].is;
    return NEITHER;
}

/* Parts of a filter that count for themselves what the whole has counted, too. */
static bool is_part(struct sp_str counter)
{
    static const struct sp_str parts[] = {SP_STR_INIT("secret."), SP_STR_INIT("list."), SP_STR_INIT("policy."), SP_STR_INIT("signed_token.")};
    for (size_t i = 0; i < SP_ARRAY_LEN(parts); i++)
        if (sp_str_find(counter, parts[i]) >= 0)
            return true;
    return false;
}

static bool is_filter(struct sp_str name)
{
    static const struct sp_str others[] = {SP_STR_INIT("rds"), SP_STR_INIT("tracing"), SP_STR_INIT("user_agent"), SP_STR_INIT("scoped_rds")};
    for (size_t i = 0; i < SP_ARRAY_LEN(others); i++)
        if (sp_str_eq(name, others[i]))
            return false;
    return true;
}

/* Stats of one scope on their way into a list of filters: they come in order, so that a filter's stand together. */
struct walk {
    json_t *list, *filter; /* filter: borrowed from the list */
    struct sp_str prefix, scope, only; /* only: of one filter; empty: of all */
    json_t *plain; /* what is no filter's, by name; NULL: nobody asks */
};

static json_t *filter_of(struct walk *w, struct sp_str name)
{
    const char *have = w->filter ? json_string_value(json_object_get(w->filter, "filter")) : NULL;
    if (have && sp_str_eq(sp_str_c(have), name))
        return w->filter;
    if (json_array_size(w->list) >= FILTERS_MAX)
        return NULL;
    w->filter = json_pack("{s:o, s:o, s:i, s:i, s:i, s:i, s:{}}", "scope", sp_json_text(w->scope), "filter", sp_json_text(name),
                          verdicts[ALLOWED], 0, verdicts[DENIED], 0, verdicts[SHADOWED], 0, verdicts[FAILED], 0, "counters");
    json_array_append_new(w->list, w->filter);
    return w->filter;
}

static void add(json_t *filter, struct sp_str name, struct sp_str counter, uint64_t value)
{
    json_t *counters = json_object_get(filter, "counters");
    struct sp_str last = counter;
    for (ptrdiff_t dot; (dot = sp_str_chr(last, '.')) >= 0;)
        last = sp_str_sub(last, (size_t)dot + 1, last.len);
    enum verdict v = is_part(counter) ? NEITHER : verdict_of(name, last);
    if (v) {
        json_t *sum = json_object_get(filter, verdicts[v]);
        json_integer_set(sum, json_integer_value(sum) + (json_int_t)value);
    }
    if (json_object_size(counters) < COUNTERS_MAX)
        json_object_setn_new(counters, counter.ptr, counter.len, json_integer((json_int_t)value));
}

static void take(void *arg, const struct sp_stats_reading *r)
{
    struct walk *w = arg;
    struct sp_str rest = sp_str_sub(r->name, w->prefix.len, r->name.len);
    ptrdiff_t dot = sp_str_chr(rest, '.');
    if (dot < 0) {
        if (w->plain)
            json_object_setn_new(w->plain, rest.ptr, rest.len, json_integer((json_int_t)r->value));
        return;
    }
    struct sp_str name = sp_str_sub(rest, 0, (size_t)dot), counter = sp_str_sub(rest, (size_t)dot + 1, rest.len);
    if (w->only.len ? !sp_str_eq(name, w->only) : !is_filter(name))
        return;
    json_t *filter = filter_of(w, name);
    if (filter)
        add(filter, name, counter, r->value);
}

/* `prefix` ends in a dot, which the scope's name has not. */
static void walk(json_t *list, struct sp_str prefix, const char *only, json_t *plain)
{
    struct walk w = {.list = list, .prefix = prefix, .scope = sp_str_sub(prefix, 0, prefix.len - 1), .only = sp_str_c(only), .plain = plain};
    sp_stats_walk(prefix, take, &w);
}

json_t *sp_admin_overview_time(const struct sp_histogram_reading *r)
{
    return json_pack("{s:I, s:f, s:f, s:f, s:f}", "count", (json_int_t)r->n, "p50", r->p50, "p90", r->p90, "p99", r->p99, "max", r->p100);
}

struct managers {
    struct sp_arena arena;
    struct sp_map seen;
    json_t *list;
    bool filters; /* that is what is wanted of them */
};

static void one_manager(struct managers *m, struct sp_str stat_prefix)
{
    static const struct {
        const char *name, *counter;
    } shown[] = {{"total", "downstream_rq_total"}, {"active", "downstream_rq_active"}, {"completed", "downstream_rq_completed"},
                 {"1xx", "downstream_rq_1xx"}, {"2xx", "downstream_rq_2xx"}, {"3xx", "downstream_rq_3xx"}, {"4xx", "downstream_rq_4xx"},
                 {"5xx", "downstream_rq_5xx"}, {"no_route", "no_route"}, {"rx_reset", "downstream_rq_rx_reset"},
                 {"timeout", "downstream_rq_timeout"}, {"idle_timeout", "downstream_rq_idle_timeout"},
                 {"misdirected", "downstream_rq_misdirected"}, {"overload", "downstream_rq_overload_close"}};
    static const struct {
        const char *name, *counter;
    } cx[] = {{"active", "downstream_cx_active"}, {"total", "downstream_cx_total"}, {"http1_active", "downstream_cx_http1_active"},
              {"http2_active", "downstream_cx_http2_active"}, {"protocol_error", "downstream_cx_protocol_error"}};
    struct sp_str prefix = sp_arena_printf(&m->arena, "http.%.*s.", SP_STR_ARG(stat_prefix));
    if (m->filters) {
        walk(m->list, prefix, "", NULL);
        return;
    }
    json_t *plain = json_object(), *requests = json_object(), *connections = json_object(), *unused = json_array();
    walk(unused, prefix, "-", plain);
    json_decref(unused);
    for (size_t i = 0; i < SP_ARRAY_LEN(shown); i++)
        json_object_set_new(requests, shown[i].name, json_integer(json_integer_value(json_object_get(plain, shown[i].counter))));
    for (size_t i = 0; i < SP_ARRAY_LEN(cx); i++)
        json_object_set_new(connections, cx[i].name, json_integer(json_integer_value(json_object_get(plain, cx[i].counter))));
    json_decref(plain);
    struct sp_histogram_reading took, last;
    sp_histogram_read_named(sp_arena_cat(&m->arena, prefix, SP_STR("downstream_rq_time")), &took);
    sp_histogram_read_last(prefix, SP_STR("downstream_rq_time"), &last);
    json_t *time = sp_admin_overview_time(&took);
    json_object_set_new(time, "last", sp_admin_overview_time(&last));
    json_array_append_new(m->list, json_pack("{s:o, s:o, s:o, s:o}", "stat_prefix", sp_json_text(stat_prefix), "connections", connections,
                                             "requests", requests, "request_ms", time));
}

static void manager(void *arg, struct sp_str stat_prefix)
{
    struct managers *m = arg;
    if (sp_map_get(&m->seen, stat_prefix))
        return;
    sp_map_add(&m->seen, stat_prefix, m);
    one_manager(m, stat_prefix);
}

static void each_manager(struct managers *m, const struct sp_config *c)
{
    sp_arena_init(&m->arena);
    sp_map_init(&m->seen);
    for (unsigned i = 0; i < c->n_listeners; i++)
        sp_listener_managers(c->listeners[i], manager, m);
    sp_map_done(&m->seen);
    sp_arena_done(&m->arena);
}

json_t *sp_admin_overview_managers(const struct sp_config *c)
{
    struct managers m = {.list = json_array()};
    each_manager(&m, c);
    return m.list;
}

/* Envoy has this one's counters under a name of its own. */
static void own_name(void *arg, const ProtobufCMessage *msg)
{
    struct managers *m = arg;
    if (msg->descriptor != &envoy__extensions__filters__http__local_ratelimit__v3__local_rate_limit__descriptor)
        return;
    struct sp_str name = sp_str_c(((const LocalRateLimit *)(const void *)msg)->stat_prefix);
    if (!name.len || sp_map_get(&m->seen, name))
        return;
    sp_map_add(&m->seen, name, m);
    walk(m->list, sp_arena_cat(&m->arena, name, SP_STR(".")), "http_local_rate_limit", NULL);
}

json_t *sp_admin_overview_filters(const struct sp_config *c)
{
    struct managers m = {.list = json_array(), .filters = true};
    for (unsigned i = 0; i < c->n_listeners; i++)
        walk(m.list, sp_listener_stats_prefix(c->listeners[i]), "ip_restriction", NULL);
    each_manager(&m, c);
    sp_map_init(&m.seen);
    sp_doc_each(c->doc, own_name, &m);
    sp_map_done(&m.seen);
    sp_arena_done(&m.arena);
    return m.list;
}
