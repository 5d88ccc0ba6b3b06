/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pausing sources and holding data for the chain; for chain_iter.c and chain_reply.c only.
 */
#ifndef SP_STREAM_CHAIN_HOLD_H
#define SP_STREAM_CHAIN_HOLD_H

#include "stream/chain.h"

/* Whether callbacks of this direction may still be made. */
static inline bool sp_chain_open(const struct sp_chain *c, enum sp_direction dir)
{
    return !c->over && !(dir == SP_DECODE ? c->decode_closed : c->reply_pending);
}

/* Pauses that were asked of a response without a source, or with another one, are made good once it is known. */
void sp_chain_adopt_source(struct sp_chain *c);
void sp_chain_pause(struct sp_chain *c, enum sp_direction dir);
void sp_chain_resume(struct sp_chain *c, enum sp_direction dir);
static inline void sp_chain_resume_all(struct sp_chain *c, enum sp_direction dir)
{
    while (c->pauses[dir])
        sp_chain_resume(c, dir);
}

/* Takes `b` behind what is held already; at the limit the hold's mode decides: an answer, or a pause. */
void sp_hold_data(struct sp_chain *c, enum sp_direction dir, struct sp_hold *hold, struct sp_buf *b, bool end);
/* n bytes are held no longer. */
void sp_hold_release(struct sp_chain *c, enum sp_direction dir, size_t n);
/* Drops all that is held of a direction; whoever closes it takes the pauses back. */
void sp_hold_drop(struct sp_chain *c, enum sp_direction dir);

#endif
