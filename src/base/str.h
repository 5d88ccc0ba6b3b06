/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_str: a borrowed slice of bytes (pointer and length), not NUL-terminated.  The owner of the bytes is
 * whoever made the slice; a slice never frees.  Pure functions, any thread.
 */
#ifndef SP_BASE_STR_H
#define SP_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/defs.h"

struct sp_str {
    const char *ptr;
    size_t len;
};

#define SP_STR(lit) ((struct sp_str){(lit), sizeof(lit) - 1})
#define SP_STR_INIT(lit) {(lit), sizeof(lit) - 1}
#define SP_STR_NULL ((struct sp_str){NULL, 0})
/* printf("%.*s", SP_STR_ARG(s)) */
#define SP_STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct sp_str sp_str_n(const char *ptr, size_t len)
{
    return (struct sp_str){ptr, len};
}

/* A slice over a C string; NULL gives the empty slice. */
static inline struct sp_str sp_str_c(const char *s)
{
    return (struct sp_str){s, s ? strlen(s) : 0};
}

static inline bool sp_str_eq(struct sp_str a, struct sp_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline char sp_ascii_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* ASCII case-insensitive; not constant time: never for secrets (crypto/ct.h). */
bool sp_str_ieq(struct sp_str a, struct sp_str b);
/* memcmp order, shorter first. */
int sp_str_cmp(struct sp_str a, struct sp_str b);
bool sp_str_starts(struct sp_str s, struct sp_str prefix);
bool sp_str_ends(struct sp_str s, struct sp_str suffix);
bool sp_str_istarts(struct sp_str s, struct sp_str prefix);
bool sp_str_iends(struct sp_str s, struct sp_str suffix);
/* Index of the first `c`, or -1. */
ptrdiff_t sp_str_chr(struct sp_str s, char c);
/* Index of the first `needle`, or -1. */
ptrdiff_t sp_str_find(struct sp_str s, struct sp_str needle);
/* [from, to) of s, clamped to its length. */
struct sp_str sp_str_sub(struct sp_str s, size_t from, size_t to);
/* Without leading and trailing SP and HTAB (RFC 9110 section 5.6.3, OWS). */
struct sp_str sp_str_trim(struct sp_str s);
/*
 * Takes the next token of *s up to `sep` into *ret_token and moves *s behind the separator.  False when *s is
 * exhausted.  "a,,b" gives "a", "", "b".
 */
bool sp_str_split(struct sp_str *s, char sep, struct sp_str *ret_token);
/* Strict decimal: digits only, no sign, no space.  -EINVAL, -ERANGE when over `max`. */
int sp_str_u64(struct sp_str s, uint64_t max, uint64_t *ret_value);
/* Bytes of the UTF-8 character at the start, 0 if there is none (RFC 3629: no overlong forms, no surrogates); s is not empty. */
size_t sp_utf8_char(struct sp_str s);
/* Whether a character (what sp_utf8_char found) may be shown: it steers no terminal (C0, C1) and turns no text around (bidi). */
bool sp_utf8_shown(struct sp_str c);
/* Puts '?' for each byte of what may not be shown, and of what is not UTF-8: no text of others forges a line or steers a terminal. */
void sp_text_tame(char *text, size_t len);
/* As vsnprintf, cut at `room`, tamed but for a line feed that `fmt` begins or ends with, which is never cut off; its length. */
size_t sp_text_line(char *out, size_t room, const char *fmt, va_list ap);
/* Writes a code point, at most four bytes; where the text goes on. */
char *sp_utf8_put(char *out, unsigned v);
/* FNV-1a-like 64-bit hash seeded per process: for hash tables that peers can fill. */
uint64_t sp_str_hash(struct sp_str s);
/* A NUL-terminated heap copy; aborts when memory is out; free() it. */
char *sp_str_dup(struct sp_str s);

/*
 * Edit distance (insert, delete, substitute, swap of neighbours) of two short names, at most `limit` + 1: for
 * "nearest known name" in config errors.
 */
unsigned sp_str_distance(struct sp_str a, struct sp_str b, unsigned limit);

#endif
