/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"

static bool loads(struct sp_str text, unsigned depth)
{
    json_t *v = sp_json_load(text, depth, 1000);
    json_decref(v);
    return v != NULL;
}

static void test_good(void **state)
{
    json_t *v = sp_json_load(SP_STR(" {\"a\": \"x\", \"b\": 1, \"c\": null, \"d\": \"\"}\n"), 1, 10);
    assert_non_null(v);
    assert_true(sp_str_eq(sp_json_str(v, "a"), SP_STR("x")));
    assert_non_null(sp_json_str(v, "d").ptr);
    assert_int_equal(sp_json_str(v, "d").len, 0);
    assert_null(sp_json_str(v, "b").ptr);
    assert_null(sp_json_str(v, "c").ptr);
    assert_null(sp_json_str(v, "e").ptr);
    json_decref(v);
    assert_true(loads(SP_STR("[]"), 1));
    assert_true(loads(SP_STR("{\"a\":{\"a\":1}}"), 2)); /* the same name, but of another object */
}

static void test_bad(void **state)
{
    static const char *const bad[] = {"", " ", "1", "\"x\"", "null", "{", "}", "{}}", "{} {}", "{}x",
        "{\"a\":1,\"a\":1}",
                                      "{\"b\":{\"a\":1,\"a\":2}}", "{\"a\":1,\"\\u0061\":2}", "{'a':1}", "{a:1}",
                                          "{\"a\":1,}",
                                      "{\"a\":\"\\u0000\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xc0\x80\"}",
                                          "{\"a\":1e999}",
                                      "{\"a\":99999999999999999999}", "{\"a\":01}", "{\"a\":NaN}", "{\"a\":\"\n\"}",
                                          "// x\n{}",
                                      "\xef\xbb\xbf{}", "{\"a\":\"\\", "{\"a\":\"\\ud800\"}"};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        if (loads(sp_str_c(bad[i]), 8))
            fail_msg("taken: %s", bad[i]);
    assert_false(loads(sp_str_n("{}\0", 3), 8));
    assert_false(loads(SP_STR_NULL, 8));
}

static void test_depth(void **state)
{
    assert_true(loads(SP_STR("[[[]]]"), 3));
    assert_false(loads(SP_STR("[[[]]]"), 2));
    assert_true(loads(SP_STR("[[],[],[],{}]"), 2));
    assert_false(loads(SP_STR("{\"a\":{\"b\":[]}}"), 2));
    /* Brackets in strings are no nesting, and an escaped quote does not end one. */
    assert_true(loads(SP_STR("[\"[[[[{{{{\", \"\\\"[[[[\", \"\\\\\"]"), 1));
    assert_false(loads(SP_STR("[\"\\\\\", [[]]]"), 2));
    char deep[100001];
    memset(deep, '[', sizeof(deep));
    assert_false(loads(sp_str_n(deep, sizeof(deep)), 32));
    for (size_t i = 0; i < sizeof(deep); i += 2)
        deep[i] = '{';
    assert_false(loads(sp_str_n(deep, sizeof(deep)), 32));
}

static bool loads_values(const char *text, unsigned max)
{
    json_t *v = sp_json_load(sp_str_c(text), 8, max);
    json_decref(v);
    return v != NULL;
}

static void test_values(void **state)
{
    assert_true(loads_values("[1,2,3]", 3));
    assert_false(loads_values("[1,2,3]", 2));
    assert_true(loads_values("{\"a\":[1,2],\"b\":{}}", 5));
    assert_false(loads_values("{\"a\":[1,2],\"b\":{}}", 4));
    assert_false(loads_values("[[],[],[]]", 5));
    assert_true(loads_values("[\",,,,,,\"]", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
