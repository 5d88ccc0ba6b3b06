/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ClientHellos for tests, made piece by piece so that each piece can be wrong.
 */
#ifndef TEST_NET_HELLO_H
#define TEST_NET_HELLO_H

#include "base/buf.h"

struct t_bytes {
    uint8_t p[70000];
    size_t n;
};

void t_put(struct t_bytes *b, const void *p, size_t n);
void t_u8(struct t_bytes *b, unsigned v);
void t_u16(struct t_bytes *b, unsigned v);
void t_u24(struct t_bytes *b, unsigned v);
/* "16 03 01": white space between is ignored. */
void t_hex(struct t_bytes *b, const char *hex);
/* An extension with this body. */
void t_ext(struct t_bytes *b, unsigned type, const char *hex);
void t_ext_sni(struct t_bytes *b, const char *name, size_t n);

/* What every good ClientHello of TLS 1.3 carries beside SNI and ALPN. */
void t_exts_13(struct t_bytes *b);
/* A ClientHello message, with its head, around these extensions (NULL: no extension block at all). */
void t_hello(struct t_bytes *b, const struct t_bytes *extensions);
/* The message in records of at most `max` bytes. */
void t_records(struct t_bytes *out, const struct t_bytes *message, size_t max);

#endif
