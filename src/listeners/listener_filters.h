/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A listener's own filters, compiled: ip_restriction (SOCKET before proxy_protocol, PEER behind it), proxy_protocol,
 * tls_inspector, local_ratelimit.  Private to listeners/.
 */
#ifndef SP_LISTENERS_LISTENER_FILTERS_H
#define SP_LISTENERS_LISTENER_FILTERS_H

#include "listeners/listener_impl.h"

/* False after an error. */
bool sp_listener_filters(struct sp_listener *l, const struct sp_listener_build *b,
                         const Envoy__Config__Listener__V3__Listener *msg);
/* At accept: what can be decided by the TCP peer. Counts and logs. */
bool sp_listener_admits_socket(const struct sp_listener *l, const struct sp_addr *socket);
/* Once PROXY protocol has named the peer: the rest. */
bool sp_listener_admits_peer(const struct sp_listener *l, const struct sp_addr *peer);

#endif
