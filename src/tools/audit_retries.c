/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that an origin may get twice. */
#include "tools/audit_look.h"

typedef Envoy__Config__Route__V3__RouteAction Action;
typedef Envoy__Config__Route__V3__RetryPolicy Policy;
typedef Envoy__Config__Route__V3__HeaderMatcher HeaderMatcher;

#define HEADER(name) ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_##name
#define STRING(name) ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_##name

/* The first condition that sends again what an origin may have acted on; empty: none does. */
static struct sp_str sends_again(const Policy *p)
{
    static const char *const safe[] = {"connect-failure", "refused-stream", "reset-before-request"};
    struct sp_str rest = sp_str_c(p->retry_on), term;
    while (sp_str_split(&rest, ',', &term)) {
        term = sp_str_trim(term);
        bool harmless = !term.len;
        for (size_t i = 0; !harmless && i < SP_ARRAY_LEN(safe); i++)
            harmless = sp_str_eq(term, sp_str_c(safe[i]));
        if (!harmless)
            return term;
    }
    return SP_STR("");
}

/* RFC 9110 section 9.2.2. */
static bool is_idempotent(struct sp_str method)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
    for (size_t i = 0; i < SP_ARRAY_LEN(methods); i++)
        if (sp_str_eq(method, sp_str_c(methods[i])))
            return true;
    return false;
}

/* "GET|HEAD", perhaps in parentheses. */
static bool alternatives(struct sp_str regex)
{
    while (regex.len && strchr("^(", regex.ptr[0]))
        regex = sp_str_sub(regex, 1, regex.len);
    while (regex.len && strchr("$)", regex.ptr[regex.len - 1]))
        regex = sp_str_sub(regex, 0, regex.len - 1);
    struct sp_str one;
    bool some = false;
    while (sp_str_split(&regex, '|', &one)) {
        if (!is_idempotent(one))
            return false;
        some = true;
    }
    return some;
}

static bool by_text(const Envoy__Type__Matcher__V3__StringMatcher *m)
{
    if (m->match_pattern_case == STRING(EXACT))
        return is_idempotent(sp_str_c(m->exact));
    return m->match_pattern_case == STRING(SAFE_REGEX) && alternatives(sp_str_c(m->safe_regex->regex));
}

/* It matches idempotent methods only. */
static bool by_method(const HeaderMatcher *m)
{
    if (strcmp(m->name, ":method") != 0 || m->invert_match)
        return false;
    switch (m->header_match_specifier_case) {
    case HEADER(STRING_MATCH):
        return by_text(m->string_match);
    case HEADER(EXACT_MATCH):
        return is_idempotent(sp_str_c(m->exact_match));
    case HEADER(SAFE_REGEX_MATCH):
        return alternatives(sp_str_c(m->safe_regex_match->regex));
    default:
        return false;
    }
}

static bool idempotent_only(const sp_look_route *r, const Policy *p)
{
    for (size_t i = 0; r->match && i < r->match->n_headers; i++) /* all have to match */
        if (by_method(r->match->headers[i]))
            return true;
    bool all = p->n_retriable_request_headers > 0; /* any of them */
    for (size_t i = 0; i < p->n_retriable_request_headers; i++)
        all = all && by_method(p->retriable_request_headers[i]);
    return all;
}

static bool found(struct sp_audit *a, const sp_look_route *r, const Policy *p)
{
    struct sp_str term = sends_again(p);
    bool never = p->num_retries && !p->num_retries->value;
    if (never || !term.len || idempotent_only(r, p))
        return false;
    sp_audit_found(a, p, "retry_on", -1, "a POST that an origin has acted on may be sent to another one: \"%.*s\" tries again what was sent",
                   SP_STR_ARG(term));
    return true;
}

/* What the virtual host says is one finding, however many routes it holds for. */
static void twice(struct sp_audit *a, const struct sp_look_chain *c, const sp_look_vhost *v)
{
    (void)c;
    bool told = false;
    for (size_t i = 0; i < v->n_routes; i++) {
        const Action *action = sp_look_action(v->routes[i]);
        if (!action)
            continue;
        if (action->retry_policy)
            found(a, v->routes[i], action->retry_policy);
        else if (v->retry_policy && !told)
            told = found(a, v->routes[i], v->retry_policy);
    }
}

static const struct sp_audit_check checks[] = {
    {"retry-sends-twice", SP_AUDIT_MEDIUM, "a request that is not idempotent may be sent to origins twice",
     "name connect-failure,refused-stream,reset-before-request only, or let the route match :method of GET and HEAD", SP_CONTROL_TWICE, .vhost = twice},
};

const struct sp_audit_area sp_audit_retries = {"Retries", checks, SP_ARRAY_LEN(checks)};
