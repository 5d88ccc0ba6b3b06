/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the admin page: listeners that accept no more while the process goes on; what is not warm yet. */
#include <assert.h>
#include <errno.h>

#include "server/reload_impl.h"

int sp_reload_stop_listeners(struct sp_reload *r, uint64_t drain_ns, bool inbound_only)
{
    assert(r);
    if (!r->current || r->phase != SP_RELOAD_IDLE)
        return -EBUSY;
    for (unsigned i = 0; i < r->current->n_listeners; i++)
        if (!inbound_only || sp_listener_inbound(r->current->listeners[i]))
            r->doors[i].n = 0; /* the workers close them: nobody takes them over */
    for (unsigned i = 0; i < r->build.n_workers; i++)
        sp_serving_stop_listeners(&r->build.workers[i], drain_ns, inbound_only);
    return 0;
}

const struct sp_config *sp_reload_next(const struct sp_reload *r)
{
    assert(r);
    return r->plan ? r->plan->to : NULL;
}
