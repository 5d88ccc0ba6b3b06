/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/token_endpoint.h"

#include <assert.h>

#include "config/live_secret.h"
#include "config/no_cluster.h"
#include "crypto/ct.h"
#include "crypto/hash.h"
#include "crypto/sign_key.h"
#include "filters/jwt_claims.h"
#include "filters/token_answer.h"
#include "route/duration.h"

typedef Sallyport__Filters__Http__TokenIntrospection__V1__TokenIntrospection Message;
typedef Sallyport__Filters__Http__TokenIntrospection__V1__ClientAuth ClientAuth;
typedef Envoy__Config__Core__V3__DataSource Source;

#define METHOD(name) SALLYPORT__FILTERS__HTTP__TOKEN_INTROSPECTION__V1__CLIENT_AUTH__METHOD_##name
#define WHERE(name) SALLYPORT__FILTERS__HTTP__TOKEN_INTROSPECTION__V1__TOKEN_INTROSPECTION__WHERE_##name

enum { MAX_HEADERS = 3, DEFAULT_LIFETIME = 60 };

struct builder {
    const struct sp_filter_build *build;
    struct sp_arena *arena;
    struct sp_token_endpoint *e;
};

#define ERR(b, msg, field, ...) sp_doc_err((b)->build->doc, (b)->build->diag, msg, field, -1, __VA_ARGS__)

static bool timeout_init(const struct builder *b, const void *msg, const Google__Protobuf__Duration *timeout)
{
    b->e->timeout_ns = sp_duration_or(timeout, 2 * SP_NS_PER_S);
    if (b->e->timeout_ns > 0 && b->e->timeout_ns <= 30 * SP_NS_PER_S)
        return true;
    ERR(b, msg, "timeout", "over 0 and at most 30s: requests wait for it");
    return false;
}

/* Tokens and our secret go that way. */
static bool encrypted_as_said(const struct sp_fetch_target *t)
{
    return sp_str_eq(t->scheme, SP_STR("https")) == (sp_cluster_tls(t->cluster) != NULL);
}

static bool uri_init(const struct builder *b, const Envoy__Config__Core__V3__HttpUri *msg)
{
    struct sp_token_endpoint *e = b->e;
    bool good = timeout_init(b, msg, msg->timeout);
    e->name = sp_arena_str(b->arena, sp_str_c(msg->uri));
    const char *why = sp_fetch_split(e->name, &e->target);
    if (why)
        ERR(b, msg, "uri", "no introspection endpoint: %s", why);
    e->target.cluster = b->build->find_cluster(b->build->ctx, sp_str_c(msg->cluster));
    if (!e->target.cluster)
        sp_no_cluster_err(b->build->doc, b->build->diag, msg, "cluster", sp_str_c(msg->cluster));
    if (why || !e->target.cluster)
        return false;
    if (!encrypted_as_said(&e->target)) {
        ERR(b, msg, "uri", "it is %s, but the cluster '%s' speaks %s (tokens and our secret go that way)", e->target.scheme.ptr,
            msg->cluster, sp_cluster_tls(e->target.cluster) ? "TLS" : "no TLS");
        good = false;
    }
    return good;
}

static bool issuer_init(const struct builder *b,
                        const Sallyport__Filters__Http__TokenIntrospection__V1__DiscoveredEndpoint *msg)
{
    struct sp_token_endpoint *e = b->e;
    bool good = timeout_init(b, msg, msg->timeout);
    const Sallyport__Oidc__V1__Issuer *issuer = sp_oidc_find(b->build->doc, sp_str_c(msg->issuer));
    e->name = sp_arena_str(b->arena, sp_str_c(msg->issuer));
    if (!issuer) {
        ERR(b, msg, "issuer", "there is no issuer '%s' (name one of the bootstrap's sallyport.oidc.v1.Issuers)", msg->issuer);
        return false;
    }
    struct sp_stats_scope *scope = sp_stats_scope(b->build->scope, SP_STR("token_introspection"), NULL, SP_STR_NULL);
    e->discovery = (struct sp_jwks_stats){sp_stats_counter(scope, SP_STR("discovery_success")),
                                          sp_stats_counter(scope, SP_STR("discovery_failed"))};
    e->oidc = sp_oidc_new(b->build, issuer, SP_OIDC_INTROSPECTION, SP_STR("token_introspection"), &e->discovery);
    return e->oidc && good;
}

static bool secret_init(const struct builder *b, const void *msg, const char *field, const Source *source,
                        bool (*check)(void *ctx, const struct sp_doc *doc, struct sp_diag *diag, const Source *source,
                                      struct sp_str value),
                        void *ctx)
{
    if (!source) {
        ERR(b, msg, field, "it is required");
        return false;
    }
    const struct sp_live_secret_spec spec = {
        .source = source,
        .flags = SP_SECRET_CHOMP | SP_SECRET_NOT_EMPTY,
        .label = sp_arena_printf(b->arena, "token_introspection %s for %s", field, b->e->name.ptr),
        .check = check,
        .ctx = ctx,
    };
    b->e->secret = sp_live_secret_new(b->build->doc, b->build->diag, b->arena, &spec);
    return b->e->secret != NULL;
}

/* What goes into a header as it is. */
static bool check_bearer(void *ctx, const struct sp_doc *doc, struct sp_diag *diag, const Source *source, struct sp_str value)
{
    (void)ctx;
    if (sp_token_well_formed(value))
        return true;
    sp_source_err(doc, diag, source, NULL, "it is no bearer token (letters, digits and -._~+/, '=' at the end)");
    return false;
}

static bool check_key(void *ctx, const struct sp_doc *doc, struct sp_diag *diag, const Source *source, struct sp_str value)
{
    const struct sp_token_endpoint *e = ctx;
    const char *why;
    struct sp_sign_key *k = sp_sign_key_new(value, e->alg, &why);
    if (!k)
        sp_source_err(doc, diag, source, NULL, "%s", why);
    sp_sign_key_free(k);
    return k != NULL;
}

static bool plain(struct sp_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] >= 127 || s.ptr[i] == '"' || s.ptr[i] == '\\')
            return false;
    return true;
}

static bool key_init(const struct builder *b, const Sallyport__Filters__Http__TokenIntrospection__V1__PrivateKeyJwt *msg)
{
    struct sp_token_endpoint *e = b->e;
    bool good = true;
    e->alg = sp_arena_str(b->arena, sp_str_c(msg->alg));
    e->key_id = sp_arena_str(b->arena, sp_str_c(msg->key_id));
    e->audience = msg->audience[0] ? sp_arena_str(b->arena, sp_str_c(msg->audience)) : e->name;
    uint64_t ns = sp_duration_or(msg->lifetime, DEFAULT_LIFETIME * SP_NS_PER_S);
    e->lifetime = (int64_t)(ns / SP_NS_PER_S);
    if (ns < SP_NS_PER_S || ns > 600 * SP_NS_PER_S) {
        ERR(b, msg, "lifetime", "1s to 600s: an assertion is made for each request");
        good = false;
    }
    if (!plain(e->key_id)) {
        ERR(b, msg, "key_id", "only printable ASCII without quotes and backslashes");
        good = false;
    }
    return secret_init(b, msg, "private_key", msg->private_key, check_key, e) && good;
}

static bool auth_init(const struct builder *b, const ClientAuth *msg)
{
    struct sp_token_endpoint *e = b->e;
    const Sallyport__Filters__Http__TokenIntrospection__V1__ClientSecret *pair =
        msg->method_case == METHOD(BASIC) ? msg->basic : msg->post;
    e->method = msg->method_case;
    switch (msg->method_case) {
    case METHOD(BASIC):
    case METHOD(POST):
        e->client_id = sp_arena_str(b->arena, sp_str_c(pair->client_id));
        return secret_init(b, pair, "client_secret", pair->client_secret, NULL, NULL);
    case METHOD(BEARER):
        return secret_init(b, msg->bearer, "token", msg->bearer->token, check_bearer, NULL);
    case METHOD(PRIVATE_KEY_JWT):
        e->client_id = sp_arena_str(b->arena, sp_str_c(msg->private_key_jwt->client_id));
        return key_init(b, msg->private_key_jwt);
    case METHOD(TLS):
        e->client_id = sp_arena_str(b->arena, sp_str_c(msg->tls->client_id));
        if (e->target.cluster && !sp_cluster_tls(e->target.cluster)) {
            ERR(b, msg, "tls", "the cluster has no TLS, and so no client certificate");
            return false;
        }
        return true;
    default: /* the field rules demand one */
        return false;
    }
}

bool sp_token_endpoint_init(struct sp_token_endpoint *e, const struct sp_filter_build *build, struct sp_arena *arena,
                            const Message *msg)
{
    assert(e && build && arena && msg && msg->client_auth);
    const struct builder b = {build, arena, e};
    *e = (struct sp_token_endpoint){0};
    bool good = msg->where_case == WHERE(DISCOVERED) ? issuer_init(&b, msg->discovered) : uri_init(&b, msg->endpoint);
    return auth_init(&b, msg->client_auth) && good;
}

void sp_token_endpoint_done(struct sp_token_endpoint *e)
{
    assert(e);
    sp_oidc_free(e->oidc);
    e->oidc = NULL;
}

/* --- a request --- */

/* application/x-www-form-urlencoded, as RFC 6749 appendix B wants it also inside of Basic. */
static struct sp_str encoded(struct sp_arena *arena, struct sp_str s)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = sp_arena_alloc(arena, 3 * s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
            c == '~') {
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '%';
        out[n++] = digits[c >> 4];
        out[n++] = digits[c & 15];
    }
    return sp_str_n(out, n);
}

static struct sp_str basic(const struct sp_token_endpoint *e, struct sp_arena *arena, struct sp_str secret)
{
    struct sp_str id = encoded(arena, e->client_id), value = encoded(arena, secret);
    struct sp_str pair = sp_arena_printf(arena, "%.*s:%.*s", SP_STR_ARG(id), SP_STR_ARG(value));
    return sp_arena_cat(arena, SP_STR("Basic "), sp_base64_encode(arena, SP_BASE64, pair));
}

/* RFC 7523 section 3: each is used once. */
static struct sp_str assertion(const struct sp_token_endpoint *e, struct sp_arena *arena, struct sp_str pem, int64_t now)
{
    uint8_t random[16];
    const char *why;
    struct sp_sign_key *key = sp_sign_key_new(pem, e->alg, &why);
    if (!key)
        return SP_STR_NULL;
    sp_random_bytes(random, sizeof(random));
    struct sp_str id = sp_hex(arena, random, sizeof(random));
    json_t *claims = json_pack("{s:s%, s:s%, s:s%, s:s%, s:I, s:I}", "iss", e->client_id.ptr, e->client_id.len, "sub",
                               e->client_id.ptr, e->client_id.len, "aud", e->audience.ptr, e->audience.len, "jti", id.ptr, id.len,
                               "iat", (json_int_t)now, "exp", (json_int_t)now + (json_int_t)e->lifetime);
    struct sp_str jws = claims ? sp_sign_key_jws(key, e->key_id, sp_jwt_json(claims, arena), arena) : SP_STR_NULL;
    json_decref(claims);
    sp_sign_key_free(key);
    return jws;
}

static struct sp_str with_id(const struct sp_token_endpoint *e, struct sp_arena *arena, struct sp_str body)
{
    struct sp_str id = encoded(arena, e->client_id);
    return sp_arena_printf(arena, "%.*s&client_id=%.*s", SP_STR_ARG(body), SP_STR_ARG(id));
}

static bool authenticate(const struct sp_token_endpoint *e, struct sp_arena *arena, int64_t now, struct sp_str *body,
                         struct sp_str *ret_authorization)
{
    struct sp_str secret = e->secret ? sp_live_secret_get(e->secret) : SP_STR_NULL, made;
    if (e->method != METHOD(TLS) && !secret.len)
        return false;
    switch (e->method) {
    case METHOD(BASIC):
        *ret_authorization = basic(e, arena, secret);
        return true;
    case METHOD(BEARER):
        *ret_authorization = sp_arena_cat(arena, SP_STR("Bearer "), secret);
        return true;
    case METHOD(POST):
        *body = with_id(e, arena, *body);
        *body = sp_arena_cat(arena, sp_arena_cat(arena, *body, SP_STR("&client_secret=")), encoded(arena, secret));
        return true;
    case METHOD(PRIVATE_KEY_JWT):
        made = assertion(e, arena, secret, now);
        *body = sp_arena_cat(arena, with_id(e, arena, *body),
                             SP_STR("&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
                                    "&client_assertion="));
        *body = sp_arena_cat(arena, *body, made);
        return made.len > 0;
    default:
        *body = with_id(e, arena, *body);
        return true;
    }
}

/* NULL: not known, or not to be trusted with secrets. Until the end of this turn. */
static const struct sp_fetch_target *target_of(const struct sp_token_endpoint *e)
{
    const struct sp_oidc_facts *facts = e->oidc ? sp_oidc_facts(e->oidc) : NULL;
    const struct sp_fetch_target *t = e->oidc ? (facts ? &facts->introspection : NULL) : &e->target;
    return t && t->cluster && encrypted_as_said(t) && (e->method != METHOD(TLS) || sp_cluster_tls(t->cluster)) ? t : NULL;
}

enum sp_token_status sp_token_endpoint_request(const struct sp_token_endpoint *e, struct sp_str token, int64_t now,
                                               struct sp_arena *arena, struct sp_http_request *ret,
                                               struct sp_cluster **ret_cluster)
{
    assert(e && arena && ret && ret_cluster && token.len);
    const struct sp_fetch_target *t = target_of(e);
    if (!t)
        return SP_TOKEN_NO_ENDPOINT;
    struct sp_header *h = sp_arena_zalloc(arena, MAX_HEADERS * sizeof(*h));
    struct sp_str value = encoded(arena, token), authorization = SP_STR_NULL;
    struct sp_str body = sp_arena_printf(arena, "token=%.*s&token_type_hint=access_token", SP_STR_ARG(value));
    if (!authenticate(e, arena, now, &body, &authorization))
        return SP_TOKEN_NO_CREDENTIALS;
    h[0] = (struct sp_header){.name = SP_STR("content-type"), .value = SP_STR("application/x-www-form-urlencoded")};
    h[1] = (struct sp_header){.name = SP_STR("accept"), .value = SP_STR("application/json")};
    h[2] = (struct sp_header){.name = SP_STR("authorization"), .value = authorization, .never_index = true};
    *ret = (struct sp_http_request){
        .method = SP_STR("POST"),
        .scheme = t->scheme,
        .authority = t->authority,
        .path = t->path,
        .headers = h,
        .n_headers = authorization.len ? 3 : 2,
        .body = body,
        .timeout_ns = e->timeout_ns,
        .max_body = SP_TOKEN_ANSWER_MAX_BYTES,
    };
    *ret_cluster = t->cluster;
    return SP_TOKEN_OK;
}
