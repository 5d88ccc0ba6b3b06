/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/chain_hold.h"

#include <assert.h>

void sp_chain_adopt_source(struct sp_chain *c)
{
    struct sp_source *source = c->upstream.source;
    if (source == c->pausing)
        return;
    c->pausing = source;
    for (unsigned i = 0; source && i < c->pauses[SP_ENCODE]; i++)
        source->ops->pause(source);
}

static struct sp_source *source_of(struct sp_chain *c, enum sp_direction dir)
{
    if (dir == SP_DECODE)
        return c->request;
    sp_chain_adopt_source(c);
    return c->pausing;
}

void sp_chain_pause(struct sp_chain *c, enum sp_direction dir)
{
    struct sp_source *source = source_of(c, dir);
    c->pauses[dir]++;
    if (dir == SP_DECODE && c->ops->flow)
        c->ops->flow(c, true);
    if (source)
        source->ops->pause(source);
}

void sp_chain_resume(struct sp_chain *c, enum sp_direction dir)
{
    struct sp_source *source = source_of(c, dir);
    if (!c->pauses[dir])
        return;
    c->pauses[dir]--;
    if (dir == SP_DECODE && c->ops->flow)
        c->ops->flow(c, false);
    if (source)
        source->ops->resume(source);
}

static void too_large(struct sp_chain *c, enum sp_direction dir)
{
    if (c->ops->too_large)
        c->ops->too_large(c, dir);
    if (dir == SP_DECODE)
        sp_chain_reply(c, &(struct sp_reply){.status = 413, .body = SP_STR("Payload Too Large"),
                                             .details = SP_STR("request_payload_too_large")});
    else
        sp_chain_reply(c, &(struct sp_reply){.status = 500, .body = SP_STR("Internal Server Error"),
                                             .details = SP_STR("response_payload_too_large")});
}

void sp_hold_data(struct sp_chain *c, enum sp_direction dir, struct sp_hold *hold, struct sp_buf *b, bool end)
{
    assert(hold->mode);
    c->held[dir] += b->len;
    sp_buf_move(&hold->data, b);
    hold->end = end;
    if (c->held[dir] <= c->limit)
        return;
    if (hold->mode != SP_HOLD_PAUSE) {
        too_large(c, dir);
    } else if (!c->auto_paused[dir]) {
        c->auto_paused[dir] = true;
        sp_chain_pause(c, dir);
    }
}

void sp_hold_release(struct sp_chain *c, enum sp_direction dir, size_t n)
{
    assert(c->held[dir] >= n);
    c->held[dir] -= n;
    if (c->auto_paused[dir] && c->held[dir] <= c->limit / 2) {
        c->auto_paused[dir] = false;
        sp_chain_resume(c, dir);
    }
}

void sp_hold_drop(struct sp_chain *c, enum sp_direction dir)
{
    for (unsigned i = 0; c->n_stops[dir] && i < c->plan->n; i++) {
        struct sp_hold *hold = &c->hold[dir][i];
        if (hold->mode) {
            sp_buf_clear(&hold->data);
            *hold = (struct sp_hold){0};
        }
    }
    c->held[dir] = 0;
    c->auto_paused[dir] = false;
}

size_t sp_chain_held(const struct sp_chain *c)
{
    assert(c && c->plan->n);
    const struct sp_filter_slot *last = &c->plan->v[c->plan->n - 1];
    size_t n = c->held[SP_DECODE] + c->held[SP_ENCODE];
    return c->block && last->ops->held ? n + last->ops->held((const struct sp_filter *)(const void *)(c->block + last->offset)) : n;
}
