/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "filters/registry.h"
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"

#define OPS &sp_origin_shield_ops
#define DESC &sallyport__filters__http__origin_shield__v1__origin_shield__descriptor
#define NS "sallyport.filters.http.origin_shield"

#define OLD "0123456789abcdef-old"
#define NEW "0123456789abcdef-new"
#define SECRETS "secret_header: {secrets: [{name: new, value: {inline_string: " NEW "}}, " \
                "{name: old, value: {inline_string: " OLD "}}]}"
#define SECRET_REFUSED "origin_shield_refused{secret_header}"

static struct fake_stream s;
static struct fake_config *c;

static void begin(const char *yaml)
{
    c = fake_config_new(OPS, DESC, yaml);
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

static void passes(void)
{
    uint64_t allowed = fake_stat("origin_shield.allowed");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_false(s.replied);
    assert_true(s.info.proven);
    assert_int_equal(fake_stat("origin_shield.allowed"), allowed + 1);
}

static void refused(const char *details)
{
    uint64_t refusals = fake_stat("origin_shield.refused");
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    fake_replied(&s, 403, "Forbidden", details);
    assert_true(s.reply.no_store);
    assert_int_equal(s.reply.n_headers, 0);
    assert_false(s.info.proven);
    assert_int_equal(fake_stat("origin_shield.refused"), refusals + 1);
}

static void carry(const char *value)
{
    again();
    if (value)
        fake_header(&s, "x-origin-verify", value);
}

static void test_secret(void **state)
{
    begin("proof: {" SECRETS "}");
    uint64_t hits = fake_stat("origin_shield.secret.old.hit");
    carry(OLD);
    passes();
    assert_null(fake_request_header(&s, "x-origin-verify"));
    assert_int_equal(fake_stat("origin_shield.secret.old.hit"), hits + 1);
    carry(NEW);
    passes();
    assert_null(fake_request_header(&s, "x-origin-verify"));
    assert_int_equal(fake_stat("origin_shield.secret.old.hit"), hits + 1);
    assert_true(fake_stat("origin_shield.secret.new.hit") > 0);
    static const char *const bad[] = {NULL, "", "x", NEW "x", "0123456789abcdef-ne", "0123456789ABCDEF-new",
        OLD "," NEW,
                                      NEW ", x", "\"" NEW "\"", "0123456789abcdef-neX"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        carry(bad[i]);
        refused(SECRET_REFUSED);
        assert_null(fake_request_header(&s, "x-origin-verify")); /* nor does the access log see what was tried */
    }
    finish();
}

static void test_secret_twice(void **state)
{
    begin("proof: {" SECRETS "}");
    carry(NEW);
    fake_header(&s, "x-origin-verify", NEW);
    refused(SECRET_REFUSED);
    assert_null(fake_request_header(&s, "x-origin-verify"));
    carry("wrong-wrong-wrong");
    fake_header(&s, "x-origin-verify", OLD);
    refused(SECRET_REFUSED);
    finish();
}

static void test_secret_under_another_name(void **state)
{
    begin("proof: {secret_header: {name: X-CDN-Key, secrets: [{name: a, value: {inline_string: " NEW "}}]}}");
    fake_header(&s, "x-cdn-key", NEW);
    passes();
    assert_null(fake_request_header(&s, "x-cdn-key"));
    carry(NEW);
    refused(SECRET_REFUSED);
    finish();
}

static void test_secret_is_kept(void **state)
{
    begin("proof: {secret_header: {keep: true, secrets: [{name: a, value: {inline_string: " NEW "}}]}}");
    fake_header(&s, "x-origin-verify", NEW);
    passes();
    assert_string_equal(fake_request_header(&s, "x-origin-verify"), NEW);
    assert_true(sp_headers_find(&s.request, SP_STR("x-origin-verify"), NULL)->never_index);
    finish();
}

static void test_secret_in_trailers(void **state)
{
    begin("proof: {" SECRETS "}");
    fake_header(&s, "x-origin-verify", NEW);
    fake_header(&s, "x-other", "1");
    struct sp_filter *f = fake_filter(&s, c);
    assert_int_equal((OPS)->decode_trailers(f, &s.request), SP_CONTINUE);
    assert_null(fake_request_header(&s, "x-origin-verify"));
    assert_non_null(fake_request_header(&s, "x-other"));
    finish();
}

static void test_secret_from_file_and_environment(void **state)
{
    char path[] = "/tmp/sp-shield-XXXXXX", yaml[400];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, NEW "\n", sizeof(NEW)), sizeof(NEW));
    close(fd);
    setenv("SP_TEST_SECRET", OLD, 1);
    snprintf(yaml, sizeof(yaml), "proof: {secret_header: {secrets: [{name: f, value: {filename: %s}}, "
             "{name: e, value: {environment_variable: SP_TEST_SECRET}}]}}", path);
    begin(yaml);
    assert_int_equal(c->diag.n_warnings, 0);
    carry(NEW);
    passes();
    carry(OLD);
    passes();
    finish();
    unlink(path);
    unsetenv("SP_TEST_SECRET");
}

/* SOCKET alone counts: what PROXY protocol or a header says is no proof. */
static void test_peer_address(void **state)
{
    begin("proof: {peer_address: {cidrs: [198.51.100.0/24, '2001:db8::/32']}}");
    fake_address(&s, "198.51.100.7");
    s.conn.peer = s.info.client = fake_ip("192.0.2.1");
    passes();
    again();
    s.conn.peer = s.info.client = fake_ip("198.51.100.7");
    refused("origin_shield_refused{peer_address}");
    again();
    fake_address(&s, "::ffff:198.51.100.7");
    passes();
    again();
    fake_address(&s, "2001:db8::9");
    passes();
    again();
    fake_address(&s, "2001:db9::9");
    refused("origin_shield_refused{peer_address}");
    finish();
}

static void test_peer_lists(void **state)
{
    char path[] = "/tmp/sp-list-XXXXXX", yaml[300];
    static const char text[] = "{\"addresses\": [\"203.0.113.0/24\"], \"ipv6_addresses\": [\"2001:db8::/32\"]}";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    snprintf(yaml, sizeof(yaml), "proof: {peer_address: {cidrs: [198.51.100.0/24], lists: [{name: cdn, path: %s, format: "
                                 "FASTLY}]}}", path);
    begin(yaml);
    static const struct { const char *peer; bool in; } cases[] = {
        {"198.51.100.7", true}, {"203.0.113.7", true}, {"2001:db8::7", true}, {"::ffff:203.0.113.7", true},
        {"192.0.2.7", false},   {"2001:db9::7", false},
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        again();
        fake_address(&s, cases[i].peer);
        if (cases[i].in)
            passes();
        else
            refused("origin_shield_refused{peer_address}");
    }
    assert_int_equal(fake_stat("origin_shield.list.cdn.entries"), 2);
    finish();
    unlink(path);
    fake_config_refused(OPS, DESC, "proof: {peer_address: {lists: [{name: cdn, path: /nonexistent/x}]}}",
                        "proof.peer_address.lists[0].path|cannot be read");
    fake_config_refused(OPS, DESC, "proof: {peer_address: {}}", "peer_address");
    fake_config_refused(OPS, DESC, "proof: {peer_address: {lists: []}}", "peer_address");
}

static void test_header_value(void **state)
{
    begin("proof: {header_value: {name: X-Azure-FDID, values: [aaaa, bbbb]}}");
    fake_header(&s, "x-azure-fdid", "bbbb");
    passes();
    assert_string_equal(fake_request_header(&s, "x-azure-fdid"), "bbbb"); /* no secret: it stays */
    static const char *const bad[] = {"cccc", "", "aaaa,bbbb", "AAAA", "aaa"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        again();
        fake_header(&s, "x-azure-fdid", bad[i]);
        refused("origin_shield_refused{header_value}");
    }
    again();
    fake_header(&s, "x-azure-fdid", "aaaa");
    fake_header(&s, "x-azure-fdid", "aaaa");
    refused("origin_shield_refused{header_value}");
    finish();
}

static const struct sp_str dns[] = {SP_STR_INIT("other.example"), SP_STR_INIT("cdn.example")};
static const struct sp_str uri[] = {SP_STR_INIT("spiffe://cdn/edge")};

static void with_certificate(void)
{
    again();
    s.conn.tls_used = true;
    s.tls = (struct sp_tls_info){
        .peer_presented = true,
        .peer_verified = true,
        .peer_issuer = SP_STR("CN=CDN CA,O=CDN"),
        .peer_dns = dns,
        .n_peer_dns = 2,
        .peer_uri = uri,
        .n_peer_uri = 1,
        .peer_sha256 = SP_STR("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        .peer_spki_sha256 = SP_STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    };
}

static void begin_certificate(const char *yaml)
{
    fake_tls = fake_tls_verifies = true;
    begin(yaml);
}

static void test_certificate(void **state)
{
    static const char *const good[] = {
        "{sans: [{san_type: DNS, matcher: {exact: cdn.example}}]}",
        "{sans: [{san_type: URI, matcher: {exact: nothing}}, {san_type: URI, matcher: {prefix: 'spiffe://cdn/'}}]}",
        "{spki_sha256: [47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=]}",
        "{sha256: [ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad]}",
        "{sha256: ['BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD']}",
        "{issuers: [{contains: 'O=CDN'}]}",
        "{issuers: [{contains: 'O=CDN'}], sans: [{san_type: DNS, matcher: {exact: cdn.example}}]}",
    };
    static const char *const bad[] = {
        "{sans: [{san_type: URI, matcher: {exact: cdn.example}}]}",
        "{sans: [{san_type: EMAIL, matcher: {exact: cdn.example}}]}",
        "{sans: [{san_type: DNS, matcher: {exact: cdn}}]}",
        "{spki_sha256: [57DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=]}",
        "{sha256: [aa7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad]}",
        "{issuers: [{exact: 'O=CDN'}]}",
        "{issuers: [{exact: 'O=CDN'}], sans: [{san_type: DNS, matcher: {exact: cdn.example}}]}",
        "{issuers: [{contains: 'O=CDN'}], sans: [{san_type: DNS, matcher: {exact: x}}]}",
    };
    char yaml[300];
    for (unsigned i = 0; i < SP_ARRAY_LEN(good); i++) {
        snprintf(yaml, sizeof(yaml), "proof: {client_certificate: %s}", good[i]);
        begin_certificate(yaml);
        with_certificate();
        passes();
        with_certificate();
        s.tls.peer_verified = false;
        refused("origin_shield_refused{client_certificate}");
        with_certificate();
        s.tls.peer_presented = false;
        refused("origin_shield_refused{client_certificate}");
        with_certificate();
        s.conn.tls_used = false;
        refused("origin_shield_refused{client_certificate}");
        finish();
    }
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        snprintf(yaml, sizeof(yaml), "proof: {client_certificate: %s}", bad[i]);
        begin_certificate(yaml);
        with_certificate();
        refused("origin_shield_refused{client_certificate}");
        finish();
    }
}

static void test_all_of(void **state)
{
    begin("proof: {all_of: {proofs: [{peer_address: {cidrs: [192.0.2.0/24]}}, {" SECRETS "}]}}");
    carry(NEW);
    passes();
    carry("wrong");
    refused(SECRET_REFUSED);
    carry(NEW);
    fake_address(&s, "198.51.100.1");
    refused("origin_shield_refused{peer_address}");
    assert_null(fake_request_header(&s, "x-origin-verify"));
    carry(NULL);
    fake_address(&s, "198.51.100.1");
    refused("origin_shield_refused{peer_address}"); /* the first to fail */
    finish();
}

static void test_any_of(void **state)
{
    begin("proof: {any_of: {proofs: [{peer_address: {cidrs: [198.51.100.0/24]}}, {" SECRETS "}]}}");
    carry(NEW);
    passes();
    carry("wrong");
    fake_address(&s, "198.51.100.1");
    passes();
    assert_null(fake_request_header(&s, "x-origin-verify")); /* stripped though another branch passed */
    carry("wrong");
    refused("origin_shield_refused{secret_header,peer_address}");
    finish();
}

static void test_tree(void **state)
{
    begin("proof: {any_of: {proofs: [{all_of: {proofs: [{peer_address: {cidrs: [198.51.100.0/24]}},"
          "{header_value: {name: x-v, values: [v]}}]}}, {" SECRETS "}]}}");
    carry(OLD);
    passes();
    carry(NULL);
    fake_address(&s, "198.51.100.1");
    refused("origin_shield_refused{secret_header,header_value}");
    carry(NULL);
    fake_address(&s, "198.51.100.1");
    fake_header(&s, "x-v", "v");
    passes();
    finish();
}

/* All secrets are always compared: also those of a branch that no longer matters. */
static void test_every_secret_is_compared(void **state)
{
    begin("proof: {any_of: {proofs: [{peer_address: {cidrs: [192.0.2.0/24]}}, {" SECRETS "}, "
          "{secret_header: {name: x-b, secrets: [{name: b, value: {inline_string: " OLD "}}]}}]}}");
    uint64_t hits = fake_stat("origin_shield.secret.b.hit"), old = fake_stat("origin_shield.secret.old.hit");
    carry(OLD);
    fake_header(&s, "x-b", OLD);
    passes();
    assert_int_equal(fake_stat("origin_shield.secret.b.hit"), hits + 1);
    assert_int_equal(fake_stat("origin_shield.secret.old.hit"), old + 1);
    finish();
}

static void test_refusal(void **state)
{
    begin("proof: {" SECRETS "}\nrefusal: {status: 404, body: {inline_string: nothing here}}");
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    fake_replied(&s, 404, "nothing here", SECRET_REFUSED);
    assert_true(s.reply.no_store);
    finish();
    begin("proof: {" SECRETS "}\nrefusal: {reset: true}");
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    assert_true(s.reply.reset);
    finish();
}

static void test_config_errors(void **state)
{
    fake_config_refused(OPS, DESC, "{}", "proof");
    fake_config_refused(OPS, DESC, "proof: {}", "proof");
    fake_config_refused(OPS, DESC, "proof: {all_of: {}}", "proof.all_of");
    fake_config_refused(OPS, DESC, "proof: {all_of: {proofs: []}}", "proof.all_of.proofs");
    fake_config_refused(OPS, DESC, "proof: {any_of: {proofs: []}}", "proof.any_of.proofs");
    fake_config_refused(OPS, DESC, "proof: {secret_header: {}}", "proof.secret_header.secrets");
    fake_config_refused(OPS, DESC, "proof: {secret_header: {secrets: []}}", "proof.secret_header.secrets");
    fake_config_refused(OPS, DESC, "proof: {peer_address: {cidrs: []}}", "proof.peer_address.cidrs");
    fake_config_refused(OPS, DESC, "proof: {header_value: {name: x, values: []}}", "proof.header_value.values");
    fake_config_refused(OPS, DESC, "proof: {header_value: {values: [x]}}", "proof.header_value.name");
    fake_config_refused(OPS, DESC, "proof: {" SECRETS "}\nrefusal: {status: 302}", "refusal.status");
    fake_config_refused(OPS, DESC, "proof: {" SECRETS "}\nenforced_percent: 101", "enforced_percent");
    fake_config_refused(OPS, DESC, "proof: {" SECRETS "}\nenforcement: SHADOW\nenforced_percent: 10",
                        "enforced_percent: SHADOW enforces for nobody");
    fake_config_refused(OPS, DESC,
                        "proof: {peer_address: {cidrs: [0.0.0.0/0, 0.0.0.0/1, 10.0.0.0/7, '::/0', '2000::/3']}}",
                        "cidrs[0]|cidrs[1]|cidrs[2]|cidrs[3]|cidrs[4]: ");
    fake_config_refused(OPS, DESC, "proof: {peer_address: {cidrs: [nonsense]}}", "cidrs[0]");
    fake_config_refused(OPS, DESC, "proof: {header_value: {name: Host, values: [x]}}", "ordinary header");
    fake_config_refused(OPS, DESC, "proof: {header_value: {name: ':path', values: [x]}}", "ordinary header");
    fake_config_refused(OPS, DESC, "proof: {header_value: {name: x, values: [' x']}}", "values[0]");
}

static void one_secret_refused(const char *secret, const char *words)
{
    char yaml[400];
    snprintf(yaml, sizeof(yaml), "proof: {secret_header: {secrets: [{name: a, value: %s}]}}", secret);
    fake_config_refused(OPS, DESC, yaml, words);
}

static void test_bad_secrets(void **state)
{
    setenv("SP_TEST_EMPTY", "", 1);
    one_secret_refused("{inline_string: ''}", "secrets[0].value");
    one_secret_refused("{environment_variable: SP_TEST_EMPTY}", "secrets[0].value|empty");
    one_secret_refused("{environment_variable: SP_TEST_NOT_SET}", "SP_TEST_NOT_SET");
    one_secret_refused("{filename: /nonexistent/secret}", "cannot read");
    one_secret_refused("{inline_string: fifteen-bytes-x}", "15 bytes can be guessed");
    one_secret_refused("{inline_string: ' 0123456789abcdef'}", "no header can carry it");
    one_secret_refused("{inline_string: \"0123456789abcdef\\n\"}", "no header can carry it");
    one_secret_refused("{}", "secrets[0].value");
    unsetenv("SP_TEST_EMPTY");
    /* The content never shows. */
    fake_config_refused(OPS, DESC, "proof: {secret_header: {secrets: [{name: a, value: {inline_string: " NEW "}}, "
                        "{name: a, value: {inline_string: " OLD "}}]}}", "secrets[1].name|named 'a'");
    fake_config_refused(OPS, DESC,
                        "proof: {all_of: {proofs: [{" SECRETS "}, {secret_header: {keep: true, secrets: [{name: k, "
                        "value: {inline_string: " NEW "}}]}}]}}", "same keep");
}

static void test_bad_certificates(void **state)
{
    fake_config_refused(OPS, DESC, "proof: {client_certificate: {issuers: [{exact: x}]}}",
                        "verifies no client certificates");
    fake_tls = true;
    fake_config_refused(OPS, DESC, "proof: {client_certificate: {issuers: [{exact: x}]}}",
                        "verifies no client certificates");
    static const char *const bad[] = {"{}", "{sans: []}", "{issuers: [{exact: x}], sans: []}", "{sha256: [xx]}",
        "{sha256: [ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad]}",
        "{sha256: [ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015adba]}",
        "{sha256: ['BA-78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD']}",
        "{spki_sha256: [47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFUa]}",
        "{spki_sha256: [47DEQpj8HBSa-/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=]}"};
    char yaml[300];
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        fake_tls = fake_tls_verifies = true;
        snprintf(yaml, sizeof(yaml), "proof: {client_certificate: %s}", bad[i]);
        fake_config_refused(OPS, DESC, yaml, "proof.client_certificate");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret),
        cmocka_unit_test(test_secret_twice),
        cmocka_unit_test(test_secret_under_another_name),
        cmocka_unit_test(test_secret_is_kept),
        cmocka_unit_test(test_secret_in_trailers),
        cmocka_unit_test(test_secret_from_file_and_environment),
        cmocka_unit_test(test_peer_address), cmocka_unit_test(test_peer_lists),
        cmocka_unit_test(test_header_value),
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_all_of),
        cmocka_unit_test(test_any_of),
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_every_secret_is_compared),
        cmocka_unit_test(test_refusal),
        cmocka_unit_test(test_config_errors),
        cmocka_unit_test(test_bad_secrets),
        cmocka_unit_test(test_bad_certificates),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
