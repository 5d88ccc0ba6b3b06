/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How load is spread over priorities by health, as Envoy does: a priority is good for 1.4 times its share of healthy hosts
 * (the overprovisioning factor, 140 %), what it cannot take goes to the next; with too few healthy hosts on the whole, priorities
 * below the panic threshold use all their hosts.  Pure.
 */
#ifndef SP_CLUSTERS_PRIORITY_H
#define SP_CLUSTERS_PRIORITY_H

#include <stdbool.h>
#include <stdint.h>

struct sp_priority_health {
    unsigned total, healthy, degraded, excluded; /* hosts; the last are not counted in shares */
    /* What capacity is counted by; all 0: by hosts. Panic goes by hosts in any case. */
    uint64_t total_weight, healthy_weight, degraded_weight, excluded_weight;
};

struct sp_priority_load {
    uint32_t healthy, degraded; /* percent of the requests; all together 100, or 0 when there is nobody */
    bool panic;                 /* what comes here goes to all hosts */
};

/* Adds a host; `flags`: its SP_HEALTH_*. `weight`: what it counts for, 1 if hosts do not count by their weights. */
void sp_priority_count(struct sp_priority_health *h, uint32_t flags, uint32_t weight);
/* Fills n loads, n > 0. panic_threshold, overprovisioning: percent. */
void sp_priority_loads(const struct sp_priority_health *h, unsigned n, double panic_threshold,
                       uint32_t overprovisioning, struct sp_priority_load *ret);
/*
 * The same without the priorities whose `out` is true, as Envoy spreads retries: panic says nothing here.  False, and nothing is
 * filled: none of the others has anybody.
 */
bool sp_priority_loads_without(const struct sp_priority_health *h, unsigned n, const bool *out, uint32_t overprovisioning,
                               struct sp_priority_load *ret);
/* Fewer of its hosts are well or degraded than this many percent. */
bool sp_priority_below(const struct sp_priority_health *h, double threshold);
/* The priority for dice of 0 to 99, and which of its hosts; false: nobody is there. */
bool sp_priority_choose(const struct sp_priority_load *l, unsigned n, unsigned dice, unsigned *ret, bool *ret_degraded);

#endif
