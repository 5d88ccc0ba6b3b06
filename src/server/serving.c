/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/serving.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/live.h"
#include "event/overload.h"
#include "stats/stats.h"
#include "stream/access_log.h"
#include "stream/heavy.h"
#include "stream/refused.h"
#include "tracing/tracer.h"

enum { POLL_MS = 10, FLUSH_MS = 1000 };

/* A message to the worker, which goes back to main as the answer. */
enum order { WARM, SWITCH, COOL, FORGET, CUT, STOP, DRAIN, RESET, ENDED };

struct order_msg {
    struct sp_msg msg;
    struct sp_serving *v;
    enum order order;
    struct sp_plan *plan;
    struct sp_config *config;
    struct sp_cluster *cluster;
    uint64_t drain_ns, number;
    bool handed_over, inbound_only;
    uint32_t on; /* RESET */
    unsigned log2_min;
    int err;
};

struct leaving {
    struct sp_list link;
    struct sp_listener_socket *socket;
};

struct forgetting {
    struct sp_list link;
    struct order_msg *order;
};

struct tasks {
    struct sp_list link;
    struct sp_config *config;
};

/* ---- answers ---- */

static void run_answer(struct sp_msg *m)
{
    struct order_msg *a = SP_CONTAINER_OF(m, struct order_msg, msg);
    const struct sp_serving_events *ev = a->v->events;
    bool alive = sp_worker_self() == a->v->main; /* else main has ended, and frees all */
    if (alive && a->order == SWITCH)
        ev->on_switched(a->v->ctx, a->plan, a->err);
    else if (alive && a->order == COOL)
        ev->on_cooled(a->v->ctx, a->config, a->plan);
    else if (alive && a->order == FORGET)
        ev->on_forgotten(a->v->ctx, a->cluster);
    else if (alive && a->order == ENDED)
        ev->on_ended(a->v->ctx);
    free(a);
}

static void answer(struct order_msg *a)
{
    a->msg.run = run_answer;
    sp_worker_post(a->v->main, &a->msg);
}

/* ---- clusters ---- */

static void attach(struct sp_serving *v, struct sp_cluster *c)
{
    if (v->n_clusters == v->cap_clusters) {
        v->cap_clusters = v->cap_clusters ? 2 * v->cap_clusters : 16;
        v->clusters = sp_xrealloc(v->clusters, v->cap_clusters * sizeof(struct sp_cluster *));
    }
    sp_cluster_set_place(c, &v->worker, v->n_clusters);
    v->clusters[v->n_clusters++] = c;
    sp_cluster_attach(c, &v->worker);
}

static bool is_attached(const struct sp_serving *v, const struct sp_cluster *c)
{
    unsigned at = sp_cluster_place(c, &v->worker);
    return at < v->n_clusters && v->clusters[at] == c;
}

static void remove_cluster(struct sp_serving *v, const struct sp_cluster *c)
{
    unsigned at = sp_cluster_place(c, &v->worker);
    assert(is_attached(v, c));
    v->clusters[at] = v->clusters[--v->n_clusters];
    sp_cluster_set_place(v->clusters[at], &v->worker, at);
}

static unsigned upstream_connections(const struct sp_serving *v)
{
    unsigned n = 0;
    for (unsigned i = 0; i < v->n_clusters; i++)
        n += sp_cluster_connections(v->clusters[i], &v->worker);
    return n;
}

static void poll_soon(struct sp_serving *v)
{
    if (!sp_timer_armed(&v->poll))
        sp_timer_start(&v->worker.turn, &v->poll, POLL_MS * SP_NS_PER_MS);
}

static void forget(struct sp_serving *v, struct order_msg *o)
{
    struct forgetting *f;
    if (!is_attached(v, o->cluster)) {
        answer(o);
        return;
    }
    sp_cluster_detach(o->cluster, &v->worker, !sp_cluster_has_tunnels(o->cluster, &v->worker));
    f = sp_xcalloc(1, sizeof(*f));
    f->order = o;
    sp_list_push_back(&v->forgetting, &f->link);
    poll_soon(v);
}

static void look_at_forgetting(struct sp_serving *v)
{
    SP_LIST_FOREACH_SAFE (n, &v->forgetting) {
        struct forgetting *f = SP_CONTAINER_OF(n, struct forgetting, link);
        if (sp_cluster_connections(f->order->cluster, &v->worker))
            continue;
        remove_cluster(v, f->order->cluster);
        sp_list_remove(&f->link);
        answer(f->order);
        free(f);
    }
}

/* ---- the prober ---- */

static void warm(struct sp_serving *v, const struct sp_plan *p)
{
    for (unsigned i = 0; i < p->n_added; i++) {
        attach(v, p->added[i]);
        sp_cluster_start(p->added[i], &v->worker);
    }
    struct tasks *t = sp_xcalloc(1, sizeof(*t));
    t->config = p->to;
    sp_list_push_back(&v->tasks, &t->link);
    sp_live_set_start_tasks(sp_doc_live(p->to->doc), &v->worker);
}

static void cool(struct sp_serving *v, const struct sp_config *config)
{
    SP_LIST_FOREACH_SAFE (n, &v->tasks) {
        struct tasks *t = SP_CONTAINER_OF(n, struct tasks, link);
        if (config && t->config != config)
            continue;
        sp_live_set_stop_tasks(sp_doc_live(t->config->doc));
        sp_list_remove(&t->link);
        free(t);
    }
}

static void give_up(struct sp_serving *v, const struct sp_config *config, const struct sp_plan *p)
{
    cool(v, config);
    for (unsigned i = 0; p && i < p->n_added; i++)
        sp_cluster_stop(p->added[i]);
}

/* ---- from one config to the next ---- */

static struct sp_listener_socket *open_socket(struct sp_serving *v, const struct sp_plan *p, unsigned i, int *ret_err)
{
    const struct sp_doors *d = &p->doors[i];
    struct sp_listener_socket *s = sp_listener_open(&v->worker, p->to->listeners[i], &p->to->snapshot);
    for (unsigned k = v->worker.index; k < d->n; k += p->n_workers) {
        int err = sp_listener_accept_on(s, d->fds[k]);
        if (err)
            *ret_err = err;
    }
    return s;
}

static int switch_sockets(struct sp_serving *v, const struct sp_plan *p)
{
    struct sp_listener_socket **old = v->sockets;
    int err = 0;
    v->sockets = sp_xcalloc(p->to->n_listeners + 1, sizeof(struct sp_listener_socket *));
    for (unsigned i = 0; i < p->to->n_listeners; i++) {
        const struct sp_listener *l = p->to->listeners[i];
        if (p->takes[i] >= 0) {
            v->sockets[i] = old[p->takes[i]];
            sp_listener_update(v->sockets[i], l, &p->to->snapshot, v->reload_drain_ns);
        } else {
            v->sockets[i] = open_socket(v, p, i, &err);
        }
    }
    for (unsigned k = 0; p->from && k < p->from->n_listeners; k++) {
        if (p->taken[k] || !old[k])
            continue;
        struct leaving *l = sp_xcalloc(1, sizeof(*l));
        l->socket = old[k];
        sp_list_push_back(&v->leaving, &l->link);
        sp_listener_retire(old[k], v->reload_drain_ns, true);
        poll_soon(v);
    }
    free(old);
    return err;
}

static int switch_to(struct sp_serving *v, const struct sp_plan *p)
{
    int err = 0;
    if (!v->prober) { /* the prober has attached them before, to warm them */
        for (unsigned i = 0; i < p->n_added; i++)
            attach(v, p->added[i]);
        err = switch_sockets(v, p);
    }
    for (unsigned i = 0; i < p->n_gone; i++) {
        if (v->prober)
            sp_cluster_stop(p->gone[i]);
        sp_cluster_detach(p->gone[i], &v->worker, false);
    }
    v->config = p->to;
    if (p->from && !v->prober)
        sp_snapshot_unref(&p->from->snapshot, v->worker.index);
    return err;
}

static void cut(struct sp_serving *v, uint64_t number)
{
    for (unsigned i = 0; v->sockets && i < v->config->n_listeners; i++)
        if (v->sockets[i])
            sp_listener_cut(v->sockets[i], number);
    SP_LIST_FOREACH (it, &v->leaving)
        sp_listener_cut(SP_CONTAINER_OF(it, struct leaving, link)->socket, number);
}

static void reset_heavy(struct sp_serving *v, const struct order_msg *o)
{
    struct sp_heavy heavy;
    sp_heavy_init(&heavy, o->on, o->log2_min);
    for (unsigned i = 0; v->sockets && i < v->config->n_listeners; i++)
        if (v->sockets[i])
            sp_listener_weigh(v->sockets[i], &heavy);
    SP_LIST_FOREACH (it, &v->leaving)
        sp_listener_weigh(SP_CONTAINER_OF(it, struct leaving, link)->socket, &heavy);
    sp_heavy_reset(&heavy);
    sp_overload_add_count(SP_OL_RESET_STREAMS, heavy.n);
    if (heavy.n)
        sp_log_limited(SP_LOG_WARNING, "overload", 1, "%s: %u streams that hold much are reset, %zu bytes the heaviest", v->worker.name,
                       heavy.n, heavy.v[0].held);
    atomic_store_explicit(&v->resetting, false, memory_order_relaxed);
}

static void stop_listeners(struct sp_serving *v, uint64_t drain_ns, bool inbound_only)
{
    for (unsigned i = 0; v->sockets && i < v->config->n_listeners; i++)
        if (v->sockets[i] && (!inbound_only || sp_listener_inbound(v->config->listeners[i])))
            sp_listener_retire(v->sockets[i], drain_ns, true);
}

/* ---- the end ---- */

static unsigned connections_of(const struct sp_serving *v)
{
    unsigned n = 0;
    for (unsigned i = 0; v->sockets && i < v->config->n_listeners; i++)
        if (v->sockets[i])
            n += sp_listener_connections(v->sockets[i]);
    SP_LIST_FOREACH (it, &v->leaving)
        n += sp_listener_connections(SP_CONTAINER_OF(it, struct leaving, link)->socket);
    return n;
}

/* Sockets of listeners that are gone: once their last connection is. */
static void look_at_leaving(struct sp_serving *v, bool now)
{
    struct sp_list all;
    sp_list_init(&all);
    sp_list_splice(&all, &v->leaving);
    for (struct sp_list *n; (n = sp_list_pop(&all)) != NULL;) {
        struct leaving *l = SP_CONTAINER_OF(n, struct leaving, link);
        if (!now && sp_listener_connections(l->socket)) {
            sp_list_push_back(&v->leaving, n);
            continue;
        }
        sp_listener_close(l->socket);
        free(l);
    }
}

static void close_all(struct sp_serving *v)
{
    v->closed = true;
    unsigned left = connections_of(v);
    if (left)
        sp_log(SP_LOG_WARNING, "server", "%s: drain time is over, closing %u connections", v->worker.name, left);
    for (unsigned i = 0; v->sockets && i < v->config->n_listeners; i++) {
        if (v->sockets[i])
            sp_listener_close(v->sockets[i]);
        v->sockets[i] = NULL;
    }
    look_at_leaving(v, true);
    cool(v, NULL);
    sp_tracers_flush();
    v->flush_due_ns = v->worker.turn.now_ns + FLUSH_MS * SP_NS_PER_MS;
}

/* What is on its way to a collector may arrive, if it does so soon. */
static bool has_flushed(const struct sp_serving *v)
{
    return !sp_tracers_busy() || v->worker.turn.now_ns >= v->flush_due_ns;
}

static void detach_all(struct sp_serving *v)
{
    v->detached = true;
    for (unsigned i = 0; i < v->n_clusters; i++) {
        if (v->prober)
            sp_cluster_stop(v->clusters[i]);
        sp_cluster_detach(v->clusters[i], &v->worker, true);
    }
}

static void end(struct sp_serving *v)
{
    struct order_msg *o = sp_xcalloc(1, sizeof(*o));
    *o = (struct order_msg){.v = v, .order = ENDED};
    answer(o);
    sp_worker_stop(&v->worker);
}

/* Look again and again whether something has ended; it is rare and short, a timer serves. */
static void on_poll(struct sp_timer *t)
{
    struct sp_serving *v = SP_CONTAINER_OF(t, struct sp_serving, poll);
    struct sp_turn *turn = &v->worker.turn;
    look_at_leaving(v, false);
    look_at_forgetting(v);
    if (v->draining && !v->closed && (!connections_of(v) || turn->now_ns >= v->deadline_ns))
        close_all(v);
    if (v->closed && !v->detached && has_flushed(v)) {
        detach_all(v);
    } else if (v->detached && !upstream_connections(v)) {
        end(v);
        return;
    }
    if (v->draining || !sp_list_empty(&v->leaving) || !sp_list_empty(&v->forgetting))
        poll_soon(v);
}

static void drain(struct sp_serving *v, const struct order_msg *o)
{
    struct sp_turn *turn = &v->worker.turn;
    uint64_t due = turn->now_ns + o->drain_ns;
    v->deadline_ns = v->draining ? SP_MIN(v->deadline_ns, due) : due;
    if (v->draining && (o->handed_over || !v->handed_over))
        return;
    v->draining = true;
    v->handed_over = o->handed_over;
    for (unsigned i = 0; v->sockets && i < v->config->n_listeners; i++) {
        if (v->sockets[i] && o->handed_over)
            sp_listener_retire(v->sockets[i], o->drain_ns, false);
        else if (v->sockets[i])
            sp_listener_drain(v->sockets[i]);
    }
    SP_LIST_FOREACH (n, &v->leaving)
        if (!o->handed_over)
            sp_listener_drain(SP_CONTAINER_OF(n, struct leaving, link)->socket);
    poll_soon(v);
}

/* ---- orders ---- */

static void run_order(struct sp_msg *m)
{
    struct order_msg *o = SP_CONTAINER_OF(m, struct order_msg, msg);
    struct sp_serving *v = o->v;
    bool alive = sp_worker_self() == &v->worker; /* else it came when the thread had ended */
    bool answers = false;
    if (alive && o->order == DRAIN) {
        drain(v, o);
    } else if (alive && o->order == RESET) {
        reset_heavy(v, o);
    } else if (alive && !v->draining) {
        answers = o->order != WARM && o->order != CUT && o->order != STOP;
        if (o->order == WARM)
            warm(v, o->plan);
        else if (o->order == CUT)
            cut(v, o->number);
        else if (o->order == STOP)
            stop_listeners(v, o->drain_ns, o->inbound_only);
        else if (o->order == SWITCH)
            o->err = switch_to(v, o->plan);
        else if (o->order == COOL)
            give_up(v, o->config, o->plan);
        else
            forget(v, o);
        if (o->order == FORGET)
            return;
    }
    if (answers)
        answer(o);
    else
        free(o);
}

static void order(struct sp_serving *v, struct order_msg what)
{
    struct order_msg *o = sp_xcalloc(1, sizeof(*o));
    *o = what;
    o->msg.run = run_order;
    o->v = v;
    sp_worker_post(&v->worker, &o->msg);
}

void sp_serving_warm(struct sp_serving *v, struct sp_plan *plan)
{
    order(v, (struct order_msg){.order = WARM, .plan = plan});
}

void sp_serving_switch(struct sp_serving *v, struct sp_plan *plan)
{
    order(v, (struct order_msg){.order = SWITCH, .plan = plan});
}

void sp_serving_cool(struct sp_serving *v, struct sp_config *config, struct sp_plan *plan)
{
    order(v, (struct order_msg){.order = COOL, .config = config, .plan = plan});
}

void sp_serving_forget(struct sp_serving *v, struct sp_cluster *cluster)
{
    order(v, (struct order_msg){.order = FORGET, .cluster = cluster});
}

void sp_serving_cut(struct sp_serving *v, uint64_t number)
{
    order(v, (struct order_msg){.order = CUT, .number = number});
}

void sp_serving_reset_heavy(struct sp_serving *v, uint32_t on, unsigned log2_min)
{
    assert(v && !v->prober);
    if (!atomic_exchange_explicit(&v->resetting, true, memory_order_relaxed))
        order(v, (struct order_msg){.order = RESET, .on = on, .log2_min = log2_min});
}

void sp_serving_stop_listeners(struct sp_serving *v, uint64_t drain_ns, bool inbound_only)
{
    order(v, (struct order_msg){.order = STOP, .drain_ns = drain_ns, .inbound_only = inbound_only});
}

void sp_serving_drain(struct sp_serving *v, uint64_t drain_ns, bool handed_over)
{
    order(v, (struct order_msg){.order = DRAIN, .drain_ns = drain_ns, .handed_over = handed_over});
}

/* ---- life ---- */

static void on_start(struct sp_worker *w)
{
    sp_stats_thread(w->index + 1);
}

static void on_stop(struct sp_worker *w)
{
    struct sp_serving *v = w->user;
    sp_timer_stop(&v->poll);
    sp_access_log_thread_flush();
    sp_refused_thread_done();
    sp_tracers_end();
}

int sp_serving_init(struct sp_serving *v, const char *name, unsigned index, bool prober, uint64_t reload_drain_ns,
                    struct sp_worker *main, const struct sp_serving_events *events, void *ctx)
{
    assert(v && name && main && events);
    memset(v, 0, sizeof(*v));
    v->main = main;
    v->events = events;
    v->ctx = ctx;
    v->prober = prober;
    v->reload_drain_ns = reload_drain_ns;
    sp_list_init(&v->leaving);
    sp_list_init(&v->forgetting);
    sp_list_init(&v->tasks);
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
    SP_LIST_FOREACH_SAFE (n, &v->forgetting) {
        struct forgetting *f = SP_CONTAINER_OF(n, struct forgetting, link);
        free(f->order);
        free(f);
    }
    free(v->sockets);
    free(v->clusters);
}
