/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_tls_trust: the CA set of a CertificateValidationContext with its revocation lists, and what is to be checked by
 * them.  Compiled with it; any thread may ask.  Files are watched: a new version of either takes the place of both at once
 * (config/live.h), and one that cannot be read leaves the old ones in force.  Equal ones are one object (config/keep.h), which
 * outlives documents: each that comes to use it says so.  Private to net/tls*.
 *
 * Fields: trusted_ca, system_root_certs, crl, only_verify_leaf_cert_crl, allow_expired_certificate, max_verify_depth,
 * and the lists' part of sallyport.tls.v1.Revocation.
 */
#ifndef SP_NET_TLS_TRUST_H
#define SP_NET_TLS_TRUST_H

#include "config/doc.h"
#include "crypto/x509_trust.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb-c.h"
#include "sallyport/tls/v1/revocation.pb-c.h"

struct sp_tls_trust;

/* NULL without CAs, or after an error (then it is in `diag`). `client`: as sp_tls_verify_new. */
struct sp_tls_trust *sp_tls_trust_new(
    const struct sp_doc *doc, struct sp_diag *diag,
    const Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext *msg, bool client);
void sp_tls_trust_free(struct sp_tls_trust *t); /* NULL-safe */
/* While `doc` is compiled: what is watched runs for it, too. */
void sp_tls_trust_use(const struct sp_tls_trust *t, const struct sp_doc *doc);

/* As it is now: until the end of this turn. */
const struct sp_x509_trust *sp_tls_trust_now(const struct sp_tls_trust *t);
/* For messages: the file's name, "<inline>", or "<system>". */
struct sp_str sp_tls_trust_path(const struct sp_tls_trust *t);
/* ret_found is left for the caller to set. */
struct sp_x509_check sp_tls_trust_check(const struct sp_tls_trust *t, int64_t now);

/* custom_validator_config's content, or NULL; one of another type is an error. */
const Sallyport__Tls__V1__Revocation *sp_tls_revocation(
    const struct sp_doc *doc, struct sp_diag *diag,
    const Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext *msg);
/* Whom to ask about a certificate that is good by all else, as the document says it; NULL: nobody. */
const Sallyport__Tls__V1__Ocsp *sp_tls_revocation_ocsp(
    const struct sp_doc *doc, const Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext *msg);

#endif
