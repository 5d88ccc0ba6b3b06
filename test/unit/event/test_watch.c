/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watched descriptors: what is told when, what is told no more, and that uv's own handles are heard beside them. */
#include "support/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct side {
    struct sp_watch watch;
    struct loop *l;
    int peer;
    unsigned told;
    uint32_t events;
    struct side *ends; /* is ended, and closed, by this one's callback */
};

static void on_ready(struct sp_watch *w, uint32_t events)
{
    struct side *s = SP_CONTAINER_OF(w, struct side, watch);
    char c;
    s->told++;
    s->events = events;
    while (recv(w->fd, &c, 1, MSG_DONTWAIT) > 0)
        continue;
    if (s->ends && s->ends->watch.fd >= 0) {
        sp_watch_end(&s->l->worker, &s->ends->watch);
        close(s->ends->watch.fd);
        s->ends->watch.fd = -1;
    }
}

static void side_open(struct side *s, struct loop *l)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    *s = (struct side){.watch = {.ready = on_ready, .fd = fds[0]}, .l = l, .peer = fds[1]};
}

static void side_close(struct side *s)
{
    sp_watch_end(&s->l->worker, &s->watch);
    close(s->watch.fd);
    if (s->peer >= 0)
        close(s->peer);
}

static void say(struct side *s)
{
    assert_int_equal(write(s->peer, "x", 1), 1);
}

static void test_what_is_asked_for(void **state)
{
    struct loop *l = loop_new();
    struct side s;
    side_open(&s, l);
    say(&s);
    loop_wait(l, 20);
    assert_int_equal(s.told, 0);
    assert_int_equal(sp_watch_set(&l->worker, &s.watch, EPOLLIN), 0);
    LOOP_UNTIL(l, s.told == 1);
    assert_int_equal(s.events, EPOLLIN);
    assert_int_equal(sp_watch_set(&l->worker, &s.watch, EPOLLOUT), 0);
    LOOP_UNTIL(l, s.told > 1);
    assert_int_equal(s.events, EPOLLOUT);
    assert_int_equal(sp_watch_set(&l->worker, &s.watch, 0), 0);
    unsigned before = s.told;
    say(&s);
    loop_wait(l, 20);
    assert_int_equal(s.told, before);
    side_close(&s);
    loop_free(l);
}

/* Nobody watches a closed pipe by asking for its hang-up; it comes as what was asked for, and with nothing asked not at all. */
static void test_hang_up(void **state)
{
    struct loop *l = loop_new();
    struct side s;
    side_open(&s, l);
    assert_int_equal(sp_watch_set(&l->worker, &s.watch, EPOLLIN), 0);
    close(s.peer);
    s.peer = -1;
    LOOP_UNTIL(l, s.told > 0);
    assert_true(s.events & EPOLLIN);
    assert_false(s.events & ~(uint32_t)(EPOLLIN | EPOLLERR));
    assert_int_equal(sp_watch_set(&l->worker, &s.watch, 0), 0);
    unsigned before = s.told;
    loop_wait(l, 20);
    assert_int_equal(s.told, before);
    side_close(&s);
    loop_free(l);
}

/* Both are ready in the same turn; whoever is told first ends the other, whose descriptor may be another's by then. */
static void test_ended_by_another(void **state)
{
    struct loop *l = loop_new();
    struct side a, b;
    side_open(&a, l);
    side_open(&b, l);
    a.ends = &b;
    b.ends = &a;
    assert_int_equal(sp_watch_set(&l->worker, &a.watch, EPOLLIN), 0);
    assert_int_equal(sp_watch_set(&l->worker, &b.watch, EPOLLIN), 0);
    say(&a);
    say(&b);
    LOOP_UNTIL(l, a.told + b.told > 0);
    loop_wait(l, 20);
    assert_int_equal(a.told + b.told, 1);
    close(a.peer);
    close(b.peer);
    side_close(a.told ? &(struct side){.watch = a.watch, .l = l, .peer = -1} : &(struct side){.watch = b.watch, .l = l, .peer = -1});
    loop_free(l);
}

static void test_not_to_be_watched(void **state)
{
    struct loop *l = loop_new();
    struct sp_watch w = {.ready = on_ready, .fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC)};
    assert_true(w.fd >= 0);
    assert_int_equal(sp_watch_set(&l->worker, &w, EPOLLIN), -EPERM);
    assert_int_equal(w.events, 0);
    close(w.fd);
    loop_free(l);
}

struct polled {
    uv_poll_t poll;
    struct sp_defer begin;
    struct loop *l;
    int fds[2];
    unsigned told;
};

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct polled *x = p->data;
    x->told++;
    uv_poll_stop(p);
}

static void begin(struct sp_defer *d)
{
    struct polled *x = SP_CONTAINER_OF(d, struct polled, begin);
    assert_int_equal(uv_poll_start(&x->poll, UV_READABLE, on_poll), 0);
}

static void on_closed(uv_handle_t *h)
{
    struct polled *x = h->data;
    x->told += 100;
}

/* A handle that is begun late in a turn, after uv was run: its descriptor is in uv's epoll only once uv runs again. */
static void test_uv_beside(void **state)
{
    struct loop *l = loop_new();
    struct polled x = {.begin.run = begin, .l = l};
    assert_int_equal(pipe(x.fds), 0);
    assert_int_equal(uv_poll_init(&l->worker.loop, &x.poll, x.fds[0]), 0);
    x.poll.data = &x;
    assert_int_equal(write(x.fds[1], "x", 1), 1);
    sp_defer(&l->worker.turn, &x.begin);
    LOOP_UNTIL(l, x.told == 1);
    uv_close((uv_handle_t *)&x.poll, on_closed);
    LOOP_UNTIL(l, x.told == 101);
    close(x.fds[0]);
    close(x.fds[1]);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_asked_for), cmocka_unit_test(test_hang_up), cmocka_unit_test(test_ended_by_another),
        cmocka_unit_test(test_not_to_be_watched), cmocka_unit_test(test_uv_beside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
