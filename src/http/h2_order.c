/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h2_order.h"

#include <assert.h>
#include <string.h>

#include "base/defs.h"

void sp_h2_order_init(struct sp_h2_order *o)
{
    assert(o);
    *o = (struct sp_h2_order){.next = 1, .run_from = 1};
}

void sp_h2_order_reset(struct sp_h2_order *o, uint32_t id)
{
    assert(o);
    o->unknown = SP_MAX(o->unknown, o->resets[SP_H2_ORDER_RESETS - 1]);
    memmove(o->resets + 1, o->resets, sizeof(o->resets) - sizeof(o->resets[0]));
    o->resets[0] = id;
}

static uint32_t of_closed(const struct sp_h2_order *o, uint32_t id)
{
    if (id >= o->gap_from && id <= o->gap_to)
        return NGHTTP2_PROTOCOL_ERROR;
    for (unsigned i = 0; i < SP_H2_ORDER_RESETS; i++)
        if (o->resets[i] == id)
            return NGHTTP2_NO_ERROR;
    return id <= o->unknown ? NGHTTP2_NO_ERROR : NGHTTP2_STREAM_CLOSED;
}

uint32_t sp_h2_order_see(struct sp_h2_order *o, uint32_t id, bool headers)
{
    assert(o);
    if (!o->session || !(id & 1)) /* the session's to refuse */
        return NGHTTP2_NO_ERROR;
    if (id < o->next) {
        if (id >= o->run_from && (id < o->gap_from || id > o->gap_to))
            return NGHTTP2_NO_ERROR;
        return nghttp2_session_find_stream(o->session, (int32_t)id) ? NGHTTP2_NO_ERROR : of_closed(o, id);
    }
    if (headers) { /* DATA on an idle stream is the session's to refuse */
        if (id > o->next) {
            o->gap_from = o->next;
            o->gap_to = id - 2;
        }
        o->next = id + 2;
    }
    return NGHTTP2_NO_ERROR;
}
