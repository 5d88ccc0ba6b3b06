/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Protobuf's binary and text forms: what they say, what is refused, and with which place. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/load.h"
#include "config/rules.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/config/core/v3/protocol.pb-c.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h"
#include "envoy/type/v3/range.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/wrappers.pb-c.h"

#define SOURCE (&envoy__config__core__v3__data_source__descriptor)
#define RANGE (&envoy__type__v3__int64_range__descriptor)
#define PERCENT (&envoy__type__v3__percent__descriptor)
#define HEADER (&envoy__config__core__v3__header_value__descriptor)
#define HTTP (&envoy__config__core__v3__http_protocol_options__descriptor)
#define HTTP1 (&envoy__config__core__v3__http1_protocol_options__descriptor)
#define HTTP2 (&envoy__config__core__v3__http2_protocol_options__descriptor)
#define MATCH (&envoy__config__listener__v3__filter_chain_match__descriptor)
#define JWT (&envoy__extensions__filters__http__jwt_authn__v3__jwt_authentication__descriptor)
#define SOCKET (&envoy__config__core__v3__transport_socket__descriptor)
#define NODE (&envoy__config__core__v3__node__descriptor)
#define SOCKET_ADDRESS (&envoy__config__core__v3__socket_address__descriptor)
#define TLS_URL "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"

static char *errors_of(const ProtobufCMessageDescriptor *root, enum sp_syntax syntax, struct sp_str text, char **ret_dump)
{
    struct sp_diag d;
    sp_diag_init(&d);
    struct sp_doc *doc = sp_doc_load_partial(syntax == SP_SYNTAX_PB ? "t.pb" : "t.pb_text", text, syntax, root, &d);
    if (doc)
        sp_rules_check(doc, &d);
    char *errors = printed(&d);
    *ret_dump = doc ? dumped(doc, sp_doc_root(doc)) : NULL;
    sp_doc_free(doc);
    sp_diag_done(&d);
    return errors;
}

static void check(const ProtobufCMessageDescriptor *root, enum sp_syntax syntax, struct sp_str text, const char *json,
                  const char *want)
{
    char *dump, *errors = errors_of(root, syntax, text, &dump);
    assert_string_equal(errors, want);
    if (json)
        assert_string_equal(dump, json);
    free(errors);
    free(dump);
}

static void text(const ProtobufCMessageDescriptor *root, const char *t, const char *json)
{
    check(root, SP_SYNTAX_PB_TEXT, sp_str_c(t), json, "");
}

static void bad_text(const ProtobufCMessageDescriptor *root, const char *t, const char *error)
{
    char want[2000];
    snprintf(want, sizeof(want), "t.pb_text:%s\n", error);
    check(root, SP_SYNTAX_PB_TEXT, sp_str_c(t), NULL, want);
}

#define BYTES(lit) ((struct sp_str){(lit), sizeof(lit) - 1})

static void wire(const ProtobufCMessageDescriptor *root, struct sp_str bytes, const char *json)
{
    check(root, SP_SYNTAX_PB, bytes, json, "");
}

static void bad_wire(const ProtobufCMessageDescriptor *root, struct sp_str bytes, const char *error)
{
    char want[2000];
    snprintf(want, sizeof(want), "t.pb: %s\n", error);
    check(root, SP_SYNTAX_PB, bytes, NULL, want);
}

static void test_text_scalars(void **state)
{
    text(RANGE, "start: -9223372036854775808 end: 9223372036854775807",
         "{\"start\": \"-9223372036854775808\",\"end\": \"9223372036854775807\"}");
    text(RANGE, "start: - 0x10, end: 010;", "{\"start\": \"-16\",\"end\": \"8\"}");
    text(PERCENT, "value: 2.5e1f # a comment\n", "{\"value\": 25}");
    text(PERCENT, "value: 7", "{\"value\": 7}");
    text(HTTP1, "accept_http_10: True enable_trailers: t allow_absolute_url { value: 1 }",
         "{\"allow_absolute_url\": true,\"accept_http_10\": true,\"enable_trailers\": true}");
    text(HTTP1, "allow_absolute_url <value: f>", "{\"allow_absolute_url\": false}");
    text(HTTP, "headers_with_underscores_action: DROP_HEADER", "{\"headers_with_underscores_action\": \"DROP_HEADER\"}");
    text(HTTP, "headers_with_underscores_action: 1", "{\"headers_with_underscores_action\": \"REJECT_REQUEST\"}");
    bad_text(PERCENT, "value: nan", "1:8: value: expected a number, found the string \"nan\"");
    bad_text(PERCENT, "value: -inf", "1:8: value: expected a number, found the string \"-inf\"");
    bad_text(RANGE, "end: \"5\"", "1:6: end: expected a value without quotes, found the string \"5\"");
    bad_text(HEADER, "key: abc", "1:6: key: expected a string in quotes, found the string \"abc\"");
    bad_text(HEADER, "key: 12", "1:6: key: expected a string in quotes, found the number 12");
    bad_text(HTTP, "headers_with_underscores_action: \"ALLOW\"",
             "1:34: headers_with_underscores_action: expected a value without quotes, found the string \"ALLOW\"");
}

static void test_text_strings(void **state)
{
    text(HEADER, "key: \"k\" value: \"a'\" 'b\"' \"\\143\" # and\n '\\x64\\u00e9\\U0001f600\\ud83d\\ude00'",
         "{\"key\": \"k\",\"value\": \"a'b\\\"cd\xc3\xa9\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"}");
    text(NODE, "id: \"\\a\\b\\f\\n\\r\\t\\v\\?\\\\\\'\\\"\"",
         "{\"id\": \"\\u0007\\u0008\\u000c\\u000a\\u000d\\u0009\\u000b?\\\\'\\\"\"}");
    text(SOURCE, "inline_bytes: \"\\377\\000x\"", "{\"inline_bytes\": \"/wB4\"}");
    bad_text(HEADER, "key: \"\\377\"", "1:6: key: a string that is not UTF-8 (mend it)");
    bad_text(HEADER, "key: \"a\\0b\"", "1:6: key: a string with a NUL byte in it (take it out)");
    bad_text(HEADER, "key: \"abc", "1:7: this is not protobuf's text form: the string has no end (on its line)");
    bad_text(HEADER, "key: \"abc\n\"", "1:7: this is not protobuf's text form: the string has no end (on its line)");
    bad_text(HEADER, "key: \"\\ud800\"", "1:13: this is not protobuf's text form: half of a surrogate pair");
    bad_text(HEADER, "key: \"\\ud800\\u0041\"", "1:19: this is not protobuf's text form: half of a surrogate pair");
    bad_text(HEADER, "key: \"\\u12\"",
             "1:11: this is not protobuf's text form: \\u needs four hexadecimal digits, \\U eight, of a character");
    bad_text(HEADER, "key: \"\\q\"",
             "1:8: this is not protobuf's text form: unknown escape (only \\a \\b \\f \\n \\r \\t \\v \\? \\\\ \\' \\\" \\ooo "
             "\\xhh \\uhhhh \\Uhhhhhhhh)");
    bad_text(HEADER, "key: \"\\777\"",
             "1:11: this is not protobuf's text form: unknown escape (only \\a \\b \\f \\n \\r \\t \\v \\? \\\\ \\' \\\" \\ooo "
             "\\xhh \\uhhhh \\Uhhhhhhhh)");
}

static void test_text_messages(void **state)
{
    text(MATCH, "server_names: \"a\" server_names: [\"b\", 'c'] source_ports: [] prefix_ranges { address_prefix: \"::\" }\n"
                "prefix_ranges: <address_prefix: \"10.0.0.0\" prefix_len: {value: 8}>",
         "{\"prefix_ranges\": [{\"address_prefix\": \"::\"},{\"address_prefix\": \"10.0.0.0\",\"prefix_len\": 8}],"
         "\"server_names\": [\"a\",\"b\",\"c\"]}");
    text(HTTP, "idle_timeout { seconds: 5 nanos: 250000000 }", "{\"idle_timeout\": \"5.25s\"}");
    text(JWT, "requirement_map { key: \"a\" value { provider_name: \"x\" } } requirement_map: { value {allow_missing {}} }",
         "{\"requirement_map\": {\"a\": {\"provider_name\": \"x\"},\"\": {\"allow_missing\": {}}}}");
    text(NODE, "metadata { fields { key: \"a\" value { list_value { values { number_value: 1 } values { null_value: NULL_VALUE }"
               " values { struct_value { fields { key: \"b\" value { string_value: \"x\" } } } } } } } }",
         "{\"metadata\": {\"a\": [1,null,{\"b\": \"x\"}]}}");
    bad_text(HTTP, "idle_timeout: \"5s\"", "1:15: idle_timeout: expected a message with seconds and nanos, found a string");
    bad_text(HEADER, "key: \"a\"\nvalue: \"x\"\nvalue: \"y\"", "3:8: value: written 2 times (keep one)");
    bad_text(JWT, "requirement_map { key: \"a\" value {} }\nrequirement_map { key: \"a\" value {allow_missing {}} }",
             "2:17: the key \"a\" is written twice, first in line 1 (remove one)");
    bad_text(HEADER, "key: \"a\" valu: \"x\"",
             "1:10: valu: envoy.config.core.v3.HeaderValue has no such field (the nearest it knows is \"value\")");
    bad_text(SOURCE, "filename: \"a\" inline_string: \"b\"",
             "1:30: inline_string: \"filename\" and \"inline_string\" exclude each other (keep one of: filename, inline_bytes, "
             "inline_string, environment_variable)");
}

static void test_text_syntax(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"key", "1:4: this is not protobuf's text form: a ':' or '{' was expected here"},
        {"key:", "1:5: this is not protobuf's text form: a value was expected here"},
        {"key: ]", "1:6: this is not protobuf's text form: a value was expected here"},
        {"raw: [\"a\"", "1:10: this is not protobuf's text form: a ',' or ']' was expected here"},
        {"raw: [[]]", "1:7: this is not protobuf's text form: a list in a list"},
        {"raw {", "1:6: this is not protobuf's text form: a '}' is missing at the end"},
        {"raw <key: 1}", "1:12: this is not protobuf's text form: the name of a field was expected here"},
        {"5: 1", "1:1: this is not protobuf's text form: the name of a field was expected here"},
        {"}", "1:1: this is not protobuf's text form: the name of a field was expected here"},
        {"[: 1", "1:2: this is not protobuf's text form: the name of a type was expected here, as in "
                 "[type.googleapis.com/...]"},
        {"raw <", "1:6: this is not protobuf's text form: a '>' is missing at the end"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++)
        bad_text(HEADER, cases[i].text, cases[i].error);
    char deep[1000] = "";
    for (int i = 0; i < 150; i++)
        strcat(deep, "a{");
    bad_text(HEADER, deep, "1:200: more than 100 levels deep (write less)");
}

static void test_text_any(void **state)
{
    const char *json = "{\"name\": \"t\",\"typed_config\": {\"@type\": \"" TLS_URL "\",\"sni\": \"a\"}}";
    text(SOCKET, "name: \"t\" typed_config { [" TLS_URL "] { sni: \"a\" } }", json);
    text(SOCKET, "name: \"t\" typed_config { type_url: \"" TLS_URL "\" value: \"\\022\\001a\" }", json);
    bad_text(SOCKET, "name: \"t\" typed_config {}", "1:24: typed_config: required, but missing (add it)");
    text(SOCKET,
         "name: \"t\" typed_config { [type.googleapis.com/xds.type.v3.TypedStruct] { type_url: \"" TLS_URL "\"\n"
         "value { fields { key: \"sni\" value { string_value: \"a\" } } fields { key: \"max_session_keys\" value { number_value: 3 "
         "} } } } }",
         "{\"name\": \"t\",\"typed_config\": {\"@type\": \"" TLS_URL "\",\"sni\": \"a\",\"max_session_keys\": 3}}");
    /* A struct with all that one may hold; what has no value is not set. */
    text(SOCKET,
         "name: \"t\" typed_config { [type.googleapis.com/xds.type.v3.TypedStruct] { type_url: \"" TLS_URL "\" value {\n"
         "fields { key: \"common_tls_context\" value { struct_value { fields { key: \"alpn_protocols\" value { list_value {\n"
         "values { string_value: \"h2\" } values { string_value: \"http/1.1\" } } } } } } }\n"
         "fields { key: \"sni\" value { null_value: NULL_VALUE } } fields { key: \"max_session_keys\" }\n"
         "fields { key: \"allow_renegotiation\" value { bool_value: false } } } } }",
         "{\"name\": \"t\",\"typed_config\": {\"@type\": \"" TLS_URL "\",\"common_tls_context\": {\"alpn_protocols\": "
         "[\"h2\",\"http/1.1\"]}}}");
    text(SOCKET,
         "name: \"t\" typed_config { [type.googleapis.com/xds.type.v3.TypedStruct] { type_url: \"" TLS_URL "\" value {\n"
         "fields { key: \"common_tls_context\" value { struct_value { fields { key: \"alpn_protocols\" value { list_value {\n"
         "values { string_value: \"h2\" } } } } } } } } } }",
         "{\"name\": \"t\",\"typed_config\": {\"@type\": \"" TLS_URL "\",\"common_tls_context\": {\"alpn_protocols\": [\"h2\"]}}}");
    bad_text(SOCKET, "name: \"t\" typed_config { [" TLS_URL "] {\n sny: \"a\" } }",
             "2:2: typed_config.sny: envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext has no such field (the nearest "
             "it knows is \"sni\")");
    bad_text(SOCKET, "name: \"t\" typed_config { [type.googleapis.com/no.Such] {} }",
             "1:26: typed_config: unknown type \"type.googleapis.com/no.Such\": neither one of Envoy's that sallyport runs nor one "
             "of its own (remove it, or see docs/envoy-differences.md)");
    bad_text(SOCKET, "name: \"t\" typed_config { type_url: \"" TLS_URL "\"\nvalue: \"\\022\\005a\" }",
             "2:8: typed_config.sni: byte 1: not protobuf's binary form: a value that is cut off (is the file whole, and of this "
             "type of message?)");
    bad_text(SOCKET, "name: \"t\" typed_config { value: \"a\" }",
             "1:24: typed_config: type_url is missing (add it, to say which message this is)");
    bad_text(SOCKET, "name: \"t\" typed_config { sni: \"a\" }",
             "1:24: typed_config: an Any has no field \"sni\" (it is type_url and value, or [type.googleapis.com/...] {...})");
    bad_text(SOCKET, "name: \"t\" typed_config: 5", "1:25: typed_config: expected a message, found a number");
}

static void test_wire(void **state)
{
    wire(RANGE, BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x96\x01"), "{\"start\": \"-1\",\"end\": \"150\"}");
    wire(PERCENT, BYTES("\x09\x00\x00\x00\x00\x00\x00\x04\x40"), "{\"value\": 2.5}");
    wire(&google__protobuf__float_value__descriptor, BYTES("\x0d\x00\x00\x20\x40"), "2.5");
    wire(HEADER, BYTES("\x0a\x01k\x12\x02\xc3\xa9"), "{\"key\": \"k\",\"value\": \"\xc3\xa9\"}");
    wire(SOURCE, BYTES("\x12\x03\xff\x00x"), "{\"inline_bytes\": \"/wB4\"}");
    wire(HTTP2, BYTES("\x0a\x02\x08\x05"), "{\"hpack_table_size\": 5}");
    wire(HTTP, BYTES("\x0a\x07\x08\x05\x10\x80\xe5\x9aw"), "{\"idle_timeout\": \"5.25s\"}");
    wire(HTTP, BYTES("\x28\x02"), "{\"headers_with_underscores_action\": \"DROP_HEADER\"}");
    /* A list of numbers, packed and one by one. */
    wire(MATCH, BYTES("\x3a\x02\x01\x02\x38\x03\x5a\x01" "a\x5a\x01" "b"),
         "{\"source_ports\": [1,2,3],\"server_names\": [\"a\",\"b\"]}");
    wire(JWT, BYTES("\x2a\x08\x0a\x01" "a\x12\x03\x0a\x01x"), "{\"requirement_map\": {\"a\": {\"provider_name\": \"x\"}}}");
}

static void test_wire_any(void **state)
{
    const char *json = "{\"name\": \"t\",\"typed_config\": {\"@type\": \"" TLS_URL "\",\"sni\": \"a\"}}";
    char bytes[200];
    int n = snprintf(bytes, sizeof(bytes), "\x0a\x01t\x1a%c\x0a%c" TLS_URL "\x12\x03\x12\x01" "a", (int)sizeof(TLS_URL) + 6,
                     (int)sizeof(TLS_URL) - 1);
    wire(SOCKET, sp_str_n(bytes, (size_t)n), json);
    bytes[n - 3] = 0x7a; /* field 15 of UpstreamTlsContext */
    bad_wire(SOCKET, sp_str_n(bytes, (size_t)n),
             "typed_config.15: envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext has no field with this number "
             "(write the file anew, from text)");
    bytes[n - 2] = 5;
    bad_wire(SOCKET, sp_str_n(bytes, (size_t)n),
             "typed_config: byte 1: not protobuf's binary form: a value that is cut off (is the file whole, and of this type of "
             "message?)");
}

static void test_wire_errors(void **state)
{
    bad_wire(HEADER, BYTES("\x0a\x05k"),
             "key: byte 1: not protobuf's binary form: a value that is cut off (is the file whole, and of this type of message?)");
    bad_wire(HEADER, BYTES("\x0a\x01k\x80"),
             "byte 3: not protobuf's binary form: the number of a field was expected here (is the file whole, and of this type of message?)");
    bad_wire(HEADER, BYTES("\x02\x01k"),
             "byte 0: not protobuf's binary form: the number of a field was expected here (is the file whole, and of this type of message?)");
    bad_wire(HEADER, BYTES("\x08\x01"),
             "key: byte 1: not protobuf's binary form: a value of another kind than the field's (is the file whole, and of this type of message?)");
    bad_wire(RANGE, BYTES("\x08\xff\xff"),
             "start: byte 1: not protobuf's binary form: a number that is cut off (is the file whole, and of this type of message?)");
    bad_wire(RANGE, BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
             "start: byte 1: not protobuf's binary form: a number that is cut off (is the file whole, and of this type of message?)");
    bad_wire(PERCENT, BYTES("\x09\x00\x00\x00\x00"),
             "value: byte 1: not protobuf's binary form: a number that is cut off (is the file whole, and of this type of message?)");
    bad_wire(MATCH, BYTES("\x3a\x01\x81"),
             "source_ports: byte 2: not protobuf's binary form: a number that is cut off (is the file whole, and of this type of message?)");
    bad_wire(HEADER, BYTES("\x7b\x7c"),
             "byte 1: not protobuf's binary form: a group (is the file whole, and of this type of message?)");
    bad_wire(HEADER, BYTES("\x7a\x05"),
             "byte 1: not protobuf's binary form: a value that is cut off (is the file whole, and of this type of message?)");
    bad_wire(HEADER, BYTES("\x0a\x01\xff"), "key: a string that is not UTF-8 (mend it)");
    bad_wire(HEADER, BYTES("\x0a\x01k\x0a\x01l"), "key: written 2 times (keep one)");
    bad_wire(HEADER, BYTES("\x0a\x01k\x7a\x01x"),
             "15: envoy.config.core.v3.HeaderValue has no field with this number (write the file anew, from text)");
    bad_wire(SOCKET_ADDRESS, BYTES("\x12\x01" "a\x18\x01\x2a\x01x"),
             "5: this number is Envoy's field \"resolver_name\", sallyport does not run it (remove it, or see "
             "docs/envoy-differences.md)");
    bad_wire(HTTP, BYTES("\x28\x09"), "headers_with_underscores_action: \"9\" is not one of ALLOW, REJECT_REQUEST, DROP_HEADER");
    bad_wire(JWT, BYTES("\x2a\x05\x0a\x01" "a\x12\x00\x2a\x05\x0a\x01" "a\x12\x00"), "the key \"a\" is in it twice (remove one)");
    bad_wire(PERCENT, BYTES("\x09\x00\x00\x00\x00\x00\x00\xf0\x7f"), "value: expected a number, found the number nan");
}

/* Struct in list_value in struct ... deeper than any config. */
static void test_wire_depth(void **state)
{
    char *bytes = malloc(4000), *p = bytes + 4000;
    size_t len = 0;
    for (int i = 0; i < 120; i++) {
        /* Value { list_value { values: what was before } } */
        for (int k = 0; k < 2; k++) {
            size_t n = len;
            if (n > 127) {
                *--p = (char)(n >> 7);
                *--p = (char)((n & 127) | 128);
            } else {
                *--p = (char)n;
            }
            *--p = k ? 0x32 : 0x0a;
            len = (size_t)(bytes + 4000 - p);
        }
    }
    check(&google__protobuf__value__descriptor, SP_SYNTAX_PB, sp_str_n(p, len), NULL,
          "t.pb: more than 100 levels deep (write less)\n");
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_scalars), cmocka_unit_test(test_text_strings), cmocka_unit_test(test_text_messages),
        cmocka_unit_test(test_text_syntax),  cmocka_unit_test(test_text_any),     cmocka_unit_test(test_wire),
        cmocka_unit_test(test_wire_any),     cmocka_unit_test(test_wire_errors),  cmocka_unit_test(test_wire_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
