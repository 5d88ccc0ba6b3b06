/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_proxy_gate: the PROXY protocol at a listener (envoy.extensions.filters.listener.proxy_protocol.v3): required, or
 * optional with allow_requests_without_proxy_protocol.  Part of a compiled listener: immutable, any thread.
 */
#ifndef SP_LISTENERS_PROXY_GATE_H
#define SP_LISTENERS_PROXY_GATE_H

#include "config/doc.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb-c.h"
#include "net/proxy_protocol.h"
#include "stats/stats.h"

struct sp_proxy_gate {
    bool set;      /* false: the listener has none; the protocol is not spoken */
    bool optional;
    bool disallowed[3]; /* by version */
    struct sp_counter found[3], refused[3], error[3], not_found_allowed, not_found_disallowed, any_error;
};

/* False after an error. */
bool sp_proxy_gate_init(struct sp_proxy_gate *g, const struct sp_doc *doc, struct sp_diag *diag,
                        const Envoy__Extensions__Filters__Listener__ProxyProtocol__V3__ProxyProtocol *msg);
/*
 * Reads the header at the beginning of `in` and takes it off. 1: go on, *ret says what it was (version 0: there was
 * none); 0: more is needed; -1: refused, counted, *ret_why (static) says why.
 */
int sp_proxy_gate_read(const struct sp_proxy_gate *g, struct sp_buf *in, struct sp_proxy_header *ret,
                       const char **ret_why);

#endif
