/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/probe_stream.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/tls_name.h"

static void begin(struct sp_probe *base);

static void finish(struct sp_probe_stream *p, const struct sp_probe_verdict *v)
{
    assert(p->checking);
    p->checking = false;
    if (!p->base.config->reuse && p->conn)
        sp_conn_drain(p->conn);
    p->base.done(&p->base, v);
}

static void fail(struct sp_probe_stream *p, struct sp_str text)
{
    finish(p, &(struct sp_probe_verdict){.result = SP_PROBE_NETWORK, .text = text});
}

/* --- the request --- */

struct sp_str sp_probe_stream_name(const struct sp_probe_stream *p, struct sp_str configured)
{
    const struct sp_endpoint *h = p->base.endpoint;
    if (h->health_hostname.len)
        return h->health_hostname;
    if (configured.len)
        return configured;
    return h->hostname.len ? h->hostname : p->base.slot->cluster->name;
}

void sp_probe_stream_edit(const struct sp_probe_stream *p, struct sp_headers *h)
{
    if (!p->base.config->headers)
        return;
    struct sp_stream_info info = {.start_ns = p->base.slot->turn->now_ns, .start_wall_ns = p->base.slot->turn->wall_ns};
    struct sp_format_input in = {.info = &info, .request = h, .now_ns = info.start_ns};
    sp_header_ops_request(p->base.config->headers, h, &in);
}

static void send_request(struct sp_probe_stream *p)
{
    struct sp_codec_stream *cs = p->ticket.cs;
    struct sp_headers *h = sp_arena_zalloc(cs->arena, sizeof(*h));
    sp_headers_init(h, cs->arena);
    h->scheme = sp_probe_options(&p->base)->tls ? SP_STR("https") : SP_STR("http");
    h->authority = p->ask->authority(p);
    sp_headers_add_id(h, SP_H_USER_AGENT, SP_STR("sallyport/HC"));
    struct sp_str body = p->ask->request(p, h);
    cs->tx.ops->headers(&cs->tx, h, !body.len);
    if (body.len) {
        struct sp_buf b;
        sp_buf_init(&b);
        sp_buf_append_str(&b, body);
        cs->tx.ops->data(&cs->tx, &b, true);
        sp_buf_clear(&b);
    }
    p->ticket.tx_over = true;
}

static bool open_stream(struct sp_probe_stream *p)
{
    if (!sp_conn_open(p->conn, &p->ticket))
        return false;
    if (p->conn->state < SP_CONN_DRAINING)
        p->conn->state = SP_CONN_BUSY;
    send_request(p);
    return true;
}

/* --- the answer --- */

void sp_probe_stream_over(struct sp_probe_stream *p, const struct sp_probe_verdict *v)
{
    assert(p && p->checking && p->answered && v);
    if (p->ticket.rx_over)
        sp_ticket_leave(&p->ticket);
    else
        sp_ticket_cancel(&p->ticket, SP_ABORT_CANCEL);
    finish(p, v);
}

static struct sp_probe_stream *of_rx(struct sp_sink *s)
{
    return SP_CONTAINER_OF(s, struct sp_probe_stream, ticket.rx);
}

static void rx_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    struct sp_probe_stream *p = of_rx(s);
    p->answered = true;
    if (h->status < 200)
        return;
    p->ticket.rx_over = end;
    p->ask->headers(p, h, end);
}

static void rx_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    struct sp_probe_stream *p = of_rx(s);
    p->ticket.rx_over = end;
    p->ask->data(p, b, end);
}

static void rx_trailers(struct sp_sink *s, struct sp_headers *t)
{
    struct sp_probe_stream *p = of_rx(s);
    p->ticket.rx_over = true;
    p->ask->trailers(p, t);
}

static void run_again(struct sp_defer *d)
{
    begin(&SP_CONTAINER_OF(d, struct sp_probe_stream, again)->base);
}

/* The host closed the connection between two checks: that says nothing about its health. */
static bool stale(const struct sp_probe_stream *p, enum sp_abort why)
{
    bool gone = why == SP_ABORT_CLOSED || why == (p->base.config->h2 ? SP_ABORT_REFUSED : SP_ABORT_RESET);
    return gone && p->ticket.reused && !p->answered;
}

static void rx_abort(struct sp_sink *s, enum sp_abort why)
{
    struct sp_probe_stream *p = of_rx(s);
    p->ticket.rx_over = p->ticket.rx_aborted = true;
    bool once_more = stale(p, why);
    sp_ticket_cancel(&p->ticket, why);
    if (once_more) {
        if (p->conn)
            sp_conn_drain(p->conn);
        sp_defer(p->base.slot->turn, &p->again);
        return;
    }
    fail(p, sp_str_c(sp_abort_name(why)));
}

static const struct sp_sink_ops rx_ops = {rx_headers, rx_data, rx_trailers, rx_abort};

static void tx_nothing(struct sp_source *s)
{
    (void)s; /* a request that is small and whole has nothing to pause */
}
static void tx_cancel(struct sp_source *s, enum sp_abort why)
{
    (void)s, (void)why;
}
static const struct sp_source_ops tx_ops = {tx_nothing, tx_nothing, tx_cancel};

/* --- the connection --- */

/* What becomes of a connection whose probe is gone. */
static void orphan_event(struct sp_conn *c)
{
    (void)c;
}
static void orphan_closed(struct sp_conn *c, const struct sp_conn_end *end)
{
    (void)c, (void)end;
}
static const struct sp_conn_events orphan_events = {orphan_event, orphan_event, orphan_closed};

static void orphan(struct sp_probe_stream *p, struct sp_conn *c)
{
    c->events = &orphan_events;
    c->owner = NULL;
    if (p->conn == c)
        p->conn = NULL;
}

static void let_go(struct sp_probe_stream *p, struct sp_conn *c)
{
    orphan(p, c);
    sp_conn_close(c);
}

static void on_ready(struct sp_conn *c)
{
    struct sp_probe_stream *p = c->owner;
    if (!p->checking) /* given up meanwhile; the next check takes it */
        return;
    if (!open_stream(p)) {
        sp_conn_close(c);
        p->conn = NULL;
        fail(p, SP_STR("the host allows no streams"));
    }
}

static void on_changed(struct sp_conn *c)
{
    struct sp_probe_stream *p = c->owner;
    if (c->state >= SP_CONN_DRAINING) {
        orphan(p, c); /* a check that is under way on it goes on: its ticket tells */
    } else if (!c->n_streams) {
        c->state = SP_CONN_IDLE;
    }
}

static void on_closed(struct sp_conn *c, const struct sp_conn_end *end)
{
    struct sp_probe_stream *p = c->owner;
    bool ours = p->conn == c;
    if (ours)
        p->conn = NULL;
    if (ours && p->checking && !end->connected)
        fail(p, end->timed_out ? SP_STR("connect timeout") : end->text);
}

static const struct sp_conn_events events = {on_ready, on_changed, on_closed};

static void begin_connect(struct sp_probe_stream *p)
{
    const struct sp_cluster_options *o = sp_probe_options(&p->base);
    struct sp_conn_setup setup = {
        .to = &p->base.to,
        .kind = p->base.config->h2 ? SP_KIND_H2 : SP_KIND_H1,
        .tls = !p->base.config->h2 && o->tls_h1 ? o->tls_h1 : o->tls,
        .offer = p->base.config->alpn,
        .first = o->proxy.local,
        .connect_ns = SP_MIN(o->connect_ns, p->base.config->timeout_ns),
    };
    struct sp_arena a;
    sp_arena_init(&a);
    if (o->tls && (o->auto_sni || o->auto_san)) {
        bool ip;
        struct sp_str name = sp_tls_name(p->ask->authority(p), &a, &ip);
        setup.sni = o->auto_sni && !ip ? name : SP_STR_NULL;
        setup.verify_name = o->auto_san ? name : SP_STR_NULL;
    }
    sp_cluster_names_host(o, p->base.host->hostname, &setup.sni, &setup.verify_name);
    p->conn = sp_conn_new(p->base.slot, p->base.host, &setup, p, &events);
    sp_arena_done(&a);
}

static void begin(struct sp_probe *base)
{
    struct sp_probe_stream *p = SP_CONTAINER_OF(base, struct sp_probe_stream, base);
    p->checking = true;
    p->answered = false;
    if (p->conn && p->conn->state == SP_CONN_CONNECTING)
        return; /* of a check that was given up */
    if (p->conn && open_stream(p))
        return;
    if (p->conn)
        let_go(p, p->conn);
    begin_connect(p);
}

static void cancel(struct sp_probe *base)
{
    struct sp_probe_stream *p = SP_CONTAINER_OF(base, struct sp_probe_stream, base);
    p->checking = false;
    sp_defer_cancel(&p->again);
    sp_ticket_cancel(&p->ticket, SP_ABORT_TIMEOUT);
    if (p->conn) /* what did not answer in time is not asked again */
        let_go(p, p->conn);
}

static void probe_free(struct sp_probe *base)
{
    struct sp_probe_stream *p = SP_CONTAINER_OF(base, struct sp_probe_stream, base);
    cancel(base);
    p->ask->destroy(p);
}

static const struct sp_probe_ops ops = {begin, cancel, probe_free};

void sp_probe_stream_init(struct sp_probe_stream *p, const struct sp_probe_stream_ops *ask)
{
    assert(p && ask);
    p->base.ops = &ops;
    p->ask = ask;
    p->ticket.rx.ops = &rx_ops;
    p->ticket.tx.ops = &tx_ops;
    p->again.run = run_again;
}
