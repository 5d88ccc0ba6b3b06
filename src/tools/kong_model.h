/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kong's declarative format (decK and Kong itself, format versions 1.1, 2.1 and 3.0) as a model: services, routes, plugins
 * with their scopes, and the rest as nodes by name.  References by name or id are resolved, nested and flat forms are one.
 * Private to tools/kong* and tools/convert*.  Strings and nodes live in the file's arena.
 */
#ifndef SP_TOOLS_KONG_MODEL_H
#define SP_TOOLS_KONG_MODEL_H

#include "tools/kong_node.h"

struct sp_kong_service {
    const struct sp_node *node;
    struct sp_str name;     /* or its id, or its host */
    struct sp_str protocol, host, path; /* path: without a trailing slash; empty: none */
    uint64_t port;
    bool enabled, tls, h2;
};

struct sp_kong_route {
    const struct sp_node *node;
    struct sp_str name;
    const struct sp_kong_service *service; /* NULL: none */
    bool http, https;       /* its protocols */
};

/* Scopes: NULL where the plugin has none of that kind. */
struct sp_kong_plugin {
    const struct sp_node *node, *config;
    struct sp_str name;
    const struct sp_kong_service *service;
    const struct sp_kong_route *route;
    unsigned index;         /* among all of the file: for names */
    const struct sp_kong_plugin *first; /* of this name and config: what has no state of its own is made once for all */
};

struct sp_kong_list {
    const struct sp_node **v; /* n of them */
    unsigned n;
};

struct sp_kong {
    struct sp_kong_file *file;
    bool old_paths;         /* before format 3.0: what is an expression is told by its characters */
    struct sp_kong_service *services;
    struct sp_kong_route *routes;
    struct sp_kong_plugin *plugins; /* enabled ones, with neither consumer nor group */
    unsigned n_services, n_routes, n_plugins;
    struct sp_kong_list upstreams, certificates, ca_certificates, snis, consumers, vaults;
};

/* False: it is no such file, and what is wrong is printed to `to`. */
bool sp_kong_read(struct sp_kong *k, struct sp_kong_file *f, FILE *to);

/* The entity that `ref` means: {id}, {name}, {username} or one of them as a string. NULL: none. */
const struct sp_node *sp_kong_find(const struct sp_kong_list *l, const struct sp_node *ref);
struct sp_str sp_kong_name(const struct sp_node *entity, const char *key);
/* Credentials of a kind ("jwt_secrets") of all consumers, nested or flat: calls back with the consumer (NULL: unknown). */
void sp_kong_credentials(const struct sp_kong *k, const char *kind,
                         void (*each)(void *ctx, const struct sp_node *consumer, const struct sp_node *credential), void *ctx);
/* The plugin of that name that runs for a route of a service: the most specific one; NULL: none. */
const struct sp_kong_plugin *sp_kong_plugin_of(const struct sp_kong *k, const char *name, const struct sp_kong_route *r);
/* Whether its scopes take the route in. */
static inline bool sp_kong_applies(const struct sp_kong_plugin *p, const struct sp_kong_route *r)
{
    return (!p->route || p->route == r) && (!p->service || p->service == r->service);
}
/* Whether the plugin is the whole file's. */
static inline bool sp_kong_is_global(const struct sp_kong_plugin *p)
{
    return !p->service && !p->route;
}
/* A plugin of that name with a scope of its own. */
bool sp_kong_any_scoped(const struct sp_kong *k, const char *name);

/* What a value is that may stand for a secret elsewhere. */
enum sp_kong_source { SP_KONG_INLINE, SP_KONG_ENV, SP_KONG_VAULT };
/* *ret: the text, the variable's name, or the reference. */
enum sp_kong_source sp_kong_source(const struct sp_kong *k, struct sp_str value, struct sp_str *ret);

#endif
