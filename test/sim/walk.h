/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walking seeds: what a simulation does when it has run its fixed ones.  Each seed is one run; the one that fails is printed,
 * whoever ends the program (assert, cmocka or a sanitizer), and SP_SIM_SEED=N runs that one alone.  SP_SIM_SECONDS says how long
 * to walk from a seed at random; scripts/sim does so for hours.  CI must not depend on luck: it walks a second from seed 1.
 */
#ifndef TEST_SIM_WALK_H
#define TEST_SIM_WALK_H

#include <stdint.h>

typedef void walk_run(uint64_t seed);

/* Runs SP_SIM_SEED alone; or fresh seeds for SP_SIM_SECONDS; or the first ones, for a second. `what`: of whom a failure speaks. */
void walk(const char *what, walk_run *run);
/* Whether SP_SIM_SEED or SP_SIM_SECONDS is set: the fixed seeds can be left out. */
int walk_only(void);

#endif
