/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Heads as they are sent.  Every name and value is looked at once more, whoever made it: a CR or LF in one would be a
 * second message of the writer's choice (response splitting).  Framing headers are always our own.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "http/chars.h"
#include "http/h1_codec.h"

enum {
    FRAMING_ROOM = 128, /* what we add to a head */
    CONTIGUOUS_MAX = SP_CHUNK_SIZE / 2,
    SMALL_MAX = SP_CHUNK_SIZE / 4 /* such heads of several connections stand in one chunk */
};

enum role { PASS, DROP, ROLE_LENGTH, ROLE_CONNECTION, ROLE_HOST };

static const uint8_t roles[SP_H_COUNT] = {
    [SP_H_CONTENT_LENGTH] = ROLE_LENGTH,
    [SP_H_CONNECTION] = ROLE_CONNECTION,
    [SP_H_HOST] = ROLE_HOST,
    [SP_H_KEEP_ALIVE] = DROP,
    [SP_H_PROXY_CONNECTION] = DROP,
    [SP_H_TRANSFER_ENCODING] = DROP,
    [SP_H_UPGRADE] = DROP,
    [SP_H_HTTP2_SETTINGS] = DROP,
};

/* What a walk over the lines found. */
struct survey {
    size_t size; /* of the lines that are written as they are */
    bool has_length, close;
    uint64_t length;
};

static bool has_close(struct sp_str value)
{
    struct sp_str token;
    while (sp_str_split(&value, ',', &token))
        if (sp_str_ieq(sp_str_trim(token), SP_STR("close")))
            return true;
    return false;
}

static int survey_special(const struct sp_header *line, bool request, struct survey *s)
{
    switch ((enum role)roles[line->id]) {
    case ROLE_LENGTH:
        if (s->has_length || sp_str_u64(line->value, INT64_MAX, &s->length) != 0)
            return -EINVAL;
        s->has_length = true;
        break;
    case ROLE_CONNECTION:
        s->close = s->close || has_close(line->value);
        break;
    case ROLE_HOST:
        if (!request)
            s->size += line->name.len + line->value.len + 4;
        break;
    case DROP:
    case PASS:
        break;
    }
    return 0;
}

static int survey(const struct sp_headers *h, bool request, struct survey *s)
{
    *s = (struct survey){0};
    for (unsigned i = 0; i < h->n; i++) {
        const struct sp_header *line = &h->v[i];
        if (line->id == SP_H_OTHER && !sp_header_name_valid(line->name))
            return -EINVAL;
        if (sp_has_ctl(line->value.ptr, line->value.len))
            return -EINVAL;
        if (!roles[line->id])
            s->size += line->name.len + line->value.len + 4;
        else if (survey_special(line, request, s))
            return -EINVAL;
    }
    return 0;
}

static inline char *put(char *p, struct sp_str s)
{
    return s.len ? mempcpy(p, s.ptr, s.len) : p;
}

#define PUT(p, literal) ((char *)mempcpy((p), (literal), sizeof(literal) - 1))

static char *put_decimal(char *p, uint64_t v)
{
    char digits[20];
    unsigned n = 0;
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    while (n)
        *p++ = digits[--n];
    return p;
}

static char *put_line(char *p, struct sp_str name, struct sp_str value)
{
    p = put(p, name);
    *p++ = ':';
    *p++ = ' ';
    p = put(p, value);
    *p++ = '\r';
    *p++ = '\n';
    return p;
}

static char *put_lines(char *p, const struct sp_headers *h, bool request)
{
    for (unsigned i = 0; i < h->n; i++) {
        const struct sp_header *line = &h->v[i];
        enum role role = roles[line->id];
        if (role == PASS || (role == ROLE_HOST && !request))
            p = put_line(p, line->name, line->value);
    }
    return p;
}

/* Where `size` bytes of a head can be written: in the buffer itself if they are few. */
static char *head_room(struct sp_h1_stream *s, size_t size)
{
    size_t room;
    if (size <= SMALL_MAX)
        return sp_buf_reserve_shared(&s->out, size, &room);
    return size <= CONTIGUOUS_MAX ? sp_buf_reserve(&s->out, size, &room) : sp_arena_alloc(&s->arena, size);
}

static void head_done(struct sp_h1_stream *s, const char *from, const char *to, size_t size)
{
    size_t n = (size_t)(to - from);
    assert(n <= size);
    s->cs.tx_head_bytes += n;
    if (size <= CONTIGUOUS_MAX)
        sp_buf_commit(&s->out, n);
    else
        sp_buf_append(&s->out, from, n);
}

static char *put_upgrade(char *p, struct sp_str protocol)
{
    p = PUT(p, "connection: upgrade\r\n");
    return put_line(p, SP_STR("upgrade"), protocol);
}

static char *put_status_line(char *p, bool old, unsigned status, struct sp_str reason)
{
    p = old ? PUT(p, "HTTP/1.0 ") : PUT(p, "HTTP/1.1 ");
    p = put_decimal(p, status);
    *p++ = ' ';
    p = put(p, reason);
    return PUT(p, "\r\n");
}

/* RFC 9112 section 6.3, from the sender's side; -EINVAL when the length contradicts the end. */
static int frame_response(struct sp_h1_stream *s, unsigned status, bool tunnel, bool end, struct survey *sv)
{
    if (status < 200 || status == 204 || tunnel) {
        sv->has_length = false;
        s->framing = tunnel ? SP_H1_TX_UNTIL_EOF : SP_H1_TX_NONE;
        return 0;
    }
    if (s->head_only || status == 304) {
        s->framing = SP_H1_TX_NONE;
        return 0;
    }
    if (end && sv->has_length && sv->length)
        return -EINVAL;
    if (end || sv->has_length) {
        sv->has_length = true;
        s->framing = SP_H1_TX_LENGTH;
        s->tx_left = sv->length;
        return 0;
    }
    s->framing = s->old ? SP_H1_TX_UNTIL_EOF : SP_H1_TX_CHUNKED;
    return 0;
}

static char *put_framing(char *p, const struct sp_h1_stream *s, const struct survey *sv)
{
    if (sv->has_length) {
        p = PUT(p, "content-length: ");
        p = put_decimal(p, sv->length);
        return PUT(p, "\r\n");
    }
    return s->framing == SP_H1_TX_CHUNKED ? PUT(p, "transfer-encoding: chunked\r\n") : p;
}

int sp_h1_write_response(struct sp_h1_stream *s, const struct sp_headers *h, bool end, bool may_keep, bool *ret_close)
{
    assert(s && h && ret_close);
    struct survey sv;
    bool tunnel = h->protocol.len;
    if (h->status < 100 || h->status > 999 || survey(h, false, &sv) || frame_response(s, h->status, tunnel, end, &sv))
        return -EINVAL;
    bool final = h->status >= 200 && !tunnel;
    bool close = final && (!may_keep || sv.close || s->framing == SP_H1_TX_UNTIL_EOF);
    struct sp_str reason = sp_status_reason(h->status);
    if (sp_has_ctl(h->protocol.ptr, h->protocol.len))
        return -EINVAL;
    size_t size = sv.size + reason.len + h->protocol.len + FRAMING_ROOM;
    char *from = head_room(s, size), *p = put_status_line(from, s->old, h->status, reason);
    p = put_lines(p, h, false);
    if (final)
        p = put_framing(p, s, &sv);
    else if (h->status == 101)
        p = put_upgrade(p, h->protocol);
    if (close)
        p = PUT(p, "connection: close\r\n");
    else if (final && s->old)
        p = PUT(p, "connection: keep-alive\r\n");
    p = PUT(p, "\r\n");
    head_done(s, from, p, size);
    *ret_close = close;
    return 0;
}

/* Methods whose requests have no content unless it is said that they have. */
static bool method_without_body(struct sp_str m)
{
    return sp_str_eq(m, SP_STR("GET")) || sp_str_eq(m, SP_STR("HEAD")) || sp_str_eq(m, SP_STR("DELETE")) ||
           sp_str_eq(m, SP_STR("OPTIONS")) || sp_str_eq(m, SP_STR("TRACE"));
}

static int frame_request(struct sp_h1_stream *s, const struct sp_headers *h, bool end, struct survey *sv)
{
    if (end && (sv->length || h->protocol.len))
        return -EINVAL;
    if (h->protocol.len) {
        sv->has_length = false;
        s->framing = SP_H1_TX_UNTIL_EOF;
        return 0;
    }
    if (end || sv->has_length) {
        s->framing = SP_H1_TX_LENGTH;
        s->tx_left = sv->length;
        sv->has_length = sv->has_length || !method_without_body(h->method);
        return 0;
    }
    s->framing = SP_H1_TX_CHUNKED;
    return 0;
}

int sp_h1_write_request(struct sp_h1_stream *s, const struct sp_headers *h, bool end)
{
    assert(s && h);
    struct survey sv;
    bool connect = sp_is_connect(h);
    struct sp_str target = connect ? h->authority : h->path;
    if (!sp_method_valid(h->method) || (sp_str_eq(h->method, SP_STR("CONNECT")) && !connect) || !target.len ||
        sp_scan_target(target.ptr, target.ptr + target.len) != target.ptr + target.len ||
        !sp_authority_valid(h->authority) || sp_has_ctl(h->protocol.ptr, h->protocol.len))
        return -EINVAL;
    if ((connect && !sp_connect_target_valid(target)) || survey(h, true, &sv) || frame_request(s, h, end, &sv))
        return -EINVAL;
    size_t size = h->method.len + target.len + h->authority.len + h->protocol.len + sv.size + FRAMING_ROOM;
    char *from = head_room(s, size), *p = put(from, h->method);
    *p++ = ' ';
    p = put(p, target);
    p = PUT(p, " HTTP/1.1\r\n");
    p = put_line(p, SP_STR("host"), h->authority);
    p = put_lines(p, h, true);
    if (!h->protocol.len)
        p = put_framing(p, s, &sv);
    else if (!connect)
        p = put_upgrade(p, h->protocol);
    p = PUT(p, "\r\n");
    head_done(s, from, p, size);
    return 0;
}

int sp_h1_write_trailers(struct sp_h1_stream *s, const struct sp_headers *t)
{
    assert(s && s->framing == SP_H1_TX_CHUNKED);
    if (!t || !t->n) {
        sp_buf_append_static(&s->out, "0\r\n\r\n", 5);
        return 0;
    }
    struct survey sv;
    if (survey(t, true, &sv))
        return -EINVAL;
    size_t size = sv.size + FRAMING_ROOM;
    char *from = head_room(s, size), *p = PUT(from, "0\r\n");
    p = put_lines(p, t, true);
    p = PUT(p, "\r\n");
    head_done(s, from, p, size);
    return 0;
}

static void write_line(struct sp_buf *out, struct sp_str name, struct sp_str value)
{
    if (!sp_header_name_valid(name) || sp_has_ctl(value.ptr, value.len))
        return;
    sp_buf_append_str(out, name);
    sp_buf_append_static(out, ": ", 2);
    sp_buf_append_str(out, value);
    sp_buf_append_static(out, "\r\n", 2);
}

static void write_refusal(struct sp_buf *out, const struct sp_headers *h, struct sp_buf *body, bool close, bool head_only)
{
    struct sp_str reason = sp_status_reason(h->status);
    char line[128];
    int n = snprintf(line, sizeof(line), "HTTP/1.1 %u %.*s\r\n", h->status, SP_STR_ARG(reason));
    assert(n > 0 && (size_t)n < sizeof(line));
    sp_buf_append(out, line, (size_t)n);
    for (unsigned i = 0; i < h->n; i++)
        if (!roles[h->v[i].id])
            write_line(out, h->v[i].name, h->v[i].value);
    if (h->status != 204) {
        n = snprintf(line, sizeof(line), "content-length: %zu\r\n", h->status == 304 ? 0 : body->len);
        sp_buf_append(out, line, (size_t)n);
    }
    if (close)
        sp_buf_append_static(out, "connection: close\r\n", 19);
    sp_buf_append_static(out, "\r\n", 2);
    if (!head_only && h->status != 204 && h->status != 304)
        sp_buf_move(out, body);
}

static bool told_otherwise(const struct sp_codec_cb *cb, void *ctx, const char *detail, struct sp_buf *out, unsigned *status,
                           bool close, bool head_only)
{
    if (!cb->on_refusal)
        return false;
    struct sp_arena arena;
    struct sp_headers h;
    struct sp_buf body;
    sp_arena_init(&arena);
    sp_headers_init(&h, &arena);
    sp_buf_init(&body);
    bool told = cb->on_refusal(ctx, *status, detail, &h, &body);
    if (told) {
        write_refusal(out, &h, &body, close, head_only);
        *status = h.status;
    }
    sp_buf_clear(&body);
    sp_arena_done(&arena);
    return told;
}

unsigned sp_h1_write_error(const struct sp_codec_cb *cb, void *ctx, const char *detail, struct sp_buf *out, unsigned status,
                           bool close, bool head_only)
{
    assert(cb && detail && out && status >= 400 && status <= 599);
    if (told_otherwise(cb, ctx, detail, out, &status, close, head_only))
        return status;
    if (status == 408) { /* nobody who is that slow reads */
        static const char late[] = "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        sp_buf_append_static(out, late, sizeof(late) - 1);
        return status;
    }
    struct sp_str reason = sp_status_reason(status), body = sp_refusal_body(status, detail);
    const char *more = status == 426 ? "upgrade: HTTP/1.1\r\nconnection: upgrade, close\r\n"
                       : close       ? "connection: close\r\n"
                                     : "";
    char text[512];
    int n = snprintf(text, sizeof(text),
                     "HTTP/1.1 %u %.*s\r\n%scontent-length: %zu\r\n%s\r\n%.*s", status, SP_STR_ARG(reason),
                     body.len ? "content-type: text/plain\r\n" : "", body.len, more, head_only ? 0 : (int)body.len, body.ptr);
    assert(n > 0 && (size_t)n < sizeof(text));
    sp_buf_append(out, text, (size_t)n);
    return status;
}
