/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiled Permissions or Principals (envoy.config.rbac.v3): a tree whose leaves look at a request.  Immutable, any
 * thread; owned by its policy.
 *
 * A leaf that cannot be decided (an expression at its limit, a CLIENT that could not be derived, metadata that cannot be
 * read) says so in the input and does not match; whoever asked then has to refuse, whatever the tree's result is.
 */
#ifndef SP_FILTERS_RBAC_RULE_H
#define SP_FILTERS_RBAC_RULE_H

#include "envoy/config/rbac/v3/rbac.pb-c.h"
#include "stream/metadata.h"
#include "stream/filter.h"

/* One request's decision. */
struct sp_rbac_input {
    const struct sp_headers *request;
    const struct sp_stream_info *info;
    struct sp_str path; /* without its query */
    struct sp_metadata_view metadata;
    bool undecided;
};

struct sp_rbac_rule;
/* Any of them. NULL after an error. */
struct sp_rbac_rule *sp_rbac_permissions_new(const struct sp_filter_build *build,
                                             Envoy__Config__Rbac__V3__Permission *const *list, size_t n);
struct sp_rbac_rule *sp_rbac_principals_new(const struct sp_filter_build *build,
                                            Envoy__Config__Rbac__V3__Principal *const *list, size_t n);
void sp_rbac_rule_free(struct sp_rbac_rule *r); /* NULL-safe */
bool sp_rbac_match(const struct sp_rbac_rule *r, struct sp_rbac_input *in);

#endif
