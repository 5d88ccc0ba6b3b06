/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/xds_stats.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/hash64.h"
#include "base/list.h"
#include "base/mem.h"
#include "config/files.h"
#include "stats/stats.h"

struct sub {
    struct sp_list link;
    enum sp_set_kind kind;
    char *owner, *name, *path;
    struct sp_file_facts tried, taken; /* of the file: at the last try, and as it serves */
    int64_t updated_ms, failed_ms;
    char *why;
    bool serves; /* some source of the set that serves is this one */
    struct sp_counter attempt, success, rejected, failure, reload;
    struct sp_gauge time, version, reload_time;
};

struct sp_xds_stats {
    struct sp_list subs;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

struct sp_xds_stats *sp_xds_stats_new(void)
{
    struct sp_xds_stats *x = sp_xcalloc(1, sizeof(*x));
    sp_list_init(&x->subs);
    return x;
}

static void sub_free(struct sub *s)
{
    sp_list_remove(&s->link);
    free(s->owner);
    free(s->name);
    free(s->path);
    free(s->why);
    free(s);
}

void sp_xds_stats_free(struct sp_xds_stats *x)
{
    if (!x)
        return;
    SP_LIST_FOREACH_SAFE (it, &x->subs)
        sub_free(SP_CONTAINER_OF(it, struct sub, link));
    free(x);
}

static struct sub *find(const struct sp_xds_stats *x, const struct sp_set_source *source)
{
    SP_LIST_FOREACH (it, &x->subs) {
        struct sub *s = SP_CONTAINER_OF(it, struct sub, link);
        if (s->kind == source->kind && strcmp(s->name, source->name) == 0 && strcmp(s->owner, source->owner) == 0)
            return s;
    }
    return NULL;
}

static struct sp_stats_scope *scope_of(const struct sp_set_source *source)
{
    struct sp_stats_scope *root = sp_stats_root();
    struct sp_str name = sp_str_c(source->name), owner = sp_str_c(source->owner);
    switch (source->kind) {
    case SP_SET_LDS:
        return sp_stats_scope(sp_stats_scope(root, SP_STR("listener_manager"), NULL, SP_STR_NULL), SP_STR("lds"), NULL, SP_STR_NULL);
    case SP_SET_CDS:
        return sp_stats_scope(sp_stats_scope(root, SP_STR("cluster_manager"), NULL, SP_STR_NULL), SP_STR("cds"), NULL, SP_STR_NULL);
    case SP_SET_RDS:
        return sp_stats_scope(sp_stats_scope(root, SP_STR("http"), "envoy_http_conn_manager_prefix", owner), SP_STR("rds"),
                              "envoy_rds_route_config", name);
    case SP_SET_EDS:
        return sp_stats_scope(root, SP_STR("cluster"), "envoy_cluster_name", owner.len ? owner : name);
    default:
        return sp_stats_scope(root, SP_STR("sds"), "envoy_xds_resource_name", name);
    }
}

static struct sub *add(struct sp_xds_stats *x, const struct sp_set_source *source)
{
    struct sub *s = sp_xcalloc(1, sizeof(*s));
    struct sp_stats_scope *scope = scope_of(source);
    s->kind = source->kind;
    s->owner = sp_xstrdup(source->owner);
    s->name = sp_xstrdup(source->name);
    s->attempt = sp_stats_counter(scope, SP_STR("update_attempt"));
    s->success = sp_stats_counter(scope, SP_STR("update_success"));
    s->rejected = sp_stats_counter(scope, SP_STR("update_rejected"));
    s->failure = sp_stats_counter(scope, SP_STR("update_failure"));
    s->time = sp_stats_gauge(scope, SP_STR("update_time"));
    s->version = sp_stats_gauge(scope, SP_STR("version"));
    if (s->kind == SP_SET_RDS || s->kind == SP_SET_CDS) {
        s->reload = sp_stats_counter(scope, SP_STR("config_reload"));
        s->reload_time = sp_stats_gauge(scope, SP_STR("config_reload_time_ms"));
    }
    sp_list_push_back(&x->subs, &s->link);
    return s;
}

static void fine(struct sub *s)
{
    free(s->why);
    s->why = NULL;
    s->failed_ms = 0;
}

static void take(struct sub *s, const struct sp_set_source *source, bool fresh)
{
    bool other = fresh || strcmp(s->path, source->path) != 0 || !sp_file_facts_eq(&s->taken, &source->facts);
    bool tried = !fresh && sp_file_facts_eq(&s->tried, &source->facts);
    if (other) {
        /* Refused before with the rest of a set, and taken now that the rest is good: another try of the same file. */
        sp_counter_inc(s->attempt);
        sp_counter_inc(s->success);
        sp_counter_inc(s->reload);
        s->updated_ms = now_ms();
        sp_gauge_set(s->time, (uint64_t)s->updated_ms);
        sp_gauge_set(s->reload_time, (uint64_t)s->updated_ms);
        sp_gauge_set(s->version, sp_xxh64(sp_str_c(source->file->version_info), 0)); /* as Envoy */
    } else if (!tried) {
        /* What was refused is gone: the file is what it was. */
        sp_counter_inc(s->attempt);
        sp_counter_inc(s->success);
    }
    free(s->path);
    s->path = sp_xstrdup(source->path);
    s->tried = s->taken = source->facts;
    fine(s);
}

void sp_xds_stats_taken(struct sp_xds_stats *x, const struct sp_set *set)
{
    assert(x && set);
    SP_LIST_FOREACH (it, &x->subs)
        SP_CONTAINER_OF(it, struct sub, link)->serves = false;
    for (unsigned i = 0; i < set->n_sources; i++) {
        struct sub *s = find(x, &set->sources[i]);
        bool fresh = !s;
        if (!s)
            s = add(x, &set->sources[i]);
        take(s, &set->sources[i], fresh);
        s->serves = true;
    }
    SP_LIST_FOREACH_SAFE (it, &x->subs) {
        struct sub *s = SP_CONTAINER_OF(it, struct sub, link);
        if (!s->serves)
            sub_free(s);
    }
}

/* The lines of `why` that are about this file; all of them if none is: what is wrong is how the files fit. */
static char *about(const char *path, const char *why)
{
    struct sp_arena arena;
    struct sp_str rest = sp_str_c(why), line, found = SP_STR(""), start;
    sp_arena_init(&arena);
    start = sp_arena_printf(&arena, "%s:", path);
    while (sp_str_split(&rest, '\n', &line))
        if (sp_str_starts(line, start))
            found = sp_arena_printf(&arena, "%.*s%.*s\n", SP_STR_ARG(found), SP_STR_ARG(line));
    char *out = sp_xstrdup(found.len ? found.ptr : why);
    sp_arena_done(&arena);
    return out;
}

void sp_xds_stats_refused(struct sp_xds_stats *x, const struct sp_files *files, const char *why)
{
    assert(x && files && why);
    SP_LIST_FOREACH (it, &x->subs) {
        struct sub *s = SP_CONTAINER_OF(it, struct sub, link);
        struct sp_file_facts facts;
        if (!sp_files_find(files, s->path, &facts) || sp_file_facts_eq(&facts, &s->tried))
            continue;
        s->tried = facts;
        sp_counter_inc(s->attempt);
        sp_counter_inc(sp_files_unread(files, s->path) ? s->failure : s->rejected);
        free(s->why);
        s->why = about(s->path, why);
        s->failed_ms = now_ms();
    }
}

struct sp_xds_state sp_xds_stats_of(const struct sp_xds_stats *x, const struct sp_set_source *source)
{
    assert(x && source);
    const struct sub *s = find(x, source);
    if (!s)
        return (struct sp_xds_state){.updated_ms = source->read_ms};
    return (struct sp_xds_state){s->updated_ms, s->failed_ms, sp_str_c(s->why)};
}
