/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Callers' tokens: who gets by without one, and which ones are good for more than was meant. */
#include "envoy/extensions/filters/http/api_key_auth/v3/api_key_auth.pb-c.h"
#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb-c.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"
#include "sallyport/filters/http/claims_authz/v1/claims_authz.pb-c.h"
#include "sallyport/filters/http/token_introspection/v1/token_introspection.pb-c.h"
#include "tools/audit_look.h"

typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtAuthentication Jwt;
typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtProvider Provider;
typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtRequirement Requirement;
typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__RequirementRule Rule;
typedef Envoy__Config__Route__V3__RouteMatch Match;
typedef Sallyport__Filters__Http__TokenIntrospection__V1__TokenIntrospection Introspection;

#define JWT_DESC &envoy__extensions__filters__http__jwt_authn__v3__jwt_authentication__descriptor
#define JWT_ROUTE_DESC &envoy__extensions__filters__http__jwt_authn__v3__per_route_config__descriptor
#define PROVIDER_DESC &envoy__extensions__filters__http__jwt_authn__v3__jwt_provider__descriptor
#define CLAIMS_DESC &sallyport__filters__http__claims_authz__v1__claims_authz__descriptor
#define TOKEN_DESC &sallyport__filters__http__token_introspection__v1__token_introspection__descriptor
#define AUTHZ_DESC &envoy__extensions__filters__http__ext_authz__v3__ext_authz__descriptor
#define KEY_DESC &envoy__extensions__filters__http__api_key_auth__v3__key_source__descriptor
#define MATCH(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_##name
#define NEEDS(name) ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_REQUIREMENT__REQUIRES_TYPE_##name
#define NEEDS_ONE ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__REQUIREMENT_RULE__REQUIREMENT_TYPE_REQUIRES
#define NEEDS_NONE ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__REQUIREMENT_RULE__REQUIREMENT_TYPE__NOT_SET

/* Behind jwt_authn another filter refuses who has no good token. */
static bool others_refuse(const struct sp_audit *a, const sp_look_hcm *hcm)
{
    size_t i = 0;
    const Introspection *t = sp_look_filter_as(a, hcm, &i, TOKEN_DESC);
    return sp_look_has_filter(a, hcm, CLAIMS_DESC) || sp_look_has_filter(a, hcm, AUTHZ_DESC) || (t && (!t->required || t->required->value));
}

static const Rule *rule_for_the_rest(const Jwt *j)
{
    for (size_t i = 0; i < j->n_rules; i++)
        if (sp_look_takes_all(j->rules[i]->match))
            return j->rules[i];
    return NULL;
}

static bool has_config(const struct sp_audit *a, size_t n, const void *entries)
{
    Envoy__Config__Route__V3__Route__TypedPerFilterConfigEntry *const *v = entries;
    for (size_t i = 0; i < n; i++)
        if (sp_doc_any_as(a->doc, v[i]->value, JWT_ROUTE_DESC))
            return true;
    return false;
}

/* Whether a route, or what it is in, names a requirement itself. */
static bool names_its_own(const struct sp_audit *a, const sp_look_vhost *v, const sp_look_route *r)
{
    return has_config(a, v->n_typed_per_filter_config, v->typed_per_filter_config) ||
           has_config(a, r->n_typed_per_filter_config, r->typed_per_filter_config);
}

/* Whether requirements are a matter of routes here, not of rules. */
static bool goes_by_route(const struct sp_audit *a, const sp_look_hcm *hcm)
{
    const Envoy__Config__Route__V3__RouteConfiguration *r = sp_look_table(hcm);
    if (r && has_config(a, r->n_typed_per_filter_config, r->typed_per_filter_config))
        return true;
    for (size_t i = 0; r && i < r->n_virtual_hosts; i++)
        for (size_t k = 0; k < r->virtual_hosts[i]->n_routes; k++)
            if (names_its_own(a, r->virtual_hosts[i], r->virtual_hosts[i]->routes[k]))
                return true;
    return false;
}

static void jwt_unmatched(struct sp_audit *a, const struct sp_look_chain *c)
{
    size_t i = 0;
    for (const Jwt *j; (j = sp_look_filter_as(a, c->hcm, &i, JWT_DESC));)
        if (!rule_for_the_rest(j) && !others_refuse(a, c->hcm) && (j->n_rules || !goes_by_route(a, c->hcm)))
            sp_audit_found(a, j, "rules", -1, "no rule is for all paths, and what no rule matches needs no token");
}

static void jwt_route_open(struct sp_audit *a, const struct sp_look_chain *c, const sp_look_vhost *v)
{
    size_t i = 0;
    const Envoy__Config__Route__V3__RouteConfiguration *table = sp_look_table(c->hcm);
    const Jwt *j = sp_look_filter_as(a, c->hcm, &i, JWT_DESC);
    if (!j || j->n_rules || others_refuse(a, c->hcm) || !goes_by_route(a, c->hcm) ||
        has_config(a, table->n_typed_per_filter_config, table->typed_per_filter_config))
        return;
    for (size_t k = 0; k < v->n_routes; k++)
        if (sp_look_action(v->routes[k]) && !names_its_own(a, v, v->routes[k]))
            sp_audit_found(a, v, "routes", (int)k, "no token is needed here, while other routes of this table want one");
}

static void jwt_open(struct sp_audit *a, const struct sp_look_chain *c)
{
    size_t i = 0;
    for (const Jwt *j; (j = sp_look_filter_as(a, c->hcm, &i, JWT_DESC));) {
        const Rule *r = rule_for_the_rest(j);
        if (r && r->requirement_type_case == NEEDS_NONE && !others_refuse(a, c->hcm))
            sp_audit_found(a, r, NULL, -1, "the rule for all paths requires nothing");
    }
}

static void jwt_exempt(struct sp_audit *a, const struct sp_look_chain *c)
{
    size_t i = 0;
    for (const Jwt *j; (j = sp_look_filter_as(a, c->hcm, &i, JWT_DESC));)
        for (size_t k = 0; k < j->n_rules; k++) {
            const Match *m = j->rules[k]->match;
            if (m && j->rules[k]->requirement_type_case == NEEDS_NONE && m->path_specifier_case == MATCH(PREFIX) && !sp_look_takes_all(m))
                sp_audit_found(a, j->rules[k], NULL, -1, "whatever begins with %s needs no token", m->prefix);
        }
}

enum lets { NOTHING, MISSING, ANYTHING };

/* The most that a requirement lets pass without a good token; *at: where it says so. */
static enum lets lets_pass(const Requirement *r, const Requirement **at)
{
    const Requirement *inner = NULL;
    enum lets most = NOTHING;
    if (!r)
        return NOTHING;
    *at = r;
    if (r->requires_type_case == NEEDS(EXTRACT_ONLY_WITHOUT_VALIDATION))
        return ANYTHING;
    if (r->requires_type_case == NEEDS(ALLOW_MISSING) || r->requires_type_case == NEEDS(ALLOW_MISSING_OR_FAILED))
        return MISSING;
    for (size_t i = 0; r->requires_type_case == NEEDS(REQUIRES_ANY) && i < r->requires_any->n_requirements; i++) {
        enum lets one = lets_pass(r->requires_any->requirements[i], &inner);
        if (one > most) {
            most = one;
            *at = inner;
        }
    }
    return most;
}

static void each_lax(struct sp_audit *a, const struct sp_look_chain *c, enum lets what, const char *text)
{
    size_t i = 0;
    const Requirement *at = NULL;
    for (const Jwt *j; (j = sp_look_filter_as(a, c->hcm, &i, JWT_DESC));) {
        for (size_t k = 0; k < j->n_rules; k++)
            if (j->rules[k]->requirement_type_case == NEEDS_ONE && lets_pass(j->rules[k]->requires, &at) == what)
                sp_audit_found(a, at, NULL, -1, "%s", text);
        for (size_t k = 0; k < j->n_requirement_map; k++)
            if (lets_pass(j->requirement_map[k]->value, &at) == what)
                sp_audit_found(a, at, NULL, -1, "%s", text);
    }
}

static void jwt_missing(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->hcm && !others_refuse(a, c->hcm))
        each_lax(a, c, MISSING, "requests without a token pass, and no filter of this chain refuses them");
}

static void jwt_unvalidated(struct sp_audit *a, const struct sp_look_chain *c)
{
    each_lax(a, c, ANYTHING, "claims are taken out of tokens that nobody has verified");
}

static void jwt_audience(struct sp_audit *a, const ProtobufCMessage *msg)
{
    if (msg->descriptor == PROVIDER_DESC && !((const Provider *)msg)->n_audiences)
        sp_audit_found(a, msg, "audiences", -1, "a token that the issuer made for any other service passes");
}

static void jwt_issuer(struct sp_audit *a, const ProtobufCMessage *msg)
{
    if (msg->descriptor == PROVIDER_DESC && !((const Provider *)msg)->issuer[0])
        sp_audit_found(a, msg, "issuer", -1, "whoever else signs with a key of this set is believed");
}

static void jwt_expiry(struct sp_audit *a, const ProtobufCMessage *msg)
{
    const Provider *p = (const Provider *)msg;
    if (msg->descriptor == PROVIDER_DESC && !p->require_expiration && !p->max_lifetime)
        sp_audit_found(a, msg, "require_expiration", -1, "a token without exp is good for ever");
}

static void jwt_query(struct sp_audit *a, const ProtobufCMessage *msg)
{
    const Provider *p = (const Provider *)msg;
    if (msg->descriptor != PROVIDER_DESC)
        return;
    if (p->n_from_params)
        sp_audit_found(a, msg, "from_params", -1, "tokens in URLs end in the logs and histories of all who see them");
    else if (!p->n_from_headers && !p->n_from_cookies)
        sp_audit_found(a, msg, NULL, -1, "by default tokens are also taken from the query (access_token), and URLs end in logs");
}

static void key_query(struct sp_audit *a, const ProtobufCMessage *msg)
{
    if (msg->descriptor == KEY_DESC && ((const Envoy__Extensions__Filters__Http__ApiKeyAuth__V3__KeySource *)msg)->query[0])
        sp_audit_found(a, msg, "query", -1, "keys in URLs end in the logs and histories of all who see them");
}

static void token_optional(struct sp_audit *a, const struct sp_look_chain *c)
{
    size_t i = 0;
    for (const Introspection *t; (t = sp_look_filter_as(a, c->hcm, &i, TOKEN_DESC));)
        if (t->required && !t->required->value && !sp_look_has_filter(a, c->hcm, CLAIMS_DESC))
            sp_audit_found(a, t, "required", -1, "requests without a token pass, and no filter of this chain refuses them");
}

static const struct sp_audit_check checks[] = {
    {"jwt-unmatched", SP_AUDIT_HIGH, "paths that no JWT rule matches need no token", "end the rules with {match: {prefix: /}, requires: ...}",
     SP_CONTROL_TOKENS, .chain = jwt_unmatched},
    {"jwt-route-open", SP_AUDIT_LOW, "a route that names no JWT requirement beside others that do",
     "give it a PerRouteConfig with requirement_name, if it is not meant to be open", SP_CONTROL_TOKENS, .vhost = jwt_route_open},
    {"jwt-open", SP_AUDIT_MEDIUM, "the JWT rule for all paths requires nothing", "give it requires, and name what is open before it",
     SP_CONTROL_TOKENS, .chain = jwt_open},
    {"jwt-exempt-prefix", SP_AUDIT_INFO, "a prefix that needs no token", "use path for one page, or path_separated_prefix", SP_CONTROL_TOKENS,
     .chain = jwt_exempt},
    {"jwt-missing-allowed", SP_AUDIT_MEDIUM, "requests without a token pass",
     "take allow_missing out, or put claims_authz behind it, which refuses strangers", SP_CONTROL_TOKENS, .chain = jwt_missing},
    {"jwt-unvalidated", SP_AUDIT_HIGH, "tokens that nobody verifies", "name a provider instead of extract_only_without_validation",
     SP_CONTROL_TOKENS, .chain = jwt_unvalidated},
    {"jwt-no-audience", SP_AUDIT_MEDIUM, "tokens made for other services pass", "set audiences", SP_CONTROL_TOKENS, .message = jwt_audience},
    {"jwt-no-issuer", SP_AUDIT_LOW, "the issuer of tokens is not looked at", "set issuer", SP_CONTROL_TOKENS, .message = jwt_issuer},
    {"jwt-no-expiry", SP_AUDIT_LOW, "tokens may live for ever", "set require_expiration: true", SP_CONTROL_TOKENS, .message = jwt_expiry},
    {"jwt-in-query", SP_AUDIT_LOW, "tokens are taken out of URLs",
     "set from_headers: [{name: authorization, value_prefix: \"Bearer \"}] and no from_params", SP_CONTROL_TOKENS, .message = jwt_query},
    {"key-in-query", SP_AUDIT_LOW, "API keys are taken out of URLs", "name a header instead", SP_CONTROL_TOKENS, .message = key_query},
    {"token-optional", SP_AUDIT_MEDIUM, "requests without an opaque token pass",
     "take required: false out, or put claims_authz behind it, which refuses strangers", SP_CONTROL_TOKENS, .chain = token_optional},
};

const struct sp_audit_area sp_audit_tokens = {"Tokens", checks, SP_ARRAY_LEN(checks)};
