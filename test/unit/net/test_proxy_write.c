/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/proxy_protocol.h"
#include "net/proxy_write.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_BLOCK "\xcb\x00\x71\x07\xc0\x00\x02\x01\xdc\x04\x01\xbb" /* 203.0.113.7:56324 -> 192.0.2.1:443 */

static struct sp_arena arena;

static struct sp_str write_it(unsigned version, const char *source, const char *destination, struct sp_str tlvs)
{
    struct sp_addr a, b;
    assert_int_equal(sp_addr_parse(sp_str_c(source), &a), 0);
    assert_int_equal(sp_addr_parse(sp_str_c(destination), &b), 0);
    return sp_proxy_write(&arena, version, &a, &b, tlvs);
}

static void assert_text(struct sp_str got, const void *want, size_t n)
{
    assert_int_equal(got.len, n);
    assert_memory_equal(got.ptr, want, n);
}
#define SAME(got, want) assert_text(got, want, sizeof(want) - 1)

/* What the reader of these headers makes of one. */
static void assert_read(struct sp_str header, const char *source, const char *destination)
{
    struct sp_buf in;
    struct sp_proxy_header h;
    const char *why = NULL;
    char text[SP_ADDR_TEXT_MAX];
    sp_buf_init(&in);
    sp_buf_append_str(&in, header);
    assert_int_equal(sp_proxy_parse(&in, &h, &why), 1);
    assert_int_equal(h.len, header.len);
    assert_int_equal(h.named, source != NULL);
    if (source) {
        sp_addr_format(&h.source, text);
        assert_string_equal(text, source);
        sp_addr_format(&h.destination, text);
        assert_string_equal(text, destination);
    }
    sp_buf_clear(&in);
}

static void lines(void **state)
{
    (void)state;
    SAME(write_it(1, "203.0.113.7:56324", "192.0.2.1:443", SP_STR_NULL), "PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\n");
    SAME(write_it(1, "[2001:db8::1]:1", "[2001:db8::2]:65535", SP_STR_NULL), "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n");
    SAME(write_it(1, "[fe80::1%3]:1", "[fe80::2%3]:2", SP_STR_NULL), "PROXY TCP6 fe80::1 fe80::2 1 2\r\n");
    SAME(write_it(1, "203.0.113.7:5", "[2001:db8::2]:6", SP_STR_NULL), "PROXY TCP6 ::ffff:203.0.113.7 2001:db8::2 5 6\r\n");
}

static void binary(void **state)
{
    (void)state;
    SAME(write_it(2, "203.0.113.7:56324", "192.0.2.1:443", SP_STR_NULL), SIGNATURE "\x21\x11\x00\x0c" V4_BLOCK);
    SAME(write_it(2, "203.0.113.7:56324", "192.0.2.1:443", SP_STR("\xe0\0\2hi")), SIGNATURE "\x21\x11\x00\x11" V4_BLOCK "\xe0\0\2hi");
    SAME(write_it(2, "[2001:db8::1]:1", "1.2.3.4:2", SP_STR_NULL),
         SIGNATURE "\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4\0\1\0\2");
}

static void nobody(void **state)
{
    (void)state;
    struct sp_addr a, path = {.family = AF_UNIX, .path = "/x"};
    assert_int_equal(sp_addr_parse(SP_STR("192.0.2.1:1"), &a), 0);
    SAME(sp_proxy_write(&arena, 1, NULL, &a, SP_STR_NULL), "PROXY UNKNOWN\r\n");
    SAME(sp_proxy_write(&arena, 2, NULL, NULL, SP_STR_NULL), SIGNATURE "\x20\0\0\0");
    SAME(sp_proxy_write(&arena, 2, &path, &a, SP_STR("\xe0\0\1x")), SIGNATURE "\x20\0\0\0");
    SAME(sp_proxy_write(&arena, 1, &a, &path, SP_STR_NULL), "PROXY UNKNOWN\r\n");
}

static void read_again(void **state)
{
    (void)state;
    for (unsigned version = 1; version <= 2; version++) {
        assert_read(write_it(version, "203.0.113.7:56324", "192.0.2.1:443", SP_STR_NULL), "203.0.113.7:56324", "192.0.2.1:443");
        assert_read(write_it(version, "[2001:db8::1]:7", "[2001:db8::2]:8", SP_STR_NULL), "[2001:db8::1]:7", "[2001:db8::2]:8");
        assert_read(write_it(version, "203.0.113.7:5", "[2001:db8::2]:6", SP_STR_NULL), "203.0.113.7:5", "[2001:db8::2]:6");
        assert_read(sp_proxy_write(&arena, version, NULL, NULL, SP_STR_NULL), NULL, NULL);
    }
}

static int begin(void **state)
{
    (void)state;
    sp_arena_init(&arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sp_arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(binary), cmocka_unit_test(nobody),
                                       cmocka_unit_test(read_again)};
    return cmocka_run_group_tests(tests, begin, end);
}
