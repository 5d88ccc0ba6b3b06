/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_fetched: what was had last from one place (a key set, an issuer's description), kept over configs: the next config begins
 * with it, so that an issuer that is down during a reload closes no door, and a reload asks nobody.  A place is a URL, the cluster's
 * name and its transport socket: what came without verification does not count where it is verified now.
 *
 * Counted (config/keep.h).  Written on the prober's thread, read by the thread that compiles; a lock, for copies alone.
 */
#ifndef SP_FILTERS_FETCHED_H
#define SP_FILTERS_FETCHED_H

#include "filters/fetch.h"

struct sp_fetched;

/* `what`: "key set"; of a target whose cluster is known. A reference. */
struct sp_fetched *sp_fetched_get(struct sp_str what, const struct sp_fetch_target *t);
void sp_fetched_unref(struct sp_fetched *f); /* NULL-safe */
/* `body` was good at that time (of the prober's turn). Copied. */
void sp_fetched_put(struct sp_fetched *f, struct sp_str body, uint64_t now_ns);
/* What was there last stands for nothing any more. */
void sp_fetched_drop(struct sp_fetched *f);
/* False: nothing yet. In `arena`. */
bool sp_fetched_copy(struct sp_fetched *f, struct sp_arena *arena, struct sp_str *ret_body, uint64_t *ret_good_ns);

#endif
