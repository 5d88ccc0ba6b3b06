/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "door_fix.h"

#include <stdio.h>
#include <stdlib.h>

#include "filters/registry.h"
#include "stats/stats.h"
#include "stream/stream_impl.h"

static struct visit *of_filter(struct sp_filter *f)
{
    return SP_CONTAINER_OF(sp_stream_of(f->chain)->cs, struct visit, cs);
}

static void up_none(struct sp_source *s)
{
}

static void up_cancel(struct sp_source *s, enum sp_abort why)
{
    s->sink = NULL;
    SP_CONTAINER_OF(s, struct visit, upstream)->up_cancelled = true;
}

static const struct sp_source_ops up_ops = {up_none, up_none, up_cancel};

static enum sp_status router_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    struct visit *v = of_filter(f);
    assert_false(v->reached);
    v->reached = true;
    v->upstream.ops = &up_ops;
    sp_stream_finalize_request(f, NULL);
    sp_link(&v->upstream, sp_filter_response_sink(f));
    return SP_CONTINUE;
}

static enum sp_status router_data(struct sp_filter *f, struct sp_buf *b, bool end)
{
    sp_buf_move(&of_filter(f)->upstream_body, b);
    return SP_CONTINUE;
}

static enum sp_status router_trailers(struct sp_filter *f, struct sp_headers *t)
{
    of_filter(f)->trailers = t;
    return SP_CONTINUE;
}

static void *router_config(const struct sp_filter_build *build, const ProtobufCMessage *msg)
{
    return malloc(1);
}

const struct sp_filter_ops door_router = {
    .name = "router",
    .type_url = "envoy.extensions.filters.http.router.v3.Router",
    .terminal = true,
    .size = sizeof(struct sp_filter),
    .config_new = router_config,
    .config_free = free,
    .decode_headers = router_headers,
    .decode_data = router_data,
    .decode_trailers = router_trailers,
};
static const struct sp_filter_ops *const own_registry[] = {&sp_origin_shield_ops, &sp_ip_restriction_ops, &sp_jwt_authn_ops,
                                                           &door_router, NULL};

static struct sp_cluster *find_cluster(void *ctx, struct sp_str name)
{
    return (struct sp_cluster *)ctx;
}

#define TYPE(what) envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__##what

static void compile(struct door *d, const struct sp_filter_ops *const *registry, const char *filters, const char *more,
                    const char *routes)
{
    static int cluster;
    char *yaml = NULL;
    size_t size;
    FILE *f = open_memstream(&yaml, &size);
    fprintf(f, "stat_prefix: door\n%shttp_filters:\n%s- {name: router, typed_config: {\"@type\": " T
            "envoy.extensions.filters.http.router.v3.Router}}\nroute_config: {virtual_hosts: [{name: all, "
            "domains: ['*'], routes: [%s]}]}\n",
            more ? more : "", filters, routes ? routes : "{match: {prefix: /}, route: {cluster: c}}");
    fclose(f);
    sp_stats_init(0);
    t_config_load(&d->config, &TYPE(descriptor), yaml);
    const struct sp_hcm_build build = {
        .doc = d->config.doc,
        .diag = &d->config.diag,
        .registry = registry,
        .find_cluster = find_cluster,
        .ctx = &cluster,
        .listener_scope = sp_stats_scope(sp_stats_root(), SP_STR("listener"), "envoy_listener_address", SP_STR("l")),
    };
    d->hcm = sp_hcm_new(&build, d->config.msg);
    free(yaml);
}

static void drain(struct sp_stream_owner *o)
{
}

struct door *door_open_with(const struct sp_filter_ops *const *registry, const char *filters, const char *more, const char *routes)
{
    struct door *d = calloc(1, sizeof(*d));
    compile(d, registry, filters, more, routes);
    if (!d->hcm)
        fail_msg("%s", t_config_said(&d->config));
    door_ready(d);
    return d;
}

void door_ready(struct door *d)
{
    sp_turn_init(&d->turn);
    sp_turn_begin(&d->turn, 1000 * SP_NS_PER_S, 1800000000 * (int64_t)SP_NS_PER_S);
    d->conn.tls = d->conn.cert.tls = &sp_tls_info_none;
    sp_addr_parse(SP_STR("192.0.2.5:1234"), &d->conn.peer);
    d->conn.socket = d->conn.peer;
    sp_addr_parse(SP_STR("198.51.100.1:8080"), &d->conn.local);
    d->codec_ops.protocol = SP_HTTP_2;
    d->codec.ops = &d->codec_ops;
    d->codec.turn = &d->turn;
    d->owner = (struct sp_stream_owner){.hcm = d->hcm, .conn = &d->conn, .turn = &d->turn, .drain = drain};
    sp_list_init(&d->owner.streams);
}

struct door *door_open(const char *filters, const char *more, const char *routes)
{
    return door_open_with(own_registry, filters, more, routes);
}

void door_drop(struct door *d)
{
    sp_hcm_free(d->hcm);
    t_config_done(&d->config);
    free(d);
    sp_stats_done();
    sp_arena_thread_done();
    sp_buf_thread_done();
}

void door_close(struct door *d)
{
    assert_true(sp_list_empty(&d->owner.streams));
    assert_int_equal(d->turn.n_timers, 0);
    assert_int_equal(sp_buf_thread_chunks(), 0);
    sp_turn_done(&d->turn);
    door_drop(d);
}

void door_refused(const char *filters, const char *more, const char *routes, const char *words)
{
    struct door *d = calloc(1, sizeof(*d));
    compile(d, own_registry, filters, more, routes);
    assert_null(d->hcm);
    if (!strstr(t_config_said(&d->config), words))
        fail_msg("expected \"%s\" in: %s", words, t_config_said(&d->config));
    door_drop(d);
}

uint64_t door_stat(const char *name)
{
    uint64_t value;
    if (sp_stats_find(sp_str_c(name), &value) < 0)
        fail_msg("there is no stat %s", name);
    return value;
}

/* --- the codec --- */

static struct visit *of_tx(struct sp_sink *tx)
{
    return SP_CONTAINER_OF(tx, struct visit, cs.tx);
}

static void tx_headers(struct sp_sink *tx, struct sp_headers *h, bool end)
{
    of_tx(tx)->status = h->status;
    of_tx(tx)->head = h;
}

static void tx_data(struct sp_sink *tx, struct sp_buf *b, bool end)
{
    sp_buf_move(&of_tx(tx)->body, b);
}

static void tx_trailers(struct sp_sink *tx, struct sp_headers *t)
{
}

static void tx_abort(struct sp_sink *tx, enum sp_abort why)
{
    of_tx(tx)->reset = true;
}

static void rx_cancel(struct sp_source *rx, enum sp_abort why)
{
    rx->sink = NULL;
}

static const struct sp_sink_ops tx_ops = {tx_headers, tx_data, tx_trailers, tx_abort};
static const struct sp_source_ops rx_ops = {up_none, up_none, rx_cancel};

static struct visit *visit_new(struct door *d)
{
    struct visit *v = calloc(1, sizeof(*v));
    sp_arena_init(&v->arena);
    v->cs = (struct sp_codec_stream){.rx.ops = &rx_ops, .tx.ops = &tx_ops, .codec = &d->codec, .arena = &v->arena,
        .id = 1};
    return v;
}

static struct visit *visit_accept(struct door *d, struct visit *v, bool end)
{
    assert_true(sp_stream_accept(&d->owner, &v->cs, &v->request));
    struct sp_sink *sink = v->cs.rx.sink;
    if (end)
        v->cs.rx.sink = NULL;
    sink->ops->headers(sink, &v->request, end);
    return v;
}

struct visit *visit_begin(struct door *d, const char *lines, bool end)
{
    struct visit *v = visit_new(d);
    t_headers(&v->request, &v->arena, lines);
    v->request.method = v->request.method.len ? v->request.method : SP_STR("GET");
    v->request.scheme = SP_STR("https");
    v->request.authority = SP_STR("a.test");
    v->request.path = v->request.path.len ? v->request.path : SP_STR("/");
    v->request.version = SP_HTTP_2;
    return visit_accept(d, v, end);
}

struct visit *visit_of(struct door *d, const struct sp_headers *h, bool end)
{
    struct visit *v = visit_new(d);
    sp_headers_init(&v->request, &v->arena);
    v->request.method = h->method;
    v->request.scheme = h->scheme;
    v->request.authority = h->authority;
    v->request.path = h->path;
    v->request.version = h->version;
    for (unsigned i = 0; i < h->n; i++)
        sp_headers_add(&v->request, sp_arena_str(&v->arena, h->v[i].name), sp_arena_str(&v->arena, h->v[i].value));
    return visit_accept(d, v, end);
}

void visit_data(struct visit *v, const char *text, bool end)
{
    struct sp_sink *sink = v->cs.rx.sink;
    struct sp_buf b;
    if (!sink)
        return;
    if (end)
        v->cs.rx.sink = NULL;
    sp_buf_init(&b);
    sp_buf_append(&b, text, strlen(text));
    sink->ops->data(sink, &b, end);
    sp_buf_clear(&b);
}

void visit_trailers(struct visit *v, const char *lines)
{
    struct sp_headers *t = sp_arena_alloc(&v->arena, sizeof(*t));
    struct sp_sink *sink = v->cs.rx.sink;
    t_headers(t, &v->arena, lines);
    v->cs.rx.sink = NULL;
    sink->ops->trailers(sink, t);
}

struct visit *visit(struct door *d, const char *lines, unsigned status)
{
    struct visit *v = visit_begin(d, lines, true);
    if (v->reached) {
        sp_headers_init(&v->response, &v->arena);
        v->response.status = 200;
        v->upstream.sink->ops->headers(v->upstream.sink, &v->response, true);
    }
    sp_turn_end(&d->turn);
    if (v->status != status)
        fail_msg("%u, not %u: %s", v->status, status, visit_details(v));
    return v;
}

void visit_end(struct door *d, struct visit *v)
{
    sp_turn_end(&d->turn);
    sp_stream_closed(&v->cs, SP_ABORT_NONE);
    sp_turn_end(&d->turn);
    sp_buf_clear(&v->upstream_body);
    sp_buf_clear(&v->body);
    sp_arena_done(&v->arena);
    free(v);
}

static const char *field(const struct visit *v, const struct sp_headers *h, const char *name)
{
    struct sp_arena *arena = (struct sp_arena *)(uintptr_t)&v->arena;
    if (strcmp(name, ":path") == 0)
        return sp_arena_str(arena, h->path).ptr;
    struct sp_str value = sp_headers_joined(h, sp_str_c(name));
    return value.ptr ? sp_arena_str(arena, value).ptr : NULL;
}

const char *got(const struct visit *v, const char *name)
{
    assert_true(v->reached);
    return field(v, &v->request, name);
}

const char *answered(const struct visit *v, const char *name)
{
    assert_non_null(v->head);
    return field(v, v->head, name);
}

const char *answered_body(const struct visit *v)
{
    struct sp_buf *b = (struct sp_buf *)(uintptr_t)&v->body;
    return sp_arena_str((struct sp_arena *)(uintptr_t)&v->arena, sp_str_n(b->len ? sp_buf_pullup(b, b->len) : "",
                                                                          b->len)).ptr;
}

struct sp_stream_info *visit_info(const struct visit *v)
{
    return &((struct sp_stream *)v->cs.user)->info;
}

const char *visit_details(const struct visit *v)
{
    return sp_arena_str((struct sp_arena *)(uintptr_t)&v->arena, visit_info(v)->details).ptr;
}
