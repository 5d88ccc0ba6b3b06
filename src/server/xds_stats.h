/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What became of each subscription of the config (config/set.h), in Envoy's stats: listener_manager.lds.*, cluster_manager.cds.*,
 * http.<stat_prefix>.rds.<table>.*, cluster.<name>.*, sds.<name>.*, each with update_attempt, update_success,
 * update_rejected (the set was refused), update_failure (the file cannot be read), update_time and version.  A try of a set
 * is one of those subscriptions whose file is another than at the last try.  And for the admin page: since when a
 * file's content serves, and why a newer one was refused.  Main thread.
 */
#ifndef SP_SERVER_XDS_STATS_H
#define SP_SERVER_XDS_STATS_H

#include "config/set.h"

struct sp_files;
struct sp_xds_stats;

struct sp_xds_stats *sp_xds_stats_new(void);
void sp_xds_stats_free(struct sp_xds_stats *x); /* NULL-safe */
/* This set serves from now on. */
void sp_xds_stats_taken(struct sp_xds_stats *x, const struct sp_set *set);
/* One that was made of these files was refused; `why`: all that is wrong, a line each, with the file's name first. */
void sp_xds_stats_refused(struct sp_xds_stats *x, const struct sp_files *files, const char *why);

struct sp_xds_state {
    int64_t updated_ms;     /* Unix time: since when this content of the file serves */
    int64_t failed_ms;      /* of the last refusal of another content; 0: there is none, or it was taken since */
    struct sp_str why;      /* of that refusal */
};
/* `source` is of the set that serves. */
struct sp_xds_state sp_xds_stats_of(const struct sp_xds_stats *x, const struct sp_set_source *source);

#endif
