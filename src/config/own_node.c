/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/own_node.h"

#include <assert.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

struct sp_str sp_own_cluster(const struct sp_doc *doc)
{
    assert(doc);
    const ProtobufCMessage *root = sp_doc_root(doc);
    if (!root || root->descriptor != &envoy__config__bootstrap__v3__bootstrap__descriptor)
        return SP_STR("");
    const Envoy__Config__Bootstrap__V3__Bootstrap *boot = (const void *)root;
    return boot->node ? sp_str_c(boot->node->cluster) : SP_STR("");
}
