/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of a connection's TLS, copied, so that it outlives the connection: the access log of its last request
 * reads it.  Counted; one thread.
 */
#ifndef SP_CLUSTERS_CONN_FACTS_H
#define SP_CLUSTERS_CONN_FACTS_H

#include "base/arena.h"
#include "net/tls_info.h"

struct sp_conn_facts {
    unsigned refs;
    struct sp_arena arena;
    struct sp_tls_info tls;
};

struct sp_conn_facts *sp_conn_facts_new(const struct sp_tls_info *from);
void sp_conn_facts_unref(struct sp_conn_facts *f); /* NULL-safe */

#endif
