/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h2_recv.h"

#include <assert.h>

#include "http/h2_blocks.h"
#include "http/h2_fail.h"
#include "http/h2_linger.h"
#include "http/h2_send.h"
#include "http/h2_stream.h"

enum { SHARE_MIN = 4096 }; /* shorter content is copied: a piece holds its whole 16 KiB chunk in memory */

static const uint64_t YOUNG_NS = SP_NS_PER_S;

/* ---- content ---- */

/* Content goes from the input to the stream by moving segments, unless it is short. Many a request's is a few bytes. */
static void take_content(struct sp_h2 *c, struct sp_h2_stream *s, const char *data, size_t len)
{
    if (len <= SP_SMALL_MAX && s->rx_buf.len == 0) {
        sp_buf_append_small(&s->rx_buf, data, len);
    } else if (len < SHARE_MIN && s->rx_buf.len == 0) {
        size_t room;
        memcpy(sp_buf_reserve_shared(&s->rx_buf, len, &room), data, len);
        sp_buf_commit(&s->rx_buf, len);
    } else if (len < SHARE_MIN || !c->in_at) {
        sp_buf_append(&s->rx_buf, data, len);
    } else {
        assert(data >= c->in_at);
        sp_buf_drain(c->in, (size_t)(data - c->in_at));
        sp_buf_move_n(&s->rx_buf, c->in, len);
        c->in_at = data + len;
    }
    c->held += len;
    s->cs.rx_body_bytes += len;
    sp_h2_mark_ready(s);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
    (void)flags;
    struct sp_h2 *c = user;
    c->unacked += (uint32_t)len;
    c->meter.data_taken += len;
    struct sp_h2_stream *s = sp_h2_stream_of(session, id);
    if (!s || s->reset_due)
        return 0;
    if (s->lingers)
        sp_h2_linger_data(s, len);
    else if (!s->rx_final && !s->rx_over)
        sp_h2_malformed(s, "http2.content_before_head");
    else if (s->rx_expect >= 0 && (s->rx_expect -= (int64_t)len) < 0)
        sp_h2_malformed(s, "http2.content_length_mismatch");
    else if (!s->rx_over)
        take_content(c, s, (const char *)data, len);
    return sp_h2_verdict(c);
}

/* ---- other frames ---- */

static void on_reset(struct sp_h2 *c, struct sp_h2_stream *s, uint32_t code)
{
    sp_h2_event(c, SP_CE_RX_RESET, "http2.rx_reset", 0);
    if (code == NGHTTP2_REFUSED_STREAM)
        sp_h2_event(c, SP_CE_REFUSED_STREAM, "http2.refused_stream", 0);
    if (!s)
        return;
    s->reset_by_peer = true;
    bool server = c->codec.config->server;
    if (s->why != SP_ABORT_NONE || (!server && s->rx_ended && code == NGHTTP2_NO_ERROR))
        return; /* RFC 9113 section 8.1: the response is whole, the request's rest was not needed */
    s->why = !server && code == NGHTTP2_REFUSED_STREAM && !s->rx_n_heads ? SP_ABORT_REFUSED : SP_ABORT_RESET;
}

static void on_goaway(struct sp_h2 *c)
{
    sp_h2_event(c, SP_CE_GOAWAY_RECEIVED, "http2.goaway_received", 0);
    c->goaway_received = true;
    if (c->codec.config->server)
        return;
    c->codec.draining = true;
    c->tell_draining = true;
    SP_LIST_FOREACH(n, &c->streams) {
        struct sp_h2_stream *s = SP_CONTAINER_OF(n, struct sp_h2_stream, all);
        if (!s->id)
            sp_h2_stream_reset(s, NGHTTP2_CANCEL, SP_ABORT_REFUSED);
    }
}

static void on_pong(struct sp_h2 *c, const uint8_t *opaque)
{
    c->ping_waits = false;
    sp_h2_ping_later(c);
}

/* Trailers that do not end a request which nobody reads any more. */
static void unended(struct sp_h2_stream *s)
{
    if (!s || s->reset_due)
        return;
    if (s->lingers) {
        sp_h2_event(s->conn, SP_CE_BAD_REQUEST, "http2.trailers_without_end", 0);
        sp_h2_linger_reset(s, NGHTTP2_PROTOCOL_ERROR);
        sp_h2_count_flood(s->conn, sp_h2_meter_reset(&s->conn->meter));
    } else if (s->rx_final && s->rx_over)
        sp_h2_malformed(s, "http2.trailers_without_end");
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct sp_h2 *c = user;
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (c->fields_of)
            sp_h2_on_block(c, c->fields_of, end);
        else if (!end && c->codec.config->server)
            unended(sp_h2_stream_of(session, frame->hd.stream_id));
        c->fields_of = NULL;
        break;
    case NGHTTP2_DATA:
        if (end) {
            struct sp_h2_stream *s = sp_h2_stream_of(session, frame->hd.stream_id);
            if (s && !s->reset_due && !s->lingers) {
                if (!s->rx_final && !s->rx_over)
                    sp_h2_malformed(s, "http2.content_before_head");
                else
                    sp_h2_end_message(s);
                sp_h2_mark_ready(s);
            }
        }
        break;
    case NGHTTP2_RST_STREAM:
        on_reset(c, sp_h2_stream_of(session, frame->hd.stream_id), frame->rst_stream.error_code);
        break;
    case NGHTTP2_GOAWAY:
        on_goaway(c);
        break;
    case NGHTTP2_SETTINGS:
        c->peer_settings |= !(frame->hd.flags & NGHTTP2_FLAG_ACK);
        break;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
            on_pong(c, frame->ping.opaque_data);
        break;
    default:
        break;
    }
    return sp_h2_verdict(c);
}

static enum sp_h2_end how_ended(const struct sp_h2_stream *s, uint32_t code)
{
    if (s->lingers && s->reset_by_peer)
        return SP_H2_END_ANSWERED;
    if (code == NGHTTP2_NO_ERROR && !s->reset_by_peer)
        return SP_H2_END_WELL;
    bool young = s->conn->codec.turn->now_ns - s->begun_ns < YOUNG_NS;
    return s->reset_by_peer && !s->tx_begun && young ? SP_H2_END_PREMATURE : SP_H2_END_RESET;
}

/* nghttp2 lets go of a stream: both sides ended it, or one reset it, or a GOAWAY did. */
static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct sp_h2 *c = user;
    struct sp_h2_stream *s = sp_h2_stream_of(session, id);
    if (!(s && s->reset_by_peer) && nghttp2_session_get_stream_remote_close(session, id) == 0)
        sp_h2_order_reset(&c->meter.order, (uint32_t)id);
    if (!s)
        return 0;
    s->live = false;
    c->n_live--;
    sp_h2_mark_closing(s);
    if (code != NGHTTP2_NO_ERROR && !s->reset_by_peer && !s->reset_due) {
        bool refused = !c->codec.config->server && code == NGHTTP2_REFUSED_STREAM;
        if (s->why == SP_ABORT_NONE)
            s->why = refused ? SP_ABORT_REFUSED : SP_ABORT_PROTOCOL;
        s->reset_due = true; /* what came of it is worth nothing */
        if (!refused)
            sp_h2_count_flood(c, sp_h2_meter_reset(&c->meter)); /* nghttp2 reset it: the window was overrun, say */
    }
    if (c->codec.config->server)
        sp_h2_count_flood(c, sp_h2_meter_ended(&c->meter, how_ended(s, code)));
    if (s->lingers)
        sp_h2_linger_over(s);
    return sp_h2_verdict(c);
}

/* nghttp2 refuses a frame; most of these end the connection. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    (void)session;
    struct sp_h2 *c = user;
    if (c->codec.config->server && frame->hd.type == NGHTTP2_HEADERS && error == NGHTTP2_ERR_PROTO &&
        c->n_live >= c->codec.config->h2_max_streams) {
        c->broken = "http2.too_many_streams";
        c->broken_by_flood = true;
    } else if (frame->hd.type == NGHTTP2_PUSH_PROMISE) {
        c->broken = "http2.push_promise";
    }
    return 0;
}

void sp_h2_recv_callbacks(nghttp2_session_callbacks *cb)
{
    assert(cb);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, sp_h2_on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(cb, sp_h2_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
}

/* ---- feeding ---- */

static void broken(struct sp_h2 *c, int error)
{
    switch (error) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
        sp_h2_fail(c, SP_CE_BAD_REQUEST, "http2.bad_preface", NGHTTP2_PROTOCOL_ERROR);
        break;
    case NGHTTP2_ERR_FLOODED:
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
        sp_h2_fail(c, SP_CE_FLOOD, "http2.flood", NGHTTP2_ENHANCE_YOUR_CALM);
        break;
    default:
        sp_h2_fail(c, SP_CE_BAD_REQUEST, "http2.internal_error", NGHTTP2_INTERNAL_ERROR);
        break;
    }
}

static void pass_on(struct sp_h2 *c, const void *p, size_t n)
{
    ssize_t done = nghttp2_session_mem_recv(c->session, p, n);
    if (done < 0)
        broken(c, (int)done);
}

/* A frame header in pieces, or the first piece of one. */
static void consume_head(struct sp_h2 *c, struct sp_str bytes, const char **ret_flood)
{
    sp_buf_drain(c->in, sp_h2_meter_gather(&c->meter, bytes.ptr, bytes.len, ret_flood));
    if (c->meter.n_head < SP_H2_FRAME_HEADER || *ret_flood)
        return;
    c->meter.n_head = 0;
    pass_on(c, c->meter.head, SP_H2_FRAME_HEADER);
}

static void consume_run(struct sp_h2 *c, struct sp_str bytes, const char **ret_flood)
{
    size_t n = sp_h2_meter_scan(&c->meter, bytes.ptr, bytes.len, ret_flood);
    c->in_at = bytes.ptr;
    if (n)
        pass_on(c, bytes.ptr, n);
    sp_buf_drain(c->in, n - (size_t)(c->in_at - bytes.ptr));
    c->in_at = NULL;
}

void sp_h2_consume(struct sp_h2 *c, struct sp_buf *in)
{
    assert(c && c->busy && in);
    c->in = in;
    c->meter.now_ns = c->codec.turn->now_ns;
    c->meter.order.session = c->codec.config->server && c->shutdown == SP_H2_OPEN ? c->session : NULL;
    while (in->len && !c->dead) {
        const char *flood = NULL;
        uint32_t metadata = c->meter.n_metadata;
        struct sp_str front = sp_buf_front(in);
        assert(front.len);
        sp_h2_order_run(&c->meter.order);
        if (sp_h2_meter_gathers(&c->meter, front.len))
            consume_head(c, front, &flood);
        else
            consume_run(c, front, &flood);
        for (; metadata != c->meter.n_metadata; metadata++)
            sp_h2_event(c, SP_CE_METADATA_REFUSED, "http2.metadata_refused", 0);
        sp_h2_count_flood(c, flood);
    }
    c->in = NULL;
    c->in_at = NULL;
}
