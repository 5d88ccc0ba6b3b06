/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Formats: every operator, texts and JSON, escapes, and what is refused. */
#include "format_support.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int setup(void **state)
{
    struct t_stream *s = calloc(1, sizeof(*s));
    t_stream_init(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    t_stream_done(*state);
    free(*state);
    return 0;
}

#define is(format, expected) assert_string_equal(t_text(*state, format), expected)

static void literals(void **state)
{
    is("", "");
    is("plain \\ \" text\n", "plain \\ \" text\n");
    is("100%% of it%%", "100% of it%");
    is("a%PROTOCOL%%%b", "aHTTP/2%b");
}

static void times(void **state)
{
    is("%START_TIME%", "2023-11-14T22:13:20.123Z");
    is("%START_TIME(%Y/%m/%dT%H:%M:%S%z %s)%", "2023/11/14T22:13:20+0000 1700000000");
    is("%START_TIME(%s.%3f)%", "1700000000.123");
    is("%START_TIME(%s.%6f %9f %f %1f)%", "1700000000.123456 123456789 123456789 1");
    is("%START_TIME(%E3S %E*f %H)%", "20.123 123456789 22");
    is("%START_TIME(%%Y %d/%b/%Y:%T)%", "%Y 14/Nov/2023:22:13:20");
    is("%START_TIME()%", "2023-11-14T22:13:20.123Z");
    is("%EMIT_TIME%", "2023-11-14T22:13:20.523Z");
    setenv("TZ", "UTC-3", 1);
    tzset();
    is("%START_TIME_LOCAL(%H:%M %z)%", "01:13 +0300");
    is("%EMIT_TIME_LOCAL%", "2023-11-15T01:13:20.523+0300");
    setenv("TZ", "UTC", 1);
    tzset();
    struct t_stream *s = *state;
    s->info.start_wall_ns = -1;
    is("%START_TIME%", "1969-12-31T23:59:59.999Z");
}

static void times_are_checked(void **state)
{
    is("%START_TIME(%q)%", "%q is no conversion of a time format");
    is("%START_TIME(%n)%", "%n is no conversion of a time format");
    is("%START_TIME(%10Y)%", "%1 is no conversion of a time format");
    is("%START_TIME(%Y%)%", "a '%' at the end of the time format (write %%)");
    is("%START_TIME(%A%A%A%A%A%A%A%A%A%A%A%A%A%A%A%A%A%A%A%A)%", "the time format makes a text longer than 160 bytes");
}

static void a_time_is_kept_for_its_second_only(void **state)
{
    struct t_stream *s = *state;
    struct t_config c;
    t_config_load(&c, &envoy__config__core__v3__substitution_format_string__descriptor, "text_format: x");
    struct sp_format *f = sp_format_new(c.doc, &c.diag, c.msg, "text_format", -1, SP_STR("%START_TIME%"));
    const char *expected[] = {"2023-11-14T22:13:20.999Z", "2023-11-14T22:13:21.000Z", "2023-11-14T22:13:20.000Z"};
    const int64_t at[] = {1700000000999999999, 1700000001000000000, 1700000000000000000};
    for (int i = 0; i < 3; i++) {
        struct sp_buf b;
        char got[64] = {0};
        sp_buf_init(&b);
        s->info.start_wall_ns = at[i];
        sp_format_write(f, &s->in, &b);
        sp_buf_peek(&b, got, sizeof(got) - 1);
        assert_string_equal(got, expected[i]);
        sp_buf_clear(&b);
    }
    sp_format_free(f);
    t_config_done(&c);
}

static void request_headers(void **state)
{
    struct t_stream *s = *state;
    t_headers(&s->request, &s->arena,
              ":method: GET\n:scheme: https\n:authority: a.com\n:path: /a?b=c\nuser-agent: curl\nx-two: 1\nx-two: 2\n"
              "x-empty: \nx-own: longer value");
    is("%REQ(:METHOD)% %REQUEST_HEADER(:Path)% %REQ(:authority)% %REQ(Host)% %REQ(:scheme)%",
       "GET /a?b=c a.com a.com https");
    is("%REQ(User-Agent)% %REQ(X-None)% %REQ(x-two)% [%REQ(x-empty)%]", "curl - 1 []");
    is("%REQ(X-Envoy-Original-Path?:path)% %REQ(user-agent?:path)% %REQ(x-none?x-nope)%", "/a?b=c curl -");
    is("%REQ(x-own):6% %REQ(x-own):100% %REQ(x-own):0%|", "longer longer value |");
    is("%REQ_WITHOUT_QUERY(:path)% %REQ_WITHOUT_QUERY(x-none?:path):1% %REQ_WITHOUT_QUERY(x-none)%", "/a / -");
    is("%PATH% %PATH(NQ)% %PATH(WQ:PATH)% %PATH(NQ:ORIG)%", "/a?b=c /a /a?b=c -");
    is("%QUERY_PARAM(b)% %QUERY_PARAM(a)% %QUERY_PARAMS% %QUERY_PARAMS:2%", "c - b=c b=");
    t_headers(&s->request, &s->arena, ":path: /new\nx-envoy-original-path: /old?q=&r");
    is("%PATH% %PATH(NQ:ORIG)% %PATH(WQ:PATH)% %PATH(WQ:ORIG_OR_PATH):4%", "/old?q=&r /old /new /old");
    is("%QUERY_PARAM(q)% %QUERY_PARAMS%", "- -");
    s->in.request = NULL;
    is("%REQ(:path)% %QUERY_PARAM(q)% %PATH%", "- - -");
}

static void response_headers(void **state)
{
    struct t_stream *s = *state;
    t_headers(&s->response, &s->arena, ":status: 200\ncontent-type: text/html\ngrpc-status: 5");
    t_headers(&s->trailers, &s->arena, "x-sum: abc\n");
    s->trailers.bytes = 8;
    is("%RESP(:status)% %RESP(Content-Type)% %RESPONSE_HEADER(x)% %TRAILER(x-sum)% %RESPONSE_TRAILER(X-Sum?y):2%",
       "200 text/html - abc ab");
    is("%GRPC_STATUS% %GRPC_STATUS_NUMBER%", "- -"); /* the request was no gRPC */
    t_headers(&s->request, &s->arena, "content-type: application/grpc+proto");
    is("%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%", "NotFound NOT_FOUND 5 5");
    t_headers(&s->trailers, &s->arena, "grpc-status: 99");
    is("%GRPC_STATUS% %GRPC_STATUS(CAMEL_STRING)%", "99 99");
    t_headers(&s->trailers, &s->arena, "grpc-status: x");
    is("%GRPC_STATUS%", "-");
    s->in.response = s->in.trailers = NULL;
    is("%GRPC_STATUS%", "Unknown"); /* of the HTTP status */
    s->in.request = NULL;
    is("%RESP(a)% %TRAILER(a)% %GRPC_STATUS% %RESPONSE_TRAILERS_BYTES%", "- - - 0");
}

static void numbers(void **state)
{
    struct t_stream *s = *state;
    is("%RESPONSE_CODE% %BYTES_RECEIVED% %BYTES_SENT% %REQUEST_HEADERS_BYTES% %RESPONSE_HEADERS_BYTES%",
       "200 11 5678 100 200");
    is("%DOWNSTREAM_HEADER_BYTES_RECEIVED% %DOWNSTREAM_HEADER_BYTES_SENT% %DOWNSTREAM_WIRE_BYTES_RECEIVED% "
       "%DOWNSTREAM_WIRE_BYTES_SENT% %UPSTREAM_WIRE_BYTES_RECEIVED% %UPSTREAM_WIRE_BYTES_SENT%",
       "100 200 111 5878 5678 11");
    is("%UPSTREAM_REQUEST_ATTEMPT_COUNT% %CONNECTION_ID%", "2 77");
    is("%DURATION% %REQUEST_DURATION% %REQUEST_TX_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%",
       "345 10 15 200 145");
    is("%COMMON_DURATION(DS_RX_BEG:DS_TX_END)% %COMMON_DURATION(US_TX_BEG:US_TX_END:us)% "
       "%COMMON_DURATION(US_RX_BEG:US_RX_END:ns)% %COMMON_DURATION(DS_RX_END:DS_TX_BEG:ms)%",
       "345 3000 130000000 195");
    s->info.tx_end_ns = s->info.rx_end_ns = s->info.up_first_rx_ns = s->info.up_last_tx_ns = 0;
    is("%DURATION% %REQUEST_DURATION% %REQUEST_TX_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%", "400 - - - -");
    s->info.response_code = 0;
    is("%RESPONSE_CODE%", "0");
}

static void names_and_flags(void **state)
{
    struct t_stream *s = *state;
    is("%PROTOCOL% %UPSTREAM_PROTOCOL% %RESPONSE_CODE_DETAILS% %ROUTE_NAME% %VIRTUAL_HOST_NAME% %UPSTREAM_CLUSTER%",
       "HTTP/2 HTTP/1.1 via_upstream main site origin");
    static const struct sp_conn_place door = {.name = SP_STR_INIT("door")};
    s->conn.listener = &door;
    is("%STREAM_ID% %ACCESS_LOG_TYPE% %UPSTREAM_CLUSTER_RAW% %LISTENER_NAME%",
       "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2 DownstreamEnd origin door");
    is("%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%", "- -");
    s->info.flags = SP_FLAG_UH | SP_FLAG_URX | SP_FLAG_UDO;
    is("%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%",
       "UH,URX,UDO NoHealthyUpstream,UpstreamRetryLimitExceeded,UnconditionalDropOverload");
    s->info.details = SP_STR("a b{c d}");
    is("%RESPONSE_CODE_DETAILS%|%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", "a_b{c_d}|a b{c d}");
    s->info.termination_details = SP_STR("gone");
    s->info.upstream_failure_reason = SP_STR("TLS error: bad");
    s->conn.failure_reason = SP_STR("TLS error: worse");
    is("%CONNECTION_TERMINATION_DETAILS%|%UPSTREAM_TRANSPORT_FAILURE_REASON%|%DOWNSTREAM_TRANSPORT_FAILURE_REASON%",
       "gone|TLS error: bad|TLS error: worse");
    s->info.protocol = SP_HTTP_10;
    s->info.upstream_host.family = 0;
    is("%PROTOCOL% %UPSTREAM_PROTOCOL%", "HTTP/1.0 -");
    char host[256], expected[600];
    gethostname(host, sizeof(host));
    setenv("T_FORMAT", "value", 1);
    snprintf(expected, sizeof(expected), "%s value val -", host);
    is("%HOSTNAME% %ENVIRONMENT(T_FORMAT)% %ENVIRONMENT(T_FORMAT):3% %ENVIRONMENT(T_NONE)%", expected);
}

static void addresses(void **state)
{
    struct t_stream *s = *state;
    is("%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%",
       "203.0.113.9:0 203.0.113.9 0");
    is("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_PORT%",
       "192.0.2.1:5000 192.0.2.1 5000");
    is("%DOWNSTREAM_PEER_ADDRESS% %DOWNSTREAM_PEER_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_PEER_PORT%",
       "198.51.100.7:6000 198.51.100.7 6000");
    is("%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_PORT%",
       "10.0.0.1:8443 10.0.0.1 8443");
    is("%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%",
       "[2001:db8::5]:443 [2001:db8::5]:443 2001:db8::5 443");
    is("%UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %UPSTREAM_LOCAL_PORT%",
       "[2001:db8::1]:40000 2001:db8::1 40000");
    is("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(20)% "
       "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(0)%",
       "203.0.113.0/24 2001::/20 0.0.0.0/0");
    is("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(x)%", "\"x\" is no prefix length (0 to 32, for IPv6 0 to 128)");
    s->info.upstream_host = (struct sp_addr){.family = AF_UNIX, .path = "/run/o.sock"};
    is("%UPSTREAM_HOST% %UPSTREAM_REMOTE_PORT% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)%", "/run/o.sock - /run/o.sock");
    s->info.upstream_host.family = s->info.client.family = 0;
    is("%UPSTREAM_HOST% %UPSTREAM_REMOTE_PORT% %DOWNSTREAM_REMOTE_ADDRESS%", "- - 198.51.100.7:6000");
    s->info.conn = NULL;
    is("%DOWNSTREAM_LOCAL_ADDRESS% %CONNECTION_ID% %DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_PEER_CERT_V_END%", "- - - -");
}

static void tls(void **state)
{
    struct t_stream *s = *state;
    static const struct sp_str dns[] = {SP_STR_INIT("a.com"), SP_STR_INIT("b.com")}, uri[] = {SP_STR_INIT("spiffe://x/y")};
    is("%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_DNS_SAN% %DOWNSTREAM_PEER_CERT_V_START%",
       "- - - -");
    s->tls = (struct sp_tls_info){.version = SP_STR("TLSv1.3"),
                                  .cipher = SP_STR("TLS_AES_128_GCM_SHA256"),
                                  .sni = SP_STR("www.a.com"),
                                  .peer_presented = true,
                                  .peer_subject = SP_STR("CN=client,O=Org"),
                                  .peer_issuer = SP_STR("CN=ca"),
                                  .peer_serial = SP_STR("0a1b"),
                                  .peer_sha256 = SP_STR("ff00"),
                                  .peer_dns = dns,
                                  .n_peer_dns = 2,
                                  .peer_uri = uri,
                                  .n_peer_uri = 1,
                                  .peer_email = dns,
                                  .n_peer_email = 1,
                                  .peer_ip = dns,
                                  .n_peer_ip = 1,
                                  .peer_not_before = 1700000000,
                                  .peer_not_after = 253402300799,
                                  .local_subject = SP_STR("CN=us"),
                                  .local_dns = dns,
                                  .n_local_dns = 1,
                                  .local_uri = uri,
                                  .n_local_uri = 1};
    s->info.upstream_tls = s->tls;
    is("%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %REQUESTED_SERVER_NAME%",
       "TLSv1.3 TLS_AES_128_GCM_SHA256 www.a.com");
    is("%DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_ISSUER% %DOWNSTREAM_PEER_SERIAL% %DOWNSTREAM_PEER_FINGERPRINT_256%",
       "CN=client,O=Org CN=ca 0a1b ff00");
    is("%DOWNSTREAM_PEER_DNS_SAN% %DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_PEER_EMAIL_SAN% %DOWNSTREAM_PEER_IP_SAN%",
       "a.com,b.com spiffe://x/y a.com a.com");
    is("%DOWNSTREAM_LOCAL_SUBJECT% %DOWNSTREAM_LOCAL_DNS_SAN% %DOWNSTREAM_LOCAL_URI_SAN%", "CN=us a.com spiffe://x/y");
    is("%DOWNSTREAM_PEER_CERT_V_START% %DOWNSTREAM_PEER_CERT_V_START(%Y)%", "Nov 14 22:13:20 2023 GMT 2023");
    /* far away, but not wrong by a wrap */
    is("%DOWNSTREAM_PEER_CERT_V_END(%Y)%", "2262");
    is("%UPSTREAM_TLS_VERSION% %UPSTREAM_TLS_CIPHER% %UPSTREAM_PEER_SUBJECT% %UPSTREAM_PEER_ISSUER% %UPSTREAM_PEER_DNS_SAN% "
       "%UPSTREAM_PEER_URI_SAN% %UPSTREAM_PEER_EMAIL_SAN% %UPSTREAM_PEER_IP_SAN% %UPSTREAM_LOCAL_SUBJECT% "
       "%UPSTREAM_LOCAL_DNS_SAN% %UPSTREAM_LOCAL_URI_SAN% %UPSTREAM_PEER_CERT_V_START(%y)% %UPSTREAM_PEER_CERT_V_END(%y)%",
       "TLSv1.3 TLS_AES_128_GCM_SHA256 CN=client,O=Org CN=ca a.com,b.com spiffe://x/y a.com a.com CN=us a.com spiffe://x/y 23 "
       "62");
}

static void metadata(void **state)
{
    struct t_stream *s = *state;
    is("%DYNAMIC_METADATA(f)% %DYNAMIC_METADATA(f:a)%", "- -");
    t_stream_metadata(s, "f", "a", "\"old\"");
    t_stream_metadata(s, "f", "b", "{\"x\": [1, \"}\"], \"in\\\"ner\":1, \"deep\" : {\"er\": \"q\\\"\\u00e9\"} ,\"n\":null}");
    t_stream_metadata(s, "g", "c", "12.5");
    t_stream_metadata(s, "f", "a", "\"new\"");
    t_stream_metadata(s, "f", "t", "true");
    is("%DYNAMIC_METADATA(f:a)% %DYNAMIC_METADATA(g:c)% %DYNAMIC_METADATA(f:t)% %DYNAMIC_METADATA(f:z)%", "new 12.5 true -");
    is("%DYNAMIC_METADATA(f:b:x)% %DYNAMIC_METADATA(f:b:deep:er)% %DYNAMIC_METADATA(f:b:deep)% %DYNAMIC_METADATA(f:b:n)%",
       "[1, \"}\"] q\\\"\\u00e9 {\"er\": \"q\\\"\\u00e9\"} -");
    is("%DYNAMIC_METADATA(f:a:b)% %DYNAMIC_METADATA(f:b:x:y)% %DYNAMIC_METADATA(f:b:deep:er:z)%", "- - -");
    is("%DYNAMIC_METADATA(f:a):2% %METADATA(DYNAMIC:f:a)%", "ne new");
    is("%DYNAMIC_METADATA(f)%",
       "{\"b\":{\"x\": [1, \"}\"], \"in\\\"ner\":1, \"deep\" : {\"er\": \"q\\\"\\u00e9\"} ,\"n\":null},\"a\":\"new\",\"t\":true}");
    is("%METADATA(ROUTE:a:b)% %METADATA(LISTENER:a)%", "- -");
    is("%METADATA(ROUTES:a:b)%", "%METADATA%: needs a kind and a namespace, as in METADATA(ROUTE:ns:key), not \"ROUTES\" (DYNAMIC, ROUTE, VIRTUAL_HOST, "
       "CLUSTER, UPSTREAM_HOST, LISTENER, LISTENER_FILTER_CHAIN)");
    is("%DYNAMIC_METADATA(:a)%", "metadata needs a namespace, as in %DYNAMIC_METADATA(ns:key)%");
    assert_string_equal(t_value(s, "%DYNAMIC_METADATA(f:b:deep:er)%"), "q\"\xc3\xa9");
    assert_string_equal(t_value(s, "%DYNAMIC_METADATA(f:a):1%%DYNAMIC_METADATA(g)%"), "n{\"c\":12.5}");
    /* what is broken is not found, and nothing is read behind its end */
    t_stream_metadata(s, "h", "a", "{\"x\":");
    t_stream_metadata(s, "h", "b", "{\"x\"");
    t_stream_metadata(s, "h", "c", "{\"x");
    t_stream_metadata(s, "h", "d", "{\"x\":\"y");
    t_stream_metadata(s, "h", "e", "{\"x\\");
    is("%DYNAMIC_METADATA(h:a:x)%%DYNAMIC_METADATA(h:b:x)%%DYNAMIC_METADATA(h:c:x)%%DYNAMIC_METADATA(h:d:y)%"
       "%DYNAMIC_METADATA(h:e:x)%", "-----");
}

static void nobody_forges_a_line(void **state)
{
    struct t_stream *s = *state;
    s->request.path = SP_STR("/a\r\n[2023] \"GET / HTTP/2\" 200\t\x1b[31m\x7f\\");
    is("\"%REQ(:path)%\"", "\"/a\\u000d\\u000a[2023] \\\"GET / HTTP/2\\\" 200\\u0009\\u001b[31m\\u007f\\\\\"");
    /* UTF-8 stays, C1 controls do not, nor what is no UTF-8 */
    s->request.path = SP_STR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc2\x9b");
    is("%REQ(:path)%", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\u009b");
    s->request.path = SP_STR("a\xff" "b\xc0\xaf" "c\xed\xa0\x80" "d\xf5\x80\x80\x80" "e\xe2\x82");
    is("%REQ(:path)%", "a\xef\xbf\xbd" "b\xef\xbf\xbd\xef\xbf\xbd" "c\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" "d\xef\xbf\xbd"
                       "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" "e\xef\xbf\xbd\xef\xbf\xbd");
    /* to some readers of logs these end a line, or turn round what follows; their neighbours do neither */
    s->request.path = SP_STR("a\xe2\x80\xa8" "b\xe2\x80\xa9" "c\xe2\x80\xae" "d\xe2\x81\xa7" "e\xe2\x80\xa7" "f\xe2\x81\xaa");
    is("%REQ(:path)%", "a\\u2028b\\u2029c\\u202ed\\u2067e\xe2\x80\xa7" "f\xe2\x81\xaa");
    /* cut in the middle of a character */
    s->request.path = SP_STR("a\xc3\xa9");
    is("%REQ(:path):2%", "a\xef\xbf\xbd");
    s->in.local_reply_body = SP_STR("line \"1\"\nline 2\n");
    is("%LOCAL_REPLY_BODY%:%REQ(:method)%", "line \"1\"\nline 2\n:-");
}

static void operators_are_checked(void **state)
{
    is("%RESPONSE_COD%", "unknown operator %RESPONSE_COD% (did you mean %RESPONSE_CODE%?)");
    is("%XYZZY_PLUGH%", "unknown operator %XYZZY_PLUGH% (docs/access-log.md has them all; a '%' is written %%)");
    is("%ROUNDTRIP_DURATION%", "%ROUNDTRIP_DURATION% is an operator of Envoy's that is not run here (it is of QUIC, which is not served)");
    is("100% of", "\"% of\" is no operator (they look like %NAME%, %NAME(x)% or %NAME(x):9%; a '%' is written %%)");
    is("%PROTOCOL", "\"%PROTOCOL\" is no operator (they look like %NAME%, %NAME(x)% or %NAME(x):9%; a '%' is written %%)");
    is("%", "\"%\" is no operator (they look like %NAME%, %NAME(x)% or %NAME(x):9%; a '%' is written %%)");
    is("%REQ(a%", "\"%REQ(a%\" is no operator (they look like %NAME%, %NAME(x)% or %NAME(x):9%; a '%' is written %%)");
    is("%REQ(a):x%", "\"%REQ(a):x%\" is no operator (they look like %NAME%, %NAME(x)% or %NAME(x):9%; a '%' is written %%)");
    is("%REQ(a):99999999999%",
       "\"%REQ(a):99999999999%\" is no operator (they look like %NAME%, %NAME(x)% or %NAME(x):9%; a '%' is written %%)");
    is("%protocol% and so on and on and on",
       "\"%protocol% and so on and...\" is no operator (they look like %NAME%, %NAME(x)% or %NAME(x):9%; a '%' is written %%)");
    is("%REQ%", "%REQ% needs a parameter, as in %REQ(x)%");
    is("%REQ()%", "%REQ% needs a parameter, as in %REQ(x)%");
    is("%PROTOCOL(x)%", "%PROTOCOL% takes no parameters (take out the parentheses)");
    is("%PROTOCOL:3%", "%PROTOCOL% takes no length (take out the :3)");
    is("%REQ(a b)%", "\"a b\" is no header name");
    is("%REQ(a?)%", "\"\" is no header name");
    is("%REQ(a?b?c)%", "\"b?c\" is no header name");
    is("%PATH(X)%", "%PATH%: \"X\" is neither WQ (with query) nor NQ (without)");
    is("%PATH(WQ:X)%", "%PATH%: \"X\" is none of ORIG, PATH, ORIG_OR_PATH");
    is("%GRPC_STATUS(X)%", "%GRPC_STATUS%: \"X\" is none of CAMEL_STRING, SNAKE_STRING, NUMBER");
    is("%RESPONSE_CODE_DETAILS(X)%", "%RESPONSE_CODE_DETAILS%: \"X\" is not ALLOW_WHITESPACES");
    is("%COMMON_DURATION(DS_RX_BEG:DS_TX_END:h)%", "%COMMON_DURATION%: \"h\" is none of ms, us, ns");
    is("%COMMON_DURATION(DS_RX_BEG:X)%",
       "%COMMON_DURATION%: \"X\" is no point in time known here (known: DS_RX_BEG, DS_RX_END, US_TX_BEG, US_TX_END, "
       "US_RX_BEG, US_RX_END, DS_TX_BEG, DS_TX_END)");
}

static void default_is_envoys(void **state)
{
    struct t_stream *s = *state;
    struct t_config c;
    struct sp_buf b;
    char got[400] = {0};
    t_headers(&s->request, &s->arena,
              ":method: GET\n:authority: a.com\n:path: /x\nuser-agent: curl/8\nx-forwarded-for: 203.0.113.9\nx-request-id: r1");
    t_headers(&s->response, &s->arena, ":status: 200\nx-envoy-upstream-service-time: 190");
    t_config_load(&c, &envoy__config__core__v3__substitution_format_string__descriptor, "text_format: x");
    struct sp_format *f = sp_format_new_msg(c.doc, &c.diag, NULL);
    sp_buf_init(&b);
    sp_format_write(f, &s->in, &b);
    sp_buf_peek(&b, got, sizeof(got) - 1);
    assert_string_equal(got, "[2023-11-14T22:13:20.123Z] \"GET /x HTTP/2\" 200 - 11 5678 345 190 \"203.0.113.9\" \"curl/8\" "
                             "\"r1\" \"a.com\" \"[2001:db8::5]:443\"\n");
    assert_false(sp_format_is_static(f));
    sp_buf_clear(&b);
    sp_format_free(f);
    t_config_done(&c);
}

static void json_keeps_types(void **state)
{
    struct t_stream *s = *state;
    s->request.path = SP_STR("/\"a\"\n\xff");
    t_stream_metadata(s, "f", "a", "{\"b\":[1]}");
    t_stream_metadata(s, "f", "s", "\"x\\ny\"");
    assert_string_equal(
        t_format(s,
                 "json_format:\n"
                 "  code: '%RESPONSE_CODE%'\n"
                 "  text: 'code %RESPONSE_CODE% of %REQ(:path)% %REQ(none)% %DYNAMIC_METADATA(f:a)% %DYNAMIC_METADATA(f:s)%'\n"
                 "  path: '%REQ(:path)%'\n"
                 "  none: '%REQ(none)%'\n"
                 "  'k\"ey': {inner: '%PROTOCOL%', deeper: {flags: '%RESPONSE_FLAGS%'}, empty: {}}\n"
                 "  list: ['%BYTES_SENT%', 'x', [], 7]\n"
                 "  const: 12\n"
                 "  big: 1.5e300\n"
                 "  yes: true\n"
                 "  port: '%DOWNSTREAM_LOCAL_PORT%'\n"
                 "  meta: '%DYNAMIC_METADATA(f:a)%'\n"
                 "  all: '%DYNAMIC_METADATA(f)%'\n"
                 "  inside: 'a %DYNAMIC_METADATA(f)%'\n"
                 "  empty: ''\n"
                 "  percent: '100%%'\n",
                 ""),
        "{\"code\":200,\"text\":\"code 200 of /\\\"a\\\"\\u000a\xef\xbf\xbd - {\\\"b\\\":[1]} x\\ny\","
        "\"path\":\"/\\\"a\\\"\\u000a\xef\xbf\xbd\",\"none\":null,"
        "\"k\\\"ey\":{\"inner\":\"HTTP/2\",\"deeper\":{\"flags\":\"-\"},\"empty\":{}},\"list\":[5678,\"x\",[],7],\"const\":12,"
        "\"big\":\"1.5e300\",\"yes\":true,\"port\":8443,\"meta\":{\"b\":[1]},"
        "\"all\":{\"a\":{\"b\":[1]},\"s\":\"x\\ny\"},\"inside\":\"a {\\\"a\\\":{\\\"b\\\":[1]},\\\"s\\\":\\\"x\\\\ny\\\"}\","
        "\"empty\":\"\",\"percent\":\"100%\"}\n");
}

static void empty_values_are_left_out(void **state)
{
    struct t_stream *s = *state;
    assert_string_equal(t_format(s,
                                 "omit_empty_values: true\n"
                                 "json_format:\n"
                                 "  a: '%REQ(none)%'\n"
                                 "  b: {c: '%REQ(none)%', d: '%RESPONSE_CODE%', e: '%REQ(x)%', f: 'x%REQ(none)%'}\n"
                                 "  g: ['%REQ(none)%', '%RESPONSE_CODE%', '%REQ(none)%']\n"
                                 "  h: {i: '%REQ(none)%'}\n"
                                 "  j: '%PROTOCOL%'\n",
                                 ""),
                        "{\"b\":{\"d\":200,\"f\":\"x\"},\"g\":[200],\"h\":{},\"j\":\"HTTP/2\"}\n");
    assert_string_equal(t_format(s, "omit_empty_values: true\njson_format: {a: '%REQ(none)%'}\n", ""), "{}\n");
    assert_string_equal(t_format(s, "omit_empty_values: true\ntext_format: '[%REQ(none)%]'\n", ""), "[]");
    assert_string_equal(t_format(s, "text_format: '[%REQ(none)%]'\n", ""), "[-]");
    assert_string_equal(t_format(s, "text_format_source: {inline_string: '[%PROTOCOL%]'}\n", ""), "[HTTP/2]");
}

static void formats_are_checked_in_their_place(void **state)
{
    struct t_stream *s = *state;
    t_format(s, "text_format: 'x %NOPE_NOPE_NOPE%'",
             "t.yaml:1:14: text_format: unknown operator %NOPE_NOPE_NOPE% (docs/access-log.md has them all; a '%' is written "
             "%%)\n");
    t_format(s, "json_format: {a: {b: ['%REQ%']}}",
             "t.yaml:1:23: json_format[\"a\"][\"b\"][0]: %REQ% needs a parameter, as in %REQ(x)%\n");
    assert_string_equal(t_format(s, "json_format: {a: null, b: [null]}", ""), "{\"a\":null,\"b\":[null]}\n");
    t_format(s, "text_format_source: {inline_string: '%X'}",
             "t.yaml:1:21: text_format_source: \"%X\" is no operator (they look like %NAME%, %NAME(x)% or %NAME(x):9%; a '%' "
             "is written %%)\n");
    t_format(s, "text_format_source: {filename: /nonexistent}",
             "t.yaml:1:32: text_format_source.filename: cannot read /nonexistent: No such file or directory (check the path "
             "and its permissions)\n");
    t_format(s, "text_format: '%FILTER_STATE(x:PLAIN)%'",
             "t.yaml:1:14: warning: text_format: %FILTER_STATE% never has a value: nothing here sets filter state\n");
    t_format(s, "json_format: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: x}}}}}}}}}}}}}}}}}",
             "t.yaml:1:78: json_format[\"a\"][\"a\"][\"a\"][\"a\"][\"a\"][\"a\"][\"a\"][\"a\"][\"a\"][\"a\"][\"a\"][\"a\"]"
             "[\"a\"][\"a\"][\"a\"][\"a\"]: nested more than 16 deep\n");
}

/* Random bytes in every value: what comes out is one line of valid JSON, always. */
static void json_is_always_valid(void **state)
{
    struct t_stream *s = *state;
    const char *yaml = "json_format: {p: '%REQ(:path)%', t: 'x%REQ(:path)%y%REQ(u):7%', d: '%RESPONSE_CODE_DETAILS%', s: "
                       "'%DOWNSTREAM_PEER_DNS_SAN%', h: '%RESP(h)%'}";
    uint64_t seed = 1;
    for (int round = 0; round < 300; round++) {
        char bytes[40];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes[i] = (char)(seed >> 56);
            if (round % 3 == 0)
                bytes[i] |= (char)0x80;
        }
        struct sp_str any = sp_str_n(bytes, (size_t)(round % 41));
        s->request.n = 0;
        s->request.path = any;
        sp_headers_add(&s->request, SP_STR("u"), any);
        s->response.n = 0;
        sp_headers_add(&s->response, SP_STR("h"), any);
        s->info.details = any;
        s->tls.peer_dns = &any;
        s->tls.n_peer_dns = 1;
        const char *line = t_format(s, yaml, "");
        assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
        json_error_t e;
        json_t *j = json_loads(line, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
        assert_non_null(j);
        json_decref(j);
    }
}

static void header_values(void **state)
{
    struct t_stream *s = *state;
    t_headers(&s->request, &s->arena, "x-a: 1\nx-sp:  a b ");
    assert_string_equal(t_value(s, "%REQ(x-a)%"), "1");
    assert_string_equal(t_value(s, "a %REQ(x-a)%-%REQ(none)%-%RESPONSE_CODE%%%"), "a 1--200%");
    assert_string_equal(t_value(s, "%REQ(none)%"), "");
    assert_string_equal(t_value(s, ""), "");
    assert_string_equal(t_value(s, "%REQ(none)% x"), "x");
    /* quotes are no harm in a header; line ends are */
    s->tls.peer_subject = SP_STR("CN=\"a\"\r\nX-Evil: 1");
    assert_string_equal(t_value(s, "%DOWNSTREAM_PEER_SUBJECT%"), "CN=\"a\"??X-Evil: 1");
    static const struct sp_str dns[] = {SP_STR_INIT("a"), SP_STR_INIT("b")};
    s->tls.peer_dns = dns;
    s->tls.n_peer_dns = 2;
    assert_string_equal(t_value(s, "%DOWNSTREAM_PEER_DNS_SAN%"), "a,b");
    assert_string_equal(t_value(s, "%START_TIME(%s)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"), "1700000000 203.0.113.9");
}

static void long_values_span_chunks(void **state)
{
    struct t_stream *s = *state;
    char *big = malloc(60001);
    memset(big, 'q', 60000);
    big[60000] = 0;
    s->request.path = sp_str_n(big, 30000);
    const char *got = t_text(s, "%REQ(:path)%|%REQ(:path)%");
    assert_int_equal(strlen(got), 60001);
    assert_int_equal(strspn(got, "q"), 30000);
    memset(big, 1, 10000);
    s->request.path = sp_str_n(big, 10000);
    got = t_text(s, "%REQ(:path)%");
    assert_int_equal(strlen(got), 60000);
    for (int i = 0; i < 10000; i++)
        assert_memory_equal(got + 6 * i, "\\u0001", 6);
    free(big);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    setenv("TZ", "UTC", 1);
    const struct CMUnitTest tests[] = {
        test(literals),
        test(times),
        test(times_are_checked),
        test(a_time_is_kept_for_its_second_only),
        test(request_headers),
        test(response_headers),
        test(numbers),
        test(names_and_flags),
        test(addresses),
        test(tls),
        test(metadata),
        test(nobody_forges_a_line),
        test(operators_are_checked),
        test(default_is_envoys),
        test(json_keeps_types),
        test(empty_values_are_left_out),
        test(formats_are_checked_in_their_place),
        test(json_is_always_valid),
        test(header_values),
        test(long_values_span_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
