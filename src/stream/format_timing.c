/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operators about time: when a stream began, and how long its parts took. */
#include "stream/format_op.h"

/* Points in a stream's life, by Envoy's names. */
enum point { DS_RX_BEG, DS_RX_END, US_TX_BEG, US_TX_END, US_RX_BEG, US_RX_END, DS_TX_BEG, DS_TX_END, N_POINTS };
static const char *const point_names[N_POINTS] = {"DS_RX_BEG", "DS_RX_END", "US_TX_BEG", "US_TX_END",
                                                  "US_RX_BEG", "US_RX_END", "DS_TX_BEG", "DS_TX_END"};

/* 0: it was not reached. */
static uint64_t at(const struct sp_format_input *in, int point)
{
    const struct sp_stream_info *s = in->info;
    switch ((enum point)point) {
    case DS_RX_BEG:
        return s->start_ns;
    case DS_RX_END:
        return s->rx_end_ns;
    case US_TX_BEG:
        return s->up_first_tx_ns;
    case US_TX_END:
        return s->up_last_tx_ns;
    case US_RX_BEG:
        return s->up_first_rx_ns;
    case US_RX_END:
        return s->up_last_rx_ns;
    case DS_TX_BEG:
        return s->tx_first_ns;
    default:
        return s->tx_end_ns;
    }
}

static void span(struct sp_fmt_value *v, uint64_t from, uint64_t to, uint64_t unit)
{
    v->kind = SP_FMT_NONE;
    if (from && to && to >= from)
        sp_fmt_number(v, (to - from) / unit);
}

static void get_span(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    span(v, at(in, op->arg), at(in, op->arg2), SP_NS_PER_MS);
}

/* The whole stream: up to the last byte, or to now for one that ended otherwise. */
static void get_duration(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    span(v, in->info->start_ns, in->info->tx_end_ns ? in->info->tx_end_ns : in->now_ns, SP_NS_PER_MS);
}

static bool parse_point(const struct sp_fmt_parse *p, struct sp_str name, int *ret)
{
    for (int i = 0; i < N_POINTS; i++)
        if (sp_str_eq(name, sp_str_c(point_names[i]))) {
            *ret = i;
            return true;
        }
    sp_fmt_err(p, "%%COMMON_DURATION%%: \"%.*s\" is no point in time known here (known: DS_RX_BEG, DS_RX_END, US_TX_BEG, "
                  "US_TX_END, US_RX_BEG, US_RX_END, DS_TX_BEG, DS_TX_END)", SP_STR_ARG(name));
    return false;
}

static bool parse_common(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params)
{
    static const char units[] = "ms\0us\0ns";
    struct sp_str from = SP_STR_NULL, to = SP_STR_NULL, unit = SP_STR("ms");
    sp_str_split(&params, ':', &from);
    sp_str_split(&params, ':', &to);
    if (params.ptr)
        unit = params;
    for (size_t i = 0; i < 3; i++)
        if (sp_str_eq(unit, sp_str_c(units + 3 * i)))
            op->text = sp_str_n(units + 3 * i, 2);
    if (!op->text.len) {
        sp_fmt_err(p, "%%COMMON_DURATION%%: \"%.*s\" is none of ms, us, ns", SP_STR_ARG(unit));
        return false;
    }
    return parse_point(p, from, &op->arg) && parse_point(p, to, &op->arg2);
}

static void get_common(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    span(v, at(in, op->arg), at(in, op->arg2), op->text.ptr[0] == 'm' ? SP_NS_PER_MS : op->text.ptr[0] == 'u' ? 1000 : 1);
}

enum when { START, EMIT };
#define DEFAULT_TIME "%Y-%m-%dT%H:%M:%S.%3fZ"

static bool parse_time(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params)
{
    return sp_fmt_parse_time(op, p, params, op->arg2, op->arg2 ? "%Y-%m-%dT%H:%M:%S.%3f%z" : DEFAULT_TIME);
}

static void get_time(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    int64_t t = in->info->start_wall_ns;
    if (op->arg == EMIT && in->now_ns > in->info->start_ns)
        t += (int64_t)(in->now_ns - in->info->start_ns);
    sp_fmt_set(v, SP_FMT_STR, sp_str_n(v->buf, sp_time_format_write(op->time, t, v->buf)));
}

#define MAY SP_FMT_MAY_HAVE_PARAMS
#define NEEDS SP_FMT_NEEDS_PARAMS
#define NO SP_FMT_NO_PARAMS

const struct sp_fmt_desc sp_fmt_ops_timing[] = {
    {"COMMON_DURATION", get_common, 0, 0, parse_common, NEEDS, false},
    {"DURATION", get_duration, 0, 0, NULL, NO, false},
    {"EMIT_TIME", get_time, EMIT, false, parse_time, MAY, false},
    {"EMIT_TIME_LOCAL", get_time, EMIT, true, parse_time, MAY, false},
    {"REQUEST_DURATION", get_span, DS_RX_BEG, DS_RX_END, NULL, NO, false},
    {"REQUEST_TX_DURATION", get_span, DS_RX_BEG, US_TX_END, NULL, NO, false},
    {"RESPONSE_DURATION", get_span, DS_RX_BEG, US_RX_BEG, NULL, NO, false},
    {"RESPONSE_TX_DURATION", get_span, US_RX_BEG, DS_TX_END, NULL, NO, false},
    {"START_TIME", get_time, START, false, parse_time, MAY, false},
    {"START_TIME_LOCAL", get_time, START, true, parse_time, MAY, false},
    {NULL, NULL, 0, 0, NULL, NO, false},
};
