/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading Kong's declarative format: values by name, defaults beside them, and what nobody has asked for.  Private to
 * tools/kong* and tools/convert*.  One thread.
 */
#ifndef SP_TOOLS_KONG_NODE_H
#define SP_TOOLS_KONG_NODE_H

#include <stdio.h>

#include "config/node.h"

/* A remark about what becomes of a place of the file. */
struct sp_kong_remark {
    unsigned line, column;
    bool dropped; /* not carried over; else it is, with a difference */
    struct sp_str what;
};

/* What is read, and what is said of it. */
struct sp_kong_file {
    struct sp_arena arena;
    const char *name;
    const struct sp_node *root;
    struct sp_kong_remark *remarks; /* n of them */
    unsigned n, cap;
    unsigned n_dropped;
};

void sp_kong_file_done(struct sp_kong_file *f);
/* "not carried over: ..." and "differs: ...", at the node's place (NULL: the file's). */
void sp_kong_drop(struct sp_kong_file *f, const struct sp_node *at, const char *fmt, ...) SP_PRINTF(3, 4);
void sp_kong_note(struct sp_kong_file *f, const struct sp_node *at, const char *fmt, ...) SP_PRINTF(3, 4);
/* In order of place, a line each. */
void sp_kong_tell(struct sp_kong_file *f, FILE *to);

/* The member; NULL when it is not there, null, or `map` is none (NULL is fine). */
const struct sp_node *sp_kong_get(const struct sp_node *map, const char *key);
/* A scalar's text, or `otherwise`. */
struct sp_str sp_kong_str(const struct sp_node *map, const char *key, struct sp_str otherwise);
uint64_t sp_kong_u64(const struct sp_node *map, const char *key, uint64_t otherwise);
bool sp_kong_bool(const struct sp_node *map, const char *key, bool otherwise);
/* Elements of a list; a scalar is a list of one, as Kong's forms send it. 0: none. */
unsigned sp_kong_count(const struct sp_node *list);
const struct sp_node *sp_kong_item(const struct sp_node *list, unsigned i);
struct sp_str sp_kong_text(const struct sp_node *scalar);
struct sp_str sp_kong_item_str(const struct sp_node *list, unsigned i);
bool sp_kong_has(const struct sp_node *list, struct sp_str value);
/* The same text; NULL is the same as NULL. */
bool sp_kong_same(const struct sp_node *a, const struct sp_node *b);
/* An object's members; 0 of anything else. */
unsigned sp_kong_members(const struct sp_node *map);

/*
 * Drops each member of `map` that is not in `known`: words with a space between, "key" for what is carried over,
 * "key=value" for what changes nothing at that value ("key=" where it is empty).  null and empty lists say nothing. `what`:
 * of which thing, for the remark.
 */
void sp_kong_known(struct sp_kong_file *f, const struct sp_node *map, struct sp_str what, const char *known);

#endif
