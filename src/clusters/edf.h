/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_edf: earliest deadline first, the scheduler of weighted balancing: who is picked gets the next deadline 1 / weight
 * later, so that picks come in the ratio of the weights and evenly mixed.  Items are numbers from 0.  One thread; pure.
 */
#ifndef SP_CLUSTERS_EDF_H
#define SP_CLUSTERS_EDF_H

#include <stdint.h>

struct sp_edf_item {
    double deadline;
    uint32_t order; /* breaks ties: who waits longest comes first */
    uint32_t item;
};

struct sp_edf {
    struct sp_edf_item *heap; /* n of them, room for cap */
    unsigned n, cap;
    uint32_t order;
};

void sp_edf_init(struct sp_edf *e, unsigned cap);
void sp_edf_done(struct sp_edf *e);
void sp_edf_clear(struct sp_edf *e);
/* `deadline`: the first one, more than 0: 1 / weight, or a random part of that so that workers do not move in step. */
void sp_edf_add(struct sp_edf *e, uint32_t item, double deadline);
/* The next item; not empty. Follow with sp_edf_again. */
uint32_t sp_edf_peek(const struct sp_edf *e);
/* Puts the item that peek gave `delay` further back. */
void sp_edf_again(struct sp_edf *e, double delay);

#endif
