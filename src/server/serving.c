/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/serving.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/live.h"
#include "stats/stats.h"
#include "stream/access_log.h"

enum { POLL_MS = 10 };

enum order { LISTEN, DRAIN };

struct order_msg {
    struct sp_msg msg;
    struct sp_serving *v;
    enum order order;
    uint64_t drain_ns;
};

enum answer { LISTENING, ENDED };

struct answer_msg {
    struct sp_msg msg;
    struct sp_serving *v;
    enum answer answer;
    int err;
    struct sp_str listener;
};

static void run_answer(struct sp_msg *m)
{
    struct answer_msg *a = SP_CONTAINER_OF(m, struct answer_msg, msg);
    if (a->answer == LISTENING)
        a->v->events->on_listening(a->v->ctx, a->err, a->listener);
    else
        a->v->events->on_ended(a->v->ctx);
    free(a);
}

static void answer(struct sp_serving *v, enum answer what, int err, struct sp_str listener)
{
    struct answer_msg *a = sp_xcalloc(1, sizeof(*a));
    *a = (struct answer_msg){.msg.run = run_answer, .v = v, .answer = what, .err = err, .listener = listener};
    sp_worker_post(v->main, &a->msg);
}

static void on_start(struct sp_worker *w)
{
    struct sp_serving *v = w->user;
    sp_stats_thread(w->index + 1);
    for (unsigned i = 0; i < v->config->clusters.n; i++) {
        sp_cluster_attach(v->config->clusters.v[i], w);
        if (v->prober)
            sp_cluster_start(v->config->clusters.v[i], w);
    }
    if (v->prober)
        sp_live_set_start_tasks(sp_doc_live(v->config->doc), w);
}

static void open_sockets(struct sp_serving *v)
{
    for (unsigned i = 0; !v->prober && !v->draining && i < v->config->n_listeners; i++) {
        const struct sp_listener *l = v->config->listeners[i];
        int err = 0, fd = v->fds[i];
        v->fds[i] = -1;
        v->sockets[i] = sp_listener_open(&v->worker, l, &v->config->snapshot, fd, &err);
        if (!v->sockets[i]) {
            answer(v, LISTENING, err, sp_listener_name(l));
            return;
        }
    }
    answer(v, LISTENING, 0, SP_STR_NULL);
}

static unsigned connections_of(struct sp_serving *v)
{
    unsigned n = 0;
    for (unsigned i = 0; i < v->config->n_listeners; i++)
        if (v->sockets[i])
            n += sp_listener_connections(v->sockets[i]);
    return n;
}

static unsigned upstream_connections(struct sp_serving *v)
{
    unsigned n = 0;
    for (unsigned i = 0; i < v->config->clusters.n; i++)
        n += sp_cluster_connections(v->config->clusters.v[i], &v->worker);
    return n;
}

static void close_all(struct sp_serving *v)
{
    v->closed = true;
    unsigned left = connections_of(v);
    if (left)
        sp_log(SP_LOG_WARNING, "server", "%s: drain time is over, closing %u connections", v->worker.name, left);
    for (unsigned i = 0; i < v->config->n_listeners; i++) {
        if (v->sockets[i])
            sp_listener_close(v->sockets[i]);
        v->sockets[i] = NULL;
    }
    if (v->prober)
        sp_live_set_stop_tasks(sp_doc_live(v->config->doc));
    for (unsigned i = 0; i < v->config->clusters.n; i++) {
        if (v->prober)
            sp_cluster_stop(v->config->clusters.v[i]);
        sp_cluster_detach(v->config->clusters.v[i], &v->worker, true);
    }
}

/* Draining: look again and again whether everything has ended; it is rare and short, a timer serves. */
static void on_poll(struct sp_timer *t)
{
    struct sp_serving *v = SP_CONTAINER_OF(t, struct sp_serving, poll);
    struct sp_turn *turn = &v->worker.turn;
    if (!v->closed && (!connections_of(v) || turn->now_ns >= v->deadline_ns)) {
        close_all(v);
    } else if (v->closed && !upstream_connections(v)) {
        answer(v, ENDED, 0, SP_STR_NULL);
        sp_worker_stop(&v->worker);
        return;
    }
    sp_timer_start(turn, &v->poll, POLL_MS * SP_NS_PER_MS);
}

static void drain(struct sp_serving *v, uint64_t drain_ns)
{
    struct sp_turn *turn = &v->worker.turn;
    v->deadline_ns = v->draining ? SP_MIN(v->deadline_ns, turn->now_ns + drain_ns) : turn->now_ns + drain_ns;
    if (v->draining)
        return;
    v->draining = true;
    for (unsigned i = 0; i < v->config->n_listeners; i++)
        if (v->sockets[i])
            sp_listener_drain(v->sockets[i]);
    sp_timer_start(turn, &v->poll, POLL_MS * SP_NS_PER_MS);
}

static void run_order(struct sp_msg *m)
{
    struct order_msg *o = SP_CONTAINER_OF(m, struct order_msg, msg);
    bool alive = sp_worker_self() == &o->v->worker; /* else it came when the thread had ended */
    if (alive && o->order == LISTEN)
        open_sockets(o->v);
    else if (alive)
        drain(o->v, o->drain_ns);
    free(o);
}

static void order(struct sp_serving *v, enum order what, uint64_t drain_ns)
{
    struct order_msg *o = sp_xcalloc(1, sizeof(*o));
    *o = (struct order_msg){.msg.run = run_order, .v = v, .order = what, .drain_ns = drain_ns};
    sp_worker_post(&v->worker, &o->msg);
}

void sp_serving_listen(struct sp_serving *v)
{
    order(v, LISTEN, 0);
}

void sp_serving_drain(struct sp_serving *v, uint64_t drain_ns)
{
    order(v, DRAIN, drain_ns);
}

static void on_stop(struct sp_worker *w)
{
    struct sp_serving *v = w->user;
    sp_timer_stop(&v->poll);
    sp_access_log_thread_flush();
    sp_snapshot_unref(&v->config->snapshot, w->index);
}

int sp_serving_init(struct sp_serving *v, const char *name, unsigned index, struct sp_config *config, int *fds,
                    struct sp_worker *main, const struct sp_serving_events *events, void *ctx)
{
    assert(v && name && config && main && events);
    memset(v, 0, sizeof(*v));
    v->config = config;
    v->main = main;
    v->events = events;
    v->ctx = ctx;
    v->prober = !fds;
    v->fds = fds;
    v->sockets = sp_xcalloc(config->n_listeners + 1, sizeof(*v->sockets));
    v->poll.fire = on_poll;
    v->worker.on_start = on_start;
    v->worker.on_stop = on_stop;
    v->worker.user = v;
    return sp_worker_init(&v->worker, name, index);
}

int sp_serving_start(struct sp_serving *v)
{
    assert(v);
    return sp_worker_start(&v->worker);
}

void sp_serving_done(struct sp_serving *v)
{
    assert(v);
    sp_worker_done(&v->worker);
    for (unsigned i = 0; v->fds && i < v->config->n_listeners; i++)
        if (v->fds[i] >= 0)
            close(v->fds[i]);
    free(v->fds);
    free(v->sockets);
}
