/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the view (view.h) makes of a stat, remembered until another view is set. */
#include "stats/view.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/registry.h"

static const struct sp_stats_view *view;
static uint32_t generation = 1;

void sp_stats_set_view(const struct sp_stats_view *v)
{
    pthread_mutex_lock(&sp_registry.lock);
    view = v;
    generation++;
    pthread_mutex_unlock(&sp_registry.lock);
}

uint32_t sp_view_generation(void)
{
    return generation;
}

bool sp_view_retags(void)
{
    return view && (view->tags || view->whole_names);
}

bool sp_view_needs_look(void)
{
    return sp_view_retags() || sp_registry.n_retagged;
}

static struct sp_str put(char **at, struct sp_str s)
{
    char *begin = *at;
    if (s.len)
        memcpy(begin, s.ptr, s.len);
    *at += s.len;
    return sp_str_n(begin, s.len);
}

/* Copies in Prometheus' letters. */
static struct sp_str put_metric(char **at, struct sp_str s)
{
    struct sp_str copy = put(at, s);
    for (size_t i = 0; i < copy.len; i++)
        ((char *)(uintptr_t)copy.ptr)[i] = sp_metric_char(copy.ptr[i]);
    return copy;
}

/* Takes the first place where `what` stands out of the name. */
static void cut(struct sp_str *name, struct sp_str what)
{
    ptrdiff_t at = what.len ? sp_str_find(*name, what) : -1;
    if (at < 0)
        return;
    char *p = (char *)(uintptr_t)name->ptr + at;
    memmove(p, p + what.len, name->len - (size_t)at - what.len);
    name->len -= what.len;
}

/* The label of that name, or a new one. */
static struct sp_label *label(struct sp_shown *w, struct sp_str name)
{
    for (unsigned i = 0; i < w->n_labels; i++)
        if (sp_str_eq(w->labels[i].name, name))
            return &w->labels[i];
    return &w->labels[w->n_labels++];
}

static void own_labels(struct sp_shown *w, const struct sp_stat *s)
{
    const struct sp_stats_scope *scope = s->scope;
    w->n_labels = scope->n_labels;
    memcpy(w->labels, scope->labels, scope->n_labels * sizeof(*w->labels));
    w->n_labels += sp_stat_code_label(s, &w->labels[w->n_labels]);
}

static void write_labels(struct sp_shown *w, char *at)
{
    char *begin = at;
    for (unsigned i = 0; i < w->n_labels; i++) {
        if (i)
            *at++ = ',';
        at = sp_label_write(at, w->labels[i]);
    }
    w->label_text = sp_str_n(begin, (size_t)(at - begin));
}

static struct sp_shown *make(const struct sp_stat *s, struct sp_str full, const struct sp_stats_tag *tags, unsigned n)
{
    char bare[SP_STATS_NAME_MAX];
    struct sp_str own = view->whole_names ? full : sp_stat_bare(s, bare);
    size_t room = 2 * own.len + 128;
    for (unsigned i = 0; i < s->scope->n_labels; i++)
        room += 2 * s->scope->labels[i].value.len + s->scope->labels[i].name.len + 8;
    for (unsigned i = 0; i < n; i++)
        room += 2 * tags[i].name.len + 3 * tags[i].value.len + 8;
    struct sp_shown *w = sp_xcalloc(1, sizeof(*w) + room);
    char *at = w->text;
    if (!view->whole_names)
        own_labels(w, s);
    w->dotted = put(&at, own);
    for (unsigned i = 0; i < n; i++)
        cut(&w->dotted, tags[i].removed);
    w->metric.ptr = at;
    put(&at, SP_STR("envoy_"));
    put_metric(&at, w->dotted);
    w->metric.len = (size_t)(at - w->metric.ptr);
    for (unsigned i = 0; i < n; i++) {
        struct sp_str name = put_metric(&at, tags[i].name);
        *label(w, name) = (struct sp_label){name, put(&at, tags[i].value)};
    }
    write_labels(w, at);
    return w;
}

/* It counts as retagged until it is in the family of its own name again. */
static void place(struct sp_stat *s, struct sp_str full)
{
    char own[SP_STATS_NAME_MAX];
    struct sp_stats_tag tags[SP_STATS_TAGS];
    bool was = s->shown || !s->family;
    free(s->shown);
    s->shown = NULL;
    unsigned n = view && view->tags ? view->tags(view, full, tags) : 0;
    assert(n <= SP_STATS_TAGS);
    if (n || (view && view->whole_names))
        s->shown = make(s, full, tags, n);
    struct sp_str metric = s->shown ? s->shown->metric : sp_stat_metric(s, own);
    if (!s->family || !sp_str_eq(s->family->metric, metric)) {
        sp_stat_leave_family(s);
        sp_stat_join_family(s, metric);
    }
    sp_registry.n_retagged = sp_registry.n_retagged - was + (s->shown != NULL);
}

static struct sp_str full_name(const struct sp_stat *s, char out[static SP_STATS_NAME_MAX])
{
    struct sp_str prefix = s->scope->prefix, name = sp_stat_name(s);
    prefix.len = SP_MIN(prefix.len, (size_t)SP_STATS_NAME_MAX);
    name.len = SP_MIN(name.len, SP_STATS_NAME_MAX - prefix.len);
    memcpy(out, prefix.ptr, prefix.len);
    memcpy(out + prefix.len, name.ptr, name.len);
    return sp_str_n(out, prefix.len + name.len);
}

bool sp_stat_look(struct sp_stat *s)
{
    char text[SP_STATS_NAME_MAX];
    if (s->looked == generation)
        return !s->hidden;
    s->looked = generation;
    s->hidden = false;
    if (!view && !s->shown && s->family)
        return true;
    struct sp_str full = full_name(s, text);
    s->hidden = view && view->shows && !view->shows(view, full);
    if (sp_view_retags() || s->shown || !s->family)
        place(s, full);
    return !s->hidden;
}

const double *sp_stat_bounds(const struct sp_stat *s, unsigned *ret_n)
{
    char text[SP_STATS_NAME_MAX];
    return view && view->bounds ? view->bounds(view, full_name(s, text), ret_n) : NULL;
}
