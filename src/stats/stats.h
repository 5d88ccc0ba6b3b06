/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counters, gauges and histograms under Envoy's names.  A stat is a number of cells in every thread's slab; a thread
 * writes its own slab only, with relaxed stores, and readers add the slabs up.  Creating a stat takes a lock and
 * belongs to the compiling of a config; using one takes none.  A stat created twice under one name is the same stat.
 *
 * sp_stats_init comes first; each thread that counts calls sp_stats_thread once.  Threads that did not count into
 * slab 0, which only the main thread may write.
 *
 * Names: a scope is a prefix, "cluster.api.", that knows which part of it is a tag (Prometheus label), so that the
 * text page shows cluster.api.upstream_rq_total and Prometheus envoy_cluster_upstream_rq_total{envoy_cluster_name="api"}.
 */
#ifndef SP_STATS_STATS_H
#define SP_STATS_STATS_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/str.h"

enum { SP_STATS_CHUNK = 1024, SP_STATS_CHUNKS = 8192 };

struct sp_slab {
    _Atomic(uint64_t) *_Atomic chunks[SP_STATS_CHUNKS];
};
extern _Thread_local struct sp_slab *sp_slab_self;
struct sp_slab *sp_slab_main(void);

/* Cell numbers; 0 is a cell that nobody reads, so that a zeroed struct is harmless. */
struct sp_counter { uint32_t cell; };
struct sp_gauge { uint32_t cell; };
struct sp_histogram { uint32_t cell; }; /* of whole numbers: bytes, percent */
struct sp_timing { uint32_t cell; };    /* of times: recorded in nanoseconds, shown in milliseconds */

/* Slabs for main (0) and n_threads others. Once, before anything else here. */
void sp_stats_init(unsigned n_threads);
/* Gives everything back: for tests and the end of the process; no thread may count any more. */
void sp_stats_done(void);
/* The calling thread counts into slab `index`, 1 .. n_threads. */
void sp_stats_thread(unsigned index);

static inline _Atomic uint64_t *sp_cell(uint32_t cell)
{
    struct sp_slab *slab = SP_LIKELY(sp_slab_self != NULL) ? sp_slab_self : sp_slab_main();
    return &atomic_load_explicit(&slab->chunks[cell / SP_STATS_CHUNK], memory_order_relaxed)[cell % SP_STATS_CHUNK];
}

static inline void sp_cell_add(uint32_t cell, uint64_t n)
{
    _Atomic uint64_t *p = sp_cell(cell);
    atomic_store_explicit(p, atomic_load_explicit(p, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void sp_counter_add(struct sp_counter c, uint64_t n) { sp_cell_add(c.cell, n); }
static inline void sp_counter_inc(struct sp_counter c) { sp_cell_add(c.cell, 1); }
/* Gauges add up over threads: a worker adds and subtracts its own share. */
static inline void sp_gauge_add(struct sp_gauge g, int64_t n) { sp_cell_add(g.cell, (uint64_t)n); }
static inline void sp_gauge_inc(struct sp_gauge g) { sp_cell_add(g.cell, 1); }
static inline void sp_gauge_dec(struct sp_gauge g) { sp_cell_add(g.cell, (uint64_t)-1); }
/* Sets the calling thread's share: for gauges that one thread alone writes. */
void sp_gauge_set(struct sp_gauge g, uint64_t value);
/*
 * Quantiles are right within 1 %: up to 2^52 (of nanoseconds: 52 days), above which all values are one.  No lock; memory is taken the
 * first time that a thread records into a histogram, and then into an octave of it.
 */
void sp_histogram_record(struct sp_histogram h, uint64_t value);
void sp_timing_record(struct sp_timing t, uint64_t ns);

struct sp_stats_scope; /* lives until sp_stats_done, unless it is held */
/* "" : top-level names such as server.uptime. */
struct sp_stats_scope *sp_stats_root(void);
/*
 * parent's prefix + `name` + "." + (tag ? value + "." : ""). `tag` is the label's name ("envoy_cluster_name") or NULL;
 * '.' inside `value` stays, ':' becomes '_'. Asking twice gives the same scope.
 */
struct sp_stats_scope *sp_stats_scope(struct sp_stats_scope *parent, struct sp_str name, const char *tag,
                                      struct sp_str value);
/*
 * The same, for an owner that may go before the process does (a cluster, a listener): what is made under the scope is forgotten when
 * as many have dropped it as hold it, a few seconds later.  Until then an owner of the same name goes on with the numbers.
 */
struct sp_stats_scope *sp_stats_scope_hold(struct sp_stats_scope *parent, struct sp_str name, const char *tag,
                                           struct sp_str value);
/* Nobody counts by this hold any more. Any thread; NULL-safe; after sp_stats_done nothing is left to drop. */
void sp_stats_scope_drop(struct sp_stats_scope *scope);
struct sp_counter sp_stats_counter(struct sp_stats_scope *scope, struct sp_str name);
struct sp_gauge sp_stats_gauge(struct sp_stats_scope *scope, struct sp_str name);
struct sp_histogram sp_stats_histogram(struct sp_stats_scope *scope, struct sp_str name);
struct sp_timing sp_stats_timing(struct sp_stats_scope *scope, struct sp_str name);

/* upstream_rq_200, _2xx ...: counters by status, made when first used (that use takes the lock). */
struct sp_code_counters {
    struct sp_stats_scope *scope;
    const char *prefix; /* "upstream_rq_"; static */
    struct sp_counter classes[6]; /* [2] is 2xx */
    _Atomic uint32_t codes[600];
};
void sp_code_counters_init(struct sp_code_counters *c, struct sp_stats_scope *scope, const char *prefix);
/* Counts the class, and the single code too when `single`. */
void sp_code_counters_inc(struct sp_code_counters *c, unsigned status, bool single);

/* Sums over all threads. */
uint64_t sp_counter_value(struct sp_counter c);
uint64_t sp_gauge_value(struct sp_gauge g);
/* By full name, for tests and tools: -ENOENT. */
int sp_stats_find(struct sp_str full_name, uint64_t *ret_value);
/* Zeroes counters as the pages show them (gauges and histograms stay). */
void sp_stats_reset_counters(void);

/*
 * A flush ends an interval of the histograms: pages show the last whole one beside all values since the start.  Begun by the main
 * thread each stats_flush_interval; each step does a part of it; false: it is done.
 */
void sp_stats_flush_begin(void);
bool sp_stats_flush_step(void);

#endif
