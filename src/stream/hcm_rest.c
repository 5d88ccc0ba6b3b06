/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stream/access_log.h"
#include "stream/hcm_impl.h"

struct sp_hcm_rest {
    _Atomic unsigned refs;
    struct sp_hcm hcm; /* counters, logs, flags; no plan, no routes */
};

struct sp_hcm_rest *sp_hcm_rest_new(const struct sp_hcm *h)
{
    assert(h && h->scope);
    struct sp_hcm_rest *r = sp_xcalloc(1, sizeof(*r));
    atomic_init(&r->refs, 1);
    r->hcm.scope = sp_stats_scope_hold(sp_stats_root(), SP_STR("http"), "envoy_http_conn_manager_prefix", h->stat_prefix);
    r->hcm.logs = h->logs;
    r->hcm.lines = h->lines;
    r->hcm.cx = h->cx;
    r->hcm.stats = h->stats;
    r->hcm.stats.has_listener = false; /* its counters are the listener's, which may go before */
    r->hcm.sheds = h->sheds;
    return r;
}

struct sp_hcm_rest *sp_hcm_rest_ref(struct sp_hcm_rest *r)
{
    assert(r);
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void sp_hcm_rest_mute(struct sp_hcm_rest *r)
{
    assert(r);
    if (r->hcm.logs)
        sp_access_logs_free(r->hcm.logs);
    r->hcm.logs = NULL;
}

void sp_hcm_rest_unref(struct sp_hcm_rest *r)
{
    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (r->hcm.logs)
        sp_access_logs_free(r->hcm.logs);
    sp_stats_scope_drop(r->hcm.scope);
    free(r);
}

const struct sp_hcm *sp_hcm_rest_hcm(const struct sp_hcm_rest *r)
{
    assert(r);
    return &r->hcm;
}
