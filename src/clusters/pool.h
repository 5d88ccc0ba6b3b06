/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_pool: the connections of one worker to one host by one protocol, for one priority (and one TLS name, where names come from requests,
 * and one client's connection, where a PROXY header names it),
 * and the line of requests that wait for one.  The pool owns connections, requests borrow streams by tickets.  HTTP/1
 * connections carry one request at a time and are reused last in, first out; HTTP/2 ones are filled up before another is
 * opened.  Limits are the cluster's circuit breakers.
 *
 * When max_connections is reached, an idle connection to another host gives way, on this worker or on another one; until
 * then requests wait in line.
 */
#ifndef SP_CLUSTERS_POOL_H
#define SP_CLUSTERS_POOL_H

#include "clusters/pool_key.h"

enum sp_pool_answer {
    SP_POOL_OPEN,     /* the ticket has a stream */
    SP_POOL_QUEUED,   /* the ticket is in line: ops->ready or ops->failed follows, never from inside */
    SP_POOL_OVERFLOW, /* a circuit breaker refused */
    SP_POOL_CLOSED,   /* the worker has left the cluster */
};

/* A stream for a request. Bytes of the key are copied where they are kept. */
enum sp_pool_answer sp_pool_get(struct sp_slot *s, const struct sp_pool_key *key, struct sp_ticket *t);
/*
 * A request is about to be given to sp_pool_get with this key: connections to those hosts that will be next, as many as
 * predictive_preconnect_ratio asks for, three at most at a time.
 */
void sp_pool_look_ahead(struct sp_slot *s, const struct sp_pool_key *key);
/* Takes a waiting ticket out of the line. */
void sp_pool_leave(struct sp_ticket *t);
/* A connection of that host turned out dead when it was reused: the others that are idle are older still, so they go too. */
void sp_pool_drop_idle(struct sp_slot *s, const struct sp_pool_key *key);

/* The host has left the slot's set: its idle connections close, the others when their requests end. */
void sp_pool_host_gone(struct sp_slot *s, struct sp_host *h);

/* The host stays, but its connections shall not be used again: likewise. */
void sp_pool_host_drain(struct sp_slot *s, struct sp_host *h);

/* A worker ends: the slot's pools. */
void sp_slot_detach(struct sp_slot *s, bool now);
/* Gives memory back when the cluster is freed; no connection is left. */
void sp_slot_done(struct sp_slot *s);

#endif
