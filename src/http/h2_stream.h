/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams of an HTTP/2 connection: making them, the user's calls on them (rx, tx), and the lists they stand on.
 * Nothing here feeds nghttp2 or takes output of it, or calls a user but for the pause and resume of a source.  One
 * thread.
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

/* `own`: its bytes live as long as the stream. */
void sp_h2_heads_push(struct sp_h2_heads *q, struct sp_headers *h, struct sp_arena *arena, bool own);
struct sp_headers *sp_h2_heads_pop(struct sp_h2_heads *q);

/* The stream is to be reset: RST_STREAM(code) is sent by the next flush, its halves end with `why`. */
void sp_h2_stream_reset(struct sp_h2_stream *s, uint32_t code, enum sp_abort why);
/*
 * A head that the user gave may belong to another stream, which is gone when this turn has ended. Heads that still wait
 * are copied then.
 */
void sp_h2_own_heads(struct sp_h2 *c);

/* A half is over: what waits in it is dropped. Returns the sink that was fed. */
struct sp_sink *sp_h2_end_rx(struct sp_h2_stream *s);
void sp_h2_end_tx(struct sp_h2_stream *s);

#endif
