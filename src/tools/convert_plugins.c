/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which plugins are carried over, which of their fields, and which routes lose a guard. */
#include <assert.h>

#include "filters/registry.h"
#include "tools/convert_parts.h"

enum kind {
    CARRIED,
    GUARD,   /* carried over, and decides who may pass */
    LOST,    /* is not */
    LOST_GUARD,
};

static const struct plugin {
    const char *name;
    enum kind kind;
    const char *needs; /* a filter, or NULL */
    const char *known; /* fields of config, as sp_kong_known has them */
} plugins[] = {
    {"ip-restriction", GUARD, NULL, "allow deny whitelist blacklist status=403 message="},
    {"mtls-auth", GUARD, NULL,
     "ca_certificates skip_consumer_lookup=true authenticated_group_by=CN revocation_check_mode=SKIP allow_partial_chain=false cache_ttl cert_cache_ttl "
     "http_timeout send_ca_dn=false consumer_by default_consumer="},
    {"jwt", GUARD, NULL,
     "uri_param_names cookie_names header_names key_claim_name=iss secret_is_base64 claims_to_verify maximum_expiration run_on_preflight=true realm="},
    {"openid-connect", GUARD, NULL,
     "issuer audience_required audience_claim=aud scopes_required scopes_claim roles_required roles_claim groups_required groups_claim auth_methods "
     "bearer_token_param_type leeway upstream_headers_claims upstream_headers_names hide_credentials client_id client_secret "
     "verify_claims=true verify_signature=true ssl_verify using_pseudo_issuer=false cache_ttl timeout=10000 client_auth run_on_preflight=true"},
    {"key-auth", GUARD, "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth",
     "key_names hide_credentials key_in_header key_in_query key_in_body=false run_on_preflight=true realm="},
    {"basic-auth", GUARD, "envoy.extensions.filters.http.basic_auth.v3.BasicAuth", "hide_credentials=false run_on_preflight=true realm"},
    {"acl", GUARD, NULL, "allow deny hide_groups_header=true always_use_authenticated_groups=false include_consumer_groups=false"},
    {"request-transformer", CARRIED, NULL, "remove rename replace add append http_method="},
    {"response-transformer", CARRIED, NULL, "remove rename replace add append"},
    {"rate-limiting", CARRIED, NULL,
     "second minute hour day month year limit_by header_name policy=local fault_tolerant=true hide_client_headers error_code "
     "error_message sync_rate path redis"},
    {"request-size-limiting", CARRIED, "envoy.extensions.filters.http.buffer.v3.Buffer",
     "allowed_payload_size size_unit require_content_length=false"},
    {"cors", CARRIED, "envoy.extensions.filters.http.cors.v3.Cors",
     "origins methods headers exposed_headers credentials max_age preflight_continue=false private_network=false allow_origin_absent"},
    {"request-termination", CARRIED, NULL, "status_code message body content_type"},
    {"correlation-id", CARRIED, NULL, "header_name=x-request-id generator echo_downstream=false"},
    {"key-auth-enc", LOST_GUARD, NULL, ""}, {"hmac-auth", LOST_GUARD, NULL, ""},
    {"ldap-auth", LOST_GUARD, NULL, ""}, {"ldap-auth-advanced", LOST_GUARD, NULL, ""}, {"oauth2", LOST_GUARD, NULL, ""},
    {"oauth2-introspection", LOST_GUARD, NULL, ""}, {"session", LOST_GUARD, NULL, ""}, {"jwt-signer", LOST_GUARD, NULL, ""},
    {"header-cert-auth", LOST_GUARD, NULL, ""}, {"vault-auth", LOST_GUARD, NULL, ""}, {"saml", LOST_GUARD, NULL, ""},
    {"opa", LOST_GUARD, NULL, ""}, {"tls-handshake-modifier", LOST_GUARD, NULL, ""}, {"bot-detection", LOST_GUARD, NULL, ""},
};

bool sp_convert_has(const char *type)
{
    const struct sp_filter_ops *const *table = sp_filter_registry();
    for (unsigned i = 0; table[i]; i++)
        if (strcmp(table[i]->type_url, type) == 0)
            return true;
    return false;
}

static const struct plugin *find(struct sp_str name)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(plugins); i++)
        if (sp_str_eq(name, sp_str_c(plugins[i].name)))
            return &plugins[i];
    return NULL;
}

/* An `anonymous` consumer lets everybody pass whom the plugin does not know. */
static bool is_open(const struct sp_kong_plugin *p)
{
    return sp_kong_str(p->config, "anonymous", SP_STR_NULL).len > 0;
}

struct counting {
    const struct sp_kong *kong;
    unsigned n;
};

static void count(void *ctx, const struct sp_node *consumer, const struct sp_node *credential)
{
    struct counting *x = ctx;
    (void)consumer, (void)credential;
    x->n++;
}

static bool has_credentials(const struct sp_convert *c, const char *kind)
{
    struct counting x = {.kong = &c->kong};
    sp_kong_credentials(&c->kong, kind, count, &x);
    return x.n > 0;
}

static bool is_carried(const struct sp_convert *c, const struct sp_kong_plugin *p)
{
    const struct plugin *known = find(p->name);
    if (!known || known->kind == LOST || known->kind == LOST_GUARD || (known->needs && !sp_convert_has(known->needs)))
        return false;
    if (sp_str_eq(p->name, SP_STR("jwt")))
        return has_credentials(c, "jwt_secrets") && sp_str_eq(sp_kong_str(p->config, "key_claim_name", SP_STR("iss")), SP_STR("iss"));
    if (sp_str_eq(p->name, SP_STR("key-auth")))
        return has_credentials(c, "keyauth_credentials");
    if (sp_str_eq(p->name, SP_STR("basic-auth"))) /* else passwords are hashed already */
        return has_credentials(c, "basicauth_credentials") && sp_kong_bool(c->file.root, "_transform", true);
    if (sp_str_eq(p->name, SP_STR("mtls-auth")))
        return sp_convert_has_tls(c) && sp_kong_count(sp_kong_get(p->config, "ca_certificates"));
    if (sp_str_eq(p->name, SP_STR("openid-connect")))
        return sp_str_istarts(sp_kong_str(p->config, "issuer", SP_STR_NULL), SP_STR("https://"));
    return true;
}

/* acl goes by who a consumer is, which others say. */
static bool acl_is_lost(const struct sp_convert *c, const struct sp_kong_route *r)
{
    static const char *const who[] = {"jwt", "key-auth", "basic-auth"};
    for (size_t i = 0; i < SP_ARRAY_LEN(who); i++) {
        const struct sp_kong_plugin *p = sp_kong_plugin_of(&c->kong, who[i], r);
        if (p && is_carried(c, p) && !is_open(p))
            return false;
    }
    return true;
}

const struct sp_kong_plugin *sp_convert_lost_guard(const struct sp_convert *c, const struct sp_kong_route *r)
{
    assert(c && r);
    for (unsigned i = 0; i < c->kong.n_plugins; i++) {
        const struct sp_kong_plugin *p = &c->kong.plugins[i];
        const struct plugin *known = sp_kong_applies(p, r) ? find(p->name) : NULL;
        if (!known || (known->kind != GUARD && known->kind != LOST_GUARD) || is_open(p) ||
            sp_kong_plugin_of(&c->kong, known->name, r) != p)
            continue;
        bool lost = sp_str_eq(p->name, SP_STR("acl")) ? acl_is_lost(c, r) : !is_carried(c, p);
        if (lost)
            return p;
    }
    return NULL;
}

/* Lua that may guard: the header it reads, if it is said in so many words. */
static struct sp_str header_of(const struct sp_node *config)
{
    static const char *const phases[] = {"access", "rewrite", "functions"};
    static const struct sp_str call = SP_STR_INIT("get_header(");
    for (size_t i = 0; i < SP_ARRAY_LEN(phases); i++) {
        const struct sp_node *list = sp_kong_get(config, phases[i]);
        for (unsigned j = 0; j < sp_kong_count(list); j++) {
            struct sp_str lua = sp_kong_item_str(list, j);
            ptrdiff_t at = sp_str_find(lua, call);
            if (at < 0)
                continue;
            struct sp_str rest = sp_str_trim(sp_str_sub(lua, (size_t)at + call.len, lua.len)), name;
            char quote = rest.len ? rest.ptr[0] : 0;
            rest = sp_str_sub(rest, 1, rest.len);
            if ((quote == '"' || quote == '\'') && sp_str_split(&rest, quote, &name))
                return name;
        }
    }
    return SP_STR_NULL;
}

static void inspect_lua(struct sp_convert *c, const struct sp_kong_plugin *p)
{
    struct sp_str header = header_of(p->config);
    if (header.len)
        sp_kong_drop(&c->file, p->node,
                     "plugin %.*s: Lua that reads the header %.*s. If it is a secret of the CDN's, use origin_shield with "
                     "proof: {secret_header: {name: %.*s, secrets: [{name: cdn, value: {filename: /etc/sallyport/origin-secret}}]}} "
                     "(docs/filters/origin_shield.md): without it THE ROUTE IS OPEN to whom the code refused",
                     SP_STR_ARG(p->name), SP_STR_ARG(header), SP_STR_ARG(header));
    else
        sp_kong_drop(&c->file, p->node, "plugin %.*s: Lua. If it refuses requests, THE ROUTE IS OPEN to them", SP_STR_ARG(p->name));
}

static const char *why_lost(const struct plugin *known)
{
    return known && known->needs                 ? "; this program has no such filter"
           : known && known->kind == GUARD       ? "; it lacks what it goes by (credentials, CAs, certificates, an issuer)"
                                                 : "";
}

static void inspect_one(struct sp_convert *c, const struct sp_kong_plugin *p)
{
    const struct plugin *known = find(p->name);
    bool lua = sp_str_eq(p->name, SP_STR("pre-function")) || sp_str_eq(p->name, SP_STR("post-function"));
    bool guard = known && (known->kind == GUARD || known->kind == LOST_GUARD);
    if (lua) {
        inspect_lua(c, p);
        return;
    }
    if (!is_carried(c, p)) {
        sp_kong_drop(&c->file, p->node, "plugin %.*s%s%s", SP_STR_ARG(p->name), why_lost(known),
                     guard && !is_open(p) ? "; what it guards answers 403 until you guard it otherwise" : "");
        return;
    }
    struct sp_str what = sp_arena_cat(&c->arena, SP_STR("plugin "), p->name);
    assert(known); /* or nothing of it was carried */
    sp_kong_known(&c->file, p->config, what, known->known);
    sp_kong_known(&c->file, p->node, what, "config enabled protocols service route run_on ordering");
    if (is_open(p))
        sp_kong_drop(&c->file, p->node, "plugin %.*s: anonymous: those whom it does not know are let pass, without a consumer", SP_STR_ARG(p->name));
}

void sp_convert_inspect(struct sp_convert *c)
{
    assert(c);
    for (unsigned i = 0; i < c->kong.n_plugins; i++)
        inspect_one(c, &c->kong.plugins[i]);
    for (unsigned i = 0; i < c->kong.consumers.n; i++)
        sp_kong_known(&c->file, c->kong.consumers.v[i], SP_STR("consumer"), "username custom_id jwt_secrets keyauth_credentials basicauth_credentials acls plugins");
}
