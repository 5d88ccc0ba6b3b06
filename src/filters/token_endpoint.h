/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The introspection endpoint as token_introspection's config names it: where it is, and how it knows us (RFC 6749
 * section 2.3.1, RFC 7523 section 2.2, RFC 8705 section 2).  Part of the filter's config: immutable but for its secret,
 * which is read anew when its file changes; any thread.
 */
#ifndef SP_FILTERS_TOKEN_ENDPOINT_H
#define SP_FILTERS_TOKEN_ENDPOINT_H

#include "config/live.h"
#include "filters/oidc_discovery.h"
#include "filters/token_status.h"
#include "sallyport/filters/http/token_introspection/v1/token_introspection.pb-c.h"
#include "stream/filter.h"

struct sp_token_endpoint {
    struct sp_str name;            /* for logs: the URI, or the issuer */
    struct sp_fetch_target target; /* unless an issuer names it */
    struct sp_oidc *oidc;          /* that issuer, or NULL */
    struct sp_jwks_stats discovery;
    uint64_t timeout_ns;           /* of one try */
    int method;          /* ClientAuth's method_case */
    struct sp_str client_id;
    struct sp_live *secret; /* of basic, post, bearer, private_key_jwt */
    struct sp_str alg, key_id, audience;
    int64_t lifetime; /* of an assertion, seconds */
};

/* False after an error; sp_token_endpoint_done is owed all the same. `arena`: the config's. */
bool sp_token_endpoint_init(struct sp_token_endpoint *e, const struct sp_filter_build *build, struct sp_arena *arena,
                            const Sallyport__Filters__Http__TokenIntrospection__V1__TokenIntrospection *msg);
void sp_token_endpoint_done(struct sp_token_endpoint *e);
/*
 * A request about `token`, and the cluster to send it to; what it refers to lives in `arena`, which is wiped
 * afterwards. SP_TOKEN_OK, SP_TOKEN_NO_CREDENTIALS or SP_TOKEN_NO_ENDPOINT.  `now`: Unix seconds.
 */
enum sp_token_status sp_token_endpoint_request(const struct sp_token_endpoint *e, struct sp_str token, int64_t now,
                                               struct sp_arena *arena, struct sp_http_request *ret,
                                               struct sp_cluster **ret_cluster);

#endif
