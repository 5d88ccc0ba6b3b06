/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Session tickets under keys of the config: what one process seals the other opens, if it is the same chain and the same key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/keep.h"
#include "net/tls_ticket.h"
#include "net/tls_ticket_keys.h"
#include "tls_kit.h"

/* Base64 of 80 bytes that are the letter's own: 26 times 3, and 2. */
static const char *key(char room[112], char letter)
{
    memset(room, letter, 108);
    memcpy(room + 106, "A=", 3);
    return room;
}

/* "A", "AB": a key for each letter, the first seals. */
static void put_keys(FILE *f, const char *letters)
{
    char room[128];
    fputs("session_ticket_keys: {keys: [", f);
    for (; *letters; letters++)
        fprintf(f, "{inline_bytes: \"%s\"}%s", key(room, *letters), letters[1] ? ", " : "");
    fputs("]}\n", f);
}

static char *with_keys(const char *letters, const char *more)
{
    char *out = NULL;
    size_t n;
    FILE *f = open_memstream(&out, &n);
    put_keys(f, letters);
    fputs(more, f);
    fclose(f);
    return out;
}

static struct sp_tls_tickets *tickets(const char *letters, unsigned lifetime, uint8_t context)
{
    struct t_config c;
    char *yaml = with_keys(letters, KIT_SERVER), *text = kit_yaml(yaml);
    uint8_t all[SP_TICKET_CONTEXT] = {context};
    t_config_load(&c, &envoy__extensions__transport_sockets__tls__v3__downstream_tls_context__descriptor, text);
    const Envoy__Extensions__TransportSockets__Tls__V3__DownstreamTlsContext *msg = (const void *)c.msg;
    struct sp_tls_ticket_keys *keys = sp_tls_ticket_keys_new(c.doc, &c.diag, msg->session_ticket_keys);
    assert_non_null(keys);
    t_config_done(&c);
    free(text);
    free(yaml);
    struct sp_tls_tickets *t = sp_tls_tickets_new_shared(lifetime, keys);
    sp_tls_tickets_bind(t, all);
    return t;
}

struct sealed {
    uint8_t name[SP_TICKET_NAME], iv[SP_TICKET_IV], mac[SP_TICKET_MAC], p[64];
    size_t n;
};

static const char plain[41] = "forty-one bytes, no multiple of a block.";

static bool seal(struct sp_tls_tickets *t, uint64_t now, const char *binding, struct sealed *s)
{
    struct sp_ticket_parts parts = {s->name, s->iv, s->mac, s->p, sizeof(plain), sizeof(s->p), 0};
    memcpy(s->p, plain, sizeof(plain));
    return sp_tls_ticket_seal(t, now, sp_str_c(binding), &parts, &s->n);
}

static bool opens(struct sp_tls_tickets *t, uint64_t now, const char *binding, struct sealed s)
{
    struct sp_ticket_parts parts = {s.name, s.iv, s.mac, s.p, s.n, sizeof(s.p), 0};
    size_t n = 0;
    if (!sp_tls_ticket_open(t, now, sp_str_c(binding), &parts, &n))
        return false;
    assert_int_equal(n, sizeof(plain));
    assert_memory_equal(s.p, plain, sizeof(plain));
    return true;
}

static void the_first_seals_and_all_open(void **state)
{
    struct sp_tls_tickets *a = tickets("A", 600, 1), *ba = tickets("BA", 600, 1), *b = tickets("B", 600, 1);
    struct sealed by_a, by_b;
    assert_true(seal(a, 1000, "x.test", &by_a) && seal(ba, 1000, "x.test", &by_b));
    assert_memory_not_equal(by_a.p, plain, sizeof(plain));
    assert_true(opens(a, 1000, "x.test", by_a));
    assert_true(opens(ba, 1000, "x.test", by_a));
    assert_false(opens(b, 1000, "x.test", by_a)); /* the old key has gone */
    assert_true(opens(b, 1000, "x.test", by_b));
    assert_false(opens(a, 1000, "x.test", by_b)); /* the new one has not come yet */
    struct sealed again;
    assert_true(seal(a, 1000, "x.test", &again));
    assert_memory_not_equal(again.iv, by_a.iv, sizeof(again.iv));
    assert_memory_not_equal(again.p, by_a.p, again.n);
    sp_tls_tickets_free(a);
    sp_tls_tickets_free(ba);
    sp_tls_tickets_free(b);
    assert_int_equal(sp_keep_count(NULL), 0);
}

static void bound_to_context_name_and_time(void **state)
{
    struct sp_tls_tickets *t = tickets("A", 600, 1), *other = tickets("A", 600, 2), *brief = tickets("A", 60, 1);
    struct sealed s;
    assert_true(seal(t, 10000, "x.test", &s));
    assert_false(opens(other, 10000, "x.test", s));
    assert_false(opens(t, 10000, "y.test", s));
    assert_false(opens(t, 10000, "", s));
    assert_true(opens(t, 10600, "x.test", s));
    assert_false(opens(t, 10601, "x.test", s));
    assert_false(opens(brief, 10061, "x.test", s));
    assert_true(opens(t, 10000 - SP_TICKET_SKEW_S, "x.test", s)); /* the other machine's clock is ahead */
    assert_false(opens(t, 10000 - SP_TICKET_SKEW_S - 1, "x.test", s));
    sp_tls_tickets_free(t);
    sp_tls_tickets_free(other);
    sp_tls_tickets_free(brief);
}

static void only_as_it_is(void **state)
{
    struct sp_tls_tickets *t = tickets("A", 600, 1);
    struct sealed s;
    assert_true(seal(t, 100, "x.test", &s));
    struct {
        uint8_t *p;
        size_t n;
    } parts[] = {{s.name, sizeof(s.name)}, {s.iv, sizeof(s.iv)}, {s.mac, sizeof(s.mac)}, {s.p, s.n}};
    for (size_t i = 0; i < SP_ARRAY_LEN(parts); i++)
        for (size_t k = 0; k < parts[i].n; k++) {
            parts[i].p[k] ^= 1;
            assert_false(opens(t, 100, "x.test", s));
            parts[i].p[k] ^= 1;
        }
    assert_true(opens(t, 100, "x.test", s));
    while (s.n-- > 0)
        assert_false(opens(t, 100, "x.test", s));
    sp_tls_tickets_free(t);
}

/* ---- whole contexts; freed in between, so that nothing of the one is in the other but the config: as two processes ---- */

static struct sp_tls_ctx *door(const char *whose, const char *letters, const char *yaml)
{
    char *text = with_keys(letters, yaml);
    struct sp_tls_ctx *ctx = kit_server_of(whose, text);
    free(text);
    return ctx;
}

/* Whether this server takes the session that `client` has. */
static bool resumes_at(struct sp_tls_ctx *client, struct sp_tls_ctx *server)
{
    struct kit_pair p;
    kit_pair_init(&p, client, server, "www.example.com", "");
    kit_say(&p.client, "hello");
    kit_say(&p.server, "good day");
    kit_run(&p);
    kit_both_well(&p);
    bool resumed = sp_tls_resumed(p.server.tls);
    assert_int_equal(resumed, sp_tls_resumed(p.client.tls));
    kit_pair_done(&p);
    sp_tls_ctx_unref(server);
    assert_int_equal(sp_keep_count(NULL), 0);
    return resumed;
}

#define MTLS "common_tls_context: {tls_certificates: [" KIT_CERT "], validation_context: {" KIT_CA "}, alpn_protocols: [h2]}\n"
#define OTHER "common_tls_context: {tls_certificates: [{certificate_chain: @self.cert, private_key: @self.key}], " \
              "alpn_protocols: [\"h2,http/1.1\"]}\n"
#define ONLY_H1 "common_tls_context: {tls_certificates: [" KIT_CERT "], alpn_protocols: [http/1.1]}\n"
#define ANYBODY "common_tls_context: {}\n"

static void another_process_takes_it(void **state)
{
    struct sp_tls_ctx *client = kit_client(ANYBODY);
    assert_false(resumes_at(client, door("l/a", "A", KIT_SERVER)));
    assert_true(resumes_at(client, door("l/a", "A", KIT_SERVER)));
    assert_true(resumes_at(client, door("l/a", "BA", KIT_SERVER))); /* a rotation's first step, elsewhere */
    assert_true(resumes_at(client, door("l/a", "B", KIT_SERVER)));  /* and its last */
    assert_false(resumes_at(client, door("l/a", "A", KIT_SERVER))); /* one that was forgotten */
    sp_tls_ctx_unref(client);
}

static void another_chain_does_not(void **state)
{
    struct {
        const char *whose, *yaml;
    } others[] = {
        {"l/b", KIT_SERVER},           /* another chain of the same config */
        {"l/a", OTHER},                /* another name in its certificate */
        {"l/a", ONLY_H1},
        {"l/a", "require_sni: true\n" KIT_SERVER},
        {"l/a", MTLS},
        {"l/a", "session_timeout: 0s\n" KIT_SERVER},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(others); i++) {
        struct sp_tls_ctx *client = kit_client(ANYBODY);
        assert_false(resumes_at(client, door("l/a", "A", KIT_SERVER)));
        if (resumes_at(client, door(others[i].whose, "A", others[i].yaml)))
            fail_msg("%s", others[i].yaml);
        sp_tls_ctx_unref(client);
    }
}

/* With keys or without: where a certificate is asked for nobody gets a ticket. */
static void never_past_a_client_certificate(void **state)
{
    struct sp_tls_ctx *client = kit_client("common_tls_context: {tls_certificates: [{certificate_chain: @client.cert, private_key: "
                                           "@client.key}]}\n");
    for (int i = 0; i < 3; i++)
        assert_false(resumes_at(client, door("l/a", "A", "require_client_certificate: true\n" MTLS)));
    sp_tls_ctx_unref(client);
}

static void what_is_said(void **state)
{
    char *text = with_keys("A", MTLS);
    assert_non_null(strstr(kit_server_said(text), "they are of no use: where clients are asked for a certificate no session is resumed (take them out)"));
    free(text);
    assert_non_null(strstr(kit_server_said("session_ticket_keys: {keys: [{inline_string: short}]}\n" KIT_SERVER),
                           "keys[0]: has 5 bytes, and a session ticket key has 80 (openssl rand -out FILE 80 makes one)"));
    assert_non_null(strstr(kit_server_said("session_ticket_keys: {keys: [{filename: /nowhere}]}\n" KIT_SERVER), "/nowhere"));
    text = with_keys("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg", KIT_SERVER);
    assert_non_null(strstr(kit_server_said(text), "keys[32]: is one too many (at most 32"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_seals_and_all_open),
        cmocka_unit_test(bound_to_context_name_and_time),
        cmocka_unit_test(only_as_it_is),
        cmocka_unit_test(another_process_takes_it),
        cmocka_unit_test(another_chain_does_not),
        cmocka_unit_test(never_past_a_client_certificate),
        cmocka_unit_test(what_is_said),
    };
    sp_tls_global_init();
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_tls_global_done();
    return r;
}
