/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gathers the workers' rings of refused requests (stream/refused.h): each is asked by a message and answers with a copy, so that
 * no request ever waits for who looks.  Main thread.
 */
#ifndef SP_SERVER_REFUSALS_H
#define SP_SERVER_REFUSALS_H

#include "event/worker.h"
#include "stream/refused.h"

struct sp_refusals;

/* Embedded in who asks; zero-initialise. */
struct sp_refusals_ask {
    struct sp_refusals *under_way;
    /* Once, later: n copies, some NULL (a worker that refused nothing, or that did not answer within two seconds: it has ended,
     * while others drain). Borrowed for the call. */
    void (*done)(struct sp_refusals_ask *a, struct sp_refused_copy *const *copies, unsigned n);
};

void sp_refusals_ask(struct sp_refusals_ask *a, struct sp_worker *main, struct sp_worker *const *workers, unsigned n);
void sp_refusals_cancel(struct sp_refusals_ask *a); /* also of one that does not wait */

#endif
