/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The WWW-Authenticate header of a refusal (RFC 6750 section 3, with Envoy's realm).  A pure function.
 */
#ifndef SP_FILTERS_JWT_CHALLENGE_H
#define SP_FILTERS_JWT_CHALLENGE_H

#include "filters/jwt_requirement.h"

/* In the request's arena. `missing`: there was no token, which is no error. */
struct sp_str sp_jwt_challenge(const struct sp_jwt_providers *all, const struct sp_headers *h, bool missing);

#endif
