/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client's connection from inside.  Private to listeners/.
 *
 * A connection keeps the filter chain that it began with.  When its listener gets a newer version, it goes over to that
 * chain's newest version if what the connection itself runs by (TLS context, codec options, limits) is the same; then
 * nothing holds the old config any more but streams under way.  Otherwise it drains, and the streams that are opened
 * meanwhile run the newest routes and gates, if the chain still exists.
 */
#ifndef SP_LISTENERS_DOWNSTREAM_IMPL_H
#define SP_LISTENERS_DOWNSTREAM_IMPL_H

#include "clusters/peer_check.h"
#include "http/wire.h"
#include "listeners/downstream.h"

/* What a responder is asked about a client's certificate. */
struct sp_downstream_check {
    struct sp_peer_check check;
    struct sp_downstream *of;
};

struct sp_downstream {
    struct sp_list link;
    struct sp_downstream_home *home;
    const struct sp_listener *listener; /* the version that it counts for; its home may have a newer one */
    struct sp_snapshot *snapshot;       /* holds listener and chain; owner.snapshot what its next streams run */
    struct sp_wire *wire;
    const struct sp_filter_chain *chain; /* NULL until chosen */
    uint64_t start_ns;
    struct sp_gauge worker_active; /* where it counts for its worker */
    bool ready : 1, h2 : 1, cut : 1 /* with streams on it */;
    bool stale : 1;        /* the home has a newer version that it could not go over to yet */
    bool drains : 1;       /* for a newer config */
    const char *detail; /* what the codec last complained about; static */
    uint64_t due_ns;       /* while it is stale or drains: when it is closed at the latest */
    struct sp_stream_owner owner;
    struct sp_conn_info conn;
    struct sp_downstream_check *check; /* NULL: nobody is asked */
    union {
        struct sp_list watches; /* of sp_conn_watch */
        struct sp_grave grave;  /* once it has ended */
    };
};

/* A new connection's references: of the snapshot its home has. */
void sp_downstream_hold(struct sp_downstream *d, struct sp_snapshot *snapshot);
void sp_downstream_let_go(struct sp_downstream *d);
/* Who is asked from now on; NULL: nobody. */
void sp_downstream_ask(struct sp_downstream *d, struct sp_asker *asker);
/* Goes over to the home's version, or begins to drain. */
void sp_downstream_adopt(struct sp_downstream *d);
/* The same for one that was still being opened when the newer version came. */
void sp_downstream_opened(struct sp_downstream *d);

#endif
