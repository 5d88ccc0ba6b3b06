/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/ocsp.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/http_client.h"
#include "config/keep.h"
#include "config/no_cluster.h"
#include "crypto/ct.h"
#include "crypto/hash.h"
#include "crypto/ocsp.h"
#include "event/worker.h"

typedef Sallyport__Tls__V1__Ocsp Message;

enum { WORKERS = 256, DEFAULT_CACHED = 4096, DEFAULT_MAX_AGE_S = 300, FAILED_S = 2 };
static const uint64_t default_timeout_ns = 2 * SP_NS_PER_S;

/* One question: under way (call) or answered. */
struct sp_ocsp_entry {
    struct sp_list lru;
    struct sp_ocsp_entry *next; /* of the bucket */
    struct part *part;
    uint8_t key[32];            /* SHA-256 of issuer and serial number */
    struct sp_http_call *call;
    struct sp_list waiting;     /* of sp_ocsp_wait */
    struct sp_arena arena;      /* what `call` needs: copies of the issuer and the serial number */
    struct sp_x509 issuer;
    struct sp_ocsp_id id;
    uint8_t nonce[SP_OCSP_NONCE];
    enum sp_ocsp_verdict verdict;
    const char *why;
    int64_t until;
};

/* One worker's. */
struct part {
    struct sp_ocsp *ocsp;
    struct sp_worker *worker;
    struct sp_ocsp_entry **buckets; /* mask + 1 of them */
    unsigned mask, n;
    struct sp_list lru; /* of those that are answered, the last used in front */
};

struct sp_ocsp {
    struct sp_asker asker;
    struct sp_kept kept;
    struct sp_arena arena;
    struct sp_cluster *cluster; /* a reference */
    struct sp_str path, authority;
    uint64_t timeout_ns;
    int64_t max_age_s;
    unsigned max_cached;
    bool soft, nonce;
    struct sp_counter asked, cached, good, revoked, unknown, failed;
    _Atomic(struct part *) parts[WORKERS];
};

static int64_t seconds(const Google__Protobuf__Duration *d, int64_t unset)
{
    return d ? d->seconds : unset;
}

static void give_back(struct sp_kept *k);
static const struct sp_kept_kind kind = {"OCSP", give_back};

static void count(struct sp_ocsp *o, struct sp_stats_scope *scope)
{
    struct sp_stats_scope *own = sp_stats_scope(scope, SP_STR("ocsp"), NULL, SP_STR_NULL);
    o->asked = sp_stats_counter(own, SP_STR("asked"));
    o->cached = sp_stats_counter(own, SP_STR("cached"));
    o->good = sp_stats_counter(own, SP_STR("good"));
    o->revoked = sp_stats_counter(own, SP_STR("revoked"));
    o->unknown = sp_stats_counter(own, SP_STR("unknown"));
    o->failed = sp_stats_counter(own, SP_STR("failed"));
}

/* ---- seen from below ---- */

static enum sp_ocsp_verdict asker_ask(struct sp_asker *a, struct sp_worker *worker, const struct sp_x509 *cert, const struct sp_x509 *issuer,
                                      struct sp_ocsp_wait *w)
{
    return sp_ocsp_ask(SP_CONTAINER_OF(a, struct sp_ocsp, asker), worker, cert, issuer, w);
}

static void asker_free(struct sp_asker *a)
{
    sp_ocsp_free(SP_CONTAINER_OF(a, struct sp_ocsp, asker));
}

struct sp_asker *sp_ocsp_asker(struct sp_ocsp *o)
{
    return o ? &o->asker : NULL;
}

static struct sp_ocsp *make(const Message *msg, struct sp_cluster *cluster, struct sp_stats_scope *scope)
{
    struct sp_ocsp *o = sp_xcalloc(1, sizeof(*o));
    sp_arena_init(&o->arena);
    o->asker = (struct sp_asker){asker_ask, sp_ocsp_cancel, asker_free};
    o->cluster = cluster;
    o->path = sp_arena_str(&o->arena, sp_str_c(msg->path[0] ? msg->path : "/"));
    o->authority = sp_arena_str(&o->arena, sp_str_c(msg->authority[0] ? msg->authority : msg->cluster));
    o->timeout_ns = msg->timeout ? (uint64_t)msg->timeout->seconds * SP_NS_PER_S + (uint64_t)msg->timeout->nanos
                                 : default_timeout_ns;
    o->max_age_s = seconds(msg->max_age, DEFAULT_MAX_AGE_S);
    o->max_cached = msg->max_cached ? msg->max_cached->value : DEFAULT_CACHED;
    o->soft = msg->policy == SALLYPORT__TLS__V1__OCSP__POLICY__SOFT;
    o->nonce = msg->nonce;
    count(o, scope);
    return o;
}

/* The same as in an earlier config, if the message is equal, the cluster that very one, and the place. */
static void key_of_config(const struct sp_doc *doc, const Message *msg, const struct sp_cluster *cluster,
                          const struct sp_stats_scope *scope, struct sp_hash *ret)
{
    const void *const pointers[] = {cluster, scope};
    sp_doc_hash_text(doc, msg, NULL, ret);
    sp_hash_mix(ret, sp_str_n((const char *)pointers, sizeof(pointers)));
    sp_hash_count(doc, ret);
}

struct sp_ocsp *sp_ocsp_new(const struct sp_doc *doc, struct sp_diag *diag, const Message *msg,
                            struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name), void *ctx,
                            struct sp_stats_scope *scope)
{
    assert(doc && diag && msg && scope);
    struct sp_cluster *cluster = find_cluster ? find_cluster(ctx, sp_str_c(msg->cluster)) : NULL;
    bool path = !msg->path[0] || msg->path[0] == '/';
    if (!cluster)
        sp_no_cluster_err(doc, diag, msg, "cluster", sp_str_c(msg->cluster));
    if (!path)
        sp_doc_err(doc, diag, msg, "path", -1, "begins with no slash");
    if (!cluster || !path)
        return NULL;
    struct sp_hash key;
    key_of_config(doc, msg, cluster, scope, &key);
    struct sp_kept *k = sp_keep_find(&kind, &key);
    if (k)
        return SP_CONTAINER_OF(k, struct sp_ocsp, kept);
    struct sp_ocsp *o = make(msg, sp_cluster_ref(cluster), scope);
    sp_keep_add(&o->kept, &kind, &key);
    return o;
}

/* ---- the worker's answers ---- */

static struct part *part_of(struct sp_ocsp *o, struct sp_worker *w)
{
    struct part *p = atomic_load_explicit(&o->parts[w->index], memory_order_relaxed);
    if (p)
        return p;
    p = sp_xcalloc(1, sizeof(*p));
    p->ocsp = o;
    p->worker = w;
    for (p->mask = 1; p->mask < o->max_cached; p->mask = p->mask * 2 + 1)
        ;
    p->buckets = sp_xcalloc(p->mask + 1, sizeof(struct sp_ocsp_entry *));
    sp_list_init(&p->lru);
    atomic_store_explicit(&o->parts[w->index], p, memory_order_release);
    return p;
}

static struct sp_ocsp_entry **bucket(const struct part *p, const uint8_t key[32])
{
    uint32_t hash;
    memcpy(&hash, key, sizeof(hash));
    return &p->buckets[hash & p->mask];
}

static void forget(struct sp_ocsp_entry *e)
{
    struct sp_ocsp_entry **at = bucket(e->part, e->key);
    assert(!e->call && sp_list_empty(&e->waiting));
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    if (sp_list_linked(&e->lru))
        sp_list_remove(&e->lru);
    e->part->n--;
    sp_arena_done(&e->arena);
    free(e);
}

static struct sp_ocsp_entry *find(const struct part *p, const uint8_t key[32])
{
    struct sp_ocsp_entry *e = *bucket(p, key);
    while (e && memcmp(e->key, key, sizeof(e->key)) != 0)
        e = e->next;
    return e;
}

/* NULL: all that may be kept are questions under way. */
static struct sp_ocsp_entry *add(struct part *p, const uint8_t key[32])
{
    if (p->n == p->ocsp->max_cached && sp_list_empty(&p->lru))
        return NULL;
    if (p->n == p->ocsp->max_cached)
        forget(SP_CONTAINER_OF(p->lru.prev, struct sp_ocsp_entry, lru));
    struct sp_ocsp_entry *e = sp_xcalloc(1, sizeof(*e)), **at = bucket(p, key);
    e->part = p;
    memcpy(e->key, key, sizeof(e->key));
    sp_list_init(&e->waiting);
    sp_arena_init(&e->arena);
    e->next = *at;
    *at = e;
    p->n++;
    return e;
}

static void give_back(struct sp_kept *k)
{
    struct sp_ocsp *o = SP_CONTAINER_OF(k, struct sp_ocsp, kept);
    for (unsigned w = 0; w < WORKERS; w++) {
        struct part *p = atomic_load_explicit(&o->parts[w], memory_order_acquire);
        if (!p)
            continue;
        while (!sp_list_empty(&p->lru))
            forget(SP_CONTAINER_OF(p->lru.next, struct sp_ocsp_entry, lru));
        assert(p->n == 0);
        free(p->buckets);
        free(p);
    }
    sp_cluster_unref(o->cluster);
    sp_arena_done(&o->arena);
    free(o);
}

void sp_ocsp_free(struct sp_ocsp *o)
{
    if (o)
        sp_kept_unref(&o->kept);
}

/* ---- question and answer ---- */

static int64_t now_s(const struct part *p)
{
    return p->worker->turn.wall_ns / (int64_t)SP_NS_PER_S;
}

/* No outcome: what that means is the policy's affair. */
static void undecided(struct sp_ocsp_entry *e, struct sp_counter counter, const char *why, int64_t until)
{
    sp_counter_inc(counter);
    e->verdict = e->part->ocsp->soft ? SP_OCSP_PASSES : SP_OCSP_REFUSES;
    e->why = why;
    e->until = until;
}

static void decide(struct sp_ocsp_entry *e, unsigned status, struct sp_buf *body)
{
    struct sp_ocsp *o = e->part->ocsp;
    struct sp_ocsp_check check = {.id = &e->id, .issuer = &e->issuer, .nonce = o->nonce ? e->nonce : NULL, .now = now_s(e->part),
                                  .max_age = o->max_age_s};
    struct sp_ocsp_answer a;
    const char *why = NULL;
    char *der = sp_arena_alloc(&e->arena, body->len + 1);
    size_t n = sp_buf_peek(body, der, body->len);
    if (status != 200) {
        undecided(e, o->failed, status ? "the OCSP responder refuses" : "the OCSP responder does not answer", check.now + FAILED_S);
        return;
    }
    if (sp_ocsp_read(sp_str_n(der, n), &check, &a, &why) < 0) {
        undecided(e, o->failed, "the OCSP responder's answer does not count", check.now + FAILED_S);
        return;
    }
    int64_t until = a.next_update ? SP_MIN(a.next_update, check.now + o->max_age_s) : check.now + o->max_age_s;
    if (a.status == SP_OCSP_UNKNOWN) {
        undecided(e, o->unknown, "the OCSP responder does not know it", until);
        return;
    }
    sp_counter_inc(a.status == SP_OCSP_GOOD ? o->good : o->revoked);
    e->verdict = a.status == SP_OCSP_GOOD ? SP_OCSP_PASSES : SP_OCSP_REFUSES;
    e->why = a.status == SP_OCSP_GOOD ? NULL : "the OCSP responder says that it is revoked";
    e->until = until;
}

static void tell(struct sp_ocsp_wait *w, const struct sp_ocsp_entry *e)
{
    w->verdict = e->verdict;
    w->why = e->why;
    w->until = e->until;
}

static void on_answer(void *ctx, unsigned status, const struct sp_headers *h, struct sp_buf *body, enum sp_abort why)
{
    struct sp_ocsp_entry *e = ctx;
    (void)h;
    (void)why;
    e->call = NULL;
    decide(e, status, body);
    sp_arena_done(&e->arena);
    sp_list_push_front(&e->part->lru, &e->lru);
    /* They may do anything, even ask and so evict this entry: nothing of it is looked at once the last has been told. */
    struct sp_list told;
    sp_list_init(&told);
    while (!sp_list_empty(&e->waiting)) {
        struct sp_ocsp_wait *w = SP_CONTAINER_OF(e->waiting.next, struct sp_ocsp_wait, link);
        sp_list_remove(&w->link);
        w->entry = NULL;
        tell(w, e);
        sp_list_push_back(&told, &w->link);
    }
    while (!sp_list_empty(&told)) {
        struct sp_ocsp_wait *w = SP_CONTAINER_OF(told.next, struct sp_ocsp_wait, link);
        sp_list_remove(&w->link);
        w->done(w);
    }
}

static void ask(struct sp_ocsp_entry *e, const struct sp_x509 *cert, const struct sp_x509 *issuer)
{
    const struct sp_ocsp *o = e->part->ocsp;
    const char *why;
    int r = sp_x509_parse(sp_arena_str(&e->arena, issuer->der), &e->arena, &e->issuer, &why);
    assert(r == 0); /* it was read before */
    (void)r;
    sp_ocsp_id(cert, issuer, &e->id);
    e->id.serial = sp_arena_str(&e->arena, cert->serial);
    if (o->nonce)
        sp_random_bytes(e->nonce, sizeof(e->nonce));
    const struct sp_header headers[] = {
        {.name = SP_STR_INIT("content-type"), .value = SP_STR_INIT("application/ocsp-request")},
        {.name = SP_STR_INIT("accept"), .value = SP_STR_INIT("application/ocsp-response")},
    };
    const struct sp_http_request request = {
        .method = SP_STR("POST"),
        .scheme = sp_cluster_tls(o->cluster) ? SP_STR("https") : SP_STR("http"),
        .authority = o->authority,
        .path = o->path,
        .headers = headers,
        .n_headers = SP_ARRAY_LEN(headers),
        .body = sp_ocsp_request(&e->id, o->nonce ? e->nonce : NULL, &e->arena),
        .timeout_ns = o->timeout_ns,
        .max_body = SP_OCSP_MAX_RESPONSE,
    };
    sp_counter_inc(o->asked);
    e->call = sp_http_call_start(o->cluster, e->part->worker, &request, on_answer, e);
}

static void key_of(const struct sp_x509 *cert, const struct sp_x509 *issuer, uint8_t out[32])
{
    uint8_t both[64];
    sp_sha256(issuer->der, both);
    sp_sha256(cert->serial, both + 32);
    sp_sha256(sp_str_n((const char *)both, sizeof(both)), out);
}

static enum sp_ocsp_verdict cannot(struct sp_ocsp *o, struct sp_ocsp_wait *w, const char *why, int64_t until)
{
    sp_counter_inc(o->failed);
    w->why = why;
    w->until = until;
    return w->verdict = o->soft ? SP_OCSP_PASSES : SP_OCSP_REFUSES;
}

enum sp_ocsp_verdict sp_ocsp_ask(struct sp_ocsp *o, struct sp_worker *worker, const struct sp_x509 *cert,
                                 const struct sp_x509 *issuer, struct sp_ocsp_wait *w)
{
    assert(o && worker && cert && w && w->done && !w->entry);
    uint8_t key[32];
    if (!issuer)
        return cannot(o, w, "nobody can be asked about a certificate that is trusted itself", INT64_MAX);
    if (worker->index >= WORKERS)
        return cannot(o, w, "this worker keeps no OCSP answers", 0);
    struct part *p = part_of(o, worker);
    key_of(cert, issuer, key);
    struct sp_ocsp_entry *e = find(p, key);
    if (e && !e->call && now_s(p) > e->until) {
        forget(e);
        e = NULL;
    }
    if (e && !e->call) {
        sp_counter_inc(o->cached);
        sp_list_remove(&e->lru);
        sp_list_push_front(&p->lru, &e->lru);
        tell(w, e);
        return w->verdict;
    }
    if (!e) {
        e = add(p, key);
        if (!e)
            return cannot(o, w, "too many OCSP questions are under way", 0);
        ask(e, cert, issuer);
    }
    w->entry = e;
    sp_list_push_back(&e->waiting, &w->link);
    return w->verdict = SP_OCSP_ASKING;
}

void sp_ocsp_cancel(struct sp_ocsp_wait *w)
{
    assert(w);
    if (sp_list_linked(&w->link))
        sp_list_remove(&w->link);
    struct sp_ocsp_entry *e = w->entry;
    w->entry = NULL;
    if (!e || !sp_list_empty(&e->waiting))
        return;
    sp_http_call_cancel(e->call); /* nobody is left to be told, and none may be under way when the config goes */
    e->call = NULL;
    forget(e);
}
