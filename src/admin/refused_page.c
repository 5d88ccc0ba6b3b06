/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /refused: the requests that were refused last, each with who decided, why, and what the filters before said.  The newest
 * first, out of all workers' rings (server/refusals.h).
 */
#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/handlers.h"
#include "base/mem.h"

enum { MOST = 256 };

/* What is asked for. */
struct want {
    uint64_t limit;
    int64_t since_ns;
    struct sp_str by, listener;
};

static bool read_number(const struct sp_admin_request *r, struct sp_admin_answer *a, const char *name, uint64_t most, uint64_t *ret)
{
    struct sp_str text;
    if (!sp_admin_param(r, name, &text) || sp_str_u64(text, most, ret) == 0)
        return true;
    a->status = 400;
    sp_admin_put(a, "%s is a number up to %llu\n", name, (unsigned long long)most);
    return false;
}

static bool read_want(const struct sp_admin_request *r, struct sp_admin_answer *a, struct want *ret)
{
    uint64_t since = 0;
    *ret = (struct want){.limit = MOST};
    if (!read_number(r, a, "limit", 100000, &ret->limit) || !read_number(r, a, "since", 9000000000u, &since))
        return false;
    ret->since_ns = (int64_t)since * 1000000000;
    sp_admin_param(r, "by", &ret->by);
    sp_admin_param(r, "listener", &ret->listener);
    return true;
}

static bool is_wanted(const struct want *w, const struct sp_refused *e)
{
    return e->at_ns >= w->since_ns && (!w->by.ptr || sp_str_eq(w->by, sp_refused_text(e, SP_REFUSED_BY))) &&
           (!w->listener.ptr || sp_str_eq(w->listener, sp_refused_text(e, SP_REFUSED_LISTENER)));
}

static int newest_first(const void *x, const void *y)
{
    int64_t a = (*(const struct sp_refused *const *)x)->at_ns, b = (*(const struct sp_refused *const *)y)->at_ns;
    return (a < b) - (a > b);
}

/* Those wanted of the latest MOST, the newest first: how many; of the rest, and of what the rings have lost, the number. */
static unsigned gather(struct sp_refused_copy *const *copies, unsigned n, const struct want *w, const struct sp_refused **all,
                       uint64_t *ret_dropped)
{
    unsigned n_all = 0, kept = 0;
    *ret_dropped = 0;
    for (unsigned i = 0; i < n; i++) {
        *ret_dropped += copies[i] ? copies[i]->dropped : 0;
        for (unsigned k = 0; copies[i] && k < copies[i]->n; k++)
            all[n_all++] = &copies[i]->v[k];
    }
    qsort(all, n_all, sizeof(*all), newest_first);
    *ret_dropped += n_all > MOST ? n_all - MOST : 0;
    for (unsigned i = 0; i < n_all && i < MOST && kept < w->limit; i++)
        if (is_wanted(w, all[i]))
            all[kept++] = all[i];
    return kept;
}

/* "2026-11-24T18:44:44.123Z" */
static void time_text(int64_t at_ns, char out[40])
{
    char seconds[32];
    sp_admin_time_text(at_ns / 1000000000, seconds);
    snprintf(out, 40, "%.19s.%03dZ", seconds, (int)(at_ns % 1000000000 / 1000000));
}

static const char *const flag_names[] = {
#define X(id, s, l) s,
    SP_FLAG_TABLE(X)
#undef X
};

static const char *said(char c)
{
    return c == '-' ? "refused" : c == '~' ? "shadowed" : "passed";
}

static const char *protocol(const struct sp_refused *e)
{
    return e->protocol == SP_HTTP_2 ? "HTTP/2" : e->protocol == SP_HTTP_11 ? "HTTP/1.1" : "HTTP/1.0";
}

static json_t *text_of(const struct sp_refused *e, enum sp_refused_text which)
{
    return sp_json_text(sp_refused_text(e, which));
}

static json_t *address(const struct sp_addr *addr, bool port)
{
    char text[SP_ADDR_TEXT_MAX];
    return sp_json_text(sp_str_n(text, port ? sp_addr_format(addr, text) : sp_addr_format_ip(addr, text)));
}

static json_t *flags_json(uint32_t flags)
{
    json_t *list = json_array();
    for (size_t i = 0; i < SP_ARRAY_LEN(flag_names); i++)
        if (flags >> i & 1)
            json_array_append_new(list, json_string(flag_names[i]));
    return list;
}

static json_t *trace_json(const struct sp_refused *e)
{
    struct sp_str rest = sp_refused_text(e, SP_REFUSED_TRACE), step;
    json_t *list = json_array();
    while (sp_str_split(&rest, 0, &step))
        if (step.len)
            json_array_append_new(list, json_pack("{s:o, s:s}", "filter", sp_json_text(sp_str_sub(step, 1, step.len)), "said", said(step.ptr[0])));
    return list;
}

static json_t *decision_json(const struct sp_refused *e)
{
    struct sp_str text = sp_refused_text(e, SP_REFUSED_CALLER);
    json_t *caller = text.len ? json_loadb(text.ptr, text.len, 0, NULL) : NULL;
    return json_pack("{s:o, s:s, s:o, s:o}", "by", text_of(e, SP_REFUSED_BY), "verdict", sp_verdict_name(SP_DENIED), "reason",
                     text_of(e, SP_REFUSED_REASON), "caller", caller ? caller : json_object());
}

static json_t *entry_json(const struct sp_refused *e)
{
    char at[40];
    time_text(e->at_ns, at);
    json_t *j = json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o}", "time", at, "client", address(&e->client, false), "peer",
                          address(&e->peer, true), "protocol", protocol(e), "method", text_of(e, SP_REFUSED_METHOD), "host",
                          text_of(e, SP_REFUSED_HOST), "path", text_of(e, SP_REFUSED_PATH), "listener", text_of(e, SP_REFUSED_LISTENER));
    json_object_set_new(j, "status", json_integer(e->status));
    json_object_set_new(j, "flags", flags_json(e->flags));
    json_object_set_new(j, "details", text_of(e, SP_REFUSED_REASON));
    json_object_set_new(j, "decision", decision_json(e));
    json_object_set_new(j, "filters", trace_json(e));
    json_object_set_new(j, "route", text_of(e, SP_REFUSED_ROUTE));
    json_object_set_new(j, "request_id", text_of(e, SP_REFUSED_REQUEST_ID));
    return j;
}

static void entry_text(struct sp_admin_answer *a, const struct sp_refused *e)
{
    char at[40], client[SP_ADDR_TEXT_MAX];
    struct sp_str rest = sp_refused_text(e, SP_REFUSED_TRACE), step;
    time_text(e->at_ns, at);
    sp_admin_put_line(a, "%s %s %.*s %.*s%.*s %u %.*s: %.*s", at, sp_addr_ip_text(&e->client, client),
                      SP_STR_ARG(sp_refused_text(e, SP_REFUSED_METHOD)), SP_STR_ARG(sp_refused_text(e, SP_REFUSED_HOST)),
                      SP_STR_ARG(sp_refused_text(e, SP_REFUSED_PATH)), e->status, SP_STR_ARG(sp_refused_text(e, SP_REFUSED_BY)),
                      SP_STR_ARG(sp_refused_text(e, SP_REFUSED_REASON)));
    struct sp_str caller = sp_refused_text(e, SP_REFUSED_CALLER);
    if (caller.len > 2)
        sp_admin_put_line(a, " %.*s", SP_STR_ARG(caller));
    for (bool first = true; sp_str_split(&rest, 0, &step); first = false)
        if (step.len)
            sp_admin_put_line(a, "%s%.*s %s", first ? " (" : ", ", SP_STR_ARG(sp_str_sub(step, 1, step.len)), said(step.ptr[0]));
    sp_admin_put_line(a, "%s\n", sp_refused_text(e, SP_REFUSED_TRACE).len ? ")" : "");
}

static void on_copies(struct sp_refusals_ask *ask, struct sp_refused_copy *const *copies, unsigned n)
{
    struct sp_admin_stream *s = SP_CONTAINER_OF(ask, struct sp_admin_stream, refusals);
    struct sp_admin_answer a;
    struct want w;
    uint64_t dropped;
    sp_admin_answer_init(&a);
    if (read_want(s->request, &a, &w)) {
        const struct sp_refused **all = sp_xcalloc((size_t)n * SP_REFUSED_RING + 1, sizeof(const struct sp_refused *));
        unsigned n_all = gather(copies, n, &w, all, &dropped);
        json_t *list = s->json ? json_array() : NULL;
        for (unsigned i = 0; i < n_all && s->json; i++)
            json_array_append_new(list, entry_json(all[i]));
        for (unsigned i = 0; i < n_all && !s->json; i++)
            entry_text(&a, all[i]);
        if (s->json)
            sp_admin_put_json(&a, json_pack("{s:o, s:I}", "refused", list, "dropped", (json_int_t)dropped));
        else if (dropped)
            sp_admin_put(&a, "%llu older ones are not kept\n", (unsigned long long)dropped);
        free(all);
    }
    sp_admin_answer(&s->filter, &a);
}

void sp_admin_refused(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    struct sp_admin_stream *s = r->stream;
    s->request = sp_arena_alloc(r->arena, sizeof(*s->request));
    *s->request = *r; /* its slices are of the request's head */
    s->json = sp_admin_wants_json(r);
    s->refusals.done = on_copies;
    a->later = true;
    sp_server_refusals(r->server, &s->refusals);
}
