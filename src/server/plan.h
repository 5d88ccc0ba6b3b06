/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_plan: the step from the config that serves to the next one: which clusters come and go, whose sockets are taken over,
 * and the sockets that were bound for new listeners.  The start is a step from no config.  Made, and freed when all workers
 * have taken the step, on the main thread; in between workers only read it, but for their own sockets.
 */
#ifndef SP_SERVER_PLAN_H
#define SP_SERVER_PLAN_H

#include "server/compile.h"

struct sp_plan {
    struct sp_config *from, *to; /* from: NULL at the start */
    struct sp_cluster **added, **gone; /* n_added and n_gone of them; borrowed from the configs */
    unsigned n_added, n_gone, n_workers;
    int *takes;  /* for each listener of `to`: the one of `from` whose socket it takes over, or -1 */
    bool *taken; /* for each listener of `from` */
    int *fds;    /* [listener of `to` * n_workers + worker]: bound; -1 where one is taken over, or the worker has it */
    struct sp_addr *bound; /* what each listener of `to` is bound to */
};

/* `bound`: what the listeners of `from` are bound to. */
struct sp_plan *sp_plan_new(struct sp_config *from, struct sp_config *to, const struct sp_addr *bound, unsigned n_workers);
/* Closes the sockets that nobody took. NULL-safe. */
void sp_plan_free(struct sp_plan *p);
/* Binds what is to be bound. 0, or negative errno with a text for the operator, the remedy in it, in `why`. */
int sp_plan_bind(struct sp_plan *p, char *why, size_t why_size);
/* All of them listen: after this nothing can fail any more. */
int sp_plan_listen(struct sp_plan *p, char *why, size_t why_size);

#endif
