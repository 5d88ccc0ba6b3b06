/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What codecs are counted by under Envoy's names: http1.* and http2.*, which all connection managers share, and cluster.<name>.http2.*.
 * Made with a config; counted into by any worker.
 */
#ifndef SP_HTTP_CODEC_STATS_H
#define SP_HTTP_CODEC_STATS_H

#include "http/codec.h"
#include "stats/stats.h"

#define SP_HTTP2_COUNTERS(X) \
    X(rx_messaging_error) X(header_overflow) X(rx_reset) X(tx_reset) X(stream_refused_errors) X(goaway_sent) X(trailers) \
    X(inbound_empty_frames_flood) X(outbound_flood) X(outbound_control_flood) X(keepalive_timeout)
/* Only servers get headers with underscores, and are flooded so. */
#define SP_HTTP2_SERVER_COUNTERS(X) X(inbound_priority_frames_flood) X(inbound_window_update_frames_flood)
/* Each limit of http/h2_meter.h that Envoy has no name for, by the last part of its detail. */
#define SP_HTTP2_FLOOD_COUNTERS(X) \
    X(ping_flood) X(settings_flood) X(too_many_settings) X(reset_flood) X(unknown_frame_flood) X(continuation_flood) X(header_bomb) \
    X(stray_data_flood) X(stray_headers_flood) X(data_dribble_flood) X(too_many_streams)
#define SP_UNDERSCORE_COUNTERS(X) X(dropped_headers_with_underscores) X(requests_rejected_with_underscores_in_headers)

/* All zero: nobody's. */
struct sp_codec_stats {
#define X(name) struct sp_counter name;
    SP_HTTP2_COUNTERS(X)
    SP_HTTP2_SERVER_COUNTERS(X)
    SP_HTTP2_FLOOD_COUNTERS(X)
    struct {
        SP_UNDERSCORE_COUNTERS(X)
    } underscores[2]; /* http1, http2 */
#undef X
};

/* http1.* and http2.*. */
void sp_codec_stats_init_server(struct sp_codec_stats *s);
/* http2.* of a cluster. */
void sp_codec_stats_init_client(struct sp_codec_stats *s, struct sp_stats_scope *cluster);
/* Those events that are of the codec alone. */
void sp_codec_stats_event(const struct sp_codec_stats *s, enum sp_codec_event ev, const char *detail);
/* Whether it tells of something that went wrong. */
bool sp_codec_event_complains(enum sp_codec_event ev);

#endif
