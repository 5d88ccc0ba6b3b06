/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/live_secret.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

struct owner {
    const struct sp_doc *doc; /* at first; the document may go before the value does */
    struct sp_live_secret_spec spec;
};

static void *load(void *ctx, const void *old, struct sp_diag *diag)
{
    const struct owner *o = ctx;
    struct sp_secret s;
    (void)old;
    if (sp_secret_read(o->doc, diag, o->spec.source, o->spec.flags | SP_SECRET_LIVE, &s) < 0)
        return NULL;
    if (o->spec.check && !o->spec.check(o->spec.ctx, o->doc, diag, o->spec.source, sp_secret_str(&s))) {
        sp_secret_done(&s);
        return NULL;
    }
    return sp_secret_new(s);
}

static const struct sp_live_kind kind = {.name = "secret", .load = load, .free = sp_secret_free};

struct sp_live *sp_live_secret_new(const struct sp_doc *doc, struct sp_diag *diag, struct sp_arena *arena,
                                   const struct sp_live_secret_spec *spec)
{
    assert(doc && diag && arena && spec && spec->source);
    struct owner *o = sp_arena_zalloc(arena, sizeof(*o));
    *o = (struct owner){doc, *spec};
    o->spec.label = sp_arena_str(arena, spec->label);
    /* Entered before the first read: a change in between is not missed. */
    struct sp_live *l = sp_live_new(sp_doc_live(doc), &kind, o->spec.label, o, NULL);
    sp_secret_watch(l, spec->source);
    bool good = sp_live_load(l, diag);
    o->doc = NULL;
    /* What is no file is never read again. */
    bool file = spec->source->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME;
    o->spec.source = file ? sp_source_copy(arena, spec->source) : NULL;
    return good ? l : NULL;
}

struct sp_str sp_live_secret_get(const struct sp_live *l)
{
    const struct sp_secret *s = sp_live_get(l);
    return s ? sp_secret_str(s) : SP_STR_NULL;
}
