/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/outlier.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "clusters/host_failure.h"
#include "clusters/outlier_host.h"

typedef Envoy__Config__Cluster__V3__OutlierDetection outlier_msg;

enum run { RUN_5XX, RUN_GATEWAY, RUN_LOCAL };
enum rate { RATE_EXTERNAL, RATE_LOCAL };

/* Why a host is taken out. The first three are those of enum run. X(enum suffix, stat, text) */
#define KINDS(X) \
    X(5XX, consecutive_5xx, "5xx answers in a row") \
    X(GATEWAY, consecutive_gateway_failure, "gateway failures in a row") \
    X(LOCAL, consecutive_local_origin_failure, "failures to reach it in a row") \
    X(SUCCESS, success_rate, "a low success rate") \
    X(LOCAL_SUCCESS, local_origin_success_rate, "a low rate of reaching it") \
    X(FAILURE, failure_percentage, "a high failure percentage") \
    X(LOCAL_FAILURE, local_origin_failure_percentage, "a high percentage of failures to reach it")

enum kind {
#define X(id, stat, text) KIND_##id,
    KINDS(X)
#undef X
    N_KINDS
};

struct sp_outlier {
    struct sp_cluster *cluster;
    uint32_t run_limit[SP_OUTLIER_RUNS];
    uint32_t enforcing[N_KINDS]; /* percent */
    uint64_t interval_ns, base_ns, max_ns, jitter_ns;
    uint32_t max_percent, min_hosts, volume, stdev_factor;
    uint32_t failure_threshold, failure_min_hosts, failure_volume;
    bool split, one_always, heed_checks;
    struct sp_slot *slot; /* the prober's; NULL: stopped */
    struct sp_timer timer;
    unsigned n_out;
    struct sp_gauge active;
    struct sp_counter total, enforced_total, overflow, detected[N_KINDS], enforced[N_KINDS];
    struct sp_counter old_5xx, old_success; /* Envoy's older names of two that are detected */
};

struct sp_outlier_host *sp_outlier_host_new(const struct sp_outlier *o)
{
    assert(o);
    size_t size = sizeof(struct sp_outlier_host) + o->cluster->n_slots * sizeof(struct sp_outlier_part);
    struct sp_outlier_host *x = aligned_alloc(SP_CACHELINE, (size + SP_CACHELINE - 1) / SP_CACHELINE * SP_CACHELINE);
    if (!x)
        abort();
    memset(x, 0, size);
    for (size_t i = 0; i < SP_OUTLIER_RATES; i++)
        atomic_init(&x->rate[i], -1);
    return x;
}

/* --- what workers count --- */

static struct sp_outlier_host *of(const struct sp_host *h)
{
    assert(h->outlier);
    return h->outlier;
}

static void bump(_Atomic uint32_t *word)
{
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + 1, memory_order_relaxed);
}

static void count(struct sp_slot *s, struct sp_host *h, enum rate rate, bool good)
{
    struct sp_outlier_part *p = &of(h)->parts[s->index];
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
    _Atomic uint32_t *word = &of(h)->run[which];
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
    int32_t rate = h->outlier ? atomic_load_explicit(&of(h)->rate[local ? RATE_LOCAL : RATE_EXTERNAL], memory_order_relaxed) : -1;
    return rate < 0 ? -1 : rate / 100.0;
}

/* --- out and back --- */

static void put_out(struct sp_outlier *o, struct sp_host *h, enum kind kind)
{
    static const char *const why[] = {
#define X(id, stat, text) text,
        KINDS(X)
#undef X
    };
    struct sp_outlier_host *x = of(h);
    x->out = true;
    x->times++;
    uint64_t ns = x->times > UINT64_MAX / SP_MAX(o->base_ns, 1u) ? UINT64_MAX : o->base_ns * x->times;
    ns = SP_MIN(ns, o->max_ns) + (o->jitter_ns ? sp_slot_below(o->slot, o->jitter_ns) : 0);
    x->out_until_ns = o->slot->turn->now_ns + ns;
    o->n_out++;
    sp_gauge_inc(o->active);
    sp_counter_inc(o->enforced_total);
    sp_counter_inc(o->enforced[kind]);
    sp_host_set_health(o->cluster, h, SP_HEALTH_FAILED_OUTLIER, 0);
    sp_host_failed(o->cluster, h);
    char text[SP_ADDR_TEXT_MAX];
    sp_log(SP_LOG_WARNING, "outlier", "cluster \"%.*s\": host %.*s is out for %llu s: %s", SP_STR_ARG(o->cluster->name),
           (int)sp_addr_format(&h->parts[o->slot->index].addr, text), text, (unsigned long long)(ns / SP_NS_PER_S), why[kind]);
}

static void bring_back(struct sp_outlier *o, struct sp_host *h)
{
    struct sp_outlier_host *x = of(h);
    x->out = false;
    x->back_ns = o->slot->turn->now_ns;
    o->n_out--;
    sp_gauge_dec(o->active);
    for (size_t i = 0; i < SP_OUTLIER_RUNS; i++)
        atomic_store_explicit(&x->run[i], 0, memory_order_relaxed);
    sp_host_set_health(o->cluster, h, 0, SP_HEALTH_FAILED_OUTLIER);
    char text[SP_ADDR_TEXT_MAX];
    sp_log(SP_LOG_INFO, "outlier", "cluster \"%.*s\": host %.*s is back", SP_STR_ARG(o->cluster->name),
           (int)sp_addr_format(&h->parts[o->slot->index].addr, text), text);
}

static bool may_go(const struct sp_outlier *o)
{
    unsigned n = o->cluster->hosts->n;
    return (o->one_always && !o->n_out) || 100ull * (o->n_out + 1) <= (uint64_t)o->max_percent * n;
}

static void eject(struct sp_outlier *o, struct sp_host *h, enum kind kind)
{
    if (of(h)->out)
        return;
    sp_counter_inc(o->detected[kind]);
    if (kind == KIND_5XX || kind == KIND_SUCCESS)
        sp_counter_inc(kind == KIND_5XX ? o->old_5xx : o->old_success);
    if (!may_go(o)) {
        sp_counter_inc(o->overflow);
        return;
    }
    if (kind == KIND_5XX || kind == KIND_SUCCESS)
        sp_counter_inc(o->total);
    if (sp_slot_below(o->slot, 100) < o->enforcing[kind])
        put_out(o, h, kind);
}

static void run_eject(struct sp_msg *m)
{
    struct eject_msg *e = SP_CONTAINER_OF(m, struct eject_msg, msg);
    struct sp_outlier *o = e->outlier;
    struct sp_cluster *c = o->cluster;
    if (o->slot && e->host->stamp == c->stamp) { /* else it is gone meanwhile */
        bool was_out = of(e->host)->out;
        eject(o, e->host, e->kind);
        if (!was_out) /* the next run counts from here */
            atomic_store_explicit(&of(e->host)->run[e->kind], 0, memory_order_relaxed);
    }
    sp_host_unref(e->host);
    sp_cluster_drop(c);
    free(e);
}

/* --- at intervals --- */

static void come_back(struct sp_outlier *o, struct sp_host *h)
{
    struct sp_outlier_host *x = of(h);
    uint64_t now = o->slot->turn->now_ns;
    if (x->out && now >= x->out_until_ns)
        bring_back(o, h);
    else if (!x->out && x->times && now - x->back_ns >= o->interval_ns)
        x->times--;
}

/* What this interval brought. */
static void take_counts(const struct sp_outlier *o, struct sp_host *h, enum rate rate, uint32_t *ret_total, uint32_t *ret_good)
{
    struct sp_outlier_host *x = of(h);
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
    for (unsigned i = 0; i < n; i++)
        if (v[i].total >= o->volume)
            squares += (v[i].percent - mean) * (v[i].percent - mean);
    double least = mean - sqrt(squares / valid) * o->stdev_factor / 1000;
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
    unsigned n = 0;
    for (unsigned i = 0; i < set->n; i++) {
        uint32_t total, good;
        struct sp_host *h = set->v[i].host;
        take_counts(o, h, rate, &total, &good);
        double percent = total ? 100.0 * good / total : 0;
        bool known = total && total >= SP_MIN(o->volume, o->failure_volume);
        atomic_store_explicit(&of(h)->rate[rate], known ? (int32_t)(percent * 100) : -1, memory_order_relaxed);
        if (total && !of(h)->out)
            v[n++] = (struct sample){h, total, percent};
    }
    by_success(o, v, n, rate == RATE_LOCAL ? KIND_LOCAL_SUCCESS : KIND_SUCCESS);
    by_failures(o, v, n, rate == RATE_LOCAL ? KIND_LOCAL_FAILURE : KIND_FAILURE);
    free(v);
}

static void on_timer(struct sp_timer *t)
{
    struct sp_outlier *o = SP_CONTAINER_OF(t, struct sp_outlier, timer);
    for (unsigned i = 0; i < o->cluster->hosts->n; i++)
        come_back(o, o->cluster->hosts->v[i].host);
    judge(o, RATE_EXTERNAL);
    if (o->split)
        judge(o, RATE_LOCAL);
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
    if (!of(h)->out)
        return;
    of(h)->out = false;
    o->n_out--;
    sp_gauge_dec(o->active);
}

void sp_outlier_checked(struct sp_outlier *o, struct sp_host *h)
{
    assert(o && o->slot && h);
    if (o->heed_checks && of(h)->out)
        bring_back(o, h);
}

/* --- config --- */

static uint32_t number(const Google__Protobuf__UInt32Value *v, uint32_t otherwise)
{
    return v ? v->value : otherwise;
}

static void init_stats(struct sp_outlier *o)
{
    static const struct sp_str names[2][N_KINDS] = {
#define X(id, stat, text) SP_STR_INIT("ejections_detected_" #stat),
        {KINDS(X)},
#undef X
#define X(id, stat, text) SP_STR_INIT("ejections_enforced_" #stat),
        {KINDS(X)},
#undef X
    };
    struct sp_stats_scope *scope = sp_stats_scope(o->cluster->stats.scope, SP_STR("outlier_detection"), NULL, SP_STR_NULL);
    o->active = sp_stats_gauge(scope, SP_STR("ejections_active"));
    o->total = sp_stats_counter(scope, SP_STR("ejections_total"));
    o->enforced_total = sp_stats_counter(scope, SP_STR("ejections_enforced_total"));
    o->old_5xx = sp_stats_counter(scope, SP_STR("ejections_consecutive_5xx"));
    o->old_success = sp_stats_counter(scope, SP_STR("ejections_success_rate"));
    o->overflow = sp_stats_counter(scope, SP_STR("ejections_overflow"));
    for (size_t i = 0; i < N_KINDS; i++) {
        o->detected[i] = sp_stats_counter(scope, names[0][i]);
        o->enforced[i] = sp_stats_counter(scope, names[1][i]);
    }
}

struct sp_outlier *sp_outlier_new(struct sp_cluster *c, const struct sp_doc *doc, struct sp_diag *diag,
                                  const Envoy__Config__Cluster__V3__Cluster *msg)
{
    assert(c && doc && diag && msg && !c->hosts);
    const outlier_msg *m = msg->outlier_detection;
    if (!m)
        return NULL;
    struct sp_outlier *o = sp_xcalloc(1, sizeof(*o));
    o->cluster = c;
    o->timer.fire = on_timer;
    o->split = m->split_external_local_origin_errors;
    o->one_always = m->always_eject_one_host && m->always_eject_one_host->value;
    o->heed_checks = !m->successful_active_health_check_uneject_host || m->successful_active_health_check_uneject_host->value;
    o->interval_ns = sp_duration_ns(m->interval, 10 * SP_NS_PER_S);
    o->base_ns = sp_duration_ns(m->base_ejection_time, 30 * SP_NS_PER_S);
    o->max_ns = sp_duration_ns(m->max_ejection_time, SP_MAX(300 * SP_NS_PER_S, o->base_ns));
    o->jitter_ns = sp_duration_ns(m->max_ejection_time_jitter, 0);
    if (o->max_ns < o->base_ns)
        sp_doc_err(doc, diag, m, "max_ejection_time", -1, "is less than base_ejection_time (make it at least that)");
    o->max_percent = SP_MIN(number(m->max_ejection_percent, 10), 100u);
    o->run_limit[RUN_5XX] = number(m->consecutive_5xx, 5);
    o->run_limit[RUN_GATEWAY] = number(m->consecutive_gateway_failure, 5);
    o->run_limit[RUN_LOCAL] = number(m->consecutive_local_origin_failure, 5);
    o->enforcing[KIND_5XX] = number(m->enforcing_consecutive_5xx, 100);
    o->enforcing[KIND_GATEWAY] = number(m->enforcing_consecutive_gateway_failure, 0);
    o->enforcing[KIND_LOCAL] = number(m->enforcing_consecutive_local_origin_failure, 100);
    o->enforcing[KIND_SUCCESS] = number(m->enforcing_success_rate, 100);
    o->enforcing[KIND_LOCAL_SUCCESS] = number(m->enforcing_local_origin_success_rate, 100);
    o->enforcing[KIND_FAILURE] = number(m->enforcing_failure_percentage, 0);
    o->enforcing[KIND_LOCAL_FAILURE] = number(m->enforcing_failure_percentage_local_origin, 0);
    o->min_hosts = number(m->success_rate_minimum_hosts, 5);
    o->volume = number(m->success_rate_request_volume, 100);
    o->stdev_factor = number(m->success_rate_stdev_factor, 1900);
    o->failure_threshold = number(m->failure_percentage_threshold, 85);
    o->failure_min_hosts = number(m->failure_percentage_minimum_hosts, 5);
    o->failure_volume = number(m->failure_percentage_request_volume, 50);
    init_stats(o);
    return o;
}

void sp_outlier_free(struct sp_outlier *o)
{
    assert(!o || !o->slot);
    free(o);
}
