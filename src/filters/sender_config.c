/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/sender_config.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/live_secret.h"
#include "crypto/ct.h"
#include "filters/dpop_uri.h"
#include "filters/place.h"
#include "route/duration.h"

typedef Sallyport__Filters__Http__SenderConstraint__V1__SenderConstraint Message;
typedef Sallyport__Filters__Http__SenderConstraint__V1__DpopProofs Proofs;

#define BINDING(name) SALLYPORT__FILTERS__HTTP__SENDER_CONSTRAINT__V1__BINDING__##name

enum { MIN_SECRET = 16, DEFAULT_CAPACITY = 1 << 20 };

/* Symmetric ones and "none" cannot be meant: the key is in the proof itself. */
static const struct sp_str known_algs[] = {
    SP_STR_INIT("RS256"), SP_STR_INIT("RS384"), SP_STR_INIT("RS512"), SP_STR_INIT("PS256"), SP_STR_INIT("PS384"),
    SP_STR_INIT("PS512"), SP_STR_INIT("ES256"), SP_STR_INIT("ES384"), SP_STR_INIT("ES512"), SP_STR_INIT("EdDSA"),
};

static uint8_t process_key[32];
static pthread_once_t process_key_once = PTHREAD_ONCE_INIT;

static void make_process_key(void)
{
    sp_random_bytes(process_key, sizeof(process_key));
}

struct sp_str sp_sender_nonce_key(const struct sp_sender_config *c)
{
    return c->nonce_secret ? sp_live_secret_get(c->nonce_secret) : sp_str_n((const char *)process_key, sizeof(process_key));
}

struct builder {
    const struct sp_filter_build *build;
    struct sp_sender_config *c;
};

#define ERR(b, msg, field, i, ...) sp_doc_err((b)->build->doc, (b)->build->diag, msg, field, i, __VA_ARGS__)

static bool algs_init(const struct builder *b, const Proofs *msg)
{
    struct sp_sender_config *c = b->c;
    struct sp_str *v = sp_arena_zalloc(&c->arena, (msg ? msg->n_algs : 0) * sizeof(*v));
    bool good = true;
    c->algs = known_algs;
    c->n_algs = SP_ARRAY_LEN(known_algs);
    for (size_t i = 0; msg && i < msg->n_algs; i++) {
        v[i] = sp_arena_str(&c->arena, sp_str_c(msg->algs[i]));
        bool known = false;
        for (unsigned j = 0; j < SP_ARRAY_LEN(known_algs); j++)
            known |= sp_str_eq(v[i], known_algs[j]);
        if (!known)
            ERR(b, msg, "algs", (int)i, "'%s' is none of RS256/384/512, PS256/384/512, ES256/384/512, EdDSA", msg->algs[i]);
        good &= known;
    }
    if (msg && msg->n_algs) {
        c->algs = v;
        c->n_algs = (unsigned)msg->n_algs;
    }
    c->algs_text = c->algs[0];
    for (unsigned i = 1; i < c->n_algs; i++)
        c->algs_text = sp_arena_printf(&c->arena, "%.*s %.*s", SP_STR_ARG(c->algs_text), SP_STR_ARG(c->algs[i]));
    return good;
}

static bool origins_init(const struct builder *b, const Proofs *msg)
{
    struct sp_sender_config *c = b->c;
    bool good = true;
    c->origins = sp_arena_zalloc(&c->arena, (msg ? msg->n_public_origins : 0) * sizeof(*c->origins));
    for (size_t i = 0; msg && i < msg->n_public_origins; i++) {
        struct sp_str uri = sp_str_c(msg->public_origins[i]), *o = &c->origins[c->n_origins++];
        /* What stands behind the authority is one slash then. */
        if (!sp_dpop_uri(uri, &c->arena, o) || sp_str_chr(sp_str_sub(*o, 8, o->len), '/') != (ptrdiff_t)o->len - 9 ||
            sp_str_chr(uri, '?') >= 0 || sp_str_chr(uri, '#') >= 0) {
            ERR(b, msg, "public_origins", (int)i, "'%s' is no scheme with an authority: https://api.example.com",
                msg->public_origins[i]);
            good = false;
            continue;
        }
        o->len--;
    }
    return good;
}

static bool long_enough(void *ctx, const struct sp_doc *doc, struct sp_diag *diag,
                        const Envoy__Config__Core__V3__DataSource *source, struct sp_str value)
{
    (void)ctx;
    if (value.len >= MIN_SECRET)
        return true;
    sp_source_err(doc, diag, source, NULL, "under 16 bytes: nonces could be guessed (make one with: openssl rand -hex 32)");
    return false;
}

static bool nonces_init(const struct builder *b, const Sallyport__Filters__Http__SenderConstraint__V1__Nonces *msg)
{
    struct sp_sender_config *c = b->c;
    uint64_t ns = sp_duration_or(msg->lifetime, 300 * SP_NS_PER_S);
    c->nonces = true;
    c->nonce_lifetime = (int64_t)(ns / SP_NS_PER_S);
    if (ns < SP_NS_PER_S || ns > 3600 * SP_NS_PER_S) {
        ERR(b, msg, "lifetime", -1, "1s to 1h");
        return false;
    }
    pthread_once(&process_key_once, make_process_key);
    if (!msg->secret)
        return true;
    const struct sp_live_secret_spec spec = {
        .source = msg->secret,
        .flags = SP_SECRET_CHOMP | SP_SECRET_NOT_EMPTY,
        .label = SP_STR("sender_constraint nonces"),
        .check = long_enough,
    };
    c->nonce_secret = sp_live_secret_new(b->build->doc, b->build->diag, &c->arena, &spec);
    return c->nonce_secret != NULL;
}

/* `outer`: the filter's, where a warning about proofs that are not written stands. */
static bool proofs_init(const struct builder *b, const Message *outer)
{
    struct sp_sender_config *c = b->c;
    const Proofs *msg = outer->proofs;
    uint64_t ns = sp_duration_or(msg ? msg->window : NULL, 60 * SP_NS_PER_S);
    bool good = algs_init(b, msg);
    good &= origins_init(b, msg);
    c->window = (int64_t)(ns / SP_NS_PER_S);
    c->keep_proof = msg && msg->keep_proof;
    bool only_mtls = c->dpop == BINDING(OFF) || (c->mtls == BINDING(REQUIRED) && c->dpop != BINDING(REQUIRED) && !msg);
    if (!c->n_origins && !only_mtls)
        sp_doc_warn(b->build->doc, b->build->diag, msg ? (const void *)msg : outer, msg ? "public_origins" : "proofs", -1,
                    "htu is compared with the host that the client names itself: a proof made for another server is taken when its "
                    "host is named (set proofs.public_origins, or let virtual hosts name their domains)");
    if (ns < SP_NS_PER_S || ns > 600 * SP_NS_PER_S) {
        ERR(b, msg, "window", -1, "1s to 600s: so long proofs are remembered");
        good = false;
    }
    if (msg && msg->nonces)
        good &= nonces_init(b, msg->nonces);
    return good;
}

static bool bindings_init(const struct builder *b, const Message *msg)
{
    struct sp_sender_config *c = b->c;
    c->sources = sp_arena_zalloc(&c->arena, msg->n_sources * sizeof(*c->sources));
    for (size_t i = 0; i < msg->n_sources; i++) {
        struct sp_sender_source *to = &c->sources[c->n_sources++];
        const char *ns = msg->sources[i]->metadata_namespace;
        to->ns = ns[0] ? sp_arena_str(&c->arena, sp_str_c(ns)) : SP_STR("envoy.filters.http.jwt_authn");
        to->key = sp_arena_str(&c->arena, sp_str_c(msg->sources[i]->key));
    }
    c->mtls = msg->mtls;
    c->dpop = msg->dpop;
    c->required = msg->required;
    c->bypass_preflight = msg->bypass_cors_preflight;
    bool mtls_off = c->mtls == BINDING(OFF), dpop_off = c->dpop == BINDING(OFF);
    if (mtls_off && dpop_off)
        ERR(b, msg, NULL, -1, "both mtls and dpop are OFF: it would check nothing (drop the filter)");
    if (dpop_off && msg->proofs)
        ERR(b, msg, "proofs", -1, "dpop is OFF: nobody reads proofs");
    return !(mtls_off && dpop_off) && !(dpop_off && msg->proofs);
}

struct sp_sender_config *sp_sender_config_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    assert(build && base);
    const Message *msg = (const void *)base;
    struct sp_sender_config *c = sp_xcalloc(1, sizeof(*c));
    const struct builder b = {build, c};
    sp_arena_init(&c->arena);
    bool good = bindings_init(&b, msg);
    good &= proofs_init(&b, msg);
    if (!good) {
        sp_sender_config_free(c);
        return NULL;
    }
    struct sp_hash place;
    sp_filter_place(build, "sender_constraint", NULL, NULL, &place);
    if (c->dpop != BINDING(OFF))
        c->seen = sp_replay_set_keep(&place, msg->proofs && msg->proofs->replay_capacity ? msg->proofs->replay_capacity->value
                                                                                         : DEFAULT_CAPACITY);
    struct sp_stats_scope *scope = sp_stats_scope(build->scope, SP_STR("sender_constraint"), NULL, SP_STR_NULL);
    c->allowed = sp_stats_counter(scope, SP_STR("allowed"));
    c->denied = sp_stats_counter(scope, SP_STR("denied"));
    c->errors = sp_stats_counter(scope, SP_STR("errors"));
    c->mtls_bound = sp_stats_counter(scope, SP_STR("mtls_bound"));
    c->dpop_bound = sp_stats_counter(scope, SP_STR("dpop_bound"));
    c->unbound = sp_stats_counter(scope, SP_STR("unbound"));
    return c;
}

void sp_sender_config_free(struct sp_sender_config *c)
{
    if (!c)
        return;
    sp_replay_set_free(c->seen);
    sp_arena_done(&c->arena);
    free(c);
}
