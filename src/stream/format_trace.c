/* SPDX-License-Identifier: GPL-2.0-or-later */
/* %TRACE_ID%, %SPAN_ID%: of the request's span, sampled or not; nothing where nothing is traced. */
#include "stream/format_op.h"
#include "tracing/span.h"

enum part { TRACE, SPAN };

static void get(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    const struct sp_span *s = in->info->span;
    if (!s)
        return;
    char *p = v->buf;
    if (op->arg == TRACE) {
        sp_trace_hex(s->ctx.trace[0], p);
        p += 16;
    }
    sp_trace_hex(op->arg == TRACE ? s->ctx.trace[1] : s->ctx.span, p);
    sp_fmt_set(v, SP_FMT_SAFE, sp_str_n(v->buf, (size_t)(p - v->buf) + 16));
}

const struct sp_fmt_desc sp_fmt_ops_trace[] = {
    {"SPAN_ID", get, SPAN, 0, NULL, SP_FMT_NO_PARAMS, false},
    {"TRACE_ID", get, TRACE, 0, NULL, SP_FMT_NO_PARAMS, false},
    {NULL, NULL, 0, 0, NULL, SP_FMT_NO_PARAMS, false},
};
