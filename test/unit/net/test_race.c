/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several addresses of one host (RFC 8305): their order, who wins, and that nothing is left of the others. */
#include "support/loop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/race.h"

static struct sp_addr at(const char *ip, uint16_t port)
{
    struct sp_addr a;
    assert_int_equal(sp_addr_parse_ip(sp_str_c(ip), &a), 0);
    a.port = port;
    return a;
}

static void check_order(const char *families, int first, unsigned count, const char *expected)
{
    struct sp_addr v[16] = {0}, ret[16];
    char got[64] = "";
    unsigned n = 0;
    for (const char *f = families; *f; f++, n++)
        v[n] = at(*f == '4' ? "10.0.0.1" : "::1", (uint16_t)(n + 1));
    sp_race_sort(v, n, first, count, ret);
    for (unsigned i = 0; i < n; i++)
        snprintf(got + strlen(got), sizeof(got) - strlen(got), "%u", ret[i].port);
    assert_string_equal(got, expected);
}

static void test_order(void **state)
{
    (void)state;
    check_order("4444", AF_UNSPEC, 1, "1234");
    check_order("6644", AF_UNSPEC, 1, "1324");
    check_order("6664", AF_UNSPEC, 1, "1423");
    check_order("4466", AF_INET6, 1, "3142");
    check_order("44666", AF_INET6, 2, "34152");
    check_order("444", AF_INET6, 1, "123");
    check_order("4", AF_INET, 3, "1");
}

struct bed {
    struct loop *l;
    struct sp_race *race;
    struct sp_transport *t;
    unsigned done;
    int err;
};

static void on_done(void *ctx, struct sp_transport *t, int err)
{
    struct bed *b = ctx;
    b->race = NULL;
    b->t = t;
    b->err = err;
    b->done++;
}

/* A socket that listens; with `full` nobody more can connect, and nobody is told. */
static int listening(struct sp_addr *ret, bool full)
{
    struct sockaddr_storage ss;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sp_addr any = at("127.0.0.1", 0);
    socklen_t len = sp_addr_to_sockaddr(&any, &ss);
    assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
    assert_int_equal(listen(fd, full ? 0 : 16), 0);
    *ret = sp_sock_local(fd);
    return fd;
}

static void fill(const struct sp_addr *to, int *fds, unsigned n)
{
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(to, &ss);
    for (unsigned i = 0; i < n; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(fds[i], (struct sockaddr *)&ss, len);
    }
}

/* An address that refuses. */
static struct sp_addr closed(void)
{
    struct sp_addr a;
    close(listening(&a, false));
    return a;
}

static void begin(struct bed *b, const struct sp_addr *v, unsigned n)
{
    static const struct sp_sock_options none;
    *b = (struct bed){.l = loop_new()};
    b->race = sp_race_new(&b->l->worker, v, n, &none, on_done, b);
    assert_int_equal(b->done, 0);
}

static void finish(struct bed *b)
{
    if (b->t)
        sp_transport_close(b->t, true);
    assert_true(b->done <= 1);
    loop_free(b->l);
}

static void test_refused(void **state)
{
    (void)state;
    struct bed b;
    struct sp_addr good;
    int fd = listening(&good, false);
    struct sp_addr v[SP_RACE_MOST];
    for (unsigned i = 0; i < SP_RACE_MOST; i++)
        v[i] = i == SP_RACE_MOST - 1 ? good : closed();
    uint64_t began = loop_now_ms();
    begin(&b, v, SP_RACE_MOST);
    LOOP_UNTIL(b.l, b.done);
    assert_non_null(b.t);
    assert_true(loop_now_ms() - began < 10 * SP_RACE_NEXT_MS); /* no wait after a refusal */
    struct sp_addr peer = sp_transport_peer(b.t);
    assert_int_equal(peer.port, good.port);
    finish(&b);
    close(fd);
}

static void test_silent(void **state)
{
    (void)state;
    struct bed b;
    struct sp_addr silent, good;
    int full = listening(&silent, true), fd = listening(&good, false), taken[4];
    fill(&silent, taken, 4);
    struct sp_addr v[2] = {silent, good};
    uint64_t began = loop_now_ms();
    begin(&b, v, 2);
    LOOP_UNTIL(b.l, b.done);
    assert_non_null(b.t);
    struct sp_addr peer = sp_transport_peer(b.t);
    assert_int_equal(peer.port, good.port);
    assert_true(loop_now_ms() - began >= SP_RACE_NEXT_MS - 10);
    finish(&b);
    for (unsigned i = 0; i < 4; i++)
        close(taken[i]);
    close(full);
    close(fd);
}

static void test_all_fail(void **state)
{
    (void)state;
    struct bed b;
    struct sp_addr v[3] = {closed(), {.family = AF_UNIX, .path = "/nobody/is/here"}, closed()};
    begin(&b, v, 3);
    LOOP_UNTIL(b.l, b.done);
    assert_null(b.t);
    assert_int_equal(b.err, -ECONNREFUSED);
    finish(&b);
    begin(&b, &v[1], 1); /* cannot even begin */
    LOOP_UNTIL(b.l, b.done);
    assert_null(b.t);
    assert_true(b.err < 0);
    finish(&b);
}

static void test_cancel(void **state)
{
    (void)state;
    struct bed b;
    struct sp_addr silent;
    int full = listening(&silent, true), taken[4];
    fill(&silent, taken, 4);
    struct sp_addr v[2] = {silent, silent};
    begin(&b, v, 2);
    sp_race_cancel(b.race);
    finish(&b);
    assert_int_equal(b.done, 0);
    for (unsigned i = 0; i < 4; i++)
        close(taken[i]);
    close(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order), cmocka_unit_test(test_refused), cmocka_unit_test(test_silent),
        cmocka_unit_test(test_all_fail), cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
