/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scalars, enums, durations, wrappers, bytes, oneofs, lists, maps, Any: good and bad. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/config/core/v3/protocol.pb-c.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h"
#include "envoy/type/v3/range.pb-c.h"

#define LISTENER (&envoy__config__listener__v3__listener__descriptor)
#define CLUSTER (&envoy__config__cluster__v3__cluster__descriptor)
#define BOOTSTRAP (&envoy__config__bootstrap__v3__bootstrap__descriptor)
#define HTTP2 (&envoy__config__core__v3__http2_protocol_options__descriptor)
#define HTTP (&envoy__config__core__v3__http_protocol_options__descriptor)
#define SOURCE (&envoy__config__core__v3__data_source__descriptor)
#define RANGE (&envoy__type__v3__int64_range__descriptor)
#define PERCENT (&envoy__type__v3__percent__descriptor)
#define TLS (&envoy__extensions__transport_sockets__tls__v3__downstream_tls_context__descriptor)
#define HEADER (&envoy__config__core__v3__header_value__descriptor)
#define MATCH (&envoy__config__listener__v3__filter_chain_match__descriptor)
#define HOST (&envoy__config__route__v3__virtual_host__descriptor)
#define JWT (&envoy__extensions__filters__http__jwt_authn__v3__jwt_authentication__descriptor)
#define KEY_VALUE (&envoy__config__core__v3__key_value_pair__descriptor)

static void good(const ProtobufCMessageDescriptor *root, enum sp_syntax syntax, const char *text, const char *json)
{
    struct sp_doc *doc = load_good(root, syntax, text);
    char *got = dumped(doc, sp_doc_root(doc));
    assert_string_equal(got, json);
    free(got);
    sp_doc_free(doc);
}

static void yaml(const ProtobufCMessageDescriptor *root, const char *text, const char *json)
{
    good(root, SP_SYNTAX_YAML, text, json);
}

/* Errors without the leading "t.yaml:". */
static void bad(const ProtobufCMessageDescriptor *root, const char *text, const char *error)
{
    char want[4000];
    snprintf(want, sizeof(want), "t.yaml:%s\n", error);
    load_bad(root, SP_SYNTAX_YAML, text, want);
}

static void test_whole_numbers(void **state)
{
    yaml(RANGE, "start: -9223372036854775808\nend: 9223372036854775807\n",
         "{\"start\": \"-9223372036854775808\",\"end\": \"9223372036854775807\"}");
    yaml(RANGE, "start: '-5'\nend: 1e3\n", "{\"start\": \"-5\",\"end\": \"1000\"}");
    yaml(RANGE, "start: 0x7f\nend: 0600\n", "{\"start\": \"127\",\"end\": \"384\"}");
    good(RANGE, SP_SYNTAX_JSON, "{\"start\": 5.0, \"end\": \"12\"}", "{\"start\": \"5\",\"end\": \"12\"}");
    yaml(HTTP2, "max_concurrent_streams: 2147483647\n", "{\"max_concurrent_streams\": 2147483647}");
    bad(RANGE, "end: 9223372036854775808\n",
        "1:6: end: expected a whole number from -9223372036854775808 to 9223372036854775807, found the number "
        "9223372036854775808");
    bad(RANGE, "end: 1.5\n", "1:6: end: expected a whole number from -9223372036854775808 to 9223372036854775807, found "
                             "the string \"1.5\"");
    bad(HTTP2, "hpack_table_size: 4294967296\n", "1:19: hpack_table_size: expected a whole number from 0 to 4294967295, "
                                                 "found the number 4294967296");
    bad(HTTP2, "hpack_table_size: -1\n",
        "1:19: hpack_table_size: expected a whole number from 0 to 4294967295, found the number -1");
    bad(HTTP2, "hpack_table_size: 99999999999999999999999\n",
        "1:19: hpack_table_size: expected a whole number from 0 to 4294967295, found the number "
        "99999999999999999999999");
    bad(HTTP2, "hpack_table_size: true\n",
        "1:19: hpack_table_size: expected a whole number from 0 to 4294967295, found the boolean true");
    yaml(RANGE, "start: '0x10'\nend: '010'\n", "{\"start\": \"16\",\"end\": \"10\"}");
    bad(RANGE, "end: '0x'\n", "1:6: end: expected a whole number from -9223372036854775808 to 9223372036854775807, found "
                             "the string \"0x\"");
}

/* As a scalar, or written out as the message it is. */
static void test_wrappers(void **state)
{
    yaml(HTTP2, "hpack_table_size: {value: 3}\nmax_concurrent_streams: {}\n",
         "{\"hpack_table_size\": 3,\"max_concurrent_streams\": 0}");
    bad(HTTP2, "hpack_table_size: {valu: 3}\n",
        "1:20: hpack_table_size.valu: google.protobuf.UInt32Value has no such field (the nearest it knows is \"value\")");
    bad(HTTP2, "hpack_table_size: [3]\n",
        "1:19: hpack_table_size: expected a whole number from 0 to 4294967295, found a list");
}

static void test_doubles(void **state)
{
    yaml(PERCENT, "value: 0.1\n", "{\"value\": 0.1}");
    yaml(PERCENT, "value: '5e-1'\n", "{\"value\": 0.5}");
    yaml(PERCENT, "value: 0x10\n", "{\"value\": 16}");
    good(PERCENT, SP_SYNTAX_JSON, "{\"value\": 33.333}", "{\"value\": 33.333}");
    bad(PERCENT, "value: NaN\n", "1:8: value: expected a number, found the string \"NaN\"");
    bad(PERCENT, "value: Infinity\n", "1:8: value: expected a number, found the string \"Infinity\"");
    bad(PERCENT, "value: 1e999\n", "1:8: value: expected a number that fits a double, found the string \"1e999\"");
    bad(PERCENT, "value: [1]\n", "1:8: value: expected a number, found a list");
    bad(PERCENT, "value: 5 %\n", "1:8: value: expected a number, found the string \"5 %\"");
}

static void test_bools(void **state)
{
    yaml(HEADER, "key: k\n", "{\"key\": \"k\"}");
    yaml(&envoy__config__core__v3__http1_protocol_options__descriptor,
         "allow_absolute_url: false\naccept_http_10: On\nenable_trailers: no\n",
         "{\"allow_absolute_url\": false,\"accept_http_10\": true}");
    yaml(&envoy__config__core__v3__http1_protocol_options__descriptor,
         "allow_absolute_url: 'False'\naccept_http_10: '1'\nenable_trailers: 'yes'\n",
         "{\"allow_absolute_url\": false,\"accept_http_10\": true,\"enable_trailers\": true}");
    bad(&envoy__config__core__v3__http1_protocol_options__descriptor, "enable_trailers: 'on'\n",
        "1:18: enable_trailers: expected true or false, found the string \"on\"");
    bad(&envoy__config__core__v3__http1_protocol_options__descriptor, "allow_absolute_url: 1\n",
        "1:21: allow_absolute_url: expected true or false, found the number 1");
}

static void test_strings(void **state)
{
    yaml(HEADER, "key: x\nvalue: 1.5\n", "{\"key\": \"x\",\"value\": \"1.5\"}");
    yaml(HEADER, "key: x\nvalue: '12'\n", "{\"key\": \"x\",\"value\": \"12\"}");
    bad(HEADER, "key: x\nvalue: 12\n", "2:8: value: expected a string, found the number 12 (put it in quotes)");
    bad(HEADER, "key: x\nvalue: off\n", "2:8: value: expected a string, found the boolean off (put it in quotes)");
    bad(HEADER, "key: x\nvalue: {}\n", "2:8: value: expected a string, found a mapping");
}

static void test_bytes(void **state)
{
    yaml(SOURCE, "inline_bytes: aGVsbG8=\n", "{\"inline_bytes\": \"aGVsbG8=\"}");
    yaml(SOURCE, "inline_bytes: aGVsbG8\n", "{\"inline_bytes\": \"aGVsbG8=\"}");
    yaml(SOURCE, "inline_bytes: -_-_\n", "{\"inline_bytes\": \"+/+/\"}");
    yaml(SOURCE, "inline_bytes: ''\n", "{\"inline_bytes\": \"\"}");
    bad(SOURCE, "inline_bytes: aGVsbG8==\n", "1:15: inline_bytes: expected base64, found a string");
    bad(SOURCE, "inline_bytes: a\n", "1:15: inline_bytes: expected base64, found a string");
    bad(SOURCE, "inline_bytes: 'a b='\n", "1:15: inline_bytes: expected base64, found a string");
    /* What may be a secret is not shown. */
    bad(SOURCE, "inline_string: 123456\n", "1:16: inline_string: expected a string, found a number (put it in quotes)");
}

static void test_durations(void **state)
{
    static const struct {
        const char *text, *json;
    } ok[] = {
        {"5s", "5s"}, {"0.25s", "0.25s"}, {"0s", "0s"}, {"1.000000001s", "1.000000001s"}, {"'10.5s'", "10.5s"},
        {"315576000000s", "315576000000s"},
    };
    static const char *const wrong[] = {"5", "5m", "s", ".5s", "1.s", "-1", "--1s", "+1s", "1e3s", "1.0000000001s", "5 s",
                                        "5S", "0x5s", "315576000001s", "1ms", "99999999999999999999s"};
    char text[100], want[300];
    for (size_t i = 0; i < SP_ARRAY_LEN(ok); i++) {
        snprintf(text, sizeof(text), "idle_timeout: %s\n", ok[i].text);
        snprintf(want, sizeof(want), "{\"idle_timeout\": \"%s\"}", ok[i].json);
        yaml(HTTP, text, want);
    }
    for (size_t i = 0; i < SP_ARRAY_LEN(wrong); i++) {
        snprintf(text, sizeof(text), "idle_timeout: \"%s\"\n", wrong[i]);
        snprintf(want, sizeof(want),
                 "1:15: idle_timeout: expected a duration in seconds such as 5s or 0.25s, found the string \"%s\"", wrong[i]);
        bad(HTTP, text, want);
    }
    bad(HTTP, "idle_timeout: 5\n",
        "1:15: idle_timeout: expected a duration in seconds such as 5s or 0.25s, found the number 5");
    static const char *const negative[] = {"-5s", "-0.25s", "-0s"};
    for (size_t i = 0; i < SP_ARRAY_LEN(negative); i++) {
        snprintf(text, sizeof(text), "idle_timeout: \"%s\"\n", negative[i]);
        snprintf(want, sizeof(want), "1:15: idle_timeout: %s is negative (expected 0s or more, such as 0.25s)", negative[i]);
        bad(HTTP, text, want);
    }
    yaml(HTTP, "idle_timeout: {seconds: '5', nanos: 250000000}\n", "{\"idle_timeout\": \"5.25s\"}");
    yaml(HTTP, "idle_timeout: {}\n", "{\"idle_timeout\": \"0s\"}");
    bad(HTTP, "idle_timeout: {seconds: -5}\n", "1:15: idle_timeout: not a duration (expected seconds from 0 to 315576000000 "
                                              "and nanos from 0 to 999999999)");
    bad(HTTP, "idle_timeout: {nanos: 1000000000}\n", "1:15: idle_timeout: not a duration (expected seconds from 0 to "
                                                    "315576000000 and nanos from 0 to 999999999)");
    bad(HTTP, "idle_timeout: {second: 5}\n",
        "1:16: idle_timeout.second: google.protobuf.Duration has no such field (the nearest it knows is \"seconds\")");
}

static void test_enums(void **state)
{
    yaml(HTTP, "headers_with_underscores_action: reject_Request\n",
         "{\"headers_with_underscores_action\": \"REJECT_REQUEST\"}");
    yaml(HTTP, "headers_with_underscores_action: 2\n", "{\"headers_with_underscores_action\": \"DROP_HEADER\"}");
    yaml(HTTP, "headers_with_underscores_action: '2'\n", "{\"headers_with_underscores_action\": \"DROP_HEADER\"}");
    bad(HTTP, "headers_with_underscores_action: REJECT\n",
        "1:34: headers_with_underscores_action: \"REJECT\" is not one of ALLOW, REJECT_REQUEST, DROP_HEADER");
    bad(HTTP, "headers_with_underscores_action: DROP_HEADERS\n",
        "1:34: headers_with_underscores_action: \"DROP_HEADERS\" is not one of ALLOW, REJECT_REQUEST, DROP_HEADER (the "
        "nearest is DROP_HEADER)");
    bad(HTTP, "headers_with_underscores_action: 3\n",
        "1:34: headers_with_underscores_action: \"3\" is not one of ALLOW, REJECT_REQUEST, DROP_HEADER");
    bad(HTTP, "headers_with_underscores_action: -1\n",
        "1:34: headers_with_underscores_action: \"-1\" is not one of ALLOW, REJECT_REQUEST, DROP_HEADER");
    bad(HTTP, "headers_with_underscores_action: [ALLOW]\n",
        "1:34: headers_with_underscores_action: expected the name of a value, found a list");
}

static void test_names(void **state)
{
    yaml(HTTP2, "maxConcurrentStreams: 5\ninitial_stream_window_size: 65535\n",
         "{\"max_concurrent_streams\": 5,\"initial_stream_window_size\": 65535}");
    yaml(&envoy__config__core__v3__http1_protocol_options__descriptor, "acceptHttp10: true\ndefaultHostForHttp10: a\n",
         "{\"accept_http_10\": true,\"default_host_for_http_10\": \"a\"}");
    bad(HTTP2, "max_concurrent_streams: 5\nmaxConcurrentStreams: 6\n",
        "2:23: max_concurrent_streams: written twice, as \"max_concurrent_streams\" and \"maxConcurrentStreams\" (remove "
        "one)");
    bad(HTTP2, "MaxConcurrentStreams: 6\n",
        "1:1: MaxConcurrentStreams: envoy.config.core.v3.Http2ProtocolOptions has no such field (the nearest it knows is "
        "\"max_concurrent_streams\")");
    bad(HTTP2, "max_concurent_streams: 6\n",
        "1:1: max_concurent_streams: envoy.config.core.v3.Http2ProtocolOptions has no such field (the nearest it knows "
        "is \"max_concurrent_streams\")");
    bad(HEADER, "key: x\nzzzzzzzz: 6\n", "2:1: zzzzzzzz: envoy.config.core.v3.HeaderValue has no such field (it knows: "
                                         "key, value, raw_value)");
    bad(TLS, "custom_handshaker: {name: x}\n",
        "1:1: custom_handshaker: envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext has no such field (put it "
        "into \"common_tls_context\")");
    bad(TLS, "common_tls_context: {require_sni: true}\n",
        "1:22: common_tls_context.require_sni: envoy.extensions.transport_sockets.tls.v3.CommonTlsContext has no such field "
        "(put it beside \"common_tls_context\")");
    bad(HTTP2, "allow_metadata: true\nuseOghttp2Codec: true\n",
        "1:1: allow_metadata: Envoy has this field, sallyport does not run it (remove it, or see "
        "docs/envoy-differences.md)\n"
        "t.yaml:2:1: useOghttp2Codec: Envoy has this field, sallyport does not run it (remove it, or see "
        "docs/envoy-differences.md)");
}

static void test_null_and_ignore(void **state)
{
    yaml(HTTP2, "max_concurrent_streams: null\n!ignore whatever: [1, {x: 2}]\nhpack_table_size: ~\n", "{}");
    good(HTTP2, SP_SYNTAX_JSON, "{\"max_concurrent_streams\": null}", "{}");
    yaml(SOURCE, "filename: null\ninline_string: x\n", "{\"inline_string\": \"x\"}");
    yaml(KEY_VALUE, "key: a\nvalue: null\n", "{\"key\": \"a\",\"value\": null}");
}

static void test_oneof(void **state)
{
    bad(SOURCE, "filename: a\ninline_string: b\n",
        "2:16: inline_string: \"filename\" and \"inline_string\" exclude each other (keep one of: filename, inline_bytes, "
        "inline_string, environment_variable)");
    bad(SOURCE, "{}\n",
        "1:1: one of these is required: filename, inline_bytes, inline_string, environment_variable");
    /* A bad value still counts as the choice. */
    bad(SOURCE, "filename: [a]\n", "1:11: filename: expected a string, found a list");
}

static void test_lists(void **state)
{
    yaml(MATCH, "server_names: [a, b]\nsource_ports: [1, '2']\nprefix_ranges: []\n",
         "{\"source_ports\": [1,2],\"server_names\": [\"a\",\"b\"]}");
    yaml(MATCH, "prefix_ranges: {address_prefix: 10.0.0.0, prefix_len: 8}\n",
         "{\"prefix_ranges\": [{\"address_prefix\": \"10.0.0.0\",\"prefix_len\": 8}]}");
    yaml(MATCH, "server_names: a\nsource_ports: 5\n", "{\"source_ports\": [5],\"server_names\": [\"a\"]}");
    bad(MATCH, "server_names: 5\n", "1:15: server_names[0]: expected a string, found the number 5 (put it in quotes)");
    bad(MATCH, "prefix_ranges: 10.0.0.0/8\n", "1:16: prefix_ranges: expected a list, found a string");
    bad(MATCH, "server_names: {a: b}\n", "1:15: server_names: expected a list, found a mapping");
    bad(MATCH, "server_names: [a, null, 3]\nsource_ports: [1, x]\n",
        "1:19: server_names[1]: null in a list (remove it)\n"
        "t.yaml:1:25: server_names[2]: expected a string, found the number 3 (put it in quotes)\n"
        "t.yaml:2:19: source_ports[1]: expected a whole number from 0 to 4294967295, found the string \"x\"");
    bad(MATCH, "prefix_ranges:\n- {address_prefix: a}\n- 10.0.0.0/8\n- {adress_prefix: b}\n",
        "3:3: prefix_ranges[1]: expected a mapping with the fields of envoy.config.core.v3.CidrRange, found a string\n"
        "t.yaml:4:3: prefix_ranges[2].address_prefix: required, but missing (add it)\n"
        "t.yaml:4:4: prefix_ranges[2].adress_prefix: envoy.config.core.v3.CidrRange has no such field (the nearest it "
        "knows is \"address_prefix\")");
}

static void test_maps(void **state)
{
    yaml(JWT, "requirement_map: {a: {provider_name: x}, \"b c\": {allow_missing: {}}, d: null}\n",
         "{\"requirement_map\": {\"a\": {\"provider_name\": \"x\"},\"b c\": {\"allow_missing\": {}}}}");
    bad(JWT, "requirement_map: [1]\n", "1:18: requirement_map: expected a mapping, found a list");
    bad(JWT, "requirement_map:\n  a:\n    provider: x\n  b: 5\n",
        "3:5: requirement_map[\"a\"].provider: envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement has no such "
        "field (it knows: provider_name, provider_and_audiences, requires_any, requires_all, allow_missing_or_failed, "
        "allow_missing, extract_only_without_validation)\n"
        "t.yaml:4:6: requirement_map[\"b\"]: expected a mapping with the fields of "
        "envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement, found a number");
}

static void test_struct(void **state)
{
    yaml(&envoy__config__core__v3__node__descriptor, "metadata: {a: [1, null, {b: x}], c: 2.5}\n",
         "{\"metadata\": {\"a\": [1,null,{\"b\": \"x\"}],\"c\": \"2.5\"}}");
    bad(&envoy__config__core__v3__node__descriptor, "metadata: [1]\n", "1:11: metadata: expected a mapping, found a list");
}

static void test_any(void **state)
{
    yaml(&envoy__config__core__v3__transport_socket__descriptor,
         "name: t\ntyped_config:\n  sni: a\n  '@type': "
         "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\n",
         "{\"name\": \"t\",\"typed_config\": {\"@type\": "
         "\"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\",\"sni\": \"a\"}}");
    yaml(&envoy__config__core__v3__transport_socket__descriptor,
         "name: t\ntyped_config: {'@type': a/b/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}\n",
         "{\"name\": \"t\",\"typed_config\": {\"@type\": \"a/b/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer\"}}");
    /* An Any without fields is one that is not there. */
    yaml(&envoy__config__core__v3__transport_socket__descriptor, "name: t\ntyped_config: {}\n", "{\"name\": \"t\"}");
#define SOCKET(config) &envoy__config__core__v3__transport_socket__descriptor, "name: t\ntyped_config: " config "\n"
    bad(SOCKET("{sni: a}"), "2:15: typed_config: \"@type\" is missing (add \"@type\": type.googleapis.com/... to say which "
                            "message this is)");
    bad(SOCKET("{'@type': 5}"), "2:25: typed_config: expected the name of a type, found a number");
    bad(SOCKET("[a]"), "2:15: typed_config: expected a mapping with \"@type\", found a list");
    bad(SOCKET("{'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContex}"),
        "2:25: typed_config: unknown type "
        "\"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContex\" (the nearest known is "
        "\"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\")");
    bad(SOCKET("{'@type': envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext}"),
        "2:25: typed_config: unknown type \"envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\" (the nearest "
        "known is \"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\")");
    bad(SOCKET("{'@type': type.googleapis.com/envoy.extensions.filters.http.oauth2.v3.OAuth2}"),
        "2:25: typed_config: Envoy has the type envoy.extensions.filters.http.oauth2.v3.OAuth2, sallyport does not run it "
        "(remove it, or see docs/envoy-differences.md)");
    bad(SOCKET("{'@type': type.googleapis.com/envoy.extensions.filters.http.no_such.v3.Thing}"),
        "2:25: typed_config: unknown type \"type.googleapis.com/envoy.extensions.filters.http.no_such.v3.Thing\": neither one "
        "of Envoy's that sallyport runs nor one of its own (remove it, or see docs/envoy-differences.md)");
    bad(SOCKET("{'@type': x}"), "2:25: typed_config: unknown type \"x\" (expected \"type.googleapis.com/\" and the name of "
                                "a message)");
    bad(SOCKET("{'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sny: a}"),
        "2:107: typed_config.sny: envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext has no such field (the "
        "nearest it knows is \"sni\")");
    bad(HEADER, "'@type': x\nkey: a\n",
        "1:1: @type: this field has a fixed type, envoy.config.core.v3.HeaderValue (remove \"@type\")");
}

static void test_typed_struct(void **state)
{
    static const char *const types[] = {"xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"};
    static const char *const urls[] = {"type.googleapis.com/", ""};
    for (int i = 0; i < 4; i++) {
        char text[500];
        snprintf(text, sizeof(text),
                 "name: t\ntyped_config:\n  '@type': type.googleapis.com/%s\n  type_url: "
                 "%senvoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\n  value: {sni: a, maxSessionKeys: 3}\n",
                 types[i % 2], urls[i / 2]);
        yaml(&envoy__config__core__v3__transport_socket__descriptor, text,
             "{\"name\": \"t\",\"typed_config\": {\"@type\": "
             "\"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\",\"sni\": "
             "\"a\",\"max_session_keys\": 3}}");
    }
#define STRUCT(fields) SOCKET("{'@type': type.googleapis.com/xds.type.v3.TypedStruct" fields "}")
    yaml(STRUCT(", type_url: envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"),
         "{\"name\": \"t\",\"typed_config\": {\"@type\": "
         "\"type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer\"}}");
    bad(STRUCT(", type_url: envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, value: {sny: a}"),
        "2:150: typed_config.sny: envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext has no such field (the nearest "
        "it knows is \"sni\")");
    bad(STRUCT(", value: {sni: a}"),
        "2:15: typed_config: a TypedStruct without type_url or with a bad value (type_url: \"type.googleapis.com/...\", value: "
        "the message's fields)");
    bad(STRUCT(", type_url: a.B, value: 5"),
        "2:15: typed_config: a TypedStruct without type_url or with a bad value (type_url: \"type.googleapis.com/...\", value: "
        "the message's fields)");
    bad(STRUCT(", type_url: a.B, x: 5"), "2:15: typed_config: a TypedStruct has no field \"x\" (only type_url and value)");
    bad(STRUCT(", type_url: xds.type.v3.TypedStruct"),
        "2:80: typed_config: unknown type \"type.googleapis.com/xds.type.v3.TypedStruct\": neither one of Envoy's that "
        "sallyport runs nor one of its own (remove it, or see docs/envoy-differences.md)");
}

/* All errors of a file at once, in order, and none of them twice. */
static void test_all_errors(void **state)
{
    bad(BOOTSTRAP,
        "node: {id: 5}\n"
        "static_resources:\n"
        "  listeners:\n"
        "  - name: a\n"
        "    adress: {}\n"
        "    listener_filters_timeout: 5\n"
        "  clusters:\n"
        "  - connect_timeout: 0s\n"
        "    type: ORIGINAL_DST\n"
        "    load_assignment: {cluster_name: x, endpoints: {lb_endpoints: {endpoint: {address: {socket_address:\n"
        "      {address: 10.0.0.1, port_value: 70000}}}}}}\n"
        "hds_config: {}\n",
        "1:12: node.id: expected a string, found the number 5 (put it in quotes)\n"
        "t.yaml:4:5: static_resources.listeners[0].address: required, but missing (add it)\n"
        "t.yaml:5:5: static_resources.listeners[0].adress: envoy.config.listener.v3.Listener has no such field (the "
        "nearest it knows is \"address\")\n"
        "t.yaml:6:31: static_resources.listeners[0].listener_filters_timeout: expected a duration in seconds such as 5s "
        "or 0.25s, found the number 5\n"
        "t.yaml:8:5: static_resources.clusters[0].name: required, but missing (add it)\n"
        "t.yaml:8:22: static_resources.clusters[0].connect_timeout: has to be more than 0s\n"
        "t.yaml:9:11: static_resources.clusters[0].type: ORIGINAL_DST is not run by sallyport (choose one of: STATIC, STRICT_DNS, LOGICAL_DNS, EDS)\n"
        "t.yaml:11:39: static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address."
        "socket_address.port_value: 70000 is out of range (expected 0 to 65535)\n"
        "t.yaml:12:1: hds_config: Envoy has this field, sallyport does not run it (remove it, or see "
        "docs/envoy-differences.md)");
}

static void test_root_is_no_mapping(void **state)
{
    bad(BOOTSTRAP, "- a\n", "1:1: expected a mapping with the fields of envoy.config.bootstrap.v3.Bootstrap, found a list");
    bad(BOOTSTRAP, "null\n", "1:1: expected a mapping with the fields of envoy.config.bootstrap.v3.Bootstrap, found null");
}

/* The same value through an alias is two messages with two paths. */
static void test_alias_twice(void **state)
{
    bad(HOST,
        "name: a\ndomains: ['*']\nroutes:\n- &r {match: {prefix: /}, redirect: {hostredirect: x}}\n- *r\n",
        "4:38: routes[0].redirect.hostredirect: envoy.config.route.v3.RedirectAction has no such field (the nearest it "
        "knows is \"host_redirect\")\n"
        "t.yaml:4:38: routes[1].redirect.hostredirect: envoy.config.route.v3.RedirectAction has no such field (the "
        "nearest it knows is \"host_redirect\")");
}

/* Control bytes in keys reach no terminal. */
static void test_clean_paths(void **state)
{
    bad(JWT, "requirement_map: {\"a\\e[31m\": 5}\n",
        "1:30: requirement_map[\"a?[31m\"]: expected a mapping with the fields of "
        "envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement, found a number");
    bad(HEADER, "key: x\n\"\\e]0;x\\a\": 1\n",
        "2:1: ?]0;x?: envoy.config.core.v3.HeaderValue has no such field (it knows: key, value, raw_value)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_numbers),     cmocka_unit_test(test_wrappers),
        cmocka_unit_test(test_typed_struct),      cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_bools),             cmocka_unit_test(test_strings),
        cmocka_unit_test(test_bytes),             cmocka_unit_test(test_durations),
        cmocka_unit_test(test_enums),             cmocka_unit_test(test_names),
        cmocka_unit_test(test_null_and_ignore),   cmocka_unit_test(test_oneof),
        cmocka_unit_test(test_lists),             cmocka_unit_test(test_maps),
        cmocka_unit_test(test_struct),            cmocka_unit_test(test_any),
        cmocka_unit_test(test_all_errors),        cmocka_unit_test(test_root_is_no_mapping),
        cmocka_unit_test(test_alias_twice),       cmocka_unit_test(test_clean_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
