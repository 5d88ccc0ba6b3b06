/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole of what is written: admin page, listeners, clusters. */
#include <assert.h>

#include "tools/convert_parts.h"

static void put_manager(struct sp_convert *c, unsigned indent, bool tls, struct sp_str sni)
{
    sp_put(c, indent, "filters:");
    sp_put(c, indent, "- name: http");
    sp_put(c, indent + 2, "typed_config:");
    sp_put(c, indent + 4, "\"@type\": " SP_T "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager");
    sp_put(c, indent + 4, "stat_prefix: %s", tls ? "https" : "http");
    sp_put(c, indent + 4, "use_remote_address: true");
    sp_put(c, indent + 4, "normalize_path: true");
    sp_put(c, indent + 4, "merge_slashes: true");
    sp_put(c, indent + 4, "path_with_escaped_slashes_action: REJECT_REQUEST  # Kong passes %%2F on");
    sp_put(c, indent + 4, "request_headers_timeout: 10s");
    sp_put(c, indent + 4, "common_http_protocol_options: {headers_with_underscores_action: REJECT_REQUEST}");
    sp_put(c, indent + 4, "access_log:");
    sp_put(c, indent + 4, "- name: all");
    sp_put(c, indent + 6, "typed_config:");
    sp_put(c, indent + 8, "\"@type\": " SP_T "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog");
    sp_put(c, indent + 8, "log_format:");
    sp_put(c, indent + 10, "json_format: {time: \"%%START_TIME%%\", client: \"%%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%%\", method: \"%%REQ(:method)%%\",");
    sp_put(c, indent + 10, "              path: \"%%REQ(x-envoy-original-path?:path)%%\", route: \"%%ROUTE_NAME%%\", status: \"%%RESPONSE_CODE%%\",");
    sp_put(c, indent + 10, "              details: \"%%RESPONSE_CODE_DETAILS%%\"}");
    sp_convert_filters(c, indent + 4);
    sp_put(c, indent + 4, "route_config:");
    sp_convert_vhosts(c, indent + 6, tls, sni);
}

static void put_listener(struct sp_convert *c, bool tls, unsigned port)
{
    unsigned n = 0;
    const struct sp_str *snis = sp_convert_route_snis(c, &n);
    sp_put(c, 2, "- name: %s", tls ? "https" : "http");
    sp_put(c, 4, "address: {socket_address: {address: 0.0.0.0, port_value: %u}}", port);
    sp_put(c, 4, "filter_chains:");
    for (unsigned i = 0; tls && i < n; i++) {
        sp_put_remark(c, 4, NULL, "routes that ask for this server name, and those that ask for none");
        sp_put(c, 4, "- filter_chain_match: {server_names: [%s]}", sp_quoted(c, snis[i]));
        sp_convert_downstream_tls(c, 6);
        put_manager(c, 6, tls, snis[i]);
    }
    sp_put(c, 4, "- name: %s", tls ? "any-name" : "plain");
    if (tls) {
        sp_put(c, 6, "transport_socket_connect_timeout: 10s");
        sp_convert_downstream_tls(c, 6);
    }
    put_manager(c, 6, tls, SP_STR_NULL);
}

void sp_convert_all(struct sp_convert *c)
{
    assert(c && c->to);
    sp_put(c, 0, "# Made by sallyport convert from %s. What was not carried over it has said on stderr: make it anew to read it.", c->file.name);
    sp_put(c, 0, "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}");
    sp_convert_inspect(c);
    sp_convert_issuers(c);
    sp_put(c, 0, "static_resources:");
    sp_put(c, 2, "listeners:");
    if (c->http_port)
        put_listener(c, false, c->http_port);
    if (sp_convert_has_tls(c))
        put_listener(c, true, c->https_port);
    else
        sp_kong_note(&c->file, NULL, "no certificates: there is no listener with TLS");
    sp_convert_clusters(c);
}
