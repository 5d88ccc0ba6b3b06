/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking what a token is worth: a worker's cache first, else the endpoint, once for all requests that want to know the
 * same at the same time.  Belongs to a filter's config; each worker has a part of its own, made with its first token,
 * which it alone touches.  Questions under way never outlive the requests that wait for them: the last one that leaves
 * cancels the call.  Freed when no request has the config any more; what is known stays for the next config.
 */
#ifndef SP_FILTERS_TOKEN_DESK_H
#define SP_FILTERS_TOKEN_DESK_H

#include "config/doc_hash.h"
#include "filters/token_answer.h"
#include "filters/token_cache.h"
#include "filters/token_endpoint.h"
#include "stats/stats.h"

enum { SP_TOKEN_DESK_WORKERS = 256, SP_TOKEN_MAX_RETRIES = 5 };

struct sp_token_desk_options {
    unsigned cache_entries;        /* 0: nothing is kept */
    int64_t max_ttl, negative_ttl; /* seconds */
    unsigned retries, max_waiting;
    struct sp_counter cache_hit, cache_miss, joined, requests, retried, failed;
};

struct sp_token_desk;
struct sp_token_flight;

/* A request that wants to know; embedded in it. */
struct sp_token_waiter {
    struct sp_list link;
    struct sp_token_flight *flight; /* NULL: does not wait */
    /* From a stack of its own; `claims` with SP_TOKEN_OK only, borrowed. */
    void (*told)(struct sp_token_waiter *w, enum sp_token_status s, json_t *claims);
};

/* `e` lives as long. `place`: what an earlier config's desk knows there, whose options were the same, this one knows (filters/place.h). */
struct sp_token_desk *sp_token_desk_new(const struct sp_token_endpoint *e, const struct sp_token_desk_options *o,
                                        const struct sp_hash *place);
void sp_token_desk_free(struct sp_token_desk *d); /* NULL-safe */
/*
 * True: known at once: *ret_status is SP_TOKEN_OK with a new reference in *ret_claims, SP_TOKEN_INACTIVE, or why nobody
 * can tell.  False: w->told will be called, unless it leaves before.
 */
bool sp_token_desk_ask(struct sp_token_desk *d, struct sp_turn *turn, unsigned worker, struct sp_str token,
                       struct sp_token_waiter *w, enum sp_token_status *ret_status, json_t **ret_claims);
/* Does not want to know any more; one that does not wait is fine. */
void sp_token_desk_leave(struct sp_token_waiter *w);

#endif
