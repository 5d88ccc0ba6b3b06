/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/ct.h"
#include "crypto/hash.h"

static struct sp_arena arena;

static void expect_hex(const uint8_t *p, const char *hex)
{
    assert_string_equal(sp_hex(&arena, p, 32).ptr, hex);
}

/* FIPS 180-2 and RFC 4231. */
static void test_vectors(void **state)
{
    uint8_t out[32];
    sp_sha256(SP_STR("abc"), out);
    expect_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sp_sha256(SP_STR_NULL, out);
    expect_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sp_hmac_sha256(SP_STR("Jefe"), SP_STR("what do ya want for nothing?"), out);
    expect_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    char key[131];
    memset(key, 0xaa, sizeof(key));
    sp_hmac_sha256(sp_str_n(key, sizeof(key)), SP_STR("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    expect_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    sp_hmac_sha256(SP_STR_NULL, SP_STR_NULL, out);
    expect_hex(out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 1321 and 2202. */
static void test_old_hashes(void **state)
{
    uint8_t out[20];
    sp_md5(SP_STR("abc"), out);
    assert_string_equal(sp_hex(&arena, out, 16).ptr, "900150983cd24fb0d6963f7d28e17f72");
    sp_md5(SP_STR_NULL, out);
    assert_string_equal(sp_hex(&arena, out, 16).ptr, "d41d8cd98f00b204e9800998ecf8427e");
    sp_hmac_md5(SP_STR("Jefe"), SP_STR("what do ya want for nothing?"), out);
    assert_string_equal(sp_hex(&arena, out, 16).ptr, "750c783e6ab0b503eaa86e310a5db738");
    sp_hmac_sha1(SP_STR("Jefe"), SP_STR("what do ya want for nothing?"), out);
    assert_string_equal(sp_hex(&arena, out, 20).ptr, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

static void test_hex(void **state)
{
    assert_string_equal(sp_hex(&arena, "\x00\x9f\xff", 3).ptr, "009fff");
    assert_int_equal(sp_hex(&arena, "", 0).len, 0);
}

struct pair {
    const char *text, *plain, *url, *url_pad;
};

static void test_base64_vectors(void **state)
{
    static const struct pair pairs[] = {
        {"", "", "", ""}, {"f", "Zg==", "Zg", "Zg=="}, {"fo", "Zm8=", "Zm8", "Zm8="}, {"foo", "Zm9v", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg", "Zm9vYg=="}, {"fooba", "Zm9vYmE=", "Zm9vYmE", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy", "Zm9vYmFy"}, {"\xfb\xff\xfe", "+//+", "-__-", "-__-"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(pairs); i++) {
        const struct pair *p = &pairs[i];
        const char *want[] = {p->plain, p->url, p->url_pad};
        for (int kind = SP_BASE64; kind <= SP_BASE64URL_PAD; kind++) {
            struct sp_str out;
            assert_string_equal(sp_base64_encode(&arena, kind, sp_str_c(p->text)).ptr, want[kind]);
            assert_int_equal(sp_base64_decode(&arena, kind, sp_str_c(want[kind]), &out), 0);
            assert_true(sp_str_eq(out, sp_str_c(p->text)));
        }
    }
}

static void test_base64_round_trip(void **state)
{
    char in[200];
    sp_random_bytes(in, sizeof(in));
    for (size_t n = 0; n <= sizeof(in); n++)
        for (int kind = SP_BASE64; kind <= SP_BASE64URL_PAD; kind++) {
            struct sp_str out, text = sp_base64_encode(&arena, kind, sp_str_n(in, n));
            assert_int_equal(sp_base64_decode(&arena, kind, text, &out), 0);
            assert_true(sp_str_eq(out, sp_str_n(in, n)));
        }
}

static void refuse(enum sp_base64 kind, struct sp_str in)
{
    struct sp_str out = SP_STR("untouched");
    assert_int_equal(sp_base64_decode(&arena, kind, in, &out), -EINVAL);
    assert_string_equal(out.ptr, "untouched");
}

static void test_base64_strict(void **state)
{
    static const char *const nopad[] = {"A", "AAAAA", "Zg==", "Zm8=", "Zm9v====", "Zh", "Zm9", "Zm 8", "Zm8\n", "+//+",
        "Zm9v\r\n",
                                        " Zm9v", "Zg=", "=", "Z=", "Zm9v=", "Zg\x80", "Zm9vA", "\xff\xff\xff\xff"};
    static const char *const pad[] = {"Zg", "Zg=", "Zm8", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Z=g=", "=Zm8",
        "Zm9v=",
                                      "Zm9v====", "Zm8=\n", "Zm9 ", "Zm.v"};
    for (size_t i = 0; i < SP_ARRAY_LEN(nopad); i++)
        refuse(SP_BASE64URL_NOPAD, sp_str_c(nopad[i]));
    for (size_t i = 0; i < SP_ARRAY_LEN(pad); i++) {
        refuse(SP_BASE64, sp_str_c(pad[i]));
        refuse(SP_BASE64URL_PAD, sp_str_c(pad[i]));
    }
    refuse(SP_BASE64, SP_STR("-__-"));
    refuse(SP_BASE64URL_PAD, SP_STR("+//+"));
    refuse(SP_BASE64, sp_str_n("AA\0A", 4));
}

/* Every byte that is no digit is refused at every place of a group. */
static void test_base64_alphabet(void **state)
{
    struct sp_str digits = SP_STR("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), out;
    for (unsigned c = 0; c < 256; c++)
        for (unsigned at = 0; at < 4; at++) {
            char text[5] = "AAAA";
            text[at] = (char)c;
            bool good = sp_str_chr(digits, (char)c) >= 0;
            assert_int_equal(sp_base64_decode(&arena, SP_BASE64URL_NOPAD, sp_str_n(text, 4), &out), good ? 0 : -EINVAL);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_old_hashes),       cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64_vectors), cmocka_unit_test(test_base64_round_trip),
        cmocka_unit_test(test_base64_strict), cmocka_unit_test(test_base64_alphabet),
    };
    sp_arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sp_arena_done(&arena);
    sp_arena_thread_done();
    return failed;
}
