/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/edge.h"

#include <assert.h>

#include "envoy/extensions/regex_engines/v3/google_re2.pb-c.h"
#include "filters/oidc_discovery.h"

typedef Envoy__Config__Bootstrap__V3__Bootstrap Message;
typedef Envoy__Config__Bootstrap__V3__RuntimeLayer LayerMessage;
typedef Google__Protobuf__Struct StructMessage;
typedef Google__Protobuf__Value ValueMessage;
typedef Sallyport__Bootstrap__V1__Edge EdgeMessage;

enum { MAX_DEPTH = 16 };

#define EDGE_DESC &sallyport__bootstrap__v1__edge__descriptor
static const char listener_prefix[] = "envoy.resource_limits.listener.", limit_suffix[] = ".connection_limit";
static const double max_limit = 4294967295;

struct ctx {
    struct sp_edge *e;
    struct sp_arena *arena;
    const struct sp_doc *doc;
    struct sp_diag *diag;
    const Message *msg;
    const LayerMessage *layer;
};

/* ---- sallyport.bootstrap.v1.Edge ---- */

const EdgeMessage *sp_edge_find(const struct sp_doc *doc, const Message *msg)
{
    assert(doc && msg);
    for (size_t i = 0; i < msg->n_bootstrap_extensions; i++) {
        const EdgeMessage *edge = sp_doc_any_as(doc, msg->bootstrap_extensions[i]->typed_config, EDGE_DESC);
        if (edge)
            return edge;
    }
    return NULL;
}

static void read_edge(struct ctx *x, const EdgeMessage *msg)
{
    const Sallyport__Bootstrap__V1__NoRoute *n = msg->no_route;
    x->e->answer_misdirected = msg->answer_misdirected;
    if (!n)
        return;
    if (n->status && n->reset)
        sp_doc_err(x->doc, x->diag, n, "reset", -1, "a reset has no status (drop the one or the other)");
    x->e->no_route = (struct sp_no_route){.status = n->status ? n->status->value : 0, .reset = n->reset};
}

static void read_extensions(struct ctx *x)
{
    bool seen = false;
    for (size_t i = 0; i < x->msg->n_bootstrap_extensions; i++) {
        const Envoy__Config__Core__V3__TypedExtensionConfig *ext = x->msg->bootstrap_extensions[i];
        if (sp_oidc_check(x->doc, x->diag, ext->typed_config))
            continue; /* those who name an issuer look for it themselves */
        const EdgeMessage *edge = sp_doc_any_as(x->doc, ext->typed_config, EDGE_DESC);
        if (!edge)
            sp_doc_err(x->doc, x->diag, ext, "typed_config", -1,
                       "no such bootstrap extension (sallyport.bootstrap.v1.Edge, sallyport.oidc.v1.Issuers)");
        else if (seen)
            sp_doc_err(x->doc, x->diag, ext, NULL, -1, "an Edge stands above already");
        else
            read_edge(x, edge);
        seen |= edge != NULL;
    }
}

/* What else of the bootstrap is only known to be harmless once it is looked at. */
static void check_engine(struct ctx *x)
{
    const Envoy__Config__Core__V3__TypedExtensionConfig *e = x->msg->default_regex_engine;
    if (e && !sp_doc_any_as(x->doc, e->typed_config, &envoy__extensions__regex_engines__v3__google_re2__descriptor))
        sp_doc_err(x->doc, x->diag, e, "typed_config", -1, "expressions are PCRE2's here (take it out, or name GoogleRE2)");
}

/* ---- layered_runtime ---- */

static bool has_listener(const Message *msg, struct sp_str name)
{
    for (size_t i = 0; msg->static_resources && i < msg->static_resources->n_listeners; i++)
        if (sp_str_eq(sp_str_c(msg->static_resources->listeners[i]->name), name))
            return true;
    return false;
}

/* A later layer overrides an earlier one. */
static void set_limit(struct ctx *x, struct sp_str listener, uint64_t max)
{
    struct sp_cx_limits *l = &x->e->limits;
    for (unsigned i = 0; i < l->n; i++) {
        if (sp_str_eq(l->v[i].listener, listener)) {
            l->v[i].max = max;
            return;
        }
    }
    struct sp_cx_named *v = sp_arena_zalloc(x->arena, (l->n + 1) * sizeof(*v));
    if (l->n)
        memcpy(v, l->v, l->n * sizeof(*v));
    v[l->n] = (struct sp_cx_named){.listener = listener, .max = max};
    l->v = v;
    l->n++;
}

static void fail(struct ctx *x, struct sp_str key, const char *why)
{
    sp_doc_err(x->doc, x->diag, x->layer, "static_layer", -1, "%.*s: %s", SP_STR_ARG(key), why);
}

static void read_key(struct ctx *x, struct sp_str key, const ValueMessage *v)
{
    size_t prefix = sizeof(listener_prefix) - 1, suffix = sizeof(limit_suffix) - 1;
    bool global = sp_str_eq(key, SP_STR("overload.global_downstream_max_connections"));
    bool own = key.len > prefix + suffix && sp_str_starts(key, sp_str_c(listener_prefix)) &&
               sp_str_eq(sp_str_sub(key, key.len - suffix, key.len), sp_str_c(limit_suffix));
    bool tracing = sp_str_eq(key, SP_STR("tracing.opentelemetry.min_flush_spans")) || sp_str_eq(key, SP_STR("tracing.opentelemetry.flush_interval_ms"));
    if (!global && !own && !tracing) {
        fail(x, key, "no such runtime key here (envoy.resource_limits.listener.<name>.connection_limit, "
                     "overload.global_downstream_max_connections, tracing.opentelemetry.min_flush_spans, .flush_interval_ms)");
        return;
    }
    double n = v->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE ? v->number_value : 0;
    if (!(n >= 1 && n <= max_limit) || n != (double)(uint64_t)n) {
        fail(x, key, "not a whole number from 1 to 4294967295");
        return;
    }
    if (tracing)
        return; /* who makes tracers reads it: filters/trace_config.c */
    struct sp_str name = own ? sp_str_sub(key, prefix, key.len - suffix) : SP_STR_NULL;
    if (global)
        x->e->limits.global = (uint64_t)n;
    else if (has_listener(x->msg, name))
        set_limit(x, name, (uint64_t)n);
    else /* Envoy's own example for an edge names one that is not there */
        sp_doc_warn(x->doc, x->diag, x->layer, "static_layer", -1, "%.*s: no listener has that name, so it limits nothing (name one)",
                    SP_STR_ARG(key));
}

static void walk(struct ctx *x, struct sp_str base, const StructMessage *s, unsigned depth)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        const ValueMessage *v = s->fields[i]->value;
        struct sp_str key = sp_arena_printf(x->arena, "%.*s%s%s", SP_STR_ARG(base), base.len ? "." : "", s->fields[i]->key);
        if (!v)
            continue;
        if (v->kind_case != GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE)
            read_key(x, key, v);
        else if (depth < MAX_DEPTH)
            walk(x, key, v->struct_value, depth + 1);
        else
            fail(x, key, "too deep");
    }
}

static void read_runtime(struct ctx *x)
{
    for (size_t i = 0; x->msg->layered_runtime && i < x->msg->layered_runtime->n_layers; i++) {
        x->layer = x->msg->layered_runtime->layers[i];
        if (x->layer->static_layer)
            walk(x, SP_STR(""), x->layer->static_layer, 0);
    }
}

void sp_edge_read(struct sp_edge *e, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                  const Message *msg)
{
    assert(e && arena && doc && diag && msg);
    struct ctx x = {.e = e, .arena = arena, .doc = doc, .diag = diag, .msg = msg};
    *e = (struct sp_edge){0};
    read_extensions(&x);
    check_engine(&x);
    read_runtime(&x);
}
