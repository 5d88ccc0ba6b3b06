/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of dynamic metadata, which are texts of JSON.  Pure.
 */
#ifndef SP_FILTERS_METADATA_JSON_H
#define SP_FILTERS_METADATA_JSON_H

#include "base/arena.h"
#include "google/protobuf/struct.pb-c.h"

/* As a string of JSON; bytes that are no UTF-8 become U+FFFD. */
struct sp_str sp_metadata_text(struct sp_arena *arena, struct sp_str text);
/* A value of the config; a NULL slice when it is empty. */
struct sp_str sp_metadata_value(struct sp_arena *arena, const Google__Protobuf__Value *v);

#endif
