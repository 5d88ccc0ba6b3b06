/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_filters: their order (gates first, the terminal filter last), their configs.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stream/hcm_impl.h"

static const char FIELD[] = "http_filters";

struct ctx {
    struct sp_hcm *h;
    const struct sp_hcm_build *build;
    const sp_hcm_msg *msg;
};

#define ERR(x, i, ...) sp_doc_err((x)->build->doc, (x)->build->diag, (x)->msg, FIELD, (i), __VA_ARGS__)

static const struct sp_filter_ops *find_type(const struct ctx *x, const char *type)
{
    for (const struct sp_filter_ops *const *ops = x->build->registry; *ops; ops++)
        if (strcmp((*ops)->type_url, type) == 0)
            return *ops;
    return NULL;
}

static bool known(const struct ctx *x, int i)
{
    const ProtobufCMessage *content = sp_staged_content(x->build->doc, x->msg->http_filters[i]->typed_config);
    struct sp_filter_slot *slot = &x->h->plan.v[i];
    slot->name = sp_arena_str(&x->h->arena, sp_str_c(x->msg->http_filters[i]->name));
    slot->ops = content ? find_type(x, content->descriptor->name) : NULL;
    if (!slot->ops)
        ERR(x, i, "%s is no HTTP filter", content ? content->descriptor->name : "an empty typed_config");
    return slot->ops && sp_staged_fits(x->build->doc, x->build->diag, x->msg->http_filters[i]->typed_config, slot->ops);
}

/* Gates, others, the terminal one: what stands wrong gets an error of its own. */
static bool in_order(const struct ctx *x, int i, const struct sp_filter_slot **last_other)
{
    const struct sp_filter_slot *slot = &x->h->plan.v[i];
    bool is_last = i == (int)x->h->plan.n - 1, good = true;
    if (slot->ops->gate && *last_other) {
        ERR(x, i, "%s is a gate and has to stand before %.*s (order: gates, then filters, the router last)",
            slot->ops->name, SP_STR_ARG((*last_other)->name));
        good = false;
    }
    if (slot->ops->terminal && !is_last) {
        ERR(x, i, "%s ends the chain: nothing behind it would ever run (put it last)", slot->ops->name);
        good = false;
    }
    if (is_last && !slot->ops->terminal) {
        ERR(x, i, "the last filter has to be one that ends the chain (add the router)");
        good = false;
    }
    if (!slot->ops->gate)
        *last_other = slot;
    return good;
}

static bool unique(const struct ctx *x, int i)
{
    const struct sp_filter_slot *v = x->h->plan.v;
    for (int k = 0; k < i; k++) {
        if (sp_str_eq(v[k].name, v[i].name)) {
            ERR(x, i, "a filter named \"%.*s\" stands above already (names are unique: routes address filters by them)",
                SP_STR_ARG(v[i].name));
            return false;
        }
    }
    return true;
}

static bool switchable(const struct ctx *x, int i)
{
    struct sp_filter_slot *slot = &x->h->plan.v[i];
    slot->disabled = x->msg->http_filters[i]->disabled;
    if (!slot->disabled || (!slot->ops->gate && !slot->ops->terminal))
        return true;
    sp_doc_err(x->build->doc, x->build->diag, x->msg->http_filters[i], "disabled", -1,
               "%s cannot be disabled (remove it)", slot->ops->name);
    return false;
}

static bool check(const struct ctx *x)
{
    const struct sp_filter_slot *last_other = NULL;
    bool good = true;
    for (int i = 0; i < (int)x->h->plan.n; i++) {
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
    struct sp_stats_scope *scope = sp_stats_scope(sp_stats_root(), SP_STR("http"), "envoy_http_conn_manager_prefix",
                                                  h->stat_prefix);
    for (unsigned i = 0; i < h->plan.n; i++) {
        struct sp_filter_slot *slot = &h->plan.v[i];
        if (!slot->ops->gate)
            derived = true; /* behind the gates it is always known what CLIENT is */
        h->builds[i] = (struct sp_filter_build){
            .doc = x->build->doc, .diag = x->build->diag, .stat_prefix = h->stat_prefix.ptr,
            .filter_name = slot->name.ptr, .scope = scope, .find_cluster = x->build->find_cluster, .ctx = x->build->ctx,
            .tls = x->build->tls, .tls_verifies = x->build->tls_verifies, .client_derived = derived,
            .proof_before = proof, .proof_is_weak = weak, .client_certs = certs,
            .normalizes = h->path.normalize && h->path.merge_slashes,
        };
        proof |= slot->ops->proves;
        certs |= slot->ops->certifies;
        const Google__Protobuf__Any *any = x->msg->http_filters[i]->typed_config;
        slot->config = slot->ops->config_new(&h->builds[i], sp_staged_content(x->build->doc, any));
        good &= sp_staging_init(&slot->staging, &h->builds[i], any, slot->ops) && slot->config != NULL;
        if (slot->config && slot->ops->gate && slot->ops->derives_client)
            derived |= slot->ops->derives_client(slot->config);
        if (slot->config && slot->ops->vouches)
            weak |= !slot->ops->vouches(slot->config);
    }
    return good;
}

bool sp_hcm_filters(struct sp_hcm *h, const struct sp_hcm_build *build, const sp_hcm_msg *msg)
{
    assert(h && build && build->registry && msg && msg->n_http_filters);
    struct ctx x = {.h = h, .build = build, .msg = msg};
    if (msg->n_http_filters > SP_CHAIN_MAX_FILTERS) {
        ERR(&x, SP_CHAIN_MAX_FILTERS, "more than %d filters", SP_CHAIN_MAX_FILTERS);
        return false;
    }
    h->plan.n = (unsigned)msg->n_http_filters;
    h->plan.v = sp_xcalloc(h->plan.n, sizeof(*h->plan.v));
    h->builds = sp_xcalloc(h->plan.n, sizeof(*h->builds));
    if (!check(&x) || !compile(&x))
        return false;
    sp_filter_plan_layout(&h->plan);
    return true;
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
