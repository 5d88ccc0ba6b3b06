/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_chain.h"

#include <stdlib.h>
#include <unistd.h>

#include "filters/registry.h"
#include "sallyport/filters/http/ip_restriction/v1/ip_restriction.pb-c.h"

#define OPS &sp_ip_restriction_ops
#define DESC &sallyport__filters__http__ip_restriction__v1__ip_restriction__descriptor
#define NS "sallyport.filters.http.ip_restriction"

static struct fake_stream s;

static void refused(const struct fake_config *c, const char *details)
{
    uint64_t denied = fake_stat("ip_restriction.denied");
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    fake_replied(&s, 403, "Forbidden", details);
    assert_true(s.reply.no_store);
    assert_int_equal(fake_stat("ip_restriction.denied"), denied + 1);
    s.replied = false;
}

static void passes(const struct fake_config *c)
{
    uint64_t allowed = fake_stat("ip_restriction.allowed");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_false(s.replied);
    assert_int_equal(fake_stat("ip_restriction.allowed"), allowed + 1);
}

static void test_deny_wins(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, "allow: [198.51.100.0/24, '2001:db8::/32']\n"
                                                       "deny: [198.51.100.66, '2001:db8:bad::/48', 198.51.100.64/28]\n"
                                                       "source: SOCKET\n");
    fake_stream_init(&s, "/");
    fake_address(&s, "198.51.100.1");
    passes(c);
    fake_address(&s, "198.51.100.66");
    refused(c, "ip_restriction_denied{198.51.100.66/32}");
    fake_address(&s, "198.51.100.65");
    refused(c, "ip_restriction_denied{198.51.100.64/28}");
    fake_address(&s, "203.0.113.1");
    refused(c, "ip_restriction_denied{not_in_allow}");
    fake_address(&s, "2001:db8::1");
    passes(c);
    fake_address(&s, "2001:db8:bad::1");
    refused(c, "ip_restriction_denied{2001:db8:bad::/48}");
    fake_stream_done(&s);
    fake_config_free(c);
}

static void test_deny_only(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, "{deny: [198.51.100.66], source: PEER}");
    fake_stream_init(&s, "/");
    passes(c);
    fake_address(&s, "198.51.100.66");
    refused(c, "ip_restriction_denied{198.51.100.66/32}");
    /* The other spelling of the same address. */
    fake_address(&s, "::ffff:198.51.100.66");
    refused(c, "ip_restriction_denied{198.51.100.66/32}");
    fake_stream_done(&s);
    fake_config_free(c);
}

static void test_allow_only(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, "{allow: [192.0.2.1], source: PEER}");
    fake_stream_init(&s, "/");
    passes(c);
    fake_address(&s, "192.0.2.2");
    refused(c, "ip_restriction_denied{not_in_allow}");
    fake_address(&s, "::1");
    refused(c, "ip_restriction_denied{not_in_allow}");
    s.conn.peer = (struct sp_addr){.family = AF_UNIX, .path = "/run/x"};
    refused(c, "ip_restriction_denied{not_in_allow}");
    s.conn.peer = (struct sp_addr){0};
    refused(c, "ip_restriction_denied{address_unknown}");
    fake_stream_done(&s);
    fake_config_free(c);
}

/* Each source looks at its own address and at no other. */
static void test_sources(void **state)
{
    static const char *const names[] = {"SOCKET", "PEER", "CLIENT"};
    for (unsigned i = 0; i < 3; i++) {
        char yaml[100];
        snprintf(yaml, sizeof(yaml), "{allow: [203.0.113.9], source: %s}", names[i]);
        fake_client_derived = true;
        struct fake_config *c = fake_config_new(OPS, DESC, yaml);
        fake_stream_init(&s, "/");
        struct sp_addr *of[] = {&s.conn.socket, &s.conn.peer, &s.info.client};
        for (unsigned j = 0; j < 3; j++) {
            fake_address(&s, "192.0.2.1");
            *of[j] = fake_ip("203.0.113.9");
            if (i == j)
                passes(c);
            else
                refused(c, "ip_restriction_denied{not_in_allow}");
        }
        fake_stream_done(&s);
        fake_config_free(c);
    }
}

static void test_client_that_could_not_be_derived(void **state)
{
    fake_client_derived = true;
    struct fake_config *c = fake_config_new(OPS, DESC, "{deny: [203.0.113.9], source: CLIENT}");
    fake_stream_init(&s, "/");
    s.info.client_failed = true;
    refused(c, "ip_restriction_denied{address_unknown}");
    fake_stream_done(&s);
    fake_config_free(c);
    /* PEER does not care. */
    c = fake_config_new(OPS, DESC, "{deny: [203.0.113.9], source: PEER}");
    fake_stream_init(&s, "/");
    s.info.client_failed = true;
    passes(c);
    fake_stream_done(&s);
    fake_config_free(c);
}

static void test_shadow(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, "{deny: [192.0.2.0/24], source: SOCKET, enforcement: SHADOW}");
    uint64_t before = fake_stat("ip_restriction.shadow_denied"), denied = fake_stat("ip_restriction.denied");
    fake_stream_init(&s, "/");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_false(s.replied);
    assert_string_equal(fake_metadata(&s, NS, "shadow_denied"), "\"192.0.2.0/24\"");
    assert_true(sp_str_eq(s.shadow, SP_STR("ip_restriction_denied{192.0.2.0/24}")));
    assert_int_equal(fake_stat("ip_restriction.shadow_denied"), before + 1);
    assert_int_equal(fake_stat("ip_restriction.denied"), denied);
    fake_address(&s, "198.51.100.1");
    passes(c);
    fake_stream_done(&s);
    fake_config_free(c);
}

/* For a part of the peers, always the same ones, and a larger part has the smaller in it. */
static void test_percentage(void **state)
{
    bool before[256] = {false};
    for (unsigned percent = 0; percent <= 100; percent += 25) {
        char yaml[100];
        snprintf(yaml, sizeof(yaml), "{deny: [198.51.100.0/24], source: SOCKET, enforced_percent: %u}", percent);
        struct fake_config *c = fake_config_new(OPS, DESC, yaml);
        unsigned refusals = 0;
        for (unsigned i = 0; i < 512; i++) {
            char ip[32];
            snprintf(ip, sizeof(ip), "198.51.100.%u", i % 256);
            fake_stream_init(&s, "/");
            fake_address(&s, ip);
            bool refuses = fake_decode(&s, c) == SP_STOP;
            assert_int_equal(refuses, s.replied);
            assert_int_equal(refuses, s.shadow.len == 0);
            assert_true(refuses || !before[i % 256]);
            before[i % 256] = refuses;
            refusals += refuses;
            fake_stream_done(&s);
        }
        assert_in_range(refusals, percent == 0 ? 0 : percent * 512 / 100 - 80, percent * 512 / 100 + (percent && percent < 100 ? 80 : 0));
        fake_config_free(c);
    }
    fake_config_refused(OPS, DESC, "{deny: [10.0.0.1], source: PEER, enforced_percent: 101}", "enforced_percent");
    fake_config_refused(OPS, DESC, "{deny: [10.0.0.1], source: PEER, enforcement: SHADOW, enforced_percent: 10}",
                        "enforced_percent: SHADOW enforces for nobody");
}

static void test_refusal(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, "deny: [192.0.2.1]\nsource: SOCKET\n"
                                                       "refusal: {status: 451, body: {inline_string: nope}}\n");
    fake_stream_init(&s, "/");
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    fake_replied(&s, 451, "nope", "ip_restriction_denied{192.0.2.1/32}");
    assert_false(s.reply.reset);
    fake_stream_done(&s);
    fake_config_free(c);

    c = fake_config_new(OPS, DESC, "{deny: [192.0.2.1], source: SOCKET, refusal: {status: 503}}");
    fake_stream_init(&s, "/");
    fake_decode(&s, c);
    fake_replied(&s, 503, "Service Unavailable", "ip_restriction_denied{192.0.2.1/32}");
    fake_stream_done(&s);
    fake_config_free(c);

    c = fake_config_new(OPS, DESC, "{deny: [192.0.2.1], source: SOCKET, refusal: {reset: true}}");
    fake_stream_init(&s, "/");
    fake_decode(&s, c);
    assert_true(s.reply.reset);
    fake_stream_done(&s);
    fake_config_free(c);
}

/* Ranges and lists are one set; a list's range is named like any other. */
static void test_lists(void **state)
{
    char file[] = "/tmp/sp-list-XXXXXX", yaml[400];
    int fd = mkstemp(file);
    static const char text[] = "198.51.100.0/24\n198.51.100.66\n";
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    fake_stream_init(&s, "/");
    snprintf(yaml, sizeof(yaml), "{deny: [203.0.113.0/24], deny_lists: [{name: bad, path: %s}], source: SOCKET}", file);
    struct fake_config *c = fake_config_new(OPS, DESC, yaml);
    passes(c);
    fake_address(&s, "198.51.100.66");
    refused(c, "ip_restriction_denied{198.51.100.66/32}");
    fake_address(&s, "::ffff:198.51.100.67");
    refused(c, "ip_restriction_denied{198.51.100.0/24}");
    fake_address(&s, "203.0.113.1");
    refused(c, "ip_restriction_denied{203.0.113.0/24}");
    assert_int_equal(fake_stat("ip_restriction.list.bad.entries"), 2);
    fake_config_free(c);

    snprintf(yaml, sizeof(yaml), "{allow: [192.0.2.1], allow_lists: [{name: good, path: %s}], source: SOCKET}", file);
    c = fake_config_new(OPS, DESC, yaml);
    fake_address(&s, "192.0.2.1");
    passes(c);
    fake_address(&s, "192.0.2.2");
    refused(c, "ip_restriction_denied{not_in_allow}");
    fake_config_free(c);
    snprintf(yaml, sizeof(yaml), "{allow_lists: [{name: good, path: %s}], deny: [198.51.100.7], source: SOCKET}", file);
    c = fake_config_new(OPS, DESC, yaml);
    fake_address(&s, "198.51.100.1");
    passes(c);
    fake_address(&s, "198.51.100.7");
    refused(c, "ip_restriction_denied{198.51.100.7/32}");
    fake_address(&s, "192.0.2.1");
    refused(c, "ip_restriction_denied{not_in_allow}");
    fake_config_free(c);

    snprintf(yaml, sizeof(yaml), "{allow_lists: [{name: x, path: %s}], deny_lists: [{name: x, path: %s}], source: PEER}",
             file, file);
    fake_config_refused(OPS, DESC, yaml, "deny_lists[0].name: there is a list named 'x' before it");
    fake_stream_done(&s);
    unlink(file);
}

static void test_config_errors(void **state)
{
    fake_config_refused(OPS, DESC, "{allow_lists: [], source: PEER}", "allow_lists");
    fake_config_refused(OPS, DESC, "{allow_lists: [{name: x}], source: PEER}", "allow_lists[0]|path");
    fake_config_refused(OPS, DESC, "{allow_lists: [{path: /nonexistent/x}], source: PEER}", "allow_lists[0]|name");
    fake_config_refused(OPS, DESC, "{allow_lists: [{name: x, path: /nonexistent/x, max_shrink_percent: 101}], source: PEER}",
                        "max_shrink_percent");
    fake_config_refused(OPS, DESC, "{allow_lists: [{name: x, path: /nonexistent/x}], source: PEER}",
                        "/nonexistent/x: cannot be read: No such file or directory");
    fake_config_refused(OPS, DESC, "{source: PEER}", "neither allow nor deny");
    fake_config_refused(OPS, DESC, "{allow: [], source: PEER}", "t.yaml:1:9: allow: ");
    fake_config_refused(OPS, DESC, "{deny: [], allow: [10.0.0.1], source: PEER}", "deny");
    fake_config_refused(OPS, DESC, "{allow: [10.0.0.1]}", "source");
    fake_config_refused(OPS, DESC, "{allow: [10.0.0.1], source: CLIENT}",
                        "source: |nothing before this gate derives CLIENT");
    fake_config_refused(OPS, DESC, "{allow: [10.0.0.1, 10.0.0.0/33, nonsense], source: PEER}", "allow[1]|allow[2]");
    fake_config_refused(OPS, DESC, "{deny: [10.0.0.1/8], source: PEER}", "deny[0]");
    fake_config_refused(OPS, DESC, "{allow: [''], source: PEER}", "allow[0]");
    fake_config_refused(OPS, DESC, "{deny: [10.0.0.1], source: PEER, refusal: {status: 200}}", "status");
    fake_config_refused(OPS, DESC, "{deny: [10.0.0.1], source: PEER, refusal: {status: 403, reset: true}}", "reset");
    fake_config_refused(OPS, DESC, "{deny: [10.0.0.1], source: PEER, refusal: {body: {filename: /nonexistent/x}}}",
                        "cannot read /nonexistent/x");
    char yaml[5000];
    snprintf(yaml, sizeof(yaml), "{deny: [10.0.0.1], source: PEER, refusal: {body: {inline_string: '%04097d'}}}", 0);
    fake_config_refused(OPS, DESC, yaml, "larger than 4096");
    /* Everything that is wrong is said at once. */
    fake_config_refused(OPS, DESC, "{deny: [x], source: CLIENT, refusal: {status: 403, reset: true}}",
                        "deny[0]|source: |reset");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deny_wins), cmocka_unit_test(test_deny_only), cmocka_unit_test(test_allow_only),
        cmocka_unit_test(test_sources),   cmocka_unit_test(test_client_that_could_not_be_derived),
        cmocka_unit_test(test_shadow),    cmocka_unit_test(test_percentage), cmocka_unit_test(test_refusal),
        cmocka_unit_test(test_lists),     cmocka_unit_test(test_config_errors),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
