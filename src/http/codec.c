/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/codec.h"

#include <assert.h>

void sp_codec_config_init(struct sp_codec_config *c, bool server)
{
    assert(c);
    *c = (struct sp_codec_config){
        .server = server,
        .high_water = 64 * 1024,
        .max_header_bytes = 60 * 1024,
        .max_headers = 100,
        .max_url_bytes = 16 * 1024,
        .h1_allow_absolute_url = true,
        .h2_max_streams = 100,
        .h2_stream_window = 64 * 1024,
        .h2_conn_window = 1024 * 1024,
        .h2_table_size = 4096,
        .h2_conn_held_max = 8 * 1024 * 1024,
        .h2_max_outbound = 10000,
        .h2_max_outbound_control = 1000,
        .h2_max_empty_frames = 1,
        .h2_max_priority_per_stream = 100,
        .h2_max_window_update_per_data = 10,
        .h2_stream_error_on_invalid = true,
    };
}

void sp_codec_stream_hold(struct sp_codec_stream *cs)
{
    assert(cs && !cs->held && !cs->gone && !cs->codec->config.server);
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
