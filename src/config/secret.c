/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/secret.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

typedef Envoy__Config__Core__V3__DataSource Source;

struct reader {
    const struct sp_doc *doc;
    struct sp_diag *diag;
    const Source *source;
    size_t max;
};

void sp_source_err(const struct sp_doc *doc, struct sp_diag *diag, const Source *source, const char *field, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    assert(diag && source && fmt);
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (doc)
        sp_doc_err(doc, diag, source, field, -1, "%s", text);
    else
        sp_diag_add(diag, SP_ERROR, (struct sp_mark){0}, NULL, "%s", text);
}

Source *sp_source_copy(struct sp_arena *arena, const Source *source)
{
    assert(arena && source);
    Source *s = sp_arena_alloc(arena, sizeof(*s));
    *s = *source;
    switch (source->specifier_case) {
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_BYTES:
        s->inline_bytes.data = (uint8_t *)(uintptr_t)sp_arena_str(
            arena, sp_str_n((const char *)source->inline_bytes.data, source->inline_bytes.len)).ptr;
        break;
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME:
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_STRING:
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_ENVIRONMENT_VARIABLE: /* one place for all three */
        s->filename = (char *)(uintptr_t)sp_arena_str(arena, sp_str_c(source->filename)).ptr;
        break;
    default:
        break;
    }
    return s;
}

static int cannot_read(const struct reader *r, const char *path, int err)
{
    char text[128];
    sp_source_err(r->doc, r->diag, r->source, "filename", "cannot read %s: %s (check the path and its permissions)",
               path, strerror_r(err, text, sizeof(text)));
    return -err;
}

static int too_large(const struct reader *r, const char *field)
{
    sp_source_err(r->doc, r->diag, r->source, field, "larger than %zu MiB (is it the right file?)", r->max >> 20);
    return -EFBIG;
}

static int copy(const void *p, size_t n, struct sp_secret *ret_secret)
{
    char *mem = sp_xmalloc(n + 1);
    if (n)
        memcpy(mem, p, n);
    mem[n] = 0;
    *ret_secret = (struct sp_secret){mem, n};
    return 0;
}

/* One byte more than allowed is asked for, so that a file that grows meanwhile is noticed too. */
static int read_fd(int fd, size_t max, struct sp_secret *ret_secret)
{
    size_t cap = max + 1, n = 0;
    ssize_t got;
    char *mem = sp_xmalloc(cap + 1);
    int err = 0;
    do {
        got = read(fd, mem + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            err = -errno;
        else
            n += (size_t)got;
    } while (got != 0 && err == 0 && n < cap);
    if (err == 0 && n == cap)
        err = -EFBIG;
    if (err == 0)
        copy(mem, n, ret_secret);
    sp_wipe(mem, n);
    free(mem);
    return err;
}

int sp_secret_read_path(const char *path, size_t max, struct sp_secret *ret_secret)
{
    assert(path && ret_secret);
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        err = -errno;
    else if (!S_ISREG(st.st_mode))
        err = -EINVAL;
    else
        err = (uint64_t)st.st_size > max ? -EFBIG : read_fd(fd, max, ret_secret);
    close(fd);
    return err;
}

static int read_file(const struct reader *r, struct sp_secret *ret_secret)
{
    int err = sp_secret_read_path(r->source->filename, r->max, ret_secret);
    if (err == -EFBIG)
        return too_large(r, "filename");
    if (err == -EINVAL)
        sp_source_err(r->doc, r->diag, r->source, "filename", "%s is not a regular file", r->source->filename);
    else if (err < 0)
        cannot_read(r, r->source->filename, -err);
    return err;
}

static int read_env(const struct reader *r, struct sp_secret *ret_secret)
{
    const char *value = getenv(r->source->environment_variable);
    if (!value) {
        sp_source_err(r->doc, r->diag, r->source, "environment_variable",
                   "the environment variable %s is not set (set it before the start)", r->source->environment_variable);
        return -ENOENT;
    }
    if (strlen(value) > r->max)
        return too_large(r, "environment_variable");
    return copy(value, strlen(value), ret_secret);
}

static void chomp(struct sp_secret *s)
{
    if (s->len && s->ptr[s->len - 1] == '\n')
        s->len--;
    else
        return;
    if (s->len && s->ptr[s->len - 1] == '\r')
        s->len--;
    s->ptr[s->len] = 0;
}

static int read_any(const struct reader *r, struct sp_secret *ret_secret)
{
    const Source *s = r->source;
    size_t n;
    switch (s->specifier_case) {
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME:
        return read_file(r, ret_secret);
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_BYTES:
        n = s->inline_bytes.len;
        return n > r->max ? too_large(r, "inline_bytes") : copy(s->inline_bytes.data, n, ret_secret);
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_STRING:
        n = strlen(s->inline_string);
        return n > r->max ? too_large(r, "inline_string") : copy(s->inline_string, n, ret_secret);
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_ENVIRONMENT_VARIABLE:
        return read_env(r, ret_secret);
    default:
        sp_source_err(r->doc, r->diag, s, NULL, "there is nothing in it (set filename, inline_string, inline_bytes or "
                                                 "environment_variable)");
        return -EINVAL;
    }
}

int sp_secret_read(const struct sp_doc *doc, struct sp_diag *diag, const Source *source, unsigned flags,
                   struct sp_secret *ret_secret)
{
    assert(diag && source && ret_secret);
    struct reader r = {doc, diag, source, flags & SP_SECRET_LARGE ? SP_SECRET_MAX_LARGE : SP_SECRET_MAX_BYTES};
    struct sp_secret s = {0};
    if (doc && !(flags & SP_SECRET_LIVE) && source->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME)
        sp_doc_reads(doc, source->filename);
    int err = read_any(&r, &s);
    if (err < 0)
        return err;
    if ((flags & SP_SECRET_CHOMP) && source->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME)
        chomp(&s);
    if ((flags & SP_SECRET_NOT_EMPTY) && s.len == 0) {
        sp_source_err(doc, diag, source, NULL, "it is empty (an empty secret would let anyone in)");
        sp_secret_done(&s);
        return -EINVAL;
    }
    *ret_secret = s;
    return 0;
}

void sp_secret_watch(struct sp_live *l, const Source *source)
{
    assert(l);
    if (source && source->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME && source->filename[0])
        sp_live_watch(l, source->filename);
}

void sp_secret_done(struct sp_secret *secret)
{
    assert(secret);
    if (secret->ptr)
        sp_wipe(secret->ptr, secret->len);
    free(secret->ptr);
    *secret = (struct sp_secret){0};
}

struct sp_secret *sp_secret_new(struct sp_secret secret)
{
    struct sp_secret *s = sp_xmalloc(sizeof(*s));
    *s = secret;
    return s;
}

void sp_secret_free(void *secret)
{
    sp_secret_done(secret);
    free(secret);
}
