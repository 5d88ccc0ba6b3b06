/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plugins that are no authentication, as filters: what is in the chain, and what routes say of it. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "net/cidr.h"
#include "tools/convert_parts.h"

/* So many filters a chain may have, for limits: each instance has buckets of its own. */
enum { MAX_LIMITS = 40 };

static const struct period {
    const char *name;
    unsigned seconds;
} periods[] = {{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}, {"month", 30 * 86400}, {"year", 365 * 86400}};

static const struct sp_kong_plugin *global(const struct sp_convert *c, const char *name)
{
    for (unsigned i = 0; i < c->kong.n_plugins; i++)
        if (sp_str_eq(c->kong.plugins[i].name, sp_str_c(name)) && sp_kong_is_global(&c->kong.plugins[i]))
            return &c->kong.plugins[i];
    return NULL;
}

static bool any(const struct sp_convert *c, const char *name)
{
    return global(c, name) || sp_kong_any_scoped(&c->kong, name);
}

/* --- ip-restriction --- */

static const struct sp_node *addresses(const struct sp_kong_plugin *p, const char *name, const char *old)
{
    const struct sp_node *n = sp_kong_get(p->config, name);
    return n ? n : sp_kong_get(p->config, old);
}

/* A gate that no route can switch off is what Kong's global one is taken for; where routes do override it, it is a filter. */
static void put_gate(struct sp_convert *c, unsigned indent)
{
    const struct sp_kong_plugin *p = global(c, "ip-restriction");
    if (!p || sp_kong_any_scoped(&c->kong, "ip-restriction"))
        return;
    const struct sp_node *allow = addresses(p, "allow", "whitelist"), *deny = addresses(p, "deny", "blacklist");
    sp_put_remark(c, indent, p->node, "plugin ip-restriction");
    sp_put(c, indent, "- name: ip-restriction");
    sp_put(c, indent + 2, "typed_config:");
    sp_put(c, indent + 4, "\"@type\": " SP_T "sallyport.filters.http.ip_restriction.v1.IpRestriction");
    sp_put(c, indent + 4, "source: PEER");
    if (sp_kong_count(allow))
        sp_put(c, indent + 4, "allow: %s", sp_quoted_list(c, allow));
    if (sp_kong_count(deny))
        sp_put(c, indent + 4, "deny: %s", sp_quoted_list(c, deny));
}

static const char *ranges(struct sp_convert *c, const struct sp_node *list)
{
    struct sp_str out = SP_STR("{or_ids: {ids: [");
    for (unsigned i = 0; i < sp_kong_count(list); i++) {
        struct sp_str s = sp_kong_item_str(list, i);
        ptrdiff_t slash = sp_str_chr(s, '/');
        struct sp_str ip = slash < 0 ? s : sp_str_n(s.ptr, (size_t)slash);
        struct sp_str bits = slash < 0 ? sp_str_chr(s, ':') >= 0 ? SP_STR("128") : SP_STR("32") : sp_str_sub(s, (size_t)slash + 1, s.len);
        out = sp_arena_printf(&c->arena, "%.*s%s{source_ip: {address_prefix: %s, prefix_len: %.*s}}", SP_STR_ARG(out), i ? ", " : "",
                              sp_quoted(c, ip), SP_STR_ARG(bits));
    }
    return sp_arena_cat(&c->arena, out, SP_STR("]}}")).ptr;
}

static void put_route_addresses(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r)
{
    const struct sp_kong_plugin *p = sp_kong_plugin_of(&c->kong, "ip-restriction", r);
    if (!p || !sp_kong_any_scoped(&c->kong, "ip-restriction"))
        return;
    const struct sp_node *allow = addresses(p, "allow", "whitelist"), *deny = addresses(p, "deny", "blacklist");
    sp_put_remark(c, indent, p->node, "plugin ip-restriction");
    sp_put(c, indent, "ip-restriction:");
    sp_put(c, indent + 2, "\"@type\": " SP_T "envoy.extensions.filters.http.rbac.v3.RBACPerRoute");
    sp_put(c, indent + 2, "rbac:");
    sp_put(c, indent + 4, "rules:");
    sp_put(c, indent + 6, "action: ALLOW");
    sp_put(c, indent + 6, "policies:");
    sp_put(c, indent + 8, "addresses:");
    sp_put(c, indent + 10, "permissions: [{any: true}]");
    sp_put(c, indent + 10, "principals:");
    sp_put(c, indent + 10, "- and_ids:");
    sp_put(c, indent + 14, "ids:");
    if (sp_kong_count(allow))
        sp_put(c, indent + 14, "- %s", ranges(c, allow));
    if (sp_kong_count(deny))
        sp_put(c, indent + 14, "- {not_id: %s}", ranges(c, deny));
    if (!sp_kong_count(allow) && !sp_kong_count(deny))
        sp_put(c, indent + 14, "- {any: true}");
}

/* --- mtls-auth of some routes: the certificate is asked of everybody, and wanted by these --- */

static bool mtls_by_route(const struct sp_convert *c)
{
    return sp_convert_has_tls(c) && sp_kong_any_scoped(&c->kong, "mtls-auth");
}

static void put_route_mtls(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r)
{
    const struct sp_kong_plugin *p = mtls_by_route(c) ? sp_kong_plugin_of(&c->kong, "mtls-auth", r) : NULL;
    if (!p)
        return;
    sp_put_remark(c, indent, p->node, "plugin mtls-auth");
    sp_put(c, indent, "mtls-auth:");
    sp_put(c, indent + 2, "\"@type\": " SP_T "envoy.extensions.filters.http.rbac.v3.RBACPerRoute");
    sp_put(c, indent + 2, "rbac: {rules: {policies: {certificate: {permissions: [{any: true}], principals: [{authenticated: {}}]}}}}");
}

/* --- rate-limiting --- */

static bool by_client(const struct sp_kong_plugin *p)
{
    struct sp_str by = sp_kong_str(p->config, "limit_by", SP_STR("consumer"));
    return !sp_str_eq(by, SP_STR("service")) && !sp_str_eq(by, SP_STR("path")) && !sp_str_eq(by, SP_STR("header"));
}

static void put_bucket(struct sp_convert *c, unsigned indent, uint64_t n, unsigned seconds)
{
    sp_put(c, indent, "token_bucket: {max_tokens: %" PRIu64 ", tokens_per_fill: %" PRIu64 ", fill_interval: %us}", n, n, seconds);
}

static void put_counted_by(struct sp_convert *c, unsigned indent, const struct sp_kong_plugin *p, uint64_t n, unsigned seconds)
{
    struct sp_str by = sp_kong_str(p->config, "limit_by", SP_STR("consumer"));
    bool header = sp_str_eq(by, SP_STR("header"));
    if (!by_client(p) && !header) {
        put_bucket(c, indent, n, seconds);
        return;
    }
    const char *key = header ? sp_quoted(c, sp_kong_str(p->config, "header_name", SP_STR_NULL)) : "remote_address";
    sp_put(c, indent, "rate_limits:");
    if (header)
        sp_put(c, indent, "- actions: [{request_headers: {header_name: %s, descriptor_key: %s}}]", key, key);
    else
        sp_put(c, indent, "- actions: [{remote_address: {}}]");
    sp_put(c, indent, "descriptors:");
    sp_put(c, indent, "- entries: [{key: %s}]", key);
    put_bucket(c, indent + 2, n, seconds);
}

static void inspect_limit(struct sp_convert *c, const struct sp_kong_plugin *p)
{
    struct sp_str by = sp_kong_str(p->config, "limit_by", SP_STR("consumer"));
    if (sp_str_eq(by, SP_STR("consumer")) || sp_str_eq(by, SP_STR("credential")))
        sp_kong_note(&c->file, p->node, "plugin rate-limiting: counted by client address, not by %.*s", SP_STR_ARG(by));
    if (sp_str_eq(by, SP_STR("path")))
        sp_kong_note(&c->file, p->node, "plugin rate-limiting: counted for all paths of it together");
    if (!sp_str_eq(sp_kong_str(p->config, "policy", SP_STR("local")), SP_STR("local")))
        sp_kong_note(&c->file, p->node, "plugin rate-limiting: each door counts for itself (docs/filters/ratelimit.md for limits that they share)");
    struct sp_str message = sp_kong_str(p->config, "error_message", SP_STR_NULL);
    if (message.len && !sp_str_eq(message, SP_STR("API rate limit exceeded")))
        sp_kong_drop(&c->file, sp_kong_get(p->config, "error_message"), "plugin rate-limiting: error_message");
}

static void put_limit(struct sp_convert *c, unsigned indent, const struct sp_kong_plugin *p, const struct period *t, uint64_t n)
{
    uint64_t status = sp_kong_u64(p->config, "error_code", 429);
    sp_put_remark(c, indent, p->node, "plugin rate-limiting, by the %s", t->name);
    sp_put(c, indent, "- name: rate-limiting-%u-%s", p->index, t->name);
    sp_put(c, indent + 2, "disabled: true");
    sp_put(c, indent + 2, "typed_config:");
    sp_put(c, indent + 4, "\"@type\": " SP_T "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit");
    sp_put(c, indent + 4, "stat_prefix: rate_limiting_%u_%s", p->index, t->name);
    sp_put(c, indent + 4, "filter_enabled: {default_value: {numerator: 100}}");
    sp_put(c, indent + 4, "filter_enforced: {default_value: {numerator: 100}}");
    if (status != 429)
        sp_put(c, indent + 4, "status: {code: %" PRIu64 "}", status);
    if (!sp_kong_bool(p->config, "hide_client_headers", false))
        sp_put(c, indent + 4, "enable_x_ratelimit_headers: DRAFT_VERSION_03");
    put_counted_by(c, indent + 4, p, n, t->seconds);
}

static void each_limit(struct sp_convert *c, const struct sp_kong_plugin *p,
                       void (*each)(struct sp_convert *c, unsigned indent, const struct sp_kong_plugin *p, const struct period *t, uint64_t n),
                       unsigned indent)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(periods); i++) {
        uint64_t n = sp_kong_u64(p->config, periods[i].name, 0);
        if (n)
            each(c, indent, p, &periods[i], n);
    }
}

static void put_limits(struct sp_convert *c, unsigned indent)
{
    unsigned n = 0;
    for (unsigned i = 0; i < c->kong.n_plugins; i++) {
        const struct sp_kong_plugin *p = &c->kong.plugins[i];
        if (!sp_str_eq(p->name, SP_STR("rate-limiting")))
            continue;
        if (n == 0)
            sp_put_remark(c, indent, NULL, "limits are buckets here: they begin full, and fill evenly");
        inspect_limit(c, p);
        if (++n > MAX_LIMITS)
            sp_kong_drop(&c->file, p->node, "plugin rate-limiting: more than %d of them", MAX_LIMITS);
        else
            each_limit(c, p, put_limit, indent);
    }
}

static void put_switch(struct sp_convert *c, unsigned indent, const struct sp_kong_plugin *p, const struct period *t, uint64_t n)
{
    (void)n;
    sp_put(c, indent, "rate-limiting-%u-%s: {\"@type\": " SP_T "envoy.config.route.v3.FilterConfig}", p->index, t->name);
}

static void put_route_limits(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r)
{
    const struct sp_kong_plugin *p = sp_kong_plugin_of(&c->kong, "rate-limiting", r);
    unsigned before = 0;
    for (const struct sp_kong_plugin *q = c->kong.plugins; p && q < p; q++)
        before += sp_str_eq(q->name, p->name);
    if (p && before < MAX_LIMITS)
        each_limit(c, p, put_switch, indent);
}

/* --- request-transformer, response-transformer --- */

/* "name:value"; a value may have colons. */
static struct sp_str split_value(struct sp_str s, struct sp_str *ret_value)
{
    ptrdiff_t colon = sp_str_chr(s, ':');
    *ret_value = colon < 0 ? SP_STR_NULL : sp_str_trim(sp_str_sub(s, (size_t)colon + 1, s.len));
    return sp_str_trim(colon < 0 ? s : sp_str_n(s.ptr, (size_t)colon));
}

/* In a value of Envoy's '%' begins an operator. */
static const char *value_of(struct sp_convert *c, struct sp_str s)
{
    char *out = sp_arena_alloc(&c->arena, 2 * s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '%')
            out[n++] = '%';
        out[n++] = s.ptr[i];
    }
    out[n] = 0;
    return sp_quoted(c, sp_str_n(out, n));
}

static bool is_host(struct sp_str name)
{
    return sp_str_ieq(name, SP_STR("host"));
}

static void put_header(struct sp_convert *c, unsigned indent, struct sp_str name, const char *value, const char *action)
{
    sp_put(c, indent, "- append: {header: {key: %s, value: %s}, append_action: %s}", sp_quoted(c, name), value, action);
}

struct part {
    const char *name, *action;
};

static const struct part header_parts[] = {
    {"remove", NULL},
    {"rename", ""},
    {"replace", "OVERWRITE_IF_EXISTS"},
    {"add", "ADD_IF_ABSENT"},
    {"append", "APPEND_IF_EXISTS_OR_ADD"},
};

static void put_header_part(struct sp_convert *c, unsigned indent, const struct sp_node *list, const struct part *part, bool request)
{
    for (unsigned i = 0; i < sp_kong_count(list); i++) {
        struct sp_str value, name = split_value(sp_kong_item_str(list, i), &value);
        if (is_host(name)) {
            if (part->action == NULL || strcmp(part->name, "replace") != 0)
                sp_kong_drop(&c->file, sp_kong_item(list, i), "request-transformer: %s of Host", part->name);
        } else if (!part->action) {
            sp_put(c, indent, "- remove: %s", sp_quoted(c, name));
        } else if (!*part->action) {
            struct sp_str op = sp_arena_printf(&c->arena, request ? "%%REQ(%.*s)%%" : "%%RESP(%.*s)%%", SP_STR_ARG(name));
            put_header(c, indent, value, sp_quoted(c, op), "OVERWRITE_IF_EXISTS_OR_ADD");
            sp_put(c, indent, "- remove: %s", sp_quoted(c, name));
        } else {
            put_header(c, indent, name, value_of(c, value), part->action);
        }
    }
}

static bool has_headers(const struct sp_kong_plugin *p)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(header_parts); i++)
        if (sp_kong_count(sp_kong_get(sp_kong_get(p->config, header_parts[i].name), "headers")))
            return true;
    return false;
}

static void put_headers(struct sp_convert *c, unsigned indent, const struct sp_kong_plugin *p, bool request)
{
    if (!has_headers(p))
        return;
    sp_put(c, indent, "%s_mutations:", request ? "request" : "response");
    for (size_t i = 0; i < SP_ARRAY_LEN(header_parts); i++)
        put_header_part(c, indent, sp_kong_get(sp_kong_get(p->config, header_parts[i].name), "headers"), &header_parts[i], request);
}

static const struct part query_parts[] = {
    {"remove", NULL}, {"replace", "OVERWRITE_IF_EXISTS"}, {"add", "ADD_IF_ABSENT"}, {"append", "APPEND_IF_EXISTS_OR_ADD"}};

static void put_query(struct sp_convert *c, unsigned indent, const struct sp_kong_plugin *p)
{
    bool first = true;
    for (size_t i = 0; i < SP_ARRAY_LEN(query_parts); i++) {
        const struct sp_node *list = sp_kong_get(sp_kong_get(p->config, query_parts[i].name), "querystring");
        for (unsigned k = 0; k < sp_kong_count(list); k++) {
            struct sp_str value, name = split_value(sp_kong_item_str(list, k), &value);
            if (first)
                sp_put(c, indent, "query_parameter_mutations:");
            first = false;
            if (!query_parts[i].action)
                sp_put(c, indent, "- remove: %s", sp_quoted(c, name));
            else
                sp_put(c, indent, "- append: {record: {key: %s, value: %s}, action: %s}", sp_quoted(c, name), value_of(c, value),
                       query_parts[i].action);
        }
    }
}

/* Bodies are not changed here, nor methods and paths. */
static void inspect_transformer(struct sp_convert *c, const struct sp_kong_plugin *p)
{
    static const char *const names[] = {"remove", "rename", "replace", "add", "append"};
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++) {
        const struct sp_node *part = sp_kong_get(p->config, names[i]);
        bool query = sp_str_eq(p->name, SP_STR("request-transformer")) && strcmp(names[i], "rename") != 0;
        sp_kong_known(&c->file, part, sp_arena_printf(&c->arena, "plugin %.*s, %s", SP_STR_ARG(p->name), names[i]),
                      query ? "headers querystring" : "headers");
    }
}

static void put_route_transformers(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r)
{
    const struct sp_kong_plugin *q = sp_kong_plugin_of(&c->kong, "request-transformer", r);
    const struct sp_kong_plugin *s = sp_kong_plugin_of(&c->kong, "response-transformer", r);
    if (!q && !s)
        return;
    const struct sp_kong_plugin *first = q ? q : s;
    /* cppcheck-suppress nullPointerRedundantCheck; one of the two is there */
    sp_put_remark(c, indent, first->node, "plugin %.*s", SP_STR_ARG(first->name));
    sp_put(c, indent, "transformer:");
    sp_put(c, indent + 2, "\"@type\": " SP_T "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute");
    sp_put(c, indent + 2, "mutations:");
    if (q) {
        put_headers(c, indent + 4, q, true);
        put_query(c, indent + 4, q);
        inspect_transformer(c, q);
    }
    if (s) {
        put_headers(c, indent + 4, s, false);
        inspect_transformer(c, s);
    }
}

/* --- request-size-limiting, cors: where this program has them --- */

static bool has_buffer(const struct sp_convert *c)
{
    return any(c, "request-size-limiting") && sp_convert_has("envoy.extensions.filters.http.buffer.v3.Buffer");
}

static uint64_t bytes_of(const struct sp_kong_plugin *p)
{
    struct sp_str unit = sp_kong_str(p->config, "size_unit", SP_STR("megabytes"));
    uint64_t n = sp_kong_u64(p->config, "allowed_payload_size", 128);
    uint64_t scale = sp_str_eq(unit, SP_STR("bytes")) ? 1 : sp_str_eq(unit, SP_STR("kilobytes")) ? 1000 : 1000000;
    return SP_MIN(n, UINT32_MAX / scale) * scale;
}

static void put_route_size(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r)
{
    const struct sp_kong_plugin *p = has_buffer(c) ? sp_kong_plugin_of(&c->kong, "request-size-limiting", r) : NULL;
    if (p)
        sp_put(c, indent, "request-size-limiting: {\"@type\": " SP_T "envoy.extensions.filters.http.buffer.v3.BufferPerRoute, "
                          "buffer: {max_request_bytes: %" PRIu64 "}}", bytes_of(p));
}

static bool has_cors(const struct sp_convert *c)
{
    return any(c, "cors") && sp_convert_has("envoy.extensions.filters.http.cors.v3.Cors");
}

static const char *joined(struct sp_convert *c, const struct sp_node *list)
{
    struct sp_str out = SP_STR_NULL;
    for (unsigned i = 0; i < sp_kong_count(list); i++)
        out = sp_arena_printf(&c->arena, "%.*s%s%.*s", SP_STR_ARG(out), i ? ", " : "", SP_STR_ARG(sp_kong_item_str(list, i)));
    return sp_quoted(c, out);
}

static const char *origins(struct sp_convert *c, const struct sp_node *list)
{
    struct sp_str out = SP_STR("[");
    for (unsigned i = 0; i < sp_kong_count(list); i++) {
        struct sp_str o = sp_kong_item_str(list, i);
        bool all = sp_str_eq(o, SP_STR("*")), plain = sp_str_find(o, SP_STR("\\")) < 0 && sp_str_chr(o, '*') < 0 && sp_str_chr(o, '(') < 0;
        out = sp_arena_printf(&c->arena, "%.*s%s{%s: %s%s", SP_STR_ARG(out), i ? ", " : "", plain ? "exact" : "safe_regex",
                              plain ? sp_quoted(c, o) : sp_arena_printf(&c->arena, "{regex: %s}", all ? "\".*\"" : sp_quoted(c, o)).ptr, "}");
    }
    return sp_kong_count(list) ? sp_arena_cat(&c->arena, out, SP_STR("]")).ptr : "[{safe_regex: {regex: \".*\"}}]";
}

static void put_route_cors(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r)
{
    const struct sp_kong_plugin *p = has_cors(c) ? sp_kong_plugin_of(&c->kong, "cors", r) : NULL;
    if (!p)
        return;
    const struct sp_node *methods = sp_kong_get(p->config, "methods"), *headers = sp_kong_get(p->config, "headers");
    const struct sp_node *exposed = sp_kong_get(p->config, "exposed_headers");
    sp_put(c, indent, "cors:");
    sp_put(c, indent + 2, "\"@type\": " SP_T "envoy.extensions.filters.http.cors.v3.CorsPolicy");
    sp_put(c, indent + 2, "allow_origin_string_match: %s", origins(c, sp_kong_get(p->config, "origins")));
    sp_put(c, indent + 2, "allow_methods: %s", sp_kong_count(methods) ? joined(c, methods) : "\"GET, HEAD, PUT, PATCH, POST, DELETE, OPTIONS, TRACE, CONNECT\"");
    if (sp_kong_count(headers))
        sp_put(c, indent + 2, "allow_headers: %s", joined(c, headers));
    if (sp_kong_count(exposed))
        sp_put(c, indent + 2, "expose_headers: %s", joined(c, exposed));
    if (sp_kong_get(p->config, "max_age"))
        sp_put(c, indent + 2, "max_age: \"%" PRIu64 "\"", sp_kong_u64(p->config, "max_age", 0));
    if (sp_kong_bool(p->config, "credentials", false))
        sp_put(c, indent + 2, "allow_credentials: true");
}

/* --- all of them --- */

static void put_neutral(struct sp_convert *c, unsigned indent, const char *name, const char *type)
{
    sp_put(c, indent, "- name: %s                 # says nothing by itself: routes do", name);
    sp_put(c, indent + 2, "typed_config: {\"@type\": " SP_T "%s}", type);
}

/* Some filters' config says something by itself, or has to: those are off where no route switches them on. */
static void put_off(struct sp_convert *c, unsigned indent, const char *name, const char *type, const char *fields)
{
    sp_put(c, indent, "- name: %s", name);
    sp_put(c, indent + 2, "disabled: true");
    sp_put(c, indent + 2, "typed_config: {\"@type\": " SP_T "%s%s}", type, fields);
}

void sp_convert_filters(struct sp_convert *c, unsigned indent)
{
    sp_put(c, indent, "http_filters:");
    put_gate(c, indent);
    if (has_cors(c))
        put_neutral(c, indent, "cors", "envoy.extensions.filters.http.cors.v3.Cors");
    if (mtls_by_route(c))
        put_neutral(c, indent, "mtls-auth", "envoy.extensions.filters.http.rbac.v3.RBAC");
    sp_convert_auth(c, indent);
    if (sp_kong_any_scoped(&c->kong, "ip-restriction"))
        put_neutral(c, indent, "ip-restriction", "envoy.extensions.filters.http.rbac.v3.RBAC");
    sp_convert_claims(c, indent);
    if (has_buffer(c))
        put_off(c, indent, "request-size-limiting", "envoy.extensions.filters.http.buffer.v3.Buffer", ", max_request_bytes: 128000000");
    put_limits(c, indent);
    if (any(c, "request-transformer") || any(c, "response-transformer"))
        put_neutral(c, indent, "transformer", "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation");
    sp_put(c, indent, "- name: router");
    sp_put(c, indent + 2, "typed_config: {\"@type\": " SP_T "envoy.extensions.filters.http.router.v3.Router}");
}

void sp_convert_route_filters(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r)
{
    put_route_cors(c, indent, r);
    put_route_mtls(c, indent, r);
    put_route_addresses(c, indent, r);
    put_route_size(c, indent, r);
    put_route_limits(c, indent, r);
    put_route_transformers(c, indent, r);
}
