/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_ip_gate: the accept-time gate (sallyport.filters.listener.ip_restriction.v1): which peers may connect at all.  A
 * refused peer is reset before a byte of it is read, or of what stands behind its PROXY header.  Part of a compiled listener: immutable, any thread.
 */
#ifndef SP_LISTENERS_IP_GATE_H
#define SP_LISTENERS_IP_GATE_H

#include "config/doc.h"
#include "net/address_set.h"
#include "net/sample.h"
#include "sallyport/filters/listener/ip_restriction/v1/ip_restriction.pb-c.h"
#include "stats/stats.h"

struct sp_ip_gate {
    struct sp_address_rules rules;
    bool shadow;
    bool peer;                          /* looks at PEER, once PROXY protocol has named it; else at SOCKET */
    struct sp_sample sample;
    struct sp_counter allowed, denied, shadow_denied;
};

/* False after an error; done either way. */
bool sp_ip_gate_init(struct sp_ip_gate *g, const struct sp_doc *doc, struct sp_diag *diag,
                     const Sallyport__Filters__Listener__IpRestriction__V1__IpRestriction *msg,
                     struct sp_stats_scope *listener_scope);
void sp_ip_gate_done(struct sp_ip_gate *g);
/* Counts and, when refused, logs; `where` is the listener's name. */
bool sp_ip_gate_admit(const struct sp_ip_gate *g, const struct sp_addr *peer, struct sp_str where);

#endif
