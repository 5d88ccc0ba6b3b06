/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiled ValueMatcher (envoy.type.matcher.v3): matches a JSON value.  Types are never converted: a number is no string,
 * "true" is not true.  Immutable, any thread; owned by whoever compiled it.
 */
#ifndef SP_ROUTE_VALUE_MATCHER_H
#define SP_ROUTE_VALUE_MATCHER_H

#include "base/json.h"
#include "envoy/type/matcher/v3/value.pb-c.h"
#include "route/matcher.h"

struct sp_value_matcher;
/* NULL after an error in `diag`. */
struct sp_value_matcher *sp_value_matcher_new(const struct sp_doc *doc, struct sp_diag *diag,
                                              const Envoy__Type__Matcher__V3__ValueMatcher *msg);
void sp_value_matcher_free(struct sp_value_matcher *m); /* NULL-safe */
/* `value` NULL: there is none. *ret_limit is set (never cleared) when an expression hit its limit. */
bool sp_value_match(const struct sp_value_matcher *m, const json_t *value, bool *ret_limit);

#endif
