/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_rewrite: what a route does to path and host before a request goes on, and where a redirect leads (sp_route.priv).
 * Made with its route, immutable, any thread.
 */
#ifndef SP_ROUTE_REWRITE_H
#define SP_ROUTE_REWRITE_H

#include "route/route.h"

enum { SP_REWRITE_PATH_MAX = 65536 };

struct sp_redirect {
    struct sp_str scheme, host, port, path; /* empty: the request's; port with its ':' */
    bool https, strip_query, path_has_query;
    unsigned status;
};

struct sp_rewrite {
    const struct sp_route_match *match;
    struct sp_str prefix; /* replaces what was matched; empty: no */
    struct sp_regex *regex; /* or replaces within the path */
    struct sp_str regex_with;
    struct sp_regex *host_path_regex;
    struct sp_str host_path_with;
    struct sp_redirect redirect;
};

/* Each: false after an error. Texts are copied into `arena`. */
bool sp_rewrite_action(struct sp_rewrite *w, const struct sp_route_build *b, struct sp_arena *arena,
                       const Envoy__Config__Route__V3__RouteAction *msg);
bool sp_rewrite_redirect(struct sp_rewrite *w, const struct sp_route_build *b, struct sp_arena *arena,
                         const Envoy__Config__Route__V3__RedirectAction *msg);
void sp_rewrite_done(struct sp_rewrite *w);

/* The rewritten path in `arena`, `path` itself when nothing is to be done; a NULL slice when it failed. */
struct sp_str sp_rewrite_path(const struct sp_rewrite *w, struct sp_str path, struct sp_arena *arena);

#endif
