/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of sp_doc (config/doc.h), for this directory only.  Every message of a document has a sp_place: its
 * parent and field (which give the path) and the node it was written as (which gives the lines of its fields).  A
 * message that was merged has two nodes, the later one first.  Places live in the document's arena.
 */
#ifndef SP_CONFIG_PLACE_H
#define SP_CONFIG_PLACE_H

#include <protobuf-c/protobuf-c.h>

#include "base/map.h"
#include "config/node.h"

struct sp_origin {
    struct sp_node *node;
    const char *file;
};

struct sp_place {
    ProtobufCMessage *msg;
    const struct sp_place *parent;         /* NULL at the root */
    const ProtobufCFieldDescriptor *field; /* the parent's; NULL for an Any's content: it has the Any's path */
    int index;                             /* in a repeated field, else -1 */
    bool derived;                          /* not written: made while configs are compiled */
    const char *key;                       /* a map entry's key, else NULL */
    ProtobufCMessage *content;             /* an Any's */
    struct sp_origin origin[2];            /* [1] is what [0] was merged over */
};

/* A file beside the root: what other messages name by ConfigSource. */
struct sp_doc_file {
    struct sp_doc_file *next;
    ProtobufCMessage *root;
};

struct sp_doc {
    struct sp_arena arena;
    struct sp_doc *merged; /* documents whose memory this one uses */
    ProtobufCMessage *root;
    const char *name;
    struct sp_doc_file *attached;
    struct sp_live_set *live;
    struct sp_files *files;
    struct sp_place **table; /* open addressing by message pointer; cap is a power of two */
    size_t n_places, cap;
    struct sp_map hashed, counted; /* config/doc_hash: files' hashes by path, hashes and how often they came */
    struct sp_fill *fills, *last_fill; /* config/fill.c */
};

/* The place of a message of this document, or NULL. */
struct sp_place *sp_place_find(const struct sp_doc *doc, const void *msg);
/* Makes an initialised message and its place. */
struct sp_place *sp_place_new(struct sp_doc *doc, const ProtobufCMessageDescriptor *desc,
                              const struct sp_place *parent, const ProtobufCFieldDescriptor *field, int index,
                              struct sp_origin origin);
/* Enters a place of another document that was merged. */
void sp_place_add(struct sp_doc *doc, struct sp_place *place);
/* As sp_doc_each, for what one file says; `root` is the message that stands for it. */
void sp_doc_each_under(const struct sp_doc *doc, const ProtobufCMessage *root, void (*each)(void *arg, const ProtobufCMessage *msg),
                       void *arg);
/* The node a field was written as in one of the two, or NULL; null counts as not written. */
struct sp_node *sp_origin_field_node(const struct sp_origin *origin, struct sp_str field);
/* The same, the later of both; `ret_file` may be NULL. */
struct sp_node *sp_place_field_node(const struct sp_place *place, const char *field, const char **ret_file);

#endif
