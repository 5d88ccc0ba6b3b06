/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `sallyport audit` looks for: a table an area, in a file each; audit_checks.c puts them together.  A check sees a config that
 * compiles, and secure_defaults filled in; it says what is open, never what is a matter of taste.  docs/audit.md has each of
 * them, which a test holds against this.  Private to tools/audit*.
 */
#ifndef SP_TOOLS_AUDIT_CHECKS_H
#define SP_TOOLS_AUDIT_CHECKS_H

#include "tools/audit_finding.h"

struct sp_audit_area {
    const char *name;
    const struct sp_audit_check *checks; /* n of them */
    size_t n;
};

/* All, *ret_n areas. */
const struct sp_audit_area *const *sp_audit_areas(size_t *ret_n);

extern const struct sp_audit_area sp_audit_trust, sp_audit_tls, sp_audit_certs, sp_audit_http, sp_audit_limits, sp_audit_retries, sp_audit_routes,
    sp_audit_tokens, sp_audit_headers, sp_audit_filters, sp_audit_upgrades, sp_audit_origins;

/* Rows of docs/security.md. */
#define SP_CONTROL_BYPASS "Going round the CDN to the origin's address"
#define SP_CONTROL_ADDRESS "The same, from an address that is not the CDN's"
#define SP_CONTROL_TENANT "Another tenant of the same CDN, or its id, stolen"
#define SP_CONTROL_PROXY "A forged PROXY header"
#define SP_CONTROL_TRIAL "A new rule that shuts out those who may come, and is then taken back for good"
#define SP_CONTROL_FLOOD "One client, or many, that open connections without end"
#define SP_CONTROL_IDENTITY "Forged identity headers"
#define SP_CONTROL_CLIENT "A forged client address"
#define SP_CONTROL_TOKENS "Forged or confused tokens"
#define SP_CONTROL_CALLER "A caller who may come, but may not do this"
#define SP_CONTROL_PATHS "Another spelling of a guarded path"
#define SP_CONTROL_SMUGGLING "Request smuggling"
#define SP_CONTROL_H2 "HTTP/2 floods (reset, ping, settings, continuation, empty frames, HPACK bombs)"
#define SP_CONTROL_SLOW "Slow clients"
#define SP_CONTROL_MEMORY "Memory exhaustion"
#define SP_CONTROL_UPSTREAM "A weak or skipped TLS upstream"
#define SP_CONTROL_FAILING "An origin that fails or hangs, and its callers with it"
#define SP_CONTROL_EGRESS "An origin that cannot tell the door from others by address"
#define SP_CONTROL_EVERYTHING "One caller that takes everything, by address, by token or altogether"
#define SP_CONTROL_DOOR "Going round the door to the origin"
#define SP_CONTROL_CERTIFICATE "A client without a certificate, or with one that is not meant"
#define SP_CONTROL_EARLY_DATA "Replayed early data (0-RTT)"
#define SP_CONTROL_REVOKED "A client certificate that was revoked"
#define SP_CONTROL_SECRETS "Secrets in logs, dumps or core files"
#define SP_CONTROL_ADMIN "The admin page"
#define SP_CONTROL_ROUTES "A route that is not the one that was meant"
#define SP_CONTROL_TWICE "An order that is placed twice"
#define SP_CONTROL_OWN_TLS "A TLS door that peers cannot trust"
#define SP_CONTROL_TRACE "An attack that leaves no trace"

#endif
