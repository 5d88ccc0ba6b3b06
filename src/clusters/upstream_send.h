/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The request on its way into the stream of an attempt: the inside of clusters/upstream.h, beside clusters/answer.h.
 */
#ifndef SP_CLUSTERS_UPSTREAM_SEND_H
#define SP_CLUSTERS_UPSTREAM_SEND_H

#include "clusters/outcome.h"

/* The ticket has a stream: all that is here of the request goes out, and the attempt's timers begin. */
void sp_upstream_opened(struct sp_upstream *u);
void sp_upstream_send_trailers(struct sp_upstream *u);
/* For `info`: its last byte may have gone now. */
void sp_upstream_note_sent(struct sp_upstream *u);
void sp_upstream_start_try_timers(struct sp_upstream *u);

#endif
