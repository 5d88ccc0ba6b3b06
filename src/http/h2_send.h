/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sending side of an HTTP/2 connection: hands to nghttp2 what streams have to send, gives back windows, and takes
 * the frames out.  One thread.
 */
#ifndef SP_HTTP_H2_SEND_H
#define SP_HTTP_H2_SEND_H

#include "http/h2_fail.h"

/* The nghttp2 callbacks of this side. */
void sp_h2_send_callbacks(nghttp2_session_callbacks *cb);

/* Appends frames to `out`: control frames; with room > 0 heads too, and about that much content. Calls no user. */
void sp_h2_produce(struct sp_h2 *c, struct sp_buf *out, size_t room);

/* The GOAWAY of a connection that failed, made by hand as nghttp2 may be in the middle of something. */
void sp_h2_put_goaway(struct sp_h2 *c, struct sp_buf *out);

/* Of the PING that is sent behind the first GOAWAY of a graceful shutdown. */

/* Client: how many streams more may be opened. */
unsigned sp_h2_room(struct sp_h2 *c);

#endif
