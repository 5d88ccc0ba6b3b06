/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters that stop, continue, reply and go away in any order: the chain's iterator under scripts that are drawn from the input. The
 * first byte says how calm they are.
 */
#include "../sim/chain_random.h"
#include "base/arena.h"
#include "base/buf.h"
#include "stats/stats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int ready;
    if (!ready++)
        sp_stats_init(1);
    if (size < 2)
        return 0;
    chain_random_bytes(data + 1, size - 1, data[0] % 70);
    return 0;
}
