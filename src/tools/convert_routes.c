/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes: a virtual host for each host that they name, and in each all routes that may be meant, in Kong's order. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "tools/convert_parts.h"
#include "tools/kong_order.h"

enum { DEFAULT_RETRIES = 5, DEFAULT_MS = 60000 };

/* One path of a route. */
struct entry {
    const struct sp_kong_route *route;
    struct sp_str path;
    bool regex;
    uint64_t priority;
    unsigned order;
};

struct entries {
    struct entry *v;
    unsigned n;
};

/* --- what there is --- */

/* Without its port, which is not compared. */
static struct sp_str host_item(const struct sp_node *hosts, unsigned i)
{
    struct sp_str h = sp_kong_item_str(hosts, i);
    ptrdiff_t colon = sp_str_chr(h, ':');
    return colon > 0 && h.ptr[0] != '[' ? sp_str_n(h.ptr, (size_t)colon) : h;
}

static bool plain_hosts(const struct sp_node *hosts)
{
    for (unsigned i = 0; i < sp_kong_count(hosts); i++)
        if (sp_str_chr(sp_kong_item_str(hosts, i), '*') >= 0)
            return false;
    return true;
}

static uint64_t priority_of(const struct sp_kong_route *r, struct sp_str path, bool has_path, bool regex)
{
    const struct sp_node *n = r->node, *hosts = sp_kong_get(n, "hosts");
    return sp_kong_priority(&(struct sp_kong_criteria){
        .methods = sp_kong_count(sp_kong_get(n, "methods")) > 0,
        .hosts = sp_kong_count(hosts) > 0,
        .plain_hosts = plain_hosts(hosts),
        .headers = sp_kong_members(sp_kong_get(n, "headers")) > 0,
        .n_headers = sp_kong_members(sp_kong_get(n, "headers")),
        .snis = sp_kong_count(sp_kong_get(n, "snis")) > 0,
        .path = has_path,
        .regex = regex,
        .regex_priority = (uint32_t)sp_kong_u64(n, "regex_priority", 0),
        .path_len = path.len,
    });
}

static void add(struct sp_convert *c, struct entries *e, const struct sp_kong_route *r, struct sp_str path, bool has_path)
{
    bool regex = has_path && sp_kong_is_regex(path, c->kong.old_paths);
    e->v[e->n] = (struct entry){.route = r, .path = path, .regex = regex, .priority = priority_of(r, path, has_path, regex), .order = e->n};
    e->n++;
}

static int by_priority(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static struct entries all_entries(struct sp_convert *c)
{
    struct entries e = {0};
    size_t n = 1;
    for (unsigned i = 0; i < c->kong.n_routes; i++)
        n += 1 + sp_kong_count(sp_kong_get(c->kong.routes[i].node, "paths"));
    e.v = sp_arena_zalloc(&c->arena, n * sizeof(*e.v));
    for (unsigned i = 0; i < c->kong.n_routes; i++) {
        const struct sp_kong_route *r = &c->kong.routes[i];
        const struct sp_node *paths = sp_kong_get(r->node, "paths");
        if ((r->service && !r->service->enabled) || (!r->http && !r->https))
            continue;
        for (unsigned j = 0; j < sp_kong_count(paths); j++)
            add(c, &e, r, sp_kong_item_str(paths, j), true);
        if (!sp_kong_count(paths))
            add(c, &e, r, SP_STR_NULL, false);
    }
    qsort(e.v, e.n, sizeof(*e.v), by_priority);
    return e;
}

static void inspect(struct sp_convert *c)
{
    for (unsigned i = 0; i < c->kong.n_routes; i++) {
        const struct sp_kong_route *r = &c->kong.routes[i];
        const struct sp_node *hosts = sp_kong_get(r->node, "hosts");
        sp_kong_known(&c->file, r->node, sp_arena_cat(&c->arena, SP_STR("route "), r->name),
                      "service protocols methods hosts paths headers snis strip_path preserve_host https_redirect_status_code regex_priority plugins "
                      "path_handling=v0 request_buffering=true response_buffering=true");
        for (unsigned j = 0; j < sp_kong_count(hosts); j++)
            if (host_item(hosts, j).len != sp_kong_item_str(hosts, j).len)
                sp_kong_note(&c->file, sp_kong_item(hosts, j), "route %.*s: the port of %.*s is not compared", SP_STR_ARG(r->name),
                             SP_STR_ARG(sp_kong_item_str(hosts, j)));
    }
}

const struct sp_str *sp_convert_route_snis(struct sp_convert *c, unsigned *ret_n)
{
    size_t total = 1;
    for (unsigned i = 0; i < c->kong.n_routes; i++)
        total += sp_kong_count(sp_kong_get(c->kong.routes[i].node, "snis"));
    struct sp_str *v = sp_arena_alloc(&c->arena, total * sizeof(*v));
    *ret_n = 0;
    for (unsigned i = 0; i < c->kong.n_routes; i++) {
        const struct sp_node *snis = sp_kong_get(c->kong.routes[i].node, "snis");
        for (unsigned j = 0; j < sp_kong_count(snis); j++) {
            struct sp_str s = sp_kong_item_str(snis, j);
            bool known = false;
            for (unsigned k = 0; k < *ret_n; k++)
                known |= sp_str_eq(v[k], s);
            if (!known)
                v[(*ret_n)++] = s;
        }
    }
    return v;
}

/* --- a match --- */

static const char *alternatives(struct sp_convert *c, const struct sp_node *list)
{
    struct sp_str out = SP_STR_NULL;
    for (unsigned i = 0; i < sp_kong_count(list); i++)
        out = sp_arena_printf(&c->arena, "%.*s%s%.*s", SP_STR_ARG(out), i ? "|" : "",
                              SP_STR_ARG(sp_kong_quoted(&c->arena, sp_kong_item_str(list, i))));
    return sp_quoted(c, out);
}

static void put_methods(struct sp_convert *c, unsigned indent, const struct sp_node *methods)
{
    if (sp_kong_count(methods) == 1)
        sp_put(c, indent, "- {name: \":method\", string_match: {exact: %s}}", sp_quoted(c, sp_kong_item_str(methods, 0)));
    else
        sp_put(c, indent, "- {name: \":method\", string_match: {safe_regex: {regex: %s}}}", alternatives(c, methods));
}

/* Values are compared without regard to case; one of "~*" is an expression that has to be found somewhere in it. */
static void put_header(struct sp_convert *c, unsigned indent, const struct sp_pair *p)
{
    struct sp_str out = SP_STR_NULL;
    bool expression = false;
    for (unsigned i = 0; i < sp_kong_count(p->value); i++) {
        struct sp_str v = sp_kong_item_str(p->value, i);
        bool regex = sp_str_starts(v, SP_STR("~*"));
        expression |= regex;
        out = regex ? sp_arena_printf(&c->arena, "%.*s%s.*(?:%.*s).*", SP_STR_ARG(out), i ? "|" : "", SP_STR_ARG(sp_str_sub(v, 2, v.len)))
                    : sp_arena_printf(&c->arena, "%.*s%s%.*s", SP_STR_ARG(out), i ? "|" : "", SP_STR_ARG(sp_kong_quoted(&c->arena, v)));
    }
    if (sp_kong_count(p->value) == 1 && !expression)
        sp_put(c, indent, "- {name: %s, string_match: {exact: %s, ignore_case: true}}", sp_quoted(c, p->key),
               sp_quoted(c, sp_kong_item_str(p->value, 0)));
    else
        sp_put(c, indent, "- {name: %s, string_match: {safe_regex: {regex: %s}}}", sp_quoted(c, p->key),
               sp_quoted(c, sp_arena_printf(&c->arena, "(?i:%.*s)", SP_STR_ARG(out))));
}

/* Hosts of the route that only some requests of the virtual host have. */
static void put_guard(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r, struct sp_str domain)
{
    const struct sp_node *hosts = sp_kong_get(r->node, "hosts");
    struct sp_str out = SP_STR_NULL;
    for (unsigned i = 0; i < sp_kong_count(hosts); i++) {
        struct sp_str h = host_item(hosts, i);
        if (sp_kong_overlaps(h, domain))
            out = sp_arena_printf(&c->arena, "%.*s%s%.*s.*", SP_STR_ARG(out), out.len ? "|" : "",
                                  SP_STR_ARG(sp_kong_quoted(&c->arena, sp_str_n(h.ptr, h.len - 1))));
    }
    sp_put(c, indent, "- {name: \":authority\", string_match: {safe_regex: {regex: %s}}}",
           sp_quoted(c, sp_arena_printf(&c->arena, "(?i:%.*s)", SP_STR_ARG(out))));
}

static bool covered(const struct sp_kong_route *r, struct sp_str domain)
{
    const struct sp_node *hosts = sp_kong_get(r->node, "hosts");
    bool yes = !sp_kong_count(hosts);
    for (unsigned i = 0; i < sp_kong_count(hosts); i++)
        yes |= sp_kong_covers(host_item(hosts, i), domain);
    return yes;
}

static bool overlapping(const struct sp_kong_route *r, struct sp_str domain)
{
    const struct sp_node *hosts = sp_kong_get(r->node, "hosts");
    for (unsigned i = 0; i < sp_kong_count(hosts); i++)
        if (sp_kong_overlaps(host_item(hosts, i), domain))
            return true;
    return false;
}

static void put_match(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r, const struct sp_kong_rewrite *w, struct sp_str domain)
{
    const struct sp_node *methods = sp_kong_get(r->node, "methods"), *headers = sp_kong_get(r->node, "headers");
    bool guard = !covered(r, domain);
    sp_put(c, indent, "match:");
    if (w->kind == SP_KONG_REGEX)
        sp_put(c, indent + 2, "safe_regex: {regex: %s}", sp_quoted(c, w->match));
    else
        sp_put(c, indent + 2, "prefix: %s", sp_quoted(c, w->match));
    if (!sp_kong_count(methods) && !sp_kong_members(headers) && !guard)
        return;
    sp_put(c, indent + 2, "headers:");
    if (sp_kong_count(methods))
        put_methods(c, indent + 2, methods);
    for (unsigned i = 0; i < sp_kong_members(headers); i++)
        put_header(c, indent + 2, &headers->pairs[i]);
    if (guard)
        put_guard(c, indent + 2, r, domain);
}

/* --- an action --- */

static void put_rewrite(struct sp_convert *c, unsigned indent, const struct sp_kong_rewrite *w)
{
    if (!w->pattern.len)
        return;
    sp_put(c, indent, "regex_rewrite:");
    sp_put(c, indent + 2, "pattern: {regex: %s}", sp_quoted(c, w->pattern));
    sp_put(c, indent + 2, "substitution: %s", sp_quoted(c, w->with));
}

static void put_forward(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r, const struct sp_kong_rewrite *w)
{
    const struct sp_kong_service *s = r->service;
    uint64_t retries = sp_kong_u64(s->node, "retries", DEFAULT_RETRIES);
    uint64_t idle = SP_MAX(sp_kong_u64(s->node, "read_timeout", DEFAULT_MS), sp_kong_u64(s->node, "write_timeout", DEFAULT_MS));
    sp_put(c, indent, "route:");
    sp_put(c, indent + 2, "cluster: %s", sp_quoted(c, sp_convert_cluster_name(c, s)));
    put_rewrite(c, indent + 2, w);
    if (!sp_kong_bool(r->node, "preserve_host", false))
        sp_convert_host(c, indent + 2, s);
    sp_put(c, indent + 2, "timeout: 0s");
    sp_put(c, indent + 2, "idle_timeout: %s", sp_seconds(c, idle));
    if (retries)
        sp_put(c, indent + 2, "retry_policy: {retry_on: \"connect-failure,refused-stream\", num_retries: %" PRIu64 "}", retries);
}

static void put_direct(struct sp_convert *c, unsigned indent, uint64_t status, struct sp_str body, struct sp_str type)
{
    sp_put(c, indent, "direct_response:");
    sp_put(c, indent + 2, "status: %" PRIu64, status);
    if (body.len)
        sp_put(c, indent + 2, "body: {inline_string: %s}", sp_quoted(c, body));
    if (!body.len || !type.len)
        return;
    sp_put(c, indent, "response_headers_to_add:");
    sp_put(c, indent, "- {header: {key: content-type, value: %s}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}", sp_quoted(c, type));
}

static void put_termination(struct sp_convert *c, unsigned indent, const struct sp_kong_plugin *p)
{
    struct sp_str message = sp_kong_str(p->config, "message", SP_STR_NULL), body = sp_kong_str(p->config, "body", SP_STR_NULL);
    uint64_t status = sp_kong_u64(p->config, "status_code", 503);
    struct sp_str type = sp_kong_str(p->config, "content_type", SP_STR("application/json"));
    sp_put_remark(c, indent, p->node, "plugin request-termination");
    if (!body.len) {
        if (!message.len)
            message = status == 503 ? SP_STR("Service unavailable") : SP_STR("Terminated");
        body = sp_arena_printf(&c->arena, "{\"message\":%s}", sp_quoted(c, message));
    }
    put_direct(c, indent, status, body, type);
}

static const char *redirect_code(uint64_t status)
{
    return status == 301 ? "MOVED_PERMANENTLY" : status == 302 ? "FOUND" : status == 307 ? "TEMPORARY_REDIRECT" : status == 308 ? "PERMANENT_REDIRECT" : NULL;
}

/* A request without TLS for a route that wants it: Kong answers before any plugin. */
static void put_insist(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r)
{
    uint64_t status = sp_kong_u64(r->node, "https_redirect_status_code", 426);
    const char *code = redirect_code(status);
    if (code) {
        sp_put(c, indent, "redirect: {https_redirect: true, port_redirect: %u, response_code: %s}", c->https_port, code);
        return;
    }
    put_direct(c, indent, 426, SP_STR("{\"message\":\"Please use HTTPS protocol\"}"), SP_STR("application/json"));
}

static void put_filters(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r)
{
    FILE *to = c->to;
    char *text = NULL;
    size_t len = 0;
    c->to = open_memstream(&text, &len);
    if (!c->to)
        abort();
    sp_convert_route_auth(c, indent + 2, r);
    sp_convert_route_filters(c, indent + 2, r);
    fclose(c->to);
    c->to = to;
    if (len)
        sp_put(c, indent, "typed_per_filter_config:");
    fputs(text, c->to);
    free(text);
}

static void put_action(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r, const struct sp_kong_rewrite *w, bool tls)
{
    const struct sp_kong_plugin *lost = sp_convert_lost_guard(c, r), *ends = sp_kong_plugin_of(&c->kong, "request-termination", r);
    if (!tls && !r->http) {
        put_insist(c, indent, r);
        return;
    }
    const struct sp_kong_plugin *mtls = tls ? NULL : sp_kong_plugin_of(&c->kong, "mtls-auth", r);
    if (!lost && mtls) {
        sp_put_remark(c, indent, mtls->node, "plugin mtls-auth: there are no certificates without TLS");
        put_direct(c, indent, 403, SP_STR("Forbidden"), SP_STR_NULL);
        return;
    }
    if (lost && sp_str_eq(lost->name, SP_STR("acl")))
        sp_kong_drop(&c->file, lost->node, "plugin acl: neither jwt, key-auth nor basic-auth says who a consumer is; what it guards answers 403 until you guard it "
                                           "otherwise");
    if (lost) {
        sp_put_remark(c, indent, lost->node, "CLOSED: plugin %.*s is not carried over; guard this route otherwise, then put its action in", SP_STR_ARG(lost->name));
        put_direct(c, indent, 403, SP_STR("Forbidden"), SP_STR_NULL);
        return;
    }
    if (sp_convert_admits_nobody(c, r)) {
        sp_put_remark(c, indent, NULL, "acl lets none of the consumers in");
        put_direct(c, indent, 403, SP_STR("Forbidden"), SP_STR_NULL);
        return;
    }
    if (ends)
        put_termination(c, indent, ends);
    else if (r->service)
        put_forward(c, indent, r, w);
    else
        put_direct(c, indent, 503, SP_STR("{\"message\":\"no Service found with those values\"}"), SP_STR("application/json"));
    put_filters(c, indent, r);
}

/* --- virtual hosts --- */

static bool wants_sni(const struct sp_kong_route *r, struct sp_str sni, bool tls)
{
    const struct sp_node *snis = sp_kong_get(r->node, "snis");
    return !tls || !sp_kong_count(snis) || (sni.len && sp_kong_has(snis, sni));
}

static void put_entry(struct sp_convert *c, unsigned indent, const struct entry *e, struct sp_str domain, bool tls)
{
    struct sp_kong_rewrite w[SP_KONG_MAX_REWRITES];
    bool strip = sp_kong_bool(e->route->node, "strip_path", true);
    unsigned n = sp_kong_rewrites(&c->arena, e->path, e->regex, strip, e->route->service ? e->route->service->path : SP_STR_NULL, w);
    bool plain = !tls && !e->route->http;
    for (unsigned i = plain && n > 1 ? n - 1 : 0; i < n; i++) {
        sp_put_remark(c, indent, e->route->node, "route %.*s", SP_STR_ARG(e->route->name));
        sp_put(c, indent, "- name: %s", sp_quoted(c, e->route->name));
        put_match(c, indent + 2, e->route, &w[i], domain);
        put_action(c, indent + 2, e->route, &w[i], tls);
    }
}

static bool is_new(const struct sp_str *domains, unsigned n, struct sp_str d)
{
    for (unsigned i = 0; i < n; i++)
        if (sp_str_ieq(domains[i], d))
            return false;
    return true;
}

/* Every host that a route names, and everything else. */
static unsigned find_domains(struct sp_convert *c, const struct entries *e, struct sp_str **ret)
{
    size_t total = 1;
    unsigned n = 0;
    for (unsigned i = 0; i < e->n; i++)
        total += sp_kong_count(sp_kong_get(e->v[i].route->node, "hosts"));
    *ret = sp_arena_alloc(&c->arena, total * sizeof(**ret));
    for (unsigned i = 0; i < e->n; i++) {
        const struct sp_node *hosts = sp_kong_get(e->v[i].route->node, "hosts");
        for (unsigned j = 0; j < sp_kong_count(hosts); j++)
            if (is_new(*ret, n, host_item(hosts, j)))
                (*ret)[n++] = host_item(hosts, j);
    }
    if (is_new(*ret, n, SP_STR("*")))
        (*ret)[n++] = SP_STR("*");
    return n;
}

void sp_convert_vhosts(struct sp_convert *c, unsigned indent, bool tls, struct sp_str sni)
{
    struct entries e = all_entries(c);
    struct sp_str *domains;
    unsigned n = find_domains(c, &e, &domains);
    inspect(c);
    sp_put(c, indent, "ignore_port_in_host_matching: true");
    sp_put(c, indent, "virtual_hosts:");
    for (unsigned i = 0; i < n; i++) {
        bool any = false;
        sp_put(c, indent, "- name: %s", sp_quoted(c, sp_str_eq(domains[i], SP_STR("*")) ? SP_STR("any") : domains[i]));
        sp_put(c, indent + 2, "domains: [%s]", sp_quoted(c, domains[i]));
        for (unsigned k = 0; k < e.n; k++) {
            const struct sp_kong_route *r = e.v[k].route;
            if (!wants_sni(r, sni, tls) || (!covered(r, domains[i]) && !overlapping(r, domains[i])))
                continue;
            if (!any)
                sp_put(c, indent + 2, "routes:");
            any = true;
            put_entry(c, indent + 2, &e.v[k], domains[i], tls);
        }
        if (!any)
            sp_put(c, indent + 2, "routes: []");
    }
}
