/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ValueMatcher: every kind against every type; nothing is converted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "route/value_matcher.h"
#include "support/config.h"

static const char *const values[] = {NULL, "null", "5", "5.0", "4.5", "\"5\"", "\"\"", "true", "false", "\"true\"", "[]",
                                     "[1, \"5\", true]", "[[\"5\"]]", "{}", "{\"a\": \"5\"}", "1e300"};

/* Which of the values match, as a row of digits. */
static void matches(const char *yaml, const char *expected)
{
    struct t_config c;
    bool limit = false;
    char got[sizeof(values) / sizeof(*values) + 1] = "";
    t_config_load(&c, &envoy__type__matcher__v3__value_matcher__descriptor, yaml);
    struct sp_value_matcher *m = sp_value_matcher_new(c.doc, &c.diag, c.msg);
    assert_string_equal(t_config_said(&c), "");
    for (size_t i = 0; i < SP_ARRAY_LEN(values); i++) {
        json_t *v = values[i] ? sp_json_load_any(sp_str_c(values[i]), 8, 100) : NULL;
        assert_int_equal(!v, !values[i]);
        got[i] = sp_value_match(m, v, &limit) ? '1' : '0';
        json_decref(v);
    }
    assert_false(limit);
    if (strcmp(got, expected) != 0)
        fail_msg("%s: %s, not %s", yaml, got, expected);
    sp_value_matcher_free(m);
    t_config_done(&c);
}

static void kinds(void **state)
{
    matches("null_match: {}", "0100000000000000");
    matches("double_match: {exact: 5}", "0011000000000000");
    matches("double_match: {range: {start: 4.5, end: 5}}", "0000100000000000");
    matches("double_match: {range: {start: 5, end: 1e301}}", "0011000000000001");
    matches("string_match: {exact: '5'}", "0000010000000000");
    matches("string_match: {exact: ''}", "0000001000000000");
    matches("string_match: {prefix: T, ignore_case: true}", "0000000001000000");
    matches("string_match: {safe_regex: {regex: '.*'}}", "0000011001000000");
    matches("bool_match: true", "0000000100000000");
    matches("bool_match: false", "0000000010000000");
    matches("present_match: true", "0111111111111111");
    matches("present_match: false", "0000000000000000");
    matches("list_match: {one_of: {string_match: {exact: '5'}}}", "0000000000010000");
    matches("list_match: {one_of: {list_match: {one_of: {present_match: true}}}}", "0000000000001000");
    matches("or_match: {value_matchers: [{null_match: {}}, {bool_match: true}]}", "0100000100000000");
}

static void bad(const char *yaml, const char *expected)
{
    struct t_config c;
    t_config_load(&c, &envoy__type__matcher__v3__value_matcher__descriptor, yaml);
    assert_null(sp_value_matcher_new(c.doc, &c.diag, c.msg));
    assert_non_null(strstr(t_config_said(&c), expected));
    t_config_done(&c);
}

static void errors(void **state)
{
    bad("double_match: {range: {start: 5, end: 5}}", "start has to be less than end");
    bad("or_match: {value_matchers: [{null_match: {}}, {string_match: {safe_regex: {regex: '('}}}]}", "regex");
    bad("list_match: {one_of: {double_match: {range: {start: 2, end: 1}}}}", "start has to be less than end");
}

static void a_limit_is_told(void **state)
{
    struct t_config c;
    bool limit = false;
    char text[501];
    memset(text, 'a', 500);
    text[500] = 'c';
    t_config_load(&c, &envoy__type__matcher__v3__value_matcher__descriptor,
                  "list_match: {one_of: {string_match: {safe_regex: {regex: '(a+)+bc'}}}}");
    struct sp_value_matcher *m = sp_value_matcher_new(c.doc, &c.diag, c.msg);
    json_t *list = json_pack("[s%]", text, sizeof(text));
    assert_false(sp_value_match(m, list, &limit));
    assert_true(limit);
    json_decref(list);
    sp_value_matcher_free(m);
    t_config_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kinds), cmocka_unit_test(errors), cmocka_unit_test(a_limit_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
