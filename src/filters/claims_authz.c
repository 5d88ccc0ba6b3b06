/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/filters/http/claims_authz/v1/claims_authz.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/doc.h"
#include "filters/claim_headers.h"
#include "filters/claims_rule.h"
#include "filters/gate.h"
#include "stream/metadata.h"
#include "filters/registry.h"
#include "stats/stats.h"

typedef Sallyport__Filters__Http__ClaimsAuthz__V1__ClaimsAuthz Message;
typedef Sallyport__Filters__Http__ClaimsAuthz__V1__ClaimsAuthzPerRoute PerRoute;

struct source {
    struct sp_str ns, key;
};

struct config {
    struct sp_arena arena;
    struct source *sources; /* n_sources of them */
    unsigned n_sources;
    struct sp_claims_names names;
    struct sp_claims_rule *requires;
    struct sp_claim_headers headers;
    struct sp_str realm;
    struct sp_counter allowed, denied, unauthenticated;
};

struct route_config {
    struct sp_arena arena;
    struct sp_claims_rule *requires; /* NULL: nothing */
};

/* --- compiling --- */

static void config_free(void *config)
{
    struct config *c = config;
    sp_arena_done(&c->arena);
    free(c);
}

static struct sp_str *copy_list(struct sp_arena *arena, char *const *list, size_t n, unsigned *ret_n)
{
    struct sp_str *v = sp_arena_zalloc(arena, n * sizeof(*v));
    for (size_t i = 0; i < n; i++)
        v[i] = sp_arena_str(arena, sp_str_c(list[i]));
    *ret_n = (unsigned)n;
    return v;
}

static void names_init(struct config *c, const Message *msg)
{
    static char scope[] = "scope", scp[] = "scp", roles[] = "roles", groups[] = "groups";
    static char *const scopes_default[] = {scope, scp}, *const roles_default[] = {roles}, *const groups_default[] = {groups};
    struct sp_claims_names *n = &c->names;
    n->scopes = copy_list(&c->arena, msg->n_scope_claims ? msg->scope_claims : scopes_default,
                          msg->n_scope_claims ? msg->n_scope_claims : 2, &n->n_scopes);
    n->roles = copy_list(&c->arena, msg->n_role_claims ? msg->role_claims : roles_default,
                         msg->n_role_claims ? msg->n_role_claims : 1, &n->n_roles);
    n->groups = copy_list(&c->arena, msg->n_group_claims ? msg->group_claims : groups_default,
                          msg->n_group_claims ? msg->n_group_claims : 1, &n->n_groups);
    n->tenant = *msg->tenant_claim ? sp_arena_str(&c->arena, sp_str_c(msg->tenant_claim)) : SP_STR("tenant");
}

static void sources_init(struct config *c, const Message *msg)
{
    c->sources = sp_arena_zalloc(&c->arena, msg->n_sources * sizeof(*c->sources));
    for (size_t i = 0; i < msg->n_sources; i++) {
        struct source *s = &c->sources[c->n_sources++];
        s->ns = *msg->sources[i]->metadata_namespace
                    ? sp_arena_str(&c->arena, sp_str_c(msg->sources[i]->metadata_namespace))
                    : SP_STR("envoy.filters.http.jwt_authn");
        s->key = sp_arena_str(&c->arena, sp_str_c(msg->sources[i]->key));
    }
}

static bool headers_init(const struct sp_filter_build *build, struct config *c, const Message *msg)
{
    bool good = true;
    c->headers.v = sp_arena_zalloc(&c->arena, msg->n_claim_to_headers * sizeof(*c->headers.v));
    for (size_t i = 0; i < msg->n_claim_to_headers; i++) {
        struct sp_claim_header *h = &c->headers.v[c->headers.n++];
        h->header = sp_claim_header_name(build, &c->arena, msg->claim_to_headers[i], "header_name",
                                         msg->claim_to_headers[i]->header_name);
        h->claim = sp_arena_str(&c->arena, sp_str_c(msg->claim_to_headers[i]->claim_name));
        good &= h->header.ptr != NULL;
    }
    return good;
}

static bool realm_init(const struct sp_filter_build *build, struct config *c, const Message *msg)
{
    c->realm = *msg->realm ? sp_arena_str(&c->arena, sp_str_c(msg->realm)) : SP_STR("api");
    for (size_t i = 0; i < c->realm.len; i++)
        if (c->realm.ptr[i] < ' ' || c->realm.ptr[i] > '~' || c->realm.ptr[i] == '"' || c->realm.ptr[i] == '\\') {
            sp_doc_err(build->doc, build->diag, msg, "realm", -1, "printable ASCII without quotes and backslashes, please");
            return false;
        }
    return true;
}

static void *config_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    sp_arena_init(&c->arena);
    names_init(c, msg);
    sources_init(c, msg);
    bool good = headers_init(build, c, msg);
    good &= realm_init(build, c, msg);
    c->requires = sp_claims_rule_new(build, &c->arena, &c->names, msg->requires);
    if (!good || !c->requires) {
        config_free(c);
        return NULL;
    }
    struct sp_stats_scope *scope = sp_stats_scope(build->scope, SP_STR("claims_authz"), NULL, SP_STR_NULL);
    c->allowed = sp_stats_counter(scope, SP_STR("allowed"));
    c->denied = sp_stats_counter(scope, SP_STR("denied"));
    c->unauthenticated = sp_stats_counter(scope, SP_STR("unauthenticated"));
    return c;
}

static void route_config_free(void *config)
{
    struct route_config *r = config;
    sp_arena_done(&r->arena);
    free(r);
}

static void *route_config_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    const PerRoute *msg = (const void *)base;
    const struct config *c = build->config;
    assert(c);
    struct route_config *r = sp_xcalloc(1, sizeof(*r));
    sp_arena_init(&r->arena);
    if (msg->override_case != SALLYPORT__FILTERS__HTTP__CLAIMS_AUTHZ__V1__CLAIMS_AUTHZ_PER_ROUTE__OVERRIDE_REQUIRES)
        return r;
    r->requires = sp_claims_rule_new(build, &r->arena, &c->names, msg->requires);
    if (r->requires)
        return r;
    route_config_free(r);
    return NULL;
}

/* --- deciding --- */

/* NULL: nobody has verified anything. */
static const json_t *find_claims(const struct config *c, struct sp_metadata_view *view)
{
    const json_t *claims = NULL;
    for (unsigned i = 0; !claims && !view->unreadable && i < c->n_sources; i++)
        claims = sp_metadata_get(view, c->sources[i].ns, c->sources[i].key);
    view->unreadable |= claims && !json_is_object(claims);
    return view->unreadable ? NULL : claims;
}

static struct sp_str joined(struct sp_arena *arena, const struct sp_str *v, unsigned n, char between)
{
    struct sp_str text = n ? v[0] : SP_STR("");
    for (unsigned i = 1; i < n; i++)
        text = sp_arena_printf(arena, "%.*s%c%.*s", SP_STR_ARG(text), between, SP_STR_ARG(v[i]));
    return text;
}

static void log_denial(const struct sp_filter *f, const struct sp_headers *h, struct sp_str why)
{
    char client[SP_ADDR_TEXT_MAX];
    struct sp_str path = sp_gate_log_path(h);
    sp_log_limited(SP_LOG_INFO, "claims_authz", 10, "%s %s: %.*s (%.*s %.*s)",
                   sp_filter_enforced(f) ? "refused" : "would refuse", sp_addr_ip_text(&sp_filter_info(f)->client, client), SP_STR_ARG(why), SP_STR_ARG(h->method),
                   SP_STR_ARG(path));
}

static enum sp_status refuse(struct sp_filter *f, const struct sp_headers *h, unsigned status, struct sp_str challenge,
                             struct sp_str why)
{
    const struct config *c = f->config;
    const struct sp_header line = {.name = SP_STR("www-authenticate"), .id = SP_H_WWW_AUTHENTICATE, .value = challenge};
    const struct sp_reply reply = {
        .status = status, .body = status == 401 ? SP_STR("Unauthorized") : SP_STR("Forbidden"), .headers = &line,
        .n_headers = 1, .no_store = true,
        .details = sp_arena_printf(h->arena, "claims_authz_denied{%.*s}", SP_STR_ARG(why)),
    };
    sp_counter_inc(status == 401 ? c->unauthenticated : c->denied);
    log_denial(f, h, why);
    sp_filter_reply(f, &reply);
    return SP_STOP;
}

/* RFC 6750 section 3: without a token no error is named. */
static enum sp_status refuse_nobody(struct sp_filter *f, const struct sp_headers *h)
{
    const struct config *c = f->config;
    return refuse(f, h, 401, sp_arena_printf(h->arena, "Bearer realm=\"%.*s\"", SP_STR_ARG(c->realm)),
                  SP_STR("no_verified_token"));
}

static enum sp_status refuse_missing(struct sp_filter *f, const struct sp_headers *h, const struct sp_claims_missing *m)
{
    const struct config *c = f->config;
    const struct sp_stream_info *info = sp_filter_info(f);
    /* RFC 9449 section 7.1: in the scheme that the token came with. */
    const char *scheme = info->access_token_dpop && !info->access_token_bearer ? "DPoP" : "Bearer";
    struct sp_str scopes = joined(h->arena, m->scopes, m->n_scopes, ' ');
    struct sp_str challenge =
        sp_arena_printf(h->arena, "%s realm=\"%.*s\", error=\"insufficient_scope\"%s%.*s%s", scheme, SP_STR_ARG(c->realm),
                        scopes.len ? ", scope=\"" : "", SP_STR_ARG(scopes), scopes.len ? "\"" : "");
    return refuse(f, h, 403, challenge, joined(h->arena, m->what, m->n_what, ','));
}

static enum sp_status decide(struct sp_filter *f, struct sp_headers *h, const struct sp_metadata_view *view,
                             const json_t *claims)
{
    const struct config *c = f->config;
    const struct route_config *route = sp_filter_route_config(f);
    const struct sp_claims_rule *rule = route ? route->requires : c->requires;
    struct sp_claims_missing missing = {.what = {SP_STR_INIT("claims_unreadable")}, .n_what = 1};
    if (rule && view->unreadable)
        return refuse_missing(f, h, &missing);
    if (rule && !claims)
        return refuse_nobody(f, h);
    if (rule && !sp_claims_rule_met(rule, claims, h, &missing))
        return refuse_missing(f, h, &missing);
    sp_counter_inc(c->allowed);
    return SP_CONTINUE;
}

static void sanitize(const void *config, struct sp_headers *h)
{
    const struct config *c = config;
    sp_claim_headers_sanitize(&c->headers, h);
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct config *c = f->config;
    struct sp_metadata_view view;
    sp_metadata_view_init(&view, sp_filter_info(f));
    const json_t *claims = find_claims(c, &view);
    enum sp_status st = decide(f, h, &view, claims);
    /* In shadow the origin is told as well, and nobody's word is taken for it: after the decision, which may be by header. */
    sanitize(c, h);
    if (claims)
        sp_claim_headers_add(&c->headers, claims, h, "claims_authz");
    sp_metadata_view_done(&view);
    return st;
}

static enum sp_status decode_trailers(struct sp_filter *f, struct sp_headers *t)
{
    sanitize(f->config, t);
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_claims_authz_ops = {
    .name = "claims_authz",
    .type_url = "sallyport.filters.http.claims_authz.v1.ClaimsAuthz",
    .size = sizeof(struct sp_filter),
    .config_new = config_new,
    .config_free = config_free,
    .route_type_url = "sallyport.filters.http.claims_authz.v1.ClaimsAuthzPerRoute",
    .route_config_new = route_config_new,
    .route_config_free = route_config_free,
    .sanitize = sanitize,
    .decode_headers = decode_headers,
    .decode_trailers = decode_trailers,
};
