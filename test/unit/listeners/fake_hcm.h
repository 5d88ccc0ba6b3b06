/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection manager that answers every request with 200 and no body, at once or (hold) by hand, and an access log
 * that counts its lines.  Included once in a program: it takes the place of stream/'s.
 */
#ifndef SP_TEST_FAKE_HCM_H
#define SP_TEST_FAKE_HCM_H

#include "support/loop.h"

#include "base/mem.h"
#include "stream/access_log.h"
#include "stream/stream.h"

struct sp_hcm {
    struct sp_hcm_cx_stats cx;
};
static unsigned hcms, streams, closed_streams, events, log_lines;
static struct sp_stream_owner *last_owner;
static struct sp_codec_stream *held; /* answered by hand */
static bool hold;
static enum sp_codec_kind fake_codec = SP_CODEC_H1;
static struct sp_source fake_source;
static struct sp_sink fake_sink;
static struct sp_addr last_peer;
static char last_failure[64];

struct sp_hcm *sp_hcm_new(const struct sp_hcm_build *build,
                          const Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager *msg)
{
    struct sp_hcm *h = sp_xcalloc(1, sizeof(*h));
    struct sp_stats_scope *s = sp_stats_scope(sp_stats_root(), SP_STR("http"), NULL, SP_STR_NULL);
    assert_non_null(build->listener_scope);
    h->cx.total = sp_stats_counter(s, SP_STR("cx_total"));
    h->cx.active = sp_stats_gauge(s, SP_STR("cx_active"));
    h->cx.http1_active = sp_stats_gauge(s, SP_STR("cx_http1_active"));
    h->cx.destroy_remote = sp_stats_counter(s, SP_STR("cx_destroy_remote"));
    h->cx.destroy_active_rq = sp_stats_counter(s, SP_STR("cx_destroy_active_rq"));
    h->cx.protocol_error = sp_stats_counter(s, SP_STR("cx_protocol_error"));
    h->cx.drain_close = sp_stats_counter(s, SP_STR("cx_drain_close"));
    h->cx.rx_bytes = sp_stats_counter(s, SP_STR("cx_rx_bytes_total"));
    hcms++;
    return h;
}

void sp_hcm_free(struct sp_hcm *h)
{
    hcms -= h != NULL;
    free(h);
}

void sp_hcm_wire_setup(const struct sp_hcm *h, struct sp_wire_setup *ret)
{
    *ret = (struct sp_wire_setup){.codec = fake_codec, .delayed_close_ns = SP_NS_PER_S};
    sp_codec_config_init(&ret->config, true);
}

const struct sp_hcm_cx_stats *sp_hcm_cx(const struct sp_hcm *h)
{
    return &h->cx;
}

void sp_hcm_codec_event(const struct sp_hcm *h, const struct sp_conn_info *conn, struct sp_turn *turn, enum sp_codec_event ev,
                        const char *detail, unsigned status)
{
    events++;
}

bool sp_hcm_codec_refusal(const struct sp_hcm *h, const struct sp_conn_info *conn, struct sp_turn *turn, unsigned status,
                          const char *detail, struct sp_headers *ret, struct sp_buf *body)
{
    return false;
}

static void sink_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
}

static void sink_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
}

static void sink_trailers(struct sp_sink *s, struct sp_headers *t)
{
}

static void sink_abort(struct sp_sink *s, enum sp_abort why)
{
}

static const struct sp_sink_ops sink_ops = {sink_headers, sink_data, sink_trailers, sink_abort};

static void source_nothing(struct sp_source *s)
{
}

static void source_cancel(struct sp_source *s, enum sp_abort why)
{
}

static const struct sp_source_ops source_ops = {source_nothing, source_nothing, source_cancel};

static void answer(struct sp_codec_stream *cs)
{
    struct sp_headers *h = sp_arena_alloc(cs->arena, sizeof(*h));
    sp_headers_init(h, cs->arena);
    h->status = 200;
    sp_headers_add_id(h, SP_H_CONTENT_LENGTH, SP_STR("0"));
    cs->tx.ops->headers(&cs->tx, h, true);
}

bool sp_stream_accept(struct sp_stream_owner *o, struct sp_codec_stream *cs, struct sp_headers *h)
{
    streams++;
    last_owner = o;
    last_peer = o->conn->peer;
    fake_sink.ops = &sink_ops;
    fake_source.ops = &source_ops;
    sp_link(&cs->rx, &fake_sink);
    sp_link(&fake_source, &cs->tx);
    cs->user = o;
    if (hold)
        held = cs;
    else
        answer(cs);
    return true;
}

void sp_stream_cut_old(struct sp_stream_owner *o, uint64_t number)
{
}

void sp_stream_closed(struct sp_codec_stream *cs, enum sp_abort why)
{
    closed_streams++;
    if (held == cs)
        held = NULL;
}

struct sp_access_logs *sp_access_logs_new(const struct sp_doc *doc, struct sp_diag *diag,
                                          Envoy__Config__Accesslog__V3__AccessLog **list, size_t n)
{
    return sp_xcalloc(1, 1);
}

void sp_access_logs_free(struct sp_access_logs *l)
{
    free(l);
}

void sp_access_logs_write(const struct sp_access_logs *l, const struct sp_format_input *in, struct sp_turn *turn,
                          uint64_t random)
{
    log_lines++;
    snprintf(last_failure, sizeof(last_failure), "%.*s", SP_STR_ARG(in->info->conn->failure_reason));
}

#endif
