/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.service.ratelimit.v3 as bytes: what the service is asked and what it answers.  Pure; memory is the caller's arena.
 */
#ifndef SP_FILTERS_RATELIMIT_RLS_H
#define SP_FILTERS_RATELIMIT_RLS_H

#include "http/headers.h"
#include "stream/rate_limits.h"

#define SP_RLS_PATH "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"

struct sp_str sp_rls_request(struct sp_str domain, const struct sp_descriptors *d, struct sp_arena *arena);

struct sp_rls_answer {
    bool over_limit;
    struct sp_str body;                /* of a refusal */
    const struct sp_header *response_headers, *request_headers; /* to add; what is no header is left out */
    unsigned n_response_headers, n_request_headers;
    /* Values of x-ratelimit-*, of the limit with the fewest requests left; NULL slices when there is no limit. */
    struct sp_str limit, remaining, reset;
};
/* False when it is not an answer that says yes or no. */
bool sp_rls_answer(struct sp_str message, struct sp_arena *arena, struct sp_rls_answer *ret);

#endif
