/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The demo's origin: a TLS listener of its own on the main worker that insists on a client certificate and answers each
 * request with what it was sent.  Main thread only.
 */
#ifndef SP_TOOLS_DEMO_ORIGIN_H
#define SP_TOOLS_DEMO_ORIGIN_H

#include "server/server.h"

struct sp_demo_origin;

/* `dir` has the certificates; listens on 127.0.0.1:`port`. */
struct sp_demo_origin *sp_demo_origin_new(const char *dir, unsigned port);
/* The hooks for sp_server_run; `next` is called on for each event. */
void sp_demo_origin_hooks(struct sp_demo_origin *o, const struct sp_server_hooks *next, struct sp_server_hooks *ret);
void sp_demo_origin_free(struct sp_demo_origin *o);

#endif
