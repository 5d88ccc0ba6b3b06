/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes to the client: the chain's other end (sp_chain_ops), and the source that the codec pauses.
 */
#include <assert.h>

#include "event/overload.h"
#include "stream/date.h"
#include "stream/reply_map.h"
#include "stream/local_health.h"
#include "stream/server_span.h"
#include "stream/stream_impl.h"

static bool on_rewrites(struct sp_chain *c)
{
    return sp_stream_of(c)->hcm->replies != NULL;
}

static void on_rewrite(void *ctx, struct sp_reply *reply, struct sp_headers *h)
{
    struct sp_chain *c = ctx;
    struct sp_stream *s = sp_stream_of(c);
    const struct sp_format_input in = {.info = &s->info, .request = c->head[SP_DECODE], .response = h,
                                       .now_ns = s->owner->turn->now_ns};
    sp_reply_map_apply(s->hcm->replies, &in, &s->info, reply, h, s->random);
}

/* The upstream's head, or a local reply's, before the filters see it. */
static void on_begin(struct sp_chain *c, struct sp_headers *h)
{
    struct sp_stream *s = sp_stream_of(c);
    s->info.response_code = h->status;
    if (!c->local)
        s->info.details = SP_STR("via_upstream");
    /* Envoy 1.40: any answer on a route to a cluster, but on other routes only the route's own. */
    if (c->route && (c->route->kind == SP_ROUTE_CLUSTER || s->route_answers))
        sp_stream_response_ops(s, h);
}

/* An interim head. 100 is ours to send, and was sent when somebody wanted the body, unless proxy_100_continue. */
static void on_inform(struct sp_chain *c, struct sp_headers *h)
{
    struct sp_stream *s = sp_stream_of(c);
    sp_stream_active(s);
    if (s->info.protocol == SP_HTTP_10 || (h->status == 100 && !(c->expects_origin && c->expects)))
        return;
    c->expects = c->expects && h->status != 100; /* once */
    sp_hcm_stats_status(&s->hcm->stats, h->status);
    s->cs->tx.ops->headers(&s->cs->tx, h, false);
}

static void on_want_body(struct sp_chain *c)
{
    struct sp_stream *s = sp_stream_of(c);
    c->expects = false;
    struct sp_headers *h = sp_arena_zalloc(c->arena, sizeof(*h));
    sp_headers_init(h, c->arena);
    h->status = 100;
    sp_hcm_stats_status(&s->hcm->stats, h->status);
    s->cs->tx.ops->headers(&s->cs->tx, h, false);
}

static void append_via(const struct sp_hcm *hcm, struct sp_headers *h)
{
    struct sp_str before = sp_headers_joined(h, SP_STR("via")), value = hcm->via;
    if (before.len)
        value = sp_arena_cat(h->arena, sp_arena_cat(h->arena, before, SP_STR(", ")), value);
    sp_headers_set_id(h, SP_H_VIA, value);
}

/* date, server, via, x-request-id: in one walk, as most responses come without the first two or with one of each. */
static void finish_head(struct sp_stream *s, struct sp_headers *h)
{
    const struct sp_hcm *hcm = s->hcm;
    struct sp_header *server = NULL;
    bool date = false, twice = false;
    for (unsigned i = 0; i < h->n; i++) {
        date |= h->v[i].id == SP_H_DATE;
        if (h->v[i].id == SP_H_SERVER) {
            twice = server != NULL;
            server = &h->v[i];
        }
    }
    if (twice && hcm->server_header == SP_SERVER_OVERWRITE)
        sp_headers_set_id(h, SP_H_SERVER, hcm->server_name);
    else if (server && hcm->server_header == SP_SERVER_OVERWRITE)
        server->value = hcm->server_name;
    else if (!server && hcm->server_header != SP_SERVER_PASS)
        sp_headers_add_id(h, SP_H_SERVER, hcm->server_name);
    if (!date)
        sp_headers_add_id(h, SP_H_DATE, sp_date(s->owner->turn->wall_ns, h->arena));
    if ((hcm->request_id_in_response || s->info.trace_forced) && s->info.request_id.len)
        sp_headers_set_id(h, SP_H_X_REQUEST_ID, s->info.request_id);
    if (SP_UNLIKELY(s->info.span != NULL))
        sp_server_span_answer(s, h);
    if (hcm->via.len)
        append_via(hcm, h);
}

/* What stands in front shall go elsewhere; too much is held open. */
static void ask_to_end(struct sp_stream *s)
{
    const struct sp_hcm *hcm = s->hcm;
    if (s->owner->draining || !s->owner->drain)
        return;
    bool told = hcm->ends_by & sp_local_words();
    if (!told && !(hcm->sheds && sp_overload_hits(SP_OL_NO_KEEPALIVE)))
        return;
    sp_counter_inc(told ? hcm->cx.drain_close : hcm->cx.overload_disable_keepalive);
    s->owner->drain(s->owner);
}

/* HTTP/2 says it with GOAWAY, which is the connection's business. */
static bool closes(const struct sp_stream *s, const struct sp_headers *h)
{
    if (s->info.protocol == SP_HTTP_2 || h->protocol.len)
        return false;
    return s->close || s->owner->draining || (s->chain.local && h->status == 400 && s->hcm->close_on_bad);
}

static void on_headers(struct sp_chain *c, struct sp_headers *h, bool end)
{
    struct sp_stream *s = sp_stream_of(c);
    sp_stream_active(s);
    s->info.response_code = h->status;
    s->info.tx_first_ns = s->activity_ns;
    s->request_due_ns = 0;
    finish_head(s, h);
    ask_to_end(s);
    if (closes(s, h))
        sp_headers_set_id(h, SP_H_CONNECTION, SP_STR("close"));
    if (!s->info.health_check)
        sp_hcm_stats_status(&s->hcm->stats, h->status);
    if (h->protocol.len)
        sp_stream_upgraded(s);
    if (!sp_stream_has_request(s) && !s->upgraded)
        sp_counter_inc(s->hcm->stats.rq_early_response);
    s->cs->tx.ops->headers(&s->cs->tx, h, end);
}

static void on_data(struct sp_chain *c, struct sp_buf *b, bool end)
{
    struct sp_stream *s = sp_stream_of(c);
    sp_stream_active(s);
    s->cs->tx.ops->data(&s->cs->tx, b, end);
}

static void on_trailers(struct sp_chain *c, struct sp_headers *t)
{
    struct sp_stream *s = sp_stream_of(c);
    sp_stream_active(s);
    s->response_trailers = t;
    s->cs->tx.ops->trailers(&s->cs->tx, t);
}

/* The request went to the terminal filter whole: request_timeout has nothing more to say. */
static void on_request_passed(struct sp_chain *c)
{
    sp_stream_of(c)->request_due_ns = 0;
}

static void stop_reading(struct sp_stream *s, enum sp_abort why)
{
    struct sp_source *rx = &s->cs->rx;
    if (!sp_stream_has_request(s) && rx->sink)
        rx->ops->cancel(rx, why);
}

static void on_finished(struct sp_chain *c)
{
    struct sp_stream *s = sp_stream_of(c);
    s->request_due_ns = s->max_due_ns = 0;
    stop_reading(s, SP_ABORT_CANCEL);
}

static void on_reset(struct sp_chain *c, enum sp_abort why)
{
    struct sp_stream *s = sp_stream_of(c);
    sp_counter_inc(s->hcm->stats.rq_tx_reset);
    stop_reading(s, why);
    s->cs->tx.ops->abort(&s->cs->tx, why);
}

static void on_too_large(struct sp_chain *c, enum sp_direction dir)
{
    if (dir == SP_DECODE)
        sp_counter_inc(sp_stream_of(c)->hcm->stats.rq_too_large);
}

static void on_flow(struct sp_chain *c, bool paused)
{
    const struct sp_hcm_stats *st = &sp_stream_of(c)->hcm->stats;
    sp_counter_inc(paused ? st->paused : st->resumed);
}

const struct sp_chain_ops sp_stream_chain_ops = {
    .route = sp_stream_on_route,
    .terminal = sp_stream_on_terminal,
    .want_body = on_want_body,
    .rewrites = on_rewrites,
    .rewrite = on_rewrite,
    .begin = on_begin,
    .inform = on_inform,
    .headers = on_headers,
    .data = on_data,
    .trailers = on_trailers,
    .request_passed = on_request_passed,
    .finished = on_finished,
    .reset = on_reset,
    .too_large = on_too_large,
    .flow = on_flow,
};

/* --- the codec's view --- */

static struct sp_stream *of_tx(struct sp_source *tx)
{
    return SP_CONTAINER_OF(tx, struct sp_stream, tx);
}

static void tx_pause(struct sp_source *tx)
{
    sp_chain_response_pause(&of_tx(tx)->chain);
}

static void tx_resume(struct sp_source *tx)
{
    struct sp_stream *s = of_tx(tx);
    sp_stream_active(s); /* the client read something */
    sp_chain_response_resume(&s->chain);
}

static void tx_cancel(struct sp_source *tx, enum sp_abort why)
{
    sp_stream_gone(of_tx(tx), why);
}

const struct sp_source_ops sp_stream_tx_ops = {tx_pause, tx_resume, tx_cancel};
