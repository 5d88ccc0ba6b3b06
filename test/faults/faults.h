/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults, made: calls of the program to malloc, the system, nghttp2 and wolfSSL come through here (the linker's --wrap; malloc by
 * its own name, so that libraries' calls do too) and fail when the table says so.  The table is a file that a test has mapped
 * (SP_FAULTS names it), or this process's own.  Every decision goes by the number of the call and a seed: it replays.
 */
#ifndef TEST_FAULTS_FAULTS_H
#define TEST_FAULTS_FAULTS_H

#include <stdatomic.h>
#include <stdint.h>

/* test/integration/lib/faults.py reads the names from here. */
enum fault {
    F_MALLOC,
    F_MMAP,
    F_SOCKET,
    F_ACCEPT,
    F_CONNECT,
    F_RECV,
    F_SEND,
    F_SHORT_RECV, /* one byte comes */
    F_SHORT_SEND, /* one byte is taken */
    F_EPOLL_CTL,
    F_EPOLL_WAIT,
    F_OPEN,
    F_FSTAT,
    F_READ,
    F_WRITE,       /* write and writev */
    F_SHORT_WRITE,
    F_SETSOCKOPT,
    F_GETSOCKOPT,
    F_THREAD,
    F_INOTIFY,
    F_RENAME,
    F_NGHTTP2_NEW,
    F_NGHTTP2_SUBMIT,
    F_NGHTTP2_RECV,
    F_NGHTTP2_SEND,
    F_NGHTTP2_OTHER,
    F_WOLFSSL_NEW,
    F_WOLFSSL_ACCEPT,
    F_WOLFSSL_CONNECT,
    F_WOLFSSL_READ,
    F_WOLFSSL_WRITE,
    F_WOLFSSL_OTHER,
    F_CRYPTO,
    F_HANG,  /* fails nobody: looks at paths that have $SP_FAULTS_HANG in them take as long as it is on */
    F_CLOCK, /* fails nobody: `skip` is what is added to the time of day, in nanoseconds */
    FAULTS
};

struct fault_point {
    _Atomic int64_t on;     /* 0: calls are counted, none fails */
    _Atomic int64_t skip;   /* calls that pass first */
    _Atomic int64_t count;  /* calls that fail then; -1: all */
    _Atomic int64_t ppm;    /* or: of a million, at random */
    _Atomic int64_t seed;
    _Atomic int64_t err;    /* errno; 0: the usual one */
    _Atomic int64_t calls;  /* since it was set */
    _Atomic int64_t hits;
};

extern struct fault_point *faults; /* FAULTS of them */

/* For tests in this process: the call that comes after `skip` others, and those behind it up to `count`, fail. */
void fault_set(enum fault f, int64_t skip, int64_t count);
void fault_random(enum fault f, int64_t ppm, int64_t seed);
void faults_off(void);

#endif
