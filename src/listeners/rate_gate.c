/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listeners/rate_gate.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/keep.h"
#include "event/turn.h"

typedef Envoy__Extensions__Filters__Listener__LocalRatelimit__V3__LocalRateLimit Message;

enum { FILL_MIN_MS = 50 };

struct sp_rate_bucket {
    struct sp_kept kept;
    _Alignas(SP_CACHELINE) sp_token_word word;
};

static void give_back(struct sp_kept *k)
{
    free(SP_CONTAINER_OF(k, struct sp_rate_bucket, kept));
}

static const struct sp_kept_kind kind = {"listener rate limit", give_back};

static struct sp_rate_bucket *bucket_of(const struct sp_doc *doc, const Message *msg, struct sp_str where)
{
    static const char *const skip[] = {"runtime_enabled", NULL};
    struct sp_hash key;
    sp_doc_hash(doc, msg, skip, &key);
    sp_hash_mix(&key, where);
    struct sp_kept *k = sp_keep_find(&kind, &key);
    if (k)
        return SP_CONTAINER_OF(k, struct sp_rate_bucket, kept);
    struct sp_rate_bucket *b = sp_xaligned(sizeof(*b));
    memset(b, 0, sizeof(*b));
    sp_keep_add(&b->kept, &kind, &key);
    return b;
}

bool sp_rate_gate_init(struct sp_rate_gate *g, const struct sp_doc *doc, struct sp_diag *diag, const Message *msg, struct sp_str where)
{
    assert(g && doc && diag && msg && msg->token_bucket && msg->token_bucket->fill_interval);
    const Google__Protobuf__Duration *fill = msg->token_bucket->fill_interval;
    const Envoy__Config__Core__V3__RuntimeFeatureFlag *on = msg->runtime_enabled;
    if (fill->seconds == 0 && fill->nanos < FILL_MIN_MS * (int)SP_NS_PER_MS) {
        sp_doc_err(doc, diag, msg->token_bucket, "fill_interval", -1,
                   "less than 50 ms (take a longer one, with more tokens_per_fill)");
        return false;
    }
    if (!sp_token_rate_init(&g->rate, doc, diag, msg->token_bucket))
        return false;
    g->scope = sp_stats_scope_hold(sp_stats_root(), SP_STR("listener_local_ratelimit"),
                                   "envoy_local_listener_ratelimit_prefix", sp_str_c(msg->stat_prefix));
    g->rate_limited = sp_stats_counter(g->scope, SP_STR("rate_limited"));
    if (!on || !on->default_value || on->default_value->value)
        g->bucket = bucket_of(doc, msg, where);
    return true;
}

void sp_rate_gate_done(struct sp_rate_gate *g)
{
    if (g->bucket)
        sp_kept_unref(&g->bucket->kept);
    sp_stats_scope_drop(g->scope);
    *g = (struct sp_rate_gate){0};
}

bool sp_rate_gate_admit(const struct sp_rate_gate *g, struct sp_str where, uint64_t now_ns)
{
    struct sp_token_left left;
    if (!g->bucket || sp_token_take(&g->rate, &g->bucket->word, now_ns, &left))
        return true;
    sp_counter_inc(g->rate_limited);
    sp_log_limited(SP_LOG_WARNING, "listener", 1, "%.*s: more new connections than its local_ratelimit lets in: the rest is refused",
                   SP_STR_ARG(where));
    return false;
}
