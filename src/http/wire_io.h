/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes between transport, TLS and codec, with their limits.  Private to http/wire_*.
 */
#ifndef SP_HTTP_WIRE_IO_H
#define SP_HTTP_WIRE_IO_H

#include "http/wire_state.h"

/* Moves what TLS can move. */
void sp_wire_pump(struct sp_wire *w);
/* Hands bytes to the transport as they are, and counts them. */
void sp_wire_send_plain(struct sp_wire *w, struct sp_buf *b);
/* Hands to the transport what TLS has made. */
void sp_wire_send_tls(struct sp_wire *w);

/* Feeds the codec what has arrived, and its end; notes in w->failed that it gave up. */
void sp_wire_feed(struct sp_wire *w);
/* Takes from the codec what is to be sent, as far as the watermarks allow. True: it has no more. */
bool sp_wire_flush(struct sp_wire *w);
/* Sends static bytes behind all that was flushed. */
void sp_wire_put(struct sp_wire *w, struct sp_buf *b);
/* Reads on, or lets bytes wait in the kernel. */
void sp_wire_set_reading(struct sp_wire *w);

#endif
