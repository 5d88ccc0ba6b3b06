/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_snapshot: one compiled config, immutable, held by whoever runs by it: every worker while it is the current one,
 * every connection and stream that began with it.  Counts are one a worker and not atomic; a worker whose count falls
 * to 0 (it holds one itself until a newer snapshot is published to it) gives up its share of an atomic count, and
 * whoever gives up the last share calls `dead`, which hands the snapshot to the main thread to free.
 *
 * The base of a struct: server/ embeds it.  Compiled parts may point into each other freely.
 */
#ifndef SP_CONFIG_SNAPSHOT_H
#define SP_CONFIG_SNAPSHOT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/defs.h"

struct sp_snapshot {
    void (*dead)(struct sp_snapshot *s); /* any worker's thread */
    uint64_t number; /* 1, 2 ... in order of age; server/'s */
    unsigned n_workers;
    _Atomic unsigned shares;
    struct sp_snapshot_count *counts; /* n_workers of them, padded */
};

/* Holds one for each of n_workers. */
void sp_snapshot_init(struct sp_snapshot *s, unsigned n_workers, void (*dead)(struct sp_snapshot *s));
void sp_snapshot_done(struct sp_snapshot *s);
/* On worker `index`'s thread. */
struct sp_snapshot *sp_snapshot_ref(struct sp_snapshot *s, unsigned index);
void sp_snapshot_unref(struct sp_snapshot *s, unsigned index);

#endif
