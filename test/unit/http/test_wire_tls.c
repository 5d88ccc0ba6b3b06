/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A wire with TLS in the middle (a fake one: records without secrets). */
#include "wire_fake.h"

static void tls_server(struct owner *o, bool inspect)
{
    o->setup.tls = &fake_ctx;
    own_server(o, inspect, MS(1000));
}

static void shake(struct owner *o)
{
    say(o, "\x16HEL");
    hear(o, "\x16SRV");
}

static void expect_end(struct owner *o, enum sp_wire_end why, const char *text)
{
    LOOP_UNTIL(o->l, o->closed);
    assert_int_equal(o->why, why);
    assert_string_equal(o->text, text);
}

static void test_request(void **state)
{
    struct owner *o = *state;
    tls_server(o, false);
    shake(o);
    assert_int_equal(o->ready, 0); /* no ALPN: the first bytes decide */
    say(o, "D\4get\n");
    LOOP_UNTIL(o->l, o->streams);
    assert_true(o->codec->base.config->tls);
    assert_int_equal(fake_ctx.refs, 1);
    assert_non_null(sp_wire_tls(o->wire));
    fake_answer(o->codec, "hello", 5);
    hear(o, "D\5hello");
    assert_int_equal(o->rx, 4 + 6);
    assert_int_equal(o->tx, 4 + 7);
    assert_int_equal(sp_buf_thread_chunks(), 0);
}

static void test_alpn(void **state)
{
    struct owner *o = *state;
    fake_alpn = "h2";
    tls_server(o, false);
    shake(o);
    LOOP_UNTIL(o->l, o->ready);
    assert_true(o->h2);
}

static void test_alpn_h1(void **state)
{
    struct owner *o = *state;
    fake_alpn = "http/1.1";
    tls_server(o, true);
    shake(o);
    LOOP_UNTIL(o->l, o->ready);
    assert_false(o->h2);
    assert_string_equal(o->sni, "sni.test");
}

static void test_preface(void **state)
{
    struct owner *o = *state;
    tls_server(o, true);
    shake(o);
    say(o, "D\x0aPRI * HTTP");
    loop_wait(o->l, 5);
    say(o, "D\x0e/2.0\r\n\r\nSM\r\n\r\n");
    LOOP_UNTIL(o->l, o->ready);
    assert_true(o->h2);
}

static void test_inspected_plain(void **state)
{
    struct owner *o = *state;
    own_server(o, true, MS(1000)); /* on_choose picks a plain chain */
    say(o, "get\n");
    LOOP_UNTIL(o->l, o->streams);
    assert_string_equal(o->sni, "-");
}

static void test_byte_at_a_time(void **state)
{
    struct owner *o = *state;
    static const char all[] = "\x16HEL" "D\4get\n";
    tls_server(o, true);
    for (size_t i = 0; i + 1 < sizeof(all); i++) {
        assert_int_equal(write(o->fd, all + i, 1), 1);
        loop_turn(o->l);
        loop_turn(o->l);
    }
    LOOP_UNTIL(o->l, o->streams);
}

static void test_garbage(void **state)
{
    struct owner *o = *state;
    tls_server(o, false);
    say(o, "GET / HTTP/1.1\r\n\r\n");
    expect_end(o, SP_WIRE_TLS, "TLS error: fake");
    assert_int_equal(o->ready, 0);
}

static void test_bad_hello(void **state)
{
    struct owner *o = *state;
    tls_server(o, true);
    say(o, "\x16" "BAD");
    expect_end(o, SP_WIRE_TLS, "bad hello");
    assert_int_equal(o->chosen, 0);
}

static void test_endless_hello(void **state)
{
    struct owner *o = *state;
    char *fill = calloc(1, 100000);
    tls_server(o, true);
    memcpy(fill, "\x16HE~", 4);
    ssize_t n = write(o->fd, fill, SP_CLIENT_HELLO_MAX - 1);
    assert_int_equal(n, SP_CLIENT_HELLO_MAX - 1);
    loop_wait(o->l, 10);
    assert_int_equal(o->closed, 0);
    say(o, "x");
    expect_end(o, SP_WIRE_TLS, "TLS error: the ClientHello is too long");
    free(fill);
}

static void test_handshake_timeout(void **state)
{
    struct owner *o = *state;
    o->setup.handshake_ns = MS(30);
    tls_server(o, false);
    uint64_t start = loop_now_ms();
    say(o, "\x16H");
    expect_end(o, SP_WIRE_TIMEOUT, "");
    assert_in_range(loop_now_ms() - start, 20, 1000);
}

static void test_handshake_deadline_ends(void **state)
{
    struct owner *o = *state;
    o->setup.handshake_ns = MS(30);
    fake_alpn = "h2";
    tls_server(o, false);
    shake(o);
    loop_wait(o->l, 60);
    assert_int_equal(o->closed, 0);
}

/* Held behind the handshake: no byte of a request is looked at until the owner says so. */
static void test_held(void **state)
{
    struct owner *o = *state;
    o->hold = true;
    tls_server(o, false);
    shake(o);
    say(o, "D\4get\n");
    loop_wait(o->l, 20);
    assert_true(o->secured == 1 && o->ready == 0 && o->streams == 0);
    sp_wire_proceed(o->wire);
    LOOP_UNTIL(o->l, o->streams);
    assert_int_equal(o->secured, 1);
    fake_answer(o->codec, "hello", 5);
    hear(o, "D\5hello");
}

static void test_held_ends(void **state)
{
    struct owner *o = *state;
    o->hold = true;
    o->setup.handshake_ns = MS(30);
    tls_server(o, false);
    shake(o);
    expect_end(o, SP_WIRE_TIMEOUT, "");
    assert_int_equal(o->ready, 0);
}

static void test_held_and_gone(void **state)
{
    struct owner *o = *state;
    o->hold = true;
    tls_server(o, false);
    shake(o);
    say(o, "D\4get\n");
    loop_wait(o->l, 5);
    close(o->fd);
    o->fd = -1;
    expect_end(o, SP_WIRE_REMOTE, "");
    assert_int_equal(o->streams, 0);
}

static void test_held_and_refused(void **state)
{
    struct owner *o = *state;
    o->hold = true;
    tls_server(o, false);
    shake(o);
    say(o, "D\4get\n");
    loop_wait(o->l, 5);
    sp_wire_close(o->wire, true);
    expect_end(o, SP_WIRE_LOCAL, "");
    assert_int_equal(o->streams, 0);
}

/* The alert goes out, and is not lost because the client had sent more. */
static void test_handshake_fails(void **state)
{
    struct owner *o = *state;
    o->setup.delayed_close_ns = MS(1000);
    tls_server(o, true);
    say(o, "\x16HEXmore");
    hear(o, "ALERT");
    hear_end(o);
    say(o, "and more");
    loop_wait(o->l, 10);
    assert_int_equal(o->closed, 0);
    close(o->fd);
    o->fd = -1;
    expect_end(o, SP_WIRE_TLS, "TLS error: fake");
}

static void test_eof_in_handshake(void **state)
{
    struct owner *o = *state;
    tls_server(o, false);
    say(o, "\x16H");
    loop_wait(o->l, 5);
    close(o->fd);
    o->fd = -1;
    expect_end(o, SP_WIRE_REMOTE, "the peer closed the connection during the TLS handshake");
}

static void test_close_notify(void **state)
{
    struct owner *o = *state;
    tls_server(o, false);
    shake(o);
    say(o, "D\4get\nX");
    LOOP_UNTIL(o->l, o->stream_closed);
    assert_int_equal(o->stream_why, SP_ABORT_CLOSED);
    expect_end(o, SP_WIRE_REMOTE, "");
}

/* Without close_notify the end is not an orderly one: a body that it delimits may have been cut. */
static void test_truncated(void **state)
{
    struct owner *o = *state;
    tls_server(o, false);
    shake(o);
    say(o, "D\4get\n");
    LOOP_UNTIL(o->l, o->streams);
    close(o->fd);
    o->fd = -1;
    LOOP_UNTIL(o->l, o->stream_closed);
    assert_int_equal(o->stream_why, SP_ABORT_RESET);
    expect_end(o, SP_WIRE_REMOTE, "");
}

static void test_record_fails_later(void **state)
{
    struct owner *o = *state;
    tls_server(o, false);
    shake(o);
    say(o, "D\4get\n");
    LOOP_UNTIL(o->l, o->streams);
    say(o, "F");
    expect_end(o, SP_WIRE_TLS, "TLS error: fake");
    assert_int_equal(o->stream_closed, 1);
}

/* What is decrypted already raises no socket event: resuming must pump again (and again). */
static void test_resume_pumps(void **state)
{
    enum { RECORDS = 2000 };
    struct owner *o = *state;
    char record[202] = {'D', (char)200};
    memset(record + 2, 'z', 199);
    record[201] = '\n';
    o->setup.buffer_limit = 16 * 1024;
    tls_server(o, false);
    shake(o);
    say(o, "D\x09get\nhold\n");
    LOOP_UNTIL(o->l, o->codec && o->codec->hold);
    size_t sent = 0;
    for (int idle = 0; idle < 5 && sent < RECORDS * 202;) {
        size_t at = sent % 202;
        ssize_t n = write(o->fd, record + at, 202 - at);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        if (sent % 4096 < 202)
            loop_turn(o->l);
    }
    loop_wait(o->l, 10);
    assert_true(sp_wire_held(o->wire) <= 192 * 1024);
    fake_release(o->codec);
    LOOP_UNTIL(o->l, o->codec->fed >= 9 + sent / 202 * 200);
}

static void test_large_answer(void **state)
{
    enum { TOTAL = 2 << 20 };
    struct owner *o = *state;
    char *data = malloc(TOTAL), *back = malloc(TOTAL * 2);
    for (size_t i = 0; i < TOTAL; i++)
        data[i] = (char)(i * 5 + (i >> 12));
    tls_server(o, false);
    shake(o);
    say(o, "D\4get\n");
    LOOP_UNTIL(o->l, o->streams);
    fake_answer(o->codec, data, TOTAL);
    size_t got = 0;
    for (int idle = 0; idle < 20 || !o->stream_closed; loop_turn(o->l)) {
        ssize_t n = read(o->fd, back + got, TOTAL * 2 - got);
        got += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
    }
    size_t plain = 0;
    for (size_t at = 0; at < got;) {
        assert_int_equal(back[at], 'D');
        size_t n = (unsigned char)back[at + 1];
        assert_memory_equal(back + at + 2, data + plain, n);
        plain += n;
        at += 2 + n;
    }
    assert_int_equal(plain, TOTAL);
    free(data);
    free(back);
}

static void test_last_answer(void **state)
{
    struct owner *o = *state;
    o->setup.delayed_close_ns = MS(1000);
    tls_server(o, false);
    shake(o);
    say(o, "D\5quit\n");
    LOOP_UNTIL(o->l, o->streams);
    fake_answer(o->codec, "last", 4);
    hear(o, "D\4lastX");
    hear_end(o);
    close(o->fd);
    o->fd = -1;
    expect_end(o, SP_WIRE_LOCAL, "");
}

static void test_slow_head(void **state)
{
    struct owner *o = *state;
    o->setup.headers_ns = MS(30);
    o->setup.codec = SP_CODEC_H1;
    tls_server(o, false);
    shake(o);
    say(o, "D\1g");
    hear(o, "D\x46HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\nX");
    expect_end(o, SP_WIRE_TIMEOUT, "");
}

static int listen_somewhere(struct sp_addr *ret)
{
    struct sp_addr any;
    sp_addr_parse(SP_STR("127.0.0.1:0"), &any);
    int fd = sp_sock_bind(&any, &(struct sp_sock_listen){0});
    assert_int_equal(listen(fd, 4), 0);
    *ret = sp_sock_local(fd);
    return fd;
}

static void test_client(void **state)
{
    struct owner *o = *state;
    struct sp_addr at;
    int listening = listen_somewhere(&at);
    fake_alpn = "h2";
    o->setup.tls = &fake_ctx;
    o->setup.connect_ns = MS(60);
    o->wire = sp_wire_client(&o->l->worker, &at, &o->setup, &own_cb, &own_codec_cb, o);
    LOOP_UNTIL(o->l, (o->fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0);
    hear(o, "\x16HEL");
    say(o, "\x16SRV");
    LOOP_UNTIL(o->l, o->ready);
    assert_true(o->h2);
    assert_false(o->codec->base.config->server);
    loop_wait(o->l, 80);
    assert_int_equal(o->closed, 0);
    close(o->fd);
    o->fd = -1;
    expect_end(o, SP_WIRE_REMOTE, "");
    /* A second one whose handshake does not come to its end. */
    o->ready = o->closed = 0;
    o->wire = sp_wire_client(&o->l->worker, &at, &o->setup, &own_cb, &own_codec_cb, o);
    expect_end(o, SP_WIRE_TIMEOUT, "");
    close(listening);
}

/* A client may hold its connection too: nothing is sent behind the handshake, and whom it does not trust it leaves. */
static void test_client_held(void **state)
{
    struct owner *o = *state;
    struct sp_addr at;
    int listening = listen_somewhere(&at);
    fake_alpn = "h2";
    o->hold = true;
    o->setup.tls = &fake_ctx;
    o->setup.connect_ns = MS(5000);
    for (unsigned trusted = 0; trusted < 2; trusted++) {
        o->ready = o->closed = o->secured = 0;
        o->wire = sp_wire_client(&o->l->worker, &at, &o->setup, &own_cb, &own_codec_cb, o);
        LOOP_UNTIL(o->l, (o->fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0);
        hear(o, "\x16HEL");
        say(o, "\x16SRV");
        LOOP_UNTIL(o->l, o->secured);
        loop_wait(o->l, 20);
        assert_true(o->secured == 1 && !o->ready && !o->closed);
        if (!trusted)
            sp_wire_tls(o->wire)->failed = true;
        sp_wire_proceed(o->wire);
        if (!trusted) {
            expect_end(o, SP_WIRE_TLS, "TLS error: fake");
            assert_int_equal(o->ready, 0);
            close(o->fd);
            continue;
        }
        LOOP_UNTIL(o->l, o->ready);
    }
    close(o->fd);
    o->fd = -1;
    expect_end(o, SP_WIRE_REMOTE, "");
    close(listening);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_request), T(test_alpn), T(test_alpn_h1), T(test_preface), T(test_inspected_plain), T(test_byte_at_a_time),
        T(test_garbage), T(test_bad_hello), T(test_endless_hello),
        T(test_handshake_timeout), T(test_handshake_deadline_ends), T(test_handshake_fails), T(test_held), T(test_held_ends),
        T(test_held_and_gone), T(test_held_and_refused), T(test_eof_in_handshake),
        T(test_close_notify), T(test_truncated), T(test_record_fails_later), T(test_resume_pumps), T(test_large_answer),
        T(test_last_answer), T(test_slow_head), T(test_client), T(test_client_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
