/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/probe_http.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/conn.h"
#include "clusters/tls_name.h"

struct http_probe {
    struct sp_probe base;
    struct sp_conn *conn; /* NULL: none */
    struct sp_ticket ticket;
    bool checking;
    bool answered;        /* this check has brought something */
    struct sp_defer again;
    struct sp_probe_verdict verdict; /* by the head of the answer */
    char text[64];
};

static void begin(struct sp_probe *base);

static void finish(struct http_probe *p, const struct sp_probe_verdict *v)
{
    assert(p->checking);
    p->checking = false;
    if (!p->base.config->reuse && p->conn)
        sp_conn_drain(p->conn);
    p->base.done(&p->base, v);
}

static void fail(struct http_probe *p, struct sp_str text)
{
    finish(p, &(struct sp_probe_verdict){.result = SP_PROBE_NETWORK, .text = text});
}

/* --- the request --- */

static struct sp_str authority_of(const struct http_probe *p)
{
    const struct sp_endpoint *h = p->base.endpoint;
    if (h->health_hostname.len)
        return h->health_hostname;
    if (p->base.config->host.len)
        return p->base.config->host;
    return h->hostname.len ? h->hostname : p->base.slot->cluster->name;
}

static void send_request(struct http_probe *p)
{
    struct sp_codec_stream *cs = p->ticket.cs;
    struct sp_headers *h = sp_arena_zalloc(cs->arena, sizeof(*h));
    sp_headers_init(h, cs->arena);
    h->method = p->base.config->method;
    h->scheme = p->base.slot->cluster->options.tls ? SP_STR("https") : SP_STR("http");
    h->authority = authority_of(p);
    h->path = p->base.config->path;
    sp_headers_add_id(h, SP_H_USER_AGENT, SP_STR("sallyport/HC"));
    if (p->base.config->headers) {
        struct sp_stream_info info = {.start_ns = p->base.slot->turn->now_ns, .start_wall_ns = p->base.slot->turn->wall_ns};
        struct sp_format_input in = {.info = &info, .request = h, .now_ns = info.start_ns};
        sp_header_ops_request(p->base.config->headers, h, &in);
    }
    p->ticket.tx_over = true;
    cs->tx.ops->headers(&cs->tx, h, true);
}

static bool open_stream(struct http_probe *p)
{
    if (!sp_conn_open(p->conn, &p->ticket))
        return false;
    if (p->conn->state < SP_CONN_DRAINING)
        p->conn->state = SP_CONN_BUSY;
    send_request(p);
    return true;
}

/* --- the answer --- */

static bool in_ranges(const struct sp_status_range *r, unsigned n, unsigned status)
{
    for (unsigned i = 0; i < n; i++)
        if (status >= r[i].from && status < r[i].upto)
            return true;
    return false;
}

static void judge(struct http_probe *p, const struct sp_headers *h)
{
    const struct sp_health_config *c = p->base.config;
    p->verdict = (struct sp_probe_verdict){.result = SP_PROBE_HEALTHY};
    p->verdict.immediate_fail = sp_headers_find(h, SP_STR("x-envoy-immediate-health-check-fail"), NULL) != NULL;
    if (in_ranges(c->expected, c->n_expected, h->status)) {
        if (sp_headers_find(h, SP_STR("x-envoy-degraded"), NULL))
            p->verdict.result = SP_PROBE_DEGRADED;
        return;
    }
    bool retriable = in_ranges(c->retriable, c->n_retriable, h->status);
    p->verdict.result = retriable ? SP_PROBE_RETRIABLE : SP_PROBE_UNHEALTHY;
    p->verdict.text = sp_str_n(p->text, (size_t)snprintf(p->text, sizeof(p->text), "status %u", h->status));
}

static void answered(struct http_probe *p)
{
    p->ticket.rx_over = true;
    sp_ticket_leave(&p->ticket);
    finish(p, &p->verdict);
}

static struct http_probe *of_rx(struct sp_sink *s)
{
    return SP_CONTAINER_OF(s, struct http_probe, ticket.rx);
}

static void rx_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    struct http_probe *p = of_rx(s);
    p->answered = true;
    if (h->status < 200)
        return;
    judge(p, h);
    if (end)
        answered(p);
}

static void rx_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    sp_buf_clear(b); /* the head decides; how long the rest may take is bounded by the timeout */
    if (end)
        answered(of_rx(s));
}

static void rx_trailers(struct sp_sink *s, struct sp_headers *t)
{
    (void)t;
    answered(of_rx(s));
}

static void run_again(struct sp_defer *d)
{
    begin(&SP_CONTAINER_OF(d, struct http_probe, again)->base);
}

static void rx_abort(struct sp_sink *s, enum sp_abort why)
{
    struct http_probe *p = of_rx(s);
    p->ticket.rx_over = p->ticket.rx_aborted = true;
    bool stale = p->ticket.reused && !p->answered;
    sp_ticket_cancel(&p->ticket, why);
    if (stale) { /* the host closed it between two checks: that says nothing about its health */
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
    (void)s; /* a request without a body has nothing to pause */
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

static void orphan(struct http_probe *p, struct sp_conn *c)
{
    c->events = &orphan_events;
    c->owner = NULL;
    if (p->conn == c)
        p->conn = NULL;
}

static void let_go(struct http_probe *p, struct sp_conn *c)
{
    orphan(p, c);
    sp_conn_close(c);
}

static void on_ready(struct sp_conn *c)
{
    struct http_probe *p = c->owner;
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
    struct http_probe *p = c->owner;
    if (c->state >= SP_CONN_DRAINING) {
        orphan(p, c); /* a check that is under way on it goes on: its ticket tells */
    } else if (!c->n_streams) {
        c->state = SP_CONN_IDLE;
    }
}

static void on_closed(struct sp_conn *c, const struct sp_conn_end *end)
{
    struct http_probe *p = c->owner;
    bool ours = p->conn == c;
    if (ours)
        p->conn = NULL;
    if (ours && p->checking && !end->connected)
        fail(p, end->timed_out ? SP_STR("connect timeout") : end->text);
}

static const struct sp_conn_events events = {on_ready, on_changed, on_closed};

static void begin_connect(struct http_probe *p)
{
    const struct sp_cluster_options *o = &p->base.slot->cluster->options;
    struct sp_conn_setup setup = {
        .to = &p->base.to,
        .kind = p->base.config->h2 ? SP_KIND_H2 : SP_KIND_H1,
        .tls = !p->base.config->h2 && o->tls_h1 ? o->tls_h1 : o->tls,
        .connect_ns = SP_MIN(o->connect_ns, p->base.config->timeout_ns),
    };
    struct sp_arena a;
    sp_arena_init(&a);
    if (o->tls && (o->auto_sni || o->auto_san)) {
        bool ip;
        struct sp_str name = sp_tls_name(authority_of(p), &a, &ip);
        setup.sni = o->auto_sni && !ip ? name : SP_STR_NULL;
        setup.verify_name = o->auto_san ? name : SP_STR_NULL;
    }
    sp_cluster_names_host(o, p->base.host->hostname, &setup.sni, &setup.verify_name);
    p->conn = sp_conn_new(p->base.slot, p->base.host, &setup, p, &events);
    sp_arena_done(&a);
}

static void begin(struct sp_probe *base)
{
    struct http_probe *p = SP_CONTAINER_OF(base, struct http_probe, base);
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
    struct http_probe *p = SP_CONTAINER_OF(base, struct http_probe, base);
    p->checking = false;
    sp_defer_cancel(&p->again);
    sp_ticket_cancel(&p->ticket, SP_ABORT_TIMEOUT);
    if (p->conn) /* what did not answer in time is not asked again */
        let_go(p, p->conn);
}

static void probe_free(struct sp_probe *base)
{
    cancel(base);
    free(SP_CONTAINER_OF(base, struct http_probe, base));
}

static const struct sp_probe_ops ops = {begin, cancel, probe_free};

struct sp_probe *sp_probe_http_new(void)
{
    struct http_probe *p = sp_xcalloc(1, sizeof(*p));
    p->base.ops = &ops;
    p->ticket.rx.ops = &rx_ops;
    p->ticket.tx.ops = &tx_ops;
    p->again.run = run_again;
    return &p->base;
}
