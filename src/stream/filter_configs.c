/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/filter_configs.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/types.h"

/* What protoc-c makes of any map<string, google.protobuf.Any>. */
struct entry {
    ProtobufCMessage base;
    char *key;
    Google__Protobuf__Any *value;
};

struct build {
    const struct sp_doc *doc;
    struct sp_diag *diag;
    const struct sp_filter_plan *plan;
    const struct sp_filter_build *builds;
    const void *msg;
};

static const char FIELD[] = "typed_per_filter_config";

/* From slot `i` on: filters of http_filters and of upgrades may have the same name, and the config is for all of them. */
static int find_slot(const struct sp_filter_plan *plan, struct sp_str name, unsigned i)
{
    for (; i < plan->n; i++)
        if (sp_str_eq(plan->v[i].name, name))
            return (int)i;
    return -1;
}

static void unknown_name(const struct build *b, size_t index, struct sp_str name)
{
    const struct sp_filter_plan *plan = b->plan;
    const struct sp_str *nearest = NULL;
    unsigned best = 4;
    for (unsigned i = plan->n_gates; i < plan->n; i++) {
        unsigned d = sp_str_distance(plan->v[i].name, name, best);
        if (d < best) {
            best = d;
            nearest = &plan->v[i].name;
        }
    }
    if (nearest)
        sp_doc_err(b->doc, b->diag, b->msg, FIELD, (int)index,
                   "no filter named \"%.*s\" is in http_filters (did you mean \"%.*s\"?)", SP_STR_ARG(name),
                   SP_STR_ARG(*nearest));
    else
        sp_doc_err(b->doc, b->diag, b->msg, FIELD, (int)index,
                   "no filter named \"%.*s\" is in http_filters (the keys are names of http_filters)", SP_STR_ARG(name));
}

static bool compile(const struct build *b, size_t index, const Google__Protobuf__Any *any,
                    struct sp_filter_config *out)
{
    const struct sp_filter_slot *slot = &b->plan->v[out->slot];
    const ProtobufCMessage *content = sp_doc_any(b->doc, any);
    if (!content)
        return true; /* a switch only */
    if (!slot->ops->route_type_url) {
        sp_doc_err(b->doc, b->diag, b->msg, FIELD, (int)index,
                   "%s takes no config for a route (only a FilterConfig with `disabled`)", slot->ops->name);
        return false;
    }
    if (!sp_str_eq(sp_str_c(content->descriptor->name), sp_str_c(slot->ops->route_type_url))) {
        sp_doc_err(b->doc, b->diag, b->msg, FIELD, (int)index, "%s takes %s here, not %s", slot->ops->name,
                   slot->ops->route_type_url, content->descriptor->name);
        return false;
    }
    struct sp_filter_build of_route = b->builds[out->slot];
    of_route.config = slot->config;
    out->config = slot->ops->route_config_new(&of_route, content);
    return out->config != NULL;
}

/* 1: in *out, for a slot from `from` on; 0: there is none, which is as it should be; -1: an error. */
static int add(const struct build *b, size_t index, const struct entry *e, unsigned from, struct sp_filter_config *out)
{
    const Envoy__Config__Route__V3__FilterConfig *wrapper =
        sp_doc_any_as(b->doc, e->value, &envoy__config__route__v3__filter_config__descriptor);
    struct sp_str name = sp_str_c(e->key);
    int slot = find_slot(b->plan, name, from);
    if (slot < 0) {
        if (from || (wrapper && wrapper->is_optional))
            return 0;
        unknown_name(b, index, name);
        return -1;
    }
    *out = (struct sp_filter_config){.slot = (unsigned)slot, .ops = b->plan->v[slot].ops};
    if (out->ops->gate) {
        sp_doc_err(b->doc, b->diag, b->msg, FIELD, (int)index,
                   "%s is a gate: it decides before any route is matched, and no route can change it (configure it in "
                   "http_filters)", out->ops->name);
        return -1;
    }
    if (wrapper && wrapper->disabled && out->ops->terminal) {
        sp_doc_err(b->doc, b->diag, b->msg, FIELD, (int)index, "%s ends the chain and cannot be disabled",
                   out->ops->name);
        return -1;
    }
    if (!wrapper)
        return compile(b, index, e->value, out) ? 1 : -1;
    out->disabled = wrapper->disabled;
    return compile(b, index, wrapper->config, out) ? 1 : -1;
}

/* How many slots the entries may be for, and one to look for another in. */
static size_t count(const struct sp_filter_plan *plan, const struct entry *const *v, size_t n)
{
    size_t total = 1;
    for (size_t i = 0; i < n; i++)
        for (unsigned k = 0; k < plan->n; k++)
            total += sp_str_eq(plan->v[k].name, sp_str_c(v[i]->key));
    return total;
}

struct sp_filter_configs *sp_filter_configs_new(const struct sp_doc *doc, struct sp_diag *diag,
                                                const struct sp_filter_plan *plan, const struct sp_filter_build *builds,
                                                const void *msg, const void *entries, size_t n)
{
    assert(doc && diag && plan && builds && msg && (entries || n == 0));
    if (!n)
        return NULL;
    const struct entry *const *v = entries;
    const struct build b = {.doc = doc, .diag = diag, .plan = plan, .builds = builds, .msg = msg};
    struct sp_filter_configs *c = sp_xcalloc(1, sizeof(*c) + count(plan, v, n) * sizeof(c->v[0]));
    bool good = true;
    for (size_t i = 0; i < n; i++) {
        int rc = 1;
        for (unsigned from = 0; rc > 0; from = c->v[c->n - 1].slot + 1) {
            rc = add(&b, i, v[i], from, &c->v[c->n]);
            good &= rc >= 0;
            if (rc <= 0)
                break;
            c->n++;
        }
    }
    if (good && c->n)
        return c;
    sp_filter_configs_free(c);
    return NULL;
}

void sp_filter_configs_free(struct sp_filter_configs *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < c->n; i++)
        if (c->v[i].config && c->v[i].ops->route_config_free)
            c->v[i].ops->route_config_free(c->v[i].config);
    free(c);
}

const struct sp_filter_config *sp_filter_configs_find(const struct sp_filter_configs *c, unsigned slot)
{
    for (unsigned i = 0; c && i < c->n; i++)
        if (c->v[i].slot == slot)
            return &c->v[i];
    return NULL;
}
