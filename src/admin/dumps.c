/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The admin page's longer answers: certificates, clusters, listeners, the server itself. */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "admin/handlers.h"
#include "base/regex.h"
#include "config/pb_json.h"
#include "sallyport_version.h"

enum { NODE_MAX = 1 << 20 };

static json_t *time_of(int64_t t)
{
    char text[32];
    sp_admin_time_text(t, text);
    return json_string(text);
}

static void add_names(json_t *to, const char *kind, const struct sp_str *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        json_array_append_new(to, json_pack("{s:o}", kind, sp_json_text(v[i])));
}

/* Certificates come context by context, which is an entry each. */
struct certs {
    json_t *list, *entry; /* entry: borrowed */
    const void *context;
};

static void add_cert(void *arg, const struct sp_tls_cert_info *info)
{
    struct certs *to = arg;
    json_t *names = json_array();
    int64_t left = info->not_after - time(NULL);
    char days[32];
    snprintf(days, sizeof(days), "%lld", left > 0 ? (long long)left / 86400 : 0);
    add_names(names, "dns", info->dns, info->n_dns);
    add_names(names, "uri", info->uri, info->n_uri);
    add_names(names, "ip_address", info->ip, info->n_ip);
    json_t *cert = json_pack("{s:o,s:o,s:o,s:o,s:o,s:s,s:o,s:o}", "path", sp_json_text(info->path), "subject",
                             sp_json_text(info->subject), "issuer", sp_json_text(info->issuer), "serial_number", sp_json_text(info->serial),
                             "subject_alt_names", names, "days_until_expiration", days, "valid_from",
                             time_of(info->not_before), "expiration_time", time_of(info->not_after));
    if (info->ocsp_until)
        json_object_set_new(cert, "ocsp_details", json_pack("{s:o,s:o}", "valid_from", time_of(info->ocsp_from), "expiration",
                                                            time_of(info->ocsp_until)));
    if (!to->entry || to->context != info->context) {
        to->entry = json_pack("{s:[],s:[]}", "ca_cert", "cert_chain");
        to->context = info->context;
        json_array_append_new(to->list, to->entry);
    }
    json_array_append_new(json_object_get(to->entry, info->is_ca ? "ca_cert" : "cert_chain"), cert);
}

void sp_admin_certs(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    struct certs to = {.list = json_array()};
    sp_config_certs(sp_server_config(r->server), add_cert, &to);
    sp_admin_put_json(a, json_pack("{s:o}", "certificates", to.list));
}

void sp_admin_clusters(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    const struct sp_config *config = sp_server_config(r->server);
    const struct sp_clusters *c = &config->clusters;
    bool json = sp_admin_wants_json(r), first = true;
    struct sp_regex *filter = NULL;
    if (!sp_admin_filter(r, a, &filter))
        return;
    if (json) {
        a->content_type = "application/json";
        sp_admin_put(a, "{\"cluster_statuses\":[");
    }
    for (unsigned i = 0; i < c->n; i++) {
        if (filter && !sp_regex_search(filter, sp_cluster_name(c->v[i]), NULL))
            continue;
        if (json && !first)
            sp_admin_put(a, ",");
        first = false;
        bool via_api = sp_set_source_of(config->set, config->bootstrap->static_resources->clusters[i]) != NULL; /* same order */
        (json ? sp_cluster_json : sp_cluster_text)(c->v[i], via_api, &a->body);
    }
    if (json)
        sp_admin_put(a, "]}\n");
    sp_regex_free(filter);
}

static json_t *address_of(const struct sp_addr *addr)
{
    char text[SP_ADDR_TEXT_MAX];
    size_t n = sp_addr_format_ip(addr, text);
    if (addr->family == AF_UNIX)
        return json_pack("{s:{s:o}}", "pipe", "path", sp_json_text(sp_str_n(text, n)));
    return json_pack("{s:{s:o,s:i}}", "socket_address", "address", sp_json_text(sp_str_n(text, n)), "port_value", (int)addr->port);
}

void sp_admin_listeners(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    const struct sp_config *c = sp_server_config(r->server);
    json_t *list = json_array();
    for (unsigned i = 0; i < c->n_listeners; i++) {
        const struct sp_addr *at = sp_server_bound(r->server, i);
        struct sp_str name = sp_listener_name(c->listeners[i]);
        char text[SP_ADDR_TEXT_MAX];
        sp_addr_format(at, text);
        if (!sp_admin_wants_json(r))
            sp_admin_put_line(a, "%.*s::%s\n", SP_STR_ARG(name), text);
        json_array_append_new(list, json_pack("{s:o,s:o}", "name", sp_json_text(name), "local_address", address_of(at)));
    }
    if (sp_admin_wants_json(r))
        sp_admin_put_json(a, json_pack("{s:o}", "listener_statuses", list));
    else
        json_decref(list);
}

static json_t *options_of(const struct sp_admin_request *r)
{
    const struct sp_options *o = sp_server_options(r->server);
    char drain[32];
    snprintf(drain, sizeof(drain), "%us", o->drain_time_s);
    json_t *j = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s}", "concurrency", (int)sp_server_concurrency(r->server), "config_path",
                          o->config_path ? o->config_path : "", "admin_address_path", o->admin_address_path ? o->admin_address_path : "",
                          "log_level", sp_log_level_name(sp_log_get_level()), "log_path",
                          o->log_path ? o->log_path : "", "drain_time", drain, "mode", "Serve");
    json_object_set_new(j, "config_yaml", json_string(o->config_yaml ? "[redacted]" : "")); /* may hold secrets */
    json_object_set_new(j, "disable_hot_restart", json_boolean(!o->hot_restart));
    return j;
}

static json_t *node_of(const struct sp_config *c)
{
    struct sp_buf text;
    json_t *j = NULL;
    if (!c->bootstrap->node)
        return json_object();
    sp_buf_init(&text);
    sp_pb_json(c->doc, c->bootstrap->node, 0, &text);
    if (text.len <= NODE_MAX)
        j = json_loadb(sp_buf_pullup(&text, text.len), text.len, 0, NULL);
    sp_buf_clear(&text);
    return j ? j : json_object();
}

void sp_admin_server_info(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    char uptime[32];
    bool failing = sp_server_state(r->server) == SP_SERVER_LIVE && sp_server_failing(r->server);
    snprintf(uptime, sizeof(uptime), "%llus", (unsigned long long)sp_server_uptime_s(r->server));
    sp_admin_put_json(a, json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "version", SP_GIT_COMMIT "/" SP_VERSION "/sallyport", "state",
                                   failing ? "DRAINING" : sp_server_state_name(r->server), "uptime_current_epoch", uptime,
                                   "uptime_all_epochs", uptime, "hot_restart_version",
                                   sp_server_options(r->server)->hot_restart ? SP_VERSION : "disabled", "command_line_options", options_of(r),
                                   "node", node_of(sp_server_config(r->server))));
}
