/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole door, from a client's codec to an origin's, under a scheduler that draws from the input (test/sim/world.h); bit 0 of the first
 * byte: calmly.
 */
#include "../sim/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world_end end;
    if (size < 8)
        return 0;
    world_run(&(struct world_setup){.bytes = data + 1, .n = size - 1, .calm = data[0] & 1}, &end);
    return 0;
}
