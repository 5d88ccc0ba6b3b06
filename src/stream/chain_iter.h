/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The iterator: each function hands one piece of a half to the filters from `step` on (0 is the first of that direction)
 * and, past the last, to the stream.  For chain_iter.c and chain_reply.c only.
 */
#ifndef SP_STREAM_CHAIN_ITER_H
#define SP_STREAM_CHAIN_ITER_H

#include "stream/chain.h"

/* c->head[dir]. */
void sp_chain_run_headers(struct sp_chain *c, enum sp_direction dir, unsigned step, bool end);
void sp_chain_run_data(struct sp_chain *c, enum sp_direction dir, unsigned step, struct sp_buf *b, bool end);
void sp_chain_run_trailers(struct sp_chain *c, enum sp_direction dir, unsigned step, struct sp_headers *t);
/* Past the filters: straight to the stream. */
void sp_chain_out_headers(struct sp_chain *c, struct sp_headers *h, bool end);
void sp_chain_out_data(struct sp_chain *c, struct sp_buf *b, bool end);

#endif
