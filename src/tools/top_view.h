/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_top_view: a model as lines of text that fit a window.  What came from others (names in configs, errors) steers no terminal, and
 * takes no more columns than it is given.  One thread.
 */
#ifndef SP_TOOLS_TOP_VIEW_H
#define SP_TOOLS_TOP_VIEW_H

#include <stdio.h>

#include "tools/top_model.h"

enum { SP_TOP_MAX_WIDTH = 500 };

enum sp_top_style { SP_TOP_PLAIN, SP_TOP_HEAD, SP_TOP_BAD, SP_TOP_WARN, SP_TOP_GOOD, SP_TOP_DIM, SP_TOP_STYLES };

/* What is shown of it: all, each shortened, or one whole; who was refused alone. */
enum sp_top_part { SP_TOP_ALL, SP_TOP_CLUSTERS, SP_TOP_LISTENERS, SP_TOP_FILTERS, SP_TOP_CERTS, SP_TOP_REFUSED, SP_TOP_PARTS };

struct sp_top_line {
    char *text; /* as wide as the window at most */
    enum sp_top_style style;
};

struct sp_top_view {
    struct sp_arena arena;
    struct sp_top_line *v; /* n of them */
    unsigned n, cap, width;
};

void sp_top_view_init(struct sp_top_view *v, unsigned width); /* of the window, in columns */
void sp_top_view_done(struct sp_top_view *v);
/* Two or three lines on the process, its config and all requests. `lost`: why there is no newer answer, or NULL. */
void sp_top_view_head(struct sp_top_view *v, const struct sp_top_model *m, const char *lost);
void sp_top_view_body(struct sp_top_view *v, const struct sp_top_model *m, enum sp_top_part part, enum sp_top_sort sort);
void sp_top_view_help(struct sp_top_view *v);
/* A line of its own; cut. */
void sp_top_view_line(struct sp_top_view *v, enum sp_top_style style, const char *fmt, ...) SP_PRINTF(3, 4);

/* Writes at most `width` columns of `text`: what may not be shown as '?'; pads to the width, left or right, if told to. The bytes. */
size_t sp_top_fit(char *out, size_t room, const char *text, unsigned width, char pad);

#endif
