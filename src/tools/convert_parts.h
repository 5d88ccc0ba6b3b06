/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of what `sallyport convert` writes.  Private to tools/convert*.  One thread. */
#ifndef SP_TOOLS_CONVERT_PARTS_H
#define SP_TOOLS_CONVERT_PARTS_H

#include "tools/convert_out.h"

/* --- convert_all.c --- */

/* Everything, to c->to, once c->kong is read. */
void sp_convert_all(struct sp_convert *c);

/* --- convert_cluster.c --- */

/* clusters: one a service, and those that plugins need. */
void sp_convert_clusters(struct sp_convert *c);
struct sp_str sp_convert_cluster_name(struct sp_convert *c, const struct sp_kong_service *s);
/* How a service's Host is set: route fields, at `indent`. */
void sp_convert_host(struct sp_convert *c, unsigned indent, const struct sp_kong_service *s);

/* --- convert_plugins.c: what there is to say of each plugin --- */

void sp_convert_inspect(struct sp_convert *c);
/* Whether this program has such a filter: "envoy.extensions.filters.http.cors.v3.Cors". */
bool sp_convert_has(const char *type);
/* Why the route may not be open though nothing here guards it: the plugin; NULL: all its guards are carried over. */
const struct sp_kong_plugin *sp_convert_lost_guard(const struct sp_convert *c, const struct sp_kong_route *r);

/* --- convert_filters.c, convert_auth.c: http_filters, and what routes say of them --- */

void sp_convert_filters(struct sp_convert *c, unsigned indent);
/* Entries of typed_per_filter_config. */
void sp_convert_route_filters(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r);
void sp_convert_auth(struct sp_convert *c, unsigned indent);
void sp_convert_claims(struct sp_convert *c, unsigned indent);
void sp_convert_route_auth(struct sp_convert *c, unsigned indent, const struct sp_kong_route *r);
/* Its acl lets none of the consumers in that it knows. */
bool sp_convert_admits_nobody(struct sp_convert *c, const struct sp_kong_route *r);
/* bootstrap_extensions, and the clusters of issuers. */
void sp_convert_issuers(struct sp_convert *c);
void sp_convert_issuer_clusters(struct sp_convert *c);

/* --- convert_tls.c --- */

/* Whether there are certificates to listen with. */
bool sp_convert_has_tls(const struct sp_convert *c);
void sp_convert_downstream_tls(struct sp_convert *c, unsigned indent);
/* The DataSource of these CAs (a list of references), together. */
const char *sp_convert_cas(struct sp_convert *c, const struct sp_node *refs, struct sp_str name);
/* Lines of a TlsCertificate in a list, of the entity that `ref` means. */
void sp_convert_certificate(struct sp_convert *c, unsigned indent, const struct sp_node *certificate);

/* --- convert_routes.c --- */

/* virtual_hosts of a listener with or without TLS. `sni`: of the filter chain; empty: of no name that routes ask for. */
void sp_convert_vhosts(struct sp_convert *c, unsigned indent, bool tls, struct sp_str sni);
/* SNIs that routes ask for; *ret_n of them. */
const struct sp_str *sp_convert_route_snis(struct sp_convert *c, unsigned *ret_n);

#endif
