/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_tls_ticket_keys: the keys that several instances seal their session tickets with, so that each takes what another gave:
 * Envoy's TlsSessionTicketKeys, by session_ticket_keys or a Secret.  A key is 80 bytes: 16 of its name, 32 for HMAC-SHA256, 32
 * for AES-256.  The first one seals, all of them open.  Files are watched: new keys take the place of the old ones at once, and
 * one that is no key leaves the old ones in force (config/live.h).  Made while a config is compiled; equal ones are one object,
 * which outlives documents (config/keep.h); any thread may ask.  Private to net/tls*.
 */
#ifndef SP_NET_TLS_TICKET_KEYS_H
#define SP_NET_TLS_TICKET_KEYS_H

#include "config/doc.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb-c.h"
#include "net/tls_ticket_parts.h"

struct sp_tls_ticket_keys;

enum { SP_TICKET_KEY_BYTES = 80, SP_TICKET_KEYS_MAX = 32 };

/* NULL after an error (then it is in `diag`). */
struct sp_tls_ticket_keys *sp_tls_ticket_keys_new(const struct sp_doc *doc, struct sp_diag *diag,
                                                  const Envoy__Extensions__TransportSockets__Tls__V3__TlsSessionTicketKeys *msg);
void sp_tls_ticket_keys_free(struct sp_tls_ticket_keys *k); /* NULL-safe */
/* While `doc` is compiled: what is watched runs for it, too. */
void sp_tls_ticket_keys_use(const struct sp_tls_ticket_keys *k, const struct sp_doc *doc);

/*
 * As sp_tls_ticket_seal and _open. `context`: what a ticket is good for, besides `binding`; now_s: Unix seconds, of clocks that may
 * differ by SP_TICKET_SKEW_S. Sealing makes it up to 16 bytes longer, opening as much shorter: *ret_n. A ticket's time is not
 * judged here: *ret_issued_s.
 */
enum { SP_TICKET_SKEW_S = 300 };
bool sp_tls_ticket_keys_seal(const struct sp_tls_ticket_keys *k, uint64_t now_s, const uint8_t context[SP_TICKET_CONTEXT],
                             struct sp_str binding, const struct sp_ticket_parts *t, size_t *ret_n);
bool sp_tls_ticket_keys_open(const struct sp_tls_ticket_keys *k, const uint8_t context[SP_TICKET_CONTEXT], struct sp_str binding,
                             const struct sp_ticket_parts *t, size_t *ret_n, uint64_t *ret_issued_s);

#endif
