/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one attempt of clusters/upstream differs in from the one before: the headers that say so, and the host's name.
 */
#ifndef SP_CLUSTERS_ATTEMPT_H
#define SP_CLUSTERS_ATTEMPT_H

#include "clusters/outcome.h"

/* Before the host is chosen: headers that count attempts and say how much time is left. */
void sp_attempt_head(struct sp_upstream *u);
/* A host for the attempt, or NULL: of a retry one that the policy's predicates take, where there is one. */
struct sp_host *sp_attempt_pick(struct sp_upstream *u);
/* The host is chosen: it goes to `info` and, with auto_host_rewrite, into the request. */
void sp_attempt_note_host(struct sp_upstream *u);

#endif
