/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtual hosts and routes: what is matched, and what is done then. */
#include <assert.h>

#include "tools/show.h"

typedef Envoy__Config__Route__V3__RouteMatch Match;
typedef Envoy__Config__Route__V3__RouteAction Action;
typedef Envoy__Config__Route__V3__RedirectAction Redirect;
typedef Envoy__Config__Route__V3__RetryPolicy Retry;

#define PATH(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_##name
#define TO(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_##name
#define HOST(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HOST_REWRITE_SPECIFIER_##name
#define NEW_PATH(name) ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__PATH_REWRITE_SPECIFIER_##name
#define SCHEME(name) ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__SCHEME_REWRITE_SPECIFIER_##name

static struct sp_str match_text(struct sp_show *s, const Match *m)
{
    struct sp_arena *a = &s->tree.arena;
    switch (m ? m->path_specifier_case : 0) {
    case PATH(PREFIX):
        return sp_arena_printf(a, "%s*", m->prefix);
    case PATH(PATH):
        return sp_arena_printf(a, "%s", m->path);
    case PATH(PATH_SEPARATED_PREFIX):
        return sp_arena_printf(a, "%s, %s/*", m->path_separated_prefix, m->path_separated_prefix);
    case PATH(SAFE_REGEX):
        return sp_arena_printf(a, "~ %s", m->safe_regex->regex);
    case PATH(CONNECT_MATCHER):
        return SP_STR("CONNECT");
    default:
        return SP_STR("?");
    }
}

static void show_conditions(struct sp_show *s, struct sp_tree_node *n, const Match *m)
{
    char *names[9];
    size_t k = m->n_headers < SP_ARRAY_LEN(names) ? m->n_headers : SP_ARRAY_LEN(names);
    for (size_t i = 0; i < k; i++)
        names[i] = m->headers[i]->name;
    if (m->n_headers)
        sp_tree_say(&s->tree, n, "headers", "if header%s %.*s", m->n_headers == 1 ? "" : "s", SP_STR_ARG(sp_show_list(s, names, k)));
    if (m->n_query_parameters)
        sp_tree_say(&s->tree, n, "query_parameters", "if %zu query parameter%s", m->n_query_parameters, m->n_query_parameters == 1 ? "" : "s");
    if (m->runtime_fraction)
        sp_tree_say(&s->tree, n, "fraction", "for a part of the requests");
    if (m->case_sensitive && !m->case_sensitive->value)
        sp_tree_say(&s->tree, n, "case", "in any case");
}

static void show_target(struct sp_show *s, struct sp_tree_node *n, const Action *a)
{
    struct sp_str out = SP_STR("");
    switch (a->cluster_specifier_case) {
    case TO(CLUSTER):
        sp_tree_say(&s->tree, n, "cluster", "-> %s", a->cluster);
        break;
    case TO(CLUSTER_HEADER):
        sp_tree_say(&s->tree, n, "cluster", "-> the cluster that the header %s names", a->cluster_header);
        break;
    case TO(WEIGHTED_CLUSTERS):
        for (size_t i = 0; i < a->weighted_clusters->n_clusters; i++) {
            const Envoy__Config__Route__V3__WeightedCluster__ClusterWeight *w = a->weighted_clusters->clusters[i];
            out = sp_arena_printf(&s->tree.arena, "%.*s%s%s (%u)", SP_STR_ARG(out), i ? ", " : "", w->name, w->weight ? w->weight->value : 0);
        }
        sp_tree_say(&s->tree, n, "cluster", "-> %.*s", SP_STR_ARG(out));
        break;
    default:
        break;
    }
}

static void show_rewrites(struct sp_show *s, struct sp_tree_node *n, const Action *a)
{
    if (a->prefix_rewrite[0])
        sp_tree_say(&s->tree, n, "path_rewrite", "as %s", a->prefix_rewrite);
    if (a->regex_rewrite)
        sp_tree_say(&s->tree, n, "path_rewrite", "path rewritten");
    if (a->host_rewrite_specifier_case == HOST(HOST_REWRITE_LITERAL))
        sp_tree_say(&s->tree, n, "host_rewrite", "host %s", a->host_rewrite_literal);
    else if (a->host_rewrite_specifier_case == HOST(AUTO_HOST_REWRITE) && a->auto_host_rewrite->value)
        sp_tree_say(&s->tree, n, "host_rewrite", "host of the endpoint");
    else if (a->host_rewrite_specifier_case > HOST(AUTO_HOST_REWRITE))
        sp_tree_say(&s->tree, n, "host_rewrite", "host by the request");
}

static void show_retry(struct sp_show *s, struct sp_tree_node *n, const Retry *r)
{
    if (r && r->retry_on[0])
        sp_tree_say(&s->tree, n, "retries", "%u retr%s on %s", r->num_retries ? r->num_retries->value : 1,
                    !r->num_retries || r->num_retries->value == 1 ? "y" : "ies", r->retry_on);
}

static void show_action(struct sp_show *s, struct sp_tree_node *n, const Action *a, const Retry *inherited)
{
    show_target(s, n, a);
    show_rewrites(s, n, a);
    if (!a->timeout)
        sp_tree_say(&s->tree, n, "timeout", "timeout 15s");
    else if (a->timeout->seconds || a->timeout->nanos)
        sp_tree_say(&s->tree, n, "timeout", "timeout %.*s", SP_STR_ARG(sp_show_duration(s, a->timeout)));
    else
        sp_tree_say(&s->tree, n, "timeout", "no timeout");
    if (a->idle_timeout)
        sp_tree_say(&s->tree, n, "idle_timeout", "idle %.*s", SP_STR_ARG(sp_show_duration(s, a->idle_timeout)));
    show_retry(s, n, a->retry_policy ? a->retry_policy : inherited);
}

static void show_redirect(struct sp_show *s, struct sp_tree_node *n, const Redirect *r)
{
    static const char *const codes[] = {"301", "302", "303", "307", "308"};
    const char *scheme = r->scheme_rewrite_specifier_case == SCHEME(HTTPS_REDIRECT) && r->https_redirect ? "https"
                         : r->scheme_rewrite_specifier_case == SCHEME(SCHEME_REDIRECT) ? r->scheme_redirect : "the same scheme";
    const char *path = r->path_rewrite_specifier_case == NEW_PATH(PATH_REDIRECT) ? r->path_redirect
                       : r->path_rewrite_specifier_case == NEW_PATH(PREFIX_REWRITE) ? r->prefix_rewrite : "";
    char port[16] = "";
    if (r->port_redirect)
        snprintf(port, sizeof(port), r->host_redirect[0] ? ":%u" : ", port %u", r->port_redirect);
    sp_tree_say(&s->tree, n, "redirect", "redirect %s to %s, %s%s%s%s", (unsigned)r->response_code < SP_ARRAY_LEN(codes) ? codes[r->response_code] : "?",
                scheme, r->host_redirect[0] ? r->host_redirect : "the same host", port, path[0] ? ", " : "", path);
}

/* Filters that a route switches off, or gives a config of its own. */
static void show_overrides(struct sp_show *s, struct sp_tree_node *n, size_t count, Envoy__Config__Route__V3__Route__TypedPerFilterConfigEntry *const *v)
{
    for (size_t i = 0; i < count; i++) {
        const ProtobufCMessage *msg = sp_doc_any(s->doc, v[i]->value);
        const protobuf_c_boolean *off = msg ? sp_look_field(msg, "disabled", PROTOBUF_C_TYPE_BOOL) : NULL;
        bool is_off = off && sp_doc_written(s->doc, msg, "disabled") && *off;
        sp_tree_say(&s->tree, n, "filter_config", "%s %s", v[i]->key, is_off ? "OFF" : "with its own config");
    }
}

static void show_route(struct sp_show *s, struct sp_tree_node *under, const sp_look_route *r, const Retry *inherited)
{
    struct sp_tree_node *n = sp_tree_add(&s->tree, under, "route", match_text(s, r->match));
    if (r->match)
        show_conditions(s, n, r->match);
    if (sp_look_action(r))
        show_action(s, n, sp_look_action(r), inherited);
    else if (sp_look_redirect(r))
        show_redirect(s, n, sp_look_redirect(r));
    else if (r->action_case == ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_DIRECT_RESPONSE)
        sp_tree_say(&s->tree, n, "direct_response", "answered %u here", r->direct_response->status);
    show_overrides(s, n, r->n_typed_per_filter_config, r->typed_per_filter_config);
}

void sp_show_routes(struct sp_show *s, struct sp_tree_node *under, const Envoy__Config__Route__V3__RouteConfiguration *table)
{
    assert(s && under && table);
    for (size_t i = 0; i < table->n_virtual_hosts; i++) {
        const sp_look_vhost *v = table->virtual_hosts[i];
        struct sp_tree_node *n = sp_tree_add(&s->tree, under, "virtual host", sp_str_c(v->name));
        sp_tree_say(&s->tree, n, "domains", "%.*s", SP_STR_ARG(sp_show_list(s, v->domains, v->n_domains)));
        if (v->require_tls)
            sp_tree_say(&s->tree, n, "require_tls", "plain HTTP redirected%s", v->require_tls == 1 ? " from outside" : "");
        for (size_t k = 0; k < v->n_routes; k++)
            show_route(s, n, v->routes[k], v->retry_policy);
    }
}
