/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_reload from inside: reload_rounds.c has the rounds, reload_end.c what becomes of old configs, reload_load.c the thread that compiles and the watching of files.
 * Private to server/reload*.
 */
#ifndef SP_SERVER_RELOAD_IMPL_H
#define SP_SERVER_RELOAD_IMPL_H

#include "config/load.h"
#include "event/far_watch.h"
#include "server/reload.h"
#include "server/xds_stats.h"
#include "server/tally.h"
#include "stats/stats.h"

enum sp_reload_phase { SP_RELOAD_IDLE, SP_RELOAD_LOADING, SP_RELOAD_WARMING, SP_RELOAD_SWITCHING };

enum { SP_RELOAD_OLD_MAX = 256 << 20 };

struct sp_reload_job;

struct sp_reload {
    struct sp_reload_build build;
    struct sp_list configs;    /* all there are, by age */
    struct sp_config *current; /* NULL until the first one serves */
    struct sp_plan *plan;      /* of the next one, from when it is compiled until it serves */
    struct sp_addr *bound;     /* of current's listeners */
    struct sp_doors *doors;    /* theirs; the workers' to close */
    enum sp_reload_phase phase;
    bool wanted, stopped;
    unsigned n_switched;
    uint64_t newest, began_ns, warm_due_ns;
    uint64_t cut;   /* no config up to this number is waited for any more */
    size_t old_max; /* bytes that old configs may take */
    struct sp_timer warm;
    struct sp_defer no_more; /* answers those who ask for a reload when the process ends */
    struct sp_reload_job *job; /* the thread that compiles */
    struct sp_far_watcher *watcher;
    struct sp_xds_stats *xds;
    char *why;
    unsigned n_errors;         /* in it */
    struct sp_reload_asks asks;
    struct sp_changes changes; /* of the next one, from when it is compiled */
    int64_t loaded_s, failed_s;
    struct sp_tally tally;
    unsigned n_failed; /* workers that could not watch a socket, of those that have switched */
    struct sp_counter attempts, ok, refused, cuts;
    struct sp_gauge failing, version, old;
    struct sp_timing duration_ms;
};

/* Answers of the workers (struct sp_serving_events). */
void sp_reload_switched(struct sp_reload *r, struct sp_plan *plan, int err);
void sp_reload_cooled(struct sp_reload *r, struct sp_config *c, struct sp_plan *given_up);
void sp_reload_forgotten(struct sp_reload *r, struct sp_cluster *c);
/* Nothing of it runs any more, on no thread. */
void sp_reload_bury(struct sp_reload *r, struct sp_config *c);
/* The last worker let go of it: on that worker's thread. */
void sp_reload_config_dead(struct sp_snapshot *snapshot);
/* Begins to compile the next one; sp_reload_compiled follows, unless _end comes first, which waits for the thread and drops what it made. */
void sp_reload_compile(struct sp_reload *r);
void sp_reload_compile_end(struct sp_reload *r);
/* The thread that compiles is at work. */
bool sp_reload_is_loading(const struct sp_reload *r);
/* As sp_reload_compile_end, when main's loop has ended. */
void sp_reload_compile_join(struct sp_reload *r);
/* config NULL: refused; takes `why`. `files`: what it was made of. */
void sp_reload_compiled(struct sp_reload *r, struct sp_config *config, const struct sp_files *files, char *why, unsigned n_errors);
/* Watches the files of this document, besides those of the last one that was refused. */
void sp_reload_watch(struct sp_reload *r, const struct sp_doc *doc);
void sp_reload_unwatch(struct sp_reload *r);

#endif
