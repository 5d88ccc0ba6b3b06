/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A compiled Requirement (sallyport.filters.http.claims_authz.v1): a tree over the claims of a verified token, without a
 * "not", so that what is missing or of another type can only refuse.  Lives in its config's arena: immutable, any thread.
 */
#ifndef SP_FILTERS_CLAIMS_RULE_H
#define SP_FILTERS_CLAIMS_RULE_H

#include "base/json.h"
#include "filters/request_part.h"

/* Which claims hold what: of the filter, for its routes too. */
struct sp_claims_names {
    struct sp_str *scopes, *roles, *groups;
    unsigned n_scopes, n_roles, n_groups;
    struct sp_str tenant;
};

struct sp_claims_rule;
/* NULL after an error. `names` lives as long as the rule. */
struct sp_claims_rule *sp_claims_rule_new(const struct sp_filter_build *build, struct sp_arena *arena,
                                          const struct sp_claims_names *names,
                                          const Sallyport__Filters__Http__ClaimsAuthz__V1__Requirement *msg);

enum { SP_CLAIMS_MAX_MISSING = 16 }; /* more are not named */

/* What stands between the claims and the requirement. */
struct sp_claims_missing {
    struct sp_str scopes[SP_CLAIMS_MAX_MISSING]; /* for WWW-Authenticate */
    struct sp_str what[SP_CLAIMS_MAX_MISSING];   /* for the log: "scope:orders:read", "role:admin", "tenant" */
    unsigned n_scopes, n_what;
    bool other; /* more than scopes */
};

/* Whether the claims, an object, meet it; if not, *ret says what is missing, of several ways the first that scopes open. */
bool sp_claims_rule_met(const struct sp_claims_rule *r, const json_t *claims, const struct sp_headers *request,
                        struct sp_claims_missing *ret);

#endif
