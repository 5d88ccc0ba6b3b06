/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h2_fail.h"

#include <assert.h>

void sp_h2_fail(struct sp_h2 *c, enum sp_codec_event ev, const char *detail, uint32_t code)
{
    assert(c && detail);
    if (c->dead)
        return;
    c->dead = true;
    c->goaway_due = true;
    c->goaway_code = code;
    c->end_why = SP_ABORT_PROTOCOL;
    c->codec.want_close = true;
    c->codec.want_read = false;
    sp_h2_event(c, ev, detail, 0);
}

void sp_h2_check(struct sp_h2 *c, int rc)
{
    if (SP_UNLIKELY(nghttp2_is_fatal(rc)))
        sp_h2_fail(c, SP_CE_BAD_REQUEST, "http2.internal_error", NGHTTP2_INTERNAL_ERROR);
}
