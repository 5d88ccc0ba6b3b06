/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/max_forwards.h"

#include <assert.h>

enum { DIGITS_MAX = 18 };

enum sp_forwards sp_max_forwards(struct sp_headers *request)
{
    assert(request && request->arena);
    if (SP_LIKELY(!sp_str_eq(request->method, SP_STR("OPTIONS")) && !sp_str_eq(request->method, SP_STR("TRACE"))))
        return SP_FORWARDS_GO;
    struct sp_header *line = sp_headers_find(request, SP_STR("max-forwards"), NULL);
    uint64_t n;
    if (!line)
        return SP_FORWARDS_GO;
    if (sp_headers_find(request, SP_STR("max-forwards"), line) || line->value.len > DIGITS_MAX || sp_str_u64(line->value, UINT64_MAX, &n))
        return SP_FORWARDS_BAD;
    if (!n)
        return SP_FORWARDS_LAST;
    line->value = sp_arena_u64(request->arena, n - 1);
    return SP_FORWARDS_GO;
}
