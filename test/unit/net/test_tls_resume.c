/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Session tickets, on both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "net/tls_ticket.h"
#include "tls_kit.h"

#define CLIENT12 "common_tls_context: {" KIT_TLS12 "validation_context: {" KIT_CA "}}\n"

#define SERVER12 "common_tls_context: {" KIT_TLS12 "tls_certificates: [" KIT_CERT "], alpn_protocols: [h2]}\n"

/* One connection; whether it resumed (both sides agree). */
static bool connect_once(struct sp_tls_ctx *client, struct sp_tls_ctx *server, const char *sni, const char *host)
{
    struct kit_pair p;
    kit_pair_init(&p, client, server, sni, host);
    kit_say(&p.client, "hello");
    kit_say(&p.server, "good day");
    kit_run(&p);
    kit_both_well(&p);
    bool resumed = sp_tls_resumed(p.client.tls);
    assert_int_equal(resumed, sp_tls_resumed(p.server.tls));
    const struct sp_tls_info *c = sp_tls_get_info(p.client.tls);
    /* Who the server is is known of a resumed session too. */
    assert_true(c->peer_presented && c->peer_verified && sp_str_eq(c->peer_subject, SP_STR("CN=server")));
    assert_true(sp_str_eq(c->alpn, SP_STR("h2")));
    kit_pair_done(&p);
    return resumed;
}

static const char *version_of(struct sp_tls_ctx *client, struct sp_tls_ctx *server)
{
    static char version[16];
    struct kit_pair p;
    kit_pair_init(&p, client, server, "www.example.com", "");
    kit_run(&p);
    struct sp_str v = sp_tls_get_info(p.client.tls)->version;
    snprintf(version, sizeof(version), "%.*s", SP_STR_ARG(v));
    kit_pair_done(&p);
    return version;
}

static void resumes(const char *client_yaml, const char *server_yaml, bool expected)
{
    struct sp_tls_ctx *client = kit_client(client_yaml), *server = kit_server(server_yaml);
    assert_false(connect_once(client, server, "www.example.com", ""));
    for (unsigned i = 0; i < 5; i++)
        if (connect_once(client, server, "www.example.com", "") != expected)
            fail_msg("connection %u, %s", i + 2, expected ? "not resumed" : "resumed");
    sp_tls_ctx_unref(client);
    sp_tls_ctx_unref(server);
}

static void tickets_resume(void **state)
{
    resumes(KIT_CLIENT, KIT_SERVER, true);
    resumes(KIT_CLIENT "max_session_keys: 10\n", KIT_SERVER, true);
    resumes(KIT_CLIENT, KIT_SERVER "session_timeout: 60s\n", true);
    resumes(CLIENT12, KIT_SERVER, true);
    resumes(CLIENT12 "max_session_keys: 10\n", KIT_SERVER, true);
    resumes(KIT_CLIENT, SERVER12, true);
}

/* A server that falls back to TLS 1.2 refuses the ticket and is talked to all the same. */
static void a_ticket_is_refused(void **state)
{
    struct sp_tls_ctx *client = kit_client(KIT_CLIENT), *server = kit_server(KIT_SERVER);
    struct sp_tls_ctx *older = kit_server(SERVER12);
    assert_false(connect_once(client, server, "www.example.com", ""));
    assert_false(connect_once(client, older, "www.example.com", ""));
    assert_true(connect_once(client, older, "www.example.com", ""));
    /* One that has learned TLS 1.3 does not know the ticket of TLS 1.2, which is then forgotten: no way back is blocked. */
    assert_string_equal(version_of(client, server), "TLSv1.2");
    assert_string_equal(version_of(client, server), "TLSv1.3");
    assert_true(connect_once(client, server, "www.example.com", ""));
    sp_tls_ctx_unref(client);
    sp_tls_ctx_unref(server);
    sp_tls_ctx_unref(older);
}

static void tickets_are_off(void **state)
{
    resumes(KIT_CLIENT "max_session_keys: 0\n", KIT_SERVER, false);
    resumes(CLIENT12 "max_session_keys: 0\n", KIT_SERVER, false);
    resumes(KIT_CLIENT, KIT_SERVER "disable_stateless_session_resumption: true\n", false);
    resumes(CLIENT12, KIT_SERVER "disable_stateless_session_resumption: true\n", false);
    resumes(KIT_CLIENT, KIT_SERVER "session_timeout: 0s\n", false);
    resumes(CLIENT12, KIT_SERVER "session_timeout: 0s\n", false);
}

#define MTLS(need) \
    "common_tls_context: {tls_certificates: [" KIT_CERT "], validation_context: {" KIT_CA "}, " \
    "alpn_protocols: [h2]}\nrequire_client_certificate: " need "\n"
#define WITH_CLIENT(params) \
    "common_tls_context: {" params "validation_context: {" KIT_CA "}, tls_certificates: [{certificate_chain: " \
    "@client.cert, private_key: @client.key}]}\n"

/* dependencies.md section 2, pitfall 2. */
static void never_where_a_client_certificate_is_asked_for(void **state)
{
    resumes(WITH_CLIENT(""), MTLS("true"), false);
    resumes(WITH_CLIENT(""), MTLS("false"), false);
    resumes(KIT_CLIENT, MTLS("false"), false);
    resumes(WITH_CLIENT(KIT_TLS12), MTLS("true"), false);
    resumes(CLIENT12, MTLS("false"), false);
}

/* A ticket from a context that asks for no certificate, shown to one that does. */
static void a_ticket_is_no_client_certificate(void **state)
{
    static const char *const clients[] = {KIT_CLIENT, CLIENT12};
    for (size_t i = 0; i < SP_ARRAY_LEN(clients); i++) {
        struct sp_tls_ctx *client = kit_client(clients[i]), *open = kit_server(KIT_SERVER), *closed = kit_server(MTLS("true"));
        assert_false(connect_once(client, open, "www.example.com", ""));
        struct kit_pair p;
        kit_pair_init(&p, client, closed, "www.example.com", "");
        kit_say(&p.client, "hello");
        kit_run(&p);
        assert_string_equal(kit_error(&p.server), "TLS error: peer did not return a certificate");
        assert_string_equal(kit_take(&p.server), "");
        kit_pair_done(&p);
        sp_tls_ctx_unref(client);
        sp_tls_ctx_unref(open);
        sp_tls_ctx_unref(closed);
    }
}

static void belong_to_their_names(const char *yaml, bool tls12)
{
    struct sp_tls_ctx *client = kit_client(yaml), *server = kit_server(KIT_SERVER), *another = kit_server(KIT_SERVER);
    assert_false(connect_once(client, server, "a.example.com", "a.example.com"));
    assert_false(connect_once(client, server, "b.example.com", "b.example.com"));
    assert_false(connect_once(client, server, "a.example.com", "")); /* what was verified is part of it */
    assert_false(connect_once(client, server, NULL, ""));
    assert_true(connect_once(client, server, "a.example.com", "a.example.com"));
    assert_true(connect_once(client, server, "b.example.com", "b.example.com"));
    assert_true(connect_once(client, server, NULL, ""));
    /* Another context has other keys, and just does a full handshake. */
    assert_false(connect_once(client, another, "a.example.com", "a.example.com"));
    if (tls12) /* after one that is not taken the next has none */
        assert_false(connect_once(client, another, "a.example.com", "a.example.com"));
    assert_true(connect_once(client, another, "a.example.com", "a.example.com"));
    sp_tls_ctx_unref(client);
    sp_tls_ctx_unref(server);
    sp_tls_ctx_unref(another);
}

static void sessions_belong_to_their_names(void **state)
{
    belong_to_their_names(KIT_CLIENT "max_session_keys: 8\n", false);
    belong_to_their_names(CLIENT12 "max_session_keys: 8\n", true);
}

/* A session that was resumed under a name that the certificate does not bear would be a way round verify_name. */
static void a_name_is_verified_on_each_path(void **state)
{
    struct sp_tls_ctx *client = kit_client(KIT_CLIENT), *server = kit_server(KIT_SERVER);
    assert_false(connect_once(client, server, "www.example.com", ""));
    struct kit_pair p;
    kit_pair_init(&p, client, server, "www.example.com", "evil.test");
    kit_run(&p);
    assert_int_equal(sp_tls_failure(p.client.tls), SP_TLS_FAIL_VERIFY_SAN);
    kit_pair_done(&p);
    sp_tls_ctx_unref(client);
    sp_tls_ctx_unref(server);
}

struct sealed {
    uint8_t name[SP_TICKET_NAME], iv[SP_TICKET_IV], mac[SP_TICKET_MAC], p[40 + 16];
    size_t n; /* of p */
};

static const char text[40] = "thirty-nine bytes of a session's state.";

static struct sp_ticket_parts parts_of(struct sealed *s, size_t n)
{
    return (struct sp_ticket_parts){s->name, s->iv, s->mac, s->p, n, sizeof(s->p), 0};
}

static bool seal(struct sp_tls_tickets *t, uint64_t now, const char *binding, struct sealed *s)
{
    struct sp_ticket_parts parts = parts_of(s, sizeof(text));
    memcpy(s->p, text, sizeof(text));
    return sp_tls_ticket_seal(t, now, sp_str_c(binding), &parts, &s->n);
}

static bool opens(struct sp_tls_tickets *t, uint64_t now, const char *binding, struct sealed s)
{
    struct sp_ticket_parts parts = parts_of(&s, s.n);
    size_t n = 0;
    if (!sp_tls_ticket_open(t, now, sp_str_c(binding), &parts, &n))
        return false;
    assert_int_equal(n, sizeof(text));
    assert_memory_equal(s.p, text, sizeof(text));
    return true;
}

/* Not with any bit of it changed, nor cut short. */
static void only_as_it_is(struct sp_tls_tickets *t, struct sealed s, size_t iv, size_t mac)
{
    struct {
        uint8_t *p;
        size_t n;
    } parts[] = {{s.name, sizeof(s.name)}, {s.iv, iv}, {s.mac, mac}, {s.p, s.n}};
    assert_true(opens(t, 100, "a.test", s));
    for (size_t i = 0; i < SP_ARRAY_LEN(parts); i++)
        for (size_t k = 0; k < parts[i].n; k++) {
            parts[i].p[k] ^= 1;
            assert_false(opens(t, 100, "a.test", s));
            parts[i].p[k] ^= 1;
        }
    while (s.n-- > 0)
        assert_false(opens(t, 100, "a.test", s));
}

static void tickets_are_sealed(void **state)
{
    enum { HOUR = SP_TICKET_ROTATE_S };
    struct sp_tls_tickets *t = sp_tls_tickets_new(HOUR), *other = sp_tls_tickets_new(HOUR), *brief = sp_tls_tickets_new(60);
    struct sealed s, old;
    assert_true(seal(t, 100, "a.test", &s));
    assert_memory_not_equal(s.p, text, sizeof(text));
    assert_true(opens(t, 100, "a.test", s));
    assert_false(opens(t, 100, "b.test", s));
    assert_false(opens(t, 100, "", s));
    assert_false(opens(t, 99, "a.test", s)); /* from the future */
    assert_true(seal(other, 100, "a.test", &old));
    assert_false(opens(other, 100, "a.test", s));
    only_as_it_is(t, s, 12, 16);
    /* Into the next hour it is still good, for its lifetime. */
    assert_true(seal(t, HOUR - 1, "a.test", &s));
    assert_true(opens(t, HOUR + 1, "a.test", s));
    assert_true(seal(t, HOUR + 1, "a.test", &old));
    assert_true(opens(t, HOUR + 1, "a.test", old));
    assert_true(opens(t, 2 * HOUR - 1, "a.test", s));
    assert_false(opens(t, 2 * HOUR, "a.test", s));
    assert_true(opens(t, 2 * HOUR, "a.test", old));
    /* A long pause: all keys are new. */
    assert_true(seal(t, 9 * HOUR, "a.test", &s));
    assert_false(opens(t, 9 * HOUR, "a.test", old));
    assert_true(seal(brief, 1000, "", &s));
    assert_true(opens(brief, 1060, "", s));
    assert_false(opens(brief, 1061, "", s));
    sp_tls_tickets_free(t);
    sp_tls_tickets_free(other);
    sp_tls_tickets_free(brief);
}

/* Two of one plaintext share neither nonce nor ciphertext. */
static void no_ticket_comes_twice(void **state)
{
    struct sp_tls_tickets *t = sp_tls_tickets_new(60);
    struct sealed a, b;
    assert_true(seal(t, 1, "", &a) && seal(t, 1, "", &b));
    assert_memory_not_equal(a.iv, b.iv, 12);
    assert_memory_not_equal(a.p, b.p, sizeof(a.p));
    sp_tls_tickets_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tickets_resume),
        cmocka_unit_test(a_ticket_is_refused),
        cmocka_unit_test(tickets_are_off),
        cmocka_unit_test(never_where_a_client_certificate_is_asked_for),
        cmocka_unit_test(a_ticket_is_no_client_certificate),
        cmocka_unit_test(sessions_belong_to_their_names),
        cmocka_unit_test(a_name_is_verified_on_each_path),
        cmocka_unit_test(tickets_are_sealed),
        cmocka_unit_test(no_ticket_comes_twice),
    };
    sp_tls_global_init();
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_tls_global_done();
    return r;
}
