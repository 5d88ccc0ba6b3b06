/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What keeps pages of other sites in a browser from the admin page, wherever that is served.  Any thread.
 */
#ifndef SP_FILTERS_ADMIN_GUARD_H
#define SP_FILTERS_ADMIN_GUARD_H

#include "http/headers.h"
#include "net/addr.h"

/* A page of another site may make a browser post here; none of our own sends these headers from elsewhere. */
bool sp_admin_is_cross_site(const struct sp_headers *h);
/*
 * On the loopback no other name than localhost is of use, but to a page of a site whose name has been made to lead here
 * (DNS rebinding): to the browser all of it would be that site's own.
 */
bool sp_admin_is_rebound(const struct sp_addr *local, const struct sp_headers *h);

#endif
