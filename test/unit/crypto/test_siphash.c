/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SipHash-2-4: the vectors of its authors, key 00 to 0f, input 00, 01, 02 and so on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "crypto/siphash.h"

static void test_vectors(void **state)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } vectors[] = {{0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd}, {2, 0x0d6c8009d9a94f5a}, {7, 0xab0200f58b01d137},
                   {8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5}};
    uint8_t key[16], in[16];
    for (unsigned i = 0; i < 16; i++)
        key[i] = in[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        assert_true(sp_siphash(key, sp_str_n((char *)in, vectors[i].len)) == vectors[i].hash);
    key[0]++;
    assert_false(sp_siphash(key, sp_str_n((char *)in, 15)) == 0xa129ca6149be45e5);
}

/* The longer variant: vectors of the same authors, and what OpenSSL gives (openssl mac -macopt size:16 ... SIPHASH). */
static void test_vectors_128(void **state)
{
    static const struct {
        size_t len;
        uint8_t tag[SP_SIPHASH_TAG];
    } vectors[] = {
        {0, {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93}},
        {1, {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45}},
        {7, {0xa1, 0xf1, 0xeb, 0xbe, 0xd8, 0xdb, 0xc1, 0x53, 0xc0, 0xb8, 0x4a, 0xa6, 0x1f, 0xf0, 0x82, 0x39}},
        {8, {0x3b, 0x62, 0xa9, 0xba, 0x62, 0x58, 0xf5, 0x61, 0x0f, 0x83, 0xe2, 0x64, 0xf3, 0x14, 0x97, 0xb4}},
        {63, {0x51, 0x50, 0xd1, 0x77, 0x2f, 0x50, 0x83, 0x4a, 0x50, 0x3e, 0x06, 0x9a, 0x97, 0x3f, 0xbd, 0x7c}},
    };
    uint8_t key[16], in[63], tag[SP_SIPHASH_TAG];
    for (unsigned i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)i;
    memcpy(key, in, sizeof(key));
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        sp_siphash128(key, sp_str_n((char *)in, vectors[i].len), tag);
        assert_memory_equal(tag, vectors[i].tag, sizeof(tag));
    }
    key[15]++;
    sp_siphash128(key, sp_str_n((char *)in, 63), tag);
    assert_memory_not_equal(tag, vectors[4].tag, sizeof(tag));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_vectors_128)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
