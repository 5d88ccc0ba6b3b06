/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The source of what arrives: delivery, pauses, bodies. */
#include <assert.h>

#include "http/h1_codec.h"

static struct sp_h1_stream *stream_of(struct sp_source *source)
{
    return SP_CONTAINER_OF(source, struct sp_h1_stream, cs.rx);
}

static void rx_pause(struct sp_source *source)
{
    assert(source);
    stream_of(source)->rx_pauses++;
}

static void rx_resume(struct sp_source *source)
{
    assert(source);
    struct sp_h1_stream *s = stream_of(source);
    struct sp_h1 *h1 = sp_h1_of(s->cs.codec);
    assert(s->rx_pauses > 0);
    if (--s->rx_pauses || s->rx_over)
        return;
    h1->codec.want_read = true;
    sp_h1_wake(h1);
}

static void rx_cancel(struct sp_source *source, enum sp_abort why)
{
    assert(source);
    struct sp_h1_stream *s = stream_of(source);
    struct sp_h1 *h1 = sp_h1_of(s->cs.codec);
    if (s->rx_over)
        return;
    s->rx_over = true;
    s->cs.rx.sink = NULL;
    if (!h1->codec.config->server) {
        /* The response cannot be skipped: how long it takes is the origin's choice. */
        s->rx_cancelled = true;
        if (!s->why)
            s->why = why;
        h1->stage = SP_H1_STAGE_DEAD;
        h1->close_after = true;
    }
    h1->codec.want_read = true;
    sp_h1_wake(h1);
}

const struct sp_source_ops sp_h1_rx_ops = {rx_pause, rx_resume, rx_cancel};

/* The sink, for the last call that it gets. */
static struct sp_sink *last_call(struct sp_h1_stream *s, bool end)
{
    struct sp_sink *sink = s->cs.rx.sink;
    assert(sink && !s->rx_over);
    if (end) {
        s->rx_over = true;
        s->cs.rx.sink = NULL;
    }
    return sink;
}

void sp_h1_deliver_headers(struct sp_h1_stream *s, struct sp_headers *h, bool end)
{
    struct sp_sink *sink = last_call(s, end);
    sink->ops->headers(sink, h, end);
}

void sp_h1_deliver_data(struct sp_h1_stream *s, struct sp_buf *data, bool end)
{
    if (!data->len && !end)
        return;
    struct sp_sink *sink = last_call(s, end);
    s->cs.rx_body_bytes += data->len;
    sink->ops->data(sink, data, end);
    sp_buf_clear(data);
}

static enum sp_h1_err deliver_end(struct sp_h1 *h1, struct sp_h1_stream *s, struct sp_buf *in, struct sp_buf *data)
{
    if (h1->head && h1->head->lines) {
        struct sp_headers *t = sp_arena_alloc(&s->arena, sizeof(*t));
        struct sp_h1_info info;
        enum sp_h1_err err = sp_h1_head_take(h1->head, h1->codec.config, in, &s->arena, t, &info);
        err = err ? err : info.soft;
        if (err)
            return err;
        if (h1->codec.config->h1_trailers && t->n) {
            sp_h1_deliver_data(s, data, false);
            if (!s->rx_over) {
                struct sp_sink *sink = last_call(s, true);
                sink->ops->trailers(sink, t);
            }
            return SP_H1E_NONE;
        }
    }
    sp_h1_deliver_data(s, data, true);
    return SP_H1E_NONE;
}

static void bad_body(struct sp_h1 *h1, enum sp_h1_err err)
{
    h1->stage = SP_H1_STAGE_DEAD;
    h1->failed = true;
    h1->close_after = true;
    if (h1->codec.config->server)
        sp_h1_bad_request_body(h1, err);
    else
        sp_h1_bad_response(h1, err);
}

static struct sp_h1_head *trailers(struct sp_h1 *h1)
{
    if (h1->body.kind != SP_H1_CHUNKED)
        return NULL;
    assert(!h1->head || h1->head->kind == SP_H1_TRAILERS || sp_h1_head_idle(h1->head));
    return sp_h1_head_for(h1, SP_H1_TRAILERS);
}

/* Nobody wants the rest of the request. */
static bool drop_body(struct sp_h1 *h1, struct sp_buf *in)
{
    size_t before = in->len;
    enum sp_h1_step step = sp_h1_body_feed(&h1->body, h1->codec.config, trailers(h1), in, NULL);
    h1->dropped += (uint32_t)(before - in->len);
    if (step == SP_H1_BAD) {
        bad_body(h1, h1->body.err);
        return false;
    }
    if (step == SP_H1_DONE) {
        if (h1->head && h1->head->lines)
            sp_buf_drain(in, h1->head->tail);
        if (h1->head)
            sp_h1_head_done(h1->head);
        h1->stage = SP_H1_STAGE_HEAD;
        return true;
    }
    if (h1->dropped > SP_H1_DROP_MAX) {
        h1->stage = SP_H1_STAGE_DEAD;
        h1->close_after = true;
    }
    return false;
}

bool sp_h1_read_body(struct sp_h1 *h1, struct sp_buf *in)
{
    assert(h1 && in && h1->stage == SP_H1_STAGE_BODY);
    struct sp_h1_stream *s = h1->stream;
    if (s)
        s->expects = false;
    if (!s || s->rx_over)
        return drop_body(h1, in);
    if (s->rx_pauses)
        return false;
    struct sp_buf data;
    sp_buf_init(&data);
    enum sp_h1_step step = sp_h1_body_feed(&h1->body, h1->codec.config, trailers(h1), in, &data);
    enum sp_h1_err err = step == SP_H1_BAD ? h1->body.err : SP_H1E_NONE;
    if (step == SP_H1_MORE)
        sp_h1_deliver_data(s, &data, false);
    if (step == SP_H1_DONE) {
        h1->stage = SP_H1_STAGE_HEAD;
        err = deliver_end(h1, s, in, &data);
    }
    sp_buf_clear(&data);
    if (err) {
        bad_body(h1, err);
        return false;
    }
    if (step == SP_H1_DONE && !h1->codec.config->server)
        sp_h1_response_over(h1);
    return step == SP_H1_DONE;
}
