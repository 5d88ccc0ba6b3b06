/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filters that let pass more than they seem to. */
#include "config/descriptor.h"
#include "envoy/extensions/filters/http/credential_injector/v3/credential_injector.pb-c.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb-c.h"
#include "envoy/extensions/filters/http/ratelimit/v3/rate_limit.pb-c.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb-c.h"
#include "sallyport/filters/http/claims_authz/v1/claims_authz.pb-c.h"
#include "sallyport/filters/http/token_introspection/v1/token_introspection.pb-c.h"
#include "tools/audit_look.h"

typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtAuthentication Jwt;
typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtProvider Provider;
typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtRequirement Requirement;
typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__RequirementRule Rule;
typedef Envoy__Extensions__Filters__Http__Ratelimit__V3__RateLimit RateLimit;
typedef Envoy__Config__Route__V3__RouteMatch Match;
typedef Envoy__Config__Rbac__V3__RBAC Rbac;
typedef Sallyport__Filters__Http__TokenIntrospection__V1__TokenIntrospection Introspection;

#define JWT_DESC &envoy__extensions__filters__http__jwt_authn__v3__jwt_authentication__descriptor
#define JWT_ROUTE_DESC &envoy__extensions__filters__http__jwt_authn__v3__per_route_config__descriptor
#define PROVIDER_DESC &envoy__extensions__filters__http__jwt_authn__v3__jwt_provider__descriptor
#define CLAIMS_DESC &sallyport__filters__http__claims_authz__v1__claims_authz__descriptor
#define TOKEN_DESC &sallyport__filters__http__token_introspection__v1__token_introspection__descriptor
#define RBAC_DESC &envoy__config__rbac__v3__rbac__descriptor
#define LIMIT_DESC &envoy__extensions__filters__http__ratelimit__v3__rate_limit__descriptor
#define LOCAL_DESC &envoy__extensions__filters__http__local_ratelimit__v3__local_rate_limit__descriptor
#define INJECTOR_DESC &envoy__extensions__filters__http__credential_injector__v3__credential_injector__descriptor
#define MATCH(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_##name
#define NEEDS(name) ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_REQUIREMENT__REQUIRES_TYPE_##name
#define NEEDS_ONE ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__REQUIREMENT_RULE__REQUIREMENT_TYPE_REQUIRES
#define NEEDS_NONE ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__REQUIREMENT_RULE__REQUIREMENT_TYPE__NOT_SET

/* ---- tokens ---- */

/* Behind jwt_authn another filter refuses who has no good token. */
static bool others_refuse(const struct sp_audit *a, const sp_look_hcm *hcm)
{
    size_t i = 0;
    const Introspection *t = sp_look_filter_as(a, hcm, &i, TOKEN_DESC);
    return sp_look_has_filter(a, hcm, CLAIMS_DESC) || (t && (!t->required || t->required->value));
}

static bool matches_all(const Match *m)
{
    if (!m || m->n_headers || m->n_query_parameters || m->runtime_fraction)
        return false;
    if (m->path_specifier_case == MATCH(SAFE_REGEX))
        return strcmp(m->safe_regex->regex, ".*") == 0 || strcmp(m->safe_regex->regex, "/.*") == 0;
    return m->path_specifier_case == MATCH(PREFIX) && (!m->prefix[0] || strcmp(m->prefix, "/") == 0);
}

static const Rule *rule_for_the_rest(const Jwt *j)
{
    for (size_t i = 0; i < j->n_rules; i++)
        if (matches_all(j->rules[i]->match))
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

/* Routes may name requirements themselves: whether all do. */
static bool routes_name_theirs(const struct sp_audit *a, const sp_look_hcm *hcm)
{
    const Envoy__Config__Route__V3__RouteConfiguration *r = sp_look_table(hcm);
    if (!r)
        return false;
    if (has_config(a, r->n_typed_per_filter_config, r->typed_per_filter_config))
        return true;
    for (size_t i = 0; i < r->n_virtual_hosts; i++) {
        const sp_look_vhost *v = r->virtual_hosts[i];
        if (has_config(a, v->n_typed_per_filter_config, v->typed_per_filter_config))
            continue;
        for (size_t k = 0; k < v->n_routes; k++)
            if (sp_look_action(v->routes[k]) && !has_config(a, v->routes[k]->n_typed_per_filter_config, v->routes[k]->typed_per_filter_config))
                return false;
    }
    return r->n_virtual_hosts > 0;
}

static void jwt_unmatched(struct sp_audit *a, const struct sp_look_chain *c)
{
    size_t i = 0;
    for (const Jwt *j; (j = sp_look_filter_as(a, c->hcm, &i, JWT_DESC));)
        if (!rule_for_the_rest(j) && !others_refuse(a, c->hcm) && !routes_name_theirs(a, c->hcm))
            sp_audit_found(a, j, "rules", -1, "no rule is for all paths, and what no rule matches needs no token");
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
            if (m && j->rules[k]->requirement_type_case == NEEDS_NONE && m->path_specifier_case == MATCH(PREFIX) && !matches_all(m))
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

static void token_optional(struct sp_audit *a, const struct sp_look_chain *c)
{
    size_t i = 0;
    for (const Introspection *t; (t = sp_look_filter_as(a, c->hcm, &i, TOKEN_DESC));)
        if (t->required && !t->required->value && !sp_look_has_filter(a, c->hcm, CLAIMS_DESC))
            sp_audit_found(a, t, "required", -1, "requests without a token pass, and no filter of this chain refuses them");
}

/* ---- rules over paths ---- */

static bool by_path(const ProtobufCMessage *m);

/* Messages in `m`, but not those in Any. */
static bool any_by_path(const ProtobufCMessage *m)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        if (f->type != PROTOBUF_C_TYPE_MESSAGE || !sp_field_is_set(m, f))
            continue;
        ProtobufCMessage **items = sp_field_ptr(m, f);
        size_t n = 1;
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            items = *(ProtobufCMessage ***)(void *)items;
            n = *sp_field_count(m, f);
        }
        for (size_t k = 0; k < n; k++)
            if (by_path(items[k]))
                return true;
    }
    return false;
}

static bool by_path(const ProtobufCMessage *m)
{
    if (strcmp(m->descriptor->package_name, "google.protobuf") == 0)
        return false;
    if (m->descriptor == &envoy__type__matcher__v3__path_matcher__descriptor)
        return true;
    if (m->descriptor == &envoy__config__rbac__v3__permission__descriptor &&
        ((const Envoy__Config__Rbac__V3__Permission *)m)->rule_case == ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_URI_TEMPLATE)
        return true;
    if (m->descriptor == &envoy__config__route__v3__header_matcher__descriptor &&
        strcmp(((const Envoy__Config__Route__V3__HeaderMatcher *)m)->name, ":path") == 0)
        return true;
    if (m->descriptor == &envoy__config__route__v3__route_match__descriptor)
        return !matches_all((const Match *)m);
    if (m->descriptor == &sallyport__filters__http__claims_authz__v1__request_part__descriptor)
        return ((const Sallyport__Filters__Http__ClaimsAuthz__V1__RequestPart *)m)->part_case ==
               SALLYPORT__FILTERS__HTTP__CLAIMS_AUTHZ__V1__REQUEST_PART__PART_PATH_SEGMENT;
    return any_by_path(m);
}

static void raw_paths(struct sp_audit *a, const struct sp_look_chain *c)
{
    for (size_t i = 0; c->hcm && !sp_look_true(c->hcm->normalize_path) && i < c->hcm->n_http_filters; i++) {
        const ProtobufCMessage *m = sp_look_filter(a, c->hcm, i);
        const struct sp_filter_ops *ops = sp_look_ops(m);
        if (m && ops && !ops->gate && by_path(m))
            sp_audit_found(a, m, NULL, -1, "its rules go by paths, which are matched as they were sent: /x/../admin is another one than /admin");
    }
}

static bool all_permissions(const Envoy__Config__Rbac__V3__Policy *p)
{
    for (size_t i = 0; i < p->n_permissions; i++)
        if (p->permissions[i]->rule_case == ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_ANY)
            return true;
    return false;
}

static bool all_principals(const Envoy__Config__Rbac__V3__Policy *p)
{
    for (size_t i = 0; i < p->n_principals; i++)
        if (p->principals[i]->identifier_case == ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_ANY)
            return true;
    return false;
}

static void rbac_any(struct sp_audit *a, const ProtobufCMessage *msg)
{
    const Rbac *r = (const Rbac *)msg;
    if (msg->descriptor != RBAC_DESC || r->action != ENVOY__CONFIG__RBAC__V3__RBAC__ACTION__ALLOW)
        return;
    for (size_t i = 0; i < r->n_policies; i++)
        if (r->policies[i]->value && all_permissions(r->policies[i]->value) && all_principals(r->policies[i]->value))
            sp_audit_found(a, r, "policies", (int)i, "this policy lets everybody do everything");
}

/* ---- failing open, limits ---- */

static void fails_open(struct sp_audit *a, const ProtobufCMessage *msg)
{
    const protobuf_c_boolean *allow = sp_look_field(msg, "failure_mode_allow", PROTOBUF_C_TYPE_BOOL);
    if (allow && *allow)
        sp_audit_found(a, msg, "failure_mode_allow", -1, "whoever keeps the service from answering is let in");
}

static void limit_open(struct sp_audit *a, const ProtobufCMessage *msg)
{
    const RateLimit *r = (const RateLimit *)msg;
    if (msg->descriptor == LIMIT_DESC && !r->failure_mode_deny && !r->failure_mode_deny_percent)
        sp_audit_found(a, msg, "failure_mode_deny", -1, "there are no limits while the service does not answer");
}

static void no_limit(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->hcm && c->outside && !sp_look_has_filter(a, c->hcm, LIMIT_DESC) && !sp_look_has_filter(a, c->hcm, LOCAL_DESC))
        sp_audit_found(a, c->hcm, "http_filters", -1, "one caller may take all that the origin can give");
}

static void from_client(struct sp_audit *a, const ProtobufCMessage *msg)
{
    if (msg->descriptor == INJECTOR_DESC && sp_doc_written(a->doc, msg, "overwrite") &&
        !((const Envoy__Extensions__Filters__Http__CredentialInjector__V3__CredentialInjector *)msg)->overwrite)
        sp_audit_found(a, msg, "overwrite", -1, "a client that sends the header itself keeps its own");
}

/* Our .proto files may not have it yet, or have it in a filter's part: it is known by its fields. */
static void cors(struct sp_audit *a, const ProtobufCMessage *msg)
{
    Google__Protobuf__BoolValue *const *credentials = sp_look_field(msg, "allow_credentials", PROTOBUF_C_TYPE_MESSAGE);
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, "allow_origin_string_match");
    if (!credentials || !*credentials || !(*credentials)->value || !f)
        return;
    Envoy__Type__Matcher__V3__StringMatcher *const *v = *(void **)sp_field_ptr(msg, f);
    for (size_t i = 0; i < *sp_field_count(msg, f); i++) {
        const Envoy__Type__Matcher__V3__StringMatcher *m = v[i];
        bool any = (m->match_pattern_case == ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_EXACT && strcmp(m->exact, "*") == 0) ||
                   (m->match_pattern_case == ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_PREFIX && strlen(m->prefix) <= 8) ||
                   (m->match_pattern_case == ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_SAFE_REGEX &&
                    strcmp(m->safe_regex->regex, ".*") == 0);
        if (any)
            sp_audit_found(a, msg, f->name, (int)i, "every site may ask in the name of its visitors, with their cookies");
    }
}

static const struct sp_audit_check checks[] = {
    {"jwt-unmatched", SP_AUDIT_HIGH, "paths that no JWT rule matches need no token", "end the rules with {match: {prefix: /}, requires: ...}",
     SP_CONTROL_TOKENS, .chain = jwt_unmatched},
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
    {"token-optional", SP_AUDIT_MEDIUM, "requests without an opaque token pass",
     "take required: false out, or put claims_authz behind it, which refuses strangers", SP_CONTROL_TOKENS, .chain = token_optional},
    {"rules-by-raw-path", SP_AUDIT_HIGH, "a filter decides by paths that are not normalised",
     "set normalize_path and merge_slashes, and path_with_escaped_slashes_action", SP_CONTROL_PATHS, .chain = raw_paths},
    {"rbac-any", SP_AUDIT_MEDIUM, "a policy that lets everybody do everything", "name permissions or principals", SP_CONTROL_CALLER,
     .message = rbac_any},
    {"fails-open", SP_AUDIT_HIGH, "a filter that lets pass whom it cannot judge", "take failure_mode_allow out", SP_CONTROL_CALLER,
     .message = fails_open},
    {"limit-fails-open", SP_AUDIT_LOW, "no limits while the rate limit service is away", "set failure_mode_deny: true",
     SP_CONTROL_EVERYTHING, .message = limit_open},
    {"no-rate-limit", SP_AUDIT_INFO, "requests are not limited", "add local_ratelimit or ratelimit, unless the CDN limits them",
     SP_CONTROL_EVERYTHING, .chain = no_limit},
    {"credential-from-client", SP_AUDIT_MEDIUM, "clients may send the origin's credential themselves", "take overwrite: false out",
     SP_CONTROL_DOOR, .message = from_client},
    {"cors-any-origin", SP_AUDIT_HIGH, "every site may read answers that are meant for a user", "name the sites", SP_CONTROL_CALLER,
     .message = cors},
};

const struct sp_audit_area sp_audit_filters = {"Filters", checks, SP_ARRAY_LEN(checks)};
