/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/inherit.h"

static bool has_cluster(const struct sp_config *c, const struct sp_cluster *cluster)
{
    return c && sp_map_get(&c->clusters.by_name, sp_cluster_name(cluster)) == cluster;
}

/* Those of `a` that `b` has not. */
static struct sp_cluster **difference(const struct sp_config *a, const struct sp_config *b, unsigned *ret_n)
{
    unsigned n = a ? a->clusters.n : 0;
    struct sp_cluster **v = sp_xcalloc(n + 1, sizeof(struct sp_cluster *));
    *ret_n = 0;
    for (unsigned i = 0; i < n; i++)
        if (!has_cluster(b, a->clusters.v[i]))
            v[(*ret_n)++] = a->clusters.v[i];
    return v;
}

static void copy_doors(struct sp_doors *to, const struct sp_doors *from)
{
    to->n = from->n;
    to->fds = sp_xcalloc(from->n + 1, sizeof(*to->fds));
    memcpy(to->fds, from->fds, from->n * sizeof(*to->fds));
}

static void match_listeners(struct sp_plan *p, const struct sp_addr *bound, const struct sp_doors *doors)
{
    for (unsigned i = 0; i < p->to->n_listeners; i++) {
        p->takes[i] = -1;
        for (unsigned k = 0; p->from && p->takes[i] < 0 && k < p->from->n_listeners; k++) {
            if (p->taken[k] || !sp_listener_same_socket(p->from->listeners[k], p->to->listeners[i]))
                continue;
            p->taken[k] = true;
            p->takes[i] = (int)k;
            p->bound[i] = bound[k];
            copy_doors(&p->doors[i], &doors[k]);
        }
    }
}

struct sp_plan *sp_plan_new(struct sp_config *from, struct sp_config *to, const struct sp_addr *bound,
                            const struct sp_doors *doors, unsigned n_workers)
{
    assert(to && n_workers > 0 && (!from || (bound && doors)));
    struct sp_plan *p = sp_xcalloc(1, sizeof(*p));
    size_t n = to->n_listeners;
    p->from = from;
    p->to = to;
    p->n_workers = n_workers;
    p->added = difference(to, from, &p->n_added);
    p->gone = difference(from, to, &p->n_gone);
    p->takes = sp_xcalloc(n + 1, sizeof(*p->takes));
    p->taken = sp_xcalloc((from ? from->n_listeners : 0) + 1, sizeof(*p->taken));
    p->bound = sp_xcalloc(n + 1, sizeof(*p->bound));
    p->doors = sp_xcalloc(n + 1, sizeof(*p->doors));
    match_listeners(p, bound, doors);
    return p;
}

struct sp_doors *sp_doors_copy(const struct sp_doors *doors, unsigned n_listeners)
{
    struct sp_doors *copy = sp_xcalloc(n_listeners + 1, sizeof(*copy));
    for (unsigned i = 0; i < n_listeners; i++)
        copy_doors(&copy[i], &doors[i]);
    return copy;
}

void sp_doors_free(struct sp_doors *doors, unsigned n_listeners)
{
    for (unsigned i = 0; doors && i < n_listeners; i++)
        free(doors[i].fds);
    free(doors);
}

void sp_plan_free(struct sp_plan *p)
{
    if (!p)
        return;
    for (unsigned i = 0; !p->switched && i < p->to->n_listeners; i++)
        for (unsigned k = 0; p->takes[i] < 0 && k < p->doors[i].n; k++)
            close(p->doors[i].fds[k]);
    sp_doors_free(p->doors, p->to->n_listeners);
    free(p->added);
    free(p->gone);
    free(p->takes);
    free(p->taken);
    free(p->bound);
    free(p);
}

static const char *remedy(int err)
{
    switch (err) {
    case EACCES:
        return "ports under 1024 need the capability CAP_NET_BIND_SERVICE; a unix socket needs a writable directory";
    case EADDRINUSE:
        return "another process has it: ss -ltnp shows which";
    case EADDRNOTAVAIL:
        return "this machine has no such address: ip address shows those it has";
    default:
        return "check the listener's address";
    }
}

static int failed(const struct sp_listener *l, const char *what, int err, char *why, size_t why_size)
{
    char text[SP_ADDR_TEXT_MAX], name[128];
    sp_addr_format(sp_listener_addr(l), text);
    snprintf(why, why_size, "cannot %s %s (listener \"%.*s\"): %s (%s)", what, text, SP_STR_ARG(sp_listener_name(l)),
             strerror_r(-err, name, sizeof(name)), remedy(-err));
    return err;
}

static void add_door(struct sp_doors *d, int fd)
{
    d->fds = sp_xrealloc(d->fds, (d->n + 1) * sizeof(*d->fds));
    d->fds[d->n++] = fd;
}

/*
 * One descriptor for each worker at least: sockets of their own where the kernel shares connections out, else one socket. All
 * that were inherited are taken: connections may wait in any.
 */
static int bind_one(struct sp_plan *p, unsigned i, char *why, size_t why_size)
{
    const struct sp_listener *l = p->to->listeners[i];
    struct sp_doors *d = &p->doors[i];
    bool own = sp_listener_reuse_port(l) && sp_listener_addr(l)->family != AF_UNIX;
    for (int fd; (fd = sp_inherit_take(sp_listener_addr(l))) >= 0;) {
        add_door(d, fd);
        own &= sp_inherit_shares(fd);
        p->bound[i] = *sp_listener_addr(l);
    }
    for (unsigned w = d->n; w < p->n_workers; w++) {
        int fd;
        if (w == 0)
            fd = sp_listener_bind(l, sp_listener_addr(l), &p->bound[i]);
        else if (own)
            fd = sp_listener_bind(l, &p->bound[i], &p->bound[i]);
        else if ((fd = dup(d->fds[0])) < 0)
            fd = -errno;
        if (fd < 0)
            return failed(l, "bind", fd, why, why_size);
        add_door(d, fd);
    }
    return 0;
}

int sp_plan_bind(struct sp_plan *p, char *why, size_t why_size)
{
    assert(p && why && why_size > 0);
    int r = 0;
    for (unsigned i = 0; i < p->to->n_listeners && r == 0; i++)
        if (p->takes[i] < 0)
            r = bind_one(p, i, why, why_size);
    return r;
}

int sp_plan_listen(struct sp_plan *p, char *why, size_t why_size)
{
    assert(p && why && why_size > 0);
    for (unsigned i = 0; i < p->to->n_listeners; i++) {
        const struct sp_listener *l = p->to->listeners[i];
        for (unsigned k = 0; p->takes[i] < 0 && k < p->doors[i].n; k++)
            if (listen(p->doors[i].fds[k], sp_listener_backlog(l)) < 0)
                return failed(l, "listen on", -errno, why, why_size);
    }
    return 0;
}
