/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_tls: one TLS connection without I/O: ciphertext in, plaintext out and the other way round.  wolfSSL's send
 * callback always accepts into memory; limits sit above it (high_water).  One thread; owned by the wire.
 */
#ifndef SP_NET_TLS_H
#define SP_NET_TLS_H

#include "base/buf.h"
#include "net/tls_ctx.h"
#include "net/tls_info.h"

struct sp_tls;

enum sp_tls_state {
    SP_TLS_HANDSHAKE, /* under way */
    SP_TLS_EARLY,     /* server: all but the client's Finished has come; it may send early data, and be answered (RFC 8446 section 2.3) */
    SP_TLS_OPEN,
    SP_TLS_CLOSED,    /* the peer sent close_notify; what was read is in app_in */
    SP_TLS_FAILED,    /* sp_tls_error says why; net_out may hold an alert to send */
};

/* Server side, or client side with `sni` (empty: none, the context's is used when it has one) and, for verification, the
 * host name that must be in the certificate (`verify_name`, empty: the context's matchers alone decide). */
struct sp_tls *sp_tls_accept(struct sp_tls_ctx *ctx);
struct sp_tls *sp_tls_connect(struct sp_tls_ctx *ctx, struct sp_str sni, struct sp_str verify_name);
void sp_tls_free(struct sp_tls *t); /* NULL-safe */
/* Client, before the first pump: offers these protocols, not the context's. `wire`, as ALPN has them, outlives t; empty: no change. */
void sp_tls_offer(struct sp_tls *t, struct sp_str wire);
/* Likewise: none but those that the config names. */
void sp_tls_offer_own(struct sp_tls *t);

/*
 * Moves what can be moved: net_in -> app_in until app_in holds high_water bytes, app_out -> net_out until net_out holds
 * high_water bytes (a few KiB more, if nothing is left then). Call it when net_in grew, when app_out grew, when app_in was emptied (decrypted bytes raise no
 * socket event) and when net_out was flushed.
 */
enum sp_tls_state sp_tls_pump(struct sp_tls *t, struct sp_buf *net_in, struct sp_buf *app_in, struct sp_buf *app_out,
                              struct sp_buf *net_out, size_t high_water);
/* Appends close_notify to net_out; nothing can be sent behind it. */
void sp_tls_shutdown(struct sp_tls *t, struct sp_buf *net_out);
/* No more bytes will come. Without close_notify before that it is a failure: what was read may be cut short. */
enum sp_tls_state sp_tls_eof(struct sp_tls *t);

/* Envoy-like text of a failure, static or owned by t: "TLS error: peer did not return a certificate". Empty: none. */
struct sp_str sp_tls_error(const struct sp_tls *t);
/* What kind of failure, for ssl.* counters. */
enum sp_tls_fail { SP_TLS_FAIL_NONE, SP_TLS_FAIL_OTHER, SP_TLS_FAIL_NO_CERT, SP_TLS_FAIL_VERIFY_CA, SP_TLS_FAIL_VERIFY_SAN,
                   SP_TLS_FAIL_VERIFY_PIN, SP_TLS_FAIL_EOF, SP_TLS_FAIL_STAPLE };
enum sp_tls_fail sp_tls_failure(const struct sp_tls *t);
/* After the handshake, and in SP_TLS_EARLY: facts of the connection; strings live as long as t. */
const struct sp_tls_info *sp_tls_get_info(struct sp_tls *t);
bool sp_tls_resumed(const struct sp_tls *t);
/* Server: what became of the client's early data; how much of what app_in was given is that (none of it behind other data). */
enum sp_tls_early_fate sp_tls_early_fate(const struct sp_tls *t);
uint32_t sp_tls_early_bytes(const struct sp_tls *t);
size_t sp_tls_early_room(const struct sp_tls *t); /* for so much more there has to be room while it comes: its end is behind it */
/* Where some was accepted: whether a request of that method is handed on before the handshake is done. */
bool sp_tls_early_allows(const struct sp_tls *t, struct sp_str method);
/* The peer's leaf certificate in DER, or empty: for XFCC and token binding. */
struct sp_str sp_tls_peer_der(struct sp_tls *t);
/* What it sent behind its leaf, *ret_n of them: unordered, unverified. */
const struct sp_str *sp_tls_peer_others(struct sp_tls *t, unsigned *ret_n);
/* Where OCSP is about it (sp_tls_ctx_ocsp, staples): DER of the leaf's issuer, of a verified path; else empty. */
struct sp_str sp_tls_peer_issuer_der(struct sp_tls *t);
/* Client: what was stapled, with a session: when that began. Until when it says "good", Unix seconds; 0: it does not. */
enum sp_tls_staple sp_tls_stapled(const struct sp_tls *t);
int64_t sp_tls_stapled_until(const struct sp_tls *t);
/* Client: nobody is let pass without one, and what was stapled has run out. */
bool sp_tls_staple_ran_out(const struct sp_tls *t, int64_t now);
/* Open: somebody who was asked says that the peer's certificate is not good, `why` (static). It has failed then. */
void sp_tls_distrust(struct sp_tls *t, const char *why);
enum sp_tls_state sp_tls_state(const struct sp_tls *t);
/*
 * Open: whether the peer's certificate would still be taken. Costs nothing while CAs and revocation lists are the
 * same and nothing of the path has expired; else it is judged anew. False: sp_tls_error and sp_tls_failure say why.
 */
bool sp_tls_still_good(struct sp_tls *t);

#endif
