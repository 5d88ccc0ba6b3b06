/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Claims sent upstream as headers.  Whatever clients send under their names is taken out of every request first: an
 * origin that reads such a header reads what was verified, or nothing.  Part of a filter's config: immutable, any
 * thread.
 */
#ifndef SP_FILTERS_CLAIM_HEADERS_H
#define SP_FILTERS_CLAIM_HEADERS_H

#include "base/json.h"
#include "stream/filter.h"

struct sp_claim_header {
    struct sp_str header; /* lower-case */
    struct sp_str claim;  /* sp_jwt_claim's path */
};

struct sp_claim_headers {
    struct sp_claim_header *v; /* n of them */
    unsigned n;
};

/*
 * A name in `arena`, lower-case, that a filter may write: a NULL slice, and an error, for those that frame a message,
 * name its target or belong to the connection.
 */
struct sp_str sp_claim_header_name(const struct sp_filter_build *build, struct sp_arena *arena, const void *msg,
                                   const char *field, const char *name);
/* Takes them out of a request's head or trailers, with those that are alike to CGI (x_user for x-user). */
void sp_claim_headers_sanitize(const struct sp_claim_headers *c, struct sp_headers *h);
/* Adds those that `claims` have and a header can carry; `component` is for the log. */
void sp_claim_headers_add(const struct sp_claim_headers *c, const json_t *claims, struct sp_headers *h, const char *component);

#endif
