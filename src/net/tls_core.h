/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of sp_tls_ctx (net/tls_ctx.h).  Private to net/tls*.
 *
 * wolfSSL knows one certificate a context, so that a context of ours is one of wolfSSL's for each certificate, alike in
 * all else; which one a connection gets is chosen when its ClientHello has been read (net/tls_choose).
 */
#ifndef SP_NET_TLS_CORE_H
#define SP_NET_TLS_CORE_H

#include <wolfssl/ssl.h>

#include "config/keep.h"
#include "crypto/x509.h"
#include "net/tls_params.h"
#include "net/tls_ticket.h"
#include "net/tls_verify.h"

enum { SP_TLS_MAX_CERTS = 32 };

enum sp_tls_staple_policy { SP_TLS_LENIENT, SP_TLS_STRICT, SP_TLS_MUST_STAPLE };

struct sp_tls_member {
    WOLFSSL_CTX *wolf;
    bool has_cert;        /* always on servers */
    struct sp_x509 leaf;
    struct sp_str subject; /* RFC 2253 */
    struct sp_str path;    /* a file's name or "<inline>" */
    struct sp_str staple;  /* DER of an OCSP response about it, or NULL */
    int64_t staple_from, staple_until; /* Unix seconds, included */
    struct sp_str name;    /* its secret's, for stats; or what Envoy calls one without */
};

struct sp_tls_sessions;
struct sp_tls_early;

struct sp_tls_ctx {
    struct sp_kept kept;
    bool server, ask_cert, need_cert, require_sni, client_order;
    bool any_rsa_usage; /* client: of certificates with RSA keys keyUsage is not looked at */
    struct sp_arena arena; /* what is compiled */
    struct sp_tls_params params;
    struct sp_tls_member *members;
    unsigned n_members;
    struct sp_tls_verify *verify;     /* NULL: peers' certificates are not looked at */
    struct sp_tls_tickets *tickets;   /* server; NULL: none are issued or taken */
    struct sp_tls_early *early;       /* server; NULL: no early data is taken */
    struct sp_tls_sessions *sessions; /* client; NULL: none are kept */
    struct sp_str sni;                /* client */
    struct sp_str alpn_wire;          /* client: as the extension has it */
    bool alpn_own;                    /* client: the config names it */
    uint8_t staple_policy;            /* server: enum sp_tls_staple_policy */
    struct sp_str ca_name;            /* of the CA set, as a member's */
};

#endif
