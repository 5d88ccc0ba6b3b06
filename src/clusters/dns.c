/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/dns.h"

#include <ares.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A channel of c-ares and what drives it. */
struct channel {
    struct sp_list link; /* in `channels` */
    struct sp_worker *worker;
    struct sp_dns_servers servers;
    ares_channel ares;
    struct sp_list sockets; /* of struct socket */
    struct sp_timer timer;
    unsigned n_wanted;      /* questions whose asker waits */
    bool closing;
};

struct socket {
    struct sp_list link;
    struct channel *channel;
    ares_socket_t fd;
    uv_poll_t poll;
};

struct sp_dns_query {
    struct channel *channel; /* NULL: there is none, and the question has failed */
    struct sp_worker *worker;
    sp_dns_cb *done;         /* NULL: cancelled, or over */
    void *ctx;
    char *name;
    int families[2];         /* asked one after the other until one has addresses */
    unsigned at, n_families;
    bool asking;             /* c-ares has it and will call back */
    bool failed;             /* of an earlier family: nobody answered */
    int status;
    struct sp_addr v[SP_DNS_MAX];
    unsigned n;
    uint32_t ttl_s;
    struct sp_dns_stats stats;
    struct sp_defer tell;
};

/* Of this thread. */
static _Thread_local struct sp_list channels;

/* --- sockets and time --- */

static void set_timer(struct channel *c)
{
    struct timeval tv, *left = ares_timeout(c->ares, NULL, &tv);
    if (!left) {
        sp_timer_stop(&c->timer);
        return;
    }
    uint64_t ns = (uint64_t)left->tv_sec * SP_NS_PER_S + (uint64_t)left->tv_usec * 1000;
    sp_timer_start(&c->worker->turn, &c->timer, SP_MAX(ns, SP_NS_PER_MS));
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct socket *s = p->data;
    struct channel *c = s->channel;
    ares_socket_t fd = s->fd;
    bool readable = status < 0 || events & UV_READABLE, writable = status < 0 || events & UV_WRITABLE;
    /* `s` may go while c-ares works. */
    ares_process_fd(c->ares, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
    set_timer(c);
}

static void on_timer(struct sp_timer *t)
{
    struct channel *c = SP_CONTAINER_OF(t, struct channel, timer);
    ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(c);
}

static void free_socket(uv_handle_t *h)
{
    free(h->data);
}

static struct socket *socket_of(struct channel *c, ares_socket_t fd)
{
    SP_LIST_FOREACH(n, &c->sockets) {
        struct socket *s = SP_CONTAINER_OF(n, struct socket, link);
        if (s->fd == fd)
            return s;
    }
    return NULL;
}

static void drop_socket(struct socket *s)
{
    sp_list_remove(&s->link);
    uv_poll_stop(&s->poll);
    uv_close((uv_handle_t *)&s->poll, free_socket);
}

/* c-ares says what a socket of its waits for; for nothing: it is about to be closed. */
static void on_socket(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct channel *c = ctx;
    struct socket *s = socket_of(c, fd);
    if (!readable && !writable) {
        if (s)
            drop_socket(s);
        return;
    }
    if (!s) {
        s = sp_xcalloc(1, sizeof(*s));
        s->channel = c;
        s->fd = fd;
        s->poll.data = s;
        if (uv_poll_init(&c->worker->loop, &s->poll, fd)) {
            free(s); /* its questions run into their timeout */
            return;
        }
        sp_list_push_back(&c->sockets, &s->link);
    }
    uv_poll_start(&s->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0), on_poll);
}

/* --- channels --- */

static bool same_servers(const struct sp_dns_servers *a, const struct sp_dns_servers *b)
{
    if (a->n != b->n || a->fallback != b->fallback || a->tcp != b->tcp || a->no_search != b->no_search ||
        a->timeout_s != b->timeout_s || a->tries != b->tries)
        return false;
    for (unsigned i = 0; i < a->n; i++)
        if (!sp_addr_eq(&a->v[i], &b->v[i], true))
            return false;
    return true;
}

/* What c-ares takes where neither the config nor the system names a server. */
static bool only_default(ares_channel ares)
{
    struct ares_addr_port_node *list = NULL;
    bool only = ares_get_servers_ports(ares, &list) == ARES_SUCCESS && list && !list->next && list->family == AF_INET &&
                list->addr.addr4.s_addr == htonl(INADDR_LOOPBACK);
    if (list)
        ares_free_data(list);
    return only;
}

static void set_servers(ares_channel ares, const struct sp_dns_servers *s)
{
    if (!s->n || (s->fallback && !only_default(ares)))
        return;
    struct ares_addr_port_node *list = sp_xcalloc(s->n, sizeof(*list));
    for (unsigned i = 0; i < s->n; i++) {
        const struct sp_addr *a = &s->v[i];
        list[i].next = i + 1 < s->n ? &list[i + 1] : NULL;
        list[i].family = a->family;
        memcpy(&list[i].addr, a->ip, a->family == AF_INET ? 4 : 16);
        list[i].udp_port = list[i].tcp_port = a->port;
    }
    ares_set_servers_ports(ares, list);
    free(list);
}

static struct channel *channel_new(struct sp_worker *w, const struct sp_dns_servers *servers)
{
    struct channel *c = sp_xcalloc(1, sizeof(*c));
    struct ares_options o = {.sock_state_cb = on_socket, .sock_state_cb_data = c};
    int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_FLAGS;
    o.flags = (servers->tcp ? ARES_FLAG_USEVC : 0) | (servers->no_search ? ARES_FLAG_NOSEARCH : 0);
    o.timeout = (int)servers->timeout_s;
    o.tries = (int)servers->tries;
    mask |= (o.timeout ? ARES_OPT_TIMEOUT : 0) | (o.tries ? ARES_OPT_TRIES : 0);
    sp_list_init(&c->sockets);
    if (ares_init_options(&c->ares, &o, mask) != ARES_SUCCESS) {
        free(c);
        return NULL;
    }
    set_servers(c->ares, servers);
    c->worker = w;
    c->timer.fire = on_timer;
    c->servers = *servers;
    struct sp_addr *list = sp_xcalloc(servers->n + 1, sizeof(*list));
    if (servers->n)
        memcpy(list, servers->v, servers->n * sizeof(*list));
    c->servers.v = list;
    sp_list_push_back(&channels, &c->link);
    return c;
}

static struct channel *channel_get(struct sp_worker *w, const struct sp_dns_servers *servers)
{
    if (!channels.next)
        sp_list_init(&channels);
    SP_LIST_FOREACH(n, &channels) {
        struct channel *c = SP_CONTAINER_OF(n, struct channel, link);
        if (c->worker == w && same_servers(&c->servers, servers))
            return c;
    }
    return channel_new(w, servers);
}

/* Not from inside c-ares. */
static void channel_close(struct channel *c)
{
    c->closing = true;
    sp_list_remove(&c->link);
    sp_timer_stop(&c->timer);
    ares_destroy(c->ares); /* the questions that nobody waits for end by this */
    for (struct sp_list *n; (n = sp_list_first(&c->sockets)) != NULL;)
        drop_socket(SP_CONTAINER_OF(n, struct socket, link));
    free((void *)(uintptr_t)c->servers.v);
    free(c);
}

static void let_go(struct channel *c)
{
    if (c && !--c->n_wanted)
        channel_close(c);
}

/* --- questions --- */

static void query_free(struct sp_dns_query *q)
{
    free(q->name);
    free(q);
}

static void count_end(const struct sp_dns_query *q, bool none)
{
    sp_gauge_dec(q->stats.pending_resolutions);
    if (q->n)
        return;
    if (q->status == ARES_ETIMEOUT)
        sp_counter_inc(q->stats.timeouts);
    sp_counter_inc(none ? q->stats.not_found : q->stats.get_addr_failure);
}

static void tell(struct sp_defer *d)
{
    struct sp_dns_query *q = SP_CONTAINER_OF(d, struct sp_dns_query, tell);
    struct channel *c = q->channel;
    bool none = q->status == ARES_ENODATA || q->status == ARES_ENOTFOUND;
    struct sp_dns_answer a = {.ok = q->n || (none && !q->failed), .v = q->v, .n = q->n, .ttl_s = q->ttl_s};
    if (!q->n)
        a.why = c ? sp_str_c(ares_strerror(q->status)) : SP_STR("the resolver cannot be set up");
    count_end(q, none);
    sp_dns_cb *done = q->done;
    q->done = NULL;
    done(q->ctx, &a);
    query_free(q);
    let_go(c);
}

static void finish(struct sp_dns_query *q)
{
    if (q->done)
        sp_defer(&q->worker->turn, &q->tell);
    else
        query_free(q);
}

static void add_address(struct sp_dns_query *q, const struct ares_addrinfo_node *n)
{
    struct sp_addr a;
    if (q->n == SP_DNS_MAX || sp_addr_from_sockaddr(n->ai_addr, n->ai_addrlen, NULL, &a) < 0)
        return;
    a.port = 0;
    for (unsigned i = 0; i < q->n; i++)
        if (sp_addr_eq(&q->v[i], &a, false))
            return;
    q->v[q->n++] = a;
    uint32_t ttl = n->ai_ttl > 0 ? (uint32_t)n->ai_ttl : 0;
    q->ttl_s = q->n == 1 ? ttl : SP_MIN(q->ttl_s, ttl);
}

static void ask_next(struct sp_dns_query *q);

static void on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *info)
{
    struct sp_dns_query *q = ctx;
    (void)timeouts;
    q->asking = false;
    q->status = status;
    if (status == ARES_SUCCESS) {
        for (const struct ares_addrinfo_node *n = info->nodes; n; n = n->ai_next)
            add_address(q, n);
        if (!q->n)
            q->status = ARES_ENODATA;
    }
    if (info)
        ares_freeaddrinfo(info);
    bool nobody = q->status != ARES_SUCCESS && q->status != ARES_ENODATA && q->status != ARES_ENOTFOUND;
    if (!q->n && q->done && ++q->at < q->n_families && !q->channel->closing) {
        q->failed = q->failed || nobody;
        ask_next(q);
        return;
    }
    finish(q);
}

static void ask_next(struct sp_dns_query *q)
{
    struct ares_addrinfo_hints hints = {.ai_family = q->families[q->at], .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
    q->asking = true;
    ares_getaddrinfo(q->channel->ares, q->name, NULL, &hints, on_answer, q); /* may call back from inside */
}

struct sp_dns_query *sp_dns_ask(struct sp_worker *w, const struct sp_dns_servers *servers, const char *name,
                                enum sp_dns_family family, sp_dns_cb *done, void *ctx)
{
    static const int families[][2] = {[SP_DNS_AUTO] = {AF_INET6, AF_INET}, [SP_DNS_V4_ONLY] = {AF_INET, 0},
                                      [SP_DNS_V6_ONLY] = {AF_INET6, 0},    [SP_DNS_V4_PREFERRED] = {AF_INET, AF_INET6},
                                      [SP_DNS_ALL] = {AF_UNSPEC, 0}};
    assert(w && servers && name && done && (size_t)family < SP_ARRAY_LEN(families));
    struct sp_dns_query *q = sp_xcalloc(1, sizeof(*q));
    q->worker = w;
    q->done = done;
    q->ctx = ctx;
    q->tell.run = tell;
    q->name = sp_xstrdup(name);
    memcpy(q->families, families[family], sizeof(q->families));
    q->n_families = q->families[1] ? 2 : 1;
    q->status = ARES_ENOMEM;
    q->channel = channel_get(w, servers);
    q->stats = servers->stats;
    sp_counter_inc(q->stats.resolve_total);
    sp_gauge_inc(q->stats.pending_resolutions);
    if (!q->channel) {
        finish(q);
        return q;
    }
    q->channel->n_wanted++;
    ask_next(q);
    set_timer(q->channel);
    return q;
}

void sp_dns_cancel(struct sp_dns_query *q)
{
    assert(q && q->done);
    struct channel *c = q->channel;
    q->done = NULL;
    sp_gauge_dec(q->stats.pending_resolutions);
    sp_defer_cancel(&q->tell);
    if (!q->asking)
        query_free(q); /* else when c-ares lets go of it */
    let_go(c);
}
