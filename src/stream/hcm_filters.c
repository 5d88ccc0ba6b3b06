/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_filters: their order (gates first, the terminal filter last), their configs.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stream/hcm_impl.h"

static const char FIELD[] = "http_filters";

/* One slot as it is configured. */
struct item {
    const Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpFilter *msg;
    const void *owner; /* whose `field` it is, number `index` */
    const char *field;
    int index;
    uint8_t group; /* sp_filter_slot.group */
    bool last;
};

struct ctx {
    struct sp_hcm *h;
    const struct sp_hcm_build *build;
    const sp_hcm_msg *msg;
    struct item *items; /* one a slot */
};

#define ERR(x, item, ...) \
    sp_doc_err((x)->build->doc, (x)->build->diag, (item)->owner, (item)->field, (item)->index, __VA_ARGS__)

static const struct sp_filter_ops *find_type(const struct ctx *x, const char *type)
{
    for (const struct sp_filter_ops *const *ops = x->build->registry; *ops; ops++)
        if (strcmp((*ops)->type_url, type) == 0)
            return *ops;
    return NULL;
}

static bool known(const struct ctx *x, unsigned i)
{
    const struct item *item = &x->items[i];
    const ProtobufCMessage *content = sp_staged_content(x->build->doc, item->msg->typed_config);
    struct sp_filter_slot *slot = &x->h->plan.v[i];
    slot->name = sp_arena_str(&x->h->arena, sp_str_c(item->msg->name));
    slot->group = item->group;
    slot->ops = content ? find_type(x, content->descriptor->name) : NULL;
    if (!slot->ops)
        ERR(x, item, "%s is no HTTP filter", content ? content->descriptor->name : "an empty typed_config");
    return slot->ops && sp_staged_fits(x->build->doc, x->build->diag, item->msg->typed_config, slot->ops);
}

/* Gates, others, the terminal one: what stands wrong gets an error of its own. */
static bool in_order(const struct ctx *x, unsigned i, const struct sp_filter_slot **last_other)
{
    const struct sp_filter_slot *slot = &x->h->plan.v[i];
    const struct item *item = &x->items[i];
    bool good = true;
    if (slot->ops->gate && slot->group) {
        ERR(x, item, "%s is a gate: those of http_filters run on upgrades too (take it out here)", slot->ops->name);
        good = false;
    } else if (slot->ops->gate && *last_other) {
        ERR(x, item, "%s is a gate and has to stand before %.*s (order: gates, then filters, the router last)",
            slot->ops->name, SP_STR_ARG((*last_other)->name));
        good = false;
    }
    if (slot->ops->terminal && !item->last) {
        ERR(x, item, "%s ends the chain: nothing behind it would ever run (put it last)", slot->ops->name);
        good = false;
    }
    if (item->last && !slot->ops->terminal) {
        ERR(x, item, "the last filter has to be one that ends the chain (add the router)");
        good = false;
    }
    if (!slot->ops->gate)
        *last_other = slot;
    return good;
}

static bool unique(const struct ctx *x, unsigned i)
{
    const struct sp_filter_slot *v = x->h->plan.v;
    for (unsigned k = 0; k < i; k++) {
        bool meet = v[k].group == v[i].group || x->items[i].last || (v[k].ops && v[k].ops->gate);
        if (meet && sp_str_eq(v[k].name, v[i].name) && !(x->items[i].last && v[k].group)) {
            ERR(x, &x->items[i],
                "a filter named \"%.*s\" stands above already (names are unique: routes address filters by them)",
                SP_STR_ARG(v[i].name));
            return false;
        }
    }
    return true;
}

static bool switchable(const struct ctx *x, unsigned i)
{
    struct sp_filter_slot *slot = &x->h->plan.v[i];
    slot->disabled = x->items[i].msg->disabled;
    if (!slot->disabled || (!slot->ops->gate && !slot->ops->terminal))
        return true;
    sp_doc_err(x->build->doc, x->build->diag, x->items[i].msg, "disabled", -1, "%s cannot be disabled (remove it)",
               slot->ops->name);
    return false;
}

static bool check(const struct ctx *x)
{
    const struct sp_filter_slot *last_other = NULL;
    bool good = true;
    for (unsigned i = 0; i < x->h->plan.n; i++) {
        if (!known(x, i)) {
            good = false;
            continue;
        }
        good &= in_order(x, i, &last_other);
        good &= unique(x, i);
        good &= switchable(x, i);
        x->h->plan.n_gates += x->h->plan.v[i].ops->gate;
        x->h->proof_gate |= x->h->plan.v[i].ops->proves;
        x->h->cert_gate |= x->h->plan.v[i].ops->certifies;
    }
    return good;
}

static bool compile(const struct ctx *x)
{
    struct sp_hcm *h = x->h;
    bool good = true;
    /* Where a gate proves, nobody is believed before it: then only a gate can derive CLIENT for the gates behind it. */
    h->client.proof = h->proof_gate;
    bool derived = !h->proof_gate && sp_client_rules_derive(&h->client), proof = false, weak = false;
    bool certs = x->build->tls_verifies;
    for (unsigned i = 0; i < h->plan.n; i++) {
        struct sp_filter_slot *slot = &h->plan.v[i];
        if (!slot->ops->gate)
            derived = true; /* behind the gates it is always known what CLIENT is */
        h->builds[i] = (struct sp_filter_build){
            .doc = x->build->doc, .diag = x->build->diag, .stat_prefix = h->stat_prefix.ptr,
            .filter_name = slot->name.ptr, .scope = h->scope, .find_cluster = x->build->find_cluster, .ctx = x->build->ctx,
            .tls = x->build->tls, .tls_verifies = x->build->tls_verifies, .client_derived = derived,
            .proof_before = proof, .proof_is_weak = weak, .client_certs = certs,
            .normalizes = h->path.normalize && h->path.merge_slashes,
        };
        proof |= slot->ops->proves;
        certs |= slot->ops->certifies;
        const Google__Protobuf__Any *any = x->items[i].msg->typed_config;
        slot->config = slot->ops->config_new(&h->builds[i], sp_staged_content(x->build->doc, any));
        good &= sp_staging_init(&slot->staging, &h->builds[i], any, slot->ops) && slot->config != NULL;
        if (slot->config && slot->ops->gate && slot->ops->derives_client)
            derived |= slot->ops->derives_client(slot->config);
        if (slot->config && slot->ops->vouches)
            weak |= !slot->ops->vouches(slot->config);
    }
    return good;
}

/* An upgrade's filters end with the router, too: that of http_filters, which all of them share. */
static bool same_router(const struct ctx *x, const void *owner, const struct item *of_upgrade, const struct item *router)
{
    const ProtobufCMessage *a = sp_doc_any(x->build->doc, of_upgrade->msg->typed_config);
    const ProtobufCMessage *b = sp_doc_any(x->build->doc, router->msg->typed_config);
    size_t n = a && b && a->descriptor == b->descriptor ? protobuf_c_message_get_packed_size(a) : 0;
    bool same = a && b && a->descriptor == b->descriptor && n == protobuf_c_message_get_packed_size(b);
    if (same) {
        uint8_t *bytes = sp_xmalloc(2 * n + 1);
        protobuf_c_message_pack(a, bytes);
        protobuf_c_message_pack(b, bytes + n);
        same = memcmp(bytes, bytes + n, n) == 0;
        free(bytes);
    }
    if (!same)
        sp_doc_err(x->build->doc, x->build->diag, owner, of_upgrade->field, of_upgrade->index,
                   "the last filter has to be the same as the last one of http_filters (copy it)");
    return same;
}

/* An optional filter whose type is not known here (config/decode_any.c). */
static bool left_out(const struct ctx *x, const Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpFilter *msg)
{
    return msg->is_optional && !sp_doc_any(x->build->doc, msg->typed_config);
}

/* http_filters without the last one, those of each upgrade without the last one, the last one. */
static bool collect(struct ctx *x)
{
    const sp_hcm_msg *m = x->msg;
    unsigned n = 0, most = (unsigned)m->n_http_filters;
    for (size_t u = 0; u < m->n_upgrade_configs; u++)
        most += (unsigned)m->upgrade_configs[u]->n_filters;
    x->items = sp_xcalloc(most, sizeof(*x->items));
    for (size_t i = 0; i + 1 < m->n_http_filters; i++)
        if (!left_out(x, m->http_filters[i]))
            x->items[n++] = (struct item){m->http_filters[i], m, FIELD, (int)i, 0, false};
    int end = (int)m->n_http_filters - 1;
    const struct item router = {m->http_filters[end], m, FIELD, end, 0, true};
    bool good = true;
    for (size_t u = 0; u < m->n_upgrade_configs; u++) {
        size_t k = m->upgrade_configs[u]->n_filters;
        for (size_t i = 0; i < k; i++) {
            const struct item item = {m->upgrade_configs[u]->filters[i], m->upgrade_configs[u], "filters", (int)i,
                                      x->h->upgrades[u].group, false};
            if (i + 1 < k && left_out(x, item.msg))
                continue;
            if (i + 1 < k)
                x->items[n++] = item;
            else
                good &= same_router(x, m->upgrade_configs[u], &item, &router);
        }
    }
    x->items[n++] = router;
    x->h->plan.n = n;
    return good;
}

bool sp_hcm_filters(struct sp_hcm *h, const struct sp_hcm_build *build, const sp_hcm_msg *msg)
{
    assert(h && build && build->registry && msg && msg->n_http_filters);
    struct ctx x = {.h = h, .build = build, .msg = msg};
    bool good = collect(&x);
    if (h->plan.n > SP_CHAIN_MAX_FILTERS) {
        sp_doc_err(build->doc, build->diag, msg, FIELD, -1, "more than %d filters, those of upgrade_configs included",
                   SP_CHAIN_MAX_FILTERS);
        h->plan.n = 0;
        free(x.items);
        return false;
    }
    h->plan.v = sp_xcalloc(h->plan.n, sizeof(*h->plan.v));
    h->builds = sp_xcalloc(h->plan.n, sizeof(*h->builds));
    good = check(&x) && compile(&x) && good;
    free(x.items);
    if (good)
        sp_filter_plan_layout(&h->plan);
    return good;
}

void sp_hcm_filters_free(struct sp_hcm *h)
{
    assert(h);
    for (unsigned i = h->plan.n; i-- > 0;) {
        struct sp_filter_slot *slot = &h->plan.v[i];
        if (slot->config && slot->ops->config_free)
            slot->ops->config_free(slot->config);
    }
    free(h->plan.v);
    free(h->builds);
}
