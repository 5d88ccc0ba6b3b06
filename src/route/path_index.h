/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_path_index: which of a list of routes may match a path, in the list's order, without asking each.  Prefixes and
 * exact paths stand in a radix tree, so that a path's candidates are found in one walk; regular expressions have to be
 * asked one by one.  A candidate's path is known to match, unless it is a regular expression.  Immutable, any thread; the
 * sp_route_match it was made from outlive it.
 */
#ifndef SP_ROUTE_PATH_INDEX_H
#define SP_ROUTE_PATH_INDEX_H

#include "route/route_match.h"

#define SP_PATH_NONE UINT32_MAX

struct sp_path_index;

struct sp_path_index *sp_path_index_new(struct sp_route_match *const *list, uint32_t n);
void sp_path_index_free(struct sp_path_index *x); /* NULL-safe */

/* One look-up: sp_path_first gives the first candidate, sp_path_next the next behind it, SP_PATH_NONE at the end. */
struct sp_path_walk {
    const struct sp_path_index *index;
    uint32_t longest[2], exact[2]; /* slots */
};
/* `path` as sp_path_only gives it. */
uint32_t sp_path_first(const struct sp_path_index *x, struct sp_str path, struct sp_path_walk *ret_walk);
uint32_t sp_path_next(const struct sp_path_walk *w, uint32_t candidate);

#endif
