/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/http/h1_dump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
    enum sp_h1_kind kind;
    const struct sp_codec_config *config;
    struct sp_arena arena;
    struct sp_h1_head head, trailers;
    struct sp_h1_body body;
    struct sp_headers h, t;
    struct sp_h1_info info;
    struct sp_buf in, data;
    bool have_head, over;
    enum sp_h1_err err;
};

static void take_head(struct run *r)
{
    r->err = sp_h1_head_take(&r->head, r->config, &r->in, &r->arena, &r->h, &r->info);
    if (!r->err)
        r->err = r->info.soft;
    r->have_head = true;
    enum sp_h1_body_kind kind = SP_H1_NO_BODY;
    if (r->info.chunked)
        kind = SP_H1_CHUNKED;
    else if (r->info.has_length)
        kind = SP_H1_LENGTH;
    else if (r->kind == SP_H1_RESPONSE && r->h.status >= 200 && r->h.status != 204 && r->h.status != 304)
        kind = SP_H1_UNTIL_EOF;
    sp_h1_body_init(&r->body, kind, kind == SP_H1_LENGTH ? r->info.length : 0);
}

static void step(struct run *r)
{
    if (!r->have_head) {
        enum sp_h1_step s = sp_h1_head_feed(&r->head, r->config, &r->in);
        if (s == SP_H1_BAD)
            r->err = r->head.err;
        if (s != SP_H1_DONE)
            return;
        take_head(r);
    }
    if (r->err || r->over)
        return;
    enum sp_h1_step s = sp_h1_body_feed(&r->body, r->config, &r->trailers, &r->in, &r->data);
    if (s == SP_H1_BAD)
        r->err = r->body.err;
    if (s == SP_H1_DONE) {
        r->over = true;
        struct sp_h1_info info;
        if (r->trailers.lines)
            r->err = sp_h1_head_take(&r->trailers, r->config, &r->in, &r->arena, &r->t, &info);
    }
}

static void print_lines(FILE *f, const struct sp_headers *h)
{
    for (unsigned i = 0; i < h->n; i++)
        fprintf(f, " %.*s=%.*s%s", SP_STR_ARG(h->v[i].name), SP_STR_ARG(h->v[i].value),
                h->v[i].never_index || h->v[i].secret ? " (marked)" : "");
}

static void print(FILE *f, struct run *r)
{
    if (r->err) {
        fprintf(f, "!%s", sp_h1_error(r->err)->detail);
        return;
    }
    if (!r->have_head) {
        fprintf(f, "...");
        return;
    }
    const char *version = r->h.version == SP_HTTP_10 ? "1.0" : "1.1";
    if (r->kind == SP_H1_REQUEST)
        fprintf(f, "%.*s %.*s %.*s %.*s %s", SP_STR_ARG(r->h.method), SP_STR_ARG(r->h.scheme),
                SP_STR_ARG(r->h.authority), SP_STR_ARG(r->h.path), version);
    else
        fprintf(f, "%u %s", r->h.status, version);
    if (r->h.protocol.len)
        fprintf(f, " {%.*s}", SP_STR_ARG(r->h.protocol));
    if (!r->info.keep_alive)
        fprintf(f, " close");
    if (r->info.suspicious)
        fprintf(f, " last");
    if (r->info.expect_continue)
        fprintf(f, " expect");
    print_lines(f, &r->h);
    char *body = malloc(r->data.len + 1);
    size_t n = sp_buf_peek(&r->data, body, r->data.len);
    fprintf(f, "|%.*s", (int)n, body);
    free(body);
    if (r->info.chunked) {
        fprintf(f, "|");
        print_lines(f, &r->t);
    }
    if (!r->over)
        fprintf(f, "...");
}

/* A segment of its own for each piece, so that every boundary is one between segments. */
static void append_segment(struct sp_buf *to, const char *p, size_t n)
{
    struct sp_buf one;
    size_t room;
    sp_buf_init(&one);
    char *at = sp_buf_reserve(&one, 1, &room);
    size_t k = SP_MIN(n, room);
    memcpy(at, p, k);
    sp_buf_commit(&one, k);
    if (to->tail)
        to->tail->next = one.head;
    else
        to->head = one.head;
    to->tail = one.tail;
    to->len += k;
    if (k < n)
        append_segment(to, p + k, n - k);
}

char *h1_dump(enum sp_h1_kind kind, const struct sp_codec_config *config, const char *bytes, size_t n, size_t first,
              size_t piece)
{
    struct run r = {.kind = kind, .config = config};
    /* Memory that was used before: what the parser leaves out shows. */
    sp_arena_init(&r.arena);
    memset(sp_arena_alloc(&r.arena, 2048), 0xff, 2048);
    sp_arena_done(&r.arena);
    sp_h1_head_init(&r.head, kind);
    sp_h1_head_init(&r.trailers, SP_H1_TRAILERS);
    for (size_t at = 0; at < n && !r.err;) {
        size_t k = at == 0 && first ? first : piece;
        k = SP_MIN(k, n - at);
        append_segment(&r.in, bytes + at, k);
        at += k;
        step(&r);
        if (r.over && at < n) {
            append_segment(&r.in, bytes + at, n - at);
            break;
        }
    }
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    print(f, &r);
    if (r.over && !r.err && r.in.len)
        fprintf(f, "+%zu", r.in.len);
    fclose(f);
    sp_h1_head_done(&r.head);
    sp_h1_head_done(&r.trailers);
    sp_buf_clear(&r.in);
    sp_buf_clear(&r.data);
    sp_arena_done(&r.arena);
    return text;
}
