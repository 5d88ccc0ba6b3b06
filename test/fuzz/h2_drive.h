/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What fuzz_h2_server and fuzz_h2_client have in common: one codec, a peer that is the fuzzer's bytes, and a user that
 * does whatever a generator seeded from them says: answers, pauses, cancels, aborts, drains, in any order.  The
 * recording user of the unit tests checks what the codec promises.
 *
 * Input: a byte of options, a byte of seed, then what the peer sends.
 */
#ifndef FUZZ_H2_DRIVE_H
#define FUZZ_H2_DRIVE_H

#include <assert.h>

#include "../unit/http/codec_user.c"

struct drive {
    struct sp_turn turn;
    struct cu_side side;
    uint32_t seed;
};

static uint32_t roll(struct drive *d, uint32_t n)
{
    d->seed = d->seed * 1664525 + 1013904223;
    return (d->seed >> 12) % n;
}

static void act_on(struct drive *d, struct cu_exchange *x)
{
    struct sp_source *rx = &x->cs->rx;
    bool server = d->side.config.server;
    struct sp_headers *h;
    switch (roll(d, 12)) {
    case 0:
        rx->ops->pause(rx);
        x->user_pauses++;
        break;
    case 1:
    case 2:
        if (x->user_pauses) {
            x->user_pauses--;
            rx->ops->resume(rx);
        }
        break;
    case 3:
        if (roll(d, 4) == 0)
            rx->ops->cancel(rx, SP_ABORT_CANCEL);
        break;
    case 4:
        if (roll(d, 4) == 0 && !x->tx_ended) {
            x->tx_ended = true;
            x->cs->tx.ops->abort(&x->cs->tx, SP_ABORT_LOCAL);
        }
        break;
    case 5:
        if (x->tx_begun && !x->tx_ended) {
            x->tx_ended = true;
            h = cu_trailers(x);
            cu_add(h, "x-t", "1");
            x->cs->tx.ops->trailers(&x->cs->tx, h);
        }
        break;
    case 6:
        if (server && !x->tx_begun)
            cu_send(x, cu_response(x, 103), false);
        break;
    default:
        if (!x->tx_begun) {
            x->tx_begun = true;
            x->tx_ended = roll(d, 3) == 0;
            cu_send(x, server ? cu_response(x, 200) : cu_request(x, roll(d, 4) ? "POST" : "HEAD", "/"), x->tx_ended);
        } else if (!x->tx_ended && !x->cancelled) {
            x->tx_ended = roll(d, 4) == 0;
            cu_send_data(x, roll(d, roll(d, 8) ? 300 : 20000), x->tx_ended);
        }
    }
}

static void act(struct drive *d)
{
    struct sp_codec *c = d->side.codec;
    if (!c->config->server && d->side.n < 30 && roll(d, 3) == 0)
        cu_open(&d->side);
    if (d->side.n) {
        /* The newest are the most alive. */
        uint32_t back = roll(d, SP_MIN(d->side.n, 8u));
        struct cu_exchange *x = d->side.x[d->side.n - 1 - back];
        if (x->cs)
            act_on(d, x);
    }
    if (roll(d, 200) == 0)
        c->ops->goaway(c);
}

static void act_in_callback(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    struct drive *d = SP_CONTAINER_OF(side, struct drive, side);
    if (x->cs && at != CU_CLOSED && at != CU_CANCEL && at != CU_PAUSE && at != CU_RESUME && roll(d, 3) == 0)
        act_on(d, x);
}

static void step(struct drive *d)
{
    static const size_t rooms[] = {0, 1, 1000, 20000, SIZE_MAX};
    for (uint32_t n = roll(d, 4); n; n--)
        act(d);
    if (roll(d, 3)) {
        cu_flush(&d->side, rooms[roll(d, SP_ARRAY_LEN(rooms))]);
        sp_buf_clear(&d->side.out);
    }
    if (roll(d, 3) == 0)
        cu_turn(&d->turn, roll(d, 8) ? 0 : SP_NS_PER_S);
}

static void drive(const uint8_t *data, size_t size, bool server)
{
    if (size < 2)
        return;
    struct drive *d = sp_xcalloc(1, sizeof(*d));
    uint8_t options = data[0];
    d->seed = data[1] * 2654435761u;
    sp_turn_init(&d->turn);
    sp_turn_begin(&d->turn, SP_NS_PER_S, 1);
    cu_init(&d->side, &d->turn, server);
    struct sp_codec_config *config = &d->side.config;
    config->h2_stream_error_on_invalid = !(options & 1);
    config->underscores = (options >> 1) & 1 ? 2 : 0;
    if (options & 4) {
        config->max_headers = 5;
        config->max_header_bytes = 300;
        config->max_url_bytes = 50;
        config->h2_max_streams = 3;
        config->high_water = 1000;
        config->h2_conn_held_max = 1000;
        config->h2_conn_window = config->h2_stream_window = 65535;
        config->h2_ping_interval_ns = SP_NS_PER_S;
        config->h2_ping_timeout_ns = SP_NS_PER_S;
    }
    cu_start(&d->side, sp_h2_new);
    d->side.hook = act_in_callback;
    d->side.refuse = (options & 0x30) == 0x30;
    struct sp_buf in;
    sp_buf_init(&in);
    if (!(options & 8)) {
        static const char settings[] = "\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0";
        if (server)
            sp_buf_append_str(&in, SP_STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        sp_buf_append(&in, settings, sizeof(settings) - 1);
    }
    if (!server)
        for (unsigned i = 0; i < 3; i++)
            act(d);
    step(d);
    cu_flush(&d->side, SIZE_MAX);
    sp_buf_clear(&d->side.out);
    cu_feed(&d->side, &in);
    for (size_t at = 2; at < size;) {
        size_t n = options & 0x40 ? 1 : options & 0x80 ? 1 + roll(d, 64) : 1 + roll(d, 20000);
        n = SP_MIN(n, size - at);
        sp_buf_append(&in, data + at, n);
        cu_feed(&d->side, &in);
        assert(in.len == 0);
        at += n;
        step(d);
    }
    for (unsigned i = 0; i < 20; i++)
        step(d);
    if (roll(d, 2)) {
        d->side.codec->ops->eof(d->side.codec, SP_ABORT_CLOSED);
        step(d);
    }
    cu_done(&d->side);
    sp_turn_done(&d->turn);
    free(d);
    assert(sp_buf_thread_chunks() == 0);
}

#endif
