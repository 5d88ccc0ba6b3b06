/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of the HTTP/1 codec's own, as those who use it want them said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/h1_codec.h"

static unsigned wanted; /* 0: nothing else is wanted */

static bool on_refusal(void *ctx, unsigned status, const char *detail, struct sp_headers *h, struct sp_buf *body)
{
    (void)ctx;
    assert_int_equal(status, 400);
    assert_string_equal(detail, "http1.bad");
    if (!wanted)
        return false;
    h->status = wanted;
    sp_headers_add(h, SP_STR("x-door"), SP_STR("one"));
    sp_headers_add(h, SP_STR("x-split"), SP_STR("a\r\nset-cookie: b"));
    sp_headers_add(h, SP_STR("x bad"), SP_STR("c"));
    sp_headers_add_id(h, SP_H_CONTENT_LENGTH, SP_STR("999"));
    sp_headers_add_id(h, SP_H_TRANSFER_ENCODING, SP_STR("chunked"));
    sp_headers_add_id(h, SP_H_CONNECTION, SP_STR("keep-alive"));
    sp_buf_append_str(body, SP_STR("no"));
    return true;
}

static const struct sp_codec_cb cb = {.on_refusal = on_refusal}, plain;

static void said(const struct sp_codec_cb *with, unsigned status, bool close, bool head_only, const char *text, unsigned as)
{
    struct sp_buf out;
    char got[512];
    sp_buf_init(&out);
    assert_int_equal(sp_h1_write_error(with, NULL, "http1.bad", &out, status, close, head_only), as);
    got[sp_buf_peek(&out, got, sizeof(got) - 1)] = 0;
    assert_string_equal(got, text);
    sp_buf_clear(&out);
}

/* Framing is the codec's, and a line that would split the answer is not said. */
static void another_answer(void **state)
{
    (void)state;
    wanted = 429;
    said(&cb, 400, true, false, "HTTP/1.1 429 Too Many Requests\r\nx-door: one\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno", 429);
    said(&cb, 400, false, true, "HTTP/1.1 429 Too Many Requests\r\nx-door: one\r\ncontent-length: 2\r\n\r\n", 429);
    wanted = 204;
    said(&cb, 400, false, false, "HTTP/1.1 204 No Content\r\nx-door: one\r\n\r\n", 204);
    wanted = 304;
    said(&cb, 400, false, false, "HTTP/1.1 304 Not Modified\r\nx-door: one\r\ncontent-length: 0\r\n\r\n", 304);
}

static void its_own_words(void **state)
{
    (void)state;
    wanted = 0;
    said(&cb, 400, true, false,
         "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 11\r\nconnection: close\r\n\r\nBad Request", 400);
    said(&plain, 400, false, true, "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 11\r\n\r\n", 400);
    said(&plain, 408, true, false, "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", 408);
    said(&plain, 426, true, false,
         "HTTP/1.1 426 Upgrade Required\r\ncontent-type: text/plain\r\ncontent-length: 16\r\nupgrade: HTTP/1.1\r\n"
         "connection: upgrade, close\r\n\r\nUpgrade Required", 426);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(another_answer), cmocka_unit_test(its_own_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
