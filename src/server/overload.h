/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_overload: Envoy's overload manager: resource monitors, and the actions that their pressures trigger.  Compiled with
 * the config; one runs at a time, on the main thread, and writes the words of event/overload.h.
 */
#ifndef SP_SERVER_OVERLOAD_H
#define SP_SERVER_OVERLOAD_H

#include "config/doc.h"
#include "envoy/config/overload/v3/overload.pb-c.h"
#include "event/turn.h"

struct sp_overload;

/* What the workers do for it. NULL members: nothing. Main thread; `ctx` outlives what runs. */
struct sp_overload_hands {
    void *ctx;
    /* How late the worst of them was since the last call, nanoseconds. */
    uint64_t (*delay_ns)(void *ctx);
    /* Streams that hold much are reset, soon: `on` of SP_OVERLOAD_FULL; 2^log2_min bytes are the least that counts. */
    void (*reset_heavy)(void *ctx, uint32_t on, unsigned log2_min);
};

/* NULL after an error, all of which are in `diag`. */
struct sp_overload *sp_overload_new(const struct sp_doc *doc, struct sp_diag *diag,
                                    const Envoy__Config__Overload__V3__OverloadManager *msg);
/* Stops it if it runs. NULL-safe. */
void sp_overload_free(struct sp_overload *o);
/* Connections on all listeners, of a DownstreamConnectionsConfig; 0: none. */
uint64_t sp_overload_connections(const struct sp_overload *o);
/* Takes the place of the one that ran; NULL: nothing is on any more. */
void sp_overload_run(struct sp_overload *o, struct sp_turn *turn, const struct sp_overload_hands *hands);

#endif
