/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_caller: who a request is from, as gates and filters have it proved: names, never a secret or a token.  Made only when
 * somebody wants to know (stream/decision.h), on that one's stack; values are borrowed for as long as the stream stands.
 */
#ifndef SP_STREAM_CALLER_H
#define SP_STREAM_CALLER_H

#include "base/str.h"

enum { SP_CALLER_MAX = 12 };

struct sp_caller_word {
    struct sp_str key, value; /* key: a word of our own, static; value: perhaps a peer's bytes */
};

struct sp_caller {
    struct sp_caller_word v[SP_CALLER_MAX];
    unsigned n;
};

/* Adds one, unless the value is empty or the key has been said: who stands first in the chain is believed. */
static inline void sp_caller_say(struct sp_caller *c, struct sp_str key, struct sp_str value)
{
    for (unsigned i = 0; i < c->n; i++)
        if (sp_str_eq(c->v[i].key, key))
            return;
    if (!value.len || c->n == SP_CALLER_MAX)
        return;
    c->v[c->n].key = key;
    c->v[c->n++].value = value;
}

#endif
