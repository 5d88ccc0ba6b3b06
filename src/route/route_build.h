/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiling one Route of a virtual host, for route/table.c.
 */
#ifndef SP_ROUTE_ROUTE_BUILD_H
#define SP_ROUTE_ROUTE_BUILD_H

#include "route/route_ctx.h"

/* Fills a zeroed route; false after an error. Either way sp_route_done takes back what it holds. */
bool sp_route_init(struct sp_route *r, const struct sp_route_ctx *c, const Envoy__Config__Route__V3__Route *msg);
void sp_route_done(struct sp_route *r, const struct sp_route_ctx *c);

/* NULL after an error. In the arena; sp_retry_policy_done takes back what it holds. */
struct sp_retry_policy *sp_retry_policy_new(const struct sp_route_build *b, struct sp_arena *arena,
                                     const Envoy__Config__Route__V3__RetryPolicy *msg);
void sp_retry_policy_done(const struct sp_retry_policy *p); /* NULL-safe */
/* HedgePolicy: taken where it says what holds without it; `msg` may be NULL. False after an error. */
bool sp_hedge_policy_check(const struct sp_route_build *b, const Envoy__Config__Route__V3__HedgePolicy *msg);

#endif
