/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding one's way in a config, for the checks of `sallyport audit`.  Private to tools/audit*.  Pure, one thread. */
#ifndef SP_TOOLS_AUDIT_LOOK_H
#define SP_TOOLS_AUDIT_LOOK_H

#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"
#include "tools/audit_checks.h"
#include "tools/look.h"

struct sp_look_chain {
    const sp_look_listener *listener;
    const Envoy__Config__Listener__V3__FilterChain *chain;
    const sp_look_hcm *hcm; /* or NULL */
    const sp_look_tls *tls; /* or NULL */
    bool outside;           /* its address can be reached from other machines */
};

/* Runs a check on all that it looks at: each filter chain of each listener, the default ones too, each virtual host ... */
void sp_look_run(struct sp_audit *a, const struct sp_audit_check *check);
/* Filter chain `i` of a listener; its default one is the last. False: it has no more. */
bool sp_look_chain_of(const struct sp_audit *a, const sp_look_listener *l, size_t i, struct sp_look_chain *ret);

/* The message of HTTP filter `i`, what a Staged holds instead of it; NULL if it is disabled or only on trial. */
const ProtobufCMessage *sp_look_filter(const struct sp_audit *a, const sp_look_hcm *hcm, size_t i);
/* The first enforced one of that type at or behind *i, which is set behind it; NULL: none. */
const void *sp_look_filter_as(const struct sp_audit *a, const sp_look_hcm *hcm, size_t *i, const ProtobufCMessageDescriptor *desc);
bool sp_look_has_filter(const struct sp_audit *a, const sp_look_hcm *hcm, const ProtobufCMessageDescriptor *desc);

/* What stands in the way of who reaches a listener's address. */
bool sp_look_gated_at_accept(const struct sp_audit *a, const sp_look_listener *l, size_t n, bool allow);
bool sp_look_needs_certificate(const sp_look_tls *tls);
const sp_look_validation *sp_look_client_validation(const sp_look_tls *tls);
/* An enforced origin_shield, or NULL. */
const Sallyport__Filters__Http__OriginShield__V1__OriginShield *sp_look_shield(const struct sp_audit *a, const sp_look_hcm *hcm);
/* Somebody is known to be at the other end: an origin_shield, an allow list at accept, a client certificate. */
bool sp_look_knows_peer(const struct sp_audit *a, const struct sp_look_chain *c);

#endif
