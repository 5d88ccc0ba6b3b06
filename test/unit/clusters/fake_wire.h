/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fake of http/wire's client half and of its codec: connections that connect, answer, break and close when the test says
 * so.  It stands before the real one in the link, so every test of this directory runs on it.
 */
#ifndef TEST_CLUSTERS_FAKE_WIRE_H
#define TEST_CLUSTERS_FAKE_WIRE_H

#include "base/list.h"
#include "http/wire.h"

enum { FAKE_MAX = 64 };

struct fake_exchange {
    struct sp_codec_stream cs;
    struct sp_arena arena;
    struct sp_list link;
    struct sp_wire *wire;
    struct sp_headers *request;  /* NULL: not sent yet */
    char body[4096];
    size_t body_len, body_total; /* total: more than `body` holds */
    bool tx_ended, tx_trailers, tx_aborted, rx_ended, rx_cancelled;
    int paused;                  /* pauses of the response that were not resumed */
    enum sp_abort why;
    bool closed;                 /* on_stream_closed was called; freed at the end of the turn */
    struct sp_grave grave;
};

struct sp_wire { /* the test's own: nothing else looks inside */
    struct sp_codec codec;
    struct sp_worker *worker;
    struct sp_addr to;
    struct sp_wire_setup setup;
    char sni[256], verify_name[256];
    const struct sp_wire_cb *cb;
    const struct sp_codec_cb *codec_cb;
    void *ctx;
    struct sp_list streams;
    struct sp_defer run;
    struct sp_grave grave;
    bool ready, dead, close_asked, drain_asked, goaway;
    unsigned max_streams;        /* HTTP/2: what the host allows; default 100 */
    unsigned n_opened;
};

/* All that were ever made, in order; those that ended too, until fake_reset. */
extern struct sp_wire *fake_wires[FAKE_MAX];
extern unsigned fake_n;
/* Streams that are open on a wire. */
struct fake_exchange *fake_stream_at(struct sp_wire *w, unsigned i);
/* Not closed yet. */
unsigned fake_alive(void);
void fake_reset(void);

void fake_connect(struct sp_wire *w); /* by the kind asked for; AUTO: HTTP/2 */
void fake_connect_as(struct sp_wire *w, bool h2);
/* Ends the connection: streams are aborted with `abort`, then on_closed. */
void fake_end(struct sp_wire *w, enum sp_wire_end why, int err, const char *text, enum sp_abort abort);
void fake_goaway(struct sp_wire *w);

void fake_respond(struct fake_exchange *s, unsigned status, bool end);
/* `lines`: "name: value" lines beside :status. */
void fake_respond_with(struct fake_exchange *s, const char *lines, bool end);
void fake_data(struct fake_exchange *s, const char *text, bool end);
void fake_bytes(struct fake_exchange *s, const void *bytes, size_t n, bool end);
void fake_trailers(struct fake_exchange *s);
void fake_trailer(struct fake_exchange *s, const char *name, const char *value);
void fake_abort(struct fake_exchange *s, enum sp_abort why);
/* The codec's own backpressure of the request. */
void fake_pause_request(struct fake_exchange *s);
void fake_resume_request(struct fake_exchange *s);

#endif
