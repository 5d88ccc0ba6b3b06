/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/rate_limits.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/own_node.h"
#include "route/matcher.h"
#include "stream/rate_limit_values.h"

typedef Envoy__Config__Route__V3__RateLimit RateLimit;
typedef Envoy__Config__Route__V3__RateLimit__Action Action;
#define ACTION(name) ENVOY__CONFIG__ROUTE__V3__RATE_LIMIT__ACTION__ACTION_SPECIFIER_##name

/* Where something stands in metadata. */
struct place {
    struct sp_str ns;
    const struct sp_str *path; /* n of them */
    unsigned n;
};

struct action {
    int kind; /* of Action */
    struct sp_str key;
    struct sp_str name;     /* of a header or parameter; lower-case for headers */
    struct sp_str otherwise; /* default_value */
    struct sp_format *value;
    struct sp_str constant; /* value, when it has no operators */
    struct sp_route_match *match; /* headers and query parameters that have to match */
    struct place place;           /* of metadata */
    unsigned bits4, bits6;
    bool expect, skip_if_absent;
};

struct limit {
    unsigned stage;
    struct action *v; /* n of them */
    unsigned n;
    struct place override; /* of the limit; empty ns: there is none */
};

struct sp_rate_limits {
    struct sp_arena arena;
    struct limit *v; /* n of them */
    unsigned n;
};

struct build {
    const struct sp_doc *doc;
    struct sp_diag *diag;
    struct sp_arena *arena;
};

static struct sp_str copy(const struct build *b, const char *text, const char *otherwise)
{
    return sp_arena_str(b->arena, sp_str_c(*text ? text : otherwise));
}

static bool set_value(struct action *a, const struct build *b, const void *msg, const char *value, const char *otherwise)
{
    a->otherwise = copy(b, otherwise, "");
    a->value = sp_format_new(b->doc, b->diag, msg, "descriptor_value", -1, sp_str_c(value));
    if (!a->value)
        return false;
    if (!sp_format_is_static(a->value))
        return true;
    struct sp_format_input none = {.info = &(struct sp_stream_info){0}};
    a->constant = sp_arena_str(b->arena, sp_format_value(a->value, &none, b->arena));
    return true;
}

/* The matchers of a route do what is needed here. */
static bool set_match(struct action *a, const struct build *b, Envoy__Config__Route__V3__HeaderMatcher **headers,
                      size_t n_headers, Envoy__Config__Route__V3__QueryParameterMatcher **query, size_t n_query,
                      const Google__Protobuf__BoolValue *expect)
{
    Envoy__Config__Route__V3__RouteMatch m = ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__INIT;
    static char any[] = "/";
    m.path_specifier_case = ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_PREFIX;
    m.prefix = any;
    m.headers = headers;
    m.n_headers = n_headers;
    m.query_parameters = query;
    m.n_query_parameters = n_query;
    a->match = sp_route_match_new(b->doc, b->diag, &m);
    a->expect = !expect || expect->value;
    return a->match != NULL;
}

static struct place place_of(const struct build *b, const Envoy__Type__Metadata__V3__MetadataKey *key)
{
    struct sp_str *path = sp_arena_alloc(b->arena, (key->n_path + 1) * sizeof(*path));
    for (size_t i = 0; i < key->n_path; i++)
        path[i] = copy(b, key->path[i]->key, "");
    return (struct place){copy(b, key->key, ""), path, (unsigned)key->n_path};
}

static bool set_metadata(struct action *a, const struct build *b, const Envoy__Config__Route__V3__RateLimit__Action__MetaData *m)
{
    a->place = place_of(b, m->metadata_key);
    a->otherwise = copy(b, m->default_value, "");
    a->skip_if_absent = m->skip_if_absent;
    return true;
}

static void set_name(struct action *a, const struct build *b, const char *name, const char *key, bool skip_if_absent)
{
    a->name = copy(b, name, "");
    a->key = copy(b, key, "");
    a->skip_if_absent = skip_if_absent;
}

static bool set_masked(struct action *a, const Envoy__Config__Route__V3__RateLimit__Action__MaskedRemoteAddress *m)
{
    a->key = SP_STR("masked_remote_address");
    a->bits4 = m->v4_prefix_mask_len ? m->v4_prefix_mask_len->value : 32;
    a->bits6 = m->v6_prefix_mask_len ? m->v6_prefix_mask_len->value : 128;
    return true;
}

static bool compile_action(struct action *a, const struct build *b, const Action *msg)
{
    a->kind = (int)msg->action_specifier_case;
    switch (msg->action_specifier_case) {
    case ACTION(SOURCE_CLUSTER):
        a->key = SP_STR("source_cluster");
        a->constant = sp_arena_str(b->arena, sp_own_cluster(b->doc));
        return true;
    case ACTION(DESTINATION_CLUSTER):
        a->key = SP_STR("destination_cluster");
        return true;
    case ACTION(REQUEST_HEADERS):
        set_name(a, b, msg->request_headers->header_name, msg->request_headers->descriptor_key,
                 msg->request_headers->skip_if_absent);
        for (size_t i = 0; i < a->name.len; i++)
            ((char *)(uintptr_t)a->name.ptr)[i] = sp_ascii_lower(a->name.ptr[i]);
        return true;
    case ACTION(QUERY_PARAMETERS):
        set_name(a, b, msg->query_parameters->query_parameter_name, msg->query_parameters->descriptor_key,
                 msg->query_parameters->skip_if_absent);
        return true;
    case ACTION(REMOTE_ADDRESS):
        a->key = SP_STR("remote_address");
        return true;
    case ACTION(MASKED_REMOTE_ADDRESS):
        return set_masked(a, msg->masked_remote_address);
    case ACTION(GENERIC_KEY):
        a->key = copy(b, msg->generic_key->descriptor_key, "generic_key");
        return set_value(a, b, msg->generic_key, msg->generic_key->descriptor_value, msg->generic_key->default_value);
    case ACTION(HEADER_VALUE_MATCH):
        a->key = copy(b, msg->header_value_match->descriptor_key, "header_match");
        return set_value(a, b, msg->header_value_match, msg->header_value_match->descriptor_value,
                         msg->header_value_match->default_value) &&
               set_match(a, b, msg->header_value_match->headers, msg->header_value_match->n_headers, NULL, 0,
                         msg->header_value_match->expect_match);
    case ACTION(QUERY_PARAMETER_VALUE_MATCH):
        a->key = copy(b, msg->query_parameter_value_match->descriptor_key, "query_match");
        return set_value(a, b, msg->query_parameter_value_match, msg->query_parameter_value_match->descriptor_value,
                         msg->query_parameter_value_match->default_value) &&
               set_match(a, b, NULL, 0, msg->query_parameter_value_match->query_parameters,
                         msg->query_parameter_value_match->n_query_parameters, msg->query_parameter_value_match->expect_match);
    case ACTION(METADATA):
        a->key = copy(b, msg->metadata->descriptor_key, "");
        return set_metadata(a, b, msg->metadata);
    default: /* a field rule demands one of them */
        return false;
    }
}

struct sp_rate_limits *sp_rate_limits_new(const struct sp_doc *doc, struct sp_diag *diag, RateLimit *const *list, size_t n)
{
    assert(doc && diag && (list || !n));
    if (!n)
        return NULL;
    struct sp_rate_limits *l = sp_xcalloc(1, sizeof(*l));
    sp_arena_init(&l->arena);
    const struct build b = {doc, diag, &l->arena};
    bool good = true;
    l->v = sp_arena_zalloc(&l->arena, n * sizeof(*l->v));
    for (size_t i = 0; i < n; i++) {
        struct limit *x = &l->v[l->n++];
        x->stage = list[i]->stage ? list[i]->stage->value : 0;
        x->v = sp_arena_zalloc(&l->arena, (list[i]->n_actions + 1) * sizeof(*x->v));
        if (list[i]->limit && list[i]->limit->dynamic_metadata)
            x->override = place_of(&b, list[i]->limit->dynamic_metadata->metadata_key);
        for (size_t k = 0; k < list[i]->n_actions; k++)
            good = compile_action(&x->v[x->n++], &b, list[i]->actions[k]) && good;
    }
    if (good)
        return l;
    sp_rate_limits_free(l);
    return NULL;
}

void sp_rate_limits_free(struct sp_rate_limits *l)
{
    if (!l)
        return;
    for (unsigned i = 0; i < l->n; i++)
        for (unsigned k = 0; k < l->v[i].n; k++) {
            sp_format_free(l->v[i].v[k].value);
            sp_route_match_free(l->v[i].v[k].match);
        }
    sp_arena_done(&l->arena);
    free(l);
}

unsigned sp_rate_limits_count(const struct sp_rate_limits *l)
{
    return l ? l->n : 0;
}

static bool makes(const struct action *a, unsigned n, const struct sp_descriptor_entry *keys, unsigned n_keys)
{
    if (n == 0)
        return n_keys == 0;
    if (n_keys && sp_str_eq(a->key, keys->key) && makes(a + 1, n - 1, keys + 1, n_keys - 1))
        return true;
    return a->skip_if_absent && makes(a + 1, n - 1, keys, n_keys);
}

bool sp_rate_limits_make(const struct sp_rate_limits *l, unsigned stage, const struct sp_descriptor *keys)
{
    assert(keys);
    for (unsigned i = 0; l && i < l->n; i++)
        if (l->v[i].stage == stage && makes(l->v[i].v, l->v[i].n, keys->v, keys->n))
            return true;
    return false;
}

/* --- a request --- */

static struct sp_str formatted(const struct action *a, const struct sp_format_input *in, struct sp_arena *arena)
{
    struct sp_str s = a->constant.ptr ? a->constant : sp_format_value(a->value, in, arena);
    if (!s.len)
        s = a->otherwise;
    return s.len ? s : SP_STR_NULL;
}

/* An expression that gives up says nothing: the request is counted. */
static bool matches(const struct action *a, const struct sp_headers *h)
{
    bool limit = false, found = sp_route_match(a->match, h, 0, &limit);
    return limit || found == a->expect;
}

/* The value, a NULL slice when there is none. */
static struct sp_str value_of(const struct action *a, const struct sp_format_input *in, struct sp_str cluster,
                              struct sp_arena *arena)
{
    switch (a->kind) {
    case ACTION(SOURCE_CLUSTER):
        return a->constant;
    case ACTION(DESTINATION_CLUSTER):
        return cluster;
    case ACTION(REQUEST_HEADERS):
        return sp_rate_limit_header(in->request, a->name);
    case ACTION(QUERY_PARAMETERS):
        return sp_rate_limit_parameter(in->request->path, a->name, arena);
    case ACTION(REMOTE_ADDRESS):
        return sp_rate_limit_address(in->info, arena);
    case ACTION(MASKED_REMOTE_ADDRESS):
        return sp_rate_limit_network(in->info, a->bits4, a->bits6, arena);
    case ACTION(METADATA): {
        struct sp_str s = sp_rate_limit_metadata(in->info, a->place.ns, a->place.path, a->place.n, arena);
        return s.len ? s : a->otherwise.len ? a->otherwise : SP_STR_NULL;
    }
    case ACTION(GENERIC_KEY):
        return formatted(a, in, arena);
    default:
        return matches(a, in->request) ? formatted(a, in, arena) : SP_STR_NULL;
    }
}

static bool make(const struct limit *l, const struct sp_format_input *in, struct sp_str cluster, struct sp_arena *arena,
                 struct sp_descriptor *ret)
{
    struct sp_descriptor_entry *v = sp_arena_alloc(arena, (l->n + 1) * sizeof(*v));
    unsigned n = 0;
    for (unsigned i = 0; i < l->n; i++) {
        struct sp_str value = value_of(&l->v[i], in, cluster, arena);
        if (value.ptr)
            v[n++] = (struct sp_descriptor_entry){l->v[i].key, value};
        else if (!l->v[i].skip_if_absent)
            return false;
    }
    *ret = (struct sp_descriptor){.v = v, .n = n};
    if (l->override.ns.len)
        sp_rate_limit_override(in->info, l->override.ns, l->override.path, l->override.n, &ret->limit, &ret->unit);
    return n > 0;
}

static void push(struct sp_descriptors *d, const struct sp_descriptor *x, struct sp_arena *arena)
{
    if (d->n == d->cap) {
        d->cap = SP_MAX(2 * d->cap, 4u);
        struct sp_descriptor *v = sp_arena_alloc(arena, d->cap * sizeof(*v));
        if (d->n)
            memcpy(v, d->v, d->n * sizeof(*v));
        d->v = v;
    }
    d->v[d->n++] = *x;
}

void sp_rate_limits_add(const struct sp_rate_limits *l, unsigned stage, const struct sp_format_input *in,
                        struct sp_str cluster, struct sp_arena *arena, struct sp_descriptors *out)
{
    assert(in && in->info && in->request && arena && out);
    for (unsigned i = 0; l && i < l->n; i++) {
        struct sp_descriptor d;
        if (l->v[i].stage == stage && make(&l->v[i], in, cluster, arena, &d))
            push(out, &d, arena);
    }
}

static char *put(char *p, struct sp_str s)
{
    uint32_t len = (uint32_t)s.len;
    memcpy(p, &len, sizeof(len));
    if (s.len)
        memcpy(p + sizeof(len), s.ptr, s.len);
    return p + sizeof(len) + s.len;
}

struct sp_str sp_descriptor_text(const struct sp_descriptor *d, struct sp_arena *arena)
{
    assert(d && arena);
    size_t size = 0;
    for (unsigned i = 0; i < d->n; i++)
        size += 2 * sizeof(uint32_t) + d->v[i].key.len + d->v[i].value.len;
    char *text = sp_arena_alloc(arena, size + 1), *p = text;
    for (unsigned i = 0; i < d->n; i++)
        p = put(put(p, d->v[i].key), d->v[i].value);
    return sp_str_n(text, size);
}
