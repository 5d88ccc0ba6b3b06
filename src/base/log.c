/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

static _Atomic int log_fd = STDERR_FILENO;
static _Atomic bool as_json, for_journal;

static const char *const names[] = {"trace", "debug", "info", "warning", "error", "critical", "off"};

const char *sp_log_level_name(enum sp_log_level level)
{
    assert((unsigned)level < SP_ARRAY_LEN(names));
    return names[level];
}

int sp_log_level_parse(struct sp_str name, enum sp_log_level *ret_level)
{
    assert(ret_level);
    for (unsigned i = 0; i < SP_ARRAY_LEN(names); i++) {
        if (sp_str_eq(name, sp_str_c(names[i]))) {
            *ret_level = i;
            return 0;
        }
    }
    if (!sp_str_eq(name, SP_STR("warn")))
        return -EINVAL;
    *ret_level = SP_LOG_WARNING;
    return 0;
}

int sp_log_open(const char *path)
{
    int fd = STDERR_FILENO;
    if (path) {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (fd < 0)
            return -errno;
    }
    int old = atomic_load(&log_fd);
    if (old != STDERR_FILENO && fd != STDERR_FILENO) {
        /* A writer on another thread may hold the number: keep it, give it the new file. */
        dup3(fd, old, O_CLOEXEC);
        close(fd);
        return 0;
    }
    atomic_store(&log_fd, fd);
    return 0;
}

void sp_log_json(bool on)
{
    atomic_store(&as_json, on);
}

void sp_log_to_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct sp_str device, inode = sp_str_c(stream ? stream : "");
    uint64_t dev, ino;
    struct stat st;
    bool named = sp_str_split(&inode, ':', &device) && sp_str_u64(device, UINT64_MAX, &dev) == 0 && sp_str_u64(inode, UINT64_MAX, &ino) == 0;
    atomic_store(&for_journal, named && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino);
}

static size_t put_json(char *out, size_t room, const char *text)
{
    size_t n = 0;
    for (; *text && n + 2 < room; text++) {
        if (*text == '"' || *text == '\\')
            out[n++] = '\\';
        out[n++] = *text;
    }
    return n;
}

/* syslog's severity of a level. */
static int priority(enum sp_log_level level)
{
    static const int of[] = {7, 7, 6, 4, 3, 2, 2};
    return of[level];
}

static void time_text(char *out, size_t room)
{
    struct timespec ts;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    snprintf(out, room, "%04d-%02d-%02d %02d:%02d:%02d.%03ld", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
             tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000);
}

static size_t head(char *out, size_t room, enum sp_log_level level, const char *component)
{
    char when[96];
    const char *name = sp_log_level_name(level);
    long thread = (long)syscall(SYS_gettid);
    bool journal = atomic_load(&for_journal) && atomic_load(&log_fd) == STDERR_FILENO;
    int n = journal ? snprintf(out, room, "<%d>", priority(level)) : 0;
    out += n;
    room -= (size_t)n;
    time_text(when, sizeof(when));
    if (atomic_load(&as_json))
        n += snprintf(out, room, "{\"time\":\"%s\",\"thread\":%ld,\"level\":\"%s\",\"component\":\"%s\",\"message\":\"", when,
                      thread, name, component);
    else if (journal)
        n += snprintf(out, room, "[%s][%s] ", name, component);
    else
        n += snprintf(out, room, "[%s][%ld][%s][%s] ", when, thread, name, component);
    return (size_t)n;
}

void sp_log_write(enum sp_log_level level, const char *component, const char *fmt, ...)
{
    assert(component && fmt);
    char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES * 2 + 256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    sp_text_tame(text, strlen(text));
    size_t n = head(line, sizeof(line) - 8, level, component);
    if (atomic_load(&as_json)) {
        n += put_json(line + n, sizeof(line) - n - 4, text);
        line[n++] = '"';
        line[n++] = '}';
    } else {
        size_t len = strlen(text);
        memcpy(line + n, text, len);
        n += len;
    }
    line[n++] = '\n';
    ssize_t r = write(atomic_load(&log_fd), line, n);
    (void)r; /* nowhere to tell */
}

bool sp_log_allow(struct sp_log_limit *l, unsigned burst, unsigned *ret_left_out)
{
    assert(l && ret_left_out);
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    if (atomic_exchange_explicit(&l->second, ts.tv_sec, memory_order_relaxed) != ts.tv_sec)
        atomic_store_explicit(&l->in_second, 0, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&l->in_second, 1, memory_order_relaxed) >= burst) {
        atomic_fetch_add_explicit(&l->left_out, 1, memory_order_relaxed);
        return false;
    }
    *ret_left_out = atomic_exchange_explicit(&l->left_out, 0, memory_order_relaxed);
    return true;
}
