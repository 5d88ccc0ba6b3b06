/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_redirect_policy: RouteAction.internal_redirect_policy compiled: which of an origin's redirects the gateway follows
 * itself, and to which of its routes.  What is followed, and how, is stream/stream_redirect.c's.  Pure; immutable, any
 * thread; part of the route table.
 */
#ifndef SP_ROUTE_INTERNAL_REDIRECT_H
#define SP_ROUTE_INTERNAL_REDIRECT_H

#include "route/route.h"

/* Envoy has no limit: but each redirect that is followed takes memory, until its request is over. */
enum { SP_REDIRECTS_MAX = 50 };

struct sp_redirect_names {
    const struct sp_str *v; /* n of them */
    unsigned n;
};

struct sp_redirect_policy {
    unsigned most;     /* max_internal_redirects */
    uint8_t codes;     /* the bit of a status is status - 301 */
    bool cross_scheme; /* allow_cross_scheme_redirect */
    bool safe_scheme, previous;             /* SafeCrossSchemeConfig, PreviousRoutesConfig */
    const struct sp_redirect_names *allowed; /* n_allowed of them, AllowListedRoutesConfig: in each is the route's name */
    unsigned n_allowed;
    struct sp_redirect_names copies;        /* response_headers_to_copy, lower-case */
};

/* Sets r->redirects, in the arena, if the action has a policy. False after an error. */
bool sp_redirect_policy_init(struct sp_route *r, const struct sp_route_build *b, struct sp_arena *arena,
                             const Envoy__Config__Route__V3__RouteAction *action);
/* Whether an answer of that status may be followed. `p` may be NULL. */
bool sp_redirect_policy_takes(const struct sp_redirect_policy *p, unsigned status);

/* Where a redirect leads. */
struct sp_redirect_target {
    struct sp_str scheme, authority, path; /* of the Location, or in the arena; the path begins with '/' */
    bool http;                             /* the scheme */
};
/* An absolute URL with a host; its fragment is left out. False: it is none that could be followed. */
bool sp_redirect_parse(struct sp_str location, struct sp_arena *arena, struct sp_redirect_target *ret);

/* The routes that a request was sent from and to, by name. */
struct sp_redirect_hop {
    const struct sp_redirect_hop *before;
    struct sp_str from, to;
};
/* Whether the policy's predicates accept a redirect from the route of name `from` to that of name `to`, after `hops`. */
bool sp_redirect_policy_accepts(const struct sp_redirect_policy *p, const struct sp_redirect_hop *hops, struct sp_str from, struct sp_str to,
                                bool from_http, bool to_http);

#endif
