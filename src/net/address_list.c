/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/address_list.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

typedef Sallyport__Common__V1__AddressList Message;

enum { DEFAULT_SHRINK = 50 };

struct sp_address_list {
    _Atomic unsigned refs;
    struct sp_arena arena;
    struct sp_str name;
    const char *path;
    enum sp_cdn_format format;
    struct sp_cdn_select select;
    unsigned max_shrink;
    struct sp_live *live;
    /* Main thread. */
    const void *seen; /* the value that was counted last */
    struct sp_gauge entries, age;
    struct sp_counter ok, refused;
};

/* What a reading gives. */
struct value {
    struct sp_address_list *list;
    struct sp_cidr_table *table;
    uint64_t written; /* Unix time of the file */
};

static enum sp_cdn_format format_of(const Message *msg)
{
    return (enum sp_cdn_format)msg->format;
}
_Static_assert((int)SALLYPORT__COMMON__V1__ADDRESS_LIST__FORMAT__PLAIN == (int)SP_CDN_PLAIN &&
                   (int)SALLYPORT__COMMON__V1__ADDRESS_LIST__FORMAT__AWS_IP_RANGES == (int)SP_CDN_AWS_IP_RANGES &&
                   (int)SALLYPORT__COMMON__V1__ADDRESS_LIST__FORMAT__CLOUDFLARE == (int)SP_CDN_CLOUDFLARE &&
                   (int)SALLYPORT__COMMON__V1__ADDRESS_LIST__FORMAT__FASTLY == (int)SP_CDN_FASTLY &&
                   (int)SALLYPORT__COMMON__V1__ADDRESS_LIST__FORMAT__AZURE_SERVICE_TAGS ==
                       (int)SP_CDN_AZURE_SERVICE_TAGS &&
                   (int)SALLYPORT__COMMON__V1__ADDRESS_LIST__FORMAT__GOOGLE == (int)SP_CDN_GOOGLE &&
                   (int)SALLYPORT__COMMON__V1__ADDRESS_LIST__FORMAT__AKAMAI_SITE_SHIELD ==
                       (int)SP_CDN_AKAMAI_SITE_SHIELD,
               "the formats have the same numbers in the API and here");

/* --- reading */

/* The whole of `fd`, which has `size` bytes unless it grows; -EFBIG when over the limit. */
static int read_all(int fd, size_t size, char **ret_text, size_t *ret_len)
{
    size_t cap = SP_MIN(size, (size_t)SP_CDN_MAX_BYTES) + 1, n = 0;
    char *text = sp_xmalloc(cap);
    for (;;) {
        ssize_t got = read(fd, text + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || (n += (size_t)got) > SP_CDN_MAX_BYTES) {
            int err = got < 0 ? -errno : got ? -EFBIG : 0;
            if (err)
                free(text);
            else
                *ret_text = text;
            *ret_len = n;
            return err;
        }
        if (n == cap) {
            cap = SP_MIN(cap * 2, (size_t)SP_CDN_MAX_BYTES + 1);
            text = sp_xrealloc(text, cap);
        }
    }
}

static int read_file(const char *path, char **ret_text, size_t *ret_len, uint64_t *ret_written)
{
    struct stat st;
    int err, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        err = -errno;
    else if (!S_ISREG(st.st_mode))
        err = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    else
        err = read_all(fd, (size_t)st.st_size, ret_text, ret_len);
    if (err == 0)
        *ret_written = (uint64_t)st.st_mtim.tv_sec;
    close(fd);
    return err;
}

/* Whether one range of `t` contains all of `c`; now and then a range that does is missed. */
static bool covered(const struct sp_cidr_table *t, const struct sp_cidr *c)
{
    struct sp_cidr found;
    struct sp_addr first = {.family = c->family}, last;
    unsigned width = c->family == AF_INET ? 32 : 128;
    memcpy(first.ip, c->ip, 16);
    last = first;
    for (unsigned bit = c->bits; bit < width; bit++)
        last.ip[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
    return (sp_cidr_table_find(t, &first, &found, NULL) && found.bits <= c->bits) ||
           (sp_cidr_table_find(t, &last, &found, NULL) && found.bits <= c->bits);
}

/* Fewer ranges do not matter where they were only joined. */
static bool shrank(const struct value *old, const struct value *fresh, unsigned max_percent, unsigned *ret_lost)
{
    uint64_t before = sp_cidr_table_count(old->table), after = sp_cidr_table_count(fresh->table), lost = 0;
    if (after >= before || (before - after) * 100 <= before * max_percent)
        return false;
    for (unsigned i = 0; i < before; i++)
        lost += !covered(fresh->table, sp_cidr_table_at(old->table, i));
    *ret_lost = (unsigned)lost;
    return lost * 100 > before * max_percent;
}

/*
 * Whether the ranges of a family are more than half of its addresses (IPv6: of 2000::/3, all that is in use): 256 ranges
 * of /8 are as much everyone as 0.0.0.0/0 is.  They come sorted, a range before those inside it.
 */
static bool covers_half(const struct sp_cidr_table *t, int family)
{
    double share = 0; /* of all addresses */
    const struct sp_cidr *outer = NULL;
    for (unsigned i = 0; i < sp_cidr_table_count(t); i++) {
        const struct sp_cidr *c = sp_cidr_table_at(t, i);
        struct sp_addr first = {.family = c->family};
        memcpy(first.ip, c->ip, 16);
        if (c->family != family || (outer && sp_cidr_contains(outer, &first)))
            continue;
        outer = c;
        share += ldexp(1, -(int)c->bits);
    }
    return share > (family == AF_INET ? 1.0 / 2 : 1.0 / 16);
}

static void value_free(void *p)
{
    struct value *v = p;
    sp_cidr_table_free(v->table);
    sp_address_list_unref(v->list);
    free(v);
}

static struct value *value_new(const struct sp_cdn_ranges *ranges, uint64_t written)
{
    struct value *v = sp_xcalloc(1, sizeof(*v));
    v->written = written;
    v->table = sp_cidr_table_new();
    for (unsigned i = 0; i < ranges->n; i++)
        sp_cidr_table_add(v->table, &ranges->v[i], 0);
    sp_cidr_table_build(v->table);
    return v;
}

static struct value *parse(struct sp_address_list *l, struct sp_str text, uint64_t written, const struct value *old,
                           char why[SP_CDN_WHY])
{
    struct sp_cdn_ranges ranges;
    if (!sp_cdn_parse(l->format, &l->select, text, &ranges, why))
        return NULL;
    struct value *v = value_new(&ranges, written);
    sp_cdn_ranges_done(&ranges);
    unsigned lost;
    bool everyone = covers_half(v->table, AF_INET) || covers_half(v->table, AF_INET6);
    if (!everyone && (!old || !shrank(old, v, l->max_shrink, &lost))) {
        atomic_fetch_add(&l->refs, 1);
        v->list = l;
        return v;
    }
    if (everyone)
        snprintf(why, SP_CDN_WHY, "its ranges together are more than half of all addresses: that tells no one apart");
    else
        snprintf(why, SP_CDN_WHY, "%u of its %u ranges would be lost, more than max_shrink_percent %u allows (a restart "
                                  "takes it)", lost, sp_cidr_table_count(old->table), l->max_shrink);
    value_free(v);
    return NULL;
}

/* NULL, and `why`. */
static struct value *read_list(struct sp_address_list *l, const struct value *old, char why[SP_CDN_WHY])
{
    char *text = NULL, system[128];
    size_t len = 0;
    uint64_t written = 0;
    int err = read_file(l->path, &text, &len, &written);
    if (err == -EFBIG) {
        snprintf(why, SP_CDN_WHY, "larger than %d MiB", SP_CDN_MAX_BYTES >> 20);
        return NULL;
    }
    if (err < 0) {
        snprintf(why, SP_CDN_WHY, "cannot be read: %s (check the path and its permissions)",
                 err == -EINVAL ? "not a regular file" : strerror_r(-err, system, sizeof(system)));
        return NULL;
    }
    struct value *v = parse(l, sp_str_n(text, len), written, old, why);
    free(text);
    return v;
}

static void *load(void *ctx, const void *old, struct sp_diag *diag)
{
    struct sp_address_list *l = ctx;
    char why[SP_CDN_WHY];
    struct value *v = read_list(l, old, why);
    if (!v)
        sp_diag_add(diag, SP_ERROR, (struct sp_mark){0}, NULL, "%s: %s", l->path, why);
    return v;
}

static uint64_t age_of(const struct value *v)
{
    uint64_t now = (uint64_t)time(NULL);
    return now > v->written ? now - v->written : 0;
}

static void set_gauges(void *ctx, const void *value)
{
    struct sp_address_list *l = ctx;
    const struct value *v = value;
    sp_gauge_set(l->entries, sp_cidr_table_count(v->table));
    sp_gauge_set(l->age, age_of(v));
}

static void tried(void *ctx, const void *value, bool ok)
{
    struct sp_address_list *l = ctx;
    if (!ok) {
        sp_counter_inc(l->refused);
        return;
    }
    if (l->seen && l->seen != value)
        sp_counter_inc(l->ok);
    l->seen = value;
    set_gauges(l, value);
}

const struct sp_live_kind sp_address_list_kind = {
    .name = "address list", .load = load, .free = value_free, .tried = tried, .gauges = set_gauges};

/* --- the config */

static const struct sp_str *copy_texts(struct sp_arena *arena, char *const *texts, size_t n)
{
    struct sp_str *v = sp_arena_alloc(arena, n * sizeof(*v));
    for (size_t i = 0; i < n; i++)
        v[i] = sp_arena_str(arena, sp_str_c(texts[i]));
    return v;
}

static bool selectors_ok(const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    enum sp_cdn_format format = format_of(msg);
    bool good = true;
    const struct {
        const char *field;
        size_t n;
        bool has;
    } kinds[] = {{"services", msg->n_services, sp_cdn_has_services(format)},
                 {"regions", msg->n_regions, sp_cdn_has_regions(format)}};
    for (size_t i = 0; i < SP_ARRAY_LEN(kinds); i++) {
        if (kinds[i].n && !kinds[i].has) {
            sp_doc_err(doc, diag, msg, kinds[i].field, -1, "lists of this format have no %s to select by (drop it)",
                       kinds[i].field);
            good = false;
        } else if (kinds[i].n > SP_CDN_MAX_SELECTORS) {
            sp_doc_err(doc, diag, msg, kinds[i].field, -1, "more than %d", SP_CDN_MAX_SELECTORS);
            good = false;
        }
    }
    if ((format == SP_CDN_AWS_IP_RANGES || format == SP_CDN_AZURE_SERVICE_TAGS) && !msg->n_services)
        sp_doc_warn(doc, diag, msg, NULL, -1, "without services it holds the whole cloud, where anyone can rent a "
                    "machine (CDNs: %s)", format == SP_CDN_AWS_IP_RANGES ? "CLOUDFRONT_ORIGIN_FACING"
                                                                         : "AzureFrontDoor.Backend");
    return good;
}

static void count_by(struct sp_address_list *l, struct sp_stats_scope *gate)
{
    struct sp_stats_scope *scope = sp_stats_scope(gate, SP_STR("list"), "sallyport_list", l->name);
    l->entries = sp_stats_gauge(scope, SP_STR("entries"));
    l->age = sp_stats_gauge(scope, SP_STR("age_seconds"));
    l->ok = sp_stats_counter(scope, SP_STR("reload_ok"));
    l->refused = sp_stats_counter(scope, SP_STR("reload_refused"));
}

/* The file is watched before it is read, so that no change goes unnoticed. */
static bool first_load(struct sp_address_list *l, const struct sp_doc *doc, struct sp_diag *diag, const char *gate,
                       const Message *msg)
{
    char why[SP_CDN_WHY];
    struct sp_str label = sp_arena_printf(&l->arena, "%s %s", gate, msg->name);
    l->live = sp_live_new(sp_doc_live(doc), &sp_address_list_kind, label, l, NULL);
    sp_live_watch(l->live, l->path);
    struct value *v = read_list(l, NULL, why);
    if (v)
        sp_live_publish(l->live, v);
    else
        sp_doc_err(doc, diag, msg, "path", -1, "%s: %s", l->path, why);
    return v != NULL;
}

struct sp_address_list *sp_address_list_new(const struct sp_doc *doc, struct sp_diag *diag, const char *gate,
                                            struct sp_stats_scope *scope, const Message *msg)
{
    assert(doc && diag && gate && scope && msg);
    if (!selectors_ok(doc, diag, msg))
        return NULL;
    struct sp_address_list *l = sp_xcalloc(1, sizeof(*l));
    atomic_store(&l->refs, 1);
    sp_arena_init(&l->arena);
    l->name = sp_arena_str(&l->arena, sp_str_c(msg->name));
    l->path = sp_arena_str(&l->arena, sp_str_c(msg->path)).ptr;
    l->format = format_of(msg);
    l->max_shrink = msg->max_shrink_percent ? msg->max_shrink_percent->value : DEFAULT_SHRINK;
    l->select = (struct sp_cdn_select){
        copy_texts(&l->arena, msg->services, msg->n_services),
        copy_texts(&l->arena, msg->regions, msg->n_regions),
        (unsigned)msg->n_services,
        (unsigned)msg->n_regions,
    };
    count_by(l, scope);
    if (first_load(l, doc, diag, gate, msg))
        return l;
    sp_address_list_unref(l);
    return NULL;
}

void sp_address_list_unref(struct sp_address_list *l)
{
    if (!l || atomic_fetch_sub(&l->refs, 1) != 1)
        return;
    sp_arena_done(&l->arena);
    free(l);
}

struct sp_str sp_address_list_name(const struct sp_address_list *l)
{
    assert(l);
    return l->name;
}

struct sp_live *sp_address_list_live(const struct sp_address_list *l)
{
    assert(l);
    return l->live;
}

bool sp_address_list_find(const struct sp_address_list *l, const struct sp_addr *a, struct sp_cidr *ret_range)
{
    assert(l && a);
    const struct value *v = sp_live_get(l->live);
    return sp_cidr_table_find(v->table, a, ret_range, NULL);
}

int64_t sp_address_list_age_s(const struct sp_address_list *l, unsigned *ret_entries)
{
    assert(l && ret_entries);
    const struct value *v = sp_live_get(l->live);
    *ret_entries = sp_cidr_table_count(v->table);
    return (int64_t)age_of(v);
}
