/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From an HTTP/2 connection's lists to its users: announcing requests, delivering what came, telling of the end.
 * Called when nghttp2 has returned, never from inside it or from inside a user's call.  One thread.
 */
#ifndef SP_HTTP_H2_DELIVER_H
#define SP_HTTP_H2_DELIVER_H

#include "http/h2_conn.h"

/* Works off c->ready. */
void sp_h2_deliver(struct sp_h2 *c);
/* Works off c->ready and c->closing. */
void sp_h2_settle(struct sp_h2 *c);
/* The connection is dead: marks every stream as ended, for sp_h2_settle to tell the users. Responses that were received
 * whole may still be delivered when `keep_whole`. */
void sp_h2_end_all(struct sp_h2 *c, enum sp_abort why, bool keep_whole);

#endif
