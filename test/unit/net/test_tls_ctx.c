/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of a config that cannot be used, word for word, and what /certs is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/cert_gen.h"
#include "tls_kit.h"

#define CERTS "tls_certificates: [" KIT_CERT "]"
#define SERVER_WITH(text) "common_tls_context: {" text ", " CERTS "}\n"
#define SERVER_VALIDATING(text) "common_tls_context: {validation_context: {" text "}, " CERTS "}\n"
#define CLIENT_VALIDATING(text) "common_tls_context: {validation_context: {" text "}}\n"

struct saying {
    const char *yaml, *said;
};

static void check(const struct saying *s, size_t n, const char *(*say)(const char *))
{
    for (size_t i = 0; i < n; i++) {
        char expected[1024];
        int line, column, at = 0;
        const char *said = say(s[i].yaml);
        snprintf(expected, sizeof(expected), "%s%s", s[i].said, s[i].said[0] ? "\n" : "");
        if (*said)
            assert_int_equal(sscanf(said, "t.yaml:%d:%d: %n", &line, &column, &at), 2);
        assert_string_equal(said + at, expected);
    }
}

static void of_servers(void **state)
{
    static const struct saying sayings[] = {
        {"require_sni: true\n",
         "a listener needs a certificate (set certificate_chain and private_key in common_tls_context)"},
        {"common_tls_context: {alpn_protocols: [h2]}\n",
         "common_tls_context.tls_certificates: a listener needs a certificate (set certificate_chain and "
         "private_key in common_tls_context)"},
        {"common_tls_context:\n  tls_certificates:\n  - certificate_chain: @server.cert\n    private_key: @client.key\n",
         "common_tls_context.tls_certificates[0].private_key: does not belong to the certificate (its "
         "public key is another one)"},
        {"common_tls_context:\n  tls_certificates:\n  - certificate_chain: @server.cert\n    private_key: @server.cert\n",
         "common_tls_context.tls_certificates[0].private_key: has no private key in PEM form in it"},
        {"common_tls_context:\n  tls_certificates:\n  - certificate_chain: @server.key\n    private_key: @server.key\n",
         "common_tls_context.tls_certificates[0].certificate_chain: cannot be used: there is no "
         "certificate in PEM form in it"},
        {"common_tls_context:\n  tls_certificates:\n  - certificate_chain: {filename: /nowhere/cert.pem}\n"
         "    private_key: @server.key\n",
         "common_tls_context.tls_certificates[0].certificate_chain.filename: cannot read "
         "/nowhere/cert.pem: No such file or directory (check the path and its permissions)"},
        {SERVER_WITH("tls_params: {cipher_suites: [ECDHE-RSA-AES128-GCM-SHA25]}"),
         "common_tls_context.tls_params.cipher_suites[0]: there is no ECDHE-RSA-AES128-GCM-SHA25 (did "
         "you mean ECDHE-RSA-AES128-GCM-SHA256?)"},
        {SERVER_WITH("tls_params: {cipher_suites: [nonsense]}"),
         "common_tls_context.tls_params.cipher_suites[0]: there is no nonsense (the names are in "
         "docs/tls.md)"},
        {SERVER_WITH("tls_params: {cipher_suites: [AES128-SHA]}"),
         "common_tls_context.tls_params.cipher_suites[0]: AES128-SHA has no forward secrecy and is not "
         "supported (use an ECDHE cipher)"},
        {SERVER_WITH("tls_params: {cipher_suites: [TLS_AES_128_GCM_SHA256]}"),
         "common_tls_context.tls_params.cipher_suites[0]: TLS_AES_128_GCM_SHA256 is of TLS 1.3, whose "
         "ciphers are always on (take it out)"},
        {SERVER_WITH("tls_params: {ecdh_curves: [P-255]}"),
         "common_tls_context.tls_params.ecdh_curves[0]: there is no P-255 (did you mean P-256?)"},
        {SERVER_WITH("tls_params: {signature_algorithms: [rsa_pkcs1_sha1]}"),
         "common_tls_context.tls_params.signature_algorithms[0]: rsa_pkcs1_sha1 relies on SHA-1, which "
         "is broken (use one with SHA-256)"},
        {SERVER_WITH("tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_2}"),
         "common_tls_context.tls_params.tls_maximum_protocol_version: is below "
         "tls_minimum_protocol_version (no version is left)"},
        {SERVER_WITH("alpn_protocols: [\"\"]"),
         "common_tls_context.alpn_protocols[0]: is empty (h2 and http/1.1 are what browsers speak)"},
        {SERVER_WITH("alpn_protocols: [\"a,b,c,d,e,f,g,h,i\"]"),
         "common_tls_context.alpn_protocols[0]: at most 8 protocols of 1 to 255 bytes can be named (h2 "
         "and http/1.1 are what browsers speak)"},
        {"common_tls_context: {" CERTS "}\nrequire_client_certificate: true\n",
         "require_client_certificate: no certificate would be good enough (say which are in "
         "validation_context: trusted_ca, for instance)"},
    };
    check(sayings, SP_ARRAY_LEN(sayings), kit_server_said);
}

static void of_validation(void **state)
{
    static const struct saying sayings[] = {
        {SERVER_VALIDATING(KIT_CA), ""},
        {SERVER_VALIDATING("trusted_ca: {filename: /nowhere/ca.pem}"),
         "common_tls_context.validation_context.trusted_ca.filename: cannot read /nowhere/ca.pem: No such "
         "file or directory (check the path and its permissions)"},
        {SERVER_VALIDATING("trusted_ca: @ca.key"),
         "common_tls_context.validation_context.trusted_ca: cannot be used: there is no certificate in "
         "PEM form in it"},
        {SERVER_VALIDATING("trusted_ca: {inline_string: \"\"}"),
         "common_tls_context.validation_context.trusted_ca: cannot be used: there is no certificate in "
         "PEM form in it"},
        {SERVER_VALIDATING("trusted_ca: {inline_string: \"-----BEGIN CERTIFICATE-----\\nMAA=\\n-----END CERTIFICATE-----\"}"),
         "common_tls_context.validation_context.trusted_ca: cannot be used: certificate 1 in it: "
         "malformed certificate"},
        {SERVER_VALIDATING("trusted_ca: {inline_string: \"-----BEGIN CERTIFICATE-----\\n!\\n-----END CERTIFICATE-----\"}"),
         "common_tls_context.validation_context.trusted_ca: cannot be used: a PEM block is no base64"},
        {SERVER_VALIDATING("trusted_ca: {inline_string: \"-----BEGIN CERTIFICATE-----\\nMAA=\"}"),
         "common_tls_context.validation_context.trusted_ca: cannot be used: a PEM block has no end"},
        {SERVER_VALIDATING("crl: @ca.cert"),
         "common_tls_context.validation_context.crl: cannot be checked without the CA that signed it (set "
         "trusted_ca)"},
        {SERVER_VALIDATING("match_subject_alt_names: [{exact: a}]"),
         "common_tls_context.validation_context.match_subject_alt_names: says nothing without a "
         "trusted_ca: anyone can write any name into a certificate (set trusted_ca)"},
        {SERVER_VALIDATING("verify_certificate_spki: [\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]"),
         "common_tls_context.validation_context.verify_certificate_spki[0]: is not the base64 of a SHA-256 "
         "(openssl x509 -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64)"},
        {SERVER_VALIDATING("verify_certificate_hash: [\"xx00000000000000000000000000000000000000000000000000000000000000\"]"),
         "common_tls_context.validation_context.verify_certificate_hash[0]: is not a SHA-256 in hex, with "
         "or without colons (openssl x509 -noout -fingerprint -sha256)"},
    };
    check(sayings, SP_ARRAY_LEN(sayings), kit_server_said);
    /* Later ones in longer documents: the place is not what matters. */
    assert_non_null(strstr(kit_server_said(SERVER_VALIDATING(KIT_CA ", crl: @ca.cert")),
                           "common_tls_context.validation_context.crl: cannot be used: there is no revocation list in PEM form "
                           "in it"));
    assert_non_null(strstr(
        kit_server_said(SERVER_VALIDATING(
            KIT_CA ", match_typed_subject_alt_names: [{san_type: IP_ADDRESS, matcher: {exact: localhost}}]")),
        "matcher.exact: is not an IP address (such as 192.0.2.1 or 2001:db8::1)"));
    assert_non_null(strstr(kit_server_said(SERVER_VALIDATING(
                               KIT_CA ", match_subject_alt_names: [{safe_regex: {regex: '('}}]")),
                           "safe_regex.regex: not a regular expression: "));
}

static void of_roots_and_other_names(void **state)
{
    assert_non_null(strstr(kit_server_said(SERVER_VALIDATING("system_root_certs: {}")), "anybody can get a certificate of a public CA"));
    assert_string_equal(kit_server_said(SERVER_VALIDATING("system_root_certs: {}, match_typed_subject_alt_names: [{san_type: DNS, "
                                                          "matcher: {exact: a.test}}]")), "");
    assert_string_equal(kit_client_said("common_tls_context: {validation_context: {system_root_certs: {}, "
                                        "match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a.test}}]}}"), "");
    assert_string_equal(kit_server_said(SERVER_VALIDATING(KIT_CA ", allow_expired_certificate: true, only_verify_leaf_cert_crl: true")), "");
    assert_non_null(strstr(kit_server_said(SERVER_VALIDATING(KIT_CA ", match_typed_subject_alt_names: [{san_type: OTHER_NAME, matcher: "
                                                                   "{exact: a}}]")), "oid: is not the type of an OTHER_NAME"));
    assert_non_null(strstr(kit_server_said(SERVER_VALIDATING(KIT_CA ", match_typed_subject_alt_names: [{san_type: DNS, oid: 1.2.3, "
                                                                   "matcher: {exact: a}}]")), "oid: is for OTHER_NAME only"));
}

static void of_clients(void **state)
{
    static const struct saying sayings[] = {
        {CLIENT_VALIDATING(KIT_CA), ""},
        {"sni: a.example\n",
         "warning: the origin's certificate is not verified: anyone in between can read and change what passes "
         "(set validation_context.trusted_ca, /etc/ssl/certs/ca-certificates.crt for instance, and "
         "match_typed_subject_alt_names)"},
        {"common_tls_context: {validation_context: {trust_chain_verification: ACCEPT_UNTRUSTED}}\n", ""},
        {"common_tls_context: {validation_context: {verify_certificate_hash: "
         "[\"0000000000000000000000000000000000000000000000000000000000000000\"]}}\n", ""},
    };
    assert_non_null(strstr(kit_client_said(KIT_CLIENT "allow_renegotiation: true\n"),
                           "is not supported: a peer that begins a second handshake is cut off (take it out; TLS 1.3 has none)"));
    check(sayings, SP_ARRAY_LEN(sayings), kit_client_said);
    assert_non_null(strstr(kit_client_said("common_tls_context: {validation_context: {" KIT_CA "}, tls_certificates: [" KIT_CERT
                                           ", " KIT_CERT "]}\n"),
                           "common_tls_context.tls_certificates[1]: a client shows one certificate (take the others out)"));
}

/* Everything that is wrong is said at once. */
static void of_much_at_once(void **state)
{
    const char *said = kit_server_said("common_tls_context:\n  tls_params: {cipher_suites: [a], ecdh_curves: [b]}\n"
                                       "  tls_certificates: [{certificate_chain: @server.cert, private_key: @client.key}]\n"
                                       "  validation_context: {trusted_ca: {filename: /nowhere}}\n");
    assert_non_null(strstr(said, "cipher_suites[0]"));
    assert_non_null(strstr(said, "ecdh_curves[0]"));
    assert_non_null(strstr(said, "private_key"));
    assert_non_null(strstr(said, "trusted_ca.filename"));
}

/* Keys as openssl writes them, with and without a password. */
static char *run(const char *command)
{
    static char out[16384];
    FILE *f = popen(command, "r");
    out[fread(out, 1, sizeof(out) - 1, f)] = 0;
    assert_int_equal(pclose(f), 0);
    return out;
}

static void write_file(const char *path, struct sp_str text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fwrite(text.ptr, 1, text.len, f);
    fclose(f);
}

static void passwords(void **state)
{
    char dir[] = "/tmp/sp-tls-XXXXXX", command[512], yaml[1024];
    assert_non_null(mkdtemp(dir));
    snprintf(command, sizeof(command), "%s/plain", dir);
    write_file(command, kit_cert("server")->key_pem);
    static const char *const forms[] = {
        "pkcs8 -topk8 -v2 aes-256-cbc -passout pass:sesame", "pkcs8 -topk8 -v2 aes-128-cbc -passout pass:sesame",
        "ec -aes256 -passout pass:sesame", "pkcs8 -topk8 -nocrypt", "ec"};
    for (size_t i = 0; i < SP_ARRAY_LEN(forms); i++) {
        bool plain = i >= 3;
        snprintf(command, sizeof(command), "cd %s && openssl %s -in plain -out key 2>/dev/null", dir, forms[i]);
        run(command);
        static const struct {
            const char *password, *said;
        } tries[] = {
            {", password: {inline_string: sesame}", ""},
            {"", "private_key: is encrypted (set password)\n"},
            {", password: {inline_string: wrong}",
             "private_key: cannot be decrypted (is password right? Ciphers other than AES are not supported)\n"},
        };
        for (size_t k = 0; k < SP_ARRAY_LEN(tries); k++) {
            snprintf(yaml, sizeof(yaml),
                     "common_tls_context: {tls_certificates: [{certificate_chain: @server.cert, private_key: {filename: %s/key}%s}]}\n",
                     dir, tries[k].password);
            const char *said = kit_server_said(yaml);
            bool good = plain || k == 0;
            if (good ? *said != 0 : !strstr(said, tries[k].said))
                fail_msg("%s, try %zu: %s", forms[i], k, said);
        }
    }
    snprintf(command, sizeof(command), "rm -r %s", dir);
    run(command);
}

/* What openssl makes of our CA: certificates that peers would not take, and chains that they would not follow. */
static void weak_certificates(void **state)
{
    static const struct {
        const char *key, *sign, *chain, *said;
    } cases[] = {
        {"rsa:2048", "-sha256", "leaf", ""},
        {"rsa:2048", "-sha384", "leaf ca", ""},
        {"rsa:1024", "-sha256", "leaf", "its key is not one of RSA of 2048 to 4096 bits, P-256, P-384, P-521 and Ed25519"},
        {"rsa:2048", "-sha1", "leaf", "it is signed with SHA-1 or another algorithm that peers do not take (have it issued with SHA-256)"},
        {"ec:prime256v1", "-sha1", "leaf ca", "it is signed with SHA-1 or another algorithm that peers do not take (have it issued with SHA-256)"},
        {"ec:prime256v1", "-sha224", "leaf", "it is signed with SHA-1 or another algorithm that peers do not take (have it issued with SHA-256)"},
        {"ec:secp256k1", "-sha256", "leaf", "its key is not one of RSA of 2048 to 4096 bits, P-256, P-384, P-521 and Ed25519"},
        {"ec:prime256v1", "-sha256", "leaf sha1", "a certificate behind the first is signed with SHA-1 or another algorithm that peers do not take "
                                                  "(have it issued with SHA-256)"},
        {"ec:prime256v1", "-sha256", "leaf stranger",
         "the second certificate in it is not the issuer of the first: peers may not find the path (put each behind the one that it issued)"},
        {"ec:prime256v1", "-sha256", "leaf ca stranger", ""},
        {"ec:prime256v1", "-sha256", "leaf ca ca ca ca ca ca ca ca", ""},
        {"ec:prime256v1", "-sha256", "leaf ca ca ca ca ca ca ca ca ca", "the chain is longer than nine certificates, which many peers do not take"},
    };
    char dir[] = "/tmp/sp-tls-XXXXXX", command[2048], yaml[1024];
    assert_non_null(mkdtemp(dir));
    static const char *const files[] = {"ca", "stranger"};
    for (size_t i = 0; i < SP_ARRAY_LEN(files); i++) {
        snprintf(command, sizeof(command), "%s/%s", dir, files[i]);
        write_file(command, kit_cert(files[i])->cert_pem);
    }
    snprintf(command, sizeof(command), "%s/ca.key", dir);
    write_file(command, kit_cert("ca")->key_pem);
    snprintf(command, sizeof(command), "cd %s && openssl genpkey -quiet -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out sha1.key && openssl "
             "pkey -in sha1.key -pubout -out sha1.pub && openssl x509 -new -subj /CN=sha1 -force_pubkey sha1.pub -sha1 -CA ca -CAkey ca.key "
             "-days 2 -out sha1 2>/dev/null", dir);
    run(command);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        const char *bits = cases[i].key + 4, *curve = cases[i].key + 3;
        bool rsa = cases[i].key[0] == 'r';
        snprintf(command, sizeof(command),
                 "cd %s && openssl genpkey -quiet -algorithm %s -pkeyopt %s:%s -out key && openssl pkey -in key -pubout -out pub && "
                 "openssl x509 -new -subj /CN=leaf -force_pubkey pub %s -CA ca -CAkey ca.key -days 2 -out leaf 2>/dev/null && cat %s > chain",
                 dir, rsa ? "rsa" : "ec", rsa ? "rsa_keygen_bits" : "ec_paramgen_curve", rsa ? bits : curve, cases[i].sign, cases[i].chain);
        run(command);
        snprintf(yaml, sizeof(yaml), "common_tls_context: {tls_certificates: [{certificate_chain: {filename: %s/chain}, private_key: "
                                     "{filename: %s/key}}]}\n", dir, dir);
        const char *said = kit_server_said(yaml);
        if (cases[i].said[0] ? !strstr(said, cases[i].said) : *said != 0)
            fail_msg("%s, %s, %s: %s", cases[i].key, cases[i].sign, cases[i].chain, said);
    }
    snprintf(command, sizeof(command), "rm -r %s", dir);
    run(command);
}

struct seen {
    unsigned leaves, cas;
};

static void see(void *arg, const struct sp_tls_cert_info *info)
{
    struct seen *s = arg;
    assert_true(sp_str_eq(info->path, SP_STR("<inline>")));
    assert_true(info->serial.len >= 2 && info->not_after > info->not_before);
    assert_true(sp_str_eq(info->issuer, SP_STR("CN=the CA")));
    if (info->is_ca) {
        s->cas++;
        assert_true(sp_str_eq(info->subject, SP_STR("CN=the CA")));
        return;
    }
    s->leaves++;
    assert_true(sp_str_eq(info->subject, SP_STR("CN=server")));
    assert_int_equal(info->n_dns, 2);
    assert_true(sp_str_eq(info->dns[1], SP_STR("*.example.com")));
    assert_int_equal(info->n_uri, 1);
}

static void certificates_are_told(void **state)
{
    struct seen seen = {0};
    struct sp_tls_ctx *ctx = kit_server(SERVER_VALIDATING(KIT_CA));
    sp_tls_ctx_certs(ctx, see, &seen);
    assert_int_equal(seen.leaves, 1);
    assert_int_equal(seen.cas, 1);
    assert_true(sp_tls_ctx_verifies(ctx));
    struct sp_tls_ctx *again = sp_tls_ctx_ref(ctx);
    sp_tls_ctx_unref(again);
    sp_tls_ctx_unref(ctx);
    ctx = kit_server("common_tls_context: {" CERTS "}\n");
    assert_false(sp_tls_ctx_verifies(ctx));
    sp_tls_ctx_unref(ctx);
    ctx = kit_server(SERVER_VALIDATING(KIT_CA ", trust_chain_verification: ACCEPT_UNTRUSTED"));
    assert_false(sp_tls_ctx_verifies(ctx));
    sp_tls_ctx_unref(ctx);
    sp_tls_ctx_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_servers),  cmocka_unit_test(of_validation), cmocka_unit_test(of_roots_and_other_names), cmocka_unit_test(of_clients),
        cmocka_unit_test(of_much_at_once), cmocka_unit_test(passwords), cmocka_unit_test(certificates_are_told),
        cmocka_unit_test(weak_certificates),
    };
    sp_tls_global_init();
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_tls_global_done();
    return r;
}
