/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/retry.h"

#include <assert.h>

#include "route/answer_stats.h"
#include "stream/info.h"

enum {
    MOST_RETRIES = 100, /* of x-envoy-max-retries */
    TOO_EARLY = 425,
};
#define PLAIN_TERMS ((1u << SP_RETRY_GRPC) - 1)

struct sp_str sp_reset_text(enum sp_reset r)
{
    static const struct sp_str texts[] = {
#define X(id, text, flag) SP_STR_INIT(text),
        SP_RESET_TABLE(X)
#undef X
    };
    assert(r < SP_ARRAY_LEN(texts));
    return texts[r];
}

uint32_t sp_reset_flag(enum sp_reset r)
{
    static const uint32_t flags[] = {
#define X(id, text, flag) SP_FLAG_##flag,
        SP_RESET_TABLE(X)
#undef X
    };
    assert(r < SP_ARRAY_LEN(flags));
    return flags[r];
}

/* `mask`: which conditions the header may name. */
static uint32_t parse_on(struct sp_str text, uint32_t mask)
{
    uint32_t on = 0;
    struct sp_str term;
    while (sp_str_split(&text, ',', &term))
        on |= sp_retry_term(sp_str_trim(term));
    return on & mask;
}

static const enum sp_header_id ids[] = {SP_H_X_ENVOY_RETRY_ON,
                                        SP_H_X_ENVOY_RETRY_GRPC_ON,
                                        SP_H_X_ENVOY_MAX_RETRIES,
                                        SP_H_X_ENVOY_RETRIABLE_STATUS_CODES,
                                        SP_H_X_ENVOY_RETRIABLE_HEADER_NAMES,
                                        SP_H_X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT};

static void read_request(struct sp_retry *r, const struct sp_headers *h)
{
    r->on |= parse_on(sp_headers_get_id(h, SP_H_X_ENVOY_RETRY_ON), PLAIN_TERMS);
    r->on |= parse_on(sp_headers_get_id(h, SP_H_X_ENVOY_RETRY_GRPC_ON), ~PLAIN_TERMS);
    struct sp_str text = sp_headers_get_id(h, SP_H_X_ENVOY_MAX_RETRIES);
    uint64_t n;
    if (text.ptr && sp_str_u64(text, UINT32_MAX, &n) == 0)
        r->left = (unsigned)SP_MIN(n, (uint64_t)MOST_RETRIES);
    r->status_codes = sp_headers_get_id(h, SP_H_X_ENVOY_RETRIABLE_STATUS_CODES);
    r->header_names = sp_headers_get_id(h, SP_H_X_ENVOY_RETRIABLE_HEADER_NAMES);
}

/* One pass over the ids: most requests carry none of them. */
static bool has_retry_headers(const struct sp_headers *h)
{
    for (unsigned i = 0; i < h->n; i++) {
        switch (h->v[i].id) {
        case SP_H_X_ENVOY_RETRY_ON:
        case SP_H_X_ENVOY_RETRY_GRPC_ON:
        case SP_H_X_ENVOY_MAX_RETRIES:
        case SP_H_X_ENVOY_RETRIABLE_STATUS_CODES:
        case SP_H_X_ENVOY_RETRIABLE_HEADER_NAMES:
        case SP_H_X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT:
            return true;
        default:
            break;
        }
    }
    return false;
}

/* retriable_request_headers. */
static bool meant(const struct sp_retry_policy *policy, const struct sp_headers *request)
{
    for (unsigned i = 0; request && i < policy->n_requests; i++)
        if (sp_header_match(policy->requests[i], request))
            return true;
    return !policy->n_requests;
}

void sp_retry_begin(struct sp_retry *r, const struct sp_retry_policy *policy, struct sp_headers *request)
{
    assert(r);
    *r = (struct sp_retry){.policy = policy, .left = 1};
    if (policy) {
        r->on = policy->on;
        r->left = policy->num_retries;
    }
    bool asked = request && has_retry_headers(request);
    if (asked)
        read_request(r, request);
    if (request && (r->on & (SP_RETRY_STATUS_CODES | SP_RETRY_HEADERS)))
        r->early = sp_headers_get(request, SP_STR("early-data")).ptr;
    if (policy && !meant(policy, request)) /* whoever asked */
        r->on = 0;
    for (size_t i = 0; asked && i < SP_ARRAY_LEN(ids); i++)
        sp_headers_remove_id(request, ids[i]);
}

void sp_retry_release(struct sp_retry *r, struct sp_slot *s)
{
    assert(r && s);
    if (r->holding)
        sp_breakers_retried(&s->cluster->breakers[r->routing], s->index);
    r->holding = false;
}

/* Of the request's virtual cluster and route, if they are counted. */
#define COUNT(r, member) \
    do { \
        for (unsigned i_ = 0; (r)->counted && i_ < 2 && (r)->counted[i_]; i_++) \
            sp_counter_inc((r)->counted[i_]->member); \
    } while (0)

static enum sp_retry_answer decide(struct sp_retry *r, struct sp_slot *s, bool wanted)
{
    struct sp_cluster_stats *stats = &s->cluster->stats;
    if (r->holding && !wanted) {
        sp_counter_inc(stats->upstream_rq_retry_success);
        COUNT(r, retry_success);
    }
    sp_retry_release(r, s);
    if (!wanted)
        return SP_RETRY_NO;
    if (!r->left) {
        sp_counter_inc(stats->upstream_rq_retry_limit_exceeded);
        COUNT(r, retry_limit);
        return SP_RETRY_LIMIT;
    }
    r->left--;
    if (!sp_breakers_retry(&s->cluster->breakers[r->routing], s->index)) {
        sp_counter_inc(stats->upstream_rq_retry_overflow);
        COUNT(r, retry_overflow);
        return SP_RETRY_OVERFLOW;
    }
    r->holding = true;
    r->done++;
    sp_counter_inc(stats->upstream_rq_retry);
    COUNT(r, retry);
    sp_counter_inc(r->asked_ns ? stats->upstream_rq_retry_backoff_ratelimited : stats->upstream_rq_retry_backoff_exponential);
    return SP_RETRY_YES;
}

static bool wanted_after_reset(const struct sp_retry *r, enum sp_reset reason, bool sent)
{
    if (reason == SP_RESET_OVERFLOW)
        return false;
    if (r->on & (SP_RETRY_RESET | SP_RETRY_5XX | SP_RETRY_GATEWAY_ERROR))
        return true; /* Envoy: a reset counts as the 5xx it would become */
    if ((r->on & SP_RETRY_RESET_BEFORE_REQUEST) && !sent)
        return true;
    if ((r->on & SP_RETRY_REFUSED_STREAM) && reason == SP_RESET_REFUSED)
        return true;
    return (r->on & SP_RETRY_CONNECT_FAILURE) &&
           (reason == SP_RESET_CONNECT_REMOTE || reason == SP_RESET_CONNECT_LOCAL || reason == SP_RESET_CONNECT_TIMEOUT);
}

enum sp_retry_answer sp_retry_reset(struct sp_retry *r, struct sp_slot *s, enum sp_reset reason, bool sent)
{
    assert(r && s);
    r->asked_ns = 0;
    if (!r->on)
        return SP_RETRY_NO;
    /* decide() takes a lack of wish for success: a reset is none. */
    if (!wanted_after_reset(r, reason, sent)) {
        sp_retry_release(r, s);
        return SP_RETRY_NO;
    }
    return decide(r, s, true);
}

static bool listed(struct sp_str list, unsigned status)
{
    struct sp_str item;
    uint64_t code;
    while (sp_str_split(&list, ',', &item))
        if (sp_str_u64(sp_str_trim(item), 999, &code) == 0 && code == status)
            return true;
    return false;
}

static bool status_wanted(const struct sp_retry *r, unsigned status)
{
    for (unsigned i = 0; r->policy && i < r->policy->n_status_codes; i++)
        if (r->policy->status_codes[i] == status)
            return true;
    return listed(r->status_codes, status);
}

static bool headers_wanted(const struct sp_retry *r, const struct sp_headers *h)
{
    for (unsigned i = 0; r->policy && i < r->policy->n_headers; i++)
        if (sp_header_match(r->policy->headers[i], h))
            return true;
    struct sp_str list = r->header_names, name;
    while (sp_str_split(&list, ',', &name)) {
        name = sp_str_trim(name);
        for (unsigned i = 0; name.len && i < h->n; i++)
            if (sp_str_ieq(h->v[i].name, name))
                return true;
    }
    return false;
}

/* Of an answer that says so in its head: it has nothing else. */
static bool grpc_wanted(const struct sp_retry *r, const struct sp_headers *h)
{
    uint64_t code;
    struct sp_str text = sp_headers_get_id(h, SP_H_GRPC_STATUS);
    return text.len && sp_str_u64(text, 16, &code) == 0 && r->on >> (SP_RETRY_GRPC + code) & 1;
}

/* rate_limited_retry_back_off: 0 when the answer does not say, or asks for too much. */
static uint64_t asked_wait(const struct sp_retry_policy *p, const struct sp_headers *h, int64_t wall_ns)
{
    for (unsigned i = 0; p && i < p->n_resets; i++) {
        uint64_t n, now = (uint64_t)wall_ns / SP_NS_PER_S;
        struct sp_str text = sp_headers_get(h, p->resets[i].name);
        if (!text.len || sp_str_u64(text, UINT32_MAX, &n) != 0 || (p->resets[i].timestamp && n <= now))
            continue;
        uint64_t ns = (p->resets[i].timestamp ? n - now : n) * SP_NS_PER_S;
        if (ns && ns <= p->reset_most_ns)
            return ns;
    }
    return 0;
}

static bool wanted_after_response(const struct sp_retry *r, const struct sp_headers *h)
{
    unsigned status = h->status;
    if (status == TOO_EARLY && r->early)
        return false;
    if (sp_headers_find_id(h, SP_H_X_ENVOY_RATELIMITED, NULL))
        return r->on & SP_RETRY_RATELIMITED;
    if (r->on >> SP_RETRY_GRPC && grpc_wanted(r, h))
        return true;
    return ((r->on & SP_RETRY_5XX) && status >= 500 && status < 600) ||
           ((r->on & SP_RETRY_GATEWAY_ERROR) && status >= 502 && status <= 504) ||
           ((r->on & SP_RETRY_RETRIABLE_4XX) && status == 409) ||
           ((r->on & SP_RETRY_STATUS_CODES) && status_wanted(r, status)) ||
           ((r->on & SP_RETRY_HEADERS) && headers_wanted(r, h));
}

enum sp_retry_answer sp_retry_response(struct sp_retry *r, struct sp_slot *s, const struct sp_headers *h, int64_t wall_ns)
{
    assert(r && s && h);
    r->asked_ns = r->on ? asked_wait(r->policy, h, wall_ns) : 0;
    return r->on ? decide(r, s, wanted_after_response(r, h)) : SP_RETRY_NO;
}

uint64_t sp_retry_wait_ns(const struct sp_retry *r, struct sp_slot *s)
{
    assert(r && s);
    if (r->asked_ns) /* never sooner, and not all at once */
        return r->asked_ns + sp_slot_below(s, r->asked_ns / 2 + 1);
    const struct sp_retry_policy *p = r->policy;
    bool own = p && p->base_ns;
    uint64_t span = own ? p->base_ns : 25 * SP_NS_PER_MS, most = own ? p->most_ns : 250 * SP_NS_PER_MS;
    for (unsigned i = 1; i < r->done && span < most; i++)
        span *= 2;
    span = SP_MIN(span, most);
    return span ? sp_slot_below(s, span) : 0;
}
