/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of one side's TLS: read by the access log, gates, filters and XFCC.  Strings live as long as the
 * sp_tls that gave them.
 */
#ifndef SP_NET_TLS_INFO_H
#define SP_NET_TLS_INFO_H

#include "base/str.h"

/* What an origin stapled about its certificate. */
enum sp_tls_staple { SP_STAPLE_NOT_ASKED, SP_STAPLE_GOOD, SP_STAPLE_REVOKED, SP_STAPLE_UNKNOWN, SP_STAPLE_MISSING, SP_STAPLE_BAD, SP_STAPLES };

/* Server: what became of early data. Rejected: it was passed over; replayed: so was that, as its ticket had been used for some before. */
enum sp_tls_early_fate { SP_TLS_EARLY_NONE, SP_TLS_EARLY_ACCEPTED, SP_TLS_EARLY_REJECTED, SP_TLS_EARLY_REPLAYED };

/* Empty strings where there was no TLS. */
struct sp_tls_info {
    struct sp_str version, cipher, sni, alpn; /* "TLSv1.3", OpenSSL-style cipher name */
    bool staple_asked, stapled; /* server: the client asked for an OCSP response and got one */
    struct sp_str curve, peer_sigalg; /* Envoy's names, static: "X25519", "ecdsa_secp256r1_sha256"; empty where none was used */
    bool peer_presented, peer_verified; /* a certificate was sent; it chained to the context's CA and passed all matchers */
    struct sp_str peer_subject, peer_issuer; /* RFC 2253 text: "CN=x,O=y" */
    struct sp_str peer_serial, peer_sha256, peer_spki_sha256; /* hex, lower case */
    const struct sp_str *peer_dns, *peer_uri, *peer_email, *peer_ip;
    const struct sp_str *peer_other; /* as struct sp_x509 has them */
    unsigned n_peer_dns, n_peer_uri, n_peer_email, n_peer_ip, n_peer_other;
    int64_t peer_not_before, peer_not_after; /* Unix seconds */
    struct sp_str local_subject;
    const struct sp_str *local_uri, *local_dns;
    unsigned n_local_uri, n_local_dns;
};

/* What a plain connection's facts point to. */
static const struct sp_tls_info sp_tls_info_none __attribute__((unused));

#endif
