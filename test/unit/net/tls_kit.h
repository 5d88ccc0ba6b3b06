/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Certificates, contexts and pairs of connections for the tests of TLS.  Certificates are made once a process and named:
 * "ca", "server" (localhost, *.example.com, 127.0.0.1, ::1, spiffe://example.com/server), "client" (its URI
 * spiffe://example.com/client), "other_ca", "stranger" (a client of other_ca), "expired" (a client), "other" (a server,
 * other.test), "no_client_usage" (of ca, for servers only), "self" (a server, signed by itself).
 */
#ifndef TEST_NET_TLS_KIT_H
#define TEST_NET_TLS_KIT_H

#include "net/tls.h"
#include "support/config.h"

const struct sp_made_cert *kit_cert(const char *name);

/* "@name.cert" and "@name.key" in the YAML become inline_string DataSources: {inline_string: "..."}. In malloc's memory. */
char *kit_yaml(const char *text);
/* A context from a whole message; the test fails when there are errors. */
struct sp_tls_ctx *kit_server(const char *yaml);
struct sp_tls_ctx *kit_client(const char *yaml);
/* The same of a chain or cluster: an equal one of an earlier config is found again. */
struct sp_tls_ctx *kit_server_of(const char *whose, const char *yaml);
struct sp_tls_ctx *kit_client_of(const char *whose, const char *yaml);
/* What is reported of it, in a static buffer; "" when it is taken without a word. */
const char *kit_server_said(const char *yaml);
const char *kit_client_said(const char *yaml);

struct kit_side {
    struct sp_tls *tls;
    struct sp_buf net_in, app_in, app_out, net_out;
    enum sp_tls_state state;
};

void kit_side_init(struct kit_side *s, struct sp_tls *tls); /* takes it over */
void kit_side_done(struct kit_side *s);

/* Both ends of a connection over memory. */
struct kit_pair {
    struct kit_side client, server;
    size_t chunk;      /* bytes carried a step; 0: all; SIZE_MAX: a random number */
    size_t high_water;
    bool cut;          /* nothing is carried any more */
};

/* What most tests begin with. */
#define KIT_CERT "{certificate_chain: @server.cert, private_key: @server.key}"
#define KIT_SERVER "common_tls_context: {tls_certificates: [" KIT_CERT "], alpn_protocols: [\"h2,http/1.1\"]}\n"
#define KIT_CA "trusted_ca: @ca.cert"
#define KIT_CLIENT "common_tls_context: {validation_context: {" KIT_CA "}}\n"
#define KIT_TLS12 "tls_params: {tls_maximum_protocol_version: TLSv1_2}, "

/* Takes a reference to neither. sni may be NULL. */
void kit_pair_init(struct kit_pair *p, struct sp_tls_ctx *client, struct sp_tls_ctx *server, const char *sni,
                   const char *verify_name);
/* Pumps until nothing moves. */
void kit_run(struct kit_pair *p);
void kit_pair_done(struct kit_pair *p);
/* Contexts from YAML, a handshake and a word each way: "hello" of the client, "good day" of the server. */
void kit_meet(struct kit_pair *p, const char *client, const char *server, const char *sni, const char *verify_name);
/* Both words arrived and nothing failed. */
void kit_both_well(struct kit_pair *p);
/* The text of sp_tls_error as a C string, static. */
const char *kit_error(const struct kit_side *s);
/* What arrived, as a C string, static; taken. */
const char *kit_take(struct kit_side *s);
void kit_say(struct kit_side *s, const char *text);

#endif
