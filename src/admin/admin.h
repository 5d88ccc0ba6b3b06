/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The admin page: an ordinary listener on the main worker whose terminal filter answers itself.  Paths, methods and
 * forms are Envoy's.  Reading is GET; what changes something is POST, and refused to browsers of other sites.
 * Made before the server runs, fed by its hooks; main thread only.
 */
#ifndef SP_ADMIN_ADMIN_H
#define SP_ADMIN_ADMIN_H

#include "server/server.h"

struct sp_admin;

struct sp_admin *sp_admin_new(void);
/* The hooks for sp_server_run; `next` (or NULL) is called on for each event. */
void sp_admin_hooks(struct sp_admin *a, const struct sp_server_hooks *next, struct sp_server_hooks *ret);
void sp_admin_free(struct sp_admin *a);
/* Where it listens; family 0 when the config has no admin. Valid from on_bind on. */
const struct sp_addr *sp_admin_bound(const struct sp_admin *a);

#endif
