/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines as syslog's messages: their heads, what is left of line ends and of what is too long, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stream/log_out.h"
#include "stream/syslog.h"
#include "support/config.h"

/* The message of a line, without the length that stands in front in a ring. */
static const char *framed(const char *yaml, const char *line)
{
    static char text[SP_LOG_DATAGRAM_MAX + 1];
    struct t_config c;
    struct sp_buf in, out;
    sp_log_out_length len;
    sp_buf_init(&in);
    sp_buf_init(&out);
    t_config_load(&c, &sallyport__access_loggers__v1__syslog__descriptor, yaml);
    struct sp_syslog *s = sp_syslog_new(c.doc, &c.diag, c.msg);
    assert_string_equal(t_config_said(&c), "");
    sp_buf_append(&in, line, strlen(line));
    sp_syslog_frame(s, 1700000000123456789, &in, &out);
    assert_int_equal(in.len, 0);
    sp_buf_peek(&out, (char *)&len, sizeof(len));
    assert_int_equal(out.len, sizeof(len) + len);
    sp_buf_drain(&out, sizeof(len));
    text[sp_buf_peek(&out, text, len)] = 0;
    sp_buf_clear(&out);
    sp_syslog_free(s);
    t_config_done(&c);
    return text;
}

static void is(const char *yaml, const char *line, const char *head, const char *app, const char *rest)
{
    char expected[SP_LOG_DATAGRAM_MAX], host[256] = "";
    gethostname(host, sizeof(host) - 1);
    snprintf(expected, sizeof(expected), "%s1 2023-11-14T22:13:20.123456Z %s %s %ld access - %s", head, host, app, (long)getpid(), rest);
    assert_string_equal(framed(yaml, line), expected);
}

static void heads(void **state)
{
    is("{}", "hello\n", "<134>", "sallyport", "hello");
    is("{facility: AUTHPRIV, severity: ERROR, app_name: a-b}", "hello", "<83>", "a-b", "hello");
    is("{facility: LOCAL7, severity: DEBUG, udp: '[::1]:514'}", "x", "<191>", "sallyport", "x");
    is("{socket_path: '@abstract'}", "one\ntwo\r\n\n", "<134>", "sallyport", "one two");
    is("{socket_path: /x}", "", "<134>", "sallyport", "");
}

static void what_is_too_long(void **state)
{
    static char line[3 * SP_LOG_DATAGRAM_MAX + 2];
    for (size_t i = 0; i < sizeof(line) - 3; i += 3)
        memcpy(line + i, "\xe2\x82\xac", 3);
    for (int shift = 0; shift < 3; shift++) { /* wherever it is cut */
        static char shifted[sizeof(line) + 4];
        snprintf(shifted, sizeof(shifted), "%.*s%s", shift, "aa", line);
        struct sp_str s = sp_str_c(framed("{}", shifted));
        assert_in_range(s.len, SP_LOG_DATAGRAM_MAX - 3, SP_LOG_DATAGRAM_MAX);
        while (s.len) {
            size_t n = sp_utf8_char(s);
            assert_true(n);
            s = sp_str_sub(s, n, s.len);
        }
    }
}

static void refused(const char *yaml, const char *expected)
{
    struct t_config c;
    t_config_load(&c, &sallyport__access_loggers__v1__syslog__descriptor, yaml);
    assert_null(sp_syslog_new(c.doc, &c.diag, c.msg));
    if (!strstr(t_config_said(&c), expected))
        fail_msg("expected: %s\nsaid: %s", expected, t_config_said(&c));
    t_config_done(&c);
}

static void what_is_refused(void **state)
{
    refused("{socket_path: dev/log}", "\"dev/log\" is no path of a socket (absolute, 107 bytes at most, such as /dev/log)");
    refused("{socket_path: ''}", "is no path of a socket");
    refused("{udp: 'syslog.test:514'}", "\"syslog.test:514\" is no IP address with a port (such as 192.0.2.7:514)");
    refused("{udp: 127.0.0.1}", "is no IP address with a port");
    refused("{app_name: 'my app'}", "\"my app\" is no name for syslog (1 to 48 visible ASCII characters)");
    refused("{app_name: 0123456789012345678901234567890123456789012345678}", "is no name for syslog");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads),
        cmocka_unit_test(what_is_too_long),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
