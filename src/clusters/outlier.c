/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/outlier.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "clusters/host_failure.h"
#include "clusters/outlier_event.h"

struct sp_outlier_host *sp_outlier_host_new(const struct sp_outlier *o)
{
    assert(o);
    size_t size = sizeof(struct sp_outlier_host) + o->cluster->n_slots * sizeof(struct sp_outlier_part);
    struct sp_outlier_host *x = sp_xaligned(size);
    memset(x, 0, size);
    for (size_t i = 0; i < SP_OUTLIER_RATES; i++)
        atomic_init(&x->rate[i], -1);
    return x;
}

/* --- what workers count --- */

static void bump(_Atomic uint32_t *word)
{
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + 1, memory_order_relaxed);
}

static void count(struct sp_slot *s, struct sp_host *h, enum rate rate, bool good)
{
    struct sp_outlier_part *p = &sp_outlier_of(h)->parts[s->index];
    bump(&p->total[rate]);
    if (good)
        bump(&p->good[rate]);
}

struct eject_msg {
    struct sp_msg msg;
    struct sp_outlier *outlier; /* its cluster is held */
    struct sp_host *host;       /* a reference */
    enum kind kind;
};

static void run_eject(struct sp_msg *m);

static void ask_to_eject(struct sp_outlier *o, struct sp_host *h, enum kind kind)
{
    struct sp_slot *prober = sp_cluster_slot(o->cluster, o->cluster->n_slots - 1);
    if (!atomic_load_explicit(&prober->attached, memory_order_acquire))
        return;
    struct eject_msg *e = sp_xcalloc(1, sizeof(*e));
    sp_cluster_hold(o->cluster);
    *e = (struct eject_msg){.msg.run = run_eject, .outlier = o, .host = sp_host_ref(h), .kind = kind};
    sp_worker_post(prober->worker, &e->msg);
}

static void run(struct sp_slot *s, struct sp_host *h, enum run which, bool good)
{
    struct sp_outlier *o = s->cluster->outlier;
    _Atomic uint32_t *word = &sp_outlier_of(h)->run[which];
    if (good) {
        if (SP_UNLIKELY(atomic_load_explicit(word, memory_order_relaxed)))
            atomic_store_explicit(word, 0, memory_order_relaxed);
        return;
    }
    if (atomic_fetch_add_explicit(word, 1, memory_order_relaxed) + 1 == o->run_limit[which])
        ask_to_eject(o, h, (enum kind)which);
}

void sp_outlier_answer(struct sp_slot *s, struct sp_host *h, unsigned status)
{
    assert(s && h && s->cluster->outlier);
    count(s, h, RATE_EXTERNAL, status < 500);
    run(s, h, RUN_GATEWAY, status < 502 || status > 504);
    run(s, h, RUN_5XX, status < 500);
}

void sp_outlier_local(struct sp_slot *s, struct sp_host *h, unsigned status)
{
    assert(s && h && s->cluster->outlier);
    if (s->cluster->outlier->split) {
        count(s, h, RATE_LOCAL, !status);
        run(s, h, RUN_LOCAL, !status);
    } else if (status) { /* as an answer of the host's; that it was reached says nothing */
        sp_outlier_answer(s, h, status);
    }
}

double sp_outlier_rate(const struct sp_host *h, bool local)
{
    assert(h);
    return sp_outlier_percent(h, local ? RATE_LOCAL : RATE_EXTERNAL);
}

/* --- out and back --- */

static void put_out(struct sp_outlier *o, struct sp_host *h, enum kind kind)
{
    static const char *const why[] = {
#define X(id, stat, type, text) text,
        KINDS(X)
#undef X
    };
    struct sp_outlier_host *x = sp_outlier_of(h);
    x->out = true;
    x->ejections++;
    if (o->base_ns * x->times < o->max_ns + o->base_ns) /* more changes nothing, and has to be gone down again */
        x->times++;
    uint64_t ns = SP_MIN(o->base_ns * x->times, o->max_ns) + (o->jitter_ns ? sp_slot_below(o->slot, o->jitter_ns) : 0);
    x->out_ns = o->slot->turn->now_ns;
    x->out_until_ns = x->out_ns + ns;
    o->n_out++;
    sp_gauge_inc(o->active);
    sp_counter_inc(o->enforced_total);
    sp_counter_inc(o->enforced[kind]);
    sp_host_set_health(o->cluster, h, SP_HEALTH_FAILED_OUTLIER, 0);
    sp_host_failed(o->cluster, h);
    char text[SP_ADDR_TEXT_MAX];
    sp_log_limited(SP_LOG_WARNING, "outlier", SP_LOG_BURST, "cluster \"%.*s\": host %.*s is out for %llu s: %s", SP_STR_ARG(o->cluster->name),
           (int)sp_addr_format(&h->parts[o->slot->index].addr, text), text, (unsigned long long)(ns / SP_NS_PER_S), why[kind]);
}

static void bring_back(struct sp_outlier *o, struct sp_host *h)
{
    struct sp_outlier_host *x = sp_outlier_of(h);
    x->out = false;
    x->back_ns = o->slot->turn->now_ns;
    o->n_out--;
    sp_gauge_dec(o->active);
    for (size_t i = 0; i < SP_OUTLIER_RUNS; i++)
        atomic_store_explicit(&x->run[i], 0, memory_order_relaxed);
    sp_host_set_health(o->cluster, h, 0, SP_HEALTH_FAILED_OUTLIER);
    sp_outlier_tell_back(o, h);
    char text[SP_ADDR_TEXT_MAX];
    sp_log_limited(SP_LOG_INFO, "outlier", SP_LOG_BURST, "cluster \"%.*s\": host %.*s is back", SP_STR_ARG(o->cluster->name),
           (int)sp_addr_format(&h->parts[o->slot->index].addr, text), text);
}

static bool may_go(const struct sp_outlier *o)
{
    unsigned n = o->cluster->hosts->n;
    return (o->one_always && !o->n_out) || 100ull * (o->n_out + 1) <= (uint64_t)o->max_percent * n;
}

static void eject(struct sp_outlier *o, struct sp_host *h, enum kind kind)
{
    if (sp_outlier_of(h)->out)
        return;
    sp_counter_inc(o->detected[kind]);
    if (kind == KIND_5XX)
        sp_counter_inc(o->old_5xx);
    else if (kind == KIND_SUCCESS || kind == KIND_LOCAL_SUCCESS)
        sp_counter_inc(o->old_success);
    if (!may_go(o)) {
        sp_counter_inc(o->overflow);
        return;
    }
    if (kind == KIND_5XX || kind == KIND_SUCCESS)
        sp_counter_inc(o->total);
    bool enforced = sp_slot_below(o->slot, 100) < o->enforcing[kind];
    if (enforced)
        put_out(o, h, kind);
    sp_outlier_tell_out(o, h, kind, enforced);
}

static void run_eject(struct sp_msg *m)
{
    struct eject_msg *e = SP_CONTAINER_OF(m, struct eject_msg, msg);
    struct sp_outlier *o = e->outlier;
    struct sp_cluster *c = o->cluster;
    if (o->slot && e->host->stamp == c->stamp) { /* else it is gone meanwhile */
        bool was_out = sp_outlier_of(e->host)->out;
        eject(o, e->host, e->kind);
        if (!was_out) /* the next run counts from here */
            atomic_store_explicit(&sp_outlier_of(e->host)->run[e->kind], 0, memory_order_relaxed);
    }
    sp_host_unref(e->host);
    sp_cluster_drop(c);
    free(e);
}

/* --- at intervals --- */

static void come_back(struct sp_outlier *o, struct sp_host *h)
{
    if (sp_outlier_of(h)->out && o->slot->turn->now_ns >= sp_outlier_of(h)->out_until_ns)
        bring_back(o, h);
}

/* A whole interval in which it was not out. */
static void forgive(struct sp_outlier *o, struct sp_host *h)
{
    struct sp_outlier_host *x = sp_outlier_of(h);
    if (!x->out && x->times && o->slot->turn->now_ns - x->back_ns >= o->interval_ns)
        x->times--;
}

/* What this interval brought. */
static void take_counts(const struct sp_outlier *o, struct sp_host *h, enum rate rate, uint32_t *ret_total, uint32_t *ret_good)
{
    struct sp_outlier_host *x = sp_outlier_of(h);
    uint32_t total = 0, good = 0;
    for (unsigned i = 0; i < o->cluster->n_slots; i++) {
        total += atomic_load_explicit(&x->parts[i].total[rate], memory_order_relaxed);
        good += atomic_load_explicit(&x->parts[i].good[rate], memory_order_relaxed);
    }
    *ret_total = total - x->seen_total[rate];
    *ret_good = SP_MIN(good - x->seen_good[rate], *ret_total); /* two words of another thread: not of one moment */
    x->seen_total[rate] = total;
    x->seen_good[rate] = good;
}

struct sample {
    struct sp_host *host;
    uint32_t total;
    double percent; /* good ones */
};

static void by_success(struct sp_outlier *o, const struct sample *v, unsigned n, enum kind kind)
{
    double sum = 0, squares = 0;
    unsigned valid = 0;
    for (unsigned i = 0; i < n; i++)
        if (v[i].total >= o->volume) {
            valid++;
            sum += v[i].percent;
        }
    if (!valid || valid < o->min_hosts)
        return;
    double mean = sum / valid;
    enum rate rate = kind == KIND_LOCAL_SUCCESS ? RATE_LOCAL : RATE_EXTERNAL;
    for (unsigned i = 0; i < n; i++)
        if (v[i].total >= o->volume)
            squares += (v[i].percent - mean) * (v[i].percent - mean);
    double least = mean - sqrt(squares / valid) * o->stdev_factor / 1000;
    o->mean[rate] = mean;
    o->least[rate] = least;
    for (unsigned i = 0; i < n; i++)
        if (v[i].total >= o->volume && v[i].percent < least)
            eject(o, v[i].host, kind);
}

static void by_failures(struct sp_outlier *o, const struct sample *v, unsigned n, enum kind kind)
{
    unsigned valid = 0;
    for (unsigned i = 0; i < n; i++)
        valid += v[i].total >= o->failure_volume;
    if (!valid || valid < o->failure_min_hosts)
        return;
    for (unsigned i = 0; i < n; i++)
        if (v[i].total >= o->failure_volume && 100 - v[i].percent >= o->failure_threshold)
            eject(o, v[i].host, kind);
}

static void judge(struct sp_outlier *o, enum rate rate)
{
    const struct sp_host_set *set = o->cluster->hosts;
    struct sample *v = sp_xcalloc(set->n + 1, sizeof(*v));
    bool enough = set->n >= SP_MIN(o->min_hosts, o->failure_min_hosts);
    unsigned n = 0;
    o->mean[rate] = o->least[rate] = -1;
    for (unsigned i = 0; i < set->n; i++) {
        uint32_t total, good;
        struct sp_host *h = set->v[i].host;
        take_counts(o, h, rate, &total, &good);
        double percent = total ? 100.0 * good / total : 0;
        bool known = enough && total && !sp_outlier_of(h)->out && total >= SP_MIN(o->volume, o->failure_volume);
        atomic_store_explicit(&sp_outlier_of(h)->rate[rate], known ? (int32_t)(percent * 100) : -1, memory_order_relaxed);
        if (total && !sp_outlier_of(h)->out)
            v[n++] = (struct sample){h, total, percent};
    }
    by_success(o, v, n, rate == RATE_LOCAL ? KIND_LOCAL_SUCCESS : KIND_SUCCESS);
    by_failures(o, v, n, rate == RATE_LOCAL ? KIND_LOCAL_FAILURE : KIND_FAILURE);
    free(v);
}

void sp_outlier_interval(struct sp_timer *t)
{
    struct sp_outlier *o = SP_CONTAINER_OF(t, struct sp_outlier, timer);
    for (unsigned i = 0; i < o->cluster->hosts->n; i++)
        come_back(o, o->cluster->hosts->v[i].host);
    judge(o, RATE_EXTERNAL);
    if (o->split)
        judge(o, RATE_LOCAL);
    for (unsigned i = 0; i < o->cluster->hosts->n; i++)
        forgive(o, o->cluster->hosts->v[i].host);
    sp_timer_start(o->slot->turn, t, o->interval_ns);
}

void sp_outlier_start(struct sp_outlier *o, struct sp_slot *prober)
{
    assert(o && prober && !o->slot);
    o->slot = prober;
    sp_timer_start(prober->turn, &o->timer, o->interval_ns);
}

void sp_outlier_stop(struct sp_outlier *o)
{
    assert(o);
    if (!o->slot)
        return;
    for (unsigned i = 0; i < o->cluster->hosts->n; i++)
        sp_outlier_remove(o, o->cluster->hosts->v[i].host);
    sp_timer_stop(&o->timer);
    o->slot = NULL;
}

void sp_outlier_remove(struct sp_outlier *o, struct sp_host *h)
{
    assert(o && h);
    if (!sp_outlier_of(h)->out)
        return;
    sp_outlier_of(h)->out = false;
    o->n_out--;
    sp_gauge_dec(o->active);
}

void sp_outlier_checked(struct sp_outlier *o, struct sp_host *h)
{
    assert(o && o->slot && h);
    if (o->heed_checks && sp_outlier_of(h)->out)
        bring_back(o, h);
}
