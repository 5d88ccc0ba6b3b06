/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a set is once it is loaded; loading is xds.c's. */
#include "config/set.h"

#include <assert.h>
#include <stdlib.h>

#include "config/place.h"

void sp_set_free(struct sp_set *s)
{
    if (!s)
        return;
    sp_doc_free(s->doc);
    free(s->sources);
    free(s);
}

const char *sp_set_kind_name(enum sp_set_kind kind)
{
    static const char *const names[] = {"lds", "cds", "rds", "eds", "sds"};
    assert(kind < SP_ARRAY_LEN(names));
    return names[kind];
}

const struct sp_set_source *sp_set_source_of(const struct sp_set *s, const void *msg)
{
    assert(s && msg);
    const struct sp_place *at = sp_place_find(s->doc, msg);
    while (at && at->parent)
        at = at->parent;
    for (unsigned i = 0; at && i < s->n_sources; i++)
        if (&s->sources[i].file->base == at->msg)
            return &s->sources[i];
    return NULL;
}
