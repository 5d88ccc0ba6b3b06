/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PEM blocks (RFC 7468) out of a text; what stands between them is skipped, as every tool writes remarks there.  Pure,
 * any thread.
 */
#ifndef SP_CRYPTO_PEM_H
#define SP_CRYPTO_PEM_H

#include "base/arena.h"

struct sp_pem {
    struct sp_str label; /* "CERTIFICATE" */
    struct sp_str der;   /* in the arena */
    struct sp_str text;  /* the block as it was, borrowed */
};

/* 1: the next block, and *rest is behind it; 0: no more; -EINVAL with a static *ret_why. */
int sp_pem_next(struct sp_str *rest, struct sp_arena *arena, struct sp_pem *ret, const char **ret_why);

/* A certificate's DER as a PEM block that is percent-encoded for headers and logs, in the arena. */
struct sp_str sp_pem_url(struct sp_arena *arena, struct sp_str der);

#endif
