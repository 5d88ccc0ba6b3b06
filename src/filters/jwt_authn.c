/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "config/doc.h"
#include "filters/gate.h"
#include "filters/jwt_challenge.h"
#include "filters/jwt_verify.h"
#include "filters/registry.h"
#include "stream/caller.h"
#include "stream/stream.h"
#include "stream/wait_span.h"

typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtAuthentication Message;
typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__PerRouteConfig PerRouteConfig;
typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__RequirementRule RequirementRule;

/* How often one request may wait for keys: a second time only for another provider's. */
enum { MAX_WAITS = 2 };

struct rule {
    struct sp_route_match *match;
    const struct sp_jwt_requirement *requires; /* NULL: nothing */
};

struct config {
    struct sp_arena arena;
    struct sp_jwt_providers providers;
    struct rule *rules;
    unsigned n_rules;
    struct sp_map requirements; /* by name */
    bool bypass_cors_preflight, strip_failure_response;
    struct sp_jwt_stats stats;
};

struct waiting {
    struct sp_filter base;
    struct sp_jwks_waiter waiter;
    const struct sp_jwt_requirement *requires;
    struct sp_span *span; /* of the wait; NULL: it does not, or nobody traces */
    unsigned waits;
    unsigned rule; /* that matched, counted from 1: for explain */
    const struct sp_jwt_provider *provider; /* of the first good token; NULL: there was none */
    json_t *payload; /* where the cache keeps it anyway: its own reference */
    const struct sp_caller_word *said; /* else what it says of the caller, in the stream's arena */
    unsigned n_said;
};

struct route_config {
    bool disabled;
    char *requirement; /* unless disabled */
};

static void config_free(void *config)
{
    struct config *c = config;
    for (unsigned i = 0; i < c->providers.n; i++)
        sp_jwt_provider_done(&c->providers.v[i]);
    for (unsigned i = 0; i < c->n_rules; i++)
        sp_route_match_free(c->rules[i].match);
    sp_map_done(&c->requirements);
    sp_arena_done(&c->arena);
    free(c);
}

static bool providers_init(const struct sp_filter_build *build, const Message *msg, struct config *c)
{
    bool good = true;
    c->providers.v = sp_arena_zalloc(&c->arena, msg->n_providers * sizeof(*c->providers.v));
    for (size_t i = 0; i < msg->n_providers; i++) {
        if (!msg->providers[i]->value) {
            sp_doc_err(build->doc, build->diag, msg, "providers", (int)i, "a provider without content");
            good = false;
            continue;
        }
        good &= sp_jwt_provider_init(&c->providers.v[c->providers.n++], build, &c->arena, &c->stats.jwks,
                                     msg->providers[i]->key, msg->providers[i]->value);
    }
    return good;
}

static bool reads(const struct sp_jwt_provider *p, struct sp_str header)
{
    for (unsigned i = 0; i < p->locations.n_headers; i++)
        if (sp_str_eq(p->locations.headers[i].name, header))
            return true;
    return p->locations.n_cookies && sp_str_eq(header, SP_STR("cookie"));
}

static bool writes(const struct sp_jwt_provider *p, const struct sp_jwt_provider *reader, struct sp_str *ret)
{
    *ret = p->payload_header;
    if (ret->len && reads(reader, *ret))
        return true;
    for (unsigned i = 0; i < p->n_claim_headers; i++) {
        *ret = p->claim_headers[i].header;
        if (reads(reader, *ret))
            return true;
    }
    return false;
}

/* What is written is taken out of every request first: a token there would never be seen. */
static bool headers_ok(const struct sp_filter_build *build, const Message *msg, const struct config *c)
{
    struct sp_str name;
    for (unsigned i = 0; i < c->providers.n; i++)
        for (unsigned j = 0; j < c->providers.n; j++)
            if (writes(&c->providers.v[i], &c->providers.v[j], &name)) {
                sp_doc_err(build->doc, build->diag, msg, "providers", (int)i,
                           "it writes the header %.*s, from which the provider '%.*s' reads tokens (choose another hea"
                           "der)",
                           SP_STR_ARG(name), SP_STR_ARG(c->providers.v[j].name));
                return false;
            }
    return true;
}

static bool shared(struct sp_str key, struct sp_str payload_key)
{
    return payload_key.len && sp_str_eq(key, payload_key);
}

/* Who reads a payload's key takes it for verified claims: no other provider may write something else there. */
static bool metadata_ok(const struct sp_filter_build *build, const Message *msg, const struct config *c)
{
    for (unsigned i = 0; i < c->providers.n; i++)
        for (unsigned j = 0; j < c->providers.n; j++) {
            const struct sp_jwt_provider *p = &c->providers.v[i], *other = &c->providers.v[j];
            if (!shared(p->failed_key, other->payload_key) && !shared(p->header_key, other->payload_key))
                continue;
            sp_doc_err(build->doc, build->diag, msg, "providers", (int)i,
                       "it writes something else under the payload_in_metadata of '%.*s' (choose another key)",
                       SP_STR_ARG(other->name));
            return false;
        }
    return true;
}

static bool requirement_map_init(const struct sp_filter_build *build, const Message *msg, struct config *c)
{
    bool good = true;
    for (size_t i = 0; i < msg->n_requirement_map; i++) {
        struct sp_jwt_requirement *r = sp_arena_zalloc(&c->arena, sizeof(*r));
        if (!msg->requirement_map[i]->value) {
            sp_doc_err(build->doc, build->diag, msg, "requirement_map", (int)i, "a requirement without content");
            good = false;
            continue;
        }
        good &= sp_jwt_requirement_init(r, build, &c->arena, &c->providers, msg->requirement_map[i]->value);
        sp_map_add(&c->requirements, sp_arena_str(&c->arena, sp_str_c(msg->requirement_map[i]->key)), r);
    }
    return good;
}

static bool rule_init(const struct sp_filter_build *build, const RequirementRule *msg, struct config *c,
                      struct rule *rule)
{
    struct sp_jwt_requirement *r;
    rule->match = sp_route_match_new(build->doc, build->diag, msg->match);
    bool good = rule->match != NULL;
    switch (msg->requirement_type_case) {
    case ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__REQUIREMENT_RULE__REQUIREMENT_TYPE_REQUIRES:
        rule->requires = r = sp_arena_zalloc(&c->arena, sizeof(*r));
        return sp_jwt_requirement_init(r, build, &c->arena, &c->providers, msg->requires) && good;
    case ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__REQUIREMENT_RULE__REQUIREMENT_TYPE_REQUIREMENT_NAME:
        rule->requires = sp_map_get(&c->requirements, sp_str_c(msg->requirement_name));
        if (!rule->requires)
            sp_doc_err(build->doc, build->diag, msg, "requirement_name", -1,
                       "there is no requirement '%s' (name one of requirement_map)", msg->requirement_name);
        return rule->requires && good;
    default:
        return good;
    }
}

/* Rules that tell paths apart. */
static void warn_paths(const struct sp_filter_build *build, const Message *msg)
{
    for (size_t i = 0; i < msg->n_rules && !build->normalizes; i++) {
        const Envoy__Config__Route__V3__RouteMatch *match = msg->rules[i]->match;
        bool connect = match && match->path_specifier_case == ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_CONNECT_MATCHER;
        if (!match || connect || (match->path_specifier_case == ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_PREFIX &&
                       strcmp(match->prefix, "/") == 0))
            continue;
        sp_doc_warn(build->doc, build->diag, match, NULL, -1,
                    "the path is matched as the client wrote it, and the origin may read /x/../y, //y or %%2e%%2e otherwise "
                    "(turn normalize_path and merge_slashes of the connection manager on)");
        return;
    }
}

static bool rules_init(const struct sp_filter_build *build, const Message *msg, struct config *c)
{
    bool good = true;
    warn_paths(build, msg);
    c->rules = sp_arena_zalloc(&c->arena, msg->n_rules * sizeof(*c->rules));
    for (size_t i = 0; i < msg->n_rules; i++)
        good &= rule_init(build, msg->rules[i], c, &c->rules[c->n_rules++]);
    return good;
}

static void stats_init(struct sp_jwt_stats *s, struct sp_stats_scope *parent, struct sp_str prefix)
{
    struct sp_stats_scope *scope = sp_stats_scope(parent, SP_STR("jwt_authn"), NULL, SP_STR_NULL);
    while (sp_str_ends(prefix, SP_STR(".")))
        prefix.len--;
    if (prefix.len)
        scope = sp_stats_scope(scope, prefix, NULL, SP_STR_NULL);
    s->allowed = sp_stats_counter(scope, SP_STR("allowed"));
    s->denied = sp_stats_counter(scope, SP_STR("denied"));
    s->cors_preflight_bypassed = sp_stats_counter(scope, SP_STR("cors_preflight_bypassed"));
    s->jwks.success = sp_stats_counter(scope, SP_STR("jwks_fetch_success"));
    s->jwks.failed = sp_stats_counter(scope, SP_STR("jwks_fetch_failed"));
    s->jwt_cache_hit = sp_stats_counter(scope, SP_STR("jwt_cache_hit"));
    s->jwt_cache_miss = sp_stats_counter(scope, SP_STR("jwt_cache_miss"));
}

static void *config_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    sp_arena_init(&c->arena);
    sp_map_init(&c->requirements);
    c->bypass_cors_preflight = msg->bypass_cors_preflight;
    c->strip_failure_response = msg->strip_failure_response;
    bool good = providers_init(build, msg, c);
    good = good && headers_ok(build, msg, c) && metadata_ok(build, msg, c);
    good &= requirement_map_init(build, msg, c);
    good &= rules_init(build, msg, c);
    if (!good) {
        config_free(c);
        return NULL;
    }
    stats_init(&c->stats, build->scope, sp_str_c(msg->stat_prefix));
    return c;
}

static void *route_config_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    const PerRouteConfig *msg = (const void *)base;
    struct route_config *r = sp_xcalloc(1, sizeof(*r));
    r->disabled = msg->requirement_specifier_case ==
                  ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__PER_ROUTE_CONFIG__REQUIREMENT_SPECIFIER_DISABLED;
    if (!r->disabled)
        r->requirement = sp_xstrdup(msg->requirement_name);
    return r;
}

static void route_config_free(void *config)
{
    struct route_config *r = config;
    free(r->requirement);
    free(r);
}

static void log_denial(const struct sp_filter *f, const struct sp_headers *h, struct sp_str why)
{
    char peer[SP_ADDR_TEXT_MAX];
    struct sp_str path = sp_gate_log_path(h);
    sp_log_limited(SP_LOG_INFO, "jwt_authn", 10, "%s %s: %.*s (%.*s %.*s)",
                   sp_filter_enforced(f) ? "refused" : "would refuse", sp_addr_ip_text(&sp_filter_info(f)->client, peer), SP_STR_ARG(why),
                   SP_STR_ARG(h->method), SP_STR_ARG(path));
}

static enum sp_status deny(struct sp_filter *f, const struct sp_headers *h, enum sp_jwt_status s)
{
    const struct config *c = f->config;
    struct sp_header header = {.name = SP_STR("www-authenticate"), .id = SP_H_WWW_AUTHENTICATE};
    struct sp_reply reply = {
        .status = s == SP_JWT_AUDIENCE ? 403 : 401,
        .details = sp_jwt_status_details(s, sp_filter_arena(f)),
    };
    if (!c->strip_failure_response) {
        header.value = sp_jwt_challenge(&c->providers, h, s == SP_JWT_MISSING);
        reply.body = sp_jwt_status_text(s);
        reply.headers = &header;
        reply.n_headers = 1;
    }
    sp_counter_inc(c->stats.denied);
    log_denial(f, h, sp_jwt_status_reason(s));
    sp_filter_reply(f, &reply);
    return SP_STOP;
}

/* The config or a regular expression leaves open what is required: nobody passes. */
static enum sp_status deny_undecided(struct sp_filter *f, const struct sp_headers *h, struct sp_str why,
                                     struct sp_str details)
{
    const struct config *c = f->config;
    sp_counter_inc(c->stats.denied);
    log_denial(f, h, why);
    sp_filter_reply_text(f, 403, c->strip_failure_response ? SP_STR("") : SP_STR("Failed JWT authentication"), details);
    return SP_STOP;
}

static enum sp_status allow(const struct config *c)
{
    sp_counter_inc(c->stats.allowed);
    return SP_CONTINUE;
}

static struct waiting *of(struct sp_filter *f)
{
    return SP_CONTAINER_OF(f, struct waiting, base);
}

static enum sp_status decide(struct sp_filter *f, struct sp_headers *h, const struct sp_jwt_requirement *r);

/* Keys were fetched, or could not be: the same question again. */
static void on_woken(struct sp_jwks_waiter *waiter)
{
    struct waiting *w = SP_CONTAINER_OF(waiter, struct waiting, waiter);
    sp_wait_span_end(&w->base, w->span, SP_STR("jwt_authn keys"), SP_STR_NULL);
    if (sp_filter_response(&w->base))
        return; /* a timeout answered meanwhile */
    if (decide(&w->base, sp_filter_request(&w->base), w->requires) == SP_CONTINUE)
        sp_filter_continue(&w->base, SP_DECODE);
}

/* Whether newer keys could change the verdict, and are on their way. */
static bool waits(struct sp_filter *f, const struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r,
                  enum sp_jwt_status s)
{
    struct waiting *w = of(f);
    if (!v->lacking || (s == SP_JWT_OK && !sp_jwt_may_fail(r)) || w->waits >= MAX_WAITS)
        return false;
    w->waiter.woken = on_woken;
    w->requires = r;
    if (!sp_jwks_remote_wait(v->lacking, &w->waiter, sp_filter_turn(f)))
        return false;
    w->waits++;
    w->span = sp_wait_span_begin(f);
    return true;
}

/* The few words that may be asked for: the document itself is some fifty blocks, which are given back while they are warm. */
static void copy_caller(struct waiting *w, const json_t *payload, struct sp_arena *arena)
{
    struct sp_caller c = {.n = 0};
    sp_jwt_caller(payload, &c);
    struct sp_caller_word *said = sp_arena_alloc(arena, c.n * sizeof(*said));
    for (unsigned i = 0; i < c.n; i++)
        said[i] = (struct sp_caller_word){c.v[i].key, sp_arena_str(arena, c.v[i].value)};
    w->said = said;
    w->n_said = c.n;
}

/* Who the caller is, should somebody ask. */
static void keep_caller(struct waiting *w, const struct sp_jwt_verifier *v)
{
    const struct sp_jwt_result *r = v->results;
    while (r && !r->good)
        r = r->next;
    if (!r)
        return;
    w->provider = r->provider;
    if (r->provider->cache)
        w->payload = json_incref(r->token->payload);
    else
        copy_caller(w, r->token->payload, v->arena);
}

static enum sp_status decide(struct sp_filter *f, struct sp_headers *h, const struct sp_jwt_requirement *r)
{
    const struct config *c = f->config;
    struct sp_jwt_verifier v;
    if (!r)
        return allow(c);
    sp_jwt_verifier_init(&v, f, h, &c->providers, &c->stats);
    enum sp_jwt_status s = sp_jwt_verify(&v, r);
    bool later = waits(f, &v, r, s);
    if (!later)
        sp_jwt_report(&v);
    if (!later && s == SP_JWT_OK)
        sp_jwt_apply(&v, r);
    if (!later)
        keep_caller(of(f), &v);
    sp_jwt_verifier_done(&v);
    if (later)
        return SP_STOP_PAUSE;
    return s == SP_JWT_OK ? allow(c) : deny(f, h, s);
}

static enum sp_status decide_by_route(struct sp_filter *f, struct sp_headers *h, const struct route_config *route)
{
    const struct config *c = f->config;
    if (route->disabled)
        return allow(c);
    const struct sp_jwt_requirement *r = sp_map_get(&c->requirements, sp_str_c(route->requirement));
    if (r)
        return decide(f, h, r);
    struct sp_str why = sp_arena_printf(h->arena, "the route names the requirement '%s', which requirement_map lacks",
                                        route->requirement);
    return deny_undecided(f, h, why, SP_STR("jwt_authn_access_denied{Wrong_requirement_name}"));
}

static void sanitize(const void *config, struct sp_headers *h)
{
    const struct config *c = config;
    for (unsigned i = 0; i < c->providers.n; i++)
        sp_jwt_provider_sanitize(&c->providers.v[i], h);
    sp_headers_remove_alike(h, SP_JWT_MARK);
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct config *c = f->config;
    const struct route_config *route = sp_filter_route_config(f);
    sanitize(c, h);
    if (c->bypass_cors_preflight && sp_gate_preflight(h)) {
        sp_counter_inc(c->stats.cors_preflight_bypassed);
        return allow(c);
    }
    if (route)
        return decide_by_route(f, h, route);
    uint64_t random = sp_stream_random(sp_filter_stream(f));
    bool limit = false;
    for (unsigned i = 0; i < c->n_rules; i++) {
        bool matches = sp_route_match(c->rules[i].match, h, random, &limit);
        if (limit)
            return deny_undecided(f, h, SP_STR("a regular expression of the rules hit its limit"),
                                  SP_STR("jwt_authn_access_denied{regex_limit}"));
        if (matches) {
            of(f)->rule = i + 1;
            return decide(f, h, c->rules[i].requires);
        }
    }
    return allow(c);
}

static void explain(struct sp_filter *f, struct sp_buf *out)
{
    const struct config *c = f->config;
    const struct route_config *route = sp_filter_route_config(f);
    unsigned rule = of(f)->rule;
    struct sp_str why = SP_STR("no rule matches: nothing is required");
    if (route && route->disabled)
        why = SP_STR("the route switches it off");
    else if (route)
        why = sp_arena_printf(sp_filter_arena(f), "the route's requirement %s is met", route->requirement);
    else if (rule)
        why = sp_arena_printf(sp_filter_arena(f), "rule #%u %s", rule - 1, c->rules[rule - 1].requires ? "is met" : "requires nothing");
    sp_buf_append_str(out, why);
}

static void caller(const struct sp_filter *f, struct sp_caller *out)
{
    const struct waiting *w = (const struct waiting *)f;
    if (!w->provider)
        return;
    sp_caller_say(out, SP_STR("provider"), w->provider->name);
    if (w->payload)
        sp_jwt_caller(w->payload, out);
    for (unsigned i = 0; i < w->n_said; i++)
        sp_caller_say(out, w->said[i].key, w->said[i].value);
}

static enum sp_status decode_trailers(struct sp_filter *f, struct sp_headers *t)
{
    sanitize(f->config, t);
    return SP_CONTINUE;
}

static void destroy(struct sp_filter *f)
{
    sp_jwks_remote_unwait(&of(f)->waiter);
    json_decref(of(f)->payload);
    sp_wait_span_end(f, of(f)->span, SP_STR("jwt_authn keys"), SP_STR("given up"));
}

const struct sp_filter_ops sp_jwt_authn_ops = {
    .name = "jwt_authn",
    .type_url = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
    .size = sizeof(struct waiting),
    .config_new = config_new,
    .config_free = config_free,
    .route_type_url = "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig",
    .route_config_new = route_config_new,
    .route_config_free = route_config_free,
    .sanitize = sanitize,
    .decode_headers = decode_headers,
    .decode_trailers = decode_trailers,
    .explain = explain,
    .caller = caller,
    .destroy = destroy,
};
