/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_log_file: a file, or stdout or stderr, that threads write whole lines to without ever waiting.  Each thread has a ring
 * of 1 MiB a file; one writer thread empties them all, at the latest a second after a line was put, or when 64 KiB are
 * there, with one write(2) a batch where the kernel takes it.  What does not fit into a ring is dropped and counted: a disk
 * that stands still never blocks a request.  A pipe that nobody reads does not hold up the other files.
 *
 * Files are shared by path.  open and close belong to the compiling and freeing of configs; the writer thread runs while
 * there is a file.  Descriptors are opened with O_APPEND and belong to the writer.
 */
#ifndef SP_STREAM_LOG_FILE_H
#define SP_STREAM_LOG_FILE_H

#include "base/buf.h"

enum { SP_LOG_RING = 1 << 20, SP_LOG_BATCH = 64 << 10 };

struct sp_log_file;

/* A path, or "/dev/stdout" and "/dev/stderr" for the process's own. 0 or negative errno. Any thread. */
int sp_log_file_open(const char *path, struct sp_log_file **ret_file);
/*
 * A syslog daemon's socket: a path, "@name", or "IP:port" for UDP.  It need not be there.  What is put is one datagram each, of
 * at most SP_LOG_DATAGRAM_MAX bytes, with a sp_log_out_length in front (stream/log_out.h).
 */
int sp_log_file_syslog(const char *address, struct sp_log_file **ret_file);
/* The last one closes it, after all that was put has been written, or after 5 s without success. NULL-safe. Any thread. */
void sp_log_file_close(struct sp_log_file *f);
/* Puts the bytes of `line` (which stay) for the writer, all or none: false when they were dropped. */
bool sp_log_file_put(struct sp_log_file *f, const struct sp_buf *line);

/* Waits until what the calling thread put is written, at most 2 s; frees the thread's own memory. */
void sp_log_file_thread_flush(void);
/* Opens all paths anew: after rotation. The writer does it; when one cannot be opened the old file is kept. Any thread. */
void sp_log_file_reopen(void);

/* What the writer counted since the last call, of all files; any thread. */
struct sp_log_counts {
    uint64_t written, failed, reopen_failed; /* writes, writes that lost bytes, files */
    uint64_t sent, not_sent;                 /* syslog's datagrams; those that were lost */
};
struct sp_log_counts sp_log_file_counts(void);

/* For who narrows down what the process may do: each path that is open, no standard stream; a writer thread that is made now, in place
 * of the one that there is, if there is one.  Main thread, before others use logs. */
void sp_log_file_each(void (*each)(void *arg, const char *path), void *arg);
void sp_log_file_new_thread(void);

#endif
