/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h2_meter.h"

#include <assert.h>

enum frame_type {
    DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION,
    PRIORITY_UPDATE = 0x10, METADATA = 0x4d
};

enum { FLAG_END_STREAM = 1, FLAG_ACK = 1, FLAG_END_HEADERS = 4, FLAG_PADDED = 8 };

enum {
    /* Honest peers ping once a round trip at most (gRPC's probes), send one SETTINGS or two, and grease a little. */
    PING_BURST = 500, PINGS_PER_S = 100,
    SETTINGS_BURST = 30, SETTINGS_PER_S = 1,
    OTHER_BURST = 200, OTHERS_PER_S = 50,
    /* A CDN's shared connection earns its resets by the requests that end well: one for two of them. */
    RESET_BURST = 100, RESETS_PER_S = 33,
    /* Envoy's overload.premature_reset_total_stream_count. */
    PREMATURE_STREAMS = 500,
    WINDOW_UPDATES_FREE = 5,
    /* What lingers is in the window too (h2_linger.c). */
    STRAY_MORE = 256 * 1024,
    /* An honest peer sends no more of them than trailers of streams that were reset meanwhile. The frames of one chunk of input
     * are counted before the first of them is taken. */
    STRAY_HEADS = 2000,
    /* Less than half of it a frame, on average, for more than a thousand frames. */
    SHORT_DATA = 1024, DRIBBLE_MAX = 1024 * 1024,
};

static const uint64_t TOKEN = 1000000000ull;

static struct sp_h2_bucket bucket(uint64_t now_ns, uint32_t burst, uint32_t per_s)
{
    return (struct sp_h2_bucket){.at_ns = now_ns, .level = burst * TOKEN, .burst = burst, .per_s = per_s};
}

static void bucket_add(struct sp_h2_bucket *b, uint64_t amount)
{
    b->level = SP_MIN(b->level + amount, b->burst * TOKEN);
}

static bool bucket_take(struct sp_h2_bucket *b, uint64_t now_ns)
{
    uint64_t elapsed = now_ns > b->at_ns ? SP_MIN(now_ns - b->at_ns, 3600 * TOKEN) : 0;
    b->at_ns = now_ns;
    bucket_add(b, elapsed * b->per_s);
    if (b->level < TOKEN)
        return false;
    b->level -= TOKEN;
    return true;
}

void sp_h2_meter_init(struct sp_h2_meter *m, const struct sp_codec_config *config, uint64_t now_ns)
{
    assert(m && config);
    *m = (struct sp_h2_meter){
        .now_ns = now_ns,
        .server = config->server,
        .preface = config->server ? SP_H2_PREFACE : 0,
        .max_empty = config->h2_max_empty_frames,
        .max_priority = config->h2_max_priority_per_stream,
        .max_window_update = config->h2_max_window_update_per_data,
        .stray_window = SP_MAX(config->h2_stream_window, config->h2_grown_window) + STRAY_MORE,
        .pings = bucket(now_ns, PING_BURST, PINGS_PER_S),
        .settings = bucket(now_ns, SETTINGS_BURST, SETTINGS_PER_S),
        .others = bucket(now_ns, OTHER_BURST, OTHERS_PER_S),
        .resets = bucket(now_ns, RESET_BURST, RESETS_PER_S),
    };
    sp_h2_order_init(&m->order);
}

/* Frames that carry nothing and end nothing cost us more than the peer. */
static const char *count_empty(struct sp_h2_meter *m, bool empty)
{
    if (!empty) {
        m->empty_run = 0;
        return NULL;
    }
    return ++m->empty_run > m->max_empty ? "http2.empty_frames_flood" : NULL;
}

/*
 * Content of streams that are over is thrown away, and the connection's window opens again, so that it could go on for
 * ever.  An honest peer has no more of it under way than its streams had windows. Padding is nobody's either: as much as content.
 */
static const char *count_stray(struct sp_h2_meter *m)
{
    m->data_in += m->left;
    uint64_t stray = m->data_in - SP_MIN(m->data_in, m->data_taken);
    bool many = m->server && stray > m->data_taken + (m->n_streams + 1) * m->stray_window;
    return many ? "http2.stray_data_flood" : NULL;
}

/*
 * Heads of streams that are over: nghttp2 decodes them, since its table has to follow, and tells nobody; so none of the limits of
 * heads holds for them.
 */
static const char *count_stray_head(struct sp_h2_meter *m)
{
    uint64_t stray = m->heads_in - SP_MIN(m->heads_in, m->heads_taken);
    m->heads_in++;
    return m->server && stray > STRAY_HEADS + m->n_streams ? "http2.stray_headers_flood" : NULL;
}

static const char *on_headers(struct sp_h2_meter *m, uint8_t flags)
{
    m->continuations = 0;
    const char *flood = count_stray_head(m);
    return flood ? flood : count_empty(m, m->left == 0 && !(flags & FLAG_END_STREAM));
}

static const char *on_data(struct sp_h2_meter *m, uint8_t flags)
{
    const char *flood = count_stray(m);
    if (flood)
        return flood;
    if (flags & FLAG_END_STREAM) {
        m->empty_run = 0;
        return NULL;
    }
    if ((flags & FLAG_PADDED) && m->left) {
        m->pad_due = true;
        return NULL;
    }
    return count_empty(m, m->left == 0);
}

/* RFC 9113 section 6.3; nghttp2 looks at none of it once priorities are off. */
static const char *on_priority(struct sp_h2_meter *m, uint8_t type, uint32_t id)
{
    if (type == PRIORITY && !id) {
        m->fault = NGHTTP2_PROTOCOL_ERROR;
        return "http2.priority_of_no_stream";
    }
    if (type == PRIORITY && m->left == 5) {
        m->id = id;
        m->parent = 0;
        m->parent_due = 4;
    }
    return ++m->n_priority > (uint64_t)m->max_priority * (1 + m->n_streams) ? "http2.priority_flood" : NULL;
}

static const char *on_window_update(struct sp_h2_meter *m)
{
    /* By the heads that came: of the streams one knows only when nghttp2 has had the whole chunk of input. */
    uint64_t allowed = WINDOW_UPDATES_FREE + 2 * (m->heads_in + (uint64_t)m->max_window_update * m->n_data_sent);
    return ++m->n_window_update > allowed ? "http2.window_update_flood" : NULL;
}

/* A stream that depends on itself (RFC 7540 section 5.3.1). */
static const char *on_parent(struct sp_h2_meter *m, uint8_t byte)
{
    m->parent = m->parent << 8 | byte;
    if (--m->parent_due || (m->parent & INT32_MAX) != m->id)
        return NULL;
    m->fault = NGHTTP2_PROTOCOL_ERROR;
    return "http2.priority_of_itself";
}

static const char *see(struct sp_h2_meter *m, uint32_t id, bool headers)
{
    m->fault = sp_h2_order_see(&m->order, id, headers);
    return !m->fault ? NULL : m->fault == NGHTTP2_STREAM_CLOSED ? "http2.stream_closed" : "http2.unexpected_stream_id";
}

static const char *on_frame(struct sp_h2_meter *m, const char *p)
{
    const uint8_t *h = (const uint8_t *)p;
    m->left = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
    uint8_t type = h[3], flags = h[4];
    uint32_t id = ((uint32_t)h[5] << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8]) & INT32_MAX;
    const char *fault = type <= HEADERS ? see(m, id, type == HEADERS) : NULL;
    if (fault)
        return fault;
    m->block_frame = type == HEADERS || type == CONTINUATION;
    if (m->block_frame)
        m->block_open = !(flags & FLAG_END_HEADERS);
    switch (type) {
    case DATA:
        return on_data(m, flags);
    case HEADERS:
        return on_headers(m, flags);
    case CONTINUATION:
        if (++m->continuations > SP_H2_MAX_CONTINUATIONS)
            return "http2.continuation_flood";
        return count_empty(m, m->left == 0);
    case PRIORITY:
    case PRIORITY_UPDATE:
        return on_priority(m, type, id);
    case RST_STREAM:
        m->run_ends = true;
        return sp_h2_meter_reset(m);
    case SETTINGS:
        /* Acknowledgements that nobody waits for are nghttp2's to refuse. */
        return (flags & FLAG_ACK) || bucket_take(&m->settings, m->now_ns) ? NULL : "http2.settings_flood";
    case PING:
        return bucket_take(&m->pings, m->now_ns) ? NULL : "http2.ping_flood";
    case WINDOW_UPDATE:
        return on_window_update(m);
    case METADATA: /* Envoy's; to be ignored as any that is unknown, but counted */
        m->n_metadata++;
        return bucket_take(&m->others, m->now_ns) ? NULL : "http2.unknown_frame_flood";
    default: /* GOAWAY, PUSH_PROMISE (which ends the connection anyway), and what we do not know */
        return bucket_take(&m->others, m->now_ns) ? NULL : "http2.unknown_frame_flood";
    }
}

/* The pad length field says whether a padded DATA frame holds any data. */
static const char *on_pad(struct sp_h2_meter *m, uint8_t pad)
{
    m->pad_due = false;
    return count_empty(m, m->left <= 1u + pad);
}

size_t sp_h2_meter_scan(struct sp_h2_meter *m, const char *p, size_t n, const char **ret_flood)
{
    assert(m && p && ret_flood && !m->n_head);
    size_t at = 0;
    const char *flood = NULL;
    m->run_ends = m->run_ends && m->left;
    while (at < n) {
        if (m->preface) {
            size_t k = SP_MIN((size_t)m->preface, n - at);
            m->preface -= (unsigned)k;
            at += k;
        } else if (m->left) {
            if (m->pad_due && (flood = on_pad(m, (uint8_t)p[at])) != NULL)
                break;
            size_t k = m->parent_due ? 1 : SP_MIN((size_t)m->left, n - at);
            if (m->parent_due && (flood = on_parent(m, (uint8_t)p[at])) != NULL)
                break;
            m->left -= (uint32_t)k;
            at += k;
            if (m->run_ends && !m->left)
                break;
        } else if (n - at < SP_H2_FRAME_HEADER || (flood = on_frame(m, p + at)) != NULL) {
            break;
        } else {
            at += SP_H2_FRAME_HEADER;
        }
    }
    if (flood)
        *ret_flood = flood;
    return at;
}

size_t sp_h2_meter_gather(struct sp_h2_meter *m, const char *p, size_t n, const char **ret_flood)
{
    assert(m && p && ret_flood && m->n_head < SP_H2_FRAME_HEADER);
    size_t k = SP_MIN(n, (size_t)(SP_H2_FRAME_HEADER - m->n_head));
    memcpy(m->head + m->n_head, p, k);
    m->n_head += (unsigned)k;
    if (m->n_head == SP_H2_FRAME_HEADER) {
        const char *flood = on_frame(m, (const char *)m->head);
        if (flood)
            *ret_flood = flood;
    }
    return k;
}

const char *sp_h2_meter_sent(struct sp_h2_meter *m, size_t n, bool clipped)
{
    assert(m);
    m->n_data_sent++;
    if (!m->server)
        return NULL;
    if (clipped && n < SHORT_DATA)
        m->dribble += (uint32_t)(SHORT_DATA - n);
    m->dribble -= (uint32_t)SP_MIN(n, (size_t)m->dribble);
    return m->dribble > DRIBBLE_MAX ? "http2.data_dribble_flood" : NULL;
}

const char *sp_h2_meter_reset(struct sp_h2_meter *m)
{
    assert(m);
    return bucket_take(&m->resets, m->now_ns) ? NULL : "http2.reset_flood";
}

const char *sp_h2_meter_ended(struct sp_h2_meter *m, enum sp_h2_end how)
{
    assert(m);
    m->n_ended++;
    if (how == SP_H2_END_WELL)
        bucket_add(&m->resets, TOKEN / 2);
    else if (how == SP_H2_END_ANSWERED)
        bucket_add(&m->resets, TOKEN);
    if (how != SP_H2_END_PREMATURE)
        return NULL;
    m->n_premature++;
    bool many = m->n_ended < PREMATURE_STREAMS ? m->n_premature > PREMATURE_STREAMS / 2
                                               : 2 * (uint64_t)m->n_premature > m->n_ended;
    return many ? "http2.premature_reset_flood" : NULL;
}
