/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of a wire share: the connection's state, its deadlines and its end.  Private to http/wire_*.
 *
 *   wire_turn   the public calls, and one turn: input, clock, output, what comes next
 *   wire_open   first bytes, handshake, choice of the codec
 *   wire_io     bytes between transport, TLS and codec
 *   wire_close  draining, the last answer, lingering
 *
 * All work is done in wire_turn's deferred call; callbacks of the transport and of the timer only note what happened
 * and ask for it.  So nothing ends inside an owner's call, and the output of a turn is one write.
 *
 * An idle connection is kept small: what only the opening needs is allocated apart and freed, so is what TLS needs.
 */
#ifndef SP_HTTP_WIRE_STATE_H
#define SP_HTTP_WIRE_STATE_H

#include "http/wire.h"

enum sp_wire_phase {
    SP_WP_CONNECT,   /* client: until the transport is connected */
    SP_WP_FIRST,     /* server: until the owner has taken what comes before all else */
    SP_WP_HELLO,     /* server: until the first bytes show what it is */
    SP_WP_HANDSHAKE,
    SP_WP_HELD,      /* TLS is open, and the owner has to say that it may go on */
    SP_WP_PREFACE,   /* server: until the bytes show whether it is HTTP/2 */
    SP_WP_OPEN,
    SP_WP_CLOSING,   /* everything is handed to the transport; the codec is gone; the peer may still read */
    SP_WP_DEAD,
};

struct sp_wire_opening {
    struct sp_codec_config config;
    uint8_t codec; /* enum sp_codec_kind */
    struct sp_buf first; /* to be sent before all else */
    struct sp_race *race; /* connects under way; NULL: none, or a transport's own */
};

struct sp_wire_tls {
    struct sp_tls *tls;
    struct sp_tls_ctx *ctx;
    struct sp_buf app_in, app_out, net_out;
    uint64_t early_due;   /* server, while early data is read: when the handshake has to be done; else 0 */
    uint32_t early_taken; /* how much of the early data the codec has taken */
};

struct sp_wire {
    struct sp_worker *worker;
    struct sp_transport *transport;   /* NULL: could not even begin to connect, or it is raced for */
    const struct sp_wire_cb *cb;
    const struct sp_codec_cb *codec_cb;
    void *ctx;
    struct sp_codec *codec;
    struct sp_wire_tls *tls;          /* NULL: plain */
    struct sp_wire_opening *opening;  /* until the codec exists */
    const char *text;                 /* why it ends; static */
    struct sp_defer run;
    union {
        struct sp_timer timer;        /* the one timer: for the earliest deadline */
        struct sp_grave grave;
    };
    uint64_t phase_due, age_due;      /* 0: none */
    uint64_t rest_due;                /* when the codec's memory may go; 0: it went, or is needed */
    union {
        struct {
            uint32_t idle_ms, headers_ms;
        };
        struct {
            uint32_t lingered, left;  /* while closing: bytes dropped; unread by the peer when last looked at */
        };
    };
    uint32_t delayed_ms, drain_ms, high_water;
    uint32_t in_seen;                 /* of the transport's input: counted already */
    uint32_t rx, tx;                  /* not yet told to on_bytes */
    int16_t in_err, write_err, end_err; /* negative errno, uv's too */
    uint8_t phase, end, tls_state;    /* enum sp_wire_phase, sp_wire_end, sp_tls_state */
    uint8_t drain_step, extended;
    bool server, inspect;
    bool connected;
    bool in_end, eof_told;            /* the transport has no more input; the codec knows */
    bool failed;                      /* the codec gave up */
    bool idling, heading, new_head;   /* what phase_due means in SP_WP_OPEN */
    bool close_asked, close_reset, proceed;
    bool draining, again, fin_sent, safe_age;
    bool sheds;                       /* the idle time gets shorter while the process is overloaded */
};

_Static_assert(SP_WIRE_LOCAL == 0, "the end that is meant when nothing else was noted");

/* Where the codec's input and output stand. */
struct sp_buf *sp_wire_app_in(struct sp_wire *w);
/* Bytes on their way out, before and in the transport. */
size_t sp_wire_out_held(const struct sp_wire *w);

/* Whether data goes through TLS, both ways. */
static inline bool sp_wire_tls_up(const struct sp_wire *w)
{
    return w->tls_state == SP_TLS_OPEN || w->tls_state == SP_TLS_EARLY;
}

static inline uint64_t sp_wire_now(const struct sp_wire *w)
{
    return w->worker->turn.now_ns;
}

/* Sets or clears (0) the deadline of the phase. */
void sp_wire_set_due(struct sp_wire *w, uint64_t delay_ns);
bool sp_wire_due(const struct sp_wire *w, uint64_t deadline);
/* phase_due as it is now: while the process is overloaded, idle connections have less time. */
uint64_t sp_wire_phase_due(const struct sp_wire *w);
/* Arms the timer for the earliest deadline. */
void sp_wire_arm(struct sp_wire *w);
/* Notes how much came in, before anybody takes of it; tells the owner what came and went. */
void sp_wire_count_in(struct sp_wire *w);
void sp_wire_tell_bytes(struct sp_wire *w);

/* The end: closes the codec's streams, tells the owner, buries the wire. Only from the deferred call. */
void sp_wire_finish(struct sp_wire *w, enum sp_wire_end why, int err, bool reset);
/* Frees what it owns but the transport. */
void sp_wire_free_tls(struct sp_wire *w);

#endif
