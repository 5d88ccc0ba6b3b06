/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Access logs: file, stdout, stderr; text or JSON; with Envoy's filters.  A line is put into a ring that the worker has for
 * that file; one thread of our own empties the rings (stream/log_file.h): at the latest a second later, or when 64 KiB are
 * there.  A disk that stands still never blocks a request: what does not fit into the ring (1 MiB) is dropped and counted
 * (access_log.dropped; filesystem.write_buffered, write_completed, write_failed, reopen_failed).
 */
#ifndef SP_STREAM_ACCESS_LOG_H
#define SP_STREAM_ACCESS_LOG_H

#include "envoy/config/accesslog/v3/accesslog.pb-c.h"
#include "stream/format.h"

struct sp_access_logs; /* a list of loggers; immutable */

/* `n` may be 0. NULL after an error. Files are opened here. sp_stats_init comes first. */
struct sp_access_logs *sp_access_logs_new(const struct sp_doc *doc, struct sp_diag *diag,
                                          Envoy__Config__Accesslog__V3__AccessLog **list, size_t n);
/* One log more, once: everything, in Envoy's default format. Errors are about msg's field. False after one. */
bool sp_access_logs_add_file(struct sp_access_logs *l, const struct sp_doc *doc, struct sp_diag *diag, const void *msg,
                             const char *field, const char *path);
void sp_access_logs_free(struct sp_access_logs *l);
/* One stream's line in each log whose filter lets it pass. On any thread that counts (sp_stats_thread). */
void sp_access_logs_write(const struct sp_access_logs *l, const struct sp_format_input *in, struct sp_turn *turn,
                          uint64_t random);
/* Waits until what the calling thread logged is written, at most 2 s: before a worker ends. */
void sp_access_log_thread_flush(void);
/* All files anew (SIGUSR1, /reopen_logs). Any thread. */
void sp_access_log_reopen(void);

#endif
