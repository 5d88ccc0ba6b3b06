/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SipHash-2-4: the vectors of its authors, key 00 to 0f, input 00, 01, 02 and so on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
