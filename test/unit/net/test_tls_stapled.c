/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OCSP responses that a server staples, as a client of ours judges them; test/integration/test_origin_ocsp.py has those that a
 * server of ours would never staple.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crypto/cert_gen.h"
#include "tls_kit.h"

static char dir[] = "/tmp/sp-stapled-XXXXXX";

static void spit(const char *name, const char *mode, struct sp_str text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, mode);
    assert_non_null(f);
    fwrite(text.ptr, 1, text.len, f);
    fclose(f);
}

static int make_files(void **state)
{
    char command[1024];
    if (!mkdtemp(dir))
        return -1;
    spit("ca.pem", "w", kit_cert("ca")->cert_pem);
    spit("ca.key", "w", kit_cert("ca")->key_pem);
    spit("server.key", "w", kit_cert("server")->key_pem);
    spit("server.pem", "w", kit_cert("server")->cert_pem);
    spit("chain.pem", "w", kit_cert("server")->cert_pem);
    spit("chain.pem", "a", kit_cert("ca")->cert_pem);
    snprintf(command, sizeof(command),
             "cd %s; s=$(openssl x509 -in server.pem -noout -serial | cut -d= -f2); printf 'V\\t491231235959Z\\t\\t%%s\\tunknown\\t/CN=s\\n' $s >index;"
             "openssl ocsp -issuer ca.pem -cert server.pem -reqout question >log 2>&1; openssl ocsp -index index -CA ca.pem -rsigner ca.pem "
             "-rkey ca.key -reqin question -respout good.der -ndays 7 >>log 2>&1", dir);
    return system(command);
}

static int remove_files(void **state)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

static struct sp_tls_ctx *server(const char *params, bool staples)
{
    char yaml[512];
    snprintf(yaml, sizeof(yaml), "common_tls_context: {%s tls_certificates: [{certificate_chain: {filename: %s/chain.pem}, private_key: {filename: "
             "%s/server.key}%s%s%s}], alpn_protocols: [h2]}\n", params, dir, dir, staples ? ", ocsp_staple: {filename: " : "",
             staples ? dir : "", staples ? "/good.der}" : "");
    return kit_server(yaml);
}

#define REVOCATION(text) \
    KIT_CA ", custom_validator_config: {name: revocation, typed_config: {\"@type\": type.googleapis.com/sallyport.tls.v1.Revocation, " text "}}"
#define CLIENT(text) "common_tls_context: {validation_context: {" REVOCATION(text) "}}\n"

static void meet(struct sp_tls_ctx *c, struct sp_tls_ctx *s, const char *error, enum sp_tls_staple seen, bool resumed)
{
    struct kit_pair p;
    kit_pair_init(&p, c, s, "www.example.com", "");
    p.chunk = SIZE_MAX;
    kit_say(&p.client, "hello");
    kit_say(&p.server, "good day");
    kit_run(&p);
    assert_string_equal(kit_error(&p.client), error);
    assert_int_equal(sp_tls_stapled(p.client.tls), seen);
    assert_string_equal(kit_take(&p.client), *error ? "" : "good day"); /* not a byte of one who is refused */
    if (*error) {
        assert_int_equal(sp_tls_failure(p.client.tls), SP_TLS_FAIL_VERIFY_CA);
        assert_string_equal(kit_take(&p.server), "");
    } else {
        assert_int_equal(sp_tls_resumed(p.client.tls), resumed);
        assert_true((sp_tls_stapled_until(p.client.tls) > time(NULL)) == (seen == SP_STAPLE_GOOD));
        assert_true(sp_tls_peer_issuer_der(p.client.tls).len > 0);
    }
    kit_pair_done(&p);
}

static void policies(void **state)
{
    static const char *const versions[] = {"", KIT_TLS12};
    for (size_t i = 0; i < SP_ARRAY_LEN(versions); i++) {
        struct sp_tls_ctx *with = server(versions[i], true), *without = server(versions[i], false);
        struct sp_tls_ctx *strict = kit_client(CLIENT("staples: STRICT_STAPLES")), *lenient = kit_client(CLIENT("staples: LENIENT_STAPLES")),
                          *asks = kit_client(CLIENT("ocsp: {cluster: x}"));
        meet(strict, without, "TLS error: certificate verification failed: no OCSP response is stapled", SP_STAPLE_MISSING, false);
        meet(strict, with, "", SP_STAPLE_GOOD, false);
        meet(strict, with, "", SP_STAPLE_GOOD, true); /* what the session began with */
        meet(lenient, with, "", SP_STAPLE_GOOD, false);
        meet(lenient, with, "", SP_STAPLE_GOOD, true);
        sp_tls_ctx_unref(lenient);
        lenient = kit_client(CLIENT("staples: LENIENT_STAPLES"));
        meet(lenient, without, "", SP_STAPLE_MISSING, false);
        meet(lenient, without, "", SP_STAPLE_NOT_ASKED, true);
        meet(asks, with, "", SP_STAPLE_NOT_ASKED, false);
        struct sp_tls_ctx *all[] = {with, without, strict, lenient, asks};
        for (size_t k = 0; k < SP_ARRAY_LEN(all); k++)
            sp_tls_ctx_unref(all[k]);
    }
}

/* Whoever asked a responder may say no after the handshake. */
static void distrusted(void **state)
{
    struct sp_tls_ctx *c = kit_client(CLIENT("ocsp: {cluster: x}")), *s = server("", false);
    struct kit_pair p;
    kit_pair_init(&p, c, s, "www.example.com", "");
    kit_run(&p);
    assert_int_equal(sp_tls_state(p.client.tls), SP_TLS_OPEN);
    sp_tls_distrust(p.client.tls, "it is revoked");
    assert_int_equal(sp_tls_state(p.client.tls), SP_TLS_FAILED);
    assert_string_equal(kit_error(&p.client), "TLS error: certificate verification failed: it is revoked");
    assert_int_equal(sp_tls_failure(p.client.tls), SP_TLS_FAIL_VERIFY_CA);
    kit_pair_done(&p);
    sp_tls_ctx_unref(c);
    sp_tls_ctx_unref(s);
}

static void said(const char *what, const char *words)
{
    if (!strstr(what, words))
        fail_msg("%s", what);
}

static void what_is_said(void **state)
{
    said(kit_server_said("common_tls_context: {tls_certificates: [" KIT_CERT "], validation_context: {" REVOCATION("staples: STRICT_STAPLES") "}}\n"),
         "staples: is for the certificates of origins: clients staple nothing (take it out)");
    said(kit_client_said(CLIENT("staples: STRICT_STAPLES, ocsp: {cluster: x}")),
         "staples: would never have ocsp asked (with LENIENT_STAPLES it is asked where nothing is stapled that counts)");
    said(kit_client_said("common_tls_context: {validation_context: {trust_chain_verification: ACCEPT_UNTRUSTED, " REVOCATION("staples: STRICT_STAPLES")
                         "}}\n"),
         "staples: cannot be believed without a known issuer (trust_chain_verification is ACCEPT_UNTRUSTED)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(policies), cmocka_unit_test(distrusted), cmocka_unit_test(what_is_said)};
    sp_tls_global_init();
    int r = cmocka_run_group_tests(tests, make_files, remove_files);
    sp_tls_global_done();
    return r;
}
