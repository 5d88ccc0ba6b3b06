/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_conn: one connection to a host: a wire and its codec, counted and watched.  It belongs to a pool or to a health
 * check (its owner, told by events); requests borrow streams of it by tickets.  Lives on its slot's thread from
 * sp_conn_new until the owner's `closed` returned; it holds a reference of the cluster.
 *
 * Idle connections keep reading, so that a close by the host is seen at once.
 */
#ifndef SP_CLUSTERS_CONN_H
#define SP_CLUSTERS_CONN_H

#include "clusters/conn_facts.h"
#include "clusters/peer_check.h"
#include "clusters/state.h"

enum sp_conn_kind { SP_KIND_H1, SP_KIND_H2, SP_KIND_AUTO, SP_KIND_RAW /* no HTTP: one tunnel each (http/codec.h) */ };

enum sp_conn_state {
    SP_CONN_CONNECTING,
    SP_CONN_IDLE,     /* no stream */
    SP_CONN_READY,    /* HTTP/2: has streams and room for more */
    SP_CONN_BUSY,     /* no room */
    SP_CONN_DRAINING, /* takes no more streams; closes after the last */
    SP_CONN_CLOSING,  /* closed; `closed` is still to come */
};

struct sp_conn;
struct sp_conn_check;

/* How a connection ended. */
struct sp_conn_end {
    enum sp_wire_end why;
    bool connected;        /* it had been ready */
    bool timed_out;        /* the connect timeout */
    struct sp_str text;    /* Envoy's transport failure reason; may be empty; lives until `closed` returns */
};

struct sp_conn_events {
    void (*ready)(struct sp_conn *c);
    /* A stream ended, or the host wants no more (draining): see where it belongs now. */
    void (*changed)(struct sp_conn *c);
    /* All its streams were closed before. It is buried afterwards. */
    void (*closed)(struct sp_conn *c, const struct sp_conn_end *end);
};

struct sp_conn {
    struct sp_list link;      /* in the owner's list of its state */
    struct sp_list idle_link; /* in slot->idle */
    struct sp_slot *slot;
    struct sp_host *host;     /* held by the owner */
    void *owner;
    const struct sp_conn_events *events;
    struct sp_wire *wire;
    struct sp_codec *codec;   /* NULL while connecting */
    enum sp_conn_kind kind;
    enum sp_conn_state state;
    enum sp_routing routing;  /* whose limits it counts for */
    bool counted;             /* in the cluster's and the host's counters, and against max_connections */
    bool broke;               /* the protocol */
    bool h2, connected, own_offer, spoiled; /* own_offer: of ALPN; spoiled: an HTTP/1 exchange did not end well */
    unsigned socket;          /* which of the cluster's transport sockets it was begun with */
    unsigned told_streams, told_room; /* as its pool counts them */
    unsigned n_streams;       /* open ones, those that nobody holds any more included */
    uint64_t n_requests;      /* all */
    uint64_t id;              /* unique in the process, and among clients' connections */
    uint64_t started_ns, idle_since_ns;
    struct sp_timer idle_timer;
    struct sp_conn_facts *facts; /* NULL: plain */
    struct sp_conn_check *check; /* NULL: nobody is asked about the host's certificate */
    struct sp_addr local, peer;
    struct sp_str refusal;    /* why we gave it up while connecting; empty: we did not */
    struct sp_sink no_sink;   /* stand in for a request that left */
    struct sp_source no_source;
    struct sp_grave grave;
};

/*
 * A request's hold on a connection: first in line at a pool (conn NULL), then on a stream.  Embedded in the request; its
 * owner sets rx.ops (the response) and tx.ops (pause and resume of the request) before.
 */
struct sp_ticket {
    struct sp_list link;         /* in a pool's queue */
    struct sp_pool *pool;        /* while in line */
    struct sp_conn *conn;
    struct sp_codec_stream *cs;  /* rx is linked to `rx`, tx to `tx` */
    struct sp_sink rx;
    struct sp_source tx;
    bool reused;                 /* the connection had served another before */
    bool rx_over, rx_aborted;    /* the owner says what has ended: nothing is cancelled that is over */
    bool tx_over;
    unsigned paused;             /* pauses of cs->rx that were not resumed yet */
    const struct sp_ticket_ops *ops;
};
enum sp_ticket_failure {
    SP_TICKET_OVERFLOW, /* a circuit breaker */
    SP_TICKET_CONNECT,  /* the host or the way to it */
    SP_TICKET_REFUSED,  /* we gave the connection up */
    SP_TICKET_TIMEOUT,  /* connect_timeout */
};
struct sp_ticket_ops {
    /* In line: the stream is open. */
    void (*ready)(struct sp_ticket *t);
    /* In line: there will be none. `text` lives until this returns. */
    void (*failed)(struct sp_ticket *t, enum sp_ticket_failure why, struct sp_str text);
};

struct sp_conn_setup {
    const struct sp_addr *to;
    enum sp_conn_kind kind;
    struct sp_tls_ctx *tls;
    struct sp_str sni, verify_name;
    struct sp_str offer; /* ALPN, instead of the context's, whatever comes of it; outlives the connection; empty: the context's */
    struct sp_str first; /* sent before all else; empty: nothing */
    uint64_t connect_ns;
    enum sp_routing routing;
    bool counted;
};

/*
 * Never calls back from inside. A counted one must have taken a permit of its priority's connections and, where
 * the cluster limits each host's, have been counted there (sp_conn_host_take): it gives both back.
 */
struct sp_conn *sp_conn_new(struct sp_slot *s, struct sp_host *h, const struct sp_conn_setup *setup, void *owner,
                            const struct sp_conn_events *events);
/* Counts a connection to come against the host's limit. False: it has as many. */
bool sp_conn_host_take(struct sp_slot *s, struct sp_host *h, enum sp_routing routing);
void sp_conn_host_give(struct sp_slot *s, struct sp_host *h);
/* Opens a stream for the ticket. False: none can be opened now; nothing changed. */
bool sp_conn_open(struct sp_conn *c, struct sp_ticket *t);
/* The host was given another transport socket since: what is meant for TLS must not go in plain text. */
static inline bool sp_conn_outdated(const struct sp_conn *c)
{
    return SP_UNLIKELY(c->socket != c->host->parts[c->slot->index].socket);
}
/* How many more streams may be opened now. */
unsigned sp_conn_room(const struct sp_conn *c);
/* Whether the origin's certificate would still be taken: asked before each stream. If not, that is counted and it drains. */
bool sp_conn_trusted(struct sp_conn *c);
/* No more streams; closes after the last. */
void sp_conn_drain(struct sp_conn *c);
/* `closed` follows at the end of the turn. */
void sp_conn_close(struct sp_conn *c);

/* Pauses and resumes the response; counted, undone when the ticket leaves. */
void sp_ticket_pause(struct sp_ticket *t);
void sp_ticket_resume(struct sp_ticket *t);
/* Both halves were ended, or the response was aborted: the stream goes its way without the ticket. */
void sp_ticket_leave(struct sp_ticket *t);
/* The exchange is given up: what is not over of it is cancelled. No callback comes. */
void sp_ticket_cancel(struct sp_ticket *t, enum sp_abort why);

/* --- between conn.c, ticket.c (the streams on a connection), conn_trust.c (its certificate) and conn_count.c (its counters) --- */

static inline struct sp_cluster_stats *sp_conn_stats(const struct sp_conn *c)
{
    return &c->slot->cluster->stats;
}

static inline struct sp_host_part *sp_conn_part(const struct sp_conn *c)
{
    return &c->host->parts[c->slot->index];
}

/* For its TLS context, or NULL. */
void sp_conn_trust_init(struct sp_conn *c, const struct sp_tls_ctx *tls);
void sp_conn_trust_done(struct sp_conn *c);
bool sp_conn_on_secure(void *ctx); /* the wire's */
void sp_conn_count_begun(struct sp_conn *c);
void sp_conn_count_ready(struct sp_conn *c);
void sp_conn_count_tls_failure(struct sp_conn *c);
void sp_conn_count_closed(struct sp_conn *c, const struct sp_conn_end *end);
/* A stream came (1) or went (-1). */
void sp_conn_count_stream(struct sp_conn *c, int n);
/* The connection ends, and with it, so cut off, a stream. */
void sp_conn_count_cut_off(struct sp_conn *c, enum sp_abort why);

/* What takes the place of tickets that left their streams. */
void sp_conn_stand_ins(struct sp_conn *c);
/* sp_codec_cb's on_stream_closed; `ctx` is the connection. */
void sp_conn_stream_closed(void *ctx, struct sp_codec_stream *cs, enum sp_abort why);

#endif
