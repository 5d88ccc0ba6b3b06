/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A part of a request that names somebody, a tenant above all (sallyport.filters.http.claims_authz.v1.RequestPart).  What
 * an origin could read otherwise than this door is no part: it equals nothing.  Part of a config: immutable, any thread.
 */
#ifndef SP_FILTERS_REQUEST_PART_H
#define SP_FILTERS_REQUEST_PART_H

#include "sallyport/filters/http/claims_authz/v1/claims_authz.pb-c.h"
#include "stream/filter.h"

enum sp_request_part_kind { SP_PART_PATH_SEGMENT, SP_PART_SUBDOMAIN, SP_PART_HEADER };

struct sp_request_part {
    enum sp_request_part_kind kind;
    unsigned segment;
    struct sp_str text; /* the domain or the header's name, lower-case */
};

/* False after an error; strings go into `arena`. */
bool sp_request_part_init(struct sp_request_part *p, const struct sp_filter_build *build, struct sp_arena *arena,
                          const Sallyport__Filters__Http__ClaimsAuthz__V1__RequestPart *msg);
/* Not empty; a NULL slice when there is no such part, or not one alone. */
struct sp_str sp_request_part_get(const struct sp_request_part *p, const struct sp_headers *h);

#endif
