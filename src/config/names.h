/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names in errors: comparing snake_case with lowerCamelCase, and finding the known name nearest to a wrong one.
 * Pure functions, any thread.
 */
#ifndef SP_CONFIG_NAMES_H
#define SP_CONFIG_NAMES_H

#include <protobuf-c/protobuf-c.h>

#include "base/str.h"

/* Whether `given` is the field name `snake` as written or in lowerCamelCase. */
bool sp_name_matches(struct sp_str given, struct sp_str snake);

struct sp_nearest {
    struct sp_str wanted;
    struct sp_str best; /* empty while nothing is near */
    unsigned distance, limit;
};
/* Names more than a third of the length away are not near. */
void sp_nearest_init(struct sp_nearest *n, struct sp_str wanted);
/* Case and '_' do not count. */
void sp_nearest_offer(struct sp_nearest *n, struct sp_str name);

/* The nearest field, enum value or registered type; empty if none is near. */
struct sp_str sp_nearest_field(const ProtobufCMessageDescriptor *desc, struct sp_str wanted);
struct sp_str sp_nearest_enum(const ProtobufCEnumDescriptor *desc, struct sp_str wanted);

/*
 * Envoy's own names, so that an error can tell what sallyport does not run from what nobody knows.  From a
 * generated table: scripts/gen_envoy_names.
 */
bool sp_envoy_has_field(const char *message, struct sp_str field);
/* Name of the field with that number, in digits; empty if there is none. */
struct sp_str sp_envoy_field_numbered(const char *message, struct sp_str number);
/* What to write instead of a field of Envoy's that is not run, or NULL: nothing is known. */
const char *sp_envoy_instead(const char *message, struct sp_str field);
bool sp_envoy_has_message(struct sp_str full_name);
/* Whether any message of Envoy's is in the package of this one: the table lacks messages without fields. */
bool sp_envoy_has_package_of(struct sp_str full_name);

#endif
