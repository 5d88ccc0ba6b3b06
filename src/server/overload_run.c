/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/overload.h"

#include <assert.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/overload_impl.h"

static const uint64_t SHRINK_NS = 10 * SP_NS_PER_S;

/* Lines a second: near its threshold a pressure may cross it at every refresh. */
enum { LOG_BURST = SP_OL_ACTIONS };

/* Main thread. */
static struct sp_overload *running;

uint64_t sp_overload_connections(const struct sp_overload *o)
{
    return o ? o->connections : 0;
}

static void set_value(struct sp_overload_act *a, uint32_t value)
{
    if (value && !a->value)
        sp_log_limited(SP_LOG_WARNING, "overload", LOG_BURST, "%.*s is on", SP_STR_ARG(a->name));
    else if (!value && a->value)
        sp_log_limited(SP_LOG_INFO, "overload", LOG_BURST, "%.*s is off", SP_STR_ARG(a->name));
    a->value = value;
    atomic_store_explicit(&sp_overload_words[a->word], value, memory_order_relaxed);
    sp_gauge_set(a->active, value == SP_OVERLOAD_FULL);
    sp_gauge_set(a->scale, value * 100 / SP_OVERLOAD_FULL);
}

static void take_count(struct sp_overload_act *a)
{
    uint64_t n = sp_overload_take_count(a->word);
    if (n)
        sp_counter_add(a->count, n);
}

static double strength(const struct sp_overload_trigger *t)
{
    double p = t->resource->pressure;
    if (p >= t->to)
        return 1;
    return t->scaled && p > t->from ? (p - t->from) / (t->to - t->from) : 0;
}

static int read_pressure(const struct sp_overload *o, struct sp_overload_resource *r, double *ret)
{
    if (r->monitor.kind != SP_MONITOR_DELAY)
        return sp_monitor_read(&r->monitor, o->turn->now_ns, ret);
    *ret = o->hands.delay_ns ? (double)o->hands.delay_ns(o->hands.ctx) / (double)r->monitor.max : 0;
    return 0;
}

static void measure(const struct sp_overload *o, struct sp_overload_resource *r)
{
    double pressure;
    int err = read_pressure(o, r, &pressure);
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
            measure(o, &o->resources[i]);
    for (size_t i = 0; i < o->n_actions; i++) {
        double most = 0;
        for (size_t k = 0; k < o->actions[i].n; k++)
            most = SP_MAX(most, strength(&o->actions[i].v[k]));
        take_count(&o->actions[i]);
        set_value(&o->actions[i], (uint32_t)(most * SP_OVERLOAD_FULL));
    }
    shrink(o);
    uint32_t reset = sp_overload_value(SP_OL_RESET_STREAMS);
    if (reset && o->account_log2 && o->hands.reset_heavy)
        o->hands.reset_heavy(o->hands.ctx, reset, o->account_log2);
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
    for (size_t i = 0; i < o->n_actions; i++) {
        take_count(&o->actions[i]);
        set_value(&o->actions[i], 0);
    }
    atomic_store_explicit(&sp_overload_max_delay_ns, 0, memory_order_relaxed);
    for (size_t i = 0; i < o->n_resources; i++)
        sp_gauge_set(o->resources[i].gauge, 0);
    for (int i = 0; i < SP_OL_TIMERS; i++)
        sp_overload_set_floor(i, &none);
}

void sp_overload_run(struct sp_overload *o, struct sp_turn *turn, const struct sp_overload_hands *hands)
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
    o->hands = hands ? *hands : (struct sp_overload_hands){0};
    atomic_store_explicit(&sp_overload_max_delay_ns, o->max_delay_ns, memory_order_relaxed);
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
        sp_overload_run(NULL, NULL, NULL);
    sp_arena_done(&o->arena);
    free(o);
}
