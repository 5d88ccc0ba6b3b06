/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's side: requests come, one after the other. */
#include <assert.h>

#include "http/h1_codec.h"

static unsigned error_answer(struct sp_h1 *h1, const char *detail, struct sp_buf *out, unsigned status, bool close,
                             bool head_only)
{
    return sp_h1_write_error(h1->codec.cb, h1->codec.ctx, detail, out, status, close, head_only);
}

/* The request gets no stream: answers it, and the connection ends. Returns the status. */
static unsigned refuse(struct sp_h1 *h1, unsigned status, const char *detail)
{
    h1->stage = SP_H1_STAGE_DEAD;
    h1->close_after = true;
    status = error_answer(h1, detail, &h1->out, status, true, false);
    sp_h1_wake(h1);
    return status;
}

static bool refuse_malformed(struct sp_h1 *h1, enum sp_h1_err err)
{
    unsigned status = sp_h1_error(err)->status;
    h1->failed = true;
    if (h1->head)
        sp_h1_head_done(h1->head);
    status = refuse(h1, status, sp_h1_error(err)->detail);
    sp_h1_event(h1, err, status);
    return false;
}

static void start_body(struct sp_h1 *h1, const struct sp_h1_stream *s, const struct sp_h1_info *info)
{
    if (s && s->upgrade.len)
        sp_h1_body_init(&h1->body, SP_H1_UNTIL_EOF, 0);
    else if (info->chunked)
        sp_h1_body_init(&h1->body, SP_H1_CHUNKED, 0);
    else
        sp_h1_body_init(&h1->body, info->has_length ? SP_H1_LENGTH : SP_H1_NO_BODY, info->length);
    h1->dropped = 0;
    h1->stage = h1->body.over ? SP_H1_STAGE_HEAD : SP_H1_STAGE_BODY;
}

/* Wrong, but it is known where it ends (stream_error_on_invalid_http_message): its body is dropped. */
static bool refuse_framed(struct sp_h1 *h1, const struct sp_headers *h, const struct sp_h1_info *info)
{
    bool keep = h1->codec.config->h1_keep_open_on_error && info->keep_alive && !info->suspicious &&
                !info->expect_continue && !h1->codec.draining && info->length <= SP_H1_DROP_MAX;
    if (!keep)
        return refuse_malformed(h1, info->soft);
    unsigned status = sp_h1_error(info->soft)->status;
    start_body(h1, NULL, info);
    status = error_answer(h1, sp_h1_error(info->soft)->detail, &h1->out, status, false,
                          sp_str_eq(h->method, SP_STR("HEAD")));
    sp_h1_wake(h1);
    sp_h1_event(h1, info->soft, status);
    return true;
}

static bool begin_request(struct sp_h1 *h1, struct sp_h1_stream *s, const struct sp_h1_info *info)
{
    struct sp_codec *c = &h1->codec;
    s->upgrade = s->headers.protocol;
    s->connect = sp_is_connect(&s->headers);
    start_body(h1, s, info);
    s->head_only = sp_str_eq(s->headers.method, SP_STR("HEAD"));
    s->old = s->headers.version == SP_HTTP_10;
    s->keep_alive = info->keep_alive && !info->suspicious;
    s->expects = info->expect_continue && !h1->body.over;
    h1->stream = s;
    c->n_streams++;
    if (!c->cb->on_stream(c->ctx, &s->cs, &s->headers)) {
        h1->stream = NULL;
        c->n_streams--;
        sp_h1_stream_drop(h1, s);
        refuse(h1, 503, "refused");
        return false;
    }
    assert(s->cs.rx.sink || s->rx_over);
    if (!s->rx_over)
        sp_h1_deliver_headers(s, &s->headers, h1->body.over);
    return true;
}

bool sp_h1_read_request(struct sp_h1 *h1, struct sp_buf *in)
{
    assert(h1 && in->len);
    if (h1->stream || h1->out.len)
        return false; /* in turn */
    if (h1->close_after || h1->codec.want_close) {
        h1->stage = SP_H1_STAGE_DEAD;
        return true;
    }
    const struct sp_codec_config *config = h1->codec.config;
    struct sp_h1_head *head = sp_h1_head_for(h1, SP_H1_REQUEST);
    enum sp_h1_step step = sp_h1_head_feed(head, config, in);
    if (step == SP_H1_BAD)
        return refuse_malformed(h1, (enum sp_h1_err)head->err);
    if (step == SP_H1_MORE)
        return false;
    struct sp_h1_stream *s = sp_h1_stream_new(h1);
    struct sp_h1_info info;
    s->cs.rx_head_bytes = head->total;
    enum sp_h1_err err = sp_h1_head_take(head, config, in, &s->arena, &s->headers, &info);
    const struct sp_codec_cb *cb = h1->codec.cb;
    for (unsigned i = 0; cb->on_event && i < info.underscores_dropped; i++)
        cb->on_event(h1->codec.ctx, SP_CE_HEADERS_DROPPED_UNDERSCORE, "http1.dropped_underscore", 0);
    if (!err && !info.soft)
        return begin_request(h1, s, &info);
    bool more = err ? refuse_malformed(h1, err) : refuse_framed(h1, &s->headers, &info);
    sp_h1_stream_drop(h1, s);
    return more;
}

void sp_h1_bad_request_body(struct sp_h1 *h1, enum sp_h1_err err)
{
    struct sp_h1_stream *s = h1->stream;
    sp_h1_event(h1, err, 0);
    if (!s)
        return;
    if (!s->why)
        s->why = SP_ABORT_PROTOCOL;
    sp_h1_abort_rx(s, SP_ABORT_PROTOCOL);
    if (s->tx != SP_H1_TX_HEAD)
        return;
    sp_h1_cancel_tx(s, SP_ABORT_PROTOCOL);
    error_answer(h1, sp_h1_error(err)->detail, &s->out, sp_h1_error(err)->status, true, s->head_only);
    sp_h1_wake(h1);
}
