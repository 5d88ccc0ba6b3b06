/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /stats in its three forms, with its filters: Envoy's parameters. */
#include <stdlib.h>

#include "admin/body.h"
#include "base/mem.h"
#include "base/regex.h"
#include "stats/print.h"

static bool matches(void *ctx, struct sp_str name)
{
    return sp_regex_search(ctx, name, NULL);
}

/* Whether it stands in the query, with a value or without. */
static bool asks(const struct sp_admin_request *r, struct sp_str name)
{
    struct sp_str rest = r->query, pair, key;
    while (sp_str_split(&rest, '&', &pair))
        if (sp_str_split(&pair, '=', &key) && sp_str_eq(key, name))
            return true;
    return false;
}

static bool bad(struct sp_admin_answer *a, const char *why)
{
    a->status = 400;
    sp_admin_put(a, "%s\n", why);
    return false;
}

/* The index of the value among `words`; -1: it is none of them. */
static int one_of(struct sp_str value, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (sp_str_eq(value, sp_str_c(words[i])))
            return i;
    return -1;
}

static bool read_kind(const struct sp_admin_request *r, struct sp_admin_answer *a, struct sp_stats_query *q)
{
    static const char *const words[] = {"All", "Counters", "Gauges", "Histograms", "TextReadouts"};
    static const unsigned kinds[] = {SP_STATS_ALL, SP_STATS_COUNTERS, SP_STATS_GAUGES, SP_STATS_HISTOGRAMS, SP_STATS_TEXTS};
    struct sp_str value;
    if (!sp_admin_param(r, "type", &value))
        return true;
    int i = one_of(value, words, SP_ARRAY_LEN(words));
    if (i < 0)
        return bad(a, "type is Counters, Gauges, Histograms, TextReadouts or All");
    q->kinds = kinds[i];
    return true;
}

static bool read_buckets(const struct sp_admin_request *r, struct sp_admin_answer *a, bool prometheus, struct sp_stats_query *q)
{
    static const char *const words[] = {"none", "summary", "cumulative", "disjoint", "detailed"};
    static const enum sp_stats_buckets how[] = {SP_STATS_SUMMARY, SP_STATS_SUMMARY, SP_STATS_CUMULATIVE, SP_STATS_DISJOINT, SP_STATS_DETAILED};
    struct sp_str value;
    if (!sp_admin_param(r, "histogram_buckets", &value) || !value.len)
        return true;
    int i = one_of(value, words, SP_ARRAY_LEN(words));
    if (i < 0 || (prometheus && i > 2))
        return bad(a, prometheus ? "histogram_buckets is cumulative, summary or none" : "histogram_buckets is cumulative, disjoint, detailed, summary or none");
    q->buckets = how[i];
    q->summary = i < 2;
    return true;
}

static bool read_filter(const struct sp_admin_request *r, struct sp_admin_answer *a, struct sp_stats_query *q)
{
    struct sp_regex *filter = NULL;
    if (!sp_admin_filter(r, a, &filter))
        return false;
    q->ctx = filter;
    q->match = filter ? matches : NULL;
    return true;
}

/* A page under way, and the filter that it asks. */
struct page {
    struct sp_stats_print *print;
    struct sp_regex *filter;
};

static int more(void *ctx, struct sp_buf *out, size_t bytes)
{
    return sp_stats_print_more(((struct page *)ctx)->print, out, bytes);
}

static void page_free(void *ctx)
{
    struct page *p = ctx;
    sp_stats_print_free(p->print);
    sp_regex_free(p->filter);
    free(p);
}

static void show(const struct sp_admin_request *r, struct sp_admin_answer *a, enum sp_stats_format format, const char *content_type)
{
    static const struct sp_admin_body_ops ops = {more, page_free};
    bool prometheus = format >= SP_STATS_PROMETHEUS;
    struct sp_stats_query q = {.used_only = asks(r, SP_STR("usedonly"))};
    if ((!prometheus && !read_kind(r, a, &q)) || !read_buckets(r, a, prometheus, &q) || !read_filter(r, a, &q))
        return;
    struct page *p = sp_xcalloc(1, sizeof(*p));
    *p = (struct page){sp_stats_print_new(format, &q), q.ctx};
    sp_server_update_gauges(r->server);
    a->content_type = content_type;
    sp_admin_answer_in_pieces(r, a, &ops, p);
}

#define PROTOBUF "application/vnd.google.protobuf"

/* What stands first in the list of what is taken, of the two forms that there are, as with Envoy. */
static bool takes_protobuf(const struct sp_headers *h)
{
    const struct sp_header *accept = sp_headers_find(h, SP_STR("accept"), NULL);
    struct sp_str rest = accept ? accept->value : SP_STR_NULL, range, type;
    while (sp_str_split(&rest, ',', &range)) {
        sp_str_split(&range, ';', &type);
        type = sp_str_trim(type);
        if (sp_str_ieq(type, SP_STR(PROTOBUF)))
            return true;
        if (sp_str_ieq(type, SP_STR("text/plain")) || sp_str_eq(type, SP_STR("*/*")))
            return false;
    }
    return false;
}

void sp_admin_stats_prometheus(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    if (asks(r, SP_STR("prom_protobuf")) || (!r->stream->remote && takes_protobuf(sp_filter_request(&r->stream->filter))))
        show(r, a, SP_STATS_PROTOBUF, PROTOBUF "; proto=io.prometheus.client.MetricFamily; encoding=delimited");
    else
        show(r, a, SP_STATS_PROMETHEUS, "text/plain; version=0.0.4; charset=UTF-8");
}

void sp_admin_stats(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    static const char *const words[] = {"text", "json", "prometheus"};
    struct sp_str format = SP_STR("text");
    sp_admin_param(r, "format", &format);
    int i = one_of(format, words, SP_ARRAY_LEN(words));
    if (i < 0)
        bad(a, "format is text, json or prometheus");
    else if (i == SP_STATS_PROMETHEUS)
        sp_admin_stats_prometheus(r, a);
    else
        show(r, a, (enum sp_stats_format)i, i == SP_STATS_JSON ? "application/json" : "text/plain; charset=UTF-8");
}
