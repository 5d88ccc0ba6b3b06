/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/host.h"

#include <assert.h>

struct sp_host_totals sp_host_sum(const struct sp_host *h, unsigned n_slots)
{
    assert(h);
    struct sp_host_totals t = {0};
    for (unsigned i = 0; i < n_slots; i++) {
        const struct sp_host_counts *c = &h->counts[i];
        t.cx_total += atomic_load_explicit(&c->cx_total, memory_order_relaxed);
        t.cx_connect_fail += atomic_load_explicit(&c->cx_connect_fail, memory_order_relaxed);
        t.rq_total += atomic_load_explicit(&c->rq_total, memory_order_relaxed);
        t.rq_success += atomic_load_explicit(&c->rq_success, memory_order_relaxed);
        t.rq_error += atomic_load_explicit(&c->rq_error, memory_order_relaxed);
        t.rq_timeout += atomic_load_explicit(&c->rq_timeout, memory_order_relaxed);
        t.cx_active += atomic_load_explicit(&c->cx_active, memory_order_relaxed);
        t.rq_active += atomic_load_explicit(&c->rq_active, memory_order_relaxed);
    }
    return t;
}

void sp_host_flags_text(uint32_t flags, struct sp_buf *out)
{
    assert(out);
    static const struct {
        uint32_t flag;
        struct sp_str name;
    } names[] = {
#define X(id, bit, text) {SP_HEALTH_##id, SP_STR_INIT(text)},
        SP_HEALTH_TABLE(X)
#undef X
    };
    if (!flags) {
        sp_buf_append_str(out, SP_STR("healthy"));
        return;
    }
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++)
        if (flags & names[i].flag)
            sp_buf_append_str(out, names[i].name);
}
