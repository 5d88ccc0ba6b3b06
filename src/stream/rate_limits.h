/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_rate_limits: a compiled list of Envoy's config.route.v3.RateLimit, of a route, a virtual host or a rate limit filter:
 * what a request is counted by.  Each of the list makes one descriptor of a request, a list of keys and values, if all
 * its actions have a value.  Immutable, any thread; owned by whoever compiled it.
 */
#ifndef SP_STREAM_RATE_LIMITS_H
#define SP_STREAM_RATE_LIMITS_H

#include "envoy/config/route/v3/route_components.pb-c.h"
#include "stream/format.h"

struct sp_descriptor_entry {
    struct sp_str key, value;
};

struct sp_descriptor {
    const struct sp_descriptor_entry *v; /* n of them, at least one */
    unsigned n;
    uint32_t limit; /* with `unit`: in place of the rate limit service's own limit */
    uint8_t unit;   /* envoy.type.v3.RateLimitUnit; 0: there is none */
};

/* Of one request; in its arena. */
struct sp_descriptors {
    struct sp_descriptor *v; /* n of them */
    unsigned n, cap;
};

struct sp_rate_limits;

/* NULL when the list is empty or after an error. */
struct sp_rate_limits *sp_rate_limits_new(const struct sp_doc *doc, struct sp_diag *diag,
                                          Envoy__Config__Route__V3__RateLimit *const *list, size_t n);
void sp_rate_limits_free(struct sp_rate_limits *l); /* NULL-safe */
unsigned sp_rate_limits_count(const struct sp_rate_limits *l); /* NULL-safe */

/* Whether one of them, of this stage, can make these keys in this order; values do not count. NULL makes none. */
bool sp_rate_limits_make(const struct sp_rate_limits *l, unsigned stage, const struct sp_descriptor *keys);

/*
 * Adds the descriptors of a stage.  `in` has info and request; `cluster`: that the route chose, empty when there is none.
 * The address is CLIENT, or PEER where CLIENT could not be derived, so that nobody escapes a limit by a bad header.
 */
void sp_rate_limits_add(const struct sp_rate_limits *l, unsigned stage, const struct sp_format_input *in,
                        struct sp_str cluster, struct sp_arena *arena, struct sp_descriptors *out);

/* One text for all keys and values, no two descriptors have the same; in the arena. */
struct sp_str sp_descriptor_text(const struct sp_descriptor *d, struct sp_arena *arena);

#endif
