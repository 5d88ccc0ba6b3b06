/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/wait_span.h"

#include <assert.h>

#include "tracing/span.h"

struct sp_span *sp_wait_span_begin(struct sp_filter *f)
{
    assert(f);
    const struct sp_span *parent = sp_filter_info(f)->span;
    if (SP_LIKELY(!sp_span_counts(parent)))
        return NULL;
    struct sp_span *s = sp_arena_alloc(sp_filter_arena(f), sizeof(*s));
    sp_span_begin_child(s, parent, sp_filter_turn(f));
    return s;
}

void sp_wait_span_end(struct sp_filter *f, struct sp_span *span, struct sp_str name, struct sp_str result)
{
    assert(f);
    struct sp_attrs attrs = {.n = 0};
    if (!sp_span_counts(span))
        return;
    sp_attrs_str(&attrs, SP_STR("component"), SP_STR("proxy"));
    if (result.len)
        sp_attrs_str(&attrs, SP_STR("result"), result);
    struct sp_span_data data = {.name = name, .kind = SP_SPAN_INTERNAL, .attrs = &attrs};
    sp_span_end(span, sp_filter_turn(f), &data);
}
