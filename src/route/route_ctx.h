/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What holds while the routes of a virtual host are compiled, and what their parts share.  Private to route/.
 */
#ifndef SP_ROUTE_ROUTE_CTX_H
#define SP_ROUTE_ROUTE_CTX_H

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
    const Envoy__Config__Route__V3__VirtualHost *vhost; /* the one that is compiled */
    struct sp_stats_scope *stats;        /* vhost.<name>.; NULL: nothing of it is counted */
    const struct sp_retry_policy *retry; /* the virtual host's, or NULL */
    struct sp_mirror_list mirrors;       /* the virtual host's, or the table's */
};

/* What parts of a route share. False, and told, when the cluster is unknown and has to be known; when `text` is no host name. */
bool sp_route_find_cluster(const struct sp_route_ctx *c, const void *msg, const char *field, struct sp_str name, struct sp_cluster **ret);
bool sp_route_host(const struct sp_route_ctx *c, const void *msg, const char *text, struct sp_str *ret);
struct sp_str sp_route_lower(struct sp_arena *arena, const char *text);

#endif
