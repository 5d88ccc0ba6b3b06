/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * %DYNAMIC_METADATA(ns:key:inner...)%: finding a value in the JSON texts that filters left.  For the format files only.
 */
#ifndef SP_STREAM_FORMAT_METADATA_H
#define SP_STREAM_FORMAT_METADATA_H

#include "stream/format_op.h"

bool sp_fmt_parse_metadata(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params);
/* METADATA(DYNAMIC:...), METADATA(ROUTE:...) and so on. */
bool sp_fmt_parse_typed_metadata(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params);
void sp_fmt_get_metadata(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v);
void sp_fmt_get_config_metadata(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v); /* arg: enum sp_meta_place */

/* The member `key` of a JSON object's text, a NULL slice when there is none. Bounded by the text, no recursion. */
struct sp_str sp_json_member(struct sp_str object, struct sp_str key);
/* Whether a JSON text is a string; *ret_inner is what stands between its quotes, escapes and all. */
bool sp_json_is_string(struct sp_str json, struct sp_str *ret_inner);
/* At most `most` bytes of what stands between quotes, and no half of an escape at the end. */
struct sp_str sp_json_cut(struct sp_str inner, size_t most);
/* Undoes the escapes of what stands between quotes, into out, which has room for inner.len bytes; the length. */
size_t sp_json_unescape(struct sp_str inner, char *out);

#endif
