/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who asks for a reload and waits for what comes of it.  An ask that comes while a round is under way is answered by the next
 * one, since the round may have read the files before.  Main thread.
 */
#ifndef SP_SERVER_RELOAD_ASK_H
#define SP_SERVER_RELOAD_ASK_H

#include "base/list.h"
#include "server/parts.h"

struct sp_reload_outcome {
    bool taken;                /* else refused, and the old one serves on */
    uint64_t number;           /* of the config that serves now */
    uint64_t ms;               /* how long it took */
    struct sp_changes changes; /* taken: since the one before */
    struct sp_str why;         /* refused: a line for each error */
    unsigned n_errors;
};

/* Embedded; zero-initialise. */
struct sp_reload_ask {
    struct sp_list link;
    void (*done)(struct sp_reload_ask *a, const struct sp_reload_outcome *o); /* once, later; may free it */
};

/* Those who wait: for the next round, and for the one that is under way. */
struct sp_reload_asks {
    struct sp_list next, current;
};

void sp_reload_asks_init(struct sp_reload_asks *all);
void sp_reload_asks_add(struct sp_reload_asks *all, struct sp_reload_ask *a);
void sp_reload_ask_cancel(struct sp_reload_ask *a); /* also of one that does not wait */
/* A round begins. */
void sp_reload_asks_begin(struct sp_reload_asks *all);
/* It has ended. */
void sp_reload_asks_answer(struct sp_reload_asks *all, const struct sp_reload_outcome *o);

#endif
