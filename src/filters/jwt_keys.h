/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys of a JwtProvider: local_jwks, read again when its file changes, remote_jwks, fetched, or, when it has neither, those
 * of its issuer, if the bootstrap has that one (sallyport.oidc.v1).  Part of the provider's config; any worker asks.
 */
#ifndef SP_FILTERS_JWT_KEYS_H
#define SP_FILTERS_JWT_KEYS_H

#include "filters/oidc_discovery.h"

struct sp_jwt_keys {
    struct sp_live *local;         /* or NULL */
    struct sp_oidc *issuer;        /* or NULL: the owner of remote */
    struct sp_jwks_remote *remote; /* or NULL */
};

/* False after an error; sp_jwt_keys_done is owed all the same. `name`: the provider's. */
bool sp_jwt_keys_init(struct sp_jwt_keys *k, const struct sp_filter_build *build, struct sp_arena *arena,
                      const struct sp_jwks_stats *stats, struct sp_str name,
                      const Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtProvider *msg);
void sp_jwt_keys_done(struct sp_jwt_keys *k);
/* Until the end of the turn; NULL: none was fetched yet. */
const struct sp_jwks *sp_jwt_keys_get(const struct sp_jwt_keys *k);

#endif
