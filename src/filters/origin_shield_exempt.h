/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that origin_shield lets be without proof (sallyport.filters.http.origin_shield.v1.Exemption): health probes.
 * Part of the shield's config: immutable, any thread.
 */
#ifndef SP_FILTERS_ORIGIN_SHIELD_EXEMPT_H
#define SP_FILTERS_ORIGIN_SHIELD_EXEMPT_H

#include "net/address_set.h"
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"
#include "stream/filter.h"

struct sp_shield_exemption {
    struct sp_str path;
    struct sp_address_set *peers;
    bool forward;
};

/* False after an error; sp_shield_exemption_done is owed all the same. */
bool sp_shield_exemption_init(struct sp_shield_exemption *e, const struct sp_filter_build *build,
                              struct sp_arena *arena, const Sallyport__Filters__Http__OriginShield__V1__Exemption *msg);
void sp_shield_exemption_done(struct sp_shield_exemption *e);
/* GET or HEAD, this very request target, from one of these TCP peers. */
bool sp_shield_exemption_match(const struct sp_shield_exemption *e, const struct sp_headers *h,
                               const struct sp_stream_info *info);

#endif
