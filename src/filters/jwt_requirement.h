/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a request has to carry (envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement), compiled to a tree.  In the
 * arena of the filter's config: immutable, any thread.
 */
#ifndef SP_FILTERS_JWT_REQUIREMENT_H
#define SP_FILTERS_JWT_REQUIREMENT_H

#include "filters/jwt_provider.h"

enum sp_jwt_requires {
    SP_JWT_PROVIDER,
    SP_JWT_ANY, /* children that let requests pass without a good token stand last */
    SP_JWT_ALL,
    SP_JWT_ALLOW_MISSING,
    SP_JWT_ALLOW_FAILED,
    SP_JWT_EXTRACT, /* the same, and a request with a bad token is marked */
};

struct sp_jwt_requirement {
    enum sp_jwt_requires kind;
    const struct sp_jwt_provider **providers; /* PROVIDER: one; ALLOW_*: whose tokens are looked at */
    unsigned n_providers;
    const struct sp_str *audiences; /* PROVIDER: in place of the provider's, if there are any */
    unsigned n_audiences;
    struct sp_jwt_requirement *children; /* ANY, ALL */
    unsigned n_children;
};

static inline bool sp_jwt_may_fail(const struct sp_jwt_requirement *r)
{
    return r->kind == SP_JWT_ALLOW_FAILED || r->kind == SP_JWT_EXTRACT;
}

/* All providers of a config. */
struct sp_jwt_providers {
    struct sp_jwt_provider *v;
    unsigned n;
};

/* False after an error. */
bool sp_jwt_requirement_init(struct sp_jwt_requirement *r, const struct sp_filter_build *build, struct sp_arena *arena,
                             const struct sp_jwt_providers *all,
                             const Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtRequirement *msg);

#endif
