/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a cluster counts of its requests and their attempts only if it is told to (track_cluster_stats, track_timeout_budgets):
 * how much of their time they took, how large they were.  For clusters/outcome; a request's, its worker's thread.
 */
#ifndef SP_CLUSTERS_TRACKED_H
#define SP_CLUSTERS_TRACKED_H

#include "clusters/cluster_stats.h"
#include "http/codec.h"

/* Of a request. Zeroed. */
struct sp_track {
    uint64_t started_ns;   /* the attempt; 0: it has ended, or is not tracked */
    uint64_t answer_bytes; /* of its answer's head; 0: there was none */
    uint64_t answer_lines; /* its headers */
    bool out_of_time;      /* the request's own limit has passed */
};

/* The answer's head has come. */
void sp_track_answer(struct sp_track *x, const struct sp_headers *h);
/* The attempt that began with `request` has ended, of whose time this was the limit (0: none). cs: its stream, or NULL. Once. */
void sp_track_attempt(const struct sp_cluster_tracked *t, struct sp_track *x, const struct sp_headers *request,
                      const struct sp_codec_stream *cs, uint64_t now_ns, uint64_t limit_ns);
/* The request has ended, by its answer's end or by a limit. */
void sp_track_request(const struct sp_cluster_tracked *t, uint64_t took_ns, uint64_t limit_ns);

#endif
