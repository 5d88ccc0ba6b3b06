/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/token_bucket.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/ct.h"
#include "crypto/siphash.h"
#include "event/turn.h"

enum { UNIT = 16, WAYS = 8 };
#define SPAN_MAX (UINT64_C(1) << 61) /* four years, and no sum of it with a time overflows */
#define RESET_MAX UINT32_C(0x7fffffff)

struct entry {
    _Atomic uint64_t tag; /* hash of the key; 0: free */
    sp_token_word word;
};

struct sp_token_table {
    uint8_t key[SP_SIPHASH_KEY];
    unsigned n_sets; /* a power of two */
    struct entry *v; /* n_sets * WAYS */
};

bool sp_token_rate_init(struct sp_token_rate *r, const struct sp_doc *doc, struct sp_diag *diag,
                        const Envoy__Type__V3__TokenBucket *msg)
{
    assert(r && doc && diag && msg && msg->max_tokens && msg->fill_interval);
    uint64_t per_fill = msg->tokens_per_fill ? msg->tokens_per_fill->value : 1;
    unsigned __int128 fill = (unsigned __int128)(uint64_t)msg->fill_interval->seconds * SP_NS_PER_S;
    fill = (fill + (uint64_t)msg->fill_interval->nanos) * UNIT;
    unsigned __int128 cost = (fill + per_fill / 2) / per_fill;
    if (!cost)
        cost = 1;
    if (cost * msg->max_tokens > SPAN_MAX) {
        sp_doc_err(doc, diag, msg, "max_tokens", -1,
                   "an empty bucket would take more than four years to fill (fewer tokens, or more of them in a fill)");
        return false;
    }
    r->max = msg->max_tokens;
    r->cost = (uint64_t)cost;
    r->span = r->cost * r->max;
    return true;
}

bool sp_token_take(const struct sp_token_rate *r, sp_token_word *word, uint64_t now_ns, struct sp_token_left *ret)
{
    assert(r && r->cost && word && ret);
    /* The clock of one worker's turn may stand behind another's, by some milliseconds where processors are few: less than a token,
     * so no more of them are given. */
    uint64_t slack = SP_MIN(r->cost / 4, 5 * SP_NS_PER_MS * UNIT);
    uint64_t now = now_ns * UNIT, full_at = atomic_load_explicit(word, memory_order_relaxed), from;
    bool good;
    do {
        from = SP_MAX(full_at, now);
        good = from - now + r->cost <= r->span + slack;
    } while (good && !atomic_compare_exchange_weak_explicit(word, &full_at, from + r->cost, memory_order_relaxed,
                                                            memory_order_relaxed));
    uint64_t used = SP_MIN(from - now + (good ? r->cost : 0), r->span), left = r->span - used;
    ret->tokens = (uint32_t)(left / r->cost);
    uint64_t wait = ret->tokens ? 0 : r->cost - left, second = SP_NS_PER_S * UNIT;
    ret->reset_s = (uint32_t)SP_MIN((wait + second - 1) / second, (uint64_t)RESET_MAX);
    return good;
}

struct sp_token_table *sp_token_table_new(unsigned n)
{
    assert(n);
    struct sp_token_table *t = sp_xcalloc(1, sizeof(*t));
    sp_random_bytes(t->key, sizeof(t->key));
    t->n_sets = 1;
    while (t->n_sets * WAYS < n)
        t->n_sets *= 2;
    size_t size = (size_t)t->n_sets * WAYS * sizeof(*t->v);
    t->v = sp_xaligned(size);
    memset(t->v, 0, size);
    return t;
}

void sp_token_table_free(struct sp_token_table *t)
{
    if (!t)
        return;
    free(t->v);
    free(t);
}

unsigned sp_token_table_size(const struct sp_token_table *t)
{
    assert(t);
    return t->n_sets * WAYS;
}

/*
 * The tag alone says whose a bucket is, and whoever sets it leaves the word as it is: so there is no moment at which two
 * threads could disagree about more than a token.
 */
sp_token_word *sp_token_table_get(struct sp_token_table *t, struct sp_str key, uint64_t now_ns, bool *ret_taken_over)
{
    assert(t && ret_taken_over);
    uint64_t hash = sp_siphash(t->key, key), tag = hash | 1; /* never 0 */
    struct entry *set = &t->v[(hash >> 32 & (t->n_sets - 1)) * WAYS];
    *ret_taken_over = false;
    for (;;) {
        struct entry *best = NULL;
        uint64_t best_tag = 0, best_word = 0;
        for (struct entry *e = set; e < set + WAYS; e++) {
            uint64_t held = atomic_load_explicit(&e->tag, memory_order_relaxed);
            if (held == tag)
                return &e->word;
            uint64_t word = atomic_load_explicit(&e->word, memory_order_relaxed);
            if (!best || word < best_word) {
                best = e;
                best_tag = held;
                best_word = word;
            }
        }
        if (atomic_compare_exchange_strong_explicit(&best->tag, &best_tag, tag, memory_order_relaxed,
                                                    memory_order_relaxed)) {
            *ret_taken_over = best_word > now_ns * UNIT;
            return &best->word;
        }
    }
}
