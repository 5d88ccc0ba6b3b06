/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /config_dump: the config that serves, in Envoy's sections: what stands in the bootstrap is static, what came out of the
 * files that it names is dynamic, with version_info and since when it serves; error_state has why a newer content of the file was
 * refused.  The last section is our own: the whole set, which is taken or refused as one.
 */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "admin/dump_query.h"
#include "admin/handlers.h"
#include "base/reserve.h"
#include "clusters/cluster_overview.h"
#include "config/files.h"
#include "config/pb_json.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "server/reload.h"
#include "server/xds_stats.h"

typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager Hcm;
typedef Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources Static;

struct dump {
    struct sp_server *server;
    const struct sp_config *config;
    struct sp_admin_answer *a;
    struct sp_reload_info info;
    unsigned n; /* entries of the list that is open */
};

static void put_json(struct dump *d, json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text && sp_memory() != SP_MEM_LOW)
        sp_buf_append(&d->a->body, text, strlen(text));
    else
        d->a->cut = true;
    free(text);
    json_decref(v);
}

static void put_string(struct dump *d, const char *name, struct sp_str value)
{
    sp_admin_put(d->a, "\"%s\": ", name);
    put_json(d, sp_json_text(value));
    sp_admin_put(d->a, ", ");
}

static void put_time(struct dump *d, const char *name, int64_t ms)
{
    sp_admin_put(d->a, "\"%s\": ", name);
    put_json(d, sp_admin_json_time(ms / 1000));
}

static void open_section(struct dump *d, const char *type)
{
    sp_admin_put(d->a, ",\n  {\n   \"@type\": \"type.googleapis.com/%s\"", type);
}

static void open_list(struct dump *d, const char *name)
{
    sp_admin_put(d->a, ",\n   \"%s\": [", name);
    d->n = 0;
}

static void open_entry(struct dump *d)
{
    sp_admin_put(d->a, "%s\n    {", d->n++ ? "," : "");
}

static void close_list(struct dump *d)
{
    sp_admin_put(d->a, "%s]", d->n ? "\n   " : "");
}

static const struct sp_set_source *source_of(const struct dump *d, const void *msg)
{
    return sp_set_source_of(d->config->set, msg);
}

static struct sp_xds_state state_of(const struct dump *d, const struct sp_set_source *source)
{
    return sp_xds_stats_of(sp_server_xds(d->server), source);
}

static void put_message(struct dump *d, const char *field, const void *msg)
{
    sp_admin_put(d->a, "\"%s\": ", field);
    sp_pb_json_typed(d->config->doc, msg, 5, &d->a->body);
    sp_admin_put(d->a, ", ");
}

/* What all entries have: version_info unless it is static, the message, and when it came. */
static void put_state(struct dump *d, const char *field, const void *msg, const struct sp_set_source *source)
{
    if (source && source->file->version_info[0])
        put_string(d, "version_info", sp_str_c(source->file->version_info));
    put_message(d, field, msg);
    put_time(d, "last_updated", source ? state_of(d, source).updated_ms : d->info.loaded_s * 1000);
}

static void put_error(struct dump *d, const struct sp_set_source *source)
{
    struct sp_xds_state s = state_of(d, source);
    if (!s.failed_ms)
        return;
    sp_admin_put(d->a, ", \"error_state\": {");
    put_string(d, "details", s.why);
    put_time(d, "last_update_attempt", s.failed_ms);
    sp_admin_put(d->a, "}");
}

static const struct sp_set_source *source_of_kind(const struct dump *d, enum sp_set_kind kind)
{
    const struct sp_set *s = d->config->set;
    for (unsigned i = 0; i < s->n_sources; i++)
        if (s->sources[i].kind == kind)
            return &s->sources[i];
    return NULL;
}

static void put_version(struct dump *d, enum sp_set_kind kind)
{
    const struct sp_set_source *s = source_of_kind(d, kind);
    if (!s || !s->file->version_info[0])
        return;
    sp_admin_put(d->a, ",\n   \"version_info\": ");
    put_json(d, sp_json_text(sp_str_c(s->file->version_info)));
}

static void clusters(struct dump *d, const Static *res)
{
    open_section(d, "envoy.admin.v3.ClustersConfigDump");
    put_version(d, SP_SET_CDS);
    for (int dynamic = 0; dynamic < 2; dynamic++) {
        open_list(d, dynamic ? "dynamic_active_clusters" : "static_clusters");
        for (size_t i = 0; i < res->n_clusters; i++) {
            const struct sp_set_source *source = source_of(d, res->clusters[i]);
            if (!!source != dynamic)
                continue;
            open_entry(d);
            put_state(d, "cluster", res->clusters[i], source);
            if (source)
                put_error(d, source);
            sp_admin_put(d->a, "}");
        }
        close_list(d);
    }
    sp_admin_put(d->a, "\n  }");
}

static void listeners(struct dump *d, const Static *res)
{
    open_section(d, "envoy.admin.v3.ListenersConfigDump");
    put_version(d, SP_SET_LDS);
    for (int dynamic = 0; dynamic < 2; dynamic++) {
        open_list(d, dynamic ? "dynamic_listeners" : "static_listeners");
        for (size_t i = 0; i < res->n_listeners; i++) {
            const struct sp_set_source *source = source_of(d, res->listeners[i]);
            if (!!source != dynamic)
                continue;
            open_entry(d);
            if (dynamic) {
                put_string(d, "name", sp_str_c(res->listeners[i]->name));
                sp_admin_put(d->a, "\"active_state\": {");
            }
            put_state(d, "listener", res->listeners[i], source);
            if (dynamic) {
                sp_admin_put(d->a, "}");
                put_error(d, source);
            }
            sp_admin_put(d->a, "}");
        }
        close_list(d);
    }
    sp_admin_put(d->a, "\n  }");
}

static void static_table(void *arg, const ProtobufCMessage *msg)
{
    struct dump *d = arg;
    const Hcm *h = (const void *)msg;
    if (msg->descriptor != &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor ||
        h->rds || !h->route_config)
        return;
    open_entry(d);
    put_state(d, "route_config", h->route_config, NULL);
    sp_admin_put(d->a, "}");
}

/* Each resource once, though several may name it. */
static bool shown_before(const struct sp_set *s, unsigned i)
{
    for (unsigned k = 0; k < i; k++)
        if (s->sources[k].resource == s->sources[i].resource)
            return true;
    return false;
}

static void named_entries(struct dump *d, enum sp_set_kind kind, const char *field)
{
    const struct sp_set *s = d->config->set;
    for (unsigned i = 0; i < s->n_sources; i++) {
        if (s->sources[i].kind != kind || shown_before(s, i))
            continue;
        open_entry(d);
        if (kind == SP_SET_SDS)
            put_string(d, "name", sp_str_c(s->sources[i].name));
        put_state(d, field, s->sources[i].resource, &s->sources[i]);
        put_error(d, &s->sources[i]);
        sp_admin_put(d->a, "}");
    }
}

static void named(struct dump *d, enum sp_set_kind kind, const char *list, const char *field)
{
    open_list(d, list);
    named_entries(d, kind, field);
    close_list(d);
}

static void routes(struct dump *d)
{
    open_section(d, "envoy.admin.v3.RoutesConfigDump");
    open_list(d, "static_route_configs");
    sp_doc_each(d->config->doc, static_table, d);
    close_list(d);
    named(d, SP_SET_RDS, "dynamic_route_configs", "route_config");
    sp_admin_put(d->a, "\n  }");
}

static void secrets(struct dump *d, const Static *res)
{
    open_section(d, "envoy.admin.v3.SecretsConfigDump");
    open_list(d, "static_secrets");
    for (size_t i = 0; i < res->n_secrets; i++) {
        open_entry(d);
        put_string(d, "name", sp_str_c(res->secrets[i]->name));
        put_state(d, "secret", res->secrets[i], NULL);
        sp_admin_put(d->a, "}");
    }
    close_list(d);
    named(d, SP_SET_SDS, "dynamic_active_secrets", "secret");
    sp_admin_put(d->a, "\n  }");
}

static void assignments(struct dump *d, const Static *res, bool via_api)
{
    const struct sp_clusters *c = &d->config->clusters;
    for (unsigned i = 0; i < c->n; i++) {
        const Envoy__Config__Cluster__V3__Cluster *msg = res->clusters[i]; /* in the same order */
        if ((source_of(d, msg) != NULL) != via_api || (via_api && msg->eds_cluster_config))
            continue;
        open_entry(d);
        sp_admin_put(d->a, "\"endpoint_config\": ");
        put_json(d, sp_cluster_assignment(c->v[i]));
        sp_admin_put(d->a, "}");
    }
}

/* As Envoy divides them, by whether CDS has the cluster; hosts of EDS files stand there as the files have them, too. */
static void endpoints(struct dump *d, const Static *res)
{
    open_section(d, "envoy.admin.v3.EndpointsConfigDump");
    open_list(d, "static_endpoint_configs");
    assignments(d, res, false);
    close_list(d);
    open_list(d, "dynamic_endpoint_configs");
    assignments(d, res, true);
    named_entries(d, SP_SET_EDS, "endpoint_config");
    close_list(d);
    sp_admin_put(d->a, "\n  }");
}

static void put_path(void *arg, const char *path, const struct sp_file_facts *facts)
{
    struct dump *d = arg;
    (void)facts;
    sp_admin_put(d->a, "%s", d->n++ ? ", " : "");
    put_json(d, sp_json_text(sp_str_c(path)));
}

static void whole_set(struct dump *d)
{
    open_section(d, "sallyport.admin.v1.ConfigSetDump");
    sp_admin_put(d->a, ",\n   \"number\": %llu, ", (unsigned long long)d->info.number);
    put_time(d, "last_updated", d->info.loaded_s * 1000);
    open_list(d, "files");
    sp_doc_each_file(d->config->doc, put_path, d);
    sp_admin_put(d->a, "]");
    if (d->info.failed_s) {
        sp_admin_put(d->a, ",\n   \"error_state\": {");
        put_string(d, "details", d->info.why);
        put_time(d, "last_update_attempt", d->info.failed_s * 1000);
        sp_admin_put(d->a, "}");
    }
    sp_admin_put(d->a, "\n  }");
}

static void whole(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    static const Static none;
    struct sp_str unused;
    struct dump d = {.server = r->server, .config = sp_server_config(r->server), .a = a, .info = sp_server_reload_info(r->server)};
    const Static *res = d.config->bootstrap->static_resources ? d.config->bootstrap->static_resources : &none;
    a->content_type = "application/json";
    sp_admin_put(a, "{\n \"configs\": [\n  {\n   \"@type\": \"type.googleapis.com/envoy.admin.v3.BootstrapConfigDump\",\n"
                    "   \"bootstrap\": ");
    sp_pb_json(d.config->doc, d.config->bootstrap, 3, &a->body);
    sp_admin_put(a, "\n  }");
    clusters(&d, res);
    if (sp_admin_param(r, "include_eds", &unused))
        endpoints(&d, res);
    listeners(&d, res);
    routes(&d);
    secrets(&d, res);
    whole_set(&d);
    sp_admin_put(a, "\n ]\n}\n");
}

void sp_admin_config_dump(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    assert(r && a);
    struct sp_dump_query q;
    if (!sp_dump_query_read(&q, r, a))
        return;
    whole(r, a);
    if (sp_dump_query_asks(&q))
        sp_dump_query_apply(&q, a);
    sp_dump_query_done(&q);
}
