/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_criteria: what a request asks of the hosts that may serve it, by their metadata under "envoy.lb": metadata_match of its route and
 * weighted cluster, and what filters left as dynamic metadata of that name.  Values are texts of JSON in one form
 * (config/struct_json.h).  Immutable; in the arena of the route table, or of the request.
 */
#ifndef SP_ROUTE_CRITERIA_H
#define SP_ROUTE_CRITERIA_H

#include "base/arena.h"
#include "envoy/config/core/v3/base.pb-c.h"

#define SP_CRITERIA_NS "envoy.lb"

enum {
    SP_CRITERIA_MOST = 32,       /* what is more is left out, so that nothing matches */
    SP_CRITERIA_LIST_MOST = 32,  /* of fallback_list */
};

struct sp_criterion {
    struct sp_str key, json;
    uint64_t hash; /* of both */
};

struct sp_criteria {
    struct sp_criterion *v; /* n of them, by key */
    unsigned n;
    /* Where there is a "fallback_list": the rest with each of its objects over it, in order. */
    bool has_list;
    struct sp_criteria *list; /* n_list of them; none: the rest alone is list[0], and n_list is 1 */
    unsigned n_list;
};

void sp_criterion_init(struct sp_criterion *c, struct sp_str key, struct sp_str json);
/* How they stand in a list: negative, 0, positive. */
int sp_criterion_cmp(const struct sp_criterion *a, const struct sp_criterion *b);
/* Those of the struct, by key. In the arena. */
struct sp_criterion *sp_criteria_read(struct sp_arena *arena, const Google__Protobuf__Struct *s);

/*
 * `more` (n, in any order, each key once) over `base` (NULL: none). In the arena, which the texts have to live as long as.
 */
const struct sp_criteria *sp_criteria_over(struct sp_arena *arena, const struct sp_criteria *base, const struct sp_criterion *more,
                                           unsigned n);
/* Those of msg (NULL: none) over `base`; NULL when there are none at all. */
const struct sp_criteria *sp_criteria_new(struct sp_arena *arena, const struct sp_criteria *base,
                                          const Envoy__Config__Core__V3__Metadata *msg);
/* The struct of that name; NULL: there is none. */
const Google__Protobuf__Struct *sp_metadata_struct(const Envoy__Config__Core__V3__Metadata *msg, struct sp_str ns);

#endif
