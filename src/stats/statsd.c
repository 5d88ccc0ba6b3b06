/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats/statsd.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "stats/otlp.h"
#include "stats/out.h"
#include "stats/walk.h"

struct sp_statsd {
    struct sp_stats_walk walk;
    bool begun, over;
    struct sp_otlp_metrics *otlp; /* NULL: no form speaks it */
    unsigned n;
    void (*send)(void *ctx, unsigned i, struct sp_str datagram);
    void *ctx;
    struct form {
        struct sp_statsd_form f;
        struct sp_out lines; /* each with its line end */
    } v[];
};

static uint64_t last_flush_ns; /* Unix time; 0: there was none */

static uint64_t unix_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct sp_statsd *sp_statsd_new(const struct sp_statsd_form *forms, unsigned n, void (*send)(void *ctx, unsigned i, struct sp_str datagram),
                                void *ctx)
{
    assert(!n || (forms && send));
    struct sp_statsd *s = sp_xcalloc(1, sizeof(*s) + n * sizeof(s->v[0]));
    s->n = n;
    s->send = send;
    s->ctx = ctx;
    bool otlp = false;
    for (unsigned i = 0; i < n; i++) {
        s->v[i].f = forms[i];
        otlp |= forms[i].otlp;
    }
    uint64_t now = unix_ns();
    if (otlp) {
        s->otlp = sp_xcalloc(1, sizeof(*s->otlp));
        s->otlp->began_ns = sp_registry.began_ns;
        s->otlp->from_ns = last_flush_ns ? last_flush_ns : sp_registry.began_ns;
        s->otlp->now_ns = now;
    }
    last_flush_ns = now;
    return s;
}

void sp_statsd_free(struct sp_statsd *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&sp_registry.lock);
    sp_stats_walk_end(&s->walk);
    pthread_mutex_unlock(&sp_registry.lock);
    for (unsigned i = 0; i < s->n; i++)
        sp_out_done(&s->v[i].lines);
    if (s->otlp)
        sp_otlp_metrics_done(s->otlp);
    free(s->otlp);
    free(s);
}

/* Names and values come from the config: none of them may end its line, or be read as another part of it. */
static void put_tame(struct sp_out *o, struct sp_str s)
{
    char *at = sp_out_room(o, s.len);
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        at[i] = (char)(c == ':' || c == '|' || c == '@' || c == '#' || c == ',' || (unsigned char)c <= ' ' || c == 0x7f ? '_' : c);
    }
    o->n += s.len;
}

static void put_name(struct form *f, const struct sp_stat *s)
{
    char bare[SP_STATS_NAME_MAX];
    put_tame(&f->lines, f->f.prefix);
    sp_out_char(&f->lines, '.');
    if (f->f.tags) {
        put_tame(&f->lines, s->shown ? s->shown->dotted : sp_stat_bare(s, bare));
    } else {
        put_tame(&f->lines, s->scope->prefix);
        put_tame(&f->lines, sp_stat_name(s));
    }
    sp_out_char(&f->lines, ':');
}

/* Envoy's tags are called envoy.cluster_name, and so on. */
static void put_tag(struct sp_out *o, bool first, const struct sp_label *l)
{
    static const struct sp_str ours = SP_STR_INIT("envoy_");
    struct sp_str name = l->name;
    sp_out_put(o, first ? SP_STR("|#") : SP_STR(","));
    if (sp_str_starts(name, ours)) {
        SP_OUT_LIT(o, "envoy.");
        name = sp_str_sub(name, ours.len, name.len);
    }
    put_tame(o, name);
    sp_out_char(o, ':');
    put_tame(o, l->value);
}

static void put_tags(struct sp_out *o, const struct sp_stat *s)
{
    const struct sp_label *labels = s->shown ? s->shown->labels : s->scope->labels;
    unsigned n = s->shown ? s->shown->n_labels : s->scope->n_labels;
    struct sp_label code;
    bool has_code = !s->shown && sp_stat_code_label(s, &code);
    if (has_code)
        put_tag(o, true, &code);
    for (unsigned i = 0; i < n; i++)
        put_tag(o, i == 0 && !has_code, &labels[i]);
}

static void put_end(struct form *f, const struct sp_stat *s)
{
    if (f->f.tags)
        put_tags(&f->lines, s);
    sp_out_char(&f->lines, '\n');
}

static void put_number(struct sp_statsd *x, const struct sp_stat *s, uint64_t v, struct sp_str type)
{
    for (unsigned i = 0; i < x->n; i++) {
        if (x->v[i].f.otlp)
            continue;
        put_name(&x->v[i], s);
        sp_out_u64(&x->v[i].lines, v);
        sp_out_put(&x->v[i].lines, type);
        put_end(&x->v[i], s);
    }
}

static void put_bucket(struct form *f, const struct sp_stat *s, const struct sp_hist_some *b)
{
    bool timing = s->kind == SP_STAT_TIMING;
    double middle = (double)sp_hist_floor(b->bucket) + (double)(sp_hist_width(b->bucket) - 1) / 2;
    put_name(f, s);
    sp_out_value(&f->lines, timing ? middle * 1e-6 : middle);
    sp_out_put(&f->lines, timing ? SP_STR("|ms") : SP_STR("|h"));
    if (b->count > 1) {
        SP_OUT_LIT(&f->lines, "|@");
        sp_out_g(&f->lines, 1.0 / b->count, 9);
    }
    put_end(f, s);
}

static void put_buckets(struct sp_statsd *x, struct sp_stat *s)
{
    for (unsigned b = 0; b < s->u.kept->n_some; b++)
        for (unsigned i = 0; i < x->n; i++)
            if (!x->v[i].f.otlp)
                put_bucket(&x->v[i], s, &s->u.kept->some[b]);
}

static void tell_otlp(struct sp_statsd *x, struct sp_stat *s, uint64_t more)
{
    for (unsigned i = 0; i < x->n; i++) {
        struct form *f = &x->v[i];
        if (!f->f.otlp)
            continue;
        if (s->kind == SP_STAT_COUNTER)
            sp_otlp_counter(x->otlp, &f->lines, &f->f, s, sp_stat_value(s), more);
        else if (s->kind == SP_STAT_GAUGE)
            sp_otlp_gauge(x->otlp, &f->lines, &f->f, s, sp_stat_value(s));
        else
            sp_otlp_histogram(x->otlp, &f->lines, &f->f, s);
    }
}

static void tell(struct sp_statsd *x, struct sp_stat *s)
{
    bool shown = x->n && sp_scope_is_held(s->scope) && sp_stat_look(s);
    uint64_t more = s->kind == SP_STAT_COUNTER ? sp_stat_latch(s) : 0;
    if (!shown || (sp_stat_is_hist(s) ? !s->u.kept : !sp_stat_used(s)))
        return;
    if (x->otlp)
        tell_otlp(x, s, more);
    if (s->kind == SP_STAT_COUNTER)
        put_number(x, s, more, SP_STR("|c"));
    else if (s->kind == SP_STAT_GAUGE)
        put_number(x, s, sp_stat_value(s), SP_STR("|g"));
    else
        put_buckets(x, s);
}

/* Sends what is whole: with `all` the last datagram too, which more lines might fit into. */
static void send(struct sp_statsd *x, unsigned i, bool all)
{
    struct sp_out *o = &x->v[i].lines;
    size_t begin = 0, end = 0, most = x->v[i].f.max_bytes;
    if (x->v[i].f.otlp) { /* whole metrics */
        if (o->n && (all || o->n >= most)) {
            x->send(x->ctx, i, sp_str_n(o->v, o->n));
            o->n = 0;
        }
        return;
    }
    while (end < o->n) {
        size_t line = (size_t)((const char *)memchr(o->v + end, '\n', o->n - end) - o->v) + 1;
        if (end > begin && line - 1 - begin > most) {
            x->send(x->ctx, i, sp_str_n(o->v + begin, end - 1 - begin));
            begin = end;
        }
        end = line;
    }
    if (all && end > begin) {
        x->send(x->ctx, i, sp_str_n(o->v + begin, end - 1 - begin));
        begin = end;
    }
    if (begin)
        memmove(o->v, o->v + begin, o->n - begin);
    o->n -= begin;
}

static bool batch(struct sp_statsd *x)
{
    enum { TOGETHER = 64, TOGETHER_UNTOLD = 512 };
    pthread_mutex_lock(&sp_registry.lock);
    if (!x->begun)
        sp_stats_walk_begin(&x->walk);
    x->begun = true;
    for (unsigned i = 0; i < (x->n ? TOGETHER : TOGETHER_UNTOLD) && !x->over; i++) {
        struct sp_stat *s = sp_stats_walk_next(&x->walk);
        x->over = !s;
        if (s)
            tell(x, s);
    }
    if (x->over)
        sp_stats_walk_end(&x->walk);
    pthread_mutex_unlock(&sp_registry.lock);
    for (unsigned i = 0; i < x->n; i++)
        send(x, i, x->over);
    return !x->over;
}

bool sp_statsd_step(struct sp_statsd *s)
{
    enum { BATCHES = 8 };
    bool more = true;
    for (unsigned i = 0; i < BATCHES && more; i++)
        more = batch(s);
    return more;
}
