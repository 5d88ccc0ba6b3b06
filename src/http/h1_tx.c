/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sink of what is sent: a server's responses, a client's requests. */
#include <assert.h>
#include <stdio.h>

#include "base/log.h"
#include "http/h1_codec.h"

static struct sp_h1_stream *stream_of(struct sp_sink *sink)
{
    return SP_CONTAINER_OF(sink, struct sp_h1_stream, cs.tx);
}

/* What was sent is no whole message, and never will be one: the connection dies with it, at the next flush. */
static void cut(struct sp_h1 *h1, struct sp_h1_stream *s, enum sp_abort why)
{
    s->tx = SP_H1_TX_OVER;
    s->tx_cut = true;
    if (!s->why)
        s->why = why;
    sp_buf_clear(&s->out);
    h1->stage = SP_H1_STAGE_DEAD;
    h1->close_after = true;
    sp_h1_wake(h1);
}

static void written(struct sp_h1 *h1, struct sp_h1_stream *s)
{
    if (!s->tx_paused && s->tx != SP_H1_TX_OVER && s->out.len > h1->codec.config->high_water && s->cs.tx.source) {
        s->tx_paused = true;
        s->cs.tx.source->ops->pause(s->cs.tx.source);
    }
    sp_h1_wake(h1);
}

static void tx_end(struct sp_h1 *h1, struct sp_h1_stream *s, const struct sp_headers *trailers)
{
    if (s->framing == SP_H1_TX_LENGTH && s->tx_left) {
        cut(h1, s, SP_ABORT_PROTOCOL);
        return;
    }
    if (!h1->codec.config->h1_trailers)
        trailers = NULL;
    if (s->framing == SP_H1_TX_CHUNKED && sp_h1_write_trailers(s, trailers)) {
        cut(h1, s, SP_ABORT_PROTOCOL);
        return;
    }
    s->tx = SP_H1_TX_OVER;
}

/* 1xx. An HTTP/1.0 client does not know them (RFC 9110 section 15.2). */
static void inform(struct sp_h1 *h1, struct sp_h1_stream *s, const struct sp_headers *h)
{
    bool close;
    if (h->status == 100) {
        if (!s->expects)
            return;
        s->expects = false;
    }
    if (!s->old && sp_h1_write_response(s, h, false, true, &close) == 0)
        written(h1, s);
}

/* The response cannot be sent as it is. Nothing of it was, so that there is room for an answer of ours. */
static void refuse_response(struct sp_h1 *h1, struct sp_h1_stream *s)
{
    sp_log_limited(SP_LOG_WARNING, "http", 5, "http1: a response head that HTTP/1 cannot carry was replaced by a 502");
    sp_h1_write_error(h1->codec.cb, h1->codec.ctx, "upstream_protocol_error", &s->out, 502, true, s->head_only);
    s->tx = SP_H1_TX_OVER;
    s->tx_refused = true;
    s->why = SP_ABORT_PROTOCOL;
    h1->close_after = true;
    written(h1, s);
}

/* Whether what is still to come of the request is little enough to be read and dropped. */
static bool rest_is_little(const struct sp_h1 *h1)
{
    return h1->stage != SP_H1_STAGE_BODY || h1->body.kind != SP_H1_LENGTH || h1->body.left <= SP_H1_DROP_MAX;
}

/* Whether the answer reads as the offer being taken. */
static bool opens_tunnel(const struct sp_h1_stream *s, unsigned status)
{
    return status == 101 || (s->connect && status >= 200 && status < 300);
}

/* The client's offer is taken. */
static void switch_protocol(struct sp_h1 *h1, struct sp_h1_stream *s, const struct sp_headers *h)
{
    bool close, wrong = !s->upgrade.len || !h->protocol.len || s->connect == (h->status == 101);
    if (wrong || sp_h1_write_response(s, h, false, true, &close)) {
        refuse_response(h1, s);
        return;
    }
    s->tx = SP_H1_TX_BODY;
    s->tunnel = h1->codec.tunnel = true;
    h1->close_after = true;
    written(h1, s);
}

static void response_headers(struct sp_h1 *h1, struct sp_h1_stream *s, const struct sp_headers *h, bool end)
{
    if (opens_tunnel(s, h->status)) {
        switch_protocol(h1, s, h);
        return;
    }
    if (h->status >= 100 && h->status < 200) {
        inform(h1, s, h);
        return;
    }
    bool close, keep = s->keep_alive && !h1->close_after && !h1->codec.draining && !h1->codec.last_answer && !s->expects &&
                       (rest_is_little(h1) || (!end && !s->rx_over));
    if (sp_h1_write_response(s, h, end, keep, &close)) {
        refuse_response(h1, s);
        return;
    }
    h1->close_after = h1->close_after || close;
    s->tx = end ? SP_H1_TX_OVER : SP_H1_TX_BODY;
    written(h1, s);
}

static void tx_headers(struct sp_sink *sink, struct sp_headers *h, bool end)
{
    assert(sink && h);
    struct sp_h1_stream *s = stream_of(sink);
    struct sp_h1 *h1 = sp_h1_of(s->cs.codec);
    if (s->tx != SP_H1_TX_HEAD)
        return;
    if (h1->codec.config->server) {
        response_headers(h1, s, h, end);
        return;
    }
    s->connect = sp_is_connect(h);
    if (h1->codec.config->raw) {
        s->tx = SP_H1_TX_BODY;
        s->framing = SP_H1_TX_UNTIL_EOF;
        s->raw_answer = true;
    } else if (sp_h1_write_request(s, h, end)) {
        sp_log_limited(SP_LOG_WARNING, "http", 5, "http1: a request head that HTTP/1 cannot carry was not sent");
        cut(h1, s, SP_ABORT_PROTOCOL);
        return;
    }
    s->head_only = sp_str_eq(h->method, SP_STR("HEAD"));
    s->upgrade = sp_arena_str(&s->arena, h->protocol);
    s->tx = end ? SP_H1_TX_OVER : SP_H1_TX_BODY;
    written(h1, s);
}

static void chunk(struct sp_h1_stream *s, struct sp_buf *b)
{
    char size[20], *p = size + sizeof(size);
    size_t n = b->len;
    *--p = '\n';
    *--p = '\r';
    do {
        *--p = "0123456789abcdef"[n & 15];
        n >>= 4;
    } while (n);
    sp_buf_append(&s->out, p, (size_t)(size + sizeof(size) - p));
    sp_buf_move(&s->out, b);
    sp_buf_append_static(&s->out, "\r\n", 2);
}

static void tx_data(struct sp_sink *sink, struct sp_buf *b, bool end)
{
    assert(sink && b);
    struct sp_h1_stream *s = stream_of(sink);
    struct sp_h1 *h1 = sp_h1_of(s->cs.codec);
    assert(s->tx != SP_H1_TX_HEAD);
    if (s->tx != SP_H1_TX_BODY || s->framing == SP_H1_TX_NONE) {
        sp_buf_clear(b);
        if (s->tx == SP_H1_TX_BODY && end) {
            s->tx = SP_H1_TX_OVER;
            sp_h1_wake(h1);
        }
        return;
    }
    /* More than was announced, or the origin's next request if it does not switch. */
    bool early = !h1->codec.config->server && s->upgrade.len && !s->tunnel && b->len;
    if (early || (s->framing == SP_H1_TX_LENGTH && b->len > s->tx_left)) {
        sp_buf_clear(b);
        cut(h1, s, SP_ABORT_PROTOCOL);
        return;
    }
    s->cs.tx_body_bytes += b->len;
    if (s->framing == SP_H1_TX_LENGTH)
        s->tx_left -= b->len;
    if (s->framing == SP_H1_TX_CHUNKED && b->len)
        chunk(s, b);
    else
        sp_buf_move(&s->out, b);
    if (end)
        tx_end(h1, s, NULL);
    written(h1, s);
}

static void tx_trailers(struct sp_sink *sink, struct sp_headers *t)
{
    assert(sink && t);
    struct sp_h1_stream *s = stream_of(sink);
    struct sp_h1 *h1 = sp_h1_of(s->cs.codec);
    assert(s->tx != SP_H1_TX_HEAD);
    if (s->tx != SP_H1_TX_BODY)
        return;
    tx_end(h1, s, t);
    written(h1, s);
}

static void tx_abort(struct sp_sink *sink, enum sp_abort why)
{
    assert(sink);
    struct sp_h1_stream *s = stream_of(sink);
    struct sp_h1 *h1 = sp_h1_of(s->cs.codec);
    bool untaken = h1->codec.config->server && why == SP_ABORT_TIMEOUT && s->out.len; /* whole, but nobody reads it */
    if (s->tx == SP_H1_TX_OVER && !untaken)
        return;
    s->tx_aborted = true;
    cut(h1, s, why);
}

const struct sp_sink_ops sp_h1_tx_ops = {tx_headers, tx_data, tx_trailers, tx_abort};
