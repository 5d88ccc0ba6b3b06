/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Regular expressions and StringMatcher from the config. */
#include "route/matcher.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

typedef Envoy__Type__Matcher__V3__StringMatcher StringMatcher;
#define STRING(name) ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_##name

enum kind { EXACT, PREFIX, SUFFIX, CONTAINS, REGEX };

struct sp_string_matcher {
    enum kind kind;
    bool icase;
    struct sp_str text; /* its own memory */
    struct sp_regex *regex;
};

struct sp_regex *sp_regex_new_msg(const struct sp_doc *doc, struct sp_diag *diag,
                                  const Envoy__Type__Matcher__V3__RegexMatcher *msg, unsigned flags)
{
    assert(doc && diag && msg);
    char why[SP_REGEX_WHY_MAX];
    struct sp_regex *r = sp_regex_new(sp_str_c(msg->regex), flags, why);
    if (!r)
        sp_doc_err(doc, diag, msg, "regex", -1, "not a regular expression: %s", why);
    return r;
}

struct sp_regex *sp_regex_new_substitute(const struct sp_doc *doc, struct sp_diag *diag,
                                         const Envoy__Type__Matcher__V3__RegexMatchAndSubstitute *msg)
{
    assert(doc && diag && msg && msg->pattern);
    char why[SP_REGEX_WHY_MAX];
    struct sp_regex *r = sp_regex_new_msg(doc, diag, msg->pattern, SP_REGEX_SEARCH);
    if (!r || sp_regex_check_substitution(r, sp_str_c(msg->substitution), why) == 0)
        return r;
    sp_doc_err(doc, diag, msg, "substitution", -1, "%s (\\0 is the match, \\1 to \\9 its groups, \\\\ a backslash)", why);
    sp_regex_free(r);
    return NULL;
}

static const char *pattern_of(const StringMatcher *msg, enum kind *ret_kind)
{
    switch (msg->match_pattern_case) {
    case STRING(EXACT):
        *ret_kind = EXACT;
        return msg->exact;
    case STRING(PREFIX):
        *ret_kind = PREFIX;
        return msg->prefix;
    case STRING(SUFFIX):
        *ret_kind = SUFFIX;
        return msg->suffix;
    case STRING(CONTAINS):
        *ret_kind = CONTAINS;
        return msg->contains;
    default:
        *ret_kind = REGEX;
        return NULL;
    }
}

struct sp_string_matcher *sp_string_matcher_new(const struct sp_doc *doc, struct sp_diag *diag, const StringMatcher *msg)
{
    assert(doc && diag && msg);
    struct sp_string_matcher *m = sp_xcalloc(1, sizeof(*m));
    const char *text = pattern_of(msg, &m->kind);
    m->icase = msg->ignore_case;
    if (text) {
        m->text = sp_str_c(sp_xstrdup(text));
        return m;
    }
    if (m->icase)
        sp_doc_err(doc, diag, msg, "ignore_case", -1, "has no effect on safe_regex (begin the expression with (?i))");
    else if (msg->match_pattern_case == STRING(SAFE_REGEX))
        m->regex = sp_regex_new_msg(doc, diag, msg->safe_regex, 0);
    else
        sp_doc_err(doc, diag, msg, NULL, -1, "one of these is required: exact, prefix, suffix, safe_regex, contains");
    if (m->regex)
        return m;
    sp_string_matcher_free(m);
    return NULL;
}

void sp_string_matcher_free(struct sp_string_matcher *m)
{
    if (!m)
        return;
    free((char *)(uintptr_t)m->text.ptr);
    sp_regex_free(m->regex);
    free(m);
}

static bool icontains(struct sp_str text, struct sp_str needle)
{
    for (size_t i = 0; i + needle.len <= text.len; i++)
        if (sp_str_ieq(sp_str_n(text.ptr + i, needle.len), needle))
            return true;
    return false;
}

bool sp_string_match_limited(const struct sp_string_matcher *m, struct sp_str text, bool *ret_limit)
{
    assert(m && ret_limit);
    bool limit, yes;
    switch (m->kind) {
    case EXACT:
        return m->icase ? sp_str_ieq(text, m->text) : sp_str_eq(text, m->text);
    case PREFIX:
        return m->icase ? sp_str_istarts(text, m->text) : sp_str_starts(text, m->text);
    case SUFFIX:
        return m->icase ? sp_str_iends(text, m->text) : sp_str_ends(text, m->text);
    case CONTAINS:
        return m->icase ? icontains(text, m->text) : sp_str_find(text, m->text) >= 0;
    default:
        yes = sp_regex_full_match(m->regex, text, &limit);
        *ret_limit |= limit;
        return yes;
    }
}

bool sp_string_match(const struct sp_string_matcher *m, struct sp_str text)
{
    bool limit = false;
    return sp_string_match_limited(m, text, &limit);
}
