/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/wire_shed.h"

#include <assert.h>

#include "http/h1_codec.h"
#include "http/wire_close.h"
#include "http/wire_io.h"

static const char detail[] = "overload";

static void tell(struct sp_wire *w, unsigned status)
{
    if (w->codec_cb->on_event)
        w->codec_cb->on_event(w->ctx, SP_CE_OVERLOAD, detail, status);
}

bool sp_wire_shed_codec(struct sp_wire *w)
{
    assert(w && !w->codec);
    if (!w->server || !w->sheds || !sp_overload_hits(SP_OL_SHED_CODEC))
        return false;
    tell(w, 0);
    sp_wire_finish(w, SP_WIRE_LOCAL, 0, false);
    return true;
}

/* As Envoy: 500, and the end. A request under way is left to its own limits. */
static bool abort_h1(struct sp_wire *w)
{
    struct sp_buf out;
    if (w->codec->n_streams || !sp_overload_hits(SP_OL_SHED_H1))
        return false;
    sp_buf_init(&out);
    unsigned status = sp_h1_write_error(w->codec_cb, w->ctx, detail, &out, 500, true, false);
    tell(w, status);
    sp_wire_put(w, &out);
    sp_wire_begin_close(w, SP_WIRE_LOCAL);
    return true;
}

static bool go_away(struct sp_wire *w)
{
    for (int step = 0; step < 2; step++) /* the notice, then the last word */
        w->codec->ops->goaway(w->codec);
    sp_wire_flush(w);
    sp_wire_finish(w, SP_WIRE_LOCAL, 0, false);
    return true;
}

bool sp_wire_shed(struct sp_wire *w)
{
    assert(w && w->server && w->codec);
    if (w->tls)
        sp_wire_pump(w);
    if (!sp_wire_app_in(w)->len)
        return false;
    bool h2 = w->codec->ops->protocol == SP_HTTP_2;
    if (SP_UNLIKELY(sp_overload_hits(SP_OL_SHED_GOAWAY_CLOSE)))
        return go_away(w);
    if (SP_UNLIKELY(!w->draining && sp_overload_hits(SP_OL_SHED_GOAWAY))) {
        if (h2)
            sp_wire_begin_drain(w, SP_WIRE_LOCAL);
        else
            w->codec->last_answer = true; /* what has come is answered first */
    }
    return !h2 && abort_h1(w);
}
