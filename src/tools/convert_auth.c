/* SPDX-License-Identifier: GPL-2.0-or-later */
/* jwt and openid-connect: what they require becomes requirements of one jwt_authn. */
#include <assert.h>
#include <inttypes.h>

#include "crypto/hash.h"
#include "tools/convert_auth.h"

/* --- jwt --- */

/* One credential is a provider of each plugin that asks for it. */
struct jwt {
    struct sp_convert *c;
    const struct sp_kong_plugin *p, *acl;
    unsigned indent, n, n_named;
    struct sp_str names; /* of those that acl admits: "{provider_name: x}, ..." */
};

/* A JWK's form of it. `base64`: it is written in one of its alphabets. */
static struct sp_str symmetric_key(struct sp_convert *c, struct sp_str secret, bool base64)
{
    static const enum sp_base64 kinds[] = {SP_BASE64, SP_BASE64URL_NOPAD, SP_BASE64URL_PAD};
    struct sp_str bytes = secret;
    for (size_t i = 0; base64 && i < SP_ARRAY_LEN(kinds); i++)
        if (sp_base64_decode(&c->arena, kinds[i], secret, &bytes) == 0)
            break;
    return sp_base64_encode(&c->arena, SP_BASE64URL_NOPAD, bytes);
}

static const char *key_of(struct jwt *x, const struct sp_node *credential, struct sp_str name)
{
    struct sp_convert *c = x->c;
    struct sp_str alg = sp_kong_str(credential, "algorithm", SP_STR("HS256")), secret = sp_kong_str(credential, "secret", SP_STR_NULL), text;
    if (!sp_str_starts(alg, SP_STR("HS")))
        return sp_source_of(c, credential, sp_kong_str(credential, "rsa_public_key", SP_STR_NULL), name, "pub");
    if (sp_kong_source(&c->kong, secret, &text) != SP_KONG_INLINE) {
        sp_kong_drop(&c->file, credential, "jwt_secret %.*s: its secret is elsewhere; put a JWKS with an \"oct\" key there", SP_STR_ARG(name));
        return sp_source_of(c, credential, secret, name, "jwks");
    }
    struct sp_str k = symmetric_key(c, secret, sp_kong_bool(x->p->config, "secret_is_base64", false));
    struct sp_str jwks = sp_arena_printf(&c->arena, "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"%.*s\",\"k\":\"%.*s\"}]}", SP_STR_ARG(alg), SP_STR_ARG(k));
    return sp_source_of(c, credential, jwks, name, "jwks");
}

static struct sp_str provider_name(struct jwt *x, const struct sp_node *consumer)
{
    struct sp_str who = consumer ? sp_kong_name(consumer, "username") : SP_STR("unknown");
    return sp_arena_printf(&x->c->arena, "jwt-%u-%.*s-%u", x->p->index, SP_STR_ARG(sp_slug(x->c, who)), x->n);
}

static void put_places(struct jwt *x)
{
    struct sp_convert *c = x->c;
    const struct sp_node *headers = sp_kong_get(x->p->config, "header_names"), *params = sp_kong_get(x->p->config, "uri_param_names");
    const struct sp_node *cookies = sp_kong_get(x->p->config, "cookie_names");
    sp_put(c, x->indent + 2, "from_headers:");
    for (unsigned i = 0; i < sp_kong_count(headers); i++)
        sp_put(c, x->indent + 2, "- {name: %s, value_prefix: \"Bearer \"}", sp_quoted(c, sp_kong_item_str(headers, i)));
    if (!headers)
        sp_put(c, x->indent + 2, "- {name: authorization, value_prefix: \"Bearer \"}");
    sp_put(c, x->indent + 2, "from_params: %s", params ? sp_quoted_list(c, params) : "[jwt]");
    if (sp_kong_count(cookies))
        sp_put(c, x->indent + 2, "from_cookies: %s", sp_quoted_list(c, cookies));
}

static void put_provider(void *ctx, const struct sp_node *consumer, const struct sp_node *credential)
{
    struct jwt *x = ctx;
    struct sp_convert *c = x->c;
    struct sp_str name = provider_name(x, consumer), key = sp_kong_str(credential, "key", SP_STR_NULL);
    x->n++;
    sp_kong_known(&c->file, credential, SP_STR("jwt_secret"), "key secret algorithm rsa_public_key consumer");
    if (!key.len) {
        sp_kong_drop(&c->file, credential, "jwt_secret without a key, which Kong would make up");
        key = sp_arena_printf(&c->arena, "no-key-%u", x->n);
    }
    sp_put_remark(c, x->indent, credential, "jwt_secret of consumer %.*s", SP_STR_ARG(sp_kong_name(consumer, "username")));
    sp_put(c, x->indent, "%s:", sp_quoted(c, name));
    sp_put(c, x->indent + 2, "issuer: %s", sp_quoted(c, key));
    put_places(x);
    sp_put(c, x->indent + 2, "forward: true");
    if (sp_kong_has(sp_kong_get(x->p->config, "claims_to_verify"), SP_STR("exp")))
        sp_put(c, x->indent + 2, "require_expiration: true");
    uint64_t most = sp_kong_u64(x->p->config, "maximum_expiration", 0);
    if (most)
        sp_put(c, x->indent + 2, "max_lifetime: %" PRIu64 "s", most);
    sp_put(c, x->indent + 2, "clock_skew_seconds: 1");
    sp_put(c, x->indent + 2, "local_jwks: %s", key_of(x, credential, name));
}

static void name_provider(void *ctx, const struct sp_node *consumer, const struct sp_node *credential)
{
    struct jwt *x = ctx;
    struct sp_str name = provider_name(x, consumer);
    (void)credential;
    x->n++;
    if (!sp_convert_acl_admits(x->c, x->acl, consumer))
        return;
    x->names = sp_arena_printf(&x->c->arena, "%.*s%s{provider_name: %s}", SP_STR_ARG(x->names), x->n_named ? ", " : "", sp_quoted(x->c, name));
    x->n_named++;
}

/* --- openid-connect --- */

static void inspect_oidc(struct sp_convert *c, const struct sp_kong_plugin *p)
{
    const struct sp_node *methods = sp_kong_get(p->config, "auth_methods"), *required = sp_kong_get(p->config, "audience_required");
    if (!methods || sp_kong_count(methods) != 1 || !sp_kong_has(methods, SP_STR("bearer")))
        sp_kong_drop(&c->file, methods ? methods : p->node, "plugin openid-connect: of its auth_methods only bearer (JWTs)");
    if (!sp_kong_count(required))
        sp_kong_note(&c->file, p->node, "plugin openid-connect: no audience_required: tokens for any audience of the issuer are taken, as in Kong");
    if (sp_kong_get(p->config, "client_secret"))
        sp_kong_note(&c->file, p->node, "plugin openid-connect: client_id and client_secret are not needed for JWTs");
}

static void put_oidc(struct sp_convert *c, unsigned indent, const struct sp_kong_plugin *p)
{
    const struct sp_node *audience = sp_kong_get(p->config, "audience_required");
    inspect_oidc(c, p);
    sp_put_remark(c, indent, p->node, "plugin openid-connect");
    sp_put(c, indent, "oidc-%u:", p->index);
    sp_put(c, indent + 2, "issuer: %s", sp_quoted(c, sp_convert_issuer(p)));
    if (sp_kong_count(audience))
        sp_put(c, indent + 2, "audiences: %s", sp_quoted_list(c, audience));
    sp_put(c, indent + 2, "require_expiration: true");
    sp_put(c, indent + 2, "from_headers: [{name: authorization, value_prefix: \"Bearer \"}]");
    if (!sp_kong_bool(p->config, "hide_credentials", true))
        sp_put(c, indent + 2, "forward: true");
    sp_put(c, indent + 2, "clock_skew_seconds: %" PRIu64, SP_MAX(sp_kong_u64(p->config, "leeway", 0), (uint64_t)1));
    sp_put(c, indent + 2, "payload_in_metadata: oidc-%u", p->index);
    const struct sp_node *claims = sp_kong_get(p->config, "upstream_headers_claims"), *names = sp_kong_get(p->config, "upstream_headers_names");
    for (unsigned i = 0; i < sp_kong_count(claims) && i < sp_kong_count(names); i++) {
        if (i == 0)
            sp_put(c, indent + 2, "claim_to_headers:");
        sp_put(c, indent + 2, "- {header_name: %s, claim_name: %s}", sp_quoted(c, sp_kong_item_str(names, i)), sp_quoted(c, sp_kong_item_str(claims, i)));
    }
}

/* Kong: one of the list suffices, and one of the list is several words that all have to be there. */
static bool put_required(struct sp_convert *c, unsigned indent, const struct sp_kong_plugin *p, const char *field, const char *what)
{
    const struct sp_node *list = sp_kong_get(p->config, field);
    if (!sp_kong_count(list))
        return false;
    sp_put(c, indent, "- any_of:");
    sp_put(c, indent + 4, "requirements:");
    for (unsigned i = 0; i < sp_kong_count(list); i++) {
        struct sp_str rest = sp_kong_item_str(list, i), word, all = SP_STR_NULL;
        while (sp_str_split(&rest, ' ', &word))
            if (word.len)
                all = sp_arena_printf(&c->arena, "%.*s%s%s", SP_STR_ARG(all), all.len ? ", " : "", sp_quoted(c, word));
        sp_put(c, indent + 4, "- {%s: {all_of: [%.*s]}}", what, SP_STR_ARG(all));
    }
    return true;
}

static bool wants_claims(const struct sp_kong_plugin *p)
{
    return sp_kong_count(sp_kong_get(p->config, "scopes_required")) || sp_kong_count(sp_kong_get(p->config, "roles_required")) ||
           sp_kong_count(sp_kong_get(p->config, "groups_required"));
}

static bool any_claims(const struct sp_convert *c)
{
    for (unsigned i = 0; i < c->kong.n_plugins; i++)
        if (sp_convert_is_oidc(&c->kong.plugins[i]) && wants_claims(&c->kong.plugins[i]))
            return true;
    return false;
}

static void put_route_claims(struct sp_convert *c, unsigned indent, const struct sp_kong_plugin *p)
{
    sp_put(c, indent, "claims:");
    sp_put(c, indent + 2, "\"@type\": " SP_T "sallyport.filters.http.claims_authz.v1.ClaimsAuthzPerRoute");
    sp_put(c, indent + 2, "requires:");
    sp_put(c, indent + 4, "all_of:");
    sp_put(c, indent + 6, "requirements:");
    put_required(c, indent + 6, p, "scopes_required", "scopes");
    put_required(c, indent + 6, p, "roles_required", "roles");
    put_required(c, indent + 6, p, "groups_required", "groups");
}

/* A claim by a name of its own: of all such plugins, since the filter has one. */
static void put_claim_names(struct sp_convert *c, unsigned indent, const char *field, const char *to)
{
    struct sp_str out = SP_STR_NULL;
    for (unsigned i = 0; i < c->kong.n_plugins; i++) {
        const struct sp_node *path = sp_convert_is_oidc(&c->kong.plugins[i]) ? sp_kong_get(c->kong.plugins[i].config, field) : NULL;
        struct sp_str name = SP_STR_NULL;
        for (unsigned j = 0; j < sp_kong_count(path); j++)
            name = sp_arena_printf(&c->arena, "%.*s%s%.*s", SP_STR_ARG(name), j ? "." : "", SP_STR_ARG(sp_kong_item_str(path, j)));
        if (name.len && sp_str_find(out, sp_str_c(sp_quoted(c, name))) < 0)
            out = sp_arena_printf(&c->arena, "%.*s%s%s", SP_STR_ARG(out), out.len ? ", " : "", sp_quoted(c, name));
    }
    if (out.len)
        sp_put(c, indent, "%s: [%.*s]", to, SP_STR_ARG(out));
}

void sp_convert_claims(struct sp_convert *c, unsigned indent)
{
    if (!any_claims(c))
        return;
    sp_put(c, indent, "- name: claims");
    sp_put(c, indent + 2, "disabled: true");
    sp_put(c, indent + 2, "typed_config:");
    sp_put(c, indent + 4, "\"@type\": " SP_T "sallyport.filters.http.claims_authz.v1.ClaimsAuthz");
    sp_put(c, indent + 4, "sources:");
    for (unsigned i = 0; i < c->kong.n_plugins; i++)
        if (sp_convert_is_oidc(&c->kong.plugins[i]) && c->kong.plugins[i].first == &c->kong.plugins[i])
            sp_put(c, indent + 4, "- {key: oidc-%u}", c->kong.plugins[i].index);
    sp_put(c, indent + 4, "requires: {authenticated: true}");
    put_claim_names(c, indent + 4, "scopes_claim", "scope_claims");
    put_claim_names(c, indent + 4, "roles_claim", "role_claims");
    put_claim_names(c, indent + 4, "groups_claim", "group_claims");
}

/* --- what a route requires --- */

static struct sp_str requirement_name(struct sp_convert *c, const struct sp_kong_plugin *jwt, const struct sp_kong_plugin *acl,
                                      const struct sp_kong_plugin *oidc)
{
    struct sp_str s = SP_STR_NULL;
    if (jwt)
        s = sp_arena_printf(&c->arena, "jwt-%u", jwt->index);
    if (jwt && acl)
        s = sp_arena_printf(&c->arena, "%.*s-acl-%u", SP_STR_ARG(s), acl->index);
    if (oidc)
        s = sp_arena_printf(&c->arena, "%.*s%soidc-%u", SP_STR_ARG(s), s.len ? "-" : "", oidc->index);
    return s;
}

static const struct sp_kong_plugin *first_of(const struct sp_convert *c, const char *name, const struct sp_kong_route *r)
{
    const struct sp_kong_plugin *p = sp_kong_plugin_of(&c->kong, name, r);
    return p ? p->first : NULL;
}

static struct sp_convert_required find_required(const struct sp_convert *c, const struct sp_kong_route *r)
{
    struct sp_convert_required q = {first_of(c, "jwt", r), first_of(c, "acl", r), first_of(c, "openid-connect", r), first_of(c, "key-auth", r),
                                    first_of(c, "basic-auth", r)};
    if (q.jwt && sp_convert_is_open(q.jwt))
        q.jwt = NULL;
    if (q.oidc && (!sp_convert_is_oidc(q.oidc) || sp_convert_is_open(q.oidc)))
        q.oidc = NULL;
    if (q.key && (sp_convert_is_open(q.key) || !sp_convert_has(SP_KEY_AUTH)))
        q.key = NULL;
    if (q.basic && (sp_convert_is_open(q.basic) || !sp_convert_has(SP_BASIC_AUTH)))
        q.basic = NULL;
    return q;
}

static struct sp_convert_required required_of(struct sp_convert *c, const struct sp_kong_route *r)
{
    if (!c->required) {
        c->required = sp_arena_alloc(&c->arena, (c->kong.n_routes + 1) * sizeof(*c->required));
        for (unsigned i = 0; i < c->kong.n_routes; i++)
            c->required[i] = find_required(c, &c->kong.routes[i]);
    }
    return c->required[r - c->kong.routes];
}

static void put_requirement(struct sp_convert *c, unsigned indent, const struct sp_convert_required *q)
{
    struct jwt x = {.c = c, .p = q->jwt, .acl = q->acl};
    struct sp_str parts = SP_STR_NULL;
    if (q->jwt) {
        sp_kong_credentials(&c->kong, "jwt_secrets", name_provider, &x);
        if (x.n_named > 1)
            parts = sp_arena_printf(&c->arena, "{requires_any: {requirements: [%.*s]}}", SP_STR_ARG(x.names));
        else
            parts = x.names;
    }
    if (q->oidc)
        parts = sp_arena_printf(&c->arena, "%.*s%s{provider_name: oidc-%u}", SP_STR_ARG(parts), parts.len ? ", " : "", q->oidc->index);
    const char *name = sp_quoted(c, requirement_name(c, q->jwt, q->acl, q->oidc));
    if (q->jwt && q->oidc)
        sp_put(c, indent, "%s: {requires_all: {requirements: [%.*s]}}", name, SP_STR_ARG(parts));
    else
        sp_put(c, indent, "%s: %.*s", name, SP_STR_ARG(parts));
}

static bool same(const struct sp_convert_required *a, const struct sp_convert_required *b)
{
    return a->jwt == b->jwt && a->oidc == b->oidc && (a->acl == b->acl || !a->jwt);
}

/* acl that admits no holder of a credential: the route is refused in another way. */
static bool nobody(struct sp_convert *c, const struct sp_convert_required *q)
{
    struct jwt x = {.c = c, .p = q->jwt, .acl = q->acl};
    if (!q->jwt)
        return false;
    sp_kong_credentials(&c->kong, "jwt_secrets", name_provider, &x);
    return x.n_named == 0;
}

bool sp_convert_admits_nobody(struct sp_convert *c, const struct sp_kong_route *r)
{
    struct sp_convert_required q = required_of(c, r);
    return nobody(c, &q) || sp_convert_no_users(c, &q);
}

static void put_requirements(struct sp_convert *c, unsigned indent)
{
    bool first = true;
    for (unsigned i = 0; i < c->kong.n_routes; i++) {
        struct sp_convert_required q = required_of(c, &c->kong.routes[i]);
        bool known = (!q.jwt && !q.oidc) || nobody(c, &q);
        for (unsigned k = 0; k < i && !known; k++) {
            struct sp_convert_required before = required_of(c, &c->kong.routes[k]);
            known = same(&q, &before);
        }
        if (known)
            continue;
        if (first)
            sp_put(c, indent, "requirement_map:");
        first = false;
        put_requirement(c, indent + 2, &q);
    }
}

static bool uses(const struct sp_convert *c, const char *name)
{
    for (unsigned i = 0; i < c->kong.n_plugins; i++)
        if (sp_convert_is(&c->kong.plugins[i], name) && !sp_convert_is_open(&c->kong.plugins[i]) && (strcmp(name, "openid-connect") != 0 || sp_convert_is_oidc(&c->kong.plugins[i])))
            return true;
    return false;
}

static void put_jwt_filter(struct sp_convert *c, unsigned indent)
{
    bool jwt = uses(c, "jwt") && sp_convert_credentials(c, "jwt_secrets"), oidc = uses(c, "openid-connect");
    if (!jwt && !oidc)
        return;
    sp_put(c, indent, "- name: jwt");
    sp_put(c, indent + 2, "typed_config:");
    sp_put(c, indent + 4, "\"@type\": " SP_T "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication");
    sp_put(c, indent + 4, "providers:");
    for (unsigned i = 0; i < c->kong.n_plugins; i++) {
        const struct sp_kong_plugin *p = &c->kong.plugins[i];
        struct jwt x = {.c = c, .p = p, .indent = indent + 6};
        if (p->first != p)
            continue;
        if (sp_convert_is(p, "jwt") && jwt && !sp_convert_is_open(p))
            sp_kong_credentials(&c->kong, "jwt_secrets", put_provider, &x);
        else if (sp_convert_is_oidc(p) && !sp_convert_is_open(p))
            put_oidc(c, indent + 6, p);
    }
    put_requirements(c, indent + 4);
    if (jwt)
        sp_kong_note(&c->file, NULL, "plugin jwt: exp and nbf are checked wherever they are; X-Consumer-* headers are not sent");
}

/* --- all of it --- */

void sp_convert_auth(struct sp_convert *c, unsigned indent)
{
    put_jwt_filter(c, indent);
    sp_convert_keys(c, indent);
}

void sp_convert_route_auth(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r)
{
    struct sp_convert_required q = required_of(c, r);
    const struct sp_kong_plugin *from = q.jwt ? q.jwt : q.oidc;
    if (from) {
        sp_put_remark(c, indent, from->node, "plugin %.*s", SP_STR_ARG(from->name));
        sp_put(c, indent, "jwt: {\"@type\": " SP_T "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig, requirement_name: %s}",
               sp_quoted(c, requirement_name(c, q.jwt, q.acl, q.oidc)));
    }
    if (q.oidc && wants_claims(q.oidc))
        put_route_claims(c, indent, q.oidc);
    sp_convert_route_keys(c, indent, &q);
}
