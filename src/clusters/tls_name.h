/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TLS names that a request chooses (auto_sni, auto_san_validation, override_auto_sni_header): from its authority to
 * what goes into the ClientHello and what has to stand in the certificate.  Pure.
 */
#ifndef SP_CLUSTERS_TLS_NAME_H
#define SP_CLUSTERS_TLS_NAME_H

#include "clusters/pool.h"
#include "http/headers.h"

/*
 * The host of "host", "host:port" or "[v6]:port", lower-case, without a trailing dot, in `arena`; *ret_ip: it is an IP
 * address. Empty when there is none, or none that can be a TLS name (over 255 bytes, other characters than a DNS name's).
 */
struct sp_str sp_tls_name(struct sp_str authority, struct sp_arena *arena, bool *ret_ip);
/* Fills key->sni and key->verify_name as the cluster's options want. */
void sp_tls_name_key(const struct sp_cluster_options *o, const struct sp_headers *h, struct sp_arena *arena,
                     struct sp_pool_key *key);
#endif
