/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The terminal of `sallyport top`: raw keys, the alternate screen, its size, and everything put back at the end, also when a signal
 * ends it.  One a process; one thread.
 */
#ifndef SP_TOOLS_TOP_TERM_H
#define SP_TOOLS_TOP_TERM_H

#include <signal.h>
#include <stdbool.h>

#include "tools/top_view.h"

enum sp_top_key {
    SP_KEY_NONE, SP_KEY_UP = 256, SP_KEY_DOWN, SP_KEY_PAGE_UP, SP_KEY_PAGE_DOWN, SP_KEY_HOME, SP_KEY_END, SP_KEY_ESC, SP_KEY_ENTER,
    SP_KEY_BACKSPACE, SP_KEY_OTHER
};

/* False: the standard input or output is no terminal. */
bool sp_top_term_open(bool color);
void sp_top_term_close(void);
/* Columns and rows, at least 1 each. */
void sp_top_term_size(unsigned *ret_width, unsigned *ret_height);
/* A signal asks to end; the window was resized since the last call. */
bool sp_top_term_ended(void);
bool sp_top_term_resized(void);
/* Signals come in ppoll only, with this mask. */
const sigset_t *sp_top_term_mask(void);
/* The next key of what was typed (a character, or one of the enum); SP_KEY_NONE: no more. Reads without waiting. */
int sp_top_term_key(void);
/* The standard input has ended. */
bool sp_top_term_hung_up(void);
/* Draws a whole window: `n` lines, the rest empty. */
void sp_top_term_draw(const struct sp_top_line *lines, unsigned n);

#endif
