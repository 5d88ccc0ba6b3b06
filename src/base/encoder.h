/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_encoder: compresses a stream of bytes as gzip (RFC 1952, zlib) or brotli (RFC 7932).  One stream's; one thread.  What
 * was put in comes out at once (each piece is flushed), so that nobody waits for what is in here.
 */
#ifndef SP_BASE_ENCODER_H
#define SP_BASE_ENCODER_H

#include "base/buf.h"

struct sp_encoder;

struct sp_gzip_options {
    int level;       /* 1 to 9; -1: zlib's own */
    int strategy;    /* zlib's numbers */
    int window_bits; /* 9 to 15 */
    int memory_level; /* 1 to 9 */
};
struct sp_brotli_options {
    unsigned quality, window_bits, block_bits, mode;
    bool no_literal_context;
};

/* NULL: there is no memory for it. */
struct sp_encoder *sp_encoder_gzip(const struct sp_gzip_options *o);
struct sp_encoder *sp_encoder_brotli(const struct sp_brotli_options *o);
void sp_encoder_free(struct sp_encoder *e); /* NULL-safe */
/* Takes all of `in`; `end`: nothing follows. False when the library failed: what came out is of no use. */
bool sp_encoder_run(struct sp_encoder *e, struct sp_buf *in, bool end, struct sp_buf *out);

#endif
