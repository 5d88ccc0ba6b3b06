/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_log_out: where the writer of logs (stream/log_file.h) sends what is in its rings: a file, a pipe, the process's own stdout or
 * stderr, or a syslog daemon's socket.  It never waits for any of them.  The writer's thread, or whoever closes it behind that.
 *
 * A file gets bytes.  A syslog daemon gets datagrams, one for each record: in the ring each has its length in front
 * (sp_log_out_length).  While nobody listens there the records stay in the ring, and it is looked for again and again.
 */
#ifndef SP_STREAM_LOG_OUT_H
#define SP_STREAM_LOG_OUT_H

#include <sys/uio.h>

#include "net/addr.h"

enum sp_log_kind {
    SP_LOG_PATH,   /* a path, "/dev/stdout", "/dev/stderr" */
    SP_LOG_SYSLOG, /* a Unix socket's path, or IP:port for UDP */
};

enum { SP_LOG_DATAGRAM_MAX = 8192 };
typedef uint32_t sp_log_out_length;

struct sp_log_out {
    enum sp_log_kind kind;
    char *name;
    int standard;      /* 1 or 2: the process's own; 0: none of them */
    struct sp_addr to; /* of a syslog daemon */
    int fd;            /* -1: not connected */
    bool careful;      /* blocking, and may be full: asked by poll before each small write */
};

/* Opens it; a syslog daemon need not be there. 0, or negative errno, and nothing is to be freed. */
int sp_log_out_init(struct sp_log_out *o, enum sp_log_kind kind, const char *name);
void sp_log_out_done(struct sp_log_out *o);
/* A path anew, after rotation. Negative errno: the old file is kept. */
int sp_log_out_reopen(struct sp_log_out *o);
/*
 * Some of what is there: the bytes that are done with.  -EAGAIN: it takes nothing now. Other negative errno: what was tried,
 * *ret_lost bytes, cannot be written at all.
 */
ssize_t sp_log_out_write(struct sp_log_out *o, struct iovec *iov, int n, size_t *ret_lost);

#endif
