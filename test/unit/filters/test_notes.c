/* SPDX-License-Identifier: GPL-2.0-or-later */
/* buffer, cdn_loop, header_to_metadata and set_metadata, beyond what a real Envoy is compared with (test_envoy_filters). */
#include "fake_chain.h"

#include "envoy/extensions/filters/http/buffer/v3/buffer.pb-c.h"
#include "envoy/extensions/filters/http/cdn_loop/v3/cdn_loop.pb-c.h"
#include "envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata.pb-c.h"
#include "envoy/extensions/filters/http/set_metadata/v3/set_metadata.pb-c.h"
#include "filters/registry.h"
#include "support/config.h"

#define BUFFER &envoy__extensions__filters__http__buffer__v3__buffer__descriptor
#define CDN_LOOP &envoy__extensions__filters__http__cdn_loop__v3__cdn_loop_config__descriptor
#define TO_METADATA &envoy__extensions__filters__http__header_to_metadata__v3__config__descriptor
#define SET &envoy__extensions__filters__http__set_metadata__v3__config__descriptor

static struct fake_stream s;

static enum sp_status data(const struct fake_config *c, struct sp_filter *f, const char *text, bool end)
{
    struct sp_buf b;
    sp_buf_init(&b);
    sp_buf_append(&b, text, strlen(text));
    enum sp_status st = c->ops->decode_data(f, &b, end);
    sp_buf_clear(&b);
    return st;
}

static void test_buffer(void **state)
{
    struct fake_config *c = fake_config_new(&sp_buffer_ops, BUFFER, "max_request_bytes: 6");
    fake_stream_init(&s, "/");
    struct sp_filter *f = fake_filter(&s, c);
    assert_int_equal(c->ops->decode_headers(f, &s.request, false), SP_STOP);
    assert_int_equal(data(c, f, "abc", false), SP_STOP_BUFFER);
    assert_int_equal(data(c, f, "def", true), SP_CONTINUE);
    assert_string_equal(fake_request_header(&s, "content-length"), "6");
    fake_stream_done(&s);
    fake_stream_init(&s, "/");
    f = fake_filter(&s, c);
    assert_int_equal(c->ops->decode_headers(f, &s.request, false), SP_STOP);
    assert_int_equal(data(c, f, "abcdef", false), SP_STOP_BUFFER);
    data(c, f, "g", true);
    fake_replied(&s, 413, "Payload Too Large", "request_payload_too_large");
    fake_stream_done(&s);
    fake_config_free(c);
    fake_config_refused(&sp_buffer_ops, BUFFER, "{}", "max_request_bytes");
    fake_config_refused(&sp_buffer_ops, BUFFER, "max_request_bytes: 0", "max_request_bytes");
}

static void test_cdn_loop(void **state)
{
    struct fake_config *c = fake_config_new(&sp_cdn_loop_ops, CDN_LOOP, "cdn_id: door.example:8443");
    fake_stream_init(&s, "/");
    fake_header(&s, "cdn-loop", "a");
    fake_header(&s, "cdn-loop", "b;v=\"1,door.example:8443\"");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_string_equal(fake_request_header(&s, "cdn-loop"), "a, b;v=\"1,door.example:8443\",door.example:8443");
    assert_int_equal(fake_decode(&s, c), SP_STOP); /* it came round */
    fake_replied(&s, 502, "The server has detected a loop between CDNs.", "cdn_loop_detected");
    fake_stream_done(&s);
    fake_config_free(c);
    fake_config_refused(&sp_cdn_loop_ops, CDN_LOOP, "cdn_id: 'a b'", "is no host, host:port or token (such as door.example.com)");
    fake_config_refused(&sp_cdn_loop_ops, CDN_LOOP, "cdn_id: 'a,b'", "is no host, host:port or token (such as door.example.com)");
    fake_config_refused(&sp_cdn_loop_ops, CDN_LOOP, "cdn_id: ''", "cdn_id");
}

static void test_to_metadata(void **state)
{
    const char *ns = "envoy.filters.http.header_to_metadata";
    struct fake_config *c = fake_config_new(&sp_header_to_metadata_ops, TO_METADATA,
                                            "request_rules:\n- {header: X-A, on_header_present: {key: a}, remove: true}\n"
                                            "- {header: x-n, on_header_present: {key: num, type: NUMBER}}\n");
    fake_stream_init(&s, "/");
    fake_header(&s, "x-a", "say \"hi\"\\");
    fake_header(&s, "x-n", "1e400");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_string_equal(fake_metadata(&s, ns, "a"), "\"say \\\"hi\\\"\\\\\"");
    assert_null(fake_metadata(&s, ns, "num"));
    assert_null(fake_request_header(&s, "x-a"));
    fake_stream_done(&s);
    fake_config_free(c);
    fake_config_refused(&sp_header_to_metadata_ops, TO_METADATA, "{}", "there is no rule (add request_rules or response_rules)");
    fake_config_refused(&sp_header_to_metadata_ops, TO_METADATA, "request_rules: [{header: a, cookie: b, on_header_present: {key: k}}]", "exactly one");
    fake_config_refused(&sp_header_to_metadata_ops, TO_METADATA, "request_rules: [{header: a}]", "is needed");
    fake_config_refused(&sp_header_to_metadata_ops, TO_METADATA, "request_rules: [{header: a, on_header_missing: {key: k}}]", "without a value");
    fake_config_refused(&sp_header_to_metadata_ops, TO_METADATA, "response_rules: [{cookie: a, on_header_present: {key: k}}]", "responses have none");
    fake_config_refused(&sp_header_to_metadata_ops, TO_METADATA,
                        "request_rules: [{header: a, on_header_present: {key: k, value: v, regex_value_rewrite: {pattern: {regex: a}}}}]",
                        "there is nothing to rewrite beside value (drop one of them)");
    fake_config_refused(&sp_header_to_metadata_ops, TO_METADATA, "request_rules: [{header: a, on_header_present: {key: k, type: PROTOBUF_VALUE}}]",
                        "type");
}

static void test_set_metadata(void **state)
{
    struct fake_config *c = fake_config_new(&sp_set_metadata_ops, SET, "{metadata_namespace: old, value: {a: 15, b: {c: [true, null, 'x']}}}");
    fake_stream_init(&s, "/");
    fake_decode(&s, c);
    assert_string_equal(fake_metadata(&s, "old", "a"), "15");
    assert_string_equal(fake_metadata(&s, "old", "b"), "{\"c\":[true,null,\"x\"]}");
    fake_stream_done(&s);
    fake_config_free(c);
    fake_config_refused(&sp_set_metadata_ops, SET, "{value: {a: 1}}", "required beside value (or write metadata)");
    fake_config_refused(&sp_set_metadata_ops, SET, "metadata: [{metadata_namespace: a}]", "value");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_cdn_loop),
        cmocka_unit_test(test_to_metadata),
        cmocka_unit_test(test_set_metadata),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
