/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/explain_filters.h"

#include <assert.h>

#include "tools/explain_route.h"

enum { BODY_MAX = 4096 };

static struct sp_filter_notes *of_trace(struct sp_trace *t)
{
    return SP_CONTAINER_OF(t, struct sp_filter_notes, trace);
}

static unsigned count_metadata(const struct sp_stream_info *info)
{
    unsigned n = 0;
    for (const struct sp_metadata *m = info->metadata; m; m = m->next)
        n++;
    return n;
}

/* --- what a call changed --- */

static void before(struct sp_trace *t, const struct sp_trace_step *s)
{
    struct sp_filter_notes *n = of_trace(t);
    const struct sp_headers *h = s->chain->head[s->dir];
    sp_arena_done(&n->arena);
    sp_arena_init(&n->arena);
    sp_headers_copy(&n->before, &n->arena, h);
    n->authority = h->authority;
    n->path = h->path;
    n->method = h->method;
    n->n_shadow = s->chain->info->n_shadow;
    n->n_metadata = count_metadata(s->chain->info);
    n->client = s->chain->info->client;
    n->proven = s->chain->info->proven;
}

static void change(json_t *list, struct sp_report *r, const char *what, struct sp_str name, struct sp_str value)
{
    struct sp_str text = value.ptr ? sp_arena_printf(&r->arena, "%s %.*s: %.*s", what, SP_STR_ARG(name), SP_STR_ARG(value))
                                   : sp_arena_printf(&r->arena, "%s %.*s", what, SP_STR_ARG(name));
    json_array_append_new(list, sp_report_str(text));
}

static unsigned count_same(const struct sp_headers *h, const struct sp_header *line)
{
    unsigned n = 0;
    for (unsigned i = 0; i < h->n; i++)
        n += sp_str_eq(h->v[i].name, line->name) && sp_str_eq(h->v[i].value, line->value);
    return n;
}

static void add_line_changes(struct sp_filter_notes *n, json_t *list, const struct sp_headers *now)
{
    for (unsigned i = 0; i < n->before.n; i++) {
        const struct sp_header *line = &n->before.v[i];
        if (!sp_headers_find(now, line->name, NULL) && sp_headers_find(&n->before, line->name, NULL) == line)
            change(list, n->report, "removes", line->name, SP_STR_NULL);
    }
    for (unsigned i = 0; i < now->n; i++) {
        const struct sp_header *line = &now->v[i];
        if (count_same(now, line) > count_same(&n->before, line))
            change(list, n->report, "sets", line->name, sp_report_value(n->report, line));
    }
}

static void add_changes(struct sp_filter_notes *n, json_t *list, const struct sp_trace_step *s)
{
    const struct sp_headers *now = s->chain->head[s->dir];
    if (!sp_str_eq(now->method, n->method))
        change(list, n->report, "sets", SP_STR(":method"), now->method);
    if (!sp_str_eq(now->path, n->path))
        change(list, n->report, "sets", SP_STR(":path"), now->path);
    if (!sp_str_eq(now->authority, n->authority))
        change(list, n->report, "sets", SP_STR(":authority"), now->authority);
    add_line_changes(n, list, now);
}

/* What a filter decided by, where it leaves that as metadata; what others leave may be claims of a person. */
static bool may_be_shown(struct sp_str ns)
{
    return sp_str_ends(ns, SP_STR(".rbac")) || sp_str_ends(ns, SP_STR(".ip_tagging")) || sp_str_starts(ns, SP_STR("sallyport.shadow"));
}

static void add_findings(struct sp_filter_notes *n, json_t *list, const struct sp_stream_info *info)
{
    char text[SP_ADDR_TEXT_MAX];
    unsigned i = 0;
    if (info->proven && !n->proven)
        json_array_append_new(list, json_string("has seen its proof"));
    if (!sp_addr_eq(&info->client, &n->client, false)) {
        sp_addr_format_ip(&info->client, text);
        change(list, n->report, "derives", SP_STR("CLIENT"), sp_str_c(text));
    }
    for (const struct sp_metadata *m = info->metadata; m; m = m->next)
        if (i++ >= n->n_metadata)
            change(list, n->report, "sets metadata", sp_arena_printf(&n->report->arena, "%.*s %.*s", SP_STR_ARG(m->ns), SP_STR_ARG(m->key)),
                   may_be_shown(m->ns) ? m->json : SP_STR_NULL);
}

/* --- steps --- */

static json_t *step_of(struct sp_filter_notes *n, const struct sp_chain *c, unsigned i, const char *verdict)
{
    const struct sp_filter_slot *slot = &c->plan->v[i];
    if (n->said[i]) {
        json_object_set_new(n->said[i], "verdict", json_string(verdict));
        return n->said[i];
    }
    json_t *step = sp_report_step(n->report, i < c->plan->n_gates ? "gate" : slot->ops->terminal ? "router" : "filter", slot->name,
                                  verdict, NULL);
    json_object_set_new(step, "type", json_string(slot->ops->name));
    sp_report_place(n->report, step, sp_places_filter(n->places, slot->name), NULL, -1);
    n->said[i] = step;
    return step;
}

static void add_reply(json_t *step, const struct sp_reply *reply)
{
    if (reply->reset)
        json_object_set_new(step, "reset", json_true());
    else
        json_object_set_new(step, "status", json_integer(reply->status));
    sp_report_set(step, "why", reply->details);
}

static const char *verdict_of(const struct sp_trace_step *s)
{
    const struct sp_filter_slot *slot = &s->chain->plan->v[s->index];
    if (s->replied)
        return s->chain->reply.status >= 400 || s->chain->reply.reset ? "refuses" : "answers";
    if (s->status == SP_CONTINUE || slot->ops->terminal)
        return "passes";
    return "waits";
}

/* Why it let the request pass, in its own words. */
static void add_own_words(json_t *step, const struct sp_trace_step *s)
{
    const struct sp_filter_ops *ops = s->chain->plan->v[s->index].ops;
    struct sp_buf out;
    sp_buf_init(&out);
    if (ops->explain && s->part == SP_TRACE_HEADERS)
        ops->explain(sp_chain_filter(s->chain, s->index), &out);
    if (out.len)
        sp_report_set(step, "why", sp_str_n(sp_buf_pullup(&out, out.len), out.len));
    sp_buf_clear(&out);
}

static void note_decode(struct sp_filter_notes *n, const struct sp_trace_step *s)
{
    const struct sp_stream_info *info = s->chain->info;
    json_t *step = step_of(n, s->chain, s->index, verdict_of(s));
    json_t *does = json_object_get(step, "does");
    if (!does) {
        does = json_array();
        json_object_set_new(step, "does", does);
    }
    if (s->replied)
        add_reply(step, &s->chain->reply);
    else if (s->status == SP_CONTINUE)
        add_own_words(step, s);
    if (info->n_shadow > n->n_shadow) {
        sp_report_set(step, "shadow", info->shadow[info->n_shadow - 1]);
        json_object_set_new(step, "verdict", json_string("passes"));
    }
    if (!s->chain->plan->v[s->index].ops->terminal)
        add_changes(n, does, s);
    add_findings(n, does, info);
}

static void after(struct sp_trace *t, const struct sp_trace_step *s)
{
    struct sp_filter_notes *n = of_trace(t);
    if (s->dir == SP_DECODE && s->chain->head[SP_DECODE])
        note_decode(n, s);
    else if (s->replied)
        add_reply(step_of(n, s->chain, s->index, "refuses"), &s->chain->reply);
}

static void routed(struct sp_trace *t, const struct sp_chain *c)
{
    struct sp_filter_notes *n = of_trace(t);
    bool early = c->reply_pending || c->local; /* an answer that is given before a route is looked for */
    if (early && !sp_str_eq(c->info->details, SP_STR("route_not_found"))) {
        sp_report_step(n->report, "route", SP_STR_NULL, "answers", "%.*s", SP_STR_ARG(c->info->details));
        return;
    }
    sp_explain_routed(n->report, n->places, n->routes, c);
}

/* --- the answer --- */

static void headers(struct sp_trace *t, const struct sp_chain *c, const struct sp_headers *h, bool end)
{
    struct sp_filter_notes *n = of_trace(t);
    (void)end;
    n->answer = json_object();
    json_object_set_new(n->answer, "status", json_integer(h->status));
    sp_report_set(n->answer, "details", c->info->details);
    json_object_set_new(n->answer, "headers", sp_report_headers(n->report, h));
    json_object_set_new(n->report->root, "answer", n->answer);
}

static void data(struct sp_trace *t, const struct sp_chain *c, const struct sp_buf *b, bool end)
{
    struct sp_filter_notes *n = of_trace(t);
    (void)c, (void)end;
    if (n->body.len + b->len <= BODY_MAX)
        sp_buf_share(&n->body, b);
}

static void on_reset(struct sp_trace *t, const struct sp_chain *c, enum sp_abort why)
{
    struct sp_filter_notes *n = of_trace(t);
    (void)c, (void)why;
    n->was_reset = true;
}

void sp_filter_notes_init(struct sp_filter_notes *n, struct sp_report *report, const struct sp_places *places,
                          const struct sp_route_table *routes)
{
    assert(n && report && places && routes);
    *n = (struct sp_filter_notes){
        .trace = {before, after, routed, headers, data, on_reset}, .report = report, .places = places, .routes = routes};
    sp_arena_init(&n->arena);
    sp_buf_init(&n->body);
}

void sp_filter_notes_done(struct sp_filter_notes *n)
{
    assert(n);
    if (n->answer && n->body.len)
        sp_report_set(n->answer, "body", sp_str_n(sp_buf_pullup(&n->body, n->body.len), n->body.len));
    sp_buf_clear(&n->body);
    sp_arena_done(&n->arena);
}

void sp_filter_notes_rest(struct sp_filter_notes *n, const struct sp_chain *c)
{
    assert(n && c);
    for (unsigned i = 0; i < c->plan->n; i++) {
        if (n->said[i])
            continue;
        const struct sp_filter_slot *slot = &c->plan->v[i];
        bool off = sp_chain_skips(c, i);
        if (slot->ops->terminal && !off)
            continue; /* that nothing went to an upstream is told by what was answered instead */
        json_t *step = step_of(n, c, i, off ? "off" : !slot->ops->decode_headers && !c->over ? "passes" : "not reached");
        if (off)
            sp_report_setf(step, "why", "%s", slot->disabled ? "disabled, and the route does not switch it on"
                                                             : "the route's typed_per_filter_config switches it off");
    }
}

const struct sp_filter_slot *sp_filter_notes_waits(const struct sp_chain *c)
{
    assert(c);
    for (unsigned i = 0; !c->over && i + 1 < c->plan->n; i++)
        if (c->hold[SP_DECODE][i].mode)
            return &c->plan->v[i];
    return NULL;
}
