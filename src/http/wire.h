/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_wire: one connection, either side: transport, TLS (if any) and codec joined.  It moves bytes between them, once a
 * turn gathers the output into one write, applies the watermarks, and runs the connection's timers (handshake, idle,
 * header, delayed close).  What the messages mean is its owner's business (listeners/, clusters/pool).
 *
 * Server: cb->on_first takes what stands before all else (PROXY protocol), the bytes behind are looked at (a TLS
 * ClientHello, or plain bytes), cb->on_choose picks what to run, then the handshake, then the codec by ALPN (codec AUTO without TLS: by the HTTP/2 preface).  Client: connect, handshake,
 * codec.  on_ready comes when the codec exists.
 *
 * Life: the owner holds it until on_closed, which comes exactly once, never from inside an owner's call into the wire;
 * all codec streams were closed (codec_cb.on_stream_closed) before.  The wire frees itself at the end of that turn.
 * One thread.
 */
#ifndef SP_HTTP_WIRE_H
#define SP_HTTP_WIRE_H

#include "http/codec.h"
#include "net/client_hello.h"
#include "net/tls.h"
#include "net/transport.h"

struct sp_wire;

enum sp_codec_kind { SP_CODEC_AUTO, SP_CODEC_H1, SP_CODEC_H2 };

/* What runs on a connection; copied. Times in nanoseconds, 0: no limit. */
struct sp_wire_setup {
    struct sp_tls_ctx *tls;      /* NULL: plain; the wire takes a reference */
    enum sp_codec_kind codec;
    struct sp_codec_config config; /* `server` and `tls` are set by the wire */
    size_t buffer_limit;         /* per_connection_buffer_limit_bytes: high water of each buffer; default 1 MiB */
    uint64_t handshake_ns;       /* transport_socket_connect_timeout */
    uint64_t idle_ns;            /* without a stream: then goaway and close */
    bool sheds;                  /* idle_ns gets shorter while the process is overloaded (event/overload.h) */
    uint64_t headers_ns;         /* request_headers_timeout: from a request's first byte to the end of its head */
    uint64_t delayed_close_ns;   /* how long the peer may take to read the last answer */
    uint64_t max_age_ns;         /* max_connection_duration */
    uint64_t drain_ns;           /* server: between the two GOAWAYs (drain_timeout); default 5 s */
    bool safe_max_age;           /* HTTP/1 at that age ends with its next answer only */
    struct sp_str sni, verify_name; /* client */
    struct sp_str offer;         /* client: ALPN, instead of the context's; outlives the wire; empty: the context's */
    struct sp_str first;         /* client: sent before all else, TLS too: a PROXY header */
    uint64_t connect_ns;         /* client: TCP connect and TLS handshake together */
    const struct sp_addr *race;  /* client: n_race addresses of the host, `to` among them, that are raced for (net/race.h); NULL: only `to` */
    unsigned n_race;
    struct sp_sock_options sock; /* client */
};

/* Why a connection ended: for counters, logs and retries. */
enum sp_wire_end {
    SP_WIRE_LOCAL,       /* we closed it: drained, asked to, the codec was done */
    SP_WIRE_REMOTE,      /* the peer closed or reset it */
    SP_WIRE_CONNECT,     /* client: no connection (err) */
    SP_WIRE_TIMEOUT,     /* connect, handshake, first bytes or headers */
    SP_WIRE_TLS,         /* the handshake or a record failed; text says how */
    SP_WIRE_PROTOCOL,    /* the codec gave up */
    SP_WIRE_REFUSED,     /* on_choose said no */
    SP_WIRE_IDLE,        /* we closed it: no stream for idle_ns */
    SP_WIRE_MAX_AGE,     /* we closed it: max_age_ns, once the last stream had ended */
    SP_WIRE_UNREAD,      /* we closed it: the peer did not read the last answer within delayed_close_ns */
};

struct sp_wire_cb {
    /* Server. hello: NULL for a plain connection. Fill *ret and return true; false: reset. */
    bool (*on_choose)(void *ctx, const struct sp_client_hello *hello, struct sp_wire_setup *ret);
    /* The codec exists: sp_wire_codec. TLS facts: sp_wire_tls. */
    void (*on_ready)(void *ctx);
    /* `text` (may be empty) lives until this returns: "TLS error: ...", "connection refused". */
    void (*on_closed)(void *ctx, enum sp_wire_end why, int err, struct sp_str text);
    /* Raw byte counts as they pass, for cx_rx_bytes_total and cx_tx_bytes_total. May be NULL. */
    void (*on_bytes)(void *ctx, size_t rx, size_t tx);
    /*
     * Server; may be NULL. Sees the first bytes before anything else does (PROXY protocol), whenever there are more of
     * them. 1: it has taken what was for it; 0: it needs more; -1: reset.
     */
    int (*on_first)(void *ctx, struct sp_buf *in);
    /* May be NULL. The TLS handshake is done, and nothing that was sent behind it has been looked at. False: it stays so until
     * sp_wire_proceed, sp_wire_close or the handshake's deadline; then it ends, if the peer is not trusted (sp_tls_distrust). */
    bool (*on_secure)(void *ctx);
};

/*
 * `codec_cb` and `codec_ctx` are what the codec is made with; its on_wake is the wire's own affair and stays NULL.
 * first_ns: how long the peer may take over all that comes before the choice (listener_filters_timeout).
 */
struct sp_wire *sp_wire_server(struct sp_worker *w, struct sp_transport *t, bool inspect_tls, uint64_t first_ns,
                               const struct sp_wire_cb *cb, const struct sp_codec_cb *codec_cb, void *ctx);
/* Never calls back from inside. */
struct sp_wire *sp_wire_client(struct sp_worker *w, const struct sp_addr *to, const struct sp_wire_setup *setup,
                               const struct sp_wire_cb *cb, const struct sp_codec_cb *codec_cb, void *ctx);
struct sp_codec *sp_wire_codec(struct sp_wire *w); /* NULL before on_ready */
struct sp_tls *sp_wire_tls(struct sp_wire *w);     /* NULL on plain connections */
struct sp_transport *sp_wire_transport(struct sp_wire *w);
/* After on_secure said false: goes on. Not from inside on_secure. */
void sp_wire_proceed(struct sp_wire *w);
/* Runs the wire at the end of this turn: after a codec stream's tx was written to, say (the codec's on_wake does it). */
void sp_wire_kick(struct sp_wire *w);
/* No new streams; closes when the last one ended. */
void sp_wire_drain(struct sp_wire *w);
/* Ends it now: on_closed follows at the end of the turn. */
void sp_wire_close(struct sp_wire *w, bool reset);
/* Bytes held in the wire's own buffers and the transport's queue: for limits and tests. */
size_t sp_wire_held(const struct sp_wire *w);

#endif
