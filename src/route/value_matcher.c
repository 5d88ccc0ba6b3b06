/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route/value_matcher.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

typedef Envoy__Type__Matcher__V3__ValueMatcher ValueMatcher;
#define KIND(name) ENVOY__TYPE__MATCHER__V3__VALUE_MATCHER__MATCH_PATTERN_##name

enum kind { IS_NULL, NUMBER, RANGE, STRING, BOOL, PRESENT, LIST, OR };

struct sp_value_matcher {
    enum kind kind;
    bool yes;        /* BOOL, PRESENT */
    double from, to; /* NUMBER: from; RANGE: from <= x < to */
    struct sp_string_matcher *string;
    struct sp_value_matcher **children; /* OR: n of them; LIST: one */
    size_t n;
};

static bool children(struct sp_value_matcher *m, const struct sp_doc *doc, struct sp_diag *diag, ValueMatcher *const *list,
                     size_t n)
{
    bool good = true;
    m->children = sp_xcalloc(n, sizeof(struct sp_value_matcher *));
    for (size_t i = 0; i < n; i++) {
        struct sp_value_matcher *child = sp_value_matcher_new(doc, diag, list[i]);
        if (child)
            m->children[m->n++] = child;
        good &= child != NULL;
    }
    return good;
}

static bool number(struct sp_value_matcher *m, const struct sp_doc *doc, struct sp_diag *diag,
                   const Envoy__Type__Matcher__V3__DoubleMatcher *msg)
{
    if (msg->match_pattern_case == ENVOY__TYPE__MATCHER__V3__DOUBLE_MATCHER__MATCH_PATTERN_EXACT) {
        m->kind = NUMBER;
        m->from = msg->exact;
        return true;
    }
    m->kind = RANGE;
    m->from = msg->range->start;
    m->to = msg->range->end;
    if (m->from < m->to)
        return true;
    sp_doc_err(doc, diag, msg, "range", -1,
               "no number is in it: start has to be less than end, which is not part of the range");
    return false;
}

static bool fill(struct sp_value_matcher *m, const struct sp_doc *doc, struct sp_diag *diag, const ValueMatcher *msg)
{
    switch (msg->match_pattern_case) {
    case KIND(NULL_MATCH):
        m->kind = IS_NULL;
        return true;
    case KIND(DOUBLE_MATCH):
        return number(m, doc, diag, msg->double_match);
    case KIND(STRING_MATCH):
        m->kind = STRING;
        m->string = sp_string_matcher_new(doc, diag, msg->string_match);
        return m->string != NULL;
    case KIND(BOOL_MATCH):
        m->kind = BOOL;
        m->yes = msg->bool_match;
        return true;
    case KIND(PRESENT_MATCH):
        m->kind = PRESENT;
        m->yes = msg->present_match;
        return true;
    case KIND(LIST_MATCH):
        m->kind = LIST;
        return children(m, doc, diag, &msg->list_match->one_of, 1);
    default: /* the field rules saw to it that one is set */
        m->kind = OR;
        return children(m, doc, diag, msg->or_match->value_matchers, msg->or_match->n_value_matchers);
    }
}

struct sp_value_matcher *sp_value_matcher_new(const struct sp_doc *doc, struct sp_diag *diag, const ValueMatcher *msg)
{
    assert(doc && diag && msg && msg->match_pattern_case != KIND(_NOT_SET));
    struct sp_value_matcher *m = sp_xcalloc(1, sizeof(*m));
    if (fill(m, doc, diag, msg))
        return m;
    sp_value_matcher_free(m);
    return NULL;
}

void sp_value_matcher_free(struct sp_value_matcher *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++)
        sp_value_matcher_free(m->children[i]);
    free(m->children);
    sp_string_matcher_free(m->string);
    free(m);
}

static bool list_match(const struct sp_value_matcher *m, const json_t *list, bool *ret_limit)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
        if (sp_value_match(m->children[0], v, ret_limit))
            return true;
    return false;
}

static bool any_match(const struct sp_value_matcher *m, const json_t *value, bool *ret_limit)
{
    for (size_t i = 0; i < m->n; i++)
        if (sp_value_match(m->children[i], value, ret_limit))
            return true;
    return false;
}

bool sp_value_match(const struct sp_value_matcher *m, const json_t *value, bool *ret_limit)
{
    assert(m && ret_limit);
    switch (m->kind) {
    case IS_NULL:
        return json_is_null(value);
    case NUMBER:
        return json_is_number(value) && json_number_value(value) == m->from;
    case RANGE:
        return json_is_number(value) && json_number_value(value) >= m->from && json_number_value(value) < m->to;
    case STRING:
        return json_is_string(value) &&
               sp_string_match_limited(m->string, sp_str_n(json_string_value(value), json_string_length(value)), ret_limit);
    case BOOL:
        return json_is_boolean(value) && json_is_true(value) == m->yes;
    case PRESENT:
        return m->yes && value;
    case LIST:
        return json_is_array(value) && list_match(m, value, ret_limit);
    case OR:
        return any_match(m, value, ret_limit);
    }
    return false;
}
