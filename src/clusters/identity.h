/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who a cluster is over configs, for what was once had from it: its name and its transport socket.  What came over a connection
 * without verification is not believed of one with it.  Any thread.
 */
#ifndef SP_CLUSTERS_IDENTITY_H
#define SP_CLUSTERS_IDENTITY_H

#include "config/doc_hash.h"

struct sp_cluster;

void sp_cluster_identity(const struct sp_cluster *c, struct sp_hash *ret);

#endif
