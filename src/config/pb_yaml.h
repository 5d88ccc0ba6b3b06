/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A message as YAML in block style, as people write it: what `validate` shows.  Secrets are redacted as in config/pb_json.h.
 */
#ifndef SP_CONFIG_PB_YAML_H
#define SP_CONFIG_PB_YAML_H

#include "base/buf.h"
#include "config/doc.h"

/* `indent`: spaces before every line. Ends with a line end. */
void sp_pb_yaml(const struct sp_doc *doc, const void *msg, unsigned indent, struct sp_buf *out);

#endif
