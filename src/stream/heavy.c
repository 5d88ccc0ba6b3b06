/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/heavy.h"

#include <assert.h>

#include "event/overload.h"
#include "stream/stream_impl.h"

/* As Envoy: the heaviest class at once, all eight when the action is fully on. */
void sp_heavy_init(struct sp_heavy *h, uint32_t on, unsigned log2_min)
{
    assert(h && on && on <= SP_OVERLOAD_FULL);
    unsigned classes = SP_MIN(on * SP_HEAVY_CLASSES / SP_OVERLOAD_FULL + 1, (unsigned)SP_HEAVY_CLASSES);
    unsigned log2 = log2_min + SP_HEAVY_CLASSES - classes;
    h->least = log2 < 63 ? (size_t)1 << log2 : SIZE_MAX;
    h->n = 0;
}

size_t sp_stream_held(const struct sp_stream *s)
{
    assert(s);
    const struct sp_codec_ops *codec = s->cs->codec->ops;
    size_t n = sp_chain_held(&s->chain) + (s->cs->arena ? s->cs->arena->total : 0);
    return codec->held ? n + codec->held(s->cs) : n;
}

static void note(struct sp_heavy *h, struct sp_stream *s, size_t held)
{
    unsigned at = h->n;
    if (held < h->least || (at == SP_HEAVY_MAX && held <= h->v[at - 1].held))
        return;
    if (at == SP_HEAVY_MAX)
        at--;
    else
        h->n++;
    for (; at && h->v[at - 1].held < held; at--)
        h->v[at] = h->v[at - 1];
    h->v[at].stream = s;
    h->v[at].held = held;
}

void sp_heavy_weigh(struct sp_heavy *h, const struct sp_stream_owner *o, size_t beside)
{
    assert(h && o);
    SP_LIST_FOREACH (n, &o->streams) {
        struct sp_stream *s = SP_CONTAINER_OF(n, struct sp_stream, link);
        if (s->hcm->sheds)
            note(h, s, sp_stream_held(s) + beside);
    }
}

void sp_heavy_reset(const struct sp_heavy *h)
{
    assert(h);
    for (unsigned i = 0; i < h->n; i++) {
        struct sp_stream *s = h->v[i].stream;
        s->close = true;
        s->info.flags |= SP_FLAG_OM;
        if (s->chain.over) /* the answer was made, and the client does not take it */
            s->cs->tx.ops->abort(&s->cs->tx, SP_ABORT_TIMEOUT);
        else
            sp_chain_reply(&s->chain, &(struct sp_reply){.status = 503, .reset = true, .flags = SP_FLAG_OM, .details = SP_STR("overload")});
    }
}
