/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one table of messages that may stand in an Any.  Static, any thread.
 */
#ifndef SP_CONFIG_TYPES_H
#define SP_CONFIG_TYPES_H

#include <protobuf-c/protobuf-c.h>

#include "base/str.h"

#define SP_TYPE_PREFIX "type.googleapis.com/"

/* By type URL; NULL if it is not known. */
const ProtobufCMessageDescriptor *sp_type_find(struct sp_str url);
/* Full name of the known type nearest to a URL, without its prefix; empty if none is near. */
struct sp_str sp_type_nearest(struct sp_str url);
/* All of them, for tests and tools; *ret_n of them. */
const ProtobufCMessageDescriptor *const *sp_type_all(size_t *ret_n);

#endif
