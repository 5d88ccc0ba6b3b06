/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "tls_kit.h"

static void it_talks(void **state)
{
    static const size_t chunks[] = {0, 1, 7, 1000, SIZE_MAX};
    struct sp_tls_ctx *server = kit_server(KIT_SERVER), *client = kit_client(KIT_CLIENT);
    for (size_t i = 0; i < SP_ARRAY_LEN(chunks); i++) {
        struct kit_pair p;
        kit_pair_init(&p, client, server, "www.example.com", "www.example.com");
        p.chunk = chunks[i];
        kit_say(&p.client, "hello");
        kit_run(&p);
        assert_string_equal(kit_error(&p.client), "");
        assert_string_equal(kit_error(&p.server), "");
        assert_int_equal(p.client.state, SP_TLS_OPEN);
        assert_int_equal(p.server.state, SP_TLS_OPEN);
        assert_string_equal(kit_take(&p.server), "hello");
        kit_say(&p.server, "good day");
        kit_run(&p);
        assert_string_equal(kit_take(&p.client), "good day");
        const struct sp_tls_info *s = sp_tls_get_info(p.server.tls), *c = sp_tls_get_info(p.client.tls);
        assert_true(sp_str_eq(s->version, SP_STR("TLSv1.3")));
        assert_true(sp_str_eq(s->cipher, SP_STR("TLS_AES_128_GCM_SHA256")));
        assert_true(sp_str_eq(s->sni, SP_STR("www.example.com")));
        assert_true(sp_str_eq(s->alpn, SP_STR("h2")));
        assert_true(sp_str_eq(c->alpn, SP_STR("h2")));
        assert_true(sp_str_eq(s->local_subject, SP_STR("CN=server")));
        assert_false(s->peer_presented);
        assert_true(c->peer_presented && c->peer_verified);
        assert_true(sp_str_eq(c->peer_subject, SP_STR("CN=server")));
        kit_pair_done(&p);
    }
    sp_tls_ctx_unref(server);
    sp_tls_ctx_unref(client);
}


#define MTLS(need, validation) \
    "common_tls_context: {tls_certificates: [" KIT_CERT "], validation_context: {" validation "}}\n" \
    "require_client_certificate: " need "\n"
#define WITH(name) \
    "common_tls_context: {validation_context: {trusted_ca: @ca.cert}, tls_certificates: [{certificate_chain: @" name \
    ".cert, private_key: @" name ".key}]}\n"
#define SAN(type, matcher) KIT_CA ", match_typed_subject_alt_names: [{san_type: " type ", matcher: {" matcher "}}]"

struct outcome {
    const char *client, *server;
    enum sp_tls_fail failure;
    const char *error; /* of the server */
    bool verified;
};

/* Each over TLS 1.3 and over 1.2, by way of the server's maximum. */
static void with_client_certificates(void **state)
{
    static const struct outcome outcomes[] = {
        {KIT_CLIENT, MTLS("false", KIT_CA), SP_TLS_FAIL_NONE, "", false},
        {KIT_CLIENT, MTLS("true", KIT_CA), SP_TLS_FAIL_NO_CERT, "TLS error: peer did not return a certificate", false},
        {WITH("client"), MTLS("true", KIT_CA), SP_TLS_FAIL_NONE, "", true},
        {WITH("client"), MTLS("false", KIT_CA), SP_TLS_FAIL_NONE, "", true},
        {WITH("stranger"), MTLS("true", KIT_CA), SP_TLS_FAIL_VERIFY_CA,
         "TLS error: certificate verification failed at depth 0: unable to get local issuer certificate", false},
        {WITH("stranger"), MTLS("false", KIT_CA), SP_TLS_FAIL_VERIFY_CA,
         "TLS error: certificate verification failed at depth 0: unable to get local issuer certificate", false},
        {WITH("self"), MTLS("false", KIT_CA), SP_TLS_FAIL_VERIFY_CA,
         "TLS error: certificate verification failed at depth 0: unsuitable certificate purpose", false},
        {WITH("expired"), MTLS("true", KIT_CA), SP_TLS_FAIL_VERIFY_CA,
         "TLS error: certificate verification failed at depth 0: certificate has expired", false},
        {WITH("no_client_usage"), MTLS("true", KIT_CA), SP_TLS_FAIL_VERIFY_CA,
         "TLS error: certificate verification failed at depth 0: unsuitable certificate purpose", false},
        {WITH("stranger"), MTLS("true", KIT_CA ", trust_chain_verification: ACCEPT_UNTRUSTED"), SP_TLS_FAIL_NONE, "", false},
        {WITH("client"), MTLS("true", KIT_CA ", trust_chain_verification: ACCEPT_UNTRUSTED"), SP_TLS_FAIL_NONE, "", true},
        {KIT_CLIENT, MTLS("true", KIT_CA ", trust_chain_verification: ACCEPT_UNTRUSTED"), SP_TLS_FAIL_NO_CERT,
         "TLS error: peer did not return a certificate", false},
        {WITH("client"), MTLS("true", SAN("URI", "exact: \"spiffe://example.com/client\"")), SP_TLS_FAIL_NONE, "", true},
        {WITH("client"), MTLS("true", SAN("DNS", "suffix: .test")), SP_TLS_FAIL_NONE, "", true},
        {WITH("client"), MTLS("true", SAN("DNS", "exact: \"spiffe://example.com/client\"")), SP_TLS_FAIL_VERIFY_SAN,
         "TLS error: certificate verification failed: none of its names is one that is accepted", false},
        {WITH("client"),
         MTLS("true", KIT_CA ", trust_chain_verification: ACCEPT_UNTRUSTED, match_subject_alt_names: [{exact: nobody}]"),
         SP_TLS_FAIL_VERIFY_SAN, "TLS error: certificate verification failed: none of its names is one that is accepted",
         false},
    };
    for (size_t i = 0; i < 2 * SP_ARRAY_LEN(outcomes); i++) {
        const struct outcome *o = &outcomes[i / 2];
        struct kit_pair p;
        char server[4096];
        snprintf(server, sizeof(server), "common_tls_context: {%s%s", i % 2 ? KIT_TLS12 : "",
                 o->server + strlen("common_tls_context: {"));
        kit_meet(&p, o->client, server, "www.example.com", "");
        if (strcmp(kit_error(&p.server), o->error) != 0 || sp_tls_failure(p.server.tls) != o->failure)
            fail_msg("outcome %zu: %s", i, kit_error(&p.server));
        if (o->failure == SP_TLS_FAIL_NONE) {
            kit_both_well(&p);
            const struct sp_tls_info *info = sp_tls_get_info(p.server.tls);
            assert_string_equal(info->version.ptr, i % 2 ? "TLSv1.2" : "TLSv1.3");
            assert_int_equal(info->peer_verified, o->verified);
            assert_int_equal(info->peer_presented, strcmp(o->client, KIT_CLIENT) != 0);
            assert_int_equal(sp_tls_peer_der(p.server.tls).len > 0, info->peer_presented);
        } else {
            assert_string_equal(kit_take(&p.server), "");
            assert_int_equal(p.client.state, SP_TLS_FAILED);
            assert_non_null(strstr(kit_error(&p.client), "TLS error: the peer sent the alert"));
        }
        kit_pair_done(&p);
    }
}

static void pump(struct kit_side *s)
{
    s->state = sp_tls_pump(s->tls, &s->net_in, &s->app_in, &s->app_out, &s->net_out, 65536);
}

/* As OpenSSL's clients say in TLS 1.3 that they do not trust the certificate: they have no keys yet. */
static void an_alert_in_the_clear(void **state)
{
    (void)state;
    static const uint8_t unknown_ca[] = {21, 3, 3, 0, 2, 2, 48};
    struct sp_tls_ctx *server = kit_server(KIT_SERVER), *client = kit_client(KIT_CLIENT);
    for (size_t step = 1; step <= sizeof(unknown_ca); step++) {
        struct kit_pair p;
        kit_pair_init(&p, client, server, "www.example.com", NULL);
        pump(&p.client);
        sp_buf_move(&p.server.net_in, &p.client.net_out);
        pump(&p.server);
        assert_int_equal(p.server.state, SP_TLS_HANDSHAKE);
        for (size_t i = 0; i < sizeof(unknown_ca) && p.server.state == SP_TLS_HANDSHAKE; i += step) {
            sp_buf_append(&p.server.net_in, unknown_ca + i, SP_MIN(step, sizeof(unknown_ca) - i));
            pump(&p.server);
        }
        assert_int_equal(p.server.state, SP_TLS_FAILED);
        /* Which one is known if it is there by the time that wolfSSL gives up. */
        assert_non_null(strstr(kit_error(&p.server), "TLS error: the peer sent the alert \"unknown"));
        if (step == sizeof(unknown_ca))
            assert_string_equal(kit_error(&p.server), "TLS error: the peer sent the alert \"unknown CA\"");
        kit_pair_done(&p);
    }
    sp_tls_ctx_unref(server);
    sp_tls_ctx_unref(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_talks),
        cmocka_unit_test(with_client_certificates),
        cmocka_unit_test(an_alert_in_the_clear),
    };
    sp_tls_global_init();
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_tls_global_done();
    return r;
}
