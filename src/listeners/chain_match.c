/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listeners/chain_match.h"

#include <assert.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "net/cidr.h"

typedef Envoy__Config__Listener__V3__FilterChainMatch Message;
typedef Envoy__Config__Core__V3__CidrRange Range;

enum level { PORT, LOCAL, NAME, TRANSPORT, ALPN, DIRECT, TYPE, SOURCE, SOURCE_PORT, LEAF };

/* One step: what a value leads to. `any` is where those go that do not care. */
struct node {
    struct sp_map map;            /* names, and ports as two bytes */
    struct sp_cidr *ranges;       /* of an address level */
    struct node **range_nodes;
    unsigned n_ranges;
    struct sp_cidr_table *table;
    struct node *any;
    const void *chain;            /* LEAF */
};

struct sp_chain_match {
    struct sp_arena arena;
    struct node *root;
    struct node **all;
    unsigned n_all, cap_all;
    bool inspects, built;
};

/* What one chain asks for: at each level a list of values, or none. */
struct values {
    struct sp_str *texts;
    struct sp_cidr *ranges;
    size_t n;
};

struct adding {
    struct sp_chain_match *m;
    struct values v[LEAF];
    const void *chain;
    bool twice;
};

static struct node *node_new(struct sp_chain_match *m)
{
    struct node *n = sp_arena_zalloc(&m->arena, sizeof(*n));
    sp_map_init(&n->map);
    if (m->n_all == m->cap_all) {
        m->cap_all = m->cap_all ? m->cap_all * 2 : 32;
        m->all = sp_xrealloc(m->all, m->cap_all * sizeof(struct node *));
    }
    m->all[m->n_all++] = n;
    return n;
}

struct sp_chain_match *sp_chain_match_new(void)
{
    struct sp_chain_match *m = sp_xcalloc(1, sizeof(*m));
    sp_arena_init(&m->arena);
    m->root = node_new(m);
    return m;
}

void sp_chain_match_free(struct sp_chain_match *m)
{
    if (!m)
        return;
    for (unsigned i = 0; i < m->n_all; i++) {
        struct node *n = m->all[i];
        sp_map_done(&n->map);
        sp_cidr_table_free(n->table);
        free(n->ranges);
        free(n->range_nodes);
    }
    free(m->all);
    sp_arena_done(&m->arena);
    free(m);
}

static bool same_range(const struct sp_cidr *a, const struct sp_cidr *b)
{
    return a->family == b->family && a->bits == b->bits && memcmp(a->ip, b->ip, 16) == 0;
}

static struct node *at_text(struct sp_chain_match *m, struct node *n, struct sp_str key)
{
    struct node *to = sp_map_get(&n->map, key);
    if (!to) {
        to = node_new(m);
        sp_map_add(&n->map, key, to);
    }
    return to;
}

static struct node *at_range(struct sp_chain_match *m, struct node *n, const struct sp_cidr *c)
{
    for (unsigned i = 0; i < n->n_ranges; i++)
        if (same_range(&n->ranges[i], c))
            return n->range_nodes[i];
    unsigned i = n->n_ranges++;
    n->ranges = sp_xrealloc(n->ranges, n->n_ranges * sizeof(*n->ranges));
    n->range_nodes = sp_xrealloc(n->range_nodes, n->n_ranges * sizeof(struct node *));
    n->ranges[i] = *c;
    return n->range_nodes[i] = node_new(m);
}

/* Adds the chain below `n` for every combination of its values from `level` on. */
static void insert(struct adding *a, struct node *n, enum level level)
{
    if (level == LEAF) {
        a->twice |= n->chain != NULL;
        n->chain = a->chain;
        return;
    }
    const struct values *v = &a->v[level];
    if (!v->n) {
        if (!n->any)
            n->any = node_new(a->m);
        insert(a, n->any, level + 1);
    }
    for (size_t i = 0; i < v->n; i++) {
        struct node *to = v->texts ? at_text(a->m, n, v->texts[i]) : at_range(a->m, n, &v->ranges[i]);
        insert(a, to, level + 1);
    }
}

static struct sp_str port_key(struct sp_arena *arena, uint32_t port)
{
    const char bytes[2] = {(char)(port >> 8), (char)port};
    return sp_arena_str(arena, sp_str_n(bytes, 2));
}

static struct sp_str *texts(struct adding *a, enum level level, size_t n)
{
    a->v[level].n = n;
    a->v[level].texts = sp_arena_alloc(&a->m->arena, SP_MAX(n, (size_t)1) * sizeof(struct sp_str));
    return a->v[level].texts;
}

/* The same value twice in one list is no second chain. */
static void put_text(struct adding *a, enum level level, struct sp_str s)
{
    struct values *v = &a->v[level];
    for (size_t i = 0; i < v->n; i++)
        if (sp_str_eq(v->texts[i], s))
            return;
    v->texts[v->n++] = s;
}

static bool add_ranges(struct adding *a, const struct sp_doc *doc, struct sp_diag *diag, enum level level, Range **list,
                       size_t n)
{
    struct values *v = &a->v[level];
    bool good = true;
    v->ranges = sp_arena_alloc(&a->m->arena, SP_MAX(n, (size_t)1) * sizeof(*v->ranges));
    for (size_t i = 0; i < n; i++) {
        const char *why;
        struct sp_cidr c;
        bool known = false;
        if (sp_cidr_from_prefix(sp_str_c(list[i]->address_prefix), list[i]->prefix_len ? list[i]->prefix_len->value : 0,
                                &c, &why)) {
            sp_doc_err(doc, diag, list[i], NULL, -1, "%s", why);
            good = false;
            continue;
        }
        for (size_t k = 0; k < v->n; k++)
            known |= same_range(&v->ranges[k], &c);
        if (!known)
            v->ranges[v->n++] = c;
    }
    return good;
}

/* "a.com" as it is, "*.a.com" as ".a.com". */
static bool add_names(struct adding *a, const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    bool good = true;
    texts(a, NAME, msg->n_server_names);
    a->v[NAME].n = 0;
    for (size_t i = 0; i < msg->n_server_names; i++) {
        struct sp_str s = sp_arena_str(&a->m->arena, sp_str_c(msg->server_names[i]));
        char *p = (char *)(uintptr_t)s.ptr;
        for (size_t k = 0; k < s.len; k++)
            p[k] = sp_ascii_lower(p[k]);
        if (sp_str_starts(s, SP_STR("*.")) && s.len > 2)
            s = sp_str_sub(s, 1, s.len);
        if (sp_str_chr(s, '*') >= 0) {
            sp_doc_err(doc, diag, msg, "server_names", (int)i,
                       "a wildcard stands for whole labels at the start only (\"*.example.com\"; leave server_names out to "
                       "match all)");
            good = false;
        } else {
            put_text(a, NAME, s);
        }
    }
    return good;
}

static bool add_transport(struct adding *a, const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    struct sp_str s = sp_str_c(msg->transport_protocol);
    if (!s.len)
        return true;
    if (!sp_str_eq(s, SP_STR("tls")) && !sp_str_eq(s, SP_STR("raw_buffer"))) {
        sp_doc_err(doc, diag, msg, "transport_protocol", -1, "no such transport here (\"tls\" or \"raw_buffer\")");
        return false;
    }
    texts(a, TRANSPORT, 1)[0] = s;
    return true;
}

static bool add_rest(struct adding *a, const Message *msg)
{
    struct sp_arena *arena = &a->m->arena;
    if (msg->destination_port)
        texts(a, PORT, 1)[0] = port_key(arena, msg->destination_port->value);
    texts(a, ALPN, msg->n_application_protocols);
    a->v[ALPN].n = 0;
    for (size_t i = 0; i < msg->n_application_protocols; i++)
        put_text(a, ALPN, sp_str_c(msg->application_protocols[i]));
    if (msg->source_type)
        texts(a, TYPE, 1)[0] = msg->source_type == 1 ? SP_STR("local") : SP_STR("external");
    texts(a, SOURCE_PORT, msg->n_source_ports);
    a->v[SOURCE_PORT].n = 0;
    for (size_t i = 0; i < msg->n_source_ports; i++)
        put_text(a, SOURCE_PORT, port_key(arena, msg->source_ports[i]));
    return true;
}

bool sp_chain_match_add(struct sp_chain_match *m, const struct sp_doc *doc, struct sp_diag *diag, const Message *msg,
                        const void *owner, const void *chain)
{
    assert(m && !m->built && chain);
    struct adding a = {.m = m, .chain = chain};
    bool good = true;
    if (msg) {
        good &= add_ranges(&a, doc, diag, LOCAL, msg->prefix_ranges, msg->n_prefix_ranges);
        good &= add_ranges(&a, doc, diag, DIRECT, msg->direct_source_prefix_ranges, msg->n_direct_source_prefix_ranges);
        good &= add_ranges(&a, doc, diag, SOURCE, msg->source_prefix_ranges, msg->n_source_prefix_ranges);
        good &= add_names(&a, doc, diag, msg);
        good &= add_transport(&a, doc, diag, msg);
        good &= add_rest(&a, msg);
    }
    if (!good)
        return false;
    /* Envoy puts a tls_inspector in where one is needed; so does this. */
    m->inspects |= a.v[TRANSPORT].n ? sp_str_eq(a.v[TRANSPORT].texts[0], SP_STR("tls")) : a.v[NAME].n || a.v[ALPN].n;
    insert(&a, m->root, PORT);
    if (a.twice)
        sp_doc_err(doc, diag, msg ? (const void *)msg : owner, NULL, -1,
                   "another filter chain matches by the same criteria (make one of them more specific, or drop it)");
    return !a.twice;
}

void sp_chain_match_build(struct sp_chain_match *m)
{
    assert(m && !m->built);
    for (unsigned i = 0; i < m->n_all; i++) {
        struct node *n = m->all[i];
        if (!n->n_ranges)
            continue;
        n->table = sp_cidr_table_new();
        for (unsigned k = 0; k < n->n_ranges; k++)
            sp_cidr_table_add(n->table, &n->ranges[k], k);
        sp_cidr_table_build(n->table);
    }
    m->built = true;
}

bool sp_chain_match_inspects(const struct sp_chain_match *m)
{
    assert(m);
    return m->inspects;
}

static const struct node *by_text(const struct node *n, struct sp_str key)
{
    const struct node *to = n->map.n ? sp_map_get(&n->map, key) : NULL;
    return to ? to : n->any;
}

static const struct node *by_port(const struct node *n, const struct sp_addr *a)
{
    const char bytes[2] = {(char)(a->port >> 8), (char)a->port};
    return a->family == AF_UNIX ? n->any : by_text(n, sp_str_n(bytes, 2));
}

static const struct node *by_addr(const struct node *n, const struct sp_addr *a)
{
    uint32_t i;
    return n->table && sp_cidr_table_find(n->table, a, NULL, &i) ? n->range_nodes[i] : n->any;
}

/* "www.example.com", then ".example.com", then ".com". */
static const struct node *by_name(const struct node *n, struct sp_str sni)
{
    if (!n->map.n || !sni.len || sni.ptr[0] == '.') /* which would be taken for a wildcard's key */
        return n->any;
    const struct node *to = sp_map_get(&n->map, sni);
    for (size_t i = 1; !to && i + 1 < sni.len; i++)
        if (sni.ptr[i] == '.')
            to = sp_map_get(&n->map, sp_str_sub(sni, i, sni.len));
    return to ? to : n->any;
}

/* The client's order of preference. */
static const struct node *by_alpn(const struct node *n, const struct sp_chain_input *in)
{
    const struct node *to = NULL;
    for (unsigned i = 0; n->map.n && i < in->n_alpn && !to; i++)
        to = sp_map_get(&n->map, in->alpn[i]);
    return to ? to : n->any;
}

static const struct node *by_type(const struct node *n, const struct sp_chain_input *in)
{
    if (!n->map.n)
        return n->any;
    bool local = in->peer->family == AF_UNIX || sp_addr_is_loopback(in->peer) || sp_addr_eq(in->peer, in->local, false);
    return by_text(n, local ? SP_STR("local") : SP_STR("external"));
}

const void *sp_chain_match_find(const struct sp_chain_match *m, const struct sp_chain_input *in)
{
    assert(m && m->built && in && in->local && in->direct && in->peer);
    const struct node *n = by_port(m->root, in->local);
    if (n)
        n = by_addr(n, in->local);
    if (n)
        n = by_name(n, in->sni);
    if (n)
        n = by_text(n, in->tls ? SP_STR("tls") : SP_STR("raw_buffer"));
    if (n)
        n = by_alpn(n, in);
    if (n)
        n = by_addr(n, in->direct);
    if (n)
        n = by_type(n, in);
    if (n)
        n = by_addr(n, in->peer);
    if (n)
        n = by_port(n, in->peer);
    return n ? n->chain : NULL;
}
