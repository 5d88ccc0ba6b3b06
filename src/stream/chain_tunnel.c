/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A chain without its config (chain.h, sp_chain_let_go). */
#include <assert.h>

#include "stream/chain.h"

static bool is_done(const struct sp_chain *c, unsigned i)
{
    const struct sp_filter_ops *ops = c->plan->v[i].ops;
    if (sp_chain_skips(c, i))
        return true;
    bool sees_more = ops->decode_data || ops->decode_trailers || ops->encode_data || ops->encode_trailers;
    return !sees_more && !ops->on_complete && !c->hold[SP_DECODE][i].mode && !c->hold[SP_ENCODE][i].mode;
}

static bool may_let_go(const struct sp_chain *c)
{
    unsigned last = c->plan->n - 1;
    bool yes = c->upgrade && c->head_out && !c->local && !c->over && c->depth == 0 && !c->reply_pending &&
               c->plan->v[last].ops->let_go && !c->hold[SP_DECODE][last].mode && !c->hold[SP_ENCODE][last].mode;
    for (unsigned i = 0; yes && i < last; i++)
        yes = is_done(c, i);
    return yes;
}

static struct sp_headers *own(struct sp_chain *c, const struct sp_headers *h)
{
    struct sp_headers *copy = sp_arena_alloc(c->arena, sizeof(*copy));
    sp_headers_copy(copy, c->arena, h);
    return copy;
}

bool sp_chain_let_go(struct sp_chain *c)
{
    assert(c && !c->destroyed);
    if (!may_let_go(c))
        return false;
    unsigned last = c->plan->n - 1;
    for (unsigned i = 0; i < last; i++)
        if (c->plan->v[i].ops->destroy && !sp_chain_skips(c, i))
            c->plan->v[i].ops->destroy(sp_chain_filter(c, i));
    struct sp_filter *f = sp_chain_filter(c, last);
    f->ops->let_go(f);
    struct {
        struct sp_filter_plan plan;
        struct sp_filter_slot slot;
    } *alone = sp_arena_zalloc(c->arena, sizeof(*alone));
    alone->slot = (struct sp_filter_slot){.ops = f->ops, .offset = c->plan->v[last].offset};
    alone->plan = (struct sp_filter_plan){.v = &alone->slot, .n = 1, .size = c->plan->size};
    f->index = 0;
    f->config = NULL;
    for (int dir = 0; dir < 2; dir++) {
        c->hold[dir] += last;
        if (c->head[dir])
            c->head[dir] = own(c, c->head[dir]);
    }
    c->plan = &alone->plan;
    c->skip = c->passed = 0;
    c->route = NULL;
    c->weighted = NULL;
    return true;
}
