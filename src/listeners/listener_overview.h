/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A listener at a glance, for the admin page's /overview: its connections, whom it refused and why, TLS versions, and the connection
 * managers of its filter chains.  The members are described in docs/admin.md.  Any thread.
 */
#ifndef SP_LISTENERS_LISTENER_OVERVIEW_H
#define SP_LISTENERS_LISTENER_OVERVIEW_H

#include <jansson.h>

#include "base/str.h"

struct sp_listener;

json_t *sp_listener_overview(const struct sp_listener *l);
/* The prefix of its stats: "listener.0.0.0.0_8443."; lives as long as the listener. */
struct sp_str sp_listener_stats_prefix(const struct sp_listener *l);
/* Each filter chain's connection manager, by its stat_prefix; one may come several times. */
void sp_listener_managers(const struct sp_listener *l, void (*each)(void *arg, struct sp_str stat_prefix), void *arg);

#endif
