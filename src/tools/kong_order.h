/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kong's order of routes, and how its hosts and paths become virtual hosts, matches and rewrites of Envoy's.  Facts from
 * Kong's documents and router (flavour traditional_compatible).  Pure.  Private to tools/kong* and tools/convert*.
 *
 * Kong asks the routes with the most kinds of criteria first (methods, hosts, headers, SNIs, paths); among these, those
 * whose hosts are all plain, then those with more headers, then expressions by regex_priority, then longer prefixes.  A
 * route with several paths counts once for each path.
 */
#ifndef SP_TOOLS_KONG_ORDER_H
#define SP_TOOLS_KONG_ORDER_H

#include "base/arena.h"

struct sp_kong_criteria {
    bool methods, hosts, headers, snis, path;
    bool plain_hosts;        /* there are hosts, none of them with a wildcard */
    unsigned n_headers;
    bool regex;              /* the path is an expression */
    uint32_t regex_priority;
    size_t path_len;         /* of a prefix */
};

/* The greater the earlier. */
uint64_t sp_kong_priority(const struct sp_kong_criteria *c);

/* Whether every request of a virtual host of domain `domain` has a host that `pattern` takes; "" and "*" are everything. */
bool sp_kong_covers(struct sp_str pattern, struct sp_str domain);
/* Some may, some may not: "api.*" within "*.example.com". Other pairs have virtual hosts of their own. */
bool sp_kong_overlaps(struct sp_str pattern, struct sp_str domain);

/* A path of a route: an expression begins with '~', before format 3.0 it has other characters than a path has. */
bool sp_kong_is_regex(struct sp_str path, bool old);
/* The text without '~'. */
struct sp_str sp_kong_regex(struct sp_str path);

/*
 * What becomes of a path that is matched (path_handling v0): `base` is the service's path, "" or without a trailing slash.
 * A prefix is one route, an expression one or two, in order.
 */
struct sp_kong_rewrite {
    enum { SP_KONG_PREFIX, SP_KONG_REGEX } kind;
    struct sp_str match;          /* prefix, or the whole expression */
    struct sp_str pattern, with;  /* regex_rewrite; empty: the path stays */
};
enum { SP_KONG_MAX_REWRITES = 2 };
unsigned sp_kong_rewrites(struct sp_arena *arena, struct sp_str path, bool regex, bool strip, struct sp_str base,
                          struct sp_kong_rewrite ret[static SP_KONG_MAX_REWRITES]);

/* `text` as an expression that matches it and nothing else. */
struct sp_str sp_kong_quoted(struct sp_arena *arena, struct sp_str text);

#endif
