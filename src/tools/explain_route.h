/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which route a request took, and why not those before it.  Private to tools/explain*.  One thread.
 */
#ifndef SP_TOOLS_EXPLAIN_ROUTE_H
#define SP_TOOLS_EXPLAIN_ROUTE_H

#include "stream/trace.h"
#include "tools/explain_places.h"
#include "tools/explain_report.h"

/* Adds the step. `table`: what was asked; c: the stream that asked, its route is found or not. */
void sp_explain_routed(struct sp_report *r, const struct sp_places *p, const struct sp_route_table *table, const struct sp_chain *c);

#endif
