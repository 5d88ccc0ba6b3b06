/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "origin_call.h"

void bed_new(struct bed *b, struct origin *const *origins, unsigned n, const char *more)
{
    char yaml[32768];
    int at = snprintf(yaml, sizeof(yaml), "name: c\n%sload_assignment:\n  cluster_name: c\n  endpoints:\n  - lb_endpoints:\n", more);
    for (unsigned i = 0; i < n; i++)
        at += snprintf(yaml + at, sizeof(yaml) - (size_t)at,
                       "    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %u}}}\n",
                       origin_port(origins[i]));
    sp_stats_init(2);
    b->loop = loop_new();
    t_config_load(&b->config, &envoy__config__cluster__v3__cluster__descriptor, yaml);
    struct sp_cluster_build build = {.doc = b->config.doc, .diag = &b->config.diag, .n_workers = 1};
    b->cluster = sp_cluster_new(&build, b->config.msg);
    if (!b->cluster)
        fail_msg("%s", t_config_said(&b->config));
    sp_cluster_attach(b->cluster, &b->loop->worker);
}

void bed_free(struct bed *b)
{
    sp_cluster_detach(b->cluster, &b->loop->worker, true);
    LOOP_UNTIL(b->loop, sp_cluster_connections(b->cluster, &b->loop->worker) == 0);
    loop_turn(b->loop);
    sp_cluster_unref(b->cluster);
    loop_free(b->loop);
    t_config_done(&b->config);
    sp_stats_done();
}

uint64_t stat_of(const char *name)
{
    char full[128];
    uint64_t value = 0;
    snprintf(full, sizeof(full), "cluster.c.%s", name);
    assert_int_equal(sp_stats_find(sp_str_c(full), &value), 0);
    return value;
}

bool over(const struct call *c)
{
    return c->ended || c->aborted || c->failed;
}

static void on_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    struct call *c = SP_CONTAINER_OF(s, struct call, sink);
    if (h->status < 200)
        return;
    c->status = h->status;
    c->ended = end;
}

static void on_go_on(struct sp_timer *t)
{
    struct call *c = SP_CONTAINER_OF(t, struct call, go_on);
    c->sink.source->ops->resume(c->sink.source);
}

static void on_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    struct call *c = SP_CONTAINER_OF(s, struct call, sink);
    assert_false(over(c));
    for (; c->pattern && b->head; sp_buf_drain(b, b->head->len)) {
        const char *p = b->head->ptr;
        for (size_t i = 0; i < b->head->len; i++)
            c->wrong |= p[i] != origin_byte(c->got++);
    }
    c->got += b->len;
    sp_buf_clear(b);
    c->ended = end;
    if (!end && c->stutter && ++c->pieces % c->stutter == 0 && !sp_timer_armed(&c->go_on)) {
        s->source->ops->pause(s->source);
        sp_timer_start(&c->bed->loop->worker.turn, &c->go_on, 2 * SP_NS_PER_MS);
    }
}

static void on_trailers(struct sp_sink *s, struct sp_headers *t)
{
    (void)t;
    SP_CONTAINER_OF(s, struct call, sink)->ended = true;
}

static void on_abort(struct sp_sink *s, enum sp_abort why)
{
    (void)why;
    SP_CONTAINER_OF(s, struct call, sink)->aborted = true;
}

static const struct sp_sink_ops sink_ops = {on_headers, on_data, on_trailers, on_abort};

static void up_failed(struct sp_upstream *u, const struct sp_upstream_failure *f)
{
    struct call *c = u->owner;
    c->failed = true;
    c->failure = *f;
}

static void up_pause(struct sp_upstream *u)
{
    ((struct call *)u->owner)->paused++;
}

static void up_resume(struct sp_upstream *u)
{
    struct call *c = u->owner;
    c->paused--;
    assert_true(c->paused >= 0);
}

static const struct sp_upstream_ops up_ops = {.failed = up_failed, .pause = up_pause, .resume = up_resume};

void call_begin(struct call *c, struct bed *b, const char *lines, bool end)
{
    sp_arena_init(&c->arena);
    c->bed = b;
    c->go_on.fire = on_go_on;
    sp_headers_init(&c->request, &c->arena);
    t_headers(&c->request, &c->arena, lines);
    c->sink.ops = &sink_ops;
    c->up.owner = c;
    c->up.ops = &up_ops;
    sp_upstream_init(&c->up, &(struct sp_upstream_setup){.cluster = b->cluster, .worker = &b->loop->worker,
                                                         .arena = &c->arena, .info = &c->info,
                                                         .timeout_ns = 10 * SP_NS_PER_S});
    sp_link(&c->up.out, &c->sink);
    sp_upstream_headers(&c->up, &c->request, end);
}

void call_done(struct call *c)
{
    sp_timer_stop(&c->go_on);
    sp_upstream_done(&c->up);
    sp_arena_done(&c->arena);
    memset(c, 0, sizeof(*c));
}

unsigned get(struct bed *b, const char *lines)
{
    struct call c = {0};
    call_begin(&c, b, lines, true);
    LOOP_UNTIL(b->loop, over(&c));
    unsigned status = c.failed ? c.failure.status : c.aborted ? 0 : c.status;
    call_done(&c);
    return status;
}

void send_body(struct call *c, size_t n)
{
    char piece[30000];
    memset(piece, 'u', sizeof(piece));
    while (n && !over(c)) {
        LOOP_UNTIL(c->bed->loop, !c->paused || over(c));
        struct sp_buf out;
        sp_buf_init(&out);
        size_t k = SP_MIN(n, sizeof(piece));
        sp_buf_append(&out, piece, k);
        n -= k;
        sp_upstream_data(&c->up, &out, n == 0);
    }
}
