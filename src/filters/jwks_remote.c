/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/jwks_remote.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/doc.h"
#include "crypto/hash.h"
#include "filters/fetched.h"
#include "route/duration.h"

typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__RemoteJwks RemoteJwks;

#define DEFAULT_CACHE_NS (600 * SP_NS_PER_S)
#define DEFAULT_REFETCH_NS SP_NS_PER_S
/* Envoy fetches anew 5 s before the keys are too old. */
#define EARLY_NS (5 * SP_NS_PER_S)

/* A worker's: only `waiting` and `posted` are others' too. */
struct slot {
    struct sp_msg msg;
    struct sp_jwks_remote *remote;
    struct sp_worker *worker; /* NULL until it waited once */
    struct sp_list waiters;
    unsigned n;
    _Atomic bool waiting, posted;
};

struct sp_jwks_remote {
    _Atomic unsigned refs; /* the owner's, and one of each message under way */
    struct sp_live_task task;
    struct sp_live *live;
    const struct sp_jwks_stats *stats;
    struct sp_arena arena, aim; /* aim: of what sp_jwks_remote_aim was told */
    uint64_t cache_ns, timeout_ns;
    _Atomic bool in_flight, *ready; /* ready: whose owner waits for the first try */
    _Atomic uint64_t asked_ns; /* when a worker last asked for a fetch; 0: never */
    _Atomic(struct sp_worker *) prober;
    struct sp_msg ask;
    _Atomic bool ask_posted;
    /* The prober's. */
    void (*asked)(void *ctx); /* while it is aimless */
    void *asked_ctx;
    struct sp_fetch fetch;
    bool good;     /* what was fetched last was taken */
    unsigned algs; /* signatures that count; 0: all */
    uint64_t good_ns; /* when */
    uint8_t digest[32]; /* of what was published last */
    bool published, stale;
    struct sp_fetched *last; /* of the target; NULL while it is aimless */
    char why[160]; /* the last answer was not taken */
    struct slot slots[SP_JWKS_WORKERS];
};

static void free_keys(void *value)
{
    sp_jwks_free(value);
}

static void hold(struct sp_jwks_remote *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
}

/* A message may still be on its way to a worker when the config is gone. */
static void let_go(struct sp_jwks_remote *r)
{
    if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    sp_arena_done(&r->arena);
    sp_arena_done(&r->aim);
    free(r);
}

static void run_wake(struct sp_msg *m)
{
    struct slot *s = SP_CONTAINER_OF(m, struct slot, msg);
    struct sp_list woken;
    atomic_store(&s->posted, false);
    atomic_store(&s->waiting, false);
    sp_list_init(&woken);
    sp_list_splice(&woken, &s->waiters);
    struct sp_list *it;
    while ((it = sp_list_pop(&woken))) {
        struct sp_jwks_waiter *w = SP_CONTAINER_OF(it, struct sp_jwks_waiter, link);
        s->n--;
        sp_timer_stop(&w->timer);
        w->remote = NULL;
        w->woken(w);
    }
    let_go(s->remote);
}

static void wake(struct slot *s)
{
    if (atomic_exchange(&s->posted, true))
        return;
    hold(s->remote);
    sp_worker_post(s->worker, &s->msg);
}

/* The workers see what there is to see. Main thread, or the prober's when nothing new came. */
static void wake_all(struct sp_jwks_remote *r)
{
    atomic_store(&r->in_flight, false);
    for (unsigned i = 0; i < SP_JWKS_WORKERS; i++)
        if (atomic_load(&r->slots[i].waiting))
            wake(&r->slots[i]);
}

static void on_tried(void *ctx, const void *value, bool ok)
{
    (void)value;
    (void)ok;
    wake_all(ctx);
}

static const struct sp_live_kind kind = {.name = "key set", .free = free_keys, .tried = on_tried};

static struct sp_jwks_remote *of_fetch(struct sp_fetch *f)
{
    return SP_CONTAINER_OF(f, struct sp_jwks_remote, fetch);
}

static void on_begun(struct sp_fetch *f)
{
    atomic_store(&of_fetch(f)->in_flight, true);
}

/* Takes it, or says why not. Not published yet while the config is compiled: nobody else looks at it. */
static bool publish(struct sp_jwks_remote *r, struct sp_str body, const uint8_t digest[32])
{
    struct sp_arena arena;
    const char *why;
    sp_arena_init(&arena);
    struct sp_jwks *keys = sp_jwks_new(body, &arena, &why);
    if (!keys)
        snprintf(r->why, sizeof(r->why), "no key to verify with: %s", why);
    sp_arena_done(&arena);
    if (!keys)
        return false;
    if (r->algs)
        sp_jwks_limit(keys, r->algs);
    memcpy(r->digest, digest, sizeof(r->digest));
    r->published = false;
    sp_live_publish(r->live, keys);
    return true;
}

/* What is not new is left alone: caches of verified tokens live as long as their key set. */
static bool on_body(struct sp_fetch *f, struct sp_str body, const char **ret_why)
{
    struct sp_jwks_remote *r = of_fetch(f);
    uint8_t digest[32];
    sp_sha256(body, digest);
    bool same = r->published && r->good && memcmp(digest, r->digest, sizeof(digest)) == 0;
    if (!same && !publish(r, body, digest)) {
        *ret_why = r->why;
        return false;
    }
    sp_fetched_put(r->last, body, f->prober->turn.now_ns);
    return true;
}

/* Keys that could not be fetched for so long may have been taken back by their issuer. */
static bool too_old(const struct sp_jwks_remote *r, uint64_t now_ns)
{
    return r->published && !r->stale && now_ns - r->good_ns > r->cache_ns + SP_JWKS_STALE_NS;
}

static void grow_stale(struct sp_jwks_remote *r)
{
    r->stale = true;
    r->published = false;
    sp_fetched_drop(r->last);
    sp_live_publish(r->live, sp_jwks_new_empty());
    sp_live_failed(r->live, SP_STR("the keys are too old to be used any longer"));
}

static void on_over(struct sp_fetch *f, bool good, const char *why)
{
    struct sp_jwks_remote *r = of_fetch(f);
    bool news = good && !r->published;
    sp_counter_inc(good ? r->stats->success : r->stats->failed);
    if (good) {
        r->good_ns = f->prober->turn.now_ns;
        r->published = true;
        r->stale = false;
    } else if (too_old(r, f->prober->turn.now_ns)) {
        grow_stale(r);
        news = true;
    } else {
        sp_live_failed(r->live, sp_str_c(why));
        news = true;
    }
    r->good = good;
    atomic_store_explicit(r->ready, true, memory_order_release);
    if (!news)
        wake_all(r);
}

static void run_ask(struct sp_msg *m)
{
    struct sp_jwks_remote *r = SP_CONTAINER_OF(m, struct sp_jwks_remote, ask);
    atomic_store(&r->ask_posted, false);
    if (r->fetch.prober)
        sp_fetch_now(&r->fetch);
    else if (r->asked)
        r->asked(r->asked_ctx);
    let_go(r);
}

/* Keys that an earlier config had are good until they are too old; whoever misses one asks anyway. */
static void start(struct sp_jwks_remote *r, struct sp_worker *prober)
{
    if (!r->published) {
        sp_fetch_start(&r->fetch, prober);
        return;
    }
    if (too_old(r, prober->turn.now_ns))
        grow_stale(r);
    sp_fetch_resume(&r->fetch, prober, r->good_ns);
}

static void task_start(struct sp_live_task *t, struct sp_worker *prober)
{
    struct sp_jwks_remote *r = SP_CONTAINER_OF(t, struct sp_jwks_remote, task);
    start(r, prober);
    atomic_store(&r->prober, prober);
}

static void task_stop(struct sp_live_task *t)
{
    sp_jwks_remote_halt(SP_CONTAINER_OF(t, struct sp_jwks_remote, task));
}

static uint64_t before_too_old(uint64_t cache_ns)
{
    return cache_ns > 2 * EARLY_NS ? cache_ns - EARLY_NS : cache_ns / 2;
}

static struct sp_jwks_remote *make(const struct sp_filter_build *build, uint64_t cache_ns, struct sp_str label,
                                   const struct sp_jwks_stats *stats)
{
    struct sp_jwks_remote *r = sp_xcalloc(1, sizeof(*r));
    atomic_init(&r->refs, 1);
    sp_arena_init(&r->arena);
    sp_arena_init(&r->aim);
    sp_list_init(&r->task.link);
    r->stats = stats;
    r->ready = &r->task.ready;
    r->cache_ns = cache_ns;
    r->ask.run = run_ask;
    r->fetch.plan = (struct sp_fetch_plan){
        .good_ns = before_too_old(cache_ns), .bad_ns = DEFAULT_REFETCH_NS, .max_body = SP_JWKS_MAX_BYTES};
    sp_fetch_plan_retries(&r->fetch.plan, NULL);
    r->fetch.begun = on_begun;
    r->fetch.take = on_body;
    r->fetch.over = on_over;
    for (unsigned i = 0; i < SP_JWKS_WORKERS; i++) {
        r->slots[i].msg.run = run_wake;
        r->slots[i].remote = r;
        sp_list_init(&r->slots[i].waiters);
    }
    r->live = sp_live_new(sp_doc_live(build->doc), &kind, label, r, NULL);
    return r;
}

/* The target is known, while the config is compiled: what an earlier config had from there is there at once. */
static bool recall(struct sp_jwks_remote *r)
{
    struct sp_arena arena;
    struct sp_str body;
    uint8_t digest[32];
    sp_fetched_unref(r->last);
    r->last = sp_fetched_get(SP_STR("key set"), &r->fetch.target);
    sp_arena_init(&arena);
    if (sp_fetched_copy(r->last, &arena, &body, &r->good_ns)) {
        sp_sha256(body, digest);
        r->published = r->good = publish(r, body, digest);
    }
    sp_arena_done(&arena);
    return r->published;
}

struct sp_jwks_remote *sp_jwks_remote_new(const struct sp_filter_build *build, const RemoteJwks *msg, struct sp_str label,
                                          const struct sp_jwks_stats *stats)
{
    assert(build && msg && stats);
    struct sp_jwks_remote *r = make(build, sp_duration_or(msg->cache_duration, DEFAULT_CACHE_NS), label, stats);
    if (!sp_fetch_target_init(&r->fetch.target, build, &r->arena, msg->http_uri)) {
        sp_jwks_remote_free(r);
        return NULL;
    }
    r->timeout_ns = r->fetch.target.timeout_ns;
    sp_fetch_plan_retries(&r->fetch.plan, msg->retry_policy);
    if (msg->async_fetch) {
        r->fetch.plan.bad_ns = SP_MAX(sp_duration_or(msg->async_fetch->failed_refetch_duration, DEFAULT_REFETCH_NS), SP_NS_PER_MS);
        atomic_store(&r->task.ready, msg->async_fetch->fast_listener);
    }
    if (recall(r))
        atomic_store(&r->task.ready, true);
    r->task.start = task_start;
    r->task.stop = task_stop;
    sp_live_set_add_task(sp_doc_live(build->doc), &r->task);
    return r;
}

struct sp_jwks_remote *sp_jwks_remote_new_aimless(const struct sp_filter_build *build, uint64_t timeout_ns, uint64_t cache_ns,
                                                  struct sp_str label, const struct sp_jwks_stats *stats,
                                                  _Atomic bool *ready)
{
    assert(build && timeout_ns && stats && ready);
    struct sp_jwks_remote *r = make(build, cache_ns, label, stats);
    r->timeout_ns = timeout_ns;
    r->ready = ready;
    return r;
}

void sp_jwks_remote_free(struct sp_jwks_remote *r)
{
    if (!r)
        return;
    assert(!r->fetch.prober);
    /* A config that failed to compile is freed before its document's tasks are forgotten. */
    if (sp_list_linked(&r->task.link))
        sp_list_remove(&r->task.link);
    sp_fetched_unref(r->last);
    r->last = NULL;
    let_go(r);
}

const struct sp_jwks *sp_jwks_remote_keys(const struct sp_jwks_remote *r)
{
    assert(r);
    const struct sp_jwks *keys = sp_live_get(r->live);
    return keys && sp_jwks_count(keys) ? keys : NULL;
}

struct sp_live *sp_jwks_remote_live(struct sp_jwks_remote *r)
{
    assert(r);
    return r->live;
}

static void on_time(struct sp_timer *t)
{
    struct sp_jwks_waiter *w = SP_CONTAINER_OF(t, struct sp_jwks_waiter, timer);
    sp_jwks_remote_unwait(w);
    w->woken(w);
}

/* Whether a fetch runs; if not, whether this caller may ask for one, and then it has. */
static bool fetching(struct sp_jwks_remote *r, uint64_t now_ns)
{
    uint64_t asked_ns = atomic_load(&r->asked_ns);
    struct sp_worker *prober = atomic_load(&r->prober);
    if (prober && atomic_load(&r->in_flight))
        return true;
    if (!prober || (asked_ns && now_ns < asked_ns + SP_JWKS_ASK_NS) ||
        !atomic_compare_exchange_strong(&r->asked_ns, &asked_ns, now_ns))
        return false;
    atomic_store(&r->in_flight, true);
    if (!atomic_exchange(&r->ask_posted, true)) {
        hold(r);
        sp_worker_post(prober, &r->ask);
    }
    return true;
}

bool sp_jwks_remote_wait(struct sp_jwks_remote *r, struct sp_jwks_waiter *w, struct sp_turn *turn)
{
    assert(r && w && w->woken && turn && !w->remote);
    struct sp_worker *self = sp_worker_self();
    if (!self || self->index >= SP_JWKS_WORKERS || r->slots[self->index].n >= SP_JWKS_MAX_WAITERS ||
        !fetching(r, turn->now_ns))
        return false;
    struct slot *s = &r->slots[self->index];
    s->worker = self;
    s->n++;
    w->remote = r;
    w->worker = self->index;
    sp_list_push_back(&s->waiters, &w->link);
    w->timer.fire = on_time;
    sp_timer_start(turn, &w->timer, r->timeout_ns);
    atomic_store(&s->waiting, true);
    /* It may have ended just now, before it could see that somebody waits. */
    if (!atomic_load(&r->in_flight))
        wake(s);
    return true;
}

void sp_jwks_remote_ask(struct sp_jwks_remote *r, uint64_t now_ns)
{
    assert(r);
    fetching(r, now_ns);
}

void sp_jwks_remote_unwait(struct sp_jwks_waiter *w)
{
    assert(w);
    if (!w->remote)
        return;
    w->remote->slots[w->worker].n--;
    sp_list_remove(&w->link);
    sp_timer_stop(&w->timer);
    w->remote = NULL;
}

void sp_jwks_remote_open(struct sp_jwks_remote *r, struct sp_worker *prober, void (*asked)(void *ctx), void *ctx)
{
    assert(r && prober && asked && !r->fetch.prober);
    r->asked = asked;
    r->asked_ctx = ctx;
    atomic_store(&r->in_flight, true);
    atomic_store(&r->prober, prober);
}

void sp_jwks_remote_missed(struct sp_jwks_remote *r)
{
    assert(r);
    if (!r->fetch.prober)
        wake_all(r);
}

static bool same(const struct sp_fetch_target *a, const struct sp_fetch_target *b)
{
    return a->cluster == b->cluster && sp_str_eq(a->scheme, b->scheme) && sp_str_eq(a->authority, b->authority) &&
           sp_str_eq(a->path, b->path);
}

static void set_target(struct sp_jwks_remote *r, const struct sp_fetch_target *target, unsigned algs)
{
    struct sp_fetch_target *t = &r->fetch.target;
    sp_arena_done(&r->aim);
    sp_arena_init(&r->aim);
    *t = *target;
    t->scheme = sp_arena_str(&r->aim, target->scheme);
    t->authority = sp_arena_str(&r->aim, target->authority);
    t->path = sp_arena_str(&r->aim, target->path);
    r->algs = algs;
}

bool sp_jwks_remote_recall(struct sp_jwks_remote *r, const struct sp_fetch_target *target, unsigned algs)
{
    assert(r && target && target->cluster && !r->fetch.prober);
    set_target(r, target, algs);
    return recall(r);
}

void sp_jwks_remote_aim(struct sp_jwks_remote *r, struct sp_worker *prober, const struct sp_fetch_target *target, unsigned algs)
{
    assert(r && prober && target && target->cluster);
    bool known = same(&r->fetch.target, target) && r->algs == algs;
    if (known && r->fetch.prober)
        return;
    if (known && r->published) {
        atomic_store(&r->in_flight, false);
        start(r, prober);
        return;
    }
    sp_fetch_stop(&r->fetch);
    set_target(r, target, algs);
    sp_fetched_unref(r->last);
    r->last = sp_fetched_get(SP_STR("key set"), &r->fetch.target);
    r->good = false; /* what it publishes next is another set, be its text the same */
    sp_fetch_start(&r->fetch, prober);
}

void sp_jwks_remote_halt(struct sp_jwks_remote *r)
{
    assert(r);
    r->asked = NULL;
    atomic_store(&r->prober, NULL);
    sp_fetch_stop(&r->fetch);
}
