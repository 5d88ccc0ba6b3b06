/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world_impl.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "../unit/http/codec_user.c"
#include "base/log.h"
#include "filters/registry.h"
#include "stream/stream_impl.h"

struct world *world;

static bool is_over(const struct world *w)
{
    return w->setup->bytes && w->at >= w->setup->n;
}

unsigned draw(struct world *w, unsigned n)
{
    if (w->setup->bytes) {
        unsigned v = is_over(w) ? 0 : w->setup->bytes[w->at++];
        if (n > 256 && !is_over(w))
            v = v << 8 | w->setup->bytes[w->at++];
        return v % n;
    }
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return (unsigned)(w->seed >> 11) % n;
}

void note(struct world *w, uint64_t what, uint64_t more)
{
    w->end->trace = (w->end->trace ^ (what * 0x9e3779b97f4a7c15ull + more)) * 0x100000001b3ull;
}

/* --- connections --- */

static void nothing(void *ctx)
{
}

static void codec_said(void *ctx, enum sp_codec_event ev, const char *detail, unsigned status)
{
    note(world, 1000 + ev, status);
}

static bool accept_one(void *ctx, struct sp_codec_stream *cs, struct sp_headers *h)
{
    return sp_stream_accept(&world->door->owner, cs, h);
}

static void server_closed(void *ctx, struct sp_codec_stream *cs, enum sp_abort why)
{
    note(world, 2, why);
    if (cs->user)
        sp_stream_closed(cs, why);
}

static void up_closed(void *ctx, struct sp_codec_stream *cs, enum sp_abort why)
{
    struct hop *r = cs->user;
    note(world, 3, why);
    if (r)
        hop_closed(r);
}

static const struct sp_codec_cb server_cb = {.on_stream = accept_one, .on_stream_closed = server_closed, .on_wake = nothing,
                                             .on_event = codec_said};
static const struct sp_codec_cb up_cb = {.on_stream_closed = up_closed, .on_wake = nothing, .on_event = codec_said, .on_draining = nothing};

static void pipe_clear(struct pipe *p)
{
    sp_buf_clear(&p->sent);
    sp_buf_clear(&p->come);
}

static struct request *request_of(const char *path)
{
    unsigned i = (unsigned)atoi(path + 1);
    return path[0] == '/' && i < world->n ? &world->requests[i] : NULL;
}

static void origin_hook(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    struct request *r = x->head ? request_of(x->path) : NULL;
    note(world, 100 + at, x->n_body);
    if (r && at == CU_HEADERS && !r->origin)
        r->origin = x;
    if (r && at == CU_CLOSED && r->origin == x)
        r->origin = NULL;
    if (at == CU_CLOSED && world->calm && r) { /* while the body is there */
        assert(cu_body_ok(x, r->asked));
        world->end->up += x->n_body;
    }
}

static void client_hook(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    note(world, 200 + at, x->n_body * 1000 + x->status);
}

static void rest(const struct world *w, bool on)
{
    if (w->setup->rest)
        w->setup->rest(on);
}

void link_open(struct world *w, struct link *l)
{
    struct sp_codec_config config;
    rest(w, true);
    sp_codec_config_init(&config, false);
    config.high_water = w->high_water;
    l->told = false;
    l->codec = (w->h2_up ? sp_h2_new : sp_h1_new)(&w->door->turn, &config, &up_cb, l);
    cu_init(&l->origin, &w->door->turn, true);
    l->origin.hook = origin_hook;
    l->origin.config.h1_trailers = true;
    cu_start(&l->origin, w->h2_up ? sp_h2_new : sp_h1_new);
    rest(w, false);
}

static void tell_end(struct sp_codec *c, bool *told, enum sp_abort why)
{
    if (!*told)
        c->ops->eof(c, why);
    *told = true;
}

/* The connection is no more: both ends are told, and what was under way is lost. */
static void link_close(struct world *w, struct link *l, enum sp_abort why)
{
    note(w, 4, why);
    tell_end(l->codec, &l->told, why);
    l->codec->ops->destroy(l->codec);
    l->codec = NULL;
    cu_done(&l->origin);
    pipe_clear(&l->up);
    pipe_clear(&l->down);
    sp_turn_end(&w->door->turn);
}

static void client_close(struct world *w, enum sp_abort why)
{
    note(w, 5, why);
    tell_end(w->codec, &w->told, why);
    w->codec->ops->destroy(w->codec);
    w->codec = NULL;
    w->client.codec->ops->eof(w->client.codec, why);
    pipe_clear(&w->in);
    pipe_clear(&w->out);
    sp_turn_end(&w->door->turn);
}

/* What the wires would do: a codec that has said all and wants to close, closes. */
static void check_ends(struct world *w)
{
    if (w->codec) {
        struct sp_codec *c = w->codec;
        if (c->want_reset)
            client_close(w, SP_ABORT_RESET);
        else if ((c->want_close || w->client.codec->want_close) && !w->out.sent.len && !w->out.come.len)
            client_close(w, SP_ABORT_CLOSED);
    }
    for (unsigned i = 0; i < LINKS; i++) {
        struct link *l = &w->links[i];
        struct sp_codec *c = l->codec;
        if (!c)
            continue;
        if (c->want_reset)
            link_close(w, l, SP_ABORT_RESET);
        else if ((c->want_close || (c->draining && !c->n_streams)) && !l->up.sent.len)
            link_close(w, l, SP_ABORT_CLOSED);
        else if (l->origin.codec->want_close && !l->down.sent.len && !l->down.come.len)
            link_close(w, l, SP_ABORT_CLOSED);
    }
}

/* --- steps --- */

static void write_some(struct world *w, struct sp_codec *c, struct pipe *to, size_t room)
{
    size_t before = to->sent.len;
    c->ops->flush(c, &to->sent, room);
    note(w, 6, to->sent.len - before);
}

static void arrive(struct world *w, struct pipe *p, struct sp_codec *to, size_t n)
{
    n = SP_MIN(n, p->sent.len);
    sp_buf_move_n(&p->come, &p->sent, n);
    note(w, 7, n);
    if (p->come.len && to->want_read && !to->want_close)
        to->ops->feed(to, &p->come);
}

static size_t some(struct world *w)
{
    static const size_t sizes[] = {1, 2, 10, 100, 1000, 5000, 70000, SIZE_MAX};
    size_t n = sizes[draw(w, 8)];
    return n > 2 && n < SIZE_MAX ? 1 + draw(w, (unsigned)n) : n;
}

/* One of the ways between two codecs, by number; false when that connection is not there. */
static bool way(struct world *w, unsigned i, struct sp_codec **from, struct pipe **pipe, struct sp_codec **to)
{
    if (i < 2) {
        *from = i ? w->codec : w->client.codec;
        *to = i ? w->client.codec : w->codec;
        *pipe = i ? &w->out : &w->in;
        return w->codec;
    }
    struct link *l = &w->links[(i - 2) / 2];
    bool down = i % 2;
    *from = down ? l->origin.codec : l->codec;
    *to = down ? l->codec : l->origin.codec;
    *pipe = down ? &l->down : &l->up;
    return l->codec;
}

enum { WAYS = 2 + 2 * LINKS };

static void disturb(struct world *w)
{
    struct link *l = &w->links[draw(w, LINKS)];
    enum sp_abort why = draw(w, 2) ? SP_ABORT_RESET : SP_ABORT_CLOSED;
    switch (draw(w, 120)) {
    case 0:
        if (l->codec)
            link_close(w, l, why);
        break;
    case 1:
        if (l->codec)
            l->origin.codec->ops->goaway(l->origin.codec);
        break;
    case 2:
        if (w->codec)
            w->codec->ops->goaway(w->codec);
        break;
    case 3:
        if (w->codec && draw(w, 8) == 0)
            client_close(w, why);
        break;
    case 4:
        cu_turn(&w->door->turn, 400 * SP_NS_PER_S);
        break;
    case 5:
        if (w->codec)
            tell_end(w->codec, &w->told, SP_ABORT_CLOSED);
        break;
    default:
        break;
    }
}

static void step(struct world *w)
{
    struct sp_codec *from, *to;
    struct pipe *pipe;
    switch (draw(w, 10)) {
    case 0:
    case 1:
        client_acts(w);
        break;
    case 2:
    case 3:
        origin_acts(w);
        break;
    case 4:
    case 5:
        if (way(w, draw(w, WAYS), &from, &pipe, &to))
            write_some(w, from, pipe, draw(w, 4) ? SIZE_MAX : draw(w, 3000));
        break;
    case 6:
    case 7:
        if (way(w, draw(w, WAYS), &from, &pipe, &to))
            arrive(w, pipe, to, some(w));
        break;
    case 8:
        cu_turn(&w->door->turn, draw(w, 4) ? 0 : draw(w, 20) * SP_NS_PER_MS);
        break;
    default:
        if (!w->calm)
            disturb(w);
    }
    check_ends(w);
}

/* --- the end --- */

static void all_flows(struct world *w)
{
    struct sp_codec *from, *to;
    struct pipe *pipe;
    for (unsigned i = 0; i < WAYS; i++) {
        if (way(w, i, &from, &pipe, &to)) {
            write_some(w, from, pipe, SIZE_MAX);
            arrive(w, pipe, to, SIZE_MAX);
        }
    }
    cu_turn(&w->door->turn, SP_NS_PER_MS);
    check_ends(w);
}

static void nobody_pauses(struct cu_exchange *x)
{
    for (; x && x->cs && x->user_pauses; x->user_pauses--)
        x->cs->rx.ops->resume(&x->cs->rx);
}

/* All that was begun ends by itself when nobody holds it up any more. */
static void finish_calmly(struct world *w)
{
    for (unsigned round = 0; round < 3000 && w->client.n_closed < w->client.n; round++) {
        for (unsigned i = 0; i < w->n; i++) {
            struct request *r = &w->requests[i];
            nobody_pauses(r->client);
            nobody_pauses(r->origin);
            if (r->client->cs && !r->client->tx_ended)
                end_half(w, r->client);
            if (r->origin && r->origin->cs && !r->origin->tx_begun)
                origin_answers(w, r);
            else if (r->origin && r->origin->cs && !r->origin->tx_ended)
                end_half(w, r->origin);
        }
        all_flows(w);
    }
    assert(w->client.n_closed == w->client.n);
    for (unsigned i = 0; i < w->n; i++) {
        struct cu_exchange *x = w->requests[i].client;
        assert(x->ended && !x->aborted && (x->status == 200 || x->status == 503)); /* 503: all connections were taken */
        assert(x->status == 503 || cu_body_ok(x, w->requests[i].answered));
    }
}

static void count(struct world *w)
{
    for (unsigned i = 0; i < w->client.n; i++) {
        const struct cu_exchange *x = w->client.x[i];
        w->end->opened++;
        w->end->answered += x->status >= 200;
        w->end->whole += x->status >= 200 && x->ended && !x->aborted;
        w->end->refused += x->status == 403 || x->status == 418;
        w->end->down += x->n_body;
        note(w, x->status, x->n_body);
    }
}

static void take_down(struct world *w)
{
    if (w->codec)
        client_close(w, SP_ABORT_CLOSED);
    for (unsigned i = 0; i < LINKS; i++)
        if (w->links[i].codec)
            link_close(w, &w->links[i], SP_ABORT_CLOSED);
    w->client.codec->ops->destroy(w->client.codec);
    w->client.codec = NULL;
    count(w);
    cu_done(&w->client);
}

#define STOP(name) "- {name: " name ", typed_config: {\"@type\": " T "envoy.extensions.filters.http.cors.v3.Cors}}\n"
#define BUFFER "- {name: buffer, typed_config: {\"@type\": " T "envoy.extensions.filters.http.buffer.v3.Buffer, max_request_bytes: %u}}\n"

static struct door *open_door(struct world *w)
{
    static const struct sp_filter_ops *const registry[] = {&sp_origin_shield_ops, &sp_ip_restriction_ops, &sp_buffer_ops, &world_stop_ops,
                                                           &world_router_ops, NULL};
    char filters[2000];
    int at = snprintf(filters, sizeof(filters), "%s", SHIELD(SECRET) RESTRICTION("deny: [203.0.113.66], source: PEER") STOP("stop"));
    if (draw(w, 3) == 0)
        snprintf(filters + at, sizeof(filters) - (size_t)at, BUFFER STOP("again"), w->calm ? 2 * BODY : 2000);
    return door_open_with(registry, filters, "request_timeout: 60s\n", NULL);
}

void world_run(const struct world_setup *setup, struct world_end *ret)
{
    struct world *w = sp_xcalloc(1, sizeof(*w));
    struct sp_wire_setup wire;
    *ret = (struct world_end){.trace = 0xcbf29ce484222325ull};
    w->setup = setup;
    w->end = ret;
    w->calm = setup->calm;
    w->seed = setup->seed * 0x9e3779b97f4a7c15ull | 1;
    world = w;
    atomic_store(&sp_log_threshold, SP_LOG_OFF);
    w->h2_down = draw(w, 2);
    w->h2_up = draw(w, 2);
    w->high_water = 1000 + draw(w, 60000);
    w->door = open_door(w);
    sp_hcm_wire_setup(w->door->hcm, &wire);
    wire.config.server = true;
    wire.config.high_water = w->high_water;
    w->door->codec_ops.protocol = w->h2_down ? SP_HTTP_2 : SP_HTTP_11;
    w->codec = (w->h2_down ? sp_h2_new : sp_h1_new)(&w->door->turn, &wire.config, &server_cb, w);
    cu_init(&w->client, &w->door->turn, false);
    w->client.hook = client_hook;
    w->client.config.h1_trailers = true;
    cu_start(&w->client, w->h2_down ? sp_h2_new : sp_h1_new);
    rest(w, false);
    for (unsigned i = 0; i < STEPS && w->codec && !is_over(w); i++)
        step(w);
    if (w->calm)
        finish_calmly(w);
    rest(w, true);
    take_down(w);
    world = NULL;
    door_close(w->door);
    free(w);
}
