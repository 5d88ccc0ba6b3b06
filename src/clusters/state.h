/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of sp_cluster (clusters/cluster.h), for this directory and the router.  A cluster is immutable once compiled
 * but for atomic words, its current hosts (clusters/publish.h) and what stands in its slots: one slot a worker, touched on
 * that worker's thread only, from attach until the cluster is freed.
 */
#ifndef SP_CLUSTERS_STATE_H
#define SP_CLUSTERS_STATE_H

#include "clusters/breakers.h"
#include "clusters/host_set.h"
#include "clusters/lb_config.h"
#include "clusters/options.h"
#include "clusters/socket_match.h"
#include "clusters/zone_stats.h"
#include "config/doc_hash.h"
#include "config/own_node.h"
#include "event/worker.h"

struct sp_lb;
struct sp_hashed;
struct sp_subset_lb;
struct sp_pool;
struct sp_health_checker;
struct sp_resolve;
struct sp_outlier;
struct sp_cluster;
struct sp_offline;
struct sp_tried;

/* A worker's part of a cluster. */
struct sp_slot {
    struct sp_cluster *cluster;
    struct sp_worker *worker;
    struct sp_turn *turn;
    unsigned index;
    bool draining;            /* detached: connections close when their streams end */
    bool closed;              /* detached at once: nothing is started any more */
    struct sp_offline *offline; /* NULL: it serves (clusters/offline.h) */
    bool special;             /* offline, divided, drops requests or looks ahead: what few slots are is asked once a request */
    uint64_t random[2];       /* sp_slot_random's state */
    struct sp_lb *lb;
    struct sp_host_set *hosts; /* what it balances over: a reference, from attach on */
    struct sp_hashed *hashed; /* RING_HASH, MAGLEV: the tables of `hosts`, a reference; else NULL */
    struct sp_subset_lb *subset_lb; /* NULL: hosts are not divided */
    struct sp_tried *tried;   /* during a pick for a request whose retries go to other priorities (clusters/tried.h); else NULL */
    unsigned stamp;           /* counts its sets */
    struct sp_list pools;     /* all of them; by host: in the host's part */
    struct sp_pool **named;   /* those with names in their keys, by hash: n_buckets lists; NULL: there were none yet */
    unsigned n_named, n_buckets;
    struct sp_list idle;      /* of sp_conn, the longest idle first: what gives way when the connection limit is reached */
    struct sp_list starved;   /* of sp_starved (clusters/starve.h) */
    struct sp_timer starve_timer;
    _Atomic bool attached;    /* others may post to `worker` */
    unsigned place;           /* sp_cluster_place */
    unsigned n_tunnels;       /* whose config may be gone (sp_upstream_let_go) */
    unsigned n_connections;   /* whose wire is not closed yet, health checks included */
};

struct sp_cluster {
    struct sp_arena arena;
    struct sp_str name;
    struct sp_hash hash, transport;   /* of what it was made of; of its transport_socket */
    struct sp_str observability_name; /* alt_stat_name, or the name */
    struct sp_str metadata;           /* of the config, as JSON; empty: none */
    struct sp_lb_config lb;
    struct sp_cluster *local;         /* a reference: whose hosts are the gateways of all localities; NULL: zones do not count */
    struct sp_own_locality own;       /* where this gateway stands */
    struct sp_zone_stats *zone_stats; /* the publisher's: a list */
    struct sp_cluster_options options;
    struct sp_socket_matches sockets;
    struct sp_cluster_stats stats;
    struct sp_breakers breakers[SP_ROUTINGS];
    bool per_host;              /* some of them limits the connections of each host */
    pthread_mutex_t hosts_lock; /* of `hosts`, `posted`, `prober` and slots' `attached`: for those who change or show them */
    struct sp_host_set *hosts;  /* the current set; the prober alone changes it */
    struct sp_hashed *hashed;   /* RING_HASH, MAGLEV: the newest tables; else NULL. Of `hosts`, or of those before; the prober alone changes it */
    bool rehashing;             /* the prober's: newer ones are being made (clusters/rehash.h) */
    _Atomic bool rehash_asked;  /* a message that says so is on its way to the prober */
    _Atomic unsigned hashed_generation; /* of `hashed` */
    void (*health_changed)(struct sp_cluster *c); /* after the generation went up; NULL: nobody must know */
    struct sp_hash hosts_hash;  /* of load_assignment as it was committed last: main, and the compiler while main waits for it */
    struct sp_host_set *posted; /* to be published when the cluster starts; NULL: none */
    struct sp_host_set *awaiting; /* the prober's: to be published once the hosts that are new were checked; NULL: none */
    struct sp_defer settle;     /* that is so now */
    struct sp_timer stale;      /* the prober's: hosts are too old (endpoint_stale_after) */
    struct sp_worker *prober;   /* NULL: not started */
    unsigned stamp;             /* the publisher's: counts the sets */
    struct sp_health_checker *checker; /* NULL: no checks */
    struct sp_resolve *resolve; /* NULL: hosts are not names */
    struct sp_outlier *outlier; /* NULL: no outlier detection */
    struct sp_slot *slots;      /* n_slots of them */
    unsigned n_slots;
    struct sp_live_set *live;   /* of secrets that its health checks send; NULL: none */
    void (*destroy)(struct sp_cluster *c);
    _Atomic unsigned refs;
    _Alignas(SP_CACHELINE) _Atomic unsigned generation; /* goes up when a host's health changes */
    /* Pools that wait for a connection permit of a priority: others then give up idle connections. */
    _Alignas(SP_CACHELINE) _Atomic unsigned starving[SP_ROUTINGS];
};

static inline struct sp_slot *sp_cluster_slot(const struct sp_cluster *c, unsigned worker_index)
{
    return &c->slots[worker_index];
}

/* How a worker's new connections to a host speak. */
static inline const struct sp_cluster_options *sp_slot_options(const struct sp_slot *s, const struct sp_host *h)
{
    const struct sp_cluster *c = s->cluster;
    return SP_LIKELY(!c->sockets.n) ? &c->options : sp_socket_matches_options(&c->sockets, &c->options, h->parts[s->index].socket);
}

/* xoroshiro128+: balancing and jitter, nothing that an attacker must not guess. */
static inline uint64_t sp_slot_random(struct sp_slot *s)
{
    uint64_t a = s->random[0], b = s->random[1], sum = a + b;
    b ^= a;
    s->random[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
    s->random[1] = b << 37 | b >> 27;
    return sum;
}

/* Sets `special`, once it has hosts. */
static inline void sp_slot_judge(struct sp_slot *s)
{
    s->special = s->offline || s->subset_lb || s->hosts->policy.drop || s->cluster->options.predictive > 1;
}

/* Below n, n > 0; the bias of a 64-bit product is too small to be seen. */
static inline uint64_t sp_slot_below(struct sp_slot *s, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)sp_slot_random(s) * n) >> 64);
}

/*
 * Sets and clears bits of a host's health: counts membership_*, bumps the generation. Returns the flags before. On the
 * prober's or a worker's thread.
 */
uint32_t sp_host_set_health(struct sp_cluster *c, struct sp_host *h, uint32_t set, uint32_t clear);

/* Puts a host into the gauges membership_*, where it is not in yet; takes it out. */
void sp_host_count_in(struct sp_cluster *c, struct sp_host *h);
void sp_host_count_out(struct sp_cluster *c, struct sp_host *h);

/* Adds the cluster to the gauges (membership_total, remaining_cx ...), or takes it out: on the prober's thread. */
void sp_cluster_publish(struct sp_cluster *c, bool on);

/* References, for those that cluster.h stands above: connections hold one each. */
void sp_cluster_hold(struct sp_cluster *c);
void sp_cluster_drop(struct sp_cluster *c);

#endif
