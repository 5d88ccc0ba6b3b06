/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stats/table.h"

static bool same(const void *p, const void *key)
{
    return p == key;
}

/* In and out at random, with hashes that meet: what is in is found, what is out is not. */
static void in_and_out(void **state)
{
    static char things[500];
    bool in[500] = {false};
    struct sp_table t = {0};
    uint64_t r = 1;
    for (unsigned i = 0; i < 50000; i++) {
        r = r * 6364136223846793005u + 1442695040888963407u;
        unsigned k = (unsigned)(r >> 33) % 500;
        if (in[k])
            sp_table_remove(&t, k % 37, &things[k]);
        else
            sp_table_add(&t, k % 37, &things[k]);
        in[k] = !in[k];
        if (i % 100)
            continue;
        unsigned n = 0;
        for (unsigned j = 0; j < 500; j++) {
            assert_ptr_equal(sp_table_find(&t, j % 37, same, &things[j]), in[j] ? &things[j] : NULL);
            n += in[j];
        }
        assert_int_equal(t.n, n);
    }
    sp_table_done(&t);
    assert_null(sp_table_find(&t, 1, same, things));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_and_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
