/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens when max_connections is reached and a pool needs a connection: idle connections give way, first those of
 * the same worker, then, asked by message, those of others; while anybody starves, workers close connections that they
 * have no request for.  Whoever waits is tried again when a connection of its worker closes, and every 10 ms.
 */
#ifndef SP_CLUSTERS_STARVE_H
#define SP_CLUSTERS_STARVE_H

#include "clusters/conn.h"

/* Embedded in who waits. */
struct sp_starved {
    struct sp_list link; /* in slot->starved */
    void (*again)(struct sp_starved *w); /* runs unlinked; may call sp_starve again */
};

void sp_starve(struct sp_slot *s, struct sp_starved *w);
void sp_starve_cancel(struct sp_slot *s, struct sp_starved *w);
/* A permit may have come free on this worker. */
void sp_starve_feed(struct sp_slot *s);
/* Whether a connection without requests should close rather than wait for one. */
static inline bool sp_starve_anybody(const struct sp_slot *s)
{
    return atomic_load_explicit(&s->cluster->n_starving, memory_order_relaxed) != 0;
}
void sp_starve_init(struct sp_slot *s);

#endif
