/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the bootstrap says of this process itself (node).  While configs are compiled; any thread.
 */
#ifndef SP_CONFIG_OWN_NODE_H
#define SP_CONFIG_OWN_NODE_H

#include "config/doc.h"

/* node.cluster; "" where there is none or the document is no whole config. Belongs to the document. */
struct sp_str sp_own_cluster(const struct sp_doc *doc);

#endif
