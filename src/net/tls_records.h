/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Data through an open connection's records.  Left to itself wolfSSL takes memory for each record, copies into it, copies out of it
 * and wipes it.  The wolfSSL that scripts/deps builds asks for memory first (sp_tls_lend_*): then a record of TLS 1.3 is made where it
 * waits to be sent, and opened where its data is wanted.  Another wolfSSL does not ask, and all works as well.  Private to net/tls*.
 */
#ifndef SP_NET_TLS_RECORDS_H
#define SP_NET_TLS_RECORDS_H

#include "net/tls_conn.h"

/* The handshake is done. */
void sp_tls_records_begin(struct sp_tls *t);
/* As sp_tls_pump: until app_in, or t->out, holds high_water bytes. 0, or wolfSSL_get_error's word for how the connection ended. */
int sp_tls_read_data(struct sp_tls *t, struct sp_buf *app_in, size_t high_water);
int sp_tls_write_data(struct sp_tls *t, struct sp_buf *app_out, size_t high_water);

/* wolfSSL sends n bytes at p: true when they stand already where they wait to be sent. */
bool sp_tls_sent_in_place(const char *p, size_t n);

/* wolfSSL asks, for one record: memory for its body, which is then read whole; for a record with `data` in it. NULL: its own will do. */
unsigned char *sp_tls_lend_in(WOLFSSL *ssl, unsigned size);
unsigned char *sp_tls_lend_out(WOLFSSL *ssl, const unsigned char *data, unsigned size);

/* How often this thread lent, for tests. */
struct sp_tls_loans {
    uint64_t in, out;
};
struct sp_tls_loans sp_tls_lent(void);

#endif
