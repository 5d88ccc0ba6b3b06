/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of sp_pool (clusters/pool.h): for pool.c, which decides when there shall be another connection and serves those who wait,
 * pool_table.c (which pools a worker has), pool_conns.c (what state each connection is in), pool_line.c (who waits) and pool_end.c
 * (hosts and clusters that go).  All on the slot's thread.
 */
#ifndef SP_CLUSTERS_POOL_IMPL_H
#define SP_CLUSTERS_POOL_IMPL_H

#include "clusters/pool_key.h"
#include "clusters/starve.h"

enum sp_pool_seen { SP_SEEN_NOTHING, SP_SEEN_H1, SP_SEEN_H2 };

struct sp_pool {
    struct sp_pool *next, **at; /* of the same host and kind, or with names too */
    struct sp_pool *chain;      /* with names: of the same bucket */
    uint64_t hash;
    struct sp_list link;  /* in slot->pools; not linked: retired */
    struct sp_slot *slot;
    struct sp_pool_key key;
    struct sp_list connecting, idle, ready, busy; /* of sp_conn; idle: the last used first */
    struct sp_list leaving;                       /* draining and closing ones */
    struct sp_list queue;                         /* of sp_ticket */
    struct sp_conn_watch watch;                   /* the client's connection, where the key is personal */
    bool forsaken;                                /* which has ended: nobody will ask again */
    unsigned n_queued, n_connecting, n_conns;
    unsigned n_active, n_room;                    /* streams under way on its connections, and that could be */
    enum sp_pool_seen seen;                       /* what ALPN gave last */
    struct sp_starved starved;
    struct sp_defer serve;
    struct sp_grave grave;
    char names[]; /* of key */
};

static inline struct sp_cluster_stats *sp_pool_stats(const struct sp_pool *p)
{
    return &p->slot->cluster->stats;
}

static inline struct sp_breakers *sp_pool_breakers(const struct sp_pool *p)
{
    return &p->slot->cluster->breakers[p->key.routing];
}

static inline bool sp_pool_orphaned(const struct sp_pool *p)
{
    return p->key.host->parts[p->slot->index].gone;
}

static inline bool sp_pool_makes_spare(const struct sp_pool *p)
{
    return SP_UNLIKELY(p->slot->cluster->options.makes_spare) && p->key.kind != SP_KIND_RAW;
}

/* NULL: there is none yet. */
struct sp_pool *sp_pool_find(struct sp_slot *s, const struct sp_pool_key *key);
/* An empty one, found from now on. The caller sets serve.run and starved.again. */
struct sp_pool *sp_pool_add(struct sp_slot *s, const struct sp_pool_key *key);
/* Whom it is asked for: its connections end with the client's. */
void sp_pool_belong(struct sp_pool *p, const struct sp_pool_key *key);
/* Buries it if it has nothing to do and nobody will ask for it again: the last thing that a caller does with it. */
void sp_pool_retire(struct sp_pool *p);

void sp_pool_place(struct sp_conn *c, struct sp_list *list, bool front);
/* After whatever happened to a connection: puts it where it belongs, and counts what room it has. */
void sp_pool_settle(struct sp_conn *c);
void sp_pool_count(struct sp_conn *c);
void sp_pool_offer_idle(struct sp_pool *p);
/* Drains or closes (`end`) all of one of the pool's lists. */
void sp_pool_end_list(struct sp_list *l, void (*end)(struct sp_conn *c));
/* It was idle for longer than connection_idle_interval: another takes its place. */
bool sp_pool_conn_stale(const struct sp_conn *c);
/* What those in line for it are told. */
enum sp_ticket_failure sp_pool_conn_failure(const struct sp_conn *c, const struct sp_conn_end *end);
enum sp_opened { SP_OPENED, SP_NONE_FREE, SP_BARREN };
enum sp_opened sp_pool_open_some(struct sp_pool *p, struct sp_ticket *t);

void sp_pool_enqueue(struct sp_pool *p, struct sp_ticket *t);
void sp_pool_dequeue(struct sp_pool *p, struct sp_ticket *t);
void sp_pool_fail_first(struct sp_pool *p, unsigned n, enum sp_ticket_failure why, struct sp_str text);
/* Something came free: who waits gets it at the end of the turn. */
void sp_pool_serve_later(struct sp_pool *p);

#endif
