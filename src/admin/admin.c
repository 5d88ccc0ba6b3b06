/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/admin.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/body.h"
#include "admin/handlers.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/doc_hash.h"
#include "config/load.h"
#include "config/rules.h"
#include "filters/admin_guard.h"
#include "net/inherit.h"
#include "route/matcher.h"

struct sp_admin {
    struct sp_server *server;
    struct sp_server_hooks next;
    struct sp_doc *doc;
    struct sp_listener *listener;
    struct sp_listener_socket *socket;
    struct sp_snapshot snapshot; /* what its streams hold: nothing, the admin page outlives them */
    bool has_snapshot;
    struct sp_string_matcher **paths; /* n_paths of them: allow_paths */
    size_t n_paths;
    struct sp_addr address, bound;
    int fd;
};

bool sp_admin_may(const struct sp_admin *admin, struct sp_str path)
{
    for (size_t i = 0; i < admin->n_paths; i++)
        if (sp_string_match(admin->paths[i], path))
            return true;
    return !admin->n_paths;
}

static void answer(struct sp_filter *f, const struct sp_headers *h, struct sp_admin *admin, struct sp_admin_answer *a)
{
    struct sp_admin_request r = {.server = admin->server, .admin = admin, .stream = (struct sp_admin_stream *)f, .method = h->method, .arena = sp_filter_arena(f)};
    sp_admin_split(h->path, &r.path, &r.query);
    if (sp_admin_is_rebound(&sp_filter_info(f)->conn->local, h)) {
        a->status = 403;
        sp_admin_put(a, "not under this name (use localhost or the address)\n");
    } else if (!sp_admin_may(admin, r.path)) {
        a->status = 403;
        sp_admin_put_line(a, "request to path %.*s not allowed", SP_STR_ARG(r.path));
    } else if (sp_str_eq(h->method, SP_STR("POST")) && sp_admin_is_cross_site(h)) {
        a->status = 403;
        sp_admin_put(a, "not from another site\n");
    } else {
        sp_admin_dispatch(&r, a);
    }
}

static enum sp_status admin_decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    struct sp_admin_answer a;
    sp_admin_answer_init(&a);
    /* Every admin's config is one pointer: to the admin itself. */
    answer(f, h, *(struct sp_admin *const *)f->config, &a);
    if (!a.later)
        sp_admin_answer(f, &a);
    return SP_STOP;
}

static void admin_destroy(struct sp_filter *f)
{
    struct sp_admin_stream *s = (struct sp_admin_stream *)f;
    sp_reload_ask_cancel(&s->ask);
    sp_refusals_cancel(&s->refusals);
    sp_admin_body_cancel(s->body);
}

static void *admin_config_new(const struct sp_filter_build *build, const ProtobufCMessage *msg)
{
    struct sp_admin **config = sp_xmalloc(sizeof(*config));
    *config = build->ctx;
    return config;
}

static const struct sp_filter_ops admin_ops = {
    .name = "admin",
    .type_url = "sallyport.admin.v1.Admin",
    .size = sizeof(struct sp_admin_stream),
    .terminal = true,
    .config_new = admin_config_new,
    .config_free = free,
    .decode_headers = admin_decode_headers,
    .destroy = admin_destroy,
};

static struct sp_cluster *no_cluster(void *ctx, struct sp_str name)
{
    return NULL;
}

static const char hcm_yaml[] =
    "stat_prefix: admin\n"
    "stream_idle_timeout: 60s\n"
    "http_filters:\n"
    "- {name: admin, typed_config: {\"@type\": type.googleapis.com/sallyport.admin.v1.Admin}}\n"
    "route_config:\n"
    "  name: admin\n"
    "  validate_clusters: false\n"
    "  virtual_hosts: [{name: admin, domains: [\"*\"], routes: [{match: {prefix: /}, route: {cluster: admin}}]}]\n";

static struct sp_hcm *make_hcm(struct sp_admin *a, const struct sp_config *config, struct sp_diag *diag)
{
    static const struct sp_filter_ops *const registry[] = {&admin_ops, NULL};
    const ProtobufCMessageDescriptor *type =
        &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor;
    a->doc = sp_doc_load_text("<admin>", sp_str_c(hcm_yaml), SP_SYNTAX_YAML, type, diag);
    if (!a->doc)
        return NULL;
    struct sp_hcm_build build = {.doc = a->doc,
                                 .diag = diag,
                                 .registry = registry,
                                 .find_cluster = no_cluster,
                                 .ctx = a,
                                 .log_doc = config->doc,
                                 .logs = config->bootstrap->admin->access_log,
                                 .n_logs = config->bootstrap->admin->n_access_log,
                                 .log_path = *config->bootstrap->admin->access_log_path ? config->bootstrap->admin->access_log_path : NULL,
                                 .log_msg = config->bootstrap->admin};
    return sp_hcm_new(&build, sp_doc_root(a->doc));
}

static bool read_paths(struct sp_admin *a, const struct sp_config *config, struct sp_diag *diag)
{
    const Envoy__Config__Bootstrap__V3__Admin *msg = config->bootstrap->admin;
    bool good = true;
    a->paths = sp_xcalloc(msg->n_allow_paths + 1, sizeof(*a->paths));
    for (size_t i = 0; i < msg->n_allow_paths; i++) {
        struct sp_string_matcher *m = sp_string_matcher_new(config->doc, diag, msg->allow_paths[i]);
        good = good && m;
        if (m)
            a->paths[a->n_paths++] = m;
    }
    return good;
}

static bool address_of(const Envoy__Config__Core__V3__Address *msg, struct sp_addr *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (msg->address_case == ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE) {
        ret->family = AF_UNIX;
        ret->path = msg->pipe->path;
        return true;
    }
    if (!msg->socket_address || sp_addr_parse_ip(sp_str_c(msg->socket_address->address), ret) < 0)
        return false;
    ret->port = (uint16_t)msg->socket_address->port_value;
    return true;
}

static void write_address_file(const struct sp_admin *a, const char *path)
{
    char text[SP_ADDR_TEXT_MAX];
    size_t n = sp_addr_format(&a->bound, text);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n)
        sp_log(SP_LOG_ERROR, "admin", "cannot write --admin-address-path %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* It is bound, and whoever watches the process looks there: it stays as it is while the process runs. */
static bool is_as_before(const struct sp_config *config, const struct sp_config *serves, struct sp_diag *diag)
{
    struct sp_hash now, before;
    sp_doc_hash_text(config->doc, config->bootstrap->admin, NULL, &now);
    sp_doc_hash_text(serves->doc, serves->bootstrap->admin, NULL, &before);
    if (sp_hash_eq(&now, &before))
        return true;
    sp_doc_err(config->doc, diag, config->bootstrap, "admin", -1,
               "the admin page cannot change while the process runs (put it back as it was, or restart)");
    return false;
}

static bool on_compile(void *ctx, struct sp_config *config, const struct sp_config *serves, struct sp_diag *diag)
{
    struct sp_admin *a = ctx;
    if (serves)
        return is_as_before(config, serves, diag) &&
               (!a->next.on_compile || a->next.on_compile(a->next.ctx, config, serves, diag));
    const Envoy__Config__Bootstrap__V3__Admin *msg = config->bootstrap->admin;
    if (msg && msg->address && msg->address->address_case) {
        if (!address_of(msg->address, &a->address)) {
            sp_doc_err(config->doc, diag, msg, "address", -1, "this is no IP address (write 127.0.0.1, ::1 or a pipe)");
            return false;
        }
        if (!sp_addr_is_loopback(&a->address) && a->address.family != AF_UNIX)
            sp_doc_warn(config->doc, diag, msg, "address", -1,
                        "the admin page has no login and is open to other machines here (use 127.0.0.1 or a pipe)");
        bool good = read_paths(a, config, diag);
        struct sp_hcm *hcm = make_hcm(a, config, diag);
        if (!hcm || !good) {
            sp_hcm_free(hcm);
            return false;
        }
        a->listener = sp_listener_new_plain(SP_STR("admin"), &a->address, hcm);
    }
    return !a->next.on_compile || a->next.on_compile(a->next.ctx, config, serves, diag);
}

static int on_bind(void *ctx, struct sp_server *s)
{
    struct sp_admin *a = ctx;
    a->server = s;
    if (a->listener) {
        a->bound = a->address;
        a->fd = sp_inherit_take(&a->address);
        if (a->fd < 0)
            a->fd = sp_listener_bind(a->listener, &a->address, &a->bound);
        if (a->fd < 0) {
            char text[SP_ADDR_TEXT_MAX];
            sp_addr_format(&a->address, text);
            sp_log(SP_LOG_CRITICAL, "admin", "cannot bind %s: %s (choose another address in admin.address)", text,
                   strerror(-a->fd));
            return SP_EXIT_BIND;
        }
    }
    return a->next.on_bind ? a->next.on_bind(a->next.ctx, s) : SP_EXIT_OK;
}

static void nobody_left(struct sp_snapshot *s)
{
}

static void on_start(void *ctx, struct sp_server *s)
{
    struct sp_admin *a = ctx;
    if (a->listener) {
        sp_snapshot_init(&a->snapshot, sp_server_main(s)->index + 1, nobody_left);
        a->has_snapshot = true;
        a->socket = sp_listener_open(sp_server_main(s), a->listener, &a->snapshot);
        int err = sp_listener_accept_on(a->socket, a->fd);
        if (err)
            sp_log(SP_LOG_ERROR, "admin", "cannot listen: %s", strerror(-err));
        else if (sp_server_options(s)->admin_address_path)
            write_address_file(a, sp_server_options(s)->admin_address_path);
    }
    sp_admin_remote_start(s);
    if (a->next.on_start)
        a->next.on_start(a->next.ctx, s);
}

static void on_server_ready(void *ctx, struct sp_server *s)
{
    struct sp_admin *a = ctx;
    if (a->next.on_ready)
        a->next.on_ready(a->next.ctx, s);
}

static void each_socket(void *ctx, void (*add)(void *arg, int fd), void *arg)
{
    struct sp_admin *a = ctx;
    if (a->socket)
        add(arg, a->fd);
    if (a->next.each_socket)
        a->next.each_socket(a->next.ctx, add, arg);
}

static void on_handed_over(void *ctx, struct sp_server *s)
{
    struct sp_admin *a = ctx;
    if (a->socket)
        sp_listener_retire(a->socket, sp_server_options(s)->drain_time_s * SP_NS_PER_S, false);
    if (a->next.on_handed_over)
        a->next.on_handed_over(a->next.ctx, s);
}

static void on_stop(void *ctx, struct sp_server *s)
{
    struct sp_admin *a = ctx;
    if (a->next.on_stop)
        a->next.on_stop(a->next.ctx, s);
    if (a->socket)
        sp_listener_close(a->socket);
    a->socket = NULL;
    sp_admin_remote_stop();
}

struct sp_admin *sp_admin_new(void)
{
    struct sp_admin *a = sp_xcalloc(1, sizeof(*a));
    a->fd = -1;
    return a;
}

void sp_admin_hooks(struct sp_admin *a, const struct sp_server_hooks *next, struct sp_server_hooks *ret)
{
    assert(a && ret);
    if (next)
        a->next = *next;
    *ret = (struct sp_server_hooks){
        .on_compile = on_compile, .on_bind = on_bind, .on_start = on_start, .on_ready = on_server_ready, .on_stop = on_stop,
        .each_socket = each_socket, .on_handed_over = on_handed_over, .ctx = a};
}

void sp_admin_free(struct sp_admin *a)
{
    if (!a)
        return;
    sp_listener_free(a->listener);
    sp_doc_free(a->doc);
    for (size_t i = 0; i < a->n_paths; i++)
        sp_string_matcher_free(a->paths[i]);
    free(a->paths);
    if (a->has_snapshot)
        sp_snapshot_done(&a->snapshot);
    free(a);
}

const struct sp_addr *sp_admin_bound(const struct sp_admin *a)
{
    return &a->bound;
}
