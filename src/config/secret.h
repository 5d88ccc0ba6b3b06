/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a DataSource: a file, text or bytes in the config, or an environment variable.  Blocks on the disk: only
 * where configs are compiled.  The bytes belong to the caller, who gives them back with sp_secret_done, which
 * wipes them.
 */
#ifndef SP_CONFIG_SECRET_H
#define SP_CONFIG_SECRET_H

#include "config/doc.h"
#include "config/live.h"
#include "envoy/config/core/v3/base.pb-c.h"

enum { SP_SECRET_MAX_BYTES = 1 << 20, SP_SECRET_MAX_LARGE = 64 << 20 };

enum sp_secret_flags {
    SP_SECRET_CHOMP = 1,     /* drop one newline (or CR LF) at the end of a file, as editors put there */
    SP_SECRET_NOT_EMPTY = 2, /* an empty one is an error */
    SP_SECRET_LIVE = 8,      /* the caller watches the file (sp_secret_watch); else the document notes it (sp_doc_reads) */
    SP_SECRET_LARGE = 4,     /* no secret but a list: up to SP_SECRET_MAX_LARGE */
};

struct sp_secret {
    char *ptr; /* NUL-terminated behind len */
    size_t len;
};

/*
 * Errors go to `diag` with the source's place and path: -ENOENT and the like from the system, -EFBIG, -EINVAL.
 * Messages never show the content.  `doc` NULL: of no document (sp_source_copy), errors have no place.
 */
int sp_secret_read(const struct sp_doc *doc, struct sp_diag *diag, const Envoy__Config__Core__V3__DataSource *source,
                   unsigned flags, struct sp_secret *ret_secret);
/* A file's bytes, at most `max`. -EINVAL: no regular file, -EFBIG: larger, others from the system. */
int sp_secret_read_path(const char *path, size_t max, struct sp_secret *ret_secret);
/* Reads it anew when its file changes; other sources never do. `source` may be NULL. */
void sp_secret_watch(struct sp_live *l, const Envoy__Config__Core__V3__DataSource *source);

/* For what is read anew when its document may be gone. */
Envoy__Config__Core__V3__DataSource *sp_source_copy(struct sp_arena *arena, const Envoy__Config__Core__V3__DataSource *source);
/* What is wrong with a source, as sp_doc_err; `doc` may be NULL as above. */
void sp_source_err(const struct sp_doc *doc, struct sp_diag *diag, const Envoy__Config__Core__V3__DataSource *source,
                   const char *field, const char *fmt, ...) SP_PRINTF(5, 6);

/* Wipes and frees; a zeroed sp_secret is fine. */
void sp_secret_done(struct sp_secret *secret);

/* The same on the heap, as a value of sp_live: takes `secret`; _free wipes it. */
struct sp_secret *sp_secret_new(struct sp_secret secret);
void sp_secret_free(void *secret);
static inline struct sp_str sp_secret_str(const struct sp_secret *secret)
{
    return sp_str_n(secret->ptr, secret->len);
}

#endif
