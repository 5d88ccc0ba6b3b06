/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/top_model.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { WHY_MAX = 160 };

void sp_top_model_init(struct sp_top_model *m)
{
    assert(m);
    memset(m, 0, sizeof(*m));
    sp_arena_init(&m->arena);
}

void sp_top_model_done(struct sp_top_model *m)
{
    assert(m);
    json_decref(m->now);
    json_decref(m->before);
    json_decref(m->refused);
    sp_arena_done(&m->arena);
}

/* ---- members ---- */

static const json_t *at(const json_t *j, const char *path)
{
    char part[64];
    while (j && *path) {
        size_t n = strcspn(path, ".");
        snprintf(part, sizeof(part), "%.*s", (int)n, path);
        j = json_object_get(j, part);
        path += n + (path[n] == '.');
    }
    return j;
}

const json_t *sp_top_at(const struct sp_top_model *m, const char *path)
{
    return at(m->now, path);
}

static int64_t whole(const json_t *j, const char *path)
{
    return json_integer_value(at(j, path));
}

static const char *text(const json_t *j, const char *name)
{
    const char *s = json_string_value(json_object_get(j, name));
    return s ? s : "";
}

/* The element of the last answer's list that has the same names. */
static const json_t *earlier(const struct sp_top_model *m, const char *list, const json_t *of, const char *name, const char *scope, size_t hint)
{
    const json_t *all = json_object_get(m->before, list);
    size_t n = json_array_size(all);
    for (size_t i = 0; i < n; i++) { /* mostly at the same place */
        const json_t *j = json_array_get(all, (hint + i) % n);
        if (strcmp(text(j, name), text(of, name)) == 0 && (!scope || strcmp(text(j, scope), text(of, scope)) == 0))
            return j;
    }
    return NULL;
}

/* How much a counter grew; NAN: unknown. One that was set back begins anew. */
static double grown(const struct sp_top_model *m, const json_t *now, const json_t *before, const char *path)
{
    if (!before || !m->seconds)
        return NAN;
    double d = (double)(whole(now, path) - whole(before, path));
    return d < 0 ? (double)whole(now, path) : d;
}

static double a_second(const struct sp_top_model *m, const json_t *now, const json_t *before, const char *path)
{
    return grown(m, now, before, path) / (m->seconds ? m->seconds : 1);
}

/* 5xx among what was answered; lately, or, where that is not known, ever. */
static double errors_of(const struct sp_top_model *m, const json_t *now, const json_t *before)
{
    double all = grown(m, now, before, "requests.completed"), bad = grown(m, now, before, "requests.5xx");
    if (isnan(all)) {
        all = (double)whole(now, "requests.completed");
        bad = (double)whole(now, "requests.5xx");
    }
    return all > 0 ? bad / all : NAN;
}

bool sp_top_model_take(struct sp_top_model *m, const char *answer, size_t n)
{
    assert(m && answer);
    json_t *j = sp_json_load(sp_str_n(answer, n), 16, 4 << 20);
    if (!json_is_array(json_object_get(j, "clusters")) || !json_is_object(json_object_get(j, "server"))) {
        json_decref(j);
        return false;
    }
    json_decref(m->before);
    m->before = m->now;
    m->now = j;
    int64_t ms = m->before ? whole(m->now, "at_ms") - whole(m->before, "at_ms") : 0;
    bool same = m->before && whole(m->now, "server.uptime_seconds") >= whole(m->before, "server.uptime_seconds");
    m->seconds = same && ms > 0 ? (double)ms / 1000 : 0; /* a process that was started anew counts anew */
    return true;
}

bool sp_top_model_take_refused(struct sp_top_model *m, const char *answer, size_t n)
{
    assert(m && answer);
    json_t *j = sp_json_load(sp_str_n(answer, n), 16, 1 << 20), *list = json_object_get(j, "refused");
    if (json_is_array(list)) {
        json_decref(m->refused);
        m->refused = json_incref(list);
    }
    json_decref(j);
    return list != NULL;
}

/* ---- rows ---- */

static bool wanted(const char *filter, const char *a, const char *b)
{
    return !*filter || strcasestr(a, filter) || strcasestr(b, filter);
}

/* The counter of an object that grew most, or is largest where none grew. */
static const char *most(const json_t *now, const json_t *before)
{
    const char *name, *found = "";
    json_t *value;
    double best = 0;
    for (int ever = 0; ever < 2 && !*found; ever++)
        json_object_foreach((json_t *)(uintptr_t)now, name, value) {
            double d = (double)(json_integer_value(value) - (ever ? 0 : json_integer_value(json_object_get(before, name))));
            if (d > best) {
                best = d;
                found = name;
            }
        }
    return found;
}

static double managers_rate(const struct sp_top_model *m, const json_t *listener)
{
    const json_t *chain, *manager;
    const char *seen[16];
    size_t i, k, n_seen = 0;
    double sum = 0;
    json_array_foreach(json_object_get(listener, "filter_chains"), i, chain) {
        const char *name = text(chain, "connection_manager");
        bool again = n_seen == SP_ARRAY_LEN(seen);
        for (size_t s = 0; s < n_seen; s++)
            again |= strcmp(seen[s], name) == 0;
        if (again)
            continue;
        seen[n_seen++] = name;
        json_array_foreach(json_object_get(m->now, "connection_managers"), k, manager)
            if (strcmp(text(manager, "stat_prefix"), name) == 0)
                sum += a_second(m, manager, earlier(m, "connection_managers", manager, "stat_prefix", NULL, k), "requests.completed");
    }
    return sum;
}

static int64_t sum_of(const json_t *object)
{
    const char *name;
    json_t *value;
    int64_t sum = 0;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
        sum += json_integer_value(value);
    return sum;
}

static void listeners(struct sp_top_model *m, const char *filter)
{
    const json_t *list = json_object_get(m->now, "listeners"), *j;
    size_t i;
    m->listeners = sp_arena_zalloc(&m->arena, (json_array_size(list) + 1) * sizeof(*m->listeners));
    json_array_foreach(list, i, j) {
        const json_t *before = earlier(m, "listeners", j, "name", "address", i), *refused = json_object_get(j, "refused");
        struct sp_top_listener l = {.name = text(j, "name"), .address = text(j, "address"), .active = whole(j, "connections.active"),
                                    .refused = sum_of(refused), .connections_s = a_second(m, j, before, "connections.total"),
                                    .requests_s = managers_rate(m, j)};
        int64_t more = l.refused - sum_of(json_object_get(before, "refused"));
        l.refused_s = before && m->seconds ? (double)(more < 0 ? l.refused : more) / m->seconds : NAN;
        l.why = most(refused, json_object_get(before, "refused"));
        if (wanted(filter, l.name, l.address))
            m->listeners[m->n_listeners++] = l;
    }
}

static bool says_why(const char *counter)
{
    static const char *const words[] = {"denied", "refused", "unauthorized", "forbidden", "unauthenticated", "invalid", "missing", "failed",
                                        "error", "limited", "enforced", "shadow"};
    for (size_t i = 0; i < SP_ARRAY_LEN(words); i++)
        if (strstr(counter, words[i]))
            return true;
    return false;
}

/* "denied 5, policy.x.denied 5": what grew, or where nothing did what there is. */
static const char *reasons(struct sp_top_model *m, const json_t *now, const json_t *before)
{
    char *out = sp_arena_zalloc(&m->arena, WHY_MAX);
    const char *name;
    json_t *value;
    size_t n = 0;
    for (int ever = 0; ever < 2 && !n; ever++)
        json_object_foreach((json_t *)(uintptr_t)now, name, value) {
            int64_t d = json_integer_value(value) - (ever || !before ? 0 : json_integer_value(json_object_get(before, name)));
            if (d <= 0 || !says_why(name) || n >= WHY_MAX)
                continue;
            int w = snprintf(out + n, WHY_MAX - n, "%s%s %s%lld", n ? ", " : "", name, ever || !before ? "" : "+", (long long)d);
            n += w > 0 ? (size_t)w : 0;
        }
    return out;
}

static void filters(struct sp_top_model *m, const char *filter)
{
    const json_t *list = json_object_get(m->now, "filters"), *j;
    size_t i;
    m->filters = sp_arena_zalloc(&m->arena, (json_array_size(list) + 1) * sizeof(*m->filters));
    json_array_foreach(list, i, j) {
        const json_t *before = earlier(m, "filters", j, "filter", "scope", i);
        struct sp_top_filter f = {.scope = text(j, "scope"), .name = text(j, "filter"), .denied = whole(j, "denied"),
                                  .allowed_s = a_second(m, j, before, "allowed"), .denied_s = a_second(m, j, before, "denied"),
                                  .shadow_s = a_second(m, j, before, "shadow_denied"), .errors_s = a_second(m, j, before, "errors")};
        f.why = reasons(m, json_object_get(j, "counters"), json_object_get(before, "counters"));
        if (wanted(filter, f.name, f.scope))
            m->filters[m->n_filters++] = f;
    }
}

static void clusters(struct sp_top_model *m, const char *filter)
{
    const json_t *list = json_object_get(m->now, "clusters"), *j;
    size_t i;
    m->clusters = sp_arena_zalloc(&m->arena, (json_array_size(list) + 1) * sizeof(*m->clusters));
    json_array_foreach(list, i, j) {
        const json_t *before = earlier(m, "clusters", j, "name", NULL, i), *took = json_object_get(j, "request_ms");
        const json_t *last = json_object_get(took, "last");
        struct sp_top_cluster c = {.name = text(j, "name"), .hosts = whole(j, "hosts.total"),
                                   .healthy = whole(j, "hosts.healthy") + whole(j, "hosts.degraded"),
                                   .connections = whole(j, "connections.active"), .active = whole(j, "requests.active"),
                                   .pending = whole(j, "requests.pending"), .requests_s = a_second(m, j, before, "requests.total"),
                                   .errors = errors_of(m, j, before)};
        if (json_is_object(last))
            took = last;
        bool none = !whole(took, "count");
        c.p50 = none ? NAN : json_number_value(json_object_get(took, "p50"));
        c.p99 = none ? NAN : json_number_value(json_object_get(took, "p99"));
        c.bad = c.healthy < c.hosts || (!isnan(c.errors) && c.errors > .01);
        if (wanted(filter, c.name, ""))
            m->clusters[m->n_clusters++] = c;
    }
    m->all_clusters = whole(m->now, "totals.clusters");
}

static void certs(struct sp_top_model *m, const char *filter)
{
    const json_t *list = json_object_get(m->now, "certificates"), *j;
    size_t i;
    m->certs = sp_arena_zalloc(&m->arena, (json_array_size(list) + 1) * sizeof(*m->certs));
    json_array_foreach(list, i, j) {
        struct sp_top_cert c = {.name = *text(j, "name") ? text(j, "name") : text(j, "subject"), .path = text(j, "path"),
                                .days = whole(j, "days_left"), .expired = json_is_true(json_object_get(j, "expired")),
                                .ca = json_is_true(json_object_get(j, "ca"))};
        if (wanted(filter, c.name, c.path))
            m->certs[m->n_certs++] = c;
    }
}

/* ---- order ---- */

const char *sp_top_sort_name(enum sp_top_sort s)
{
    static const char *const names[SP_TOP_SORTS] = {"trouble", "rq/s", "errors", "p99", "name"};
    return names[s];
}

/* The larger first; what is not known last. */
static int descending(double a, double b)
{
    a = isnan(a) ? -1 : a;
    b = isnan(b) ? -1 : b;
    return a > b ? -1 : a < b;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sp_top_cluster *)a)->name, ((const struct sp_top_cluster *)b)->name);
}

#define ORDER(function, member) \
    static int function(const void *a, const void *b) \
    { \
        int r = descending(((const struct sp_top_cluster *)a)->member, ((const struct sp_top_cluster *)b)->member); \
        return r ? r : by_name(a, b); \
    }
ORDER(by_requests, requests_s)
ORDER(by_errors, errors)
ORDER(by_p99, p99)
#undef ORDER

static int by_trouble(const void *a, const void *b)
{
    const struct sp_top_cluster *x = a, *y = b;
    int r = descending((double)(x->hosts - x->healthy), (double)(y->hosts - y->healthy));
    if (x->bad != y->bad)
        return y->bad - x->bad;
    if (r)
        return r;
    return x->bad ? by_errors(a, b) : by_requests(a, b);
}

static int by_days(const void *a, const void *b)
{
    const struct sp_top_cert *x = a, *y = b;
    return x->days != y->days ? (x->days > y->days) - (x->days < y->days) : strcmp(x->name, y->name);
}

static int by_denied(const void *a, const void *b)
{
    const struct sp_top_filter *x = a, *y = b;
    int r = descending(x->denied_s, y->denied_s);
    return r ? r : descending((double)x->denied, (double)y->denied);
}

static void totals(struct sp_top_model *m)
{
    const json_t *list = json_object_get(m->now, "connection_managers"), *j;
    size_t i;
    double all = 0, bad = 0;
    json_array_foreach(list, i, j) {
        const json_t *before = earlier(m, "connection_managers", j, "stat_prefix", NULL, i);
        all += grown(m, j, before, "requests.completed");
        bad += grown(m, j, before, "requests.5xx");
    }
    m->requests_s = m->seconds ? all / m->seconds : NAN;
    m->errors = all > 0 ? bad / all : NAN;
}

void sp_top_model_rows(struct sp_top_model *m, enum sp_top_sort sort, const char *filter)
{
    static int (*const orders[SP_TOP_SORTS])(const void *, const void *) = {by_trouble, by_requests, by_errors, by_p99, by_name};
    assert(m && m->now && sort < SP_TOP_SORTS && filter);
    sp_arena_done(&m->arena);
    m->n_listeners = m->n_filters = m->n_clusters = m->n_certs = 0;
    listeners(m, filter);
    filters(m, filter);
    clusters(m, filter);
    certs(m, filter);
    totals(m);
    qsort(m->clusters, m->n_clusters, sizeof(*m->clusters), orders[sort]);
    qsort(m->filters, m->n_filters, sizeof(*m->filters), by_denied);
    qsort(m->certs, m->n_certs, sizeof(*m->certs), by_days);
}

/* ---- JSON ---- */

static json_t *number(double v)
{
    return isnan(v) ? json_null() : json_real(v);
}

json_t *sp_top_model_json(const struct sp_top_model *m)
{
    assert(m && m->now);
    json_t *ls = json_array(), *fs = json_array(), *cs = json_array(), *es = json_array();
    for (unsigned i = 0; i < m->n_listeners; i++) {
        const struct sp_top_listener *l = &m->listeners[i];
        json_array_append_new(ls, json_pack("{s:s, s:s, s:I, s:o, s:o, s:I, s:o, s:s}", "name", l->name, "address", l->address, "active",
                                            (json_int_t)l->active, "connections_per_second", number(l->connections_s),
                                            "requests_per_second", number(l->requests_s), "refused", (json_int_t)l->refused,
                                            "refused_per_second", number(l->refused_s), "refused_most", l->why));
    }
    for (unsigned i = 0; i < m->n_filters; i++) {
        const struct sp_top_filter *f = &m->filters[i];
        json_array_append_new(fs, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:s}", "scope", f->scope, "filter", f->name,
                                            "allowed_per_second", number(f->allowed_s), "denied_per_second", number(f->denied_s),
                                            "shadow_denied_per_second", number(f->shadow_s), "errors_per_second", number(f->errors_s),
                                            "why", f->why));
    }
    for (unsigned i = 0; i < m->n_clusters; i++) {
        const struct sp_top_cluster *c = &m->clusters[i];
        json_t *j = json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "name", c->name, "hosts", (json_int_t)c->hosts, "available",
                              (json_int_t)c->healthy, "requests_per_second", number(c->requests_s), "error_rate", number(c->errors),
                              "p50_ms", number(c->p50), "p99_ms", number(c->p99));
        json_object_set_new(j, "connections", json_integer(c->connections));
        json_object_set_new(j, "active_requests", json_integer(c->active));
        json_object_set_new(j, "pending_requests", json_integer(c->pending));
        json_array_append_new(cs, j);
    }
    for (unsigned i = 0; i < m->n_certs; i++) {
        const struct sp_top_cert *c = &m->certs[i];
        json_array_append_new(es, json_pack("{s:s, s:s, s:I, s:b, s:b}", "name", c->name, "path", c->path, "days_left", (json_int_t)c->days,
                                            "expired", c->expired, "ca", c->ca));
    }
    return json_pack("{s:O, s:O, s:O, s:o, s:o, s:o, s:o, s:o, s:o, s:O}", "at_ms", json_object_get(m->now, "at_ms"), "server",
                     json_object_get(m->now, "server"), "config", json_object_get(m->now, "config"), "requests_per_second",
                     number(m->requests_s), "error_rate", number(m->errors), "listeners", ls, "filters", fs, "clusters", cs, "certificates",
                     es, "totals", json_object_get(m->now, "totals"));
}
