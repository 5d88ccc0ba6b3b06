/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Envoy's load shed points of a server's connection (event/overload.h): hcm_ondata_creating_codec, http1_server_abort_dispatch,
 * http2_server_go_away_on_dispatch and http2_server_go_away_and_close_on_dispatch.  Private to http/wire_*; only from the wire's turn.
 */
#ifndef SP_HTTP_WIRE_SHED_H
#define SP_HTTP_WIRE_SHED_H

#include "event/overload.h"
#include "http/wire_state.h"

/* Before the codec is made. True: the connection is over. */
bool sp_wire_shed_codec(struct sp_wire *w);
static inline bool sp_wire_may_shed(const struct sp_wire *w)
{
    return w->sheds &&
           (sp_overload_value(SP_OL_SHED_H1) | sp_overload_value(SP_OL_SHED_GOAWAY) | sp_overload_value(SP_OL_SHED_GOAWAY_CLOSE));
}
/* Before what came is fed to the codec. True: the connection is over, or has nothing left to do but to close. */
bool sp_wire_shed(struct sp_wire *w);

#endif
