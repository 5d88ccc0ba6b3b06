/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of the HTTP/1 codec (sp_h1_new of http/codec.h): one connection, at most one exchange on it.  h1_codec.c
 * has its life and the operations; h1_rx.c delivers what arrives, with h1_server.c and h1_client.c for what differs;
 * h1_tx.c is the sink of what is sent; h1_write.c formats heads.  One thread.
 *
 * The input has a stage of its own (h1->stage), apart from the stream's halves: a stream may be over while the rest of
 * its request is still read and dropped.
 */
#ifndef SP_HTTP_H1_CODEC_H
#define SP_HTTP_H1_CODEC_H

#include "http/h1_parse.h"

enum {
    SP_H1_DROP_MAX = 64 * 1024, /* of a request that nobody wants: more is not worth keeping the connection */
    SP_H1_INFORMATIONAL_MAX = 16,
};

enum sp_h1_stage {
    SP_H1_STAGE_HEAD, /* between messages, or in a head */
    SP_H1_STAGE_BODY,
    SP_H1_STAGE_DEAD, /* nothing more is read: what comes is dropped */
};

enum sp_h1_tx { SP_H1_TX_HEAD, SP_H1_TX_BODY, SP_H1_TX_OVER };

/* How the body that is sent is framed. */
enum sp_h1_framing { SP_H1_TX_NONE, SP_H1_TX_LENGTH, SP_H1_TX_CHUNKED, SP_H1_TX_UNTIL_EOF };

struct sp_h1 {
    struct sp_codec codec;
    struct sp_h1_stream *stream; /* the exchange under way, or NULL */
    uint64_t last_id;
    uint8_t stage;    /* enum sp_h1_stage */
    uint8_t in_row;   /* requests that began where the one before ended; wraps */
    bool close_after : 1; /* no exchange after this one */
    bool failed : 1;      /* the peer broke the protocol */
    bool leftover : 1;    /* the last feed left bytes: a further one may take them */
    bool told_draining : 1;
    uint32_t dropped; /* bytes of the body that were read for nobody: not many more than SP_H1_DROP_MAX */
    /* What is being read, or the trailers while a body is: they never meet. NULL between messages: idle connections are many. */
    struct sp_h1_head *head;
    union {
        struct sp_h1_body body;
        struct sp_grave grave; /* once it is destroyed */
    };
    struct sp_buf out; /* the codec's own answers */
};

struct sp_h1_stream {
    struct sp_codec_stream cs;
    struct sp_arena arena; /* the stream itself lives in it */
    struct sp_headers headers;
    struct sp_buf out; /* what is to be sent, beginning with the head */
    unsigned rx_pauses;
    bool rx_over; /* nothing more is delivered */
    bool rx_cancelled;
    bool tx_paused;        /* by us */
    bool tx_cut;           /* the half ended early: its source is to be told, and the peer not to take it as whole */
    bool tx_aborted;       /* by its source, which knows */
    bool tx_refused;       /* answered in its stead: its source is to be told */
    bool eof;              /* the body ended with the connection; to be delivered when the reader goes on */
    uint8_t tx;            /* enum sp_h1_tx */
    uint8_t framing;       /* enum sp_h1_framing */
    uint8_t informational; /* 1xx heads that came */
    bool head_only;        /* the request's method is HEAD */
    bool old;              /* the peer speaks HTTP/1.0 */
    bool keep_alive;       /* as far as the request has it */
    bool tunnel;           /* 101 was sent, came */
    struct sp_str upgrade; /* the protocol that the request offers; empty: none */
    bool connect;          /* by CONNECT: it is taken with 2xx, not with 101 */
    bool raw_answer;       /* config.raw: the request's head was given, and its answer is to be delivered */
    bool expects;          /* 100 Continue, and neither that nor the body has been seen */
    enum sp_abort why;     /* of the end, for on_stream_closed */
    uint64_t tx_left;      /* of SP_H1_TX_LENGTH */
};

static inline struct sp_h1 *sp_h1_of(struct sp_codec *c)
{
    return SP_CONTAINER_OF(c, struct sp_h1, codec);
}

/* h1_codec.c */
struct sp_h1_stream *sp_h1_stream_new(struct sp_h1 *h1);
/* h1->head, made where there is none. */
struct sp_h1_head *sp_h1_head_for(struct sp_h1 *h1, enum sp_h1_kind kind);
/* A stream that was never announced. */
void sp_h1_stream_drop(struct sp_h1 *h1, struct sp_h1_stream *s);
/* Ends the exchange if both halves are over and all was handed out. */
void sp_h1_try_close(struct sp_h1 *h1);
void sp_h1_wake(struct sp_h1 *h1);
void sp_h1_event(struct sp_h1 *h1, enum sp_h1_err err, unsigned status);
/* Ends what is left of the stream's halves, telling both users. */
void sp_h1_abort_rx(struct sp_h1_stream *s, enum sp_abort why);
void sp_h1_cancel_tx(struct sp_h1_stream *s, enum sp_abort why);
/* The client will take no new streams. */
void sp_h1_set_draining(struct sp_h1 *h1);

/* h1_rx.c */
extern const struct sp_source_ops sp_h1_rx_ops;
/* Reads one message's body further. False: no more can be done now. */
bool sp_h1_read_body(struct sp_h1 *h1, struct sp_buf *in);
void sp_h1_deliver_headers(struct sp_h1_stream *s, struct sp_headers *h, bool end);
void sp_h1_deliver_data(struct sp_h1_stream *s, struct sp_buf *data, bool end);

/* h1_server.c, h1_client.c: the stage is HEAD and `in` is not empty. False: no more can be done now. */
bool sp_h1_read_request(struct sp_h1 *h1, struct sp_buf *in);
bool sp_h1_read_response(struct sp_h1 *h1, struct sp_buf *in);
/* The body is malformed. */
void sp_h1_bad_request_body(struct sp_h1 *h1, enum sp_h1_err err);
void sp_h1_bad_response(struct sp_h1 *h1, enum sp_h1_err err);
/* Client: what follows is the tunnel's. Delivers the response's head. */
void sp_h1_begin_tunnel(struct sp_h1 *h1, struct sp_h1_stream *s, struct sp_headers *h);
/* The response was read to its end. */
void sp_h1_response_over(struct sp_h1 *h1);

/* h1_raw.c. Config.raw: the answer that nobody sends. */
void sp_h1_raw_answer(struct sp_h1 *h1, struct sp_h1_stream *s);

/* h1_tx.c */
extern const struct sp_sink_ops sp_h1_tx_ops;

/* h1_write.c. -EINVAL: a name or value is none that HTTP/1 can carry; nothing was written. */
int sp_h1_write_response(struct sp_h1_stream *s, const struct sp_headers *h, bool end, bool may_keep, bool *ret_close);
int sp_h1_write_request(struct sp_h1_stream *s, const struct sp_headers *h, bool end);
/* The last chunk, with trailers (or NULL). */
int sp_h1_write_trailers(struct sp_h1_stream *s, const struct sp_headers *t);
/* An answer of the codec's own, complete: as cb->on_refusal has it, else a line of text. Returns its status. */
unsigned sp_h1_write_error(const struct sp_codec_cb *cb, void *ctx, const char *detail, struct sp_buf *out, unsigned status,
                           bool close, bool head_only);

#endif
