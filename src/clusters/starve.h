/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens when a limit of connections is reached, of a priority's or of one host's, and a pool needs another: idle connections
 * that count for the limit give way, first those of the same worker, then, asked by message, those of others; while anybody starves,
 * workers close such connections when they have no request for them.  Whoever waits is tried again when a connection of its worker
 * closes, and every 10 ms.
 */
#ifndef SP_CLUSTERS_STARVE_H
#define SP_CLUSTERS_STARVE_H

#include "clusters/conn.h"

/* Embedded in who waits. */
struct sp_starved {
    struct sp_list link; /* in slot->starved */
    enum sp_routing routing;
    struct sp_host *host; /* whose limit it is; NULL: the priority's */
    void (*again)(struct sp_starved *w); /* runs unlinked; may call sp_starve again */
};

/* `w` has routing, host and again set; who waits already goes on doing so. */
void sp_starve(struct sp_slot *s, struct sp_starved *w);
void sp_starve_cancel(struct sp_slot *s, struct sp_starved *w);
/* A permit may have come free on this worker. */
void sp_starve_feed(struct sp_slot *s);
/* Whether a connection like this, without requests, should close rather than wait for one. */
static inline bool sp_starve_anybody(const struct sp_slot *s, enum sp_routing routing, const struct sp_host *h)
{
    return SP_UNLIKELY(atomic_load_explicit(&s->cluster->starving[routing], memory_order_relaxed) != 0) ||
           (s->cluster->per_host && atomic_load_explicit(&h->starving, memory_order_relaxed) != 0);
}
void sp_starve_init(struct sp_slot *s);

#endif
