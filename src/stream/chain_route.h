/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the matched route says of the filters of a chain.
 */
#ifndef SP_STREAM_CHAIN_ROUTE_H
#define SP_STREAM_CHAIN_ROUTE_H

#include "stream/filter_configs.h"

/* The most specific one for a filter of this stream: weighted cluster, route, virtual host, table; NULL if none. */
const struct sp_filter_config *sp_chain_filter_config(const struct sp_chain *c, unsigned slot);
/* The filters that do not run with the chain's route: for sp_chain.skip. */
uint64_t sp_chain_disabled(const struct sp_chain *c);
/* Headers, or trailers, that only filters which the route has switched off may write: taken out. */
void sp_chain_sanitize(const struct sp_chain *c, struct sp_headers *h);

#endif
