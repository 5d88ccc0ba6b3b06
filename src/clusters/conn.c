/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/conn.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/bind.h"

static void on_idle_timer(struct sp_timer *t)
{
    struct sp_conn *c = SP_CONTAINER_OF(t, struct sp_conn, idle_timer);
    uint64_t limit = c->slot->cluster->options.idle_ns, now = c->slot->turn->now_ns;
    uint64_t idle = c->n_streams ? 0 : now - c->idle_since_ns;
    if (idle < limit) {
        sp_timer_start(c->slot->turn, t, limit - idle);
        return;
    }
    if (c->counted)
        sp_counter_inc(sp_conn_stats(c)->upstream_cx_idle_timeout);
    sp_conn_close(c);
    c->events->changed(c);
}

/* A server that chose another version by ALPN than the one this connection is for. */
static bool wrong_version(const struct sp_conn *c, const struct sp_tls_info *info)
{
    if (c->kind == SP_KIND_RAW)
        return false;
    if (c->kind == SP_KIND_H1)
        return sp_str_eq(info->alpn, SP_STR("h2"));
    return c->kind == SP_KIND_H2 && info->alpn.len && !sp_str_eq(info->alpn, SP_STR("h2"));
}

static void on_ready(void *ctx)
{
    struct sp_conn *c = ctx;
    if (c->state == SP_CONN_CLOSING)
        return;
    struct sp_tls *tls = sp_wire_tls(c->wire);
    if (tls) {
        const struct sp_tls_info *info = sp_tls_get_info(tls);
        sp_tls_stats_opened(&sp_conn_stats(c)->ssl, info, sp_tls_resumed(tls));
        if (!sp_tls_resumed(tls))
            sp_tls_stats_stapled(&sp_conn_stats(c)->ssl, sp_tls_stapled(tls));
        if (!c->own_offer && wrong_version(c, info)) {
            c->refusal = SP_STR("TLS error: ALPN chose another HTTP version than the cluster's");
            sp_conn_close(c);
            return;
        }
        c->facts = sp_conn_facts_new(info);
    }
    c->codec = sp_wire_codec(c->wire);
    c->h2 = c->codec->ops->protocol == SP_HTTP_2;
    struct sp_transport *transport = sp_wire_transport(c->wire);
    if (transport) /* simulation has none */
        c->local = sp_transport_local(transport);
    if (c->local.family == AF_UNIX)
        c->local.path = "";
    if (SP_UNLIKELY(c->host->n_race) && transport)
        c->peer = sp_transport_peer(transport);
    c->connected = true;
    c->state = SP_CONN_IDLE;
    c->idle_since_ns = c->slot->turn->now_ns;
    if (c->counted)
        sp_conn_count_ready(c);
    if (c->slot->cluster->options.idle_ns)
        sp_timer_start(c->slot->turn, &c->idle_timer, c->slot->cluster->options.idle_ns);
    c->events->ready(c);
}

static void conn_free(struct sp_grave *g)
{
    struct sp_conn *c = SP_CONTAINER_OF(g, struct sp_conn, grave);
    struct sp_cluster *cluster = c->slot->cluster;
    sp_conn_facts_unref(c->facts);
    free(c);
    sp_cluster_drop(cluster);
}

/* Envoy's words for a failed connect: "delayed connect error: Connection refused". */
static struct sp_str failure_text(const struct sp_conn *c, enum sp_wire_end why, int err, struct sp_str text, char *room,
                                  size_t size)
{
    if (c->refusal.len)
        return c->refusal;
    if (why == SP_WIRE_CONNECT && err < 0) {
        const char *name = strerrordesc_np(-err);
        return sp_str_n(room, (size_t)snprintf(room, size, "delayed connect error: %s", name ? name : "unknown error"));
    }
    return why == SP_WIRE_TIMEOUT ? SP_STR_NULL : text;
}

static void on_closed(void *ctx, enum sp_wire_end why, int err, struct sp_str text)
{
    struct sp_conn *c = ctx;
    char room[128];
    assert(c->n_streams == 0);
    struct sp_conn_end end = {.why = why, .connected = c->connected, .timed_out = !c->connected && why == SP_WIRE_TIMEOUT};
    end.text = failure_text(c, why, err, text, room, sizeof(room));
    if (why == SP_WIRE_CONNECT)
        sp_bind_failed(c->slot->cluster, err);
    if (why == SP_WIRE_TLS || (!c->connected && c->refusal.len))
        sp_conn_count_tls_failure(c);
    sp_timer_stop(&c->idle_timer);
    sp_conn_trust_done(c);
    c->state = SP_CONN_CLOSING;
    c->wire = NULL;
    c->codec = NULL;
    sp_list_remove(&c->link);
    sp_list_remove(&c->idle_link);
    c->slot->n_connections--;
    if (c->counted) {
        sp_conn_count_closed(c, &end);
        sp_permit_give(&c->slot->cluster->breakers[c->routing].connections, c->slot->index);
        sp_conn_host_give(c->slot, c->host);
    }
    c->events->closed(c, &end);
    c->grave.free = conn_free;
    sp_bury(c->slot->turn, &c->grave);
}

static void on_bytes(void *ctx, size_t rx, size_t tx)
{
    struct sp_conn *c = ctx;
    if (!c->counted)
        return;
    sp_counter_add(sp_conn_stats(c)->upstream_cx_rx_bytes_total, rx);
    sp_counter_add(sp_conn_stats(c)->upstream_cx_tx_bytes_total, tx);
}

static const struct sp_wire_cb wire_cb = {.on_ready = on_ready, .on_closed = on_closed, .on_bytes = on_bytes,
                                          .on_secure = sp_conn_on_secure};

static void on_event(void *ctx, enum sp_codec_event ev, const char *detail, unsigned status)
{
    struct sp_conn *c = ctx;
    (void)status;
    if (!c->counted)
        return;
    sp_codec_stats_event(&sp_conn_stats(c)->codec, ev, detail);
    /* HTTP/2 resets the one stream where no more than that is wrong. */
    c->broke |= ev == SP_CE_FLOOD || (!c->h2 && (ev == SP_CE_BAD_REQUEST || ev == SP_CE_HEADERS_TOO_LARGE || ev == SP_CE_TOO_MANY_HEADERS));
}

static void on_draining(void *ctx)
{
    struct sp_conn *c = ctx;
    if (c->state >= SP_CONN_DRAINING)
        return;
    if (c->counted && !c->codec->tunnel)
        sp_counter_inc(sp_conn_stats(c)->upstream_cx_close_notify);
    sp_conn_drain(c);
    c->events->changed(c);
}

static const struct sp_codec_cb codec_cb = {
    .on_stream_closed = sp_conn_stream_closed, .on_event = on_event, .on_draining = on_draining};

static void fill_setup(struct sp_slot *s, const struct sp_conn_setup *from, struct sp_wire_setup *to)
{
    static const enum sp_codec_kind kinds[] = {SP_CODEC_H1, SP_CODEC_H2, SP_CODEC_AUTO, SP_CODEC_H1};
    const struct sp_cluster_options *o = &s->cluster->options;
    *to = (struct sp_wire_setup){
        .tls = from->tls,
        .codec = kinds[from->kind],
        .config = from->kind == SP_KIND_H1 || from->kind == SP_KIND_RAW ? o->h1 : o->h2,
        .buffer_limit = o->buffer_limit,
        .max_age_ns = from->counted ? o->max_age_ns : 0,
        .sni = from->sni,
        .verify_name = from->verify_name,
        .offer = from->offer,
        .first = from->first,
        .connect_ns = from->connect_ns,
        .sock = o->sock,
    };
    to->config.raw = from->kind == SP_KIND_RAW;
    if (from->kind == SP_KIND_AUTO)
        to->config.h1_trailers = o->h1.h1_trailers;
}

bool sp_conn_host_take(struct sp_slot *s, struct sp_host *h, enum sp_routing routing)
{
    assert(s && h && routing < SP_ROUTINGS);
    if (!s->cluster->per_host)
        return true;
    uint32_t limit = s->cluster->breakers[routing].per_host, n = atomic_load_explicit(&h->connections, memory_order_relaxed);
    do {
        if (n >= limit)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&h->connections, &n, n + 1, memory_order_acq_rel, memory_order_relaxed));
    return true;
}

void sp_conn_host_give(struct sp_slot *s, struct sp_host *h)
{
    assert(s && h);
    if (s->cluster->per_host)
        atomic_fetch_sub_explicit(&h->connections, 1, memory_order_acq_rel);
}

struct sp_conn *sp_conn_new(struct sp_slot *s, struct sp_host *h, const struct sp_conn_setup *setup, void *owner,
                            const struct sp_conn_events *events)
{
    assert(s && h && setup && setup->to && events);
    struct sp_conn *c = sp_xcalloc(1, sizeof(*c));
    c->slot = s;
    c->host = h;
    c->owner = owner;
    c->events = events;
    c->kind = setup->kind;
    c->peer = *setup->to;
    c->socket = h->parts[s->index].socket;
    c->counted = setup->counted;
    c->own_offer = setup->offer.len > 0;
    c->routing = setup->routing;
    c->started_ns = s->turn->now_ns;
    c->id = sp_worker_next_id();
    c->idle_timer.fire = on_idle_timer;
    sp_conn_stand_ins(c);
    sp_list_init(&c->link);
    sp_list_init(&c->idle_link);
    s->n_connections++;
    sp_cluster_hold(s->cluster);
    if (c->counted)
        sp_conn_count_begun(c);
    sp_conn_trust_init(c, setup->tls);
    struct sp_wire_setup ws;
    fill_setup(s, setup, &ws);
    if (SP_UNLIKELY(h->n_race) && sp_addr_eq(setup->to, &h->addr, true)) {
        ws.race = h->race;
        ws.n_race = h->n_race;
    }
    c->wire = sp_wire_client(s->worker, setup->to, &ws, &wire_cb, &codec_cb, c);
    return c;
}

unsigned sp_conn_room(const struct sp_conn *c)
{
    assert(c);
    if (!c->codec || c->state >= SP_CONN_DRAINING || c->codec->draining || c->codec->want_close)
        return 0;
    if (!c->h2)
        return c->n_streams ? 0 : 1;
    unsigned max = c->slot->cluster->options.max_streams, room = c->codec->ops->room(c->codec);
    return c->n_streams >= max ? 0 : SP_MIN(max - c->n_streams, room);
}

void sp_conn_drain(struct sp_conn *c)
{
    assert(c);
    if (c->state == SP_CONN_CLOSING)
        return;
    if (!c->n_streams) {
        sp_conn_close(c);
        return;
    }
    c->state = SP_CONN_DRAINING;
    sp_wire_drain(c->wire);
}

void sp_conn_close(struct sp_conn *c)
{
    assert(c);
    if (c->state == SP_CONN_CLOSING)
        return;
    c->state = SP_CONN_CLOSING;
    sp_timer_stop(&c->idle_timer);
    sp_wire_close(c->wire, false);
}
