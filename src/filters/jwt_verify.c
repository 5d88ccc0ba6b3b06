/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/jwt_verify.h"

#include <assert.h>

#include "crypto/hash.h"
#include "stream/stream.h"

static const struct sp_str ns = SP_STR_INIT("envoy.filters.http.jwt_authn");

enum { KEEP_WITHOUT_EXP = 3600 };

void sp_jwt_verifier_init(struct sp_jwt_verifier *v, struct sp_filter *f, struct sp_headers *request,
                          const struct sp_jwt_providers *all, const struct sp_jwt_stats *stats)
{
    assert(v && f && request && all && stats);
    *v = (struct sp_jwt_verifier){
        .filter = f,
        .request = request,
        .arena = sp_filter_arena(f),
        .all = all,
        .stats = stats,
        .now = sp_filter_turn(f)->wall_ns / (int64_t)SP_NS_PER_S,
        .worker = sp_stream_get_owner(sp_filter_stream(f))->worker,
    };
    v->located = sp_arena_zalloc(v->arena, all->n * sizeof(*v->located));
    v->failed = sp_arena_zalloc(v->arena, all->n * sizeof(*v->failed));
    v->last_result = &v->results;
}

void sp_jwt_verifier_done(struct sp_jwt_verifier *v)
{
    for (struct sp_jwt_token *t = v->tokens; t; t = t->next) {
        if (t->parsed)
            sp_jws_done(&t->jws);
        json_decref(t->payload);
    }
    v->tokens = NULL;
}

struct sp_jwt_located *sp_jwt_verifier_locate(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p)
{
    assert(v && p);
    struct sp_jwt_located *l = &v->located[p - v->all->v];
    if (!l->done) {
        l->how = sp_jwt_locate(&p->locations, v->request, v->arena, &l->token);
        l->done = true;
    }
    return l;
}

static struct sp_jwt_token *token_of(struct sp_jwt_verifier *v, struct sp_str text)
{
    for (struct sp_jwt_token *t = v->tokens; t; t = t->next)
        if (sp_str_eq(t->text, text))
            return t;
    struct sp_jwt_token *t = sp_arena_zalloc(v->arena, sizeof(*t));
    t->text = text;
    t->next = v->tokens;
    v->tokens = t;
    return t;
}

static enum sp_jwt_status parse(struct sp_jwt_verifier *v, struct sp_jwt_token *t)
{
    if (t->parsed)
        return SP_JWT_OK;
    enum sp_jws_result r = sp_jws_parse(t->text, v->arena, &t->jws);
    if (r != SP_JWS_OK)
        return sp_jwt_status_of(r);
    t->parsed = true;
    if (!t->payload)
        t->payload = json_incref(t->jws.payload);
    return SP_JWT_OK;
}

/* The claims, of a token that a cache may have known. */
static enum sp_jwt_status read_claims(struct sp_jwt_verifier *v, struct sp_jwt_token *t)
{
    if (t->read)
        return t->status;
    t->read = true;
    t->status = t->payload ? SP_JWT_OK : parse(v, t);
    if (t->status == SP_JWT_OK)
        t->status = sp_jwt_claims_read(t->payload, &t->claims);
    return t->status;
}

static struct sp_jwt_result *result_of(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p,
                                       const struct sp_jwt_token *t)
{
    for (struct sp_jwt_result *r = v->results; r; r = r->next)
        if (r->provider == p && r->token == t)
            return r;
    return NULL;
}

static struct sp_jwt_result *add_result(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p,
                                        struct sp_jwt_token *t,
                                        enum sp_jwt_status signature)
{
    struct sp_jwt_result *r = sp_arena_zalloc(v->arena, sizeof(*r));
    r->provider = p;
    r->token = t;
    r->signature = signature;
    *v->last_result = r;
    v->last_result = &r->next;
    return r;
}

/* Asks the provider's cache; what it knows has a good signature. */
static void ask_cache(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p, struct sp_jwt_token *t,
                      const struct sp_jwks *keys, uint8_t key[SP_JWT_CACHE_KEY])
{
    if (!p->cache || !keys || result_of(v, p, t))
        return;
    struct sp_jwt_claims claims;
    json_t *payload = sp_jwt_cache_get(p->cache, v->worker, t->text, sp_jwks_id(keys), v->now, key, &claims);
    sp_counter_inc(payload ? v->stats->jwt_cache_hit : v->stats->jwt_cache_miss);
    if (!payload)
        return;
    add_result(v, p, t, SP_JWT_OK);
    if (t->payload) {
        json_decref(payload);
        return;
    }
    t->payload = payload;
    t->claims = claims;
    t->status = SP_JWT_OK;
    t->read = true;
}

static enum sp_jwt_status check_signature(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p,
                                          struct sp_jwt_token *t, const struct sp_jwks *keys, const uint8_t key[SP_JWT_CACHE_KEY])
{
    struct sp_jwt_result *r = result_of(v, p, t);
    if (r)
        return r->signature;
    enum sp_jwt_status s = parse(v, t);
    if (s == SP_JWT_OK)
        s = keys ? sp_jwt_status_of(sp_jws_verify(&t->jws, keys)) : SP_JWT_FETCH;
    /* Nobody knows which key a token without kid was signed with. */
    if (s == SP_JWT_FETCH || s == SP_JWT_NO_KEY || (s == SP_JWT_SIGNATURE && !t->jws.kid.len))
        v->lacking = p->keys.remote;
    add_result(v, p, t, s);
    if (s == SP_JWT_OK && p->cache)
        sp_jwt_cache_put(p->cache, v->worker, t->text, sp_jwks_id(keys), key, t->payload, &t->claims,
                         t->claims.has_exp ? SP_MIN(t->claims.exp, INT64_MAX - p->clock_skew) + p->clock_skew
                                           : v->now + KEEP_WITHOUT_EXP);
    return s;
}

static bool lifetime_ok(const struct sp_jwt_provider *p, const struct sp_jwt_claims *c, int64_t now)
{
    if (!c->has_exp)
        return !p->require_expiration && !p->max_lifetime;
    return !p->max_lifetime || c->exp - now < p->max_lifetime;
}

static enum sp_jwt_status check_claims(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p,
                                       const struct sp_jwt_token *t,
                                       const struct sp_str *audiences, unsigned n_audiences)
{
    const struct sp_jwt_claims *c = &t->claims;
    if (p->issuer.len && !sp_str_eq(p->issuer, c->iss))
        return SP_JWT_ISSUER;
    if (p->subjects && !sp_string_match(p->subjects, c->sub))
        return SP_JWT_SUBJECT;
    enum sp_jwt_status s = sp_jwt_claims_check_time(c, v->now, p->clock_skew);
    if (s != SP_JWT_OK)
        return s;
    if (!lifetime_ok(p, c, v->now))
        return SP_JWT_LIFETIME;
    return sp_jwt_claims_audience_ok(c, audiences, n_audiences) ? SP_JWT_OK : SP_JWT_AUDIENCE;
}

/* The payload as metadata: some claims split at spaces into lists. */
static struct sp_str payload_json(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p, json_t *payload)
{
    json_t *copy = p->n_spaced ? json_copy(payload) : json_incref(payload);
    for (unsigned i = 0; i < p->n_spaced; i++) {
        struct sp_str rest = sp_json_str(copy, p->spaced[i].ptr), word;
        if (!rest.ptr)
            continue;
        json_t *list = json_array();
        while (sp_str_split(&rest, ' ', &word))
            if (word.len)
                json_array_append_new(list, json_stringn(word.ptr, word.len));
        json_object_set_new(copy, p->spaced[i].ptr, list);
    }
    struct sp_str text = sp_jwt_json(copy, v->arena);
    json_decref(copy);
    return text;
}

static void set_good_metadata(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p, struct sp_jwt_token *t)
{
    if (p->header_key.len && parse(v, t) == SP_JWT_OK) {
        json_t *header = sp_json_load(t->jws.header_json, SP_JWS_HEADER_DEPTH, SP_JWT_MAX_VALUES);
        sp_filter_set_metadata(v->filter, ns, p->header_key, sp_jwt_json(header, v->arena));
        json_decref(header);
    }
    if (p->payload_key.len)
        sp_filter_set_metadata(v->filter, ns, p->payload_key, payload_json(v, p, t->payload));
}

static enum sp_jwt_status failed(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p, enum sp_jwt_status s)
{
    if (s != SP_JWT_MISSING || v->all->n == 1)
        v->failed[p - v->all->v] = s;
    return s;
}

void sp_jwt_report(struct sp_jwt_verifier *v)
{
    assert(v);
    for (unsigned i = 0; i < v->all->n; i++) {
        enum sp_jwt_status s = v->failed[i];
        if (s == SP_JWT_OK || !v->all->v[i].failed_key.len)
            continue;
        sp_filter_set_metadata(v->filter, ns, v->all->v[i].failed_key,
                               sp_arena_printf(v->arena, "{\"code\":%u,\"message\":\"%.*s\"}", sp_jwt_status_code(s),
                                               SP_STR_ARG(sp_jwt_status_text(s))));
    }
}

/* `r`: a requirement whose audiences count in place of the provider's, or NULL. */
static enum sp_jwt_status check(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p, struct sp_str text,
                                const struct sp_jwt_requirement *r)
{
    uint8_t key[SP_JWT_CACHE_KEY];
    struct sp_jwt_token *t = token_of(v, text);
    bool own = r && r->n_audiences;
    /* Once: a newer set may come at any time, and the cache's key belongs to the set it was asked with. */
    const struct sp_jwks *keys = sp_jwt_keys_get(&p->keys);
    ask_cache(v, p, t, keys, key);
    enum sp_jwt_status s = read_claims(v, t);
    if (s == SP_JWT_OK)
        s = check_claims(v, p, t, own ? r->audiences : p->audiences, own ? r->n_audiences : p->n_audiences);
    if (s == SP_JWT_OK)
        s = check_signature(v, p, t, keys, key);
    if (s != SP_JWT_OK)
        return failed(v, p, s);
    struct sp_jwt_result *result = result_of(v, p, t);
    if (!result->good)
        set_good_metadata(v, p, t);
    result->good = true;
    return SP_JWT_OK;
}

static enum sp_jwt_status verify_provider(struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r)
{
    const struct sp_jwt_provider *p = r->providers[0];
    const struct sp_jwt_located *l = sp_jwt_verifier_locate(v, p);
    if (l->how == SP_JWT_FOUND_ONE)
        return check(v, p, l->token, r);
    return failed(v, p, l->how == SP_JWT_FOUND_NONE ? SP_JWT_MISSING : SP_JWT_MULTIPLE);
}

/* Whose token it is: of the provider with its issuer, else of one without; it has to read the place where it stands. */
static const struct sp_jwt_provider *owner(struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r,
                                           struct sp_str text,
                                           struct sp_str iss)
{
    const struct sp_jwt_provider *any = NULL;
    for (unsigned i = 0; i < r->n_providers; i++) {
        const struct sp_jwt_provider *p = r->providers[i];
        const struct sp_jwt_located *l = sp_jwt_verifier_locate(v, p);
        if (l->how != SP_JWT_FOUND_ONE || !sp_str_eq(l->token, text))
            continue;
        if (p->issuer.len && sp_str_eq(p->issuer, iss))
            return p;
        if (!p->issuer.len && !any)
            any = p;
    }
    return any;
}

static enum sp_jwt_status check_any_issuer(struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r,
                                           struct sp_str text)
{
    struct sp_jwt_token *t = token_of(v, text);
    enum sp_jwt_status s = read_claims(v, t);
    if (s != SP_JWT_OK)
        return s;
    const struct sp_jwt_provider *p = owner(v, r, text, t->claims.iss);
    return p ? check(v, p, text, NULL) : SP_JWT_ISSUER;
}

/* Every token has to be good, or else fails all; where they may fail the bad ones are only not used. */
static enum sp_jwt_status verify_bypass(struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r)
{
    enum sp_jwt_status worst = SP_JWT_OK;
    for (unsigned i = 0; i < r->n_providers; i++) {
        const struct sp_jwt_located *l = sp_jwt_verifier_locate(v, r->providers[i]);
        if (l->how == SP_JWT_FOUND_NONE)
            continue;
        enum sp_jwt_status s = l->how == SP_JWT_FOUND_MANY ? failed(v, r->providers[i], SP_JWT_MULTIPLE)
                                                           : check_any_issuer(v, r, l->token);
        if (s != SP_JWT_OK)
            worst = sp_jwt_status_worse(worst, s);
    }
    v->unverified |= r->kind == SP_JWT_EXTRACT && worst != SP_JWT_OK;
    return sp_jwt_may_fail(r) ? SP_JWT_OK : worst;
}

enum sp_jwt_status sp_jwt_verify(struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r)
{
    assert(v && r);
    enum sp_jwt_status s = SP_JWT_OK, all = SP_JWT_OK;
    switch (r->kind) {
    case SP_JWT_PROVIDER:
        return verify_provider(v, r);
    case SP_JWT_ALLOW_MISSING:
    case SP_JWT_ALLOW_FAILED:
    case SP_JWT_EXTRACT:
        return verify_bypass(v, r);
    case SP_JWT_ANY:
    case SP_JWT_ALL:
        break;
    }
    for (unsigned i = 0; i < r->n_children; i++) {
        s = sp_jwt_verify(v, &r->children[i]);
        if ((s == SP_JWT_OK) == (r->kind == SP_JWT_ANY))
            return s;
        all = sp_jwt_status_worse(all, s);
    }
    return all;
}
