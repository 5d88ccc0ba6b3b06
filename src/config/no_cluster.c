/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/no_cluster.h"

#include <assert.h>

#include "config/names.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

static struct sp_str nearest(const struct sp_doc *doc, struct sp_str name)
{
    const ProtobufCMessage *root = sp_doc_root(doc);
    struct sp_nearest near;
    sp_nearest_init(&near, name);
    if (!root || root->descriptor != &envoy__config__bootstrap__v3__bootstrap__descriptor)
        return near.best;
    const Envoy__Config__Bootstrap__V3__Bootstrap *b = (const void *)root;
    for (size_t i = 0; b->static_resources && i < b->static_resources->n_clusters; i++)
        sp_nearest_offer(&near, sp_str_c(b->static_resources->clusters[i]->name));
    return near.best;
}

void sp_no_cluster_err(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field, struct sp_str name)
{
    assert(doc && diag && msg);
    struct sp_str near = nearest(doc, name);
    if (near.len)
        sp_doc_err(doc, diag, msg, field, -1, "there is no cluster \"%.*s\" (did you mean \"%.*s\"?)", SP_STR_ARG(name),
                   SP_STR_ARG(near));
    else
        sp_doc_err(doc, diag, msg, field, -1, "there is no cluster \"%.*s\" (name one of static_resources.clusters)",
                   SP_STR_ARG(name));
}
