/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ip_tagging: ranges in ranges, whose requests are looked at, what clients sent under the header's name. */
#include "fake_chain.h"

#include "envoy/extensions/filters/http/ip_tagging/v3/ip_tagging.pb-c.h"
#include "filters/registry.h"

#define OPS &sp_ip_tagging_ops
#define DESC &envoy__extensions__filters__http__ip_tagging__v3__iptagging__descriptor
#define TAGS \
    "ip_tags:\n" \
    "- {ip_tag_name: wide, ip_list: [{address_prefix: 192.0.0.0, prefix_len: 8}, {address_prefix: '2001:db8::', prefix_len: 32}]}\n" \
    "- {ip_tag_name: narrow, ip_list: [{address_prefix: 192.0.2.0, prefix_len: 24}, {address_prefix: 192.0.3.0, prefix_len: 24}]}\n" \
    "- {ip_tag_name: host, ip_list: [{address_prefix: 192.0.2.7, prefix_len: 32}, {address_prefix: 203.0.113.0, prefix_len: 24}]}\n" \
    "- {ip_tag_name: twin, ip_list: [{address_prefix: 192.0.2.0, prefix_len: 24}, {address_prefix: 192.0.2.128, prefix_len: 25}]}\n"

static void tagged(const struct fake_config *c, const char *ip, const char *header, const char *tags)
{
    struct fake_stream s;
    fake_stream_init(&s, "/");
    fake_address(&s, ip);
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    const char *got = fake_request_header(&s, header);
    if (tags)
        assert_string_equal(got ? got : "none", tags);
    else
        assert_null(got);
    assert_int_equal(s.routes_cleared, tags ? 1 : 0);
    fake_stream_done(&s);
}

static void test_ranges_in_ranges(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, TAGS);
    const char *h = "x-envoy-ip-tags";
    uint64_t total = fake_stat("ip_tagging.total"), none = fake_stat("ip_tagging.no_hit"), wide = fake_stat("ip_tagging.wide.hit"),
             twin = fake_stat("ip_tagging.twin.hit");
    tagged(c, "192.0.4.1", h, "wide");
    tagged(c, "192.0.3.1", h, "wide,narrow");
    tagged(c, "192.0.2.1", h, "wide,narrow,twin");
    tagged(c, "192.0.2.7", h, "wide,narrow,host,twin");
    tagged(c, "192.0.2.200", h, "wide,narrow,twin"); /* twice in twin's ranges */
    tagged(c, "::ffff:192.0.3.1", h, "wide,narrow");
    tagged(c, "203.0.113.9", h, "host");
    tagged(c, "2001:db8::1", h, "wide");
    tagged(c, "198.51.100.1", h, NULL);
    tagged(c, "2001:db9::1", h, NULL);
    assert_int_equal(fake_stat("ip_tagging.total") - total, 10);
    assert_int_equal(fake_stat("ip_tagging.no_hit") - none, 2);
    assert_int_equal(fake_stat("ip_tagging.wide.hit") - wide, 7);
    assert_int_equal(fake_stat("ip_tagging.twin.hit") - twin, 3);
    fake_config_free(c);
}

/* Behind another one: what that one said stays (the client's own was taken out before the filters). */
static void test_appends(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, TAGS);
    struct fake_stream s;
    fake_stream_init(&s, "/");
    fake_header(&s, "x-envoy-ip-tags", "before");
    fake_decode(&s, c);
    assert_string_equal(fake_request_header(&s, "x-envoy-ip-tags"), "before,wide,narrow,twin");
    fake_stream_done(&s);
    fake_config_free(c);
}

static void with_header(const char *action, const char *ip, const char *name, const char *after)
{
    char yaml[1500];
    struct fake_stream s;
    snprintf(yaml, sizeof(yaml), TAGS "ip_tag_header: {header: X-Net%s}\n", action);
    struct fake_config *c = fake_config_new(OPS, DESC, yaml);
    fake_stream_init(&s, "/");
    fake_address(&s, ip);
    fake_header(&s, name, "forged");
    fake_decode(&s, c);
    const char *got = fake_request_header(&s, "x-net");
    assert_string_equal(got ? got : "none", after);
    if (strcmp(name, "x-net"))
        assert_true(!fake_request_header(&s, name) == !*action);
    fake_stream_done(&s);
    fake_config_free(c);
}

static void test_another_header(void **state)
{
    with_header("", "192.0.4.1", "x-net", "wide");
    with_header("", "192.0.4.1", "x_net", "wide");
    with_header("", "198.51.100.1", "x-net", "none");
    with_header("", "198.51.100.1", "x_net", "none");
    with_header(", action: APPEND_IF_EXISTS_OR_ADD", "192.0.4.1", "x-net", "forged,wide");
    with_header(", action: APPEND_IF_EXISTS_OR_ADD", "198.51.100.1", "x-net", "forged");
}

static void looked_at(const char *type, bool internal, const char *tags)
{
    char yaml[1500];
    struct fake_stream s;
    snprintf(yaml, sizeof(yaml), TAGS "request_type: %s\nip_tag_header: {header: x-net}\n", type);
    struct fake_config *c = fake_config_new(OPS, DESC, yaml);
    uint64_t total = fake_stat("ip_tagging.total");
    fake_stream_init(&s, "/");
    fake_header(&s, "x-net", "forged");
    if (internal)
        fake_header(&s, "x-envoy-internal", "true");
    fake_decode(&s, c);
    const char *got = fake_request_header(&s, "x-net");
    assert_string_equal(got ? got : "none", tags ? tags : "none");
    assert_int_equal(fake_stat("ip_tagging.total") - total, tags ? 1 : 0);
    fake_stream_done(&s);
    fake_config_free(c);
}

static void test_request_types(void **state)
{
    const char *tags = "wide,narrow,twin";
    looked_at("BOTH", false, tags);
    looked_at("BOTH", true, tags);
    looked_at("INTERNAL", false, NULL);
    looked_at("INTERNAL", true, tags);
    looked_at("EXTERNAL", false, tags);
    looked_at("EXTERNAL", true, NULL);
}

static void test_no_client(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, TAGS);
    struct fake_stream s;
    fake_stream_init(&s, "/");
    s.info.client_failed = true;
    fake_decode(&s, c);
    assert_null(fake_request_header(&s, "x-envoy-ip-tags"));
    s.info.client_failed = false;
    s.info.client = (struct sp_addr){.family = AF_UNIX, .path = "/run/x"};
    fake_decode(&s, c);
    assert_null(fake_request_header(&s, "x-envoy-ip-tags"));
    fake_stream_done(&s);
    fake_config_free(c);
}

static void test_sanitizes_where_it_is_off(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, TAGS "ip_tag_header: {header: x-net}\n");
    struct fake_stream s;
    fake_stream_init(&s, "/");
    fake_header(&s, "x-net", "forged");
    fake_header(&s, "x_net", "forged");
    sp_ip_tagging_ops.sanitize(c->config, &s.request);
    assert_int_equal(s.request.n, 0);
    fake_stream_done(&s);
    fake_config_free(c);
}

static void test_refused(void **state)
{
    fake_config_refused(OPS, DESC, "{}", "ip_tags");
    fake_config_refused(OPS, DESC, "ip_tags: [{ip_tag_name: '', ip_list: []}]", "ip_tag_name");
    fake_config_refused(OPS, DESC, "ip_tags: [{ip_tag_name: a, ip_list: [{address_prefix: 1.2.3, prefix_len: 8}]}]", "ip_list[0]");
    fake_config_refused(OPS, DESC, "ip_tags: [{ip_tag_name: a, ip_list: [{address_prefix: 1.2.3.4, prefix_len: 33}]}]", "ip_list[0]");
    fake_config_refused(OPS, DESC, TAGS "ip_tag_header: {header: ':path'}", "header");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_in_ranges),
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_another_header),
        cmocka_unit_test(test_request_types),
        cmocka_unit_test(test_no_client),
        cmocka_unit_test(test_sanitizes_where_it_is_off),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
