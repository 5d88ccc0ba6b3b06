/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_edge: what holds for all listeners: sallyport.bootstrap.v1.Edge (a bootstrap extension) and the keys of
 * layered_runtime that are run, the limits of connections.  Lives while a config is compiled.
 */
#ifndef SP_SERVER_EDGE_H
#define SP_SERVER_EDGE_H

#include "base/arena.h"
#include "config/doc.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "listeners/listener.h"
#include "sallyport/bootstrap/v1/edge.pb-c.h"

struct sp_edge {
    struct sp_no_route no_route;
    bool answer_misdirected;
    struct sp_cx_limits limits; /* in `arena` */
};

/* Adds errors to `diag`: extensions and keys that are not run, warnings: limits of listeners that there are not. */
void sp_edge_read(struct sp_edge *e, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                  const Envoy__Config__Bootstrap__V3__Bootstrap *msg);

/* The message itself; NULL: there is none. */
const Sallyport__Bootstrap__V1__Edge *sp_edge_find(const struct sp_doc *doc, const Envoy__Config__Bootstrap__V3__Bootstrap *msg);

#endif
