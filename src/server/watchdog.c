/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/watchdog.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { MISS, MEGA };
#define LOOK_NS (100 * SP_NS_PER_MS)
static const uint64_t limit_ns[2] = {200 * SP_NS_PER_MS, SP_NS_PER_S};

struct sp_watched {
    const struct sp_worker *worker;
    struct sp_counter counters[2];
    uint64_t told[2]; /* the turns that were counted last, by when they began */
};

static void make(struct sp_counter c[2], struct sp_str scope)
{
    struct sp_stats_scope *s = sp_stats_scope(sp_stats_root(), scope, NULL, SP_STR_NULL);
    c[MISS] = sp_stats_counter(s, SP_STR("watchdog_miss"));
    c[MEGA] = sp_stats_counter(s, SP_STR("watchdog_mega_miss"));
}

static void make_in_server(struct sp_counter c[2], const char *who)
{
    struct sp_stats_scope *server = sp_stats_scope(sp_stats_root(), SP_STR("server"), NULL, SP_STR_NULL);
    struct sp_stats_scope *s = sp_stats_scope(server, sp_str_c(who), NULL, SP_STR_NULL);
    c[MISS] = sp_stats_counter(s, SP_STR("watchdog_miss"));
    c[MEGA] = sp_stats_counter(s, SP_STR("watchdog_mega_miss"));
}

/* A turn that began since `now` was taken has taken no time yet. */
static void look_at(struct sp_watchdog *d, struct sp_watched *w, uint64_t now)
{
    uint64_t since = atomic_load_explicit(&w->worker->busy_ns, memory_order_relaxed);
    for (int k = MISS; k <= MEGA && since && since < now; k++) {
        if (now - since <= limit_ns[k] || w->told[k] == since)
            continue;
        w->told[k] = since;
        sp_counter_inc(w->counters[k]);
        sp_counter_inc(d->of_workers[k]);
    }
}

static void on_look(struct sp_timer *t)
{
    struct sp_watchdog *d = SP_CONTAINER_OF(t, struct sp_watchdog, look);
    uint64_t now = d->main->turn.now_ns;
    for (unsigned i = 0; i < d->n; i++)
        look_at(d, &d->v[i], now);
    for (int k = MISS; k <= MEGA; k++)
        for (int name = 0; now > d->due_ns + limit_ns[k] && name < 2; name++)
            sp_counter_inc(d->of_main[name][k]);
    d->due_ns = now + LOOK_NS;
    sp_timer_start(&d->main->turn, t, LOOK_NS);
}

void sp_watchdog_start(struct sp_watchdog *d, struct sp_worker *main, struct sp_worker *const *workers, unsigned n)
{
    assert(d && !d->v && main && workers);
    *d = (struct sp_watchdog){.main = main, .n = n, .v = sp_xcalloc(n + 1, sizeof(*d->v)), .look = {.fire = on_look}};
    for (unsigned i = 0; i < n; i++) {
        char who[32];
        snprintf(who, sizeof(who), "worker_%u", i);
        d->v[i].worker = workers[i];
        make_in_server(d->v[i].counters, who);
    }
    make(d->of_workers, SP_STR("workers"));
    make(d->of_main[0], SP_STR("main_thread"));
    make_in_server(d->of_main[1], "main_thread");
    d->due_ns = main->turn.now_ns + LOOK_NS;
    sp_timer_start(&main->turn, &d->look, LOOK_NS);
}

void sp_watchdog_stop(struct sp_watchdog *d)
{
    assert(d);
    sp_timer_stop(&d->look);
    free(d->v);
    d->v = NULL;
    d->n = 0;
}
