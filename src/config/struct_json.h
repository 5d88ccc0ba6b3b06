/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of google.protobuf.Struct as texts of JSON in one form, so that equal values have equal texts: members by name, no blanks,
 * whole numbers without a point.  Pure.
 */
#ifndef SP_CONFIG_STRUCT_JSON_H
#define SP_CONFIG_STRUCT_JSON_H

#include <jansson.h>

#include "base/arena.h"
#include "envoy/config/core/v3/base.pb-c.h"
#include "google/protobuf/struct.pb-c.h"

/* In the arena. NULL is null. */
struct sp_str sp_struct_text(struct sp_arena *arena, const Google__Protobuf__Value *v);
/* A JSON text that somebody else wrote, in that form; a NULL slice if it is none, or is nested too deep. */
struct sp_str sp_struct_text_of(struct sp_arena *arena, struct sp_str json);
/* A parsed one. */
struct sp_str sp_struct_text_json(struct sp_arena *arena, const json_t *v);

/* What is in its filter_metadata, as an object by namespace: {"ns":{"key":"value"}}; a NULL slice where there is nothing. */
struct sp_str sp_config_metadata_text(struct sp_arena *arena, const Envoy__Config__Core__V3__Metadata *msg);

#endif
