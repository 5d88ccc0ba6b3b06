/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading JSON that others wrote (tokens, key sets, lists): strictly, with jansson behind it.  Refused are members
 * written twice, text behind the value, invalid UTF-8, NUL in strings, and what is nested deeper or has more values than
 * the caller takes (a value costs far more than its two bytes).  The caller bounds the size.  And writing a little of it.  Pure functions, any thread;
 * a json_t belongs to one thread at a time.
 */
#ifndef SP_BASE_JSON_H
#define SP_BASE_JSON_H

#include <jansson.h>

#include "base/str.h"

/* A new reference to an object or array, or NULL. */
json_t *sp_json_load(struct sp_str text, unsigned max_depth, unsigned max_values);
/* The same, for a value of any type. */
json_t *sp_json_load_any(struct sp_str text, unsigned max_depth, unsigned max_values);

/* The string member of an object; a NULL slice when it is absent or no string. Lives as long as the object. */
struct sp_str sp_json_str(const json_t *object, const char *name);

/* A string out of bytes that need not be UTF-8: those that are not read "(not UTF-8)". */
json_t *sp_json_text(struct sp_str s);

/* jansson's memory is what base/mem.h gives, as long as the reserve is not low; then its calls fail. At the start. */
void sp_json_use_reserve(void);

#endif
