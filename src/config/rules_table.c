/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All tables of field rules as one, sorted by message. */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/rules_tables.h"

static const struct sp_rule_table *const tables[] = {
    &sp_rules_bootstrap,
    &sp_rules_core,
    &sp_rules_cluster,
    &sp_rules_listener,
    &sp_rules_route,
    &sp_rules_filters,
    &sp_rules_tls,
    &sp_rules_shield,
    &sp_rules_own,
    &sp_rules_trace,
};

static const struct sp_rule **sorted; /* lives as long as the process */
static size_t n_sorted;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Rules of one message stay as they are written: errors about a field come in that order. */
static int by_message(const void *va, const void *vb)
{
    const struct sp_rule *a = *(const struct sp_rule *const *)va, *b = *(const struct sp_rule *const *)vb;
    int r = strcmp(a->message, b->message);
    return r ? r : (a > b) - (a < b);
}

static void sort(void)
{
    size_t total = 0;
    for (size_t i = 0; i < SP_ARRAY_LEN(tables); i++)
        total += tables[i]->n;
    sorted = sp_xmalloc(total * sizeof(*sorted));
    for (size_t i = 0; i < SP_ARRAY_LEN(tables); i++)
        for (size_t k = 0; k < tables[i]->n; k++)
            sorted[n_sorted++] = &tables[i]->rules[k];
    qsort(sorted, n_sorted, sizeof(*sorted), by_message);
}

const struct sp_rule *const *sp_rules(size_t *ret_n)
{
    assert(ret_n);
    pthread_once(&once, sort);
    *ret_n = n_sorted;
    return sorted;
}
