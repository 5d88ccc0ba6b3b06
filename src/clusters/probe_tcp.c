/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/probe_tcp.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/bind.h"
#include "net/tls.h"
#include "net/transport.h"

enum { MAX_RECEIVED = 64 * 1024, TLS_WATER = 64 * 1024 };

struct tcp_probe {
    struct sp_probe base;
    struct sp_transport *transport; /* NULL: none */
    struct sp_tls *tls;             /* NULL: plain */
    bool checking, open;            /* open: connected, the handshake done */
    bool tls_open;
    struct sp_buf received;         /* plain bytes that no pattern has taken */
    unsigned n_matched;             /* patterns that were found */
    size_t n_idle;                  /* bytes that came between two checks */
    struct sp_defer step;
    int err;                        /* of connecting or reading; 1: the host closed it */
    char text[128];
};

static void close_it(struct tcp_probe *p)
{
    if (p->transport)
        sp_transport_close(p->transport, true);
    sp_tls_free(p->tls);
    sp_buf_clear(&p->received);
    p->transport = NULL;
    p->tls = NULL;
    p->open = p->tls_open = false;
    p->err = 0;
    sp_defer_cancel(&p->step);
}

static void finish(struct tcp_probe *p, enum sp_probe_result result, struct sp_str text)
{
    p->checking = false;
    /* A connection that shows nothing but that it can be made has to be made each time. */
    if (!p->base.config->reuse || !p->base.config->n_receive || result != SP_PROBE_HEALTHY)
        close_it(p);
    p->base.done(&p->base, &(struct sp_probe_verdict){.result = result, .text = text});
}

static void fail(struct tcp_probe *p, const char *why)
{
    /* `why` may live in what finish frees. */
    int n = snprintf(p->text, sizeof(p->text), "%s", why);
    finish(p, SP_PROBE_NETWORK, sp_str_n(p->text, (size_t)SP_MIN(n, (int)sizeof(p->text) - 1)));
}

static void put(struct tcp_probe *p, struct sp_buf *b)
{
    if (!p->tls) {
        sp_transport_write(p->transport, b);
        return;
    }
    struct sp_buf in, out;
    sp_buf_init(&in);
    sp_buf_init(&out);
    sp_tls_pump(p->tls, sp_transport_in(p->transport), &in, b, &out, TLS_WATER);
    sp_buf_move(&p->received, &in);
    sp_transport_write(p->transport, &out);
}

/* As Envoy writes it: inside TLS, where there is TLS. V2's LOCAL stands for nobody; addresses of other families are not known. */
static void put_proxy_header(const struct tcp_probe *p, struct sp_buf *out)
{
    enum sp_health_proxy version = p->base.config->proxy;
    if (version == SP_HEALTH_NO_PROXY)
        return;
    struct sp_addr own = sp_transport_local(p->transport), host = sp_transport_peer(p->transport);
    bool line = version == SP_HEALTH_PROXY_V1 && own.family == host.family;
    struct sp_arena arena;
    sp_arena_init(&arena);
    sp_buf_append_str(out, sp_proxy_write(&arena, version == SP_HEALTH_PROXY_V1 ? 1 : 2, line ? &own : NULL, line ? &host : NULL, SP_STR_NULL));
    sp_arena_done(&arena);
}

static void begin_exchange(struct tcp_probe *p, bool fresh)
{
    struct sp_buf b;
    sp_buf_init(&b);
    p->n_matched = 0;
    if (fresh)
        put_proxy_header(p, &b);
    sp_buf_append_str(&b, p->base.config->send);
    if (b.len)
        put(p, &b);
    sp_buf_clear(&b);
}

/* Takes what has come; false after a failure. */
static bool take_input(struct tcp_probe *p)
{
    struct sp_buf *in = sp_transport_in(p->transport);
    if (!p->tls) {
        sp_buf_move(&p->received, in);
        return true;
    }
    struct sp_buf app_in, none, out;
    sp_buf_init(&app_in);
    sp_buf_init(&none);
    sp_buf_init(&out);
    enum sp_tls_state state = sp_tls_pump(p->tls, in, &app_in, &none, &out, TLS_WATER);
    sp_buf_move(&p->received, &app_in);
    sp_transport_write(p->transport, &out);
    p->tls_open = state == SP_TLS_OPEN || state == SP_TLS_CLOSED;
    if (state == SP_TLS_CLOSED && !p->err)
        p->err = 1;
    if (state != SP_TLS_FAILED)
        return true;
    struct sp_str why = sp_tls_error(p->tls);
    snprintf(p->text, sizeof(p->text), "%.*s", SP_STR_ARG(why));
    finish(p, SP_PROBE_NETWORK, sp_str_c(p->text));
    return false;
}

/* Each pattern has to be found behind the one before. */
static bool matched(struct tcp_probe *p)
{
    const struct sp_health_config *c = p->base.config;
    while (p->n_matched < c->n_receive) {
        struct sp_str want = c->receive[p->n_matched];
        size_t n = p->received.len;
        struct sp_str have = sp_str_n(sp_buf_pullup(&p->received, n), n);
        ptrdiff_t at = sp_str_find(have, want);
        if (at < 0)
            return false;
        sp_buf_drain(&p->received, (size_t)at + want.len);
        p->n_matched++;
    }
    return true;
}

static void run_step(struct sp_defer *d)
{
    struct tcp_probe *p = SP_CONTAINER_OF(d, struct tcp_probe, step);
    if (p->transport && !take_input(p))
        return;
    if (!p->checking) { /* idle between two checks: only its end matters, but nobody listens for ever */
        p->n_idle += p->received.len;
        sp_buf_clear(&p->received);
        if (p->err || p->n_idle > MAX_RECEIVED)
            close_it(p);
        return;
    }
    if (p->transport && !p->open && (!p->tls || p->tls_open) && !p->err) {
        p->open = true;
        begin_exchange(p, true);
    }
    if (p->open && matched(p)) {
        finish(p, SP_PROBE_HEALTHY, SP_STR_NULL);
        return;
    }
    if (p->err > 0)
        fail(p, "the host closed the connection");
    else if (p->err)
        fail(p, strerrordesc_np(-p->err) ? strerrordesc_np(-p->err) : "connection error");
    else if (p->received.len > MAX_RECEIVED)
        fail(p, "the host sent more than 64 KiB without what was to be received");
}

static void step_later(struct tcp_probe *p)
{
    sp_defer(p->base.slot->turn, &p->step);
}

static void on_connect(void *ctx, int err)
{
    struct tcp_probe *p = ctx;
    p->err = err;
    if (!err) {
        struct sp_buf first;
        sp_buf_init(&first);
        sp_buf_append_str(&first, sp_probe_options(&p->base)->proxy.local);
        if (first.len)
            sp_transport_write(p->transport, &first);
        sp_transport_read(p->transport, true);
    }
    step_later(p);
}

static void on_read(void *ctx, struct sp_buf *in, int err)
{
    struct tcp_probe *p = ctx;
    (void)in;
    if (err && !p->err)
        p->err = err == UV_EOF ? 1 : err;
    step_later(p);
}

static void on_drained(void *ctx, int err)
{
    struct tcp_probe *p = ctx;
    if (err && !p->err)
        p->err = err;
    step_later(p);
}

static const struct sp_transport_cb transport_cb = {on_connect, on_read, on_drained, NULL};

static struct sp_tls *begin_tls(const struct tcp_probe *p, struct sp_tls_ctx *ctx)
{
    struct sp_tls *tls = sp_tls_connect(ctx, SP_STR_NULL, SP_STR_NULL);
    sp_tls_offer(tls, p->base.config->alpn);
    return tls;
}

static void begin(struct sp_probe *base)
{
    struct tcp_probe *p = SP_CONTAINER_OF(base, struct tcp_probe, base);
    const struct sp_cluster_options *o = sp_probe_options(base);
    p->checking = true;
    p->n_idle = 0;
    if (p->transport) {
        sp_buf_clear(&p->received);
        begin_exchange(p, false);
        step_later(p);
        return;
    }
    int err = 0;
    p->transport = sp_transport_connect(base->slot->worker, &base->to, &o->sock, &transport_cb, p, &err);
    if (!p->transport) {
        p->err = err ? err : -1;
        sp_bind_failed(base->slot->cluster, p->err);
        step_later(p);
        return;
    }
    if (o->tls)
        p->tls = begin_tls(p, o->tls);
}

static void cancel(struct sp_probe *base)
{
    struct tcp_probe *p = SP_CONTAINER_OF(base, struct tcp_probe, base);
    p->checking = false;
    close_it(p);
}

static void probe_free(struct sp_probe *base)
{
    cancel(base);
    free(SP_CONTAINER_OF(base, struct tcp_probe, base));
}

static const struct sp_probe_ops ops = {begin, cancel, probe_free};

struct sp_probe *sp_probe_tcp_new(void)
{
    struct tcp_probe *p = sp_xcalloc(1, sizeof(*p));
    p->base.ops = &ops;
    p->step.run = run_step;
    return &p->base;
}
