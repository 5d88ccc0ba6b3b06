/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_h2_order: which streams a client may still send DATA and HEADERS on (RFC 9113 sections 5.1 and 5.1.1), where nghttp2, which
 * forgets streams as they close, ignores such frames. Identifiers that were left out stay unused, and streams that the client
 * ended are over: either is an error of the connection. Not so streams that we reset, of which frames may be under way: the last
 * few are remembered, and of what is older than those nothing is known, so that nobody is blamed wrongly. So are all once a GOAWAY was said.
 *
 * Embedded in a server's meter (http/h2_meter.h); one thread.
 */
#ifndef SP_HTTP_H2_ORDER_H
#define SP_HTTP_H2_ORDER_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

enum { SP_H2_ORDER_RESETS = 4 };

struct sp_h2_order {
    nghttp2_session *session;  /* NULL: nothing is said any more */
    uint32_t next;             /* the first identifier above all that were seen */
    uint32_t run_from;         /* those from here on were opened by bytes that the session has not seen yet */
    uint32_t gap_from, gap_to; /* identifiers that were left out last */
    uint32_t resets[SP_H2_ORDER_RESETS], unknown; /* reset by us, the newest first; those up to `unknown` are forgotten */
};

void sp_h2_order_init(struct sp_h2_order *o);
/* Bytes that come next are the first that the session has not seen. */
static inline void sp_h2_order_run(struct sp_h2_order *o)
{
    o->run_from = o->next;
}
/* We ended a stream whose request had not ended. */
void sp_h2_order_reset(struct sp_h2_order *o, uint32_t id);
/* A DATA or HEADERS frame: NGHTTP2_NO_ERROR, or with what the connection ends. */
uint32_t sp_h2_order_see(struct sp_h2_order *o, uint32_t id, bool headers);

#endif
