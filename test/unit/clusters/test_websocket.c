/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clusters/websocket.h"

/* RFC 6455 section 1.3. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static struct sp_arena arena;
static struct sp_headers request, answer;
static struct sp_websocket w;

static int setup(void **state)
{
    sp_arena_init(&arena);
    sp_headers_init(&request, &arena);
    sp_headers_init(&answer, &arena);
    request.method = SP_STR("GET");
    request.protocol = SP_STR("WebSocket");
    return 0;
}

static int teardown(void **state)
{
    sp_arena_done(&arena);
    return 0;
}

static const char *get(const struct sp_headers *h, const char *name)
{
    const struct sp_header *line = sp_headers_find(h, sp_str_c(name), NULL);
    return line ? sp_arena_str(&arena, line->value).ptr : NULL;
}

static void test_http1_to_http1_is_left_alone(void **state)
{
    sp_headers_add(&request, SP_STR("sec-websocket-key"), SP_STR(KEY));
    sp_headers_add(&answer, SP_STR("sec-websocket-accept"), SP_STR("whatever"));
    sp_websocket_begin(&w, &request);
    sp_websocket_send(&w, &request, false);
    assert_string_equal(get(&request, "sec-websocket-key"), KEY);
    assert_true(sp_websocket_answer(&w, &answer));
    assert_string_equal(get(&answer, "sec-websocket-accept"), "whatever"); /* the client looks at it itself */
}

static void test_http1_to_http2(void **state)
{
    sp_headers_add(&request, SP_STR("sec-websocket-key"), SP_STR(KEY));
    sp_websocket_begin(&w, &request);
    sp_websocket_send(&w, &request, true);
    assert_null(get(&request, "sec-websocket-key"));
    assert_true(sp_websocket_answer(&w, &answer));
    assert_string_equal(get(&answer, "sec-websocket-accept"), ACCEPT);
    sp_websocket_send(&w, &request, false); /* another attempt, over HTTP/1 */
    assert_string_equal(get(&request, "sec-websocket-key"), KEY);
}

static void test_http2_to_http1(void **state)
{
    sp_websocket_begin(&w, &request);
    sp_websocket_send(&w, &request, false);
    assert_int_equal(strlen(get(&request, "sec-websocket-key")), 24);
    assert_string_equal(get(&request, "sec-websocket-version"), "13");
    assert_false(sp_websocket_answer(&w, &answer));
    sp_headers_add(&answer, SP_STR("sec-websocket-accept"), SP_STR(ACCEPT));
    assert_false(sp_websocket_answer(&w, &answer)); /* of another key */
    assert_null(get(&answer, "sec-websocket-accept"));
    sp_headers_add(&answer, SP_STR("sec-websocket-accept"), w.accept);
    assert_true(sp_websocket_answer(&w, &answer));
    assert_null(get(&answer, "sec-websocket-accept"));
}

static void test_http2_to_http2_and_other_protocols(void **state)
{
    sp_websocket_begin(&w, &request);
    sp_websocket_send(&w, &request, true);
    assert_int_equal(request.n, 0);
    assert_true(sp_websocket_answer(&w, &answer));
    assert_int_equal(answer.n, 0);
    request.protocol = SP_STR("tcp");
    sp_websocket_begin(&w, &request);
    sp_websocket_send(&w, &request, false);
    assert_int_equal(request.n, 0);
    assert_true(sp_websocket_answer(&w, &answer));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_http1_to_http1_is_left_alone),
        T(test_http1_to_http2),
        T(test_http2_to_http1),
        T(test_http2_to_http2_and_other_protocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
