/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route/connect.h"

#include <assert.h>

#include "net/proxy_config.h"

typedef Envoy__Config__Route__V3__Route Route;
typedef Envoy__Config__Route__V3__RouteAction Action;
typedef Envoy__Config__Route__V3__RouteAction__UpgradeConfig Upgrade;
#define ACTION(name) ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_##name
#define HOST(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HOST_REWRITE_SPECIFIER_##name
#define PATH(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_##name

bool sp_connect_end(struct sp_route *r, const struct sp_route_ctx *c, const Upgrade *msg)
{
    assert(r && c && msg && msg->connect_config);
    const struct sp_route_build *b = c->build;
    if (!sp_str_ieq(sp_str_c(msg->upgrade_type), SP_CONNECT)) {
        sp_doc_err(b->doc, b->diag, msg, "connect_config", -1, "is for upgrade_type: CONNECT only (take it out)");
        return false;
    }
    r->connect_ends = true;
    if (!msg->connect_config->proxy_protocol_config)
        return true;
    struct sp_proxy_header *proxy = sp_arena_zalloc(c->arena, sizeof(*proxy));
    sp_proxy_config_init(proxy, c->arena, b->doc, b->diag, msg->connect_config->proxy_protocol_config);
    r->connect_proxy = proxy;
    return true;
}

static const char *path_field(const Action *a)
{
    if (a->prefix_rewrite[0])
        return "prefix_rewrite";
    if (a->regex_rewrite)
        return "regex_rewrite";
    return a->host_rewrite_specifier_case == HOST(HOST_REWRITE_PATH_REGEX) ? "host_rewrite_path_regex" : NULL;
}

static const Upgrade *connect_of(const Action *a)
{
    for (size_t i = 0; i < a->n_upgrade_configs; i++)
        if (sp_str_ieq(sp_str_c(a->upgrade_configs[i]->upgrade_type), SP_CONNECT))
            return a->upgrade_configs[i];
    return NULL;
}

bool sp_connect_route_check(const struct sp_route_ctx *c, const Route *msg)
{
    assert(c && msg && msg->match);
    const struct sp_route_build *b = c->build;
    bool connect = msg->match->path_specifier_case == PATH(CONNECT_MATCHER);
    if (!connect) {
        const Upgrade *u = msg->action_case == ACTION(ROUTE) ? connect_of(msg->route) : NULL;
        if (u && (!u->enabled || u->enabled->value))
            sp_doc_warn(b->doc, b->diag, u, "upgrade_type", -1,
                        "no CONNECT comes here: it has no path to be matched (let the route match by connect_matcher)");
        return true;
    }
    if (msg->action_case == ACTION(REDIRECT)) {
        sp_doc_err(b->doc, b->diag, msg, "redirect", -1, "nobody follows a redirect of a CONNECT (use route or direct_response)");
        return false;
    }
    if (msg->action_case == ACTION(DIRECT_RESPONSE) && msg->direct_response->status / 100 == 2) {
        sp_doc_err(b->doc, b->diag, msg->direct_response, "status", -1,
                   "%u would tell a client that its tunnel is open (use a status from 300 on)", msg->direct_response->status);
        return false;
    }
    const char *field = msg->action_case == ACTION(ROUTE) ? path_field(msg->route) : NULL;
    if (field)
        sp_doc_err(b->doc, b->diag, msg->route, field, -1, "a CONNECT has no path (take it out)");
    return !field;
}
