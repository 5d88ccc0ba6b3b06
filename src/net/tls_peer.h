/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The certificate a peer showed and what is told of it.  Made once a handshake; reference-counted, since a session that
 * is resumed later brings it along.  Private to net/tls*.
 */
#ifndef SP_NET_TLS_PEER_H
#define SP_NET_TLS_PEER_H

#include <stdatomic.h>

#include "crypto/x509.h"
#include "net/tls_info.h"

struct sp_tls_peer {
    _Atomic unsigned refs;
    struct sp_arena arena; /* all of it, DER included; it begins in `memory` */
    struct sp_x509 cert;
    struct sp_str subject, issuer, serial, sha256, spki_sha256; /* as in struct sp_tls_info */
    const struct sp_str *others;  /* DER of what came behind the leaf; n_others of them */
    unsigned n_others;
    struct sp_str issuer_der;     /* of a trusted leaf, where OCSP will be about it */
    bool verified;
    const char *curve, *sigalg;   /* of the handshake in which it was shown, as in struct sp_tls_info; NULL: not known */
    int64_t staple_until;         /* of an origin: what it stapled says "good" so long, Unix seconds; 0: it does not */
    uint64_t version;             /* of the CAs and lists that it was judged by */
    int64_t until;                /* how long that holds, Unix seconds */
    _Alignas(16) char memory[];
};

/* ders: the leaf's and n - 1 others'. One reference. NULL when the leaf is malformed, and *ret_why (static) says how. */
struct sp_tls_peer *sp_tls_peer_new(const struct sp_str *ders, unsigned n, const char **ret_why);
struct sp_tls_peer *sp_tls_peer_ref(struct sp_tls_peer *p); /* NULL-safe */
void sp_tls_peer_unref(struct sp_tls_peer *p);              /* NULL-safe */
/* Fills the peer_* fields; p may be NULL. */
void sp_tls_peer_tell(const struct sp_tls_peer *p, struct sp_tls_info *info);

/* What is told of a certificate: its names and dates; these, and the texts, in `arena`. */
void sp_tls_peer_names(const struct sp_x509 *cert, struct sp_tls_info *info);
void sp_tls_peer_describe(const struct sp_x509 *cert, struct sp_arena *arena, struct sp_tls_info *info);

/* The serial number as Envoy writes it: hex, lower case, without leading zero bytes. */
struct sp_str sp_tls_serial_text(struct sp_arena *arena, struct sp_str serial);

#endif
