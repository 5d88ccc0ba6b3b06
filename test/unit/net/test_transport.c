/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transports on a worker against plain sockets: order of bytes, queueing, pauses, ends of every kind. */
#include "support/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/transport.h"

struct peer {
    struct loop *l;
    struct sp_transport *t;
    int fd; /* the other end, non-blocking */
    struct sp_buf got;
    int connected, read_err, drained, drain_err;
    unsigned reads;
    bool close_on_read, leave;
};

static void on_connect(void *ctx, int err)
{
    struct peer *p = ctx;
    assert_int_equal(p->connected, 1);
    p->connected = err;
}

static void on_read(void *ctx, struct sp_buf *in, int err)
{
    struct peer *p = ctx;
    p->reads++;
    if (err) {
        assert_int_equal(p->read_err, 0);
        p->read_err = err;
    }
    assert_ptr_equal(in, sp_transport_in(p->t));
    if (!p->leave)
        sp_buf_move(&p->got, in);
    if (p->close_on_read) {
        sp_transport_close(p->t, false);
        p->t = NULL;
    }
}

static void on_drained(void *ctx, int err)
{
    struct peer *p = ctx;
    p->drained++;
    p->drain_err = err;
}

static const struct sp_transport_cb cb = {on_connect, on_read, on_drained, NULL};

static int setup(void **state)
{
    struct peer *p = calloc(1, sizeof(*p));
    int fds[2], err;
    p->l = loop_new();
    p->connected = 1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    p->fd = fds[1];
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    p->t = sp_transport_adopt(&p->l->worker, fds[0], &cb, p, &err);
    assert_non_null(p->t);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct peer *p = *state;
    sp_buf_clear(&p->got);
    if (p->t)
        sp_transport_close(p->t, false);
    if (p->fd >= 0)
        close(p->fd);
    loop_free(p->l);
    assert_int_equal(sp_buf_thread_chunks(), 0);
    free(p);
    return 0;
}

static void send_str(struct sp_transport *t, const char *s)
{
    struct sp_buf b;
    sp_buf_init(&b);
    sp_buf_append_str(&b, sp_str_c(s));
    sp_transport_write(t, &b);
    assert_int_equal(b.len, 0);
}

static void expect_got(struct peer *p, const char *want)
{
    LOOP_UNTIL(p->l, p->got.len >= strlen(want));
    assert_int_equal(p->got.len, strlen(want));
    assert_memory_equal(sp_buf_pullup(&p->got, p->got.len), want, strlen(want));
}

static void test_echo(void **state)
{
    struct peer *p = *state;
    char buf[16];
    send_str(p->t, "hello");
    assert_int_equal(sp_transport_queued(p->t), 0);
    assert_int_equal(read(p->fd, buf, sizeof(buf)), 5); /* written at once, not at the turn's end */
    assert_int_equal(write(p->fd, "abc", 3), 3);
    loop_wait(p->l, 10);
    assert_int_equal(p->reads, 0); /* reading begins off */
    sp_transport_read(p->t, true);
    expect_got(p, "abc");
    assert_int_equal(write(p->fd, "def", 3), 3);
    expect_got(p, "abcdef");
    sp_buf_clear(&p->got);
    assert_int_equal(sp_buf_thread_chunks(), 0); /* an idle connection pins no chunk */
}

static void pattern(char *to, size_t n, size_t from)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (char)((from + i) * 31 + ((from + i) >> 11));
}

static void test_write_queue(void **state)
{
    enum { TOTAL = 8 << 20 };
    struct peer *p = *state;
    char *piece = malloc(TOTAL), *want = malloc(65536), *back = malloc(65536);
    struct sp_buf b;
    sp_buf_init(&b);
    pattern(piece, TOTAL, 0);
    for (size_t i = 0; i < TOTAL; i += 4 << 20) { /* the second write comes while the first is queued */
        sp_buf_append(&b, piece + i, 4 << 20);
        sp_transport_write(p->t, &b);
    }
    assert_true(sp_transport_queued(p->t) > 1 << 20);
    size_t done = 0;
    while (done < TOTAL) {
        assert_int_equal(p->drained, sp_transport_queued(p->t) == 0);
        ssize_t n = read(p->fd, back, 65536);
        if (n < 0) {
            loop_turn(p->l);
            continue;
        }
        pattern(want, (size_t)n, done);
        assert_memory_equal(want, back, (size_t)n);
        done += (size_t)n;
        loop_turn(p->l);
    }
    assert_int_equal(p->drain_err, 0);
    assert_int_equal(sp_transport_queued(p->t), 0);
    loop_wait(p->l, 10);
    assert_int_equal(p->drained, 1);
    free(piece);
    free(want);
    free(back);
}

static void test_bulk_read(void **state)
{
    enum { TOTAL = 3 << 20 };
    struct peer *p = *state;
    char *data = malloc(TOTAL);
    pattern(data, TOTAL, 0);
    sp_transport_read(p->t, true);
    size_t sent = 0;
    while (p->got.len < TOTAL) {
        ssize_t n = sent < TOTAL ? write(p->fd, data + sent, TOTAL - sent) : 0;
        sent += n > 0 ? (size_t)n : 0;
        loop_turn(p->l);
    }
    char *back = malloc(TOTAL);
    assert_int_equal(sp_buf_peek(&p->got, back, TOTAL), TOTAL);
    assert_memory_equal(data, back, TOTAL);
    free(data);
    free(back);
}

/* One flooding peer does not keep the turn to itself. */
static void test_read_share(void **state)
{
    struct peer *p = *state;
    char *data = calloc(1, 200 * 1024);
    int size = 4 << 20;
    setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    fcntl(p->fd, F_SETFL, 0);
    assert_int_equal(write(p->fd, data, 200 * 1024), 200 * 1024);
    sp_transport_read(p->t, true);
    while (!p->reads)
        loop_turn(p->l);
    assert_true(p->got.len >= 128 * 1024 && p->got.len < 200 * 1024);
    LOOP_UNTIL(p->l, p->got.len == 200 * 1024);
    free(data);
}

static void test_pause(void **state)
{
    struct peer *p = *state;
    sp_transport_read(p->t, true);
    assert_int_equal(write(p->fd, "a", 1), 1);
    expect_got(p, "a");
    sp_transport_read(p->t, false);
    assert_int_equal(write(p->fd, "b", 1), 1);
    loop_wait(p->l, 20);
    assert_int_equal(p->reads, 1);
    uint64_t turns = 0, until = loop_now_ms() + 30; /* unwanted bytes must not make the loop spin */
    for (; loop_now_ms() < until; turns++)
        loop_turn(p->l);
    assert_true(turns < 20);
    close(p->fd);
    p->fd = -1;
    for (until = loop_now_ms() + 30, turns = 0; loop_now_ms() < until; turns++)
        loop_turn(p->l);
    assert_true(turns < 20);
    sp_transport_read(p->t, true);
    LOOP_UNTIL(p->l, p->read_err);
    expect_got(p, "ab");
    assert_int_equal(p->read_err, UV_EOF);
}

static void test_half_close(void **state)
{
    struct peer *p = *state;
    char buf[16];
    sp_transport_read(p->t, true);
    assert_int_equal(write(p->fd, "end", 3), 3);
    shutdown(p->fd, SHUT_WR);
    LOOP_UNTIL(p->l, p->read_err);
    expect_got(p, "end");
    assert_int_equal(p->read_err, UV_EOF);
    loop_wait(p->l, 10);
    sp_transport_read(p->t, true); /* over is over */
    send_str(p->t, "answer");
    sp_transport_shutdown(p->t);
    sp_transport_shutdown(p->t);
    assert_int_equal(read(p->fd, buf, sizeof(buf)), 6);
    assert_int_equal(read(p->fd, buf, sizeof(buf)), 0);
}

static void test_shutdown_after_queue(void **state)
{
    struct peer *p = *state;
    static char data[4 << 20], back[65536];
    struct sp_buf b;
    sp_buf_init(&b);
    sp_buf_append_static(&b, data, sizeof(data));
    sp_transport_write(p->t, &b);
    sp_transport_shutdown(p->t);
    assert_true(sp_transport_queued(p->t) > 0);
    size_t got = 0;
    for (ssize_t n = 1; n;) {
        n = read(p->fd, back, sizeof(back));
        got += n > 0 ? (size_t)n : 0;
        loop_turn(p->l);
    }
    assert_int_equal(got, sizeof(data));
    assert_int_equal(p->drained, 1);
}

static void test_write_to_the_dead(void **state)
{
    struct peer *p = *state;
    close(p->fd);
    p->fd = -1;
    send_str(p->t, "x");
    assert_int_equal(p->drained, 0); /* never from inside the call */
    send_str(p->t, "y");
    LOOP_UNTIL(p->l, p->drained);
    assert_int_equal(p->drain_err, -EPIPE);
    assert_int_equal(p->drained, 1);
}

static void test_close_inside_read(void **state)
{
    struct peer *p = *state;
    p->close_on_read = true;
    sp_transport_read(p->t, true);
    char *data = calloc(1, 100000);
    assert_true(write(p->fd, data, 100000) > 20000);
    LOOP_UNTIL(p->l, !p->t);
    loop_wait(p->l, 10);
    assert_int_equal(p->reads, 1);
    free(data);
}

/* The report of a failed write must not come after the close. */
static void test_close_before_report(void **state)
{
    struct peer *p = *state;
    close(p->fd);
    p->fd = -1;
    send_str(p->t, "x");
    sp_transport_close(p->t, false);
    p->t = NULL;
    loop_wait(p->l, 10);
    assert_int_equal(p->drained, 0);
}

static void test_left_bytes_stay(void **state)
{
    struct peer *p = *state;
    p->leave = true;
    sp_transport_read(p->t, true);
    assert_int_equal(write(p->fd, "ab", 2), 2);
    LOOP_UNTIL(p->l, p->reads == 1);
    assert_int_equal(write(p->fd, "cd", 2), 2);
    LOOP_UNTIL(p->l, p->reads == 2);
    assert_int_equal(sp_transport_in(p->t)->len, 4);
}

static int tcp_listen(struct sp_addr *ret)
{
    struct sp_addr any;
    assert_int_equal(sp_addr_parse(SP_STR("127.0.0.1:0"), &any), 0);
    int fd = sp_sock_bind(&any, &(struct sp_sock_listen){0});
    assert_true(fd >= 0);
    assert_int_equal(listen(fd, 8), 0);
    *ret = sp_sock_local(fd);
    return fd;
}

static int accept_one(int fd)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&pfd, 1, 2000), 1);
    return accept(fd, NULL, NULL);
}

static void reconnect(struct peer *p, const struct sp_addr *to, const struct sp_sock_options *o)
{
    int err;
    sp_transport_close(p->t, false);
    close(p->fd);
    p->fd = -1;
    p->t = sp_transport_connect(&p->l->worker, to, o, &cb, p, &err);
    assert_non_null(p->t);
    assert_int_equal(p->connected, 1);
}

static void test_connect_and_reset(void **state)
{
    struct peer *p = *state;
    struct sp_addr at;
    char buf[4];
    int listening = tcp_listen(&at);
    struct sp_sock_options o = {.keepalive = true, .keepalive_time = 60, .keepalive_interval = 5, .keepalive_probes = 3};
    assert_int_equal(sp_addr_parse(SP_STR("127.0.0.9:0"), &o.bind), 0);
    reconnect(p, &at, &o);
    LOOP_UNTIL(p->l, p->connected == 0);
    p->fd = accept_one(listening);
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    struct sp_addr peer = sp_transport_peer(p->t), local = sp_transport_local(p->t);
    assert_true(sp_addr_eq(&peer, &at, true));
    assert_true(sp_addr_eq(&local, &o.bind, false));
    send_str(p->t, "hi");
    assert_int_equal(read(p->fd, buf, 4), 2);
    sp_transport_read(p->t, true);
    sp_transport_close(p->t, true);
    p->t = NULL;
    assert_int_equal(read(p->fd, buf, 4), -1);
    assert_int_equal(errno, ECONNRESET);
    close(listening);
}

static void test_reset_by_peer(void **state, bool reading)
{
    struct peer *p = *state;
    struct sp_addr at;
    int listening = tcp_listen(&at);
    reconnect(p, &at, NULL);
    LOOP_UNTIL(p->l, p->connected == 0);
    p->fd = accept_one(listening);
    sp_transport_read(p->t, true);
    sp_transport_read(p->t, reading);
    if (!reading) { /* then it is noticed though bytes wait that nobody wanted */
        assert_int_equal(write(p->fd, "x", 1), 1);
        loop_wait(p->l, 10);
    }
    sp_sock_reset_on_close(p->fd);
    close(p->fd);
    p->fd = -1;
    LOOP_UNTIL(p->l, p->read_err);
    assert_int_equal(p->read_err, -ECONNRESET);
    loop_wait(p->l, 10);
    close(listening);
}

static void test_reset_while_reading(void **state)
{
    test_reset_by_peer(state, true);
}

static void test_reset_while_paused(void **state)
{
    test_reset_by_peer(state, false);
}

/* What is held goes out with what is written next; it is not held for ever; and only one write is. */
static void test_hold(void **state)
{
    struct peer *p = *state;
    struct sp_addr at;
    char buf[16];
    int listening = tcp_listen(&at);
    reconnect(p, &at, NULL);
    LOOP_UNTIL(p->l, p->connected == 0);
    p->fd = accept_one(listening);
    sp_transport_hold(p->t, true);
    send_str(p->t, "ack");
    assert_int_equal(sp_transport_queued(p->t), 0); /* the kernel has it */
    assert_int_equal(recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT), -1);
    send_str(p->t, ", answer");
    assert_int_equal(poll(&(struct pollfd){.fd = p->fd, .events = POLLIN}, 1, 5000), 1);
    assert_int_equal(recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT), 11);
    assert_memory_equal(buf, "ack, answer", 11);
    sp_transport_hold(p->t, true);
    send_str(p->t, "late");
    assert_int_equal(poll(&(struct pollfd){.fd = p->fd, .events = POLLIN}, 1, 5000), 1);
    assert_int_equal(recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT), 4);
    close(listening);
}

static void test_connect_refused(void **state)
{
    struct peer *p = *state;
    struct sp_addr at;
    close(tcp_listen(&at));
    reconnect(p, &at, NULL);
    LOOP_UNTIL(p->l, p->connected != 1);
    assert_int_equal(p->connected, -ECONNREFUSED);
    loop_wait(p->l, 10);
}

static void test_connect_cannot_begin(void **state)
{
    struct peer *p = *state;
    int err = 0;
    struct sp_addr at = {.family = AF_UNIX, .path = "/nonexistent/socket"}, v4, v6;
    assert_null(sp_transport_connect(&p->l->worker, &at, NULL, &cb, p, &err));
    assert_int_equal(err, -ENOENT);
    sp_addr_parse(SP_STR("127.0.0.1:1"), &v4);
    sp_addr_parse(SP_STR("[::1]:1"), &v6);
    assert_null(sp_transport_connect(&p->l->worker, &v4, &(struct sp_sock_options){.bind = v6}, &cb, p, &err));
    assert_int_equal(err, -EAFNOSUPPORT);
}

static void test_unix(void **state)
{
    struct peer *p = *state;
    char name[64];
    snprintf(name, sizeof(name), "@sallyport-test-%d", (int)getpid());
    struct sp_addr at = {.family = AF_UNIX, .path = name};
    int listening = sp_sock_bind(&at, &(struct sp_sock_listen){0});
    assert_true(listening >= 0);
    assert_int_equal(listen(listening, 4), 0);
    assert_int_equal(sp_sock_bind(&at, &(struct sp_sock_listen){0}), -EADDRINUSE);
    reconnect(p, &at, NULL);
    LOOP_UNTIL(p->l, p->connected == 0);
    p->fd = accept_one(listening);
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    sp_transport_read(p->t, true);
    assert_int_equal(write(p->fd, "over unix", 9), 9);
    expect_got(p, "over unix");
    assert_int_equal(sp_transport_peer(p->t).family, AF_UNIX);
    close(listening);
}

/* A connect that succeeds at once is still told later, and not at all once closed. */
static void test_unix_connect_then_close(void **state)
{
    struct peer *p = *state;
    char path[64];
    snprintf(path, sizeof(path), "/tmp/sallyport-test-%d.sock", (int)getpid());
    struct sp_addr at = {.family = AF_UNIX, .path = path};
    for (int i = 0; i < 2; i++) { /* the second round finds the first one's path left behind */
        int listening = sp_sock_bind(&at, &(struct sp_sock_listen){.unix_mode = 0600});
        assert_true(listening >= 0);
        assert_int_equal(listen(listening, 4), 0);
        reconnect(p, &at, NULL);
        close(listening);
    }
    sp_transport_close(p->t, true);
    p->t = NULL;
    loop_wait(p->l, 10);
    assert_int_equal(p->connected, 1);
    unlink(path);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_echo), T(test_write_queue), T(test_bulk_read), T(test_read_share), T(test_pause), T(test_half_close),
        T(test_shutdown_after_queue), T(test_write_to_the_dead), T(test_close_inside_read), T(test_close_before_report),
        T(test_left_bytes_stay), T(test_connect_and_reset), T(test_reset_while_reading), T(test_reset_while_paused),
        T(test_hold), T(test_connect_refused), T(test_connect_cannot_begin), T(test_unix), T(test_unix_connect_then_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
