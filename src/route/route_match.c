/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RouteMatch and QueryParameterMatcher. */
#include "route/route_match.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

typedef Envoy__Config__Route__V3__RouteMatch RouteMatch;
typedef Envoy__Config__Route__V3__QueryParameterMatcher QueryParameterMatcher;
#define PATH(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_##name
#define QUERY(name) ENVOY__CONFIG__ROUTE__V3__QUERY_PARAMETER_MATCHER__QUERY_PARAMETER_MATCH_SPECIFIER_##name

struct sp_query_matcher {
    struct sp_str name; /* its own memory */
    bool present;       /* without string: whether it has to be there */
    struct sp_string_matcher *string;
};

struct sp_cookie_matcher {
    struct sp_str name; /* its own memory */
    struct sp_string_matcher *string;
    bool invert;
};

struct build {
    const struct sp_doc *doc;
    struct sp_diag *diag;
    const RouteMatch *msg;
};

static void literal(struct sp_route_match *m, const struct build *b, enum sp_path_kind kind, const char *field,
                    const char *text)
{
    m->kind = kind;
    m->text = sp_str_c(sp_xstrdup(text));
    if (text[strcspn(text, "?#")])
        sp_doc_warn(b->doc, b->diag, b->msg, field, -1, "no request can match: what is matched is the path without its "
                                                        "query (match that with query_parameters)");
    else if (*text && *text != '/' && strcmp(text, "*") != 0)
        sp_doc_warn(b->doc, b->diag, b->msg, field, -1, "no request can match: every path but \"*\" begins with '/'");
}

static bool path(struct sp_route_match *m, const struct build *b)
{
    switch (b->msg->path_specifier_case) {
    case PATH(PREFIX):
        literal(m, b, SP_PATH_PREFIX, "prefix", b->msg->prefix);
        return true;
    case PATH(PATH):
        literal(m, b, SP_PATH_EXACT, "path", b->msg->path);
        return true;
    case PATH(PATH_SEPARATED_PREFIX):
        literal(m, b, SP_PATH_SEPARATED, "path_separated_prefix", b->msg->path_separated_prefix);
        return true;
    case PATH(SAFE_REGEX):
        m->kind = SP_PATH_REGEX;
        m->regex = sp_regex_new_msg(b->doc, b->diag, b->msg->safe_regex, 0);
        return m->regex != NULL;
    case PATH(CONNECT_MATCHER):
        m->kind = SP_PATH_CONNECT;
        return true;
    default:
        sp_doc_err(b->doc, b->diag, b->msg, NULL, -1,
                   "one of these is required: prefix, path, path_separated_prefix, safe_regex, connect_matcher");
        return false;
    }
}

static bool headers(struct sp_route_match *m, const struct build *b)
{
    bool good = true;
    m->headers = sp_xcalloc(b->msg->n_headers + 1, sizeof(*m->headers));
    for (size_t i = 0; i < b->msg->n_headers; i++) {
        struct sp_header_matcher *h = sp_header_matcher_new(b->doc, b->diag, b->msg->headers[i]);
        good = good && h;
        if (h)
            m->headers[m->n_headers++] = h;
    }
    return good;
}

static bool query(struct sp_route_match *m, const struct build *b)
{
    bool good = true;
    m->query = sp_xcalloc(b->msg->n_query_parameters + 1, sizeof(*m->query));
    for (size_t i = 0; i < b->msg->n_query_parameters; i++) {
        const QueryParameterMatcher *msg = b->msg->query_parameters[i];
        struct sp_query_matcher *q = &m->query[m->n_query++];
        q->name = sp_str_c(sp_xstrdup(msg->name));
        q->present = msg->query_parameter_match_specifier_case != QUERY(PRESENT_MATCH) || msg->present_match;
        if (msg->query_parameter_match_specifier_case != QUERY(STRING_MATCH))
            continue;
        q->string = sp_string_matcher_new(b->doc, b->diag, msg->string_match);
        good = good && q->string;
    }
    return good;
}

static bool cookies(struct sp_route_match *m, const struct build *b)
{
    bool good = true;
    m->cookies = sp_xcalloc(b->msg->n_cookies + 1, sizeof(*m->cookies));
    for (size_t i = 0; i < b->msg->n_cookies; i++) {
        struct sp_cookie_matcher *c = &m->cookies[m->n_cookies++];
        c->name = sp_str_c(sp_xstrdup(b->msg->cookies[i]->name));
        c->invert = b->msg->cookies[i]->invert_match;
        c->string = sp_string_matcher_new(b->doc, b->diag, b->msg->cookies[i]->string_match);
        good = good && c->string;
    }
    return good;
}

static int8_t asked(const Google__Protobuf__BoolValue *v)
{
    return v ? v->value : -1;
}

static void fraction(struct sp_route_match *m, const struct build *b)
{
    static const uint32_t denominators[] = {100, 10000, 1000000};
    const Envoy__Type__V3__FractionalPercent *f = b->msg->runtime_fraction->default_value;
    m->numerator = f->numerator;
    m->denominator = denominators[f->denominator];
    if (m->numerator > m->denominator)
        sp_doc_warn(b->doc, b->diag, f, "numerator", -1, "more than the denominator (%u): all requests match",
                    m->denominator);
}

struct sp_route_match *sp_route_match_new(const struct sp_doc *doc, struct sp_diag *diag, const RouteMatch *msg)
{
    assert(doc && diag && msg);
    struct build b = {doc, diag, msg};
    struct sp_route_match *m = sp_xcalloc(1, sizeof(*m));
    bool good = path(m, &b);
    good = headers(m, &b) && good;
    good = query(m, &b) && good;
    if (msg->runtime_fraction)
        fraction(m, &b);
    m->icase = msg->case_sensitive && !msg->case_sensitive->value;
    good = cookies(m, &b) && good;
    m->grpc = msg->grpc != NULL;
    m->presented = asked(msg->tls_context ? msg->tls_context->presented : NULL);
    m->validated = asked(msg->tls_context ? msg->tls_context->validated : NULL);
    m->any = !m->n_headers && !m->n_query && !m->denominator && !m->n_cookies && !m->grpc && m->presented < 0 &&
             m->validated < 0;
    if (good)
        return m;
    sp_route_match_free(m);
    return NULL;
}

void sp_route_match_free(struct sp_route_match *m)
{
    if (!m)
        return;
    for (unsigned i = 0; i < m->n_headers; i++)
        sp_header_matcher_free(m->headers[i]);
    for (unsigned i = 0; i < m->n_query; i++) {
        free((char *)(uintptr_t)m->query[i].name.ptr);
        sp_string_matcher_free(m->query[i].string);
    }
    for (unsigned i = 0; i < m->n_cookies; i++) {
        free((char *)(uintptr_t)m->cookies[i].name.ptr);
        sp_string_matcher_free(m->cookies[i].string);
    }
    free(m->cookies);
    free(m->headers);
    free(m->query);
    free((char *)(uintptr_t)m->text.ptr);
    sp_regex_free(m->regex);
    free(m);
}

struct sp_str sp_path_only(struct sp_str p)
{
    /* Two scans by memchr beat one by hand. */
    const char *end = p.len ? memchr(p.ptr, '?', p.len) : NULL;
    if (end)
        p.len = (size_t)(end - p.ptr);
    end = p.len ? memchr(p.ptr, '#', p.len) : NULL;
    if (end)
        p.len = (size_t)(end - p.ptr);
    return p;
}

bool sp_route_match_path(const struct sp_route_match *m, struct sp_str p, bool *ret_limit)
{
    assert(m && ret_limit);
    bool limit, yes;
    switch (m->kind) {
    case SP_PATH_EXACT:
        return m->icase ? sp_str_ieq(p, m->text) : sp_str_eq(p, m->text);
    case SP_PATH_CONNECT:
        return false;
    case SP_PATH_PREFIX:
    case SP_PATH_SEPARATED:
        yes = m->icase ? sp_str_istarts(p, m->text) : sp_str_starts(p, m->text);
        return yes && (m->kind == SP_PATH_PREFIX || p.len == m->text.len || p.ptr[m->text.len] == '/');
    default:
        yes = sp_regex_full_match(m->regex, p, &limit);
        *ret_limit |= limit;
        return yes;
    }
}

/* The first one of that name, its value as written; a NULL slice when there is none. "a" and "a=" are both empty. */
static struct sp_str parameter(struct sp_str all, struct sp_str name)
{
    struct sp_str item;
    while (sp_str_split(&all, '&', &item)) {
        ptrdiff_t eq = sp_str_chr(item, '=');
        if (eq < 0 && item.len && sp_str_eq(item, name))
            return SP_STR("");
        if (eq >= 0 && sp_str_eq(sp_str_n(item.ptr, (size_t)eq), name))
            return sp_str_n(item.ptr + eq + 1, item.len - (size_t)eq - 1);
    }
    return SP_STR_NULL;
}

struct sp_str sp_query_parameter(struct sp_str path, struct sp_str name)
{
    ptrdiff_t mark = sp_str_chr(path, '?');
    return mark < 0 ? SP_STR_NULL : parameter(sp_str_n(path.ptr + mark + 1, path.len - (size_t)mark - 1), name);
}

/* The first parameter that does not match; n_query: all do. */
static unsigned query_matches(const struct sp_route_match *m, struct sp_str p, bool *ret_limit)
{
    ptrdiff_t mark = sp_str_chr(p, '?');
    struct sp_str all = mark < 0 ? SP_STR_NULL : sp_str_n(p.ptr + mark + 1, p.len - (size_t)mark - 1);
    for (unsigned i = 0; i < m->n_query; i++) {
        const struct sp_query_matcher *q = &m->query[i];
        struct sp_str value = parameter(all, q->name);
        if ((value.ptr != NULL) != q->present)
            return i;
        if (q->string && !sp_string_match_limited(q->string, value, ret_limit))
            return i;
    }
    return m->n_query;
}

struct sp_str sp_request_cookie(const struct sp_headers *h, struct sp_str name)
{
    for (struct sp_header *line = NULL; (line = sp_headers_find_id(h, SP_H_COOKIE, line)) != NULL;) {
        struct sp_str all = line->value, item;
        while (sp_str_split(&all, ';', &item)) {
            item = sp_str_trim(item);
            ptrdiff_t eq = sp_str_chr(item, '=');
            if (eq < 0 || !sp_str_eq(sp_str_n(item.ptr, (size_t)eq), name))
                continue;
            struct sp_str value = sp_str_n(item.ptr + eq + 1, item.len - (size_t)eq - 1);
            if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
                value = sp_str_n(value.ptr + 1, value.len - 2);
            return value;
        }
    }
    return SP_STR_NULL;
}

static bool cookies_match(const struct sp_route_match *m, const struct sp_headers *h, bool *ret_limit)
{
    for (unsigned i = 0; i < m->n_cookies; i++) {
        const struct sp_cookie_matcher *c = &m->cookies[i];
        struct sp_str value = sp_request_cookie(h, c->name);
        bool limit = false, yes = value.ptr && sp_string_match_limited(c->string, value, &limit);
        *ret_limit |= limit;
        if (limit || yes == c->invert)
            return false;
    }
    return true;
}

static bool is_grpc(const struct sp_headers *h)
{
    struct sp_str type = sp_headers_get_id(h, SP_H_CONTENT_TYPE), grpc = SP_STR("application/grpc");
    return sp_str_istarts(type, grpc) && (type.len == grpc.len || type.ptr[grpc.len] == '+' || type.ptr[grpc.len] == ';');
}

/* What is asked of a certificate, where one was not asked for, is no match. */
static bool certificate_matches(const struct sp_route_match *m, const struct sp_headers *h)
{
    return (m->presented < 0 || h->cert_presented == (m->presented == 1)) &&
           (m->validated < 0 || h->cert_validated == (m->validated == 1));
}

bool sp_route_match_rest(const struct sp_route_match *m, const struct sp_headers *h, uint64_t random, bool *ret_limit)
{
    assert(m && h && ret_limit);
    if (m->denominator && random % m->denominator >= m->numerator)
        return false;
    for (unsigned i = 0; i < m->n_headers; i++)
        if (!sp_header_match_limited(m->headers[i], h, ret_limit))
            return false;
    if ((m->grpc && !is_grpc(h)) || !certificate_matches(m, h) || (m->n_cookies && !cookies_match(m, h, ret_limit)))
        return false;
    return !m->n_query || query_matches(m, h->path, ret_limit) == m->n_query;
}

/* As in Envoy: only CONNECT has no path, and that needs a matcher of its own. */
static bool path_matches(const struct sp_route_match *m, const struct sp_headers *h, bool *ret_limit)
{
    if (m->kind == SP_PATH_CONNECT)
        return sp_is_connect(h);
    return h->path.len && sp_route_match_path(m, sp_path_only(h->path), ret_limit);
}

bool sp_route_match(const struct sp_route_match *m, const struct sp_headers *h, uint64_t random, bool *ret_limit)
{
    assert(m && h && ret_limit);
    return path_matches(m, h, ret_limit) && sp_route_match_rest(m, h, random, ret_limit);
}

static enum sp_route_part part_of(const struct sp_route_match *m, const struct sp_headers *h, uint64_t random,
                                  unsigned *ret_index, bool *ret_limit)
{
    if (!path_matches(m, h, ret_limit))
        return SP_ROUTE_PART_PATH;
    if (m->denominator && random % m->denominator >= m->numerator)
        return SP_ROUTE_PART_FRACTION;
    for (*ret_index = 0; *ret_index < m->n_headers; ++*ret_index)
        if (!sp_header_match_limited(m->headers[*ret_index], h, ret_limit))
            return SP_ROUTE_PART_HEADER;
    *ret_index = query_matches(m, h->path, ret_limit);
    return *ret_index < m->n_query ? SP_ROUTE_PART_QUERY : SP_ROUTE_PART_NONE;
}

enum sp_route_part sp_route_match_part(const struct sp_route_match *m, const struct sp_headers *h, uint64_t random,
                                       unsigned *ret_index)
{
    assert(m && h && ret_index);
    bool limit = false;
    enum sp_route_part part = part_of(m, h, random, ret_index, &limit);
    return limit ? SP_ROUTE_PART_LIMIT : part;
}

size_t sp_route_match_length(const struct sp_route_match *m, struct sp_str p)
{
    assert(m);
    size_t n = m->kind == SP_PATH_REGEX ? sp_path_only(p).len : m->text.len;
    return SP_MIN(n, p.len);
}
