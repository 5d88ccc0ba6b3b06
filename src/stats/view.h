/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_stats_view: what a config (stats_config) makes of the stats that are shown: which of them, with which labels, with
 * which bounds.  Counting is not touched by it.  Set by the main thread; what it makes of a stat is remembered until the
 * next one is set.
 */
#ifndef SP_STATS_VIEW_H
#define SP_STATS_VIEW_H

#include <stdbool.h>

#include "base/str.h"

enum { SP_STATS_TAGS = 16 };

/* A label's name and value, and what it takes out of the metric's name (NULL slice: nothing). */
struct sp_stats_tag {
    struct sp_str name, value, removed;
};

struct sp_stats_view {
    bool (*shows)(const struct sp_stats_view *v, struct sp_str name);
    /* At most SP_STATS_TAGS; slices live as long as the view or point into `name`. */
    unsigned (*tags)(const struct sp_stats_view *v, struct sp_str name, struct sp_stats_tag ret[SP_STATS_TAGS]);
    /* Upper bounds of a histogram, as long-lived as the view; NULL: the usual ones. */
    const double *(*bounds)(const struct sp_stats_view *v, struct sp_str name, unsigned *ret_n);
    bool whole_names; /* no labels but these: metrics keep their whole names */
};

/* NULL: all as they are. The view has to live until another one is set. */
void sp_stats_set_view(const struct sp_stats_view *v);

#endif
