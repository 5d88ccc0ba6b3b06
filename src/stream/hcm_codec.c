/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that never become streams: codecs refuse them (stream/hcm.h). */
#include <assert.h>

#include "crypto/ct.h"
#include "stream/access_log.h"
#include "stream/hcm_impl.h"
#include "stream/local_reply.h"
#include "stream/refused.h"
#include "stream/reply_map.h"

static struct sp_stream_info info_of(const struct sp_conn_info *conn, const struct sp_turn *turn, const char *detail,
                                     unsigned status, uint32_t flags)
{
    bool h2 = sp_str_starts(sp_str_c(detail), SP_STR("http2."));
    return (struct sp_stream_info){
        .conn = conn, .start_ns = turn->now_ns, .start_wall_ns = turn->wall_ns, .client = conn->peer,
        .protocol = h2 ? SP_HTTP_2 : SP_HTTP_11, .response_code = status, .details = sp_str_c(detail), .flags = flags,
    };
}

struct refusal {
    const struct sp_hcm *h;
    struct sp_stream_info info;
    uint64_t now_ns;
};

static void rewrite(void *ctx, struct sp_reply *reply, struct sp_headers *h)
{
    struct refusal *r = ctx;
    const struct sp_format_input in = {.info = &r->info, .response = h, .now_ns = r->now_ns};
    sp_reply_map_apply(r->h->replies, &in, &r->info, reply, h, sp_random_u64());
}

bool sp_hcm_codec_refusal(const struct sp_hcm *h, const struct sp_conn_info *conn, struct sp_turn *turn, unsigned status,
                          const char *detail, struct sp_headers *ret, struct sp_buf *body)
{
    assert(h && conn && turn && detail && ret && body);
    if (!h->replies)
        return false;
    struct refusal r = {.h = h, .info = info_of(conn, turn, detail, status, SP_FLAG_DPE), .now_ns = turn->now_ns};
    const struct sp_reply reply = {.status = status, .body = sp_refusal_body(status, detail), .details = sp_str_c(detail)};
    const struct sp_reply_rewriter rewriter = {rewrite, &r};
    sp_local_reply_make(&reply, NULL, ret->arena, &rewriter, ret, body);
    return true;
}

/* A request that never became a stream: it is counted and logged as one all the same. */
static void refused_by_codec(const struct sp_hcm *h, const struct sp_conn_info *conn, struct sp_turn *turn,
                             enum sp_codec_event ev, const char *detail, unsigned status)
{
    const struct sp_hcm_stats *s = &h->stats;
    bool h2 = sp_str_starts(sp_str_c(detail), SP_STR("http2."));
    sp_counter_inc(s->rq_total);
    sp_counter_inc(h2 ? s->rq_http2 : s->rq_http1);
    sp_counter_inc(s->rq_early_response);
    sp_hcm_stats_status(s, status);
    const struct sp_stream_info info = info_of(conn, turn, detail, status, ev == SP_CE_HEADERS_TIMEOUT ? 0 : SP_FLAG_DPE);
    sp_refused_note(&info, NULL, turn->wall_ns);
    if (!h->logs)
        return;
    const struct sp_format_input in = {.info = &info, .now_ns = turn->now_ns};
    sp_access_logs_write(h->logs, &in, turn, sp_random_u64());
}

void sp_hcm_codec_event(const struct sp_hcm *h, const struct sp_conn_info *conn, struct sp_turn *turn,
                        enum sp_codec_event ev, const char *detail, unsigned status)
{
    assert(h && conn && turn && detail);
    sp_hcm_stats_codec(&h->stats, ev, detail);
    if (status)
        refused_by_codec(h, conn, turn, ev, detail, status);
}
