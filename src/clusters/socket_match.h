/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_socket_match: Cluster.transport_socket_matches: which of several transport sockets a host takes, by its metadata under
 * "envoy.transport_socket_match", its locality's, or else the cluster's own.  Each is a copy of the cluster's options with that
 * socket in them.  Part of the cluster, immutable; chosen when a set of hosts is published.
 */
#ifndef SP_CLUSTERS_SOCKET_MATCH_H
#define SP_CLUSTERS_SOCKET_MATCH_H

#include "clusters/endpoint_meta.h"
#include "clusters/options.h"
#include "stats/stats.h"

struct sp_socket_match {
    struct sp_str name;
    struct sp_criterion *v;    /* n of them, all of which a host has to have */
    unsigned n;
    struct sp_counter matched; /* <name>.total_match_count */
    struct sp_cluster_options options;
};

/* All zero: there are none. */
struct sp_socket_matches {
    struct sp_socket_match *v; /* n of them, in order */
    unsigned n;
    struct sp_counter fallback; /* of the cluster's own socket: "default" */
};

enum { SP_SOCKET_DEFAULT = 0 }; /* the cluster's own; i + 1: v[i] */

/* `o`: the cluster's own. Errors go to `diag`. */
void sp_socket_matches_init(struct sp_socket_matches *m, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                            const Envoy__Config__Cluster__V3__Cluster *msg, const struct sp_cluster_options *own, struct sp_stats_scope *scope);
void sp_socket_matches_use(const struct sp_socket_matches *m, const struct sp_doc *doc); /* as sp_cluster_options_use */
void sp_socket_matches_done(struct sp_socket_matches *m);
void sp_socket_matches_count(const struct sp_socket_matches *m, unsigned at);
/* Which one. Either may be NULL. */
unsigned sp_socket_matches_choose(const struct sp_socket_matches *m, const struct sp_endpoint_meta *host, const struct sp_endpoint_meta *locality);
/* The same by a struct alone (transport_socket_match_criteria). */
unsigned sp_socket_matches_by(const struct sp_socket_matches *m, const Google__Protobuf__Struct *criteria);
/* How the hosts of that one are spoken to. */
const struct sp_cluster_options *sp_socket_matches_options(const struct sp_socket_matches *m, const struct sp_cluster_options *own, unsigned at);
/* Whether one of them has TLS, or one has none, whatever the cluster's own. */
bool sp_socket_matches_tls(const struct sp_socket_matches *m);
bool sp_socket_matches_plain(const struct sp_socket_matches *m);

#endif
