/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/slot.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#include "clusters/current.h"
#include "clusters/lb.h"
#include "clusters/starve.h"
#include "clusters/subset_lb.h"

void sp_slot_attach(struct sp_slot *s, struct sp_worker *w)
{
    assert(s && w && !s->lb);
    s->worker = w;
    s->turn = &w->turn;
    do {
        if (getrandom(s->random, sizeof(s->random), 0) != (ssize_t)sizeof(s->random))
            abort();
    } while (!(s->random[0] | s->random[1]));
    sp_list_init(&s->idle);
    sp_list_init(&s->pools);
    sp_starve_init(s);
    sp_hosts_attach(s);
    sp_lb_new(s);
    sp_subset_lb_new(s);
    sp_slot_judge(s);
}
