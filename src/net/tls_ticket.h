/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The session tickets of one server context.  Without keys of the config: random ones, in memory only, a new one each hour, the
 * one before still good.  With them (net/tls_ticket_keys): tickets of other instances are taken.  A ticket is bound to the
 * server name it was issued under and to its time, so that it cannot be taken to another virtual host of the same context or
 * outlive session_timeout; with keys of the config to the context as well, which random ones are by themselves.  Any thread.
 * Private to net/tls*.
 */
#ifndef SP_NET_TLS_TICKET_H
#define SP_NET_TLS_TICKET_H

#include "net/tls_ticket_parts.h"

struct sp_tls_tickets;
struct sp_tls_ticket_keys;

enum {
    SP_TICKET_ROTATE_S = 3600,
    SP_TICKET_SHARED_MAX_S = 7 * 24 * 3600, /* RFC 8446 section 4.6.1 */
};

/* lifetime_s: how long a ticket can be used; at most an hour, so that the keys outlive it. */
struct sp_tls_tickets *sp_tls_tickets_new(unsigned lifetime_s);
/* With keys, which are taken; at most SP_TICKET_SHARED_MAX_S. */
struct sp_tls_tickets *sp_tls_tickets_new_shared(unsigned lifetime_s, struct sp_tls_ticket_keys *keys);
/* Of those, before the first one: a hash of what both have to have in common, whoever sealed a ticket and whoever takes it. */
void sp_tls_tickets_bind(struct sp_tls_tickets *t, const uint8_t context[SP_TICKET_CONTEXT]);
void sp_tls_tickets_free(struct sp_tls_tickets *t); /* NULL-safe */
unsigned sp_tls_tickets_lifetime(const struct sp_tls_tickets *t);
struct sp_tls_ticket_keys *sp_tls_tickets_keys(const struct sp_tls_tickets *t); /* or NULL */
/* Seconds of the clock that its tickets' times are of: one that only goes forward, or that of all the world. */
uint64_t sp_tls_tickets_now(const struct sp_tls_tickets *t);

/* `binding` has to be the same on both sides, at most SP_TICKET_BINDING_MAX bytes. *ret_n: what p holds then. */
bool sp_tls_ticket_seal(struct sp_tls_tickets *t, uint64_t now_s, struct sp_str binding, const struct sp_ticket_parts *parts,
                        size_t *ret_n);
bool sp_tls_ticket_open(struct sp_tls_tickets *t, uint64_t now_s, struct sp_str binding, const struct sp_ticket_parts *parts,
                        size_t *ret_n);

#endif
