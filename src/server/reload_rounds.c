/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/reload.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/files.h"
#include "config/live.h"
#include "server/overload.h"
#include "server/reload_impl.h"
#include "server/stats_config.h"

/* Envoy lets a start wait for its first health checks too; nobody should wait for ever. */
enum { WARM_MS = 15000, WARM_POLL_MS = 5 };

static void next_round(struct sp_reload *r);

struct sp_config *sp_config_load_all(const struct sp_options *o, const struct sp_server_hooks *hooks, unsigned n_workers,
                                     const struct sp_config *previous, struct sp_files *files, struct sp_diag *diag)
{
    struct sp_config *config = NULL;
    struct sp_set *set = sp_set_load(o->config_path, o->config_yaml, files, diag);
    if (set)
        config = sp_config_compile(set, n_workers, previous, sp_reload_config_dead, diag);
    if (config && hooks && hooks->on_compile && !hooks->on_compile(hooks->ctx, config, previous, diag)) {
        sp_config_free(config);
        config = NULL;
    }
    if (config)
        sp_warned_init(&config->warned, diag);
    return config;
}

/* ---- what happened ---- */

static uint64_t ms_since(const struct sp_reload *r, uint64_t ns)
{
    return (r->build.main->turn.now_ns - ns) / SP_NS_PER_MS;
}

static void note(struct sp_reload *r, bool ok, char *why, unsigned n_errors)
{
    free(r->why);
    r->why = why;
    r->n_errors = n_errors;
    *(ok ? &r->loaded_s : &r->failed_s) = time(NULL);
    if (ok)
        r->failed_s = 0;
    sp_counter_inc(ok ? r->ok : r->refused);
    sp_gauge_set(r->failing, !ok);
}

/* Those who asked for this round. */
static void answer(struct sp_reload *r, bool taken)
{
    const struct sp_reload_outcome o = {.taken = taken, .number = sp_reload_config(r)->number, .ms = ms_since(r, r->began_ns),
                                        .changes = r->changes, .why = sp_str_c(r->why), .n_errors = r->n_errors};
    sp_reload_asks_answer(&r->asks, &o);
}

static void refuse(struct sp_reload *r, const struct sp_files *files, char *why, unsigned n_errors)
{
    sp_xds_stats_refused(r->xds, files, why);
    sp_log(SP_LOG_ERROR, "config", "the new config is refused (%u error%s), the old one serves on", n_errors,
           n_errors == 1 ? "" : "s");
    note(r, false, why, n_errors);
    answer(r, false);
    next_round(r);
}

/* ---- publishing ---- */

static void enter(struct sp_reload *r, struct sp_config *c)
{
    c->home = r;
    c->number = c->snapshot.number = ++r->newest;
    sp_list_push_back(&r->configs, &c->link);
}

static uint64_t worst_delay(void *ctx)
{
    const struct sp_reload *r = ctx;
    uint64_t worst = 0;
    for (unsigned i = 0; i < r->build.n_workers; i++)
        worst = SP_MAX(worst, sp_worker_delay(&r->build.workers[i].worker));
    return worst;
}

static void reset_heavy(void *ctx, uint32_t on, unsigned log2_min)
{
    const struct sp_reload *r = ctx;
    for (unsigned i = 0; i < r->build.n_workers; i++)
        sp_serving_reset_heavy(&r->build.workers[i], on, log2_min);
}

static void take_place(struct sp_reload *r)
{
    const struct sp_overload_hands hands = {r, worst_delay, reset_heavy};
    struct sp_plan *p = r->plan;
    if (r->current) {
        sp_gauge_inc(r->old);
        sp_doors_free(r->doors, r->current->n_listeners);
    }
    r->current = p->to;
    p->switched = true;
    free(r->bound);
    r->bound = p->bound;
    r->doors = sp_doors_copy(p->doors, p->to->n_listeners);
    p->bound = NULL;
    sp_gauge_set(r->version, p->to->number);
    sp_overload_run(p->to->overload, &r->build.main->turn, &hands);
    sp_stats_config_show(p->to->stats);
}

/* The config was warmed and cannot serve. */
static void give_up(struct sp_reload *r, char *why)
{
    struct sp_plan *p = r->plan;
    bool first = !p->from;
    struct sp_files *files = sp_files_ref(sp_doc_files(p->to->doc));
    sp_tally_warming(&r->tally, p, false);
    r->plan = NULL;
    sp_serving_cool(&r->build.workers[r->build.n_workers], p->to, p);
    r->phase = SP_RELOAD_IDLE;
    if (first)
        r->build.on_failed(r->build.ctx);
    else
        refuse(r, files, why, 1);
    sp_files_unref(files);
}

/*
 * Each slow reader could hold another old config: what they take in all has a limit.  The one that was the newest until now is not
 * looked at: most of what it has ends in a moment.
 */
static void limit_old(struct sp_reload *r)
{
    size_t bytes = 0;
    uint64_t number = 0;
    for (struct sp_list *n = r->configs.prev; n != &r->configs; n = n->prev) {
        const struct sp_config *c = SP_CONTAINER_OF(n, struct sp_config, link);
        if (c->number + 1 >= r->current->number)
            continue;
        bytes += sp_doc_size(c->doc);
        if (bytes <= r->old_max)
            continue;
        number = c->number;
        break;
    }
    if (number <= r->cut)
        return;
    r->cut = number;
    sp_counter_inc(r->cuts);
    sp_log(SP_LOG_WARNING, "config", "old configs that requests still hold take more than %zu MiB: what holds config %llu or an older one is "
           "ended", r->old_max >> 20, (unsigned long long)number);
    for (unsigned i = 0; i < r->build.n_workers; i++)
        sp_serving_cut(&r->build.workers[i], number);
}

/* All workers listen, or none does. */
static void publish(struct sp_reload *r)
{
    char why[512];
    if (sp_plan_listen(r->plan, why, sizeof(why)) < 0) {
        sp_log(SP_LOG_CRITICAL, "listener", "%s", why);
        give_up(r, sp_xstrdup(why));
        return;
    }
    r->phase = SP_RELOAD_SWITCHING;
    sp_tally_warming(&r->tally, r->plan, false);
    take_place(r);
    sp_clusters_commit(&r->plan->to->clusters);
    for (unsigned i = 0; i <= r->build.n_workers; i++)
        sp_serving_switch(&r->build.workers[i], r->plan);
}

void sp_reload_switched(struct sp_reload *r, struct sp_plan *plan, int err)
{
    assert(plan == r->plan);
    r->n_failed += err != 0;
    if (err)
        sp_log(SP_LOG_CRITICAL, "listener", "a worker cannot watch a listener's socket: %s", uv_strerror(err));
    if (++r->n_switched <= r->build.n_workers)
        return;
    bool first = !plan->from;
    if (!first)
        sp_log(SP_LOG_INFO, "config", "config %llu serves: %u listener%s, %u cluster%s, %u of them new, %u gone (%llu ms)",
               (unsigned long long)r->current->number, r->current->n_listeners, r->current->n_listeners == 1 ? "" : "s",
               r->current->clusters.n, r->current->clusters.n == 1 ? "" : "s", plan->n_added, plan->n_gone,
               (unsigned long long)ms_since(r, r->began_ns));
    sp_tally_switched(&r->tally, plan, &r->changes, r->n_failed);
    sp_plan_free(plan);
    r->plan = NULL;
    r->n_switched = r->n_failed = 0;
    note(r, true, NULL, 0);
    sp_xds_stats_taken(r->xds, r->current->set);
    sp_timing_record(r->duration_ms, r->build.main->turn.now_ns - r->began_ns);
    sp_reload_watch(r, r->current->doc);
    limit_old(r);
    r->phase = SP_RELOAD_IDLE;
    r->build.on_serving(r->build.ctx);
    answer(r, true);
    next_round(r);
}

static bool is_warm(struct sp_reload *r, bool late)
{
    for (unsigned i = 0; i < r->plan->n_added; i++) {
        struct sp_cluster *c = r->plan->added[i];
        if (sp_cluster_warm(c))
            continue;
        if (!late)
            return false;
        sp_log(SP_LOG_WARNING, "cluster", "\"%.*s\" had no first health check within %d s; serving all the same",
               SP_STR_ARG(sp_cluster_name(c)), WARM_MS / 1000);
    }
    bool ready = sp_live_set_ready(sp_doc_live(r->plan->to->doc));
    if (!ready && late)
        sp_log(SP_LOG_WARNING, "server", "what was to be fetched has not come within %d s; serving all the same", WARM_MS / 1000);
    return ready || late;
}

static void on_warm(struct sp_timer *t)
{
    struct sp_reload *r = SP_CONTAINER_OF(t, struct sp_reload, warm);
    if (is_warm(r, r->build.main->turn.now_ns >= r->warm_due_ns))
        publish(r);
    else
        sp_timer_start(&r->build.main->turn, t, WARM_POLL_MS * SP_NS_PER_MS);
}

static void warm(struct sp_reload *r)
{
    const struct sp_reload_build *b = &r->build;
    r->phase = SP_RELOAD_WARMING;
    sp_tally_warming(&r->tally, r->plan, true);
    sp_live_set_run(sp_doc_live(r->plan->to->doc), b->main, b->readers, b->n_workers + 1);
    sp_serving_warm(&b->workers[b->n_workers], r->plan);
    r->warm_due_ns = b->main->turn.now_ns + WARM_MS * SP_NS_PER_MS;
    sp_timer_start(&b->main->turn, &r->warm, 0);
}

/* ---- the next one ---- */

void sp_reload_compiled(struct sp_reload *r, struct sp_config *config, const struct sp_files *files, char *why, unsigned n_errors)
{
    char text[512];
    if (!config) {
        r->phase = SP_RELOAD_IDLE;
        refuse(r, files, why, n_errors);
        return;
    }
    free(why);
    enter(r, config);
    r->plan = sp_plan_new(r->current, config, r->bound, r->doors, r->build.n_workers);
    if (sp_plan_bind(r->plan, text, sizeof(text)) == 0) {
        warm(r);
        return;
    }
    sp_log(SP_LOG_ERROR, "listener", "%s", text);
    sp_plan_free(r->plan);
    r->plan = NULL;
    r->phase = SP_RELOAD_IDLE;
    sp_reload_bury(r, config);
    refuse(r, files, sp_xstrdup(text), 1);
}

static void next_round(struct sp_reload *r)
{
    if (!r->wanted || r->phase != SP_RELOAD_IDLE || r->stopped)
        return;
    r->wanted = false;
    r->phase = SP_RELOAD_LOADING;
    r->began_ns = r->build.main->turn.now_ns;
    sp_counter_inc(r->attempts);
    sp_reload_asks_begin(&r->asks);
    sp_reload_compile(r);
}

void sp_reload_now(struct sp_reload *r)
{
    assert(r);
    r->wanted = true;
    next_round(r);
}

void sp_reload_ask(struct sp_reload *r, struct sp_reload_ask *ask)
{
    assert(r && ask);
    sp_reload_asks_add(&r->asks, ask);
    if (r->stopped)
        sp_defer(&r->build.main->turn, &r->no_more);
    else
        sp_reload_now(r);
}

/* Whoever asked is not kept until the last connection has ended. */
static void run_no_more(struct sp_defer *d)
{
    struct sp_reload *r = SP_CONTAINER_OF(d, struct sp_reload, no_more);
    const struct sp_reload_outcome o = {.number = sp_reload_config(r)->number, .why = SP_STR("the process ends\n"), .n_errors = 1};
    sp_list_splice(&r->asks.current, &r->asks.next);
    sp_reload_asks_answer(&r->asks, &o);
}

/* ---- life ---- */

struct sp_reload *sp_reload_new(const struct sp_reload_build *build, struct sp_config *first)
{
    assert(build && build->options && build->main && build->workers && build->readers && first);
    struct sp_reload *r = sp_xcalloc(1, sizeof(*r));
    struct sp_stats_scope *scope = sp_stats_scope(sp_stats_root(), SP_STR("config_reload"), NULL, SP_STR_NULL);
    r->build = *build;
    r->attempts = sp_stats_counter(scope, SP_STR("attempt"));
    r->ok = sp_stats_counter(scope, SP_STR("success"));
    r->refused = sp_stats_counter(scope, SP_STR("rejected"));
    r->cuts = sp_stats_counter(scope, SP_STR("cut"));
    r->old_max = SP_RELOAD_OLD_MAX;
    r->failing = sp_stats_gauge(scope, SP_STR("failing"));
    r->version = sp_stats_gauge(scope, SP_STR("version"));
    r->old = sp_stats_gauge(scope, SP_STR("draining_configs"));
    r->duration_ms = sp_stats_timing(scope, SP_STR("duration_ms"));
    r->warm.fire = on_warm;
    r->no_more.run = run_no_more;
    sp_list_init(&r->configs);
    sp_reload_asks_init(&r->asks);
    r->xds = sp_xds_stats_new();
    sp_tally_init(&r->tally);
    enter(r, first);
    r->plan = sp_plan_new(NULL, first, NULL, NULL, build->n_workers);
    return r;
}

int sp_reload_bind(struct sp_reload *r)
{
    char why[512];
    assert(r && r->plan);
    int err = sp_plan_bind(r->plan, why, sizeof(why));
    if (err)
        sp_log(SP_LOG_CRITICAL, "listener", "%s", why);
    return err;
}

void sp_reload_start(struct sp_reload *r)
{
    assert(r && r->plan);
    r->began_ns = r->build.main->turn.now_ns;
    warm(r);
}

void sp_reload_stop(struct sp_reload *r)
{
    assert(r);
    if (r->stopped)
        return;
    r->stopped = true;
    sp_timer_stop(&r->warm);
    sp_defer(&r->build.main->turn, &r->no_more);
    sp_reload_unwatch(r);
    SP_LIST_FOREACH (n, &r->configs)
        sp_live_set_stop(sp_doc_live(SP_CONTAINER_OF(n, struct sp_config, link)->doc));
}

void sp_reload_join(struct sp_reload *r)
{
    assert(r && r->stopped);
    sp_reload_compile_join(r);
}

void sp_reload_free(struct sp_reload *r)
{
    if (!r)
        return;
    unsigned n_listeners = r->current ? r->current->n_listeners : 0;
    SP_LIST_FOREACH_SAFE (n, &r->configs) {
        sp_list_remove(n);
        if (r->plan && r->plan->to == SP_CONTAINER_OF(n, struct sp_config, link)) {
            sp_plan_free(r->plan);
            r->plan = NULL;
        }
        sp_config_free(SP_CONTAINER_OF(n, struct sp_config, link));
    }
    sp_doors_free(r->doors, n_listeners);
    sp_xds_stats_free(r->xds);
    free(r->bound);
    free(r->why);
    free(r);
}

struct sp_config *sp_reload_config(const struct sp_reload *r)
{
    assert(r && (r->current || r->plan));
    return r->current ? r->current : r->plan->to;
}

const struct sp_addr *sp_reload_bound(const struct sp_reload *r, unsigned index)
{
    assert(r && index < sp_reload_config(r)->n_listeners);
    return r->current ? &r->bound[index] : &r->plan->bound[index];
}

void sp_reload_each_socket(const struct sp_reload *r, void (*add)(void *arg, int fd), void *arg)
{
    assert(r && add);
    for (unsigned i = 0; r->current && i < r->current->n_listeners; i++)
        for (unsigned k = 0; k < r->doors[i].n; k++)
            add(arg, r->doors[i].fds[k]);
}

const struct sp_xds_stats *sp_reload_xds(const struct sp_reload *r)
{
    assert(r);
    return r->xds;
}

struct sp_reload_info sp_reload_info(const struct sp_reload *r)
{
    static const char *const phases[] = {"serving", "loading", "warming", "switching"};
    assert(r);
    struct sp_reload_info info = {.number = sp_reload_config(r)->number, .loaded_s = r->loaded_s, .failed_s = r->failed_s,
                                  .why = sp_str_c(r->why), .phase = phases[r->phase]};
    SP_LIST_FOREACH (n, &r->configs)
        info.n_old += SP_CONTAINER_OF(n, struct sp_config, link)->number < info.number;
    return info;
}
