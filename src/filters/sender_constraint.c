/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sallyport.filters.http.sender_constraint.v1: access tokens that are bound to a certificate (RFC 8705) or a key (RFC
 * 9449) pass only from who has it.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "filters/dpop_nonce.h"
#include "filters/dpop_proof.h"
#include "filters/dpop_uri.h"
#include "filters/gate.h"
#include "filters/registry.h"
#include "filters/sender_config.h"

#define BINDING(name) SALLYPORT__FILTERS__HTTP__SENDER_CONSTRAINT__V1__BINDING__##name

enum { CLAIMS_DEPTH = 32, CLAIMS_VALUES = 4096 };

static const struct sp_str proof_header = SP_STR_INIT("dpop");

struct sender {
    struct sp_filter filter;
    struct sp_str next_nonce; /* for the answer; empty: none */
    bool proof_used;          /* verified, and taken from the set of unused ones */
    struct sp_dpop_proof proof;
};

static struct sender *of_filter(struct sp_filter *f)
{
    return SP_CONTAINER_OF(f, struct sender, filter);
}

static void *config_new(const struct sp_filter_build *build, const ProtobufCMessage *msg)
{
    return sp_sender_config_new(build, msg);
}

static void config_free(void *config)
{
    sp_sender_config_free(config);
}

static void *route_config_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    const Sallyport__Filters__Http__SenderConstraint__V1__SenderConstraintPerRoute *msg = (const void *)base;
    struct sp_sender_route *r = sp_xcalloc(1, sizeof(*r));
    (void)build;
    r->disabled = msg->disabled;
    return r;
}

static void route_config_free(void *config)
{
    free(config);
}

static int64_t now_of(const struct sp_filter *f)
{
    return sp_filter_turn(f)->wall_ns / (int64_t)SP_NS_PER_S;
}

/* --- certificates --- */

static enum sp_sender_status check_certificate(const struct sp_filter *f, struct sp_str thumbprint)
{
    struct sp_arena *arena = sp_filter_arena(f);
    struct sp_str hash, have = sp_info_cert(sp_filter_info(f))->tls->peer_sha256;
    if (sp_base64_decode(arena, SP_BASE64URL_NOPAD, thumbprint, &hash) < 0 || hash.len != 32)
        return SP_SENDER_CNF;
    if (!have.len)
        return SP_SENDER_CERT_MISSING;
    return sp_str_eq(sp_hex(arena, hash.ptr, hash.len), have) ? SP_SENDER_OK : SP_SENDER_CERT_MISMATCH;
}

/* --- proofs --- */

/* What htu may be: the request's path behind each origin that we have. */
static struct sp_str *uris_of(const struct sp_filter *f, unsigned *ret_n)
{
    const struct sp_sender_config *c = f->config;
    const struct sp_headers *h = sp_filter_request(f);
    struct sp_arena *arena = sp_filter_arena(f);
    struct sp_str raw = sp_filter_info(f)->raw_path, path = raw.len && raw.ptr[0] == '/' ? raw : h->path;
    unsigned n = c->n_origins ? c->n_origins : 1;
    struct sp_str *v = sp_arena_zalloc(arena, n * sizeof(*v));
    *ret_n = 0;
    for (unsigned i = 0; i < n; i++) {
        struct sp_str origin = c->n_origins ? c->origins[i] : sp_arena_printf(arena, "%.*s://%.*s", SP_STR_ARG(h->scheme),
                                                                              SP_STR_ARG(h->authority));
        if (sp_dpop_uri(sp_arena_cat(arena, origin, path), arena, &v[*ret_n]))
            (*ret_n)++;
    }
    return v;
}

static enum sp_sender_status check_nonce(struct sender *s)
{
    const struct sp_sender_config *c = s->filter.config;
    struct sp_arena *arena = sp_filter_arena(&s->filter);
    int64_t now = now_of(&s->filter);
    if (!c->nonces)
        return SP_SENDER_OK;
    struct sp_str key = sp_sender_nonce_key(c);
    enum sp_dpop_nonce n = sp_dpop_nonce_check(key, c->nonce_lifetime, now, s->proof.nonce, arena);
    if (n != SP_DPOP_NONCE_GOOD)
        s->next_nonce = sp_dpop_nonce_make(key, c->nonce_lifetime, now, arena);
    return n == SP_DPOP_NONCE_BAD ? SP_SENDER_NONCE : SP_SENDER_OK;
}

/* Last of all: what it remembers is proven. */
static enum sp_sender_status use_once(const struct sender *s)
{
    const struct sp_sender_config *c = s->filter.config;
    struct sp_str id = sp_arena_printf(sp_filter_arena(&s->filter), "%s.%.*s", s->proof.jkt, SP_STR_ARG(s->proof.jti));
    switch (sp_replay_set_take(c->seen, id, now_of(&s->filter), s->proof.iat + c->window + 1)) {
    case SP_REPLAY_FRESH:
        return SP_SENDER_OK;
    case SP_REPLAY_SEEN:
        return SP_SENDER_PROOF_REPLAYED;
    default:
        return SP_SENDER_FULL;
    }
}

static enum sp_sender_status check_proof(struct sender *s, struct sp_str jkt)
{
    struct sp_filter *f = &s->filter;
    const struct sp_sender_config *c = f->config;
    const struct sp_headers *h = sp_filter_request(f);
    const struct sp_header *line = sp_headers_find(h, proof_header, NULL);
    if (!line)
        return SP_SENDER_PROOF_MISSING;
    if (sp_headers_find(h, proof_header, line))
        return SP_SENDER_PROOF_REPEATED;
    struct sp_dpop_expect e = {
        .method = h->method,
        .token = sp_filter_info(f)->access_token,
        .algs = c->algs,
        .n_algs = c->n_algs,
        .now = now_of(f),
        .window = c->window,
    };
    e.uris = uris_of(f, &e.n_uris);
    enum sp_sender_status status = sp_dpop_check(line->value, &e, sp_filter_arena(f), &s->proof);
    if (status != SP_SENDER_OK)
        return status;
    if (!sp_str_eq(jkt, sp_str_c(s->proof.jkt)))
        return SP_SENDER_PROOF_KEY;
    status = check_nonce(s);
    if (status != SP_SENDER_OK)
        return status;
    return use_once(s);
}

/* A second source of claims may name the same key, but the proof is used once. */
static enum sp_sender_status check_key(struct sender *s, struct sp_str jkt)
{
    if (sp_filter_info(&s->filter)->access_token_bearer)
        return SP_SENDER_BEARER;
    if (s->proof_used)
        return sp_str_eq(jkt, sp_str_c(s->proof.jkt)) ? SP_SENDER_OK : SP_SENDER_PROOF_KEY;
    enum sp_sender_status status = check_proof(s, jkt);
    s->proof_used = status == SP_SENDER_OK;
    return status;
}

/* --- claims --- */

struct bound {
    bool mtls, dpop;
};

static enum sp_sender_status check_cnf(struct sender *s, const json_t *cnf, struct bound *b)
{
    const struct sp_sender_config *c = s->filter.config;
    const json_t *x5t = json_object_get(cnf, "x5t#S256"), *jkt = json_object_get(cnf, "jkt");
    if (!json_is_object(cnf) || (x5t && !json_is_string(x5t)) || (jkt && !json_is_string(jkt)))
        return SP_SENDER_CNF;
    /* Bound in a way that nobody here can check: not a token that anybody may use. */
    if ((!x5t && !jkt) || (x5t && c->mtls == BINDING(OFF)) || (jkt && c->dpop == BINDING(OFF)))
        return SP_SENDER_CNF_UNKNOWN;
    enum sp_sender_status status = SP_SENDER_OK;
    if (x5t)
        status = check_certificate(&s->filter, sp_json_str(cnf, "x5t#S256"));
    if (jkt && status == SP_SENDER_OK)
        status = check_key(s, sp_json_str(cnf, "jkt"));
    b->mtls |= x5t != NULL;
    b->dpop |= jkt != NULL;
    return status;
}

static enum sp_sender_status check_claims(struct sender *s, struct sp_str json, struct bound *b)
{
    const struct sp_sender_config *c = s->filter.config;
    struct bound here = {false, false};
    json_t *claims = sp_json_load(json, CLAIMS_DEPTH, CLAIMS_VALUES);
    if (!json_is_object(claims)) {
        json_decref(claims);
        return SP_SENDER_NO_CLAIMS;
    }
    const json_t *cnf = json_object_get(claims, "cnf");
    enum sp_sender_status status = cnf ? check_cnf(s, cnf, &here) : SP_SENDER_OK;
    json_decref(claims);
    bool missing = (c->mtls == BINDING(REQUIRED) && !here.mtls) || (c->dpop == BINDING(REQUIRED) && !here.dpop) ||
                   (c->required && !here.mtls && !here.dpop);
    if (status == SP_SENDER_OK && missing)
        status = SP_SENDER_NOT_BOUND;
    b->mtls |= here.mtls;
    b->dpop |= here.dpop;
    return status;
}

static bool is_source(const struct sp_sender_config *c, const struct sp_metadata *m)
{
    for (unsigned i = 0; i < c->n_sources; i++)
        if (sp_str_eq(m->ns, c->sources[i].ns) && sp_str_eq(m->key, c->sources[i].key))
            return true;
    return false;
}

static enum sp_sender_status judge(struct sender *s, struct bound *b)
{
    const struct sp_sender_config *c = s->filter.config;
    const struct sp_stream_info *info = sp_filter_info(&s->filter);
    unsigned n = 0;
    if (info->access_tokens_differ)
        return SP_SENDER_TOKENS_DIFFER;
    for (const struct sp_metadata *m = info->metadata; m; m = m->next) {
        if (!is_source(c, m))
            continue;
        /* Claims of we know not which token: of a filter that does not note it. */
        enum sp_sender_status status = info->access_token.len ? check_claims(s, m->json, b) : SP_SENDER_NO_CLAIMS;
        if (status != SP_SENDER_OK)
            return status;
        n++;
    }
    if (n)
        return SP_SENDER_OK;
    /* A good token whose claims are not where the config says they are: nobody knows how it is bound. */
    if (info->access_token.len)
        return SP_SENDER_NO_CLAIMS;
    return c->required || c->mtls == BINDING(REQUIRED) || c->dpop == BINDING(REQUIRED) ? SP_SENDER_NO_TOKEN : SP_SENDER_OK;
}

/* --- answers --- */

static struct sp_str challenge(const struct sp_filter *f, enum sp_sender_status s)
{
    const struct sp_sender_config *c = f->config;
    struct sp_arena *arena = sp_filter_arena(f);
    struct sp_str error = sp_sender_status_error(s);
    bool about_certificates = c->dpop == BINDING(OFF) || s == SP_SENDER_CERT_MISSING || s == SP_SENDER_CERT_MISMATCH;
    if (about_certificates)
        return error.len ? sp_arena_printf(arena, "Bearer error=\"%.*s\"", SP_STR_ARG(error)) : SP_STR("Bearer realm=\"api\"");
    if (!error.len)
        return sp_arena_printf(arena, "DPoP algs=\"%.*s\"", SP_STR_ARG(c->algs_text));
    return sp_arena_printf(arena, "DPoP error=\"%.*s\", algs=\"%.*s\"", SP_STR_ARG(error), SP_STR_ARG(c->algs_text));
}

static void log_denial(const struct sp_filter *f, enum sp_sender_status s)
{
    const struct sp_headers *h = sp_filter_request(f);
    char peer[SP_ADDR_TEXT_MAX];
    struct sp_str path = sp_gate_log_path(h), word = sp_sender_status_word(s);
    sp_log_limited(sp_sender_status_ours(s) ? SP_LOG_WARNING : SP_LOG_INFO, "sender_constraint", 10, "%s %s: %.*s (%.*s %.*s)",
                   sp_filter_enforced(f) ? "refused" : "would refuse", sp_addr_ip_text(&sp_filter_info(f)->client, peer), SP_STR_ARG(word), SP_STR_ARG(h->method),
                   SP_STR_ARG(path));
}

static enum sp_status deny(struct sender *s, enum sp_sender_status status)
{
    struct sp_filter *f = &s->filter;
    const struct sp_sender_config *c = f->config;
    bool ours = sp_sender_status_ours(status);
    struct sp_header line = {.name = SP_STR("www-authenticate"), .id = SP_H_WWW_AUTHENTICATE};
    if (!ours)
        line.value = challenge(f, status);
    sp_counter_inc(ours ? c->errors : c->denied);
    log_denial(f, status);
    sp_filter_reply(f, &(struct sp_reply){
                           .status = sp_sender_status_code(status),
                           .body = sp_sender_status_body(status),
                           .details = sp_sender_status_details(status),
                           .headers = &line,
                           .n_headers = !ours,
                           .no_store = true,
                       });
    return SP_STOP;
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct sp_sender_config *c = f->config;
    const struct sp_sender_route *r = sp_filter_route_config(f);
    struct sender *s = of_filter(f);
    struct bound b = {false, false};
    (void)end;
    bool off = (r && r->disabled) || (c->bypass_preflight && sp_gate_preflight(h));
    enum sp_sender_status status = off ? SP_SENDER_OK : judge(s, &b);
    if (status != SP_SENDER_OK)
        return deny(s, status);
    if (!c->keep_proof)
        sp_headers_remove(h, proof_header);
    if (off)
        return SP_CONTINUE;
    sp_counter_inc(c->allowed);
    if (b.mtls)
        sp_counter_inc(c->mtls_bound);
    if (b.dpop)
        sp_counter_inc(c->dpop_bound);
    if (!b.mtls && !b.dpop)
        sp_counter_inc(c->unbound);
    return SP_CONTINUE;
}

/* RFC 9449 section 8.2: with any answer, ours or the origin's. */
static enum sp_status encode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct sender *s = of_filter(f);
    (void)end;
    if (s->next_nonce.len)
        sp_headers_set(h, SP_STR("dpop-nonce"), s->next_nonce);
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_sender_constraint_ops = {
    .name = "sender_constraint",
    .type_url = "sallyport.filters.http.sender_constraint.v1.SenderConstraint",
    .size = sizeof(struct sender),
    .config_new = config_new,
    .config_free = config_free,
    .route_type_url = "sallyport.filters.http.sender_constraint.v1.SenderConstraintPerRoute",
    .route_config_new = route_config_new,
    .route_config_free = route_config_free,
    .decode_headers = decode_headers,
    .encode_headers = encode_headers,
};
