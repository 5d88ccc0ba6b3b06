/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of /overview, for this directory.  Each gives a new JSON value; docs/admin.md describes the members.  Main thread.
 */
#ifndef SP_ADMIN_OVERVIEW_H
#define SP_ADMIN_OVERVIEW_H

#include "admin/handlers.h"
#include "stats/read.h"

/* Requests, and how long they took, of each connection manager; what its filters decided. */
json_t *sp_admin_overview_managers(const struct sp_config *c);
/* Those of listeners, and those that count under names of their own. */
json_t *sp_admin_overview_filters(const struct sp_config *c);
json_t *sp_admin_overview_time(const struct sp_histogram_reading *r);

#endif
