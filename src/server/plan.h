/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_plan: the step from the config that serves to the next one: which clusters come and go, whose sockets are taken over,
 * and the sockets that were bound for new listeners.  The start is a step from no config.  Made, and freed when all workers
 * have taken the step, on the main thread; in between workers only read it, but for their own sockets.
 */
#ifndef SP_SERVER_PLAN_H
#define SP_SERVER_PLAN_H

#include "server/compile.h"

/* The sockets of a listener: worker w has those at w, w + n_workers ...; there are more than workers after a process that had
 * more of them was taken over from. */
struct sp_doors {
    int *fds; /* n of them */
    unsigned n;
};

struct sp_plan {
    struct sp_config *from, *to; /* from: NULL at the start */
    struct sp_cluster **added, **gone; /* n_added and n_gone of them; borrowed from the configs */
    unsigned n_added, n_gone, n_workers;
    int *takes;  /* for each listener of `to`: the one of `from` whose socket it takes over, or -1 */
    bool *taken; /* for each listener of `from` */
    struct sp_doors *doors; /* for each listener of `to`; they belong to the workers from the switch on */
    struct sp_addr *bound;  /* what each listener of `to` is bound to */
    bool switched;
};

/* `bound`, `doors`: of the listeners of `from`; NULL at the start. */
struct sp_plan *sp_plan_new(struct sp_config *from, struct sp_config *to, const struct sp_addr *bound,
                            const struct sp_doors *doors, unsigned n_workers);
/* Closes the sockets that were bound for it, unless it has been switched to. NULL-safe. */
void sp_plan_free(struct sp_plan *p);
/* Binds what is to be bound, or takes what this process inherited (net/inherit.h). 0, or negative errno with a text for the operator, the remedy in it, in `why`. */
int sp_plan_bind(struct sp_plan *p, char *why, size_t why_size);
/* All of them listen: after this nothing can fail any more. */
int sp_plan_listen(struct sp_plan *p, char *why, size_t why_size);

struct sp_doors *sp_doors_copy(const struct sp_doors *doors, unsigned n_listeners);
void sp_doors_free(struct sp_doors *doors, unsigned n_listeners); /* closes nothing; NULL-safe */

#endif
