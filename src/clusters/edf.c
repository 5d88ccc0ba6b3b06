/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/edf.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

/* Deadlines only grow: start over before doubles lose what a small delay adds. */
static const double REBASE = 1 << 20;

void sp_edf_init(struct sp_edf *e, unsigned cap)
{
    assert(e);
    *e = (struct sp_edf){.heap = sp_xcalloc(cap ? cap : 1, sizeof(*e->heap)), .cap = cap};
}

void sp_edf_done(struct sp_edf *e)
{
    assert(e);
    free(e->heap);
    e->heap = NULL;
}

void sp_edf_clear(struct sp_edf *e)
{
    assert(e);
    e->n = 0;
    e->order = 0;
}

static bool before(const struct sp_edf_item *a, const struct sp_edf_item *b)
{
    /* Orders wrap round: they are compared by their distance. */
    return a->deadline < b->deadline || (a->deadline == b->deadline && (int32_t)(a->order - b->order) < 0);
}

void sp_edf_add(struct sp_edf *e, uint32_t item, double deadline)
{
    assert(e && e->n < e->cap && deadline > 0);
    struct sp_edf_item x = {.deadline = deadline, .order = e->order++, .item = item};
    unsigned i = e->n++;
    while (i && before(&x, &e->heap[(i - 1) / 2])) {
        e->heap[i] = e->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    e->heap[i] = x;
}

uint32_t sp_edf_peek(const struct sp_edf *e)
{
    assert(e && e->n);
    return e->heap[0].item;
}

static void sift_down(struct sp_edf *e, struct sp_edf_item x)
{
    unsigned i = 0;
    for (;;) {
        unsigned c = i * 2 + 1;
        if (c >= e->n)
            break;
        if (c + 1 < e->n && before(&e->heap[c + 1], &e->heap[c]))
            c++;
        if (!before(&e->heap[c], &x))
            break;
        e->heap[i] = e->heap[c];
        i = c;
    }
    e->heap[i] = x;
}

void sp_edf_again(struct sp_edf *e, double delay)
{
    assert(e && e->n && delay > 0);
    struct sp_edf_item x = e->heap[0];
    if (x.deadline > REBASE) {
        double base = x.deadline;
        for (unsigned i = 0; i < e->n; i++)
            e->heap[i].deadline -= base;
        x.deadline = 0;
    }
    x.deadline += delay;
    x.order = e->order++;
    sift_down(e, x);
}
