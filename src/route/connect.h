/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routes for CONNECT (RFC 9110 section 9.3.6): UpgradeConfig.connect_config, and what such a route cannot have.  Part of
 * compiling a route; for route/ only.
 */
#ifndef SP_ROUTE_CONNECT_H
#define SP_ROUTE_CONNECT_H

#include "route/route_ctx.h"

/* Of an upgrade with a connect_config. False after an error. */
bool sp_connect_end(struct sp_route *r, const struct sp_route_ctx *c, const Envoy__Config__Route__V3__RouteAction__UpgradeConfig *msg);
/* Of a whole route, whatever it matches. False after an error. */
bool sp_connect_route_check(const struct sp_route_ctx *c, const Envoy__Config__Route__V3__Route *msg);

#endif
