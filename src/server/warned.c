/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/warned.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash64.h"
#include "base/mem.h"

static uint64_t key_of(const struct sp_diag_item *it)
{
    const char *parts[] = {it->mark.file, it->path, it->text};
    uint64_t hash = 0;
    for (size_t i = 0; i < SP_ARRAY_LEN(parts); i++)
        hash = sp_xxh64(sp_str_c(parts[i]), hash);
    return hash;
}

void sp_warned_init(struct sp_warned *w, const struct sp_diag *diag)
{
    assert(w && diag);
    *w = (struct sp_warned){.v = sp_xcalloc(diag->n_items + 1, sizeof(*w->v))};
    for (unsigned i = 0; i < diag->n_items; i++)
        if (diag->items[i].severity == SP_WARNING)
            w->v[w->n++] = key_of(&diag->items[i]);
}

void sp_warned_done(struct sp_warned *w)
{
    free(w->v);
    *w = (struct sp_warned){0};
}

bool sp_warned_has(const struct sp_warned *w, const struct sp_diag_item *warning)
{
    assert(w && warning);
    uint64_t key = key_of(warning);
    for (unsigned i = 0; i < w->n; i++)
        if (w->v[i] == key)
            return true;
    return false;
}
