/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h2_blocks.h"

#include <assert.h>

#include "base/reserve.h"
#include "http/h2_fail.h"
#include "http/h2_stream.h"

enum { HEADS_MAX = 16 }; /* 1xx heads of one response */

void sp_h2_count_flood(struct sp_h2 *c, const char *flood)
{
    if (!flood)
        return;
    if (c->meter.fault)
        sp_h2_fail(c, SP_CE_BAD_REQUEST, flood, c->meter.fault);
    else
        sp_h2_fail(c, SP_CE_FLOOD, flood, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* The peer broke a rule on one stream. That costs us a reset, so it is counted as one (a peer may provoke them). */
static void stream_error(struct sp_h2_stream *s, enum sp_codec_event ev, const char *detail, uint32_t code,
                         enum sp_abort why)
{
    struct sp_h2 *c = s->conn;
    if (ev == SP_CE_BAD_REQUEST && !c->codec.config->h2_stream_error_on_invalid) {
        sp_h2_fail(c, ev, detail, code);
        return;
    }
    sp_h2_event(c, ev, detail, 0);
    sp_h2_stream_reset(s, code, why);
    sp_h2_count_flood(c, sp_h2_meter_reset(&c->meter));
}

void sp_h2_malformed(struct sp_h2_stream *s, const char *detail)
{
    stream_error(s, SP_CE_BAD_REQUEST, detail, NGHTTP2_PROTOCOL_ERROR, SP_ABORT_PROTOCOL);
}

static struct sp_h2_stream *open_request(struct sp_h2 *c, int32_t id)
{
    struct sp_h2_stream *s = sp_h2_stream_new(c);
    s->id = id;
    s->cs.id = (uint64_t)id;
    s->live = true;
    c->n_live++;
    c->meter.n_streams++;
    nghttp2_session_set_stream_user_data(c->session, id, s);
    /* All alike: a shared connection's requests are strangers to each other, whatever one of them says of its rank. */
    nghttp2_extpri alike = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
    nghttp2_session_change_extpri_stream_priority(c->session, id, &alike, 1);
    return s;
}

/* It has not been looked at: the client may ask again, here or elsewhere. */
static bool refused(struct sp_h2 *c, int32_t id)
{
    if (SP_LIKELY(sp_memory() == SP_MEM_WELL))
        return false;
    sp_h2_check(c, nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM));
    sp_h2_event(c, SP_CE_TX_RESET, "http2.out_of_memory", 0);
    return true;
}

int sp_h2_on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct sp_h2 *c = user;
    struct sp_h2_stream *s;
    enum sp_h2_block kind = SP_H2_TRAILERS;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        s = refused(c, frame->hd.stream_id) ? NULL : open_request(c, frame->hd.stream_id);
        kind = SP_H2_REQUEST;
    } else {
        s = sp_h2_stream_of(session, frame->hd.stream_id);
        if (s && !c->codec.config->server && !s->rx_final)
            kind = SP_H2_RESPONSE;
        if (s && (s->reset_due || s->rx_over))
            s = NULL;
    }
    c->meter.heads_taken += s != NULL;
    struct sp_headers *h = NULL;
    if (s) {
        h = sp_arena_alloc(&s->arena, sizeof(*h));
        sp_headers_init(h, &s->arena);
    }
    c->fields_of = s;
    sp_h2_fields_begin(&c->fields, c->codec.config, kind, h);
    return sp_h2_verdict(c);
}

static struct sp_str rc_str(nghttp2_rcbuf *b)
{
    nghttp2_vec v = nghttp2_rcbuf_get_buf(b);
    return sp_str_n((const char *)v.base, v.len);
}

int sp_h2_on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                     uint8_t flags, void *user)
{
    (void)session;
    (void)frame;
    struct sp_h2 *c = user;
    struct sp_h2_field field = {
        .name = rc_str(name),
        .value = rc_str(value),
        .name_static = nghttp2_rcbuf_is_static(name),
        .value_static = nghttp2_rcbuf_is_static(value),
        .never_index = flags & NGHTTP2_NV_FLAG_NO_INDEX,
    };
    if (!sp_h2_fields_add(&c->fields, &field))
        sp_h2_fail(c, SP_CE_FLOOD, "http2.header_bomb", NGHTTP2_ENHANCE_YOUR_CALM);
    return sp_h2_verdict(c);
}

/* The request's head was not kept, so that nobody but us can answer. */
static struct sp_headers *own_reply(struct sp_h2_stream *s, unsigned status, const char *detail)
{
    const struct sp_codec_cb *cb = s->conn->codec.cb;
    struct sp_headers *h = sp_arena_alloc(&s->arena, sizeof(*h));
    sp_headers_init(h, &s->arena);
    if (cb->on_refusal && cb->on_refusal(s->conn->codec.ctx, status, detail, h, &s->tx_buf))
        return h;
    h->status = status;
    sp_headers_add_id(h, SP_H_CONTENT_LENGTH, SP_STR("0"));
    return h;
}

/* A head over the limits: a request is answered, all else is reset. */
static void over_limit(struct sp_h2_stream *s, enum sp_h2_verdict why, const char *detail)
{
    struct sp_h2 *c = s->conn;
    enum sp_codec_event ev = why == SP_H2_TOO_LARGE  ? SP_CE_HEADERS_TOO_LARGE
                             : why == SP_H2_TOO_MANY ? SP_CE_TOO_MANY_HEADERS
                                                     : SP_CE_URL_TOO_LONG;
    if (c->fields.kind != SP_H2_REQUEST) {
        stream_error(s, ev, detail, NGHTTP2_ENHANCE_YOUR_CALM, SP_ABORT_TOO_LARGE);
        return;
    }
    s->reply = own_reply(s, why == SP_H2_URL_TOO_LONG ? 414 : 431, detail);
    s->rx_over = true;
    sp_h2_event(c, ev, detail, s->reply->status);
    sp_h2_mark_dirty(s);
}

void sp_h2_end_message(struct sp_h2_stream *s)
{
    s->rx_ended = true;
    if (s->rx_expect > 0)
        sp_h2_malformed(s, "http2.content_length_mismatch");
}

static void take_request(struct sp_h2_stream *s, struct sp_headers *h)
{
    s->rx_final = true;
    s->rx_expect = s->conn->fields.content_length;
    s->head_request = sp_str_eq(h->method, SP_STR("HEAD"));
    s->upgrade = h->protocol;
    s->connect = sp_is_connect(h);
    sp_h2_heads_push(&s->rx_heads, h, &s->arena, true);
}

/* RFC 8441 section 5: the tunnel is open. Here it is called what HTTP/1 calls it. */
static void take_switch(struct sp_h2_stream *s, struct sp_headers *h)
{
    h->status = s->connect ? h->status : 101;
    h->protocol = s->upgrade;
    sp_headers_remove_id(h, SP_H_CONTENT_LENGTH);
    s->rx_expect = -1;
    sp_h2_heads_push(&s->rx_heads, h, &s->arena, true);
}

static void take_response(struct sp_h2_stream *s, struct sp_headers *h, bool end)
{
    s->rx_n_heads++;
    s->rx_final = h->status >= 200;
    bool many = s->rx_n_heads > HEADS_MAX || s->cs.rx_head_bytes > s->conn->codec.config->max_header_bytes;
    if (!s->rx_final && (end || many)) {
        sp_h2_malformed(s, end ? "http2.end_in_1xx" : "http2.too_many_1xx");
        return;
    }
    if (s->upgrade.len && (h->status == 200 || (s->connect && s->rx_final && h->status < 300))) {
        take_switch(s, h);
        return;
    }
    bool empty = s->head_request || h->status == 204 || h->status == 304;
    s->rx_expect = empty ? 0 : s->conn->fields.content_length;
    sp_h2_heads_push(&s->rx_heads, h, &s->arena, true);
}

static void take_block(struct sp_h2_stream *s, struct sp_headers *h, bool end)
{
    s->cs.rx_head_bytes += h->bytes;
    switch (s->conn->fields.kind) {
    case SP_H2_REQUEST:
        take_request(s, h);
        break;
    case SP_H2_RESPONSE:
        take_response(s, h, end);
        break;
    case SP_H2_TRAILERS:
        if (!end) {
            sp_h2_malformed(s, "http2.trailers_without_end");
            return;
        }
        s->rx_trailers = h->n ? h : NULL;
        sp_h2_event(s->conn, SP_CE_TRAILERS, "http2.trailers", 0);
        break;
    }
    if (end && !s->reset_due)
        sp_h2_end_message(s);
    sp_h2_mark_ready(s);
}

void sp_h2_on_block(struct sp_h2 *c, struct sp_h2_stream *s, bool end)
{
    struct sp_h2_fields *f = &c->fields;
    enum sp_h2_verdict v = sp_h2_fields_end(f);
    for (unsigned i = 0; i < f->n_underscores; i++)
        sp_h2_event(c, SP_CE_HEADERS_DROPPED_UNDERSCORE, "http2.underscore", 0);
    switch (v) {
    case SP_H2_GOOD:
        take_block(s, f->h, end);
        break;
    case SP_H2_MALFORMED:
        sp_h2_malformed(s, f->detail);
        break;
    case SP_H2_UNDERSCORE:
        stream_error(s, SP_CE_REQUESTS_REJECTED_UNDERSCORE, f->detail, NGHTTP2_PROTOCOL_ERROR, SP_ABORT_PROTOCOL);
        break;
    default:
        s->rx_ended = end;
        over_limit(s, v, f->detail);
        break;
    }
}
