/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client makes of a server's certificate, and which certificate and protocol they settle on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypto/cert_gen.h"
#include "crypto/hash.h"
#include "crypto/x509.h"
#include "net/tls_conn.h"
#include "tls_kit.h"

#define VALIDATION(text) "common_tls_context: {validation_context: {" text "}}\n"
#define SAN(type, matcher) KIT_CA ", match_typed_subject_alt_names: [{san_type: " type ", matcher: {" matcher "}}]"
#define NO_NAME "TLS error: certificate verification failed: none of its names is one that is accepted"
#define NO_ISSUER "TLS error: certificate verification failed at depth 0: unable to get local issuer certificate"
#define NO_PIN "TLS error: certificate verification failed: neither it nor its key is pinned"
#define OTHER "common_tls_context: {tls_certificates: [{certificate_chain: @other.cert, private_key: @other.key}]}\n"
#define SELF "common_tls_context: {tls_certificates: [{certificate_chain: @self.cert, private_key: @self.key}]}\n"

struct outcome {
    const char *client, *server, *verify_name, *error;
};

static void expect(const struct outcome *o, size_t i, const char *params)
{
    struct kit_pair p;
    char client[8192];
    snprintf(client, sizeof(client), "common_tls_context: {%s%s", params, o->client + strlen("common_tls_context: {"));
    kit_meet(&p, client, o->server, "www.example.com", o->verify_name);
    if (strcmp(kit_error(&p.client), o->error) != 0)
        fail_msg("outcome %zu: %s", i, kit_error(&p.client));
    if (!o->error[0]) {
        kit_both_well(&p);
    } else {
        assert_int_equal(p.client.state, SP_TLS_FAILED);
        assert_string_equal(kit_take(&p.client), "");
        assert_string_equal(kit_take(&p.server), "");
        assert_int_equal(p.server.state, SP_TLS_FAILED);
    }
    kit_pair_done(&p);
}

static void servers_are_verified(void **state)
{
    static const struct outcome outcomes[] = {
        {VALIDATION(KIT_CA), KIT_SERVER, "", ""},
        {VALIDATION(KIT_CA), KIT_SERVER, "localhost", ""},
        {VALIDATION(KIT_CA), KIT_SERVER, "LOCALHOST.", ""},
        {VALIDATION(KIT_CA), KIT_SERVER, "a.example.com", ""},
        {VALIDATION(KIT_CA), KIT_SERVER, "127.0.0.1", ""},
        {VALIDATION(KIT_CA), KIT_SERVER, "0:0:0:0:0:0:0:1", ""},
        {VALIDATION(KIT_CA), KIT_SERVER, "example.com", NO_NAME},
        {VALIDATION(KIT_CA), KIT_SERVER, "a.b.example.com", NO_NAME},
        {VALIDATION(KIT_CA), KIT_SERVER, "*.example.com", ""},
        {VALIDATION(KIT_CA), KIT_SERVER, "127.0.0.2", NO_NAME},
        {VALIDATION(KIT_CA), KIT_SERVER, "server", NO_NAME}, /* the common name is none */
        {VALIDATION("trusted_ca: @other_ca.cert"), KIT_SERVER, "", NO_ISSUER},
        {VALIDATION("trusted_ca: @other_ca.cert"), KIT_SERVER, "localhost", NO_ISSUER},
        {VALIDATION(KIT_CA), SELF, "", "TLS error: certificate verification failed at depth 0: self-signed certificate"},
        {VALIDATION("trusted_ca: @self.cert"), SELF, "localhost", ""},
        {VALIDATION("trusted_ca: @server.cert"), KIT_SERVER, "localhost", ""}, /* a leaf that is trusted itself */
        {VALIDATION(KIT_CA ", trust_chain_verification: ACCEPT_UNTRUSTED"), SELF, "", ""},
        {VALIDATION(KIT_CA ", trust_chain_verification: ACCEPT_UNTRUSTED"), SELF, "other.test", NO_NAME},
        {VALIDATION(SAN("DNS", "exact: www.example.com")), KIT_SERVER, "", ""},
        {VALIDATION(SAN("DNS", "exact: \"*.example.com\"")), KIT_SERVER, "", ""},
        {VALIDATION(SAN("DNS", "exact: www.example.org")), KIT_SERVER, "", NO_NAME},
        {VALIDATION(SAN("DNS", "exact: www.example.com")), OTHER, "", NO_NAME},
        {VALIDATION(SAN("DNS", "prefix: LOCAL")), KIT_SERVER, "", NO_NAME},
        {VALIDATION(SAN("DNS", "prefix: LOCAL, ignore_case: true")), KIT_SERVER, "", ""},
        {VALIDATION(SAN("DNS", "contains: XAMPL")), KIT_SERVER, "", NO_NAME},
        {VALIDATION(SAN("DNS", "exact: LOCALHOST")), KIT_SERVER, "", ""},
        {VALIDATION(SAN("DNS", "contains: XAMPL, ignore_case: true")), KIT_SERVER, "", ""},
        {VALIDATION(SAN("DNS", "safe_regex: {regex: 'local.*'}")), KIT_SERVER, "", ""},
        {VALIDATION(SAN("DNS", "safe_regex: {regex: 'local'}")), KIT_SERVER, "", NO_NAME},
        {VALIDATION(SAN("URI", "prefix: \"spiffe://example.com/\"")), KIT_SERVER, "", ""},
        {VALIDATION(SAN("URI", "prefix: \"SPIFFE://\"")), KIT_SERVER, "", NO_NAME},
        {VALIDATION(SAN("URI", "prefix: \"SPIFFE://\", ignore_case: true")), KIT_SERVER, "", ""},
        {VALIDATION(SAN("EMAIL", "suffix: com")), KIT_SERVER, "", NO_NAME},
        {VALIDATION(SAN("IP_ADDRESS", "exact: \"0::1\"")), KIT_SERVER, "", ""},
        {VALIDATION(SAN("IP_ADDRESS", "exact: 127.0.0.2")), KIT_SERVER, "", NO_NAME},
        {VALIDATION(SAN("IP_ADDRESS", "prefix: \"127.\"")), KIT_SERVER, "", ""},
        {VALIDATION(KIT_CA ", match_subject_alt_names: [{exact: nobody}, {exact: \"spiffe://example.com/server\"}]"),
         KIT_SERVER, "", ""},
        {VALIDATION(KIT_CA ", match_subject_alt_names: [{exact: nobody}]"), KIT_SERVER, "localhost", NO_NAME},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(outcomes); i++) {
        expect(&outcomes[i], i, "");
        expect(&outcomes[i], i, KIT_TLS12);
    }
}

/* The pins of a certificate, as in the config. */
static void pins_of(const char *name, char hash[65], char colons[96], char spki[45])
{
    struct sp_arena arena;
    struct sp_x509 x;
    const char *why;
    uint8_t digest[32];
    sp_arena_init(&arena);
    assert_int_equal(sp_x509_parse(kit_cert(name)->cert_der, &arena, &x, &why), 0);
    sp_sha256(x.der, digest);
    snprintf(hash, 65, "%s", sp_hex(&arena, digest, 32).ptr);
    for (unsigned i = 0; i < 32; i++)
        snprintf(colons + 3 * i, 4, i < 31 ? "%02X:" : "%02X", digest[i]);
    sp_sha256(x.spki, digest);
    snprintf(spki, 45, "%s", sp_base64_encode(&arena, SP_BASE64, sp_str_n((char *)digest, 32)).ptr);
    sp_arena_done(&arena);
}

static void pins(void **state)
{
    char hash[65], colons[96], spki[45], other_hash[65], other_colons[96], other_spki[45];
    pins_of("server", hash, colons, spki);
    pins_of("other", other_hash, other_colons, other_spki);
    const struct {
        const char *ca, *hash, *hash2, *spki, *error;
    } cases[] = {
        {"", hash, "", "", ""},
        {"", colons, "", "", ""},
        {"", other_hash, hash, "", ""},
        {"", "", "", spki, ""},
        {"", hash, "", other_spki, ""},
        {"", other_colons, "", spki, ""},
        {"", other_hash, "", other_spki, NO_PIN},
        {KIT_CA ", ", "", "", spki, ""},
        {KIT_CA ", ", "", "", other_spki, NO_PIN},
        {"trusted_ca: @other_ca.cert, ", "", "", spki, NO_ISSUER},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        char client[2048];
        snprintf(client, sizeof(client),
                 VALIDATION("%sverify_certificate_hash: [%s%s%s], verify_certificate_spki: [%s]"), cases[i].ca,
                 cases[i].hash, cases[i].hash2[0] ? ", " : "", cases[i].hash2, cases[i].spki);
        struct outcome o = {client, KIT_SERVER, "", cases[i].error};
        expect(&o, i, "");
    }
}

/* Without any validation, as Envoy: anyone is taken; a name that is demanded is still looked at. */
static void nobody_is_verified(void **state)
{
    static const struct outcome outcomes[] = {{"common_tls_context: {}\n", SELF, "", ""},
                                              {"common_tls_context: {}\n", SELF, "other.test", NO_NAME}};
    for (size_t i = 0; i < SP_ARRAY_LEN(outcomes); i++)
        expect(&outcomes[i], i, "");
    struct kit_pair p;
    kit_meet(&p, "common_tls_context: {}\n", SELF, "www.example.com", "");
    assert_false(sp_tls_get_info(p.client.tls)->peer_verified);
    assert_true(sp_tls_get_info(p.client.tls)->peer_presented);
    kit_pair_done(&p);
}

static const char *alpn_between(const char *client, const char *server)
{
    static char text[64];
    char c[512], s[4096];
    struct kit_pair p;
    snprintf(c, sizeof(c), "common_tls_context: {alpn_protocols: [%s], validation_context: {%s}}\n", client, KIT_CA);
    snprintf(s, sizeof(s), "common_tls_context: {tls_certificates: [" KIT_CERT "], alpn_protocols: [%s]}\n", server);
    kit_meet(&p, c, s, "www.example.com", "");
    kit_both_well(&p);
    struct sp_str a = sp_tls_get_info(p.client.tls)->alpn, b = sp_tls_get_info(p.server.tls)->alpn;
    assert_true(sp_str_eq(a, b));
    snprintf(text, sizeof(text), "%.*s", SP_STR_ARG(a));
    kit_pair_done(&p);
    return text;
}

static void protocols(void **state)
{
    assert_string_equal(alpn_between("h2, http/1.1", "h2, http/1.1"), "h2");
    assert_string_equal(alpn_between("http/1.1, h2", "h2, http/1.1"), "h2"); /* the server's order */
    assert_string_equal(alpn_between("h2, http/1.1", "\"http/1.1,h2\""), "http/1.1");
    assert_string_equal(alpn_between("http/1.1", "h2, http/1.1"), "http/1.1");
    assert_string_equal(alpn_between("acme-tls/1", "h2, http/1.1"), ""); /* Envoy goes on without */
    assert_string_equal(alpn_between("h2", ""), "");
    assert_string_equal(alpn_between("", "h2"), "h2"); /* the cluster's own */
}

#define TWO_CERTS "{certificate_chain: @other.cert, private_key: @other.key}, " KIT_CERT

static const char *subject_for(const char *sni)
{
    static char text[64];
    struct kit_pair p;
    kit_meet(&p, KIT_CLIENT, "common_tls_context: {tls_certificates: [" TWO_CERTS "]}\n", sni, "");
    kit_both_well(&p);
    snprintf(text, sizeof(text), "%.*s", SP_STR_ARG(sp_tls_get_info(p.client.tls)->peer_subject));
    kit_pair_done(&p);
    return text;
}

static void the_name_chooses_the_certificate(void **state)
{
    assert_string_equal(subject_for("other.test"), "CN=other");
    assert_string_equal(subject_for("www.example.com"), "CN=server");
    assert_string_equal(subject_for("localhost"), "CN=server");
    assert_string_equal(subject_for("unknown.test"), "CN=other"); /* the first */
    assert_string_equal(subject_for(NULL), "CN=other");
}

static void server_names(void **state)
{
    struct kit_pair p;
    kit_meet(&p, KIT_CLIENT, KIT_SERVER "require_sni: true\n", NULL, "");
    assert_string_equal(kit_error(&p.server), "TLS error: the client names no server");
    assert_string_equal(kit_error(&p.client), "TLS error: the peer sent the alert \"unrecognized name\"");
    kit_pair_done(&p);
    kit_meet(&p, KIT_CLIENT, KIT_SERVER "require_sni: true\n", "localhost", "");
    kit_both_well(&p);
    kit_pair_done(&p);
    kit_meet(&p, KIT_CLIENT "sni: localhost\n", KIT_SERVER "require_sni: true\n", NULL, "");
    kit_both_well(&p);
    assert_true(sp_str_eq(sp_tls_get_info(p.server.tls)->sni, SP_STR("localhost")));
    kit_pair_done(&p);
}

static const char *cipher_with(const char *client, const char *server)
{
    static char text[300];
    char c[1024], s[4096];
    struct kit_pair p;
    snprintf(c, sizeof(c), "common_tls_context: {tls_params: {%s}, validation_context: {%s}}\n", client, KIT_CA);
    snprintf(s, sizeof(s), "common_tls_context: {tls_params: {%s}, tls_certificates: [" KIT_CERT "]}\n", server);
    kit_meet(&p, c, s, "www.example.com", "");
    const struct sp_tls_info *info = sp_tls_get_info(p.client.tls);
    if (p.server.state == SP_TLS_OPEN)
        snprintf(text, sizeof(text), "%.*s %.*s", SP_STR_ARG(info->version), SP_STR_ARG(info->cipher));
    else
        snprintf(text, sizeof(text), "%s", kit_error(&p.server));
    kit_pair_done(&p);
    return text;
}

#define MAX12 "tls_maximum_protocol_version: TLSv1_2"
#define MIN13 "tls_minimum_protocol_version: TLSv1_3"

static void parameters(void **state)
{
    assert_string_equal(cipher_with("", ""), "TLSv1.3 TLS_AES_128_GCM_SHA256");
    assert_string_equal(cipher_with("", MAX12), "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256");
    assert_string_equal(cipher_with(MAX12, ""), "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256");
    assert_string_equal(cipher_with(MIN13, ""), "TLSv1.3 TLS_AES_128_GCM_SHA256");
    assert_string_equal(cipher_with(MAX12, MIN13), "TLS error: no version of TLS is common");
    assert_string_equal(cipher_with(MIN13, MAX12), "TLS error: the peer sent the alert \"protocol version\"");
    assert_string_equal(cipher_with("", MAX12 ", cipher_suites: [ECDHE-ECDSA-AES256-GCM-SHA384]"),
                        "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384");
    assert_string_equal(cipher_with(MAX12, "cipher_suites: [\"[ECDHE-ECDSA-CHACHA20-POLY1305|ECDHE-RSA-AES128-GCM-SHA256]\"]"),
                        "TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305");
    assert_string_equal(cipher_with(MAX12, "cipher_suites: [ECDHE-ECDSA-AES128-SHA]"),
                        "TLS error: no cipher, signature algorithm or group is common");
    assert_string_equal(cipher_with(MAX12 ", cipher_suites: [ECDHE-ECDSA-AES128-SHA]", "cipher_suites: [ECDHE-ECDSA-AES128-SHA]"),
                        "TLSv1.2 ECDHE-ECDSA-AES128-SHA");
    /* A group of which the client sends no share at first: a HelloRetryRequest. */
    assert_string_equal(cipher_with("", "ecdh_curves: [P-384]"), "TLSv1.3 TLS_AES_128_GCM_SHA256");
    assert_string_equal(cipher_with("ecdh_curves: [P-256]", "ecdh_curves: [X25519]"), "TLS error: no group is common");
    assert_string_equal(cipher_with("signature_algorithms: [rsa_pss_rsae_sha256]", ""),
                        "TLS error: no cipher, signature algorithm or group is common");
}

#ifdef SP_X25519MLKEM768
#define DEFAULT_GROUP "X25519MLKEM768"
#else
#define DEFAULT_GROUP "X25519"
#endif

/* What both ends say of the group; `retried`: whether it took a HelloRetryRequest. */
static const char *group_with(const char *client, const char *server, bool *ret_retried)
{
    static char text[300];
    char c[1024], s[4096];
    struct kit_pair p;
    snprintf(c, sizeof(c), "common_tls_context: {tls_params: {%s}, validation_context: {%s}}\n", client, KIT_CA);
    snprintf(s, sizeof(s), "common_tls_context: {tls_params: {%s}, tls_certificates: [" KIT_CERT "]}\n", server);
    kit_meet(&p, c, s, "www.example.com", "");
    kit_both_well(&p);
    struct sp_str ours = sp_tls_get_info(p.client.tls)->curve, theirs = sp_tls_get_info(p.server.tls)->curve;
    if (!sp_str_eq(ours, theirs))
        fail_msg("%s | %s: %.*s | %.*s", client, server, SP_STR_ARG(ours), SP_STR_ARG(theirs));
    snprintf(text, sizeof(text), "%.*s", SP_STR_ARG(ours));
    *ret_retried = p.server.tls->retried;
    kit_pair_done(&p);
    return text;
}

static void groups(void **state)
{
    static const struct {
        const char *client, *server, *group;
        bool retried;
    } cases[] = {
        {"", "", DEFAULT_GROUP, false},
        {"ecdh_curves: [X25519]", "", "X25519", false},
        {"", "ecdh_curves: [X25519]", "X25519", false}, /* of which a share comes along */
        {"", "ecdh_curves: [P-384]", "P-384", true},
        {"ecdh_curves: [P-521]", "ecdh_curves: [P-521]", "P-521", false},
#ifdef SP_X25519MLKEM768
        {"ecdh_curves: [X25519MLKEM768]", "", "X25519MLKEM768", false},
        {"", "ecdh_curves: [X25519MLKEM768]", "X25519MLKEM768", false},
        {"ecdh_curves: [X25519MLKEM768, P-256]", "ecdh_curves: [P-256]", "P-256", false},
        {"ecdh_curves: [P-256, X25519MLKEM768]", "ecdh_curves: [X25519MLKEM768]", "X25519MLKEM768", true},
        {"ecdh_curves: [P-256, X25519MLKEM768]", "", "P-256", false}, /* no round trip is spent on a better one */
        {"", MAX12 ", ecdh_curves: [X25519MLKEM768, P-256]", "P-256", false}, /* it is none of TLS 1.2's */
#endif
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        bool retried;
        const char *group = group_with(cases[i].client, cases[i].server, &retried);
        if (strcmp(group, cases[i].group) != 0 || retried != cases[i].retried)
            fail_msg("case %zu: %s%s", i, group, retried ? ", after a retry" : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_are_verified),
        cmocka_unit_test(pins),
        cmocka_unit_test(nobody_is_verified),
        cmocka_unit_test(protocols),
        cmocka_unit_test(the_name_chooses_the_certificate),
        cmocka_unit_test(server_names),
        cmocka_unit_test(parameters),
        cmocka_unit_test(groups),
    };
    sp_tls_global_init();
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_tls_global_done();
    return r;
}
