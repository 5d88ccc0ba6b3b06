/* SPDX-License-Identifier: GPL-2.0-or-later */
/* origin_shield: what presets stand for and what they must have; peers seen through a load balancer; wildcard names. */
#include "fake_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/pb_yaml.h"
#include "filters/origin_shield_preset.h"
#include "filters/registry.h"

#define OPS &sp_origin_shield_ops
#define DESC &sallyport__filters__http__origin_shield__v1__origin_shield__descriptor

#define KEY "0123456789abcdef-key"
#define SECRET "{secret_header: {secrets: [{name: a, value: {inline_string: " KEY "}}]}}"
#define FDID "{header_value: {name: X-Azure-FDID, values: [11111111-2222-3333-4444-555555555555]}}"

static struct fake_stream s;
static struct fake_config *c;
static struct sp_arena arena;

static const char *text(const char *fmt, ...)
{
    char out[4000];
    va_list ap;
    va_start(ap, fmt);
    assert_true(vsnprintf(out, sizeof(out), fmt, ap) < (int)sizeof(out));
    va_end(ap);
    return sp_arena_str(&arena, sp_str_c(out)).ptr;
}

static void begin(const char *proof)
{
    c = fake_config_new(OPS, DESC, text("proof: %s", proof));
    fake_stream_init(&s, "/");
}

static void again(void)
{
    fake_stream_done(&s);
    fake_stream_init(&s, "/");
}

static void finish(void)
{
    fake_stream_done(&s);
    fake_config_free(c);
}

static bool lets_in(void)
{
    bool in = fake_decode(&s, c) == SP_CONTINUE;
    assert_int_equal(s.info.proven, in);
    return in;
}

/* A file under /tmp with this content; unlinked by the caller. */
static const char *file_of(const char *content)
{
    char *path = sp_arena_alloc(&arena, 40);
    strcpy(path, "/tmp/sp-preset-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
    return path;
}

static const char aws[] = "{\"prefixes\": [{\"ip_prefix\": \"198.51.100.0/24\", \"region\": \"GLOBAL\", \"service\": "
                          "\"CLOUDFRONT_ORIGIN_FACING\"}, {\"ip_prefix\": \"203.0.113.0/24\", \"region\": \"GLOBAL\", \"service\": "
                          "\"CLOUDFRONT\"}], \"ipv6_prefixes\": []}";
static const char azure[] = "{\"values\": [{\"name\": \"AzureFrontDoor.Backend\", \"properties\": {\"region\": \"\", \"addressPrefixes\": "
                            "[\"198.51.100.0/24\"]}}, {\"name\": \"AzureFrontDoor.Frontend\", \"properties\": {\"region\": \"\", "
                            "\"addressPrefixes\": [\"203.0.113.0/24\"]}}]}";
static const char fastly[] = "{\"addresses\": [\"198.51.100.0/24\"], \"ipv6_addresses\": []}";
static const char akamai[] = "{\"siteShieldMaps\": [{\"id\": 1, \"ruleName\": \"x\", \"currentCidrs\": [\"198.51.100.0/25\"], "
                             "\"proposedCidrs\": [\"198.51.100.128/25\"]}]}";

/* Format and service need not be said. */
static void test_lists_of_each_cdn(void **state)
{
    const struct {
        const char *cdn, *content, *proof;
    } cdns[] = {
        {"CLOUDFRONT", aws, SECRET}, {"CLOUDFLARE", "198.51.100.0/24\n", SECRET}, {"AZURE_FRONT_DOOR", azure, FDID},
        {"FASTLY", fastly, SECRET}, {"AKAMAI", akamai, SECRET}, {"GOOGLE", "198.51.100.0/24\n", SECRET},
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(cdns); i++) {
        const char *path = file_of(cdns[i].content);
        begin(text("{preset: {cdn: %s, lists: [{name: l, path: %s}], proofs: [%s]}}", cdns[i].cdn, path, cdns[i].proof));
        for (unsigned bits = 0; bits < 8; bits++) {
            again();
            fake_address(&s, bits & 1 ? "198.51.100.200" : "203.0.113.7");
            if (bits & 2)
                fake_header(&s, "x-origin-verify", KEY);
            if (bits & 4)
                fake_header(&s, "x-azure-fdid", "11111111-2222-3333-4444-555555555555");
            /* All of it, each as its CDN proves itself. */
            unsigned own = cdns[i].proof == (const char *)FDID ? 4 : 2;
            bool azures = strcmp(cdns[i].cdn, "AZURE_FRONT_DOOR") == 0;
            assert_int_equal(lets_in(), (bits & 1) && (bits & (azures ? 4 : own)));
        }
        finish();
        unlink(path);
    }
}

static void test_without_lists(void **state)
{
    begin("{preset: {cdn: CLOUDFRONT, proofs: [" SECRET "]}}");
    fake_header(&s, "x-origin-verify", KEY);
    assert_true(lets_in());
    again();
    assert_false(lets_in());
    finish();
    begin("{preset: {cdn: GOOGLE, proofs: [" SECRET "]}}");
    static const char *const from[] = {"130.211.1.2", "35.191.200.1", "35.192.0.1", "192.0.2.1"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(from); i++) {
        again();
        fake_address(&s, from[i]);
        fake_header(&s, "x-origin-verify", KEY);
        assert_int_equal(lets_in(), i < 2);
    }
    finish();
}

static void refused(const char *proof, const char *words)
{
    fake_tls = fake_tls_verifies = true;
    fake_config_refused(OPS, DESC, text("proof: %s", proof), words);
}

static void accepted(const char *proof)
{
    fake_tls = fake_tls_verifies = true;
    begin(proof);
    finish();
}

#define PIN "{client_certificate: {spki_sha256: [47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=]}}"
#define SANS(name) "{client_certificate: {sans: [{san_type: DNS, matcher: {" name "}}]}}"

static void test_names_the_customer(void **state)
{
    const char *path = file_of("198.51.100.0/24\n");
    const char *lists = text("lists: [{name: l, path: %s}]", path);
    refused(text("{preset: {cdn: CLOUDFLARE, %s}}", lists), "preset.proofs");
    refused(text("{preset: {cdn: CLOUDFLARE, %s, proofs: []}}", lists), "preset.proofs");
    refused(text("{preset: {cdn: CLOUDFLARE, %s, proofs: [{peer_address: {cidrs: [198.51.100.0/24]}}]}}", lists),
            "preset.proofs|any customer");
    /* Cloudflare shows its own certificate for everybody. */
    refused(text("{preset: {cdn: CLOUDFLARE, %s, proofs: [" SANS("exact: origin-pull.cloudflare.net") "]}}", lists), "any customer");
    refused(text("{preset: {cdn: CLOUDFLARE, %s, proofs: [" SANS("suffix: .cloudflare.com") "]}}", lists), "any customer");
    refused(text("{preset: {cdn: CLOUDFLARE, %s, proofs: [" SANS("safe_regex: {regex: '.*'}") "]}}", lists), "any customer");
    refused(text("{preset: {cdn: CLOUDFLARE, %s, proofs: [{client_certificate: {issuers: [{contains: 'Origin Pull'}]}}]}}", lists),
            "any customer");
    accepted(text("{preset: {cdn: CLOUDFLARE, %s, proofs: [" PIN "]}}", lists));
    accepted(text("{preset: {cdn: CLOUDFLARE, %s, proofs: [" SANS("exact: pull.example.com") "]}}", lists));
    accepted(text("{preset: {cdn: CLOUDFLARE, %s, proofs: [" SANS("exact: origin-pull.cloudflare.net") ", " SECRET "]}}", lists));
    /* Front Door's id is nothing without its addresses, nor with another CDN's. */
    refused("{preset: {cdn: AZURE_FRONT_DOOR, proofs: [" FDID "]}}", "any customer|together with lists");
    refused(text("{preset: {cdn: FASTLY, %s, proofs: [" FDID "]}}", "lists: [{name: l, format: PLAIN, path: /dev/null}]"), "preset");
    refused(text("{preset: {cdn: CLOUDFRONT, lists: [{name: l, format: PLAIN, path: %s}], proofs: [" FDID "]}}", path), "any customer");
    refused(text("{preset: {cdn: AZURE_FRONT_DOOR, lists: [{name: l, format: PLAIN, path: %s}], "
                 "proofs: [{header_value: {name: x-other, values: [v]}}]}}", path), "any customer");
    /* One way that names nobody is one too many. */
    refused(text("{preset: {cdn: CLOUDFLARE, %s, proofs: [{any_of: {proofs: [" SECRET ", {header_value: {name: x, values: [v]}}]}}]}}",
                 lists), "any customer");
    unlink(path);
}

static void test_config_errors(void **state)
{
    refused("{preset: {}}", "cdn");
    refused("{preset: {proofs: [" SECRET "]}}", "cdn");
    refused("{preset: {cdn: AWS, proofs: [" SECRET "]}}", "cdn");
    refused("{preset: {cdn: CLOUDFRONT, lists: [], proofs: [" SECRET "]}}", "lists");
    refused("{preset: {cdn: CLOUDFRONT, lists: [{name: l, format: FASTLY, path: /x}], proofs: [" SECRET "]}}",
            "preset.lists[0].format|not the format of CLOUDFRONT's lists");
    refused("{preset: {cdn: CLOUDFRONT, lists: [{name: l, path: /nonexistent/l}], proofs: [" SECRET "]}}", "preset.lists[0]");
    refused("{preset: {cdn: FASTLY, via: {trusted: [10.0.0.0/8], xff_hops: 1}, proofs: [" SECRET "]}}", "preset.via|set lists");
    refused("{peer_address: {cidrs: [198.51.100.0/24], via: {xff_hops: 1}}}", "via.trusted");
    refused("{peer_address: {cidrs: [198.51.100.0/24], via: {trusted: [], xff_hops: 1}}}", "via.trusted");
    refused("{peer_address: {cidrs: [198.51.100.0/24], via: {trusted: [10.0.0.0/8]}}}", "via.xff_hops");
    refused("{peer_address: {cidrs: [198.51.100.0/24], via: {trusted: [0.0.0.0/0], xff_hops: 1}}}", "via.trusted[0]|too wide");
    refused("{peer_address: {via: {trusted: [10.0.0.0/8], xff_hops: 1}}}", "peer_address");
}

static void test_names_of_lists(void **state)
{
    const char *a = file_of("198.51.100.0/24\n"), *b = file_of("203.0.113.0/24\n");
    refused(text("{any_of: {proofs: [{peer_address: {lists: [{name: l, path: %s}]}}, {peer_address: {lists: [{name: l, path: %s}]}}]}}", a, b),
            "proofs[1].peer_address.lists[0].name|of another file");
    /* Two ways in over the same list are fine. */
    accepted(text("{any_of: {proofs: [{preset: {cdn: CLOUDFLARE, lists: [{name: l, path: %s}], proofs: [" SECRET "]}}, "
                  "{preset: {cdn: CLOUDFLARE, lists: [{name: l, path: %s}], proofs: [" PIN "]}}]}}", a, a));
    unlink(a);
    unlink(b);
}

static void test_printed(void **state)
{
    const char *path = file_of(aws);
    const char *yaml = text("proof: {preset: {cdn: CLOUDFRONT, lists: [{name: cloudfront, path: %s}], via: {trusted: [10.0.0.0/8], "
                            "xff_hops: 1}, proofs: [" SECRET "]}}", path);
    c = fake_config_new(OPS, DESC, yaml);
    const Sallyport__Filters__Http__OriginShield__V1__OriginShield *msg = sp_doc_root(c->doc);
    struct sp_buf out;
    char shown[2000];
    sp_buf_init(&out);
    sp_pb_yaml(c->doc, sp_shield_preset_expand(c->doc, &c->diag, &arena, msg->proof->preset), 2, &out);
    shown[sp_buf_peek(&out, shown, sizeof(shown) - 1)] = 0;
    sp_buf_clear(&out);
    assert_string_equal(shown, text("  all_of:\n"
                                    "    proofs:\n"
                                    "    - peer_address:\n"
                                    "        lists:\n"
                                    "        - name: cloudfront\n"
                                    "          path: %s\n"
                                    "          format: AWS_IP_RANGES\n"
                                    "          services:\n"
                                    "          - CLOUDFRONT_ORIGIN_FACING\n"
                                    "        via:\n"
                                    "          trusted:\n"
                                    "          - \"10.0.0.0/8\"\n"
                                    "          xff_hops: 1\n"
                                    "    - secret_header:\n"
                                    "        secrets:\n"
                                    "        - name: a\n"
                                    "          value:\n"
                                    "            inline_string: \"[redacted]\"\n", path));
    fake_config_free(c);
    unlink(path);
}

static void via(const char *socket, const char *xff, bool in)
{
    again();
    fake_address(&s, socket);
    if (xff)
        fake_header(&s, "x-forwarded-for", xff);
    assert_int_equal(lets_in(), in);
}

/* CDN -> load balancer -> door. */
static void test_via(void **state)
{
    begin("{peer_address: {cidrs: [198.51.100.0/24, '2001:db8:5::/48'], via: {trusted: [10.0.0.0/8, 'fd12::/16'], xff_hops: 1}}}");
    via("10.1.2.3", "203.0.113.9, 198.51.100.1", true);
    via("10.1.2.3", "198.51.100.1", true);
    via("fd12::1", "junk, 2001:db8:5::1", true);
    via("::ffff:10.1.2.3", "x,::ffff:198.51.100.1 ", true);
    via("10.1.2.3", "203.0.113.9, 198.51.100.1:4711", true);
    via("198.51.100.1", "198.51.100.1", false);               /* round the balancer */
    via("192.0.2.1", "198.51.100.1", false);                  /* some other machine */
    via("10.1.2.3", "198.51.100.1, 203.0.113.9", false);      /* not the CDN came to the balancer */
    via("10.1.2.3", NULL, false);
    static const char *const junk[] = {"", ",", "198.51.100.1,", "198.51.100.1, ", "x", "198.51.100", "198.51.100.1x", "198.51.100.1 198.51.100.1",
        "unknown", "\"198.51.100.1\"", "for=198.51.100.1", "_198.51.100.1"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(junk); i++)
        via("10.1.2.3", junk[i], false);
    /* On one line: of several nobody knows which one the balancer wrote. */
    again();
    fake_address(&s, "10.1.2.3");
    fake_header(&s, "x-forwarded-for", "198.51.100.1");
    fake_header(&s, "x-forwarded-for", "198.51.100.1");
    assert_false(lets_in());
    finish();
    begin("{peer_address: {cidrs: [198.51.100.0/24], via: {trusted: [10.0.0.0/8], xff_hops: 2}}}");
    via("10.1.2.3", "198.51.100.1, 10.9.9.9", true);
    via("10.1.2.3", "203.0.113.9, 198.51.100.1, 10.9.9.9", true);
    via("10.1.2.3", "198.51.100.1", false);
    via("10.1.2.3", "203.0.113.9, 198.51.100.1", false);
    finish();
}

static void test_wildcard_names(void **state)
{
    const struct {
        const char *matcher, *dns;
        bool in;
    } cases[] = {
        {"exact: pull.example.com", "pull.example.com", true}, {"exact: pull.example.com", "PULL.example.COM", true},
        {"exact: pull.example.com", "*.example.com", true}, {"exact: a.pull.example.com", "*.example.com", false},
        {"exact: example.com", "*.example.com", false}, {"exact: pull.example.com", "*.com", false},
        {"exact: pull.example.com", "*", false}, {"exact: pull.example.com", "p*.example.com", false},
        {"exact: pull.example.com", "pull.*.com", false}, {"exact: '*.example.com'", "*.example.com", true},
        {"exact: '*.example.com'", "pull.example.com", false},
        {"suffix: .example.com", "pull.example.com", true}, {"suffix: .example.com", "pull.example.com.evil.test", false},
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        fake_tls = fake_tls_verifies = true;
        begin(text("{client_certificate: {sans: [{san_type: DNS, matcher: {%s}}]}}", cases[i].matcher));
        const struct sp_str dns = sp_str_c(cases[i].dns);
        s.conn.tls_used = true;
        s.tls = (struct sp_tls_info){.peer_presented = true, .peer_verified = true, .peer_dns = &dns, .n_peer_dns = 1};
        if (lets_in() != cases[i].in)
            fail_msg("%s against %s", cases[i].matcher, cases[i].dns);
        finish();
    }
    /* Addresses in any spelling. */
    fake_tls = fake_tls_verifies = true;
    begin("{client_certificate: {sans: [{san_type: IP_ADDRESS, matcher: {exact: '2001:DB8:0::1'}}]}}");
    const struct sp_str ip = SP_STR("2001:db8::1");
    s.conn.tls_used = true;
    s.tls = (struct sp_tls_info){.peer_presented = true, .peer_verified = true, .peer_ip = &ip, .n_peer_ip = 1};
    assert_true(lets_in());
    finish();
}

/* A stranger's copy of a header that names somebody must not reach an origin that believes it. */
static void test_header_of_a_stranger(void **state)
{
    c = fake_config_new(OPS, DESC, "proof: {all_of: {proofs: [{peer_address: {cidrs: [198.51.100.0/24]}}, " FDID "]}}\nenforcement: SHADOW");
    fake_stream_init(&s, "/");
    fake_header(&s, "x-azure-fdid", "11111111-2222-3333-4444-555555555555");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_null(fake_request_header(&s, "x-azure-fdid"));
    again();
    fake_address(&s, "198.51.100.1");
    fake_header(&s, "x-azure-fdid", "11111111-2222-3333-4444-555555555555");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_non_null(fake_request_header(&s, "x-azure-fdid"));
    finish();
}

static int setup(void **state)
{
    sp_arena_init(&arena);
    return fake_setup(state);
}

static int teardown(void **state)
{
    sp_arena_done(&arena);
    return fake_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_of_each_cdn), cmocka_unit_test(test_without_lists), cmocka_unit_test(test_names_the_customer),
        cmocka_unit_test(test_config_errors),     cmocka_unit_test(test_names_of_lists), cmocka_unit_test(test_printed),       cmocka_unit_test(test_via),
        cmocka_unit_test(test_wildcard_names),    cmocka_unit_test(test_header_of_a_stranger),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
