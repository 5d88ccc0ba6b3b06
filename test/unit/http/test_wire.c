/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A server's wire: opening, bytes, backpressure, the peer's end. Timers and closing: test_wire_close.c. */
#include "wire_fake.h"

static void test_request(void **state)
{
    struct owner *o = *state;
    own_server(o, false, 0);
    LOOP_UNTIL(o->l, o->chosen);
    assert_string_equal(o->sni, "-");
    assert_int_equal(o->ready, 0); /* nothing shows yet whether it is HTTP/2 */
    say(o, "get\n");
    LOOP_UNTIL(o->l, o->streams == 1);
    assert_int_equal(o->ready, 1);
    assert_false(o->h2);
    assert_true(o->codec->base.config->server);
    assert_false(o->codec->base.config->tls);
    fake_answer(o->codec, "hello", 5);
    hear(o, "hello");
    assert_int_equal(o->stream_closed, 1);
    say(o, "get\n");
    LOOP_UNTIL(o->l, o->streams == 2);
    assert_int_equal(o->rx, 8);
    assert_int_equal(o->tx, 5);
    assert_int_equal(sp_wire_held(o->wire), 0);
    assert_int_equal(sp_buf_thread_chunks(), 0); /* an idle connection holds no chunk */
}

static void test_preface(void **state)
{
    struct owner *o = *state;
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    own_server(o, false, 0);
    for (size_t i = 0; i + 1 < sizeof(preface); i++) {
        assert_int_equal(o->ready, 0);
        assert_int_equal(write(o->fd, preface + i, 1), 1);
        loop_turn(o->l);
        loop_turn(o->l);
    }
    LOOP_UNTIL(o->l, o->ready);
    assert_true(o->h2);
    LOOP_UNTIL(o->l, o->codec->fed + o->codec->base.in_head > 0); /* it gets the preface, too */
}

static void test_not_quite_preface(void **state)
{
    struct owner *o = *state;
    own_server(o, false, 0);
    say(o, "PRI * HTTP/2.0\r\n\r\nSM\r\nget\n");
    LOOP_UNTIL(o->l, o->ready);
    assert_false(o->h2);
}

static void test_codec_by_config(void **state)
{
    struct owner *o = *state;
    o->setup.codec = SP_CODEC_H2;
    own_server(o, false, 0);
    LOOP_UNTIL(o->l, o->ready);
    assert_true(o->h2);
}

static void test_refused(void **state)
{
    struct owner *o = *state;
    o->refuse = true;
    own_server(o, true, 0);
    say(o, "get\n");
    LOOP_UNTIL(o->l, o->closed);
    assert_int_equal(o->why, SP_WIRE_REFUSED);
    assert_int_equal(o->ready, 0);
}

/* All streams' output of a turn is one write. */
static void answer_at_once(struct owner *o)
{
    if (o->streams % 2 == 0)
        fake_answer(o->codec, "ab", 2);
}

static void test_gathered_write(void **state)
{
    struct owner *o = *state;
    int fds[2], err;
    o->setup.codec = SP_CODEC_H1;
    o->on_stream = answer_at_once;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    o->fd = fds[1];
    o->wire = sp_wire_server(&o->l->worker, sp_transport_adopt(&o->l->worker, fds[0], NULL, NULL, &err), false, 0, &own_cb,
                             &own_codec_cb, o);
    say(o, "get\nget\nget\nget\n");
    hear(o, "abab"); /* packets keep their bounds: one packet, one write */
}

static void test_backpressure_in(void **state)
{
    struct owner *o = *state;
    char fill[4096];
    own_server(o, false, 0);
    say(o, "get\nhold\n");
    LOOP_UNTIL(o->l, o->codec && o->codec->hold);
    memset(fill, 'x', sizeof(fill));
    fill[199] = fill[399] = '\n';
    for (size_t i = 200; i < sizeof(fill); i += 100)
        fill[i + 99 < sizeof(fill) ? i + 99 : sizeof(fill) - 1] = '\n';
    size_t sent = 0;
    for (int idle = 0; idle < 5;) {
        ssize_t n = write(o->fd, fill, sizeof(fill));
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        loop_turn(o->l);
    }
    assert_true(sp_wire_held(o->wire) <= 256 * 1024); /* a turn's share, not all that the peer would send */
    assert_true(sp_wire_held(o->wire) < sent);
    fake_release(o->codec);
    LOOP_UNTIL(o->l, o->rx >= sent);
    loop_wait(o->l, 10);
    assert_true(sp_wire_held(o->wire) < 256);
}

static void test_backpressure_out(void **state)
{
    enum { TOTAL = 6 << 20 };
    struct owner *o = *state;
    char *data = malloc(TOTAL), *back = malloc(65536);
    for (size_t i = 0; i < TOTAL; i++)
        data[i] = (char)(i * 7 + (i >> 13));
    own_server(o, false, 0);
    say(o, "get\n");
    LOOP_UNTIL(o->l, o->streams);
    fake_answer(o->codec, data, TOTAL);
    loop_wait(o->l, 20);
    assert_true(sp_transport_queued(sp_wire_transport(o->wire)) <= 256 * 1024);
    assert_true(o->codec->out.len > TOTAL / 2); /* it stays with the codec, whose streams can be paused */
    assert_int_equal(o->stream_closed, 0);
    for (size_t done = 0; done < TOTAL;) {
        ssize_t n = read(o->fd, back, 65536);
        if (n > 0) {
            assert_memory_equal(data + done, back, (size_t)n);
            done += (size_t)n;
        }
        loop_turn(o->l);
    }
    LOOP_UNTIL(o->l, o->stream_closed == 1);
    assert_int_equal(o->tx, TOTAL);
    free(data);
    free(back);
}

/* A peer that does not read cannot make us hold answers to its pings without end. */
static void test_control_is_bounded(void **state)
{
    struct owner *o = *state;
    char *fill = calloc(1, 64 * 1024);
    own_server(o, false, 0);
    say(o, "get\n");
    LOOP_UNTIL(o->l, o->streams);
    for (int i = 0; i < 100; i++) {
        sp_buf_append(&o->codec->control, fill, 64 * 1024);
        sp_wire_kick(o->wire);
        loop_turn(o->l);
    }
    assert_true(sp_transport_queued(sp_wire_transport(o->wire)) < 640 * 1024);
    free(fill);
}

static void test_small_limit(void **state)
{
    struct owner *o = *state;
    char *data = calloc(1, 1 << 20), *back = malloc(65536);
    o->setup.buffer_limit = 1;
    own_server(o, false, 0);
    say(o, "get\n");
    LOOP_UNTIL(o->l, o->streams);
    fake_answer(o->codec, data, 1 << 20);
    loop_wait(o->l, 10);
    assert_true(sp_transport_queued(sp_wire_transport(o->wire)) <= 16 * 1024);
    for (size_t done = 0; done < 1 << 20;) {
        ssize_t n = read(o->fd, back, 65536);
        done += n > 0 ? (size_t)n : 0;
        loop_turn(o->l);
    }
    free(data);
    free(back);
}

static void test_peer_leaves_idle(void **state)
{
    struct owner *o = *state;
    own_server(o, false, 0);
    say(o, "get\n");
    LOOP_UNTIL(o->l, o->streams);
    fake_answer(o->codec, "1", 1);
    hear(o, "1");
    close(o->fd);
    o->fd = -1;
    LOOP_UNTIL(o->l, o->closed);
    assert_int_equal(o->why, SP_WIRE_REMOTE);
    assert_int_equal(o->err, 0);
}

static void test_peer_leaves_during(void **state)
{
    struct owner *o = *state;
    own_server(o, false, 0);
    say(o, "get\nhold\n"); /* the codec wants no more, but nothing waits: the end is still noticed */
    LOOP_UNTIL(o->l, o->streams && o->codec->hold);
    shutdown(o->fd, SHUT_WR);
    LOOP_UNTIL(o->l, o->closed);
    assert_int_equal(o->why, SP_WIRE_REMOTE);
    assert_int_equal(o->stream_why, SP_ABORT_CLOSED);
}

/* The bytes before the end come first. */
static void test_last_request(void **state)
{
    struct owner *o = *state;
    own_server(o, false, 0);
    say(o, "get\nget\n");
    shutdown(o->fd, SHUT_WR);
    LOOP_UNTIL(o->l, o->closed);
    assert_int_equal(o->streams, 2);
    assert_int_equal(o->stream_closed, 2);
}

static void test_peer_leaves_before_anything(void **state)
{
    struct owner *o = *state;
    own_server(o, true, MS(1000));
    close(o->fd);
    o->fd = -1;
    LOOP_UNTIL(o->l, o->closed);
    assert_int_equal(o->why, SP_WIRE_REMOTE);
    assert_int_equal(o->chosen, 0);
}

static void test_write_error_aborts(void **state)
{
    struct owner *o = *state;
    own_server(o, false, 0);
    say(o, "get\n");
    LOOP_UNTIL(o->l, o->streams);
    shutdown(o->fd, SHUT_RD);
    fake_answer(o->codec, "x", 1);
    LOOP_UNTIL(o->l, o->closed);
    assert_int_equal(o->why, SP_WIRE_REMOTE);
    assert_int_equal(o->err, -EPIPE);
}

static void close_in_stream(struct owner *o)
{
    sp_wire_close(o->wire, true);
    assert_int_equal(o->closed, 0);
    fake_answer(o->codec, "must not be sent", 16);
}

static void test_close_inside_a_callback(void **state)
{
    struct owner *o = *state;
    char c;
    o->on_stream = close_in_stream;
    own_server(o, false, 0);
    say(o, "get\nget\n");
    LOOP_UNTIL(o->l, o->closed);
    assert_int_equal(o->why, SP_WIRE_LOCAL);
    assert_int_equal(read(o->fd, &c, 1), 0);
    assert_int_equal(o->tx, 0);
}

static void test_close_at_once(void **state)
{
    struct owner *o = *state;
    own_server(o, false, 0);
    sp_wire_close(o->wire, false);
    assert_int_equal(o->closed, 0);
    LOOP_UNTIL(o->l, o->closed);
    assert_int_equal(o->chosen, 0);
}

/* One that sends much at a time is served in shares. */
static void test_share(void **state)
{
    struct owner *o = *state;
    char line[100], *all = malloc(400 * 1000);
    memset(line, 'y', sizeof(line));
    line[99] = '\n';
    for (size_t i = 0; i < 4000; i++)
        memcpy(all + i * 100, line, 100);
    own_server(o, false, 0);
    int size = 1 << 20;
    setsockopt(o->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    ssize_t n = write(o->fd, all, 400 * 1000);
    assert_true(n > 200 * 1000);
    LOOP_UNTIL(o->l, o->codec);
    assert_true(o->codec->fed <= 288 * 1024); /* the share that it began with, and the one after it */
    LOOP_UNTIL(o->l, o->codec->fed / 100 == (size_t)n / 100);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_request), T(test_preface), T(test_not_quite_preface), T(test_codec_by_config), T(test_refused),
        T(test_gathered_write), T(test_backpressure_in), T(test_backpressure_out), T(test_control_is_bounded),
        T(test_small_limit), T(test_peer_leaves_idle), T(test_peer_leaves_during), T(test_last_request),
        T(test_peer_leaves_before_anything), T(test_write_error_aborts), T(test_close_inside_a_callback),
        T(test_close_at_once), T(test_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
