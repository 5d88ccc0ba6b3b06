/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h2_send.h"

#include <assert.h>

#include "http/h2_linger.h"
#include "http/h2_nv.h"
#include "http/h2_stream.h"

enum { NAMES_EVERY = 64 }; /* heads, of which one puts all its names into the peer's table */

/* ---- nghttp2's callbacks ---- */

/* Says how many bytes of the stream's buffer the next DATA frame takes; send_data moves them. */
static ssize_t read_data(nghttp2_session *session, int32_t id, uint8_t *to, size_t most, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    (void)to;
    struct sp_h2 *c = user;
    struct sp_h2_stream *s = source->ptr;
    size_t n = SP_MIN(s->tx_buf.len, most);
    if (n == 0 && !s->tx_ended) {
        s->tx_waits = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n && c->room == 0)
        return NGHTTP2_ERR_PAUSE;
    if (n)
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n == s->tx_buf.len && s->tx_ended) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->tx_trailers) {
            struct sp_h2_nv nv;
            sp_h2_nv_build(&nv, SP_H2_NV_TRAILERS, s->tx_trailers, &s->arena, true);
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (nghttp2_submit_trailer(session, id, nv.v, nv.n) != 0)
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
            s->tx_trailers = NULL;
        }
    }
    c->room -= SP_MIN(c->room, n);
    return (ssize_t)n;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
                     nghttp2_data_source *source, void *user)
{
    (void)session;
    struct sp_h2 *c = user;
    struct sp_h2_stream *s = source->ptr;
    assert(frame->data.padlen == 0 && length <= s->tx_buf.len);
    sp_buf_append_small(c->out, head, SP_H2_FRAME_HEADER);
    sp_buf_move_n(c->out, &s->tx_buf, length);
    const char *flood = sp_h2_meter_sent(&c->meter, length, s->tx_buf.len > 0);
    if (flood)
        sp_h2_fail(c, SP_CE_FLOOD, flood, NGHTTP2_ENHANCE_YOUR_CALM);
    if (s->tx_paused && s->tx_buf.len <= c->codec.config->high_water / 2)
        sp_h2_mark_ready(s);
    return sp_h2_verdict(c);
}

/* A head, or the message to its last byte, was handed out. */
static void sent(struct sp_h2_stream *s, bool end)
{
    s->tx_head_out = s->tx_begun;
    if (!end) {
        if (s->tx_trailers && !s->tx_buf.len)
            sp_h2_mark_dirty(s);
        return;
    }
    s->tx_over = true;
    sp_h2_mark_closing(s);
    if (!s->conn->codec.config->server || s->rx_ended || s->reset_due)
        return;
    if (s->may_linger)
        sp_h2_linger(s);
    else
        sp_h2_stream_reset(s, NGHTTP2_NO_ERROR, SP_ABORT_NONE);
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct sp_h2 *c = user;
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
        if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
            struct sp_h2_stream *s = sp_h2_stream_of(session, frame->hd.stream_id);
            if (s)
                sent(s, frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
        }
        break;
    case NGHTTP2_GOAWAY:
        c->said_goaway_code = frame->goaway.error_code;
        sp_h2_event(c, SP_CE_GOAWAY_SENT, "http2.goaway_sent", 0);
        break;
    default:
        break;
    }
    return 0;
}

/* A head that nghttp2 cannot send: too large for it. (A stream that is gone has no user data.) */
static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    (void)user;
    (void)error;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    struct sp_h2_stream *s = sp_h2_stream_of(session, frame->hd.stream_id);
    if (s)
        sp_h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR, SP_ABORT_TOO_LARGE);
    return 0;
}

void sp_h2_send_callbacks(nghttp2_session_callbacks *cb)
{
    assert(cb);
    nghttp2_session_callbacks_set_send_data_callback(cb, send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_frame_not_send);
}

/* ---- submitting ---- */

static unsigned stream_limit(struct sp_h2 *c)
{
    uint32_t peer = nghttp2_session_get_remote_settings(c->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return SP_MIN(peer, c->codec.config->h2_max_streams);
}

unsigned sp_h2_room(struct sp_h2 *c)
{
    assert(c && !c->codec.config->server);
    unsigned limit = stream_limit(c), used = c->n_live + c->n_unsent;
    return limit > used ? limit - used : 0;
}

static nghttp2_data_provider *provider(struct sp_h2_stream *s, nghttp2_data_provider *to)
{
    bool all_said = s->tx_ended && !s->tx_buf.len && !s->tx_trailers;
    *to = (nghttp2_data_provider){.source.ptr = s, .read_callback = read_data};
    return all_said ? NULL : to;
}

/* Now and then, as other fields push the names out of the table. */
static bool names_too(struct sp_h2 *c)
{
    return c->n_heads++ % NAMES_EVERY == 0;
}

static bool submit_request(struct sp_h2_stream *s, struct sp_headers *h)
{
    struct sp_h2 *c = s->conn;
    struct sp_h2_nv nv;
    nghttp2_data_provider data;
    sp_h2_nv_build(&nv, SP_H2_NV_REQUEST, h, &s->arena, names_too(c));
    int32_t id = nghttp2_submit_request(c->session, NULL, nv.v, nv.n, provider(s, &data), s);
    if (id < 0)
        return false;
    s->id = id;
    s->cs.id = (uint64_t)id;
    s->live = true;
    c->n_live++;
    c->n_unsent--;
    c->meter.n_streams++;
    return true;
}

static bool submit_response(struct sp_h2_stream *s, struct sp_headers *h)
{
    struct sp_h2_nv nv;
    nghttp2_data_provider data;
    sp_h2_nv_build(&nv, SP_H2_NV_RESPONSE, h, &s->arena, names_too(s->conn));
    if (h->status < 200)
        return nghttp2_submit_headers(s->conn->session, NGHTTP2_FLAG_NONE, s->id, NULL, nv.v, nv.n, NULL) == 0;
    return nghttp2_submit_response(s->conn->session, s->id, nv.v, nv.n, provider(s, &data)) == 0;
}

static size_t head_bytes(const struct sp_headers *h)
{
    size_t n = h->method.len + h->scheme.len + h->authority.len + h->path.len + (h->status ? 3 : 0);
    for (unsigned i = 0; i < h->n; i++)
        n += h->v[i].name.len + h->v[i].value.len;
    return n;
}

/* RFC 8441 section 3: without the peer's word for it there is none. */
static bool takes_connect(struct sp_h2 *c)
{
    return nghttp2_session_get_remote_settings(c->session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

/* False when the stream has to wait: for room in the output, or for the peer to allow one stream more. */
static bool submit_heads(struct sp_h2_stream *s)
{
    struct sp_h2 *c = s->conn;
    bool server = c->codec.config->server;
    while (s->tx_heads.first) {
        if (c->room == 0 || (!server && c->n_live >= stream_limit(c)))
            return false;
        bool extended = !server && s->upgrade.len && !s->connect;
        if (extended && !c->peer_settings)
            return false; /* whether the peer takes extended CONNECT */
        struct sp_headers *h = sp_h2_heads_pop(&s->tx_heads);
        if (extended && !takes_connect(c)) {
            sp_h2_stream_reset(s, NGHTTP2_CANCEL, SP_ABORT_PROTOCOL);
            return true;
        }
        s->cs.tx_head_bytes += head_bytes(h);
        s->tx_begun = !server || h->status >= 200;
        if (!(server ? submit_response(s, h) : submit_request(s, h))) {
            sp_h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR, server ? SP_ABORT_LOCAL : SP_ABORT_REFUSED);
            return true;
        }
    }
    return true;
}

static void submit_reset(struct sp_h2_stream *s)
{
    if (!s->live || s->reset_sent)
        return;
    s->reset_sent = true;
    sp_h2_check(s->conn, nghttp2_submit_rst_stream(s->conn->session, NGHTTP2_FLAG_NONE, s->id, s->reset_code));
    sp_h2_event(s->conn, SP_CE_TX_RESET, "http2.tx_reset", 0);
}

static void submit_reply(struct sp_h2_stream *s)
{
    sp_h2_heads_push(&s->tx_heads, s->reply, &s->arena, true);
    s->reply = NULL;
    s->tx_ended = true;
}

static void submit_content(struct sp_h2_stream *s)
{
    if (!s->tx_head_out || !s->live)
        return;
    if (s->tx_trailers && !s->tx_buf.len) { /* at once: flow control does not hold for them */
        struct sp_h2_nv nv;
        sp_h2_nv_build(&nv, SP_H2_NV_TRAILERS, s->tx_trailers, &s->arena, true);
        s->tx_trailers = NULL;
        s->tx_waits = false;
        sp_h2_check(s->conn, nghttp2_submit_trailer(s->conn->session, s->id, nv.v, nv.n));
    } else if (s->tx_waits && (s->tx_buf.len || s->tx_ended)) {
        s->tx_waits = false;
        sp_h2_check(s->conn, nghttp2_session_resume_data(s->conn->session, s->id));
    }
}

/* Once: there is more to come than a window, and nobody was waited for so far. */
static void grow_window(struct sp_h2_stream *s)
{
    const struct sp_codec_config *config = s->conn->codec.config;
    uint32_t window = config->h2_stream_window;
    if (s->grown || s->slow || config->h2_grown_window <= window || s->cs.rx_body_bytes < window ||
        (s->rx_expect >= 0 && s->rx_expect <= window))
        return;
    s->grown = true;
    sp_h2_check(s->conn, nghttp2_session_set_local_window_size(s->conn->session, NGHTTP2_FLAG_NONE, s->id,
                                                               (int32_t)config->h2_grown_window));
}

/* Only what a reader took, and not before it is worth a frame: nghttp2 sends one for half of the window. */
static void give_back_window(struct sp_h2_stream *s)
{
    if (!s->live || s->rx_pauses || s->rx_ended || s->rx_over || s->rx_unacked < sp_h2_window(s) / 4)
        return;
    sp_h2_check(s->conn, nghttp2_session_consume_stream(s->conn->session, s->id, s->rx_unacked));
    s->rx_unacked = 0;
    grow_window(s);
}

static void give_back_connection(struct sp_h2 *c)
{
    if (c->held >= c->codec.config->h2_conn_held_max || c->unacked < c->codec.config->h2_conn_window / 4)
        return;
    sp_h2_check(c, nghttp2_session_consume_connection(c->session, c->unacked));
    c->unacked = 0;
}

/* False when it has to be tried again by a later flush. */
static bool submit(struct sp_h2_stream *s)
{
    if (s->reset_due) {
        submit_reset(s);
        return true;
    }
    if (s->reply)
        submit_reply(s);
    if (s->conn->codec.config->server && s->tx_ended && !s->rx_ended && s->live)
        sp_h2_linger_prepare(s);
    if (!submit_heads(s))
        return false;
    submit_content(s);
    give_back_window(s);
    return true;
}

static void submit_dirty(struct sp_h2 *c)
{
    struct sp_list *n;
    while ((n = sp_list_pop(&c->dirty)) != NULL)
        if (!submit(SP_CONTAINER_OF(n, struct sp_h2_stream, dirty)))
            sp_list_push_back(&c->waiting, n);
}

static const uint8_t alive_ping[8] = "alive\0\0";

static void submit_control(struct sp_h2 *c)
{
    if (c->ping_due) {
        c->ping_due = false;
        sp_h2_check(c, nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, alive_ping));
    }
    if (c->shutdown == SP_H2_NOTICE_DUE) {
        c->shutdown = SP_H2_NOTICE_SENT;
        sp_h2_check(c, nghttp2_submit_shutdown_notice(c->session));
    } else if (c->shutdown == SP_H2_LAST_DUE) {
        c->shutdown = SP_H2_LAST_SENT;
        sp_h2_check(c, nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(c->session),
                                             NGHTTP2_NO_ERROR, NULL, 0));
    }
    give_back_connection(c);
}

/* ---- output ---- */

static const char *goaway_detail(uint32_t code)
{
    switch (code) {
    case NGHTTP2_FLOW_CONTROL_ERROR:
        return "http2.flow_control_error";
    case NGHTTP2_FRAME_SIZE_ERROR:
        return "http2.frame_size_error";
    case NGHTTP2_COMPRESSION_ERROR:
        return "http2.compression_error";
    case NGHTTP2_STREAM_CLOSED:
        return "http2.stream_closed";
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return "http2.too_many_settings";
    case NGHTTP2_INTERNAL_ERROR:
        return "http2.internal_error";
    default:
        return "http2.protocol_error";
    }
}

/* Takes all out that nghttp2 has. */
static void drain(struct sp_h2 *c)
{
    const uint8_t *p;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(c->session, &p)) > 0) {
        if ((size_t)n <= SP_SMALL_MAX) /* behind content that was moved there is no room: not a chunk for each head */
            sp_buf_append_small(c->out, p, (size_t)n);
        else
            sp_buf_append(c->out, p, (size_t)n);
        c->room -= SP_MIN(c->room, (size_t)n);
        c->clogged++;
    }
    if (n < 0)
        sp_h2_fail(c, SP_CE_BAD_REQUEST, "http2.internal_error", NGHTTP2_INTERNAL_ERROR);
    uint32_t code = c->said_goaway_code;
    if (code != NGHTTP2_NO_ERROR && !c->dead) {
        bool flood = code == NGHTTP2_ENHANCE_YOUR_CALM || c->broken_by_flood;
        sp_h2_fail(c, flood ? SP_CE_FLOOD : SP_CE_BAD_REQUEST, c->broken ? c->broken : goaway_detail(code), code);
        c->goaway_due = false; /* nghttp2 said it */
    }
}

void sp_h2_produce(struct sp_h2 *c, struct sp_buf *out, size_t room)
{
    assert(c && c->busy && out && !c->dead);
    c->out = out;
    c->room = room;
    if (room)
        c->clogged = 0;
    do {
        submit_control(c);
        submit_dirty(c);
        drain(c);
    } while (!c->dead && !sp_list_empty(&c->dirty));
    c->out = NULL;
    uint32_t most = SP_MIN(c->codec.config->h2_max_outbound, c->codec.config->h2_max_outbound_control);
    if (room == 0 && c->clogged > most)
        sp_h2_fail(c, SP_CE_FLOOD, "http2.outbound_flood", NGHTTP2_ENHANCE_YOUR_CALM);
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
    return p + 4;
}

void sp_h2_put_goaway(struct sp_h2 *c, struct sp_buf *out)
{
    assert(c && out && c->goaway_due);
    uint8_t frame[17] = {0, 0, 8, NGHTTP2_GOAWAY};
    uint8_t *p = put32(frame + SP_H2_FRAME_HEADER,
                       c->codec.config->server ? (uint32_t)nghttp2_session_get_last_proc_stream_id(c->session) : 0);
    put32(p, c->goaway_code);
    sp_buf_append(out, frame, sizeof(frame));
    c->goaway_due = false;
    sp_h2_event(c, SP_CE_GOAWAY_SENT, "http2.goaway_sent", 0);
}
