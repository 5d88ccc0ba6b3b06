/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "config/load.h"
#include "config/rules.h"
#include "crypto/cert_gen.h"
#include "stats/stats.h"

struct sp_arena c_arena_;

/* Stands at the bottom of every inbox, so that nobody wakes a loop that these workers do not have. */
static struct sp_msg bottom;

/* What the worker's loop would do. */
static void run_inbox(struct sp_worker *w)
{
    struct sp_msg *m = atomic_exchange(&w->inbox, &bottom), *in_order = NULL;
    while (m != &bottom) {
        struct sp_msg *next = m->next;
        m->next = in_order;
        in_order = m;
        m = next;
    }
    while (in_order) {
        m = in_order;
        in_order = m->next;
        m->run(m);
    }
}

static struct sp_cluster *compile(struct t_config *config, struct sp_cluster_build build, const char *yaml)
{
    t_config_load(config, &envoy__config__cluster__v3__cluster__descriptor, yaml);
    build.doc = config->doc;
    build.diag = &config->diag;
    build.n_workers = T_WORKERS;
    struct sp_cluster *c = sp_cluster_new(&build, config->msg);
    if (!c)
        fail_msg("%s", t_config_said(config));
    return c;
}

void t_bed_new(struct t_bed *b, const char *yaml)
{
    t_bed_zone(b, NULL, NULL, yaml);
}

void t_bed_zone(struct t_bed *b, const char *zone, const char *local, const char *yaml)
{
    memset(b, 0, sizeof(*b));
    b->now_ns = 1000 * SP_NS_PER_S;
    sp_stats_init(T_WORKERS + 2);
    struct sp_cluster_build build = {.own = {.known = zone, .zone = zone ? sp_str_c(zone) : SP_STR_NULL}, .is_local = true};
    if (local)
        build.local = b->local = compile(&b->local_config, build, local);
    build.is_local = false;
    b->cluster = compile(&b->config, build, yaml);
    for (unsigned i = 0; i <= T_WORKERS; i++) {
        struct sp_worker *w = &b->workers[i];
        w->index = i;
        sp_turn_init(&w->turn);
        w->turn.worker = w;
        atomic_init(&w->inbox, &bottom);
        sp_turn_begin(&w->turn, b->now_ns, 0);
        if (local)
            sp_cluster_attach(b->local, w);
        sp_cluster_attach(b->cluster, w);
    }
    if (local)
        sp_cluster_start(b->local, &b->workers[T_WORKERS]);
    sp_cluster_start(b->cluster, &b->workers[T_WORKERS]);
}

void t_bed_hosts(struct t_bed *b, unsigned n, const char *more)
{
    char yaml[16384];
    int at = snprintf(yaml, sizeof(yaml), "name: c\nload_assignment:\n  cluster_name: c\n  endpoints:\n  - lb_endpoints:\n");
    for (unsigned i = 1; i <= n; i++)
        at += snprintf(yaml + at, sizeof(yaml) - (size_t)at,
                       "    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %u}}}\n", i);
    snprintf(yaml + at, sizeof(yaml) - (size_t)at, "%s", more ? more : "");
    t_bed_new(b, yaml);
}

void t_step(struct t_bed *b, unsigned ms)
{
    b->now_ns += ms * SP_NS_PER_MS;
    for (unsigned i = 0; i <= T_WORKERS; i++) {
        sp_turn_begin(&b->workers[i].turn, b->now_ns, (int64_t)b->now_ns);
        run_inbox(&b->workers[i]);
        sp_turn_end(&b->workers[i].turn);
    }
}

void t_bed_free(struct t_bed *b)
{
    sp_cluster_stop(b->cluster);
    for (unsigned i = 0; i <= T_WORKERS; i++)
        sp_cluster_detach(b->cluster, &b->workers[i], true);
    if (b->local)
        sp_cluster_stop(b->local);
    for (unsigned i = 0; b->local && i <= T_WORKERS; i++)
        sp_cluster_detach(b->local, &b->workers[i], true);
    t_step(b, 0);
    t_step(b, 0);
    for (unsigned i = 0; i <= T_WORKERS; i++)
        assert_int_equal(sp_cluster_connections(b->cluster, &b->workers[i]), 0);
    assert_int_equal(fake_alive(), 0);
    static const char *const gauges[] = {"upstream_cx_active", "upstream_cx_http1_active", "upstream_cx_http2_active",
                                         "upstream_rq_active", "upstream_rq_pending_active", "membership_total",
                                         "membership_healthy", "circuit_breakers.default.cx_open"};
    for (size_t i = 0; i < SP_ARRAY_LEN(gauges); i++)
        if (t_stat(gauges[i]) != 0)
            fail_msg("%s is %llu at the end", gauges[i], (unsigned long long)t_stat(gauges[i]));
    for (size_t i = 0; i < SP_ROUTINGS; i++) { /* every permit came back */
        struct sp_breakers *r = &b->cluster->breakers[i];
        assert_int_equal(sp_permits_used(&r->connections) + sp_permits_used(&r->pending) + sp_permits_used(&r->requests) +
                             sp_permits_used(&r->retries) + atomic_load(&r->retrying), 0);
    }
    sp_cluster_unref(b->cluster);
    sp_cluster_unref(b->local);
    for (unsigned i = 0; i <= T_WORKERS; i++) {
        run_inbox(&b->workers[i]);
        assert_int_equal(b->workers[i].turn.n_timers, 0);
        sp_turn_done(&b->workers[i].turn);
    }
    fake_reset();
    t_config_done(&b->config);
    if (b->local)
        t_config_done(&b->local_config);
    sp_stats_done();
    sp_arena_done(&c_arena_);
    assert_int_equal(sp_buf_thread_chunks(), 0);
}

uint64_t t_stat(const char *name)
{
    char full[256];
    uint64_t value = 0;
    snprintf(full, sizeof(full), "cluster.c.%s", name);
    if (sp_stats_find(sp_str_c(full), &value) < 0)
        fail_msg("there is no stat %s", full);
    return value;
}

struct sp_slot *t_slot(struct t_bed *b, unsigned worker)
{
    return sp_cluster_slot(b->cluster, worker);
}

struct sp_host *t_host(const struct t_bed *b, unsigned at)
{
    assert_true(at < b->cluster->hosts->n);
    return b->cluster->hosts->v[at].host;
}

unsigned t_at(const struct t_bed *b, const struct sp_host *h)
{
    for (unsigned i = 0; i < b->cluster->hosts->n; i++)
        if (b->cluster->hosts->v[i].host == h)
            return i;
    fail_msg("that is no host of the cluster's");
    return 0;
}

const char *t_tls(void)
{
    static char text[4096];
    if (text[0])
        return text;
    struct sp_arena a;
    struct sp_made_cert ca;
    sp_tls_global_init();
    sp_arena_init(&a);
    struct sp_cert_request req = {.common_name = "test ca", .is_ca = true};
    assert_int_equal(sp_cert_make(&req, NULL, &a, &ca), 0);
    int at = snprintf(text, sizeof(text), "transport_socket:\n  name: tls\n  typed_config:\n"
                                          "    \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\n"
                                          "    common_tls_context: {validation_context: {trusted_ca: {inline_string: \"");
    for (const char *c = ca.cert_pem.ptr; *c; c++)
        at += snprintf(text + at, sizeof(text) - (size_t)at, *c == '\n' ? "\\n" : "%c", *c);
    snprintf(text + at, sizeof(text) - (size_t)at, "\"}}}\n");
    sp_arena_done_wipe(&a);
    return text;
}

char *t_cluster_errors(const char *yaml)
{
    struct sp_diag d;
    sp_diag_init(&d);
    sp_stats_init(1);
    struct sp_doc *doc = sp_doc_load_partial("t.yaml", sp_str_c(yaml), SP_SYNTAX_YAML,
                                             &envoy__config__cluster__v3__cluster__descriptor, &d);
    sp_rules_check(doc, &d);
    struct sp_cluster_build build = {.doc = doc, .diag = &d, .n_workers = 1};
    struct sp_cluster *c = d.n_errors ? NULL : sp_cluster_new(&build, sp_doc_root(doc));
    sp_cluster_unref(c);
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    sp_diag_print(&d, f);
    fclose(f);
    sp_doc_free(doc);
    sp_diag_done(&d);
    sp_stats_done();
    return text;
}

/* --- calls --- */

static void over(struct t_call *c)
{
    if (c->on_end)
        c->on_end(c);
}

static struct t_call *of_sink(struct sp_sink *s)
{
    return SP_CONTAINER_OF(s, struct t_call, sink);
}

static void on_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    struct t_call *c = of_sink(s);
    assert_false(c->response || c->ended || c->aborted || c->failed);
    if (h->status < 200) {
        assert_false(end);
        c->informed++;
        return;
    }
    c->response = h;
    c->status = h->status;
    c->ended = end;
    if (c->cancel_in_head)
        s->source->ops->cancel(s->source, SP_ABORT_CANCEL);
    if (end)
        over(c);
}

static void on_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    struct t_call *c = of_sink(s);
    assert_true(c->response && !c->ended && !c->aborted);
    c->body_len += sp_buf_peek(b, c->body + c->body_len, SP_MIN(b->len, sizeof(c->body) - c->body_len));
    sp_buf_clear(b);
    c->ended = end;
    if (end)
        over(c);
}

static void on_trailers(struct sp_sink *s, struct sp_headers *t)
{
    struct t_call *c = of_sink(s);
    assert_true(c->response && !c->ended && !c->aborted && t->n);
    c->ended = c->trailers = true;
    over(c);
}

static void on_abort(struct sp_sink *s, enum sp_abort why)
{
    struct t_call *c = of_sink(s);
    assert_true(c->response && !c->ended && !c->aborted);
    c->aborted = true;
    c->why = why;
    over(c);
}

static const struct sp_sink_ops sink_ops = {on_headers, on_data, on_trailers, on_abort};

static void up_failed(struct sp_upstream *u, const struct sp_upstream_failure *f)
{
    struct t_call *c = u->owner;
    assert_false(c->response || c->failed);
    c->failed = true;
    c->failure = *f;
    over(c);
}

static void up_pause(struct sp_upstream *u)
{
    ((struct t_call *)u->owner)->paused++;
}

static void up_resume(struct sp_upstream *u)
{
    struct t_call *c = u->owner;
    assert_true(c->paused > 0);
    c->paused--;
}

static const struct sp_upstream_ops up_ops = {.failed = up_failed, .pause = up_pause, .resume = up_resume};

void t_call_begin(struct t_call *c, struct t_bed *b, unsigned worker, const struct sp_upstream_setup *more,
                  const char *lines, bool end)
{
    struct sp_upstream_setup setup = more ? *more : (struct sp_upstream_setup){0};
    setup.cluster = b->cluster;
    setup.worker = &b->workers[worker];
    setup.arena = &c->arena;
    setup.info = &c->info;
    sp_arena_init(&c->arena);
    sp_headers_init(&c->request, &c->arena);
    t_headers(&c->request, &c->arena, lines ? lines : ":method: GET\n:scheme: http\n:authority: h\n:path: /\n");
    c->sink.ops = &sink_ops;
    c->up.owner = c;
    c->up.ops = &up_ops;
    sp_upstream_init(&c->up, &setup);
    sp_link(&c->up.out, &c->sink);
    sp_upstream_headers(&c->up, &c->request, end);
}

void t_call_get(struct t_call *c, struct t_bed *b)
{
    t_call_begin(c, b, 0, NULL, NULL, true);
}

void t_call_data(struct t_call *c, const char *text, bool end)
{
    struct sp_buf buf;
    sp_buf_init(&buf);
    sp_buf_append(&buf, text, strlen(text));
    sp_upstream_data(&c->up, &buf, end);
    assert_int_equal(buf.len, 0);
}

void t_call_done(struct t_call *c)
{
    sp_upstream_done(&c->up);
    sp_arena_done(&c->arena);
    memset(c, 0, sizeof(*c));
}
