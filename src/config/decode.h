/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes to messages, by descriptor: the work behind config/load.h, for this directory only.
 */
#ifndef SP_CONFIG_DECODE_H
#define SP_CONFIG_DECODE_H

#include "config/doc.h"
#include "config/place.h"

/* Fills `place->msg` from its node; errors go to diag. */
void sp_decode_message(struct sp_doc *doc, struct sp_diag *diag, struct sp_place *place);

/* One singular value for `field` of `place` into `slot`, which is the member or an array's element. */
bool sp_decode_scalar(struct sp_doc *doc, struct sp_diag *diag, const struct sp_place *place,
                      const ProtobufCFieldDescriptor *field, int index, struct sp_node *node, void *slot);
bool sp_decode_duration(struct sp_str text, int64_t *ret_seconds, int32_t *ret_nanos);
/* Reports about a field of a message under construction and marks the node as bad. */
void sp_decode_err(struct sp_doc *doc, struct sp_diag *diag, const struct sp_place *place,
                   const ProtobufCFieldDescriptor *field, int index, struct sp_node *node, const char *fmt, ...)
    SP_PRINTF(7, 8);

#endif
