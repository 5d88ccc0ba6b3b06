/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/top_view.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MAX_COLUMNS = 12, LEAST_NAME = 12, SOON_DAYS = 21, LATE_DAYS = 7 };

void sp_top_view_init(struct sp_top_view *v, unsigned width)
{
    assert(v);
    memset(v, 0, sizeof(*v));
    sp_arena_init(&v->arena);
    v->width = SP_MIN(width, (unsigned)SP_TOP_MAX_WIDTH);
}

void sp_top_view_done(struct sp_top_view *v)
{
    assert(v);
    free(v->v);
    sp_arena_done(&v->arena);
}

/* One column for each character that is shown; those of East Asia, twice as wide, are not worth a table here. */
static size_t next_char(const char *text, bool *ret_shown)
{
    size_t n = sp_utf8_char(sp_str_c(text));
    *ret_shown = n && sp_utf8_shown(sp_str_n(text, n)) && (n < 3 || (unsigned char)text[0] == 0xe2);
    return n ? n : 1;
}

static size_t put_bytes(char *out, const char *text, size_t n)
{
    memcpy(out, text, n);
    return n;
}

size_t sp_top_fit(char *out, size_t room, const char *text, unsigned width, char pad)
{
    assert(out && text && room >= (size_t)width * 4 + 1);
    size_t at = 0;
    unsigned columns = 0;
    while (*text && columns < width) {
        bool shown;
        size_t n = next_char(text, &shown);
        bool last = columns + 1 == width && text[n];
        if (last || !shown)
            out[at++] = last ? '~' : '?';
        else
            at += put_bytes(out + at, text, n);
        text += n;
        columns++;
    }
    unsigned left = pad ? width - columns : 0;
    if (left && pad == '<') {
        memset(out + at, ' ', left);
        at += left;
    } else if (left) {
        memmove(out + left, out, at);
        memset(out, ' ', left);
        at += left;
    }
    out[at] = 0;
    return at;
}

static void add(struct sp_top_view *v, enum sp_top_style style, const char *text)
{
    char line[SP_TOP_MAX_WIDTH * 4 + 1];
    if (v->n == v->cap) {
        v->cap = v->cap ? 2 * v->cap : 64;
        v->v = sp_xrealloc(v->v, v->cap * sizeof(*v->v));
    }
    size_t n = sp_top_fit(line, sizeof(line), text, v->width, 0);
    while (n && line[n - 1] == ' ')
        n--;
    v->v[v->n++] = (struct sp_top_line){.text = (char *)(uintptr_t)sp_arena_str(&v->arena, sp_str_n(line, n)).ptr, .style = style};
}

void sp_top_view_line(struct sp_top_view *v, enum sp_top_style style, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    add(v, style, text);
}

/* ---- numbers ---- */

/* Four or five columns: 0, 3.2, 123, 12.3k, 4.56M; "-" when it is not known. */
static const char *rate(struct sp_top_view *v, double n)
{
    static const char units[] = " kMGT";
    int unit = 0;
    if (isnan(n))
        return "-";
    for (; n >= 9999.5 && unit < 4; unit++)
        n /= 1000;
    int digits = n == 0 || n >= 100 ? 0 : 1;
    return unit ? sp_arena_printf(&v->arena, "%.*f%c", digits, n, units[unit]).ptr : sp_arena_printf(&v->arena, "%.*f", digits, n).ptr;
}

static const char *whole(struct sp_top_view *v, int64_t n)
{
    return n < 10000 ? sp_arena_printf(&v->arena, "%lld", (long long)n).ptr : rate(v, (double)n);
}

static const char *percent(struct sp_top_view *v, double share)
{
    return isnan(share) ? "-" : sp_arena_printf(&v->arena, "%.*f", share > 0 && share < .1 ? 2 : 1, 100 * share).ptr;
}

static const char *millis(struct sp_top_view *v, double ms)
{
    if (isnan(ms))
        return "-";
    return ms < 1000 ? sp_arena_printf(&v->arena, "%.*fms", ms < 10 ? 1 : 0, ms).ptr : sp_arena_printf(&v->arena, "%.1fs", ms / 1000).ptr;
}

static const char *bytes(struct sp_top_view *v, int64_t n)
{
    return sp_arena_printf(&v->arena, "%.1f MiB", (double)n / 1048576).ptr;
}

static const char *span(struct sp_top_view *v, int64_t s)
{
    if (s < 3600)
        return sp_arena_printf(&v->arena, "%lldm%02llds", (long long)s / 60, (long long)s % 60).ptr;
    if (s < 86400)
        return sp_arena_printf(&v->arena, "%lldh%02lldm", (long long)s / 3600, (long long)s % 3600 / 60).ptr;
    return sp_arena_printf(&v->arena, "%lldd%02lldh", (long long)s / 86400, (long long)s % 86400 / 3600).ptr;
}

/* ---- tables ---- */

/* Columns behind the name, which gets what is left; the last ones go where there is no room. */
struct table {
    const char *name, *titles[MAX_COLUMNS];
    unsigned widths[MAX_COLUMNS]; /* 0: text, which takes an equal share of what is left */
};

static void table_line(struct sp_top_view *v, const struct table *t, enum sp_top_style style, const char *name, const char *const *cells)
{
    char line[SP_TOP_MAX_WIDTH * 4 + 64], *at = line;
    unsigned used = 0, n = 0, texts = 0;
    for (; t->titles[n] && used + t->widths[n] + 1 + LEAST_NAME <= v->width; n++) {
        used += t->widths[n] + 1;
        texts += !t->widths[n];
    }
    unsigned left = v->width > used ? v->width - used : 0, text_width = left / (texts + 1);
    left -= texts * text_width;
    at += sp_top_fit(at, sizeof(line), name, left, '<');
    for (unsigned i = 0; i < n; i++) {
        unsigned width = t->widths[i] ? t->widths[i] : text_width;
        *at++ = ' ';
        if ((size_t)(line + sizeof(line) - at) < width * 4 + 1)
            break;
        at += sp_top_fit(at, width * 4 + 1, cells[i] ? cells[i] : "", width, t->widths[i] ? '>' : '<');
    }
    *at = 0;
    add(v, style, line);
}

static void table_head(struct sp_top_view *v, const struct table *t, const char *more)
{
    char name[128];
    if (v->n)
        add(v, SP_TOP_PLAIN, "");
    snprintf(name, sizeof(name), "%s%s%s", t->name, *more ? "  " : "", more);
    table_line(v, t, SP_TOP_HEAD, name, t->titles);
}

static unsigned shown_of(enum sp_top_part part, unsigned n, unsigned few)
{
    return part == SP_TOP_ALL ? SP_MIN(n, few) : n;
}

static void rest(struct sp_top_view *v, unsigned shown, unsigned n, char key)
{
    if (shown < n)
        sp_top_view_line(v, SP_TOP_DIM, "... %u more (press %c)", n - shown, key);
}

static void listeners(struct sp_top_view *v, const struct sp_top_model *m, enum sp_top_part part)
{
    static const struct table t = {"LISTENER", {"OPEN", "CX/S", "RQ/S", "REFUSED/S", "REFUSED", "MOST"}, {6, 7, 7, 9, 8, 0}};
    unsigned n = shown_of(part, m->n_listeners, 4);
    table_head(v, &t, "");
    for (unsigned i = 0; i < n; i++) {
        const struct sp_top_listener *l = &m->listeners[i];
        const char *cells[] = {whole(v, l->active), rate(v, l->connections_s), rate(v, l->requests_s), rate(v, l->refused_s),
                               whole(v, l->refused), l->why};
        struct sp_str name = sp_arena_printf(&v->arena, "%s %s", l->name, l->address);
        table_line(v, &t, l->refused_s > 0 ? SP_TOP_WARN : SP_TOP_PLAIN, name.ptr, cells);
    }
    rest(v, n, m->n_listeners, '3');
}

static void filters(struct sp_top_view *v, const struct sp_top_model *m, enum sp_top_part part)
{
    static const struct table t = {"GATE OR FILTER", {"ALLOW/S", "DENY/S", "SHADOW/S", "ERROR/S", "DENIED", "WHY"}, {7, 7, 8, 7, 7, 0}};
    unsigned n = shown_of(part, m->n_filters, 5);
    if (!m->n_filters && part == SP_TOP_ALL)
        return;
    table_head(v, &t, "");
    for (unsigned i = 0; i < n; i++) {
        const struct sp_top_filter *f = &m->filters[i];
        const char *cells[] = {rate(v, f->allowed_s), rate(v, f->denied_s), rate(v, f->shadow_s), rate(v, f->errors_s), whole(v, f->denied), f->why};
        struct sp_str name = sp_arena_printf(&v->arena, "%s %s", f->name, f->scope);
        table_line(v, &t, f->errors_s > 0 ? SP_TOP_BAD : f->denied_s > 0 ? SP_TOP_WARN : SP_TOP_PLAIN, name.ptr, cells);
    }
    rest(v, n, m->n_filters, '4');
}

static void certs(struct sp_top_view *v, const struct sp_top_model *m, enum sp_top_part part)
{
    static const struct table t = {"CERTIFICATE", {"DAYS", "KIND", "FILE"}, {7, 4, 0}};
    unsigned n = shown_of(part, m->n_certs, 3);
    if (!m->n_certs && part == SP_TOP_ALL)
        return;
    table_head(v, &t, "");
    for (unsigned i = 0; i < n; i++) {
        const struct sp_top_cert *c = &m->certs[i];
        const char *cells[] = {c->expired ? "EXPIRED" : whole(v, c->days), c->ca ? "CA" : "own", c->path};
        table_line(v, &t, c->expired || c->days < LATE_DAYS ? SP_TOP_BAD : c->days < SOON_DAYS ? SP_TOP_WARN : SP_TOP_PLAIN, c->name, cells);
    }
    rest(v, n, m->n_certs, '5');
}

static void clusters(struct sp_top_view *v, const struct sp_top_model *m, enum sp_top_sort sort)
{
    static const struct table t = {"CLUSTER", {"HOSTS", "RQ/S", "ERR%", "P50", "P99", "OPEN", "RQ", "WAIT"}, {9, 7, 5, 7, 7, 6, 5, 5}};
    struct sp_str more = sp_arena_printf(&v->arena, "by %s", sp_top_sort_name(sort));
    table_head(v, &t, more.ptr);
    for (unsigned i = 0; i < m->n_clusters; i++) {
        const struct sp_top_cluster *c = &m->clusters[i];
        struct sp_str hosts = sp_arena_printf(&v->arena, "%lld/%lld", (long long)c->healthy, (long long)c->hosts);
        const char *cells[] = {hosts.ptr, rate(v, c->requests_s), percent(v, c->errors), millis(v, c->p50), millis(v, c->p99),
                               whole(v, c->connections), whole(v, c->active), whole(v, c->pending)};
        table_line(v, &t, !c->healthy ? SP_TOP_BAD : c->bad ? SP_TOP_WARN : SP_TOP_PLAIN, c->name, cells);
    }
    if (m->all_clusters > m->n_clusters)
        sp_top_view_line(v, SP_TOP_DIM, "%u of %lld clusters", m->n_clusters, (long long)m->all_clusters);
}

static const char *member(const json_t *j, const char *name)
{
    const char *s = json_string_value(json_object_get(j, name));
    return s ? s : "";
}

static void refused(struct sp_top_view *v, const struct sp_top_model *m)
{
    static const struct table t = {"TIME     CLIENT", {"BY", "ST", "WHAT", "WHY"}, {15, 3, 0, 0}};
    const json_t *j;
    size_t i;
    table_head(v, &t, "");
    json_array_foreach(m->refused, i, j) {
        const json_t *decision = json_object_get(j, "decision");
        const char *time = strchr(member(j, "time"), 'T');
        struct sp_str who = sp_arena_printf(&v->arena, "%.8s %s", time ? time + 1 : "", member(j, "client"));
        struct sp_str what = sp_arena_printf(&v->arena, "%s %s%s", member(j, "method"), member(j, "host"), member(j, "path"));
        const char *cells[] = {member(decision, "by"), whole(v, json_integer_value(json_object_get(j, "status"))), what.ptr,
                               member(decision, "reason")};
        table_line(v, &t, SP_TOP_PLAIN, who.ptr, cells);
    }
    if (!m->refused)
        sp_top_view_line(v, SP_TOP_DIM, "not known yet, or /refused is not in allow_paths");
    else if (!json_array_size(m->refused))
        sp_top_view_line(v, SP_TOP_DIM, "nobody was");
}

void sp_top_view_body(struct sp_top_view *v, const struct sp_top_model *m, enum sp_top_part part, enum sp_top_sort sort)
{
    assert(v && m && part < SP_TOP_PARTS);
    if (part == SP_TOP_ALL || part == SP_TOP_LISTENERS)
        listeners(v, m, part);
    if (part == SP_TOP_ALL || part == SP_TOP_FILTERS)
        filters(v, m, part);
    if (part == SP_TOP_ALL || part == SP_TOP_CERTS)
        certs(v, m, part);
    if (part == SP_TOP_ALL || part == SP_TOP_CLUSTERS)
        clusters(v, m, sort);
    if (part == SP_TOP_REFUSED)
        refused(v, m);
}

/* ---- the head ---- */

static const char *string_at(const struct sp_top_model *m, const char *path)
{
    const char *s = json_string_value(sp_top_at(m, path));
    return s ? s : "";
}

static int64_t number_at(const struct sp_top_model *m, const char *path)
{
    return json_integer_value(sp_top_at(m, path));
}

void sp_top_view_head(struct sp_top_view *v, const struct sp_top_model *m, const char *lost)
{
    assert(v && m);
    bool failing = json_is_true(sp_top_at(m, "server.failing"));
    const char *state = failing ? "LIVE, told to fail" : string_at(m, "server.state");
    enum sp_top_style style = strcmp(state, "LIVE") == 0 ? SP_TOP_GOOD : SP_TOP_WARN;
    sp_top_view_line(v, style, "sallyport %s  %s  up %s  %lld workers  %s", string_at(m, "server.version"), state,
                     span(v, number_at(m, "server.uptime_seconds")), (long long)number_at(m, "server.workers"),
                     bytes(v, number_at(m, "server.memory.allocated")));
    if (json_is_string(sp_top_at(m, "config.refused")))
        sp_top_view_line(v, SP_TOP_BAD, "config %lld of %s serves; one of %s was refused: %s", (long long)number_at(m, "config.version"),
                         string_at(m, "config.loaded"), string_at(m, "config.refused"), string_at(m, "config.why"));
    else
        sp_top_view_line(v, SP_TOP_PLAIN, "config %lld of %s  %s", (long long)number_at(m, "config.version"), string_at(m, "config.loaded"),
                         string_at(m, "config.phase"));
    sp_top_view_line(v, SP_TOP_PLAIN, "%s rq/s  %s%% 5xx  %lld clusters  %lld of %lld hosts", rate(v, m->requests_s), percent(v, m->errors),
                     (long long)number_at(m, "totals.clusters"), (long long)number_at(m, "totals.hosts_available"),
                     (long long)number_at(m, "totals.hosts"));
    if (lost)
        sp_top_view_line(v, SP_TOP_BAD, "no newer answer: %s", lost);
}

void sp_top_view_help(struct sp_top_view *v)
{
    static const char *const lines[] = {"q  quit", "s  sort clusters by the next: trouble, rq/s, errors, p99, name",
                                        "/  show only names with these letters; Enter keeps it, Esc drops it", "1  all",
                                        "2  clusters", "3  listeners", "4  gates and filters", "5  certificates",
                                        "6  requests that were refused last",
                                        "up, down, PgUp, PgDn, Home, End  scroll", "p  pause", "?  this", "",
                                        "RQ/S and the like are of the last interval; ERR% is answers that were 5xx;",
                                        "HOSTS those that are available of all; WAIT requests that wait for a connection."};
    for (size_t i = 0; i < SP_ARRAY_LEN(lines); i++)
        sp_top_view_line(v, SP_TOP_PLAIN, "%s", lines[i]);
}
