/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of sp_overload (server/overload.h): overload_config.c compiles it, overload_run.c runs it.  Private to server/overload*.
 */
#ifndef SP_SERVER_OVERLOAD_IMPL_H
#define SP_SERVER_OVERLOAD_IMPL_H

#include "event/overload.h"
#include "server/overload.h"
#include "server/overload_monitor.h"
#include "stats/stats.h"

struct sp_overload_resource {
    struct sp_monitor monitor;
    struct sp_str name;
    bool measures; /* not a limit of its own */
    double pressure;
    struct sp_gauge gauge;
    struct sp_counter failed;
    bool failing;
};

struct sp_overload_trigger {
    const struct sp_overload_resource *resource;
    double from, to; /* scaled: off up to `from`, full from `to`; threshold: the same */
    bool scaled;
};

struct sp_overload_act {
    enum sp_overload_action word;
    struct sp_str name;
    struct sp_overload_trigger *v; /* n of them */
    size_t n;
    struct sp_gauge active, scale;
    struct sp_counter count; /* of requests, connections, streams that it hit; nobody's for some actions */
    uint32_t value;
};

struct sp_overload {
    struct sp_arena arena;
    struct sp_overload_resource *resources; /* n_resources of them */
    struct sp_overload_act *actions;        /* n_actions of them: actions, then load shed points */
    size_t n_resources, n_actions;
    uint64_t refresh_ns, connections, shrunk_ns, max_delay_ns;
    unsigned account_log2; /* of bytes that a stream must hold to be reset for it; 0: none is */
    struct sp_overload_floor floors[SP_OL_TIMERS];
    struct sp_counter shrinks;
    struct sp_timer timer;
    struct sp_turn *turn;
    struct sp_overload_hands hands;
};

#endif
