/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.api_key_auth: a key in a header, the query or a cookie says which client a request is of.  Keys are
 * kept, and looked up, by their SHA-256: the time that takes tells nothing of them.
 */
#include "envoy/extensions/filters/http/api_key_auth/v3/api_key_auth.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "config/doc.h"
#include "crypto/hash.h"
#include "filters/gate.h"
#include "filters/jwt_location.h"
#include "filters/registry.h"
#include "stats/stats.h"
#include "stream/caller.h"

typedef Envoy__Extensions__Filters__Http__ApiKeyAuth__V3__ApiKeyAuth Message;
typedef Envoy__Extensions__Filters__Http__ApiKeyAuth__V3__ApiKeyAuthPerRoute PerRoute;
typedef Envoy__Extensions__Filters__Http__ApiKeyAuth__V3__Credential Credential;
typedef Envoy__Extensions__Filters__Http__ApiKeyAuth__V3__KeySource KeySource;
typedef Envoy__Extensions__Filters__Http__ApiKeyAuth__V3__Forwarding Forwarding;

enum { HASH = 32 };

struct client {
    struct sp_str name;
};

struct config {
    struct sp_arena arena;
    struct sp_map clients; /* by the hash of their keys */
    struct sp_jwt_locations places;
    struct sp_str header; /* empty: the origin is not told */
    bool hides;
    struct sp_str *allowed; /* n_allowed of them; a route's */
    size_t n_allowed;
    bool has_clients, has_places, has_forwarding;
    struct sp_counter allowed_stat, unauthorized, forbidden;
};

static void config_free(void *config)
{
    struct config *c = config;
    sp_map_done(&c->clients);
    sp_arena_done_wipe(&c->arena);
    free(c);
}

/* --- compiling --- */

static void read_credentials(const struct sp_filter_build *b, struct config *c, Credential *const *list, size_t n)
{
    c->has_clients = n > 0;
    for (size_t i = 0; i < n; i++) {
        char *hash = sp_arena_alloc(&c->arena, HASH);
        struct client *client = sp_arena_alloc(&c->arena, sizeof(*client));
        sp_sha256(sp_str_c(list[i]->key), (uint8_t *)hash);
        *client = (struct client){sp_arena_str(&c->arena, sp_str_c(list[i]->client))};
        if (sp_map_get(&c->clients, sp_str_n(hash, HASH)))
            sp_doc_err(b->doc, b->diag, list[i], "key", -1, "a credential above has this key already (each key is one client's)");
        else
            sp_map_add(&c->clients, sp_str_n(hash, HASH), client);
    }
}

static void read_place(const struct sp_filter_build *b, struct config *c, const KeySource *msg)
{
    struct sp_jwt_locations *l = &c->places;
    if (!!*msg->header + !!*msg->query + !!*msg->cookie != 1) {
        sp_doc_err(b->doc, b->diag, msg, NULL, -1, "exactly one of header, query and cookie (one key_sources entry a place)");
        return;
    }
    if (*msg->query)
        l->params[l->n_params++] = sp_arena_str(&c->arena, sp_str_c(msg->query));
    else if (*msg->cookie)
        l->cookies[l->n_cookies++] = sp_arena_str(&c->arena, sp_str_c(msg->cookie));
    else
        l->headers[l->n_headers++].name = sp_gate_header_name(b, &c->arena, msg, "header", msg->header);
}

static void read_places(const struct sp_filter_build *b, struct config *c, KeySource *const *list, size_t n)
{
    c->has_places = n > 0;
    c->places.headers = sp_arena_zalloc(&c->arena, (n + 1) * sizeof(*c->places.headers));
    c->places.params = sp_arena_zalloc(&c->arena, (n + 1) * sizeof(*c->places.params));
    c->places.cookies = sp_arena_zalloc(&c->arena, (n + 1) * sizeof(*c->places.cookies));
    for (size_t i = 0; i < n; i++)
        read_place(b, c, list[i]);
}

static void read_forwarding(const struct sp_filter_build *b, struct config *c, const Forwarding *msg)
{
    if (!msg)
        return;
    c->has_forwarding = true;
    c->hides = msg->hide_credentials;
    if (*msg->header)
        c->header = sp_gate_header_name(b, &c->arena, msg, "header", msg->header);
}

static struct config *begin(void)
{
    struct config *c = sp_xcalloc(1, sizeof(*c));
    sp_arena_init(&c->arena);
    sp_map_init(&c->clients);
    return c;
}

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    unsigned before = b->diag->n_errors;
    struct config *c = begin();
    read_credentials(b, c, msg->credentials, msg->n_credentials);
    read_places(b, c, msg->key_sources, msg->n_key_sources);
    read_forwarding(b, c, msg->forwarding);
    if (b->diag->n_errors != before) {
        config_free(c);
        return NULL;
    }
    struct sp_stats_scope *scope = sp_stats_scope(b->scope, SP_STR("api_key_auth"), NULL, SP_STR_NULL);
    c->allowed_stat = sp_stats_counter(scope, SP_STR("allowed"));
    c->unauthorized = sp_stats_counter(scope, SP_STR("unauthorized"));
    c->forbidden = sp_stats_counter(scope, SP_STR("forbidden"));
    return c;
}

static void *route_config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    const PerRoute *msg = (const void *)base;
    unsigned before = b->diag->n_errors;
    struct config *c = begin();
    read_credentials(b, c, msg->credentials, msg->n_credentials);
    read_places(b, c, msg->key_sources, msg->n_key_sources);
    read_forwarding(b, c, msg->forwarding);
    c->allowed = sp_arena_zalloc(&c->arena, (msg->n_allowed_clients + 1) * sizeof(*c->allowed));
    for (size_t i = 0; i < msg->n_allowed_clients; i++)
        c->allowed[c->n_allowed++] = sp_arena_str(&c->arena, sp_str_c(msg->allowed_clients[i]));
    if (b->diag->n_errors == before)
        return c;
    config_free(c);
    return NULL;
}

/* --- requests --- */

/* Of one stream. */
struct keyed {
    struct sp_filter base;
    const struct client *client; /* whose key it brought, allowed here or not */
};

static enum sp_status deny(struct sp_filter *f, unsigned status, struct sp_str details)
{
    const struct config *c = f->config;
    sp_counter_inc(status == 403 ? c->forbidden : c->unauthorized);
    sp_filter_reply_text(f, status, status == 403 ? SP_STR("Client is forbidden.") : SP_STR("Client authentication failed."), details);
    return SP_STOP;
}

static bool may_come(const struct config *route, struct sp_str client)
{
    if (!route || !route->n_allowed)
        return true;
    for (size_t i = 0; i < route->n_allowed; i++)
        if (sp_str_eq(route->allowed[i], client))
            return true;
    return false;
}

static const struct client *client_of(const struct config *c, struct sp_str key)
{
    uint8_t hash[HASH];
    struct sp_str bearer = SP_STR("Bearer ");
    if (sp_str_istarts(key, bearer))
        key = sp_str_sub(key, bearer.len, key.len);
    sp_sha256(key, hash);
    return sp_map_get(&c->clients, sp_str_n((const char *)hash, HASH));
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct config *own = f->config, *route = sp_filter_route_config(f);
    const struct config *whose = route && route->has_clients ? route : own, *where = route && route->has_places ? route : own,
                        *tells = route && route->has_forwarding ? route : own;
    struct sp_str key;
    if (tells->header.len)
        sp_headers_remove_alike(h, tells->header);
    enum sp_jwt_found found = sp_jwt_locate(&where->places, h, sp_filter_arena(f), &key);
    if (found == SP_JWT_FOUND_NONE || (found == SP_JWT_FOUND_ONE && !key.len))
        return deny(f, 401, SP_STR("missing_api_key"));
    const struct client *client = found == SP_JWT_FOUND_ONE ? client_of(whose, key) : NULL;
    if (!client)
        return deny(f, 401, SP_STR("unknown_api_key"));
    ((struct keyed *)f)->client = client;
    if (!may_come(route, client->name))
        return deny(f, 403, SP_STR("client_not_allowed"));
    if (tells->hides)
        sp_jwt_remove(&where->places, h);
    if (tells->header.len)
        sp_headers_add(h, tells->header, client->name);
    sp_counter_inc(own->allowed_stat);
    return SP_CONTINUE;
}

static void caller(const struct sp_filter *f, struct sp_caller *out)
{
    const struct client *client = ((const struct keyed *)f)->client;
    if (client)
        sp_caller_say(out, SP_STR("client_id"), client->name);
}

static void sanitize(const void *config, struct sp_headers *h)
{
    const struct config *c = config;
    if (c->header.len)
        sp_headers_remove_alike(h, c->header);
}

static enum sp_status decode_trailers(struct sp_filter *f, struct sp_headers *t)
{
    const struct config *route = sp_filter_route_config(f);
    sanitize(route && route->has_forwarding ? route : f->config, t);
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_api_key_auth_ops = {
    .name = "api_key_auth",
    .type_url = "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth",
    .size = sizeof(struct keyed),
    .config_new = config_new,
    .config_free = config_free,
    .route_type_url = "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute",
    .route_config_new = route_config_new,
    .route_config_free = config_free,
    .sanitize = sanitize,
    .decode_headers = decode_headers,
    .decode_trailers = decode_trailers,
    .caller = caller,
};
