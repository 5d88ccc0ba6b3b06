/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RetryPolicy. */
#include <assert.h>

#include "config/names.h"
#include "route/duration.h"
#include "route/route_build.h"

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
    {SP_STR_INIT("envoy-ratelimited"), 0},
    {SP_STR_INIT("http3-post-connect-failure"), 0},
    {SP_STR_INIT("cancelled"), 0},
    {SP_STR_INIT("deadline-exceeded"), 0},
    {SP_STR_INIT("internal"), 0},
    {SP_STR_INIT("resource-exhausted"), 0},
    {SP_STR_INIT("unavailable"), 0},
};

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

static bool retriable_headers(struct sp_retry_policy *p, const struct sp_route_build *b, struct sp_arena *arena,
                              const Envoy__Config__Route__V3__RetryPolicy *msg)
{
    bool good = true;
    p->headers = sp_arena_zalloc(arena, (msg->n_retriable_headers + 1) * sizeof(struct sp_header_matcher *));
    for (size_t i = 0; i < msg->n_retriable_headers; i++) {
        struct sp_header_matcher *m = sp_header_matcher_new(b->doc, b->diag, msg->retriable_headers[i]);
        good = good && m;
        if (m)
            p->headers[p->n_headers++] = m;
    }
    return good;
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
    uint32_t *codes = sp_arena_alloc(arena, (msg->n_retriable_status_codes + 1) * sizeof(*codes));
    for (size_t i = 0; i < msg->n_retriable_status_codes; i++)
        codes[i] = msg->retriable_status_codes[i];
    p->status_codes = codes;
    p->n_status_codes = (unsigned)msg->n_retriable_status_codes;
    good = retriable_headers(p, b, arena, msg) && good;
    if (good)
        unused(p, b, msg);
    if (good)
        return p;
    sp_retry_policy_done(p);
    return NULL;
}

void sp_retry_policy_done(const struct sp_retry_policy *p)
{
    for (unsigned i = 0; p && i < p->n_headers; i++)
        sp_header_matcher_free(p->headers[i]);
}
