/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_syslog: lines of an access log as messages for a syslog daemon (RFC 5424), as they stand in a ring of logs.
 * Part of a compiled config: immutable, any thread.
 */
#ifndef SP_STREAM_SYSLOG_H
#define SP_STREAM_SYSLOG_H

#include "config/doc.h"
#include "sallyport/access_loggers/v1/syslog.pb-c.h"
#include "stream/log_file.h"

struct sp_syslog;

/* NULL after an error. */
struct sp_syslog *sp_syslog_new(const struct sp_doc *doc, struct sp_diag *diag, const Sallyport__AccessLoggers__V1__Syslog *msg);
void sp_syslog_free(struct sp_syslog *s); /* NULL-safe */
/* Where its messages go: one reference of the caller's; NULL after an error. */
struct sp_log_file *sp_syslog_open(const struct sp_syslog *s, const struct sp_doc *doc, struct sp_diag *diag,
                                   const Sallyport__AccessLoggers__V1__Syslog *msg);
/*
 * Appends to `out` the record for sp_log_file_put: what `line` says, of which line ends at the end are dropped and others
 * become blanks, cut at SP_LOG_DATAGRAM_MAX.  `line` is emptied. `wall_ns`: Unix time.
 */
void sp_syslog_frame(const struct sp_syslog *s, int64_t wall_ns, struct sp_buf *line, struct sp_buf *out);

#endif
