/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <stdlib.h>

#include "world_impl.h"

/* --- a filter that stops whoever it likes, for as long as it likes --- */

struct stop {
    struct sp_filter base;
    struct sp_timer timer[2];
};

static void go_on(struct sp_timer *t, unsigned dir)
{
    struct stop *s = (struct stop *)(void *)((char *)t - offsetof(struct stop, timer) - dir * sizeof(*t));
    sp_filter_continue(&s->base, dir ? SP_ENCODE : SP_DECODE);
}

static void go_on_decode(struct sp_timer *t)
{
    go_on(t, 0);
}

static void go_on_encode(struct sp_timer *t)
{
    go_on(t, 1);
}

static enum sp_status stop_some(struct sp_filter *f, unsigned dir)
{
    struct stop *s = SP_CONTAINER_OF(f, struct stop, base);
    unsigned what = draw(world, world->calm ? 4 : 12);
    if (what == 11 && dir == 0) {
        sp_filter_reply_text(f, 418, SP_STR("stopped"), SP_STR("stopped"));
        return SP_STOP;
    }
    if (what == 0 || what > 3)
        return SP_CONTINUE;
    s->timer[dir].fire = dir ? go_on_encode : go_on_decode;
    sp_timer_start(sp_filter_turn(f), &s->timer[dir], draw(world, 40) * SP_NS_PER_MS);
    return what == 1 && !world->calm ? SP_STOP_BUFFER : SP_STOP_PAUSE;
}

static enum sp_status stop_decode(struct sp_filter *f, struct sp_headers *h, bool end)
{
    return stop_some(f, 0);
}

static enum sp_status stop_encode(struct sp_filter *f, struct sp_headers *h, bool end)
{
    return stop_some(f, 1);
}

static void stop_destroy(struct sp_filter *f)
{
    struct stop *s = SP_CONTAINER_OF(f, struct stop, base);
    sp_timer_stop(&s->timer[0]);
    sp_timer_stop(&s->timer[1]);
}

static void *no_config(const struct sp_filter_build *build, const ProtobufCMessage *msg)
{
    return malloc(1);
}

const struct sp_filter_ops world_stop_ops = {
    .name = "stop",
    .type_url = "envoy.extensions.filters.http.cors.v3.Cors", /* a message without fields */
    .size = sizeof(struct stop),
    .config_new = no_config,
    .config_free = free,
    .decode_headers = stop_decode,
    .encode_headers = stop_encode,
    .destroy = stop_destroy,
};

/* --- the router --- */

struct hop {
    struct sp_filter base;
    struct sp_source source;
    struct sp_codec_stream *cs, *held; /* NULL: closed, or never opened */
    unsigned pauses;
    bool sent; /* all of the request, or as much as is wanted */
};

static struct hop *of_source(struct sp_source *s)
{
    return SP_CONTAINER_OF(s, struct hop, source);
}

static void hop_pause(struct sp_source *s)
{
    of_source(s)->pauses++;
    sp_filter_request_pause(&of_source(s)->base);
}

static void hop_resume(struct sp_source *s)
{
    assert(of_source(s)->pauses);
    of_source(s)->pauses--;
    sp_filter_request_resume(&of_source(s)->base);
}

/* Nobody takes more of it: what still comes is dropped, so that nobody waits for it. */
static void hop_over(struct hop *r)
{
    r->sent = true;
    for (; r->pauses; r->pauses--)
        sp_filter_request_resume(&r->base);
}

static void hop_cancel(struct sp_source *s, enum sp_abort why)
{
    assert(!of_source(s)->sent);
    hop_over(of_source(s));
}

static const struct sp_source_ops hop_ops = {hop_pause, hop_resume, hop_cancel};

static struct link *link_with_room(struct world *w)
{
    for (unsigned i = 0; i < LINKS; i++) {
        struct link *l = &w->links[i];
        if (!l->codec)
            link_open(w, l);
        if (!l->told && !l->codec->draining && !l->codec->want_close && l->codec->ops->room(l->codec))
            return l;
    }
    return NULL;
}

static enum sp_status hop_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    struct hop *r = SP_CONTAINER_OF(f, struct hop, base);
    struct link *l = link_with_room(world);
    struct sp_sink *answer = sp_filter_response_sink(f);
    struct sp_codec_stream *cs = l ? l->codec->ops->open(l->codec, answer) : NULL;
    if (!cs) {
        sp_filter_reply_text(f, 503, SP_STR("no room"), SP_STR("no_room"));
        return SP_STOP;
    }
    sp_codec_stream_hold(cs);
    r->cs = r->held = cs;
    cs->user = r;
    r->source.ops = &hop_ops;
    sp_link(&cs->rx, answer);
    sp_link(&r->source, &cs->tx);
    sp_stream_finalize_request(f, NULL);
    r->sent = end;
    cs->tx.ops->headers(&cs->tx, h, end);
    return SP_CONTINUE;
}

static enum sp_status hop_data(struct sp_filter *f, struct sp_buf *b, bool end)
{
    struct hop *r = SP_CONTAINER_OF(f, struct hop, base);
    if (r->sent || !r->cs) {
        sp_buf_clear(b);
        return SP_CONTINUE;
    }
    r->sent = end;
    r->cs->tx.ops->data(&r->cs->tx, b, end);
    return SP_CONTINUE;
}

static enum sp_status hop_trailers(struct sp_filter *f, struct sp_headers *t)
{
    struct hop *r = SP_CONTAINER_OF(f, struct hop, base);
    if (!r->sent && r->cs) {
        r->sent = true;
        r->cs->tx.ops->trailers(&r->cs->tx, t);
    }
    return SP_CONTINUE;
}

static void hop_destroy(struct sp_filter *f)
{
    struct hop *r = SP_CONTAINER_OF(f, struct hop, base);
    struct sp_codec_stream *cs = r->cs;
    r->pauses = 0;
    if (cs) {
        cs->user = NULL;
        if (!r->sent)
            cs->tx.ops->abort(&cs->tx, SP_ABORT_CANCEL);
        if (cs->rx.sink)
            cs->rx.ops->cancel(&cs->rx, SP_ABORT_CANCEL);
    }
    if (r->held)
        sp_codec_stream_release(r->held, &world->door->turn);
}

const struct sp_filter_ops world_router_ops = {
    .name = "router",
    .type_url = "envoy.extensions.filters.http.router.v3.Router",
    .terminal = true,
    .size = sizeof(struct hop),
    .config_new = no_config,
    .config_free = free,
    .decode_headers = hop_headers,
    .decode_data = hop_data,
    .decode_trailers = hop_trailers,
    .destroy = hop_destroy,
};

void hop_closed(struct hop *r)
{
    r->cs = NULL;
    if (!r->sent)
        hop_over(r);
}
