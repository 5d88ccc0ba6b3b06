/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of HTTP/1 messages and what the parser makes of them (h1_dump.h). Each message is fed whole, byte by byte and cut
 * at every place, with the same result.
 */
#ifndef TEST_H1_TABLE_H
#define TEST_H1_TABLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/http/h1_dump.h"

struct message {
    const char *bytes, *expected;
    size_t len;
};

/* What the messages are read by; a test may change it. */
extern struct sp_codec_config h1_config;

/* For cmocka: a server's defaults before each test; what the thread keeps, freed. */
int h1_setup(void **state);
int h1_teardown(void **state);

/* Fed once, cut at `first` (0: not), then in pieces. */
void h1_expect(enum sp_h1_kind kind, const char *bytes, size_t n, const char *expected, size_t first, size_t piece);
void h1_check(enum sp_h1_kind kind, const struct message *m);
void h1_check_all(enum sp_h1_kind kind, const struct message *table, size_t n);

#define CHECK_ALL(kind, table) h1_check_all((kind), (table), SP_ARRAY_LEN(table))
#define M(text, want)                                                                                                  \
    {                                                                                                                  \
        (text), (want), sizeof(text) - 1                                                                               \
    }
#define CHECK(kind, text, want) h1_check((kind), &(struct message)M(text, want))
/* A request with one more line. */
#define WITH(line) "POST / HTTP/1.1\r\nHost: a\r\n" line "\r\n\r\n"
/* A request with a chunked body. */
#define CHUNKED(body) "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" body
#define CHUNKED_GOT "POST http a / 1.1"

#endif
