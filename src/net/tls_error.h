/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said of a failed connection.  No byte that a peer chose is in it.  Private to net/tls*.
 */
#ifndef SP_NET_TLS_ERROR_H
#define SP_NET_TLS_ERROR_H

#include "net/tls_conn.h"

/* A heap text, "TLS error: ...", for what wolfSSL returned (or t->why, where that is set). */
char *sp_tls_explain(const struct sp_tls *t, int wolf_error);

#endif
