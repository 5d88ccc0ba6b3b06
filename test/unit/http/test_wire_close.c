/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wire's deadlines, and how it ends: lingering, draining, resets.  The clock is the real one, and the machine may be
 * busy: what must come is waited for as long as LOOP_UNTIL does, and what must not come by then is some tenths of a
 * second away.
 */
#include "wire_fake.h"

static void open_one(struct owner *o)
{
    own_server(o, false, 0);
    say(o, "get\n");
    LOOP_UNTIL(o->l, o->streams == 1);
}

static void expect_end(struct owner *o, enum sp_wire_end why)
{
    LOOP_UNTIL(o->l, o->closed);
    assert_int_equal(o->why, why);
}

/* `start` is from before the deadline was set. */
static void took_at_least(uint64_t start, unsigned ms)
{
    assert_true(loop_now_ms() - start >= ms);
}

static void test_first_bytes(void **state)
{
    struct owner *o = *state;
    uint64_t start = loop_now_ms();
    own_server(o, true, MS(200));
    expect_end(o, SP_WIRE_TIMEOUT);
    took_at_least(start, 100);
    assert_int_equal(o->chosen, 0);
}

static void test_first_bytes_dripping(void **state)
{
    struct owner *o = *state;
    own_server(o, true, MS(400));
    say(o, "\x16");
    loop_wait(o->l, 50);
    say(o, "H");
    expect_end(o, SP_WIRE_TIMEOUT);
}

static void test_idle_before_first(void **state)
{
    struct owner *o = *state;
    o->setup.idle_ns = MS(30);
    own_server(o, false, 0);
    expect_end(o, SP_WIRE_IDLE);
    assert_int_equal(o->ready, 0);
}

static void test_idle(void **state)
{
    struct owner *o = *state;
    o->setup.idle_ns = MS(400);
    o->setup.delayed_close_ns = MS(60000);
    open_one(o);
    loop_wait(o->l, 500);
    assert_int_equal(o->closed, 0); /* a stream is open */
    fake_answer(o->codec, "1", 1);
    hear(o, "1");
    loop_wait(o->l, 50);
    say(o, "get\n"); /* a new stream begins the idle time anew */
    LOOP_UNTIL(o->l, o->streams == 2);
    uint64_t start = loop_now_ms();
    fake_answer(o->codec, "2", 1);
    hear(o, "2");
    hear(o, "G");
    took_at_least(start, 300);
    hear_end(o);
    assert_int_equal(o->closed, 0); /* lingers until we close */
    close(o->fd);
    o->fd = -1;
    expect_end(o, SP_WIRE_IDLE);
}

/* A second without a stream; once, until there was another one. */
static void test_rest(void **state)
{
    struct owner *o = *state;
    o->setup.codec = SP_CODEC_H2;
    own_server(o, false, 0);
    LOOP_UNTIL(o->l, o->ready);
    say(o, "get\n");
    LOOP_UNTIL(o->l, o->streams == 1);
    loop_wait(o->l, 1300);
    assert_int_equal(o->codec->rests, 0); /* a stream is open */
    for (unsigned i = 1; i <= 2; i++) {
        uint64_t start = loop_now_ms();
        fake_answer(o->codec, "1", 1);
        hear(o, "1");
        LOOP_UNTIL(o->l, o->codec->rests == i);
        took_at_least(start, 900);
        loop_wait(o->l, 1300);
        assert_int_equal(o->codec->rests, i);
        say(o, "get\n");
        LOOP_UNTIL(o->l, o->streams == i + 1);
    }
    fake_answer(o->codec, "1", 1);
    hear(o, "1");
    sp_wire_close(o->wire, false);
    expect_end(o, SP_WIRE_LOCAL);
}

static void test_idle_with_bytes(void **state)
{
    struct owner *o = *state;
    o->setup.idle_ns = MS(400);
    open_one(o);
    uint64_t start = loop_now_ms();
    fake_answer(o->codec, "1", 1);
    hear(o, "1");
    while (!o->closed && loop_now_ms() - start < 5000) { /* filling opens no stream, so it buys no time */
        if (write(o->fd, "x\n", 2) < 0)
            break;
        loop_wait(o->l, 10);
    }
    expect_end(o, SP_WIRE_IDLE);
    took_at_least(start, 200);
}

static void test_slow_head(void **state)
{
    struct owner *o = *state;
    o->setup.headers_ns = MS(400);
    o->setup.idle_ns = MS(60000);
    o->setup.delayed_close_ns = MS(50);
    open_one(o);
    fake_answer(o->codec, "1", 1);
    hear(o, "1");
    loop_wait(o->l, 500); /* not begun: no limit yet */
    uint64_t start = loop_now_ms();
    for (int i = 0; i < 3; i++) {
        say(o, "g");
        loop_wait(o->l, 10);
    }
    hear(o, "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    took_at_least(start, 300); /* from its first byte */
    expect_end(o, SP_WIRE_TIMEOUT);
    assert_int_equal(o->events, 1);
    assert_string_equal(o->detail, "request_header_timeout");
}

static void test_slow_head_ends_in_time(void **state)
{
    struct owner *o = *state;
    o->setup.headers_ns = MS(600);
    own_server(o, false, 0);
    for (int i = 0; i < 8; i++) { /* each head takes 100 ms: none is late, though some head is always under way */
        say(o, i ? "et\ng" : "get\ng");
        LOOP_UNTIL(o->l, o->streams == (unsigned)i + 1);
        fake_answer(o->codec, "1", 1);
        hear(o, "1");
        loop_wait(o->l, 100);
    }
    assert_int_equal(o->closed, 0);
}

static void test_slow_head_h2(void **state)
{
    struct owner *o = *state;
    o->setup.headers_ns = MS(30);
    o->setup.codec = SP_CODEC_H2;
    own_server(o, false, 0);
    say(o, "get\ng");
    LOOP_UNTIL(o->l, o->streams);
    hear(o, "G"); /* no 408 in an HTTP/2 stream; and the other stream falls, too */
    expect_end(o, SP_WIRE_TIMEOUT);
}

static void test_max_age(void **state)
{
    struct owner *o = *state;
    o->setup.max_age_ns = MS(400);
    o->setup.drain_ns = MS(100);
    open_one(o);
    LOOP_UNTIL(o->l, o->codec->base.last_answer); /* the next answer says that it is the last */
    fake_answer(o->codec, "1", 1);
    hear(o, "1");
    assert_int_equal(o->codec->goaways + o->closed, 0);
    hear(o, "G"); /* drain_timeout later */
    expect_end(o, SP_WIRE_MAX_AGE);
}

static void test_safe_max_age(void **state)
{
    struct owner *o = *state;
    o->setup.max_age_ns = MS(100);
    o->setup.safe_max_age = true;
    open_one(o);
    LOOP_UNTIL(o->l, o->codec->base.last_answer);
    fake_answer(o->codec, "1", 1);
    hear(o, "1");
    loop_wait(o->l, 100);
    assert_int_equal(o->closed, 0); /* idle, and still there for a request that is on its way */
    assert_int_equal(o->codec->goaways, 0);
}

/* The last answer must not be lost because the peer had more to say. */
static void test_linger(void **state)
{
    struct owner *o = *state;
    o->setup.delayed_close_ns = MS(60000);
    own_server(o, false, 0);
    say(o, "quit\n");
    LOOP_UNTIL(o->l, o->streams);
    fake_answer(o->codec, "last", 4);
    hear(o, "last");
    hear_end(o);
    assert_int_equal(o->stream_closed, 1);
    for (int i = 0; i < 10; i++) {
        say(o, "more\n");
        loop_turn(o->l);
    }
    loop_wait(o->l, 10);
    assert_int_equal(o->closed, 0);
    assert_int_equal(sp_wire_held(o->wire), 0);
    close(o->fd);
    o->fd = -1;
    expect_end(o, SP_WIRE_LOCAL);
    assert_int_equal(o->rx, 5 + 50);
}

static void test_linger_time(void **state)
{
    struct owner *o = *state;
    o->setup.delayed_close_ns = MS(200);
    own_server(o, false, 0);
    say(o, "quit\n");
    LOOP_UNTIL(o->l, o->streams);
    uint64_t start = loop_now_ms();
    fake_answer(o->codec, "last", 4);
    hear(o, "last");
    expect_end(o, SP_WIRE_UNREAD);
    took_at_least(start, 100);
    assert_int_equal(o->err, -ETIMEDOUT);
}

static void test_linger_bytes(void **state)
{
    struct owner *o = *state;
    char *fill = calloc(1, 65536);
    o->setup.delayed_close_ns = MS(60000);
    own_server(o, false, 0);
    say(o, "quit\n");
    LOOP_UNTIL(o->l, o->streams);
    fake_answer(o->codec, "last", 4);
    hear(o, "last");
    signal(SIGPIPE, SIG_IGN);
    LOOP_UNTIL(o->l, o->closed || (write(o->fd, fill, 65536) && false));
    assert_int_equal(o->why, SP_WIRE_LOCAL);
    assert_in_range(o->rx, 1 << 20, 3 << 20);
    free(fill);
}

static void test_no_linger(void **state)
{
    struct owner *o = *state;
    own_server(o, false, 0); /* delayed_close_ns 0 */
    say(o, "quit\n");
    LOOP_UNTIL(o->l, o->streams);
    fake_answer(o->codec, "last", 4);
    expect_end(o, SP_WIRE_LOCAL);
    hear(o, "last");
}

/* A slow reader of the last answer is waited for as long as it makes progress; one that stands still is not. */
static void test_linger_slow_reader(void **state)
{
    struct owner *o = *state;
    char *data = calloc(1, 700 * 1024), *back = malloc(65536);
    o->setup.delayed_close_ns = MS(400);
    own_server(o, false, 0);
    say(o, "quit\n");
    LOOP_UNTIL(o->l, o->streams);
    fake_answer(o->codec, data, 700 * 1024);
    LOOP_UNTIL(o->l, o->tx);
    size_t done = 0;
    uint64_t start = loop_now_ms();
    while (loop_now_ms() - start < 1000 && !o->closed) {
        ssize_t n = read(o->fd, back, 8192);
        done += n > 0 ? (size_t)n : 0;
        loop_wait(o->l, 15);
    }
    assert_int_equal(o->closed, 0);
    assert_true(done < 700 * 1024);
    for (bool end = false; !end;) {
        ssize_t n = read(o->fd, back, 65536);
        done += n > 0 ? (size_t)n : 0;
        end = n == 0;
        loop_turn(o->l);
    }
    assert_int_equal(done, 700 * 1024);
    expect_end(o, SP_WIRE_UNREAD);
    free(data);
    free(back);
}

static void test_linger_stuck_reader(void **state)
{
    struct owner *o = *state;
    char *data = calloc(1, 300 * 1024);
    o->setup.delayed_close_ns = MS(40);
    own_server(o, false, 0);
    say(o, "quit\n");
    LOOP_UNTIL(o->l, o->streams);
    fake_answer(o->codec, data, 300 * 1024);
    expect_end(o, SP_WIRE_UNREAD);
    free(data);
}

static void test_protocol_error(void **state)
{
    struct owner *o = *state;
    o->setup.delayed_close_ns = MS(30);
    open_one(o);
    say(o, "bad\nget\n");
    hear(o, "400");
    hear_end(o);
    assert_int_equal(o->streams, 1);
    assert_int_equal(o->stream_closed, 1); /* at once, not after lingering: its upstream request is in vain */
    expect_end(o, SP_WIRE_PROTOCOL);
}

/* A message that was cut short ends with a reset (here: at once), not with a FIN and lingering, which make it look whole. */
static void test_cut_message(void **state)
{
    struct owner *o = *state;
    o->setup.delayed_close_ns = MS(60000);
    open_one(o);
    o->codec->base.want_reset = true;
    sp_wire_kick(o->wire);
    expect_end(o, SP_WIRE_LOCAL);
    assert_int_equal(o->stream_closed, 1);
}

static void test_drain_busy(void **state)
{
    struct owner *o = *state;
    open_one(o);
    sp_wire_drain(o->wire);
    sp_wire_drain(o->wire);
    hear(o, "G");
    loop_wait(o->l, 20);
    assert_int_equal(o->closed, 0);
    fake_answer(o->codec, "1", 1);
    hear(o, "1");
    expect_end(o, SP_WIRE_LOCAL);
}

static void test_drain_idle(void **state)
{
    struct owner *o = *state;
    o->setup.codec = SP_CODEC_H1;
    own_server(o, false, 0);
    LOOP_UNTIL(o->l, o->ready);
    sp_wire_drain(o->wire);
    expect_end(o, SP_WIRE_LOCAL);
}

static void test_drain_before_ready(void **state)
{
    struct owner *o = *state;
    o->setup.drain_ns = MS(200);
    own_server(o, false, 0);
    LOOP_UNTIL(o->l, o->chosen);
    sp_wire_drain(o->wire);
    say(o, "get\n");
    LOOP_UNTIL(o->l, o->streams); /* what has come is answered */
    assert_true(o->codec->base.last_answer);
    fake_answer(o->codec, "1", 1);
    hear(o, "1");
    hear(o, "G"); /* the fake codec knows nothing of last answers */
    expect_end(o, SP_WIRE_LOCAL);
}

/* Who has connected and says nothing holds up no drain; but its first word may be under way. */
static void test_drain_silent(void **state)
{
    struct owner *o = *state;
    o->setup.drain_ns = MS(100);
    own_server(o, false, 0);
    LOOP_UNTIL(o->l, o->chosen);
    uint64_t start = loop_now_ms();
    sp_wire_drain(o->wire);
    expect_end(o, SP_WIRE_LOCAL);
    took_at_least(start, 90);
    assert_int_equal(o->ready, 0);
}

/* The same where it drains before it is known what the client will speak. */
static void test_drain_before_choice(void **state)
{
    struct owner *o = *state;
    o->setup.drain_ns = MS(100);
    own_server(o, true, 0);
    sp_wire_drain(o->wire);
    loop_wait(o->l, 20);
    assert_int_equal(o->chosen, 0);
    say(o, "g");
    LOOP_UNTIL(o->l, o->chosen);
    say(o, "et\n");
    LOOP_UNTIL(o->l, o->streams);
    fake_answer(o->codec, "1", 1);
    hear(o, "1G");
    expect_end(o, SP_WIRE_LOCAL);
}

/* A request that crosses the first GOAWAY is taken; the second ends it. */
static void test_drain_h2(void **state)
{
    struct owner *o = *state;
    o->setup.codec = SP_CODEC_H2;
    o->setup.drain_ns = MS(1000);
    own_server(o, false, 0);
    LOOP_UNTIL(o->l, o->ready);
    sp_wire_drain(o->wire);
    hear(o, "G");
    loop_wait(o->l, 30);
    assert_int_equal(o->closed, 0);
    say(o, "get\n");
    LOOP_UNTIL(o->l, o->streams);
    fake_answer(o->codec, "1", 1);
    hear(o, "1");
    hear(o, "G");
    assert_int_equal(o->codec ? o->codec->goaways : 2, 2);
    expect_end(o, SP_WIRE_LOCAL);
}

/* Requests that still arrive behind their answers are waited for: their codec sees to it that it is not long. */
static void test_drain_lingering(void **state)
{
    struct owner *o = *state;
    open_one(o);
    o->codec->base.lingers = true;
    fake_answer(o->codec, "1", 1);
    hear(o, "1");
    sp_wire_drain(o->wire);
    hear(o, "G");
    loop_wait(o->l, 50);
    assert_int_equal(o->closed, 0);
    o->codec->base.lingers = false;
    sp_wire_kick(o->wire);
    expect_end(o, SP_WIRE_LOCAL);
}

static void test_close_flushes(void **state)
{
    struct owner *o = *state;
    open_one(o);
    sp_buf_append_str(&o->codec->out, SP_STR("part"));
    sp_wire_close(o->wire, false);
    expect_end(o, SP_WIRE_LOCAL);
    hear(o, "part");
    assert_int_equal(o->stream_why, SP_ABORT_CLOSED);
}

/* ---- client ---- */

static int listening;

static void own_client(struct owner *o)
{
    struct sp_addr any, at;
    sp_addr_parse(SP_STR("127.0.0.1:0"), &any);
    listening = sp_sock_bind(&any, &(struct sp_sock_listen){0});
    assert_int_equal(listen(listening, 4), 0);
    at = sp_sock_local(listening);
    o->wire = sp_wire_client(&o->l->worker, &at, &o->setup, &own_cb, &own_codec_cb, o);
    assert_int_equal(o->ready + o->closed, 0);
}

static void accept_client(struct owner *o)
{
    LOOP_UNTIL(o->l, o->ready);
    o->fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
    assert_true(o->fd >= 0);
    close(listening);
}

static void test_client(void **state)
{
    struct owner *o = *state;
    o->setup.connect_ns = MS(400);
    own_client(o);
    accept_client(o);
    assert_false(o->codec->base.config->server);
    loop_wait(o->l, 500); /* the connect deadline is over with the connect */
    o->codec->base.ops->open(&o->codec->base, NULL);
    hear(o, "get\n");
    fake_answer(o->codec, "", 0);
    LOOP_UNTIL(o->l, o->stream_closed);
    o->streams++; /* the teardown compares */
    close(o->fd);
    o->fd = -1;
    expect_end(o, SP_WIRE_REMOTE);
}

static void test_client_cannot_begin(void **state)
{
    struct owner *o = *state;
    struct sp_addr nowhere = {.family = AF_UNIX, .path = "/nonexistent/x"};
    o->wire = sp_wire_client(&o->l->worker, &nowhere, &o->setup, &own_cb, &own_codec_cb, o);
    assert_int_equal(o->closed, 0);
    expect_end(o, SP_WIRE_CONNECT);
    assert_int_equal(o->err, -ENOENT);
    assert_string_equal(o->text, "No such file or directory");
}

static void test_client_refused(void **state)
{
    struct owner *o = *state;
    struct sp_addr any, at;
    sp_addr_parse(SP_STR("127.0.0.1:0"), &any);
    int fd = sp_sock_bind(&any, &(struct sp_sock_listen){0});
    at = sp_sock_local(fd);
    o->wire = sp_wire_client(&o->l->worker, &at, &o->setup, &own_cb, &own_codec_cb, o);
    expect_end(o, SP_WIRE_CONNECT);
    assert_int_equal(o->err, -ECONNREFUSED);
    close(fd);
}

static void test_client_idle_and_drain(void **state)
{
    struct owner *o = *state;
    o->setup.idle_ns = MS(30);
    own_client(o);
    accept_client(o);
    expect_end(o, SP_WIRE_IDLE);
    close(o->fd);
    o->fd = -1;
    o->closed = o->ready = 0;
    o->setup.idle_ns = 0;
    own_client(o);
    accept_client(o);
    sp_wire_drain(o->wire);
    expect_end(o, SP_WIRE_LOCAL);
}

/* Some servers take a client's GOAWAY for the end of all that is under way. */
static void test_client_goaway_comes_last(void **state)
{
    struct owner *o = *state;
    o->setup.codec = SP_CODEC_H2;
    own_client(o);
    accept_client(o);
    o->codec->base.ops->open(&o->codec->base, NULL);
    hear(o, "get\n");
    o->streams++;
    sp_wire_drain(o->wire);
    loop_wait(o->l, 30);
    assert_int_equal(o->codec->goaways + o->closed, 0);
    fake_answer(o->codec, "", 0);
    hear(o, "G");
    expect_end(o, SP_WIRE_LOCAL);
}

/* An answer that was sent before the peer stopped listening is still read. */
static void test_client_early_answer(void **state)
{
    struct owner *o = *state;
    own_client(o);
    accept_client(o);
    o->codec->base.ops->open(&o->codec->base, NULL);
    hear(o, "get\n");
    o->streams++;
    o->codec->hold = true;
    o->codec->base.want_read = false;
    say(o, "a\nb\n");
    close(o->fd);
    o->fd = -1;
    loop_wait(o->l, 20);
    assert_int_equal(o->closed, 0); /* a paused reader gets all that came before the end */
    size_t fed = o->codec->fed;
    assert_int_equal(fed, 0);
    fake_release(o->codec);
    expect_end(o, SP_WIRE_REMOTE);
    assert_int_equal(o->rx, 4);
    assert_int_equal(o->stream_why, SP_ABORT_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_first_bytes), T(test_first_bytes_dripping), T(test_idle_before_first), T(test_idle), T(test_rest), T(test_idle_with_bytes),
        T(test_slow_head), T(test_slow_head_ends_in_time), T(test_slow_head_h2), T(test_max_age), T(test_safe_max_age), T(test_linger),
        T(test_linger_time), T(test_linger_bytes), T(test_no_linger), T(test_linger_slow_reader),
        T(test_linger_stuck_reader), T(test_protocol_error), T(test_cut_message), T(test_drain_busy), T(test_drain_idle),
        T(test_drain_before_ready), T(test_drain_silent), T(test_drain_before_choice), T(test_drain_h2),
        T(test_drain_lingering), T(test_close_flushes), T(test_client),
        T(test_client_cannot_begin), T(test_client_refused), T(test_client_idle_and_drain), T(test_client_early_answer),
        T(test_client_goaway_comes_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
