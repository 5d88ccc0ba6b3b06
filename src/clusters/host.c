/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/host.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static struct sp_str copy(char **at, struct sp_str s)
{
    char *to = *at;
    if (s.len)
        memcpy(to, s.ptr, s.len);
    to[s.len] = 0;
    *at += s.len + 1;
    return sp_str_n(to, s.len);
}

struct sp_host *sp_host_new(const struct sp_addr *addr, struct sp_str hostname, bool logical, unsigned n_parts)
{
    assert(addr && addr->family && n_parts);
    struct sp_str path = addr->family == AF_UNIX ? sp_str_c(addr->path) : SP_STR_NULL;
    size_t head = sizeof(struct sp_host) + n_parts * sizeof(struct sp_host_part);
    size_t size = head + hostname.len + path.len + 2;
    struct sp_host *h = sp_xaligned(size);
    memset(h, 0, size);
    char *at = (char *)h + head;
    h->addr = *addr;
    h->hostname = copy(&at, hostname);
    if (addr->family == AF_UNIX)
        h->addr.path = copy(&at, path).ptr;
    h->logical = logical;
    h->n_parts = n_parts;
    h->parts = (struct sp_host_part *)(h + 1);
    for (unsigned i = 0; i < n_parts; i++)
        h->parts[i].addr = h->addr;
    atomic_init(&h->refs, 1);
    return h;
}

void sp_host_set_race(struct sp_host *h, const struct sp_addr *v, unsigned n)
{
    assert(h && !h->race && (v || !n));
    if (!n)
        return;
    struct sp_addr *copy = sp_xcalloc(n, sizeof(*copy));
    memcpy(copy, v, n * sizeof(*copy)); /* IP addresses: there are no paths */
    h->race = copy;
    h->n_race = n;
}

struct sp_host *sp_host_ref(struct sp_host *h)
{
    assert(h);
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    return h;
}

void sp_host_unref(struct sp_host *h)
{
    if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    assert(!h->session);
    for (unsigned i = 0; i < h->n_parts; i++)
        sp_endpoint_meta_unref(h->parts[i].meta);
    free(h->outlier);
    free((void *)(uintptr_t)h->race);
    free(h);
}

void sp_host_last_let_go(struct sp_host *h)
{
    assert(h);
    sp_host_unref(h);
}

struct sp_host_totals sp_host_sum(const struct sp_host *h)
{
    assert(h);
    struct sp_host_totals t = {0};
    for (unsigned i = 0; i < h->n_parts; i++) {
        const struct sp_host_part *c = &h->parts[i];
        t.cx_total += atomic_load_explicit(&c->cx_total, memory_order_relaxed);
        t.cx_connect_fail += atomic_load_explicit(&c->cx_connect_fail, memory_order_relaxed);
        t.rq_total += atomic_load_explicit(&c->rq_total, memory_order_relaxed);
        t.rq_success += atomic_load_explicit(&c->rq_success, memory_order_relaxed);
        t.rq_error += atomic_load_explicit(&c->rq_error, memory_order_relaxed);
        t.rq_timeout += atomic_load_explicit(&c->rq_timeout, memory_order_relaxed);
        t.cx_active += atomic_load_explicit(&c->cx_active, memory_order_relaxed);
        t.rq_active += atomic_load_explicit(&c->rq_active, memory_order_relaxed);
        t.rq_pending += atomic_load_explicit(&c->rq_pending, memory_order_relaxed);
    }
    return t;
}

void sp_host_flags_text(uint32_t flags, struct sp_buf *out)
{
    assert(out);
    static const struct {
        uint32_t flag;
        struct sp_str name;
    } names[] = {
#define X(id, bit, text) {SP_HEALTH_##id, SP_STR_INIT(text)},
        SP_HEALTH_TABLE(X)
#undef X
    };
    flags &= ~SP_HEALTH_COUNTED;
    if (!flags) {
        sp_buf_append_str(out, SP_STR("healthy"));
        return;
    }
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++)
        if (flags & names[i].flag)
            sp_buf_append_str(out, names[i].name);
}
