/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The opening of a wire: connect, first bytes, handshake, choice of the codec.  Private to http/wire_*.
 */
#ifndef SP_HTTP_WIRE_OPEN_H
#define SP_HTTP_WIRE_OPEN_H

#include "http/wire_state.h"

/* Takes over what a connection shall run: limits, TLS, codec options; false (and finished) when TLS cannot begin. */
void sp_wire_set_up(struct sp_wire *w, const struct sp_wire_setup *setup);
/* One step of the phases before SP_WP_OPEN: true when it got on to the next phase, false when it waits or has ended. */
bool sp_wire_open_step(struct sp_wire *w);

#endif
