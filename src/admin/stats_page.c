/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /stats in its three forms, with its filters. */
#include <stdlib.h>

#include "admin/handlers.h"
#include "base/regex.h"
#include "stats/stats.h"

static bool matches(void *ctx, struct sp_str name)
{
    return sp_regex_search(ctx, name, NULL);
}

/* False after answering 400. */
static bool prepare(const struct sp_admin_request *r, struct sp_admin_answer *a, struct sp_stats_query *q)
{
    struct sp_regex *filter = NULL;
    *q = (struct sp_stats_query){.used_only = sp_admin_param(r, "usedonly", NULL)};
    struct sp_str rest = r->query, word; /* "usedonly" without a value too */
    while (sp_str_split(&rest, '&', &word))
        q->used_only |= sp_str_eq(word, SP_STR("usedonly"));
    if (!sp_admin_filter(r, a, &filter))
        return false;
    if (filter) {
        q->ctx = filter;
        q->match = matches;
    }
    sp_server_update_gauges(r->server);
    return true;
}

static void show(const struct sp_admin_request *r, struct sp_admin_answer *a,
                 void (*print)(const struct sp_stats_query *q, struct sp_buf *out))
{
    struct sp_stats_query q;
    if (prepare(r, a, &q))
        print(&q, &a->body);
    sp_regex_free(q.ctx);
}

void sp_admin_stats_prometheus(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    a->content_type = "text/plain; version=0.0.4; charset=UTF-8";
    show(r, a, sp_stats_prometheus);
}

void sp_admin_stats(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    struct sp_str format = SP_STR("text");
    sp_admin_param(r, "format", &format);
    if (sp_str_eq(format, SP_STR("prometheus"))) {
        sp_admin_stats_prometheus(r, a);
    } else if (sp_str_eq(format, SP_STR("json"))) {
        a->content_type = "application/json";
        show(r, a, sp_stats_json);
    } else if (sp_str_eq(format, SP_STR("text"))) {
        show(r, a, sp_stats_text);
    } else {
        a->status = 400;
        sp_admin_put(a, "format is text, json or prometheus\n");
    }
}
