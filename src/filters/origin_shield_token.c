/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/origin_shield_token.h"

#include <assert.h>

#include "config/doc.h"
#include "config/secret.h"
#include "filters/jwt_claims.h"
#include "route/duration.h"

typedef Sallyport__Filters__Http__OriginShield__V1__SignedToken Message;
typedef Sallyport__Filters__Http__OriginShield__V1__KeySet KeySet;
typedef Envoy__Config__Core__V3__DataSource DataSource;
typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__RemoteJwks RemoteJwks;

#define KIND(x) SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__TOKEN_KIND__##x
#define SOURCE(x) SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__KEY_SET__SOURCE_##x

enum { DEFAULT_SKEW_S = 60, DEFAULT_CACHE = 256, MAX_CACHED_BYTES = 8192, KEEP_S = 300 };

static const struct sp_shield_token_kind kinds[] = {
    [KIND(CLOUDFLARE_ACCESS)] = {.header = SP_STR_INIT("cf-access-jwt-assertion"),
                                 .alg = SP_STR_INIT("RS256"),
                                 .of_user = true},
    [KIND(GOOGLE_IAP)] = {.header = SP_STR_INIT("x-goog-iap-jwt-assertion"),
                          .alg = SP_STR_INIT("ES256"),
                          .issuer = SP_STR_INIT("https://cloud.google.com/iap")},
    [KIND(AWS_ALB)] = {.header = SP_STR_INIT("x-amzn-oidc-data"),
                       .alg = SP_STR_INIT("ES256"),
                       .padded = true,
                       .alb = true},
};

static enum sp_token_result check_time(const struct sp_shield_token *t, const struct sp_jwt_claims *c, int64_t now)
{
    if (!c->has_exp)
        return SP_TOKEN_BAD;
    if (sp_jwt_claims_check_time(c, now, t->skew_s) != SP_JWT_OK || c->iat > now + t->skew_s)
        return SP_TOKEN_TIME;
    return SP_TOKEN_OK;
}

static enum sp_token_result check_claims(const struct sp_shield_token *t, const json_t *payload, int64_t now)
{
    struct sp_jwt_claims c;
    if (sp_jwt_claims_read(payload, &c) != SP_JWT_OK)
        return SP_TOKEN_BAD;
    if (t->issuer.len && !sp_str_eq(t->issuer, c.iss))
        return SP_TOKEN_BAD;
    if (!sp_jwt_claims_audience_ok(&c, t->audiences, t->n_audiences))
        return SP_TOKEN_BAD;
    return check_time(t, &c, now);
}

static bool among(struct sp_str text, const struct sp_str *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (sp_str_eq(v[i], text))
            return true;
    return n == 0;
}

/* A load balancer's token: signer, issuer, client and exp stand in its header, and what the payload has of them counts, too. */
static enum sp_token_result check_alb(const struct sp_shield_token *t, const struct sp_jws *jws, int64_t now)
{
    struct sp_jwt_claims c;
    json_t *header = sp_json_load(jws->header_json, SP_JWS_HEADER_DEPTH, SP_JWT_MAX_VALUES);
    enum sp_token_result r = SP_TOKEN_BAD;
    if (json_is_object(header) && sp_str_eq(sp_json_str(header, "signer"), t->signer) &&
        among(sp_json_str(header, "client"), t->audiences, t->n_audiences) &&
        (!t->issuer.len || sp_str_eq(sp_json_str(header, "iss"), t->issuer)) &&
        sp_jwt_claims_read(header, &c) == SP_JWT_OK)
        r = check_time(t, &c, now);
    json_decref(header);
    if (r != SP_TOKEN_OK)
        return r;
    if (sp_jwt_claims_read(jws->payload, &c) != SP_JWT_OK || (t->issuer.len && c.iss.len && !sp_str_eq(c.iss, t->issuer)))
        return SP_TOKEN_BAD;
    return c.has_exp ? check_time(t, &c, now) : SP_TOKEN_OK;
}

/* A token that is looked at, and when and where. */
struct look {
    const struct sp_shield_token *t;
    const struct sp_jws *jws;
    struct sp_str text;
    const struct sp_turn *turn;
    int64_t now;
    unsigned worker;
};

/* Asks the cache first: a verification costs more than all the rest of a request. */
static enum sp_jws_result verify(const struct look *l, const struct sp_jwks *keys)
{
    struct sp_jwt_cache *cache = l->t->cache;
    uint8_t key[SP_JWT_CACHE_KEY];
    json_t *known = cache ? sp_jwt_cache_get(cache, l->worker, l->text, sp_jwks_id(keys), l->now, key, NULL) : NULL;
    if (known) {
        json_decref(known);
        return SP_JWS_OK;
    }
    enum sp_jws_result r = sp_jws_verify(l->jws, keys);
    if (r == SP_JWS_OK && cache)
        sp_jwt_cache_put(cache, l->worker, l->text, sp_jwks_id(keys), key, l->jws->payload, NULL, l->now + KEEP_S);
    return r;
}

static bool signature_ok(const struct look *l)
{
    const struct sp_shield_token *t = l->t;
    if (t->remote) {
        const struct sp_jwks *keys = sp_jwks_remote_keys(t->remote);
        enum sp_jws_result r = keys ? verify(l, keys) : SP_JWS_NO_KEY;
        /* A gate does not wait: keys are published well before they sign. */
        if (r == SP_JWS_NO_KEY)
            sp_jwks_remote_ask(t->remote, l->turn->now_ns);
        return r == SP_JWS_OK;
    }
    for (unsigned i = 0; i < t->n_keys; i++) {
        const struct sp_shield_token_key *k = &t->keys[i];
        const struct sp_jwks *keys = sp_live_get(k->keys);
        if (keys && (!k->kid.len || sp_str_eq(k->kid, l->jws->kid)) && verify(l, keys) == SP_JWS_OK)
            return true;
    }
    return false;
}

enum sp_token_result sp_shield_token_check(const struct sp_shield_token *t, struct sp_str text, const struct sp_turn *turn,
                                           unsigned worker, struct sp_arena *arena)
{
    assert(t && t->kind && turn && arena);
    struct sp_jws jws;
    const struct look l = {t, &jws, text, turn, turn->wall_ns / (int64_t)SP_NS_PER_S, worker};
    enum sp_token_result r = SP_TOKEN_BAD;
    if (!text.len || (t->kind->padded ? sp_jws_parse_padded : sp_jws_parse)(text, arena, &jws) != SP_JWS_OK)
        return SP_TOKEN_BAD;
    /* The signature comes last: it costs most. */
    if (sp_str_eq(jws.alg, t->kind->alg))
        r = t->kind->alb ? check_alb(t, &jws, l.now) : check_claims(t, jws.payload, l.now);
    if (r == SP_TOKEN_OK && !signature_ok(&l))
        r = SP_TOKEN_BAD;
    sp_jws_done(&jws);
    return r;
}

/* What a load needs; lives as long as the document. */
struct source {
    const struct sp_doc *doc;
    const DataSource *source;
};

static void *load(void *ctx, const void *old, struct sp_diag *diag)
{
    const struct source *s = ctx;
    struct sp_secret text;
    struct sp_arena arena;
    const char *why;
    if (sp_secret_read(s->doc, diag, s->source, SP_SECRET_NOT_EMPTY | SP_SECRET_LIVE, &text) < 0)
        return NULL;
    sp_arena_init(&arena);
    struct sp_jwks *keys = sp_jwks_new(sp_secret_str(&text), &arena, &why);
    sp_secret_done(&text);
    if (!keys)
        sp_doc_err(s->doc, diag, s->source, NULL, -1, "no key to verify with: %s", why);
    else if (why)
        sp_doc_warn(s->doc, diag, s->source, NULL, -1, "not all keys are used: %s", why);
    sp_arena_done(&arena);
    return keys;
}

static void free_keys(void *value)
{
    sp_jwks_free(value);
}

static const struct sp_live_kind live_kind = {.name = "key set", .load = load, .free = free_keys};

static bool key_init(struct sp_shield_token_key *k, const struct sp_filter_build *build, struct sp_arena *arena,
                     const char *kid, const DataSource *source)
{
    struct source *s = sp_arena_zalloc(arena, sizeof(*s));
    *s = (struct source){build->doc, source};
    k->kid = sp_arena_str(arena, sp_str_c(kid));
    struct sp_str label = sp_arena_printf(arena, "origin_shield signed_token%s%s", kid[0] ? " " : "", kid);
    k->keys = sp_live_new(sp_doc_live(build->doc), &live_kind, label, s, NULL);
    sp_secret_watch(k->keys, source);
    return sp_live_load(k->keys, build->diag);
}

/* The DataSource that a KeySet is when nothing is fetched. */
static const DataSource *data_source(const struct sp_doc *doc, const KeySet *msg)
{
    DataSource *s = sp_doc_derive(doc, msg, &envoy__config__core__v3__data_source__descriptor);
    switch (msg->source_case) {
    case SOURCE(FILENAME):
        s->specifier_case = ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME;
        s->filename = msg->filename;
        break;
    case SOURCE(INLINE_BYTES):
        s->specifier_case = ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_BYTES;
        s->inline_bytes = msg->inline_bytes;
        break;
    case SOURCE(INLINE_STRING):
        s->specifier_case = ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_STRING;
        s->inline_string = msg->inline_string;
        break;
    case SOURCE(ENVIRONMENT_VARIABLE):
        s->specifier_case = ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_ENVIRONMENT_VARIABLE;
        s->environment_variable = msg->environment_variable;
        break;
    default:
        break;
    }
    return s;
}

static bool remote_init(struct sp_shield_token *t, const struct sp_filter_build *build, struct sp_arena *arena,
                        struct sp_stats_scope *scope, const KeySet *msg)
{
    RemoteJwks *remote =
        sp_doc_derive(build->doc, msg, &envoy__extensions__filters__http__jwt_authn__v3__remote_jwks__descriptor);
    remote->http_uri = msg->http_uri;
    remote->cache_duration = msg->cache_duration;
    remote->async_fetch = msg->async_fetch;
    remote->retry_policy = msg->retry_policy;
    struct sp_stats_scope *own = sp_stats_scope(scope, SP_STR("signed_token"), NULL, SP_STR_NULL);
    t->stats = sp_arena_alloc(arena, sizeof(*t->stats));
    t->stats->success = sp_stats_counter(own, SP_STR("jwks_fetch_success"));
    t->stats->failed = sp_stats_counter(own, SP_STR("jwks_fetch_failed"));
    t->remote = sp_jwks_remote_new(build, remote, SP_STR("origin_shield signed_token"), t->stats);
    return t->remote != NULL;
}

static bool set_init(struct sp_shield_token *t, const struct sp_filter_build *build, struct sp_arena *arena,
                     struct sp_stats_scope *scope, const KeySet *msg)
{
    if (msg->source_case == SOURCE(HTTP_URI))
        return remote_init(t, build, arena, scope, msg);
    if (msg->cache_duration || msg->async_fetch || msg->retry_policy) {
        sp_doc_err(build->doc, build->diag, msg, NULL, -1,
                   "cache_duration, async_fetch and retry_policy are for keys that are fetched (set http_uri, or drop them)");
        return false;
    }
    t->keys = sp_arena_zalloc(arena, sizeof(*t->keys));
    t->n_keys = 1;
    return key_init(t->keys, build, arena, "", data_source(build->doc, msg));
}

static bool keys_init(struct sp_shield_token *t, const struct sp_filter_build *build, struct sp_arena *arena,
                      struct sp_stats_scope *scope, const Message *msg)
{
    bool good = true;
    if (!msg->jwks == !msg->n_keys) {
        sp_doc_err(build->doc, build->diag, msg, msg->jwks ? "jwks" : NULL, -1, "it needs its keys once (set either jwks or keys)");
        return false;
    }
    if (msg->jwks)
        return set_init(t, build, arena, scope, msg->jwks);
    t->keys = sp_arena_zalloc(arena, msg->n_keys * sizeof(*t->keys));
    for (size_t i = 0; i < msg->n_keys; i++)
        good &= key_init(&t->keys[t->n_keys++], build, arena, msg->keys[i]->kid, msg->keys[i]->key);
    return good;
}

/* Without these the tokens of all other customers are as good. */
static bool names_ok(const struct sp_shield_token *t, const struct sp_filter_build *build, const Message *msg)
{
    if (t->kind->alb && !msg->signer[0])
        sp_doc_err(build->doc, build->diag, msg, "signer", -1,
                   "any customer's load balancer could sign (set signer to the ARN of yours)");
    else if (!t->kind->alb && msg->signer[0])
        sp_doc_err(build->doc, build->diag, msg, "signer", -1, "only tokens of AWS_ALB have one (use audiences)");
    else if (!t->kind->alb && !msg->n_audiences)
        sp_doc_err(build->doc, build->diag, msg, "audiences", -1,
                   "tokens for other applications would be taken (set audiences to the aud of yours)");
    else
        return true;
    return false;
}

bool sp_shield_token_init(struct sp_shield_token *t, const struct sp_filter_build *build, struct sp_arena *arena,
                          struct sp_stats_scope *scope, const Message *msg)
{
    assert(t && build && arena && scope && msg && msg->kind > 0 && (size_t)msg->kind < SP_ARRAY_LEN(kinds));
    *t = (struct sp_shield_token){
        .kind = &kinds[msg->kind],
        .n_audiences = (unsigned)msg->n_audiences,
        .signer = sp_arena_str(arena, sp_str_c(msg->signer)),
        .issuer = msg->issuer[0] ? sp_arena_str(arena, sp_str_c(msg->issuer)) : kinds[msg->kind].issuer,
        .skew_s = (int64_t)(sp_duration_or(msg->clock_skew, DEFAULT_SKEW_S * SP_NS_PER_S) / SP_NS_PER_S),
        .keep = msg->keep,
    };
    t->audiences = sp_arena_zalloc(arena, msg->n_audiences * sizeof(*t->audiences));
    for (size_t i = 0; i < msg->n_audiences; i++) {
        struct sp_str aud = sp_arena_str(arena, sp_str_c(msg->audiences[i]));
        t->audiences[i] = t->kind->alb ? aud : sp_jwt_audience(aud);
    }
    unsigned cached = msg->cache_size ? msg->cache_size->value : DEFAULT_CACHE;
    if (cached)
        t->cache = sp_jwt_cache_new(cached, MAX_CACHED_BYTES);
    bool good = names_ok(t, build, msg);
    return keys_init(t, build, arena, scope, msg) && good;
}

void sp_shield_token_done(struct sp_shield_token *t)
{
    sp_jwks_remote_free(t->remote);
    sp_jwt_cache_free(t->cache);
    *t = (struct sp_shield_token){0};
}
