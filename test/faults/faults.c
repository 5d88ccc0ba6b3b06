/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <nghttp2/nghttp2.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/defs.h"

static struct fault_point own[FAULTS];
struct fault_point *faults = own;

__attribute__((constructor)) static void map_table(void)
{
    const char *path = getenv("SP_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *p = mmap(NULL, sizeof(own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p != MAP_FAILED)
        faults = p;
}

void fault_set(enum fault f, int64_t skip, int64_t count)
{
    struct fault_point *p = &faults[f];
    p->ppm = p->calls = p->hits = 0;
    p->skip = skip;
    p->count = count;
    p->on = 1;
}

void fault_random(enum fault f, int64_t ppm, int64_t seed)
{
    fault_set(f, 0, 0);
    faults[f].seed = seed;
    faults[f].ppm = ppm;
}

void faults_off(void)
{
    for (size_t i = 0; i < FAULTS; i++)
        faults[i].on = 0;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Whether this call fails; errno is set then. */
static bool hit(enum fault f, int err)
{
    struct fault_point *p = &faults[f];
    if (!atomic_load_explicit(&p->on, memory_order_relaxed))
        return false;
    int64_t n = atomic_fetch_add_explicit(&p->calls, 1, memory_order_relaxed), skip = p->skip, count = p->count, ppm = p->ppm;
    bool fails = (count && n >= skip && (count < 0 || n < skip + count)) ||
                 (ppm && (int64_t)(mix((uint64_t)n * 0x9e3779b97f4a7c15u + (uint64_t)p->seed) % 1000000) < ppm);
    if (!fails)
        return false;
    atomic_fetch_add_explicit(&p->hits, 1, memory_order_relaxed);
    errno = p->err ? (int)p->err : err;
    return true;
}

/* ---- memory ---- */

#if SP_ASAN || defined(__SANITIZE_THREAD__)
/* The sanitizer's allocator has these names: our own calls, and those of libraries that are linked in, are renamed. */
#define TAKE(name) __wrap_##name
#define REAL(name) __real_##name
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
int __real_posix_memalign(void **ret, size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __wrap_posix_memalign(void **ret, size_t align, size_t size);
#define real_memalign __real_aligned_alloc
#else
#define TAKE(name) name
#define REAL(name) __libc_##name
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
#define real_memalign __libc_memalign
#endif

void *TAKE(malloc)(size_t size)
{
    return hit(F_MALLOC, ENOMEM) ? NULL : REAL(malloc)(size);
}

void *TAKE(calloc)(size_t n, size_t size)
{
    return hit(F_MALLOC, ENOMEM) ? NULL : REAL(calloc)(n, size);
}

void *TAKE(realloc)(void *p, size_t size)
{
    return hit(F_MALLOC, ENOMEM) ? NULL : REAL(realloc)(p, size);
}

void *TAKE(aligned_alloc)(size_t align, size_t size)
{
    return hit(F_MALLOC, ENOMEM) ? NULL : real_memalign(align, size);
}

int TAKE(posix_memalign)(void **ret, size_t align, size_t size)
{
    void *p = hit(F_MALLOC, ENOMEM) ? NULL : real_memalign(align, size);
    if (!p)
        return ENOMEM;
    *ret = p;
    return 0;
}

/* ---- what the linker renames ---- */

#define WRAP(type, name, params) \
    type __real_##name params;   \
    type __wrap_##name params;   \
    type __wrap_##name params

WRAP(void *, mmap, (void *at, size_t size, int prot, int flags, int fd, off_t offset))
{
    return hit(F_MMAP, ENOMEM) ? MAP_FAILED : __real_mmap(at, size, prot, flags, fd, offset);
}

WRAP(int, socket, (int family, int type, int protocol))
{
    return hit(F_SOCKET, EMFILE) ? -1 : __real_socket(family, type, protocol);
}

WRAP(int, accept4, (int fd, struct sockaddr *a, socklen_t *len, int flags))
{
    return hit(F_ACCEPT, EMFILE) ? -1 : __real_accept4(fd, a, len, flags);
}

WRAP(int, connect, (int fd, const struct sockaddr *a, socklen_t len))
{
    return hit(F_CONNECT, EADDRNOTAVAIL) ? -1 : __real_connect(fd, a, len);
}

WRAP(ssize_t, recv, (int fd, void *p, size_t n, int flags))
{
    if (hit(F_RECV, ECONNRESET))
        return -1;
    return __real_recv(fd, p, n > 1 && hit(F_SHORT_RECV, 0) ? 1 : n, flags);
}

static void one_byte(struct msghdr *to, struct iovec *iov, const struct msghdr *from)
{
    *to = *from;
    iov[0] = from->msg_iov[0];
    iov[0].iov_len = SP_MIN(iov[0].iov_len, (size_t)1);
    to->msg_iov = iov;
    to->msg_iovlen = 1;
}

WRAP(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags))
{
    struct msghdr small;
    struct iovec iov[1];
    if (hit(F_RECV, ECONNRESET))
        return -1;
    if (m->msg_control || !hit(F_SHORT_RECV, 0))
        return __real_recvmsg(fd, m, flags);
    one_byte(&small, iov, m);
    return __real_recvmsg(fd, &small, flags);
}

WRAP(ssize_t, send, (int fd, const void *p, size_t n, int flags))
{
    if (hit(F_SEND, ECONNRESET))
        return -1;
    return __real_send(fd, p, n > 1 && hit(F_SHORT_SEND, 0) ? 1 : n, flags);
}

WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags))
{
    struct msghdr small;
    struct iovec iov[1];
    if (hit(F_SEND, ECONNRESET))
        return -1;
    if (m->msg_control || !hit(F_SHORT_SEND, 0))
        return __real_sendmsg(fd, m, flags);
    one_byte(&small, iov, m);
    return __real_sendmsg(fd, &small, flags);
}

WRAP(int, epoll_ctl, (int epoll, int op, int fd, struct epoll_event *e))
{
    /* Taking out does not fail: the kernel needs no memory for it. */
    return op != EPOLL_CTL_DEL && hit(F_EPOLL_CTL, ENOSPC) ? -1 : __real_epoll_ctl(epoll, op, fd, e);
}

WRAP(int, epoll_wait, (int epoll, struct epoll_event *e, int n, int ms))
{
    return hit(F_EPOLL_WAIT, EINTR) ? -1 : __real_epoll_wait(epoll, e, n, ms);
}

/* A file system whose server is gone. */
static void hang(const char *path)
{
    const char *where = getenv("SP_FAULTS_HANG");
    if (!where || !strstr(path, where) || !atomic_load(&faults[F_HANG].on))
        return;
    for (atomic_fetch_add(&faults[F_HANG].hits, 1); atomic_load(&faults[F_HANG].on);)
        usleep(10000);
}

WRAP(int, stat, (const char *path, struct stat *st))
{
    hang(path);
    return __real_stat(path, st);
}

WRAP(int, lstat, (const char *path, struct stat *st))
{
    hang(path);
    return __real_lstat(path, st);
}

WRAP(ssize_t, readlink, (const char *path, char *p, size_t n))
{
    hang(path);
    return __real_readlink(path, p, n);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    hang(path);
    return hit(F_OPEN, ENFILE) ? -1 : __real_open(path, flags, mode);
}

WRAP(int, fstat, (int fd, struct stat *st))
{
    return hit(F_FSTAT, EIO) ? -1 : __real_fstat(fd, st);
}

WRAP(ssize_t, read, (int fd, void *p, size_t n))
{
    return hit(F_READ, EIO) ? -1 : __real_read(fd, p, n);
}

WRAP(ssize_t, write, (int fd, const void *p, size_t n))
{
    if (fd == STDERR_FILENO) /* what the test reads */
        return __real_write(fd, p, n);
    if (hit(F_WRITE, ENOSPC))
        return -1;
    return __real_write(fd, p, n > 1 && hit(F_SHORT_WRITE, 0) ? 1 : n);
}

WRAP(ssize_t, writev, (int fd, const struct iovec *v, int n))
{
    if (hit(F_WRITE, ENOSPC))
        return -1;
    return n > 0 && hit(F_SHORT_WRITE, 0) ? __real_write(fd, v[0].iov_base, SP_MIN(v[0].iov_len, (size_t)1)) : __real_writev(fd, v, n);
}

WRAP(int, setsockopt, (int fd, int level, int name, const void *p, socklen_t n))
{
    return hit(F_SETSOCKOPT, ENOBUFS) ? -1 : __real_setsockopt(fd, level, name, p, n);
}

WRAP(int, getsockopt, (int fd, int level, int name, void *p, socklen_t *n))
{
    return hit(F_GETSOCKOPT, ENOBUFS) ? -1 : __real_getsockopt(fd, level, name, p, n);
}

WRAP(int, pthread_create, (pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg))
{
    return hit(F_THREAD, EAGAIN) ? errno : __real_pthread_create(t, a, run, arg);
}

WRAP(int, inotify_init1, (int flags))
{
    return hit(F_INOTIFY, EMFILE) ? -1 : __real_inotify_init1(flags);
}

WRAP(int, inotify_add_watch, (int fd, const char *path, uint32_t mask))
{
    hang(path);
    return hit(F_INOTIFY, ENOSPC) ? -1 : __real_inotify_add_watch(fd, path, mask);
}

WRAP(int, rename, (const char *from, const char *to))
{
    return hit(F_RENAME, EROFS) ? -1 : __real_rename(from, to);
}

static int64_t jump_ns(void)
{
    return atomic_load_explicit(&faults[F_CLOCK].on, memory_order_relaxed) ? faults[F_CLOCK].skip : 0;
}

WRAP(int, clock_gettime, (clockid_t id, struct timespec *t))
{
    int r = __real_clock_gettime(id, t);
    if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t ns = t->tv_sec * (int64_t)1000000000 + t->tv_nsec + jump_ns();
        t->tv_sec = ns / 1000000000;
        t->tv_nsec = ns % 1000000000;
    }
    return r;
}

WRAP(time_t, time, (time_t *ret))
{
    time_t now = __real_time(NULL) + jump_ns() / 1000000000;
    if (ret)
        *ret = now;
    return now;
}

/* ---- nghttp2 ---- */

#define NG(fault, name, params, args)                            \
    WRAP(int, name, params)                                      \
    {                                                            \
        return hit(fault, ENOMEM) ? NGHTTP2_ERR_NOMEM : __real_##name args; \
    }
#define S nghttp2_session *s
NG(F_NGHTTP2_NEW, nghttp2_option_new, (nghttp2_option **o), (o))
NG(F_NGHTTP2_NEW, nghttp2_session_callbacks_new, (nghttp2_session_callbacks **c), (c))
NG(F_NGHTTP2_NEW, nghttp2_session_server_new3,
   (nghttp2_session **s, const nghttp2_session_callbacks *c, void *u, const nghttp2_option *o, nghttp2_mem *m), (s, c, u, o, m))
NG(F_NGHTTP2_NEW, nghttp2_session_client_new3,
   (nghttp2_session **s, const nghttp2_session_callbacks *c, void *u, const nghttp2_option *o, nghttp2_mem *m), (s, c, u, o, m))
NG(F_NGHTTP2_SUBMIT, nghttp2_submit_settings, (S, uint8_t f, const nghttp2_settings_entry *v, size_t n), (s, f, v, n))
NG(F_NGHTTP2_SUBMIT, nghttp2_submit_rst_stream, (S, uint8_t f, int32_t id, uint32_t code), (s, f, id, code))
NG(F_NGHTTP2_SUBMIT, nghttp2_submit_trailer, (S, int32_t id, const nghttp2_nv *v, size_t n), (s, id, v, n))
NG(F_NGHTTP2_SUBMIT, nghttp2_submit_response, (S, int32_t id, const nghttp2_nv *v, size_t n, const nghttp2_data_provider *d), (s, id, v, n, d))
NG(F_NGHTTP2_SUBMIT, nghttp2_submit_request,
   (S, const nghttp2_priority_spec *p, const nghttp2_nv *v, size_t n, const nghttp2_data_provider *d, void *u), (s, p, v, n, d, u))
NG(F_NGHTTP2_SUBMIT, nghttp2_submit_headers,
   (S, uint8_t f, int32_t id, const nghttp2_priority_spec *p, const nghttp2_nv *v, size_t n, void *u), (s, f, id, p, v, n, u))
NG(F_NGHTTP2_SUBMIT, nghttp2_submit_ping, (S, uint8_t f, const uint8_t *o), (s, f, o))
NG(F_NGHTTP2_SUBMIT, nghttp2_submit_shutdown_notice, (S), (s))
NG(F_NGHTTP2_SUBMIT, nghttp2_submit_goaway, (S, uint8_t f, int32_t id, uint32_t code, const uint8_t *p, size_t n), (s, f, id, code, p, n))
NG(F_NGHTTP2_OTHER, nghttp2_session_resume_data, (S, int32_t id), (s, id))
NG(F_NGHTTP2_OTHER, nghttp2_session_consume_stream, (S, int32_t id, size_t n), (s, id, n))
NG(F_NGHTTP2_OTHER, nghttp2_session_consume_connection, (S, size_t n), (s, n))
NG(F_NGHTTP2_OTHER, nghttp2_session_set_local_window_size, (S, uint8_t f, int32_t id, int32_t n), (s, f, id, n))

WRAP(ssize_t, nghttp2_session_mem_recv, (S, const uint8_t *p, size_t n))
{
    return hit(F_NGHTTP2_RECV, ENOMEM) ? NGHTTP2_ERR_NOMEM : __real_nghttp2_session_mem_recv(s, p, n);
}

WRAP(ssize_t, nghttp2_session_mem_send, (S, const uint8_t **p))
{
    return hit(F_NGHTTP2_SEND, ENOMEM) ? NGHTTP2_ERR_NOMEM : __real_nghttp2_session_mem_send(s, p);
}

/* ---- wolfSSL: only its own headers know the types ---- */

enum { MEMORY = -125, FAILURE = 0 };
static _Thread_local bool told; /* the last call failed here: wolfSSL_get_error says why */

WRAP(void *, wolfSSL_new, (void *ctx))
{
    return hit(F_WOLFSSL_NEW, ENOMEM) ? NULL : __real_wolfSSL_new(ctx);
}

WRAP(int, wolfSSL_get_error, (void *ssl, int rc))
{
    bool ours = told;
    told = false;
    return ours ? MEMORY : __real_wolfSSL_get_error(ssl, rc);
}

#define TLS(fault, name, params, args) \
    WRAP(int, name, params)            \
    {                                  \
        told = hit(fault, ENOMEM);     \
        return told ? -1 : __real_##name args; \
    }
TLS(F_WOLFSSL_ACCEPT, wolfSSL_accept, (void *s), (s))
TLS(F_WOLFSSL_CONNECT, wolfSSL_connect, (void *s), (s))
TLS(F_WOLFSSL_READ, wolfSSL_read, (void *s, void *p, int n), (s, p, n))
TLS(F_WOLFSSL_WRITE, wolfSSL_write, (void *s, const void *p, int n), (s, p, n))

#define TLS_OTHER(name, params, args) \
    WRAP(int, name, params)           \
    {                                 \
        return hit(F_WOLFSSL_OTHER, ENOMEM) ? FAILURE : __real_##name args; \
    }
TLS_OTHER(wolfSSL_UseSNI, (void *s, unsigned char type, const void *p, unsigned short n), (s, type, p, n))
TLS_OTHER(wolfSSL_shutdown, (void *s), (s))
TLS_OTHER(wolfSSL_set_session, (void *s, void *session), (s, session))

#define WC(name, params, args) \
    WRAP(int, name, params)    \
    {                          \
        return hit(F_CRYPTO, ENOMEM) ? MEMORY : __real_##name args; \
    }
WC(wc_ecc_verify_hash, (const unsigned char *sig, unsigned n, const unsigned char *h, unsigned hn, int *res, void *key), (sig, n, h, hn, res, key))
WC(wc_ecc_verify_hash_ex, (void *r, void *s, const unsigned char *h, unsigned hn, int *res, void *key), (r, s, h, hn, res, key))
WC(wc_RsaSSL_Verify, (const unsigned char *in, unsigned n, unsigned char *out, unsigned on, void *key), (in, n, out, on, key))
WC(wc_RsaPSS_VerifyCheck, (const unsigned char *in, unsigned n, unsigned char *out, unsigned on, const unsigned char *d, unsigned dn, int hash, int mgf, void *key),
   (in, n, out, on, d, dn, hash, mgf, key))
WC(wc_ecc_init, (void *key), (key))
WC(wc_InitRsaKey, (void *key, void *heap), (key, heap))
WC(wc_RsaPublicKeyDecode, (const unsigned char *in, unsigned *at, void *key, unsigned n), (in, at, key, n))
WC(wc_AesInit, (void *aes, void *heap, int dev), (aes, heap, dev))
