/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_regex: a compiled regular expression (PCRE2 with JIT).  Envoy's ways (RE2) are followed where the two differ:
 * bytes, not characters, so that "é" is two of them; `$` is the very end; `.` matches no line end; groups in a substitution
 * are \0 to \9 and "\\" is a backslash.
 *
 * PCRE2 backtracks, so every match has a limit (SP_REGEX_MATCH_LIMIT; under 1 ms for 64 KiB of the worst text); what
 * hits it counts as no match and says so, and callers refuse.  Immutable once made: any thread may match.  Each thread
 * that matches gets a small working set of its own, freed when it ends.
 */
#ifndef SP_BASE_REGEX_H
#define SP_BASE_REGEX_H

#include "base/arena.h"

enum {
    SP_REGEX_MATCH_LIMIT = 10000,
    SP_REGEX_MAX_PATTERN = 16384,
    SP_REGEX_MAX_REPLACED = 500, /* matches replaced in one text; more counts as hitting the limit */
    SP_REGEX_WHY_MAX = 256,
};

enum sp_regex_flags {
    SP_REGEX_ICASE = 1,
    SP_REGEX_SEARCH = 2, /* it will be used with sp_regex_search or sp_regex_substitute */
};

struct sp_regex;

/* NULL when the pattern is none: `why` says what is wrong and at which byte. */
struct sp_regex *sp_regex_new(struct sp_str pattern, unsigned flags, char why[SP_REGEX_WHY_MAX]);
void sp_regex_free(struct sp_regex *r); /* NULL-safe */

/* The whole text matches. A match that hits the limit is no match, and *ret_limit is set (ret_limit may be NULL). */
bool sp_regex_full_match(const struct sp_regex *r, struct sp_str text, bool *ret_limit);
/* Some part of the text matches; the same. */
bool sp_regex_search(const struct sp_regex *r, struct sp_str text, bool *ret_limit);

/*
 * Some part of the text matches: groups[0] is that part, groups[i] the i-th group, for i < n; a NULL slice where it took no
 * part. A match that hits the limit is none. n is at most 10.
 */
bool sp_regex_groups(const struct sp_regex *r, struct sp_str text, struct sp_str *groups, unsigned n);
unsigned sp_regex_n_groups(const struct sp_regex *r);

/* Whether `with` is a good substitution for r: -EINVAL, and `why` says what is wrong. */
int sp_regex_check_substitution(const struct sp_regex *r, struct sp_str with, char why[SP_REGEX_WHY_MAX]);
/*
 * `text` with every match replaced by `with`, in `arena`; text itself when nothing matched.  A NULL slice when the limit
 * was hit or the result passes max bytes.
 */
struct sp_str sp_regex_substitute(const struct sp_regex *r, struct sp_str text, struct sp_str with, size_t max,
                                  struct sp_arena *arena);

#endif
