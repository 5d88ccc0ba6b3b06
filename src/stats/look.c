/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the view (view.h) makes of a stat, remembered until another view is set. */
#include "stats/view.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/registry.h"

static const struct sp_stats_view *view;
static uint64_t generation = 1;

void sp_stats_set_view(const struct sp_stats_view *v)
{
    pthread_mutex_lock(&sp_registry.lock);
    view = v;
    generation++;
    pthread_mutex_unlock(&sp_registry.lock);
}

char sp_metric_char(char c)
{
    bool fits = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return (char)(fits ? c : '_');
}

/* Copies in Prometheus' letters; NUL-terminated. */
static struct sp_str put_metric(char **at, struct sp_str s)
{
    char *begin = *at, *p = begin;
    for (size_t i = 0; i < s.len; i++)
        *p++ = sp_metric_char(s.ptr[i]);
    *p = 0;
    *at = p + 1;
    return sp_str_n(begin, s.len);
}

static struct sp_str put(char **at, struct sp_str s)
{
    char *begin = *at;
    if (s.len)
        memcpy(begin, s.ptr, s.len);
    begin[s.len] = 0;
    *at += s.len + 1;
    return sp_str_n(begin, s.len);
}

/* Takes the first place where `what` stands out of the name. */
static void cut(struct sp_str *name, struct sp_str what, char *scratch)
{
    struct sp_str letters = put_metric(&scratch, what);
    ptrdiff_t at = letters.len ? sp_str_find(*name, letters) : -1;
    if (at < 0)
        return;
    char *p = (char *)(uintptr_t)name->ptr + at;
    memmove(p, p + letters.len, name->len - (size_t)at - letters.len);
    name->len -= letters.len;
}

/* The label of that name, or a new one. */
static struct sp_label *label(struct sp_shown *w, struct sp_str name)
{
    for (unsigned i = 0; i < w->n_labels; i++)
        if (sp_str_eq(sp_str_c(w->labels[i].name), name))
            return &w->labels[i];
    return &w->labels[w->n_labels++];
}

static struct sp_shown *make(const struct sp_stat *s, const struct sp_stats_tag *tags, unsigned n)
{
    size_t room = 2 * (s->name.len + s->metric.len + 16);
    for (unsigned i = 0; i < n; i++)
        room += tags[i].name.len + tags[i].value.len + 2;
    struct sp_shown *w = sp_xcalloc(1, sizeof(*w) + room);
    char *at = w->text;
    if (view->whole_names) {
        put(&at, SP_STR("envoy_"));
        at--;
        put_metric(&at, s->name);
        w->metric = sp_str_n(w->text, (size_t)(at - 1 - w->text));
    } else {
        w->metric = put(&at, s->metric);
        w->n_labels = s->n_labels;
        memcpy(w->labels, s->labels, s->n_labels * sizeof(*w->labels));
    }
    char *scratch = at + s->name.len + 1;
    for (unsigned i = 0; i < n; i++)
        cut(&w->metric, tags[i].removed, at);
    at = scratch;
    for (unsigned i = 0; i < n; i++) {
        struct sp_str name = put_metric(&at, tags[i].name);
        *label(w, name) = (struct sp_label){name.ptr, put(&at, tags[i].value)};
    }
    return w;
}

bool sp_stat_look(struct sp_stat *s)
{
    struct sp_stats_tag tags[SP_STATS_TAGS];
    if (s->looked == generation)
        return !s->hidden;
    s->looked = generation;
    free(s->shown);
    s->shown = NULL;
    s->hidden = view && view->shows && !view->shows(view, s->name);
    if (!view || s->hidden)
        return !s->hidden;
    unsigned n = view->tags ? view->tags(view, s->name, tags) : 0;
    assert(n <= SP_STATS_TAGS);
    if (n || view->whole_names)
        s->shown = make(s, tags, n);
    return true;
}

const double *sp_stat_bounds(const struct sp_stat *s, unsigned *ret_n)
{
    return view && view->bounds ? view->bounds(view, s->name, ret_n) : NULL;
}
