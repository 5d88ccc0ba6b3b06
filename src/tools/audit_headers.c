/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decisions that hang on what a client writes into its request itself. */
#include "config/descriptor.h"
#include "envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata.pb-c.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb-c.h"
#include "tools/audit_look.h"

typedef Envoy__Config__Rbac__V3__RBAC Rbac;
typedef Envoy__Config__Rbac__V3__Principal Principal;
typedef Envoy__Config__Route__V3__HeaderMatcher HeaderMatcher;
typedef Envoy__Config__Route__V3__RateLimit RateLimit;
typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtAuthentication Jwt;
typedef Envoy__Extensions__Filters__Http__Rbac__V3__RBAC RbacFilter;

#define RBAC_DESC &envoy__extensions__filters__http__rbac__v3__rbac__descriptor
#define JWT_DESC &envoy__extensions__filters__http__jwt_authn__v3__jwt_authentication__descriptor
#define TO_METADATA_DESC &envoy__extensions__filters__http__header_to_metadata__v3__config__descriptor
#define ID(name) ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_##name
#define BY_HEADER ENVOY__CONFIG__ROUTE__V3__RATE_LIMIT__ACTION__ACTION_SPECIFIER_REQUEST_HEADERS
#define NEEDS_NONE ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__REQUIREMENT_RULE__REQUIREMENT_TYPE__NOT_SET

/* ---- headers that filters write, and of which they take out what clients send ---- */

static bool is_string(const ProtobufCMessage *m, const char *field, const char *value)
{
    char *const *s = sp_look_field(m, field, PROTOBUF_C_TYPE_STRING);
    return s && *s && sp_str_ieq(sp_str_c(*s), sp_str_c(value));
}

static bool writes(const ProtobufCMessage *m, const char *header)
{
    if (strcmp(m->descriptor->package_name, "google.protobuf") == 0)
        return false;
    if (is_string(m, "forward_payload_header", header) || (sp_look_field(m, "claim_name", PROTOBUF_C_TYPE_STRING) && is_string(m, "header_name", header)))
        return true;
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        size_t n;
        ProtobufCMessage *const *items = sp_field_messages(m, &m->descriptor->fields[i], &n);
        for (size_t k = 0; k < n; k++)
            if (items[k] && writes(items[k], header))
                return true;
    }
    return false;
}

/* Whether it says what the client wants it to: no pseudo-header, and none that a filter of this chain writes. */
static bool is_the_clients(const struct sp_audit *a, const sp_look_hcm *hcm, const char *header)
{
    if (header[0] == ':')
        return false;
    for (size_t i = 0; i < hcm->n_http_filters; i++) {
        const ProtobufCMessage *m = sp_look_filter(a, hcm, i);
        if (m && writes(m, header))
            return false;
    }
    return true;
}

/* ---- identity ---- */

static const char *header_of(const struct sp_audit *a, const sp_look_hcm *hcm, const Principal *p);

static const char *header_of_set(const struct sp_audit *a, const sp_look_hcm *hcm, const Envoy__Config__Rbac__V3__Principal__Set *set, bool all)
{
    const char *found = NULL;
    for (size_t i = 0; i < set->n_ids; i++) {
        const char *one = header_of(a, hcm, set->ids[i]);
        if (all && !one)
            return NULL; /* something else has to be so, too */
        found = one ? one : found;
    }
    return found;
}

/* The header that is all a client needs to be this principal, or NULL. */
static const char *header_of(const struct sp_audit *a, const sp_look_hcm *hcm, const Principal *p)
{
    switch (p->identifier_case) {
    case ID(HEADER):
        return is_the_clients(a, hcm, p->header->name) ? p->header->name : NULL;
    case ID(AND_IDS):
        return header_of_set(a, hcm, p->and_ids, true);
    case ID(OR_IDS):
        return header_of_set(a, hcm, p->or_ids, false);
    case ID(NOT_ID):
        return header_of(a, hcm, p->not_id);
    default:
        return NULL;
    }
}

static void identity(struct sp_audit *a, const struct sp_look_chain *c)
{
    size_t i = 0;
    for (const RbacFilter *f; (f = sp_look_filter_as(a, c->hcm, &i, RBAC_DESC));)
        for (size_t k = 0; f->rules && k < f->rules->n_policies; k++) {
            const Envoy__Config__Rbac__V3__Policy *p = f->rules->policies[k]->value;
            for (size_t n = 0; p && n < p->n_principals; n++) {
                const char *header = header_of(a, c->hcm, p->principals[n]);
                if (header)
                    sp_audit_found(a, p, "principals", (int)n, "who somebody is hangs on the header %s, which he writes himself", header);
            }
        }
}

static void metadata(struct sp_audit *a, const struct sp_look_chain *c)
{
    size_t i = 0;
    for (const Envoy__Extensions__Filters__Http__HeaderToMetadata__V3__Config *f; (f = sp_look_filter_as(a, c->hcm, &i, TO_METADATA_DESC));)
        for (size_t k = 0; k < f->n_request_rules; k++) {
            const char *header = f->request_rules[k]->header, *cookie = f->request_rules[k]->cookie;
            if (cookie[0] || (header[0] && is_the_clients(a, c->hcm, header)))
                sp_audit_found(a, f, "request_rules", (int)k, "policies and limits that go by this metadata believe what the client sends as %s",
                               cookie[0] ? cookie : header);
        }
}

/* ---- ways round ---- */

static const char *condition_of(const struct sp_audit *a, const sp_look_hcm *hcm, const Envoy__Config__Route__V3__RouteMatch *m)
{
    for (size_t i = 0; m && i < m->n_headers; i++)
        if (is_the_clients(a, hcm, m->headers[i]->name))
            return m->headers[i]->name;
    return m && m->n_query_parameters ? m->query_parameters[0]->name : NULL;
}

static void exempt(struct sp_audit *a, const struct sp_look_chain *c)
{
    size_t i = 0;
    for (const Jwt *j; (j = sp_look_filter_as(a, c->hcm, &i, JWT_DESC));)
        for (size_t k = 0; k < j->n_rules; k++) {
            const char *by = j->rules[k]->requirement_type_case == NEEDS_NONE ? condition_of(a, c->hcm, j->rules[k]->match) : NULL;
            if (by)
                sp_audit_found(a, j->rules[k], NULL, -1, "who sends %s needs no token", by);
        }
}

static bool turns_off(const struct sp_audit *a, const Envoy__Config__Route__V3__Route__TypedPerFilterConfigEntry *e)
{
    const ProtobufCMessage *m = sp_doc_any(a->doc, e->value);
    const ProtobufCFieldDescriptor *f = m ? protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "disabled") : NULL;
    const protobuf_c_boolean *off = f ? sp_look_field(m, "disabled", PROTOBUF_C_TYPE_BOOL) : NULL;
    return off && sp_field_is_set(m, f) && *off;
}

static void switched_off(struct sp_audit *a, const struct sp_look_chain *c, const sp_look_route *r)
{
    const char *by = condition_of(a, c->hcm, r->match);
    for (size_t i = 0; by && i < r->n_typed_per_filter_config; i++)
        if (turns_off(a, r->typed_per_filter_config[i]))
            sp_audit_found(a, r, "typed_per_filter_config", (int)i, "who sends %s gets round the filter %s", by, r->typed_per_filter_config[i]->key);
}

/* ---- limits ---- */

static void count_by(struct sp_audit *a, const sp_look_hcm *hcm, RateLimit *const *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *by = NULL;
        for (size_t k = 0; k < v[i]->n_actions; k++) {
            const Envoy__Config__Route__V3__RateLimit__Action *action = v[i]->actions[k];
            if (action->action_specifier_case == BY_HEADER && is_the_clients(a, hcm, action->request_headers->header_name))
                by = action->request_headers->header_name;
        }
        if (by)
            sp_audit_found(a, v[i], NULL, -1, "who sends another %s each time is never over this limit", by);
    }
}

static void limits_of_route(struct sp_audit *a, const struct sp_look_chain *c, const sp_look_route *r)
{
    const Envoy__Config__Route__V3__RouteAction *action = sp_look_action(r);
    if (action)
        count_by(a, c->hcm, action->rate_limits, action->n_rate_limits);
}

static const struct sp_audit_check checks[] = {
    {"identity-by-header", SP_AUDIT_HIGH, "a policy that believes a header",
     "go by claims (metadata of jwt_authn), certificates or addresses; or let claim_to_headers write the header", SP_CONTROL_IDENTITY,
     .chain = identity},
    {"metadata-by-header", SP_AUDIT_LOW, "metadata that clients write", "let no policy go by it, or let claim_to_headers write the header",
     SP_CONTROL_IDENTITY, .chain = metadata},
    {"jwt-exempt-by-header", SP_AUDIT_HIGH, "a header, or a query parameter, that makes a token unnecessary", "match nothing that clients choose",
     SP_CONTROL_TOKENS, .chain = exempt},
    {"filter-off-by-header", SP_AUDIT_HIGH, "a header, or a query parameter, that switches a filter off", "match nothing that clients choose",
     SP_CONTROL_CALLER, .route = switched_off},
    {"limit-by-client-header", SP_AUDIT_LOW, "a limit that is counted by a header of the client's",
     "count by remote_address, a claim (metadata), or a header that claim_to_headers writes", SP_CONTROL_EVERYTHING, .route = limits_of_route},
};

const struct sp_audit_area sp_audit_headers = {"What clients write", checks, SP_ARRAY_LEN(checks)};
