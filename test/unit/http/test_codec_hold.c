/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A response's head that somebody holds lives on, whatever becomes of its stream and its connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/http/codec_user.h"

static struct sp_turn turn;
static struct cu_side client, server;
static struct sp_codec_stream *held;
static struct sp_headers *head;

static void hold(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    (void)side;
    if (at != CU_HEADERS)
        return;
    held = x->cs;
    head = x->head;
    sp_codec_stream_hold(held);
}

static void answer(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    (void)side;
    if (at != CU_HEADERS)
        return;
    struct sp_headers *h = cu_response(x, 200);
    cu_add(h, "x-name", "a value that is worth keeping");
    cu_send(x, h, false);
    cu_send_data(x, 100, true);
}

static void begin(cu_make *make)
{
    sp_turn_init(&turn);
    cu_init(&client, &turn, false);
    cu_init(&server, &turn, true);
    client.hook = hold;
    server.hook = answer;
    cu_start(&client, make);
    cu_start(&server, make);
    held = NULL;
    struct cu_exchange *x = cu_open(&client);
    cu_send(x, cu_request(x, "GET", "/"), true);
    cu_pump(&client, &server, 0, 65536);
    assert_true(x->closed && held);
    assert_int_equal(x->n_body, 100);
}

static void expect_head(void)
{
    cu_turn(&turn, 1);
    assert_int_equal(head->status, 200);
    struct sp_str v = sp_headers_get(head, SP_STR("x-name"));
    assert_int_equal(v.len, 29);
    assert_memory_equal(v.ptr, "a value that is worth keeping", 29);
}

static void end(void)
{
    cu_done(&client);
    cu_done(&server);
    sp_turn_done(&turn);
}

/* Over, the head is added to, released: freed at the turn's end, as the address sanitizer sees. */
static void run(cu_make *make)
{
    begin(make);
    expect_head();
    for (unsigned i = 0; i < 200; i++)
        sp_headers_add(head, SP_STR("x-more"), SP_STR("from whoever passes it on"));
    expect_head();
    assert_true(held->held && held->gone);
    sp_codec_stream_release(held, &turn);
    assert_int_equal(head->status, 200); /* until the turn has ended */
    end();
}

static void run_without_codec(cu_make *make)
{
    begin(make);
    cu_done(&client);
    expect_head();
    sp_codec_stream_release(held, &turn);
    cu_done(&server);
    sp_turn_done(&turn);
}

static void test_h1(void **state)
{
    (void)state;
    run(sp_h1_new);
    run_without_codec(sp_h1_new);
}

static void test_h2(void **state)
{
    (void)state;
    run(sp_h2_new);
    run_without_codec(sp_h2_new);
}

/* Released while the stream is open: it goes with the stream. */
static void release_early(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    hold(side, x, at);
    if (at == CU_HEADERS)
        sp_codec_stream_release(held, &turn);
}

static void test_released_early(void **state)
{
    (void)state;
    cu_make *makes[] = {sp_h1_new, sp_h2_new};
    for (unsigned i = 0; i < 2; i++) {
        sp_turn_init(&turn);
        cu_init(&client, &turn, false);
        cu_init(&server, &turn, true);
        client.hook = release_early;
        server.hook = answer;
        cu_start(&client, makes[i]);
        cu_start(&server, makes[i]);
        struct cu_exchange *x = cu_open(&client);
        cu_send(x, cu_request(x, "GET", "/"), true);
        cu_pump(&client, &server, 7, 65536);
        assert_true(x->closed);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_h1), cmocka_unit_test(test_h2), cmocka_unit_test(test_released_early)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
