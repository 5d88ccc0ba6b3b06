/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tunnels: who may open them. */
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"
#include "tools/audit_look.h"

typedef Envoy__Config__Route__V3__RouteAction Action;
typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtAuthentication Jwt;
typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager__UpgradeConfig Upgrade;

#define PATH(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_##name
#define JWT_DESC &envoy__extensions__filters__http__jwt_authn__v3__jwt_authentication__descriptor

/* Filters that a request has to get by. */
static bool decides(const ProtobufCMessage *msg)
{
    static const char *const words[] = {".jwt_authn.", ".token_introspection.", ".sender_constraint.", ".claims_authz.", ".rbac.", ".ext_authz.",
                                        ".basic_auth.", ".api_key_auth.", ".local_ratelimit.", ".ratelimit."};
    for (size_t i = 0; i < SP_ARRAY_LEN(words); i++)
        if (strstr(msg->descriptor->name, words[i]))
            return true;
    return false;
}

static bool runs_in(const struct sp_audit *a, const Upgrade *u, const ProtobufCMessageDescriptor *desc)
{
    for (size_t i = 0; i < u->n_filters; i++) {
        const ProtobufCMessage *msg = sp_doc_any(a->doc, u->filters[i]->typed_config);
        if (msg && msg->descriptor == desc)
            return true;
    }
    return false;
}

static void upgrades(struct sp_audit *a, const struct sp_look_chain *c)
{
    for (size_t i = 0; c->hcm && i < c->hcm->n_upgrade_configs; i++) {
        const Upgrade *u = c->hcm->upgrade_configs[i];
        for (size_t k = 0; u->n_filters && k < c->hcm->n_http_filters; k++) {
            const ProtobufCMessage *msg = sp_look_filter(a, c->hcm, k);
            if (msg && decides(msg) && !runs_in(a, u, msg->descriptor))
                sp_audit_found(a, u, "filters", -1, "who asks for an upgrade to %s gets round the filter %s", u->upgrade_type,
                               c->hcm->http_filters[k]->name);
        }
    }
}

/* ---- CONNECT ---- */

static bool is_connect(const char *type)
{
    return sp_str_ieq(sp_str_c(type), SP_CONNECT);
}

static const Upgrade *connect_of(const sp_look_hcm *hcm)
{
    for (size_t i = 0; i < hcm->n_upgrade_configs; i++)
        if (is_connect(hcm->upgrade_configs[i]->upgrade_type))
            return hcm->upgrade_configs[i];
    return NULL;
}

/* The route's own word stands above the connection manager's. */
static bool is_allowed(const sp_look_hcm *hcm, const Action *action)
{
    const Upgrade *u = connect_of(hcm);
    bool allowed = u && (!u->enabled || u->enabled->value);
    for (size_t i = 0; i < action->n_upgrade_configs; i++)
        if (is_connect(action->upgrade_configs[i]->upgrade_type))
            allowed = !action->upgrade_configs[i]->enabled || action->upgrade_configs[i]->enabled->value;
    return allowed;
}

/* Rules of jwt_authn go by matches, and only one kind of them takes a CONNECT. */
static bool asks_for_token(const Jwt *j)
{
    for (size_t i = 0; i < j->n_rules; i++)
        if (j->rules[i]->match && j->rules[i]->match->path_specifier_case == PATH(CONNECT_MATCHER) &&
            (j->rules[i]->requires || j->rules[i]->requirement_name[0]))
            return true;
    return false;
}

static bool limits_only(const ProtobufCMessage *msg)
{
    return strstr(msg->descriptor->name, "ratelimit") != NULL;
}

/* Somebody has to prove something, or is known. */
static bool is_guarded(const struct sp_audit *a, const struct sp_look_chain *c)
{
    const Upgrade *u = connect_of(c->hcm);
    for (size_t i = 0; i < c->hcm->n_http_filters; i++) {
        const ProtobufCMessage *msg = sp_look_filter(a, c->hcm, i);
        const struct sp_filter_ops *ops = msg ? sp_look_ops(msg) : NULL;
        if (!ops || (!ops->gate && (!decides(msg) || limits_only(msg))))
            continue;
        if (!ops->gate && u && u->n_filters && !runs_in(a, u, msg->descriptor))
            continue;
        if (msg->descriptor != JWT_DESC || asks_for_token((const Jwt *)msg))
            return true;
    }
    return sp_look_knows_peer(a, c);
}

static void for_everybody(struct sp_audit *a, const struct sp_look_chain *c, const sp_look_vhost *v)
{
    for (size_t i = 0; i < v->n_routes; i++) {
        const sp_look_route *r = v->routes[i];
        const Action *action = sp_look_action(r);
        if (action && r->match && r->match->path_specifier_case == PATH(CONNECT_MATCHER) && is_allowed(c->hcm, action) && !is_guarded(a, c))
            sp_audit_found(a, r, "match", -1, "whoever reaches this listener gets a tunnel to the cluster, and nobody looks at what is said in it");
    }
}

static const struct sp_audit_check checks[] = {
    {"upgrade-skips-filter", SP_AUDIT_HIGH, "an upgrade whose filters lack one that decides", "list it in the upgrade's filters too, or take them out",
     SP_CONTROL_CALLER, .chain = upgrades},
    {"connect-for-everybody", SP_AUDIT_HIGH, "a CONNECT route without a gate or a filter that holds for it",
     "put a gate, or a filter that asks who it is, in front; rules of jwt_authn need a connect_matcher", SP_CONTROL_CALLER, .vhost = for_everybody},
};

const struct sp_audit_area sp_audit_upgrades = {"Tunnels", checks, SP_ARRAY_LEN(checks)};
