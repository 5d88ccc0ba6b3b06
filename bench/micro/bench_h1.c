/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the HTTP/1 codec costs without any socket: nanoseconds for a request head of a browser behind a CDN (some 700
 * bytes) to be parsed, and for a whole exchange (server codec, receiver that answers, client codec).
 * Usage: micro_h1 [iterations]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "http/h1_parse.h"

static const char request[] =
    "GET /assets/app/main.7f3c2d.js?v=1764013200&locale=en HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "Connection: Keep-Alive\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Accept-Encoding: gzip, br\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "X-Forwarded-For: 203.0.113.7\r\n"
    "X-Forwarded-Proto: https\r\n"
    "X-Origin-Verify: 7d5f0c2ab1e94f3e8c6d7a9b0c1d2e3f\r\n"
    "CF-Ray: 8e1f2a3b4c5d6e7f-FRA\r\n"
    "CF-Connecting-IP: 203.0.113.7\r\n"
    "CDN-Loop: cloudflare; loops=1\r\n"
    "If-None-Match: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"\r\n"
    "\r\n";

static const char response_head[] =
    "HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 18:44:44 GMT\r\nServer: nginx\r\nContent-Type: text/html\r\n"
    "Last-Modified: Tue, 24 Nov 2026 10:00:00 GMT\r\nETag: \"674309a0-267\"\r\nAccept-Ranges: bytes\r\n"
    "Content-Length: 612\r\n\r\n";

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void bench_parse(long n)
{
    struct sp_codec_config config;
    struct sp_h1_head head;
    struct sp_buf in;
    unsigned sum = 0;
    sp_codec_config_init(&config, true);
    sp_buf_init(&in);
    sp_h1_head_init(&head, SP_H1_REQUEST);
    double from = now_ns();
    for (long i = 0; i < n; i++) {
        struct sp_arena arena;
        struct sp_headers h;
        struct sp_h1_info info;
        sp_arena_init(&arena);
        sp_buf_append(&in, request, sizeof(request) - 1);
        if (sp_h1_head_feed(&head, &config, &in) != SP_H1_DONE ||
            sp_h1_head_take(&head, &config, &in, &arena, &h, &info) != SP_H1E_NONE)
            abort();
        sum += h.n;
        sp_arena_done(&arena);
    }
    printf("parse a head of %zu bytes, %ld headers: %.0f ns\n", sizeof(request) - 1, sum / n,
           (now_ns() - from) / (double)n);
}

/* The least receiver: answers each request with a head of seven lines and 612 bytes. */
struct receiver {
    struct sp_sink sink;
    struct sp_source source;
};

static struct receiver receiver;
static long closed;
static char body[612];

static void respond(struct sp_codec_stream *cs)
{
    struct sp_headers *h = sp_arena_alloc(cs->arena, sizeof(*h));
    struct sp_buf b;
    sp_headers_init(h, cs->arena);
    h->status = 200;
    sp_headers_add_id(h, SP_H_DATE, SP_STR("Tue, 24 Nov 2026 18:44:44 GMT"));
    sp_headers_add_id(h, SP_H_SERVER, SP_STR("envoy"));
    sp_headers_add_id(h, SP_H_CONTENT_TYPE, SP_STR("text/html"));
    sp_headers_add_id(h, SP_H_LAST_MODIFIED, SP_STR("Tue, 24 Nov 2026 10:00:00 GMT"));
    sp_headers_add_id(h, SP_H_ETAG, SP_STR("\"674309a0-267\""));
    sp_headers_add(h, SP_STR("accept-ranges"), SP_STR("bytes"));
    sp_headers_add_id(h, SP_H_CONTENT_LENGTH, SP_STR("612"));
    cs->tx.ops->headers(&cs->tx, h, false);
    sp_buf_init(&b);
    sp_buf_append(&b, body, sizeof(body));
    cs->tx.ops->data(&cs->tx, &b, true);
}

static void on_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
}

static void on_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    sp_buf_clear(b);
}

static void on_trailers(struct sp_sink *s, struct sp_headers *t)
{
}

static void on_abort(struct sp_sink *s, enum sp_abort why)
{
    abort();
}

static void nothing(struct sp_source *s)
{
}

static void on_cancel(struct sp_source *s, enum sp_abort why)
{
    abort();
}

static const struct sp_sink_ops sink_ops = {on_headers, on_data, on_trailers, on_abort};
static const struct sp_source_ops source_ops = {nothing, nothing, on_cancel};
static struct sp_codec_stream *current;

static bool on_stream(void *ctx, struct sp_codec_stream *cs, struct sp_headers *h)
{
    sp_link(&cs->rx, &receiver.sink);
    sp_link(&receiver.source, &cs->tx);
    current = cs;
    return true;
}

static void on_stream_closed(void *ctx, struct sp_codec_stream *cs, enum sp_abort why)
{
    closed++;
}

static void on_wake(void *ctx)
{
}

static const struct sp_codec_cb cb = {.on_stream = on_stream, .on_stream_closed = on_stream_closed, .on_wake = on_wake};

static void bench_server(long n)
{
    struct sp_codec_config config;
    struct sp_turn turn;
    struct sp_buf in, out;
    sp_turn_init(&turn);
    sp_codec_config_init(&config, true);
    sp_buf_init(&in);
    sp_buf_init(&out);
    struct sp_codec *c = sp_h1_new(&turn, &config, &cb, NULL);
    double from = now_ns();
    for (long i = 0; i < n; i++) {
        sp_buf_append(&in, request, sizeof(request) - 1);
        c->ops->feed(c, &in);
        respond(current);
        c->ops->flush(c, &out, SIZE_MAX);
        sp_buf_clear(&out);
        sp_turn_end(&turn);
    }
    printf("server: request and response of 612 bytes: %.0f ns\n", (now_ns() - from) / (double)n);
    if (closed != n)
        abort();
    c->ops->destroy(c);
    sp_turn_done(&turn);
}

static void bench_client(long n)
{
    struct sp_codec_config config;
    struct sp_turn turn;
    struct sp_buf in, out;
    struct sp_arena arena;
    struct sp_headers h;
    sp_arena_init(&arena);
    sp_headers_init(&h, &arena);
    h.method = SP_STR("GET");
    h.path = SP_STR("/assets/app/main.7f3c2d.js?v=1764013200&locale=en");
    h.authority = SP_STR("www.example.com");
    for (unsigned i = 0; i < 12; i++)
        sp_headers_add(&h, sp_arena_printf(&arena, "x-header-%u", i), SP_STR("0123456789abcdef0123456789abcdef"));
    sp_turn_init(&turn);
    sp_codec_config_init(&config, false);
    sp_buf_init(&in);
    sp_buf_init(&out);
    struct sp_codec *c = sp_h1_new(&turn, &config, &cb, NULL);
    double from = now_ns();
    for (long i = 0; i < n; i++) {
        struct sp_codec_stream *cs = c->ops->open(c, &receiver.sink);
        sp_link(&receiver.source, &cs->tx);
        cs->tx.ops->headers(&cs->tx, &h, true);
        c->ops->flush(c, &out, SIZE_MAX);
        sp_buf_clear(&out);
        sp_buf_append(&in, response_head, sizeof(response_head) - 1);
        sp_buf_append(&in, body, sizeof(body));
        c->ops->feed(c, &in);
        sp_turn_end(&turn);
    }
    printf("client: request of 12 headers and response of 612 bytes: %.0f ns\n", (now_ns() - from) / (double)n);
    if (closed != 2 * n)
        abort();
    c->ops->destroy(c);
    sp_turn_done(&turn);
    sp_arena_done(&arena);
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? atol(argv[1]) : 1000000;
    receiver.sink.ops = &sink_ops;
    receiver.source.ops = &source_ops;
    bench_parse(n);
    bench_server(n);
    bench_client(n);
    sp_buf_thread_done();
    sp_arena_thread_done();
    return 0;
}
