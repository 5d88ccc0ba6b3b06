/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gate that takes a client's certificate from a header: its decisions, and the forms it reads. */
#include "fake_chain.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto/cert_gen.h"
#include "crypto/hash.h"
#include "filters/header_certificate_cache.h"
#include "filters/header_certificate_decode.h"
#include "filters/registry.h"

#define OPS &sp_header_certificate_ops
#define DESC &sallyport__filters__http__header_certificate__v1__header_certificate__descriptor
#define FORMAT(name) SALLYPORT__FILTERS__HTTP__HEADER_CERTIFICATE__V1__HEADER_CERTIFICATE__FORMAT__##name

static struct fake_stream s;
static struct sp_arena certs;
static struct sp_made_cert ca, viewer, stranger;

static void make(const char *name, const struct sp_made_cert *by, struct sp_made_cert *ret)
{
    const char *dns[] = {"viewer.test", NULL};
    struct sp_cert_request r = {.common_name = name, .is_ca = !by, .client = by, .dns = by ? dns : NULL};
    assert_int_equal(sp_cert_make(&r, by, &certs, ret), 0);
}

static int setup(void **state)
{
    struct sp_made_cert other;
    sp_arena_init(&certs);
    make("the CA", NULL, &ca);
    make("viewer", &ca, &viewer);
    make("another CA", NULL, &other);
    make("viewer", &other, &stranger);
    return fake_setup(state);
}

static int teardown(void **state)
{
    sp_arena_done_wipe(&certs);
    return fake_teardown(state);
}

/* Percent-encoded, but for what AWS leaves as it is. */
static const char *encoded(struct sp_str pem)
{
    char *out = sp_arena_alloc(&certs, pem.len * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < pem.len; i++)
        n += (size_t)sprintf(out + n, strchr(" \n", pem.ptr[i]) ? "%%%02X" : "%c", pem.ptr[i]);
    return out;
}

static struct fake_config *config(const char *more)
{
    char *yaml = sp_arena_alloc(&certs, 4096);
    size_t n = (size_t)snprintf(yaml, 4096, "header: x-client-cert\nformat: URL_ENCODED_PEM\n%svalidation_context: {trusted_ca: "
                                            "{inline_string: \"", more);
    for (size_t i = 0; i < ca.cert_pem.len; i++)
        n += (size_t)sprintf(yaml + n, ca.cert_pem.ptr[i] == '\n' ? "\\n" : "%c", ca.cert_pem.ptr[i]);
    strcpy(yaml + n, "\"}}\n");
    fake_proof_before = true;
    return fake_config_new(OPS, DESC, yaml);
}

static void begin(bool proven, const char *header)
{
    fake_stream_init(&s, "/");
    s.info.proven = proven;
    s.tls = (struct sp_tls_info){.peer_presented = true, .peer_verified = true, .peer_subject = SP_STR("CN=the CDN")};
    if (header)
        fake_header(&s, "x-client-cert", header);
    fake_header(&s, "x_client-cert", "another spelling");
    fake_header(&s, "x-client-cert-subject", "CN=whoever");
}

static struct sp_str subject(void)
{
    return sp_info_cert(&s.info)->tls->peer_subject;
}

static void test_good(void **state)
{
    struct fake_config *c = config("related_headers: [x-client-cert-subject]\n");
    for (unsigned i = 0; i < 2; i++) { /* the second time from the cache */
        begin(true, encoded(viewer.cert_pem));
        assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
        const struct sp_client_cert *cert = sp_info_cert(&s.info);
        assert_true(cert->tls->peer_presented && cert->tls->peer_verified && sp_str_eq(cert->der, viewer.cert_der));
        assert_true(sp_str_eq(subject(), SP_STR("CN=viewer")) && cert->tls->n_peer_dns == 1);
        assert_string_equal(fake_request_header(&s, "x-client-cert"), encoded(viewer.cert_pem));
        assert_null(fake_request_header(&s, "x_client-cert"));
        assert_non_null(fake_request_header(&s, "x-client-cert-subject"));
        /* What the connection showed is untouched: other streams share it. */
        assert_true(sp_str_eq(s.conn.tls->peer_subject, SP_STR("CN=the CDN")));
        fake_stream_done(&s);
    }
    assert_int_equal(fake_stat("header_certificate.verified"), 2);
    fake_config_free(c);
}

/* Nothing of it reaches the origin, and nobody is its client. */
static void nobody(void)
{
    const struct sp_client_cert *cert = sp_info_cert(&s.info);
    assert_true(!cert->tls->peer_presented && !cert->tls->peer_verified && !cert->der.len && !subject().len);
    assert_null(fake_request_header(&s, "x-client-cert"));
    assert_null(fake_request_header(&s, "x_client-cert"));
    assert_null(fake_request_header(&s, "x-client-cert-subject"));
}

static void test_without(void **state)
{
    struct fake_config *c = config("related_headers: [x-client-cert-subject]\n");
    begin(false, encoded(viewer.cert_pem)); /* good, but not the CDN's word */
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    nobody();
    fake_stream_done(&s);
    begin(true, NULL);
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    nobody();
    fake_stream_done(&s);
    fake_config_free(c);

    c = config("required: true\nrelated_headers: [x-client-cert-subject]\n");
    begin(false, encoded(viewer.cert_pem));
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    fake_replied(&s, 403, "Forbidden", "header_certificate_refused{unproven}");
    fake_stream_done(&s);
    begin(true, NULL);
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    fake_replied(&s, 403, "Forbidden", "header_certificate_refused{missing}");
    fake_stream_done(&s);
    fake_config_free(c);
}

static void test_bad(void **state)
{
    struct fake_config *c = config("related_headers: [x-client-cert-subject]\n");
    struct fake_config *shadow = config("enforcement: SHADOW\nrelated_headers: [x-client-cert-subject]\n");
    const struct {
        const char *value, *details;
    } cases[] = {
        {"x", "header_certificate_refused{malformed}"},
        {encoded(stranger.cert_pem), "header_certificate_refused{unable_to_get_local_issuer_certificate}"},
        {encoded(viewer.key_pem), "header_certificate_refused{malformed}"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        begin(true, cases[i].value);
        assert_int_equal(fake_decode(&s, c), SP_STOP);
        fake_replied(&s, 403, "Forbidden", cases[i].details);
        assert_true(s.reply.no_store);
        nobody();
        fake_stream_done(&s);
        begin(true, cases[i].value);
        assert_int_equal(fake_decode(&s, shadow), SP_CONTINUE);
        assert_false(s.replied);
        nobody();
        fake_stream_done(&s);
    }
    begin(true, encoded(viewer.cert_pem));
    fake_header(&s, "x-client-cert", encoded(viewer.cert_pem));
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    fake_replied(&s, 403, "Forbidden", "header_certificate_refused{repeated}");
    fake_stream_done(&s);
    fake_config_free(c);
    fake_config_free(shadow);
}

static void test_trailers(void **state)
{
    struct fake_config *c = config("");
    begin(true, encoded(viewer.cert_pem));
    struct sp_filter *f = fake_filter(&s, c);
    struct sp_headers t;
    sp_headers_init(&t, &s.arena);
    sp_headers_add(&t, SP_STR("x-client-cert"), SP_STR("forged"));
    assert_int_equal(f->ops->decode_trailers(f, &t), SP_CONTINUE);
    assert_int_equal(sp_headers_count(&t, SP_STR("x-client-cert")), 0);
    fake_stream_done(&s);
    fake_config_free(c);
}

static void test_configs(void **state)
{
    fake_proof_before = true;
    fake_config_refused(OPS, DESC, "{header: x, format: RFC_9440, validation_context: {}}", "anybody can make a certificate");
    fake_config_refused(OPS, DESC, "{header: x, format: RFC_9440, validation_context: {verify_certificate_hash: "
                                   "[\"0000000000000000000000000000000000000000000000000000000000000000\"]}}", "put an origin_shield");
    fake_config_refused(OPS, DESC, "{header: x, format: RFC_9440}", "validation_context");
    fake_config_refused(OPS, DESC, "{header: x, validation_context: {}}", "format");
    fake_config_refused(OPS, DESC, "{format: RFC_9440, validation_context: {}}", "header");
    fake_proof_before = fake_proof_weak = true;
    fake_config_refused(OPS, DESC, "{header: x, format: RFC_9440, validation_context: {}}", "any tenant of the CDN");
}

static unsigned decode(sp_header_cert_format format, const char *value, struct sp_str ret[SP_CERT_CHECK_MAX_CHAIN])
{
    return sp_header_cert_decode(format, sp_str_c(value), &certs, ret);
}

static void test_forms(void **state)
{
    struct sp_str ret[SP_CERT_CHECK_MAX_CHAIN];
    const char *one = encoded(viewer.cert_pem);
    char *text = sp_arena_alloc(&certs, 20 * strlen(one)), *at = text;
    assert_int_equal(decode(FORMAT(URL_ENCODED_PEM), one, ret), 1);
    assert_true(sp_str_eq(ret[0], viewer.cert_der));
    for (unsigned i = 1; i <= SP_CERT_CHECK_MAX_CHAIN + 1; i++) {
        at += sprintf(at, "%s%s", one, i % 2 ? "" : "%0D%0A");
        assert_int_equal(decode(FORMAT(URL_ENCODED_PEM), text, ret), i > SP_CERT_CHECK_MAX_CHAIN ? 0 : i);
    }
    static const char *const bad[] = {"", "%", "%2", "%zz", "x%", "-----BEGIN%20CERTIFICATE-----",
                                      "-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----%0A",
                                      "-----BEGIN CERTIFICATE-----MAA=-----END CERTIFICATE-----x",
                                      "x-----BEGIN CERTIFICATE-----MAA=-----END CERTIFICATE-----",
                                      "-----BEGIN CERTIFICATE-----MAA-----END CERTIFICATE-----",
                                      "-----BEGIN X509 CRL-----MAA=-----END X509 CRL-----"};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        if (decode(FORMAT(URL_ENCODED_PEM), bad[i], ret))
            fail_msg("%s", bad[i]);
    assert_int_equal(decode(FORMAT(URL_ENCODED_PEM), "-----BEGIN CERTIFICATE-----MAA=-----END CERTIFICATE-----", ret), 1);
    assert_true(sp_str_eq(ret[0], sp_str_n("\x30\x00", 2)));
    assert_int_equal(decode(FORMAT(BASE64_DER), "MAA=", ret), 1);
    assert_int_equal(decode(FORMAT(BASE64_DER), ":MAA=:", ret), 0);
    assert_int_equal(decode(FORMAT(BASE64_DER), "", ret), 0);
    assert_int_equal(decode(FORMAT(RFC_9440), ":MAA=:", ret), 1);
    static const char *const not9440[] = {"", ":", "::", "MAA=", ":MAA=", "MAA=:", ":MAA=:;a=b", ":M A A=:"};
    for (size_t i = 0; i < SP_ARRAY_LEN(not9440); i++)
        if (decode(FORMAT(RFC_9440), not9440[i], ret))
            fail_msg("%s", not9440[i]);
}

static void test_cache(void **state)
{
    struct sp_header_cert_cache *c = sp_header_cert_cache_new();
    struct sp_header_cert_seen *at;
    assert_false(sp_header_cert_cache_find(c, 0, SP_STR("a"), &at));
    sp_header_cert_cache_put(at, 7, 8);
    assert_true(sp_header_cert_cache_find(c, 0, SP_STR("a"), &at) && at->version == 7 && at->until == 8);
    assert_false(sp_header_cert_cache_find(c, 1, SP_STR("a"), &at)); /* each worker its own */
    assert_false(sp_header_cert_cache_find(c, 100000, SP_STR("a"), &at) || at);
    for (unsigned i = 0; i < 5000; i++) { /* bounded: the old ones go */
        char text[16];
        snprintf(text, sizeof(text), "%u", i);
        assert_false(sp_header_cert_cache_find(c, 0, sp_str_c(text), &at));
        sp_header_cert_cache_put(at, 1, 1);
    }
    assert_false(sp_header_cert_cache_find(c, 0, SP_STR("a"), &at));
    sp_header_cert_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),    cmocka_unit_test(test_without), cmocka_unit_test(test_bad), cmocka_unit_test(test_trailers),
        cmocka_unit_test(test_configs), cmocka_unit_test(test_forms),   cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
