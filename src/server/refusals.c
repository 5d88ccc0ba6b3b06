/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/refusals.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

enum { PATIENCE_MS = 2000 };

struct piece {
    struct sp_msg msg;
    struct sp_refusals *of;
    struct sp_worker *worker;
    struct sp_refused_copy *copy;
};

struct sp_refusals {
    struct sp_refusals_ask *ask; /* NULL: nobody waits any more */
    struct sp_worker *main;
    struct sp_timer patience;
    struct sp_refused_copy **copies; /* n of them, as they come */
    unsigned n, n_here;
    unsigned n_out; /* pieces under way */
};

static void release(struct sp_refusals *r)
{
    if (r->ask || r->n_out)
        return;
    for (unsigned i = 0; i < r->n_here; i++)
        free(r->copies[i]);
    free(r->copies);
    free(r);
}

static void answer(struct sp_refusals *r)
{
    struct sp_refusals_ask *a = r->ask;
    sp_timer_stop(&r->patience);
    a->under_way = NULL; /* it may be cancelled in there */
    a->done(a, r->copies, r->n_here);
    r->ask = NULL;
    release(r);
}

static void on_patience(struct sp_timer *t)
{
    answer(SP_CONTAINER_OF(t, struct sp_refusals, patience));
}

/* Main thread, also when the worker, or main itself, has ended before it could run. */
static void come_back(struct sp_msg *m)
{
    struct piece *p = SP_CONTAINER_OF(m, struct piece, msg);
    struct sp_refusals *r = p->of;
    r->copies[r->n_here++] = p->copy;
    r->n_out--;
    free(p);
    if (r->ask && !r->n_out)
        answer(r);
    else
        release(r);
}

static void take(struct sp_msg *m)
{
    struct piece *p = SP_CONTAINER_OF(m, struct piece, msg);
    if (sp_worker_self() != p->worker) { /* it has ended, and this is main */
        come_back(m);
        return;
    }
    p->copy = sp_refused_take_copy();
    m->run = come_back;
    sp_worker_post(p->of->main, m);
}

void sp_refusals_ask(struct sp_refusals_ask *a, struct sp_worker *main, struct sp_worker *const *workers, unsigned n)
{
    assert(a && a->done && !a->under_way && main && workers && n);
    struct sp_refusals *r = sp_xcalloc(1, sizeof(*r));
    a->under_way = r;
    r->ask = a;
    r->main = main;
    r->n = r->n_out = n;
    r->copies = sp_xcalloc(n, sizeof(struct sp_refused_copy *));
    r->patience.fire = on_patience;
    sp_timer_start(&main->turn, &r->patience, PATIENCE_MS * SP_NS_PER_MS);
    for (unsigned i = 0; i < n; i++) {
        struct piece *p = sp_xcalloc(1, sizeof(*p));
        *p = (struct piece){.msg.run = take, .of = r, .worker = workers[i]};
        sp_worker_post(workers[i], &p->msg);
    }
}

void sp_refusals_cancel(struct sp_refusals_ask *a)
{
    assert(a);
    struct sp_refusals *r = a->under_way;
    if (!r)
        return;
    sp_timer_stop(&r->patience);
    a->under_way = NULL;
    r->ask = NULL;
    release(r);
}
