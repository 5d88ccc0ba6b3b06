/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a cluster finds its hosts by name: Cluster.type STRICT_DNS and LOGICAL_DNS with their dns_* fields, or a DnsCluster in
 * cluster_type.  Owned by the cluster; immutable; lives in its arena.
 */
#ifndef SP_CLUSTERS_DNS_CONFIG_H
#define SP_CLUSTERS_DNS_CONFIG_H

#include "clusters/dns.h"
#include "config/doc.h"
#include "envoy/config/cluster/v3/cluster.pb-c.h"

struct sp_dns_options {
    bool logical;         /* LOGICAL_DNS: one host, whatever its addresses */
    bool wait;            /* a start waits for the first answer */
    bool respect_ttl;
    enum sp_dns_family family;
    uint64_t refresh_ns, jitter_ns;
    uint64_t failure_ns, failure_max_ns; /* doubled from the first to the second; equal: not doubled */
    struct sp_dns_servers servers;
};

/* False when the cluster's hosts are not found by name; errors go to `diag`. `resolver`: the bootstrap's, or NULL. */
bool sp_dns_options_init(struct sp_dns_options *o, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                         const Envoy__Config__Cluster__V3__Cluster *msg,
                         const Envoy__Config__Core__V3__TypedExtensionConfig *resolver);
/* The first alone, without looking for errors. */
bool sp_dns_is_named(const struct sp_doc *doc, const Envoy__Config__Cluster__V3__Cluster *msg);
/* A host name as DNS has them; else why not. */
const char *sp_dns_bad_name(struct sp_str name);

#endif
