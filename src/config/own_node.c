/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/own_node.h"

#include <assert.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

static const Envoy__Config__Core__V3__Node *node_of(const struct sp_doc *doc)
{
    const ProtobufCMessage *root = sp_doc_root(doc);
    if (!root || root->descriptor != &envoy__config__bootstrap__v3__bootstrap__descriptor)
        return NULL;
    return ((const Envoy__Config__Bootstrap__V3__Bootstrap *)(const void *)root)->node;
}

struct sp_str sp_own_cluster(const struct sp_doc *doc)
{
    assert(doc);
    const Envoy__Config__Core__V3__Node *node = node_of(doc);
    return node ? sp_str_c(node->cluster) : SP_STR("");
}

struct sp_str sp_own_id(const struct sp_doc *doc)
{
    assert(doc);
    const Envoy__Config__Core__V3__Node *node = node_of(doc);
    return node ? sp_str_c(node->id) : SP_STR("");
}

struct sp_own_locality sp_own_locality(const struct sp_doc *doc)
{
    assert(doc);
    const Envoy__Config__Core__V3__Node *node = node_of(doc);
    if (!node || !node->locality)
        return (struct sp_own_locality){0};
    return (struct sp_own_locality){true, sp_str_c(node->locality->region), sp_str_c(node->locality->zone), sp_str_c(node->locality->sub_zone)};
}
