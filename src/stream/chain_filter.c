/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a filter may ask of its chain (stream/filter.h), but for the calls that move the iteration.
 */
#include <assert.h>

#include "stream/chain.h"

static const struct sp_chain *chain_of(const struct sp_filter *f)
{
    assert(f && f->chain);
    return f->chain;
}

void sp_filter_reply(struct sp_filter *f, const struct sp_reply *reply)
{
    assert(f && f->chain && reply);
    struct sp_chain *c = f->chain;
    if (!sp_chain_lets_pass(f, reply)) {
        sp_chain_reply_by(c, reply, (uint8_t)(f->index + 1));
    } else if (c->depth == 0) { /* in a callback, its return lets go */
        sp_filter_continue(f, SP_DECODE);
        sp_filter_continue(f, SP_ENCODE);
    }
}

void sp_filter_hold_at_least(struct sp_filter *f, size_t n)
{
    assert(f && f->chain);
    f->chain->limit = SP_MAX(f->chain->limit, n);
}

size_t sp_filter_buffer_limit(const struct sp_filter *f)
{
    assert(f && f->chain);
    return f->chain->limit;
}

void sp_filter_reply_text(struct sp_filter *f, unsigned status, struct sp_str body, struct sp_str details)
{
    sp_filter_reply(f, &(struct sp_reply){.status = status, .body = body, .details = details});
}

void sp_filter_too_large(struct sp_filter *f)
{
    assert(f);
    if (f->chain->ops->too_large)
        f->chain->ops->too_large(f->chain, SP_DECODE);
    sp_filter_reply_text(f, 413, SP_STR("Payload Too Large"), SP_STR("request_payload_too_large"));
}

struct sp_stream *sp_filter_stream(const struct sp_filter *f)
{
    return chain_of(f)->stream;
}

struct sp_arena *sp_filter_arena(const struct sp_filter *f)
{
    return chain_of(f)->arena;
}

struct sp_stream_info *sp_filter_info(const struct sp_filter *f)
{
    return chain_of(f)->info;
}

struct sp_turn *sp_filter_turn(const struct sp_filter *f)
{
    return chain_of(f)->turn;
}

struct sp_headers *sp_filter_request(const struct sp_filter *f)
{
    return chain_of(f)->head[SP_DECODE];
}

struct sp_headers *sp_filter_response(const struct sp_filter *f)
{
    return chain_of(f)->head[SP_ENCODE];
}

const struct sp_route *sp_filter_route(const struct sp_filter *f)
{
    return chain_of(f)->route;
}

void sp_filter_clear_route(struct sp_filter *f)
{
    assert(f && f->chain);
    if (f->index >= f->chain->plan->n_gates) /* in front of the route there is none to forget */
        f->chain->routed = false;
}

void sp_filter_set_weighted(struct sp_filter *f, const struct sp_weighted_cluster *w)
{
    assert(f && f->chain);
    f->chain->weighted = w;
}

void sp_filter_set_metadata(struct sp_filter *f, struct sp_str ns, struct sp_str key, struct sp_str json)
{
    const struct sp_chain *c = chain_of(f);
    struct sp_metadata *m = c->info->metadata, **end = &c->info->metadata;
    for (; m; end = &m->next, m = m->next) {
        if (sp_str_eq(m->ns, ns) && sp_str_eq(m->key, key)) {
            m->json = sp_arena_str(c->arena, json);
            return;
        }
    }
    m = sp_arena_zalloc(c->arena, sizeof(*m));
    *m = (struct sp_metadata){.ns = sp_arena_str(c->arena, ns), .key = sp_arena_str(c->arena, key),
                              .json = sp_arena_str(c->arena, json)};
    *end = m;
}
