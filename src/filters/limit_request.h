/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the rate limit filters share: a request's descriptors from its route, its virtual host or the filter's own list,
 * and the status of a refusal.
 */
#ifndef SP_FILTERS_LIMIT_REQUEST_H
#define SP_FILTERS_LIMIT_REQUEST_H

#include "envoy/type/v3/http_status.pb-c.h"
#include "stream/filter.h"
#include "stream/rate_limits.h"

/* Whether the virtual host's rate limits count: Envoy's VhRateLimitsOptions. */
enum sp_limit_vhost { SP_LIMIT_VHOST_OVERRIDE, SP_LIMIT_VHOST_INCLUDE, SP_LIMIT_VHOST_IGNORE };

/* `own`: of the filter, in place of all others; may be NULL. In the stream's arena. */
void sp_limit_descriptors(const struct sp_filter *f, const struct sp_rate_limits *own, unsigned stage,
                          enum sp_limit_vhost vhost, struct sp_descriptors *out);

/* The status to answer with; `otherwise` when it is unset or below 400. */
unsigned sp_limit_status(const Envoy__Type__V3__HttpStatus *msg, unsigned otherwise);

#endif
