/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a config would run, as a tree (tools/tree.h): listeners with their chains, gates, filters and routes, clusters, secrets by name and
 * source, files, variables, and what secure_defaults filled in.  Never a secret's content.  Private to tools/show* and
 * tools/validate.  One thread.
 */
#ifndef SP_TOOLS_SHOW_H
#define SP_TOOLS_SHOW_H

#include "config/set.h"
#include "envoy/config/core/v3/base.pb-c.h"
#include "tools/look.h"
#include "tools/tree.h"

struct sp_show {
    struct sp_tree tree;
    const struct sp_set *set;
    const struct sp_doc *doc; /* the set's */
    const Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap;
    const char *(*file_name)(const char *file); /* of a place, as the user knows it */
};

void sp_show_listeners(struct sp_show *s);
void sp_show_http(struct sp_show *s, struct sp_tree_node *chain, const sp_look_hcm *hcm);
void sp_show_routes(struct sp_show *s, struct sp_tree_node *under, const Envoy__Config__Route__V3__RouteConfiguration *table);
void sp_show_clusters(struct sp_show *s);
void sp_show_sources(struct sp_show *s);

/* The pieces that all share; texts are in the tree's arena. */
/* "origin_shield" of sallyport.filters.http.origin_shield.v1.OriginShield. */
struct sp_str sp_show_type(struct sp_show *s, const ProtobufCMessage *msg);
/* "10.0.0.1:8443", or the path of a unix socket. */
struct sp_str sp_show_address(struct sp_show *s, const Envoy__Config__Core__V3__Address *address);
/* "1.5s". */
struct sp_str sp_show_duration(struct sp_show *s, const Google__Protobuf__Duration *d);
/* Where its bytes come from: "/etc/x", "inline", "$NAME". */
struct sp_str sp_show_source(struct sp_show *s, const Envoy__Config__Core__V3__DataSource *source);
/* With commas; of more than eight the first eight and how many more. */
struct sp_str sp_show_list(struct sp_show *s, char *const *v, size_t n);
struct sp_str sp_show_cidrs(struct sp_show *s, Envoy__Config__Core__V3__CidrRange *const *v, size_t n);
/* "file:line" of a message, as a fact of the node. */
void sp_show_place(struct sp_show *s, struct sp_tree_node *n, const void *msg);
/* Facts of what both sides of TLS have in common. */
void sp_show_tls(struct sp_show *s, struct sp_tree_node *n, const Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext *c);
/* ", names a, b" and the like: what a certificate has to be. */
struct sp_str sp_show_validation(struct sp_show *s, const sp_look_validation *v);

#endif
