/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The HTTP/2 codec's own structures, shared by http/h2*.c and by nobody else.  One thread.
 *
 * struct sp_h2 is a connection.  nghttp2 keeps the protocol's state; it is fed in `feed` and asked for output in
 * `flush`, and from nowhere else.  Its callbacks call no user: they note what came on the stream and put it on a list.
 * When nghttp2 has returned, the lists are worked off:
 *
 *   ready    something to deliver: a head, data, trailers; a source to resume; an end to be told of
 *   dirty    something to hand to nghttp2: heads, data, a reset, window to give back
 *   closing  both halves may be over
 *
 * What users call (tx.*, rx.*) changes the stream, puts it on a list and wakes the wire.
 *
 * struct sp_h2_stream lives in its own arena and outlives nghttp2's idea of it: a response may be received whole and
 * not be delivered yet.
 */
#ifndef SP_HTTP_H2_CONN_H
#define SP_HTTP_H2_CONN_H

#include <nghttp2/nghttp2.h>

#include "http/h2_fields.h"
#include "http/h2_mem.h"
#include "http/h2_meter.h"

/* A received or sent head; heads with a 1xx status come before the last. */
struct sp_h2_head {
    struct sp_h2_head *next;
    struct sp_headers *h;
    bool own; /* its bytes are in the stream's arena */
};

struct sp_h2_heads {
    struct sp_h2_head *first, **last;
};

struct sp_h2_stream {
    struct sp_codec_stream cs; /* first */
    struct sp_h2 *conn;
    struct sp_list all, ready, dirty, closing, lingering;
    struct sp_arena arena;
    int32_t id;          /* 0: not yet sent */
    uint64_t begun_ns;

    /* The message that arrives. */
    struct sp_h2_heads rx_heads; /* complete, not delivered */
    struct sp_headers *rx_trailers;
    struct sp_buf rx_buf;
    unsigned rx_pauses;
    unsigned rx_n_heads;
    uint32_t rx_unacked;  /* delivered, and not given back to the stream's window */
    int64_t rx_expect;    /* bytes of content still to come; -1: not said */
    bool rx_final;        /* the head that is no 1xx was received */
    bool rx_ended;        /* the peer's END_STREAM was received */
    bool rx_delivered;    /* a head was delivered that is no 1xx */
    bool rx_over;         /* end delivered, aborted, or cancelled */

    /* The message that is sent. */
    struct sp_h2_heads tx_heads; /* given by the user, not handed to nghttp2 */
    struct sp_headers *tx_trailers;
    struct sp_buf tx_buf;
    bool tx_ended;        /* the user gave the end */
    bool tx_begun;        /* a final head was handed to nghttp2 */
    bool tx_head_out;     /* and came out */
    bool tx_waits;        /* nghttp2 was told that there are no data now */
    bool tx_paused;       /* the source is paused */
    bool tx_over;         /* END_STREAM was handed out, or the half was aborted or cancelled */

    bool announced;       /* the user knows it */
    bool counted;         /* in codec.n_streams */
    bool live;            /* nghttp2 has it */
    bool head_request;    /* the request's method is HEAD */
    struct sp_str upgrade; /* the protocol that the request offers; empty: none */
    bool connect;         /* by CONNECT, else by extended CONNECT */
    bool reset_due;       /* RST_STREAM(reset_code) is to be sent, or was (reset_sent) */
    bool reset_sent;
    bool reset_by_peer;
    bool closed;          /* on_stream_closed was called or is not needed */
    bool tx_good;         /* the final head's status is below 300 */
    bool slow;            /* its reader has paused */
    bool grown;           /* its window has config.h2_grown_window */
    bool may_linger;      /* its window was opened for that */
    bool lingers;         /* answered, and the rest of the request is dropped: http/h2_linger.h */
    uint32_t lingered;    /* bytes of that rest */
    uint64_t linger_until_ns;
    uint32_t reset_code;
    struct sp_headers *reply; /* to answer with, without the user's knowing: 431, 414 */
    enum sp_abort why;    /* the first reason to end it early */
};

/* A connection's end as it goes through its steps. */
enum sp_h2_shutdown { SP_H2_OPEN, SP_H2_NOTICE_DUE, SP_H2_NOTICE_SENT, SP_H2_LAST_DUE, SP_H2_LAST_SENT };

struct sp_h2 {
    struct sp_codec codec; /* first */
    nghttp2_session *session;
    struct sp_h2_mem mem;
    struct sp_list streams, ready, dirty, closing;
    struct sp_list waiting;           /* by `dirty`: what this flush could not hand over */
    struct sp_defer deliver_later;
    struct sp_defer own_later;        /* heads that could not be sent in the turn they were given in are copied */
    struct sp_grave grave;
    struct sp_h2_meter meter;
    struct sp_h2_fields fields;       /* of the header block under way */
    struct sp_h2_stream *fields_of;   /* NULL: nobody's any more */
    uint32_t n_heads;                 /* sent */
    unsigned n_live, n_unsent;        /* streams that nghttp2 has; client: opened and not handed to it */

    /* In feed: the buffer that is read and the byte of its front segment that was not taken out of it yet. */
    struct sp_buf *in;
    const char *in_at;
    size_t held;                      /* received bytes that paused readers have not taken */
    uint32_t unacked;                 /* received bytes not given back to the connection's window */

    struct sp_buf greeting;           /* our SETTINGS, until the first flush */
    /* In flush. */
    struct sp_buf *out;
    size_t room;
    unsigned clogged;                 /* frames handed out since the owner last had room */

    struct sp_list lingering;
    struct sp_timer linger_timer;
    struct sp_timer ping_timer;
    bool peer_settings;               /* the peer's first SETTINGS came */
    bool ping_due, ping_waits;        /* keepalive */
    uint64_t ping_random;             /* state of its jitter: no secret */
    enum sp_h2_shutdown shutdown;
    bool goaway_received, tell_draining;
    bool busy;                        /* in feed, flush, eof or destroy: the owner need not be woken */
    bool woken;
    bool freed;
    bool dead;                        /* nothing is sent or received any more, but for the GOAWAY that is due */
    bool goaway_due;
    uint32_t goaway_code, said_goaway_code;
    const char *broken;               /* static: what of the peer's made nghttp2 give up, where that is known */
    bool broken_by_flood;
    enum sp_abort end_why;            /* dead, and the streams were not told yet */
};

static inline struct sp_h2 *sp_h2_of(struct sp_codec *c)
{
    return SP_CONTAINER_OF(c, struct sp_h2, codec);
}

static inline struct sp_h2_stream *sp_h2_stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* How much may be under way to the stream's reader. */
static inline uint32_t sp_h2_window(const struct sp_h2_stream *s)
{
    const struct sp_codec_config *config = s->conn->codec.config;
    return s->grown ? config->h2_grown_window : config->h2_stream_window;
}

/* What nghttp2's callbacks return: it stops at once when the connection failed meanwhile. */
static inline int sp_h2_verdict(const struct sp_h2 *c)
{
    return c->dead ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static inline void sp_h2_heads_init(struct sp_h2_heads *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static inline void sp_h2_event(struct sp_h2 *c, enum sp_codec_event ev, const char *detail, unsigned status)
{
    if (c->codec.cb->on_event)
        c->codec.cb->on_event(c->codec.ctx, ev, detail, status);
}

#endif
