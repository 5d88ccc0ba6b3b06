/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * request_mirror_policies of a route, or of its virtual host, or of its table: to which clusters copies of a request go.
 * Immutable; in the table's arena.
 */
#ifndef SP_ROUTE_MIRROR_H
#define SP_ROUTE_MIRROR_H

#include "route/route_ctx.h"

struct sp_mirror_policy {
    struct sp_cluster *cluster;      /* NULL: named by `header`, or unknown (validate_clusters: false) */
    struct sp_str header;            /* cluster_header, lower-case; empty: none */
    uint32_t numerator, denominator; /* runtime_fraction; denominator 0: all requests */
    bool keep_host;                  /* disable_shadow_host_suffix_append */
    struct sp_str host;              /* host_rewrite_literal */
};

/* Replaces `list` by what `msgs` say, if there are any. False after an error. */
bool sp_mirrors_init(struct sp_mirror_list *list, const struct sp_route_ctx *c,
                     Envoy__Config__Route__V3__RouteAction__RequestMirrorPolicy *const *msgs, size_t n);
/* Whether policy number `i` copies a request, by its random number, which decides other things too. */
bool sp_mirror_takes(const struct sp_mirror_policy *p, unsigned i, uint64_t random);

#endif
