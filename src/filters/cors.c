/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.cors: answers browsers' preflights and tells them which pages may read the answers (the Fetch standard).
 * It refuses nobody: who may ask at all is for other filters.
 */
#include "envoy/extensions/filters/http/cors/v3/cors.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/doc.h"
#include "filters/fraction.h"
#include "filters/registry.h"
#include "route/matcher.h"
#include "stats/stats.h"

typedef Envoy__Extensions__Filters__Http__Cors__V3__CorsPolicy Policy;

struct config {
    struct sp_counter valid, invalid;
};

enum unsure { UNSET, NO, YES };

struct policy {
    struct sp_arena arena;
    struct sp_string_matcher **origins; /* n_origins of them */
    size_t n_origins;
    bool any_origin;
    struct sp_str methods, headers, expose, max_age; /* empty: not said */
    enum unsure credentials, private_network, forward;
    struct sp_fraction enabled, shadow;
};

struct filter {
    struct sp_filter base;
    const void *levels[SP_FILTER_LEVELS]; /* n of them, the most specific first */
    unsigned n;
    struct sp_str origin; /* a NULL slice: nothing to do for the answer */
};

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *msg)
{
    struct config *c = sp_xcalloc(1, sizeof(*c));
    struct sp_stats_scope *scope = sp_stats_scope(b->scope, SP_STR("cors"), NULL, SP_STR_NULL);
    c->valid = sp_stats_counter(scope, SP_STR("origin_valid"));
    c->invalid = sp_stats_counter(scope, SP_STR("origin_invalid"));
    return c;
}

static void policy_free(void *config)
{
    struct policy *p = config;
    for (size_t i = 0; i < p->n_origins; i++)
        sp_string_matcher_free(p->origins[i]);
    sp_arena_done(&p->arena);
    free(p);
}

static enum unsure said(const Google__Protobuf__BoolValue *v)
{
    return !v ? UNSET : v->value ? YES : NO;
}

static bool read_origins(const struct sp_filter_build *b, const Policy *msg, struct policy *p)
{
    bool good = true;
    p->origins = sp_arena_zalloc(&p->arena, (msg->n_allow_origin_string_match + 1) * sizeof(*p->origins));
    for (size_t i = 0; i < msg->n_allow_origin_string_match; i++) {
        struct sp_string_matcher *m = sp_string_matcher_new(b->doc, b->diag, msg->allow_origin_string_match[i]);
        good = good && m;
        if (!m)
            continue;
        p->origins[p->n_origins++] = m;
        p->any_origin |= sp_string_match(m, SP_STR("*"));
    }
    return good;
}

static void *route_config_new(const struct sp_filter_build *b, const ProtobufCMessage *m)
{
    const Policy *msg = (const void *)m;
    struct policy *p = sp_xcalloc(1, sizeof(*p));
    sp_arena_init(&p->arena);
    p->methods = sp_arena_str(&p->arena, sp_str_c(msg->allow_methods));
    p->headers = sp_arena_str(&p->arena, sp_str_c(msg->allow_headers));
    p->expose = sp_arena_str(&p->arena, sp_str_c(msg->expose_headers));
    p->max_age = sp_arena_str(&p->arena, sp_str_c(msg->max_age));
    p->credentials = said(msg->allow_credentials);
    p->private_network = said(msg->allow_private_network_access);
    p->forward = said(msg->forward_not_matching_preflights);
    p->enabled = msg->filter_enabled ? sp_fraction_of(msg->filter_enabled) : SP_FRACTION_ALL;
    p->shadow = sp_fraction_of(msg->shadow_enabled);
    bool good = read_origins(b, msg, p);
    if (good && p->any_origin && p->credentials == YES)
        sp_doc_warn(b->doc, b->diag, msg, "allow_credentials", -1,
                    "together with an origin \"*\" any page in the world may read what a user may (name the origins)");
    if (good)
        return p;
    policy_free(p);
    return NULL;
}

/* --- what the levels say together: the most specific one that says something --- */

static struct sp_str text_of(const struct filter *f, size_t offset)
{
    for (unsigned i = 0; i < f->n; i++) {
        struct sp_str s;
        memcpy(&s, (const char *)f->levels[i] + offset, sizeof(s));
        if (s.len)
            return s;
    }
    return SP_STR("");
}
#define TEXT(f, member) text_of((f), offsetof(struct policy, member))

static bool flag_of(const struct filter *f, size_t offset, bool otherwise)
{
    for (unsigned i = 0; i < f->n; i++) {
        enum unsure v;
        memcpy(&v, (const char *)f->levels[i] + offset, sizeof(v));
        if (v != UNSET)
            return v == YES;
    }
    return otherwise;
}
#define FLAG(f, member, otherwise) flag_of((f), offsetof(struct policy, member), (otherwise))

static bool allowed(const struct filter *f, struct sp_str origin)
{
    for (unsigned i = 0; i < f->n; i++) {
        const struct policy *p = f->levels[i];
        if (!p->n_origins)
            continue;
        if (p->any_origin)
            return true;
        for (size_t k = 0; k < p->n_origins; k++)
            if (sp_string_match(p->origins[k], origin))
                return true;
        return false;
    }
    return false;
}

/* --- requests --- */

static void gather(struct filter *f)
{
    const void *levels[SP_FILTER_LEVELS];
    f->n = sp_filter_route_configs(&f->base, levels);
    for (unsigned i = 0; i < f->n; i++)
        f->levels[i] = levels[f->n - 1 - i];
}

static void add(struct sp_header *v, unsigned *n, const char *name, struct sp_str value)
{
    if (value.len)
        v[(*n)++] = (struct sp_header){.name = sp_str_c(name), .value = value};
}

static enum sp_status answer_preflight(struct filter *f, const struct sp_headers *h)
{
    struct sp_header v[4];
    unsigned n = 0;
    struct sp_str asks = sp_headers_get(h, SP_STR("access-control-request-private-network"));
    add(v, &n, "access-control-allow-methods", TEXT(f, methods));
    add(v, &n, "access-control-allow-headers", TEXT(f, headers));
    add(v, &n, "access-control-max-age", TEXT(f, max_age));
    if (sp_str_eq(asks, SP_STR("true")) && FLAG(f, private_network, false))
        add(v, &n, "access-control-allow-private-network", SP_STR("true"));
    sp_filter_reply(&f->base, &(struct sp_reply){.status = 200, .details = SP_STR("cors_response"), .headers = v, .n_headers = n});
    return SP_STOP;
}

static enum sp_status decode_headers(struct sp_filter *base, struct sp_headers *h, bool end)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    const struct config *c = base->config;
    struct sp_str origin = sp_headers_get_id(h, SP_H_ORIGIN);
    if (!origin.len)
        return SP_CONTINUE;
    gather(f);
    if (!f->n)
        return SP_CONTINUE;
    const struct policy *first = f->levels[0];
    bool enabled = sp_fraction_draw(first->enabled);
    if (!enabled && !sp_fraction_draw(first->shadow))
        return SP_CONTINUE;
    bool preflight = sp_str_eq(h->method, SP_STR("OPTIONS")) && sp_headers_get(h, SP_STR("access-control-request-method")).len;
    bool good = allowed(f, origin);
    sp_counter_inc(good ? c->valid : c->invalid);
    if (!enabled)
        return SP_CONTINUE;
    if (good)
        f->origin = origin;
    /* Without access-control-allow-origin the browser takes it for a no. */
    return preflight && (good || !FLAG(f, forward, true)) ? answer_preflight(f, h) : SP_CONTINUE;
}

static enum sp_status encode_headers(struct sp_filter *base, struct sp_headers *h, bool end)
{
    const struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    if (!f->origin.ptr)
        return SP_CONTINUE;
    sp_headers_set(h, SP_STR("access-control-allow-origin"), f->origin);
    if (FLAG(f, credentials, false))
        sp_headers_set(h, SP_STR("access-control-allow-credentials"), SP_STR("true"));
    struct sp_str expose = TEXT(f, expose);
    if (expose.len)
        sp_headers_set(h, SP_STR("access-control-expose-headers"), expose);
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_cors_ops = {
    .name = "cors",
    .type_url = "envoy.extensions.filters.http.cors.v3.Cors",
    .not_staged = "it never refuses",
    .size = sizeof(struct filter),
    .config_new = config_new,
    .config_free = free,
    .route_type_url = "envoy.extensions.filters.http.cors.v3.CorsPolicy",
    .route_config_new = route_config_new,
    .route_config_free = policy_free,
    .decode_headers = decode_headers,
    .encode_headers = encode_headers,
};
