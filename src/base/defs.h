/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiler helpers that every module may use.  No state, any thread.
 */
#ifndef SP_BASE_DEFS_H
#define SP_BASE_DEFS_H

#include <stddef.h>
#include <stdint.h>

#define SP_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define SP_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define SP_PRINTF(fmt_idx, arg_idx) __attribute__((format(printf, fmt_idx, arg_idx)))
#define SP_LIKELY(x) __builtin_expect(!!(x), 1)
#define SP_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define SP_MIN(a, b) ((a) < (b) ? (a) : (b))
#define SP_MAX(a, b) ((a) > (b) ? (a) : (b))

/* Bytes of one cache line: what is written by different threads stands this far apart. */
#define SP_CACHELINE 64

/* Whether the address sanitizer watches: then memory is not kept for another use, so that it sees each block given back. */
#if defined(__SANITIZE_ADDRESS__)
#define SP_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SP_ASAN 1
#endif
#endif
#ifndef SP_ASAN
#define SP_ASAN 0
#endif

#endif
