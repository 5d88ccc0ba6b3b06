/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A codec with users that write down all they are told, one event a line, for tests:
 *
 *   stream 1 GET http a /                 cb->on_stream
 *   1: headers [end] / data "..." [end] / trailers a=b / abort WHY       the rx sink
 *   1: pause / resume / cancel WHY                                       the tx source
 *   1: closed WHY                         cb->on_stream_closed
 *   event DETAIL STATUS / draining / EPROTO
 */
#ifndef TEST_H1_PEER_H
#define TEST_H1_PEER_H

#include "http/codec.h"

struct user {
    struct sp_sink sink;     /* of what arrives */
    struct sp_source source; /* of what is sent */
    struct sp_codec_stream *cs;
    struct peer *peer;
    struct sp_headers *headers; /* the last that came */
    bool closed;
    uint64_t rx_bytes, tx_bytes; /* of the bodies, once closed */
};

struct peer {
    struct sp_turn turn;
    struct sp_codec_config config;
    struct sp_codec *codec;
    struct sp_buf in, out;
    char log[16384];
    size_t log_len, log_seen;
    struct user *user; /* of the newest stream */
    struct user *users[64];
    unsigned n_users, wakes;
    bool refuse; /* on_stream returns false */
    bool quiet;  /* writes nothing down */
    /* Called after the event was written down; NULL: nothing. */
    void (*on_headers)(struct user *u, struct sp_headers *h, bool end);
    void (*on_data)(struct user *u, bool end);
    void (*on_abort)(struct user *u, enum sp_abort why);
};

void peer_init(struct peer *p, bool server);
/* Makes the codec from p->config. */
void peer_start(struct peer *p);
void peer_done(struct peer *p);
/* Appends to p->in and feeds; what was not consumed stays there. */
void peer_feed(struct peer *p, const char *bytes);
void peer_feed_n(struct peer *p, const char *bytes, size_t n);
/* The same, byte by byte, flushing after each. */
void peer_drip(struct peer *p, const char *bytes);
/* Flushes, with room for everything or for so much, feeds again if the codec asks for it, ends the turn. */
void peer_flush(struct peer *p);
void peer_flush_n(struct peer *p, size_t room);
/* What was flushed since the last call; valid until the next. */
const char *peer_sent(struct peer *p);
/* What was written down since the last call. */
const char *peer_log(struct peer *p);

struct user *peer_open(struct peer *p); /* client */
/* Sends by the user's stream. `lines` is "name: value\n..." */
void user_respond(struct user *u, unsigned status, const char *lines, bool end);
void user_request(struct user *u, const char *method, const char *path, const char *lines, bool end);
void user_data(struct user *u, const char *bytes, bool end);
void user_data_n(struct user *u, size_t n, bool end);
void user_trailers(struct user *u, const char *lines);
void user_abort(struct user *u, enum sp_abort why);
void user_pause(struct user *u);
void user_resume(struct user *u);
void user_cancel(struct user *u, enum sp_abort why);

#endif
