/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/admin_guard.h"

bool sp_admin_is_cross_site(const struct sp_headers *h)
{
    struct sp_str site = sp_headers_get(h, SP_STR("sec-fetch-site")), origin = sp_headers_get_id(h, SP_H_ORIGIN);
    if (site.ptr)
        return !sp_str_eq(site, SP_STR("same-origin")) && !sp_str_eq(site, SP_STR("none"));
    ptrdiff_t slashes = sp_str_find(origin, SP_STR("://"));
    return origin.ptr && (slashes < 0 || !sp_str_eq(sp_str_sub(origin, (size_t)slashes + 3, origin.len), h->authority));
}

static bool names_this_machine(struct sp_str authority)
{
    struct sp_addr addr;
    ptrdiff_t colon = sp_str_chr(authority, ':');
    struct sp_str host = sp_str_starts(authority, SP_STR("[")) || colon < 0 ? authority
                                                                             : sp_str_sub(authority, 0, (size_t)colon);
    if (sp_str_starts(host, SP_STR("[")))
        return true; /* an address: sp_authority_valid saw to it */
    return sp_str_ieq(host, SP_STR("localhost")) || sp_addr_parse_ip(host, &addr) == 0;
}

bool sp_admin_is_rebound(const struct sp_addr *local, const struct sp_headers *h)
{
    return (local->family == AF_INET || local->family == AF_INET6) && sp_addr_is_loopback(local) && !names_this_machine(h->authority);
}
