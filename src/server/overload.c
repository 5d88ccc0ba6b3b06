/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/overload.h"

#include <assert.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/names.h"
#include "event/overload.h"
#include "route/duration.h"
#include "server/overload_monitor.h"
#include "stats/stats.h"

typedef Envoy__Config__Overload__V3__OverloadManager Message;
typedef Envoy__Config__Overload__V3__Trigger TriggerMessage;
typedef Envoy__Config__Overload__V3__ScaleTimersOverloadActionConfig TimersMessage;
typedef Envoy__Config__Overload__V3__ScaleTimersOverloadActionConfig__ScaleTimer TimerMessage;
#define TRIGGER(name) ENVOY__CONFIG__OVERLOAD__V3__TRIGGER__TRIGGER_ONEOF_##name
#define ADJUST(name) ENVOY__CONFIG__OVERLOAD__V3__SCALE_TIMERS_OVERLOAD_ACTION_CONFIG__SCALE_TIMER__OVERLOAD_ADJUST_##name

static const uint64_t REFRESH_NS = SP_NS_PER_S, SHRINK_NS = 10 * SP_NS_PER_S;

static const struct known {
    const char *name;
    enum sp_overload_action action;
    bool point; /* a load shed point */
} known[] = {
    {"envoy.overload_actions.stop_accepting_requests", SP_OL_STOP_REQUESTS, false},
    {"envoy.overload_actions.disable_http_keepalive", SP_OL_NO_KEEPALIVE, false},
    {"envoy.overload_actions.stop_accepting_connections", SP_OL_STOP_CONNECTIONS, false},
    {"envoy.overload_actions.reject_incoming_connections", SP_OL_REJECT_CONNECTIONS, false},
    {"envoy.overload_actions.shrink_heap", SP_OL_SHRINK_HEAP, false},
    {"envoy.overload_actions.reduce_timeouts", SP_OL_REDUCE_TIMEOUTS, false},
    {"envoy.load_shed_points.tcp_listener_accept", SP_OL_SHED_ACCEPT, true},
    {"envoy.load_shed_points.http_connection_manager_decode_headers", SP_OL_SHED_HEADERS, true},
};

struct resource {
    struct sp_monitor monitor;
    struct sp_str name;
    bool measures; /* not a limit of its own */
    double pressure;
    struct sp_gauge gauge;
    struct sp_counter failed, skipped;
    bool failing;
};

struct trigger {
    const struct resource *resource;
    double from, to; /* scaled: off up to `from`, full from `to`; threshold: the same */
    bool scaled;
};

struct action {
    enum sp_overload_action word;
    struct sp_str name;
    struct trigger *v; /* n of them */
    size_t n;
    struct sp_gauge active, scale;
    uint32_t value;
};

struct sp_overload {
    struct sp_arena arena;
    struct resource *resources; /* n_resources of them */
    struct action *actions;     /* n_actions of them: actions, then load shed points */
    size_t n_resources, n_actions;
    uint64_t refresh_ns, connections, shrunk_ns;
    struct sp_overload_floor floors[SP_OL_TIMERS];
    struct sp_counter shrinks;
    struct sp_timer timer;
    struct sp_turn *turn;
};

/* Main thread. */
static struct sp_overload *running;

struct ctx {
    struct sp_overload *o;
    const struct sp_doc *doc;
    struct sp_diag *diag;
    struct sp_stats_scope *scope;
};

/* --- compiling --- */

static void read_resources(struct ctx *x, const Message *msg)
{
    struct sp_overload *o = x->o;
    o->resources = sp_arena_zalloc(&o->arena, msg->n_resource_monitors * sizeof(*o->resources));
    for (size_t i = 0; i < msg->n_resource_monitors; i++) {
        struct resource *r = &o->resources[o->n_resources++];
        uint64_t connections = 0;
        r->name = sp_arena_str(&o->arena, sp_str_c(msg->resource_monitors[i]->name));
        for (size_t k = 0; k < i; k++)
            if (sp_str_eq(o->resources[k].name, r->name))
                sp_doc_err(x->doc, x->diag, msg->resource_monitors[i], "name", -1, "a monitor of this name stands above already");
        sp_monitor_init(&r->monitor, &o->arena, x->doc, x->diag, msg->resource_monitors[i], &connections);
        if (connections && o->connections)
            sp_doc_err(x->doc, x->diag, msg->resource_monitors[i], NULL, -1, "connections have a limit above already");
        if (connections)
            o->connections = connections;
        r->measures = !connections;
    }
}

static const struct resource *find_resource(const struct sp_overload *o, struct sp_str name)
{
    for (size_t i = 0; i < o->n_resources; i++)
        if (sp_str_eq(o->resources[i].name, name))
            return &o->resources[i];
    return NULL;
}

static void read_trigger(struct ctx *x, struct action *a, const TriggerMessage *msg)
{
    struct trigger *t = &a->v[a->n++];
    t->resource = find_resource(x->o, sp_str_c(msg->name));
    if (!t->resource)
        sp_doc_err(x->doc, x->diag, msg, "name", -1, "no resource monitor has this name");
    else if (!t->resource->measures)
        sp_doc_warn(x->doc, x->diag, msg, "name", -1, "this monitor limits by itself and triggers nothing");
    for (size_t i = 0; i + 1 < a->n; i++)
        if (t->resource && a->v[i].resource == t->resource)
            sp_doc_err(x->doc, x->diag, msg, "name", -1, "a trigger of this resource stands above already");
    if (msg->trigger_oneof_case == TRIGGER(THRESHOLD)) {
        t->from = t->to = msg->threshold->value;
        return;
    }
    t->scaled = true;
    t->from = msg->scaled->scaling_threshold;
    t->to = msg->scaled->saturation_threshold;
    if (t->from >= t->to)
        sp_doc_err(x->doc, x->diag, msg->scaled, "scaling_threshold", -1, "not below saturation_threshold");
}

static void read_triggers(struct ctx *x, struct action *a, TriggerMessage *const *list, size_t n)
{
    a->v = sp_arena_zalloc(&x->o->arena, n * sizeof(*a->v));
    for (size_t i = 0; i < n; i++)
        read_trigger(x, a, list[i]);
}

/* NULL after an error. */
static struct action *add_action(struct ctx *x, const void *msg, const char *name, bool point)
{
    struct sp_overload *o = x->o;
    struct sp_nearest near;
    sp_nearest_init(&near, sp_str_c(name));
    near.limit = SP_MIN(near.limit, 3u); /* they all begin alike: half of such a name is another one's */
    near.distance = near.limit + 1;
    for (size_t i = 0; i < SP_ARRAY_LEN(known); i++) {
        if (known[i].point != point)
            continue;
        sp_nearest_offer(&near, sp_str_c(known[i].name));
        if (strcmp(known[i].name, name) != 0)
            continue;
        for (size_t k = 0; k < o->n_actions; k++)
            if (o->actions[k].word == known[i].action)
                sp_doc_err(x->doc, x->diag, msg, "name", -1, "it stands above already");
        struct action *a = &o->actions[o->n_actions++];
        *a = (struct action){.word = known[i].action, .name = sp_str_c(known[i].name)};
        return a;
    }
    if (near.best.len)
        sp_doc_err(x->doc, x->diag, msg, "name", -1, "no such %s (did you mean \"%.*s\"?)", point ? "load shed point" : "action",
                   SP_STR_ARG(near.best));
    else
        sp_doc_err(x->doc, x->diag, msg, "name", -1, point ?
                   "not run here (envoy.load_shed_points.tcp_listener_accept, .http_connection_manager_decode_headers)" :
                   "not run here (envoy.overload_actions.stop_accepting_requests, .disable_http_keepalive, "
                   ".stop_accepting_connections, .reject_incoming_connections, .shrink_heap, .reduce_timeouts)");
    return NULL;
}

static void read_timer(struct ctx *x, const TimersMessage *all, int i, const TimerMessage *msg)
{
    struct sp_overload_floor *f = &x->o->floors[msg->timer - 1];
    if (f->set)
        sp_doc_err(x->doc, x->diag, all, "timer_scale_factors", i, "this timer stands above already");
    f->set = true;
    if (msg->overload_adjust_case == ADJUST(MIN_TIMEOUT))
        f->min_ns = sp_duration_or(msg->min_timeout, 0);
    else
        f->min_part = (uint32_t)(msg->min_scale->value / 100 * SP_OVERLOAD_FULL);
}

static void read_timers(struct ctx *x, const Envoy__Config__Overload__V3__OverloadAction *msg, bool wanted)
{
    const TimersMessage *m =
        sp_doc_any_as(x->doc, msg->typed_config, &envoy__config__overload__v3__scale_timers_overload_action_config__descriptor);
    if (!wanted && msg->typed_config)
        sp_doc_err(x->doc, x->diag, msg, "typed_config", -1, "this action has none (drop it)");
    else if (wanted && !m)
        sp_doc_err(x->doc, x->diag, msg, "typed_config", -1, "a ScaleTimersOverloadActionConfig is needed here");
    for (size_t i = 0; wanted && m && i < m->n_timer_scale_factors; i++)
        read_timer(x, m, (int)i, m->timer_scale_factors[i]);
}

static void read_actions(struct ctx *x, const Message *msg)
{
    struct sp_overload *o = x->o;
    o->actions = sp_arena_zalloc(&o->arena, (msg->n_actions + msg->n_loadshed_points + 1) * sizeof(*o->actions));
    for (size_t i = 0; i < msg->n_actions; i++) {
        struct action *a = add_action(x, msg->actions[i], msg->actions[i]->name, false);
        if (!a)
            continue;
        read_triggers(x, a, msg->actions[i]->triggers, msg->actions[i]->n_triggers);
        read_timers(x, msg->actions[i], a->word == SP_OL_REDUCE_TIMEOUTS);
    }
    for (size_t i = 0; i < msg->n_loadshed_points; i++) {
        struct action *a = add_action(x, msg->loadshed_points[i], msg->loadshed_points[i]->name, true);
        if (a)
            read_triggers(x, a, msg->loadshed_points[i]->triggers, msg->loadshed_points[i]->n_triggers);
    }
}

static void count(struct ctx *x)
{
    for (size_t i = 0; i < x->o->n_resources; i++) {
        struct resource *r = &x->o->resources[i];
        struct sp_stats_scope *scope = sp_stats_scope(x->scope, r->name, NULL, SP_STR_NULL);
        if (!r->measures)
            continue;
        r->gauge = sp_stats_gauge(scope, SP_STR("pressure"));
        r->failed = sp_stats_counter(scope, SP_STR("failed_updates"));
        r->skipped = sp_stats_counter(scope, SP_STR("skipped_updates"));
    }
    for (size_t i = 0; i < x->o->n_actions; i++) {
        struct action *a = &x->o->actions[i];
        struct sp_stats_scope *scope = sp_stats_scope(x->scope, a->name, NULL, SP_STR_NULL);
        a->active = a->word < SP_OL_SHED_ACCEPT ? sp_stats_gauge(scope, SP_STR("active")) : (struct sp_gauge){0};
        a->scale = sp_stats_gauge(scope, SP_STR("scale_percent"));
        if (a->word == SP_OL_SHRINK_HEAP)
            x->o->shrinks = sp_stats_counter(scope, SP_STR("shrink_count"));
    }
}

struct sp_overload *sp_overload_new(const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    assert(doc && diag && msg);
    struct sp_overload *o = sp_xcalloc(1, sizeof(*o));
    struct ctx x = {.o = o, .doc = doc, .diag = diag,
                    .scope = sp_stats_scope(sp_stats_root(), SP_STR("overload"), NULL, SP_STR_NULL)};
    unsigned before = diag->n_errors;
    sp_arena_init(&o->arena);
    o->refresh_ns = sp_duration_or(msg->refresh_interval, REFRESH_NS);
    read_resources(&x, msg);
    read_actions(&x, msg);
    if (diag->n_errors == before) {
        count(&x);
        return o;
    }
    sp_overload_free(o);
    return NULL;
}

uint64_t sp_overload_connections(const struct sp_overload *o)
{
    return o ? o->connections : 0;
}

/* --- running --- */

static void set_value(struct action *a, uint32_t value)
{
    if (value && !a->value)
        sp_log(SP_LOG_WARNING, "overload", "%.*s is on", SP_STR_ARG(a->name));
    else if (!value && a->value)
        sp_log(SP_LOG_INFO, "overload", "%.*s is off", SP_STR_ARG(a->name));
    a->value = value;
    atomic_store_explicit(&sp_overload_words[a->word], value, memory_order_relaxed);
    sp_gauge_set(a->active, value == SP_OVERLOAD_FULL);
    sp_gauge_set(a->scale, value * 100 / SP_OVERLOAD_FULL);
}

static double strength(const struct trigger *t)
{
    double p = t->resource->pressure;
    if (p >= t->to)
        return 1;
    return t->scaled && p > t->from ? (p - t->from) / (t->to - t->from) : 0;
}

static void measure(struct resource *r, uint64_t now_ns)
{
    double pressure;
    int err = sp_monitor_read(&r->monitor, now_ns, &pressure);
    if (err == 0) {
        r->pressure = pressure;
        sp_gauge_set(r->gauge, (uint64_t)(pressure * 100));
    } else {
        sp_counter_inc(r->failed);
        if (!r->failing)
            sp_log(SP_LOG_WARNING, "overload", "%.*s cannot be measured: %s (its last pressure holds)", SP_STR_ARG(r->name),
                   strerrordesc_np(-err));
    }
    r->failing = err < 0;
}

static void shrink(struct sp_overload *o)
{
    if (sp_overload_value(SP_OL_SHRINK_HEAP) < SP_OVERLOAD_FULL || o->turn->now_ns - o->shrunk_ns < SHRINK_NS)
        return;
    o->shrunk_ns = o->turn->now_ns;
    malloc_trim(0);
    sp_counter_inc(o->shrinks);
}

static void refresh(struct sp_overload *o)
{
    for (size_t i = 0; i < o->n_resources; i++)
        if (o->resources[i].measures)
            measure(&o->resources[i], o->turn->now_ns);
    for (size_t i = 0; i < o->n_actions; i++) {
        double most = 0;
        for (size_t k = 0; k < o->actions[i].n; k++)
            most = SP_MAX(most, strength(&o->actions[i].v[k]));
        set_value(&o->actions[i], (uint32_t)(most * SP_OVERLOAD_FULL));
    }
    shrink(o);
}

static void on_timer(struct sp_timer *t)
{
    struct sp_overload *o = SP_CONTAINER_OF(t, struct sp_overload, timer);
    refresh(o);
    sp_timer_start(o->turn, t, o->refresh_ns);
}

/* What is on stays on if the next one has it on, too: its first measurement says so at once. */
static void stop(struct sp_overload *o)
{
    static const struct sp_overload_floor none;
    sp_timer_stop(&o->timer);
    for (size_t i = 0; i < o->n_actions; i++)
        set_value(&o->actions[i], 0);
    for (size_t i = 0; i < o->n_resources; i++)
        sp_gauge_set(o->resources[i].gauge, 0);
    for (int i = 0; i < SP_OL_TIMERS; i++)
        sp_overload_set_floor(i, &none);
}

void sp_overload_run(struct sp_overload *o, struct sp_turn *turn)
{
    assert(!o || turn);
    if (o == running)
        return;
    if (running)
        stop(running);
    running = o;
    if (!o)
        return;
    o->turn = turn;
    o->timer.fire = on_timer;
    o->shrunk_ns = turn->now_ns - SHRINK_NS;
    for (int i = 0; i < SP_OL_TIMERS; i++)
        sp_overload_set_floor(i, &o->floors[i]);
    on_timer(&o->timer);
}

void sp_overload_free(struct sp_overload *o)
{
    if (!o)
        return;
    if (o->turn && o == running) /* only main looks at `running` */
        sp_overload_run(NULL, NULL);
    sp_arena_done(&o->arena);
    free(o);
}
