/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/resolve.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "clusters/publish.h"

enum {
    WARM_S = 5,           /* a start waits no longer than this for a name */
    MAX_TTL_S = 24 * 3600, /* a TTL beyond that is a mistake, and would be kept for ever */
};

struct target {
    struct sp_resolve *resolve;
    const struct sp_endpoint *model;
    struct sp_addr *addrs; /* n of them: the last answer's */
    unsigned n;
    struct sp_dns_query *query; /* under way; NULL: none */
    struct sp_timer timer;
    uint64_t backoff_ns;   /* of the last failure; 0: none */
    bool tried;
};

struct sp_resolve {
    struct sp_cluster *cluster;
    struct sp_dns_options options;
    struct sp_host_set *targets_set; /* the models' */
    struct target *targets;          /* n of them */
    unsigned n;
    struct sp_slot *slot;            /* the prober's; NULL: stopped */
    struct sp_timer warm_timer;
    unsigned n_untried;
    _Atomic bool warm;
};

static void set_warm(struct sp_resolve *r)
{
    sp_timer_stop(&r->warm_timer);
    atomic_store_explicit(&r->warm, true, memory_order_release);
}

/* --- publishing --- */

static struct sp_str copy(struct sp_host_set *s, struct sp_str text)
{
    return text.len ? sp_arena_str(&s->arena, text) : SP_STR_NULL;
}

static void add_host(struct sp_host_set *s, const struct sp_endpoint *model, const struct sp_addr *addr)
{
    struct sp_endpoint *e = sp_host_set_add(s);
    *e = *model;
    sp_endpoint_copied(e);
    e->addr = *addr;
    e->addr.port = model->addr.port;
    if (!model->health_addr.family) {
        e->health_addr = *addr;
        e->health_addr.port = model->health_addr.port;
    } else if (model->health_addr.family == AF_UNIX) {
        e->health_addr.path = sp_arena_str(&s->arena, sp_str_c(model->health_addr.path)).ptr;
    }
    struct sp_str *texts[] = {&e->hostname, &e->health_hostname, &e->region, &e->zone, &e->sub_zone};
    for (size_t i = 0; i < SP_ARRAY_LEN(texts); i++)
        *texts[i] = copy(s, *texts[i]);
}

static void publish(struct sp_resolve *r)
{
    struct sp_host_set *s = sp_host_set_new();
    s->policy = r->targets_set->policy;
    s->logical = r->options.logical;
    for (unsigned i = 0; i < r->n; i++) {
        const struct target *t = &r->targets[i];
        for (unsigned k = 0; k < (r->options.logical ? SP_MIN(t->n, 1u) : t->n); k++)
            add_host(s, t->model, &t->addrs[k]);
    }
    sp_host_set_close(s);
    sp_hosts_publish(r->cluster, s);
}

/* --- answers --- */

static int by_bytes(const void *a, const void *b)
{
    const struct sp_addr *x = a, *y = b;
    return x->family != y->family ? x->family - y->family : memcmp(x->ip, y->ip, sizeof(x->ip));
}

static void take_addresses(struct target *t, const struct sp_dns_answer *a)
{
    const struct sp_addr *from = &t->resolve->cluster->options.sock.bind;
    free(t->addrs);
    t->addrs = sp_xcalloc(a->n + 1, sizeof(*t->addrs));
    t->n = 0;
    for (unsigned i = 0; i < a->n; i++)
        if (!from->family || from->family == a->v[i].family) /* else it could not be connected to */
            t->addrs[t->n++] = a->v[i];
    /* Servers turn the order round with each answer; that is no change. A logical host takes the first. */
    if (!t->resolve->options.logical)
        qsort(t->addrs, t->n, sizeof(*t->addrs), by_bytes);
}

#define NAME_ARGS(t) SP_STR_ARG((t)->resolve->cluster->name), SP_STR_ARG((t)->model->text)

static uint64_t taken(struct target *t, const struct sp_dns_answer *a)
{
    struct sp_resolve *r = t->resolve;
    const struct sp_dns_options *o = &r->options;
    if (t->backoff_ns)
        sp_log_limited(SP_LOG_INFO, "dns", SP_LOG_BURST, "cluster \"%.*s\": \"%.*s\" is resolved again", NAME_ARGS(t));
    t->backoff_ns = 0;
    sp_counter_inc(r->cluster->stats.update_success);
    if (!a->n && (t->n || !t->tried))
        sp_log_limited(SP_LOG_WARNING, "dns", SP_LOG_BURST, "cluster \"%.*s\": \"%.*s\" has no address: %.*s", NAME_ARGS(t), SP_STR_ARG(a->why));
    take_addresses(t, a);
    publish(r);
    uint64_t wait = o->refresh_ns;
    if (o->respect_ttl && a->n && a->ttl_s)
        wait = SP_MIN(a->ttl_s, (uint32_t)MAX_TTL_S) * SP_NS_PER_S;
    return wait + (o->jitter_ns ? sp_slot_below(r->slot, o->jitter_ns) : 0);
}

static uint64_t failed(struct target *t, struct sp_str why)
{
    struct sp_resolve *r = t->resolve;
    const struct sp_dns_options *o = &r->options;
    sp_counter_inc(r->cluster->stats.update_failure);
    if (!t->backoff_ns)
        sp_log_limited(SP_LOG_WARNING, "dns", SP_LOG_BURST, "cluster \"%.*s\": cannot resolve \"%.*s\": %.*s (%s)", NAME_ARGS(t), SP_STR_ARG(why),
               t->n ? "the last addresses stay" : "it has no address yet");
    uint64_t doubled = t->backoff_ns > UINT64_MAX / 2 ? UINT64_MAX : t->backoff_ns * 2;
    t->backoff_ns = t->backoff_ns ? SP_MIN(doubled, o->failure_max_ns) : o->failure_ns;
    /* Half of it at random, where there is a back-off, so that gateways do not ask in step. */
    if (o->failure_max_ns == o->failure_ns)
        return t->backoff_ns;
    return t->backoff_ns - sp_slot_below(r->slot, t->backoff_ns / 2 + 1);
}

static void tried(struct target *t)
{
    if (t->tried)
        return;
    t->tried = true;
    if (!--t->resolve->n_untried)
        set_warm(t->resolve);
}

static void on_answer(void *ctx, const struct sp_dns_answer *a)
{
    struct target *t = ctx;
    struct sp_resolve *r = t->resolve;
    t->query = NULL;
    bool good = a->ok && (a->n || !r->options.logical); /* a logical host never goes for want of an address */
    uint64_t wait = good ? taken(t, a) : failed(t, a->why);
    tried(t);
    sp_timer_start(r->slot->turn, &t->timer, SP_MAX(wait, SP_NS_PER_MS));
}

/* Addresses that upstream_bind_config cannot connect to need not be asked for. */
static enum sp_dns_family family_of(const struct sp_resolve *r)
{
    uint8_t from = r->cluster->options.sock.bind.family;
    return from == AF_INET ? SP_DNS_V4_ONLY : from == AF_INET6 ? SP_DNS_V6_ONLY : r->options.family;
}

static void ask(struct target *t)
{
    struct sp_resolve *r = t->resolve;
    sp_counter_inc(r->cluster->stats.update_attempt);
    t->query = sp_dns_ask(r->slot->worker, &r->options.servers, t->model->text.ptr, family_of(r), on_answer, t);
}

static void on_timer(struct sp_timer *timer)
{
    ask(SP_CONTAINER_OF(timer, struct target, timer));
}

static void on_warm_timer(struct sp_timer *timer)
{
    struct sp_resolve *r = SP_CONTAINER_OF(timer, struct sp_resolve, warm_timer);
    sp_log_limited(SP_LOG_WARNING, "dns", SP_LOG_BURST, "cluster \"%.*s\": nobody has answered within %d s; going on without",
           SP_STR_ARG(r->cluster->name), WARM_S);
    set_warm(r);
}

/* --- the outside --- */

struct sp_resolve *sp_resolve_new(struct sp_cluster *c, const struct sp_dns_options *o, struct sp_host_set *targets)
{
    assert(c && o && targets && !targets->priorities);
    struct sp_resolve *r = sp_xcalloc(1, sizeof(*r));
    r->cluster = c;
    r->options = *o;
    r->targets_set = targets;
    r->n = targets->n;
    r->targets = sp_xcalloc(r->n + 1, sizeof(*r->targets));
    for (unsigned i = 0; i < r->n; i++) {
        struct target *t = &r->targets[i];
        t->resolve = r;
        t->model = &targets->v[i];
        t->timer.fire = on_timer;
        t->n = t->model->addr.family ? 1 : 0; /* an address needs no asking */
        t->tried = t->n;
        r->n_untried += !t->tried;
        t->addrs = sp_xcalloc(1, sizeof(*t->addrs));
        *t->addrs = t->model->addr;
    }
    r->warm_timer.fire = on_warm_timer;
    atomic_init(&r->warm, false);
    return r;
}

void sp_resolve_free(struct sp_resolve *r)
{
    if (!r)
        return;
    assert(!r->slot);
    for (unsigned i = 0; i < r->n; i++)
        free(r->targets[i].addrs);
    free(r->targets);
    sp_host_set_unref(r->targets_set);
    free(r);
}

void sp_resolve_start(struct sp_resolve *r, struct sp_slot *prober)
{
    assert(r && prober && !r->slot);
    r->slot = prober;
    bool some = false;
    for (unsigned i = 0; i < r->n; i++) {
        if (r->targets[i].model->addr.family)
            some = true;
        else
            ask(&r->targets[i]);
    }
    if (some)
        publish(r);
    if (!r->n_untried || !r->options.wait)
        set_warm(r);
    else
        sp_timer_start(prober->turn, &r->warm_timer, WARM_S * SP_NS_PER_S);
}

void sp_resolve_stop(struct sp_resolve *r)
{
    assert(r);
    if (!r->slot)
        return;
    sp_timer_stop(&r->warm_timer);
    for (unsigned i = 0; i < r->n; i++) {
        struct target *t = &r->targets[i];
        sp_timer_stop(&t->timer);
        if (t->query)
            sp_dns_cancel(t->query);
        t->query = NULL;
    }
    r->slot = NULL;
}

bool sp_resolve_warm(const struct sp_resolve *r)
{
    assert(r);
    return atomic_load_explicit(&r->warm, memory_order_acquire);
}
