/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as what an origin sends.  Byte 0: options; byte 1: 0 to compare a run in one piece with one byte by byte, else
 * the seed of a user that does anything at any time; byte 2: chooses the request of the compared runs.
 */
#include "h1_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void open_one(struct run *r)
{
    struct sp_codec *c = r->codec;
    if (r->user || !c->ops->room(c))
        return;
    struct user *u = user_new(r);
    u->cs = c->ops->open(c, &u->sink);
    CHECK(u->cs);
    u->cs->user = u;
    sp_link(&u->source, &u->cs->tx);
    send_message(u);
    c->ops->flush(c, &r->sent, SIZE_MAX);
}

static void run(struct run *r, const uint8_t *data, size_t size, size_t piece)
{
    run_begin(r, data[0] & ~0x60u, false, 0);
    run_request(r, data[2]);
    run_feed(r, data + 3, size - 3, piece);
    run_end(r);
}

static void run_chaos(struct run *r, const uint8_t *data, size_t size)
{
    size_t piece = 1 + data[1] % 50;
    run_begin(r, data[0] & ~0x60u, false, data[1]);
    for (size_t at = 3; at < size; at += piece) {
        open_one(r);
        run_feed(r, data + at, size - at < piece ? size - at : piece, piece);
    }
    run_end(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run whole, pieces;
    if (size < 4)
        return 0;
    if (data[1]) {
        run_chaos(&whole, data, size);
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
