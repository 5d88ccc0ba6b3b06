/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_zone: how much of a cluster's requests stays in the locality that this gateway stands in (node.locality), as Envoy's zone aware
 * routing decides it: gateways of all localities (the hosts of cluster_manager.local_cluster_name) are taken to get equal parts of the
 * requests, and a locality's hosts get no more than their part.  Of the first priority only.  A worker's own: part of its balancer
 * (clusters/lb.h), counted anew when the health of either cluster's hosts or these have changed.
 */
#ifndef SP_CLUSTERS_ZONE_H
#define SP_CLUSTERS_ZONE_H

#include "clusters/state.h"

enum sp_zone_mode {
    SP_ZONE_ANY,  /* localities do not count */
    SP_ZONE_HOME, /* all stays */
    SP_ZONE_PART, /* some of it goes elsewhere */
};

/* A locality of the cluster. */
struct sp_zone_place {
    const struct sp_endpoint *of; /* one of its hosts */
    uint64_t hosts;               /* healthy ones */
    uint64_t there;               /* these, or the sum of their weights */
    uint64_t here;                /* the same of gateways in that locality */
    uint64_t room;                /* parts of 10000 that it can take from other localities, with those of the ones before it */
};

struct sp_zone {
    enum sp_zone_mode mode;
    unsigned n;        /* places */
    struct sp_zone_place *v;
    unsigned home;     /* where the gateway stands; n: no host does */
    uint64_t stay;     /* SP_ZONE_PART: of 10000 requests */
    bool local_panic;  /* too few gateways are well for their shares to be believed */
    struct {           /* the gateways that it was counted for */
        const struct sp_host_set *hosts;
        unsigned stamp, generation;
    } seen;
};

/* Room for n places, whose `of` is the caller's to fill in. */
struct sp_zone *sp_zone_new(unsigned n);
void sp_zone_free(struct sp_zone *z); /* NULL-safe */
/* Counts anew; `hosts` and `there` are known. On the slot's thread, of a cluster with a local one. */
void sp_zone_count(struct sp_zone *z, struct sp_slot *s);
/* Gateways have come, gone or changed since. */
bool sp_zone_is_old(const struct sp_zone *z, const struct sp_slot *s);
/* Which place gets a request; not with SP_ZONE_ANY. */
unsigned sp_zone_choose(const struct sp_zone *z, struct sp_slot *s);

#endif
