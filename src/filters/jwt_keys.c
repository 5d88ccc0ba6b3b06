/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/jwt_keys.h"

#include <assert.h>

#include "config/doc.h"
#include "config/secret.h"

typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtProvider JwtProvider;

#define SOURCE(x) ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_PROVIDER__JWKS_SOURCE_SPECIFIER_##x

/* What a load needs; lives as long as the document. */
struct local {
    const struct sp_doc *doc;
    const JwtProvider *msg;
};

static void *load(void *ctx, const void *old, struct sp_diag *diag)
{
    const struct local *l = ctx;
    struct sp_secret text;
    struct sp_arena arena;
    const char *why;
    (void)old;
    if (sp_secret_read(l->doc, diag, l->msg->local_jwks, SP_SECRET_NOT_EMPTY | SP_SECRET_LIVE, &text) < 0)
        return NULL;
    sp_arena_init(&arena);
    struct sp_jwks *keys = sp_jwks_new(sp_secret_str(&text), &arena, &why);
    sp_secret_done(&text);
    if (!keys)
        sp_doc_err(l->doc, diag, l->msg, "local_jwks", -1, "no key to verify with: %s", why);
    else if (why)
        sp_doc_warn(l->doc, diag, l->msg, "local_jwks", -1, "not all keys are used: %s", why);
    sp_arena_done(&arena);
    return keys;
}

static void free_keys(void *value)
{
    sp_jwks_free(value);
}

static const struct sp_live_kind kind = {.name = "key set", .load = load, .free = free_keys};

static bool local_init(struct sp_jwt_keys *k, const struct sp_filter_build *build, struct sp_arena *arena,
                       struct sp_str label, const JwtProvider *msg)
{
    struct local *l = sp_arena_zalloc(arena, sizeof(*l));
    *l = (struct local){build->doc, msg};
    k->local = sp_live_new(sp_doc_live(build->doc), &kind, label, l, NULL);
    sp_secret_watch(k->local, msg->local_jwks);
    return sp_live_load(k->local, build->diag);
}

static bool discovered_init(struct sp_jwt_keys *k, const struct sp_filter_build *build, const struct sp_jwks_stats *stats,
                            struct sp_str label, const JwtProvider *msg)
{
    const Sallyport__Oidc__V1__Issuer *issuer = sp_oidc_find(build->doc, sp_str_c(msg->issuer));
    if (!issuer) {
        sp_doc_err(build->doc, build->diag, msg, NULL, -1,
                   "it has no keys (set local_jwks or remote_jwks, or name its issuer, to the byte, in a bootstrap "
                   "extension sallyport.oidc.v1.Issuers)");
        return false;
    }
    k->issuer = sp_oidc_new(build, issuer, SP_OIDC_KEYS, label, stats);
    k->remote = k->issuer ? sp_oidc_keys(k->issuer) : NULL;
    return k->issuer != NULL;
}

bool sp_jwt_keys_init(struct sp_jwt_keys *k, const struct sp_filter_build *build, struct sp_arena *arena,
                      const struct sp_jwks_stats *stats, struct sp_str name, const JwtProvider *msg)
{
    assert(k && build && arena && stats && msg);
    *k = (struct sp_jwt_keys){0};
    struct sp_str label = sp_arena_printf(arena, "jwt_authn provider %.*s", SP_STR_ARG(name));
    switch (msg->jwks_source_specifier_case) {
    case SOURCE(LOCAL_JWKS):
        return local_init(k, build, arena, label, msg);
    case SOURCE(REMOTE_JWKS):
        k->remote = sp_jwks_remote_new(build, msg->remote_jwks, label, stats);
        return k->remote != NULL;
    default:
        return discovered_init(k, build, stats, label, msg);
    }
}

void sp_jwt_keys_done(struct sp_jwt_keys *k)
{
    assert(k);
    if (k->issuer)
        sp_oidc_free(k->issuer);
    else
        sp_jwks_remote_free(k->remote);
    *k = (struct sp_jwt_keys){0};
}

const struct sp_jwks *sp_jwt_keys_get(const struct sp_jwt_keys *k)
{
    assert(k);
    return k->remote ? sp_jwks_remote_keys(k->remote) : k->local ? sp_live_get(k->local) : NULL;
}
