/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listeners/downstream.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "event/overload.h"
#include "http/codec_stats.h"
#include "listeners/downstream_impl.h"
#include "listeners/listener_filters.h"

enum { LOG_BURST = 5 };

static const struct sp_listener_stats *stats(const struct sp_downstream *d)
{
    return &d->listener->stats;
}

static const struct sp_hcm_cx_stats *cx(const struct sp_downstream *d)
{
    return sp_hcm_cx(d->chain->hcm);
}

static void log_peer(const struct sp_downstream *d, const char *what, struct sp_str why)
{
    char peer[SP_ADDR_TEXT_MAX];
    sp_addr_format(&d->conn.socket, peer);
    sp_log_limited(SP_LOG_INFO, "listener", LOG_BURST, "%.*s: %s %s%s%.*s", SP_STR_ARG(d->listener->name), peer, what,
                   why.len ? ": " : "", SP_STR_ARG(why));
}

/* ---- the wire's callbacks ---- */

static void count_chosen(struct sp_downstream *d)
{
    const struct sp_hcm_cx_stats *c = cx(d);
    sp_gauge_dec(stats(d)->pre_cx_active);
    sp_counter_inc(stats(d)->cx_total);
    sp_gauge_inc(stats(d)->cx_active);
    sp_counter_inc(d->home->of_worker.cx_total);
    d->worker_active = d->home->of_worker.cx_active;
    sp_gauge_inc(d->worker_active);
    sp_counter_inc(c->total);
    sp_gauge_inc(c->active);
    if (!d->chain->tls)
        return;
    sp_counter_inc(c->ssl_total);
    sp_gauge_inc(c->ssl_active);
}

/* Who the peer is, for whom a load balancer stands. A header that names nobody leaves the connection's own addresses. */
static int on_first(void *ctx, struct sp_buf *in)
{
    struct sp_downstream *d = ctx;
    struct sp_proxy_header h;
    const char *why = "";
    int r = sp_proxy_gate_read(&d->listener->proxy, in, &h, &why);
    if (r < 0) {
        d->conn.failure_reason = sp_str_c(why);
        log_peer(d, "refused", d->conn.failure_reason);
    }
    if (r <= 0)
        return r;
    if (h.named) {
        d->conn.peer = h.source;
        d->conn.local = h.destination;
    }
    if (sp_listener_admits_peer(d->listener, &d->conn.peer))
        return 1;
    d->conn.failure_reason = SP_STR("ip_restriction_denied");
    return -1;
}

/* connection_limit: one more on this chain; given back in bury(). */
static bool within_limit(struct sp_downstream *d, const struct sp_filter_chain *c)
{
    if (!c->limit.count)
        return true;
    if (sp_cx_limit_take(&c->limit)) {
        sp_gauge_inc(c->limit_active);
        return true;
    }
    sp_counter_inc(c->limited);
    d->conn.failure_reason = SP_STR("connection_limit");
    sp_log_limited(SP_LOG_WARNING, "listener", 1, "%.*s: %llu connections on a filter chain: new clients are refused",
                   SP_STR_ARG(d->listener->name), (unsigned long long)c->limit.max);
    return false;
}

static bool on_choose(void *ctx, const struct sp_client_hello *hello, struct sp_wire_setup *ret)
{
    struct sp_downstream *d = ctx;
    const struct sp_listener *l = d->listener;
    struct sp_chain_input in = {.local = &d->conn.local, .direct = &d->conn.socket, .peer = &d->conn.peer};
    if (hello) {
        in.tls = true;
        in.sni = hello->sni;
        in.alpn = hello->alpn;
        in.n_alpn = hello->n_alpn;
    }
    d->chain = sp_chain_match_find(l->match, &in);
    if (!d->chain)
        d->chain = l->fallback;
    if (!d->chain) {
        sp_counter_inc(l->stats.no_filter_chain_match);
        log_peer(d, "no filter chain matches", in.sni);
        return false;
    }
    if (!within_limit(d, d->chain)) {
        d->chain = NULL; /* it never was one of the chain's */
        return false;
    }
    count_chosen(d);
    d->owner.hcm = d->chain->hcm;
    d->conn.filter_chain = &d->chain->place;
    d->conn.tls_used = d->chain->tls != NULL;
    sp_hcm_wire_setup(d->chain->hcm, ret);
    ret->tls = d->chain->tls;
    ret->buffer_limit = l->buffer_limit;
    ret->handshake_ns = d->chain->handshake_ns;
    if (d->listener->sheds)
        ret->handshake_ns = sp_overload_timeout(SP_OL_HANDSHAKE, ret->handshake_ns);
    return true;
}

static void refuse_certificate(struct sp_downstream *d, enum sp_tls_fail fail, const char *why)
{
    sp_tls_stats_failed(&stats(d)->ssl, fail);
    d->conn.failure_reason = sp_str_c(why);
    log_peer(d, d->ready ? "the client's certificate is good no longer" : "the client's certificate is not taken",
             d->conn.failure_reason);
    sp_wire_close(d->wire, true);
}

static void on_settled(struct sp_peer_check *c, const char *why)
{
    struct sp_downstream *d = SP_CONTAINER_OF(c, struct sp_downstream_check, check)->of;
    if (why)
        refuse_certificate(d, SP_TLS_FAIL_VERIFY_CA, why);
    else if (!d->ready)
        sp_wire_proceed(d->wire);
}

void sp_downstream_ask(struct sp_downstream *d, struct sp_asker *asker)
{
    assert(d);
    if (!d->check && asker) {
        d->check = sp_xcalloc(1, sizeof(*d->check));
        d->check->check = (struct sp_peer_check){.settled = on_settled, .worker = d->home->worker, .asker = asker};
        d->check->of = d;
    }
    if (d->check)
        sp_peer_check_move(&d->check->check, sp_wire_tls(d->wire), asker);
}

static bool on_secure(void *ctx)
{
    struct sp_downstream *d = ctx;
    const char *why = NULL;
    sp_downstream_ask(d, sp_ocsp_asker(d->chain->ocsp));
    if (!d->check)
        return true;
    enum sp_ocsp_verdict verdict = sp_peer_check_begin(&d->check->check, sp_wire_tls(d->wire), &why);
    if (verdict == SP_OCSP_REFUSES)
        refuse_certificate(d, SP_TLS_FAIL_VERIFY_CA, why);
    return verdict == SP_OCSP_PASSES;
}

static void on_ready(void *ctx)
{
    struct sp_downstream *d = ctx;
    struct sp_tls *tls = sp_wire_tls(d->wire);
    d->ready = true;
    if (SP_UNLIKELY(d->stale || d->drains))
        sp_downstream_opened(d);
    d->h2 = sp_wire_codec(d->wire)->ops->protocol == SP_HTTP_2;
    sp_counter_inc(d->h2 ? cx(d)->http2_total : cx(d)->http1_total);
    sp_gauge_inc(d->h2 ? cx(d)->http2_active : cx(d)->http1_active);
    if (!tls)
        return;
    d->conn.handshake_us = (uint32_t)SP_MIN((d->home->worker->turn.now_ns - d->start_ns) / 1000 + 1, (uint64_t)UINT32_MAX);
    d->conn.tls = sp_tls_get_info(tls);
    d->conn.cert.tls = d->conn.tls;
    d->conn.cert.der = sp_tls_peer_der(tls);
    d->conn.cert.others = sp_tls_peer_others(tls, &d->conn.cert.n_others);
    sp_tls_stats_opened(&stats(d)->ssl, d->conn.tls, sp_tls_resumed(tls));
    sp_tls_stats_early(&stats(d)->ssl, sp_tls_early_fate(tls));
}

static void on_bytes(void *ctx, size_t rx, size_t tx)
{
    struct sp_downstream *d = ctx;
    if (!d->chain)
        return;
    sp_counter_add(cx(d)->rx_bytes, rx);
    sp_counter_add(cx(d)->tx_bytes, tx);
}

static void count_why(const struct sp_downstream *d, enum sp_wire_end why)
{
    const struct sp_hcm_cx_stats *c = cx(d);
    bool remote = why == SP_WIRE_REMOTE;
    sp_counter_inc(remote ? c->destroy_remote : c->destroy_local);
    if (d->cut) {
        sp_counter_inc(c->destroy_active_rq);
        sp_counter_inc(remote ? c->destroy_remote_active_rq : c->destroy_local_active_rq);
    }
    switch (why) {
    case SP_WIRE_PROTOCOL:
        sp_counter_inc(c->protocol_error);
        break;
    case SP_WIRE_IDLE:
        sp_counter_inc(c->idle_timeout);
        break;
    case SP_WIRE_MAX_AGE:
        sp_counter_inc(c->max_duration);
        break;
    case SP_WIRE_UNREAD:
        sp_counter_inc(c->delayed_close_timeout);
        break;
    default:
        break;
    }
}

static void count_closed(const struct sp_downstream *d, enum sp_wire_end why)
{
    const struct sp_listener_stats *s = stats(d);
    if (!d->chain) {
        sp_gauge_dec(s->pre_cx_active);
        if (why == SP_WIRE_TIMEOUT)
            sp_counter_inc(s->pre_cx_timeout);
        else if (why == SP_WIRE_REMOTE)
            sp_counter_inc(s->filter_remote_close);
        return;
    }
    const struct sp_hcm_cx_stats *c = cx(d);
    uint64_t lasted_ns = d->home->worker->turn.now_ns - d->start_ns;
    sp_counter_inc(s->cx_destroy);
    sp_gauge_dec(s->cx_active);
    sp_gauge_dec(d->worker_active);
    sp_timing_record(s->cx_length_ms, lasted_ns);
    sp_counter_inc(c->destroy);
    sp_gauge_dec(c->active);
    sp_timing_record(c->length_ms, lasted_ns);
    if (d->chain->tls)
        sp_gauge_dec(c->ssl_active);
    if (d->ready)
        sp_gauge_dec(d->h2 ? c->http2_active : c->http1_active);
    count_why(d, why);
}

/* What a stranger at the door did wrong: an operator sees it, but no flood of it. */
static void report(const struct sp_downstream *d, enum sp_wire_end why, struct sp_str text)
{
    struct sp_tls *tls = sp_wire_tls(d->wire);
    bool shaking = d->chain && d->chain->tls && !d->ready;
    if (tls && shaking)
        sp_tls_stats_early(&stats(d)->ssl, sp_tls_early_fate(tls)); /* whoever replays has no keys to finish with */
    if (why == SP_WIRE_TLS) {
        sp_tls_stats_failed(&stats(d)->ssl, tls ? sp_tls_failure(tls) : SP_TLS_FAIL_OTHER);
        log_peer(d, d->ready ? "TLS failed" : "TLS handshake failed", text);
    } else if (why == SP_WIRE_TIMEOUT && shaking) {
        sp_counter_inc(stats(d)->connect_timeout);
        log_peer(d, "TLS handshake timed out", text);
    } else if (why == SP_WIRE_PROTOCOL) {
        log_peer(d, d->h2 ? "broke HTTP/2" : "broke HTTP/1", sp_str_c(d->detail));
    }
}

/* The listener's own log: a line a connection, at its end. */
static void write_log(struct sp_downstream *d, enum sp_wire_end why, struct sp_str text)
{
    const struct sp_turn *turn = &d->home->worker->turn;
    uint64_t age = turn->now_ns - d->start_ns;
    const struct sp_stream_info info = {
        .conn = &d->conn,
        .start_ns = d->start_ns,
        .start_wall_ns = turn->wall_ns - (int64_t)age,
        .client = d->conn.peer,
        .flags = why == SP_WIRE_PROTOCOL ? SP_FLAG_DPE : 0,
    };
    if (why == SP_WIRE_TLS)
        d->conn.failure_reason = text;
    const struct sp_format_input in = {.info = &info, .now_ns = turn->now_ns, .of_connection = true};
    sp_access_logs_write(d->listener->access_log, &in, &d->home->worker->turn, d->conn.id);
}

static void bury(struct sp_grave *g)
{
    struct sp_downstream *d = SP_CONTAINER_OF(g, struct sp_downstream, grave);
    struct sp_downstream_home *h = d->home;
    sp_cx_limit_give(&d->listener->limit);
    sp_cx_limit_give(&d->listener->global_limit);
    if (d->chain && d->chain->limit.count) {
        sp_cx_limit_give(&d->chain->limit);
        sp_gauge_dec(d->chain->limit_active);
    }
    sp_downstream_let_go(d);
    free(d->check);
    free(d);
    sp_heap_trim_note(&h->trim, h->worker, --h->n_conns);
    if (h->n_conns == 0 && h->emptied)
        h->emptied(h);
}

static void tell_watches(struct sp_downstream *d)
{
    d->conn.watches = NULL;
    for (struct sp_list *n; (n = sp_list_pop(&d->watches)) != NULL;) {
        struct sp_conn_watch *w = SP_CONTAINER_OF(n, struct sp_conn_watch, link);
        w->gone(w);
    }
}

static void on_closed(void *ctx, enum sp_wire_end why, int err, struct sp_str text)
{
    struct sp_downstream *d = ctx;
    assert(sp_list_empty(&d->owner.streams));
    (void)err;
    if (d->check)
        sp_peer_check_cancel(&d->check->check);
    tell_watches(d);
    report(d, why, text);
    count_closed(d, why);
    if (d->listener->access_log)
        write_log(d, why, text);
    sp_list_remove(&d->link);
    d->wire = NULL;
    d->grave = (struct sp_grave){.free = bury};
    sp_bury(&d->home->worker->turn, &d->grave);
}

static const struct sp_wire_cb wire_cb = {on_choose, on_ready, on_closed, on_bytes, NULL, on_secure};
static const struct sp_wire_cb proxied_cb = {on_choose, on_ready, on_closed, on_bytes, on_first, on_secure};

/* ---- the codec's callbacks ---- */

/* The client's certificate was good when it connected. Since then it may have expired, or been revoked. */
static bool still_good(struct sp_downstream *d)
{
    struct sp_tls *tls = sp_wire_tls(d->wire);
    const char *why = tls ? sp_peer_check_again(d->check ? &d->check->check : NULL, tls) : NULL;
    if (!why)
        return true;
    enum sp_tls_fail fail = sp_tls_failure(tls);
    refuse_certificate(d, fail ? fail : SP_TLS_FAIL_VERIFY_CA, why);
    return false;
}

/* A tunnel's bytes would come early as well, whatever they are about. */
static enum sp_early early_of(const struct sp_downstream *d, const struct sp_codec_stream *cs, const struct sp_headers *h)
{
    const struct sp_tls *tls = sp_wire_tls(d->wire);
    if (SP_LIKELY(!tls || !cs->early))
        return SP_EARLY_NO;
    bool waits = sp_tls_state(tls) == SP_TLS_EARLY && (h->protocol.len || !sp_tls_early_allows(tls, h->method));
    return waits ? SP_EARLY_TOO_SOON : SP_EARLY_YES;
}

static bool on_stream(void *ctx, struct sp_codec_stream *cs, struct sp_headers *h)
{
    struct sp_downstream *d = ctx;
    d->conn.early = (uint8_t)early_of(d, cs, h);
    if (SP_UNLIKELY(d->stale))
        sp_downstream_adopt(d);
    return still_good(d) && sp_stream_accept(&d->owner, cs, h);
}

static void on_stream_closed(void *ctx, struct sp_codec_stream *cs, enum sp_abort why)
{
    struct sp_downstream *d = ctx;
    d->cut |= why == SP_ABORT_CLOSED || (why != SP_ABORT_NONE && d->h2 && cs->codec->want_close);
    if (cs->user) /* NULL: it was refused */
        sp_stream_closed(cs, why);
}

static void on_event(void *ctx, enum sp_codec_event ev, const char *detail, unsigned status)
{
    struct sp_downstream *d = ctx;
    if (sp_codec_event_complains(ev))
        d->detail = detail;
    sp_hcm_codec_event(d->chain->hcm, &d->conn, &d->home->worker->turn, ev, detail, status);
}

static bool on_refusal(void *ctx, unsigned status, const char *detail, struct sp_headers *h, struct sp_buf *body)
{
    const struct sp_downstream *d = ctx;
    return sp_hcm_codec_refusal(d->chain->hcm, &d->conn, &d->home->worker->turn, status, detail, h, body);
}

static const struct sp_codec_cb codec_cb = {.on_stream = on_stream, .on_stream_closed = on_stream_closed,
                                            .on_event = on_event, .on_refusal = on_refusal};

/* ---- life ---- */

static void drain(struct sp_downstream *d)
{
    d->owner.draining = true;
    if (d->wire)
        sp_wire_drain(d->wire);
}

static void owner_drain(struct sp_stream_owner *o)
{
    drain(SP_CONTAINER_OF(o, struct sp_downstream, owner));
}

/* The address it came to: what we are bound to, unless that is a wildcard. */
static struct sp_addr local_addr(const struct sp_listener *l, int fd)
{
    static const uint8_t zero[16];
    const struct sp_addr *a = &l->addr;
    if (a->family == AF_UNIX || (a->port && memcmp(a->ip, zero, a->family == AF_INET ? 4 : 16) != 0))
        return *a;
    return sp_sock_local(fd);
}

int sp_downstream_open(struct sp_downstream_home *h, int fd, const struct sp_addr *peer)
{
    assert(h && fd >= 0 && peer);
    int err = 0;
    const struct sp_listener *l = h->listener;
    struct sp_addr local = local_addr(l, fd);
    struct sp_transport *t = sp_transport_adopt(h->worker, fd, NULL, NULL, &err);
    if (!t)
        return err;
    struct sp_downstream *d = sp_xcalloc(1, sizeof(*d));
    d->home = h;
    d->listener = l;
    d->start_ns = h->worker->turn.now_ns;
    d->conn.id = sp_worker_next_id();
    d->conn.socket = d->conn.peer = *peer;
    d->conn.local = d->conn.socket_local = local;
    d->conn.tls = d->conn.cert.tls = &sp_tls_info_none;
    d->conn.listener = &l->place;
    d->owner = (struct sp_stream_owner){
        .worker = h->worker->index,
        .conn = &d->conn,
        .turn = &h->worker->turn,
        .drain = owner_drain,
    };
    sp_list_init(&d->owner.streams);
    sp_list_init(&d->watches);
    d->conn.watches = &d->watches;
    sp_downstream_hold(d, h->snapshot);
    sp_list_push_back(&h->conns, &d->link);
    sp_heap_trim_note(&h->trim, h->worker, ++h->n_conns);
    sp_gauge_inc(l->stats.pre_cx_active);
    d->wire = sp_wire_server(h->worker, t, l->inspect, l->first_ns, l->proxy.set ? &proxied_cb : &wire_cb, &codec_cb, d);
    return 0;
}

void sp_downstream_drain_all(struct sp_downstream_home *h)
{
    assert(h);
    h->draining = true;
    SP_LIST_FOREACH_SAFE (n, &h->conns) {
        struct sp_downstream *d = SP_CONTAINER_OF(n, struct sp_downstream, link);
        if (d->chain && !d->owner.draining)
            sp_counter_inc(cx(d)->drain_close); /* as Envoy: when it begins, whoever closes in the end */
        drain(d);
    }
}

void sp_downstream_reset_all(struct sp_downstream_home *h)
{
    assert(h);
    SP_LIST_FOREACH_SAFE (n, &h->conns)
        sp_wire_close(SP_CONTAINER_OF(n, struct sp_downstream, link)->wire, true);
}
