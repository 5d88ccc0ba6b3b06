/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chain's ends: the response that comes from the terminal filter, local replies, abort and destruction (chain.h).
 */
#include <assert.h>

#include "base/reserve.h"
#include "stream/chain_hold.h"
#include "stream/chain_iter.h"
#include "stream/local_reply.h"

static void close_decode(struct sp_chain *c)
{
    if (c->decode_closed)
        return;
    c->decode_closed = true;
    c->epoch[SP_DECODE]++;
    sp_hold_drop(c, SP_DECODE);
    sp_chain_resume_all(c, SP_DECODE);
}

/* The upstream's response is not wanted, or not any more. */
static void close_upstream(struct sp_chain *c, enum sp_abort why)
{
    c->epoch[SP_ENCODE]++;
    c->encode_closed = true;
    sp_hold_drop(c, SP_ENCODE);
    struct sp_source *source = c->upstream.source;
    c->upstream.source = c->pausing = NULL;
    if (source)
        source->ops->cancel(source, why);
}

static void end_all(struct sp_chain *c, enum sp_abort why)
{
    c->over = true;
    c->reply_pending = false;
    close_decode(c);
    close_upstream(c, why);
}

/* --- the response comes --- */

static bool listens(const struct sp_chain *c)
{
    return !c->encode_closed && sp_chain_open(c, SP_ENCODE);
}

static void upstream_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    struct sp_chain *c = SP_CONTAINER_OF(s, struct sp_chain, upstream);
    if (!listens(c))
        return;
    sp_chain_adopt_source(c);
    assert(!c->head[SP_ENCODE] && h->status >= 100);
    if (h->status == 101 && !c->upgrade) { /* it switched unasked */
        sp_chain_reply(c, &(struct sp_reply){.status = 502, .details = SP_STR("upstream_protocol_error"),
                                             .flags = SP_FLAG_UPE});
        return;
    }
    if (h->status < 200 && h->status != 101) {
        c->ops->inform(c, h);
        return;
    }
    c->head[SP_ENCODE] = h;
    c->ops->begin(c, h);
    sp_chain_run_headers(c, SP_ENCODE, 0, end);
}

static void upstream_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    struct sp_chain *c = SP_CONTAINER_OF(s, struct sp_chain, upstream);
    if (!listens(c)) {
        sp_buf_clear(b);
        return;
    }
    assert(c->head[SP_ENCODE]);
    sp_chain_run_data(c, SP_ENCODE, 0, b, end);
}

static void upstream_trailers(struct sp_sink *s, struct sp_headers *t)
{
    struct sp_chain *c = SP_CONTAINER_OF(s, struct sp_chain, upstream);
    if (!listens(c))
        return;
    assert(c->head[SP_ENCODE]);
    sp_chain_run_trailers(c, SP_ENCODE, 0, t);
}

/* A terminal filter that has something better to say replies itself before it comes to this. */
static void upstream_abort(struct sp_sink *s, enum sp_abort why)
{
    struct sp_chain *c = SP_CONTAINER_OF(s, struct sp_chain, upstream);
    c->upstream.source = c->pausing = NULL;
    if (!listens(c))
        return;
    if (c->head_out) {
        end_all(c, why);
        c->ops->reset(c, why);
        return;
    }
    sp_chain_reply(c, &(struct sp_reply){.status = 503, .details = SP_STR("upstream_reset"),
                                         .body = SP_STR("upstream connect error or disconnect/reset")});
}

static const struct sp_sink_ops upstream_ops = {upstream_headers, upstream_data, upstream_trailers, upstream_abort};

struct sp_sink *sp_filter_response_sink(struct sp_filter *f)
{
    assert(f && f->ops->terminal);
    f->chain->upstream.ops = &upstream_ops;
    return &f->chain->upstream;
}

/* --- pauses from both ends --- */

/* Takes back a pause of the outside; the watermark's own is not theirs to end. */
static void resume_from_outside(struct sp_chain *c, enum sp_direction dir)
{
    if (c->pauses[dir] > c->auto_paused[dir])
        sp_chain_resume(c, dir);
}

void sp_chain_response_pause(struct sp_chain *c)
{
    assert(c);
    if (!c->over)
        sp_chain_pause(c, SP_ENCODE);
}

void sp_chain_response_resume(struct sp_chain *c)
{
    assert(c);
    if (!c->over)
        resume_from_outside(c, SP_ENCODE);
}

void sp_filter_request_pause(struct sp_filter *f)
{
    assert(f && f->ops->terminal);
    if (sp_chain_open(f->chain, SP_DECODE))
        sp_chain_pause(f->chain, SP_DECODE);
}

void sp_filter_request_resume(struct sp_filter *f)
{
    assert(f && f->ops->terminal);
    if (sp_chain_open(f->chain, SP_DECODE))
        resume_from_outside(f->chain, SP_DECODE);
}

/* --- replies --- */

void sp_chain_reply(struct sp_chain *c, const struct sp_reply *reply)
{
    sp_chain_reply_by(c, reply, SP_REPLIER_STREAM);
}

void sp_chain_reply_by(struct sp_chain *c, const struct sp_reply *reply, uint8_t replier)
{
    assert(c && reply && !c->destroyed && (reply->reset || (reply->status >= 200 && reply->status < 600)));
    if (c->over || c->reply_pending)
        return; /* the first one holds */
    c->reply = *reply;
    c->replier = replier;
    if (reply->n_headers) { /* it may run later, when the caller's own array is gone */
        size_t size = reply->n_headers * sizeof(*reply->headers);
        c->reply.headers = memcpy(sp_arena_alloc(c->arena, size), reply->headers, size);
    }
    c->info->flags |= reply->flags;
    if (reply->details.len)
        c->info->details = reply->details;
    close_decode(c);
    c->epoch[SP_ENCODE]++; /* whatever is being encoded stops */
    c->reply_pending = true;
    if (c->depth == 0)
        sp_chain_run_reply(c);
}

void sp_chain_run_reply(struct sp_chain *c)
{
    assert(c && c->reply_pending && c->depth == 0);
    if (c->reply.reset || c->head_out || SP_UNLIKELY(sp_memory() == SP_MEM_LOW)) { /* words take memory that others need to end */
        end_all(c, SP_ABORT_CANCEL);
        c->ops->reset(c, SP_ABORT_LOCAL);
        return;
    }
    /* Filters that have seen one head already cannot be shown another. */
    bool past_filters = c->head[SP_ENCODE] != NULL;
    struct sp_headers *h = sp_arena_zalloc(c->arena, sizeof(*h));
    struct sp_buf body;
    sp_buf_init(&body);
    const struct sp_reply_rewriter rewriter = {c->ops->rewrite, c};
    bool rewrites = c->ops->rewrites && c->ops->rewrites(c);
    sp_local_reply_make(&c->reply, c->head[SP_DECODE], c->arena, rewrites ? &rewriter : NULL, h, &body);
    c->reply_pending = false;
    c->head[SP_ENCODE] = h;
    c->local = true;
    close_upstream(c, SP_ABORT_CANCEL);
    c->ops->begin(c, h);
    unsigned epoch = c->epoch[SP_ENCODE];
    bool end = body.len == 0;
    if (past_filters)
        sp_chain_out_headers(c, h, end);
    else
        sp_chain_run_headers(c, SP_ENCODE, 0, end);
    if (!end && epoch == c->epoch[SP_ENCODE] && !c->over) {
        if (past_filters)
            sp_chain_out_data(c, &body, true);
        else
            sp_chain_run_data(c, SP_ENCODE, 0, &body, true);
    }
    sp_buf_clear(&body);
}

/* --- ends --- */

void sp_chain_abort(struct sp_chain *c, enum sp_abort why)
{
    assert(c && !c->destroyed);
    if (!c->over)
        end_all(c, why);
}

void sp_chain_complete(struct sp_chain *c)
{
    assert(c && c->depth == 0 && !c->destroyed);
    for (unsigned i = 0; i < c->plan->n; i++)
        if (c->plan->v[i].ops->on_complete && !sp_chain_skips(c, i))
            c->plan->v[i].ops->on_complete(sp_chain_filter(c, i));
}

void sp_chain_destroy(struct sp_chain *c)
{
    assert(c && c->depth == 0 && !c->destroyed);
    if (!c->over)
        end_all(c, SP_ABORT_CANCEL);
    c->destroyed = true;
    for (unsigned i = 0; i < c->plan->n; i++)
        if (c->plan->v[i].ops->destroy && !sp_chain_skips(c, i))
            c->plan->v[i].ops->destroy(sp_chain_filter(c, i));
}
