/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the bootstrap says of this process itself (node).  While configs are compiled; any thread.
 */
#ifndef SP_CONFIG_OWN_NODE_H
#define SP_CONFIG_OWN_NODE_H

#include "config/doc.h"

/* node.cluster; "" where there is none or the document is no whole config. Belongs to the document. */
struct sp_str sp_own_cluster(const struct sp_doc *doc);

/* node.id; likewise. */
struct sp_str sp_own_id(const struct sp_doc *doc);

/* Where it stands. Texts as above. */
struct sp_own_locality {
    bool known; /* node.locality is there, possibly empty */
    struct sp_str region, zone, sub_zone;
};

struct sp_own_locality sp_own_locality(const struct sp_doc *doc);

#endif
