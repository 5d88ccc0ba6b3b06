/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names in certificates against the config's matchers and against a host name.  Compiled once; any thread may match.
 *
 * An exact DNS matcher and a host name also match a certificate's wildcard, "*.example.com", which stands for one whole
 * label, the leftmost, and ignore case.  All other matchers do not, unless ignore_case says so; as in Envoy.
 */
#ifndef SP_NET_TLS_MATCH_H
#define SP_NET_TLS_MATCH_H

#include "config/doc.h"
#include "crypto/x509.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb-c.h"

struct sp_tls_matchers;

/* match_typed_subject_alt_names and match_subject_alt_names together. NULL when there are none; errors are in diag. */
struct sp_tls_matchers *sp_tls_matchers_new(
    const struct sp_doc *doc, struct sp_diag *diag,
    const Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext *msg);
void sp_tls_matchers_free(struct sp_tls_matchers *m); /* NULL-safe */
/* One name of the certificate matches one matcher. */
bool sp_tls_matchers_match(const struct sp_tls_matchers *m, const struct sp_x509 *cert);

/* A certificate's DNS name, which may be a wildcard, covers this host. */
bool sp_tls_dns_covers(struct sp_str pattern, struct sp_str host);
/* A DNS or IP name of the certificate is this host (no fall-back to the common name: RFC 9525). */
bool sp_tls_cert_is_for(const struct sp_x509 *cert, struct sp_str host);

#endif
