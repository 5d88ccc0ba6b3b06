/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A worker begins with a cluster: its slot (clusters/state.h) gets random numbers, lists, hosts and a balancer.  What ends it stands in
 * clusters/pool.h.  On that worker's thread.
 */
#ifndef SP_CLUSTERS_SLOT_H
#define SP_CLUSTERS_SLOT_H

#include "clusters/state.h"

void sp_slot_attach(struct sp_slot *s, struct sp_worker *w);

#endif
