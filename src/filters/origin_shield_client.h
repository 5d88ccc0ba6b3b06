/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the client's address stands in a request that was proven to come from the CDN
 * (sallyport.filters.http.origin_shield.v1.ClientAddress).  Part of the shield's config: immutable, any thread.
 */
#ifndef SP_FILTERS_ORIGIN_SHIELD_CLIENT_H
#define SP_FILTERS_ORIGIN_SHIELD_CLIENT_H

#include "filters/origin_shield_proof.h"

enum sp_shield_client_kind {
    SP_SHIELD_CLIENT_NONE,
    SP_SHIELD_CLIENT_HEADER,
    SP_SHIELD_CLIENT_XFF,
    SP_SHIELD_CLIENT_PEER,
    SP_SHIELD_CLIENT_CIDRS,
};

struct sp_shield_client {
    enum sp_shield_client_kind kind;
    struct sp_proof_header header; /* HEADER */
    bool always_port;              /* HEADER: the value ends in ":port", also behind an IPv6 address without brackets */
    unsigned hops;                 /* XFF */
    struct sp_cidr_table *trusted; /* CIDRS */
};

/* `msg` may be NULL: NONE. False after an error. */
bool sp_shield_client_init(struct sp_shield_client *c, const struct sp_filter_build *build, struct sp_arena *arena,
                           const Sallyport__Filters__Http__OriginShield__V1__ClientAddress *msg);
void sp_shield_client_done(struct sp_shield_client *c);
/* Not for NONE. False when it is absent, there twice, or no address. */
bool sp_shield_client_find(const struct sp_shield_client *c, const struct sp_headers *h,
                           const struct sp_conn_info *conn, struct sp_addr *ret);

#endif
