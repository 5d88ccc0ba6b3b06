/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole door without a socket and without a clock: a client with a codec of ours, the door's server codec, the real stream layer
 * with real filters, a router that sends on over client codecs, and origins behind them.  Between them are pipes in memory.
 *
 * Nothing happens by itself.  A scheduler draws what happens next, and how much of it: who says what, how many bytes of which pipe
 * arrive, which codec may write how much, when a turn ends, how the clock jumps, which connection breaks.  All draws come from one
 * seed, or from bytes of a fuzzer: so a run is its seed, and the same seed is the same run.
 */
#ifndef TEST_SIM_WORLD_H
#define TEST_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world_setup {
    uint64_t seed;
    const uint8_t *bytes; /* n of them, drawn from in place of the seed; then everything ends */
    size_t n;
    void (*rest)(bool on); /* may be NULL: whoever makes calls fail rests, while what the world cannot be without is made, and at its end */
    bool calm; /* nobody breaks off: then each request has to arrive, and its answer, whole and unchanged */
};

struct world_end {
    uint64_t trace;      /* a hash of all that happened, in order */
    unsigned opened, answered, whole, refused; /* requests; with any answer, with a whole one, by a filter of the door */
    uint64_t up, down;   /* bytes of bodies that arrived */
};

/* Runs one and takes it down. What a promise of codecs, chain or streams has broken ends the program by assert. */
void world_run(const struct world_setup *setup, struct world_end *ret);

#endif
