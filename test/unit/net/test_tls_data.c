/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Data in bulk and in crumbs, ends, and what no decent peer sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "crypto/cert_gen.h"
#include "hello.h"
#include "net/tls_conn.h"
#include "net/tls_records.h"
#include "tls_kit.h"

#define CLIENT12 "common_tls_context: {" KIT_TLS12 "validation_context: {" KIT_CA "}}\n"
#define BOTH(f) f(KIT_CLIENT), f(CLIENT12)
#ifdef KEEP_PEER_CERT
#define SP_WOLFSSL_LENDS 0 /* a wolfSSL that scripts/deps did not build */
#else
#define SP_WOLFSSL_LENDS 1
#endif

static void open_pair(struct kit_pair *p, const char *client)
{
    kit_meet(p, client, KIT_SERVER, "www.example.com", "");
    kit_both_well(p);
}

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * 31 + i / 251);
}

/* What arrived is what was sent, from byte `at` on; all of it is taken. */
static void check_and_drop(struct sp_buf *b, uint64_t *at)
{
    for (struct sp_seg *s = b->head; s; s = s->next)
        for (size_t i = 0; i < s->len; i++)
            if ((uint8_t)s->ptr[i] != byte_at((*at)++))
                fail_msg("byte %llu is wrong", (unsigned long long)*at - 1);
    sp_buf_clear(b);
}

static void put_pieces(struct sp_buf *b, size_t n, uint64_t *at)
{
    static uint8_t bytes[4096];
    while (n) {
        size_t k = 1 + (size_t)random() % sizeof(bytes);
        k = SP_MIN(k, n);
        for (size_t i = 0; i < k; i++)
            bytes[i] = byte_at((*at)++);
        sp_buf_append(b, bytes, k);
        n -= k;
    }
}

/* The little that is left of a turn's output goes with it; more waits. */
static void little_left_over(void **state)
{
    enum { WATER = 2 * 16384 };
    for (size_t more = 1; more <= 8192; more += 1000) {
        struct kit_pair p;
        uint64_t at = 0;
        open_pair(&p, KIT_CLIENT);
        struct kit_side *s = &p.server;
        put_pieces(&s->app_out, WATER + more, &at);
        s->state = sp_tls_pump(s->tls, &s->net_in, &s->app_in, &s->app_out, &s->net_out, WATER);
        assert_int_equal(s->app_out.len, more <= 4096 ? 0 : more);
        assert_in_range(s->net_out.len, WATER, WATER + 4096 + 3 * 32);
        kit_run(&p);
        at = 0;
        check_and_drop(&p.client.app_in, &at);
        assert_int_equal(at, WATER + more);
        kit_pair_done(&p);
    }
}

static void transfer(const char *client, size_t chunk, size_t high_water, size_t total)
{
    struct kit_pair p;
    open_pair(&p, client);
    p.chunk = chunk;
    p.high_water = high_water;
    uint64_t sent[2] = {0}, got[2] = {0};
    while (got[0] < total || got[1] < total) {
        if (sent[0] < total)
            put_pieces(&p.client.app_out, SP_MIN(50000, total - sent[0]), &sent[0]);
        if (sent[1] < total)
            put_pieces(&p.server.app_out, SP_MIN(70000, total - sent[1]), &sent[1]);
        kit_run(&p);
        assert_string_equal(kit_error(&p.client), "");
        assert_string_equal(kit_error(&p.server), "");
        check_and_drop(&p.server.app_in, &got[0]);
        check_and_drop(&p.client.app_in, &got[1]);
    }
    assert_int_equal(got[0], total);
    assert_int_equal(got[1], total);
    kit_pair_done(&p);
}

static void much_data(void **state)
{
    static const char *const clients[] = {KIT_CLIENT, CLIENT12};
    srandom(1);
    for (size_t i = 0; i < SP_ARRAY_LEN(clients); i++) {
        transfer(clients[i], 0, 64 * 1024, 3000000);
        transfer(clients[i], SIZE_MAX, 64 * 1024, 1000000);
        transfer(clients[i], SIZE_MAX, 16 * 1024, 1000000);
        transfer(clients[i], 1, 32 * 1024, 20000);
        transfer(clients[i], 16384, 16384, 1000000);
    }
}

/* A reader that stops: what it holds stays bounded, and what was decrypted comes without new bytes from the network. */
static void a_slow_reader(void **state)
{
    struct kit_pair p;
    uint64_t sent = 0, got = 0;
    open_pair(&p, KIT_CLIENT);
    p.high_water = 20000;
    put_pieces(&p.client.app_out, 300000, &sent);
    kit_run(&p);
    assert_in_range(p.server.app_in.len, 20000, 20000 + 16384);
    assert_int_equal(p.client.app_out.len, 0);
    p.cut = true;
    for (unsigned i = 0; got < sent && i < 100; i++) {
        size_t before = p.server.app_in.len;
        check_and_drop(&p.server.app_in, &got);
        kit_run(&p);
        assert_true(before > 0);
        assert_true(p.server.app_in.len <= 20000 + 16384);
    }
    assert_int_equal(got, sent);
    kit_pair_done(&p);
}

/* The network takes nothing: what is encrypted stays bounded, the rest waits in the clear. */
static void a_slow_network(void **state)
{
    struct kit_pair p;
    uint64_t sent = 0, got = 0;
    open_pair(&p, KIT_CLIENT);
    p.high_water = 20000;
    p.cut = true;
    put_pieces(&p.client.app_out, 300000, &sent);
    kit_run(&p);
    assert_in_range(p.client.net_out.len, 20000, 20000 + 16384 + 64);
    assert_in_range(p.client.app_out.len, 200000, 300000 - 20000);
    p.cut = false;
    while (got < sent) {
        kit_run(&p);
        assert_true(p.server.app_in.len > 0);
        check_and_drop(&p.server.app_in, &got);
    }
    kit_pair_done(&p);
}

static unsigned count_records(const struct sp_buf *b)
{
    static uint8_t bytes[400000];
    size_t n = sp_buf_peek(b, bytes, sizeof(bytes));
    unsigned records = 0;
    for (size_t i = 0; i + 5 <= n; i += 5 + ((size_t)bytes[i + 3] << 8 | bytes[i + 4]))
        records++;
    return records;
}

/* Many small segments, as HTTP/2 writes them, become records that are full. */
static void crumbs_become_one_record(void **state)
{
    static const char crumb[] = "nine bytes and some more";
    struct kit_pair p;
    open_pair(&p, KIT_CLIENT);
    p.cut = true;
    for (unsigned i = 0; i < 500; i++)
        sp_buf_append_static(&p.server.app_out, crumb, sizeof(crumb) - 1);
    kit_run(&p);
    assert_int_equal(count_records(&p.server.net_out), 1);
    for (unsigned i = 0; i < 2000; i++)
        sp_buf_append_static(&p.server.app_out, crumb, sizeof(crumb) - 1);
    kit_run(&p);
    assert_int_equal(count_records(&p.server.net_out), 1 + (2000 * (sizeof(crumb) - 1) + 16383) / 16384);
    kit_pair_done(&p);
}

static void an_orderly_end(const char *client)
{
    struct kit_pair p;
    open_pair(&p, client);
    kit_say(&p.client, "last words");
    kit_run(&p);
    sp_tls_shutdown(p.client.tls, &p.client.net_out);
    sp_tls_shutdown(p.client.tls, &p.client.net_out); /* once is enough */
    kit_run(&p);
    assert_int_equal(p.server.state, SP_TLS_CLOSED);
    assert_string_equal(kit_take(&p.server), "last words");
    /* The other half is open yet. */
    kit_say(&p.server, "my last words");
    kit_run(&p);
    assert_string_equal(kit_take(&p.client), "my last words");
    sp_tls_shutdown(p.server.tls, &p.server.net_out);
    kit_run(&p);
    assert_int_equal(p.client.state, SP_TLS_CLOSED);
    assert_string_equal(kit_error(&p.client), "");
    assert_string_equal(kit_error(&p.server), "");
    assert_int_equal(sp_tls_eof(p.client.tls), SP_TLS_CLOSED);
    kit_pair_done(&p);
}

static void orderly_ends(void **state)
{
    BOTH(an_orderly_end);
}

static void cut_short(void **state)
{
    struct kit_pair p;
    open_pair(&p, KIT_CLIENT);
    kit_say(&p.client, "a beginn");
    kit_run(&p);
    assert_int_equal(sp_tls_eof(p.server.tls), SP_TLS_FAILED);
    assert_string_equal(kit_take(&p.server), "a beginn");
    assert_string_equal(kit_error(&p.server), "TLS error: the peer closed the connection without close_notify");
    assert_int_equal(sp_tls_failure(p.server.tls), SP_TLS_FAIL_EOF);
    kit_pair_done(&p);
    struct sp_tls_ctx *server = kit_server(KIT_SERVER), *client = kit_client(KIT_CLIENT);
    kit_pair_init(&p, client, server, "a", "");
    assert_int_equal(sp_tls_eof(p.server.tls), SP_TLS_FAILED);
    assert_string_equal(kit_error(&p.server), "TLS error: the peer closed the connection during the handshake");
    kit_pair_done(&p);
    sp_tls_ctx_unref(server);
    sp_tls_ctx_unref(client);
}

/* Each byte of a record flipped in turn: none of its data comes through. */
static void a_record_is_changed(const char *client)
{
    size_t n = 1;
    for (size_t at = 0; at < n; at++) {
        struct kit_pair p;
        uint8_t bytes[200];
        open_pair(&p, client);
        p.cut = true;
        kit_say(&p.client, "a secret message");
        kit_run(&p);
        n = sp_buf_peek(&p.client.net_out, bytes, sizeof(bytes));
        sp_buf_clear(&p.client.net_out);
        bytes[at] ^= 1;
        sp_buf_append(&p.server.net_in, bytes, n);
        kit_run(&p);
        if (at > 2) /* TLS 1.3 ignores a record's version, and wolfSSL its outer type */
            assert_string_equal(kit_take(&p.server), "");
        if (at == 4 && bytes[4] & 1) /* longer than it is: it waits for the rest */
            assert_int_equal(p.server.state, SP_TLS_OPEN);
        else if (at > 4 && strcmp(kit_error(&p.server), "TLS error: a record does not decrypt") != 0)
            fail_msg("byte %zu: %s", at, kit_error(&p.server));
        kit_pair_done(&p);
    }
}

static void changed_records(void **state)
{
    BOTH(a_record_is_changed);
}

/* What a server answers to these bytes. */
static const char *answer(const char *yaml, const struct t_bytes *in, bool one_by_one)
{
    static char text[512];
    struct sp_tls_ctx *ctx = kit_server(yaml);
    struct kit_side s = {.tls = sp_tls_accept(ctx)};
    for (size_t i = 0; i < in->n;) {
        size_t n = one_by_one ? 1 : in->n;
        sp_buf_append(&s.net_in, in->p + i, n);
        i += n;
        s.state = sp_tls_pump(s.tls, &s.net_in, &s.app_in, &s.app_out, &s.net_out, 65536);
    }
    snprintf(text, sizeof(text), "%s", kit_error(&s));
    assert_int_equal(s.app_in.len, 0);
    sp_tls_free(s.tls);
    sp_buf_clear(&s.net_in);
    sp_buf_clear(&s.net_out);
    sp_tls_ctx_unref(ctx);
    return text;
}

static void garbage(void **state)
{
    static struct t_bytes b;
    for (unsigned one = 0; one < 2; one++) {
        b.n = 0;
        t_put(&b, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
        assert_string_equal(answer(KIT_SERVER, &b, one), "TLS error: not a TLS ClientHello");
        b.n = 0;
        t_hex(&b, "16 0301 0004 01 000000");
        assert_string_equal(answer(KIT_SERVER, &b, one), "TLS error: malformed ClientHello");
    }
}

/* A ClientHello of TLS 1.3 with no key share, which the server answers with a HelloRetryRequest. */
static void shareless(struct t_bytes *out, const char *sni, bool twice)
{
    static struct t_bytes exts, message;
    exts.n = message.n = 0;
    t_ext_sni(&exts, sni, strlen(sni));
    t_ext(&exts, 10, "0002 001d");
    t_ext(&exts, 13, "0002 0403");
    t_ext(&exts, 43, "02 0304");
    if (twice)
        t_ext(&exts, 43, "02 0304");
    t_ext(&exts, 51, "0000");
    t_hello(&message, &exts);
    t_records(out, &message, 16384);
}

static void the_second_hello_is_read_as_strictly(void **state)
{
    static struct t_bytes b;
    for (unsigned one = 0; one < 2; one++) {
        b.n = 0;
        shareless(&b, "localhost", false);
        assert_string_equal(answer(KIT_SERVER, &b, one), "");
        t_hex(&b, "14 0303 0001 01");
        shareless(&b, "localhost", true);
        assert_string_equal(answer(KIT_SERVER, &b, one), "TLS error: an extension comes twice in the ClientHello");
        b.n = 0;
        shareless(&b, "localhost", false);
        shareless(&b, "example.com", false);
        assert_string_equal(answer(KIT_SERVER, &b, one), "TLS error: the second ClientHello has another server name");
        b.n = 0;
        shareless(&b, "localhost", false);
        shareless(&b, "localhost", false); /* still no share: that is wolfSSL's to refuse */
        assert_string_not_equal(answer(KIT_SERVER, &b, one), "");
    }
}

/* A ClientHello of TLS 1.2. */
static void hello_12(struct t_bytes *out)
{
    static struct t_bytes exts, message;
    exts.n = message.n = 0;
    t_ext(&exts, 10, "0004 001d 0017");
    t_ext(&exts, 11, "01 00");
    t_ext(&exts, 13, "0002 0403");
    t_hello(&message, &exts);
    t_records(out, &message, 16384);
}

/* In one record or in two: wolfSSL wants the head of a message in one. */
static void certificate_and_verify(struct t_bytes *out, bool two)
{
    static struct t_bytes messages;
    struct sp_str der = kit_cert("client")->cert_der;
    messages.n = 0;
    t_u8(&messages, 11);
    t_u24(&messages, (unsigned)der.len + 6);
    t_u24(&messages, (unsigned)der.len + 3);
    t_u24(&messages, (unsigned)der.len);
    t_put(&messages, der.ptr, der.len);
    t_hex(&messages, "0f 000008 0403 0004 00000000");
    size_t at = out->n;
    t_records(out, &messages, two ? der.len + 10 : messages.n);
    for (; at < out->n; at += 5 + ((size_t)out->p[at + 3] << 8 | out->p[at + 4]))
        out->p[at + 2] = 3; /* the version that was agreed upon */
}

/* CVE-2026-2645: a CertificateVerify before there is a key to prove. */
static void messages_out_of_order(void **state)
{
    static const char *const bad[] = {
        "16 0303 0006 0f 000002 0000", /* CertificateVerify first */
        "16 0303 0004 14 000000",      /* Finished in the clear */
        "16 0303 0004 0e 000000",      /* a server's message */
        "16 0303 0004 01 000000",      /* another ClientHello */
        "",                            /* a certificate, and its CertificateVerify at once */
    };
    for (size_t i = 0; i < 2 * SP_ARRAY_LEN(bad); i++) {
        static struct t_bytes b;
        b.n = 0;
        hello_12(&b);
        t_hex(&b, bad[i / 2]);
        if (!*bad[i / 2])
            certificate_and_verify(&b, i % 2);
        const char *said = answer("common_tls_context: {tls_certificates: [" KIT_CERT "], validation_context: {" KIT_CA "}}\n", &b,
                                  i % 2);
        if (strcmp(said, "TLS error: a handshake message out of order") != 0)
            fail_msg("%s: %s", bad[i / 2], said);
    }
}

static void too_long_a_handshake(void **state)
{
    static struct t_bytes b;
    b.n = 0;
    hello_12(&b);
    t_hex(&b, "16 0303 4000 0b 00f000");
    b.n += 16380;
    assert_string_equal(answer(KIT_SERVER, &b, false), "TLS error: a handshake message is too long");
}

/* KeyUpdate after KeyUpdate, with nothing between: each costs us a key, and one of ours in answer. */
static void key_updates(void **state)
{
    struct kit_pair p;
    open_pair(&p, KIT_CLIENT);
    for (unsigned i = 0; i < 20; i++) {
        p.client.tls->out = &p.client.net_out;
        assert_int_equal(wolfSSL_update_keys(p.client.tls->ssl), WOLFSSL_SUCCESS);
    }
    kit_run(&p);
    assert_string_equal(kit_error(&p.server), "");
    kit_say(&p.client, "hello");
    kit_say(&p.server, "good day");
    kit_run(&p);
    kit_both_well(&p);
    for (unsigned i = 0; i < 40; i++) {
        p.client.tls->out = &p.client.net_out;
        assert_int_equal(wolfSSL_update_keys(p.client.tls->ssl), WOLFSSL_SUCCESS);
    }
    kit_run(&p);
    assert_string_equal(kit_error(&p.server), "TLS error: too many records without data");
    kit_pair_done(&p);
}

/* With a byte of data between them they are no better; with much of it they are what RFC 8446 asks for. */
static void key_updates_between_data(void **state)
{
    static const char much[4 * 65536];
    for (unsigned honest = 0; honest < 2; honest++) {
        struct kit_pair p;
        unsigned n = 0;
        open_pair(&p, KIT_CLIENT);
        for (; n < 600 && !kit_error(&p.server)[0]; n++) {
            p.client.tls->out = &p.client.net_out;
            assert_int_equal(wolfSSL_update_keys(p.client.tls->ssl), WOLFSSL_SUCCESS);
            p.client.tls->quiet = 0; /* it hears nothing but answers, and shall not mind */
            sp_buf_append(&p.client.app_out, much, honest ? sizeof(much) / 2 : 1);
            kit_run(&p);
            sp_buf_clear(&p.server.app_in);
        }
        if (honest)
            assert_int_equal(n, 600);
        else
            assert_in_range(n, 250, 300);
        assert_string_equal(kit_error(&p.server), honest ? "" : "TLS error: too many records without data");
        kit_pair_done(&p);
    }
}

static void nothing_but_info_before_it_is_open(void **state)
{
    struct sp_tls_ctx *ctx = kit_server(KIT_SERVER);
    struct sp_tls *t = sp_tls_accept(ctx);
    struct sp_buf out;
    sp_buf_init(&out);
    assert_int_equal(sp_tls_get_info(t)->version.len, 0);
    assert_int_equal(sp_tls_peer_der(t).len, 0);
    sp_tls_shutdown(t, &out);
    assert_int_equal(out.len, 0);
    sp_tls_free(t);
    sp_tls_free(NULL);
    sp_tls_ctx_unref(ctx);
}

/* What wolfSSL answers while it reads must not land where it reads to: both are short, and share a chunk. */
static void key_updates_and_data_at_once(void **state)
{
    struct kit_pair p;
    open_pair(&p, KIT_CLIENT);
    for (size_t n = 1; n < 20000; n = n * 3 + 1) {
        uint64_t sent = 0, got = 0;
        for (unsigned i = 0; i < 3; i++) {
            p.client.tls->out = &p.client.net_out;
            assert_int_equal(wolfSSL_update_keys(p.client.tls->ssl), WOLFSSL_SUCCESS);
            put_pieces(&p.client.app_out, n, &sent);
            p.client.state = sp_tls_pump(p.client.tls, &p.client.net_in, &p.client.app_in, &p.client.app_out, &p.client.net_out, 1 << 20);
        }
        kit_run(&p);
        assert_string_equal(kit_error(&p.server), "");
        check_and_drop(&p.server.app_in, &got);
        assert_int_equal(got, sent);
        kit_say(&p.server, "good day"); /* with a new key */
        kit_run(&p);
        assert_string_equal(kit_error(&p.client), "");
        assert_string_equal(kit_take(&p.client), "good day");
    }
    kit_pair_done(&p);
}

/* Of TLS 1.3 each record is made and opened where it shall be, but those that come in parts; TLS 1.2 has memory of its own. */
static void records_in_place(void **state)
{
    static const size_t sizes[] = {1, 100, 1984, 1985, 2048, 3000, 8192, 16383, 16384, 16385, 33000};
    for (unsigned old = 0; old < 2; old++) {
        struct kit_pair p;
        open_pair(&p, old ? CLIENT12 : KIT_CLIENT);
        for (size_t i = 0; i < SP_ARRAY_LEN(sizes); i++) {
            uint64_t sent = 0, got = 0;
            struct sp_tls_loans before = sp_tls_lent(), after;
            put_pieces(&p.client.app_out, sizes[i], &sent);
            kit_run(&p);
            check_and_drop(&p.server.app_in, &got);
            assert_int_equal(got, sent);
            after = sp_tls_lent();
            size_t records = old || !SP_WOLFSSL_LENDS ? 0 : (sizes[i] + 16383) / 16384;
            assert_int_equal(after.out - before.out, records);
            assert_int_equal(after.in - before.in, records);
        }
        kit_pair_done(&p);
    }
}

/* A client may want short records (RFC 6066 section 4): none is longer, and what follows in the same write is not harmed. */
static void short_records(void **state)
{
    struct sp_tls_ctx *server = kit_server(KIT_SERVER), *client = kit_client(KIT_CLIENT);
    struct kit_pair p;
    uint64_t sent = 0, got = 0;
    kit_pair_init(&p, client, server, "www.example.com", "");
    assert_int_equal(wolfSSL_CTX_UseMaxFragment(client->members[0].wolf, WOLFSSL_MFL_2_9), WOLFSSL_SUCCESS);
    kit_run(&p);
    put_pieces(&p.server.app_out, 50000, &sent);
    p.cut = true;
    kit_run(&p);
    assert_in_range(count_records(&p.server.net_out), 50000 / 512 - 20, 50000 / 512 + 2);
    p.cut = false;
    while (got < sent) {
        kit_run(&p);
        assert_string_equal(kit_error(&p.client), "");
        assert_true(p.client.app_in.len > 0);
        check_and_drop(&p.client.app_in, &got);
    }
    kit_pair_done(&p);
    sp_tls_ctx_unref(server);
    sp_tls_ctx_unref(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_left_over),
        cmocka_unit_test(much_data),
        cmocka_unit_test(a_slow_reader),
        cmocka_unit_test(a_slow_network),
        cmocka_unit_test(crumbs_become_one_record),
        cmocka_unit_test(orderly_ends),
        cmocka_unit_test(cut_short),
        cmocka_unit_test(changed_records),
        cmocka_unit_test(garbage),
        cmocka_unit_test(the_second_hello_is_read_as_strictly),
        cmocka_unit_test(messages_out_of_order),
        cmocka_unit_test(too_long_a_handshake),
        cmocka_unit_test(key_updates), cmocka_unit_test(key_updates_between_data), cmocka_unit_test(key_updates_and_data_at_once),
        cmocka_unit_test(records_in_place), cmocka_unit_test(short_records),
        cmocka_unit_test(nothing_but_info_before_it_is_open),
    };
    sp_tls_global_init();
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_tls_global_done();
    return r;
}
