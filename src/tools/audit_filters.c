/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filters that let pass more than they seem to. */
#include "config/descriptor.h"
#include "envoy/extensions/filters/http/credential_injector/v3/credential_injector.pb-c.h"
#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb-c.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb-c.h"
#include "envoy/extensions/filters/http/ratelimit/v3/rate_limit.pb-c.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb-c.h"
#include "sallyport/filters/http/claims_authz/v1/claims_authz.pb-c.h"
#include "tools/audit_look.h"

typedef Envoy__Extensions__Filters__Http__Ratelimit__V3__RateLimit RateLimit;
typedef Envoy__Config__Route__V3__RouteMatch Match;
typedef Envoy__Config__Rbac__V3__RBAC Rbac;

#define PATH(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_##name
#define RBAC_DESC &envoy__config__rbac__v3__rbac__descriptor
#define LIMIT_DESC &envoy__extensions__filters__http__ratelimit__v3__rate_limit__descriptor
#define LOCAL_DESC &envoy__extensions__filters__http__local_ratelimit__v3__local_rate_limit__descriptor
#define INJECTOR_DESC &envoy__extensions__filters__http__credential_injector__v3__credential_injector__descriptor

/* ---- rules over paths ---- */

static bool by_path(const ProtobufCMessage *m);

/* Messages in `m`, but not those in Any. */
static bool any_by_path(const ProtobufCMessage *m)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        size_t n;
        ProtobufCMessage *const *items = sp_field_messages(m, &m->descriptor->fields[i], &n);
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
        return !sp_look_takes_all((const Match *)m) && ((const Match *)m)->path_specifier_case != PATH(CONNECT_MATCHER);
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

static void for_a_share(struct sp_audit *a, const ProtobufCMessage *msg)
{
    static const uint32_t wholes[] = {100, 10000, 1000000};
    const Envoy__Extensions__Filters__Http__ExtAuthz__V3__ExtAuthz *e = (const void *)msg;
    if (msg->descriptor != &envoy__extensions__filters__http__ext_authz__v3__ext_authz__descriptor || !e->filter_enabled)
        return;
    const Envoy__Type__V3__FractionalPercent *f = e->filter_enabled->default_value;
    if (f && (unsigned)f->denominator < SP_ARRAY_LEN(wholes) && f->numerator < wholes[f->denominator] &&
        !(e->deny_at_disable && sp_look_true(e->deny_at_disable->default_value)))
        sp_audit_found(a, msg, "filter_enabled", -1, "some requests pass unasked, and whoever is refused tries again");
}

static void limit_open(struct sp_audit *a, const ProtobufCMessage *msg)
{
    const RateLimit *r = (const RateLimit *)msg;
    if (msg->descriptor == LIMIT_DESC && !r->failure_mode_deny && !r->failure_mode_deny_percent)
        sp_audit_found(a, msg, "failure_mode_deny", -1, "there are no limits while the service does not answer");
}

static void no_limit(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (!c->hcm || !c->outside)
        return;
    for (size_t i = 0; i < c->hcm->n_http_filters; i++) { /* also one that only some routes turn on */
        const ProtobufCMessage *msg = sp_doc_any(a->doc, c->hcm->http_filters[i]->typed_config);
        if (msg && (msg->descriptor == LIMIT_DESC || msg->descriptor == LOCAL_DESC))
            return;
    }
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
    {"rules-by-raw-path", SP_AUDIT_HIGH, "a filter decides by paths that are not normalised",
     "set normalize_path and merge_slashes, and path_with_escaped_slashes_action", SP_CONTROL_PATHS, .chain = raw_paths},
    {"rbac-any", SP_AUDIT_MEDIUM, "a policy that lets everybody do everything", "name permissions or principals", SP_CONTROL_CALLER,
     .message = rbac_any},
    {"fails-open", SP_AUDIT_HIGH, "a filter that lets pass whom it cannot judge", "take failure_mode_allow out", SP_CONTROL_CALLER,
     .message = fails_open},
    {"asked-for-a-share", SP_AUDIT_MEDIUM, "the authorization service is asked about a part of the requests",
     "take filter_enabled out, or set deny_at_disable; a filter on trial is Staged's business", SP_CONTROL_CALLER, .message = for_a_share},
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
