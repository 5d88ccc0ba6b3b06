/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_codec: HTTP/1.1 or HTTP/2 on one connection, either side, without I/O: bytes in, bytes out.  Whoever owns the
 * connection (http/wire) feeds what arrived and, once a turn, takes what is to be sent.  One thread; owned by the
 * wire, which frees it by ops->destroy.
 *
 * A codec makes an sp_codec_stream for each exchange.  Its `rx` is the source of the message that arrives, its
 * `tx` the sink of the message that is sent.  On the server side the codec announces a stream by cb->on_stream when
 * the request's head is complete: the receiver sets rx.sink and tx.source there (sp_link), then the codec delivers
 * the head to rx.sink.  On the client side ops->open makes a stream.
 *
 * Life: a stream belongs to the codec.  cb->on_stream_closed is called exactly once for it, when both halves are over
 * (ended, aborted or cancelled) and what was to be sent has been handed out by flush, or when the connection dies.
 * It comes from feed, flush, eof or destroy only, never from inside a call to tx or rx by the user.  The user may not
 * touch the stream afterwards; the codec frees it at the end of the turn.
 *
 * Backpressure: rx.pause stops delivery (HTTP/1: the codec stops consuming; HTTP/2: the stream's window is not
 * replenished).  When a stream's unsent bytes pass config.high_water, the codec pauses tx.source, and resumes it
 * below half of that.
 */
#ifndef SP_HTTP_CODEC_H
#define SP_HTTP_CODEC_H

#include "event/turn.h"
#include "http/message.h"

struct sp_codec;
struct sp_codec_stream;

struct sp_codec_stream {
    struct sp_source rx;
    struct sp_sink tx;
    struct sp_codec *codec;
    struct sp_arena *arena; /* the stream's: lives until on_stream_closed returned */
    uint64_t id;            /* HTTP/2 stream id; HTTP/1: 1, 2, ... */
    void *user;             /* the receiver's */
    uint64_t rx_head_bytes, rx_body_bytes, tx_head_bytes, tx_body_bytes; /* header and body bytes; no framing */
    struct sp_grave grave;  /* the codec's: frees the stream */
    bool held, gone;        /* see sp_codec_stream_hold */
    bool early;             /* server: its head came as early data of TLS, if only in part (RFC 8470 section 3) */
};

/*
 * Client: the heads that the stream delivered, and all else in its arena, live until sp_codec_stream_release, though the
 * stream itself may be over and even its codec freed. For who passes a head on: no copy of it is needed. Once a stream.
 */
void sp_codec_stream_hold(struct sp_codec_stream *cs);
/* They are gone at the end of the turn, if the stream is over. */
void sp_codec_stream_release(struct sp_codec_stream *cs, struct sp_turn *turn);
/* For the codecs, first thing in the call that frees: true when it is held, and comes again after the release. */
bool sp_codec_stream_stays(struct sp_codec_stream *cs);

/* Statistics events that the codec's owner counts (Envoy: http1.*, http2.*, and downstream_rq_* names). */
enum sp_codec_event {
    SP_CE_BAD_REQUEST,        /* malformed; detail says how ("http1.bad_content_length") */
    SP_CE_HEADERS_TOO_LARGE,  /* 431 or reset */
    SP_CE_TOO_MANY_HEADERS,
    SP_CE_URL_TOO_LONG,       /* 414 */
    SP_CE_RX_RESET, SP_CE_TX_RESET,
    SP_CE_GOAWAY_RECEIVED, SP_CE_GOAWAY_SENT,
    SP_CE_REFUSED_STREAM,     /* the peer reset a stream with REFUSED_STREAM; SP_CE_RX_RESET comes too */
    SP_CE_TRAILERS,           /* a message's trailers were received */
    SP_CE_FLOOD,              /* a frame flood limit; detail names it; the connection closes */
    SP_CE_HEADERS_DROPPED_UNDERSCORE, SP_CE_REQUESTS_REJECTED_UNDERSCORE,
    SP_CE_METADATA_REFUSED,
    SP_CE_PING_TIMEOUT,       /* a PING of the keepalive was not answered; the connection closes */
    SP_CE_HEADERS_TIMEOUT,    /* request_headers_timeout (408); from the wire, not from the codec */
    SP_CE_OVERLOAD,           /* a load shed point ended the connection; from the wire, too */
};

struct sp_codec_cb {
    /* Server: a request's head is complete (h is what will be delivered to rx.sink). Link rx and tx and return true,
     * or return false to refuse (HTTP/2: REFUSED_STREAM, HTTP/1: 503 and close). */
    bool (*on_stream)(void *ctx, struct sp_codec_stream *cs, struct sp_headers *h);
    void (*on_stream_closed)(void *ctx, struct sp_codec_stream *cs, enum sp_abort why);
    /* There is something to flush, or the codec wants to close, or it is ready for more input: run a turn. */
    void (*on_wake)(void *ctx);
    /* `detail` is a static string; status is what the codec answered to a request that never became a stream (0: nothing,
     * or the request has a stream, which is aborted and has its own line). For counters and the access log. */
    void (*on_event)(void *ctx, enum sp_codec_event ev, const char *detail, unsigned status);
    /* Server; may be NULL. The codec, or the wire, is about to answer by itself. True: `h` (made by the caller, empty) has
     * a status and lines, `body` a body, to be sent instead of what it would have said. */
    bool (*on_refusal)(void *ctx, unsigned status, const char *detail, struct sp_headers *h, struct sp_buf *body);
    /* Client: the peer will take no new streams (GOAWAY, Connection: close). */
    void (*on_draining)(void *ctx);
};

struct sp_codec_config {
    bool server;
    bool tls;                      /* sets :scheme of HTTP/1 requests to https */
    size_t high_water;             /* unsent bytes of one stream before its source is paused; default 64 KiB */
    size_t max_header_bytes;       /* default 60 KiB (Envoy max_request_headers_kb) */
    unsigned max_headers;          /* default 100 (max_headers_count) */
    size_t max_url_bytes;          /* default 16 KiB; HTTP/1: 414 */
    uint8_t underscores;           /* HeadersWithUnderscoresAction: 0 allow, 1 reject, 2 drop */
    /* HTTP/1 */
    bool h1_trailers;              /* enable_trailers: deliver them; else dropped */
    bool h1_accept_10;             /* accept_http_10; else 426 */
    struct sp_str h1_default_host; /* for HTTP/1.0 without Host */
    bool h1_allow_absolute_url;    /* Envoy default true */
    bool h1_allow_chunked_length;  /* with both Transfer-Encoding: chunked and Content-Length drop the latter; else 400 */
    bool h1_keep_open_on_error;    /* override_stream_error_on_invalid_http_message */
    bool raw;                      /* client: no HTTP is spoken, see below */
    /* HTTP/2 */
    uint32_t h2_max_streams;       /* default 100 */
    uint32_t h2_stream_window, h2_conn_window; /* default 64 KiB and 1 MiB */
    uint32_t h2_grown_window;      /* of a stream whose reader has kept up for a whole window; default 0: it does not grow */
    uint32_t h2_table_size;        /* default 4096 */
    size_t h2_conn_held_max;       /* default 8 MiB: received bytes held for paused readers before the window stops */
    uint32_t h2_max_outbound, h2_max_outbound_control; /* default 10000, 1000 */
    uint32_t h2_max_empty_frames;  /* default 1 */
    uint32_t h2_max_priority_per_stream, h2_max_window_update_per_data; /* default 100, 10 */
    bool h2_extended_connect;      /* server: offer RFC 8441 (allow_connect) */
    bool h2_stream_error_on_invalid; /* reset the stream rather than close the connection; our default true */
    uint64_t h2_ping_interval_ns, h2_ping_timeout_ns; /* connection_keepalive; 0 = off */
    uint64_t h2_ping_jitter_ns;    /* added to each interval at random, up to this */
};
/* The defaults above. */
void sp_codec_config_init(struct sp_codec_config *c, bool server);
/* One copy, h1_default_host's text too, for all codecs of the thread that have the same: so that a connection holds a pointer
 * and not 144 bytes. Each share is given back by an unshare, on the same thread. */
const struct sp_codec_config *sp_codec_config_share(const struct sp_codec_config *c);
void sp_codec_config_unshare(const struct sp_codec_config *c);

struct sp_codec_ops {
    const char *name; /* "http1", "http2" */
    enum sp_protocol protocol;
    /* Consumes what it can from `in`; the rest stays (HTTP/1 while paused or while an earlier request is not answered).
     * 0, or -EPROTO: the connection must close once flushed. */
    int (*feed)(struct sp_codec *c, struct sp_buf *in);
    /* The peer ended its side (feed has had all it wanted). Open streams are ended or aborted. SP_ABORT_CLOSED is an orderly
     * end (FIN; over TLS a close_notify), which may end a body that is delimited by it; SP_ABORT_RESET is any other. */
    void (*eof)(struct sp_codec *c, enum sp_abort why);
    /* Appends what is to be sent, up to about `room` bytes (0: control frames only). Called once a turn. */
    void (*flush)(struct sp_codec *c, struct sp_buf *out, size_t room);
    /* Client: a new exchange whose response goes to `response`. NULL when none can be opened now. */
    struct sp_codec_stream *(*open)(struct sp_codec *c, struct sp_sink *response);
    /* No new streams. Graceful: HTTP/2 server sends GOAWAY(2^31-1) first and the final one on the next call; HTTP/1 answers
     * the request under way with Connection: close. */
    void (*goaway)(struct sp_codec *c);
    /* Client: how many more streams may be opened now. */
    unsigned (*room)(struct sp_codec *c);
    /* May be NULL. There has been no stream for a while: memory that is of no use until there is one may go. */
    void (*rest)(struct sp_codec *c);
    /* Closes every stream (on_stream_closed(SP_ABORT_CLOSED)) and frees the codec. */
    void (*destroy)(struct sp_codec *c);
    /* May be NULL. Bytes of bodies that the stream holds, either way. */
    size_t (*held)(const struct sp_codec_stream *cs);
};

struct sp_codec {
    const struct sp_codec_ops *ops;
    const struct sp_codec_cb *cb;
    void *ctx;
    struct sp_turn *turn;
    const struct sp_codec_config *config; /* shared */
    unsigned n_streams;      /* not yet closed */
    bool want_close;         /* close the connection once all output was sent */
    bool want_reset;         /* close it now, and by reset: a message was cut short, which its end would hide */
    bool want_read;          /* false while the codec would not consume more input */
    bool tunnel;             /* HTTP/1: the protocol was switched: an end of input is one half's end only */
    bool want_fin;           /* HTTP/1: the tunnel's half that is sent has ended: tell the peer once all output was sent */
    bool draining;
    bool last_answer;        /* HTTP/1 server: the next answer is the last, but an idle connection stays */
    bool may_wait;           /* HTTP/2 server: all that the last flush gave is SETTINGS, while an answer is due */
    bool later;              /* HTTP/1 server: with on_wake, which takes it: input waits, but others' turn comes first */
    bool lingers;            /* HTTP/2 server: answered requests still arrive, which ends soon; a drain waits for it */
    /* Server: the head of a request, or an HTTP/2 header block, has begun and is not complete. The wire reads it after
     * feed and runs request_headers_timeout by it. */
    bool in_head;
    bool early;              /* server, of the wire, for feed: what is given may have come as early data */
};

/*
 * `config` is copied.
 *
 * HTTP/1 (RFC 9112; how strict: http/h1_parse.h).
 *
 * What is malformed the server answers itself (a line of text, Connection: close) and reports by on_event; on_stream does
 * not come. If a body turns out to be malformed, rx.sink is aborted with SP_ABORT_PROTOCOL; the receiver may answer from
 * within that call; if it does not and had not begun to, the codec cancels tx.source and answers 400 itself. The client
 * aborts a malformed response with SP_ABORT_PROTOCOL.
 *
 * Headers of the connection (Connection and what it names, Keep-Alive, Transfer-Encoding, TE but for "trailers", Upgrade)
 * are neither delivered nor sent; framing is the codec's own. An sp_headers given to tx with "connection: close" ends
 * the connection after the response.
 *
 * Tunnels. CONNECT is delivered with an empty path, and with `protocol` SP_CONNECT. An offer to upgrade (but h2c, which is passed over) is delivered with `protocol` set and without an end, and
 * so is HTTP/2's extended CONNECT (RFC 8441), as GET: both codecs speak of it in the same way. Whoever takes the offer
 * answers 101 with `protocol` set (HTTP/2 sends 200), a CONNECT with 2xx and `protocol`; from then on what comes and goes is
 * the tunnel's. Any other answer ends the HTTP/1 connection; one that would be read as a tunnel is made a 502. A client sends a
 * request with `protocol`; its sink gets 101 (CONNECT: 2xx) with the same `protocol`, or a response like any other. Nothing may be sent behind such a request before 101 came: what a client says to an origin
 * that did not switch would be its next request. An origin that says 101 unasked, or names another protocol, broke HTTP.
 * At either end a half may end before the other; the server's own end ends the tunnel.
 *
 * Raw (config.raw, client): the connection is a tunnel from its first byte. The request's head is not sent, and 200 with its
 * `protocol` answers it at once; bytes that came before wait for it.
 *
 * Expect: 100-continue is delivered as a header, and it is the receiver's business to send a head of status 100 when it
 * wants the body. A final answer before that closes the connection. 1xx heads go to HTTP/1.1 peers only.
 *
 * The server reads the next request when the one before was answered. A response that ends before its request did is sent
 * in full; the request half is aborted with SP_ABORT_CANCEL, what is left of it is read and dropped if that is little,
 * else the connection is closed. What a message lacks of its Content-Length, or has too much, resets the connection.
 *
 * The client runs one exchange at a time. A response that ends before its request was sent cancels tx.source and closes
 * the connection; so does ending either half early.
 */
struct sp_codec *sp_h1_new(struct sp_turn *turn, const struct sp_codec_config *config, const struct sp_codec_cb *cb,
                           void *ctx);
struct sp_codec *sp_h2_new(struct sp_turn *turn, const struct sp_codec_config *config, const struct sp_codec_cb *cb,
                           void *ctx);

#endif
