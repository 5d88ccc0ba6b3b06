/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/tracked.h"

#include <assert.h>

/* Envoy: whole milliseconds, and of no limit nothing is ever used. */
static uint64_t percent(uint64_t ns, uint64_t limit_ns)
{
    uint64_t limit = limit_ns / SP_NS_PER_MS;
    return limit ? ns / SP_NS_PER_MS * 100 / limit : 0;
}

/* Envoy counts the pseudo-headers with the others. */
static uint64_t head_lines(const struct sp_headers *h)
{
    return h->n + (h->status != 0) + (h->method.len != 0) + (h->scheme.len != 0) + (h->authority.len != 0) + (h->path.len != 0);
}

/* Names and values, as Envoy counts. */
static uint64_t head_bytes(const struct sp_headers *h)
{
    uint64_t n = h->status ? sizeof(":status") - 1 + 3 : 0;
    const struct {
        size_t name;
        struct sp_str value;
    } pseudo[] = {{sizeof(":method") - 1, h->method}, {sizeof(":scheme") - 1, h->scheme},
                  {sizeof(":authority") - 1, h->authority}, {sizeof(":path") - 1, h->path}};
    for (size_t i = 0; i < SP_ARRAY_LEN(pseudo); i++)
        n += pseudo[i].value.len ? pseudo[i].name + pseudo[i].value.len : 0;
    for (unsigned i = 0; i < h->n; i++)
        n += h->v[i].name.len + h->v[i].value.len;
    return n;
}

void sp_track_answer(struct sp_track *x, const struct sp_headers *h)
{
    assert(x && h);
    x->answer_bytes = head_bytes(h);
    x->answer_lines = head_lines(h);
}

void sp_track_attempt(const struct sp_cluster_tracked *t, struct sp_track *x, const struct sp_headers *request,
                      const struct sp_codec_stream *cs, uint64_t now_ns, uint64_t limit_ns)
{
    assert(t && x && request);
    struct sp_track was = *x;
    *x = (struct sp_track){.out_of_time = was.out_of_time};
    if (!was.started_ns)
        return;
    if (t->budgets && !was.out_of_time)
        sp_histogram_record(t->per_try_percent, percent(now_ns - was.started_ns, limit_ns));
    if (!t->sizes)
        return;
    sp_histogram_record(t->rq_headers, head_bytes(request));
    sp_histogram_record(t->rq_count, head_lines(request));
    sp_histogram_record(t->rq_body, cs ? cs->tx_body_bytes : 0);
    if (!was.answer_bytes)
        return;
    sp_histogram_record(t->rs_headers, was.answer_bytes);
    sp_histogram_record(t->rs_count, was.answer_lines);
    sp_histogram_record(t->rs_body, cs ? cs->rx_body_bytes : 0);
}

void sp_track_request(const struct sp_cluster_tracked *t, uint64_t took_ns, uint64_t limit_ns)
{
    assert(t);
    if (t->budgets)
        sp_histogram_record(t->percent, percent(took_ns, limit_ns));
}
