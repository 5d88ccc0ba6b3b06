/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys of session tickets of one server context: random, in memory only, a new one each hour, the one before still
 * good.  A ticket is bound to the server name it was issued under and to its time, so that it cannot be taken to
 * another virtual host of the same context or outlive session_timeout.  Any thread.  Private to net/tls*.
 */
#ifndef SP_NET_TLS_TICKET_H
#define SP_NET_TLS_TICKET_H

#include "base/str.h"

struct sp_tls_tickets;

enum {
    SP_TICKET_NAME = 16,
    SP_TICKET_IV = 16,
    SP_TICKET_MAC = 32,
    SP_TICKET_ROTATE_S = 3600,
};

/* lifetime_s: how long a ticket can be used; at most an hour, so that the keys outlive it. */
struct sp_tls_tickets *sp_tls_tickets_new(unsigned lifetime_s);
void sp_tls_tickets_free(struct sp_tls_tickets *t); /* NULL-safe */
unsigned sp_tls_tickets_lifetime(const struct sp_tls_tickets *t);

/* In place; `binding` has to be the same on both sides. now_s: any clock that only goes forward. */
bool sp_tls_ticket_seal(struct sp_tls_tickets *t, uint64_t now_s, struct sp_str binding, uint8_t name[SP_TICKET_NAME],
                        uint8_t iv[SP_TICKET_IV], uint8_t mac[SP_TICKET_MAC], uint8_t *p, size_t n);
bool sp_tls_ticket_open(struct sp_tls_tickets *t, uint64_t now_s, struct sp_str binding,
                        const uint8_t name[SP_TICKET_NAME], const uint8_t iv[SP_TICKET_IV],
                        const uint8_t mac[SP_TICKET_MAC], uint8_t *p, size_t n);

#endif
