/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/local_buckets.h"

#include <assert.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "config/keep.h"
#include "filters/place.h"

typedef Envoy__Extensions__Filters__Http__LocalRatelimit__V3__LocalRateLimit Message;
typedef Envoy__Extensions__Common__Ratelimit__V3__LocalRateLimitDescriptor Descriptor;

enum { DEFAULT_KEYS = 16384, FILL_MIN_MS = 50 };

/* Each in a cache line of its own. */
struct cell {
    _Alignas(SP_CACHELINE) sp_token_word word;
};

struct bucket {
    struct sp_token_rate rate;
    struct cell *cell;              /* the one bucket; NULL: there is a table */
    struct sp_token_table *table;
    struct sp_descriptor entries;   /* what it is for; none: the default bucket */
    bool shadow;                    /* on trial: it refuses nothing */
    bool wild;                      /* some of its values are empty: any value */
};

struct sp_local_buckets {
    struct sp_kept kept;
    struct sp_arena arena;
    struct cell *cells;
    struct bucket *common;          /* token_bucket; NULL: none */
    struct bucket *v;               /* n of them, those with empty values behind the others */
    unsigned n, n_exact;
    struct sp_map exact;            /* by sp_descriptor_text */
    bool per_connection, always_common;
};

/* A bucket that a request has to take from. */
struct match {
    struct bucket *bucket;
    const struct sp_descriptor *of;
};

static bool rate(struct bucket *b, const struct sp_filter_build *build, const Envoy__Type__V3__TokenBucket *msg)
{
    const Google__Protobuf__Duration *fill = msg->fill_interval;
    if (fill->seconds == 0 && fill->nanos < FILL_MIN_MS * (int)SP_NS_PER_MS) {
        sp_doc_err(build->doc, build->diag, msg, "fill_interval", -1, "less than 50 ms (take a longer one, with more tokens_per_fill)");
        return false;
    }
    return sp_token_rate_init(&b->rate, build->doc, build->diag, msg);
}

static struct sp_descriptor entries_of(struct sp_arena *arena, const Descriptor *msg, bool *ret_wild)
{
    struct sp_descriptor_entry *v = sp_arena_alloc(arena, msg->n_entries * sizeof(*v));
    *ret_wild = false;
    for (size_t i = 0; i < msg->n_entries; i++) {
        v[i].key = sp_arena_str(arena, sp_str_c(msg->entries[i]->key));
        v[i].value = sp_arena_str(arena, sp_str_c(msg->entries[i]->value));
        *ret_wild |= !v[i].value.len;
    }
    return (struct sp_descriptor){.v = v, .n = (unsigned)msg->n_entries};
}

static bool add(struct sp_local_buckets *b, const struct sp_filter_build *build, const Descriptor *msg, bool wild,
                struct sp_map *seen)
{
    bool is_wild;
    struct sp_descriptor entries = entries_of(&b->arena, msg, &is_wild);
    if (is_wild != wild)
        return true;
    struct bucket *x = &b->v[b->n++];
    x->entries = entries;
    x->wild = wild;
    x->shadow = msg->shadow_mode;
    struct sp_str text = sp_descriptor_text(&entries, &b->arena);
    if (!sp_map_add(seen, text, x)) {
        sp_doc_err(build->doc, build->diag, msg, "entries", -1, "a descriptor above has the same (one bucket for each)");
        return false;
    }
    if (!wild)
        sp_map_add(&b->exact, text, x);
    return rate(x, build, msg->token_bucket);
}

static bool add_all(struct sp_local_buckets *b, const struct sp_filter_build *build, const Message *msg)
{
    struct sp_map seen;
    bool good = true;
    sp_map_init(&seen);
    for (int wild = 0; wild < 2; wild++) {
        for (size_t i = 0; i < msg->n_descriptors; i++)
            good = add(b, build, msg->descriptors[i], wild, &seen) && good;
        if (!wild)
            b->n_exact = b->n;
    }
    sp_map_done(&seen);
    return good;
}

static void make_cells(struct sp_local_buckets *b, unsigned n_keys)
{
    size_t size = (b->n + 1) * sizeof(*b->cells);
    b->cells = sp_xaligned(size);
    memset(b->cells, 0, size);
    for (unsigned i = 0; i <= b->n; i++) {
        struct bucket *x = i < b->n ? &b->v[i] : b->common;
        if (!x)
            continue;
        if (x->wild || b->per_connection)
            x->table = sp_token_table_new(n_keys);
        else
            x->cell = &b->cells[i];
    }
}

static void give_back(struct sp_kept *k)
{
    struct sp_local_buckets *b = SP_CONTAINER_OF(k, struct sp_local_buckets, kept);
    for (unsigned i = 0; i < b->n; i++)
        sp_token_table_free(b->v[i].table);
    if (b->common)
        sp_token_table_free(b->common->table);
    free(b->cells);
    sp_map_done(&b->exact);
    sp_arena_done(&b->arena);
    free(b);
}

static const struct sp_kept_kind kind = {"local rate limit", give_back};

static struct sp_local_buckets *make(const struct sp_filter_build *build, const Message *msg)
{
    struct sp_local_buckets *b = sp_xcalloc(1, sizeof(*b));
    bool good = true;
    sp_kept_init(&b->kept, &kind);
    sp_arena_init(&b->arena);
    sp_map_init(&b->exact);
    b->per_connection = msg->local_rate_limit_per_downstream_connection;
    b->always_common = !msg->always_consume_default_token_bucket || msg->always_consume_default_token_bucket->value;
    b->v = sp_arena_zalloc(&b->arena, (msg->n_descriptors + 1) * sizeof(*b->v));
    if (msg->token_bucket) {
        b->common = sp_arena_zalloc(&b->arena, sizeof(*b->common));
        good = rate(b->common, build, msg->token_bucket);
    }
    good = add_all(b, build, msg) && good;
    if (!good) {
        sp_local_buckets_free(b);
        return NULL;
    }
    make_cells(b, msg->max_dynamic_descriptors ? msg->max_dynamic_descriptors->value : DEFAULT_KEYS);
    return b;
}

/* Whatever else of the filter changes: only its buckets say who has how much left. */
struct sp_local_buckets *sp_local_buckets_new(const struct sp_filter_build *build, const Message *msg)
{
    static const char *const others[] = {"stat_prefix", "status", "filter_enabled", "filter_enforced",
                                         "request_headers_to_add_when_not_enforced", "response_headers_to_add", "stage",
                                         "enable_x_ratelimit_headers", "vh_rate_limits", "rate_limited_as_resource_exhausted",
                                         "rate_limits", NULL};
    struct sp_hash place;
    assert(build && msg);
    sp_filter_place(build, "local_ratelimit", msg, others, &place);
    struct sp_kept *k = sp_keep_find(&kind, &place);
    if (k)
        return SP_CONTAINER_OF(k, struct sp_local_buckets, kept);
    struct sp_local_buckets *b = make(build, msg);
    if (b)
        sp_keep_add(&b->kept, &kind, &place);
    return b;
}

void sp_local_buckets_free(struct sp_local_buckets *b)
{
    if (b)
        sp_kept_unref(&b->kept);
}

/* --- a request --- */

static bool fits(const struct sp_descriptor *wild, const struct sp_descriptor *d)
{
    if (wild->n != d->n)
        return false;
    for (unsigned i = 0; i < d->n; i++)
        if (!sp_str_eq(wild->v[i].key, d->v[i].key) ||
            (wild->v[i].value.len && !sp_str_eq(wild->v[i].value, d->v[i].value)))
            return false;
    return true;
}

static struct bucket *find(struct sp_local_buckets *b, const struct sp_descriptor *d, struct sp_arena *arena)
{
    struct bucket *x = b->n_exact ? sp_map_get(&b->exact, sp_descriptor_text(d, arena)) : NULL;
    for (unsigned i = b->n_exact; !x && i < b->n; i++)
        if (fits(&b->v[i].entries, d))
            x = &b->v[i];
    return x;
}

/* Slowest first: tokens of fast buckets are not spent on what a slow one refuses. */
static void insert(struct match *v, unsigned n, struct match x)
{
    while (n && v[n - 1].bucket->rate.cost < x.bucket->rate.cost) {
        v[n] = v[n - 1];
        n--;
    }
    v[n] = x;
}

static struct sp_str key_of(const struct sp_local_buckets *b, const struct match *m, uint64_t conn, struct sp_arena *arena)
{
    struct sp_str text = m->bucket->wild ? sp_descriptor_text(m->of, arena) : SP_STR("");
    if (!b->per_connection)
        return text;
    char *key = sp_arena_alloc(arena, sizeof(conn));
    memcpy(key, &conn, sizeof(conn));
    return sp_arena_cat(arena, sp_str_n(key, sizeof(conn)), text);
}

static bool take(struct sp_local_buckets *b, const struct match *m, uint64_t conn, uint64_t now_ns, struct sp_arena *arena,
                 struct sp_local_verdict *v)
{
    bool taken_over = false;
    sp_token_word *word = m->bucket->cell ? &m->bucket->cell->word
                                          : sp_token_table_get(m->bucket->table, key_of(b, m, conn, arena), now_ns, &taken_over);
    struct sp_token_left left;
    v->taken_over += taken_over;
    bool good = sp_token_take(&m->bucket->rate, word, now_ns, &left);
    /* Clients are told of the bucket that refused, or else of the first. */
    if (!good || !v->counted) {
        v->max = m->bucket->rate.max;
        v->left = left;
    }
    v->counted = true;
    v->shadowed += !good && m->bucket->shadow;
    return good || m->bucket->shadow;
}

struct sp_local_verdict sp_local_buckets_take(struct sp_local_buckets *b, const struct sp_descriptors *d, uint64_t conn,
                                              uint64_t now_ns, struct sp_arena *arena)
{
    assert(b && d && arena);
    struct sp_local_verdict v = {.allowed = true};
    struct match *matches = d->n ? sp_arena_alloc(arena, d->n * sizeof(*matches)) : NULL;
    unsigned n = 0;
    for (unsigned i = 0; i < d->n; i++) {
        struct bucket *x = find(b, &d->v[i], arena);
        if (x)
            insert(matches, n++, (struct match){x, &d->v[i]});
    }
    for (unsigned i = 0; i < n && v.allowed; i++)
        v.allowed = take(b, &matches[i], conn, now_ns, arena, &v);
    if (v.allowed && b->common && (!n || b->always_common))
        v.allowed = take(b, &(struct match){b->common, NULL}, conn, now_ns, arena, &v);
    return v;
}
