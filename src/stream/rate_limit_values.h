/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the values of descriptors come from (stream/rate_limits.h): a request's headers, its query, its client's address,
 * metadata.  All give a NULL slice when there is none; results live as long as the arena and the request.  Pure.
 */
#ifndef SP_STREAM_RATE_LIMIT_VALUES_H
#define SP_STREAM_RATE_LIMIT_VALUES_H

#include "http/headers.h"
#include "stream/info.h"

/* `name`: lower-case; ":path", ":method" and ":authority" too. */
struct sp_str sp_rate_limit_header(const struct sp_headers *h, struct sp_str name);
/* The first of that name; both are compared and given decoded, so that "%61" is no other value than "a". */
struct sp_str sp_rate_limit_parameter(struct sp_str path, struct sp_str name, struct sp_arena *arena);
struct sp_str sp_rate_limit_address(const struct sp_stream_info *info, struct sp_arena *arena);
/* "192.0.2.0/24" */
struct sp_str sp_rate_limit_network(const struct sp_stream_info *info, unsigned bits4, unsigned bits6,
                                    struct sp_arena *arena);
/* An object {"requests_per_unit": 42, "unit": "HOUR"} of metadata; false when it is none. unit: envoy.type.v3.RateLimitUnit. */
bool sp_rate_limit_override(const struct sp_stream_info *info, struct sp_str ns, const struct sp_str *path, unsigned n,
                            uint32_t *ret_requests, uint8_t *ret_unit);
/* Strings as they are, numbers and booleans as JSON has them. */
struct sp_str sp_rate_limit_metadata(const struct sp_stream_info *info, struct sp_str ns, const struct sp_str *path,
                                     unsigned n, struct sp_arena *arena);

#endif
