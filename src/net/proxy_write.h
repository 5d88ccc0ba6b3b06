/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing a PROXY protocol header, version 1 or 2: for connections to origins that want to know whom we stand for.
 * Pure, any thread.
 */
#ifndef SP_NET_PROXY_WRITE_H
#define SP_NET_PROXY_WRITE_H

#include "net/addr.h"

enum { SP_PROXY_TLVS_MAX = 4000 }; /* bytes of `tlvs` */

/*
 * The header of a connection from `source` to `destination`, in `arena`. Either NULL or no IP address: a header that says
 * so (UNKNOWN, LOCAL), as for health checks, without `tlvs`. Of two families the IPv4 one is written as IPv4-mapped IPv6.
 * `tlvs`: of version 2, already encoded.
 */
struct sp_str sp_proxy_write(struct sp_arena *arena, unsigned version, const struct sp_addr *source,
                             const struct sp_addr *destination, struct sp_str tlvs);

#endif
