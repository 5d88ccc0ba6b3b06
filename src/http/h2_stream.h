/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams of an HTTP/2 connection: making them, the user's calls on them (rx, tx), delivering to the user, and ending
 * them.  Nothing here feeds nghttp2 or takes output of it.  One thread.
 */
#ifndef SP_HTTP_H2_STREAM_H
#define SP_HTTP_H2_STREAM_H

#include "http/h2_conn.h"

struct sp_h2_stream *sp_h2_stream_new(struct sp_h2 *c);

/* The owner has to run a turn. */
void sp_h2_wake(struct sp_h2 *c);
/* There is something for nghttp2 to be told of this stream. */
void sp_h2_mark_dirty(struct sp_h2_stream *s);
/* There is something to deliver to the user. */
void sp_h2_mark_ready(struct sp_h2_stream *s);
/* Its halves may both be over. */
void sp_h2_mark_closing(struct sp_h2_stream *s);

void sp_h2_heads_push(struct sp_h2_heads *q, struct sp_headers *h, struct sp_arena *arena);
struct sp_headers *sp_h2_heads_pop(struct sp_h2_heads *q);

/* The stream is to be reset: RST_STREAM(code) is sent by the next flush, its halves end with `why`. */
void sp_h2_stream_reset(struct sp_h2_stream *s, uint32_t code, enum sp_abort why);
/* Drops what was received and not delivered. */
void sp_h2_stream_drop_rx(struct sp_h2_stream *s);

/* Works off c->ready. Calls users. Never from inside nghttp2 or a user's call. */
void sp_h2_deliver(struct sp_h2 *c);
/* Works off c->ready and c->closing. Calls users. Never from inside nghttp2 or a user's call. */
void sp_h2_settle(struct sp_h2 *c);
/* The connection is dead: marks every stream as ended, for sp_h2_settle to tell the users. Responses that were received
 * whole may still be delivered when `keep_whole`. */
void sp_h2_end_all(struct sp_h2 *c, enum sp_abort why, bool keep_whole);

#endif
