/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses as text and as the system's form. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <cmocka.h>

#include "net/addr.h"

static void expect(const char *text, int family, const char *formatted, const char *ip)
{
    struct sp_addr a;
    char out[SP_ADDR_TEXT_MAX];
    assert_int_equal(sp_addr_parse(sp_str_c(text), &a), 0);
    assert_int_equal(a.family, family);
    assert_int_equal(sp_addr_format(&a, out), strlen(formatted));
    assert_string_equal(out, formatted);
    assert_int_equal(sp_addr_format_ip(&a, out), strlen(ip));
    assert_string_equal(out, ip);
}

static void test_parse(void **state)
{
    expect("1.2.3.4:80", AF_INET, "1.2.3.4:80", "1.2.3.4");
    expect("255.255.255.255:65535", AF_INET, "255.255.255.255:65535", "255.255.255.255");
    expect("0.0.0.0", AF_INET, "0.0.0.0:0", "0.0.0.0");
    expect("100.20.3.199", AF_INET, "100.20.3.199:0", "100.20.3.199");
    expect("[::1]:443", AF_INET6, "[::1]:443", "::1");
    expect("2001:db8::1", AF_INET6, "[2001:db8::1]:0", "2001:db8::1");
    expect("[2001:DB8:0:0:0:0:0:1]", AF_INET6, "[2001:db8::1]:0", "2001:db8::1");
    expect("[fe80::1%3]:8080", AF_INET6, "[fe80::1%3]:8080", "fe80::1%3");
    expect("[::ffff:1.2.3.4]:9", AF_INET, "1.2.3.4:9", "1.2.3.4");
    expect("::ffff:102:304", AF_INET, "1.2.3.4:0", "1.2.3.4");
    expect("::1.2.3.4", AF_INET6, "[::1.2.3.4]:0", "::1.2.3.4"); /* compatible, not mapped */
}

static void test_parse_refuses(void **state)
{
    static const char *const bad[] = {
        "", ":", ":80", "1.2.3", "1.2.3.4.5", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:+1", "1.2.3.4: 1", "1.2.3.256",
        "01.2.3.4", "1.2.3.04", "0x1.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1..3.4", "1.2.3.", "1.2.3.4/8", "localhost", "[::1",
        "[::1]80", "[::1]:", "[::1]:x", "[]:80", "[]", "[1.2.3.4]:80", "::1]:80", ":::", "1:2:3:4:5:6:7", "::1::",
        "12345::", "fe80::1%", "fe80::1%eth0", "fe80::1%0", "[::1]:80:80", "1.2.3.4:80:80", "::ffff:1.2.3.4.5",
        "1.2.3.4%1", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0001",
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        struct sp_addr a = {.family = 77};
        if (sp_addr_parse(sp_str_c(bad[i]), &a) != -EINVAL)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(a.family, 77);
    }
    struct sp_addr a;
    assert_int_equal(sp_addr_parse(sp_str_n("1.2.3.4\0", 8), &a), -EINVAL);
    assert_int_equal(sp_addr_parse(sp_str_n("::1\0", 4), &a), -EINVAL);
    assert_int_equal(sp_addr_parse_ip(SP_STR("1.2.3.4:80"), &a), -EINVAL);
    assert_int_equal(sp_addr_parse_ip(SP_STR("[::1]:80"), &a), -EINVAL);
    assert_int_equal(sp_addr_parse_ip(SP_STR("[::1]"), &a), 0);
}

static void round_trip(const struct sp_addr *a, struct sp_arena *arena)
{
    struct sockaddr_storage ss;
    struct sp_addr b;
    socklen_t n = sp_addr_to_sockaddr(a, &ss);
    assert_true(n > 0);
    assert_int_equal(sp_addr_from_sockaddr((struct sockaddr *)&ss, n, arena, &b), 0);
    assert_true(sp_addr_eq(a, &b, true));
    assert_int_equal(a->scope, b.scope);
}

static void test_sockaddr(void **state)
{
    static const char *const texts[] = {"1.2.3.4:80", "[2001:db8::7]:443", "[fe80::1%2]:1", "0.0.0.0:0"};
    struct sp_arena arena;
    sp_arena_init(&arena);
    for (size_t i = 0; i < SP_ARRAY_LEN(texts); i++) {
        struct sp_addr a;
        assert_int_equal(sp_addr_parse(sp_str_c(texts[i]), &a), 0);
        round_trip(&a, &arena);
    }
    static const char *const paths[] = {"/run/x.sock", "@abstract", ""};
    for (size_t i = 0; i < SP_ARRAY_LEN(paths); i++)
        round_trip(&(struct sp_addr){.family = AF_UNIX, .path = paths[i]}, &arena);
    sp_arena_done(&arena);
}

static void test_sockaddr_mapped(void **state)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(99)};
    struct sp_addr a;
    char out[SP_ADDR_TEXT_MAX];
    memcpy(&in6.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x02\x03", 16);
    assert_int_equal(sp_addr_from_sockaddr((struct sockaddr *)&in6, sizeof(in6), NULL, &a), 0);
    sp_addr_format(&a, out);
    assert_string_equal(out, "10.1.2.3:99");
}

static void test_sockaddr_unix(void **state)
{
    struct sockaddr_storage ss;
    struct sp_addr a, name = {.family = AF_UNIX, .path = "@ab"};
    char path[120];
    assert_int_equal(sp_addr_to_sockaddr(&name, &ss), offsetof(struct sockaddr_un, sun_path) + 3);
    assert_memory_equal(((struct sockaddr_un *)&ss)->sun_path, "\0ab", 3);
    memset(path, 'x', sizeof(path));
    path[108] = '\0';
    assert_int_equal(sp_addr_to_sockaddr(&(struct sp_addr){.family = AF_UNIX, .path = path}, &ss), 0);
    path[107] = '\0';
    assert_int_equal(sp_addr_to_sockaddr(&(struct sp_addr){.family = AF_UNIX, .path = path}, &ss),
                     offsetof(struct sockaddr_un, sun_path) + 108);
    /* Without an arena the path is dropped, and the system may give paths without a NUL. */
    assert_int_equal(sp_addr_from_sockaddr((struct sockaddr *)&ss, sizeof(struct sockaddr_un), NULL, &a), 0);
    assert_string_equal(a.path, "");
    ss.ss_family = AF_PACKET;
    assert_int_equal(sp_addr_from_sockaddr((struct sockaddr *)&ss, sizeof(ss), NULL, &a), -EAFNOSUPPORT);
    ss.ss_family = AF_INET;
    assert_int_equal(sp_addr_from_sockaddr((struct sockaddr *)&ss, 4, NULL, &a), -EAFNOSUPPORT);
    assert_int_equal(sp_addr_from_sockaddr((struct sockaddr *)&ss, 0, NULL, &a), -EAFNOSUPPORT);
}

static bool loopback(const char *text)
{
    struct sp_addr a;
    assert_int_equal(sp_addr_parse(sp_str_c(text), &a), 0);
    return sp_addr_is_loopback(&a);
}

static void test_compare(void **state)
{
    struct sp_addr a, b, none = {0};
    char out[SP_ADDR_TEXT_MAX];
    sp_addr_parse(SP_STR("1.2.3.4:80"), &a);
    sp_addr_parse(SP_STR("[::ffff:1.2.3.4]:81"), &b);
    assert_true(sp_addr_eq(&a, &b, false));
    assert_false(sp_addr_eq(&a, &b, true));
    assert_false(sp_addr_eq(&a, &none, false));
    assert_true(sp_addr_eq(&none, &none, true));
    assert_int_equal(sp_addr_format(&none, out), 1);
    assert_string_equal(out, "-");
    assert_true(loopback("127.9.9.9") && loopback("::1") && loopback("::ffff:127.0.0.1"));
    assert_false(loopback("128.0.0.1") || loopback("::2") || loopback("::127.0.0.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),           cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_sockaddr),        cmocka_unit_test(test_sockaddr_mapped),
        cmocka_unit_test(test_sockaddr_unix),   cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
