/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What probes by an HTTP request share (HttpHealthCheck, GrpcHealthCheck): a connection of its own that is kept between two
 * checks, one exchange on it, and what becomes of both.  A check whose reused connection turns out closed before any byte of
 * an answer begins anew on a fresh one.  GOAWAY lets the check that is under way end; the next one connects.
 */
#ifndef SP_CLUSTERS_PROBE_STREAM_H
#define SP_CLUSTERS_PROBE_STREAM_H

#include "clusters/conn.h"
#include "clusters/probe.h"

struct sp_probe_stream;

/* What the parts of an answer mean. Each may end the check by sp_probe_stream_over; the end of the answer has to. */
struct sp_probe_stream_ops {
    struct sp_str (*authority)(const struct sp_probe_stream *p);
    /* Fills the head, whose arena lives as long as the exchange. Returns the body; empty: none. */
    struct sp_str (*request)(struct sp_probe_stream *p, struct sp_headers *h);
    void (*headers)(struct sp_probe_stream *p, const struct sp_headers *h, bool end); /* status 200 and above */
    void (*data)(struct sp_probe_stream *p, struct sp_buf *b, bool end);              /* to be emptied */
    void (*trailers)(struct sp_probe_stream *p, const struct sp_headers *t);
    void (*destroy)(struct sp_probe_stream *p);
};

struct sp_probe_stream {
    struct sp_probe base;
    const struct sp_probe_stream_ops *ask;
    struct sp_conn *conn; /* NULL: none */
    struct sp_ticket ticket;
    bool checking;
    bool answered;        /* this check has brought something */
    struct sp_defer again;
};

void sp_probe_stream_init(struct sp_probe_stream *p, const struct sp_probe_stream_ops *ask);
/* The answer is judged, from inside ops. What has not come of it yet is cancelled. */
void sp_probe_stream_over(struct sp_probe_stream *p, const struct sp_probe_verdict *v);
/* The name that a check asks for: the endpoint's for checks, `configured`, the endpoint's, the cluster's. */
struct sp_str sp_probe_stream_name(const struct sp_probe_stream *p, struct sp_str configured);
/* Adds and removes what the config says. */
void sp_probe_stream_edit(const struct sp_probe_stream *p, struct sp_headers *h);

#endif
