/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/token_desk.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/keep.h"
#include "crypto/ct.h"
#include "crypto/hash.h"
#include "event/worker.h"

enum { BUCKETS = 256 };
#define FIRST_WAIT_NS (25 * SP_NS_PER_MS)

/* What is known, of one worker. */
struct known {
    struct sp_token_cache good, bad; /* apart: made-up tokens must not push out good ones */
};

/* The next config's desk has the same. */
struct memory {
    struct sp_kept kept;
    unsigned n_good, n_bad;
    uint8_t secret[32]; /* of the keyed hash */
    _Atomic(struct known *) parts[SP_TOKEN_DESK_WORKERS];
};

/* One worker's. */
struct part {
    struct sp_token_desk *desk;
    struct known *known;
    struct sp_list flights[BUCKETS];
    unsigned n_waiting;
};

struct sp_token_desk {
    const struct sp_token_endpoint *endpoint;
    struct sp_token_desk_options o;
    struct memory *memory;
    _Atomic(struct part *) parts[SP_TOKEN_DESK_WORKERS];
};

/* A question under way. */
struct sp_token_flight {
    struct sp_list link; /* of its bucket, until it is over */
    uint8_t key[SP_TOKEN_KEY];
    struct part *part;
    struct sp_turn *turn;
    struct sp_list waiters;
    char *token;
    size_t token_len;
    struct sp_http_call *call;
    struct sp_timer again;
    unsigned tries;
    bool over;
    struct sp_grave grave;
};

static void memory_free(struct sp_kept *k)
{
    struct memory *m = SP_CONTAINER_OF(k, struct memory, kept);
    for (unsigned i = 0; i < SP_TOKEN_DESK_WORKERS; i++) {
        struct known *n = atomic_load_explicit(&m->parts[i], memory_order_acquire);
        if (!n)
            continue;
        sp_token_cache_done(&n->good);
        sp_token_cache_done(&n->bad);
        free(n);
    }
    sp_wipe(m->secret, sizeof(m->secret));
    free(m);
}

static const struct sp_kept_kind kind = {"token cache", memory_free};

static struct memory *memory_of(const struct sp_hash *place, const struct sp_token_desk_options *o)
{
    struct sp_kept *k = sp_keep_find(&kind, place);
    if (k)
        return SP_CONTAINER_OF(k, struct memory, kept);
    struct memory *m = sp_xcalloc(1, sizeof(*m));
    m->n_good = o->max_ttl ? o->cache_entries : 0;
    m->n_bad = o->negative_ttl ? o->cache_entries : 0;
    sp_random_bytes(m->secret, sizeof(m->secret));
    sp_keep_add(&m->kept, &kind, place);
    return m;
}

/* By the worker itself. */
static struct known *known_of(struct memory *m, unsigned worker)
{
    struct known *n = atomic_load_explicit(&m->parts[worker], memory_order_relaxed);
    if (n)
        return n;
    n = sp_xcalloc(1, sizeof(*n));
    sp_token_cache_init(&n->good, m->n_good);
    sp_token_cache_init(&n->bad, m->n_bad);
    atomic_store_explicit(&m->parts[worker], n, memory_order_release);
    return n;
}

struct sp_token_desk *sp_token_desk_new(const struct sp_token_endpoint *e, const struct sp_token_desk_options *o,
                                        const struct sp_hash *place)
{
    assert(e && o && o->retries <= SP_TOKEN_MAX_RETRIES && o->max_waiting > 0 && place);
    struct sp_token_desk *d = sp_xcalloc(1, sizeof(*d));
    d->endpoint = e;
    d->o = *o;
    d->memory = memory_of(place, o);
    return d;
}

void sp_token_desk_free(struct sp_token_desk *d)
{
    if (!d)
        return;
    for (unsigned i = 0; i < SP_TOKEN_DESK_WORKERS; i++) {
        struct part *p = atomic_load_explicit(&d->parts[i], memory_order_acquire);
        if (!p)
            continue;
        assert(p->n_waiting == 0);
        free(p);
    }
    sp_kept_unref(&d->memory->kept);
    free(d);
}

static struct part *part_of(struct sp_token_desk *d, unsigned worker)
{
    struct part *p = atomic_load_explicit(&d->parts[worker], memory_order_relaxed);
    if (p)
        return p;
    p = sp_xcalloc(1, sizeof(*p));
    p->desk = d;
    p->known = known_of(d->memory, worker);
    for (unsigned i = 0; i < BUCKETS; i++)
        sp_list_init(&p->flights[i]);
    atomic_store_explicit(&d->parts[worker], p, memory_order_release);
    return p;
}

static struct sp_token_flight *flight_of(struct part *p, const uint8_t key[SP_TOKEN_KEY])
{
    const struct sp_list *bucket = &p->flights[key[0]];
    for (struct sp_list *at = bucket->next; at != bucket; at = at->next) {
        struct sp_token_flight *f = SP_CONTAINER_OF(at, struct sp_token_flight, link);
        if (memcmp(f->key, key, SP_TOKEN_KEY) == 0)
            return f;
    }
    return NULL;
}

static void flight_free(struct sp_grave *g)
{
    struct sp_token_flight *f = SP_CONTAINER_OF(g, struct sp_token_flight, grave);
    sp_wipe(f->token, f->token_len);
    free(f->token);
    free(f);
}

/* No one can join it any more, and nothing of it runs any more. */
static void land(struct sp_token_flight *f)
{
    f->over = true;
    sp_list_remove(&f->link);
    sp_timer_stop(&f->again);
    if (f->call)
        sp_http_call_cancel(f->call);
    f->call = NULL;
    sp_bury(f->turn, &f->grave);
}

static void keep(const struct sp_token_flight *f, enum sp_token_status s, json_t *claims)
{
    const struct sp_token_desk_options *o = &f->part->desk->o;
    int64_t ttl = o->negative_ttl;
    if (s == SP_TOKEN_OK) {
        int64_t now = f->turn->wall_ns / (int64_t)SP_NS_PER_S, exp = sp_token_answer_exp(claims);
        ttl = exp <= now ? 0 : SP_MIN(exp - now, o->max_ttl);
    }
    if (ttl > 0)
        sp_token_cache_put(s == SP_TOKEN_OK ? &f->part->known->good : &f->part->known->bad, f->key, claims,
                           f->turn->now_ns + (uint64_t)ttl * SP_NS_PER_S);
}

static void finish(struct sp_token_flight *f, enum sp_token_status s, json_t *claims)
{
    struct part *p = f->part;
    land(f);
    if (!sp_token_status_undecided(s))
        keep(f, s, claims);
    else
        sp_counter_inc(p->desk->o.failed);
    /* Whoever is told may end other requests that wait here: they leave the list by themselves. */
    while (!sp_list_empty(&f->waiters)) {
        struct sp_token_waiter *w = SP_CONTAINER_OF(sp_list_pop(&f->waiters), struct sp_token_waiter, link);
        w->flight = NULL;
        p->n_waiting--;
        w->told(w, s, claims);
    }
}

static enum sp_token_status status_of(unsigned status, enum sp_abort why)
{
    if (status == 200)
        return SP_TOKEN_OK;
    if (status == 400 || status == 401 || status == 403)
        return SP_TOKEN_CLIENT_REFUSED;
    if (status)
        return SP_TOKEN_ENDPOINT_STATUS;
    if (why == SP_ABORT_TIMEOUT)
        return SP_TOKEN_TIMEOUT;
    return why == SP_ABORT_TOO_LARGE ? SP_TOKEN_BAD_ANSWER : SP_TOKEN_NO_ANSWER;
}

static void log_failure(const struct sp_token_flight *f, enum sp_token_status s, unsigned status, enum sp_abort why)
{
    const struct sp_token_endpoint *e = f->part->desk->endpoint;
    struct sp_str word = sp_token_status_word(s);
    if (status)
        sp_log_limited(SP_LOG_WARNING, "token_introspection", 5, "%.*s: %.*s (status %u, try %u)", SP_STR_ARG(e->name),
                       SP_STR_ARG(word), status, f->tries);
    else
        sp_log_limited(SP_LOG_WARNING, "token_introspection", 5, "%.*s: %.*s (%s, try %u)", SP_STR_ARG(e->name),
                       SP_STR_ARG(word), sp_abort_name(why), f->tries);
}

static bool may_retry(enum sp_token_status s, unsigned status)
{
    return s == SP_TOKEN_NO_ANSWER || s == SP_TOKEN_TIMEOUT || (s == SP_TOKEN_ENDPOINT_STATUS && status >= 500);
}

static void try_again(struct sp_token_flight *f)
{
    uint64_t ns = FIRST_WAIT_NS << (f->tries - 1);
    sp_counter_inc(f->part->desk->o.retried);
    sp_timer_start(f->turn, &f->again, ns / 2 + sp_random_u64() % ns);
}

static void on_answer(void *ctx, unsigned status, const struct sp_headers *h, struct sp_buf *body, enum sp_abort why)
{
    struct sp_token_flight *f = ctx;
    json_t *claims = NULL;
    (void)h;
    f->call = NULL;
    enum sp_token_status s = status_of(status, why);
    if (s == SP_TOKEN_OK)
        s = sp_token_answer_read(body->len ? sp_str_n(sp_buf_pullup(body, body->len), body->len) : SP_STR_NULL, &claims);
    if (sp_token_status_undecided(s))
        log_failure(f, s, status, why);
    if (may_retry(s, status) && f->tries <= f->part->desk->o.retries)
        try_again(f);
    else
        finish(f, s, claims);
    json_decref(claims);
}

/* SP_TOKEN_OK when it is under way. */
static enum sp_token_status take_off(struct sp_token_flight *f)
{
    const struct sp_token_desk *d = f->part->desk;
    struct sp_arena arena;
    struct sp_http_request r;
    struct sp_cluster *cluster;
    sp_arena_init(&arena);
    enum sp_token_status s = sp_token_endpoint_request(d->endpoint, sp_str_n(f->token, f->token_len),
                                                       f->turn->wall_ns / (int64_t)SP_NS_PER_S, &arena, &r, &cluster);
    if (s == SP_TOKEN_OK) {
        f->tries++;
        sp_counter_inc(d->o.requests);
        f->call = sp_http_call_start(cluster, f->turn->worker, &r, on_answer, f);
    }
    sp_arena_done_wipe(&arena);
    return s;
}

static void on_again(struct sp_timer *t)
{
    struct sp_token_flight *f = SP_CONTAINER_OF(t, struct sp_token_flight, again);
    enum sp_token_status s = take_off(f);
    if (s != SP_TOKEN_OK)
        finish(f, s, NULL);
}

static struct sp_token_flight *flight_new(struct part *p, struct sp_turn *turn, const uint8_t key[SP_TOKEN_KEY],
                                          struct sp_str token)
{
    struct sp_token_flight *f = sp_xcalloc(1, sizeof(*f));
    memcpy(f->key, key, SP_TOKEN_KEY);
    f->part = p;
    f->turn = turn;
    f->token = sp_str_dup(token);
    f->token_len = token.len;
    f->again.fire = on_again;
    f->grave.free = flight_free;
    sp_list_init(&f->waiters);
    sp_list_push_back(&p->flights[key[0]], &f->link);
    return f;
}

/* A flight for it, a new one or one that is under way; NULL with *ret_status. */
static struct sp_token_flight *board(struct part *p, struct sp_turn *turn, const uint8_t key[SP_TOKEN_KEY],
                                     struct sp_str token, enum sp_token_status *ret_status)
{
    *ret_status = SP_TOKEN_OVERLOAD;
    if (p->n_waiting >= p->desk->o.max_waiting)
        return NULL;
    struct sp_token_flight *f = flight_of(p, key);
    if (f) {
        sp_counter_inc(p->desk->o.joined);
        return f;
    }
    f = flight_new(p, turn, key, token);
    *ret_status = take_off(f);
    if (*ret_status == SP_TOKEN_OK)
        return f;
    sp_counter_inc(p->desk->o.failed);
    land(f);
    return NULL;
}

bool sp_token_desk_ask(struct sp_token_desk *d, struct sp_turn *turn, unsigned worker, struct sp_str token,
                       struct sp_token_waiter *w, enum sp_token_status *ret_status, json_t **ret_claims)
{
    assert(d && turn && token.len && w && w->told && !w->flight && ret_status && ret_claims);
    uint8_t key[SP_TOKEN_KEY];
    *ret_claims = NULL;
    *ret_status = SP_TOKEN_OVERLOAD;
    if (worker >= SP_TOKEN_DESK_WORKERS)
        return true;
    struct part *p = part_of(d, worker);
    sp_hmac_sha256(sp_str_n((const char *)d->memory->secret, sizeof(d->memory->secret)), token, key);
    if (sp_token_cache_get(&p->known->good, key, turn->now_ns, ret_claims) ||
        sp_token_cache_get(&p->known->bad, key, turn->now_ns, ret_claims)) {
        sp_counter_inc(d->o.cache_hit);
        *ret_status = *ret_claims ? SP_TOKEN_OK : SP_TOKEN_INACTIVE;
        return true;
    }
    sp_counter_inc(d->o.cache_miss);
    struct sp_token_flight *f = board(p, turn, key, token, ret_status);
    if (!f)
        return true;
    w->flight = f;
    sp_list_push_back(&f->waiters, &w->link);
    p->n_waiting++;
    return false;
}

void sp_token_desk_leave(struct sp_token_waiter *w)
{
    assert(w);
    struct sp_token_flight *f = w->flight;
    if (!f)
        return;
    w->flight = NULL;
    sp_list_remove(&w->link);
    f->part->n_waiting--;
    if (!f->over && sp_list_empty(&f->waiters))
        land(f);
}
