/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/mirror.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "route/mirror.h"

/* How long a copy may outlive its request where the route sets no time. */
#define AFTER_NS (300 * SP_NS_PER_S)

struct mirror {
    struct sp_list link;          /* in the request's list; not linked: the request is over */
    struct sp_upstream up;
    struct sp_arena arena;
    struct sp_turn *turn;
    struct sp_cluster *cluster, *own; /* own: the request's, held while the request lasts */
    struct sp_headers head;
    struct sp_headers *trailers;  /* that wait behind `waiting` */
    struct sp_buf waiting;        /* of the body, while `pauses` */
    unsigned pauses;
    bool ended;                   /* the request is here whole */
    bool passed;                  /* and was given to `up` */
    bool over;
    bool timeless;                /* the route has no timeout */
    struct sp_sink sink;
    struct sp_timer after;
    struct sp_defer go_on, end;
    struct sp_grave grave;
};

static void mirror_free(struct sp_grave *g)
{
    struct mirror *m = SP_CONTAINER_OF(g, struct mirror, grave);
    struct sp_cluster *cluster = m->cluster;
    sp_buf_clear(&m->waiting);
    sp_arena_done(&m->arena);
    free(m);
    sp_cluster_drop(cluster);
}

static void bury(struct mirror *m)
{
    assert(!m->over);
    m->over = true;
    sp_list_remove(&m->link);
    sp_defer_cancel(&m->go_on);
    sp_defer_cancel(&m->end);
    sp_timer_stop(&m->after);
    sp_upstream_done(&m->up);
    m->grave.free = mirror_free;
    sp_bury(m->turn, &m->grave);
}

/* --- the answer: only its end matters --- */

static void run_end(struct sp_defer *d)
{
    bury(SP_CONTAINER_OF(d, struct mirror, end));
}

/* Never from inside the upstream. */
static void end_later(struct mirror *m)
{
    if (!m->over)
        sp_defer(m->turn, &m->end);
}

static struct mirror *of_sink(struct sp_sink *s)
{
    return SP_CONTAINER_OF(s, struct mirror, sink);
}

static void on_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    (void)h;
    if (end)
        end_later(of_sink(s));
}

static void on_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    sp_buf_clear(b);
    if (end)
        end_later(of_sink(s));
}

static void on_trailers(struct sp_sink *s, struct sp_headers *t)
{
    (void)t;
    end_later(of_sink(s));
}

static void on_abort(struct sp_sink *s, enum sp_abort why)
{
    (void)why;
    end_later(of_sink(s));
}

static const struct sp_sink_ops sink_ops = {on_headers, on_data, on_trailers, on_abort};

/* --- the request --- */

/* What is whole is passed on to a slow reader too: its size is bounded by now, and only then does its timeout begin. */
static void pass_on(struct mirror *m)
{
    bool last = m->ended && !m->trailers;
    if (m->passed || m->up.phase == SP_UPSTREAM_DONE)
        return;
    if (m->waiting.len || last) {
        m->passed = last;
        sp_upstream_data(&m->up, &m->waiting, last);
    }
    if (m->trailers) {
        m->passed = true;
        sp_upstream_trailers(&m->up, m->trailers);
    }
}

static void run_go_on(struct sp_defer *d)
{
    struct mirror *m = SP_CONTAINER_OF(d, struct mirror, go_on);
    if (!m->pauses)
        pass_on(m);
}

static void up_failed(struct sp_upstream *u, const struct sp_upstream_failure *f)
{
    (void)f;
    end_later(u->owner);
}

static void up_pause(struct sp_upstream *u)
{
    ((struct mirror *)u->owner)->pauses++;
}

static void up_resume(struct sp_upstream *u)
{
    struct mirror *m = u->owner;
    assert(m->pauses);
    if (!--m->pauses && !m->over)
        sp_defer(m->turn, &m->go_on);
}

static const struct sp_upstream_ops up_ops = {.failed = up_failed, .pause = up_pause, .resume = up_resume};

/* Its reader is too slow for it: better no copy than a request that waits, or memory without end. */
static void abandon(struct mirror *m)
{
    sp_counter_inc(m->own->stats.retry_or_shadow_abandoned);
    bury(m);
}

static bool fits(const struct mirror *m, size_t more)
{
    return m->waiting.len + more <= m->cluster->options.buffer_limit;
}

void sp_mirrors_data(struct sp_list *list, const struct sp_buf *b, bool end)
{
    assert(list && b);
    SP_LIST_FOREACH_SAFE(n, list) {
        struct mirror *m = SP_CONTAINER_OF(n, struct mirror, link);
        if (m->pauses && !fits(m, b->len)) {
            abandon(m);
            continue;
        }
        sp_buf_share(&m->waiting, b);
        m->ended = end;
        if (!m->pauses || end)
            pass_on(m);
    }
}

void sp_mirrors_trailers(struct sp_list *list, const struct sp_headers *t)
{
    assert(list && t);
    SP_LIST_FOREACH_SAFE(n, list) {
        struct mirror *m = SP_CONTAINER_OF(n, struct mirror, link);
        m->trailers = sp_arena_zalloc(&m->arena, sizeof(*m->trailers));
        sp_headers_copy(m->trailers, &m->arena, t);
        m->ended = true;
        pass_on(m);
    }
}

/* Nobody waits for it, and nothing else would end it. */
static void on_after(struct sp_timer *t)
{
    struct mirror *m = SP_CONTAINER_OF(t, struct mirror, after);
    sp_counter_inc(m->cluster->stats.upstream_rq_timeout);
    bury(m);
}

void sp_mirrors_let_go(struct sp_list *list)
{
    assert(list);
    if (!list->next)
        return;
    SP_LIST_FOREACH_SAFE(n, list) {
        struct mirror *m = SP_CONTAINER_OF(n, struct mirror, link);
        if (!m->ended) {
            bury(m);
            continue;
        }
        sp_list_remove(&m->link);
        m->up.key.conn = NULL; /* the client may be gone by then */
        if (m->timeless)
            sp_timer_start(m->turn, &m->after, AFTER_NS);
    }
}

/* --- the beginning --- */

static void drop_secrets(struct sp_headers *h)
{
    unsigned to = 0;
    for (unsigned i = 0; i < h->n; i++)
        if (!h->v[i].secret)
            h->v[to++] = h->v[i];
    h->n = to;
}

/* "host:port" -> "host-shadow:port". An IPv6 address stays: there is no such host. */
static struct sp_str shadow_host(struct sp_arena *a, struct sp_str host)
{
    size_t at = host.len;
    if (sp_str_chr(host, ']') >= 0)
        return host;
    while (at && host.ptr[at - 1] >= '0' && host.ptr[at - 1] <= '9')
        at--;
    at = at && host.ptr[at - 1] == ':' ? at - 1 : host.len;
    return sp_arena_printf(a, "%.*s-shadow%.*s", (int)at, host.ptr, (int)(host.len - at), host.ptr + at);
}

static void make_head(struct mirror *m, const struct sp_mirror_policy *p, const struct sp_headers *from)
{
    struct sp_headers *h = &m->head;
    sp_headers_copy(h, &m->arena, from);
    drop_secrets(h);
    if (p->host.len)
        h->authority = sp_arena_str(&m->arena, p->host);
    else if (!p->keep_host)
        h->authority = shadow_host(&m->arena, h->authority);
    sp_headers_set_id(h, SP_H_X_ENVOY_INTERNAL, SP_STR("true"));
}

static void mirror_new(struct sp_list *list, const struct sp_mirror_policy *p, struct sp_cluster *cluster, const struct sp_headers *h,
                       bool end, const struct sp_upstream_setup *as)
{
    struct mirror *m = sp_xcalloc(1, sizeof(*m));
    m->cluster = cluster;
    m->own = as->cluster;
    sp_cluster_hold(cluster);
    m->turn = &as->worker->turn;
    sp_arena_init(&m->arena);
    sp_buf_init(&m->waiting);
    m->sink.ops = &sink_ops;
    m->go_on.run = run_go_on;
    m->end.run = run_end;
    m->after.fire = on_after;
    m->timeless = !as->timeout_ns;
    m->up.owner = m;
    m->up.ops = &up_ops;
    m->ended = m->passed = end;
    sp_list_push_back(list, &m->link);
    make_head(m, p, h);
    sp_upstream_init(&m->up, &(struct sp_upstream_setup){
        .cluster = cluster, .worker = as->worker, .arena = &m->arena, .conn = as->conn,
        .internal = true, .timeout_ns = as->timeout_ns, .hash = as->hash, .hashed = as->hashed, .h2 = as->h2,
        .count_in_request = as->count_in_request, .expect_in_request = as->expect_in_request});
    sp_link(&m->up.out, &m->sink);
    sp_upstream_headers(&m->up, &m->head, end);
}

void sp_mirrors_begin(struct sp_list *list, const struct sp_route *route, const struct sp_headers *h, bool end,
                      const struct sp_upstream_setup *as, uint64_t random,
                      struct sp_cluster *(*find)(void *ctx, struct sp_str name), void *ctx)
{
    assert(list && sp_list_empty(list) && route && h && as && find);
    if (h->protocol.len)
        return;
    for (unsigned i = 0; i < route->n_mirrors; i++) {
        const struct sp_mirror_policy *p = &route->mirrors[i];
        struct sp_cluster *cluster = sp_mirror_takes(p, i, random) ? p->cluster : NULL;
        if (!cluster && p->header.len && sp_mirror_takes(p, i, random)) {
            struct sp_str name = sp_headers_get(h, p->header);
            cluster = name.len ? find(ctx, name) : NULL;
        }
        if (cluster && !sp_cluster_slot(cluster, as->worker->index)->offline)
            mirror_new(list, p, cluster, h, end, as);
    }
}
