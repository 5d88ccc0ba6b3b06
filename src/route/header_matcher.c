/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HeaderMatcher. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "route/matcher.h"

typedef Envoy__Config__Route__V3__HeaderMatcher HeaderMatcher;
#define MATCH(name) ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_##name
#define STRING(name) ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_##name

enum kind { PRESENT, STRING, RANGE };
enum pseudo { NOT_PSEUDO, METHOD, SCHEME, AUTHORITY, PATH, PROTOCOL, STATUS };

struct sp_header_matcher {
    struct sp_str name; /* lower-case, its own memory */
    uint8_t id;         /* enum sp_header_id */
    uint8_t kind, pseudo;
    bool invert, missing_is_empty;
    bool joined;     /* several lines are one value with ',' between; else any line may match */
    bool present;    /* PRESENT */
    bool any;        /* STRING: exact_match: "" is any value, as in Envoy */
    struct sp_string_matcher *string;
    int64_t from, to; /* RANGE */
};

static uint8_t pseudo_of(struct sp_str name)
{
    static const struct {
        struct sp_str name;
        enum pseudo pseudo;
    } table[] = {
        {SP_STR_INIT(":method"), METHOD}, {SP_STR_INIT(":scheme"), SCHEME}, {SP_STR_INIT(":authority"), AUTHORITY},
        {SP_STR_INIT("host"), AUTHORITY}, {SP_STR_INIT(":path"), PATH}, {SP_STR_INIT(":protocol"), PROTOCOL},
        {SP_STR_INIT(":status"), STATUS},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(table); i++)
        if (sp_str_eq(name, table[i].name))
            return (uint8_t)table[i].pseudo;
    return NOT_PSEUDO;
}

/*
 * Envoy 1.40 joins the lines of the headers it has a place of its own for, and asks any other header's lines one by one: one
 * that matches suffices, and inverted none may.
 */
static bool is_joined(uint8_t id)
{
    switch ((enum sp_header_id)id) {
    case SP_H_ACCEPT:
    case SP_H_ACCEPT_ENCODING:
    case SP_H_AUTHORIZATION:
    case SP_H_CACHE_CONTROL:
    case SP_H_CONNECTION:
    case SP_H_CONTENT_ENCODING:
    case SP_H_CONTENT_LENGTH:
    case SP_H_CONTENT_TYPE:
    case SP_H_EXPECT:
    case SP_H_IF_MODIFIED_SINCE:
    case SP_H_IF_NONE_MATCH:
    case SP_H_ORIGIN:
    case SP_H_REFERER:
    case SP_H_TE:
    case SP_H_UPGRADE:
    case SP_H_USER_AGENT:
    case SP_H_VIA:
    case SP_H_X_FORWARDED_CLIENT_CERT:
    case SP_H_X_FORWARDED_FOR:
    case SP_H_X_FORWARDED_HOST:
    case SP_H_X_FORWARDED_PORT:
    case SP_H_X_FORWARDED_PROTO:
    case SP_H_X_REQUEST_ID:
        return true;
    default:
        return id >= SP_H_X_ENVOY_ATTEMPT_COUNT && id <= SP_H_X_ENVOY_UPSTREAM_SERVICE_TIME;
    }
}

/* The deprecated forms are string matches with a name of their own. */
static const char *old_string(const HeaderMatcher *msg, Envoy__Type__Matcher__V3__StringMatcher *s)
{
    switch (msg->header_match_specifier_case) {
    case MATCH(EXACT_MATCH):
        s->match_pattern_case = STRING(EXACT);
        return s->exact = msg->exact_match;
    case MATCH(PREFIX_MATCH):
        s->match_pattern_case = STRING(PREFIX);
        return s->prefix = msg->prefix_match;
    case MATCH(SUFFIX_MATCH):
        s->match_pattern_case = STRING(SUFFIX);
        return s->suffix = msg->suffix_match;
    case MATCH(CONTAINS_MATCH):
        s->match_pattern_case = STRING(CONTAINS);
        return s->contains = msg->contains_match;
    default:
        s->match_pattern_case = STRING(SAFE_REGEX);
        s->safe_regex = msg->safe_regex_match;
        return NULL;
    }
}

static bool fill(struct sp_header_matcher *m, const struct sp_doc *doc, struct sp_diag *diag, const HeaderMatcher *msg)
{
    Envoy__Type__Matcher__V3__StringMatcher s = ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__INIT;
    switch (msg->header_match_specifier_case) {
    case MATCH(PRESENT_MATCH):
        m->kind = PRESENT;
        m->present = msg->present_match;
        return true;
    case MATCH(RANGE_MATCH):
        m->kind = RANGE;
        m->from = msg->range_match->start;
        m->to = msg->range_match->end;
        if (m->from < m->to)
            return true;
        sp_doc_err(doc, diag, msg, "range_match", -1,
                   "no number is in it: start has to be less than end, which is not part of the range");
        return false;
    case MATCH(STRING_MATCH):
        m->kind = STRING;
        m->string = sp_string_matcher_new(doc, diag, msg->string_match);
        return m->string != NULL;
    case MATCH(_NOT_SET):
        m->kind = PRESENT;
        m->present = true;
        return true;
    default:
        m->kind = STRING;
        old_string(msg, &s);
        m->any = msg->header_match_specifier_case == MATCH(EXACT_MATCH) && !*msg->exact_match;
        m->string = sp_string_matcher_new(doc, diag, &s);
        return m->string != NULL;
    }
}

struct sp_header_matcher *sp_header_matcher_new(const struct sp_doc *doc, struct sp_diag *diag, const HeaderMatcher *msg)
{
    assert(doc && diag && msg);
    struct sp_header_matcher *m = sp_xcalloc(1, sizeof(*m));
    char *name = sp_xstrdup(msg->name);
    for (char *p = name; *p; p++)
        *p = sp_ascii_lower(*p);
    m->name = sp_str_c(name);
    m->id = (uint8_t)sp_header_id(m->name);
    m->pseudo = pseudo_of(m->name);
    m->joined = is_joined(m->id);
    m->invert = msg->invert_match;
    m->missing_is_empty = msg->treat_missing_header_as_empty;
    bool good = true;
    if (name[0] == ':' && !m->pseudo) {
        sp_doc_err(doc, diag, msg, "name", -1, "there is no such pseudo-header (known: :method, :scheme, :authority, "
                                               ":path, :protocol, :status)");
        good = false;
    }
    if (fill(m, doc, diag, msg) && good)
        return m;
    sp_header_matcher_free(m);
    return NULL;
}

void sp_header_matcher_free(struct sp_header_matcher *m)
{
    if (!m)
        return;
    sp_string_matcher_free(m->string);
    free((char *)(uintptr_t)m->name.ptr);
    free(m);
}

/* A NULL slice when it is not there. */
static struct sp_str pseudo_value(const struct sp_header_matcher *m, const struct sp_headers *h, char buf[static 12])
{
    struct sp_str s = SP_STR_NULL;
    switch ((enum pseudo)m->pseudo) {
    case METHOD:
        s = h->method;
        break;
    case SCHEME:
        s = h->scheme;
        break;
    case AUTHORITY:
        s = h->authority;
        break;
    case PATH:
        s = h->path;
        break;
    case PROTOCOL:
        s = h->protocol;
        break;
    case STATUS:
        if (h->status)
            s = sp_str_n(buf, (size_t)snprintf(buf, 12, "%u", h->status));
        break;
    case NOT_PSEUDO:
        break;
    }
    return s.len ? s : SP_STR_NULL;
}

/* "-12", "+12", "12"; nothing else. */
static bool number(struct sp_str s, int64_t *ret)
{
    bool minus = s.len && s.ptr[0] == '-';
    uint64_t v;
    if (minus || (s.len && s.ptr[0] == '+'))
        s = sp_str_n(s.ptr + 1, s.len - 1);
    if (sp_str_u64(s, (uint64_t)INT64_MAX + minus, &v) < 0)
        return false;
    *ret = minus ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static bool value_matches(const struct sp_header_matcher *m, struct sp_str value, bool *ret_limit)
{
    int64_t n;
    switch ((enum kind)m->kind) {
    case PRESENT:
        return m->present;
    case RANGE:
        return number(value, &n) && n >= m->from && n < m->to;
    default:
        return m->any || sp_string_match_limited(m->string, value, ret_limit);
    }
}

static bool missing_matches(const struct sp_header_matcher *m, bool *ret_limit)
{
    if (m->missing_is_empty)
        return value_matches(m, SP_STR(""), ret_limit) != m->invert;
    /* Only presence is a statement about a header that is not there. */
    return m->kind == PRESENT && m->present == m->invert;
}

static const struct sp_header *next_line(const struct sp_header_matcher *m, const struct sp_headers *h,
                                         const struct sp_header *after)
{
    return m->id ? sp_headers_find_id(h, m->id, after) : sp_headers_find(h, m->name, after);
}

/* Not in the arena: each of ten thousand routes may ask for it. */
static bool joined_matches(const struct sp_header_matcher *m, const struct sp_headers *h, const struct sp_header *first,
                           bool *ret_limit)
{
    enum { ON_STACK = 2048 };
    char buf[ON_STACK], *p = buf;
    size_t n = 0, at = 0;
    for (const struct sp_header *l = first; l; l = next_line(m, h, l))
        n += l->value.len + 1;
    if (n > sizeof(buf))
        p = sp_xmalloc(n);
    for (const struct sp_header *l = first; l; l = next_line(m, h, l)) {
        if (l != first)
            p[at++] = ',';
        if (l->value.len)
            memcpy(p + at, l->value.ptr, l->value.len);
        at += l->value.len;
    }
    bool yes = value_matches(m, sp_str_n(p, at), ret_limit);
    if (p != buf)
        free(p);
    return yes;
}

static bool lines_match(const struct sp_header_matcher *m, const struct sp_headers *h, const struct sp_header *first,
                        bool *ret_limit)
{
    if (m->joined && next_line(m, h, first))
        return joined_matches(m, h, first, ret_limit);
    for (const struct sp_header *l = first; l; l = next_line(m, h, l))
        if (value_matches(m, l->value, ret_limit))
            return true;
    return false;
}

bool sp_header_match_limited(const struct sp_header_matcher *m, const struct sp_headers *h, bool *ret_limit)
{
    assert(m && h && ret_limit);
    bool yes, limit = false;
    char buf[12];
    if (m->pseudo) {
        struct sp_str value = pseudo_value(m, h, buf);
        yes = value.ptr ? value_matches(m, value, &limit) != m->invert : missing_matches(m, &limit);
    } else {
        const struct sp_header *line = next_line(m, h, NULL);
        yes = line ? lines_match(m, h, line, &limit) != m->invert : missing_matches(m, &limit);
    }
    *ret_limit |= limit;
    return yes && !limit;
}

bool sp_header_match(const struct sp_header_matcher *m, const struct sp_headers *h)
{
    bool limit = false;
    return sp_header_match_limited(m, h, &limit);
}
