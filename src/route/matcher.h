/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiled matchers: StringMatcher, RegexMatcher (PCRE2 with JIT and a match limit, failing closed), HeaderMatcher,
 * QueryParameterMatcher, RouteMatch.  Compiled from the config, immutable, any thread; owned by whoever compiled them.
 * Regular expressions use Envoy's full-match semantics where Envoy does.
 */
#ifndef SP_ROUTE_MATCHER_H
#define SP_ROUTE_MATCHER_H

#include "base/regex.h"
#include "config/doc.h"
#include "envoy/config/route/v3/route_components.pb-c.h"
#include "envoy/type/matcher/v3/regex.pb-c.h"
#include "envoy/type/matcher/v3/string.pb-c.h"
#include "http/headers.h"

/*
 * Regular expressions (base/regex.h) from the config. NULL after an error in `diag`. `flags`: SP_REGEX_*.  The second also
 * checks the substitution.
 */
struct sp_regex *sp_regex_new_msg(const struct sp_doc *doc, struct sp_diag *diag,
                                  const Envoy__Type__Matcher__V3__RegexMatcher *msg, unsigned flags);
struct sp_regex *sp_regex_new_substitute(const struct sp_doc *doc, struct sp_diag *diag,
                                         const Envoy__Type__Matcher__V3__RegexMatchAndSubstitute *msg);

struct sp_string_matcher;
struct sp_string_matcher *sp_string_matcher_new(const struct sp_doc *doc, struct sp_diag *diag,
                                                const Envoy__Type__Matcher__V3__StringMatcher *msg);
void sp_string_matcher_free(struct sp_string_matcher *m);
/* An expression that hits its limit does not match. */
bool sp_string_match(const struct sp_string_matcher *m, struct sp_str text);
/* The same, and *ret_limit is set (never cleared) when the limit was hit. */
bool sp_string_match_limited(const struct sp_string_matcher *m, struct sp_str text, bool *ret_limit);

struct sp_header_matcher;
struct sp_header_matcher *sp_header_matcher_new(const struct sp_doc *doc, struct sp_diag *diag,
                                                const Envoy__Config__Route__V3__HeaderMatcher *msg);
void sp_header_matcher_free(struct sp_header_matcher *m);
/* An expression that hits its limit does not match, inverted or not. */
bool sp_header_match(const struct sp_header_matcher *m, const struct sp_headers *h);
/* The same, and *ret_limit is set (never cleared) when the limit was hit. */
bool sp_header_match_limited(const struct sp_header_matcher *m, const struct sp_headers *h, bool *ret_limit);

/* A RouteMatch on its own: jwt_authn's rules use it. */
struct sp_route_match;
struct sp_route_match *sp_route_match_new(const struct sp_doc *doc, struct sp_diag *diag,
                                          const Envoy__Config__Route__V3__RouteMatch *msg);
void sp_route_match_free(struct sp_route_match *m);
/*
 * `random`: a number that decides runtime_fraction.  *ret_limit is set (never cleared) when an expression hit its limit,
 * so that nobody can tell whether the rule was meant for this request: the caller then refuses it, it does not go on to
 * the next rule.
 */
bool sp_route_match(const struct sp_route_match *m, const struct sp_headers *h, uint64_t random, bool *ret_limit);

/* The same, slower, for tools that show why: the part that does not match, in the order in which they are asked. */
enum sp_route_part {
    SP_ROUTE_PART_NONE, /* all match */
    SP_ROUTE_PART_PATH,
    SP_ROUTE_PART_FRACTION,
    SP_ROUTE_PART_HEADER, /* *ret_index of the list */
    SP_ROUTE_PART_QUERY,
    SP_ROUTE_PART_LIMIT,  /* an expression gave up: the request gets no route */
};
enum sp_route_part sp_route_match_part(const struct sp_route_match *m, const struct sp_headers *h, uint64_t random,
                                       unsigned *ret_index);

#endif
