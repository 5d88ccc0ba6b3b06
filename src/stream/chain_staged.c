/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one place where a staged filter's refusal becomes a remark (stream/staged.h).
 */
#include <assert.h>

#include "stream/chain.h"

bool sp_filter_enforced(const struct sp_filter *f)
{
    assert(f && f->chain);
    return sp_staging_enforces(&f->chain->plan->v[f->index].staging, f->chain->info);
}

bool sp_chain_lets_pass(struct sp_filter *f, const struct sp_reply *reply)
{
    assert(f && f->chain && reply);
    struct sp_chain *c = f->chain;
    if (sp_chain_passed(c, f->index))
        return true; /* it has had its say */
    if (sp_filter_enforced(f) || c->over || c->reply_pending)
        return false;
    sp_counter_inc(c->plan->v[f->index].staging.shadow_refused);
    sp_filter_note_shadow(f, reply->details.len ? reply->details : SP_STR("refused"));
    c->passed |= 1ull << f->index;
    return true;
}

void sp_filter_note_shadow(struct sp_filter *f, struct sp_str details)
{
    assert(f && f->chain);
    enum { FIRST = 4 };
    struct sp_chain *c = f->chain;
    struct sp_stream_info *info = c->info;
    unsigned n = info->n_shadow;
    if (n == 0 || (n >= FIRST && (n & (n - 1)) == 0)) { /* full at every power of two */
        struct sp_str *more = sp_arena_alloc(c->arena, (n ? 2 * n : FIRST) * sizeof(*more));
        if (n)
            memcpy(more, info->shadow, n * sizeof(*more));
        info->shadow = more;
    }
    struct sp_str text =
        sp_arena_printf(c->arena, "%.*s:%.*s", SP_STR_ARG(c->plan->v[f->index].name), SP_STR_ARG(details));
    char *p = (char *)(uintptr_t)text.ptr;
    for (size_t i = 0; i < text.len; i++)
        if (p[i] == ' ')
            p[i] = '_'; /* as in RESPONSE_CODE_DETAILS: a field of a line that is split at spaces */
    info->shadow[info->n_shadow++] = text;
    sp_filter_set_metadata(f, SP_STR("sallyport.shadow"), SP_STR("refused"), SP_STR("true"));
}
