/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_upstream: one request on its way to a cluster, over as many attempts as it takes: picks a host, gets a stream of a
 * pool, sends the request, passes the response on, runs the timeouts, and makes the attempt again where the retry policy,
 * or plain safety, allows it.  Embedded in its owner (the router's filter, an http_client call), whose arena and turn it
 * lives by; slot's thread.
 *
 * The owner feeds it the request (sp_upstream_headers, _data, _trailers) and links its `out` to the sink of the response.
 * Without a retry policy an attempt is made again only where nothing of the request can have been acted on: the host
 * refused the stream; a reused connection turned out closed before any byte of the response, and the method is
 * idempotent; or no connection could be made and there is another host.
 */
#ifndef SP_CLUSTERS_UPSTREAM_H
#define SP_CLUSTERS_UPSTREAM_H

#include "clusters/outcome.h"

/* `u` is zeroed, with `owner` and `ops` set. */
void sp_upstream_init(struct sp_upstream *u, const struct sp_upstream_setup *setup);
/* The request. `h` stays until the end. May call `failed`, never the sink. */
void sp_upstream_headers(struct sp_upstream *u, struct sp_headers *h, bool end);
/* Takes all bytes. */
void sp_upstream_data(struct sp_upstream *u, struct sp_buf *b, bool end);
void sp_upstream_trailers(struct sp_upstream *u, struct sp_headers *t);
/* Nobody wants it any more; nothing is called afterwards. */
void sp_upstream_cancel(struct sp_upstream *u, enum sp_abort why);
/* A tunnel: forgets what is part of a config, but for its cluster, which it holds until sp_upstream_done. */
void sp_upstream_let_go(struct sp_upstream *u);
/* Bytes that wait for the origin, or that it sent and nobody took. Those of a connection that serves others, too, are not counted. */
size_t sp_upstream_held(const struct sp_upstream *u);
/* Before the memory goes: also lets go of what `info` points to. A zeroed one is fine. */
void sp_upstream_done(struct sp_upstream *u);

#endif
