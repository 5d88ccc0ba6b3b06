/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.ip_tagging: names for the ranges that CLIENT is in, told to the origin in x-envoy-ip-tags or another
 * header.  Each range knows beforehand all tags of the ranges around it: a request costs one look-up.
 */
#include "envoy/extensions/filters/http/ip_tagging/v3/ip_tagging.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/doc.h"
#include "filters/gate.h"
#include "filters/registry.h"
#include "net/cidr.h"
#include "stats/stats.h"

typedef Envoy__Extensions__Filters__Http__IpTagging__V3__IPTagging Message;
typedef Envoy__Extensions__Filters__Http__IpTagging__V3__IPTagging__IPTag Tag;
#define REQUESTS(name) ENVOY__EXTENSIONS__FILTERS__HTTP__IP_TAGGING__V3__IPTAGGING__REQUEST_TYPE__##name
#define SANITIZE ENVOY__EXTENSIONS__FILTERS__HTTP__IP_TAGGING__V3__IPTAGGING__IP_TAG_HEADER__HEADER_ACTION__SANITIZE

enum { MAX_RANGES = 1 << 20 };

/* A range of the config, and then what all that contain it say together. */
struct range {
    struct sp_cidr cidr;
    unsigned tag;
};

struct group {
    struct sp_str text;   /* "a,b" */
    const unsigned *tags; /* n of them */
    unsigned n;
};

struct config {
    struct sp_arena arena;
    struct sp_cidr_table *table; /* value: index of a group */
    struct group *groups;
    struct sp_counter *hits; /* of each tag */
    struct sp_counter no_hit, total;
    struct sp_str header; /* a NULL slice: x-envoy-ip-tags */
    bool sanitize;
    int requests;
};

static void config_free(void *config)
{
    struct config *c = config;
    sp_cidr_table_free(c->table);
    sp_arena_done(&c->arena);
    free(c);
}

/* What contains another range stands before it. */
static int outer_first(const void *pa, const void *pb)
{
    const struct range *a = pa, *b = pb;
    if (a->cidr.family != b->cidr.family)
        return a->cidr.family < b->cidr.family ? -1 : 1;
    int r = memcmp(a->cidr.ip, b->cidr.ip, sizeof(a->cidr.ip));
    if (r)
        return r;
    if (a->cidr.bits != b->cidr.bits)
        return a->cidr.bits < b->cidr.bits ? -1 : 1;
    return a->tag < b->tag ? -1 : a->tag > b->tag;
}

static bool contains(const struct sp_cidr *outer, const struct sp_cidr *inner)
{
    struct sp_addr a = {.family = inner->family};
    memcpy(a.ip, inner->ip, sizeof(a.ip));
    return outer->bits <= inner->bits && sp_cidr_contains(outer, &a);
}

static bool same(const struct sp_cidr *a, const struct sp_cidr *b)
{
    return a->family == b->family && a->bits == b->bits && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* `tags` in the order of the config, each once. */
static struct group group_of(struct config *c, const Message *msg, unsigned *tags, unsigned n)
{
    for (unsigned i = 1; i < n; i++)
        for (unsigned k = i; k && tags[k] < tags[k - 1]; k--) {
            unsigned t = tags[k];
            tags[k] = tags[k - 1];
            tags[k - 1] = t;
        }
    unsigned *copy = sp_arena_alloc(&c->arena, (n + 1) * sizeof(*copy));
    struct group g = {.text = SP_STR(""), .tags = copy};
    for (unsigned i = 0; i < n; i++) {
        if (i && tags[i] == tags[i - 1])
            continue;
        copy[g.n++] = tags[i];
        g.text = sp_arena_printf(&c->arena, "%.*s%s%s", SP_STR_ARG(g.text), g.text.len ? "," : "",
                                 msg->ip_tags[tags[i]]->ip_tag_name);
    }
    return g;
}

/* Walks the ranges from the outer to the inner ones: `open` are those that contain the one at hand. */
static void fill_table(struct config *c, const Message *msg, struct range *v, unsigned n)
{
    unsigned *open = sp_xcalloc(n + 1, sizeof(*open)), n_open = 0, *tags = sp_xcalloc(n + 1, sizeof(*tags)), n_groups = 0;
    qsort(v, n, sizeof(*v), outer_first);
    c->table = sp_cidr_table_new();
    c->groups = sp_arena_zalloc(&c->arena, (n + 1) * sizeof(*c->groups));
    for (unsigned i = 0; i < n; i++) {
        while (n_open && !contains(&v[open[n_open - 1]].cidr, &v[i].cidr))
            n_open--;
        open[n_open++] = i;
        if (i + 1 < n && same(&v[i].cidr, &v[i + 1].cidr))
            continue; /* the last of its equals speaks for all */
        for (unsigned k = 0; k < n_open; k++)
            tags[k] = v[open[k]].tag;
        c->groups[n_groups] = group_of(c, msg, tags, n_open);
        sp_cidr_table_add(c->table, &v[i].cidr, n_groups++);
    }
    sp_cidr_table_build(c->table);
    free(open);
    free(tags);
}

static bool read_tag(const struct sp_filter_build *build, const Tag *msg, unsigned tag, struct range *v, unsigned *n)
{
    bool good = true;
    for (size_t i = 0; i < msg->n_ip_list; i++) {
        const char *why;
        const Envoy__Config__Core__V3__CidrRange *r = msg->ip_list[i];
        v[*n].tag = tag;
        if (sp_cidr_from_prefix(sp_str_c(r->address_prefix), r->prefix_len ? r->prefix_len->value : 0, &v[*n].cidr, &why) == 0) {
            ++*n;
            continue;
        }
        sp_doc_err(build->doc, build->diag, msg, "ip_list", (int)i, "%s", why);
        good = false;
    }
    return good;
}

static bool read_ranges(const struct sp_filter_build *build, const Message *msg, struct config *c)
{
    size_t most = 0;
    unsigned n = 0;
    bool good = true;
    for (size_t i = 0; i < msg->n_ip_tags; i++)
        most += msg->ip_tags[i]->n_ip_list;
    if (most > MAX_RANGES) {
        sp_doc_err(build->doc, build->diag, msg, "ip_tags", -1, "%zu ranges (at most %d)", most, MAX_RANGES);
        return false;
    }
    struct range *v = sp_xcalloc(most + 1, sizeof(*v));
    for (size_t i = 0; i < msg->n_ip_tags; i++)
        good &= read_tag(build, msg->ip_tags[i], (unsigned)i, v, &n);
    if (good)
        fill_table(c, msg, v, n);
    free(v);
    return good;
}

static void count(const struct sp_filter_build *build, const Message *msg, struct config *c)
{
    struct sp_stats_scope *scope = sp_stats_scope(build->scope, SP_STR("ip_tagging"), NULL, SP_STR_NULL);
    c->hits = sp_arena_zalloc(&c->arena, (msg->n_ip_tags + 1) * sizeof(*c->hits));
    for (size_t i = 0; i < msg->n_ip_tags; i++)
        c->hits[i] = sp_stats_counter(scope, sp_arena_cat(&c->arena, sp_str_c(msg->ip_tags[i]->ip_tag_name), SP_STR(".hit")));
    c->no_hit = sp_stats_counter(scope, SP_STR("no_hit"));
    c->total = sp_stats_counter(scope, SP_STR("total"));
}

static void *config_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    sp_arena_init(&c->arena);
    c->requests = (int)msg->request_type;
    bool good = read_ranges(build, msg, c);
    if (msg->ip_tag_header) {
        c->header = sp_gate_header_name(build, &c->arena, msg->ip_tag_header, "header", msg->ip_tag_header->header);
        c->sanitize = msg->ip_tag_header->action == SANITIZE;
        good &= c->header.ptr != NULL;
    }
    if (!good) {
        config_free(c);
        return NULL;
    }
    count(build, msg, c);
    return c;
}

static bool looks_at(const struct config *c, const struct sp_headers *h)
{
    bool internal = sp_str_eq(sp_headers_get_id(h, SP_H_X_ENVOY_INTERNAL), SP_STR("true"));
    return c->requests == REQUESTS(BOTH) || (c->requests == REQUESTS(INTERNAL)) == internal;
}

/* The first line's value with the tags behind it, or a line of its own. */
static void append(struct sp_headers *h, struct sp_str name, struct sp_str tags)
{
    struct sp_header *line = sp_headers_find(h, name, NULL);
    if (!line || !line->value.len)
        sp_headers_set(h, name, tags);
    else
        line->value = sp_arena_printf(h->arena, "%.*s,%.*s", SP_STR_ARG(line->value), SP_STR_ARG(tags));
}

static void tell(const struct config *c, struct sp_headers *h, struct sp_str tags)
{
    if (!c->header.ptr) {
        append(h, sp_header_name(SP_H_X_ENVOY_IP_TAGS), tags);
    } else if (c->sanitize) {
        sp_headers_remove_lookalikes(h, c->header);
        sp_headers_set(h, c->header, tags);
    } else {
        append(h, c->header, tags);
    }
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct config *c = f->config;
    const struct sp_stream_info *info = sp_filter_info(f);
    uint32_t at;
    if (!looks_at(c, h)) {
        if (c->sanitize && sp_headers_remove_alike(h, c->header))
            sp_filter_clear_route(f);
        return SP_CONTINUE;
    }
    sp_counter_inc(c->total);
    if (info->client_failed || !sp_cidr_table_find(c->table, &info->client, NULL, &at)) {
        sp_counter_inc(c->no_hit);
        if (c->sanitize && sp_headers_remove_alike(h, c->header))
            sp_filter_clear_route(f);
        return SP_CONTINUE;
    }
    const struct group *g = &c->groups[at];
    for (unsigned i = 0; i < g->n; i++)
        sp_counter_inc(c->hits[g->tags[i]]);
    tell(c, h, g->text);
    sp_filter_clear_route(f);
    return SP_CONTINUE;
}

static void sanitize(const void *config, struct sp_headers *h)
{
    const struct config *c = config;
    if (c->sanitize)
        sp_headers_remove_alike(h, c->header);
}

const struct sp_filter_ops sp_ip_tagging_ops = {
    .name = "ip_tagging",
    .type_url = "envoy.extensions.filters.http.ip_tagging.v3.IPTagging",
    .not_staged = "it never refuses",
    .size = sizeof(struct sp_filter),
    .config_new = config_new,
    .config_free = config_free,
    .sanitize = sanitize,
    .decode_headers = decode_headers,
};
