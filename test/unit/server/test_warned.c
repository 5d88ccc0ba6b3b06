/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where an error stands, and which warnings a config had before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/warned.h"

static void test_place(void **state)
{
    (void)state;
    char text[SP_MARK_TEXT_MAX];
    assert_string_equal(sp_mark_text((struct sp_mark){"a.yaml", 3, 5}, text), "a.yaml:3:5: ");
    assert_string_equal(sp_mark_text((struct sp_mark){"a.pb", 0, 0}, text), "a.pb: ");
    assert_string_equal(sp_mark_text((struct sp_mark){0}, text), "");
}

static void test_known(void **state)
{
    (void)state;
    struct sp_diag old, now;
    struct sp_warned w;
    sp_diag_init(&old);
    sp_diag_init(&now);
    sp_diag_add(&old, SP_WARNING, (struct sp_mark){"a", 1, 1}, "x[0]", "odd %d", 1);
    sp_diag_add(&old, SP_ERROR, (struct sp_mark){"a", 1, 1}, "x[0]", "bad");
    sp_warned_init(&w, &old);
    sp_diag_done(&old); /* hashes are all that stays */
    sp_diag_add(&now, SP_WARNING, (struct sp_mark){"a", 9, 9}, "x[0]", "odd 1"); /* its line moved */
    sp_diag_add(&now, SP_WARNING, (struct sp_mark){"b", 1, 1}, "x[0]", "odd 1");
    sp_diag_add(&now, SP_WARNING, (struct sp_mark){"a", 1, 1}, "x[1]", "odd 1");
    sp_diag_add(&now, SP_WARNING, (struct sp_mark){"a", 1, 1}, "x[0]", "odd 2");
    sp_diag_add(&now, SP_WARNING, (struct sp_mark){"a", 1, 1}, "x[0]", "bad");
    for (unsigned i = 0; i < now.n_items; i++)
        assert_int_equal(sp_warned_has(&w, &now.items[i]), i == 0);
    sp_warned_done(&w);
    assert_false(sp_warned_has(&w, &now.items[0]));
    sp_diag_done(&now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
