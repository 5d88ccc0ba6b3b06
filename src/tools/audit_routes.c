/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes that nobody gets to, routes that clients choose, hosts that are reached by another server's name. */
#include "config/descriptor.h"
#include "tools/audit_look.h"

typedef Envoy__Config__Route__V3__RouteMatch Match;
typedef Envoy__Config__Route__V3__RouteAction Action;
typedef Envoy__Config__Route__V3__RouteAction__RequestMirrorPolicy Mirror;
typedef Envoy__Config__Listener__V3__FilterChain Chain;

#define MATCH(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_##name
#define TO(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_##name
#define HOST(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HOST_REWRITE_SPECIFIER_##name

/* ---- shadows ---- */

static bool is_unconditional(const Match *m)
{
    return !m->n_headers && !m->n_query_parameters && !m->n_cookies && !m->runtime_fraction && !m->grpc && !m->tls_context;
}

static bool folds(const Match *m)
{
    return m->case_sensitive && !m->case_sensitive->value;
}

/* What every path that the match takes begins with. */
static struct sp_str stem(const Match *m)
{
    switch (m->path_specifier_case) {
    case MATCH(PREFIX):
        return sp_str_c(m->prefix);
    case MATCH(PATH):
        return sp_str_c(m->path);
    case MATCH(PATH_SEPARATED_PREFIX):
        return sp_str_c(m->path_separated_prefix);
    default:
        return SP_STR("");
    }
}

/* `s` is `whole`, or goes on behind it with a slash. */
static bool is_below(struct sp_str s, struct sp_str whole, bool fold, bool or_equal)
{
    if (!(fold ? sp_str_istarts(s, whole) : sp_str_starts(s, whole)))
        return false;
    return s.len == whole.len ? or_equal : s.ptr[whole.len] == '/';
}

static bool takes_all(const Match *m)
{
    if (m->path_specifier_case == MATCH(SAFE_REGEX))
        return strcmp(m->safe_regex->regex, ".*") == 0 || strcmp(m->safe_regex->regex, "/.*") == 0;
    return m->path_specifier_case == MATCH(PREFIX) && (!m->prefix[0] || strcmp(m->prefix, "/") == 0);
}

/* Whether `first` takes every request that `later` would. */
static bool covers(const Match *first, const Match *later)
{
    if (!is_unconditional(first))
        return false;
    if (first->path_specifier_case == MATCH(CONNECT_MATCHER) || later->path_specifier_case == MATCH(CONNECT_MATCHER))
        return first->path_specifier_case == later->path_specifier_case;
    if (takes_all(first))
        return true;
    bool fold = folds(first);
    if (later->path_specifier_case == MATCH(SAFE_REGEX))
        return first->path_specifier_case == MATCH(SAFE_REGEX) && strcmp(first->safe_regex->regex, later->safe_regex->regex) == 0;
    if (folds(later) && !fold)
        return false;
    struct sp_str a = stem(first), b = stem(later);
    switch (first->path_specifier_case) {
    case MATCH(PREFIX):
        return fold ? sp_str_istarts(b, a) : sp_str_starts(b, a);
    case MATCH(PATH):
        return later->path_specifier_case == MATCH(PATH) && (fold ? sp_str_ieq(a, b) : sp_str_eq(a, b));
    case MATCH(PATH_SEPARATED_PREFIX):
        return is_below(b, a, fold, later->path_specifier_case != MATCH(PREFIX));
    default:
        return false;
    }
}

static void shadowed(struct sp_audit *a, const struct sp_look_chain *c, const sp_look_vhost *v)
{
    (void)c;
    for (size_t i = 1; i < v->n_routes; i++)
        for (size_t k = 0; k < i; k++) {
            if (!v->routes[k]->match || !v->routes[i]->match || !covers(v->routes[k]->match, v->routes[i]->match))
                continue;
            struct sp_mark mark = sp_doc_mark(a->doc, v->routes[k], NULL, -1);
            sp_audit_found(a, v, "routes", (int)i, "no request gets here: routes[%zu] (line %u) takes all of them", k, mark.line);
            break;
        }
}

/* ---- what clients choose ---- */

/* Of mirrors: wherever they stand, at a route, its virtual host or its table. */
static void by_header(struct sp_audit *a, const ProtobufCMessage *msg)
{
    if (msg->descriptor == &envoy__config__route__v3__route_action__descriptor) {
        const Action *action = (const Action *)msg;
        if (action->cluster_specifier_case == TO(CLUSTER_HEADER))
            sp_audit_found(a, action, "cluster_header", -1, "whoever sends %s chooses among all clusters, those for keys and limits too",
                           action->cluster_header);
    } else if (msg->descriptor == &envoy__config__route__v3__route_action__request_mirror_policy__descriptor) {
        const Mirror *mirror = (const Mirror *)msg;
        if (mirror->cluster_header[0])
            sp_audit_found(a, mirror, "cluster_header", -1, "whoever sends %s chooses among all clusters which one gets a copy",
                           mirror->cluster_header);
    }
}

static void host_by_client(struct sp_audit *a, const struct sp_look_chain *c, const sp_look_route *r)
{
    (void)c;
    const Action *action = sp_look_action(r);
    if (!action)
        return;
    if (action->host_rewrite_specifier_case == HOST(HOST_REWRITE_HEADER))
        sp_audit_found(a, action, "host_rewrite_header", -1, "whoever sends %s chooses the origin's virtual host", action->host_rewrite_header);
    if (action->host_rewrite_specifier_case == HOST(HOST_REWRITE_PATH_REGEX))
        sp_audit_found(a, action, "host_rewrite_path_regex", -1, "the path that a client sends chooses the origin's virtual host");
}

static bool takes_any_host(const sp_look_vhost *v)
{
    for (size_t i = 0; i < v->n_domains; i++)
        if (strcmp(v->domains[i], "*") == 0)
            return true;
    return false;
}

static void redirects(struct sp_audit *a, const struct sp_look_chain *c, const sp_look_vhost *v)
{
    (void)c;
    if (!takes_any_host(v))
        return;
    if (v->require_tls)
        sp_audit_found(a, v, "require_tls", -1, "the redirect leads to whatever host a request names, and caches may keep it");
    for (size_t i = 0; i < v->n_routes; i++) {
        const Envoy__Config__Route__V3__RedirectAction *r = sp_look_redirect(v->routes[i]);
        if (r && !r->host_redirect[0])
            sp_audit_found(a, r, NULL, -1, "the redirect leads to whatever host a request names, and caches may keep it");
    }
}

#define HANDLE ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__INTERNAL_REDIRECT_ACTION__HANDLE_INTERNAL_REDIRECT

static bool has_allow_list(const Envoy__Config__Route__V3__InternalRedirectPolicy *p)
{
    for (size_t i = 0; p && i < p->n_predicates; i++) {
        const Google__Protobuf__Any *any = p->predicates[i]->typed_config;
        if (any && sp_str_ends(sp_str_c(any->type_url), SP_STR(".AllowListedRoutesConfig")))
            return true;
    }
    return false;
}

/* Cookies and tokens of the client go along. */
static void internal_redirects(struct sp_audit *a, const struct sp_look_chain *c, const sp_look_route *r)
{
    (void)c;
    const Action *action = sp_look_action(r);
    if (!action || has_allow_list(action->internal_redirect_policy))
        return;
    if (action->internal_redirect_policy || action->internal_redirect_action == HANDLE)
        sp_audit_found(a, action, action->internal_redirect_policy ? "internal_redirect_policy" : "internal_redirect_action", -1,
                       "a redirect of this origin takes requests, with all that clients send, to any route of the table");
}

static bool ends_with(const char *s, const char *end)
{
    return sp_str_ends(sp_str_c(s), sp_str_c(end));
}

static void disabled(struct sp_audit *a, const ProtobufCMessage *msg)
{
    const char *name = msg->descriptor->short_name;
    if (!ends_with(name, "PerRoute") && strcmp(name, "PerRouteConfig") != 0 && strcmp(msg->descriptor->name, "envoy.config.route.v3.FilterConfig") != 0)
        return;
    const protobuf_c_boolean *off = sp_look_field(msg, "disabled", PROTOBUF_C_TYPE_BOOL);
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, "disabled");
    if (off && f && sp_field_is_set(msg, f) && *off)
        sp_audit_found(a, msg, "disabled", -1, "this filter does not run here");
}

/* ---- server names ---- */

static bool has_names(const Chain *c)
{
    return c->filter_chain_match && c->filter_chain_match->n_server_names;
}

/* Whether a client can say `name` in TLS and come to a chain with this server name. */
static bool name_covers(struct sp_str server_name, struct sp_str name)
{
    if (sp_str_ieq(server_name, name))
        return true;
    if (!sp_str_starts(server_name, SP_STR("*.")))
        return false;
    struct sp_str end = sp_str_sub(server_name, 1, server_name.len);
    return name.len > end.len && sp_str_iends(name, end);
}

static struct sp_str without_port(struct sp_str domain)
{
    ptrdiff_t colon = domain.len && domain.ptr[0] != '[' ? sp_str_chr(domain, ':') : -1;
    return colon < 0 ? domain : sp_str_sub(domain, 0, (size_t)colon);
}

static void outside_sni(struct sp_audit *a, const struct sp_look_chain *c, const sp_look_vhost *v)
{
    for (size_t i = 0; has_names(c->chain) && i < v->n_domains; i++) {
        struct sp_str domain = without_port(sp_str_c(v->domains[i]));
        bool found = domain.len == 0 || domain.ptr[domain.len - 1] == '*';
        for (size_t k = 0; !found && k < c->chain->filter_chain_match->n_server_names; k++)
            found = name_covers(sp_str_c(c->chain->filter_chain_match->server_names[k]), domain);
        if (!found)
            sp_audit_found(a, v, "domains", (int)i, "no server name of this chain is for it: it is reached by naming one host in TLS and another in Host");
    }
}

/* Whether the virtual host answers for a host of that (server) name. */
static bool answers_for(const sp_look_vhost *v, struct sp_str name)
{
    for (size_t i = 0; i < v->n_domains; i++) {
        struct sp_str domain = without_port(sp_str_c(v->domains[i]));
        if (sp_str_eq(domain, SP_STR("*")) || name_covers(domain, name) || name_covers(name, domain))
            return true;
    }
    return false;
}

static bool leads_to(const sp_look_vhost *v, const char *cluster)
{
    for (size_t i = 0; i < v->n_routes; i++) {
        const Action *action = sp_look_action(v->routes[i]);
        if (action && (action->cluster_specifier_case == TO(CLUSTER_HEADER) || sp_look_goes_to(v->routes[i], cluster)))
            return true;
    }
    return false;
}

/* Whether a route of `v` leads where one of `other` leads. */
static bool shares_origin(const sp_look_vhost *v, const sp_look_hcm *other)
{
    const Envoy__Config__Route__V3__RouteConfiguration *table = sp_look_table(other);
    for (size_t i = 0; table && i < table->n_virtual_hosts; i++)
        for (size_t k = 0; k < table->virtual_hosts[i]->n_routes; k++) {
            const Action *action = sp_look_action(table->virtual_hosts[i]->routes[k]);
            if (action && action->cluster_specifier_case == TO(CLUSTER) && leads_to(v, action->cluster))
                return true;
        }
    return false;
}

static bool is_crossed(const struct sp_look_chain *guarded, const sp_look_vhost *v)
{
    if (!has_names(guarded->chain) || !sp_look_needs_certificate(guarded->tls) || !shares_origin(v, guarded->hcm))
        return false;
    for (size_t i = 0; i < guarded->chain->filter_chain_match->n_server_names; i++)
        if (answers_for(v, sp_str_c(guarded->chain->filter_chain_match->server_names[i])))
            return true;
    return false;
}

static void crossing(struct sp_audit *a, const struct sp_look_chain *c, const sp_look_vhost *v)
{
    struct sp_look_chain other;
    if (sp_look_needs_certificate(c->tls))
        return;
    for (size_t i = 0; sp_look_chain_of(a, c->listener, i, &other); i++)
        if (is_crossed(&other, v)) {
            struct sp_mark mark = sp_doc_mark(a->doc, other.chain, NULL, -1);
            sp_audit_found(a, v, NULL, -1, "a host for which the filter chain of line %u wants a client certificate is served here without one: it is "
                           "enough to name another server in TLS", mark.line);
            return;
        }
}

static const struct sp_audit_check checks[] = {
    {"sni-crossing", SP_AUDIT_HIGH, "client certificates can be gone round by naming another server in TLS",
     "let the virtual hosts of chains without certificates name their own domains, not \"*\" nor the others'", SP_CONTROL_CERTIFICATE,
     .vhost = crossing},
    {"domain-outside-sni", SP_AUDIT_LOW, "a virtual host that no server name of its filter chain is for",
     "put it into the chain for its server name", SP_CONTROL_ROUTES, .vhost = outside_sni},
    {"route-shadowed", SP_AUDIT_MEDIUM, "a route that never gets a request", "put the longer path before the shorter one", SP_CONTROL_ROUTES,
     .vhost = shadowed},
    {"cluster-by-header", SP_AUDIT_HIGH, "clients choose the cluster", "name clusters in routes that match the header's values",
     SP_CONTROL_ROUTES, .message = by_header},
    {"host-by-client", SP_AUDIT_MEDIUM, "clients choose the host that the origin sees", "set host_rewrite_literal or auto_host_rewrite",
     SP_CONTROL_ROUTES, .route = host_by_client},
    {"redirect-any-host", SP_AUDIT_LOW, "a redirect to the host that the client named", "name the domains, or set host_redirect",
     SP_CONTROL_ROUTES, .vhost = redirects},
    {"internal-redirect", SP_AUDIT_LOW, "an origin that chooses among all routes where requests go", "name the routes in an AllowListedRoutesConfig",
     SP_CONTROL_ROUTES, .route = internal_redirects},
    {"filter-off", SP_AUDIT_LOW, "a route that switches a filter off", "be sure that nothing here needs it", SP_CONTROL_CALLER,
     .message = disabled},
};

const struct sp_audit_area sp_audit_routes = {"Routes", checks, SP_ARRAY_LEN(checks)};
