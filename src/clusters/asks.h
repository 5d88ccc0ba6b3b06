/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which responders a Cluster message has asked about the certificates of its hosts: sallyport.tls.v1.Revocation.ocsp in its
 * transport sockets.  Pure; nothing but the message is looked at.
 */
#ifndef SP_CLUSTERS_ASKS_H
#define SP_CLUSTERS_ASKS_H

#include "config/doc.h"
#include "envoy/config/cluster/v3/cluster.pb-c.h"
#include "sallyport/tls/v1/revocation.pb-c.h"

/* `socket`: SP_SOCKET_DEFAULT, or i + 1 of transport_socket_matches (clusters/socket_match.h). */
void sp_asks_each(const struct sp_doc *doc, const Envoy__Config__Cluster__V3__Cluster *msg,
                  void (*each)(void *arg, unsigned socket, const Sallyport__Tls__V1__Ocsp *ocsp), void *arg);
bool sp_asks(const struct sp_doc *doc, const Envoy__Config__Cluster__V3__Cluster *msg);

#endif
