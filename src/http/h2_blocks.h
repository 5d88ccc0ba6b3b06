/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Header blocks that arrive on an HTTP/2 connection, from nghttp2's callbacks to the streams, and what is done about a
 * message that breaks the rules.  One thread.
 */
#ifndef SP_HTTP_H2_BLOCKS_H
#define SP_HTTP_H2_BLOCKS_H

#include "http/h2_conn.h"

/* nghttp2's callbacks. */
int sp_h2_on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user);
int sp_h2_on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                    uint8_t flags, void *user);
/* A block is complete; `end`: END_STREAM. */
void sp_h2_on_block(struct sp_h2 *c, struct sp_h2_stream *s, bool end);

/* END_STREAM: the content must be as long as was said. */
void sp_h2_end_message(struct sp_h2_stream *s);
/* The peer broke a rule: the stream is reset, or the connection closed, as configured. */
void sp_h2_malformed(struct sp_h2_stream *s, const char *detail);
/* What the meter says (h2_meter.h): NULL, or the limit that was passed, and the connection closes. */
void sp_h2_count_flood(struct sp_h2 *c, const char *flood);

#endif
