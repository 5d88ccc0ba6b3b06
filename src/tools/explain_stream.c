/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/explain_stream.h"

#include <assert.h>

#include "tools/explain_filters.h"

enum { ROUNDS = 64, OUT_ROOM = 256 * 1024 };

struct run {
    struct sp_explain_conn *conn;
    struct sp_explain_asked *asked;
    struct sp_turn *turn;
    struct sp_stream_owner owner;
    struct sp_filter_notes notes;
    struct sp_codec *server, *client; /* client: HTTP/2 */
    struct sp_stream *stream;         /* NULL: there is none yet, or it is closed */
    bool concluded;
};

/* --- the end --- */

static const char *status_word(unsigned status)
{
    return status >= 400 ? "refused" : "answered";
}

/* Tokens that are refused without the keys to verify them with: nobody can tell. One that is missing needs none. */
static bool lacks_keys(const struct run *x, const struct sp_stream_info *info)
{
    unsigned status = info->response_code;
    return x->asked->at_start && (status == 401 || status == 403 || status == 503) && sp_stream_chain(x->stream)->route &&
           sp_str_find(info->details, SP_STR("missing")) < 0;
}

static void conclude_stream(struct run *x)
{
    struct sp_report *r = x->conn->report;
    const struct sp_chain *c = sp_stream_chain(x->stream);
    const struct sp_stream_info *info = c->info;
    const struct sp_filter_slot *waits = sp_filter_notes_waits(c);
    sp_filter_notes_rest(&x->notes, c);
    if (x->asked->upstream)
        sp_report_verdict(r, SP_EXPLAIN_FORWARDED, "forwarded", "to cluster %.*s", SP_STR_ARG(info->upstream_cluster));
    else if (x->notes.answer && lacks_keys(x, info))
        sp_report_verdict(r, SP_EXPLAIN_UNDECIDED, "undecided", "%u %.*s, without what cluster %.*s would have been asked for at the start",
                          info->response_code, SP_STR_ARG(info->details), SP_STR_ARG(x->asked->last));
    else if (x->notes.answer)
        sp_report_verdict(r, info->response_code >= 400 ? SP_EXPLAIN_REFUSED : SP_EXPLAIN_FORWARDED, status_word(info->response_code),
                          "%u %.*s", info->response_code, SP_STR_ARG(info->details));
    else if (x->notes.was_reset)
        sp_report_verdict(r, SP_EXPLAIN_REFUSED, "reset", "%.*s", SP_STR_ARG(info->details));
    else if (waits && x->asked->last.len)
        sp_report_verdict(r, SP_EXPLAIN_UNDECIDED, "undecided", "%.*s cannot decide without asking cluster %.*s", SP_STR_ARG(waits->name),
                          SP_STR_ARG(x->asked->last));
    else
        sp_report_verdict(r, SP_EXPLAIN_UNDECIDED, "undecided", "%.*s waits", SP_STR_ARG(waits ? waits->name : SP_STR("the request")));
}

static void conclude(struct run *x)
{
    if (x->concluded || !x->stream)
        return;
    x->concluded = true;
    conclude_stream(x);
}

/* --- the server's codec --- */

static bool on_stream(void *ctx, struct sp_codec_stream *cs, struct sp_headers *h)
{
    struct run *x = ctx;
    if (x->stream || !sp_stream_accept(&x->owner, cs, h))
        return false;
    x->stream = cs->user;
    x->asked->chain = sp_stream_chain(x->stream);
    x->asked->info = x->asked->chain->info;
    sp_stream_trace(x->stream, &x->notes.trace);
    return true;
}

static void on_stream_closed(void *ctx, struct sp_codec_stream *cs, enum sp_abort why)
{
    struct run *x = ctx;
    conclude(x);
    x->stream = NULL;
    sp_stream_closed(cs, why);
}

/* What the codec answers itself, or gives up at. */
static void on_event(void *ctx, enum sp_codec_event ev, const char *detail, unsigned status)
{
    struct run *x = ctx;
    (void)ev;
    if (x->stream || ev == SP_CE_TX_RESET)
        return;
    sp_report_step(x->conn->report, "codec", SP_STR_NULL, "refuses", "%s", detail ? detail : "malformed");
    if (status) {
        json_t *answer = json_pack("{s:i, s:s}", "status", (int)status, "details", detail ? detail : "");
        json_object_set_new(x->conn->report->root, "answer", answer);
        sp_report_verdict(x->conn->report, SP_EXPLAIN_REFUSED, "refused", "%u %s", status, detail ? detail : "");
    } else {
        sp_report_verdict(x->conn->report, SP_EXPLAIN_REFUSED, "reset", "%s", detail ? detail : "");
    }
}

static void on_wake(void *ctx)
{
    (void)ctx; /* feed and flush run in turns */
}

static const struct sp_codec_cb server_cb = {.on_stream = on_stream, .on_stream_closed = on_stream_closed, .on_event = on_event,
                                             .on_wake = on_wake};

static void drain(struct sp_stream_owner *o)
{
    (void)o;
}

/* --- the client --- */

static bool client_on_stream(void *ctx, struct sp_codec_stream *cs, struct sp_headers *h)
{
    (void)ctx, (void)cs, (void)h;
    return false;
}

static void client_on_closed(void *ctx, struct sp_codec_stream *cs, enum sp_abort why)
{
    (void)ctx, (void)cs, (void)why;
}

static const struct sp_codec_cb client_cb = {.on_stream = client_on_stream, .on_stream_closed = client_on_closed, .on_wake = on_wake};

static void sink_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    (void)s, (void)h, (void)end;
}

static void sink_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    (void)s, (void)end;
    sp_buf_clear(b);
}

static void sink_trailers(struct sp_sink *s, struct sp_headers *t)
{
    (void)s, (void)t;
}

static void sink_abort(struct sp_sink *s, enum sp_abort why)
{
    (void)s, (void)why;
}

static const struct sp_sink_ops sink_ops = {sink_headers, sink_data, sink_trailers, sink_abort};

static void source_any(struct sp_source *s)
{
    (void)s;
}

static void source_cancel(struct sp_source *s, enum sp_abort why)
{
    (void)s, (void)why;
}

static const struct sp_source_ops source_ops = {source_any, source_any, source_cancel};

static struct sp_str lower(struct sp_arena *arena, struct sp_str s)
{
    s = sp_arena_str(arena, s);
    char *p = (char *)(uintptr_t)s.ptr;
    for (size_t i = 0; i < s.len; i++)
        p[i] = sp_ascii_lower(p[i]);
    return s;
}

static void h1_text(const struct sp_explain_args *a, struct sp_buf *out)
{
    struct sp_arena arena;
    bool host = false;
    sp_arena_init(&arena);
    sp_buf_append_str(out, sp_arena_printf(&arena, "%.*s %.*s HTTP/1.1\r\n", SP_STR_ARG(a->method), SP_STR_ARG(a->target)));
    for (unsigned i = 0; i < a->n_headers; i++)
        host |= sp_str_ieq(a->headers[i].name, SP_STR("host"));
    if (!host)
        sp_buf_append_str(out, sp_arena_printf(&arena, "host: %.*s\r\n", SP_STR_ARG(a->authority)));
    for (unsigned i = 0; i < a->n_headers; i++)
        sp_buf_append_str(out, sp_arena_printf(&arena, "%.*s: %.*s\r\n", SP_STR_ARG(a->headers[i].name), SP_STR_ARG(a->headers[i].value)));
    if (a->has_body)
        sp_buf_append_str(out, sp_arena_printf(&arena, "content-length: %zu\r\n", a->body.len));
    sp_buf_append_str(out, SP_STR("\r\n"));
    sp_buf_append_str(out, a->body);
    sp_arena_done(&arena);
}

struct h2_request {
    struct sp_sink sink;
    struct sp_source source;
    struct sp_headers head;
};

static void h2_send(struct run *x, struct h2_request *q, struct sp_arena *arena)
{
    const struct sp_explain_args *a = x->conn->args;
    struct sp_buf body;
    q->sink.ops = &sink_ops;
    q->source.ops = &source_ops;
    struct sp_codec_stream *cs = x->client->ops->open(x->client, &q->sink);
    assert(cs);
    sp_link(&cs->rx, &q->sink);
    sp_link(&q->source, &cs->tx);
    sp_headers_init(&q->head, arena);
    q->head.method = a->method;
    q->head.scheme = a->https ? SP_STR("https") : SP_STR("http");
    q->head.authority = a->authority;
    q->head.path = a->target;
    for (unsigned i = 0; i < a->n_headers; i++) {
        struct sp_str name = lower(arena, a->headers[i].name);
        if (sp_str_eq(name, SP_STR("host")))
            q->head.authority = a->headers[i].value;
        else
            sp_headers_add(&q->head, name, a->headers[i].value);
    }
    cs->tx.ops->headers(&cs->tx, &q->head, !a->has_body);
    if (!a->has_body)
        return;
    sp_buf_init(&body);
    sp_buf_append_str(&body, a->body);
    cs->tx.ops->data(&cs->tx, &body, true);
    sp_buf_clear(&body);
}

/* Back and forth until neither has more to say: settings, windows, the body. */
static void talk(struct run *x)
{
    struct sp_buf to_server, to_client;
    sp_buf_init(&to_server);
    sp_buf_init(&to_client);
    for (unsigned i = 0; i < ROUNDS; i++) {
        x->client->ops->flush(x->client, &to_server, OUT_ROOM);
        sp_turn_end(x->turn);
        if (!to_server.len || x->server->ops->feed(x->server, &to_server) < 0)
            break;
        sp_turn_end(x->turn);
        x->server->ops->flush(x->server, &to_client, OUT_ROOM);
        if (x->client->ops->feed(x->client, &to_client) < 0)
            break;
        sp_turn_end(x->turn);
    }
    sp_buf_clear(&to_server);
    sp_buf_clear(&to_client);
}

static void run_h2(struct run *x, const struct sp_wire_setup *setup)
{
    struct sp_codec_config config;
    struct h2_request q = {0};
    struct sp_arena arena;
    sp_arena_init(&arena);
    sp_codec_config_init(&config, false);
    config.max_header_bytes = setup->config.max_header_bytes;
    x->client = sp_h2_new(x->turn, &config, &client_cb, x);
    assert(x->client); /* a tool may end so where memory is out */
    h2_send(x, &q, &arena);
    talk(x);
    x->client->ops->destroy(x->client);
    sp_turn_end(x->turn);
    sp_arena_done(&arena);
}

static void run_h1(struct run *x)
{
    struct sp_buf in;
    sp_buf_init(&in);
    h1_text(x->conn->args, &in);
    x->server->ops->feed(x->server, &in);
    sp_turn_end(x->turn);
    sp_buf_clear(&in);
}

/* --- all of it --- */

/* Which codec meets the client. False: they do not understand each other. */
static bool agree(struct run *x, const struct sp_wire_setup *setup)
{
    struct sp_explain_conn *c = x->conn;
    struct sp_str alpn = c->info.tls->alpn;
    c->h2 = c->info.tls_used ? sp_str_eq(alpn, SP_STR("h2")) : c->args->alpn_given && sp_str_eq(c->args->alpn[0], SP_STR("h2"));
    if (setup->codec == SP_CODEC_AUTO)
        return true;
    bool server_h2 = setup->codec == SP_CODEC_H2;
    if (!c->args->alpn_given)
        c->h2 = server_h2; /* a client that can speak either */
    if (c->h2 == server_h2)
        return true;
    sp_report_step(c->report, "codec", SP_STR_NULL, "refuses", "the connection manager speaks %s only (codec_type)",
                   server_h2 ? "HTTP/2" : "HTTP/1.1");
    sp_report_verdict(c->report, SP_EXPLAIN_REFUSED, "reset", "codec_type");
    return false;
}

static void settle(struct run *x)
{
    for (unsigned i = 0; i < 4; i++) {
        sp_turn_begin(x->turn, x->turn->now_ns, x->turn->wall_ns);
        sp_turn_end(x->turn);
    }
    conclude(x);
    if (!x->concluded)
        sp_report_verdict(x->conn->report, SP_EXPLAIN_REFUSED, "reset", "the codec made no request of it");
}

void sp_explain_request(struct sp_explain_conn *c, struct sp_explain_asked *asked, struct sp_worker *w)
{
    assert(c && c->chain.hcm && asked && w);
    struct run x = {.conn = c, .asked = asked, .turn = &w->turn};
    struct sp_wire_setup setup = {0};
    sp_codec_config_init(&setup.config, true);
    sp_hcm_wire_setup(c->chain.hcm, &setup);
    if (!agree(&x, &setup))
        return;
    json_object_set_new(c->report->root, "protocol", json_string(c->h2 ? "HTTP/2" : "HTTP/1.1"));
    setup.config.server = true;
    setup.config.tls = c->info.tls_used;
    sp_filter_notes_init(&x.notes, c->report, &c->places, sp_hcm_routes(c->chain.hcm));
    sp_hcm_trace(c->chain.hcm, &x.notes.trace);
    x.owner = (struct sp_stream_owner){.hcm = c->chain.hcm, .worker = w->index, .conn = &c->info, .turn = x.turn, .drain = drain};
    sp_list_init(&x.owner.streams);
    x.server = (c->h2 ? sp_h2_new : sp_h1_new)(x.turn, &setup.config, &server_cb, &x);
    if (c->h2)
        run_h2(&x, &setup);
    else
        run_h1(&x);
    settle(&x);
    x.server->ops->destroy(x.server);
    sp_turn_end(x.turn);
    sp_filter_notes_done(&x.notes);
}
