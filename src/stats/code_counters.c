/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <stdio.h>

#include "stats/stats.h"

/* There was no cell for it: not to be asked for at every request. */
#define NONE_LEFT UINT32_MAX

void sp_code_counters_init(struct sp_code_counters *c, struct sp_stats_scope *scope, const char *prefix)
{
    assert(c && scope && prefix);
    memset(c, 0, sizeof(*c));
    c->scope = scope;
    c->prefix = prefix;
    for (unsigned i = 1; i < 6; i++) {
        char name[64];
        int n = snprintf(name, sizeof(name), "%s%uxx", prefix, i);
        c->classes[i] = sp_stats_counter(scope, sp_str_n(name, (size_t)n));
    }
}

void sp_code_counters_inc(struct sp_code_counters *c, unsigned status, bool single)
{
    assert(c && c->scope);
    if (status < 100 || status > 599)
        return;
    sp_counter_inc(c->classes[status / 100]);
    if (!single)
        return;
    uint32_t cell = atomic_load_explicit(&c->codes[status], memory_order_relaxed);
    if (SP_UNLIKELY(!cell)) {
        char name[64];
        int n = snprintf(name, sizeof(name), "%s%u", c->prefix, status);
        cell = sp_stats_counter(c->scope, sp_str_n(name, (size_t)n)).cell;
        cell = cell ? cell : NONE_LEFT;
        atomic_store_explicit(&c->codes[status], cell, memory_order_relaxed);
    }
    if (SP_LIKELY(cell != NONE_LEFT))
        sp_cell_add(cell, 1);
}
