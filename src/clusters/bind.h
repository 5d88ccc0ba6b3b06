/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upstream_bind_config: the address that a cluster's connections come from, so that an origin's firewall may let in one
 * address only.  Health checks and calls of filters come from it too.  Unix sockets have no such address.
 */
#ifndef SP_CLUSTERS_BIND_H
#define SP_CLUSTERS_BIND_H

#include "config/doc.h"
#include "envoy/config/core/v3/address.pb-c.h"

struct sp_cluster;
struct sp_host_set;

/* Once the hosts are known; `config` may be NULL. Errors go to `diag`. */
void sp_bind_init(struct sp_cluster *c, const struct sp_doc *doc, struct sp_diag *diag,
                  const Envoy__Config__Core__V3__BindConfig *config);
/* Whether the address can reach these hosts: for those that come later. */
void sp_bind_check(const struct sp_cluster *c, const struct sp_host_set *set, const struct sp_doc *doc, struct sp_diag *diag,
                   const Envoy__Config__Core__V3__BindConfig *config);
/* A connection could not begin (negative errno): counts bind_errors and logs, when it was for the address. Any thread. */
void sp_bind_failed(const struct sp_cluster *c, int err);

#endif
