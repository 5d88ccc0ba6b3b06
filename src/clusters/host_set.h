/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_host_set: the hosts of a cluster at one time, and what is configured of each.  Made from a config or from answers of
 * DNS, then given its hosts (hosts that stay are taken over from the set before, by address and name), then immutable.  Counted: the cluster and each worker's slot hold one, any thread may.
 */
#ifndef SP_CLUSTERS_HOST_SET_H
#define SP_CLUSTERS_HOST_SET_H

#include "clusters/endpoint_meta.h"
#include "clusters/host.h"

struct sp_zone_stats; /* clusters/zone_stats.h */

/* A host's place in a set. Bytes live in the set's arena. */
struct sp_endpoint {
    struct sp_host *host;          /* a reference; NULL until the set is published */
    struct sp_addr addr;
    struct sp_addr health_addr;    /* where health checks go */
    const struct sp_addr *race;    /* n_race, with additional_addresses: these and `addr`, in the order in which they are tried */
    unsigned n_race;
    struct sp_str hostname;        /* see sp_host */
    struct sp_str health_hostname; /* Host header of its checks; may be empty */
    struct sp_str text;            /* the address as Envoy prints it, since sp_host_set_close */
    struct sp_str region, zone, sub_zone;
    uint32_t weight;
    unsigned locality;             /* the first LocalityLbEndpoints of its locality and priority */
    uint32_t locality_weight;      /* of that; 0: none */
    uint32_t eds_health;           /* SP_HEALTH_*_EDS, SP_HEALTH_EDS_DRAINING: what the config says of its health */
    unsigned priority;
    struct sp_endpoint_meta *meta, *locality_meta; /* references, or NULL */
    unsigned socket;               /* which transport socket (clusters/socket_match.h), once published */
    struct sp_zone_stats *zone_stats; /* the cluster's, once published; NULL: it is not counted by zone */
    bool no_active_hc;             /* disable_active_health_check */
};

struct sp_subsets; /* clusters/subsets.h */

struct sp_priority {
    const struct sp_endpoint **v; /* n of them */
    unsigned n;
};

enum { SP_DROP_ALL = 1000000 };

/* load_assignment.policy */
struct sp_host_policy {
    uint32_t overprovisioning; /* percent */
    bool weighted_health;      /* weighted_priority_health */
    uint32_t drop;             /* drop_overloads: requests of SP_DROP_ALL that are not tried */
    uint64_t stale_ns;         /* endpoint_stale_after, of EDS clusters; 0: never */
};

struct sp_host_set {
    _Atomic unsigned refs;
    struct sp_arena arena;
    struct sp_endpoint *v; /* n of them, in order of the config */
    unsigned n, cap;
    struct sp_priority *priorities; /* at least one; since sp_host_set_close */
    unsigned n_priorities;
    struct sp_host_policy policy;
    bool logical;                   /* its one host is known by its name */
    struct sp_subsets *subsets;     /* NULL: it is not divided */
    void (*free_subsets)(struct sp_subsets *s);
};

struct sp_host_set *sp_host_set_new(void);
struct sp_host_set *sp_host_set_ref(struct sp_host_set *s);
void sp_host_set_unref(struct sp_host_set *s); /* NULL-safe */
/* A new endpoint, zeroed but for weight 1; valid until the next call. */
struct sp_endpoint *sp_host_set_add(struct sp_host_set *s);
/* No more will be added: fills in texts and priorities. */
void sp_host_set_close(struct sp_host_set *s);
/* The same of a part of a set, whose endpoints have their texts. */
void sp_host_set_close_part(struct sp_host_set *s);
/* The endpoint is a copy of another set's: it holds metadata for itself. Its other texts are the caller's. */
void sp_endpoint_copied(struct sp_endpoint *e);

#endif
