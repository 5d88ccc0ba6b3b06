/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages to JSON, for the admin page's config dump: snake_case names, fields at their default left out, Any with
 * its content beside "@type", durations "5s", enums by name, 64-bit numbers as strings.  What stands inline in a
 * DataSource (keys, passwords, origin secrets, key sets) is written as "[redacted]", but for certificates and bodies, and so is the
 * value of a header that is added under a name such as authorization; file names are not.  Any thread.
 */
#ifndef SP_CONFIG_PB_JSON_H
#define SP_CONFIG_PB_JSON_H

#include "base/buf.h"
#include "config/doc.h"

/*
 * Appends `msg`, a message of `doc`, to `out`, one field a line.  `indent` is the number of spaces the lines
 * behind the first begin with, so that the text can stand inside other JSON.
 */
void sp_pb_json(const struct sp_doc *doc, const void *msg, unsigned indent, struct sp_buf *out);
/* Whether what stands under that field is secret, unless it is the name of a file or variable. */
bool sp_pb_is_secret(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *f);

/* The same as an Any would show it: with its "@type". */
void sp_pb_json_typed(const struct sp_doc *doc, const void *msg, unsigned indent, struct sp_buf *out);

#endif
