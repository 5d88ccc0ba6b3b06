/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Envoy's substitution formats: "%REQ(:path)% %RESPONSE_CODE%", compiled once, written for each stream.  Used by access
 * logs, header values, header_mutation and local replies.  Unknown operators are config errors with the nearest known
 * name.  Immutable, any thread.
 */
#ifndef SP_STREAM_FORMAT_H
#define SP_STREAM_FORMAT_H

#include "config/doc.h"
#include "envoy/config/core/v3/substitution_format_string.pb-c.h"
#include "stream/filter.h"

/* What a format may read; any pointer but info may be NULL. */
struct sp_format_input {
    const struct sp_stream_info *info;
    const struct sp_headers *request, *response, *trailers;
    uint64_t now_ns; /* the end, for durations */
    bool of_connection; /* not of a stream: a listener's log */
    uint8_t log_type;   /* AccessLogType of a stream's line; 0: DownstreamEnd */
    struct sp_str local_reply_body; /* LOCAL_REPLY_BODY; empty elsewhere */
};

/* ACCESS_LOG_TYPE of the line, as a number of Envoy's enum. */
unsigned sp_format_log_type(const struct sp_format_input *in);

struct sp_format;

/* From a text of the config: errors are about msg's field (index for lists). NULL after an error. */
struct sp_format *sp_format_new(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field, int index,
                                struct sp_str text);
/* The same for what only the origin gets to see: it may have %SECRET(name)%, which is an error everywhere else. */
struct sp_format *sp_format_new_to_origin(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field,
                                          int index, struct sp_str text);
bool sp_format_is_secret(const struct sp_format *f); /* there is a %SECRET% in it */
/* From a SubstitutionFormatString: text or JSON; NULL msg gives Envoy's default access log format. */
struct sp_format *sp_format_new_msg(const struct sp_doc *doc, struct sp_diag *diag,
                                    const Envoy__Config__Core__V3__SubstitutionFormatString *msg);
void sp_format_free(struct sp_format *f);
bool sp_format_is_static(const struct sp_format *f); /* no operators in it */
/*
 * Appends the text (JSON formats: one object and '\n').  What peers sent is escaped in texts as in JSON: control characters
 * as \u00XX, '"' and '\' behind a backslash, what is no UTF-8 as U+FFFD; so that no line and no field in quotes can be forged,
 * and JSON written by hand stays valid. LOCAL_REPLY_BODY comes out as it is in texts.
 */
void sp_format_write(const struct sp_format *f, const struct sp_format_input *in, struct sp_buf *out);
/*
 * As a header value, in `arena` or as long-lived as what it came from; empty when nothing has a value ("-" is left out).
 * Bytes that no header value can hold become '?'.
 */
struct sp_str sp_format_value(const struct sp_format *f, const struct sp_format_input *in, struct sp_arena *arena);

#endif
