/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTTP/2 codec (RFC 9113): what http/codec.h promises, over nghttp2. The parts are described in http/h2_conn.h. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/h2_deliver.h"
#include "http/h2_linger.h"
#include "http/h2_recv.h"
#include "http/h2_send.h"
#include "http/h2_stream.h"

enum {
    ROUNDS_MAX = 8, /* of output, delivery, output ... in one flush; what is left is for the next turn */
    LAST_ID = 0x7ffffff0,
    GREETING_MAX = 128,
    MAX_SEND_HEADER_BLOCK = 512 * 1024 /* ours are bounded where they come from */
};

/* The connection failed: the streams hear of it. */
static void end_if_dead(struct sp_h2 *c)
{
    if (!c->dead || c->end_why == SP_ABORT_NONE)
        return;
    enum sp_abort why = c->end_why;
    c->end_why = SP_ABORT_NONE;
    sp_h2_end_all(c, why, why == SP_ABORT_CLOSED);
}

/* Tells the users what happened while nghttp2 was at work. */
static void settle(struct sp_h2 *c)
{
    end_if_dead(c);
    if (c->tell_draining) {
        c->tell_draining = false;
        if (c->codec.cb->on_draining)
            c->codec.cb->on_draining(c->codec.ctx);
    }
    sp_h2_settle(c);
    bool last_said = c->shutdown == SP_H2_LAST_SENT || c->goaway_received;
    if (last_said && !c->codec.n_streams && !c->n_live && !c->n_unsent)
        c->codec.want_close = true;
}

/* Something is left to send, or to tell, that only a flush can. */
static bool wants_flush(struct sp_h2 *c)
{
    if (c->dead)
        return c->goaway_due || !sp_list_empty(&c->closing);
    return !sp_list_empty(&c->dirty) || !sp_list_empty(&c->closing) || c->shutdown == SP_H2_LAST_DUE ||
           nghttp2_session_want_write(c->session);
}

static int feed(struct sp_codec *codec, struct sp_buf *in)
{
    struct sp_h2 *c = sp_h2_of(codec);
    assert(in && !c->busy && !c->freed);
    c->busy = true;
    if (!c->dead && !codec->want_close)
        sp_h2_consume(c, in);
    if (c->dead || codec->want_close)
        sp_buf_clear(in);
    codec->in_head = codec->config->server && !c->dead && sp_h2_meter_in_block(&c->meter);
    settle(c);
    c->busy = false;
    if (wants_flush(c) || !sp_list_empty(&c->waiting))
        sp_h2_wake(c);
    return c->dead ? -EPROTO : 0;
}

/* Nobody who still sends his request is kept from the windows that our SETTINGS give him. */
static bool all_asked(const struct sp_h2 *c)
{
    SP_LIST_FOREACH (n, &c->streams)
        if (nghttp2_session_get_stream_remote_close(c->session, SP_CONTAINER_OF(n, struct sp_h2_stream, all)->id) == 0)
            return false;
    return true;
}

/* Most clients send their first request right behind their SETTINGS. `greeting`: bytes of ours that `out` begins with. */
static bool may_wait(const struct sp_h2 *c, const struct sp_buf *out, size_t greeting)
{
    uint8_t all[GREETING_MAX + SP_H2_FRAME_HEADER];
    if (!c->codec.config->server || !c->codec.n_streams || (greeting && !all_asked(c)))
        return false;
    if (out->len != greeting + SP_H2_FRAME_HEADER || greeting > GREETING_MAX)
        return greeting && out->len == greeting;
    return sp_buf_peek(out, all, out->len) == out->len && all[greeting + 3] == NGHTTP2_SETTINGS && all[greeting + 4] == NGHTTP2_FLAG_ACK;
}

static void flush(struct sp_codec *codec, struct sp_buf *out, size_t room)
{
    struct sp_h2 *c = sp_h2_of(codec);
    assert(out && !c->busy && !c->freed);
    c->busy = true;
    c->woken = false;
    sp_list_splice(&c->dirty, &c->waiting);
    const size_t greeting = out->len ? 0 : c->greeting.len;
    sp_buf_move(out, &c->greeting);
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        size_t before = out->len;
        if (!c->dead)
            sp_h2_produce(c, out, room);
        if (c->goaway_due)
            sp_h2_put_goaway(c, out);
        settle(c);
        if (c->dead || sp_list_empty(&c->dirty))
            break;
        room -= SP_MIN(room, out->len - before);
    }
    codec->may_wait = may_wait(c, out, greeting);
    c->busy = false;
    if (!sp_list_empty(&c->dirty) || !sp_list_empty(&c->closing))
        sp_h2_wake(c);
}

static void eof(struct sp_codec *codec, enum sp_abort why)
{
    struct sp_h2 *c = sp_h2_of(codec);
    assert(!c->busy && !c->freed && why != SP_ABORT_NONE);
    c->busy = true;
    codec->want_close = true;
    codec->want_read = false;
    if (!c->dead) {
        c->dead = true;
        sp_h2_end_all(c, why, true);
    }
    settle(c);
    c->busy = false;
}

static bool may_open(struct sp_h2 *c)
{
    if (c->dead || c->codec.draining || c->codec.want_close)
        return false;
    if (nghttp2_session_get_next_stream_id(c->session) < LAST_ID)
        return true;
    c->codec.draining = c->tell_draining = true; /* all ids were used up */
    c->shutdown = SP_H2_LAST_DUE;
    sp_h2_wake(c);
    return false;
}

static struct sp_codec_stream *open_stream(struct sp_codec *codec, struct sp_sink *response)
{
    struct sp_h2 *c = sp_h2_of(codec);
    assert(response && !codec->config->server && !c->freed);
    if (!may_open(c) || sp_h2_room(c) == 0)
        return NULL;
    struct sp_h2_stream *s = sp_h2_stream_new(c);
    s->announced = s->counted = true;
    c->n_unsent++;
    codec->n_streams++;
    sp_link(&s->cs.rx, response);
    return &s->cs;
}

static unsigned room(struct sp_codec *codec)
{
    struct sp_h2 *c = sp_h2_of(codec);
    assert(!c->freed);
    return may_open(c) ? sp_h2_room(c) : 0;
}

static void goaway(struct sp_codec *codec)
{
    struct sp_h2 *c = sp_h2_of(codec);
    assert(!c->freed);
    codec->draining = true;
    if (c->shutdown == SP_H2_OPEN)
        c->shutdown = codec->config->server ? SP_H2_NOTICE_DUE : SP_H2_LAST_DUE;
    else if (c->shutdown < SP_H2_LAST_DUE)
        c->shutdown = SP_H2_LAST_DUE;
    sp_h2_wake(c);
}

static void rest(struct sp_codec *codec)
{
    struct sp_h2 *c = sp_h2_of(codec);
    assert(!c->busy && !c->freed);
    if (!c->dead && !codec->n_streams && !c->n_live && !nghttp2_session_want_write(c->session))
        sp_h2_mem_rest(&c->mem);
}

static void codec_free(struct sp_grave *g)
{
    struct sp_h2 *c = SP_CONTAINER_OF(g, struct sp_h2, grave);
    nghttp2_session_del(c->session);
    sp_h2_mem_done(&c->mem);
    sp_codec_config_unshare(c->codec.config);
    free(c);
}

static void destroy(struct sp_codec *codec)
{
    struct sp_h2 *c = sp_h2_of(codec);
    assert(!c->busy && !c->freed);
    c->busy = true;
    c->dead = true;
    codec->want_close = true;
    codec->want_read = false;
    c->end_why = SP_ABORT_NONE;
    sp_h2_end_all(c, SP_ABORT_CLOSED, false);
    sp_h2_settle(c);
    assert(sp_list_empty(&c->streams) && c->held == 0);
    c->freed = true;
    sp_defer_cancel(&c->deliver_later);
    sp_defer_cancel(&c->own_later);
    sp_timer_stop(&c->ping_timer);
    sp_buf_clear(&c->greeting);
    sp_bury(codec->turn, &c->grave);
}

static size_t held(const struct sp_codec_stream *cs)
{
    const struct sp_h2_stream *s = SP_CONTAINER_OF(cs, struct sp_h2_stream, cs);
    return s->rx_buf.len + s->tx_buf.len;
}

static const struct sp_codec_ops ops = {
    .name = "http2",
    .protocol = SP_HTTP_2,
    .feed = feed,
    .eof = eof,
    .flush = flush,
    .open = open_stream,
    .goaway = goaway,
    .room = room,
    .rest = rest,
    .destroy = destroy,
    .held = held,
};

/* What a resume asked for, outside of feed and flush. Streams that are over then are closed by the next flush. */
static void deliver_later(struct sp_defer *d)
{
    struct sp_h2 *c = SP_CONTAINER_OF(d, struct sp_h2, deliver_later);
    sp_h2_deliver(c);
}

static void own_later(struct sp_defer *d)
{
    struct sp_h2 *c = SP_CONTAINER_OF(d, struct sp_h2, own_later);
    sp_h2_own_heads(c);
}

void sp_h2_ping_later(struct sp_h2 *c)
{
    assert(c);
    const struct sp_codec_config *config = c->codec.config;
    if (!config->h2_ping_interval_ns)
        return;
    c->ping_random = c->ping_random * 6364136223846793005u + 1442695040888963407u; /* PCG's step: the high bits are good */
    uint64_t jitter = (uint64_t)((unsigned __int128)c->ping_random * (config->h2_ping_jitter_ns + 1) >> 64);
    sp_timer_start(c->codec.turn, &c->ping_timer, config->h2_ping_interval_ns + jitter);
}

/* Keepalive: a PING each interval; its answer starts the next. */
static void ping_fired(struct sp_timer *t)
{
    struct sp_h2 *c = SP_CONTAINER_OF(t, struct sp_h2, ping_timer);
    if (c->dead)
        return;
    if (c->ping_waits) {
        c->dead = true;
        c->end_why = SP_ABORT_TIMEOUT;
        c->codec.want_close = true;
        c->codec.want_read = false;
        sp_h2_event(c, SP_CE_PING_TIMEOUT, "http2.keepalive_timeout", 0);
    } else {
        c->ping_due = c->ping_waits = true;
        sp_timer_start(c->codec.turn, t, c->codec.config->h2_ping_timeout_ns);
    }
    sp_h2_wake(c);
}

/* NULL: there is no memory for it, as below. */
static nghttp2_option *options(const struct sp_codec_config *config)
{
    nghttp2_option *o;
    if (nghttp2_option_new(&o) != 0)
        return NULL;
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_http_messaging(o, 1); /* http/h2_fields is stricter */
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_max_reserved_remote_streams(o, 0);
    nghttp2_option_set_max_settings(o, NGHTTP2_DEFAULT_MAX_SETTINGS);
    nghttp2_option_set_max_continuations(o, SP_H2_MAX_CONTINUATIONS);
    nghttp2_option_set_stream_reset_rate_limit(o, UINT32_MAX, UINT32_MAX); /* the meter's goes by what ended well, too */
    nghttp2_option_set_max_outbound_ack(o, config->h2_max_outbound_control);
    nghttp2_option_set_max_deflate_dynamic_table_size(o, config->h2_table_size);
    nghttp2_option_set_max_send_header_block_length(o, MAX_SEND_HEADER_BLOCK);
    return o;
}

static nghttp2_session *session_new(struct sp_h2 *c)
{
    nghttp2_session_callbacks *cb;
    if (nghttp2_session_callbacks_new(&cb) != 0)
        return NULL;
    sp_h2_recv_callbacks(cb);
    sp_h2_send_callbacks(cb);
    nghttp2_option *o = options(c->codec.config);
    nghttp2_session *session;
    nghttp2_mem *mem = sp_h2_mem_init(&c->mem);
    int rc = !o                        ? NGHTTP2_ERR_NOMEM
             : c->codec.config->server ? nghttp2_session_server_new3(&session, cb, c, o, mem)
                                       : nghttp2_session_client_new3(&session, cb, c, o, mem);
    nghttp2_option_del(o);
    nghttp2_session_callbacks_del(cb);
    return rc == 0 ? session : NULL;
}

/* The first SETTINGS. They are taken out at once, so that they come first whatever happens then. False: they cannot be. */
static bool greet(struct sp_h2 *c)
{
    const struct sp_codec_config *config = c->codec.config;
    nghttp2_settings_entry v[7];
    size_t n = 0;
    v[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, config->h2_stream_window};
    v[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, config->h2_table_size};
    v[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
                                      (uint32_t)config->max_header_bytes + 32 * config->max_headers};
    if (config->server) {
        v[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, config->h2_max_streams};
        v[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
        if (config->h2_extended_connect)
            v[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
    } else {
        v[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    }
    assert(n <= SP_ARRAY_LEN(v));
    if (nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, v, n) != 0 ||
        nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, (int32_t)config->h2_conn_window) != 0)
        return false;
    const uint8_t *p;
    ssize_t len;
    while ((len = nghttp2_session_mem_send(c->session, &p)) > 0)
        sp_buf_append(&c->greeting, p, (size_t)len);
    return len == 0;
}

struct sp_codec *sp_h2_new(struct sp_turn *turn, const struct sp_codec_config *config, const struct sp_codec_cb *cb,
                           void *ctx)
{
    assert(turn && config && cb && cb->on_stream_closed);
    assert(!config->server || cb->on_stream);
    assert(config->h2_stream_window <= INT32_MAX && config->h2_conn_window <= INT32_MAX &&
           config->h2_grown_window <= INT32_MAX);
    struct sp_h2 *c = sp_xcalloc(1, sizeof(*c));
    c->codec = (struct sp_codec){
        .ops = &ops, .cb = cb, .ctx = ctx, .turn = turn, .config = sp_codec_config_share(config), .want_read = true};
    sp_list_init(&c->streams);
    sp_list_init(&c->ready);
    sp_list_init(&c->dirty);
    sp_list_init(&c->closing);
    sp_list_init(&c->waiting);
    sp_h2_linger_init(c);
    sp_buf_init(&c->greeting);
    c->deliver_later.run = deliver_later;
    c->own_later.run = own_later;
    c->grave.free = codec_free;
    c->ping_timer.fire = ping_fired;
    sp_h2_meter_init(&c->meter, config, turn->now_ns);
    c->session = session_new(c);
    if (!c->session || !greet(c)) {
        sp_buf_clear(&c->greeting);
        codec_free(&c->grave);
        return NULL;
    }
    c->ping_random = turn->now_ns ^ (uintptr_t)c; /* so that connections differ */
    sp_h2_ping_later(c);
    return &c->codec;
}
