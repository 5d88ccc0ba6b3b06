/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Headers that name a trace, as lines "name: value"; the first byte chooses which kinds are read, and in what order.  What was found is
 * told on so that it is found again.
 */
#include <stdlib.h>
#include <string.h>

#include "head_lines.h"
#include "tracing/context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sp_propagators kinds[] = {
    {{SP_PROPAGATE_W3C}, 1}, {{SP_PROPAGATE_B3}, 1}, {{SP_PROPAGATE_B3_MULTI}, 1},
    {{SP_PROPAGATE_B3, SP_PROPAGATE_W3C, SP_PROPAGATE_B3_MULTI}, 3},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_arena arena;
    struct sp_headers h;
    struct sp_trace_ctx ctx, again;
    if (size < 1)
        return 0;
    const struct sp_propagators *p = &kinds[data[0] % SP_ARRAY_LEN(kinds)];
    sp_arena_init(&arena);
    head_lines(&h, &arena, sp_str_n((const char *)data + 1, size - 1));
    if (sp_trace_extract(p, &h, &ctx) == SP_TRACE_FOUND) {
        CHECK((ctx.trace[0] || ctx.trace[1]) && ctx.span);
        CHECK(sp_header_value_valid(ctx.state) && ctx.state.len <= SP_TRACE_STATE_BYTES);
        sp_trace_inject(p, &ctx, 0, &h);
        head_check(&h);
        CHECK(sp_trace_extract(p, &h, &again) == SP_TRACE_FOUND);
        CHECK(memcmp(ctx.trace, again.trace, sizeof(ctx.trace)) == 0 && ctx.span == again.span && ctx.sampled == again.sampled);
        CHECK(p->v[0] != SP_PROPAGATE_W3C || sp_str_eq(ctx.state, again.state)); /* B3 has none, and is found first */
    }
    sp_arena_done(&arena);
    return 0;
}
