/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h1_parse.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/chars.h"

enum {
    METHOD_MAX = 32,
    REQUEST_LINE_REST = METHOD_MAX + 1 + 9, /* what a request line has besides its target */
    EMPTY_LINES_MAX = 2,
    STATUS_LINE_MAX = 8 * 1024
};

static const struct sp_h1_error errors[SP_H1E_COUNT] = {
#define X(id, text, code, ev) [SP_H1E_##id] = {.detail = text, .status = code, .event = SP_CE_##ev},
    SP_H1_ERRORS(X)
#undef X
};

const struct sp_h1_error *sp_h1_error(enum sp_h1_err err)
{
    assert(err > SP_H1E_NONE && err < SP_H1E_COUNT);
    return &errors[err];
}

void sp_h1_head_init(struct sp_h1_head *p, enum sp_h1_kind kind)
{
    assert(p);
    p->kind = (uint8_t)kind;
    p->err = SP_H1E_NONE;
    p->cr = false;
    p->empty_lines = 0;
    p->version = SP_HTTP_11;
    p->lines = 0;
    p->total = p->line_at = p->limit = p->tail = 0;
    p->method_len = p->target_at = p->target_len = 0;
    p->status = 0;
    p->ends = p->kept = NULL;
    sp_buf_init(&p->partial);
}

void sp_h1_head_done(struct sp_h1_head *p)
{
    assert(p);
    sp_buf_clear(&p->partial);
    free(p->kept);
    sp_h1_head_init(p, (enum sp_h1_kind)p->kind);
}

/* "HTTP/" DIGIT "." DIGIT; others are none at all. */
static enum sp_h1_err version_of(struct sp_h1_head *p, const struct sp_codec_config *config, const char *at, size_t len)
{
    bool request = p->kind == SP_H1_REQUEST;
    if (len != 8 || memcmp(at, "HTTP/", 5) != 0 || !sp_is_digit(at[5]) || at[6] != '.' || !sp_is_digit(at[7]))
        return request ? SP_H1E_REQUEST_LINE : SP_H1E_STATUS_LINE;
    if (at[5] != '1' || at[7] > '1')
        return SP_H1E_VERSION;
    p->version = at[7] == '0' ? SP_HTTP_10 : SP_HTTP_11;
    if (request && p->version == SP_HTTP_10 && !config->h1_accept_10)
        return SP_H1E_LOW_VERSION;
    return SP_H1E_NONE;
}

static enum sp_h1_err request_line(struct sp_h1_head *p, const struct sp_codec_config *config, const char *line,
                                   size_t len)
{
    size_t i = 0;
    while (i < len && i <= METHOD_MAX && sp_is_tchar(line[i]))
        i++;
    if (i == len)
        return SP_H1E_REQUEST_LINE;
    if (i > METHOD_MAX)
        return SP_H1E_METHOD_TOO_LONG;
    if (i == 0 || line[i] != ' ')
        return SP_H1E_METHOD;
    if (sp_method_forged(sp_str_n(line, i)))
        return SP_H1E_METHOD;
    p->method_len = (uint8_t)i++;
    const char *target = line + i, *end = line + len;
    const char *space = sp_scan_target(target, end);
    p->target_at = (uint32_t)i;
    p->target_len = (uint32_t)(space - target);
    if (p->target_len > config->max_url_bytes)
        return SP_H1E_URL_TOO_LONG;
    if (space == end)
        return SP_H1E_REQUEST_LINE; /* HTTP/0.9 */
    if (*space != ' ')
        return SP_H1E_URL;
    if (p->target_len == 0)
        return SP_H1E_REQUEST_LINE;
    return version_of(p, config, space + 1, (size_t)(end - space) - 1);
}

/* HTTP-version SP 3DIGIT [ SP reason ]: the space is missing in what some servers send. */
static enum sp_h1_err status_line(struct sp_h1_head *p, const struct sp_codec_config *config, const char *line,
                                  size_t len)
{
    if (len < 12 || line[8] != ' ' || (len > 12 && line[12] != ' '))
        return SP_H1E_STATUS_LINE;
    enum sp_h1_err err = version_of(p, config, line, 8);
    if (err)
        return err;
    for (unsigned i = 9; i < 12; i++) {
        if (!sp_is_digit(line[i]))
            return SP_H1E_STATUS_LINE;
        p->status = (uint16_t)(p->status * 10 + (line[i] - '0'));
    }
    return p->status >= 100 ? SP_H1E_NONE : SP_H1E_STATUS_LINE;
}

/* A segment of `in` that is scanned. [taken, pos) was scanned, but is not in p->partial yet. */
struct cursor {
    const char *ptr;
    size_t len, pos, taken;
};

static void keep(struct sp_h1_head *p, struct cursor *c)
{
    sp_buf_append(&p->partial, c->ptr + c->taken, c->pos - c->taken);
    c->taken = c->pos;
}

/* The first line is complete: `pos` is behind its LF. */
static enum sp_h1_err first_line(struct sp_h1_head *p, const struct sp_codec_config *config, struct cursor *c)
{
    size_t len = p->total - 2;
    const char *line = c->ptr + c->taken;
    if (p->partial.len) {
        keep(p, c);
        line = sp_buf_pullup(&p->partial, len);
    }
    p->limit = (uint32_t)config->max_header_bytes;
    return p->kind == SP_H1_REQUEST ? request_line(p, config, line, len) : status_line(p, config, line, len);
}

static enum sp_h1_err too_large(const struct sp_h1_head *p, const struct sp_codec_config *config)
{
    if (p->kind == SP_H1_TRAILERS)
        return SP_H1E_TRAILERS_TOO_LARGE;
    if (p->lines || p->limit == config->max_header_bytes)
        return SP_H1E_HEADERS_TOO_LARGE;
    return p->kind == SP_H1_REQUEST ? SP_H1E_URL_TOO_LONG : SP_H1E_STATUS_LINE;
}

static enum sp_h1_step bad(struct sp_h1_head *p, enum sp_h1_err err)
{
    p->err = (uint8_t)err;
    return SP_H1_BAD;
}

/* CRLF was read. SP_H1_MORE: go on with the next line. */
static enum sp_h1_step line_end(struct sp_h1_head *p, const struct sp_codec_config *config, struct cursor *c)
{
    size_t line = p->line_at;
    p->cr = false;
    p->line_at = p->total;
    if (p->total - line == 2) {
        if (p->lines || p->kind == SP_H1_TRAILERS)
            return SP_H1_DONE;
        if (p->kind == SP_H1_RESPONSE || ++p->empty_lines > EMPTY_LINES_MAX)
            return bad(p, p->kind == SP_H1_RESPONSE ? SP_H1E_STATUS_LINE : SP_H1E_EMPTY_LINES);
        sp_buf_clear(&p->partial);
        c->taken = c->pos;
        p->total = p->line_at = 0;
        return SP_H1_MORE;
    }
    if (p->lines < SP_H1_ENDS)
        p->ends[p->lines] = (uint32_t)(p->total - 2);
    unsigned others = p->kind == SP_H1_TRAILERS ? 0 : 1;
    if (++p->lines - others > config->max_headers)
        return bad(p, SP_H1E_TOO_MANY_HEADERS);
    if (p->lines == 1 && others) {
        enum sp_h1_err err = first_line(p, config, c);
        if (err)
            return bad(p, err);
    }
    return SP_H1_MORE;
}

/* The byte at pos is a control character (or any, behind a CR). */
static enum sp_h1_step control(struct sp_h1_head *p, const struct sp_codec_config *config, struct cursor *c)
{
    char ch = c->ptr[c->pos++];
    if (++p->total > p->limit)
        return bad(p, too_large(p, config));
    if (p->cr)
        return ch == '\n' ? line_end(p, config, c) : bad(p, SP_H1E_BARE_CR);
    if (ch == '\r') {
        p->cr = true;
        return SP_H1_MORE;
    }
    return bad(p, ch == '\n' ? SP_H1E_BARE_LF : SP_H1E_CHARACTER);
}

/* The field lines that lie whole in the segment: what almost every head consists of. */
static void scan_lines(struct sp_h1_head *p, const struct sp_codec_config *config, struct cursor *c)
{
    const char *from = c->ptr + c->pos, *end = c->ptr + c->len, *at = from;
    size_t total = p->total, line_at = p->line_at, limit = p->limit;
    unsigned lines = p->lines, most = SP_MIN(config->max_headers, (unsigned)SP_H1_ENDS);
    for (;;) {
        const char *ctl = sp_scan_ctl(at, end);
        size_t stop = total + (size_t)(ctl - from);
        if (end - ctl < 2 || ctl[0] != '\r' || ctl[1] != '\n' || stop == line_at || lines >= most || stop + 2 > limit)
            break;
        p->ends[lines++] = (uint32_t)stop;
        line_at = stop + 2;
        at = ctl + 2;
    }
    p->lines = lines;
    p->line_at = (uint32_t)line_at;
    p->total = (uint32_t)(total + (size_t)(at - from));
    c->pos += (size_t)(at - from);
}

static enum sp_h1_step scan(struct sp_h1_head *p, const struct sp_codec_config *config, struct cursor *c)
{
    const char *end = c->ptr + c->len;
    while (c->pos < c->len) {
        if (!p->cr) {
            if (p->lines)
                scan_lines(p, config, c);
            const char *from = c->ptr + c->pos, *ctl = sp_scan_ctl(from, end);
            c->pos += (size_t)(ctl - from);
            p->total += (uint32_t)(ctl - from);
            if (ctl == end)
                break;
        }
        enum sp_h1_step step = control(p, config, c);
        if (step != SP_H1_MORE)
            return step;
    }
    return p->total > p->limit ? bad(p, too_large(p, config)) : SP_H1_MORE;
}

enum sp_h1_step sp_h1_head_feed(struct sp_h1_head *p, const struct sp_codec_config *config, struct sp_buf *in)
{
    static _Thread_local uint32_t ends[SP_H1_ENDS];
    assert(p && config && in && p->err == SP_H1E_NONE);
    p->ends = p->kept ? p->kept : ends;
    if (!p->limit) {
        size_t first = p->kind == SP_H1_REQUEST    ? config->max_url_bytes + REQUEST_LINE_REST + 2
                       : p->kind == SP_H1_RESPONSE ? (size_t)STATUS_LINE_MAX
                                                   : config->max_header_bytes;
        p->limit = (uint32_t)SP_MIN(first, config->max_header_bytes);
    }
    while (in->head) {
        struct sp_str front = sp_buf_front(in);
        struct cursor c = {.ptr = front.ptr, .len = front.len};
        enum sp_h1_step step = scan(p, config, &c);
        if (step == SP_H1_BAD)
            return step;
        if (step == SP_H1_DONE) {
            p->tail = (uint32_t)(c.pos - c.taken);
            sp_buf_drain(in, c.taken);
            return step;
        }
        keep(p, &c);
        sp_buf_drain(in, front.len);
    }
    if (!p->kept && p->lines) {
        p->kept = sp_xmalloc(sizeof(ends));
        memcpy(p->kept, ends, SP_MIN(p->lines, (unsigned)SP_H1_ENDS) * sizeof(ends[0]));
    }
    return SP_H1_MORE;
}

enum sp_h1_err sp_h1_head_take(struct sp_h1_head *p, const struct sp_codec_config *config, struct sp_buf *in,
                               struct sp_arena *arena, struct sp_headers *ret_headers, struct sp_h1_info *ret_info)
{
    assert(p && config && in && arena && ret_headers && ret_info);
    assert(p->total == p->partial.len + p->tail && in->len >= p->tail);
    char *base = sp_arena_alloc(arena, p->total + SP_LOWER_PAD);
    memset(base + p->total, 0, SP_LOWER_PAD);
    size_t done = sp_buf_peek(&p->partial, base, p->partial.len);
    sp_buf_peek(in, base + done, p->tail);
    sp_buf_drain(in, p->tail);
    sp_headers_init(ret_headers, arena);
    *ret_info = (struct sp_h1_info){0};
    enum sp_h1_err err = SP_H1E_NONE;
    if (p->kind != SP_H1_TRAILERS)
        ret_headers->version = p->version;
    if (p->kind == SP_H1_REQUEST) {
        ret_headers->method = sp_str_n(base, p->method_len);
        err = sp_h1_target(ret_headers, config, sp_str_n(base + p->target_at, p->target_len));
        if (err == SP_H1E_SCHEME_MISMATCH) {
            ret_info->soft = err;
            err = SP_H1E_NONE;
        }
    }
    ret_headers->status = p->status;
    if (!err)
        err = sp_h1_fields(p, config, base, ret_headers, ret_info);
    sp_h1_head_done(p);
    return err;
}
