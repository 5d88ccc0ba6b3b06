/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_live: a part of a compiled config whose content changes while the config stays: a secret's file, an address list, a
 * key set, a CRL.  Its value is immutable; a new one takes its place at once for all workers, and the old one is freed when
 * every worker has ended the turn in which it may have looked at it.  No lock, no count: a reader pays one acquire load.
 *
 * Made while a config is compiled; belongs to a set, which frees it and its value.  Mostly the document's (sp_doc_live), which
 * goes after whatever was compiled from that document.  An object that outlives documents (a TLS context) has a set of its own
 * (sp_live_set_new_kept): each document that uses the object enters that set in its own, and it runs as long as one of them does.
 * A set that does not run (unit tests, `validate`) publishes in the caller's thread and frees the old value at once.
 *
 * What is wrong with a new content is logged and shown by the admin page, and the old value serves on.
 */
#ifndef SP_CONFIG_LIVE_H
#define SP_CONFIG_LIVE_H

#include <stdatomic.h>

#include "base/diag.h"
#include "base/list.h"
#include "base/str.h"

struct sp_live;
struct sp_files; /* config/files.h */
struct sp_live_set;
struct sp_worker;

struct sp_live_kind {
    const char *name; /* "secret", "address list", "key set": for logs and the admin page */
    /*
     * Reads and parses anew; blocks on the disk; runs on a helper thread, one at a time for a whole set, and counts
     * nothing.  `old`: the current value, to compare with.  NULL: refused, `diag` says why.  Never shows a secret.
     */
    void *(*load)(void *ctx, const void *old, struct sp_diag *diag);
    void (*free)(void *value); /* any thread; must not look at ctx */
    /* After each try, the first load too: for counters and gauges. On the main thread. May be NULL. */
    void (*tried)(void *ctx, const void *value, bool ok);
    /* On the main thread, before stats are shown: for gauges that follow the time or the workers. May be NULL. */
    void (*gauges)(void *ctx, const void *value);
};

/*
 * `label`: which one ("origin_shield secret 2026-11"); copied.  `ctx` lives as long as the document.  `value`: the first one,
 * not NULL unless sp_live_get's callers know what to do with NULL (nothing fetched yet).
 */
struct sp_live *sp_live_new(struct sp_live_set *set, const struct sp_live_kind *kind, struct sp_str label, void *ctx,
                            void *value);
/* Load anew when this file changes. Copied. Several are fine. Best called before the first load, so that no change is missed. */
void sp_live_watch(struct sp_live *l, const char *path);

/* The first load, by kind->load, once all that it reads is watched. False: `diag` has why. */
bool sp_live_load(struct sp_live *l, struct sp_diag *diag);

/* The base of sp_live, for the inline reader only. */
struct sp_live_slot {
    _Atomic(void *) value;
};
/* The current value. On a worker: valid until the end of this turn; never keep it. */
static inline const void *sp_live_get(const struct sp_live *l)
{
    return atomic_load_explicit(&((const struct sp_live_slot *)(const void *)l)->value, memory_order_acquire);
}

/*
 * For a thread that is no worker (who compiles): between these two, what sp_live_get gives stays, of kept sets too. Keep it short:
 * whoever frees an old value waits.
 */
void sp_live_peek(void);
void sp_live_peek_over(void);

/* A new value that comes from elsewhere than watched files: from any worker's thread; takes it. */
void sp_live_publish(struct sp_live *l, void *value);
/* Such a try failed. `why` is copied. */
void sp_live_failed(struct sp_live *l, struct sp_str why);

/*
 * Background work over clusters (a JWKS, OIDC discovery): runs on the prober, a worker without listeners that is attached
 * to all clusters.  Embedded in its owner, which lives as long as the document.
 */
struct sp_live_task {
    struct sp_list link;
    void (*start)(struct sp_live_task *t, struct sp_worker *prober); /* on the prober's thread */
    void (*stop)(struct sp_live_task *t);                            /* the same; nothing runs afterwards */
    _Atomic bool ready; /* set by the task: what listeners should wait for has been tried */
};
void sp_live_set_add_task(struct sp_live_set *set, struct sp_live_task *t);

/*
 * A set for an object that outlives documents.  Counted, atomically: the object holds one reference, each document that uses it
 * another; with the last one, on any thread, values are freed, then free(owner) is called, to which all ctx belong.  Who compiles may
 * find it running already: see sp_live_peek.
 */
struct sp_live_set *sp_live_set_new_kept(void (*free)(void *owner), void *owner);
void sp_live_set_unref(struct sp_live_set *kept); /* NULL-safe */
/* While the document of `set` is compiled: it uses `kept`. Several times are one. */
void sp_live_set_use(struct sp_live_set *set, struct sp_live_set *kept);

/* The rest is for server/ and admin/. */

struct sp_live_set *sp_live_set_new(void);
/* What it watches is entered there too, so that a config that is refused is tried again when it changes. NULL: no more. */
void sp_live_set_files(struct sp_live_set *set, struct sp_files *files);
void sp_live_set_free(struct sp_live_set *set); /* NULL-safe; stopped */
/*
 * On the main worker's thread, with its loop running: watches the files; publishes to `workers`, n_workers of them, all that
 * may read.  Until `stop`, which must come before any of them ends; it waits for nothing: a file may be read on, for as long as its
 * file system takes, and what values' ctx points to has to stay until the set is idle.  A document that takes another one's place runs before that one stops: what both use runs on.
 */
void sp_live_set_run(struct sp_live_set *set, struct sp_worker *main, struct sp_worker *const *workers, unsigned n_workers);
void sp_live_set_stop(struct sp_live_set *set);
/* Nothing of it is being read. Main thread. */
bool sp_live_set_idle(const struct sp_live_set *set);
/* Of a set that has stopped something is still being read. Main thread. */
bool sp_live_is_reading(void);
/* On the prober's thread. */
void sp_live_set_start_tasks(struct sp_live_set *set, struct sp_worker *prober);
void sp_live_set_stop_tasks(struct sp_live_set *set);
/* Any thread. */
bool sp_live_set_ready(const struct sp_live_set *set);

struct sp_live_info {
    const struct sp_live_kind *type;
    const char *kind; /* its name */
    void *ctx;
    struct sp_str label;
    const char *const *paths;
    unsigned n_paths;
    int64_t loaded_s;           /* Unix time of the last success; 0: none yet */
    int64_t failed_s;           /* of the last failure, 0 when the last try went well */
    struct sp_str why;          /* of that failure */
    uint64_t n_loaded, n_failed;
};
/* Main thread, as what follows. */
void sp_live_set_gauges(const struct sp_live_set *set);
void sp_live_set_each(const struct sp_live_set *set, void (*each)(void *arg, const struct sp_live_info *info), void *arg);

#endif
