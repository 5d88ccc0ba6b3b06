/* SPDX-License-Identifier: GPL-2.0-or-later */
/* %SECRET(name)%: a generic secret of static_resources.secrets, in headers towards the origin only. */
#include <assert.h>

#include "config/static_secret.h"
#include "stream/format_op.h"

static bool parse(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str name)
{
    if (!p->secrets) {
        sp_fmt_err(p, "%%SECRET%% may stand in headers towards the origin only (request_headers_to_add, request_mutations)");
        return false;
    }
    op->secret = sp_static_secret_new(p->doc, p->diag, p->arena, name, p->msg, p->field, p->index);
    return op->secret != NULL;
}

static void get(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    assert(op->secret);
    sp_fmt_set(v, SP_FMT_STR, sp_live_secret_get(op->secret));
}

const struct sp_fmt_desc sp_fmt_ops_secret[] = {
    {"SECRET", get, 0, 0, parse, SP_FMT_NEEDS_PARAMS, false},
    {NULL, NULL, 0, 0, NULL, SP_FMT_NO_PARAMS, false},
};
