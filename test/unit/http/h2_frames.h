/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP/2 frames made and read by hand, for tests that play a peer no library would: every byte is the test's.  Header
 * blocks are HPACK literals without indexing unless the test writes its own.  One thread.
 */
#ifndef TEST_H2_FRAMES_H
#define TEST_H2_FRAMES_H

#include "base/buf.h"

enum h2f_type {
    H2F_DATA, H2F_HEADERS, H2F_PRIORITY, H2F_RST_STREAM, H2F_SETTINGS, H2F_PUSH_PROMISE, H2F_PING, H2F_GOAWAY,
    H2F_WINDOW_UPDATE, H2F_CONTINUATION
};
enum { H2F_END_STREAM = 1, H2F_ACK = 1, H2F_END_HEADERS = 4, H2F_PADDED = 8, H2F_PRIORITY_FLAG = 0x20 };

/* A header block under construction. */
struct h2f_block {
    uint8_t v[300000];
    size_t n;
};

void h2f_preface(struct sp_buf *to); /* magic and an empty SETTINGS */
void h2f_frame(struct sp_buf *to, unsigned type, unsigned flags, uint32_t id, const void *payload, size_t n);
void h2f_u32(struct sp_buf *to, unsigned type, unsigned flags, uint32_t id, uint32_t value); /* RST, WINDOW_UPDATE */
void h2f_setting(struct sp_buf *to, unsigned id, uint32_t value);
void h2f_ping(struct sp_buf *to, unsigned flags);
void h2f_goaway(struct sp_buf *to, uint32_t last, uint32_t code);

void h2f_field(struct h2f_block *b, const char *name, const char *value);
void h2f_field_n(struct h2f_block *b, struct sp_str name, struct sp_str value);
/* name, value, ... NULL */
void h2f_headers(struct sp_buf *to, uint32_t id, unsigned flags, ...);
/* As one HEADERS frame, or with `piece` > 0 as HEADERS and CONTINUATIONs of that many bytes. */
void h2f_block(struct sp_buf *to, uint32_t id, unsigned flags, const struct h2f_block *b, size_t piece);
/* GET / of www.example.com with END_STREAM or not. */
void h2f_get(struct sp_buf *to, uint32_t id, unsigned flags);
void h2f_post(struct sp_buf *to, uint32_t id, unsigned flags);

/* Reading. */
struct h2f_frame {
    uint32_t length, id;
    uint8_t type, flags;
    const uint8_t *payload;
};
/* Takes the next frame out of `from`; false when there is none. The payload lives until the next call. */
bool h2f_next(struct sp_buf *from, struct h2f_frame *ret);
uint32_t h2f_get32(const uint8_t *p);

#endif
