/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A regular expression, a substitution and a text, with NULs between them; bits of the first byte are flags.  Whatever the
 * expression is, matching ends, stays within the text, and says the same when it is asked again.
 */
#include "base/regex.h"
#include "head_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 65536 };

static void within(struct sp_str part, struct sp_str text)
{
    CHECK(!part.ptr || (part.ptr >= text.ptr && part.ptr + part.len <= text.ptr + text.len));
}

static void match(const struct sp_regex *r, unsigned flags, struct sp_str text, struct sp_str with, struct sp_arena *arena)
{
    struct sp_str groups[10];
    bool limit = false, again = false;
    bool full = sp_regex_full_match(r, text, &limit);
    CHECK(!(full && limit));
    CHECK(sp_regex_full_match(r, text, &again) == full && again == limit);
    if (!(flags & SP_REGEX_SEARCH))
        return;
    bool found = sp_regex_search(r, text, &limit);
    CHECK(!full || found || limit);
    if (sp_regex_groups(r, text, groups, 10))
        for (unsigned i = 0; i < 10; i++)
            within(groups[i], text);
    char why[SP_REGEX_WHY_MAX] = "";
    if (sp_regex_check_substitution(r, with, why) < 0) {
        CHECK(*why);
        return;
    }
    struct sp_str out = sp_regex_substitute(r, text, with, MOST, arena);
    CHECK(out.len <= SP_MAX(MOST, text.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct sp_arena arena;
    struct sp_str text = sp_str_n((const char *)data + 1, size - 1), pattern = SP_STR(""), with = SP_STR("");
    char why[SP_REGEX_WHY_MAX] = "";
    if (!sp_str_split(&text, '\0', &pattern) || !sp_str_split(&text, '\0', &with))
        return 0;
    if (!text.ptr)
        text = SP_STR("");
    sp_arena_init(&arena);
    unsigned flags = data[0] & (SP_REGEX_ICASE | SP_REGEX_SEARCH);
    struct sp_regex *r = sp_regex_new(pattern, flags, why);
    CHECK(r || *why);
    if (r)
        match(r, flags, text, with, &arena);
    sp_regex_free(r);
    sp_arena_done(&arena);
    return 0;
}
