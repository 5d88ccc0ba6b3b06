/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/jwt_requirement.h"

#include <assert.h>

#include "config/doc.h"

typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtRequirement JwtRequirement;

#define REQUIRES(x) ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_REQUIREMENT__REQUIRES_TYPE_##x

struct builder {
    const struct sp_filter_build *build;
    struct sp_arena *arena;
    const struct sp_jwt_providers *all;
};

#define ERR(b, msg, field, ...) sp_doc_err((b)->build->doc, (b)->build->diag, msg, field, -1, __VA_ARGS__)

static const struct sp_jwt_provider *find(const struct builder *b, const char *name)
{
    for (unsigned i = 0; i < b->all->n; i++)
        if (sp_str_eq(b->all->v[i].name, sp_str_c(name)))
            return &b->all->v[i];
    return NULL;
}

static void *pointers(const struct builder *b, size_t n)
{
    return sp_arena_zalloc(b->arena, n * sizeof(void *));
}

static bool provider_init(const struct builder *b, const void *msg, const char *name, struct sp_jwt_requirement *r)
{
    const struct sp_jwt_provider *p = find(b, name);
    if (!p) {
        ERR(b, msg, "provider_name", "there is no provider '%s' (name one of providers)", name);
        return false;
    }
    r->kind = SP_JWT_PROVIDER;
    r->providers = pointers(b, 1);
    r->providers[r->n_providers++] = p;
    return true;
}

static bool requirement_init(const struct builder *b, const JwtRequirement *msg, struct sp_jwt_requirement *r);

/* What a requirement is that lets requests pass without a good token; PROVIDER: none. */
static enum sp_jwt_requires bypass(const JwtRequirement *msg)
{
    switch (msg->requires_type_case) {
    case REQUIRES(ALLOW_MISSING):
        return SP_JWT_ALLOW_MISSING;
    case REQUIRES(ALLOW_MISSING_OR_FAILED):
        return SP_JWT_ALLOW_FAILED;
    case REQUIRES(EXTRACT_ONLY_WITHOUT_VALIDATION):
        return SP_JWT_EXTRACT;
    default:
        return SP_JWT_PROVIDER;
    }
}

static const char *provider_of(const JwtRequirement *msg)
{
    if (msg->requires_type_case == REQUIRES(PROVIDER_NAME))
        return msg->provider_name;
    return msg->requires_type_case == REQUIRES(PROVIDER_AND_AUDIENCES) ? msg->provider_and_audiences->provider_name
        : NULL;
}

/* Looks at the tokens of the providers that stand beside it; of all, when none does, and always where they are only extracted. */
static void bypass_init(const struct builder *b, JwtRequirement *const *beside, size_t n, enum sp_jwt_requires kind,
                        struct sp_jwt_requirement *r)
{
    r->kind = kind;
    r->providers = pointers(b, n + b->all->n);
    for (size_t i = 0; i < n; i++) {
        const char *name = provider_of(beside[i]);
        const struct sp_jwt_provider *p = name ? find(b, name) : NULL;
        if (p)
            r->providers[r->n_providers++] = p;
    }
    if (r->n_providers)
        return;
    for (unsigned i = 0; i < b->all->n; i++)
        r->providers[r->n_providers++] = &b->all->v[i];
}

static bool list_init(const struct builder *b, JwtRequirement *const *list, size_t n, bool any,
                      struct sp_jwt_requirement *r)
{
    enum sp_jwt_requires most = SP_JWT_PROVIDER, kind;
    bool good = true;
    r->kind = any ? SP_JWT_ANY : SP_JWT_ALL;
    r->children = sp_arena_zalloc(b->arena, (n + 1) * sizeof(*r->children));
    for (size_t i = 0; i < n; i++) {
        if (any && (kind = bypass(list[i])) != SP_JWT_PROVIDER)
            most = SP_MAX(most, kind);
        else
            good &= requirement_init(b, list[i], &r->children[r->n_children++]);
    }
    if (most != SP_JWT_PROVIDER)
        bypass_init(b, list, most == SP_JWT_EXTRACT ? 0 : n, most, &r->children[r->n_children++]);
    return good;
}

static bool requirement_init(const struct builder *b, const JwtRequirement *msg, struct sp_jwt_requirement *r)
{
    switch (msg->requires_type_case) {
    case REQUIRES(PROVIDER_NAME):
        return provider_init(b, msg, msg->provider_name, r);
    case REQUIRES(PROVIDER_AND_AUDIENCES):
        r->audiences = sp_jwt_audiences(b->arena, msg->provider_and_audiences->audiences,
                                        msg->provider_and_audiences->n_audiences);
        r->n_audiences = (unsigned)msg->provider_and_audiences->n_audiences;
        return provider_init(b, msg->provider_and_audiences, msg->provider_and_audiences->provider_name, r);
    case REQUIRES(REQUIRES_ANY):
        return list_init(b, msg->requires_any->requirements, msg->requires_any->n_requirements, true, r);
    case REQUIRES(REQUIRES_ALL):
        return list_init(b, msg->requires_all->requirements, msg->requires_all->n_requirements, false, r);
    case REQUIRES(ALLOW_MISSING):
    case REQUIRES(ALLOW_MISSING_OR_FAILED):
    case REQUIRES(EXTRACT_ONLY_WITHOUT_VALIDATION):
        bypass_init(b, NULL, 0, bypass(msg), r);
        return true;
    default:
        ERR(b, msg, NULL,
            "it requires nothing and would let everyone pass (leave `requires` out of the rule to mean that)");
        return false;
    }
}

bool sp_jwt_requirement_init(struct sp_jwt_requirement *r, const struct sp_filter_build *build, struct sp_arena *arena,
                             const struct sp_jwt_providers *all, const JwtRequirement *msg)
{
    assert(r && build && arena && all && msg);
    const struct builder b = {build, arena, all};
    *r = (struct sp_jwt_requirement){0};
    return requirement_init(&b, msg, r);
}
