/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/reload_ask.h"

#include <assert.h>

void sp_reload_asks_init(struct sp_reload_asks *all)
{
    assert(all);
    sp_list_init(&all->next);
    sp_list_init(&all->current);
}

void sp_reload_asks_add(struct sp_reload_asks *all, struct sp_reload_ask *a)
{
    assert(all && a && a->done && !sp_list_linked(&a->link));
    sp_list_push_back(&all->next, &a->link);
}

void sp_reload_ask_cancel(struct sp_reload_ask *a)
{
    assert(a);
    if (sp_list_linked(&a->link))
        sp_list_remove(&a->link);
}

void sp_reload_asks_begin(struct sp_reload_asks *all)
{
    assert(all && sp_list_empty(&all->current));
    sp_list_splice(&all->current, &all->next);
}

void sp_reload_asks_answer(struct sp_reload_asks *all, const struct sp_reload_outcome *o)
{
    assert(all && o);
    for (struct sp_list *n; (n = sp_list_pop(&all->current)) != NULL;) {
        struct sp_reload_ask *a = SP_CONTAINER_OF(n, struct sp_reload_ask, link);
        a->done(a, o);
    }
}
