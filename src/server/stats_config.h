/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_stats_config: stats_config compiled: a view of the stats (stats/view.h).  Part of a config; the newest config's is
 * shown.
 */
#ifndef SP_SERVER_STATS_CONFIG_H
#define SP_SERVER_STATS_CONFIG_H

#include "config/doc.h"
#include "envoy/config/metrics/v3/stats.pb-c.h"

struct sp_stats_config;

/* NULL after an error, all of which are in `diag`. */
struct sp_stats_config *sp_stats_config_new(const struct sp_doc *doc, struct sp_diag *diag,
                                            const Envoy__Config__Metrics__V3__StatsConfig *msg);
/* NULL-safe. If it is the one that is shown, all stats are shown again. */
void sp_stats_config_free(struct sp_stats_config *c);
/* Main thread. NULL: all stats as they are. One that says the same as the one that is shown changes nothing. */
void sp_stats_config_show(struct sp_stats_config *c);

#endif
