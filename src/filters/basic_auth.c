/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.basic_auth: a user's name and password in every request (RFC 7617).
 */
#include "envoy/extensions/filters/http/basic_auth/v3/basic_auth.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/hash.h"
#include "filters/gate.h"
#include "filters/htpasswd.h"
#include "filters/registry.h"
#include "stats/stats.h"
#include "stream/caller.h"

typedef Envoy__Extensions__Filters__Http__BasicAuth__V3__BasicAuth Message;
typedef Envoy__Extensions__Filters__Http__BasicAuth__V3__BasicAuthPerRoute PerRoute;

enum { MAX_CREDENTIAL = 4096 };

struct config {
    struct sp_arena arena;
    struct sp_live *users;
    struct sp_str header, forward; /* forward: empty: the name is not told */
    struct sp_counter allowed, denied;
};

static void config_free(void *config)
{
    struct config *c = config;
    sp_arena_done(&c->arena);
    free(c);
}

static struct config *compile(const struct sp_filter_build *b, const Envoy__Config__Core__V3__DataSource *users)
{
    struct config *c = sp_xcalloc(1, sizeof(*c));
    sp_arena_init(&c->arena);
    c->users = sp_htpasswd_new(b->doc, b->diag, &c->arena, users);
    if (c->users)
        return c;
    config_free(c);
    return NULL;
}

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    struct config *c = compile(b, msg->users);
    if (!c)
        return NULL;
    struct sp_stats_scope *scope = sp_stats_scope(b->scope, SP_STR("basic_auth"), NULL, SP_STR_NULL);
    c->allowed = sp_stats_counter(scope, SP_STR("allowed"));
    c->denied = sp_stats_counter(scope, SP_STR("denied"));
    c->header = sp_gate_header_name(b, &c->arena, msg, "authentication_header",
                                    *msg->authentication_header ? msg->authentication_header : "authorization");
    if (*msg->forward_username_header)
        c->forward = sp_gate_header_name(b, &c->arena, msg, "forward_username_header", msg->forward_username_header);
    if (c->header.ptr && (c->forward.ptr || !*msg->forward_username_header))
        return c;
    config_free(c);
    return NULL;
}

static void *route_config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    return compile(b, ((const PerRoute *)(const void *)base)->users);
}

/* Of one stream. */
struct user {
    struct sp_filter base;
    struct sp_str name; /* empty until the password was the right one */
};

static enum sp_status deny(struct sp_filter *f, struct sp_str body, struct sp_str details)
{
    const struct config *c = f->config;
    struct sp_arena *a = sp_filter_arena(f);
    const struct sp_headers *h = sp_filter_request(f);
    struct sp_header *line = sp_arena_zalloc(a, sizeof(*line));
    size_t path = h->path.len;
    for (size_t i = 0; i < path; i++) /* these would end the quoted string */
        if (h->path.ptr[i] == '"' || h->path.ptr[i] == '\\')
            path = i;
    struct sp_str realm = sp_arena_printf(a, "Basic realm=\"%.*s://%.*s%.*s\"", SP_STR_ARG(h->scheme), SP_STR_ARG(h->authority),
                                          (int)path, h->path.ptr ? h->path.ptr : "");
    *line = (struct sp_header){.name = SP_STR("www-authenticate"), .value = realm, .id = SP_H_WWW_AUTHENTICATE};
    sp_counter_inc(c->denied);
    sp_filter_reply(f, &(struct sp_reply){.status = 401, .body = body, .details = details, .headers = line, .n_headers = 1});
    return SP_STOP;
}

/* Where the body of a refusal says more than that it is one, it says no more than the client knows. */
static const struct {
    struct sp_str body, details;
} refusals[] = {
    {SP_STR_INIT("User authentication failed. Missing username and password."), SP_STR_INIT("no_credential_for_basic_auth")},
    {SP_STR_INIT("User authentication failed. Expected 'Basic' authentication scheme."), SP_STR_INIT("invalid_scheme_for_basic_auth")},
    {SP_STR_INIT("User authentication failed. Invalid basic credential format."), SP_STR_INIT("invalid_format_for_basic_auth")},
    {SP_STR_INIT("User authentication failed. Invalid username/password combination."), SP_STR_INIT("invalid_credential_for_basic_auth")},
};
enum { MISSING, SCHEME, FORMAT, CREDENTIAL, GOOD };

/* One of the above. */
static int judge(const struct config *c, const struct sp_live *users, struct sp_arena *a, const struct sp_headers *h,
                 struct sp_str *ret_name)
{
    const struct sp_header *line = sp_headers_find(h, c->header, NULL);
    struct sp_str basic = SP_STR("Basic "), pair, text;
    if (!line)
        return MISSING;
    if (sp_headers_find(h, c->header, line)) /* which of them an origin would go by, nobody knows */
        return FORMAT;
    if (!sp_str_istarts(line->value, basic))
        return SCHEME;
    text = sp_str_sub(line->value, basic.len, line->value.len);
    if (text.len > MAX_CREDENTIAL)
        return FORMAT;
    while (text.len % 4) /* without padding, as some clients send it */
        text = sp_arena_cat(a, text, SP_STR("="));
    if (sp_base64_decode(a, SP_BASE64, text, &pair) < 0)
        return FORMAT;
    ptrdiff_t colon = sp_str_chr(pair, ':');
    if (colon < 0)
        return FORMAT;
    *ret_name = sp_str_sub(pair, 0, (size_t)colon);
    return sp_htpasswd_good(users, *ret_name, sp_str_sub(pair, (size_t)colon + 1, pair.len)) ? GOOD : CREDENTIAL;
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct config *c = f->config, *route = sp_filter_route_config(f);
    struct sp_str name;
    int verdict = judge(c, route ? route->users : c->users, sp_filter_arena(f), h, &name);
    if (c->forward.len)
        sp_headers_remove_alike(h, c->forward);
    if (verdict != GOOD)
        return deny(f, refusals[verdict].body, refusals[verdict].details);
    if (c->forward.len && !sp_header_value_valid(name))
        return deny(f, refusals[FORMAT].body, refusals[FORMAT].details);
    if (c->forward.len)
        sp_headers_add(h, c->forward, name);
    ((struct user *)f)->name = name;
    sp_counter_inc(c->allowed);
    return SP_CONTINUE;
}

static void caller(const struct sp_filter *f, struct sp_caller *out)
{
    sp_caller_say(out, SP_STR("user"), ((const struct user *)f)->name);
}

static void sanitize(const void *config, struct sp_headers *h)
{
    const struct config *c = config;
    if (c->forward.len)
        sp_headers_remove_alike(h, c->forward);
}

static enum sp_status decode_trailers(struct sp_filter *f, struct sp_headers *t)
{
    sanitize(f->config, t);
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_basic_auth_ops = {
    .name = "basic_auth",
    .type_url = "envoy.extensions.filters.http.basic_auth.v3.BasicAuth",
    .size = sizeof(struct user),
    .config_new = config_new,
    .config_free = config_free,
    .route_type_url = "envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute",
    .route_config_new = route_config_new,
    .route_config_free = config_free,
    .sanitize = sanitize,
    .decode_headers = decode_headers,
    .decode_trailers = decode_trailers,
    .caller = caller,
};
