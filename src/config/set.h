/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_set: a bootstrap and every file that it names by a ConfigSource ("files as xDS"), as one document.  Listeners of an LDS
 * file stand behind the static ones, clusters of a CDS file likewise; a route table of an RDS file stands in its connection
 * manager's route_config, hosts of an EDS file in their cluster's load_assignment, secrets of an SDS file in the TLS context
 * that names them: whoever compiles sees one config.  Places and paths are those of the file where a thing is written.
 *
 * All or nothing: an error in any file refuses the set.  A file is read once, however many refer to it.
 *
 * Made by the thread that loads configs (blocks on the disk), immutable afterwards.
 */
#ifndef SP_CONFIG_SET_H
#define SP_CONFIG_SET_H

#include "config/doc.h"
#include "event/file_watch.h"
#include "envoy/service/discovery/v3/discovery.pb-c.h"

struct sp_files;

enum sp_set_kind { SP_SET_LDS, SP_SET_CDS, SP_SET_RDS, SP_SET_EDS, SP_SET_SDS, SP_SET_KINDS };

/* One subscription: a ConfigSource and what it is for. */
struct sp_set_source {
    enum sp_set_kind kind;
    const char *name;  /* of the route table, the cluster, the secret; "" for LDS and CDS */
    const char *owner; /* RDS: the connection manager's stat_prefix; EDS: the cluster's alt_stat_name; else "" */
    const char *path;
    const Envoy__Service__Discovery__V3__DiscoveryResponse *file;
    const void *resource; /* the one of that name; NULL for LDS and CDS: all of the file */
    struct sp_file_facts facts; /* of the file, before it was read */
    int64_t read_ms;            /* Unix time */
};

struct sp_set {
    struct sp_doc *doc;            /* owned; its root is the Bootstrap */
    struct sp_set_source *sources; /* n_sources of them, each kind, owner and name once; what they point to lives with `doc` */
    unsigned n_sources;
};

/*
 * `path` (-c), `yaml` (--config-yaml) or both, as sp_config_load.  NULL: refused, `diag` has all errors of all files.  `files`
 * (may be NULL) gets every file that was read or looked for, also when the load fails: what to watch.
 */
struct sp_set *sp_set_load(const char *path, const char *yaml, struct sp_files *files, struct sp_diag *diag);
void sp_set_free(struct sp_set *s); /* NULL-safe */

/* "lds", ... */
const char *sp_set_kind_name(enum sp_set_kind kind);
/* The source that this message (a listener, a cluster, a route table, ...) came from, or NULL: it is static. */
const struct sp_set_source *sp_set_source_of(const struct sp_set *s, const void *msg);

#endif
