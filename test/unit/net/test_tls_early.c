/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Early data: taken once, from a fresh ticket, before the client's Finished, and answered then; else passed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "early_client.h"

#define WORD "GET / HTTP/1.1\r\nhost: a\r\n\r\n"

#ifdef SP_EARLY_DATA
static void finish(struct early_client *c)
{
    if (!early_finish(c))
        fail_msg("%d: %s", c->server.state, kit_error(&c->server));
}

static const char *hear(struct early_client *c)
{
    static char text[256];
    int n = wolfSSL_read(c->ssl, text, sizeof(text) - 1);
    text[SP_MAX(n, 0)] = 0;
    return text;
}

static void send_early(struct early_client *c, const char *text, size_t n)
{
    int sent = 0;
    int r = wolfSSL_write_early_data(c->ssl, text, (int)n, &sent);
    if (r != (int)n)
        fail_msg("%d: %d", r, wolfSSL_get_error(c->ssl, r));
}

/* A second visit that sends WORD early, carried n bytes at a time; the ticket is used up. */
static void visit(struct early_client *c, struct sp_tls_ctx *server, const char *alpn, WOLFSSL_SESSION *session, size_t n)
{
    early_begin(c, server, alpn, session);
    wolfSSL_SESSION_free(session);
    send_early(c, WORD, strlen(WORD));
    early_carry(c, n);
}

static void works_on(struct early_client *c)
{
    finish(c);
    kit_say(&c->server, "later");
    early_pump(&c->server, 65536);
    assert_string_equal(hear(c), "later");
    assert_int_equal(wolfSSL_write(c->ssl, "on", 2), 2);
    assert_int_equal(wolfSSL_update_keys(c->ssl), WOLFSSL_SUCCESS);
    assert_int_equal(wolfSSL_write(c->ssl, "wards", 5), 5);
    early_carry(c, 0);
    assert_string_equal(kit_take(&c->server), "onwards");
}

static void taken(struct sp_tls_ctx *server, size_t n)
{
    struct early_client c;
    visit(&c, server, "h2", early_ticket(server, "h2"), n);
    assert_int_equal(c.server.state, SP_TLS_EARLY);
    assert_int_equal(sp_tls_early_fate(c.server.tls), SP_TLS_EARLY_ACCEPTED);
    assert_int_equal(sp_tls_early_bytes(c.server.tls), strlen(WORD));
    assert_string_equal(kit_take(&c.server), WORD);
    const struct sp_tls_info *info = sp_tls_get_info(c.server.tls);
    assert_true(sp_str_eq(info->alpn, SP_STR("h2")) && sp_str_eq(info->version, SP_STR("TLSv1.3")) && info->curve.len);
    assert_true(sp_tls_resumed(c.server.tls));
    assert_true(sp_tls_early_allows(c.server.tls, SP_STR("GET")) && !sp_tls_early_allows(c.server.tls, SP_STR("POST")));
    /* The answer is there before the client's Finished. */
    kit_say(&c.server, "early answer");
    early_pump(&c.server, 65536);
    assert_true(c.server.net_out.len > 0);
    assert_int_equal(wolfSSL_connect(c.ssl), WOLFSSL_SUCCESS);
    assert_string_equal(hear(&c), "early answer");
    assert_int_equal(c.server.state, SP_TLS_EARLY);
    early_carry(&c, n);
    assert_int_equal(c.server.state, SP_TLS_OPEN);
    works_on(&c);
    early_end(&c);
}

static void it_is_taken(void **state)
{
    (void)state;
    struct sp_tls_ctx *server = kit_server(EARLY(""));
    taken(server, 0);
    taken(server, 1);
    taken(server, 100);
    sp_tls_ctx_unref(server);
}

/* It is not taken out of app_in before more comes behind it: the first is still told apart. */
static void all_at_once(void **state)
{
    (void)state;
    struct sp_tls_ctx *server = kit_server(EARLY(""));
    struct early_client c;
    visit(&c, server, "h2", early_ticket(server, "h2"), 0);
    assert_int_equal(wolfSSL_connect(c.ssl), WOLFSSL_SUCCESS);
    assert_int_equal(wolfSSL_write(c.ssl, "more", 4), 4);
    early_carry(&c, 0);
    assert_int_equal(c.server.state, SP_TLS_OPEN);
    assert_int_equal(sp_tls_early_bytes(c.server.tls), strlen(WORD));
    assert_string_equal(kit_take(&c.server), WORD "more");
    early_end(&c);
    sp_tls_ctx_unref(server);
}

static void expect_passed_over(struct early_client *c, enum sp_tls_early_fate fate)
{
    assert_int_equal(c->server.state, SP_TLS_HANDSHAKE);
    assert_int_equal(c->server.app_in.len, 0);
    assert_int_equal(sp_tls_early_fate(c->server.tls), fate);
    assert_int_equal(sp_tls_early_bytes(c->server.tls), 0);
    works_on(c);
    early_end(c);
}

static void where_it_is_off(void **state)
{
    (void)state;
    struct sp_tls_ctx *server = kit_server(KIT_SERVER);
    struct early_client c;
    visit(&c, server, "h2", early_ticket(server, "h2"), 0);
    expect_passed_over(&c, SP_TLS_EARLY_NONE);
    sp_tls_ctx_unref(server);
}

static void replays(void **state)
{
    (void)state;
    struct sp_tls_ctx *server = kit_server(EARLY("")), *restarted = kit_server(EARLY(""));
    struct early_client c;
    struct kit_side copy;
    visit(&c, server, "h2", early_ticket(server, "h2"), 0);
    assert_int_equal(c.server.state, SP_TLS_EARLY);
    for (unsigned i = 0; i < 3; i++) {
        kit_side_init(&copy, sp_tls_accept(i == 2 ? restarted : server));
        char bytes[4096];
        size_t n = sp_buf_peek(&c.kept, bytes, sizeof(bytes));
        sp_buf_append(&copy.net_in, bytes, n);
        early_pump(&copy, 65536);
        assert_int_equal(copy.state, SP_TLS_HANDSHAKE);
        assert_int_equal(copy.app_in.len, 0);
        assert_int_equal(sp_tls_early_fate(copy.tls), i == 2 ? SP_TLS_EARLY_REJECTED : SP_TLS_EARLY_REPLAYED);
        kit_side_done(&copy);
    }
    assert_string_equal(kit_take(&c.server), WORD);
    works_on(&c);
    early_end(&c);
    sp_tls_ctx_unref(server);
    sp_tls_ctx_unref(restarted);
}

/* The client itself comes again with a ticket that it has used: a new ClientHello, the same ticket. */
static void a_ticket_used_twice(void **state)
{
    (void)state;
    struct sp_tls_ctx *server = kit_server(EARLY(""));
    WOLFSSL_SESSION *s = early_ticket(server, "h2"), *again = wolfSSL_SESSION_dup(s);
    struct early_client c;
    visit(&c, server, "h2", s, 0);
    assert_int_equal(c.server.state, SP_TLS_EARLY);
    early_end(&c);
    visit(&c, server, "h2", again, 0);
    assert_true(sp_tls_early_fate(c.server.tls) == SP_TLS_EARLY_REPLAYED);
    expect_passed_over(&c, SP_TLS_EARLY_REPLAYED);
    sp_tls_ctx_unref(server);
}

/* RFC 8446 section 4.2.10: the protocol of the session. */
static void another_protocol(void **state)
{
    (void)state;
    struct sp_tls_ctx *server = kit_server(EARLY(""));
    struct early_client c;
    visit(&c, server, "http/1.1", early_ticket(server, "h2"), 0);
    expect_passed_over(&c, SP_TLS_EARLY_REJECTED);
    visit(&c, server, "http/1.1", early_ticket(server, "http/1.1"), 0);
    assert_int_equal(c.server.state, SP_TLS_EARLY);
    early_end(&c);
    sp_tls_ctx_unref(server);
}

static void too_much(void **state)
{
    (void)state;
    char text[101] = {0};
    struct sp_tls_ctx *server = kit_server(EARLY(", max_bytes: 100"));
    struct early_client c;
    memset(text, 'a', 101);
    for (size_t n = 100; n <= 101; n++) {
        WOLFSSL_SESSION *s = early_ticket(server, "h2");
        early_begin(&c, server, "h2", s);
        wolfSSL_SESSION_free(s);
        send_early(&c, text, 60);
        send_early(&c, text, n - 60);
        early_carry(&c, 0);
        assert_int_equal(c.server.state, n == 100 ? SP_TLS_EARLY : SP_TLS_FAILED);
        if (n == 101)
            assert_string_equal(kit_error(&c.server), "TLS error: more early data than is allowed");
        early_end(&c);
    }
    sp_tls_ctx_unref(server);
}

/* The last byte of what was sent is another one. */
static void tampered_with(void **state)
{
    (void)state;
    struct sp_tls_ctx *server = kit_server(EARLY(""));
    WOLFSSL_SESSION *s = early_ticket(server, "h2");
    struct early_client c;
    char bytes[4096];
    early_begin(&c, server, "h2", s);
    wolfSSL_SESSION_free(s);
    send_early(&c, WORD, strlen(WORD));
    size_t n = sp_buf_peek(&c.out, bytes, sizeof(bytes));
    bytes[n - 1] ^= 1;
    sp_buf_clear(&c.out);
    sp_buf_append(&c.out, bytes, n);
    early_carry(&c, 0);
    assert_int_equal(c.server.state, SP_TLS_FAILED);
    assert_int_equal(c.server.app_in.len, 0);
    assert_string_equal(kit_error(&c.server), "TLS error: a record does not decrypt");
    early_end(&c);
    sp_tls_ctx_unref(server);
}

static void cut_off(void **state)
{
    (void)state;
    struct sp_tls_ctx *server = kit_server(EARLY(""));
    struct early_client c;
    visit(&c, server, "h2", early_ticket(server, "h2"), 0);
    assert_int_equal(sp_tls_eof(c.server.tls), SP_TLS_FAILED);
    assert_string_equal(kit_error(&c.server), "TLS error: the peer closed the connection during the handshake");
    early_end(&c);
    sp_tls_ctx_unref(server);
}

/* A small register: whose ticket finds no room is served after the handshake. */
static void no_room(void **state)
{
    (void)state;
    struct sp_tls_ctx *server = kit_server(EARLY(", strike_register_size: 64"));
    struct early_client c;
    for (unsigned i = 0; i < 65; i++) {
        visit(&c, server, "h2", early_ticket(server, "h2"), 0);
        if (i == 64)
            expect_passed_over(&c, SP_TLS_EARLY_REJECTED);
        else
            early_end(&c);
    }
    sp_tls_ctx_unref(server);
}

static enum sp_tls_early_fate judged(struct sp_tls_early *e, uint64_t issued_s, uint64_t now_ms, uint32_t age_ms)
{
    static uint8_t seal;
    uint8_t t[200] = {0}, alpn = 0;
    sp_ticket_put_time(t + SP_TICKET_NAME / 2, issued_s);
    t[SP_TICKET_NAME / 2] = 7;
    t[sizeof(t) - SP_TICKET_MAC] = ++seal;
    enum sp_tls_early_fate fate = sp_tls_early_judge(e, now_ms, sp_str_n((const char *)t, sizeof(t)), age_ms, &alpn);
    assert_int_equal(alpn, 7);
    return fate;
}

/* RFC 8446 section 8.3, for a window of five seconds; a ticket's time is of whole seconds. */
static void ages(void **state)
{
    (void)state;
    struct sp_tls_ctx *server = kit_server(EARLY(", window: 5s"));
    struct sp_tls_early *e = server->early;
    const enum sp_tls_early_fate yes = SP_TLS_EARLY_ACCEPTED, no = SP_TLS_EARLY_REJECTED;
    uint8_t alpn;
    assert_int_equal(judged(e, 100, 160000, 60000), yes);
    assert_int_equal(judged(e, 100, 160000, 65000), yes);
    assert_int_equal(judged(e, 100, 160000, 65001), no);
    assert_int_equal(judged(e, 100, 160000, 54000), yes);
    assert_int_equal(judged(e, 100, 160000, 53999), no);
    assert_int_equal(judged(e, 100, 160000, 0), no);
    assert_int_equal(judged(e, 100, 160000, UINT32_MAX), no);
    assert_int_equal(judged(e, 100, 99000, 0), no);
    assert_int_equal(sp_tls_early_judge(e, 160000, SP_STR("short"), 0, &alpn), no);
    sp_tls_ctx_unref(server);
}

#endif

static void is_refused(const char *yaml, const char *why)
{
    const char *said = kit_server_said(yaml);
    if (!strstr(said, why))
        fail_msg("\"%s\" is not in \"%s\"", why, said);
}

#ifdef SP_EARLY_DATA
static void configs(void **state)
{
    (void)state;
    assert_string_equal(kit_server_said(EARLY(", max_bytes: 65536, methods: [GET, PROPFIND, M-SEARCH], window: 10s")), "");
    is_refused(EARLY(", methods: [CONNECT]"), "is no method that can come early");
    is_refused(EARLY(", methods: [get]"), "is no method that can come early");
    is_refused(EARLY("") "disable_stateless_session_resumption: true\n", "is of no use without session tickets");
    is_refused(EARLY("") "session_timeout: 0s\n", "is of no use without session tickets");
    is_refused(EARLY("") "session_ticket_keys: {keys: [{inline_string: \"0123456789012345678901234567890123456789"
                         "0123456789012345678901234567890123456789\"}]}\n", "be replayed to every door");
#define WITH(more) \
    "common_tls_context: {tls_certificates: [" KIT_CERT "], " more ", custom_handshaker: {name: e, typed_config: " \
    "{\"@type\": type.googleapis.com/sallyport.tls.v1.EarlyData}}}\n"
    is_refused(WITH("validation_context: {" KIT_CA "}"), "before the client has shown the certificate");
    is_refused(WITH("tls_params: {tls_maximum_protocol_version: TLSv1_2}"), "is of TLS 1.3, which");
    is_refused("common_tls_context: {tls_certificates: [" KIT_CERT "], custom_handshaker: {name: e, typed_config: "
               "{\"@type\": type.googleapis.com/sallyport.tls.v1.Revocation}}}\n", "no such handshaker");
    assert_non_null(strstr(kit_client_said("common_tls_context: {validation_context: {" KIT_CA "}, custom_handshaker: {name: e, typed_config: "
                                           "{\"@type\": type.googleapis.com/sallyport.tls.v1.EarlyData}}}\n"), "is for listeners"));
}

/* A reload that changes nothing keeps the register with the keys. */
static void kept_over_reloads(void **state)
{
    (void)state;
    struct sp_tls_ctx *a = kit_server_of("chain", EARLY("")), *b = kit_server_of("chain", EARLY("")),
                      *other = kit_server_of("chain", EARLY(", window: 7s"));
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, other);
    sp_tls_ctx_unref(a);
    sp_tls_ctx_unref(b);
    sp_tls_ctx_unref(other);
}

#else
static void not_with_this_library(void **state)
{
    (void)state;
    is_refused(EARLY(""), "cannot take early data: it needs the wolfSSL that scripts/deps builds (take it out)");
}
#endif

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef SP_EARLY_DATA
        TEST(it_is_taken), TEST(all_at_once), TEST(where_it_is_off), TEST(replays), TEST(a_ticket_used_twice), TEST(another_protocol),
        TEST(too_much), TEST(tampered_with), TEST(cut_off), TEST(no_room), TEST(ages), TEST(configs), TEST(kept_over_reloads),
#else
        TEST(not_with_this_library),
#endif
    };
    sp_tls_global_init();
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_tls_global_done();
    return r;
}
