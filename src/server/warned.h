/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_warned: which warnings a config was taken with, so that the next one's log says only what is new.  The same warning is one
 * of the same file, field and text, wherever its line has moved to.  Part of sp_config.
 */
#ifndef SP_SERVER_WARNED_H
#define SP_SERVER_WARNED_H

#include "base/diag.h"

/* All zero: none. */
struct sp_warned {
    uint64_t *v; /* hashes, n of them */
    unsigned n;
};

void sp_warned_init(struct sp_warned *w, const struct sp_diag *diag);
void sp_warned_done(struct sp_warned *w);
bool sp_warned_has(const struct sp_warned *w, const struct sp_diag_item *warning);

#endif
