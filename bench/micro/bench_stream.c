/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the connection manager and its filter chain cost without codec and socket: nanoseconds and heap allocations for
 * one plain request through a gate, two filters and a terminal filter that answers at once.
 * Usage: micro_stream [iterations]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "config/rules.h"
#include "http/codec.h"
#include "stream/stream.h"

static size_t allocations;

void *__libc_malloc(size_t n);
void *malloc(size_t n)
{
    allocations++;
    return __libc_malloc(n);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* --- filters --- */

static void *config_new(const struct sp_filter_build *build, const ProtobufCMessage *msg)
{
    return malloc(1);
}

static enum sp_status pass(struct sp_filter *f, struct sp_headers *h, bool end)
{
    return SP_CONTINUE;
}

static enum sp_status pass_data(struct sp_filter *f, struct sp_buf *b, bool end)
{
    return SP_CONTINUE;
}

struct origin {
    struct sp_filter base;
    struct sp_source source;
    struct sp_headers response;
};

static void nothing(struct sp_source *s)
{
}

static void cancelled(struct sp_source *s, enum sp_abort why)
{
}

static const struct sp_source_ops source_ops = {nothing, nothing, cancelled};

static enum sp_status origin_decode(struct sp_filter *f, struct sp_headers *h, bool end)
{
    struct origin *o = (struct origin *)(void *)f;
    sp_stream_finalize_request(f, NULL);
    o->source.ops = &source_ops;
    struct sp_sink *sink = sp_filter_response_sink(f);
    sp_link(&o->source, sink);
    sp_headers_init(&o->response, sp_filter_arena(f));
    o->response.status = 200;
    sp_headers_add_id(&o->response, SP_H_DATE, SP_STR("Tue, 24 Nov 2026 18:44:44 GMT"));
    sp_headers_add_id(&o->response, SP_H_SERVER, SP_STR("nginx"));
    sp_headers_add_id(&o->response, SP_H_CONTENT_TYPE, SP_STR("text/html"));
    sp_headers_add_id(&o->response, SP_H_LAST_MODIFIED, SP_STR("Tue, 24 Nov 2026 10:00:00 GMT"));
    sp_headers_add_id(&o->response, SP_H_ETAG, SP_STR("\"674309a0-267\""));
    sp_headers_add_id(&o->response, SP_H_CONTENT_LENGTH, SP_STR("612"));
    sink->ops->headers(sink, &o->response, false);
    struct sp_buf body;
    static const char text[612];
    sp_buf_init(&body);
    sp_buf_append_static(&body, text, sizeof(text));
    sink->ops->data(sink, &body, true);
    return SP_STOP;
}

#define ENVOY "envoy.extensions.filters.http."
static const struct sp_filter_ops gate = {
    .name = "gate", .type_url = "sallyport.filters.http.ip_restriction.v1.IpRestriction", .gate = true,
    .size = sizeof(struct sp_filter), .config_new = config_new, .config_free = free, .decode_headers = pass,
};
static const struct sp_filter_ops one = {
    .name = "one", .type_url = ENVOY "jwt_authn.v3.JwtAuthentication", .size = sizeof(struct sp_filter) + 64,
    .config_new = config_new, .config_free = free, .decode_headers = pass,
};
static const struct sp_filter_ops two = {
    .name = "two", .type_url = ENVOY "header_mutation.v3.HeaderMutation", .size = sizeof(struct sp_filter),
    .config_new = config_new, .config_free = free, .decode_headers = pass, .encode_headers = pass,
    .encode_data = pass_data,
};
static const struct sp_filter_ops origin = {
    .name = "origin", .type_url = ENVOY "router.v3.Router", .terminal = true, .size = sizeof(struct origin),
    .config_new = config_new, .config_free = free, .decode_headers = origin_decode,
};
static const struct sp_filter_ops *const registry[] = {&gate, &one, &two, &origin, NULL};

static const char yaml[] =
    "stat_prefix: bench\nuse_remote_address: true\nnormalize_path: true\nmerge_slashes: true\n"
    "http_filters:\n"
    "- {name: gate, typed_config: {\"@type\": "
    "type.googleapis.com/sallyport.filters.http.ip_restriction.v1.IpRestriction, deny: [\"1.2.3.4\"], source: PEER}}\n"
    "- {name: one, typed_config: {\"@type\": type.googleapis.com/" ENVOY "jwt_authn.v3.JwtAuthentication}}\n"
    "- {name: two, typed_config: {\"@type\": type.googleapis.com/" ENVOY "header_mutation.v3.HeaderMutation}}\n"
    "- {name: origin, typed_config: {\"@type\": type.googleapis.com/" ENVOY "router.v3.Router}}\n"
    "route_config:\n  virtual_hosts:\n  - name: v\n    domains: [www.example.com]\n    routes:\n"
    "    - {match: {prefix: /api/}, route: {cluster: c}}\n    - {match: {prefix: /}, route: {cluster: c}}\n";

static struct sp_cluster *find_cluster(void *ctx, struct sp_str name)
{
    return ctx;
}

/* --- a codec that throws all away --- */

static void tx_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
}

static void tx_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    sp_buf_clear(b);
}

static void tx_trailers(struct sp_sink *s, struct sp_headers *t)
{
}

static void tx_abort(struct sp_sink *s, enum sp_abort why)
{
}

static const struct sp_sink_ops tx_ops = {tx_headers, tx_data, tx_trailers, tx_abort};

static void fill(struct sp_headers *h, struct sp_arena *arena)
{
    sp_headers_init(h, arena);
    sp_headers_reserve(h, 16);
    h->method = SP_STR("GET");
    h->scheme = SP_STR("http");
    h->authority = SP_STR("www.example.com");
    h->path = SP_STR("/assets/app/main.7f3c2d.js?v=1764013200&locale=en");
    h->version = SP_HTTP_11;
    sp_headers_add_id(h, SP_H_USER_AGENT, SP_STR("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"));
    sp_headers_add_id(h, SP_H_ACCEPT, SP_STR("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
    sp_headers_add_id(h, SP_H_ACCEPT_ENCODING, SP_STR("gzip, br"));
    sp_headers_add(h, SP_STR("accept-language"), SP_STR("en-US,en;q=0.5"));
    sp_headers_add_id(h, SP_H_COOKIE, SP_STR("session=0123456789abcdef0123456789abcdef; theme=dark"));
    sp_headers_add_id(h, SP_H_X_FORWARDED_FOR, SP_STR("203.0.113.7"));
    sp_headers_add_id(h, SP_H_X_FORWARDED_PROTO, SP_STR("https"));
    sp_headers_add_id(h, SP_H_IF_NONE_MATCH, SP_STR("\"33a64df551425fcc55e4d42a148795d9f25f89d4\""));
}

static void exchange(struct sp_stream_owner *owner, struct sp_codec *codec, bool streams)
{
    static const struct sp_source_ops rx_ops = {nothing, nothing, cancelled};
    struct sp_arena arena;
    sp_arena_init(&arena);
    struct sp_codec_stream *cs = sp_arena_zalloc(&arena, sizeof(*cs));
    struct sp_headers *h = sp_arena_zalloc(&arena, sizeof(*h));
    *cs = (struct sp_codec_stream){.rx.ops = &rx_ops, .tx.ops = &tx_ops, .codec = codec, .arena = &arena, .id = 1};
    fill(h, &arena);
    if (streams) {
        sp_stream_accept(owner, cs, h);
        cs->rx.sink->ops->headers(cs->rx.sink, h, true);
        sp_stream_closed(cs, SP_ABORT_NONE);
    }
    sp_arena_done(&arena);
}

int main(int argc, char **argv)
{
    static int cluster;
    long n = argc > 1 ? atol(argv[1]) : 1000000;
    struct sp_diag diag;
    sp_diag_init(&diag);
    sp_stats_init(1);
    struct sp_doc *doc = sp_doc_load_text(
        "bench", sp_str_c(yaml), SP_SYNTAX_YAML,
        &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor, &diag);
    const struct sp_hcm_build build = {.doc = doc, .diag = &diag, .registry = registry, .find_cluster = find_cluster,
                                       .ctx = &cluster};
    struct sp_hcm *hcm = doc ? sp_hcm_new(&build, sp_doc_root(doc)) : NULL;
    sp_diag_print(&diag, stderr);
    if (!hcm)
        return 1;
    struct sp_turn turn;
    sp_turn_init(&turn);
    sp_turn_begin(&turn, SP_NS_PER_S, 1795545884ll * 1000000000);
    struct sp_conn_info conn = {.tls = &sp_tls_info_none};
    sp_addr_parse(SP_STR("192.0.2.5:1234"), &conn.peer);
    struct sp_stream_owner owner = {.hcm = hcm, .conn = &conn, .turn = &turn};
    sp_list_init(&owner.streams);
    const struct sp_codec_ops ops = {.protocol = SP_HTTP_11};
    struct sp_codec codec = {.ops = &ops, .turn = &turn};
    double cost[2];
    for (int streams = 0; streams < 2; streams++) {
        exchange(&owner, &codec, streams);
        size_t before = allocations;
        double from = now_ns();
        for (long i = 0; i < n; i++)
            exchange(&owner, &codec, streams);
        cost[streams] = (now_ns() - from) / (double)n;
        printf("%s: %.0f ns, %.2f allocations\n", streams ? "a request" : "its head alone", cost[streams],
               (double)(allocations - before) / (double)n);
    }
    printf("connection manager, route and chain: %.0f ns\n", cost[1] - cost[0]);
    sp_hcm_free(hcm);
    sp_doc_free(doc);
    sp_turn_done(&turn);
    return 0;
}
