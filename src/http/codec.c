/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/codec.h"

#include <assert.h>

void sp_codec_stream_hold(struct sp_codec_stream *cs)
{
    assert(cs && !cs->held && !cs->gone && !cs->codec->config->server);
    cs->held = true;
}

void sp_codec_stream_release(struct sp_codec_stream *cs, struct sp_turn *turn)
{
    assert(cs && turn && cs->held);
    cs->held = false;
    if (cs->gone)
        sp_bury(turn, &cs->grave);
}

bool sp_codec_stream_stays(struct sp_codec_stream *cs)
{
    assert(cs);
    cs->gone = true;
    return cs->held;
}
