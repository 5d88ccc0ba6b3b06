/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operators about attempts, certificates and the connection itself. */
#include <stdio.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "format_support.h"

static struct t_stream s;

static void is(const char *format, const char *expected)
{
    assert_string_equal(t_text(&s, format), expected);
}

static struct sp_addr addr(const char *text)
{
    struct sp_addr a;
    assert_int_equal(sp_addr_parse(sp_str_c(text), &a), 0);
    return a;
}

static void attempts(void **state)
{
    struct sp_attempt second = {.host = addr("[2001:db8::1]:81"), .name = SP_STR("b.test:81"), .connection = 7};
    struct sp_attempt first = {.next = &second, .host = addr("10.0.0.1:80")};
    t_stream_init(&s);
    s.info.upstream_host = (struct sp_addr){0};
    is("%UPSTREAM_HOSTS_ATTEMPTED% %UPSTREAM_CONNECTION_ID% %UPSTREAM_CONNECTION_IDS_ATTEMPTED% %UPSTREAM_HOST_NAME%", "- - - -");
    is("%UPSTREAM_CONNECTION_POOL_READY_DURATION%", "-");
    s.info.upstream_host = addr("10.0.0.3:83");
    is("%UPSTREAM_HOSTS_ATTEMPTED% %UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAME_WITHOUT_PORT%", "10.0.0.3:83 10.0.0.3:83 10.0.0.3");
    s.info.attempted = &first;
    s.info.upstream_name = SP_STR("c.test");
    s.info.upstream_connection = 9;
    s.info.up_pool_ns = 3700000;
    is("%UPSTREAM_HOSTS_ATTEMPTED%", "10.0.0.1:80,[2001:db8::1]:81,10.0.0.3:83");
    is("%UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT%", "10.0.0.1,2001:db8::1,10.0.0.3");
    is("%UPSTREAM_HOST_NAMES_ATTEMPTED%", "10.0.0.1:80,b.test:81,c.test");
    is("%UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT%", "10.0.0.1,b.test,c.test");
    is("%UPSTREAM_HOST_NAME%", "c.test");
    is("%UPSTREAM_CONNECTION_ID% %UPSTREAM_CONNECTION_IDS_ATTEMPTED%", "9 7,9");
    is("%UPSTREAM_CONNECTION_POOL_READY_DURATION%", "3");
    assert_string_equal(t_format(&s, "json_format: {a: '%UPSTREAM_HOSTS_ATTEMPTED%', b: 'x %UPSTREAM_CONNECTION_IDS_ATTEMPTED%'}", ""),
                        "{\"a\":\"10.0.0.1:80,[2001:db8::1]:81,10.0.0.3:83\",\"b\":\"x 7,9\"}\n");
    assert_string_equal(t_value(&s, "%UPSTREAM_HOSTS_ATTEMPTED%"), "10.0.0.1:80,[2001:db8::1]:81,10.0.0.3:83");
    s.info.up_rx_head_bytes = 10;
    s.info.up_rx_body_bytes = 200;
    s.info.up_tx_head_bytes = 3000;
    s.info.up_tx_body_bytes = 40000;
    is("%UPSTREAM_HEADER_BYTES_RECEIVED% %UPSTREAM_HEADER_BYTES_SENT% %UPSTREAM_WIRE_BYTES_RECEIVED% %UPSTREAM_WIRE_BYTES_SENT%",
       "10 3000 210 43000");
    t_stream_done(&s);
}

static void certificates(void **state)
{
    char expected[256];
    struct sp_str others[] = {SP_STR_INIT("second")};
    uint8_t one[20], leaf[32], other[32];
    t_stream_init(&s);
    is("%DOWNSTREAM_PEER_CERT% %DOWNSTREAM_PEER_FINGERPRINT_1% %DOWNSTREAM_PEER_CHAIN_SERIALS%", "- - -");
    s.conn.cert.der = SP_STR("\xfb\xff\xbf first");
    s.conn.cert.others = others;
    s.conn.cert.n_others = 1;
    is("%DOWNSTREAM_PEER_CERT%", "-----BEGIN%20CERTIFICATE-----%0A%2B%2F%2B%2FIGZpcnN0%0A-----END%20CERTIFICATE-----%0A");
    sp_sha1(s.conn.cert.der, one);
    snprintf(expected, sizeof(expected), "%.*s", SP_STR_ARG(sp_hex(&s.arena, one, 20)));
    is("%DOWNSTREAM_PEER_FINGERPRINT_1%", expected);
    sp_sha256(s.conn.cert.der, leaf);
    sp_sha256(others[0], other);
    snprintf(expected, sizeof(expected), "%.*s,%.*s", SP_STR_ARG(sp_hex(&s.arena, leaf, 32)), SP_STR_ARG(sp_hex(&s.arena, other, 32)));
    is("%DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256%", expected);
    is("%DOWNSTREAM_PEER_CHAIN_SERIALS%", ","); /* neither is a certificate */
    t_stream_done(&s);
}

static void connections(void **state)
{
    t_stream_init(&s);
    s.conn.socket_local = addr("10.9.9.9:443");
    static const struct sp_conn_place inner = {.name = SP_STR_INIT("inner")};
    s.conn.filter_chain = &inner;
    s.tls.curve = SP_STR("X25519");
    is("%VIRTUAL_CLUSTER_NAME%", "-");
    s.info.virtual_cluster = SP_STR("searches");
    is("%VIRTUAL_CLUSTER_NAME%", "searches");
    s.info.upstream_tls.sni = SP_STR("origin.test");
    is("%DOWNSTREAM_DIRECT_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_LOCAL_PORT%", "10.9.9.9:443 10.9.9.9 443");
    is("%FILTER_CHAIN_NAME% %DOWNSTREAM_TLS_GROUP% %UPSTREAM_SERVER_NAME% %DOWNSTREAM_HANDSHAKE_DURATION%", "inner X25519 origin.test -");
    s.conn.handshake_us = 5000;
    is("%DOWNSTREAM_HANDSHAKE_DURATION%", "5");
    char id[64];
    snprintf(id, sizeof(id), "%s", t_text(&s, "%UNIQUE_ID%"));
    assert_int_equal(strlen(id), 36);
    assert_true(id[14] == '4' && strchr("89ab", id[19]));
    assert_string_not_equal(id, t_text(&s, "%UNIQUE_ID%"));
    t_stream_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempts),
        cmocka_unit_test(certificates),
        cmocka_unit_test(connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
