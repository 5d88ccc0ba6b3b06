/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter chain under random scripts: filters stop and continue as they like, bodies come byte by byte in between, and
 * sometimes somebody replies or goes away.  Whatever happens, each filter sees its pieces in order (chain_fix.c checks
 * that), pauses are balanced, and nothing is leaked.  Everything follows from a seed, which is not 0, or from bytes.
 */
#ifndef TEST_SIM_CHAIN_RANDOM_H
#define TEST_SIM_CHAIN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* With room for all, and nobody interfering, everything arrives. `round`: how often filters stop. */
void chain_random_calm(uint64_t seed, unsigned round);
/* Small limits, replies, resets, aborts: nothing is promised but order, balance and an end. */
void chain_random_rough(uint64_t seed, unsigned round);
/* The same, by a fuzzer's bytes. */
void chain_random_bytes(const uint8_t *p, size_t n, unsigned round);

#endif
