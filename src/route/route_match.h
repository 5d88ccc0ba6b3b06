/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of sp_route_match (route/matcher.h), for this directory only: the path's part and the rest stand apart, since
 * a table finds routes by path through an index (route/path_index.h) and then asks for the rest only.
 */
#ifndef SP_ROUTE_ROUTE_MATCH_H
#define SP_ROUTE_ROUTE_MATCH_H

#include "route/matcher.h"

enum sp_path_kind { SP_PATH_PREFIX, SP_PATH_EXACT, SP_PATH_SEPARATED, SP_PATH_REGEX, SP_PATH_CONNECT /* no path: CONNECT */ };

struct sp_query_matcher;
struct sp_cookie_matcher;

struct sp_route_match {
    enum sp_path_kind kind;
    bool icase;
    bool any;            /* nothing but the path decides */
    struct sp_str text;  /* the path or prefix as written; its own memory */
    struct sp_regex *regex;
    struct sp_header_matcher **headers;
    unsigned n_headers;
    struct sp_query_matcher *query;
    unsigned n_query;
    struct sp_cookie_matcher *cookies;
    unsigned n_cookies;
    bool grpc;               /* gRPC requests only */
    int8_t presented, validated; /* of the client's certificate: 1, 0, or -1: not asked */
    uint32_t numerator, denominator; /* runtime_fraction; denominator 0: none */
};

/* The first of a name; a NULL slice when there is none. The value stays as written, but for quotes of a cookie's. */
struct sp_str sp_request_cookie(const struct sp_headers *h, struct sp_str name);
struct sp_str sp_query_parameter(struct sp_str path, struct sp_str name);
/* A path up to its query or fragment. */
struct sp_str sp_path_only(struct sp_str path);
/* `path` as sp_path_only gives it. */
bool sp_route_match_path(const struct sp_route_match *m, struct sp_str path, bool *ret_limit);
/* Everything but the path. */
bool sp_route_match_rest(const struct sp_route_match *m, const struct sp_headers *h, uint64_t random, bool *ret_limit);
/* How many bytes of a path that matches prefix_rewrite replaces. */
size_t sp_route_match_length(const struct sp_route_match *m, struct sp_str path);

#endif
