/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a wire ends in good order: draining, and the last answer, which must not be lost to a reset.  Private to
 * http/wire_*.
 */
#ifndef SP_HTTP_WIRE_CLOSE_H
#define SP_HTTP_WIRE_CLOSE_H

#include "http/wire_state.h"

/* The peer is told that no more comes, and may still send. Everything that shall be sent is with the transport. */
void sp_wire_half_close(struct sp_wire *w);
/*
 * Everything that shall be sent is with the transport: ends the codec's streams, then sends FIN and, on the server
 * side, waits up to delayed_close_ns for the peer to read and to close.  May finish the wire at once.
 */
void sp_wire_begin_close(struct sp_wire *w, enum sp_wire_end why);
/* A turn in SP_WP_CLOSING. */
void sp_wire_closing_turn(struct sp_wire *w);

/* Begins to drain; then, each turn, whether the last stream is gone and the connection may close. */
void sp_wire_begin_drain(struct sp_wire *w, enum sp_wire_end why);
/* A server's wire without a codec, if it drains: a client that has only just connected has some time (drain_ns) to say its first word. */
void sp_wire_drain_silent(struct sp_wire *w);
/* The same once it has its codec: the request that began it is answered. */
void sp_wire_drain_fresh(struct sp_wire *w);
bool sp_wire_drained(struct sp_wire *w);

#endif
