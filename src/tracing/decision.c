/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tracing/decision.h"

#include <assert.h>

#include "tracing/context.h"

enum { ID_LEN = 36, REASON_AT = 14, NUMBER_LEN = 8, WHOLE = 10000 };

static const char digits[SP_TRACE_REASONS] = {
    [SP_TRACE_NOT_TRACEABLE] = '4', [SP_TRACE_SAMPLING] = '9', [SP_TRACE_SERVICE_FORCED] = 'a', [SP_TRACE_CLIENT_ENABLED] = 'b'};

static bool takes(struct sp_trace_share s, uint64_t number)
{
    return number % s.whole < s.parts;
}

/* What another gateway wrote into it. */
static enum sp_trace_reason packed(struct sp_str id)
{
    char c = id.len == ID_LEN ? id.ptr[REASON_AT] : 0;
    for (enum sp_trace_reason r = SP_TRACE_SAMPLING; r < SP_TRACE_REASONS; r++)
        if (c == digits[r])
            return r;
    return SP_TRACE_NOT_TRACEABLE;
}

static bool pack(enum sp_trace_reason reason, struct sp_str *id, struct sp_arena *arena)
{
    if (id->len != ID_LEN || id->ptr[REASON_AT] == digits[reason])
        return false;
    *id = sp_arena_str(arena, *id);
    ((char *)(uintptr_t)id->ptr)[REASON_AT] = digits[reason];
    return true;
}

bool sp_trace_forget_reason(struct sp_str *request_id, struct sp_arena *arena)
{
    assert(request_id && arena);
    return pack(SP_TRACE_NOT_TRACEABLE, request_id, arena);
}

enum sp_trace_reason sp_trace_decide(const struct sp_sampling *s, const struct sp_id_rules *rules, const struct sp_trace_ask *ask,
                                     struct sp_str *request_id, struct sp_arena *arena)
{
    assert(s && s->random.whole && rules && ask && request_id && arena);
    uint64_t number;
    if (SP_UNLIKELY(!rules->decides))
        return SP_TRACE_SAMPLING;
    if (request_id->len < NUMBER_LEN || !sp_trace_unhex(request_id->ptr, NUMBER_LEN, false, &number))
        return SP_TRACE_NOT_TRACEABLE;
    number %= WHOLE;
    enum sp_trace_reason reason = rules->packs ? packed(*request_id) : SP_TRACE_NOT_TRACEABLE;
    bool before = reason != SP_TRACE_NOT_TRACEABLE;
    if (!before) {
        if (SP_UNLIKELY(ask->client_trace_id) && takes(s->client, ask->random))
            reason = SP_TRACE_CLIENT_ENABLED;
        else if (SP_UNLIKELY(ask->forced))
            reason = SP_TRACE_SERVICE_FORCED;
        else if (takes(s->random, number))
            reason = SP_TRACE_SAMPLING;
    }
    if (SP_LIKELY(reason == SP_TRACE_NOT_TRACEABLE))
        return reason;
    if (!takes(s->overall, number))
        reason = SP_TRACE_NOT_TRACEABLE;
    if (rules->packs)
        pack(reason, request_id, arena);
    return reason;
}
