/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_oidc: an issuer that describes itself (OpenID Connect Discovery 1.0 section 4, RFC 8414): its keys and endpoints, found
 * through sallyport.oidc.v1.Issuers of the bootstrap.  The prober fetches the description at start, again before it is too
 * old and after failures; what it last said holds while fetching fails.
 *
 * Believed is only what is the issuer's: the member issuer is compared byte for byte, URLs are https (unless allow_http) and
 * name the issuer's own host or one that the config gives a cluster to.
 *
 * Made while a config is compiled, owned by what was compiled (each of those fetches for itself), freed with it on the main
 * thread.
 */
#ifndef SP_FILTERS_OIDC_DISCOVERY_H
#define SP_FILTERS_OIDC_DISCOVERY_H

#include "filters/jwks_remote.h"
#include "sallyport/oidc/v1/oidc.pb-c.h"

/* What its user cannot do without: a description that lacks it is refused. */
enum sp_oidc_needs { SP_OIDC_KEYS = 1, SP_OIDC_INTROSPECTION = 2 };

/* What an issuer said, checked. Immutable. */
struct sp_oidc_facts {
    struct sp_arena arena;
    struct sp_fetch_target jwks, introspection; /* cluster NULL: not said, or not to be reached */
    unsigned algs; /* sp_jws_alg_bit of those that ID tokens have; 0: not said */
};

struct sp_oidc;

/* The bootstrap's Issuer of that name; NULL: there is none. */
const Sallyport__Oidc__V1__Issuer *sp_oidc_find(const struct sp_doc *doc, struct sp_str issuer);
/* Of a bootstrap extension: whether it is an Issuers; then errors for issuers that stand above already. */
bool sp_oidc_check(const struct sp_doc *doc, struct sp_diag *diag, const Google__Protobuf__Any *any);
/* NULL after an error. `label`: whose ("jwt_authn provider login"). With SP_OIDC_KEYS it fetches the keys too. */
struct sp_oidc *sp_oidc_new(const struct sp_filter_build *build, const Sallyport__Oidc__V1__Issuer *msg, unsigned needs,
                            struct sp_str label, const struct sp_jwks_stats *stats);
void sp_oidc_free(struct sp_oidc *o); /* NULL-safe */

/* Until the end of the turn; NULL: nothing was said yet. Any worker. */
const struct sp_oidc_facts *sp_oidc_facts(const struct sp_oidc *o);
/* With SP_OIDC_KEYS. */
struct sp_jwks_remote *sp_oidc_keys(const struct sp_oidc *o);

/*
 * Reads and checks a description. NULL: *ret_why says why not (static). For tests too.
 */
struct sp_oidc_facts *sp_oidc_read(const struct sp_oidc *o, struct sp_str text, const char **ret_why);
void sp_oidc_facts_free(struct sp_oidc_facts *f);

#endif
