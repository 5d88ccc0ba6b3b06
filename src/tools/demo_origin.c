/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/demo_origin.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct sp_demo_origin {
    struct sp_server_hooks next;
    char *yaml;
    struct sp_doc *doc;
    struct sp_listener *listener;
    struct sp_listener_socket *socket;
    struct sp_snapshot snapshot;
    bool has_snapshot;
    int fd;
};

static const char listener_yaml[] =
    "name: demo_origin\n"
    "address: {socket_address: {address: 127.0.0.1, port_value: %u}}\n"
    "filter_chains:\n"
    "- transport_socket:\n"
    "    name: tls\n"
    "    typed_config:\n"
    "      \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext\n"
    "      require_client_certificate: true\n"
    "      common_tls_context:\n"
    "        alpn_protocols: [h2, http/1.1]\n"
    "        tls_certificates:\n"
    "        - {certificate_chain: {filename: %s/origin.pem}, private_key: {filename: %s/origin.key}}\n"
    "        validation_context: {trusted_ca: {filename: %s/ca.pem}}\n"
    "  filters:\n"
    "  - name: http\n"
    "    typed_config:\n"
    "      \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n"
    "      stat_prefix: demo_origin\n"
    "      http_filters:\n"
    "      - {name: origin, typed_config: {\"@type\": type.googleapis.com/sallyport.demo.v1.Origin}}\n"
    "      route_config:\n"
    "        validate_clusters: false\n"
    "        virtual_hosts: [{name: all, domains: [\"*\"], routes: [{match: {prefix: /}, route: {cluster: none}}]}]\n";

static void put_line(struct sp_buf *out, struct sp_str name, struct sp_str value)
{
    sp_buf_append_str(out, name);
    sp_buf_append_static(out, ": ", 2);
    sp_buf_append_str(out, value);
    sp_buf_append_static(out, "\n", 1);
}

static enum sp_status origin_decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    struct sp_buf text;
    sp_buf_init(&text);
    sp_buf_append_str(&text, SP_STR("Hello from the origin. The door sent me this:\n\n"));
    put_line(&text, h->method, h->path);
    put_line(&text, SP_STR("host"), h->authority);
    for (unsigned i = 0; i < h->n; i++)
        put_line(&text, h->v[i].name, h->v[i].value);
    char *body = sp_arena_alloc(sp_filter_arena(f), text.len + 1);
    size_t n = sp_buf_peek(&text, body, text.len);
    sp_buf_clear(&text);
    sp_filter_reply_text(f, 200, sp_str_n(body, n), SP_STR("demo_origin"));
    return SP_STOP;
}

static void *origin_config_new(const struct sp_filter_build *build, const ProtobufCMessage *msg)
{
    return sp_xmalloc(1); /* it has none, and NULL would be an error */
}

static const struct sp_filter_ops origin_ops = {
    .name = "demo_origin",
    .type_url = "sallyport.demo.v1.Origin",
    .size = sizeof(struct sp_filter),
    .terminal = true,
    .config_new = origin_config_new,
    .config_free = free,
    .decode_headers = origin_decode_headers,
};

static struct sp_cluster *no_cluster(void *ctx, struct sp_str name)
{
    return NULL;
}

struct sp_demo_origin *sp_demo_origin_new(const char *dir, unsigned port)
{
    assert(dir && port > 0 && port < 65536);
    struct sp_demo_origin *o = sp_xcalloc(1, sizeof(*o));
    o->fd = -1;
    size_t size = sizeof(listener_yaml) + 3 * strlen(dir) + 16;
    o->yaml = sp_xmalloc(size);
    snprintf(o->yaml, size, listener_yaml, port, dir, dir, dir);
    return o;
}

static int on_bind(void *ctx, struct sp_server *s)
{
    static const struct sp_filter_ops *const registry[] = {&origin_ops, NULL};
    struct sp_demo_origin *o = ctx;
    struct sp_diag diag;
    struct sp_addr bound;
    sp_diag_init(&diag);
    o->doc = sp_doc_load_text("<demo origin>", sp_str_c(o->yaml), SP_SYNTAX_YAML,
                              &envoy__config__listener__v3__listener__descriptor, &diag);
    if (o->doc) {
        struct sp_listener_build build = {.doc = o->doc, .diag = &diag, .registry = registry, .find_cluster = no_cluster};
        o->listener = sp_listener_new(&build, sp_doc_root(o->doc));
    }
    sp_diag_print(&diag, stderr);
    sp_diag_done(&diag);
    if (!o->listener)
        return SP_EXIT_CONFIG;
    o->fd = sp_listener_bind(o->listener, sp_listener_addr(o->listener), &bound);
    if (o->fd < 0)
        return SP_EXIT_BIND;
    return o->next.on_bind ? o->next.on_bind(o->next.ctx, s) : SP_EXIT_OK;
}

static void nobody_left(struct sp_snapshot *s)
{
}

static void on_start(void *ctx, struct sp_server *s)
{
    struct sp_demo_origin *o = ctx;
    sp_snapshot_init(&o->snapshot, sp_server_main(s)->index + 1, nobody_left);
    o->has_snapshot = true;
    o->socket = sp_listener_open(sp_server_main(s), o->listener, &o->snapshot);
    int err = sp_listener_accept_on(o->socket, o->fd);
    if (err)
        sp_log(SP_LOG_ERROR, "demo", "the origin cannot listen: %s", strerror(-err));
    if (o->next.on_start)
        o->next.on_start(o->next.ctx, s);
}

static void on_ready(void *ctx, struct sp_server *s)
{
    struct sp_demo_origin *o = ctx;
    if (o->next.on_ready)
        o->next.on_ready(o->next.ctx, s);
}

static void on_stop(void *ctx, struct sp_server *s)
{
    struct sp_demo_origin *o = ctx;
    if (o->next.on_stop)
        o->next.on_stop(o->next.ctx, s);
    if (o->socket)
        sp_listener_close(o->socket);
    o->socket = NULL;
}

void sp_demo_origin_hooks(struct sp_demo_origin *o, const struct sp_server_hooks *next, struct sp_server_hooks *ret)
{
    assert(o && ret);
    if (next)
        o->next = *next;
    *ret = (struct sp_server_hooks){
        .on_bind = on_bind, .on_start = on_start, .on_ready = on_ready, .on_stop = on_stop, .ctx = o};
}

void sp_demo_origin_free(struct sp_demo_origin *o)
{
    if (!o)
        return;
    sp_listener_free(o->listener);
    sp_doc_free(o->doc);
    if (o->has_snapshot)
        sp_snapshot_done(&o->snapshot);
    free(o->yaml);
    free(o);
}
