/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who asks for what: listeners and clusters of the root, then route tables, hosts and secrets wherever a message names them,
 * in the root and in every file that comes in.
 */
#include <assert.h>

#include "config/files.h"
#include "config/xds.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"

typedef Envoy__Config__Cluster__V3__Cluster Cluster;
typedef Envoy__Config__Core__V3__ConfigSource Source;
typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager Hcm;

/* Listeners or clusters of a file, behind the static ones. */
static void take_all(struct sp_xds *x, const Source *source, enum sp_set_kind kind, const char *field)
{
    struct sp_xds_file *file = source ? sp_xds_file_get(x, source, kind) : NULL;
    if (!file)
        return;
    Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *to = sp_xds_static(x);
    ProtobufCMessage **list = kind == SP_SET_LDS ? (ProtobufCMessage **)(void *)to->listeners : (ProtobufCMessage **)(void *)to->clusters;
    size_t n = kind == SP_SET_LDS ? to->n_listeners : to->n_clusters;
    struct sp_map names;
    sp_map_init(&names);
    for (size_t i = 0; i < n; i++)
        if (sp_xds_name(list[i])[0])
            sp_map_add(&names, sp_str_c(sp_xds_name(list[i])), list[i]);
    for (size_t i = 0; i < file->msg->n_resources; i++) {
        const ProtobufCMessage *msg = sp_doc_any(x->doc, file->msg->resources[i]);
        const char *name = msg ? sp_xds_name(msg) : "";
        const void *same = name[0] ? sp_map_get(&names, sp_str_c(name)) : NULL;
        struct sp_mark first = sp_doc_mark(x->doc, same, NULL, -1);
        if (same)
            sp_doc_err(x->doc, x->diag, msg, "name", -1,
                       "\"%s\" is static, at %s:%u:%u, and cannot be overridden (take one of the two out, or rename it)", name,
                       first.file, first.line, first.column);
        else if (msg && !file->bad)
            sp_xds_append(x, to, field, msg);
    }
    sp_map_done(&names);
    sp_xds_source(x, kind, "", "", file, NULL);
}

static void missing(struct sp_xds *x, const void *msg, const char *field, const char *what, const char *name, const struct sp_xds_file *file)
{
    if (!file->bad)
        sp_doc_err(x->doc, x->diag, msg, field, -1, "there is no %s \"%s\" in %s (%s)", what, name, file->path,
                   sp_xds_names(x, file, name));
}

static void route_table(struct sp_xds *x, Hcm *msg)
{
    if (msg->rds && msg->route_config) {
        sp_doc_err(x->doc, x->diag, msg, "rds", -1, "\"rds\" and \"route_config\" exclude each other (keep one of them)");
        return;
    }
    if (!msg->rds && !msg->route_config)
        sp_doc_err(x->doc, x->diag, msg, NULL, -1, "one of these is required: rds, route_config");
    struct sp_xds_file *file = msg->rds ? sp_xds_file_get(x, msg->rds->config_source, SP_SET_RDS) : NULL;
    if (!file)
        return;
    const char *name = msg->rds->route_config_name;
    msg->route_config = sp_map_get(&file->by_name, sp_str_c(name));
    if (msg->route_config)
        sp_xds_source(x, SP_SET_RDS, msg->stat_prefix, name, file, msg->route_config);
    else
        missing(x, msg->rds, "route_config_name", "RouteConfiguration", name, file);
}

static void hosts(struct sp_xds *x, Cluster *msg)
{
    const Envoy__Config__Cluster__V3__Cluster__EdsClusterConfig *eds = msg->eds_cluster_config;
    bool is_eds = msg->cluster_discovery_type_case == ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_DISCOVERY_TYPE_TYPE &&
                  msg->type == ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__EDS;
    if (!is_eds && eds)
        sp_doc_err(x->doc, x->diag, msg, "eds_cluster_config", -1, "this cluster is not of type EDS (set type: EDS, or take it out)");
    if (!is_eds && !msg->load_assignment)
        sp_doc_err(x->doc, x->diag, msg, "load_assignment", -1, "required, but missing (add it)");
    if (is_eds && msg->load_assignment)
        sp_doc_err(x->doc, x->diag, msg, "load_assignment", -1,
                   "an EDS cluster has its hosts in the file that eds_cluster_config names (take it out, or use type: STATIC)");
    if (is_eds && !eds)
        sp_doc_err(x->doc, x->diag, msg, "eds_cluster_config", -1, "required for type: EDS, but missing (add it)");
    if (!is_eds || msg->load_assignment || !eds)
        return;
    struct sp_xds_file *file = sp_xds_file_get(x, eds->eds_config, SP_SET_EDS);
    if (!file)
        return;
    const char *name = eds->service_name[0] ? eds->service_name : msg->name;
    msg->load_assignment = sp_map_get(&file->by_name, sp_str_c(name));
    if (msg->load_assignment)
        sp_xds_source(x, SP_SET_EDS, msg->alt_stat_name, msg->name, file, msg->load_assignment);
    else
        missing(x, eds, eds->service_name[0] ? "service_name" : NULL, "ClusterLoadAssignment", name, file);
}

static void visit(void *arg, const ProtobufCMessage *base)
{
    struct sp_xds *x = arg;
    void *msg = (void *)(uintptr_t)base; /* under construction */
    const ProtobufCMessageDescriptor *desc = base->descriptor;
    if (desc == &envoy__config__cluster__v3__cluster__descriptor)
        hosts(x, msg);
    else if (desc == &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor)
        route_table(x, msg);
    else if (desc == &envoy__extensions__transport_sockets__tls__v3__common_tls_context__descriptor)
        sp_xds_tls(x, msg);
    else if (desc == &envoy__extensions__transport_sockets__tls__v3__downstream_tls_context__descriptor)
        sp_xds_ticket_keys(x, msg);
    else if (desc == &envoy__extensions__transport_sockets__tls__v3__sds_secret_config__descriptor)
        sp_xds_other_secret(x, msg);
    else if (desc == &envoy__config__core__v3__watched_directory__descriptor)
        sp_files_add_dir(x->doc->files, ((const Envoy__Config__Core__V3__WatchedDirectory *)msg)->path);
}

void sp_xds_resolve(struct sp_xds *x)
{
    assert(x && x->root);
    const Envoy__Config__Bootstrap__V3__Bootstrap__DynamicResources *dynamic = x->root->dynamic_resources;
    sp_xds_secrets_init(x);
    if (dynamic) {
        take_all(x, dynamic->cds_config, SP_SET_CDS, "clusters");
        take_all(x, dynamic->lds_config, SP_SET_LDS, "listeners");
    }
    sp_doc_each_under(x->doc, x->doc->root, visit, x);
    for (const struct sp_doc_file *f = x->doc->attached; f; f = f->next) /* grows meanwhile */
        sp_doc_each_under(x->doc, f->root, visit, x);
}
