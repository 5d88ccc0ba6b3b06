/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/explain_route.h"

#include <assert.h>
#include <stdlib.h>

#include "route/domains.h"

typedef Envoy__Config__Route__V3__VirtualHost VirtualHost;
typedef Envoy__Config__Route__V3__Route Route;
typedef Envoy__Config__Route__V3__RouteMatch Match;
typedef Envoy__Config__Route__V3__HeaderMatcher HeaderMatcher;
#define PATH(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_##name

enum { MAX_MISSES = 200 };

struct ctx {
    struct sp_report *r;
    const struct sp_places *p;
    const struct sp_headers *head;
    uint64_t random;
};

static struct sp_str path_text(struct ctx *x, const Match *m)
{
    struct sp_arena *a = &x->r->arena;
    if (!m)
        return SP_STR_NULL;
    switch (m->path_specifier_case) {
    case PATH(PREFIX):
        return sp_arena_printf(a, "prefix %s", m->prefix);
    case PATH(PATH):
        return sp_arena_printf(a, "path %s", m->path);
    case PATH(PATH_SEPARATED_PREFIX):
        return sp_arena_printf(a, "path_separated_prefix %s", m->path_separated_prefix);
    case PATH(SAFE_REGEX):
        return sp_arena_printf(a, "regex %s", m->safe_regex->regex);
    case PATH(CONNECT_MATCHER):
        return SP_STR("CONNECT");
    default:
        return SP_STR_NULL;
    }
}

/* --- virtual hosts --- */

/* Whether this domain takes the host, as route/domains.h says. */
static bool takes(struct sp_str domain, struct sp_str host)
{
    if (sp_str_eq(domain, SP_STR("*")))
        return true;
    if (domain.ptr[0] == '*')
        return host.len >= domain.len && sp_str_iends(host, sp_str_sub(domain, 1, domain.len));
    if (domain.ptr[domain.len - 1] == '*')
        return host.len >= domain.len && sp_str_istarts(host, sp_str_sub(domain, 0, domain.len - 1));
    return sp_str_ieq(domain, host);
}

/* The most specific of a virtual host's domains that takes it. */
static const char *domain_of(const struct ctx *x, const VirtualHost *v, struct sp_str host)
{
    const char *best = NULL;
    int best_rank = -1;
    for (size_t i = 0; v && i < v->n_domains; i++) {
        struct sp_str d = sp_str_c(v->domains[i]);
        int rank = d.ptr[0] == '*' ? (d.len == 1 ? 0 : 2) : d.ptr[d.len - 1] == '*' ? 1 : 3;
        bool yes = takes(d, host) || (x->p->routes->ignore_port_in_host_matching && takes(d, sp_authority_host(host)));
        if (yes && rank > best_rank) {
            best = v->domains[i];
            best_rank = rank;
        }
    }
    return best;
}

static const char *nearest_domain(const struct ctx *x, struct sp_str host)
{
    const char *best = NULL;
    unsigned least = 8;
    for (size_t i = 0; x->p->routes && i < x->p->routes->n_virtual_hosts; i++) {
        const VirtualHost *v = x->p->routes->virtual_hosts[i];
        for (size_t k = 0; k < v->n_domains; k++) {
            unsigned d = sp_str_distance(host, sp_str_c(v->domains[k]), 8);
            if (d < least) {
                best = v->domains[k];
                least = d;
            }
        }
    }
    return best;
}

static void no_vhost(struct ctx *x)
{
    const char *near = nearest_domain(x, x->head->authority);
    json_t *step = sp_report_step(x->r, "route", SP_STR_NULL, "no match", "no virtual host has the domain %.*s%s%s%s",
                                  SP_STR_ARG(x->head->authority), near ? " (the nearest is " : "", near ? near : "", near ? ")" : "");
    sp_report_place(x->r, step, x->p->routes, "virtual_hosts", -1);
}

/* --- routes --- */

/* What a matcher of a pseudo-header asks for may be shown: it is no secret. */
static struct sp_str header_why(struct ctx *x, const HeaderMatcher *m)
{
    if (!m)
        return SP_STR("a header does not match");
    bool pseudo = m->name[0] == ':' && m->header_match_specifier_case == ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_STRING_MATCH;
    const char *exact = pseudo && m->string_match->match_pattern_case == ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_EXACT
                            ? m->string_match->exact
                            : NULL;
    if (exact)
        return sp_arena_printf(&x->r->arena, "%s is %s%s", m->name, m->invert_match ? "" : "not ", exact);
    bool there = m->name[0] == ':' || sp_headers_find(x->head, sp_str_c(m->name), NULL);
    return sp_arena_printf(&x->r->arena, "header %s %s", m->name, there ? "does not match" : "is not there");
}

static struct sp_str query_why(struct ctx *x, const Match *m, unsigned i)
{
    if (!m || i >= m->n_query_parameters)
        return SP_STR("a query parameter does not match");
    return sp_arena_printf(&x->r->arena, "query parameter %s does not match", m->query_parameters[i]->name);
}

static struct sp_str path_why(struct ctx *x, const Match *m)
{
    struct sp_arena *a = &x->r->arena;
    if (m && m->path_specifier_case != PATH(CONNECT_MATCHER) && sp_is_connect(x->head))
        return SP_STR("a CONNECT has no path (connect_matcher takes it)");
    switch (m ? m->path_specifier_case : PATH(_NOT_SET)) {
    case PATH(CONNECT_MATCHER):
        return SP_STR("the method is not CONNECT");
    case PATH(PREFIX):
        return sp_arena_printf(a, "the path does not begin with %s", m->prefix);
    case PATH(PATH):
        return sp_arena_printf(a, "the path is not %s", m->path);
    case PATH(PATH_SEPARATED_PREFIX):
        return sp_arena_printf(a, "the path is neither %s nor below it", m->path_separated_prefix);
    case PATH(SAFE_REGEX):
        return sp_arena_printf(a, "the path does not match %s", m->safe_regex->regex);
    default:
        return SP_STR("the path does not match");
    }
}

static struct sp_str why(struct ctx *x, const Match *m, enum sp_route_part part, unsigned i)
{
    switch (part) {
    case SP_ROUTE_PART_PATH:
        return path_why(x, m);
    case SP_ROUTE_PART_FRACTION:
        return SP_STR("runtime_fraction: not this request, by chance");
    case SP_ROUTE_PART_HEADER:
        return header_why(x, m && i < m->n_headers ? m->headers[i] : NULL);
    case SP_ROUTE_PART_QUERY:
        return query_why(x, m, i);
    case SP_ROUTE_PART_LIMIT:
        return SP_STR("its expression gave up at its match limit");
    case SP_ROUTE_PART_NONE:
        break;
    }
    return SP_STR("it matches");
}

struct miss {
    unsigned index, item;
    enum sp_route_part part;
    size_t common; /* bytes that the path and the route's have in common */
};

static size_t common_with(const struct ctx *x, const Match *m)
{
    struct sp_str path = x->head->path;
    const char *text = !m ? NULL
                       : m->path_specifier_case == PATH(PREFIX) ? m->prefix
                       : m->path_specifier_case == PATH(PATH)   ? m->path
                       : m->path_specifier_case == PATH(PATH_SEPARATED_PREFIX) ? m->path_separated_prefix
                                                                               : NULL;
    size_t n = 0;
    while (text && n < path.len && text[n] && text[n] == path.ptr[n])
        n++;
    return n;
}

/* The nearest first: what matched the path, then by how much of the path it has. */
static int by_nearness(const void *x, const void *y)
{
    const struct miss *a = x, *b = y;
    bool path_a = a->part != SP_ROUTE_PART_PATH, path_b = b->part != SP_ROUTE_PART_PATH;
    if (path_a != path_b)
        return path_a ? -1 : 1;
    if (a->common != b->common)
        return a->common > b->common ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static const Match *match_of(const struct ctx *x, unsigned vhost, unsigned index)
{
    const Route *m = sp_places_route(x->p, vhost, index);
    return m ? m->match : NULL;
}

static void add_miss(struct ctx *x, json_t *list, unsigned vhost, const struct sp_route *route, const struct miss *miss)
{
    const Route *msg = sp_places_route(x->p, vhost, miss->index);
    json_t *o = json_object();
    json_object_set_new(o, "index", json_integer(miss->index));
    sp_report_set(o, "name", route->name);
    sp_report_set(o, "why", why(x, msg ? msg->match : NULL, miss->part, miss->item));
    sp_report_place(x->r, o, msg, NULL, -1);
    json_array_append_new(list, o);
}

/* Those of the first n routes, all before the one that matched. */
static void add_misses(struct ctx *x, json_t *step, const struct sp_vhost *vhost, unsigned n)
{
    unsigned n_routes, v = sp_route_vhost_index(vhost);
    const struct sp_route *routes = sp_route_vhost_routes(vhost, &n_routes);
    struct miss *misses = sp_arena_alloc(&x->r->arena, (n + 1) * sizeof(*misses));
    for (unsigned i = 0; i < n; i++) {
        misses[i] = (struct miss){.index = i, .common = common_with(x, match_of(x, v, i))};
        misses[i].part = sp_route_match_part(routes[i].match, x->head, x->random, &misses[i].item);
    }
    if (n)
        qsort(misses, n, sizeof(*misses), by_nearness);
    json_t *list = json_array();
    for (unsigned i = 0; i < n && i < MAX_MISSES; i++)
        add_miss(x, list, v, &routes[misses[i].index], &misses[i]);
    json_object_set_new(step, "not", list);
}

static const char *kind_of(const struct sp_route *route)
{
    return route->kind == SP_ROUTE_REDIRECT ? "redirect" : route->kind == SP_ROUTE_DIRECT ? "direct_response" : "route";
}

static void matched(struct ctx *x, const struct sp_vhost *vhost, const struct sp_route *route)
{
    unsigned n, v = sp_route_vhost_index(vhost), i = (unsigned)(route - sp_route_vhost_routes(vhost, &n));
    const char *domain = domain_of(x, sp_places_vhost(x->p, v), x->head->authority);
    struct sp_str text = path_text(x, match_of(x, v, i));
    json_t *step = sp_report_step(x->r, "route", route->name, "matches", "%.*s", SP_STR_ARG(text));
    sp_report_set(step, "virtual_host", vhost->name);
    if (domain)
        json_object_set_new(step, "domain", sp_report_str(sp_str_c(domain)));
    json_object_set_new(step, "index", json_integer(i));
    json_object_set_new(step, "action", json_string(kind_of(route)));
    sp_report_place(x->r, step, sp_places_route(x->p, v, i), NULL, -1);
    add_misses(x, step, vhost, i);
}

static void none_matched(struct ctx *x, const struct sp_vhost *vhost)
{
    unsigned n, v = sp_route_vhost_index(vhost);
    sp_route_vhost_routes(vhost, &n);
    json_t *step = sp_report_step(x->r, "route", SP_STR_NULL, "no match", "virtual host %.*s has %u route%s, none of which matches",
                                  SP_STR_ARG(vhost->name), n, n == 1 ? "" : "s");
    sp_report_set(step, "virtual_host", vhost->name);
    sp_report_place(x->r, step, sp_places_vhost(x->p, v), NULL, -1);
    add_misses(x, step, vhost, n);
}

void sp_explain_routed(struct sp_report *r, const struct sp_places *p, const struct sp_route_table *table, const struct sp_chain *c)
{
    assert(r && p && table && c && c->head[SP_DECODE]);
    struct ctx x = {.r = r, .p = p, .head = c->head[SP_DECODE], .random = sp_stream_random(c->stream)};
    const struct sp_vhost *vhost = sp_route_vhost(table, x.head->authority);
    if (!vhost)
        no_vhost(&x);
    else if (c->route)
        matched(&x, vhost, c->route);
    else
        none_matched(&x, vhost);
}
