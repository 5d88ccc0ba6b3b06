/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One of a cluster's health checks, of one host: asks it at intervals by a probe and counts answers in a row against the
 * thresholds.  On the prober's thread.
 */
#ifndef SP_CLUSTERS_HEALTH_SESSION_H
#define SP_CLUSTERS_HEALTH_SESSION_H

#include "clusters/health_impl.h"

/* A zeroed one of a host that is not known to be well. */
void sp_health_session_begin(struct sp_health_session *s, struct sp_watched *of, struct sp_health_check *check);
void sp_health_session_end(struct sp_health_session *s);
/* The host's endpoint is another one: the next check goes there; `elsewhere`: the address is another one, too. */
void sp_health_session_move(struct sp_health_session *s, bool elsewhere);
/* The host said in an answer to a request that it wants no more of them. */
void sp_health_session_heed(struct sp_health_session *s);

#endif
