/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "net/proxy_protocol.h"

static struct sp_proxy_header got;
static const char *why;

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_BLOCK "\xcb\x00\x71\x07\xc0\x00\x02\x01\xdc\x04\x01\xbb" /* 203.0.113.7:56324 -> 192.0.2.1:443 */
#define V6_BLOCK \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\xdc\x04\x01\xbb"

/* CRC32C (RFC 3720) of the two headers below, with zeros in their place; made by a program in another language. */
#define SUM_ONE "\xd8\x08\x80\x64"
#define SUM_TWO "\xf8\x03\x7a\xa5"

static int parse_bytes(const void *p, size_t n)
{
    struct sp_buf in;
    sp_buf_init(&in);
    sp_buf_append(&in, p, n);
    why = NULL;
    memset(&got, 0xff, sizeof(got));
    int r = sp_proxy_parse(&in, &got, &why);
    assert_int_equal(in.len, n);
    assert_true(r >= 0 || why);
    sp_buf_clear(&in);
    return r;
}

#define PARSE(literal) parse_bytes(literal, sizeof(literal) - 1)

/* The header is taken with bytes behind it, and no prefix of it is. */
static void whole(const void *header, size_t n)
{
    char more[512];
    for (size_t i = 0; i < n; i++)
        if (parse_bytes(header, i) != 0)
            fail_msg("%zu of %zu bytes: %s", i, n, why ? why : "taken");
    assert_true(n + 3 < sizeof(more));
    memcpy(mempcpy(more, header, n), "GET", 3);
    assert_int_equal(parse_bytes(more, n + 3), 1);
    assert_int_equal(got.len, n);
}

#define WHOLE(literal) whole(literal, sizeof(literal) - 1)

static void assert_pair(const char *source, const char *destination)
{
    char text[SP_ADDR_TEXT_MAX];
    assert_true(got.named);
    text[sp_addr_format(&got.source, text)] = '\0';
    assert_string_equal(text, source);
    text[sp_addr_format(&got.destination, text)] = '\0';
    assert_string_equal(text, destination);
}

static void lines(void **state)
{
    (void)state;
    WHOLE("PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\n");
    assert_int_equal(got.version, 1);
    assert_pair("203.0.113.7:56324", "192.0.2.1:443");
    WHOLE("PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n");
    assert_pair("[2001:db8::1]:0", "[2001:db8::2]:65535");
    WHOLE("PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 1 2\r\n");
    assert_pair("203.0.113.7:1", "192.0.2.1:2");
    WHOLE("PROXY UNKNOWN\r\n");
    assert_false(got.named);
    WHOLE("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n");
    assert_false(got.named);
}

static void bad_lines(void **state)
{
    static const char *const bad[] = {
        "PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\n",
        "PROXY TCP4  203.0.113.7 192.0.2.1 56324 443\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 56324 443 \r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 56324\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 56324 443 5\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 056324 443\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 56324 65536\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 +1 443\r\n",
        "PROXY TCP4 203.0.113.07 192.0.2.1 56324 443\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 56324 443\r\n",
        "PROXY TCP6 203.0.113.7 192.0.2.1 56324 443\r\n",
        "PROXY TCP6 [2001:db8::1] 2001:db8::2 56324 443\r\n",
        "PROXY TCP6 fe80::1%2 2001:db8::2 56324 443\r\n",
        "PROXY TCP4 0.0.0.0 192.0.2.1 56324 443\r\n",
        "PROXY TCP4 203.0.113.7 255.255.255.255 56324 443\r\n",
        "PROXY TCP4 224.0.0.1 192.0.2.1 56324 443\r\n",
        "PROXY TCP6 ff02::1 2001:db8::2 56324 443\r\n",
        "PROXY TCP6 :: 2001:db8::2 56324 443\r\n",
        "PROXY UDP4 203.0.113.7 192.0.2.1 56324 443\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY \r\n",
        "PROXY tcp4 203.0.113.7 192.0.2.1 56324 443\r\n",
    };
    (void)state;
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        if (parse_bytes(bad[i], strlen(bad[i])) != -EPROTO)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(got.version, 1);
    }
}

static void line_is_bounded(void **state)
{
    char text[SP_PROXY_V1_MAX + 2];
    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "PROXY UNKNOWN ", 14);
    assert_int_equal(parse_bytes(text, SP_PROXY_V1_MAX - 1), 0);
    assert_int_equal(parse_bytes(text, SP_PROXY_V1_MAX), -EPROTO);
    memcpy(text + SP_PROXY_V1_MAX - 2, "\r\n", 2);
    assert_int_equal(parse_bytes(text, SP_PROXY_V1_MAX), 1);
    text[SP_PROXY_V1_MAX - 2] = 'x';
    memcpy(text + SP_PROXY_V1_MAX - 1, "\r\n", 2);
    assert_int_equal(parse_bytes(text, SP_PROXY_V1_MAX + 1), -EPROTO);
}

static void no_header(void **state)
{
    static const char *const others[] = {"GET / HTTP/1.1\r\n", "POST", "PRI * HTTP/2.0", "PROX/", "proxy ",
                                         "\x16\x03\x01", "\r\n\r\nG", "\r\n\r\r"};
    (void)state;
    for (size_t i = 0; i < SP_ARRAY_LEN(others); i++) {
        assert_int_equal(parse_bytes(others[i], strlen(others[i])), -ENOENT);
        assert_int_equal(got.version, 0);
    }
    assert_int_equal(PARSE("PR"), 0);
    assert_int_equal(PARSE("\r\n"), 0);
}

static void binary(void **state)
{
    (void)state;
    WHOLE(SIGNATURE "\x21\x11\x00\x0c" V4_BLOCK);
    assert_int_equal(got.version, 2);
    assert_pair("203.0.113.7:56324", "192.0.2.1:443");
    WHOLE(SIGNATURE "\x21\x21\x00\x24" V6_BLOCK);
    assert_pair("[2001:db8::1]:56324", "[2001:db8::2]:443");
    WHOLE(SIGNATURE "\x21\x21\x00\x24"
                    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\x00\x71\x07\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01\xdc\x04\x01\xbb");
    assert_pair("203.0.113.7:56324", "192.0.2.1:443");
    WHOLE(SIGNATURE "\x20\x00\x00\x00");
    assert_false(got.named);
    WHOLE(SIGNATURE "\x20\x11\x00\x0c" V4_BLOCK);
    assert_false(got.named);
    WHOLE(SIGNATURE "\x20\x31\x00\x03\xff\xff\xff");
    assert_false(got.named);
}

static void tlvs(void **state)
{
    (void)state;
    WHOLE(SIGNATURE "\x21\x11\x00\x0f" V4_BLOCK "\x04\x00\x00");
    WHOLE(SIGNATURE "\x21\x11\x00\x19" V4_BLOCK "\x01\x00\x02h2\xee\x00\x05hello");
    assert_pair("203.0.113.7:56324", "192.0.2.1:443");
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x0d" V4_BLOCK "\x04"), -EPROTO);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x0e" V4_BLOCK "\x04\x00"), -EPROTO);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x10" V4_BLOCK "\x04\x00\x02x"), -EPROTO);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x10" V4_BLOCK "\x04\xff\xffx"), -EPROTO);
}

static void checksum(void **state)
{
    (void)state;
    WHOLE(SIGNATURE "\x21\x11\x00\x13" V4_BLOCK "\x03\x00\x04" SUM_ONE);
    assert_pair("203.0.113.7:56324", "192.0.2.1:443");
    WHOLE(SIGNATURE "\x21\x11\x00\x18" V4_BLOCK "\x03\x00\x04" SUM_TWO "\x01\x00\x02h2");
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x13" V4_BLOCK "\x03\x00\x04\0\0\0\0"), -EPROTO);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x18" V4_BLOCK "\x03\x00\x04" SUM_TWO "\x01\x00\x02h3"), -EPROTO);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x12" V4_BLOCK "\x03\x00\x03\0\0\0"), -EPROTO);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x1a" V4_BLOCK "\x03\x00\x04" SUM_ONE "\x03\x00\x04" SUM_ONE), -EPROTO);
}

static void bad_binary(void **state)
{
    (void)state;
    assert_int_equal(PARSE(SIGNATURE "\x11"), -EPROTO);                             /* version 1 */
    assert_int_equal(got.version, 2);
    assert_int_equal(PARSE(SIGNATURE "\x22"), -EPROTO);                             /* no such command */
    assert_int_equal(PARSE(SIGNATURE "\x21\x00\x00\x00"), -EPROTO);                 /* unspecified, not LOCAL */
    assert_int_equal(PARSE(SIGNATURE "\x21\x12\x00\x0c" V4_BLOCK), -EPROTO);        /* datagrams */
    assert_int_equal(PARSE(SIGNATURE "\x21\x10\x00\x0c" V4_BLOCK), -EPROTO);        /* no transport */
    assert_int_equal(PARSE(SIGNATURE "\x21\x31\x00\x0c" V4_BLOCK), -EPROTO);        /* unix */
    assert_int_equal(PARSE(SIGNATURE "\x21\x41\x00\x0c" V4_BLOCK), -EPROTO);        /* no such family */
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x0b\xcb\x00\x71\x07\xc0\x00\x02\x01\xdc\x04\x01"), -EPROTO);
    assert_int_equal(PARSE(SIGNATURE "\x21\x21\x00\x0c" V4_BLOCK), -EPROTO);        /* IPv6 needs more */
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x0f\xf1"), -EPROTO);                 /* 4097 bytes */
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x0f\xf0"), 0);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x0c\xe0\x00\x00\x01\xc0\x00\x02\x01\xdc\x04\x01\xbb"), -EPROTO);
}

static void in_pieces(void **state)
{
    static const char header[] = SIGNATURE "\x21\x11\x00\x18" V4_BLOCK "\x03\x00\x04" SUM_TWO "\x01\x00\x02h2";
    struct sp_buf in;
    (void)state;
    sp_buf_init(&in);
    for (size_t i = 0; i < sizeof(header) - 1; i++) {
        assert_int_equal(sp_proxy_parse(&in, &got, &why), 0);
        sp_buf_append_static(&in, header + i, 1);
    }
    assert_int_equal(sp_proxy_parse(&in, &got, &why), 1);
    assert_int_equal(got.len, in.len);
    sp_buf_clear(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),     cmocka_unit_test(bad_lines), cmocka_unit_test(line_is_bounded),
        cmocka_unit_test(no_header), cmocka_unit_test(binary),    cmocka_unit_test(tlvs),
        cmocka_unit_test(checksum),  cmocka_unit_test(bad_binary), cmocka_unit_test(in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
