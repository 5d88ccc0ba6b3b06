/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/race.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

struct entrant {
    struct sp_race *race;
    struct sp_transport *t; /* NULL: not begun, or failed */
};

struct sp_race {
    struct sp_worker *worker;
    struct sp_sock_options options;
    sp_race_done *done;
    void *ctx;
    struct sp_timer timer; /* the next one's turn */
    struct sp_defer give_up;
    struct sp_grave grave;
    unsigned n, next, running;
    int err; /* of the last that failed */
    struct sp_addr addrs[SP_RACE_MOST];
    struct entrant v[SP_RACE_MOST];
};

static void race_free(struct sp_grave *g)
{
    free(SP_CONTAINER_OF(g, struct sp_race, grave));
}

/* Closes all but the one that is kept, or NULL. */
static void end(struct sp_race *r, const struct entrant *kept)
{
    sp_timer_stop(&r->timer);
    sp_defer_cancel(&r->give_up);
    for (unsigned i = 0; i < r->n; i++) {
        if (r->v[i].t && &r->v[i] != kept)
            sp_transport_close(r->v[i].t, true);
        r->v[i].t = NULL;
    }
    r->grave.free = race_free;
    sp_bury(&r->worker->turn, &r->grave);
}

static void begin_next(struct sp_race *r);

static void on_connect(void *ctx, int err)
{
    struct entrant *e = ctx;
    struct sp_race *r = e->race;
    if (!err) {
        struct sp_transport *t = e->t;
        end(r, e);
        r->done(r->ctx, t, 0);
        return;
    }
    sp_transport_close(e->t, false);
    e->t = NULL;
    r->running--;
    r->err = err;
    begin_next(r);
}

static void on_read(void *ctx, struct sp_buf *in, int err)
{
    (void)ctx, (void)in, (void)err; /* nobody reads yet */
}

static void on_drained(void *ctx, int err)
{
    (void)ctx, (void)err;
}

static const struct sp_transport_cb cb = {on_connect, on_read, on_drained, NULL};

static void run_give_up(struct sp_defer *d)
{
    struct sp_race *r = SP_CONTAINER_OF(d, struct sp_race, give_up);
    end(r, NULL);
    r->done(r->ctx, NULL, r->err);
}

/* One more, or those after it that cannot even begin. */
static void begin_next(struct sp_race *r)
{
    bool begun = false;
    while (!begun && r->next < r->n) {
        struct entrant *e = &r->v[r->next];
        e->race = r;
        e->t = sp_transport_connect(r->worker, &r->addrs[r->next++], &r->options, &cb, e, &r->err);
        begun = e->t != NULL;
        r->running += begun;
    }
    if (r->next < r->n)
        sp_timer_start(&r->worker->turn, &r->timer, SP_RACE_NEXT_MS * SP_NS_PER_MS);
    else
        sp_timer_stop(&r->timer);
    if (!r->running)
        sp_defer(&r->worker->turn, &r->give_up);
}

static void on_timer(struct sp_timer *t)
{
    begin_next(SP_CONTAINER_OF(t, struct sp_race, timer));
}

struct sp_race *sp_race_new(struct sp_worker *w, const struct sp_addr *v, unsigned n, const struct sp_sock_options *o, sp_race_done *done,
                            void *ctx)
{
    assert(w && v && n && n <= SP_RACE_MOST && o && done);
    struct sp_race *r = sp_xcalloc(1, sizeof(*r));
    r->worker = w;
    r->options = *o;
    r->done = done;
    r->ctx = ctx;
    r->n = n;
    r->timer.fire = on_timer;
    r->give_up.run = run_give_up;
    for (unsigned i = 0; i < n; i++)
        r->addrs[i] = v[i];
    begin_next(r);
    return r;
}

void sp_race_cancel(struct sp_race *r)
{
    if (r)
        end(r, NULL);
}

static unsigned next_of(const struct sp_addr *v, unsigned n, unsigned at, int family, bool same)
{
    while (at < n && (v[at].family == family) != same)
        at++;
    return at;
}

void sp_race_sort(const struct sp_addr *v, unsigned n, int first_family, unsigned count, struct sp_addr *ret)
{
    assert(v && n && count && ret);
    int family = first_family != AF_UNSPEC && next_of(v, n, 0, first_family, true) < n ? first_family : v[0].family;
    unsigned first = next_of(v, n, 0, family, true), other = next_of(v, n, 0, family, false), k = 0;
    while (k < n) {
        for (unsigned i = 0; i < count && first < n; i++) {
            ret[k++] = v[first];
            first = next_of(v, n, first + 1, family, true);
        }
        if (other < n) {
            ret[k++] = v[other];
            other = next_of(v, n, other + 1, family, false);
        }
    }
}
