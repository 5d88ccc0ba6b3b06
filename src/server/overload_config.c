/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "config/names.h"
#include "route/duration.h"
#include "server/overload_impl.h"

typedef Envoy__Config__Overload__V3__OverloadManager Message;
typedef Envoy__Config__Overload__V3__Trigger TriggerMessage;
typedef Envoy__Config__Overload__V3__ScaleTimersOverloadActionConfig TimersMessage;
typedef Envoy__Config__Overload__V3__ScaleTimersOverloadActionConfig__ScaleTimer TimerMessage;
#define TRIGGER(name) ENVOY__CONFIG__OVERLOAD__V3__TRIGGER__TRIGGER_ONEOF_##name
#define ADJUST(name) ENVOY__CONFIG__OVERLOAD__V3__SCALE_TIMERS_OVERLOAD_ACTION_CONFIG__SCALE_TIMER__OVERLOAD_ADJUST_##name

static const uint64_t REFRESH_NS = SP_NS_PER_S;

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
    {"envoy.overload_actions.reset_high_memory_stream", SP_OL_RESET_STREAMS, false},
    {"envoy.load_shed_points.tcp_listener_accept", SP_OL_SHED_ACCEPT, true},
    {"envoy.load_shed_points.http_connection_manager_decode_headers", SP_OL_SHED_HEADERS, true},
    {"envoy.load_shed_points.hcm_ondata_creating_codec", SP_OL_SHED_CODEC, true},
    {"envoy.load_shed_points.http1_server_abort_dispatch", SP_OL_SHED_H1, true},
    {"envoy.load_shed_points.http2_server_go_away_on_dispatch", SP_OL_SHED_GOAWAY, true},
    {"envoy.load_shed_points.http2_server_go_away_and_close_on_dispatch", SP_OL_SHED_GOAWAY_CLOSE, true},
    {"envoy.load_shed_points.http_downstream_filter_check", SP_OL_SHED_ROUTER, true},
    {"envoy.load_shed_points.connection_pool_new_connection", SP_OL_SHED_POOL, true},
};

struct ctx {
    struct sp_overload *o;
    const struct sp_doc *doc;
    struct sp_diag *diag;
    struct sp_stats_scope *scope;
};

static void read_resources(struct ctx *x, const Message *msg)
{
    struct sp_overload *o = x->o;
    o->resources = sp_arena_zalloc(&o->arena, msg->n_resource_monitors * sizeof(*o->resources));
    for (size_t i = 0; i < msg->n_resource_monitors; i++) {
        struct sp_overload_resource *r = &o->resources[o->n_resources++];
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
        if (r->monitor.kind == SP_MONITOR_DELAY && o->max_delay_ns)
            sp_doc_err(x->doc, x->diag, msg->resource_monitors[i], NULL, -1, "the delay of workers has a limit above already");
        if (r->monitor.kind == SP_MONITOR_DELAY)
            o->max_delay_ns = r->monitor.max;
    }
}

static const struct sp_overload_resource *find_resource(const struct sp_overload *o, struct sp_str name)
{
    for (size_t i = 0; i < o->n_resources; i++)
        if (sp_str_eq(o->resources[i].name, name))
            return &o->resources[i];
    return NULL;
}

static void read_trigger(struct ctx *x, struct sp_overload_act *a, const TriggerMessage *msg)
{
    struct sp_overload_trigger *t = &a->v[a->n++];
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

static void read_triggers(struct ctx *x, struct sp_overload_act *a, TriggerMessage *const *list, size_t n)
{
    a->v = sp_arena_zalloc(&x->o->arena, n * sizeof(*a->v));
    for (size_t i = 0; i < n; i++)
        read_trigger(x, a, list[i]);
}

/* NULL after an error. */
static struct sp_overload_act *add_action(struct ctx *x, const void *msg, const char *name, bool point)
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
        struct sp_overload_act *a = &o->actions[o->n_actions++];
        *a = (struct sp_overload_act){.word = known[i].action, .name = sp_str_c(known[i].name)};
        return a;
    }
    if (near.best.len)
        sp_doc_err(x->doc, x->diag, msg, "name", -1, "no such %s (did you mean \"%.*s\"?)", point ? "load shed point" : "action",
                   SP_STR_ARG(near.best));
    else
        sp_doc_err(x->doc, x->diag, msg, "name", -1, "not run here (docs/overload.md has the %s)", point ? "load shed points" : "actions");
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
        struct sp_overload_act *a = add_action(x, msg->actions[i], msg->actions[i]->name, false);
        if (!a)
            continue;
        read_triggers(x, a, msg->actions[i]->triggers, msg->actions[i]->n_triggers);
        read_timers(x, msg->actions[i], a->word == SP_OL_REDUCE_TIMEOUTS);
        if (a->word == SP_OL_RESET_STREAMS && !o->account_log2)
            sp_doc_warn(x->doc, x->diag, msg->actions[i], "name", -1,
                        "without buffer_factory_config.minimum_account_to_track_power_of_two it resets nothing");
    }
    for (size_t i = 0; i < msg->n_loadshed_points; i++) {
        struct sp_overload_act *a = add_action(x, msg->loadshed_points[i], msg->loadshed_points[i]->name, true);
        if (a)
            read_triggers(x, a, msg->loadshed_points[i]->triggers, msg->loadshed_points[i]->n_triggers);
    }
}

static void count(struct ctx *x)
{
    for (size_t i = 0; i < x->o->n_resources; i++) {
        struct sp_overload_resource *r = &x->o->resources[i];
        struct sp_stats_scope *scope = sp_stats_scope(x->scope, r->name, NULL, SP_STR_NULL);
        if (!r->measures)
            continue;
        r->gauge = sp_stats_gauge(scope, SP_STR("pressure"));
        r->failed = sp_stats_counter(scope, SP_STR("failed_updates"));
    }
    for (size_t i = 0; i < x->o->n_actions; i++) {
        struct sp_overload_act *a = &x->o->actions[i];
        struct sp_stats_scope *scope = sp_stats_scope(x->scope, a->name, NULL, SP_STR_NULL);
        a->active = a->word < SP_OL_SHED_ACCEPT ? sp_stats_gauge(scope, SP_STR("active")) : (struct sp_gauge){0};
        a->scale = sp_stats_gauge(scope, SP_STR("scale_percent"));
        if (a->word >= SP_OL_SHED_ACCEPT)
            a->count = sp_stats_counter(scope, SP_STR("shed_load_count"));
        else if (a->word == SP_OL_RESET_STREAMS)
            a->count = sp_stats_counter(scope, SP_STR("count"));
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
    o->account_log2 = msg->buffer_factory_config ? msg->buffer_factory_config->minimum_account_to_track_power_of_two : 0;
    read_resources(&x, msg);
    read_actions(&x, msg);
    if (diag->n_errors == before) {
        count(&x);
        return o;
    }
    sp_overload_free(o);
    return NULL;
}
