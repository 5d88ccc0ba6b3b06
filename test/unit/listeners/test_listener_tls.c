/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A listener with TLS, and a client's wire to it, on one loop: real TLS and real codecs at both ends.  What the counters
 * say, who is let in, what a stranger gets.
 */
#include "fake_hcm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/cert_gen.h"
#include "listeners/listener.h"

#define HCM \
    "filters: [{name: h, typed_config: {'@type': " \
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: x}}]"
#define TLS_TYPE "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
#define SERVER "tls_certificates: [{certificate_chain: @0c, private_key: @0k}], alpn_protocols: [h2, http/1.1]"
#define SOCKET(rest) \
    "transport_socket: {name: t, typed_config: {'@type': " TLS_TYPE ", common_tls_context: {" SERVER "}" rest "}}"
#define ADDRESS "stat_prefix: t\naddress: {socket_address: {address: 127.0.0.1, port_value: 0}}\n"

enum { SERVER_CERT, CLIENT_CA, CLIENT_CERT, STRANGER_CA, STRANGER_CERT, CERTS };

static struct sp_arena cert_arena;
static struct sp_made_cert certs[CERTS];

struct client {
    struct sp_wire *wire;
    struct sp_tls_ctx *ctx;
    bool ready, closed;
    enum sp_wire_end why;
    unsigned status, streams_closed;
    struct sp_sink sink;
    struct sp_source source;
    struct sp_codec_stream *cs;
    char text[128];
};

struct world {
    struct loop *l;
    struct sp_doc *doc;
    struct sp_diag diag;
    struct sp_listener *listener;
    struct sp_listener_socket *socket;
    struct sp_addr at;
    struct client c;
};

/* ---- certificates ---- */

static void make_certs(void)
{
    static const char *const dns[] = {"a.test", "b.test", NULL};
    const struct sp_cert_request r[CERTS] = {
        {.common_name = "server", .dns = dns, .server = true},
        {.common_name = "ca", .is_ca = true},
        {.common_name = "client", .client = true},
        {.common_name = "other ca", .is_ca = true},
        {.common_name = "client", .client = true},
    };
    for (int i = 0; i < CERTS; i++) {
        bool leaf = i == CLIENT_CERT || i == STRANGER_CERT;
        assert_int_equal(sp_cert_make(&r[i], leaf ? &certs[i - 1] : NULL, &cert_arena, &certs[i]), 0);
    }
}

/* "@0c" is the first certificate, "@0k" its key, as inline strings. */
static char *fill(const char *yaml)
{
    char *out = NULL;
    size_t n;
    FILE *f = open_memstream(&out, &n);
    for (; *yaml; yaml++) {
        if (*yaml != '@' || yaml[1] < '0' || yaml[1] >= '0' + CERTS) {
            fputc(*yaml, f);
            continue;
        }
        const struct sp_made_cert *c = &certs[yaml[1] - '0'];
        struct sp_str pem = yaml[2] == 'k' ? c->key_pem : c->cert_pem;
        fputs("{inline_string: \"", f);
        for (size_t i = 0; i < pem.len; i++)
            pem.ptr[i] == '\n' ? fputs("\\n", f) : fputc(pem.ptr[i], f);
        fputs("\"}", f);
        yaml += 2;
    }
    fclose(f);
    return out;
}

static struct sp_doc *load(const char *yaml, const ProtobufCMessageDescriptor *type, struct sp_diag *diag)
{
    char *text = fill(yaml);
    struct sp_doc *doc = sp_doc_load_text("t.yaml", sp_str_c(text), SP_SYNTAX_YAML, type, diag);
    if (!doc)
        sp_diag_print(diag, stderr);
    free(text);
    assert_non_null(doc);
    return doc;
}

/* ---- the server ---- */

static void serve(struct world *w, const char *yaml)
{
    w->doc = load(yaml, &envoy__config__listener__v3__listener__descriptor, &w->diag);
    const struct sp_listener_build build = {.doc = w->doc, .diag = &w->diag};
    w->listener = sp_listener_new(&build, sp_doc_root(w->doc));
    if (!w->listener)
        sp_diag_print(&w->diag, stderr);
    assert_non_null(w->listener);
    int fd = sp_listener_bind(w->listener, NULL, &w->at);
    assert_true(fd >= 0);
    w->socket = sp_listener_open(&w->l->worker, w->listener, NULL);
    assert_int_equal(sp_listener_accept_on(w->socket, fd), 0);
}

static int setup(void **state)
{
    struct world *w = sp_xcalloc(1, sizeof(*w));
    sp_stats_init(1);
    sp_diag_init(&w->diag);
    w->l = loop_new();
    fake_codec = SP_CODEC_AUTO;
    streams = closed_streams = events = log_lines = 0;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    if (w->c.wire && !w->c.closed) {
        sp_wire_close(w->c.wire, true);
        LOOP_UNTIL(w->l, w->c.closed);
    }
    if (w->socket)
        sp_listener_close(w->socket);
    loop_free(w->l);
    sp_tls_ctx_unref(w->c.ctx);
    sp_listener_free(w->listener);
    sp_doc_free(w->doc);
    sp_diag_done(&w->diag);
    assert_int_equal(hcms, 0);
    assert_int_equal(streams, closed_streams);
    assert_int_equal(sp_buf_thread_chunks(), 0);
    sp_stats_done();
    free(w);
    return 0;
}

static uint64_t stat_of(const char *name)
{
    uint64_t v = 0;
    if (sp_stats_find(sp_str_c(name), &v))
        fail_msg("no stat %s", name);
    return v;
}

/* ---- the client ---- */

static void client_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    SP_CONTAINER_OF(s, struct client, sink)->status = h->status;
}

static const struct sp_sink_ops client_sink = {client_headers, sink_data, sink_trailers, sink_abort};

static bool never_choose(void *ctx, const struct sp_client_hello *hello, struct sp_wire_setup *ret)
{
    return false;
}

static void client_ready(void *ctx)
{
    struct client *c = ctx;
    c->ready = true;
}

static void client_closed(void *ctx, enum sp_wire_end why, int err, struct sp_str text)
{
    struct client *c = ctx;
    c->closed = true;
    c->why = why;
    snprintf(c->text, sizeof(c->text), "%.*s", SP_STR_ARG(text));
}

static const struct sp_wire_cb client_cb = {never_choose, client_ready, client_closed, NULL, NULL, NULL};

static void client_stream_closed(void *ctx, struct sp_codec_stream *cs, enum sp_abort why)
{
    struct client *c = ctx;
    c->streams_closed++;
}

static const struct sp_codec_cb client_codec_cb = {.on_stream_closed = client_stream_closed};

/* `context`: YAML of an UpstreamTlsContext. */
static void dial(struct world *w, const char *context, const char *sni, const char *const *alpn)
{
    struct sp_wire_setup setup = {.codec = SP_CODEC_AUTO, .connect_ns = 3 * SP_NS_PER_S, .sni = sp_str_c(sni)};
    struct sp_diag diag;
    sp_diag_init(&diag);
    struct sp_doc *doc =
        load(context, &envoy__extensions__transport_sockets__tls__v3__upstream_tls_context__descriptor, &diag);
    sp_codec_config_init(&setup.config, false);
    sp_tls_ctx_unref(w->c.ctx);
    w->c = (struct client){.ctx = sp_tls_ctx_client(doc, &diag, sp_doc_root(doc), alpn, SP_STR_NULL)};
    if (!w->c.ctx)
        sp_diag_print(&diag, stderr);
    assert_non_null(w->c.ctx);
    setup.tls = w->c.ctx;
    w->c.wire = sp_wire_client(&w->l->worker, &w->at, &setup, &client_cb, &client_codec_cb, &w->c);
    sp_doc_free(doc);
    sp_diag_done(&diag);
}

static void get(struct world *w)
{
    struct client *c = &w->c;
    LOOP_UNTIL(w->l, c->ready || c->closed);
    assert_true(c->ready);
    c->sink.ops = &client_sink;
    c->source.ops = &source_ops;
    c->status = 0;
    struct sp_codec *codec = sp_wire_codec(c->wire);
    c->cs = codec->ops->open(codec, &c->sink);
    assert_non_null(c->cs);
    sp_link(&c->source, &c->cs->tx);
    struct sp_headers *h = sp_arena_alloc(c->cs->arena, sizeof(*h));
    sp_headers_init(h, c->cs->arena);
    h->method = SP_STR("GET");
    h->scheme = SP_STR("https");
    h->authority = SP_STR("a.test");
    h->path = SP_STR("/");
    c->cs->tx.ops->headers(&c->cs->tx, h, true);
    LOOP_UNTIL(w->l, c->status || c->closed);
}

#define TRUST "common_tls_context: {validation_context: {trusted_ca: @0c}"
static const char *const h2_first[] = {"h2", "http/1.1", NULL}, *const h1_only[] = {"http/1.1", NULL};

/* ---- the tests ---- */

static void test_request(void **state)
{
    struct world *w = *state;
    serve(w, ADDRESS "filter_chains: [{" SOCKET("") ", " HCM "}]");
    dial(w, TRUST "}", "a.test", h2_first);
    get(w);
    assert_int_equal(w->c.status, 200);
    assert_int_equal(sp_wire_codec(w->c.wire)->ops->protocol, SP_HTTP_2);
    assert_true(last_owner->conn->tls_used);
    assert_true(sp_str_eq(last_owner->conn->tls->sni, SP_STR("a.test")));
    assert_true(sp_str_eq(last_owner->conn->tls->alpn, SP_STR("h2")));
    assert_false(last_owner->conn->tls->peer_presented);
    assert_int_equal(stat_of("listener.t.ssl.handshake"), 1);
    assert_int_equal(stat_of("listener.t.ssl.versions.TLSv1.3"), 1);
    assert_int_equal(stat_of("listener.t.ssl.no_certificate"), 1);
    assert_int_equal(stat_of("listener.t.ssl.connection_error"), 0);
    sp_wire_close(w->c.wire, false);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 0);
    assert_int_equal(stat_of("http.cx_active"), 0);
    dial(w, TRUST "}", "a.test", h1_only);
    get(w);
    assert_int_equal(w->c.status, 200);
    assert_int_equal(sp_wire_codec(w->c.wire)->ops->protocol, SP_HTTP_11);
    get(w); /* once more on the same connection */
    assert_int_equal(w->c.status, 200);
    assert_int_equal(streams, 3);
}

static void test_no_alpn(void **state)
{
    static const char *const none[] = {NULL};
    struct world *w = *state;
    serve(w, ADDRESS "filter_chains: [{" SOCKET("") ", " HCM "}]");
    dial(w, TRUST "}", "a.test", none);
    get(w); /* the first bytes decide */
    assert_int_equal(w->c.status, 200);
    assert_int_equal(last_owner->conn->tls->alpn.len, 0);
}

#define MUTUAL \
    "transport_socket: {name: t, typed_config: {'@type': " TLS_TYPE ", require_client_certificate: true, " \
    "common_tls_context: {" SERVER ", validation_context: {trusted_ca: @1c}}}}"

static void test_client_certificate(void **state)
{
    struct world *w = *state;
    serve(w, ADDRESS "filter_chains: [{" MUTUAL ", " HCM "}]\naccess_log: [{name: x}]");
    dial(w, TRUST ", tls_certificates: [{certificate_chain: @2c, private_key: @2k}]}", "a.test", h2_first);
    get(w);
    assert_int_equal(w->c.status, 200);
    assert_true(last_owner->conn->tls->peer_verified);
    assert_true(sp_str_eq(last_owner->conn->tls->peer_subject, SP_STR("CN=client")));
    assert_int_equal(stat_of("listener.t.ssl.no_certificate"), 0);
}

/* With TLS 1.3 the client has finished before it is refused: the alert must reach it all the same. */
static void expect_refused(struct world *w, const char *alert)
{
    LOOP_UNTIL(w->l, w->c.closed);
    if (!strstr(w->c.text, alert))
        fail_msg("why %d: %s", w->c.why, w->c.text);
    assert_int_equal(w->c.why, SP_WIRE_TLS);
    assert_int_equal(streams, 0);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 0);
    assert_int_equal(stat_of("listener.t.ssl.handshake"), 0);
    assert_int_equal(stat_of("http.cx_active"), 0);
    assert_int_equal(log_lines, 1);
    assert_true(last_failure[0]);
}

static void test_no_client_certificate(void **state)
{
    struct world *w = *state;
    serve(w, ADDRESS "filter_chains: [{" MUTUAL ", " HCM "}]\naccess_log: [{name: x}]");
    dial(w, TRUST "}", "a.test", h2_first);
    expect_refused(w, "alert");
    assert_int_equal(stat_of("listener.t.ssl.fail_verify_no_cert"), 1);
}

static void test_wrong_client_certificate(void **state)
{
    struct world *w = *state;
    serve(w, ADDRESS "filter_chains: [{" MUTUAL ", " HCM "}]\naccess_log: [{name: x}]");
    dial(w, TRUST ", tls_certificates: [{certificate_chain: @4c, private_key: @4k}]}", "a.test", h2_first);
    expect_refused(w, "alert");
    assert_int_equal(stat_of("listener.t.ssl.fail_verify_error"), 1);
}

static void test_chain_by_name(void **state)
{
    struct world *w = *state;
    serve(w, ADDRESS "filter_chains: [{filter_chain_match: {server_names: [a.test]}, " SOCKET("") ", " HCM "},\n"
                     "{filter_chain_match: {server_names: [b.test]}, " MUTUAL ", " HCM "}]");
    dial(w, TRUST "}", "a.test", h2_first);
    get(w);
    assert_int_equal(w->c.status, 200);
    sp_wire_close(w->c.wire, true);
    LOOP_UNTIL(w->l, w->c.closed && sp_listener_connections(w->socket) == 0);
    dial(w, TRUST "}", "b.test", h2_first);
    LOOP_UNTIL(w->l, w->c.closed);
    assert_int_equal(w->c.why, SP_WIRE_TLS);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 0);
    assert_int_equal(stat_of("listener.t.ssl.fail_verify_no_cert"), 1);
    dial(w, TRUST "}", "c.test", h2_first);
    LOOP_UNTIL(w->l, w->c.closed);
    assert_false(w->c.ready);
    assert_int_equal(stat_of("listener.t.no_filter_chain_match"), 1);
    assert_int_equal(streams, 1);
}

static int dial_raw(struct world *w)
{
    struct sockaddr_storage ss;
    int fd = sp_sock_client(&w->at, NULL);
    socklen_t len = sp_addr_to_sockaddr(&w->at, &ss);
    assert_true(connect(fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS);
    loop_wait(w->l, 5);
    return fd;
}

static void test_garbage(void **state)
{
    struct world *w = *state;
    serve(w, ADDRESS "filter_chains: [{" SOCKET("") ", " HCM "}]");
    int fd = dial_raw(w);
    assert_int_equal(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    char buf[64];
    ssize_t n = -1;
    LOOP_UNTIL(w->l, (n = read(fd, buf, sizeof(buf))) >= 0 || errno != EAGAIN);
    assert_true(n != 0 && (n < 0 || buf[0] == 21)); /* an alert */
    close(fd);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 0);
    assert_int_equal(stat_of("listener.t.ssl.connection_error"), 1);
    assert_int_equal(stat_of("listener.t.downstream_cx_destroy"), 1);
}

static void test_slow_handshake(void **state)
{
    struct world *w = *state;
    serve(w, ADDRESS "filter_chains: [{transport_socket_connect_timeout: 0.05s, " SOCKET("") ", " HCM "}]");
    int fd = dial_raw(w);
    assert_int_equal(write(fd, "\x16\x03\x01\x02", 4), 4);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 0);
    assert_int_equal(stat_of("listener.t.downstream_cx_transport_socket_connect_timeout"), 1);
    assert_int_equal(stat_of("listener.t.ssl.connection_error"), 0);
    close(fd);
}

static void test_drain(void **state)
{
    struct world *w = *state;
    serve(w, ADDRESS "filter_chains: [{" SOCKET("") ", " HCM "}]");
    dial(w, TRUST "}", "a.test", h2_first);
    get(w);
    sp_listener_drain(w->socket);
    LOOP_UNTIL(w->l, w->c.closed); /* GOAWAY, a second later the final one, then the end */
    assert_int_equal(w->c.text[0], 0);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 0);
    assert_int_equal(stat_of("http.cx_drain_close"), 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_request), T(test_no_alpn), T(test_client_certificate), T(test_no_client_certificate),
        T(test_wrong_client_certificate), T(test_chain_by_name), T(test_garbage), T(test_slow_handshake), T(test_drain),
    };
    signal(SIGPIPE, SIG_IGN);
    if (sp_tls_global_init())
        return 1;
    make_certs();
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_arena_done(&cert_arena);
    sp_tls_global_done();
    return r;
}
