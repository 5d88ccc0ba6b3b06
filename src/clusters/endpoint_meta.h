/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_endpoint_meta: what the config says of an endpoint, or of its locality, in `metadata`: what subsets are made of ("envoy.lb"), which
 * transport socket it takes ("envoy.transport_socket_match").  Immutable, counted: endpoints of sets that follow each other share it.
 */
#ifndef SP_CLUSTERS_ENDPOINT_META_H
#define SP_CLUSTERS_ENDPOINT_META_H

#include <stdatomic.h>

#include "route/criteria.h"

#define SP_SOCKET_META_NS "envoy.transport_socket_match"

struct sp_meta_field {
    struct sp_criterion is;
    struct sp_criterion *items; /* n_items of them, with its key; of a list */
    unsigned n_items;
    bool list;
};

/* By key. */
struct sp_meta_fields {
    struct sp_meta_field *v;
    unsigned n;
};

struct sp_endpoint_meta {
    _Atomic unsigned refs;
    struct sp_arena arena;
    struct sp_meta_fields lb, socket;
    struct sp_str json;     /* all of it, as text by namespace; of a socket's own, empty */
    struct sp_str hash_key; /* envoy.lb hash_key, a string; else empty */
    bool canary;            /* envoy.lb canary: true */
};

/* One reference; NULL where there is nothing in it. */
struct sp_endpoint_meta *sp_endpoint_meta_new(const Envoy__Config__Core__V3__Metadata *msg);
/* With this under "envoy.transport_socket_match" alone. */
struct sp_endpoint_meta *sp_endpoint_meta_of_socket(const Google__Protobuf__Struct *s);
struct sp_endpoint_meta *sp_endpoint_meta_ref(struct sp_endpoint_meta *m); /* NULL-safe, as the next two */
void sp_endpoint_meta_unref(struct sp_endpoint_meta *m);
bool sp_endpoint_meta_eq(const struct sp_endpoint_meta *a, const struct sp_endpoint_meta *b);

/* NULL: it has none of that name. */
const struct sp_meta_field *sp_meta_find(const struct sp_meta_fields *f, struct sp_str key);
/* Whether it has all of these; with list_as_any a list has each of its items. */
bool sp_meta_has(const struct sp_meta_fields *f, const struct sp_criterion *v, unsigned n, bool list_as_any);

#endif
