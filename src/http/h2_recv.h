/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiving side of an HTTP/2 connection: feeds nghttp2, and notes on the streams what it says came.  One thread.
 */
#ifndef SP_HTTP_H2_RECV_H
#define SP_HTTP_H2_RECV_H

#include "http/h2_conn.h"

/* The nghttp2 callbacks of this side. */
void sp_h2_recv_callbacks(nghttp2_session_callbacks *cb);

/* Reads all of `in`, unless the connection fails (c->dead). Calls no user but for cb->on_event. */
void sp_h2_consume(struct sp_h2 *c, struct sp_buf *in);

/* h2.c: the next PING of the keepalive, if there is one. */
void sp_h2_ping_later(struct sp_h2 *c);

#endif
