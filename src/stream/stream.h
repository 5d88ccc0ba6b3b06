/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_stream: one request and its response: it stands between a server codec's stream and the filter chain, does what a
 * connection manager does (checks, path normalisation, addresses, sanitising, request id, timeouts, local replies,
 * counters, access log), and owns the chain.  One thread; lives in its codec stream's arena until sp_stream_closed.
 */
#ifndef SP_STREAM_STREAM_H
#define SP_STREAM_STREAM_H

#include "config/snapshot.h"
#include "stream/hcm.h"
#include "stream/info.h"

struct sp_stream;

/* The connection as its streams see it: embedded in listeners/downstream, which outlives the streams. */
struct sp_stream_owner {
    const struct sp_hcm *hcm;
    struct sp_snapshot *snapshot; /* each stream takes its own reference */
    unsigned worker;              /* index, for the snapshot's counts */
    bool draining;                /* answers get Connection: close (HTTP/1) */
    const struct sp_conn_info *conn;
    struct sp_turn *turn;
    struct sp_list streams;       /* of sp_stream, for draining and the admin page */
    /* The connection shall close once this stream is answered (a 4xx for malformed input, drain). */
    void (*drain)(struct sp_stream_owner *o);
};

/* From codec_cb.on_stream: links cs->rx and cs->tx; false refuses the stream. */
bool sp_stream_accept(struct sp_stream_owner *o, struct sp_codec_stream *cs, struct sp_headers *h);
/* From codec_cb.on_stream_closed: completes, logs, destroys. cs->user is the stream. */
void sp_stream_closed(struct sp_codec_stream *cs, enum sp_abort why);

/* Ends the streams that run by the config `number` or an older one: at the end of the turn. */
void sp_stream_cut_old(struct sp_stream_owner *o, uint64_t number);

/* Whether the overload manager's actions hold for it. */
bool sp_stream_sheds(const struct sp_stream *s);
const struct sp_hcm *sp_stream_hcm(const struct sp_stream *s);
/* A random number that is the stream's own: weighted clusters, runtime fractions, sampling. */
uint64_t sp_stream_random(const struct sp_stream *s);
struct sp_stream_owner *sp_stream_get_owner(const struct sp_stream *s);

#endif
