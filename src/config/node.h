/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_node: the tree of a YAML or JSON text, each node with its place.  Both syntaxes give the same tree, so that
 * the loader above has one job.  Scalars keep their text; what they may become is decided by the field they are
 * for.  An alias shares its anchor's node, so a tree may be walked far more often than it is large: depth and
 * the number of nodes met on a full walk are bounded here (SP_NODE_MAX_DEPTH, SP_NODE_MAX).
 *
 * Nodes live in the arena they are parsed into and are never changed afterwards, but for `bad`.
 */
#ifndef SP_CONFIG_NODE_H
#define SP_CONFIG_NODE_H

#include "base/arena.h"
#include "base/diag.h"

enum {
    SP_NODE_MAX_DEPTH = 100,
    SP_NODE_MAX = 1000000,   /* nodes of a full walk, aliases counted each time */
    SP_NODE_MAX_ANCHORS = 1024,
};

enum sp_node_kind {
    SP_NODE_NULL,
    SP_NODE_BOOL,   /* text: as written; see sp_node_true */
    SP_NODE_INT,    /* text: decimal; in YAML also 0x1f and 017 */
    SP_NODE_FLOAT,  /* JSON only; YAML keeps such scalars as strings, as Envoy does */
    SP_NODE_STRING,
    SP_NODE_LIST,
    SP_NODE_MAP,
};

struct sp_node;

struct sp_pair {
    struct sp_str key;
    unsigned line, column; /* the key's */
    bool ignore;           /* the key is tagged !ignore */
    struct sp_node *value;
};

struct sp_node {
    uint8_t kind;   /* enum sp_node_kind */
    bool plain;     /* a scalar without quotes */
    bool bad;       /* an error has been reported about it */
    bool odd;       /* a field of it that Envoy has was refused: what it would have chosen is not missed */
    bool proto;     /* of a .pb or .pb_text: messages with a form of their own in JSON are written out, bytes are bytes */
    bool several;   /* a list that was made of values written one by one (node_proto.h) */
    uint8_t height; /* 1 for scalars */
    uint32_t walk;  /* nodes of a full walk */
    unsigned line, column;
    unsigned n; /* of items or pairs */
    union {
        struct sp_str text;
        struct sp_node **items;
        struct sp_pair *pairs;
    };
};

/*
 * Parse `text` (UTF-8; a leading byte order mark is skipped).  Errors go to `diag` under the name `file`, which
 * must outlive it.  -EINVAL after an error.
 */
int sp_node_parse_yaml(struct sp_arena *arena, const char *file, struct sp_str text, struct sp_diag *diag,
                       struct sp_node **ret_root);
int sp_node_parse_json(struct sp_arena *arena, const char *file, struct sp_str text, struct sp_diag *diag,
                       struct sp_node **ret_root);

/*
 * "a list", "the number 12", ... for messages; into `buf`.  Without `show` it says no more than "a string": for
 * values that may be secrets.
 */
const char *sp_node_describe(const struct sp_node *node, bool show, char *buf, size_t size);
/* The value of a SP_NODE_BOOL. */
bool sp_node_true(const struct sp_node *node);

/*
 * For the two parsers.  sp_node_close sets height and walk of a list or map from its children, and checks both
 * limits; sp_node_duplicates reports keys written twice.  Both: false after reporting.
 */
bool sp_node_close(struct sp_node *node, const char *file, struct sp_diag *diag);
bool sp_node_duplicates(const struct sp_node *map, const char *file, struct sp_diag *diag);
/* What a scalar without quotes is in YAML. */
enum sp_node_kind sp_node_plain_kind(struct sp_str text);

#endif
