/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of a server's certificates a client gets: one it can verify, by its ciphers, signature algorithms and groups;
 * among these one that bears the server name, then an ECDSA one, then the first.  Private to net/tls*.
 */
#ifndef SP_NET_TLS_CHOOSE_H
#define SP_NET_TLS_CHOOSE_H

#include "net/client_hello.h"
#include "net/tls_core.h"

/* Never NULL: with none that fits the handshake fails in wolfSSL, with the right alert. */
const struct sp_tls_member *sp_tls_choose(const struct sp_tls_ctx *ctx, const struct sp_client_hello *hello);

#endif
