/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clusters of a config, and new hosts for those of them that the config before has too: noted while the config is
 * compiled, published when it is, or given up with it.
 */
#ifndef SP_CLUSTERS_HOST_CHANGE_H
#define SP_CLUSTERS_HOST_CHANGE_H

#include "base/map.h"

struct sp_cluster;
struct sp_hash;
struct sp_host_set;

/* By name. */
struct sp_clusters {
    struct sp_map by_name;
    struct sp_cluster **v; /* n of them, in order of the config */
    unsigned n;
    struct sp_host_change *changes; /* wait for sp_clusters_commit */
};

/* Takes the set. `hash`: of the load_assignment that it was made from. */
void sp_host_change_add(struct sp_clusters *to, struct sp_cluster *c, struct sp_host_set *set, const struct sp_hash *hash);

/* Main thread, when the config is published: they take effect. */
void sp_clusters_commit(struct sp_clusters *fresh);
/* Else: they are given up. After a commit there are none. */
void sp_clusters_drop_changes(struct sp_clusters *fresh);

#endif
