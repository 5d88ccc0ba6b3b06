/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/host_change.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/publish.h"

struct sp_host_change {
    struct sp_host_change *next;
    struct sp_cluster *cluster; /* a reference, as of the set */
    struct sp_host_set *set;
    struct sp_hash hash;
};

void sp_host_change_add(struct sp_clusters *to, struct sp_cluster *c, struct sp_host_set *set, const struct sp_hash *hash)
{
    assert(to && c && set && hash);
    struct sp_host_change *x = sp_xcalloc(1, sizeof(*x));
    sp_cluster_hold(c);
    *x = (struct sp_host_change){.next = to->changes, .cluster = c, .set = set, .hash = *hash};
    to->changes = x;
}

static struct sp_host_change *take(struct sp_clusters *from)
{
    struct sp_host_change *x = from->changes;
    if (x)
        from->changes = x->next;
    return x;
}

void sp_clusters_commit(struct sp_clusters *fresh)
{
    assert(fresh);
    for (struct sp_host_change *x; (x = take(fresh)) != NULL;) {
        x->cluster->hosts_hash = x->hash;
        sp_hosts_post(x->cluster, x->set);
        sp_cluster_drop(x->cluster);
        free(x);
    }
}

void sp_clusters_drop_changes(struct sp_clusters *fresh)
{
    assert(fresh);
    for (struct sp_host_change *x; (x = take(fresh)) != NULL;) {
        sp_host_set_unref(x->set);
        sp_cluster_drop(x->cluster);
        free(x);
    }
}
