/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Server: requests of which the answer was sent whole while they still arrive.  RFC 9113 section 8.1 lets a server reset
 * such a stream with NO_ERROR at once; but there are clients (curl 7.88 is one) that throw the answer away then.  So the
 * stream lingers: what comes is dropped, until the request ends, or until 256 KiB more have come, or until a second
 * after the answer; then it is reset.
 *
 * The stream's window is opened for all of that once, ahead of the answer's end: such a client sends on when it has the
 * answer, but reads no more, and would wait for window for ever.  For that reason, too, a request that has said that
 * more is to come is reset at once if its answer is a success.  Behind an error they stop sending.
 *
 * The user is told as soon as the answer is out, and knows nothing of the rest: a lingering stream is closed for him,
 * and live for nghttp2, which counts it among the concurrent ones.  Its memory is kept until then.  One timer serves a
 * connection: all linger equally long, so their list is in the order of their deadlines.  One thread.
 *
 * Client: the same the other way round.  A server may answer whole and neither read the rest of the request nor say so
 * (section 8.1 only asks it to); what is not sent by five seconds after the answer, its window shut, is cancelled, or it
 * would keep one of the connection's streams for as long as that lives.
 */
#ifndef SP_HTTP_H2_LINGER_H
#define SP_HTTP_H2_LINGER_H

#include "http/h2_conn.h"

void sp_h2_linger_init(struct sp_h2 *c);
/* The answer's end is about to be handed to nghttp2, and the request's has not come. May be called again. */
void sp_h2_linger_prepare(struct sp_h2_stream *s);
/* The answer's end was handed out, and the request's has not come. */
void sp_h2_linger(struct sp_h2_stream *s);
/* Client: the answer was delivered to its end. What is left of the request has its last time, if all of it is here. */
void sp_h2_linger_untaken(struct sp_h2_stream *s);
/* Content came. */
void sp_h2_linger_data(struct sp_h2_stream *s, size_t len);
/* nghttp2 let go of the stream. It is buried if it was closed. */
void sp_h2_linger_over(struct sp_h2_stream *s);
/* The connection is dead. */
void sp_h2_linger_over_all(struct sp_h2 *c);

/* What came of it breaks a rule: it does not linger on. */
void sp_h2_linger_reset(struct sp_h2_stream *s, uint32_t code);

#endif
