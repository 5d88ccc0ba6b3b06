/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/token_config.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/doc.h"
#include "clusters/identity.h"
#include "filters/gate.h"
#include "filters/place.h"
#include "route/duration.h"

typedef Sallyport__Filters__Http__TokenIntrospection__V1__TokenIntrospection Message;
typedef Sallyport__Filters__Http__TokenIntrospection__V1__TokenIntrospectionPerRoute PerRoute;
typedef Sallyport__Filters__Http__TokenIntrospection__V1__Cache Cache;

#define SKIP SALLYPORT__FILTERS__HTTP__TOKEN_INTROSPECTION__V1__JWT_TOKENS__SKIP

struct builder {
    const struct sp_filter_build *build;
    const Message *msg;
    struct sp_token_config *c;
};

#define ERR(b, msg, field, ...) sp_doc_err((b)->build->doc, (b)->build->diag, msg, field, -1, __VA_ARGS__)

static struct sp_str *copies(struct sp_arena *arena, char *const *v, size_t n)
{
    struct sp_str *to = sp_arena_zalloc(arena, n * sizeof(*to));
    for (size_t i = 0; i < n; i++)
        to[i] = sp_arena_str(arena, sp_str_c(v[i]));
    return to;
}

/* RFC 6749 section 3.3: scope-token. They also come back in WWW-Authenticate. */
static bool scopes_ok(const struct sp_filter_build *build, const void *msg, char *const *v, size_t n)
{
    bool good = true;
    for (size_t i = 0; i < n; i++) {
        bool plain = v[i][0] != 0;
        for (const char *p = v[i]; *p; p++)
            plain &= *p > ' ' && *p < 127 && *p != '"' && *p != '\\';
        if (!plain)
            sp_doc_err(build->doc, build->diag, msg, "required_scopes", (int)i,
                       "'%s' is no scope: printable ASCII without spaces, quotes and backslashes (write one an item)", v[i]);
        good &= plain;
    }
    return good;
}

static void add_scheme(struct sp_token_config *c, struct sp_str scheme)
{
    for (unsigned i = 0; i < c->n_schemes; i++)
        if (sp_str_ieq(c->schemes[i], scheme))
            return;
    c->schemes[c->n_schemes++] = scheme;
}

static bool places_init(const struct builder *b)
{
    struct sp_token_config *c = b->c;
    bool good = true;
    size_t n = b->msg->n_from_headers;
    c->places = sp_arena_zalloc(&c->arena, (n + 1) * sizeof(*c->places));
    c->schemes = sp_arena_zalloc(&c->arena, (n + 1) * sizeof(*c->schemes));
    if (!n) {
        c->places[c->n_places++] = (struct sp_token_place){SP_STR("authorization"), SP_STR("Bearer ")};
        add_scheme(c, SP_STR("Bearer"));
    }
    for (size_t i = 0; i < n; i++) {
        const Sallyport__Filters__Http__TokenIntrospection__V1__TokenHeader *from = b->msg->from_headers[i];
        struct sp_token_place *p = &c->places[c->n_places++];
        p->name = sp_gate_header_name(b->build, &c->arena, from, "name", from->name);
        p->prefix = sp_arena_str(&c->arena, sp_str_c(from->value_prefix));
        good &= p->name.len != 0;
        struct sp_str scheme = sp_str_trim(p->prefix);
        if (scheme.len && sp_str_eq(p->name, SP_STR("authorization")) && sp_str_chr(scheme, ' ') < 0)
            add_scheme(c, scheme);
    }
    if (!c->n_schemes)
        add_scheme(c, SP_STR("Bearer"));
    return good;
}

static bool jwt_init(const struct builder *b)
{
    struct sp_token_config *c = b->c;
    const Sallyport__Filters__Http__TokenIntrospection__V1__VerifiedJwt *v = b->msg->verified_jwt;
    c->skip_jwt = b->msg->jwt == SKIP;
    if (!c->skip_jwt && v)
        ERR(b, b->msg, "verified_jwt", "it goes with jwt: SKIP only");
    if (c->skip_jwt && !v)
        ERR(b, b->msg, "jwt",
            "SKIP needs verified_jwt: where jwt_authn leaves the claims of good tokens (else a forged JWT would pass here)");
    if (!c->skip_jwt || !v)
        return !c->skip_jwt && !v;
    c->verified_ns = v->metadata_namespace[0] ? sp_arena_str(&c->arena, sp_str_c(v->metadata_namespace))
                                              : SP_STR("envoy.filters.http.jwt_authn");
    c->verified_keys = copies(&c->arena, v->keys, v->n_keys);
    c->n_verified_keys = (unsigned)v->n_keys;
    return true;
}

static bool claims_init(const struct builder *b)
{
    struct sp_token_config *c = b->c;
    bool good = true;
    c->claim_headers.v = sp_arena_zalloc(&c->arena, b->msg->n_claim_to_headers * sizeof(*c->claim_headers.v));
    for (size_t i = 0; i < b->msg->n_claim_to_headers; i++) {
        const Sallyport__Filters__Http__TokenIntrospection__V1__ClaimToHeader *m = b->msg->claim_to_headers[i];
        struct sp_claim_header *h = &c->claim_headers.v[c->claim_headers.n++];
        h->header = sp_claim_header_name(b->build, &c->arena, m, "header_name", m->header_name);
        h->claim = sp_arena_str(&c->arena, sp_str_c(m->claim_name));
        good &= h->header.ptr != NULL;
        for (unsigned j = 0; h->header.ptr && j < c->n_places; j++)
            if (sp_str_eq(c->places[j].name, h->header)) {
                ERR(b, m, "header_name", "tokens are read from %s: it cannot be written, too (choose another header)",
                    m->header_name);
                good = false;
            }
    }
    return good;
}

static bool policy_init(const struct builder *b)
{
    struct sp_token_config *c = b->c;
    const Message *msg = b->msg;
    uint64_t skew = sp_duration_or(msg->clock_skew, 60 * SP_NS_PER_S);
    c->policy = (struct sp_token_policy){
        .issuers = copies(&c->arena, msg->issuers, msg->n_issuers),
        .audiences = copies(&c->arena, msg->audiences, msg->n_audiences),
        .types = copies(&c->arena, msg->token_types, msg->n_token_types),
        .n_issuers = (unsigned)msg->n_issuers,
        .n_audiences = (unsigned)msg->n_audiences,
        .n_types = (unsigned)msg->n_token_types,
        .require_expiration = msg->require_expiration,
        .skew = (int64_t)(skew / SP_NS_PER_S),
    };
    c->scopes = copies(&c->arena, msg->required_scopes, msg->n_required_scopes);
    c->n_scopes = (unsigned)msg->n_required_scopes;
    return scopes_ok(b->build, msg, msg->required_scopes, msg->n_required_scopes);
}

static bool rest_init(const struct builder *b)
{
    struct sp_token_config *c = b->c;
    const Message *msg = b->msg;
    c->required = !msg->required || msg->required->value;
    c->forward = msg->forward;
    c->bypass_preflight = msg->bypass_cors_preflight;
    c->payload_key = sp_arena_str(&c->arena, sp_str_c(msg->payload_in_metadata));
    c->spaced = copies(&c->arena, msg->space_delimited_claims, msg->n_space_delimited_claims);
    c->n_spaced = (unsigned)msg->n_space_delimited_claims;
    c->realm = msg->realm[0] ? sp_arena_str(&c->arena, sp_str_c(msg->realm)) : SP_STR("api");
    for (const char *p = msg->realm; *p; p++)
        if (*p < ' ' || *p >= 127 || *p == '"' || *p == '\\') {
            ERR(b, msg, "realm", "only printable ASCII without quotes and backslashes");
            return false;
        }
    return true;
}

static int64_t seconds(const Google__Protobuf__Duration *d, uint64_t otherwise)
{
    return (int64_t)(sp_duration_or(d, otherwise * SP_NS_PER_S) / SP_NS_PER_S);
}

static void desk_init(const struct builder *b, struct sp_stats_scope *scope)
{
    const Cache *cache = b->msg->cache;
    const struct sp_token_desk_options o = {
        .cache_entries = cache && cache->max_entries ? cache->max_entries->value : 1000,
        .max_ttl = seconds(cache ? cache->max_ttl : NULL, 60),
        .negative_ttl = seconds(cache ? cache->negative_ttl : NULL, 10),
        .retries = b->msg->retries ? b->msg->retries->value : 1,
        .max_waiting = b->msg->max_waiting ? b->msg->max_waiting->value : 1024,
        .cache_hit = sp_stats_counter(scope, SP_STR("cache_hit")),
        .cache_miss = sp_stats_counter(scope, SP_STR("cache_miss")),
        .joined = sp_stats_counter(scope, SP_STR("joined")),
        .requests = sp_stats_counter(scope, SP_STR("requests")),
        .retried = sp_stats_counter(scope, SP_STR("retries")),
        .failed = sp_stats_counter(scope, SP_STR("failed")),
    };
    const struct sp_token_endpoint *e = &b->c->endpoint;
    struct sp_hash place, who;
    sp_filter_place(b->build, "token_introspection", b->msg, NULL, &place);
    if (e->target.cluster)
        sp_cluster_identity(e->target.cluster, &who);
    else
        sp_doc_hash_text(b->build->doc, sp_oidc_find(b->build->doc, e->name), NULL, &who);
    sp_hash_mix(&place, sp_str_n((const char *)who.bytes, sizeof(who.bytes)));
    b->c->desk = sp_token_desk_new(&b->c->endpoint, &o, &place);
}

struct sp_token_config *sp_token_config_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    assert(build && base);
    struct sp_token_config *c = sp_xcalloc(1, sizeof(*c));
    const struct builder b = {build, (const Message *)(const void *)base, c};
    sp_arena_init(&c->arena);
    bool good = sp_token_endpoint_init(&c->endpoint, build, &c->arena, b.msg);
    good &= places_init(&b);
    good &= jwt_init(&b);
    good &= claims_init(&b);
    good &= policy_init(&b);
    good &= rest_init(&b);
    if (!good) {
        sp_token_config_free(c);
        return NULL;
    }
    struct sp_stats_scope *scope = sp_stats_scope(build->scope, SP_STR("token_introspection"), NULL, SP_STR_NULL);
    desk_init(&b, scope);
    c->allowed = sp_stats_counter(scope, SP_STR("allowed"));
    c->denied = sp_stats_counter(scope, SP_STR("denied"));
    c->errors = sp_stats_counter(scope, SP_STR("errors"));
    c->skipped = sp_stats_counter(scope, SP_STR("skipped"));
    return c;
}

void sp_token_config_free(struct sp_token_config *c)
{
    if (!c)
        return;
    sp_token_desk_free(c->desk);
    sp_token_endpoint_done(&c->endpoint);
    sp_arena_done(&c->arena);
    free(c);
}

struct sp_token_route *sp_token_route_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    assert(build && base);
    const PerRoute *msg = (const void *)base;
    if (!scopes_ok(build, msg, msg->required_scopes, msg->n_required_scopes))
        return NULL;
    struct sp_token_route *r = sp_xcalloc(1, sizeof(*r));
    sp_arena_init(&r->arena);
    r->disabled = msg->disabled;
    r->has_required = msg->required != NULL;
    r->required = msg->required && msg->required->value;
    r->n_scopes = (unsigned)msg->n_required_scopes;
    if (r->n_scopes)
        r->scopes = copies(&r->arena, msg->required_scopes, msg->n_required_scopes);
    return r;
}

void sp_token_route_free(struct sp_token_route *r)
{
    if (!r)
        return;
    sp_arena_done(&r->arena);
    free(r);
}
