/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Protobuf's own two forms to trees of nodes (config/node.h), so that one decoder reads all: the binary form (.pb), whose
 * fields get their names from descriptors, and the text form (.pb_text, protobuf.dev/reference/protobuf/textformat-spec).
 *
 * These nodes are marked `proto`: a Duration, a wrapper or a Struct is written out as the message it is, a map is a list of
 * entries with "key" and "value", bytes are bytes.  An Any has "type_url" and "value", or in the text form one pair whose key is
 * the type URL in brackets.  A field that is written more than once, for a list or by mistake, becomes one list.  The binary form
 * has no lines: its nodes have those that `at` says, or none.  Numbers of fields that a descriptor lacks become keys of digits.
 */
#ifndef SP_CONFIG_NODE_PROTO_H
#define SP_CONFIG_NODE_PROTO_H

#include <protobuf-c/protobuf-c.h>

#include "config/node.h"

struct sp_node_wire {
    struct sp_mark at;  /* of all nodes */
    const char *path;   /* of the message, for errors; "" for the root */
    struct sp_str bytes;
    const ProtobufCMessageDescriptor *desc;
};

/* As sp_node_parse_yaml: -EINVAL after an error, which is in `diag`. */
int sp_node_parse_wire(struct sp_arena *arena, const struct sp_node_wire *wire, struct sp_diag *diag,
                       struct sp_node **ret_root);
int sp_node_parse_text(struct sp_arena *arena, const char *file, struct sp_str text, struct sp_diag *diag,
                       struct sp_node **ret_root);

/* A map field's value as the mapping that JSON would have; NULL after reporting a key that is there twice. */
struct sp_node *sp_node_map_of_entries(struct sp_arena *arena, struct sp_node *node, const char *file,
                                       struct sp_diag *diag);
/* A google.protobuf.Struct that is written out, in its JSON form; NULL if it is not one. */
struct sp_node *sp_node_of_struct(struct sp_arena *arena, const struct sp_node *node);

/* For the two parsers: gathers the pairs of a mapping that have the same key, in the order they came. */
void sp_node_gather(struct sp_arena *arena, struct sp_node *map);
/* The value of a mapping's key, or NULL. */
struct sp_node *sp_node_value(const struct sp_node *map, struct sp_str key);

#endif
