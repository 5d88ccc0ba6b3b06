/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/codec_stats.h"

#include <assert.h>

void sp_codec_stats_init_client(struct sp_codec_stats *s, struct sp_stats_scope *owner)
{
    assert(s && owner);
    struct sp_stats_scope *http2 = sp_stats_scope(owner, SP_STR("http2"), NULL, SP_STR_NULL);
#define X(name) s->name = sp_stats_counter(http2, SP_STR(#name));
    SP_HTTP2_COUNTERS(X)
#undef X
}

void sp_codec_stats_init_server(struct sp_codec_stats *s)
{
    assert(s);
    struct sp_stats_scope *root = sp_stats_root();
    sp_codec_stats_init_client(s, root);
    struct sp_stats_scope *http1 = sp_stats_scope(root, SP_STR("http1"), NULL, SP_STR_NULL);
    struct sp_stats_scope *http2 = sp_stats_scope(root, SP_STR("http2"), NULL, SP_STR_NULL);
#define X(name) s->name = sp_stats_counter(http2, SP_STR(#name));
    SP_HTTP2_SERVER_COUNTERS(X)
#undef X
#define X(name) s->name = sp_stats_counter(http2, SP_STR(#name));
    SP_HTTP2_FLOOD_COUNTERS(X)
#undef X
#define X(name) s->underscores[0].name = sp_stats_counter(http1, SP_STR(#name));
    SP_UNDERSCORE_COUNTERS(X)
#undef X
#define X(name) s->underscores[1].name = sp_stats_counter(http2, SP_STR(#name));
    SP_UNDERSCORE_COUNTERS(X)
#undef X
}

/* Beside Envoy's, which has one name for many. */
static struct sp_counter own_flood(const struct sp_codec_stats *s, struct sp_str detail)
{
#define X(name) \
    if (sp_str_eq(detail, SP_STR("http2." #name))) \
        return s->name;
    SP_HTTP2_FLOOD_COUNTERS(X)
#undef X
    return (struct sp_counter){0};
}

static struct sp_counter flood(const struct sp_codec_stats *s, struct sp_str detail)
{
    if (sp_str_eq(detail, SP_STR("http2.empty_frames_flood")))
        return s->inbound_empty_frames_flood;
    if (sp_str_eq(detail, SP_STR("http2.priority_flood")))
        return s->inbound_priority_frames_flood;
    if (sp_str_eq(detail, SP_STR("http2.window_update_flood")))
        return s->inbound_window_update_frames_flood;
    if (sp_str_eq(detail, SP_STR("http2.outbound_flood")))
        return s->outbound_flood;
    if (sp_str_eq(detail, SP_STR("http2.premature_reset_flood")))
        return (struct sp_counter){0}; /* the connection manager's */
    if (sp_str_eq(detail, SP_STR("http2.header_bomb")) || sp_str_eq(detail, SP_STR("http2.continuation_flood")))
        return s->header_overflow;
    return s->outbound_control_flood; /* PING, SETTINGS, resets, frames of unknown types */
}

static struct sp_counter of_event(const struct sp_codec_stats *s, enum sp_codec_event ev, struct sp_str detail, bool h2)
{
    switch (ev) {
    case SP_CE_HEADERS_DROPPED_UNDERSCORE:
        return s->underscores[h2].dropped_headers_with_underscores;
    case SP_CE_REQUESTS_REJECTED_UNDERSCORE:
        return s->underscores[h2].requests_rejected_with_underscores_in_headers;
    case SP_CE_BAD_REQUEST:
        return h2 ? s->rx_messaging_error : (struct sp_counter){0};
    case SP_CE_HEADERS_TOO_LARGE:
    case SP_CE_TOO_MANY_HEADERS:
        return h2 ? s->header_overflow : (struct sp_counter){0};
    case SP_CE_RX_RESET:
        return s->rx_reset;
    case SP_CE_TX_RESET:
        return s->tx_reset;
    case SP_CE_REFUSED_STREAM:
        return s->stream_refused_errors;
    case SP_CE_GOAWAY_SENT:
        return s->goaway_sent;
    case SP_CE_TRAILERS:
        return s->trailers;
    case SP_CE_FLOOD:
        return flood(s, detail);
    case SP_CE_PING_TIMEOUT:
        return s->keepalive_timeout;
    case SP_CE_HEADERS_TIMEOUT:
    case SP_CE_OVERLOAD:
    case SP_CE_URL_TOO_LONG:
    case SP_CE_GOAWAY_RECEIVED:
    case SP_CE_METADATA_REFUSED:
        break;
    }
    return (struct sp_counter){0};
}

void sp_codec_stats_event(const struct sp_codec_stats *s, enum sp_codec_event ev, const char *detail)
{
    assert(s && detail);
    struct sp_str d = sp_str_c(detail);
    if (ev == SP_CE_FLOOD)
        sp_counter_inc(own_flood(s, d));
    sp_counter_inc(of_event(s, ev, d, sp_str_starts(d, SP_STR("http2."))));
}

bool sp_codec_event_complains(enum sp_codec_event ev)
{
    return ev != SP_CE_GOAWAY_SENT && ev != SP_CE_TRAILERS && ev != SP_CE_REFUSED_STREAM;
}
