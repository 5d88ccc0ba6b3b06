/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/jwt_verify.h"

#include <assert.h>

#include "base/log.h"
#include "crypto/hash.h"
#include "stream/stream.h"

static const struct sp_str ns = SP_STR_INIT("envoy.filters.http.jwt_authn");

enum { KEEP_WITHOUT_EXP = 3600 };

/* Where a provider's token stands. */
struct sp_jwt_located {
    bool done;
    enum sp_jwt_found how;
    struct sp_str token;
};

/* A token of the request. */
struct sp_jwt_token {
    struct sp_jwt_token *next;
    struct sp_str text;
    bool parsed; /* jws is set */
    struct sp_jws jws;
    json_t *payload; /* of jws or of a cache; its own reference */
    bool read;       /* status and claims are set */
    enum sp_jwt_status status;
    struct sp_jwt_claims claims;
};

/* What a provider's keys say of it. */
struct sp_jwt_result {
    struct sp_jwt_result *next;
    const struct sp_jwt_provider *provider;
    struct sp_jwt_token *token;
    enum sp_jwt_status signature;
    bool good; /* with all its claims: what it says is used */
};

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

static struct sp_jwt_located *locate(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p)
{
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
                      uint8_t key[32])
{
    if (!p->cache || result_of(v, p, t))
        return;
    json_t *payload = sp_jwt_cache_get(p->cache, v->worker, t->text, v->now, key);
    sp_counter_inc(payload ? v->stats->jwt_cache_hit : v->stats->jwt_cache_miss);
    if (!payload)
        return;
    add_result(v, p, t, SP_JWT_OK);
    if (t->payload)
        json_decref(payload);
    else
        t->payload = payload;
}

static enum sp_jwt_status check_signature(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p,
                                          struct sp_jwt_token *t,
                                          const uint8_t key[32])
{
    struct sp_jwt_result *r = result_of(v, p, t);
    if (r)
        return r->signature;
    enum sp_jwt_status s = parse(v, t);
    if (s == SP_JWT_OK)
        s = sp_jwt_status_of(sp_jws_verify(&t->jws, p->keys));
    add_result(v, p, t, s);
    if (s == SP_JWT_OK && p->cache)
        sp_jwt_cache_put(p->cache, v->worker, t->text, key, t->payload,
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
    if (p->failed_key.len && (s != SP_JWT_MISSING || v->all->n == 1))
        sp_filter_set_metadata(v->filter, ns, p->failed_key,
                               sp_arena_printf(v->arena, "{\"code\":%u,\"message\":\"%.*s\"}", sp_jwt_status_code(s),
                                               SP_STR_ARG(sp_jwt_status_text(s))));
    return s;
}

/* `r`: a requirement whose audiences count in place of the provider's, or NULL. */
static enum sp_jwt_status check(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p, struct sp_str text,
                                const struct sp_jwt_requirement *r)
{
    uint8_t key[32];
    struct sp_jwt_token *t = token_of(v, text);
    bool own = r && r->n_audiences;
    ask_cache(v, p, t, key);
    enum sp_jwt_status s = read_claims(v, t);
    if (s == SP_JWT_OK)
        s = check_claims(v, p, t, own ? r->audiences : p->audiences, own ? r->n_audiences : p->n_audiences);
    if (s == SP_JWT_OK)
        s = check_signature(v, p, t, key);
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
    const struct sp_jwt_located *l = locate(v, p);
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
        const struct sp_jwt_located *l = locate(v, p);
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

/* Every token has to be good, or else fails all; with ALLOW_FAILED the bad ones are only not used. */
static enum sp_jwt_status verify_bypass(struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r)
{
    enum sp_jwt_status worst = SP_JWT_OK;
    for (unsigned i = 0; i < r->n_providers; i++) {
        const struct sp_jwt_located *l = locate(v, r->providers[i]);
        if (l->how == SP_JWT_FOUND_NONE)
            continue;
        enum sp_jwt_status s = l->how == SP_JWT_FOUND_MANY ? failed(v, r->providers[i], SP_JWT_MULTIPLE)
                                                           : check_any_issuer(v, r, l->token);
        if (s != SP_JWT_OK)
            worst = sp_jwt_status_worse(worst, s);
    }
    return r->kind == SP_JWT_ALLOW_FAILED ? SP_JWT_OK : worst;
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

static void add_headers(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p, const struct sp_jwt_token *t)
{
    struct sp_headers *h = v->request;
    if (p->payload_header.len) {
        ptrdiff_t dot = sp_str_chr(t->text, '.');
        struct sp_str rest = sp_str_sub(t->text, (size_t)dot + 1, t->text.len), payload;
        sp_str_split(&rest, '.', &payload);
        static const struct sp_str pads[] = {SP_STR_INIT(""), SP_STR_INIT(""), SP_STR_INIT("=="), SP_STR_INIT("=")};
        sp_headers_add(h, p->payload_header,
                       sp_arena_cat(v->arena, payload, p->pad_payload ? pads[payload.len % 4] : pads[0]));
    }
    for (unsigned i = 0; i < p->n_claim_headers; i++) {
        const json_t *claim = sp_jwt_claim(t->payload, p->claim_headers[i].claim);
        struct sp_str text = sp_jwt_claim_text(claim, v->arena);
        if (text.ptr)
            sp_headers_add(h, p->claim_headers[i].header, text);
        else if (claim && json_string_length(claim))
            sp_log_limited(SP_LOG_WARNING, "jwt_authn", 10, "no header can carry the claim %.*s: %.*s is left out",
                           SP_STR_ARG(p->claim_headers[i].claim), SP_STR_ARG(p->claim_headers[i].header));
    }
}

static bool is_good(const struct sp_jwt_verifier *v, const struct sp_jwt_provider *p, struct sp_str text)
{
    for (const struct sp_jwt_result *r = v->results; r; r = r->next)
        if (r->good && (p ? r->provider == p : sp_str_eq(r->token->text, text)))
            return true;
    return false;
}

static void remove_unverified(struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r)
{
    if (r->kind == SP_JWT_PROVIDER) {
        const struct sp_jwt_provider *p = r->providers[0];
        const struct sp_jwt_located *l = locate(v, p);
        bool verified = is_good(v, p, SP_STR_NULL) || (l->how == SP_JWT_FOUND_ONE && is_good(v, NULL, l->token));
        if (l->how != SP_JWT_FOUND_NONE && !p->forward && !verified)
            sp_jwt_remove(&p->locations, v->request);
    }
    if (r->kind != SP_JWT_ANY && r->kind != SP_JWT_ALL)
        return;
    for (unsigned i = 0; i < r->n_children; i++)
        if (r->kind == SP_JWT_ANY && r->children[i].kind == SP_JWT_ALLOW_FAILED)
            return;
    for (unsigned i = 0; i < r->n_children; i++)
        remove_unverified(v, &r->children[i]);
}

void sp_jwt_apply(struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r)
{
    assert(v && r);
    bool clear = false;
    remove_unverified(v, r);
    for (const struct sp_jwt_result *good = v->results; good; good = good->next) {
        if (!good->good)
            continue;
        if (!good->provider->forward)
            sp_jwt_remove(&good->provider->locations, v->request);
        add_headers(v, good->provider, good->token);
        clear |= good->provider->clear_route;
    }
    if (clear)
        sp_filter_clear_route(v->filter);
}
