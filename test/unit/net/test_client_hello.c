/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "hello.h"
#include "net/client_hello.h"

static struct sp_arena arena;
static struct sp_client_hello got;
static const char *why;

static int parse_bytes(const void *p, size_t n, bool again)
{
    struct sp_buf in;
    sp_buf_init(&in);
    sp_buf_append(&in, p, n);
    why = NULL;
    memset(&got, 0xff, sizeof(got));
    int r = (again ? sp_client_hello_parse_again : sp_client_hello_parse)(&in, &arena, &got, &why);
    assert_int_equal(in.len, n);
    sp_buf_clear(&in);
    return r;
}

/* Every prefix of something good wants more; no prefix is taken or refused. */
static void all_prefixes_want_more(const struct t_bytes *b, bool again)
{
    for (size_t i = 0; i < b->n; i++) {
        int r = parse_bytes(b->p, i, again);
        if (r != 0)
            fail_msg("%zu of %zu bytes: %d, %s", i, b->n, r, why ? why : "");
    }
    assert_int_equal(parse_bytes(b->p, b->n, again), 1);
}

static int parse_exts(const struct t_bytes *exts)
{
    static struct t_bytes message, wire;
    message.n = wire.n = 0;
    t_hello(&message, exts);
    t_records(&wire, &message, 16384);
    return parse_bytes(wire.p, wire.n, false);
}

static int parse_ext(unsigned type, const char *hex)
{
    static struct t_bytes exts;
    exts.n = 0;
    t_ext(&exts, type, hex);
    return parse_exts(&exts);
}

static void good_ones(void **state)
{
    static struct t_bytes exts, message, wire;
    exts.n = message.n = wire.n = 0;
    t_ext(&exts, 0x0a0a, "");
    t_ext_sni(&exts, "Www.Example.COM.", 16);
    t_ext(&exts, 16, "000c 02 6832 08 687474702f312e31");
    t_exts_13(&exts);
    t_hello(&message, &exts);
    t_records(&wire, &message, 16384);
    all_prefixes_want_more(&wire, false);
    assert_int_equal(got.sni.len, 15);
    assert_string_equal(got.sni.ptr, "www.example.com");
    assert_int_equal(got.n_alpn, 2);
    assert_true(sp_str_eq(got.alpn[0], SP_STR("h2")));
    assert_true(sp_str_eq(got.alpn[1], SP_STR("http/1.1")));
    assert_true(got.tls13);
    assert_false(got.resumes);
    assert_true(sp_str_eq(got.ciphers, SP_STR("\x13\x01\xc0\x2b")));
    assert_true(sp_str_eq(got.groups, SP_STR("\x00\x1d\x00\x17")));
    assert_true(sp_str_eq(got.signatures, SP_STR("\x04\x03\x08\x04\x04\x01")));
    /* Bytes behind it are the peer's early data or a next record. */
    t_hex(&wire, "17 03 03 00");
    assert_int_equal(parse_bytes(wire.p, wire.n, false), 1);
}

static void over_many_records(void **state)
{
    static struct t_bytes exts, message, wire;
    exts.n = message.n = 0;
    t_ext_sni(&exts, "a.example", 9);
    t_exts_13(&exts);
    t_hello(&message, &exts);
    for (size_t size = 3; size < message.n + 2; size += 7) {
        wire.n = 0;
        t_records(&wire, &message, size);
        if (message.n > size * 64)
            continue;
        all_prefixes_want_more(&wire, false);
        assert_string_equal(got.sni.ptr, "a.example");
    }
    wire.n = 0;
    t_records(&wire, &message, 1);
    assert_int_equal(parse_bytes(wire.p, wire.n, false), -EPROTO);
    assert_string_equal(why, "TLS error: the ClientHello is spread over too many records");
}

/* In buffers whose segments end at every place. */
static void over_segments(void **state)
{
    static struct t_bytes exts, message, wire;
    exts.n = message.n = wire.n = 0;
    t_ext_sni(&exts, "a.example", 9);
    t_hello(&message, &exts);
    t_records(&wire, &message, 40);
    for (size_t cut = 1; cut < wire.n; cut++) {
        struct sp_buf in;
        sp_buf_init(&in);
        sp_buf_append_static(&in, wire.p, cut);
        sp_buf_append_static(&in, wire.p + cut, wire.n - cut);
        assert_int_equal(sp_client_hello_parse(&in, &arena, &got, &why), 1);
        assert_string_equal(got.sni.ptr, "a.example");
        sp_buf_clear(&in);
    }
}

static void without_extensions(void **state)
{
    assert_int_equal(parse_exts(NULL), 1);
    assert_int_equal(got.sni.len, 0);
    assert_int_equal(got.n_alpn, 0);
    assert_false(got.tls13);
}

static void what_resumes(void **state)
{
    assert_int_equal(parse_ext(35, ""), 1);
    assert_false(got.resumes);
    assert_int_equal(parse_ext(35, "00"), 1);
    assert_true(got.resumes);
    /* A session id before TLS 1.3. */
    static struct t_bytes message, wire;
    message.n = wire.n = 0;
    t_hex(&message, "01 00002d 0303");
    t_put(&message, (uint8_t[32]){0}, 32);
    t_hex(&message, "02 aabb 0002 c02b 01 00");
    message.p[3] = (uint8_t)(message.n - 4);
    t_records(&wire, &message, 16384);
    assert_int_equal(parse_bytes(wire.p, wire.n, false), 1);
    assert_true(got.resumes);
}

/* wolfSSL reads a ticket's MAC where the length in it says: it must not point anywhere else. */
static void odd_tickets(void **state)
{
    static const struct {
        int inner, behind;
        bool odd;
    } cases[] = {{100, 132, false}, {0, 32, false}, {101, 132, true}, {99, 132, true}, {100, 131, true}, {100, 133, true},
                 {65535, 132, true}, {0, 31, true}};
    char hex[2048];
    assert_int_equal(parse_ext(35, ""), 1);
    assert_false(got.odd_ticket);
    assert_int_equal(parse_ext(35, "00"), 1);
    assert_true(got.odd_ticket);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        size_t n = 0;
        for (int k = 0; k < 32; k++)
            n += (size_t)sprintf(hex + n, "aa");
        n += (size_t)sprintf(hex + n, "%04x", cases[i].inner);
        for (int k = 0; k < cases[i].behind; k++)
            n += (size_t)sprintf(hex + n, "bb");
        assert_int_equal(parse_ext(35, hex), 1);
        assert_int_equal(got.odd_ticket, cases[i].odd);
    }
}

static void pre_shared_keys(void **state)
{
    static const char identity[] = "0008 0002 aaaa 00000000", binder[] = "0021 20 "
        "0000000000000000000000000000000000000000000000000000000000000000";
    static struct t_bytes exts;
    char good[256];
    snprintf(good, sizeof(good), "%s %s", identity, binder);
    exts.n = 0;
    t_exts_13(&exts);
    t_ext(&exts, 41, good);
    assert_int_equal(parse_exts(&exts), 1);
    assert_true(got.resumes);
    assert_true(got.odd_ticket);
    t_ext(&exts, 99, ""); /* it has to come last */
    assert_int_equal(parse_exts(&exts), -EPROTO);
    assert_int_equal(parse_ext(41, good), -EPROTO); /* no modes */
    const char *bad[] = {"", "0008 0002 aaaa 00000000", "0008 0002 aaaa 00000000 0000", "0006 0000 00000000 0021 20 00",
                         "0010 0002 aaaa 00000000 0002 aaaa 00000000 0021 20 "
                         "0000000000000000000000000000000000000000000000000000000000000000"};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        exts.n = 0;
        t_exts_13(&exts);
        t_ext(&exts, 41, bad[i]);
        assert_int_equal(parse_exts(&exts), -EPROTO);
        assert_string_equal(why, "TLS error: malformed pre-shared key in the ClientHello");
    }
}

static void not_tls(void **state)
{
    static const char *const bad[] = {"GET / HTTP/1.1\r\n", "\x80\x2e\x01\x03\x01", "\x17\x03\x03", "\x16\x02", "\x16\x03\x05",
                                      "\x16\x03\x01\x40\x01", "\x16\x03\x01\x01\x01\x02"};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        assert_int_equal(parse_bytes(bad[i], strlen(bad[i]), false), -EPROTO);
        assert_string_equal(why, "TLS error: not a TLS ClientHello");
    }
    assert_int_equal(parse_bytes("\x16\x03\x01\0\0", 5, false), -EPROTO); /* an empty record */
    assert_int_equal(parse_bytes("\x16\x03\x01\0\x01\x01\x16\x03\x01\0\0", 11, false), -EPROTO);
    assert_int_equal(parse_bytes("\x16\x03\x01\0\x01\x01\x15\x03\x01\0\x02", 11, false), -EPROTO);
    assert_int_equal(parse_bytes("\x16\x03\x01\0\x04\x01\xff\0\0", 9, false), -EPROTO);
    assert_string_equal(why, "TLS error: the ClientHello is too long");
}

static void more_in_the_same_record(void **state)
{
    static struct t_bytes message, wire;
    message.n = wire.n = 0;
    t_hello(&message, NULL);
    t_u8(&message, 0);
    t_records(&wire, &message, 16384);
    assert_int_equal(parse_bytes(wire.p, wire.n, false), -EPROTO);
    assert_string_equal(why, "TLS error: bytes behind the ClientHello in its record");
}

static void longest(void **state)
{
    static struct t_bytes exts, message, wire;
    exts.n = message.n = wire.n = 0;
    t_u16(&exts, 0x1234);
    t_u16(&exts, 65040);
    exts.n += 65040;
    t_hello(&message, &exts);
    t_records(&wire, &message, 16384);
    assert_int_equal(parse_bytes(wire.p, wire.n, false), 1);
    assert_true(wire.n < SP_CLIENT_HELLO_MAX);
}

static void truncated_bodies(void **state)
{
    /* The message's length made too short at every place: never a crash, never taken. */
    static struct t_bytes exts, message, wire;
    exts.n = message.n = 0;
    t_ext_sni(&exts, "a.example", 9);
    t_ext(&exts, 16, "0003 02 6832");
    t_exts_13(&exts);
    t_hello(&message, &exts);
    for (size_t n = message.n - 1; n > 4; n--) {
        message.n = n;
        message.p[1] = 0;
        message.p[2] = (uint8_t)((n - 4) >> 8);
        message.p[3] = (uint8_t)(n - 4);
        wire.n = 0;
        t_records(&wire, &message, 16384);
        /* 41 bytes are a whole ClientHello without extensions. */
        if (parse_bytes(wire.p, wire.n, false) != (n - 4 == 43 ? 1 : -EPROTO))
            fail_msg("%zu bytes", n - 4);
    }
}

static void bad_heads(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        const char *why;
    } bad[] = {
        {4, 2, "TLS error: malformed ClientHello"},        /* version 2.3 */
        {38, 33, "TLS error: malformed ClientHello"},      /* session id */
        {40, 3, "TLS error: malformed ClientHello"},       /* odd ciphers */
        {40, 0, "TLS error: malformed ClientHello"},       /* none */
        {46, 1, "TLS error: the ClientHello demands compression"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        static struct t_bytes message, wire;
        message.n = wire.n = 0;
        t_hello(&message, NULL);
        message.p[bad[i].at] = bad[i].value;
        t_records(&wire, &message, 16384);
        assert_int_equal(parse_bytes(wire.p, wire.n, false), -EPROTO);
        assert_string_equal(why, bad[i].why);
    }
}

static void twice(void **state)
{
    static const struct {
        unsigned type;
        const char *hex;
    } again[] = {{10, "0002 001d"}, {13, "0002 0403"}, {43, "02 0304"}, {51, "0000"}, {45, "01 01"}};
    for (size_t i = 0; i <= SP_ARRAY_LEN(again); i++) {
        static struct t_bytes exts;
        exts.n = 0;
        t_exts_13(&exts);
        t_ext(&exts, 0x4a4a, "");
        if (i < SP_ARRAY_LEN(again))
            t_ext(&exts, again[i].type, again[i].hex);
        else
            t_ext(&exts, 0x4a4a, "");
        assert_int_equal(parse_exts(&exts), -EPROTO);
        assert_string_equal(why, "TLS error: an extension comes twice in the ClientHello");
    }
    static struct t_bytes many;
    many.n = 0;
    for (unsigned i = 0; i < 65; i++)
        t_ext(&many, 1000 + i, "");
    assert_int_equal(parse_exts(&many), -EPROTO);
    assert_string_equal(why, "TLS error: too many extensions in the ClientHello");
}

#define X25519 "001d 0020 0102030405060708091011121314151617181920212223242526272829303132"

static void bad_extensions(void **state)
{
    static const struct {
        unsigned type;
        const char *hex;
    } bad[] = {
        {0, ""}, {0, "0000"}, {0, "0003 00 0000"}, {0, "0004 00 0001"}, {0, "0004 01 0001 61"}, {0, "0005 00 0001 61 00"},
        {0, "0008 00 0001 61 00 0001 62"}, {0, "0004 00 0001 00"}, {0, "0004 00 0001 20"}, {0, "0004 00 0001 ff"},
        {0, "0005 00 0002 2e61"}, {0, "0006 00 0003 612e2e"}, {0, "0005 00 0002 0a61"}, {0, "0004 00 0001 2e"}, {0, "0004 00 0001 61 00"},
        {1, ""}, {1, "00"}, {1, "05"}, {1, "0101"},
        {5, ""}, {5, "01"}, {5, "01 0000"}, {5, "01 0000 0001"}, {5, "01 0000 0000 00"},
        {10, ""}, {10, "0000"}, {10, "0001 00"}, {10, "0002 001d 00"}, {10, "0004 001d"},
        {11, ""}, {11, "00"}, {11, "02 00"},
        {13, ""}, {13, "0000"}, {13, "0003 040304"},
        {16, ""}, {16, "0000"}, {16, "0001 00"}, {16, "0003 026832 00"}, {16, "0004 026832 00"}, {16, "0003 036832"},
        {16, "0002 026832"}, {16, "0022 0161 0161 0161 0161 0161 0161 0161 0161 0161 0161 0161 0161 0161 0161 0161 0161 0161"},
        {22, "00"}, {23, "00"}, {42, "00000000"},
        {28, "00"}, {28, "003f"}, {28, "004000"},
        {43, ""}, {43, "00"}, {43, "01 03"}, {43, "02 0304 00"}, {43, "03 030403"},
        {44, ""}, {44, "0000"}, {44, "0001"},
        {45, ""}, {45, "00"}, {45, "02 01"},
        {50, "0003 040304"},
        {51, ""}, {51, "0001"}, {51, "0004 001d 0000"}, {51, "0024 001d 0021"}, {51, "0005 001d 0001 00"},
        {51, "0048 " X25519 X25519}, {51, "000a 1a1a 0001 00 1a1a 0001 00"}, {51, "0005 0017 0001 04"},
        {0xff01, ""}, {0xff01, "01 00"}, {0xff01, "01"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        if (parse_ext(bad[i].type, bad[i].hex) != -EPROTO)
            fail_msg("taken: %u %s", bad[i].type, bad[i].hex);
        if (!strstr(why, bad[i].type == 0 ? "server name" : bad[i].type == 16 ? "ALPN" : "malformed"))
            fail_msg("%u %s: %s", bad[i].type, bad[i].hex, why);
    }
    /* An extension that is longer than all of them together. */
    static struct t_bytes exts;
    exts.n = 0;
    t_hex(&exts, "1234 0005 00");
    assert_int_equal(parse_exts(&exts), -EPROTO);
    assert_string_equal(why, "TLS error: malformed extensions in the ClientHello");
}

static void good_extensions(void **state)
{
    static const struct {
        unsigned type;
        const char *hex;
    } good[] = {
        {1, "01"}, {5, "01 0000 0000"}, {5, "02 aabb"}, {51, "0000"}, {51, "0005 1a1a 0001 00"},
        {51, "0024 " X25519}, {0xff01, "00"}, {28, "4001"}, {44, "0001 00"}, {42, ""}, {0xffff, "00"}, {27, "02 0002"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(good); i++)
        if (parse_ext(good[i].type, good[i].hex) != 1)
            fail_msg("refused: %u %s: %s", good[i].type, good[i].hex, why);
}

/* FIPS 203 section 7.2: no coefficient of a client's ML-KEM key is 3329 or more. */
static void hybrid_shares(void **state)
{
    static const struct {
        unsigned low, high; /* the first two coefficients */
        size_t at, size;
        int expected;
    } cases[] = {
        {0, 0, 0, 1216, 1},          {3328, 3328, 0, 1216, 1},         {3329, 0, 0, 1216, -EPROTO}, {0, 3329, 0, 1216, -EPROTO},
        {4095, 0, 0, 1216, -EPROTO}, {0, 3329, 1149, 1216, -EPROTO},   {3329, 0, 1149, 1216, -EPROTO},
        {4095, 4095, 1152, 1216, 1}, /* what is behind the coefficients is a seed, and X25519's key */
        {4095, 4095, 1213, 1216, 1}, {0, 0, 0, 1215, -EPROTO},         {0, 0, 0, 1217, -EPROTO},    {0, 0, 0, 1184, -EPROTO},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        static struct t_bytes exts;
        uint8_t share[1217] = {0}, *p = share + cases[i].at;
        p[0] = (uint8_t)cases[i].low;
        p[1] = (uint8_t)(cases[i].low >> 8 | (cases[i].high & 15) << 4);
        p[2] = (uint8_t)(cases[i].high >> 4);
        exts.n = 0;
        t_u16(&exts, 51);
        t_u16(&exts, (unsigned)cases[i].size + 6);
        t_u16(&exts, (unsigned)cases[i].size + 4);
        t_u16(&exts, 4588);
        t_u16(&exts, (unsigned)cases[i].size);
        t_put(&exts, share, cases[i].size);
        if (parse_exts(&exts) != cases[i].expected)
            fail_msg("case %zu: %s", i, why ? why : "taken");
        if (cases[i].expected != 1)
            assert_string_equal(why, "TLS error: malformed or repeated key share in the ClientHello");
    }
}

static void fallbacks_and_early_data(void **state)
{
    static struct t_bytes message, wire, exts;
    static const unsigned ciphers[] = {0xc02b, 0x5600, 0x0056, 0x5601};
    for (size_t i = 0; i < SP_ARRAY_LEN(ciphers); i++) {
        message.n = wire.n = 0;
        t_hello(&message, NULL);
        message.p[43] = (uint8_t)(ciphers[i] >> 8); /* the second cipher of two */
        message.p[44] = (uint8_t)ciphers[i];
        t_records(&wire, &message, 16384);
        assert_int_equal(parse_bytes(wire.p, wire.n, false), 1);
        assert_int_equal(got.fallback, ciphers[i] == 0x5600);
        assert_false(got.early_data);
    }
    exts.n = 0;
    t_exts_13(&exts);
    t_ext(&exts, 42, "");
    assert_int_equal(parse_exts(&exts), 1);
    assert_true(got.early_data && !got.fallback);
}

static void name_lengths(void **state)
{
    static struct t_bytes exts;
    char name[300];
    memset(name, 'a', sizeof(name));
    exts.n = 0;
    t_ext_sni(&exts, name, 255);
    assert_int_equal(parse_exts(&exts), 1);
    assert_int_equal(got.sni.len, 255);
    exts.n = 0;
    t_ext_sni(&exts, name, 256);
    assert_int_equal(parse_exts(&exts), -EPROTO);
    exts.n = 0;
    t_ext_sni(&exts, "a\0b.example", 11);
    assert_int_equal(parse_exts(&exts), -EPROTO);
}

static void the_second_one(void **state)
{
    static struct t_bytes exts, message, wire;
    exts.n = message.n = wire.n = 0;
    t_ext_sni(&exts, "a.example", 9);
    t_hello(&message, &exts);
    t_hex(&wire, "14 0303 0001 01");
    t_records(&wire, &message, 16384);
    all_prefixes_want_more(&wire, true);
    assert_string_equal(got.sni.ptr, "a.example");
    assert_int_equal(parse_bytes(wire.p, wire.n, false), -EPROTO); /* but not before the first */
    assert_int_equal(parse_bytes(wire.p + 6, wire.n - 6, true), 1);
    wire.p[4] = 2;
    assert_int_equal(parse_bytes(wire.p, wire.n, true), -EPROTO);
    assert_string_equal(why, "TLS error: malformed ChangeCipherSpec");
    assert_int_equal(parse_bytes("\x17\x03\x03", 3, true), -EPROTO);
}

/* Each byte of a good one changed in turn: whatever comes of it, nothing is read that is not there (asan sees). */
static void one_byte_wrong(void **state)
{
    static struct t_bytes exts, message, wire;
    exts.n = message.n = wire.n = 0;
    t_ext_sni(&exts, "a.example", 9);
    t_ext(&exts, 16, "000c 02 6832 08 687474702f312e31");
    t_exts_13(&exts);
    t_hello(&message, &exts);
    t_records(&wire, &message, 16384);
    for (size_t i = 0; i < wire.n; i++) {
        uint8_t was = wire.p[i];
        for (unsigned v = 0; v < 256; v++) {
            wire.p[i] = (uint8_t)v;
            int r = parse_bytes(wire.p, wire.n, false);
            assert_true(r == 1 || r == 0 || (r == -EPROTO && why));
        }
        wire.p[i] = was;
        sp_arena_done(&arena);
    }
}

static int setup(void **state)
{
    sp_arena_init(&arena);
    return 0;
}

static int teardown(void **state)
{
    sp_arena_done(&arena);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_ones),       TEST(over_many_records), TEST(over_segments),  TEST(without_extensions),
        TEST(what_resumes), TEST(odd_tickets),    TEST(pre_shared_keys),   TEST(not_tls),        TEST(more_in_the_same_record),
        TEST(longest),         TEST(truncated_bodies),  TEST(bad_heads),      TEST(twice),
        TEST(bad_extensions),  TEST(good_extensions),   TEST(name_lengths), TEST(hybrid_shares), TEST(fallbacks_and_early_data),  TEST(the_second_one),
        TEST(one_byte_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
