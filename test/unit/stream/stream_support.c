/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream_support.h"

#include <stdio.h>
#include <stdlib.h>

#include "stats/stats.h"
#include "stream/stream_impl.h"

enum sp_status (*fake_decode[N_FAKES])(struct sp_filter *f, struct sp_headers *h, bool end);
enum sp_status (*fake_encode[N_FAKES])(struct sp_filter *f, struct sp_headers *h, bool end);
void (*fake_complete)(struct sp_filter *f);
void (*fake_caller[N_FAKES])(const struct sp_filter *f, struct sp_caller *out);
unsigned fake_destroyed[N_FAKES], fake_seen[N_FAKES];
bool fake_derived[N_FAKES];

static struct exchange *exchange_of(struct sp_filter *f)
{
    return SP_CONTAINER_OF(sp_stream_of(f->chain)->cs, struct exchange, cs);
}

static enum fake kind(const struct sp_filter_ops *ops)
{
    for (enum fake i = 0; i < N_FAKES; i++)
        if (fake_registry[i] == ops)
            return i;
    fail();
    return N_FAKES;
}

static enum sp_status decode(struct sp_filter *f, struct sp_headers *h, bool end)
{
    enum fake k = kind(f->ops);
    fake_seen[k]++;
    if (k == ROUTER) {
        sp_stream_finalize_request(f, NULL);
        sp_link(&exchange_of(f)->upstream, sp_filter_response_sink(f));
    }
    return fake_decode[k] ? fake_decode[k](f, h, end) : SP_CONTINUE;
}

static enum sp_status encode(struct sp_filter *f, struct sp_headers *h, bool end)
{
    enum fake k = kind(f->ops);
    return fake_encode[k] ? fake_encode[k](f, h, end) : SP_CONTINUE;
}

static void destroy(struct sp_filter *f)
{
    fake_destroyed[kind(f->ops)]++;
}

static void caller(const struct sp_filter *f, struct sp_caller *out)
{
    if (fake_caller[kind(f->ops)])
        fake_caller[kind(f->ops)](f, out);
}

static void complete(struct sp_filter *f)
{
    if (fake_complete)
        fake_complete(f);
}

static enum fake by_name(const char *filter)
{
    static const char *const names[] = {"shield", "restriction", "jwt", "mutation", "router"};
    for (enum fake i = 0; i < N_FAKES; i++)
        if (strcmp(names[i], filter) == 0)
            return i;
    return ROUTER;
}

static void *config_new(const struct sp_filter_build *build, const ProtobufCMessage *msg)
{
    assert_true(build->scope && build->find_cluster && strcmp(build->stat_prefix, "test") == 0);
    fake_derived[by_name(build->filter_name)] = build->client_derived;
    return malloc(1); /* so that a leak shows */
}

static void *route_config_new(const struct sp_filter_build *build, const ProtobufCMessage *msg)
{
    char *text = malloc(64);
    const char *key = ((const char *const *)(const void *)(msg + 1))[0] ? "mutations" : "none";
    snprintf(text, 64, "%s %s", build->filter_name, key);
    return text;
}

static bool derives(const void *config)
{
    return false;
}

#define COMMON .decode_headers = decode, .encode_headers = encode, .destroy = destroy, .caller = caller, .config_new = config_new, \
               .config_free = free, .size = sizeof(struct sp_filter)
static const struct sp_filter_ops fakes[N_FAKES] = {
    [SHIELD] = {.name = "origin_shield", .type_url = "sallyport.filters.http.origin_shield.v1.OriginShield",
                .gate = true, .proves = true, .derives_client = derives, COMMON},
    [RESTRICTION] = {.name = "ip_restriction", .gate = true,
                     .type_url = "sallyport.filters.http.ip_restriction.v1.IpRestriction", COMMON},
    [JWT] = {.name = "jwt_authn", .type_url = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", COMMON},
    [MUTATION] = {.name = "header_mutation", .not_staged = "it never refuses",
                  .type_url = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                  .route_type_url = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
                  .route_config_new = route_config_new, .route_config_free = free, COMMON},
    [ROUTER] = {.name = "router", .type_url = "envoy.extensions.filters.http.router.v3.Router", .terminal = true,
                .on_complete = complete, COMMON},
};
struct sp_tracer *(*fake_tracer)(const struct sp_hcm_build *build, const Envoy__Config__Trace__V3__Tracing__Http *provider);
const struct sp_filter_ops *const fake_registry[] = {&fakes[0], &fakes[1], &fakes[2], &fakes[3], &fakes[4], NULL};

/* --- compiling --- */

static struct sp_cluster *find_cluster(void *ctx, struct sp_str name)
{
    return sp_str_eq(name, SP_STR("c")) ? (struct sp_cluster *)ctx : NULL;
}

static const char DEFAULT_ROUTES[] = "- {match: {prefix: /}, route: {cluster: c}}\n";

static void indented(char *out, size_t size, const char *text, const char *by)
{
    size_t n = strlen(out);
    while (*text && n + 64 < size) {
        const char *end = strchr(text, '\n');
        size_t len = end ? (size_t)(end - text) + 1 : strlen(text);
        n += (size_t)snprintf(out + n, size - n, "%s%.*s", by, (int)len, text);
        text += len;
    }
}

static void yaml_text(char *out, size_t size, const char *yaml, const char *filters, const char *routes)
{
    snprintf(out, size, "stat_prefix: test\n%shttp_filters:\n", yaml ? yaml : "");
    indented(out, size, filters ? filters : ROUTER_FILTER, "");
    snprintf(out + strlen(out), size - strlen(out), "route_config:\n");
    if (routes && strstr(routes, "virtual_hosts:")) {
        indented(out, size, routes, "  ");
        return;
    }
    snprintf(out + strlen(out), size - strlen(out),
             "  name: table\n  virtual_hosts:\n  - name: all\n    domains: [\"*\"]\n    routes:\n");
    indented(out, size, routes ? routes : DEFAULT_ROUTES, "    ");
}

static const ProtobufCMessageDescriptor *type(void)
{
    return &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor;
}

static struct sp_hcm *compile(struct t_config *c, const char *yaml, const char *filters, const char *routes,
                              bool tls_verifies)
{
    static int cluster;
    char text[8192];
    yaml_text(text, sizeof(text), yaml, filters, routes);
    t_config_load(c, type(), text);
    const struct sp_hcm_build b = {
        .doc = c->doc, .diag = &c->diag, .registry = fake_registry, .find_cluster = find_cluster, .ctx = &cluster,
        .tls_verifies = tls_verifies, .tls = tls_verifies, .make_tracer = fake_tracer,
        .listener_scope = sp_stats_scope(sp_stats_root(), SP_STR("listener"), "envoy_listener_address", SP_STR("l")),
    };
    return sp_hcm_new(&b, c->msg);
}

char *world_errors(const char *yaml, const char *filters, const char *routes, bool tls_verifies)
{
    struct t_config c;
    sp_stats_init(1);
    struct sp_hcm *h = compile(&c, yaml, filters, routes, tls_verifies);
    char *said = strdup(t_config_said(&c));
    sp_hcm_free(h);
    t_config_done(&c);
    sp_stats_done();
    return said;
}

static void drain(struct sp_stream_owner *o)
{
    SP_CONTAINER_OF(o, struct world, owner)->drains++;
}

struct world *world_new(const char *yaml, const char *filters, const char *routes)
{
    struct world *w = calloc(1, sizeof(*w));
    sp_stats_init(1);
    w->hcm = compile(&w->config, yaml, filters, routes, false);
    assert_string_equal(t_config_said(&w->config), "");
    assert_non_null(w->hcm);
    sp_turn_init(&w->turn);
    sp_turn_begin(&w->turn, 1000 * SP_NS_PER_S, 1795545884ll * 1000000000);
    w->conn.id = 1;
    w->conn.tls = w->conn.cert.tls = &sp_tls_info_none;
    sp_addr_parse(SP_STR("192.0.2.5:1234"), &w->conn.peer);
    w->conn.socket = w->conn.peer;
    sp_addr_parse(SP_STR("198.51.100.1:8080"), &w->conn.local);
    w->codec_ops.protocol = SP_HTTP_11;
    w->codec.ops = &w->codec_ops;
    w->codec.turn = &w->turn;
    w->owner = (struct sp_stream_owner){.hcm = w->hcm, .conn = &w->conn, .turn = &w->turn, .drain = drain};
    sp_list_init(&w->owner.streams);
    return w;
}

void world_free(struct world *w)
{
    assert_true(sp_list_empty(&w->owner.streams));
    assert_int_equal(world_stat("http.test.downstream_rq_active"), 0);
    assert_int_equal(w->turn.n_timers, 0);
    assert_int_equal(sp_buf_thread_chunks(), 0);
    sp_turn_done(&w->turn);
    sp_hcm_free(w->hcm);
    t_config_done(&w->config);
    free(w);
    sp_stats_done();
    memset(fake_decode, 0, sizeof(fake_decode));
    memset(fake_encode, 0, sizeof(fake_encode));
    memset(fake_caller, 0, sizeof(fake_caller));
    memset(fake_seen, 0, sizeof(fake_seen));
    memset(fake_destroyed, 0, sizeof(fake_destroyed));
    fake_complete = NULL;
    sp_arena_thread_done();
    sp_buf_thread_done();
}

void world_pass(struct world *w, uint64_t ms)
{
    sp_turn_end(&w->turn);
    sp_turn_begin(&w->turn, w->turn.now_ns + ms * SP_NS_PER_MS, w->turn.wall_ns + (int64_t)(ms * SP_NS_PER_MS));
}

uint64_t world_stat(const char *name)
{
    uint64_t v = 0;
    if (sp_stats_find(sp_str_c(name), &v))
        fail_msg("no stat %s", name);
    return v;
}

/* --- the codec --- */

static struct exchange *of_tx(struct sp_sink *tx)
{
    return SP_CONTAINER_OF(tx, struct exchange, cs.tx);
}

static void tx_headers(struct sp_sink *tx, struct sp_headers *h, bool end)
{
    struct exchange *e = of_tx(tx);
    assert_false(e->ended || e->aborted || e->head);
    if (h->status < 200) {
        e->info = h;
        return;
    }
    e->head = h;
    e->ended = end;
}

static void tx_data(struct sp_sink *tx, struct sp_buf *b, bool end)
{
    struct exchange *e = of_tx(tx);
    assert_true(e->head && !e->ended && !e->aborted);
    e->cs.tx_body_bytes += b->len;
    sp_buf_move(&e->body, b);
    e->ended = end;
}

static void tx_trailers(struct sp_sink *tx, struct sp_headers *t)
{
    struct exchange *e = of_tx(tx);
    assert_true(e->head && !e->ended && !e->aborted);
    e->trailers = t;
    e->ended = true;
}

static void tx_abort(struct sp_sink *tx, enum sp_abort why)
{
    of_tx(tx)->aborted = true;
    of_tx(tx)->why = why;
}

static void rx_pause(struct sp_source *rx)
{
    SP_CONTAINER_OF(rx, struct exchange, cs.rx)->pauses++;
}

static void rx_resume(struct sp_source *rx)
{
    assert_true(SP_CONTAINER_OF(rx, struct exchange, cs.rx)->pauses-- > 0);
}

static void rx_cancel(struct sp_source *rx, enum sp_abort why)
{
    assert_non_null(rx->sink);
    rx->sink = NULL;
    SP_CONTAINER_OF(rx, struct exchange, cs.rx)->cancelled = true;
}

static void up_pause(struct sp_source *up)
{
    SP_CONTAINER_OF(up, struct exchange, upstream)->up_pauses++;
}

static void up_resume(struct sp_source *up)
{
    SP_CONTAINER_OF(up, struct exchange, upstream)->up_pauses--;
}

static void up_cancel(struct sp_source *up, enum sp_abort why)
{
    up->sink = NULL;
    SP_CONTAINER_OF(up, struct exchange, upstream)->up_cancelled = true;
}

static const struct sp_sink_ops tx_ops = {tx_headers, tx_data, tx_trailers, tx_abort};
static const struct sp_source_ops rx_ops = {rx_pause, rx_resume, rx_cancel}, up_ops = {up_pause, up_resume, up_cancel};

struct exchange *ask(struct world *w, const char *lines, bool end)
{
    struct exchange *e = calloc(1, sizeof(*e));
    e->w = w;
    sp_arena_init(&e->arena);
    sp_buf_init(&e->body);
    e->cs = (struct sp_codec_stream){.rx.ops = &rx_ops, .tx.ops = &tx_ops, .codec = &w->codec, .arena = &e->arena,
                                     .id = 1, .rx_head_bytes = strlen(lines)};
    e->upstream.ops = &up_ops;
    t_headers(&e->request, &e->arena, lines);
    e->request.version = w->codec_ops.protocol;
    assert_true(sp_stream_accept(&w->owner, &e->cs, &e->request));
    struct sp_sink *sink = e->cs.rx.sink;
    if (end)
        e->cs.rx.sink = NULL;
    sink->ops->headers(sink, &e->request, end);
    return e;
}

void ask_data(struct exchange *e, const char *text, bool end)
{
    struct sp_sink *sink = e->cs.rx.sink;
    struct sp_buf b;
    if (!sink)
        return;
    if (end)
        e->cs.rx.sink = NULL;
    sp_buf_init(&b);
    sp_buf_append(&b, text, strlen(text));
    e->cs.rx_body_bytes += b.len;
    sink->ops->data(sink, &b, end);
    sp_buf_clear(&b);
}

void respond(struct exchange *e, const char *lines, bool end)
{
    assert_non_null(e->upstream.sink);
    struct sp_headers *h = sp_arena_alloc(&e->arena, sizeof(*h));
    t_headers(h, &e->arena, lines);
    e->upstream.sink->ops->headers(e->upstream.sink, h, end);
}

void respond_data(struct exchange *e, const char *text, bool end)
{
    struct sp_buf b;
    sp_buf_init(&b);
    sp_buf_append(&b, text, strlen(text));
    if (e->upstream.sink)
        e->upstream.sink->ops->data(e->upstream.sink, &b, end);
    sp_buf_clear(&b);
}

void over(struct exchange *e, enum sp_abort why)
{
    sp_stream_closed(&e->cs, why);
    sp_buf_clear(&e->body);
    sp_arena_done(&e->arena);
    free(e);
}

static const char *field(const struct sp_headers *h, const char *name, struct sp_arena *arena)
{
    if (!h)
        return "-";
    struct sp_str n = sp_str_c(name), v = SP_STR_NULL;
    if (sp_str_eq(n, SP_STR(":path")))
        v = h->path;
    else if (sp_str_eq(n, SP_STR(":authority")))
        v = h->authority;
    else if (sp_str_eq(n, SP_STR(":scheme")))
        v = h->scheme;
    else if (sp_headers_count(h, n))
        v = sp_headers_joined(h, n);
    return v.ptr ? sp_arena_str(arena, v).ptr : "-";
}

const char *sent(const struct exchange *e, const char *name)
{
    return field(e->head, name, (struct sp_arena *)(uintptr_t)&e->arena);
}

const char *routed(const struct exchange *e, const char *name)
{
    return field(&e->request, name, (struct sp_arena *)(uintptr_t)&e->arena);
}

void sent_body(struct exchange *e, const char *text)
{
    assert_int_equal(e->body.len, strlen(text));
    if (*text)
        assert_memory_equal(sp_buf_pullup(&e->body, e->body.len), text, strlen(text));
}

struct sp_stream_info *info_of(const struct exchange *e)
{
    return &((struct sp_stream *)e->cs.user)->info;
}

const char *details(const struct exchange *e)
{
    return sp_arena_str((struct sp_arena *)(uintptr_t)&e->arena, info_of(e)->details).ptr;
}

struct sp_filter *filter_of(const struct exchange *e, unsigned index)
{
    return sp_chain_filter(&((struct sp_stream *)e->cs.user)->chain, index);
}
