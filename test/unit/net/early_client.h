/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wolfSSL as a client that sends early data, and a server of ours: over memory, for the tests and the fuzzer of early data. */
#ifndef TEST_NET_EARLY_CLIENT_H
#define TEST_NET_EARLY_CLIENT_H

#include "tls_kit.h"

/* A server's context from the fields of sallyport.tls.v1.EarlyData, each behind a comma. */
#define EARLY(fields) \
    "common_tls_context: {tls_certificates: [" KIT_CERT "], alpn_protocols: [\"h2,http/1.1\"], custom_handshaker: {name: early_data, typed_config: " \
    "{\"@type\": type.googleapis.com/sallyport.tls.v1.EarlyData" fields "}}}\n"

#ifdef SP_EARLY_DATA
#include "net/tls_early.h"

#define EARLY_MOST 4096 /* so many bytes a client sends early, whatever its ticket allows */

struct early_client {
    WOLFSSL_CTX *ctx;
    WOLFSSL *ssl;
    struct kit_side server;
    struct sp_buf out; /* what it sent and the server has not got yet */
    struct sp_buf kept; /* all that it ever sent */
    WOLFSSL_SESSION *ticket; /* the last one that came */
};

/* Offers that protocol and, unless it is NULL, the session. Each takes a reference to neither. */
void early_begin(struct early_client *c, struct sp_tls_ctx *server, const char *alpn, WOLFSSL_SESSION *session);
void early_end(struct early_client *c);
/* A server has its turn. */
void early_pump(struct kit_side *s, size_t high_water);
/* What the client sent goes to the server, n bytes at a time; 0: at once. */
void early_carry(struct early_client *c, size_t n);
/* The handshake to its end. False: there is none. */
bool early_finish(struct early_client *c);
/* A visit that ends with a ticket, the caller's. */
WOLFSSL_SESSION *early_ticket(struct sp_tls_ctx *server, const char *alpn);
#endif

#endif
