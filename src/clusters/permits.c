/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/permits.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

/* An atomic operation for every fourth request costs nothing; a large loan that lies idle refuses others early. */
enum { BATCH_MAX = 4 };

/* The slot's own: a plain load and store, which others may read. */
static inline uint32_t unused(const struct sp_permit_loan *loan)
{
    return atomic_load_explicit(&loan->unused, memory_order_relaxed);
}

static inline void set_unused(struct sp_permit_loan *loan, uint32_t n)
{
    atomic_store_explicit(&loan->unused, n, memory_order_relaxed);
}

void sp_permits_init(struct sp_permits *p, uint32_t limit, unsigned n_slots)
{
    assert(p && n_slots);
    p->limit = limit;
    p->batch = SP_MIN(SP_MAX(limit / (8 * n_slots), 1u), (unsigned)BATCH_MAX);
    p->loans = sp_xaligned(n_slots * sizeof(*p->loans));
    p->n_loans = n_slots;
    for (unsigned i = 0; i < n_slots; i++)
        atomic_init(&p->loans[i].unused, 0);
    atomic_init(&p->free, limit);
}

void sp_permits_done(struct sp_permits *p)
{
    assert(p);
    free(p->loans);
    p->loans = NULL;
}

void sp_permits_publish(const struct sp_permits *p)
{
    assert(p);
    if (!p->limit)
        sp_gauge_inc(p->open);
    if (p->track)
        sp_gauge_add(p->remaining, p->limit);
}

void sp_permits_unpublish(const struct sp_permits *p)
{
    assert(p);
    if (!p->limit)
        sp_gauge_dec(p->open);
    if (p->track)
        sp_gauge_add(p->remaining, -(int64_t)p->limit);
}

static bool borrow(struct sp_permits *p, struct sp_permit_loan *loan)
{
    uint32_t left = atomic_load_explicit(&p->free, memory_order_relaxed), n;
    do {
        if (!left)
            return false;
        n = SP_MIN(left, p->batch);
    } while (!atomic_compare_exchange_weak_explicit(&p->free, &left, left - n, memory_order_acq_rel,
                                                    memory_order_relaxed));
    if (left == n)
        sp_gauge_inc(p->open);
    set_unused(loan, n);
    return true;
}

static void pay_back(struct sp_permits *p, struct sp_permit_loan *loan, uint32_t n)
{
    set_unused(loan, unused(loan) - n);
    if (atomic_fetch_add_explicit(&p->free, n, memory_order_acq_rel) == 0)
        sp_gauge_dec(p->open);
}

bool sp_permit_take(struct sp_permits *p, unsigned slot)
{
    assert(p && p->loans);
    struct sp_permit_loan *loan = &p->loans[slot];
    if (SP_UNLIKELY(!unused(loan)) && !borrow(p, loan))
        return false;
    set_unused(loan, unused(loan) - 1);
    if (p->track)
        sp_gauge_dec(p->remaining);
    return true;
}

void sp_permit_give(struct sp_permits *p, unsigned slot)
{
    assert(p && p->loans);
    struct sp_permit_loan *loan = &p->loans[slot];
    uint32_t n = unused(loan) + 1;
    set_unused(loan, n);
    if (p->track)
        sp_gauge_inc(p->remaining);
    if (p->batch == 1)
        pay_back(p, loan, 1); /* small limits: nothing is kept, or one worker could lock the others out */
    else if (SP_UNLIKELY(n >= p->batch + p->batch / 2))
        pay_back(p, loan, p->batch);
}

uint32_t sp_permits_used(const struct sp_permits *p)
{
    assert(p && p->loans);
    uint64_t idle = atomic_load_explicit(&p->free, memory_order_relaxed);
    for (unsigned i = 0; i < p->n_loans; i++)
        idle += unused(&p->loans[i]);
    return p->limit > idle ? p->limit - (uint32_t)idle : 0;
}

void sp_permits_settle(struct sp_permits *p, unsigned slot)
{
    assert(p && p->loans);
    uint32_t n = unused(&p->loans[slot]);
    if (n)
        pay_back(p, &p->loans[slot], n);
}
