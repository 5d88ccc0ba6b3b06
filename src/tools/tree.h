/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_tree: what `sallyport validate` shows of a config: nodes with a kind ("filter chain"), a name and facts, each fact with a key for
 * programs and a text that people read without it.  One thread; all of it is in one arena.
 */
#ifndef SP_TOOLS_TREE_H
#define SP_TOOLS_TREE_H

#include <jansson.h>
#include <stdio.h>

#include "base/arena.h"

struct sp_tree_fact {
    struct sp_tree_fact *next;
    const char *key; /* static */
    struct sp_str text;
};

struct sp_tree_node {
    struct sp_tree_node *next, *children, *last;
    const char *kind; /* static; its plural is kind + "s", or kind + "es" behind an s */
    struct sp_str name;
    struct sp_tree_fact *facts, *last_fact;
};

struct sp_tree {
    struct sp_arena arena;
    struct sp_tree_node root;
};

void sp_tree_init(struct sp_tree *t);
void sp_tree_done(struct sp_tree *t);
/* A child, behind those there are. `name` is copied and may be empty; `parent` NULL: of the root. */
struct sp_tree_node *sp_tree_add(struct sp_tree *t, struct sp_tree_node *parent, const char *kind, struct sp_str name);
void sp_tree_say(struct sp_tree *t, struct sp_tree_node *n, const char *key, const char *fmt, ...) SP_PRINTF(4, 5);

/* Lines by depth. Of more than `most` children of a kind in a row the rest is counted only; 0: all are shown. */
void sp_tree_print(const struct sp_tree *t, unsigned most, FILE *to);
/* An object: facts by key, children in lists by the plural of their kind, with '_' for spaces. */
json_t *sp_tree_json(const struct sp_tree *t);

#endif
