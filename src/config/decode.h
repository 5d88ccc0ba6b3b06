/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes to messages, by descriptor: the work behind config/load.h, for this directory only.
 */
#ifndef SP_CONFIG_DECODE_H
#define SP_CONFIG_DECODE_H

#include "config/doc.h"
#include "config/place.h"

struct sp_decode {
    struct sp_doc *doc;
    struct sp_diag *diag;
};

/* Fills `place->msg` from its node; errors go to diag. */
void sp_decode_message(struct sp_doc *doc, struct sp_diag *diag, struct sp_place *place);

/* The parts of it.  Fields of any message; `is_content`: an Any's, which "@type" stands among. */
void sp_decode_fields(struct sp_decode *l, struct sp_place *place, bool is_content);
void sp_decode_any(struct sp_decode *l, struct sp_place *place);
void sp_decode_duration(struct sp_decode *l, struct sp_place *place);
/* One singular value for `field` of `place` into `slot`, which is the member or an array's element. */
bool sp_decode_scalar(struct sp_doc *doc, struct sp_diag *diag, const struct sp_place *place,
                      const ProtobufCFieldDescriptor *field, int index, struct sp_node *node, void *slot);

/* Reports about a field of a message under construction and marks the node as bad. */
void sp_decode_err(struct sp_doc *doc, struct sp_diag *diag, const struct sp_place *place,
                   const ProtobufCFieldDescriptor *field, int index, struct sp_node *node, const char *fmt, ...)
    SP_PRINTF(7, 8);
/* The same about a node of the wrong kind. */
void sp_decode_expected(struct sp_decode *l, const struct sp_place *place, const ProtobufCFieldDescriptor *field,
                        int index, struct sp_node *node, const char *what);

#endif
