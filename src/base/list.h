/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intrusive doubly linked list with a sentinel head.  The list owns nothing.  One thread at a time.
 * An unlinked node points at itself, so that removing it twice is harmless.
 */
#ifndef SP_BASE_LIST_H
#define SP_BASE_LIST_H

#include <assert.h>
#include <stdbool.h>

#include "base/defs.h"

struct sp_list {
    struct sp_list *prev, *next;
};

static inline void sp_list_init(struct sp_list *l)
{
    l->prev = l->next = l;
}

static inline bool sp_list_empty(const struct sp_list *l)
{
    return l->next == l;
}

static inline bool sp_list_linked(const struct sp_list *n)
{
    return n->next && n->next != n;
}

static inline void sp_list_insert_before(struct sp_list *at, struct sp_list *n)
{
    assert(!sp_list_linked(n));
    n->prev = at->prev;
    n->next = at;
    at->prev->next = n;
    at->prev = n;
}

static inline void sp_list_push_back(struct sp_list *head, struct sp_list *n)
{
    sp_list_insert_before(head, n);
}

static inline void sp_list_push_front(struct sp_list *head, struct sp_list *n)
{
    sp_list_insert_before(head->next, n);
}

static inline void sp_list_remove(struct sp_list *n)
{
    if (!n->next)
        return;
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->prev = n->next = n;
}

static inline struct sp_list *sp_list_first(const struct sp_list *head)
{
    return head->next == head ? NULL : head->next;
}

/* Removes and returns the first node, or NULL. */
static inline struct sp_list *sp_list_pop(struct sp_list *head)
{
    struct sp_list *n = sp_list_first(head);
    if (n) {
        assert(n->prev == head && n->next);
        sp_list_remove(n);
    }
    return n;
}

/* Moves all of `from` to the end of `to`. */
static inline void sp_list_splice(struct sp_list *to, struct sp_list *from)
{
    if (sp_list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    sp_list_init(from);
}

#define SP_LIST_FOREACH(it, head) for (struct sp_list *it = (head)->next; it != (head); it = it->next)
/* The current node may be removed (and freed) in the body. */
#define SP_LIST_FOREACH_SAFE(it, head) \
    for (struct sp_list *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, it##_next = it->next)

#endif
