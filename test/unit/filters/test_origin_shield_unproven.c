/* SPDX-License-Identifier: GPL-2.0-or-later */
/* origin_shield: shadow, samples, exemptions and the client's address. */
#include "fake_chain.h"

#include <stdio.h>

#include "filters/registry.h"
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"
#include "token_vectors.h"

#define OPS &sp_origin_shield_ops
#define DESC &sallyport__filters__http__origin_shield__v1__origin_shield__descriptor
#define NS "sallyport.filters.http.origin_shield"

#define KEY "0123456789abcdef-key"
#define SECRET "secret_header: {secrets: [{name: key, value: {inline_string: " KEY "}}]}"
#define PROOF "proof: {" SECRET "}\n"
#define CF "client_address: {header: CF-Connecting-IP}\n"

static struct fake_stream s;
static struct fake_config *c;

static void begin(const char *yaml)
{
    c = fake_config_new(OPS, DESC, yaml);
    fake_stream_init(&s, "/");
}

/* A request with or without the secret, whose client the connection manager derived as 203.0.113.200. */
static void next(bool secret)
{
    fake_stream_done(&s);
    fake_stream_init(&s, "/");
    s.info.client = fake_ip("203.0.113.200");
    s.info.client_derived = true;
    if (secret)
        fake_header(&s, "x-origin-verify", KEY);
}

static void finish(void)
{
    fake_stream_done(&s);
    fake_config_free(c);
}

static void client_is(const char *ip)
{
    char text[SP_ADDR_TEXT_MAX];
    size_t n = sp_addr_format_ip(&s.info.client, text);
    assert_true(n < sizeof(text));
    assert_string_equal(text, ip);
}

static void test_shadow(void **state)
{
    begin(PROOF CF "enforcement: SHADOW");
    uint64_t shadow = fake_stat("origin_shield.shadow_refused"), refused = fake_stat("origin_shield.refused");
    next(false);
    fake_header(&s, "x-origin-verify", "wrong");
    fake_header(&s, "cf-connecting-ip", "203.0.113.1");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_false(s.replied);
    assert_false(s.info.proven);
    assert_false(s.info.client_derived);
    client_is("192.0.2.1");
    assert_null(fake_request_header(&s, "x-origin-verify"));
    assert_null(fake_request_header(&s, "cf-connecting-ip"));
    assert_string_equal(fake_metadata(&s, NS, "shadow_refused"), "\"secret_header\"");
    assert_int_equal(fake_stat("origin_shield.shadow_refused"), shadow + 1);
    assert_int_equal(fake_stat("origin_shield.refused"), refused);

    /* It held, but a shadow proves nothing. */
    next(true);
    fake_header(&s, "cf-connecting-ip", "203.0.113.1");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_false(s.info.proven);
    client_is("192.0.2.1");
    assert_null(fake_request_header(&s, "x-origin-verify"));
    assert_string_equal(fake_request_header(&s, "cf-connecting-ip"), "203.0.113.1");
    assert_null(fake_metadata(&s, NS, "shadow_refused"));
    assert_int_equal(fake_stat("origin_shield.shadow_refused"), shadow + 1);
    finish();
}

/* A shadow after an enforcing shield does not undo what that one proved. */
static void test_shadow_after_enforcing(void **state)
{
    begin(PROOF "enforcement: SHADOW");
    next(false);
    s.info.proven = true;
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_true(s.info.proven);
    assert_true(s.info.client_derived);
    client_is("203.0.113.200");
    finish();
}

/* How many of 200 peers are refused: `before`, a number in hex, `behind`. */
static unsigned refusals_of(const char *before, const char *behind)
{
    unsigned n = 0;
    for (unsigned i = 0; i < 200; i++) {
        char ip[64];
        if (behind)
            snprintf(ip, sizeof(ip), "%s%x%s", before, i, behind);
        else
            snprintf(ip, sizeof(ip), "%s%u", before, i);
        bool first = false;
        for (unsigned again = 0; again < 3; again++) {
            next(false);
            s.conn.peer = fake_ip(ip);
            s.conn.peer.port = (uint16_t)(1000 + again);
            s.random = (uint64_t)again << 60;
            bool refused = fake_decode(&s, c) == SP_STOP;
            if (again == 0)
                first = refused;
            assert_int_equal(first, refused); /* retrying does not get in */
        }
        n += first;
    }
    return n;
}

static void test_enforced_percent(void **state)
{
    begin(PROOF "enforced_percent: 30");
    uint64_t shadow = fake_stat("origin_shield.shadow_refused");
    assert_in_range(refusals_of("198.51.100.", NULL), 30, 90);
    assert_in_range(refusals_of("2001:db8:0:", "::1"), 30, 90);
    assert_true(fake_stat("origin_shield.shadow_refused") > shadow);
    /* One network is one peer. */
    unsigned of_one = refusals_of("2001:db8:0:7::", "");
    assert_true(of_one == 0 || of_one == 200);
    finish();

    begin(PROOF "enforced_percent: 0");
    assert_int_equal(refusals_of("198.51.100.", NULL), 0);
    next(true);
    fake_decode(&s, c);
    assert_false(s.info.proven); /* sampled out: unproven though it held */
    client_is("192.0.2.1");
    finish();

    begin(PROOF "enforced_percent: 100");
    assert_int_equal(refusals_of("198.51.100.", NULL), 200);
    finish();

    begin(PROOF "enforced_percent: 1");
    next(false);
    s.conn.peer = (struct sp_addr){.family = AF_UNIX, .path = ""};
    assert_int_equal(fake_decode(&s, c), SP_STOP); /* nothing to draw by */
    finish();
}

#define EXEMPT "exemptions: [{path: {exact: /healthz}, cidrs: [192.0.2.0/24]}]\n"

static void probe(const char *method, const char *raw)
{
    next(false);
    s.request.method = sp_str_c(method);
    s.info.raw_path = sp_str_c(raw);
    s.request.path = SP_STR("/healthz"); /* as normalised */
}

static void test_exemption(void **state)
{
    begin(PROOF CF EXEMPT);
    uint64_t exempted = fake_stat("origin_shield.exempted");
    probe("GET", "/healthz");
    fake_header(&s, "x-origin-verify", "wrong");
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    fake_replied(&s, 200, "ok\n", "origin_shield_exempted");
    assert_true(s.reply.no_store);
    assert_false(s.info.proven);
    client_is("192.0.2.1");
    assert_null(fake_request_header(&s, "x-origin-verify"));
    probe("HEAD", "/healthz");
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    assert_int_equal(s.reply.status, 200);
    assert_int_equal(fake_stat("origin_shield.exempted"), exempted + 2);
    finish();
}

static void test_exemption_is_narrow(void **state)
{
    static const char *const paths[] = {"/healthz?", "/healthz?x=1", "/healthz/", "//healthz", "/x/../healthz",
        "/./healthz",
                                        "/health%7a", "/HEALTHZ", "/healthz#", "/healthz;x", "healthz", "*",
                                        "http://door.example/healthz", "/healthz%00", "\\healthz", ""};
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "get", "GETX", ""};
    begin(PROOF EXEMPT);
    for (unsigned i = 0; i < SP_ARRAY_LEN(paths); i++) {
        probe("GET", paths[i]);
        assert_int_equal(fake_decode(&s, c), SP_STOP);
        assert_int_equal(s.reply.status, 403);
    }
    for (unsigned i = 0; i < SP_ARRAY_LEN(methods); i++) {
        probe(methods[i], "/healthz");
        assert_int_equal(fake_decode(&s, c), SP_STOP);
        assert_int_equal(s.reply.status, 403);
    }
    /* SOCKET, not what PROXY protocol or a header says. */
    probe("GET", "/healthz");
    s.conn.socket = fake_ip("198.51.100.1");
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    assert_int_equal(s.reply.status, 403);
    finish();
}

/* Probe ranges carry users too: with proof the request is what any other is. */
static void test_exemption_with_proof(void **state)
{
    begin(PROOF EXEMPT);
    probe("GET", "/healthz");
    fake_header(&s, "x-origin-verify", KEY);
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_true(s.info.proven);
    assert_false(s.replied);
    finish();
}

static void test_exemption_forward(void **state)
{
    begin(PROOF CF "exemptions: [{path: {exact: /healthz}, cidrs: [192.0.2.0/24], forward: true}]");
    probe("GET", "/healthz");
    fake_header(&s, "cf-connecting-ip", "203.0.113.1");
    fake_header(&s, "x-origin-verify", "wrong");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_false(s.replied);
    assert_false(s.info.proven);
    client_is("192.0.2.1");
    assert_null(fake_request_header(&s, "x-origin-verify"));
    assert_null(fake_request_header(&s, "cf-connecting-ip"));
    finish();
}

static void test_exemption_in_shadow(void **state)
{
    begin(PROOF EXEMPT "enforcement: SHADOW");
    uint64_t shadow = fake_stat("origin_shield.shadow_refused"), exempted = fake_stat("origin_shield.exempted");
    probe("GET", "/healthz");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_false(s.replied);
    assert_int_equal(fake_stat("origin_shield.shadow_refused"), shadow);
    assert_int_equal(fake_stat("origin_shield.exempted"), exempted + 1);
    finish();
}

static void exemption_refused(const char *exemption, const char *words)
{
    char yaml[400];
    snprintf(yaml, sizeof(yaml), PROOF "exemptions: [%s]", exemption);
    fake_config_refused(OPS, DESC, yaml, words);
}

static void test_bad_exemptions(void **state)
{
    exemption_refused("{path: {exact: /h}}", "cidrs");
    exemption_refused("{path: {exact: /h}, cidrs: []}", "cidrs");
    exemption_refused("{cidrs: [10.0.0.0/8]}", "path");
    exemption_refused("{path: {prefix: /h}, cidrs: [10.0.0.0/8]}", "one path only");
    exemption_refused("{path: {safe_regex: {regex: '/h'}}, cidrs: [10.0.0.0/8]}", "one path only");
    exemption_refused("{path: {exact: /h, ignore_case: true}, cidrs: [10.0.0.0/8]}", "one path only");
    static const char *const bad[] = {"h", "", "/a/../h", "/a/./h", "/..", "/h%20", "/h?x", "/h#x", "//h", "/a//h",
        "/a b", "/a\\\\b"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        char text[100];
        snprintf(text, sizeof(text), "{path: {exact: \"%s\"}, cidrs: [10.0.0.0/8]}", bad[i]);
        exemption_refused(text, "not a plain path");
    }
    exemption_refused("{path: {exact: /h}, cidrs: [0.0.0.0/1], forward: true}", "too wide");
}

static void derived(bool good, const char *ip)
{
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_true(s.info.proven);
    assert_int_equal(s.info.client_derived, good);
    assert_int_equal(s.info.client_failed, !good);
    client_is(ip);
}

static void test_client_header(void **state)
{
    begin(PROOF CF);
    assert_true((OPS)->derives_client(c->config));
    static const char *const good[][2] = {{"203.0.113.1", "203.0.113.1"}, {"2001:db8::5", "2001:db8::5"},
        {"203.0.113.1:4711", "203.0.113.1"}, {"[2001:db8::5]:4711", "2001:db8::5"}, {"::ffff:203.0.113.1",
            "203.0.113.1"}};
    for (unsigned i = 0; i < SP_ARRAY_LEN(good); i++) {
        next(true);
        fake_header(&s, "cf-connecting-ip", good[i][0]);
        derived(true, good[i][1]);
        assert_non_null(fake_request_header(&s, "cf-connecting-ip"));
    }
    static const char *const bad[] = {"", "x", "203.0.113.1, 198.51.100.1", "203.0.113.256", "0x7f.1", "203.0.113",
        "localhost", " "};
    uint64_t failed = fake_stat("origin_shield.client_address_failed");
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        next(true);
        fake_header(&s, "cf-connecting-ip", bad[i]);
        derived(false, "192.0.2.1");
    }
    next(true); /* absent: what the connection manager derived does not count */
    derived(false, "192.0.2.1");
    next(true); /* twice */
    fake_header(&s, "cf-connecting-ip", "203.0.113.1");
    fake_header(&s, "cf-connecting-ip", "203.0.113.1");
    derived(false, "192.0.2.1");
    assert_int_equal(fake_stat("origin_shield.client_address_failed"), failed + SP_ARRAY_LEN(bad) + 2);
    finish();
}

static void test_cloudfront_viewer_address(void **state)
{
    begin(PROOF "client_address: {header: CloudFront-Viewer-Address}");
    static const char *const good[][2] = {{"203.0.113.1:4711", "203.0.113.1"}, {"2001:db8::5:443", "2001:db8::5"},
        {"2001:db8:1:2:3:4:5:6:443", "2001:db8:1:2:3:4:5:6"}, {"[2001:db8::5]:443", "2001:db8::5"}};
    for (unsigned i = 0; i < SP_ARRAY_LEN(good); i++) {
        next(true);
        fake_header(&s, "cloudfront-viewer-address", good[i][0]);
        derived(true, good[i][1]);
    }
    static const char *const bad[] = {"203.0.113.1", ":80", "203.0.113.1:", "203.0.113.1:99999", "2001:db8:1:2:3:4:5:6",
        "80", ""};
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        next(true);
        fake_header(&s, "cloudfront-viewer-address", bad[i]);
        derived(false, "192.0.2.1");
    }
    finish();
}

/* What the CDNs call it, and how they write it. */
static void test_client_of_each_cdn(void **state)
{
    static const struct { const char *header, *value, *client; } cdns[] = {
        {"True-Client-IP", "203.0.113.1", "203.0.113.1"},       {"True-Client-IP", "2001:db8::5", "2001:db8::5"},
        {"X-Azure-SocketIP", "203.0.113.1", "203.0.113.1"},     {"X-Azure-SocketIP", "2001:db8::5", "2001:db8::5"},
        {"CF-Connecting-IP", "2001:DB8::5", "2001:db8::5"},     {"Fastly-Client-IP", "203.0.113.1", "203.0.113.1"},
        {"CloudFront-Viewer-Address", "2001:db8::5:1", "2001:db8::5"},
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(cdns); i++) {
        char yaml[400], lower[64];
        snprintf(yaml, sizeof(yaml), PROOF "client_address: {header: %s}", cdns[i].header);
        for (unsigned k = 0; k <= strlen(cdns[i].header); k++)
            lower[k] = sp_ascii_lower(cdns[i].header[k]);
        begin(yaml);
        next(true);
        fake_header(&s, lower, cdns[i].value);
        derived(true, cdns[i].client);
        next(false); /* nobody vouched: it is not believed, and does not get on */
        fake_header(&s, lower, cdns[i].value);
        assert_int_equal(fake_decode(&s, c), SP_STOP);
        assert_false(s.info.client_derived);
        assert_null(fake_request_header(&s, lower));
        finish();
    }
}

static void test_client_xff_cidrs(void **state)
{
    begin(PROOF "client_address: {xff_trusted_cidrs: {cidrs: [198.51.100.0/24, 10.0.0.0/8]}}");
    assert_true((OPS)->derives_client(c->config));
    static const char *const good[][2] = {{"6.6.6.6, 203.0.113.1, 198.51.100.1", "203.0.113.1"},
        {"6.6.6.6, 203.0.113.1, 10.1.1.1 , 198.51.100.1", "203.0.113.1"}, {"203.0.113.1", "203.0.113.1"},
        {"2001:db8::5,198.51.100.1", "2001:db8::5"}, {"198.51.100.2, 198.51.100.1", "198.51.100.2"}};
    for (unsigned i = 0; i < SP_ARRAY_LEN(good); i++) {
        next(true);
        fake_header(&s, "x-forwarded-for", good[i][0]);
        derived(true, good[i][1]);
    }
    static const char *const bad[] = {"", "6.6.6.6, x, 198.51.100.1", "6.6.6.6,,198.51.100.1", "203.0.113.1:80"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        next(true);
        fake_header(&s, "x-forwarded-for", bad[i]);
        derived(false, "192.0.2.1");
    }
    next(true);
    derived(false, "192.0.2.1");
    finish();
}

static void test_client_xff(void **state)
{
    begin(PROOF "client_address: {xff_trusted_hops: 2}");
    static const char *const good[][2] = {{"6.6.6.6, 203.0.113.1, 198.51.100.1", "203.0.113.1"},
        {"203.0.113.1,198.51.100.1", "203.0.113.1"}, {"x , 2001:db8::5 ,unknown", "2001:db8::5"}};
    for (unsigned i = 0; i < SP_ARRAY_LEN(good); i++) {
        next(true);
        fake_header(&s, "x-forwarded-for", good[i][0]);
        derived(true, good[i][1]);
    }
    static const char *const bad[] = {"", "203.0.113.1", "6.6.6.6, x, 198.51.100.1", ", 198.51.100.1",
        "6.6.6.6,,198.51.100.1"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        next(true);
        fake_header(&s, "x-forwarded-for", bad[i]);
        derived(false, "192.0.2.1");
    }
    next(true);
    fake_header(&s, "x-forwarded-for", "203.0.113.1, 198.51.100.1");
    fake_header(&s, "x-forwarded-for", "203.0.113.2, 198.51.100.2");
    derived(false, "192.0.2.1");
    finish();
}

static void test_client_peer(void **state)
{
    begin(PROOF "client_address: {peer: true}");
    next(true);
    s.conn.peer = fake_ip("203.0.113.77");
    derived(true, "203.0.113.77");
    finish();
}

/* Without client_address the connection manager's derivation stands, but only for those who proved themselves. */
static void test_no_client_address(void **state)
{
    begin(PROOF);
    assert_false((OPS)->derives_client(c->config));
    next(true);
    derived(true, "203.0.113.200");
    finish();
}

static void client_refused(const char *proof)
{
    char yaml[2000];
    snprintf(yaml, sizeof(yaml), "proof: {%s}\n" CF, proof);
    fake_tls = fake_tls_verifies = true;
    fake_config_refused(OPS, DESC, yaml, "client_address: |any tenant of the CDN");
}

static void client_accepted(const char *proof)
{
    char yaml[2000];
    snprintf(yaml, sizeof(yaml), "proof: {%s}\n" CF, proof);
    fake_tls = fake_tls_verifies = true;
    begin(yaml);
    finish();
}

#define PEER "peer_address: {cidrs: [192.0.2.0/24]}"
#define FDID "header_value: {name: X-Azure-FDID, values: [abc]}"
#define OTHER "header_value: {name: x-other, values: [abc]}"
#define PIN "client_certificate: {spki_sha256: [47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=]}"
#define ISSUER "client_certificate: {issuers: [{exact: x}]}"
#define TOKEN(kind) "signed_token: {kind: " kind ", audiences: [a], jwks: {inline_string: '" T_RSA_JWKS "'}}"
#define ACCESS TOKEN("CLOUDFLARE_ACCESS")

static void test_client_needs_a_customer(void **state)
{
    client_refused(PEER);
    client_refused(OTHER);
    client_refused(FDID);
    client_refused(ISSUER);
    client_refused("any_of: {proofs: [{" PEER "}, {" SECRET "}]}");
    client_refused("all_of: {proofs: [{" PEER "}, {" OTHER "}]}");
    client_refused("any_of: {proofs: [{" PEER "}, {" FDID "}]}");
    client_refused("all_of: {proofs: [{" PEER "}, {any_of: {proofs: [{" SECRET "}, {" ISSUER "}]}}]}");
    client_refused(ACCESS); /* every user's browser has it */
    client_refused("any_of: {proofs: [{" ACCESS "}, {" SECRET "}]}");
    client_accepted(TOKEN("GOOGLE_IAP"));
    client_accepted("all_of: {proofs: [{" ACCESS "}, {" PEER "}]}");
    client_accepted(SECRET);
    client_accepted(PIN);
    client_accepted("all_of: {proofs: [{" PEER "}, {" SECRET "}]}");
    client_accepted("all_of: {proofs: [{" PEER "}, {" FDID "}]}");
    client_accepted("any_of: {proofs: [{" PIN "}, {" SECRET "}]}");
    client_accepted("all_of: {proofs: [{" PEER "}, {any_of: {proofs: [{" SECRET "}, {" FDID "}]}}]}");
}

static void test_bad_client_address(void **state)
{
    fake_config_refused(OPS, DESC, PROOF "client_address: {}", "client_address");
    fake_config_refused(OPS, DESC, PROOF "client_address: {header: ''}", "client_address.header");
    fake_config_refused(OPS, DESC, PROOF "client_address: {header: host}", "client_address.header");
    fake_config_refused(OPS, DESC, PROOF "client_address: {xff_trusted_hops: 0}", "client_address.xff_trusted_hops");
    fake_config_refused(OPS, DESC, PROOF "client_address: {peer: false}", "client_address.peer");
}

/* To CGI and its like these are the CDN's headers, but a client behind the CDN wrote them. */
static void test_lookalikes(void **state)
{
    begin("proof: {all_of: {proofs: [{" SECRET "}, {header_value: {name: X-Azure-FDID, values: [me]}}]}}\n" CF);
    next(true);
    fake_header(&s, "cf_connecting_ip", "203.0.113.66");
    fake_header(&s, "cf-connecting-ip", "203.0.113.1");
    fake_header(&s, "cf-connecting_ip", "203.0.113.66");
    fake_header(&s, "x-azure-fdid", "me");
    fake_header(&s, "x_azure_fdid", "you");
    derived(true, "203.0.113.1");
    assert_string_equal(fake_request_header(&s, "cf-connecting-ip"), "203.0.113.1");
    assert_string_equal(fake_request_header(&s, "x-azure-fdid"), "me");
    assert_int_equal(s.request.n, 2);
    /* Nor does the CDN write trailers. */
    struct sp_filter *f = fake_filter(&s, c);
    fake_header(&s, "cf_connecting_ip", "203.0.113.66");
    fake_header(&s, "x-checksum", "1");
    assert_int_equal((OPS)->decode_trailers(f, &s.request), SP_CONTINUE);
    assert_int_equal(s.request.n, 1);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shadow),
        cmocka_unit_test(test_shadow_after_enforcing),
        cmocka_unit_test(test_enforced_percent),
        cmocka_unit_test(test_exemption),
        cmocka_unit_test(test_exemption_is_narrow),
        cmocka_unit_test(test_exemption_with_proof),
        cmocka_unit_test(test_exemption_forward),
        cmocka_unit_test(test_exemption_in_shadow),
        cmocka_unit_test(test_bad_exemptions),
        cmocka_unit_test(test_client_header),
        cmocka_unit_test(test_cloudfront_viewer_address),
        cmocka_unit_test(test_client_xff),
        cmocka_unit_test(test_client_of_each_cdn),
        cmocka_unit_test(test_client_xff_cidrs),
        cmocka_unit_test(test_client_peer),
        cmocka_unit_test(test_no_client_address),
        cmocka_unit_test(test_client_needs_a_customer),
        cmocka_unit_test(test_bad_client_address),
        cmocka_unit_test(test_lookalikes),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
