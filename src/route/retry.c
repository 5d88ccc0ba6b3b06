/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RetryPolicy. */
#include <assert.h>

#include "config/names.h"
#include "envoy/extensions/retry/host/omit_canary_hosts/v3/omit_canary_hosts.pb-c.h"
#include "envoy/extensions/retry/host/omit_host_metadata/v3/omit_host_metadata_config.pb-c.h"
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb-c.h"
#include "envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.pb-c.h"
#include "route/criteria.h"
#include "route/duration.h"
#include "route/route_build.h"

#define PREVIOUS &envoy__extensions__retry__host__previous_hosts__v3__previous_hosts_predicate__descriptor

#define CANARIES &envoy__extensions__retry__host__omit_canary_hosts__v3__omit_canary_hosts_predicate__descriptor
#define OMIT &envoy__extensions__retry__host__omit_host_metadata__v3__omit_host_metadata_config__descriptor

#define PRIORITIES &envoy__extensions__retry__priority__previous_priorities__v3__previous_priorities_config__descriptor

typedef Envoy__Extensions__Retry__Priority__PreviousPriorities__V3__PreviousPrioritiesConfig PreviousPriorities;
typedef Envoy__Extensions__Retry__Host__OmitHostMetadata__V3__OmitHostMetadataConfig OmitConfig;

enum { BASE_MS = 25, HOST_LOOKS = 8, HOST_LOOKS_MAX = 100 };

static const struct {
    struct sp_str name;
    uint32_t bit; /* 0: Envoy's, but not run here */
} conditions[] = {
    {SP_STR_INIT("5xx"), SP_RETRY_5XX},
    {SP_STR_INIT("gateway-error"), SP_RETRY_GATEWAY_ERROR},
    {SP_STR_INIT("reset"), SP_RETRY_RESET},
    {SP_STR_INIT("reset-before-request"), SP_RETRY_RESET_BEFORE_REQUEST},
    {SP_STR_INIT("connect-failure"), SP_RETRY_CONNECT_FAILURE},
    {SP_STR_INIT("retriable-4xx"), SP_RETRY_RETRIABLE_4XX},
    {SP_STR_INIT("refused-stream"), SP_RETRY_REFUSED_STREAM},
    {SP_STR_INIT("retriable-status-codes"), SP_RETRY_STATUS_CODES},
    {SP_STR_INIT("retriable-headers"), SP_RETRY_HEADERS},
    {SP_STR_INIT("envoy-ratelimited"), SP_RETRY_RATELIMITED},
    {SP_STR_INIT("http3-post-connect-failure"), 0},
    {SP_STR_INIT("cancelled"), 1u << (SP_RETRY_GRPC + 1)},
    {SP_STR_INIT("deadline-exceeded"), 1u << (SP_RETRY_GRPC + 4)},
    {SP_STR_INIT("internal"), 1u << (SP_RETRY_GRPC + 13)},
    {SP_STR_INIT("resource-exhausted"), 1u << (SP_RETRY_GRPC + 8)},
    {SP_STR_INIT("unavailable"), 1u << (SP_RETRY_GRPC + 14)},
};

uint32_t sp_retry_term(struct sp_str name)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(conditions); i++)
        if (sp_str_eq(name, conditions[i].name))
            return conditions[i].bit;
    return 0;
}

static bool condition(const struct sp_route_build *b, const void *msg, struct sp_str name, uint32_t *on)
{
    struct sp_nearest near;
    sp_nearest_init(&near, name);
    for (size_t i = 0; i < SP_ARRAY_LEN(conditions); i++) {
        if (!sp_str_eq(name, conditions[i].name)) {
            if (conditions[i].bit)
                sp_nearest_offer(&near, conditions[i].name);
            continue;
        }
        *on |= conditions[i].bit;
        if (conditions[i].bit)
            return true;
        sp_doc_err(b->doc, b->diag, msg, "retry_on", -1, "\"%.*s\" is a condition of Envoy's that is not run here "
                                                         "(take it out)", SP_STR_ARG(name));
        return false;
    }
    if (near.best.len)
        sp_doc_err(b->doc, b->diag, msg, "retry_on", -1, "unknown condition \"%.*s\" (did you mean \"%.*s\"?)",
                   SP_STR_ARG(name), SP_STR_ARG(near.best));
    else
        sp_doc_err(b->doc, b->diag, msg, "retry_on", -1, "unknown condition \"%.*s\" (known: 5xx, gateway-error, reset, "
                   "reset-before-request, connect-failure, retriable-4xx, refused-stream, retriable-status-codes, "
                   "retriable-headers)", SP_STR_ARG(name));
    return false;
}

static bool matchers(struct sp_header_matcher ***to, unsigned *ret_n, const struct sp_route_build *b, struct sp_arena *arena,
                     Envoy__Config__Route__V3__HeaderMatcher **list, size_t n)
{
    bool good = true;
    *to = sp_arena_zalloc(arena, (n + 1) * sizeof(struct sp_header_matcher *));
    for (size_t i = 0; i < n; i++) {
        struct sp_header_matcher *m = sp_header_matcher_new(b->doc, b->diag, list[i]);
        good = good && m;
        if (m)
            (*to)[(*ret_n)++] = m;
    }
    return good;
}

static bool back_off(struct sp_retry_policy *p, const struct sp_route_build *b,
                     const Envoy__Config__Route__V3__RetryPolicy__RetryBackOff *msg)
{
    p->base_ns = sp_duration_or(msg ? msg->base_interval : NULL, BASE_MS * 1000000ull);
    p->most_ns = sp_duration_or(msg ? msg->max_interval : NULL, 10 * p->base_ns);
    if (p->most_ns >= p->base_ns)
        return true;
    sp_doc_err(b->doc, b->diag, msg, "max_interval", -1, "shorter than base_interval (make it at least as long)");
    return false;
}

static void resets(struct sp_retry_policy *p, struct sp_arena *arena,
                   const Envoy__Config__Route__V3__RetryPolicy__RateLimitedRetryBackOff *msg)
{
    if (!msg)
        return;
    p->resets = sp_arena_zalloc(arena, (msg->n_reset_headers + 1) * sizeof(*p->resets));
    for (size_t i = 0; i < msg->n_reset_headers; i++) {
        struct sp_str name = sp_arena_str(arena, sp_str_c(msg->reset_headers[i]->name));
        for (size_t k = 0; k < name.len; k++)
            ((char *)(uintptr_t)name.ptr)[k] = sp_ascii_lower(name.ptr[k]);
        p->resets[p->n_resets++] = (struct sp_retry_reset){
            name, msg->reset_headers[i]->format == ENVOY__CONFIG__ROUTE__V3__RETRY_POLICY__RESET_HEADER_FORMAT__UNIX_TIMESTAMP};
    }
    p->reset_most_ns = sp_duration_or(msg->max_interval, 300 * 1000000000ull);
}

static void take_omit(struct sp_retry_policy *p, struct sp_arena *arena, const OmitConfig *msg)
{
    const Google__Protobuf__Struct *s = msg->metadata_match ? sp_metadata_struct(msg->metadata_match, SP_STR(SP_CRITERIA_NS)) : NULL;
    if (s && s->n_fields)
        p->omits[p->n_omits++] = (struct sp_retry_omit){sp_criteria_read(arena, s), (unsigned)s->n_fields};
}

static bool take_predicate(struct sp_retry_policy *p, const struct sp_route_build *b, struct sp_arena *arena,
                           const Envoy__Config__Route__V3__RetryPolicy__RetryHostPredicate *m)
{
    const OmitConfig *omit = m->typed_config ? sp_doc_any_as(b->doc, m->typed_config, OMIT) : NULL;
    struct sp_str name = m->typed_config ? SP_STR("") : sp_str_c(m->name);
    if (omit)
        take_omit(p, arena, omit);
    else if (m->typed_config ? sp_doc_any_as(b->doc, m->typed_config, PREVIOUS) != NULL
                             : sp_str_eq(name, SP_STR("envoy.retry_host_predicates.previous_hosts")))
        p->previous_hosts = true;
    else if (m->typed_config ? sp_doc_any_as(b->doc, m->typed_config, CANARIES) != NULL
                             : sp_str_eq(name, SP_STR("envoy.retry_host_predicates.omit_canary_hosts")))
        p->omit_canaries = true;
    else
        return false;
    return true;
}

static bool hosts(struct sp_retry_policy *p, const struct sp_route_build *b, struct sp_arena *arena,
                  const Envoy__Config__Route__V3__RetryPolicy *msg)
{
    bool good = true;
    int64_t looks = msg->host_selection_retry_max_attempts;
    p->host_looks = looks > 0 ? (unsigned)SP_MIN(looks, (int64_t)HOST_LOOKS_MAX) : HOST_LOOKS;
    p->omits = sp_arena_zalloc(arena, (msg->n_retry_host_predicate + 1) * sizeof(*p->omits));
    for (size_t i = 0; i < msg->n_retry_host_predicate; i++) {
        if (take_predicate(p, b, arena, msg->retry_host_predicate[i]))
            continue;
        sp_doc_err(b->doc, b->diag, msg->retry_host_predicate[i], "typed_config", -1,
                   "no such predicate (PreviousHostsPredicate, OmitCanaryHostsPredicate and OmitHostMetadataConfig are run)");
        good = false;
    }
    return good;
}

static bool priorities(struct sp_retry_policy *p, const struct sp_route_build *b, const Envoy__Config__Route__V3__RetryPolicy__RetryPriority *msg)
{
    if (!msg)
        return true;
    const PreviousPriorities *previous = msg->typed_config ? sp_doc_any_as(b->doc, msg->typed_config, PRIORITIES) : NULL;
    if (!previous)
        sp_doc_err(b->doc, b->diag, msg, "typed_config", -1, "no such retry priority (PreviousPrioritiesConfig is run)");
    else if (previous->update_frequency < 1)
        sp_doc_err(b->doc, b->diag, previous, "update_frequency", -1, "required, at least 1 (after so many attempts their priorities are left out)");
    else
        p->every_priorities = (unsigned)previous->update_frequency;
    return p->every_priorities > 0;
}

/* What stands beside a condition that is not asked for has no effect. */
static void unused(const struct sp_retry_policy *p, const struct sp_route_build *b,
                   const Envoy__Config__Route__V3__RetryPolicy *msg)
{
    if (msg->n_retriable_status_codes && !(p->on & SP_RETRY_STATUS_CODES))
        sp_doc_warn(b->doc, b->diag, msg, "retriable_status_codes", -1,
                    "without effect: retry_on does not name retriable-status-codes");
    if (msg->n_retriable_headers && !(p->on & SP_RETRY_HEADERS))
        sp_doc_warn(b->doc, b->diag, msg, "retriable_headers", -1,
                    "without effect: retry_on does not name retriable-headers");
    if (!p->on)
        sp_doc_warn(b->doc, b->diag, msg, "retry_on", -1, "nothing is retried: it names no condition");
}

struct sp_retry_policy *sp_retry_policy_new(const struct sp_route_build *b, struct sp_arena *arena,
                                     const Envoy__Config__Route__V3__RetryPolicy *msg)
{
    assert(b && arena && msg);
    struct sp_retry_policy *p = sp_arena_zalloc(arena, sizeof(*p));
    struct sp_str rest = sp_str_c(msg->retry_on), item;
    bool good = true;
    while (sp_str_split(&rest, ',', &item)) {
        item = sp_str_trim(item);
        if (item.len && !condition(b, msg, item, &p->on))
            good = false;
    }
    p->num_retries = msg->num_retries ? msg->num_retries->value : 1;
    p->per_try_timeout_ns = sp_duration_or(msg->per_try_timeout, 0);
    p->per_try_idle_ns = sp_duration_or(msg->per_try_idle_timeout, 0);
    good = back_off(p, b, msg->retry_back_off) && good;
    resets(p, arena, msg->rate_limited_retry_back_off);
    good = hosts(p, b, arena, msg) && good;
    good = priorities(p, b, msg->retry_priority) && good;
    uint32_t *codes = sp_arena_alloc(arena, (msg->n_retriable_status_codes + 1) * sizeof(*codes));
    for (size_t i = 0; i < msg->n_retriable_status_codes; i++)
        codes[i] = msg->retriable_status_codes[i];
    p->status_codes = codes;
    p->n_status_codes = (unsigned)msg->n_retriable_status_codes;
    good = matchers(&p->headers, &p->n_headers, b, arena, msg->retriable_headers, msg->n_retriable_headers) && good;
    good = matchers(&p->requests, &p->n_requests, b, arena, msg->retriable_request_headers,
                    msg->n_retriable_request_headers) && good;
    if (good)
        unused(p, b, msg);
    if (good)
        return p;
    sp_retry_policy_done(p);
    return NULL;
}

bool sp_hedge_policy_check(const struct sp_route_build *b, const Envoy__Config__Route__V3__HedgePolicy *msg)
{
    assert(b);
    bool more = msg && ((msg->initial_requests && msg->initial_requests->value > 1) ||
                        (msg->additional_request_chance && msg->additional_request_chance->numerator));
    if (more)
        sp_doc_err(b->doc, b->diag, msg, msg->initial_requests ? "initial_requests" : "additional_request_chance", -1,
                   "several requests at once for one are not run (take it out)");
    if (msg && msg->hedge_on_per_try_timeout)
        sp_doc_err(b->doc, b->diag, msg, "hedge_on_per_try_timeout", -1,
                   "an attempt that takes too long is given up before the next one begins (take it out)");
    return !more && !(msg && msg->hedge_on_per_try_timeout);
}

void sp_retry_policy_done(const struct sp_retry_policy *p)
{
    for (unsigned i = 0; p && i < p->n_headers; i++)
        sp_header_matcher_free(p->headers[i]);
    for (unsigned i = 0; p && i < p->n_requests; i++)
        sp_header_matcher_free(p->requests[i]);
}
