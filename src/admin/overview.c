/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /overview: everything that one wants to see at a glance in one answer, for dashboards and `sallyport top`: counters since the
 * start, from which who asks again and again makes rates.  Its size is bounded: clusters come in pages, hosts of one cluster only.
 */
#include "admin/overview.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/regex.h"
#include "clusters/cluster_overview.h"
#include "config/named_secret.h"
#include "listeners/listener_overview.h"
#include "net/address_list.h"
#include "sallyport_version.h"
#include "server/memory.h"
#include "server/reload.h"
#include "stats/read.h"

enum { CLUSTERS_SHOWN = 1000, HOSTS_SHOWN = 1000, SHOWN_MAX = 10000, LISTED_MAX = 1000 };

/* Actions of the overload manager that are on: "overload.<action>.active". */
static void add_action(void *arg, const struct sp_stats_reading *r)
{
    struct sp_str name = sp_str_sub(r->name, strlen("overload."), r->name.len);
    if (r->value && sp_str_ends(name, SP_STR(".active")))
        json_array_append_new(arg, sp_json_text(sp_str_sub(name, 0, name.len - strlen(".active"))));
}

static json_t *server_of(struct sp_server *s)
{
    uint64_t allocated, heap, dropped = 0;
    json_t *actions = json_array();
    sp_memory_use(&allocated, &heap);
    sp_stats_find(SP_STR("access_log.dropped"), &dropped); /* not there: no log is */
    sp_stats_walk(SP_STR("overload."), add_action, actions);
    return json_pack("{s:o, s:I, s:s, s:s, s:b, s:I, s:i, s:{s:I, s:I}}", "overload", actions, "log_lines_dropped", (json_int_t)dropped, "version", SP_VERSION, "state", sp_server_state_name(s), "failing",
                     sp_server_failing(s), "uptime_seconds", (json_int_t)sp_server_uptime_s(s), "workers",
                     (int)sp_server_concurrency(s), "memory", "allocated", (json_int_t)allocated, "heap", (json_int_t)heap);
}

static json_t *config_of(struct sp_server *s)
{
    const struct sp_reload_info i = sp_server_reload_info(s);
    return json_pack("{s:I, s:s, s:o, s:o, s:o, s:i}", "version", (json_int_t)i.number, "phase", i.phase, "loaded",
                     sp_admin_json_time(i.loaded_s), "refused", sp_admin_json_time(i.failed_s), "why",
                     i.failed_s ? sp_json_text(i.why) : json_null(), "older", (int)i.n_old);
}

static json_t *listeners_of(struct sp_server *s)
{
    const struct sp_config *c = sp_server_config(s);
    json_t *list = json_array();
    for (unsigned i = 0; i < c->n_listeners && i < LISTED_MAX; i++) {
        char text[SP_ADDR_TEXT_MAX];
        sp_addr_format(sp_server_bound(s, i), text);
        json_t *l = sp_listener_overview(c->listeners[i]);
        json_object_set_new(l, "address", sp_json_text(sp_str_c(text)));
        json_array_append_new(list, l);
    }
    return list;
}

/* ---- certificates, secrets, lists ---- */

static void add_cert(void *arg, const struct sp_tls_cert_info *info)
{
    json_t *list = arg;
    int64_t left = info->not_after - time(NULL);
    if (json_array_size(list) >= LISTED_MAX)
        return;
    json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:b, s:o, s:I, s:b}", "subject", sp_json_text(info->subject), "name",
                                          sp_json_text(info->n_dns ? info->dns[0] : SP_STR_NULL), "path", sp_json_text(info->path),
                                          "ca", info->is_ca, "expires", sp_admin_json_time(info->not_after), "days_left",
                                          (json_int_t)(left > 0 ? left / 86400 : 0), "expired", left <= 0));
}

struct lived {
    json_t *secrets, *lists;
};

static void add_secret(json_t *list, const struct sp_live_info *info)
{
    const struct sp_named_secret *s = info->ctx;
    json_array_append_new(list, json_pack("{s:o, s:o, s:I, s:o, s:b}", "name", sp_json_text(s->name), "owner", sp_json_text(s->owner),
                                          "hits", (json_int_t)sp_counter_value(s->hit), "last_used",
                                          sp_admin_json_time(atomic_load_explicit(&s->last_used_s, memory_order_relaxed)), "failing",
                                          info->failed_s != 0));
}

static void add_list(json_t *list, const struct sp_live_info *info)
{
    const struct sp_address_list *l = info->ctx;
    unsigned entries;
    int64_t age = sp_address_list_age_s(l, &entries);
    json_array_append_new(list, json_pack("{s:o, s:o, s:i, s:I, s:o, s:b}", "name", sp_json_text(sp_address_list_name(l)), "label",
                                          sp_json_text(info->label), "entries", (int)entries, "age_seconds", (json_int_t)age, "loaded",
                                          sp_admin_json_time(info->loaded_s), "failing", info->failed_s != 0));
}

static void add_live(void *arg, const struct sp_live_info *info)
{
    struct lived *to = arg;
    if (info->type == &sp_named_secret_kind && json_array_size(to->secrets) < LISTED_MAX)
        add_secret(to->secrets, info);
    else if (info->type == &sp_address_list_kind && json_array_size(to->lists) < LISTED_MAX)
        add_list(to->lists, info);
}

/* ---- clusters ---- */

struct page {
    unsigned offset, limit;
};

/* False after answering 400. */
static bool number_of(const struct sp_admin_request *r, struct sp_admin_answer *a, const char *name, unsigned max, unsigned *v)
{
    struct sp_str text;
    uint64_t n;
    if (!sp_admin_param(r, name, &text))
        return true;
    if (sp_str_u64(text, max, &n) < 0) {
        a->status = 400;
        sp_admin_put(a, "%s: a number up to %u\n", name, max);
        return false;
    }
    *v = (unsigned)n;
    return true;
}

static json_t *totals(const struct sp_clusters *c)
{
    uint64_t all = 0, available = 0;
    for (unsigned i = 0; i < c->n; i++) {
        uint64_t total, good;
        sp_cluster_members(c->v[i], &total, &good);
        all += total;
        available += SP_MIN(good, total);
    }
    return json_pack("{s:I, s:I, s:I}", "clusters", (json_int_t)c->n, "hosts", (json_int_t)all, "hosts_available", (json_int_t)available);
}

static json_t *clusters_of(const struct sp_clusters *c, const struct page *p, struct sp_regex *filter, unsigned *ret_matching)
{
    json_t *list = json_array();
    unsigned n = 0;
    for (unsigned i = 0; i < c->n; i++) {
        if (filter && !sp_regex_search(filter, sp_cluster_name(c->v[i]), NULL))
            continue;
        if (n >= p->offset && n - p->offset < p->limit)
            json_array_append_new(list, sp_cluster_overview(c->v[i]));
        n++;
    }
    *ret_matching = n;
    return list;
}

/* ?cluster=NAME: that one, and its hosts. */
static void one_cluster(const struct sp_admin_request *r, struct sp_admin_answer *a, struct sp_str name)
{
    struct page p = {0, HOSTS_SHOWN};
    const struct sp_cluster *c = sp_config_find_cluster(sp_server_config(r->server), name);
    if (!number_of(r, a, "offset", UINT32_MAX, &p.offset) || !number_of(r, a, "limit", SHOWN_MAX, &p.limit))
        return;
    if (!c) {
        a->status = 404;
        sp_admin_put(a, "no such cluster\n");
        return;
    }
    unsigned n;
    json_t *j = sp_cluster_overview(c);
    json_object_set_new(j, "endpoints", sp_cluster_overview_hosts(c, p.offset, p.limit, &n));
    json_object_set_new(j, "n_endpoints", json_integer(n));
    sp_admin_put_compact(a, j);
}

static void whole(const struct sp_admin_request *r, struct sp_admin_answer *a, const struct page *p, struct sp_regex *filter)
{
    struct timespec now;
    struct sp_config *c = sp_server_config(r->server);
    struct lived lived = {json_array(), json_array()};
    json_t *certs = json_array();
    unsigned matching;
    clock_gettime(CLOCK_REALTIME, &now);
    sp_live_set_gauges(sp_doc_live(c->doc)); /* those among the filters' counters that follow the time */
    sp_config_certs(c, add_cert, certs);
    sp_live_set_each(sp_doc_live(c->doc), add_live, &lived);
    json_t *clusters = clusters_of(&c->clusters, p, filter, &matching);
    json_t *j = json_pack("{s:I, s:o, s:o, s:o}", "at_ms", (json_int_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, "server",
                          server_of(r->server), "config", config_of(r->server), "totals", totals(&c->clusters));
    json_object_set_new(j, "listeners", listeners_of(r->server));
    json_object_set_new(j, "connection_managers", sp_admin_overview_managers(c));
    json_object_set_new(j, "filters", sp_admin_overview_filters(c));
    json_object_set_new(j, "clusters", clusters);
    json_object_set_new(j, "n_clusters", json_integer(matching));
    json_object_set_new(j, "certificates", certs);
    json_object_set_new(j, "secrets", lived.secrets);
    json_object_set_new(j, "lists", lived.lists);
    sp_admin_put_compact(a, j);
}

void sp_admin_overview(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    assert(r && a);
    struct page p = {0, CLUSTERS_SHOWN};
    struct sp_str text;
    struct sp_regex *filter = NULL;
    if (sp_admin_param(r, "cluster", &text)) {
        one_cluster(r, a, text);
        return;
    }
    if (!number_of(r, a, "offset", UINT32_MAX, &p.offset) || !number_of(r, a, "limit", SHOWN_MAX, &p.limit))
        return;
    if (!sp_admin_filter(r, a, &filter))
        return;
    whole(r, a, &p, filter);
    sp_regex_free(filter);
}
