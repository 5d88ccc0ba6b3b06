/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of an HTTP/2 connection that cannot go on.  One thread. */
#ifndef SP_HTTP_H2_FAIL_H
#define SP_HTTP_H2_FAIL_H

#include "http/h2_conn.h"

/*
 * The connection is broken or abused: it says GOAWAY(code) and closes. May be called from anywhere; the streams end
 * when sp_h2_end_all is called.
 */
void sp_h2_fail(struct sp_h2 *c, enum sp_codec_event ev, const char *detail, uint32_t code);
/* What nghttp2 says to a call of ours: it has no memory, or is broken, so that what was asked for will not happen: then the
 * connection fails, since a stream that waits for it would for ever. */
void sp_h2_check(struct sp_h2 *c, int rc);

#endif
