/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/encoder.h"

#include <assert.h>
#include <brotli/encode.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/mem.h"

enum { GZIP_HEADER = 16, PIECE = 4096 };

struct sp_encoder {
    z_stream z;
    BrotliEncoderState *brotli; /* NULL: gzip */
};

struct sp_encoder *sp_encoder_gzip(const struct sp_gzip_options *o)
{
    assert(o);
    struct sp_encoder *e = sp_xcalloc(1, sizeof(*e));
    if (deflateInit2(&e->z, o->level, Z_DEFLATED, o->window_bits + GZIP_HEADER, o->memory_level, o->strategy) == Z_OK)
        return e;
    free(e);
    return NULL;
}

struct sp_encoder *sp_encoder_brotli(const struct sp_brotli_options *o)
{
    assert(o);
    struct sp_encoder *e = sp_xcalloc(1, sizeof(*e));
    e->brotli = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    if (e->brotli && BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_QUALITY, o->quality) &&
        BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_LGWIN, o->window_bits) &&
        BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_LGBLOCK, o->block_bits) &&
        BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_MODE, o->mode) &&
        BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING, o->no_literal_context))
        return e;
    sp_encoder_free(e);
    return NULL;
}

void sp_encoder_free(struct sp_encoder *e)
{
    if (!e)
        return;
    if (e->brotli)
        BrotliEncoderDestroyInstance(e->brotli);
    else if (e->z.state)
        deflateEnd(&e->z);
    free(e);
}

/* One piece of input, all of which is taken; `flush`: zlib's. */
static bool run_gzip(struct sp_encoder *e, struct sp_str piece, int flush, struct sp_buf *out)
{
    e->z.next_in = (Bytef *)(uintptr_t)piece.ptr;
    e->z.avail_in = (uInt)piece.len;
    for (;;) {
        size_t room;
        char *p = sp_buf_reserve(out, PIECE, &room);
        e->z.next_out = (Bytef *)p;
        e->z.avail_out = (uInt)room;
        int r = deflate(&e->z, flush);
        sp_buf_commit(out, room - e->z.avail_out);
        if (r == Z_STREAM_END)
            return true;
        if (r != Z_OK && r != Z_BUF_ERROR)
            return false;
        if (e->z.avail_out && !e->z.avail_in && flush != Z_FINISH)
            return true;
    }
}

static bool run_brotli(struct sp_encoder *e, struct sp_str piece, BrotliEncoderOperation op, struct sp_buf *out)
{
    const uint8_t *next_in = (const uint8_t *)piece.ptr;
    size_t avail_in = piece.len;
    do {
        size_t room, left;
        uint8_t *p = (uint8_t *)sp_buf_reserve(out, PIECE, &room);
        left = room;
        BROTLI_BOOL good = BrotliEncoderCompressStream(e->brotli, op, &avail_in, &next_in, &left, &p, NULL);
        sp_buf_commit(out, room - left);
        if (!good)
            return false;
    } while (avail_in || BrotliEncoderHasMoreOutput(e->brotli));
    return true;
}

bool sp_encoder_run(struct sp_encoder *e, struct sp_buf *in, bool end, struct sp_buf *out)
{
    assert(e && in && out);
    bool good = true;
    while (good && (in->len || end)) {
        struct sp_str piece = sp_buf_front(in);
        bool last = piece.len == in->len;
        if (e->brotli)
            good = run_brotli(e, piece, !last ? BROTLI_OPERATION_PROCESS : end ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH, out);
        else
            good = run_gzip(e, piece, !last ? Z_NO_FLUSH : end ? Z_FINISH : Z_SYNC_FLUSH, out);
        sp_buf_drain(in, piece.len);
        if (last)
            break;
    }
    return good;
}
