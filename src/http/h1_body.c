/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bodies (RFC 9112 sections 6 and 7). */
#include <assert.h>

#include "http/chars.h"
#include "http/h1_parse.h"

enum {
    SIZE_DIGITS_MAX = 16,
    EXTENSIONS_MAX = 8 * 1024 /* more of them than of data: they carry nothing for us, and cost us more than the peer */
};

enum chunk_state { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILERS };

void sp_h1_body_init(struct sp_h1_body *b, enum sp_h1_body_kind kind, uint64_t length)
{
    assert(b && (kind == SP_H1_LENGTH || length == 0));
    *b = (struct sp_h1_body){.kind = (uint8_t)kind, .left = length};
    b->over = kind == SP_H1_NO_BODY || (kind == SP_H1_LENGTH && length == 0);
}

/* Takes at most b->left bytes. */
static void take(struct sp_h1_body *b, struct sp_buf *in, struct sp_buf *out)
{
    size_t n = b->left < in->len ? (size_t)b->left : in->len;
    if (out)
        sp_buf_move_n(out, in, n);
    else
        sp_buf_drain(in, n);
    b->left -= n;
}

static enum sp_h1_err size_byte(struct sp_h1_body *b, char c)
{
    int value = sp_hex_value(c);
    if (value >= 0) {
        if (++b->digits > SIZE_DIGITS_MAX || b->left > (uint64_t)INT64_MAX >> 4)
            return SP_H1E_CHUNK_SIZE;
        b->left = b->left << 4 | (uint64_t)value;
        return SP_H1E_NONE;
    }
    if (!b->digits || (c != '\r' && c != ';'))
        return SP_H1E_CHUNK_SIZE;
    b->state = c == '\r' ? SIZE_LF : EXTENSION;
    return SP_H1E_NONE;
}

static enum sp_h1_err extension_byte(struct sp_h1_body *b, char c)
{
    if (c == '\r') {
        b->state = SIZE_LF;
        return SP_H1E_NONE;
    }
    if (++b->extensions > EXTENSIONS_MAX)
        return SP_H1E_CHUNK_EXTENSION;
    if (sp_is_ctl(c))
        return c == '\n' ? SP_H1E_BARE_LF : SP_H1E_CHARACTER;
    return SP_H1E_NONE;
}

/* One byte of a chunk's framing. */
static enum sp_h1_err frame_byte(struct sp_h1_body *b, char c)
{
    switch ((enum chunk_state)b->state) {
    case SIZE:
        return c == '\n' ? SP_H1E_BARE_LF : size_byte(b, c);
    case EXTENSION:
        return extension_byte(b, c);
    case SIZE_LF:
        if (c != '\n')
            return SP_H1E_BARE_CR;
        b->digits = 0;
        b->extensions -= SP_MIN((uint64_t)b->extensions, b->left);
        b->state = b->left ? DATA : TRAILERS;
        return SP_H1E_NONE;
    case DATA_CR:
        b->state = DATA_LF;
        return c == '\r' ? SP_H1E_NONE : SP_H1E_CHUNK_END;
    case DATA_LF:
        b->state = SIZE;
        return c == '\n' ? SP_H1E_NONE : SP_H1E_CHUNK_END;
    case DATA:
    case TRAILERS:
        break;
    }
    assert(!"framing bytes only");
    return SP_H1E_CHUNK_SIZE;
}

/* Framing up to the next data, the trailers or the end of the segment. */
static enum sp_h1_err frame(struct sp_h1_body *b, struct sp_buf *in)
{
    struct sp_str front = sp_buf_front(in);
    enum sp_h1_err err = SP_H1E_NONE;
    size_t i = 0;
    while (i < front.len && !err && b->state != DATA && b->state != TRAILERS)
        err = frame_byte(b, front.ptr[i++]);
    sp_buf_drain(in, i);
    return err;
}

static enum sp_h1_step trailers_feed(struct sp_h1_body *b, const struct sp_codec_config *config,
                                     struct sp_h1_head *trailers, struct sp_buf *in)
{
    enum sp_h1_step step = sp_h1_head_feed(trailers, config, in);
    if (step == SP_H1_BAD)
        b->err = trailers->err;
    if (step == SP_H1_DONE) {
        b->over = true;
        if (!trailers->lines) {
            sp_buf_drain(in, trailers->tail);
            sp_h1_head_done(trailers);
        }
    }
    return step;
}

static enum sp_h1_step chunked_feed(struct sp_h1_body *b, const struct sp_codec_config *config,
                                    struct sp_h1_head *trailers, struct sp_buf *in, struct sp_buf *out)
{
    while (in->len) {
        if (b->state == TRAILERS)
            return trailers_feed(b, config, trailers, in);
        if (b->state == DATA) {
            take(b, in, out);
            if (!b->left)
                b->state = DATA_CR;
            continue;
        }
        b->err = frame(b, in);
        if (b->err)
            return SP_H1_BAD;
    }
    return SP_H1_MORE;
}

enum sp_h1_step sp_h1_body_feed(struct sp_h1_body *b, const struct sp_codec_config *config, struct sp_h1_head *trailers,
                                struct sp_buf *in, struct sp_buf *out)
{
    assert(b && config && in && !b->err);
    if (b->over)
        return SP_H1_DONE;
    switch (b->kind) {
    case SP_H1_LENGTH:
        take(b, in, out);
        b->over = b->left == 0;
        return b->over ? SP_H1_DONE : SP_H1_MORE;
    case SP_H1_CHUNKED:
        assert(trailers && trailers->kind == SP_H1_TRAILERS);
        return chunked_feed(b, config, trailers, in, out);
    case SP_H1_UNTIL_EOF:
        if (out)
            sp_buf_move(out, in);
        else
            sp_buf_clear(in);
        return SP_H1_MORE;
    case SP_H1_NO_BODY:
        break;
    }
    return SP_H1_DONE;
}
