/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recording user of a codec, either side: what a stream layer is to the product.  Each exchange notes what it was
 * told and checks the order that http/message.h promises; hooks let a test act from inside the callbacks.  One thread.
 */
#ifndef TEST_CODEC_USER_H
#define TEST_CODEC_USER_H

#include "http/codec.h"

struct cu_side;

struct cu_exchange {
    struct sp_sink rx;     /* fed by the codec */
    struct sp_source tx;   /* feeds the codec */
    struct cu_side *side;
    struct sp_codec_stream *cs; /* NULL after on_stream_closed */
    struct sp_headers *head, *trailers; /* the last; NULL once closed */
    bool got_trailers;
    unsigned n_heads, n_data;
    struct sp_buf body;
    bool keep_body;        /* else counted only */
    uint64_t n_body;
    bool ended;            /* end of the arriving half */
    bool aborted, cancelled, closed;
    enum sp_abort abort_why, cancel_why, closed_why;
    unsigned pauses, resumes; /* as a source */
    bool tx_begun, tx_ended;  /* for the test's own use, as is user_pauses */
    unsigned user_pauses;
    char method[16], path[256], authority[64], scheme[8];
    unsigned status;
};

enum cu_point { CU_STREAM, CU_HEADERS, CU_DATA, CU_TRAILERS, CU_ABORT, CU_PAUSE, CU_RESUME, CU_CANCEL, CU_CLOSED };

enum { CU_MAX = 4096 };

struct cu_side {
    struct sp_codec *codec;
    struct sp_codec_config config;
    struct sp_turn *turn;
    struct cu_exchange *x[CU_MAX]; /* n of them, in the order they came */
    unsigned n, n_closed;
    bool refuse, keep_bodies;
    void (*hook)(struct cu_side *side, struct cu_exchange *x, enum cu_point at);
    unsigned events[16];
    const char *last_detail; /* of the last event but resets */
    unsigned last_status;
    unsigned wakes, drains;
    struct sp_buf out;     /* flushed, not fed to the other side */
    bool flushing;
};

void cu_init(struct cu_side *s, struct sp_turn *turn, bool server);
/* sp_h1_new or sp_h2_new */
typedef struct sp_codec *cu_make(struct sp_turn *, const struct sp_codec_config *, const struct sp_codec_cb *, void *);
void cu_start(struct cu_side *s, cu_make *make);
void cu_done(struct cu_side *s); /* destroys the codec if it is there, frees the exchanges */

/* Client: an exchange; NULL when the codec has no room. */
struct cu_exchange *cu_open(struct cu_side *s);
/* In the exchange's arena. */
struct sp_headers *cu_request(struct cu_exchange *x, const char *method, const char *path);
struct sp_headers *cu_response(struct cu_exchange *x, unsigned status);
struct sp_headers *cu_trailers(struct cu_exchange *x);
void cu_add(struct sp_headers *h, const char *name, const char *value);
void cu_send(struct cu_exchange *x, struct sp_headers *h, bool end);
/* n bytes of a pattern that goes on where the last call of this exchange left off. */
void cu_send_data(struct cu_exchange *x, size_t n, bool end);
uint8_t cu_pattern(uint64_t at);
/* Whether the kept body is that pattern. */
bool cu_body_ok(const struct cu_exchange *x, uint64_t n);

int cu_feed(struct cu_side *s, struct sp_buf *in);
/* Bytes, `piece` at a time in segments of their own (0: all at once). */
int cu_feed_bytes(struct cu_side *s, const struct sp_buf *in, size_t piece);
void cu_flush(struct cu_side *s, size_t room); /* into s->out */

/* Moves bytes both ways, in pieces, with `room` for each flush, and ends turns, until nothing moves. */
void cu_pump(struct cu_side *a, struct cu_side *b, size_t piece, size_t room);
void cu_turn(struct sp_turn *t, uint64_t forward_ns);

#endif
