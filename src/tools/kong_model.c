/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/kong_model.h"

#include <assert.h>

/* --- lists of entities --- */

static void push(struct sp_kong *k, struct sp_kong_list *l, const struct sp_node *n)
{
    if ((l->n & (l->n + 1)) == 0) { /* full at one less than a power of two */
        const struct sp_node **more = sp_arena_alloc(&k->file->arena, (2 * (size_t)l->n + 2) * sizeof(*more));
        if (l->n)
            memcpy(more, l->v, l->n * sizeof(*more));
        l->v = more;
    }
    l->v[l->n++] = n;
}

static void push_all(struct sp_kong *k, struct sp_kong_list *l, const struct sp_node *map, const char *key)
{
    const struct sp_node *list = sp_kong_get(map, key);
    for (unsigned i = 0; i < sp_kong_count(list); i++)
        push(k, l, sp_kong_item(list, i));
}

struct sp_str sp_kong_name(const struct sp_node *entity, const char *key)
{
    struct sp_str id = sp_kong_str(entity, "id", SP_STR_NULL);
    return sp_kong_str(entity, key, id);
}

static bool is_meant(const struct sp_node *entity, struct sp_str ref)
{
    static const char *const keys[] = {"name", "id", "username", "custom_id"};
    for (size_t i = 0; ref.len && i < SP_ARRAY_LEN(keys); i++)
        if (sp_str_eq(sp_kong_str(entity, keys[i], SP_STR_NULL), ref))
            return true;
    return false;
}

static struct sp_str ref_text(const struct sp_node *ref)
{
    struct sp_str s = sp_kong_text(ref);
    if (!s.len)
        s = sp_kong_str(ref, "id", SP_STR_NULL);
    if (!s.len)
        s = sp_kong_str(ref, "name", SP_STR_NULL);
    return s.len ? s : sp_kong_str(ref, "username", SP_STR_NULL);
}

const struct sp_node *sp_kong_find(const struct sp_kong_list *l, const struct sp_node *ref)
{
    assert(l);
    for (unsigned i = 0; ref && i < l->n; i++)
        if (is_meant(l->v[i], ref_text(ref)))
            return l->v[i];
    return NULL;
}

/* --- services --- */

static uint64_t default_port(struct sp_str protocol)
{
    return sp_str_eq(protocol, SP_STR("https")) || sp_str_eq(protocol, SP_STR("grpcs")) || sp_str_eq(protocol, SP_STR("wss")) ? 443 : 80;
}

/* "url" says four things at once. */
static void read_url(struct sp_kong *k, struct sp_kong_service *s, struct sp_str url)
{
    ptrdiff_t sep = sp_str_find(url, SP_STR("://"));
    if (sep <= 0) {
        sp_kong_drop(k->file, sp_kong_get(s->node, "url"), "service %.*s: url \"%.*s\" is none", SP_STR_ARG(s->name), SP_STR_ARG(url));
        return;
    }
    s->protocol = sp_str_n(url.ptr, (size_t)sep);
    struct sp_str rest = sp_str_sub(url, (size_t)sep + 3, url.len);
    ptrdiff_t slash = sp_str_chr(rest, '/');
    struct sp_str host = slash < 0 ? rest : sp_str_n(rest.ptr, (size_t)slash);
    s->path = slash < 0 ? SP_STR_NULL : sp_str_sub(rest, (size_t)slash, rest.len);
    ptrdiff_t colon = host.len && host.ptr[host.len - 1] != ']' ? sp_str_chr(host, ':') : -1;
    s->port = default_port(s->protocol);
    if (colon > 0 && sp_str_u64(sp_str_sub(host, (size_t)colon + 1, host.len), 65535, &s->port) == 0)
        host = sp_str_n(host.ptr, (size_t)colon);
    s->host = host;
}

static void read_service(struct sp_kong *k, struct sp_kong_service *s, const struct sp_node *n, const struct sp_node *defaults)
{
    *s = (struct sp_kong_service){.node = n, .enabled = sp_kong_bool(n, "enabled", true)};
    s->protocol = sp_kong_str(n, "protocol", sp_kong_str(defaults, "protocol", SP_STR("http")));
    s->host = sp_kong_str(n, "host", sp_kong_str(defaults, "host", SP_STR_NULL));
    s->path = sp_kong_str(n, "path", SP_STR_NULL);
    s->name = sp_kong_name(n, "name");
    struct sp_str url = sp_kong_str(n, "url", SP_STR_NULL);
    if (url.len)
        read_url(k, s, url);
    s->port = sp_kong_u64(n, "port", s->port ? s->port : default_port(s->protocol));
    if (!s->name.len)
        s->name = s->host;
    while (s->path.len && s->path.ptr[s->path.len - 1] == '/')
        s->path.len--;
    s->tls = default_port(s->protocol) == 443;
    s->h2 = sp_str_starts(s->protocol, SP_STR("grpc"));
}

/* --- routes --- */

static void read_protocols(struct sp_kong *k, struct sp_kong_route *r)
{
    const struct sp_node *list = sp_kong_get(r->node, "protocols");
    r->http = r->https = !list;
    for (unsigned i = 0; i < sp_kong_count(list); i++) {
        struct sp_str p = sp_kong_item_str(list, i);
        bool plain = sp_str_eq(p, SP_STR("http")) || sp_str_eq(p, SP_STR("grpc")), tls = sp_str_eq(p, SP_STR("https")) || sp_str_eq(p, SP_STR("grpcs"));
        r->http |= plain;
        r->https |= tls;
        if (!plain && !tls)
            sp_kong_drop(k->file, sp_kong_item(list, i), "route %.*s: protocol %.*s", SP_STR_ARG(r->name), SP_STR_ARG(p));
    }
}

static void read_route(struct sp_kong *k, struct sp_kong_route *r, const struct sp_node *n, const struct sp_kong_service *s)
{
    *r = (struct sp_kong_route){.node = n, .service = s, .name = sp_kong_name(n, "name")};
    if (!r->name.len)
        r->name = sp_arena_printf(&k->file->arena, "route-%u", k->n_routes);
    read_protocols(k, r);
}

static const struct sp_kong_service *service_of(const struct sp_kong *k, const struct sp_node *ref)
{
    for (unsigned i = 0; ref && i < k->n_services; i++)
        if (is_meant(k->services[i].node, ref_text(ref)))
            return &k->services[i];
    return NULL;
}

static const struct sp_kong_route *route_of(const struct sp_kong *k, const struct sp_node *ref)
{
    for (unsigned i = 0; ref && i < k->n_routes; i++)
        if (is_meant(k->routes[i].node, ref_text(ref)))
            return &k->routes[i];
    return NULL;
}

static void read_routes(struct sp_kong *k)
{
    unsigned total = sp_kong_count(sp_kong_get(k->file->root, "routes"));
    for (unsigned i = 0; i < k->n_services; i++)
        total += sp_kong_count(sp_kong_get(k->services[i].node, "routes"));
    k->routes = sp_arena_zalloc(&k->file->arena, (total + 1) * sizeof(*k->routes));
    for (unsigned i = 0; i < k->n_services; i++) {
        const struct sp_node *list = sp_kong_get(k->services[i].node, "routes");
        for (unsigned j = 0; j < sp_kong_count(list); j++) {
            read_route(k, &k->routes[k->n_routes], sp_kong_item(list, j), &k->services[i]);
            k->n_routes++;
        }
    }
    const struct sp_node *list = sp_kong_get(k->file->root, "routes");
    for (unsigned i = 0; i < sp_kong_count(list); i++) {
        const struct sp_node *n = sp_kong_item(list, i), *ref = sp_kong_get(n, "service");
        const struct sp_kong_service *s = service_of(k, ref);
        if (ref && !s)
            sp_kong_drop(k->file, n, "route %.*s: its service is not in the file", SP_STR_ARG(sp_kong_name(n, "name")));
        else
            read_route(k, &k->routes[k->n_routes++], n, s);
    }
}

/* --- plugins --- */

static void add_plugin(struct sp_kong *k, const struct sp_node *n, const struct sp_kong_service *s, const struct sp_kong_route *r)
{
    static const char *const who[] = {"consumer", "consumer_group"};
    struct sp_str name = sp_kong_str(n, "name", SP_STR_NULL);
    if (!sp_kong_bool(n, "enabled", true))
        return;
    for (size_t i = 0; i < SP_ARRAY_LEN(who); i++)
        if (sp_kong_get(n, who[i])) {
            sp_kong_drop(k->file, n, "plugin %.*s: it is for one %s only", SP_STR_ARG(name), who[i]);
            return;
        }
    struct sp_kong_plugin *p = &k->plugins[k->n_plugins];
    *p = (struct sp_kong_plugin){.node = n, .config = sp_kong_get(n, "config"), .name = name, .service = s,
                                 .route = r, .index = k->n_plugins};
    p->first = k->plugins;
    while (!sp_str_eq(p->first->name, name) || !sp_kong_same(p->first->config, p->config))
        p->first++; /* itself at the latest */
    k->n_plugins++;
}

static void add_nested(struct sp_kong *k, const struct sp_node *entity, const struct sp_kong_service *s, const struct sp_kong_route *r)
{
    const struct sp_node *list = sp_kong_get(entity, "plugins");
    for (unsigned i = 0; i < sp_kong_count(list); i++)
        add_plugin(k, sp_kong_item(list, i), s, r);
}

static void add_flat(struct sp_kong *k, const struct sp_node *n)
{
    const struct sp_node *sref = sp_kong_get(n, "service"), *rref = sp_kong_get(n, "route");
    const struct sp_kong_service *s = service_of(k, sref);
    const struct sp_kong_route *r = route_of(k, rref);
    if ((sref && !s) || (rref && !r))
        sp_kong_drop(k->file, n, "plugin %.*s: its %s is not in the file", SP_STR_ARG(sp_kong_str(n, "name", SP_STR_NULL)),
                     sref && !s ? "service" : "route");
    else
        add_plugin(k, n, s, r);
}

static void read_plugins(struct sp_kong *k)
{
    const struct sp_node *flat = sp_kong_get(k->file->root, "plugins");
    size_t total = sp_kong_count(flat);
    for (unsigned i = 0; i < k->n_services; i++)
        total += sp_kong_count(sp_kong_get(k->services[i].node, "plugins"));
    for (unsigned i = 0; i < k->n_routes; i++)
        total += sp_kong_count(sp_kong_get(k->routes[i].node, "plugins"));
    k->plugins = sp_arena_zalloc(&k->file->arena, (total + 1) * sizeof(*k->plugins));
    for (unsigned i = 0; i < k->n_services; i++)
        add_nested(k, k->services[i].node, &k->services[i], NULL);
    for (unsigned i = 0; i < k->n_routes; i++)
        add_nested(k, k->routes[i].node, NULL, &k->routes[i]);
    for (unsigned i = 0; i < sp_kong_count(flat); i++)
        add_flat(k, sp_kong_item(flat, i));
    for (unsigned i = 0; i < k->consumers.n; i++)
        for (unsigned j = 0; j < sp_kong_count(sp_kong_get(k->consumers.v[i], "plugins")); j++)
            sp_kong_drop(k->file, sp_kong_item(sp_kong_get(k->consumers.v[i], "plugins"), j), "plugin %.*s of consumer %.*s: it is for one consumer only",
                         SP_STR_ARG(sp_kong_str(sp_kong_item(sp_kong_get(k->consumers.v[i], "plugins"), j), "name", SP_STR_NULL)),
                         SP_STR_ARG(sp_kong_name(k->consumers.v[i], "username")));
}

/* 0: it does not apply; the greater the more specific. */
static int specificity(const struct sp_kong_plugin *p, const struct sp_kong_route *r)
{
    return !sp_kong_applies(p, r) ? 0 : 1 + (p->service ? 1 : 0) + (p->route ? 2 : 0);
}

const struct sp_kong_plugin *sp_kong_plugin_of(const struct sp_kong *k, const char *name, const struct sp_kong_route *r)
{
    const struct sp_kong_plugin *best = NULL;
    assert(k && name && r);
    for (unsigned i = 0; i < k->n_plugins; i++) {
        const struct sp_kong_plugin *p = &k->plugins[i];
        if (sp_str_eq(p->name, sp_str_c(name)) && specificity(p, r) > (best ? specificity(best, r) : 0))
            best = p;
    }
    return best;
}

bool sp_kong_any_scoped(const struct sp_kong *k, const char *name)
{
    for (unsigned i = 0; i < k->n_plugins; i++)
        if (sp_str_eq(k->plugins[i].name, sp_str_c(name)) && !sp_kong_is_global(&k->plugins[i]))
            return true;
    return false;
}

/* --- credentials, secrets --- */

void sp_kong_credentials(const struct sp_kong *k, const char *kind,
                         void (*each)(void *ctx, const struct sp_node *consumer, const struct sp_node *credential), void *ctx)
{
    assert(k && kind && each);
    for (unsigned i = 0; i < k->consumers.n; i++) {
        const struct sp_node *list = sp_kong_get(k->consumers.v[i], kind);
        for (unsigned j = 0; j < sp_kong_count(list); j++)
            each(ctx, k->consumers.v[i], sp_kong_item(list, j));
    }
    const struct sp_node *flat = sp_kong_get(k->file->root, kind);
    for (unsigned i = 0; i < sp_kong_count(flat); i++)
        each(ctx, sp_kong_find(&k->consumers, sp_kong_get(sp_kong_item(flat, i), "consumer")), sp_kong_item(flat, i));
}

/* "{vault://env/my-name}" is the variable MY_NAME; a vault of that prefix may set another prefix before it. */
enum sp_kong_source sp_kong_source(const struct sp_kong *k, struct sp_str value, struct sp_str *ret)
{
    assert(k && ret);
    *ret = value;
    if (!sp_str_starts(value, SP_STR("{vault://")) || value.ptr[value.len - 1] != '}')
        return SP_KONG_INLINE;
    struct sp_str rest = sp_str_sub(value, 9, value.len - 1), vault;
    *ret = rest;
    if (!sp_str_split(&rest, '/', &vault))
        return SP_KONG_VAULT;
    struct sp_str prefix = SP_STR_NULL;
    bool env = sp_str_eq(vault, SP_STR("env"));
    for (unsigned i = 0; i < k->vaults.n; i++)
        if (sp_str_eq(sp_kong_str(k->vaults.v[i], "prefix", SP_STR_NULL), vault)) {
            env = sp_str_eq(sp_kong_str(k->vaults.v[i], "name", SP_STR_NULL), SP_STR("env"));
            prefix = sp_kong_str(sp_kong_get(k->vaults.v[i], "config"), "prefix", SP_STR_NULL);
        }
    if (!env || !rest.len || sp_str_chr(rest, '/') >= 0 || sp_str_chr(rest, '#') >= 0 || sp_str_chr(rest, '?') >= 0)
        return SP_KONG_VAULT;
    *ret = sp_arena_cat(&k->file->arena, prefix, rest);
    for (size_t i = 0; i < ret->len; i++) {
        char *c = (char *)(uintptr_t)&ret->ptr[i];
        *c = *c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
    }
    return SP_KONG_ENV;
}

/* --- all of it --- */

static bool read_version(struct sp_kong *k, FILE *to)
{
    struct sp_str v = sp_kong_str(k->file->root, "_format_version", SP_STR_NULL);
    if (v.len && (v.ptr[0] == '1' || v.ptr[0] == '2' || v.ptr[0] == '3')) {
        k->old_paths = v.ptr[0] != '3';
        return true;
    }
    v = sp_arena_str(&k->file->arena, v);
    sp_text_tame((char *)(uintptr_t)v.ptr, v.len);
    fprintf(to, v.len ? "%s: _format_version \"%.*s\" is not known (1.1, 2.1 or 3.0)\n"
                      : "%s: there is no _format_version (1.1, 2.1 or 3.0): is this Kong's declarative format?%.*s\n",
            k->file->name, SP_STR_ARG(v));
    return false;
}

/* Upstreams, certificates and the like, which stay nodes. */
static void read_rest(struct sp_kong *k)
{
    const struct sp_node *root = k->file->root;
    push_all(k, &k->upstreams, root, "upstreams");
    push_all(k, &k->certificates, root, "certificates");
    push_all(k, &k->ca_certificates, root, "ca_certificates");
    push_all(k, &k->snis, root, "snis");
    push_all(k, &k->consumers, root, "consumers");
    push_all(k, &k->vaults, root, "vaults");
}

bool sp_kong_read(struct sp_kong *k, struct sp_kong_file *f, FILE *to)
{
    assert(k && f && f->root && to);
    *k = (struct sp_kong){.file = f};
    if (!read_version(k, to))
        return false;
    const struct sp_node *services = sp_kong_get(f->root, "services"), *info = sp_kong_get(f->root, "_info");
    const struct sp_node *defaults = sp_kong_get(sp_kong_get(info, "defaults"), "service");
    k->services = sp_arena_zalloc(&f->arena, (sp_kong_count(services) + 1) * sizeof(*k->services));
    for (unsigned i = 0; i < sp_kong_count(services); i++)
        read_service(k, &k->services[k->n_services++], sp_kong_item(services, i), defaults);
    read_rest(k);
    read_routes(k);
    read_plugins(k);
    sp_kong_known(f, info, SP_STR("_info"), "defaults select_tags");
    sp_kong_known(f, sp_kong_get(info, "defaults"), SP_STR("_info.defaults"), "service");
    sp_kong_known(f, f->root, SP_STR("the file"),
                  "_format_version _transform _info _workspace _konnect services routes upstreams certificates ca_certificates snis consumers plugins "
                  "vaults jwt_secrets keyauth_credentials basicauth_credentials acls");
    return true;
}
