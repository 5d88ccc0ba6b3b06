/* SPDX-License-Identifier: GPL-2.0-or-later */
/* %SALLYPORT_DECISION%: who decided what became of a stream (stream/decision.h). */
#include "stream/decision.h"
#include "stream/format_op.h"

static void decide(const struct sp_format_input *in, struct sp_decision *d)
{
    if (in->of_connection)
        *d = (struct sp_decision){.by = SP_STR("listener"), .verdict = SP_DENIED, .reason = in->info->conn->failure_reason};
    else
        sp_decision_make(in->info, d);
}

static void write(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_writer *w, enum sp_fmt_place place)
{
    struct sp_decision d;
    decide(in, &d);
    if (place == SP_FMT_ALONE)
        sp_decision_write_json(w, &d);
    else
        sp_decision_write_text(w, &d);
}

static void get(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    sp_fmt_written(v, !in->of_connection || in->info->conn->failure_reason.len, write);
}

const struct sp_fmt_desc sp_fmt_ops_decision[] = {
    {"SALLYPORT_DECISION", get, 0, 0, NULL, SP_FMT_NO_PARAMS, false},
    {NULL, NULL, 0, 0, NULL, SP_FMT_NO_PARAMS, false},
};
