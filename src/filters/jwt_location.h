/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a provider's tokens stand in a request (from_headers, from_params, from_cookies), how they are found, and how
 * they are taken out.  Part of the provider's config: immutable, any thread.
 */
#ifndef SP_FILTERS_JWT_LOCATION_H
#define SP_FILTERS_JWT_LOCATION_H

#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"
#include "http/headers.h"
#include "stream/filter.h"

struct sp_jwt_header {
    struct sp_str name, prefix; /* name: lower-case */
};

struct sp_jwt_locations {
    struct sp_jwt_header *headers;
    struct sp_str *params, *cookies;
    unsigned n_headers, n_params, n_cookies;
};

/* False after an error. All in `arena`. */
bool sp_jwt_locations_init(struct sp_jwt_locations *l, const struct sp_filter_build *build, struct sp_arena *arena,
                           const Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtProvider *msg);

enum sp_jwt_found { SP_JWT_FOUND_NONE, SP_JWT_FOUND_ONE, SP_JWT_FOUND_MANY };
/*
 * Looks at every place.  The same token in several places is one; different ones are MANY, for which of them an origin
 * would believe nobody knows (RFC 6750 section 2).
 */
enum sp_jwt_found sp_jwt_locate(const struct sp_jwt_locations *l, const struct sp_headers *h, struct sp_arena *arena,
                                struct sp_str *ret_token);
/* Takes out every header that carries a token, query parameter and cookie of these. */
void sp_jwt_remove(const struct sp_jwt_locations *l, struct sp_headers *h);

#endif
