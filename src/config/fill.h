/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filling in what a text leaves unset, before it is compiled: secure_defaults.  What was filled in stands in the message
 * like a field of the text, with the message's place and the field's path, and is remembered, so that it can be shown.  Only the
 * thread that compiles, before any other may see the document.
 */
#ifndef SP_CONFIG_FILL_H
#define SP_CONFIG_FILL_H

#include "config/doc.h"

/*
 * Sets `field` of `msg` unless the text has it: a bool, an enum, either of the two or a uint32 in a wrapper, or a Duration, whose value is
 * in milliseconds.  "a.b" is field b of message a, which is made if need be.  `field` is static.  Whether it was unset.
 */
bool sp_doc_fill(const struct sp_doc *doc, const void *msg, const char *field, int64_t value);
/* Whether `field` of `msg` was filled in. */
bool sp_doc_filled(const struct sp_doc *doc, const void *msg, const char *field);

struct sp_filled {
    const ProtobufCMessage *owner; /* what sp_doc_fill was asked for: message and field */
    const char *path;
    const ProtobufCMessage *msg;   /* where it stands: the owner, or a message in it */
    const char *field;
};
/* All that was filled in, in that order. */
void sp_doc_each_filled(const struct sp_doc *doc, void (*each)(void *arg, const struct sp_filled *filled), void *arg);

#endif
