/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as what a client sends.  Byte 0: options; byte 1: 0 to compare a run in one piece with one byte by byte, else
 * the seed of a user that does anything at any time; the rest is the input.
 */
#include "h1_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct run *r, const uint8_t *data, size_t size, size_t piece)
{
    run_begin(r, data[0], true, data[1]);
    run_feed(r, data + 2, size - 2, piece);
    run_end(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run whole, pieces;
    if (size < 3)
        return 0;
    if (data[1]) {
        run(&whole, data, size, 1 + data[1] % 50);
    } else {
        run(&whole, data, size, size);
        run(&pieces, data, size, 1);
        CHECK(same(&whole.text, &pieces.text));
        CHECK(same(&whole.sent, &pieces.sent));
        run_forget(&pieces);
    }
    run_forget(&whole);
    return 0;
}
