/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client's side: the response to the one request under way. */
#include <assert.h>

#include "http/h1_codec.h"

static enum sp_abort abort_of(enum sp_h1_err err)
{
    switch (err) {
    case SP_H1E_HEADERS_TOO_LARGE:
    case SP_H1E_TOO_MANY_HEADERS:
    case SP_H1E_TRAILERS_TOO_LARGE:
        return SP_ABORT_TOO_LARGE;
    default:
        return SP_ABORT_PROTOCOL;
    }
}

void sp_h1_bad_response(struct sp_h1 *h1, enum sp_h1_err err)
{
    struct sp_h1_stream *s = h1->stream;
    h1->stage = SP_H1_STAGE_DEAD;
    h1->failed = true;
    h1->close_after = true;
    sp_h1_event(h1, err, 0);
    sp_h1_set_draining(h1);
    if (!s)
        return;
    enum sp_abort why = abort_of(err);
    if (!s->why)
        s->why = why;
    sp_h1_abort_rx(s, why);
    sp_h1_cancel_tx(s, why);
    sp_buf_clear(&s->out);
}

void sp_h1_response_over(struct sp_h1 *h1)
{
    struct sp_h1_stream *s = h1->stream;
    if (s->tx != SP_H1_TX_OVER || s->out.len) {
        /* The origin did not wait for the end of the request, and need not read the rest of it. */
        h1->close_after = true;
        sp_h1_set_draining(h1);
        sp_h1_cancel_tx(s, SP_ABORT_CANCEL);
        sp_buf_clear(&s->out);
    }
    h1->stage = h1->close_after ? SP_H1_STAGE_DEAD : SP_H1_STAGE_HEAD;
}

static bool bad(struct sp_h1 *h1, enum sp_h1_err err)
{
    sp_h1_bad_response(h1, err);
    return false;
}

void sp_h1_begin_tunnel(struct sp_h1 *h1, struct sp_h1_stream *s, struct sp_headers *h)
{
    s->tunnel = h1->codec.tunnel = true;
    sp_h1_body_init(&h1->body, SP_H1_UNTIL_EOF, 0);
    h1->stage = SP_H1_STAGE_BODY;
    h1->close_after = true;
    sp_h1_set_draining(h1);
    sp_h1_deliver_headers(s, h, false);
}

/* The origin took the offer: what follows is none of HTTP's. */
static bool switched(struct sp_h1 *h1, struct sp_h1_stream *s, struct sp_headers *h)
{
    if (!s->upgrade.len || s->connect || !sp_str_ieq(h->protocol, s->upgrade) || s->tx != SP_H1_TX_BODY)
        return bad(h1, SP_H1E_SWITCHED);
    sp_h1_begin_tunnel(h1, s, h);
    return true;
}

/* RFC 9110 section 9.3.6: any 2xx opens the tunnel, and a length that it names is none. */
static bool connected(struct sp_h1 *h1, struct sp_h1_stream *s)
{
    sp_headers_remove_id(&s->headers, SP_H_CONTENT_LENGTH);
    s->headers.protocol = s->upgrade;
    sp_h1_begin_tunnel(h1, s, &s->headers);
    return true;
}

static bool informational(struct sp_h1 *h1, struct sp_h1_stream *s, struct sp_buf *in)
{
    struct sp_headers *h = sp_arena_alloc(&s->arena, sizeof(*h));
    struct sp_h1_info info;
    unsigned status = h1->head->status;
    s->cs.rx_head_bytes += h1->head->total;
    enum sp_h1_err err = sp_h1_head_take(h1->head, h1->codec.config, in, &s->arena, h, &info);
    err = err ? err : info.soft;
    if (err)
        return bad(h1, err);
    if (status == 101)
        return switched(h1, s, h);
    if (++s->informational > SP_H1_INFORMATIONAL_MAX)
        return bad(h1, SP_H1E_INFORMATIONAL);
    sp_h1_deliver_headers(s, h, false);
    return true;
}

static enum sp_h1_body_kind body_kind(const struct sp_h1_stream *s, unsigned status, const struct sp_h1_info *info)
{
    if (s->head_only || status == 204 || status == 304)
        return SP_H1_NO_BODY;
    if (info->chunked)
        return SP_H1_CHUNKED;
    return info->has_length ? SP_H1_LENGTH : SP_H1_UNTIL_EOF;
}

static bool begin_response(struct sp_h1 *h1, struct sp_h1_stream *s, struct sp_buf *in)
{
    struct sp_h1_info info;
    s->cs.rx_head_bytes += h1->head->total;
    enum sp_h1_err err = sp_h1_head_take(h1->head, h1->codec.config, in, &s->arena, &s->headers, &info);
    err = err ? err : info.soft;
    if (err)
        return bad(h1, err);
    if (s->connect && s->headers.status < 300 && s->tx == SP_H1_TX_BODY)
        return connected(h1, s);
    enum sp_h1_body_kind kind = body_kind(s, s->headers.status, &info);
    sp_h1_body_init(&h1->body, kind, kind == SP_H1_LENGTH ? info.length : 0);
    if (!info.keep_alive || info.suspicious || kind == SP_H1_UNTIL_EOF) {
        h1->close_after = true;
        sp_h1_set_draining(h1);
    }
    bool over = h1->body.over;
    h1->stage = over ? SP_H1_STAGE_HEAD : SP_H1_STAGE_BODY;
    sp_h1_deliver_headers(s, &s->headers, over);
    if (over)
        sp_h1_response_over(h1);
    return true;
}

bool sp_h1_read_response(struct sp_h1 *h1, struct sp_buf *in)
{
    assert(h1 && in->len);
    struct sp_h1_stream *s = h1->stream;
    if (h1->codec.config->raw)
        return false; /* the tunnel's, once it is open */
    if (!s || s->tx == SP_H1_TX_HEAD)
        return bad(h1, SP_H1E_UNSOLICITED);
    if (s->rx_pauses)
        return false;
    struct sp_h1_head *head = sp_h1_head_for(h1, SP_H1_RESPONSE);
    enum sp_h1_step step = sp_h1_head_feed(head, h1->codec.config, in);
    if (step == SP_H1_BAD)
        return bad(h1, (enum sp_h1_err)head->err);
    if (step == SP_H1_MORE)
        return false;
    return head->status < 200 ? informational(h1, s, in) : begin_response(h1, s, in);
}
