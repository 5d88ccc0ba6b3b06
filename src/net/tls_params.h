/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TlsParameters and ALPN lists: names of the config checked and turned into what wolfSSL takes.  Private to net/tls*.
 */
#ifndef SP_NET_TLS_PARAMS_H
#define SP_NET_TLS_PARAMS_H

#include "config/doc.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h"

enum { SP_TLS_MAX_ALPN = 8, SP_TLS_MAX_GROUPS = 5, SP_TLS_X25519MLKEM768 = 4588 };

/* Strings live in the arena they were made in. */
struct sp_tls_params {
    bool tls12, tls13;
    const char *ciphers, *groups, *signatures; /* wolfSSL's lists, with colons between */
    uint16_t group[SP_TLS_MAX_GROUPS]; /* the same groups' numbers, RFC 8446 section 4.2.7 */
    unsigned n_groups;
    struct sp_str alpn[SP_TLS_MAX_ALPN];
    unsigned n_alpn;
};

/* `msg` may be NULL. -EINVAL: errors are in `diag`. */
int sp_tls_params_read(const struct sp_doc *doc, struct sp_diag *diag,
                       const Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext *msg,
                       struct sp_arena *arena, struct sp_tls_params *ret);

#endif
