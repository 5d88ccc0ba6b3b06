/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_tried: the priorities that a request's attempts went to, for retries that keep away from them (retry_priority with
 * PreviousPrioritiesConfig).  A request's, in its arena; its worker's thread.
 */
#ifndef SP_CLUSTERS_TRIED_H
#define SP_CLUSTERS_TRIED_H

#include "base/arena.h"
#include "clusters/priority.h"

struct sp_tried {
    struct sp_arena *arena;
    unsigned every;   /* update_frequency */
    unsigned n;       /* attempts, since none was left that was not out */
    unsigned n_levels;
    bool *seen, *out; /* n_levels each: an attempt went there; it is left out */
    struct sp_priority_load *loads;
};

struct sp_tried *sp_tried_new(struct sp_arena *arena, unsigned every);
/* An attempt goes to a host of that priority. */
void sp_tried_note(struct sp_tried *t, unsigned priority);
/* What the next one goes by, of n priorities: `normal` where nothing is left out. Valid until the next call. */
const struct sp_priority_load *sp_tried_loads(struct sp_tried *t, const struct sp_priority_health *h, unsigned n, uint32_t overprovisioning,
                                              const struct sp_priority_load *normal);

#endif
