/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs http/h1_parse over a whole message and writes down what came out, for tables of messages. */
#ifndef TEST_H1_DUMP_H
#define TEST_H1_DUMP_H

#include "http/h1_parse.h"

/*
 * Feeds `n` bytes in pieces of `piece` bytes, each in a segment of its own, the first piece being `first` bytes (0:
 * none). Returns a heap string: "!detail" when refused, "..." when more is needed, else the head as "METHOD scheme
 * authority path 1.1" or "STATUS 1.1", then " name=value" for each line, a '|', the body, '|' and the trailers when the
 * body was chunked, and "+N" when N bytes were left over.
 */
char *h1_dump(enum sp_h1_kind kind, const struct sp_codec_config *config, const char *bytes, size_t n, size_t first,
              size_t piece);

#endif
