/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiling one Route of a virtual host, for route/table.c.
 */
#ifndef SP_ROUTE_ROUTE_BUILD_H
#define SP_ROUTE_ROUTE_BUILD_H

#include "route/route.h"

/* What copies there are where a route itself has no policies (route/mirror.h). */
struct sp_mirror_list {
    const struct sp_mirror_policy *v;
    unsigned n;
};

struct sp_route_ctx {
    const struct sp_route_build *build;
    struct sp_arena *arena; /* the table's: all texts and arrays */
    bool validate_clusters;
    const struct sp_retry_policy *retry; /* the virtual host's, or NULL */
    struct sp_mirror_list mirrors;       /* the virtual host's, or the table's */
};

/* Fills a zeroed route; false after an error. Either way sp_route_done takes back what it holds. */
bool sp_route_init(struct sp_route *r, const struct sp_route_ctx *c, const Envoy__Config__Route__V3__Route *msg);
void sp_route_done(struct sp_route *r, const struct sp_route_ctx *c);

/* What parts of a route share. False, and told, when the cluster is unknown and has to be known; when `text` is no host name. */
bool sp_route_find_cluster(const struct sp_route_ctx *c, const void *msg, const char *field, struct sp_str name, struct sp_cluster **ret);
bool sp_route_host(const struct sp_route_ctx *c, const void *msg, const char *text, struct sp_str *ret);
struct sp_str sp_route_lower(struct sp_arena *arena, const char *text);

/* NULL after an error. In the arena; sp_retry_policy_done takes back what it holds. */
struct sp_retry_policy *sp_retry_policy_new(const struct sp_route_build *b, struct sp_arena *arena,
                                     const Envoy__Config__Route__V3__RetryPolicy *msg);
void sp_retry_policy_done(const struct sp_retry_policy *p); /* NULL-safe */

#endif
