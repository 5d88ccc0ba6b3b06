/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Secrets that are rotated: what is taken and refused, at the start and later. */
#include "config/named_secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

typedef Sallyport__Common__V1__Secret Secret;

static char path[64];

static struct {
    struct sp_doc *doc;
    struct sp_diag diag;
    struct sp_arena arena;
    struct sp_named_secret secret;
} t;

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static const char *no_space(struct sp_str value)
{
    return sp_str_chr(value, ' ') < 0 ? NULL : "it has a space";
}

static bool make(const char *yaml)
{
    t.doc = load_good(&sallyport__common__v1__secret__descriptor, SP_SYNTAX_YAML, yaml);
    sp_diag_init(&t.diag);
    sp_arena_init(&t.arena);
    const Secret *msg = sp_doc_root(t.doc);
    const struct sp_named_secret_build build = {.doc = t.doc,
                                                .diag = &t.diag,
                                                .arena = &t.arena,
                                                .scope = sp_stats_root(),
                                                .owner = SP_STR("test"),
                                                .check = no_space};
    return sp_named_secret_init(&t.secret, &build, msg->name, msg->value, msg->json_key);
}

static void drop(void)
{
    sp_arena_done(&t.arena);
    sp_doc_free(t.doc);
    sp_diag_done(&t.diag);
}

static void good(const char *yaml, const char *value)
{
    assert_true(make(yaml));
    assert_int_equal(t.diag.n_items, 0);
    assert_true(sp_str_eq(sp_named_secret_get(&t.secret), sp_str_c(value)));
}

static void refused(const char *yaml, const char *words)
{
    assert_false(make(yaml));
    char *text = printed(&t.diag);
    if (!strstr(text, words))
        fail_msg("expected \"%s\" in:\n%s", words, text);
    assert_null(strstr(text, "0123456789")); /* never shown */
    free(text);
    drop();
}

static const char *of_file(const char *more)
{
    static char yaml[200];
    snprintf(yaml, sizeof(yaml), "{name: f, value: {filename: %s}%s}", path, more);
    return yaml;
}

static void test_sources(void **state)
{
    good("{name: a, value: {inline_string: 0123456789abcdef}}", "0123456789abcdef");
    assert_int_equal(t.secret.source, SP_SECRET_INLINE);
    drop();
    setenv("SP_TEST_SECRET", "0123456789abcdef\n", 1);
    good("{name: a, value: {environment_variable: SP_TEST_SECRET}}", "0123456789abcdef\n");
    assert_int_equal(t.secret.source, SP_SECRET_ENVIRONMENT);
    assert_string_equal(t.secret.path.ptr, "SP_TEST_SECRET");
    drop();
    write_file("0123456789abcdef\n");
    good(of_file(""), "0123456789abcdef");
    assert_int_equal(t.secret.source, SP_SECRET_FILE);
    assert_string_equal(t.secret.path.ptr, path);
    drop();
    unsetenv("SP_TEST_SECRET");
}

static void test_json_key(void **state)
{
    write_file("{\"now\": \"0123456789abcdef-now\", \"a.b\": \"0123456789abcdef-dot\", \"num\": 1234567890123456,"
               " \"a\": {\"b\": \"no\", \"c\": {\"d\": \"0123456789abcdef-deep\"}}, \"short\": \"0123\"}\n");
    good(of_file(", json_key: now"), "0123456789abcdef-now");
    drop();
    good(of_file(", json_key: a.b"), "0123456789abcdef-dot");
    drop();
    good(of_file(", json_key: a.c.d"), "0123456789abcdef-deep");
    drop();
    refused(of_file(", json_key: none"), "no string 'none'");
    refused(of_file(", json_key: a.c"), "no string 'a.c'");
    refused(of_file(", json_key: num"), "no string 'num'");
    refused(of_file(", json_key: short"), "4 bytes can be guessed");
    write_file("[\"0123456789abcdef\"]");
    refused(of_file(", json_key: now"), "no JSON object");
    write_file("{\"now\": \"0123456789abcdef\", \"now\": \"0123456789abcdef\"}");
    refused(of_file(", json_key: now"), "no JSON object");
    write_file("0123456789abcdef");
    refused(of_file(", json_key: now"), "no JSON object");
}

static void test_bad_values(void **state)
{
    refused("{name: a, value: {inline_string: ''}}", "it is empty");
    refused("{name: a, value: {inline_string: fifteen-bytes-x}}", "15 bytes can be guessed");
    refused("{name: a, value: {inline_string: '0123456789abcdef x'}}", "it has a space");
    refused("{name: a, value: {environment_variable: SP_TEST_NOT_SET}}", "SP_TEST_NOT_SET is not set");
    refused("{name: a, value: {filename: /nonexistent/0}}", "cannot read");
    write_file("\n");
    refused(of_file(""), "it is empty");
    char *large = malloc(SP_NAMED_SECRET_MAX + 2);
    memset(large, 'x', SP_NAMED_SECRET_MAX + 1);
    large[SP_NAMED_SECRET_MAX + 1] = 0;
    write_file(large);
    refused(of_file(""), "larger than 4096 bytes");
    large[SP_NAMED_SECRET_MAX] = 0;
    write_file(large);
    good(of_file(""), large);
    drop();
    free(large);
}

/* What a reload does, without its threads. */
static bool reload(void)
{
    struct sp_diag diag;
    sp_diag_init(&diag);
    void *v = sp_named_secret_kind.load(&t.secret, sp_live_get(t.secret.live), &diag);
    assert_int_equal(v == NULL, diag.n_errors > 0);
    if (v)
        sp_live_publish(t.secret.live, v);
    else
        sp_live_failed(t.secret.live, SP_STR("no"));
    sp_diag_done(&diag);
    return v != NULL;
}

static void test_reload(void **state)
{
    write_file("0123456789abcdef-one\n");
    good(of_file(""), "0123456789abcdef-one");
    sp_named_secret_kind.tried(&t.secret, sp_live_get(t.secret.live), true); /* as the start does */
    write_file("0123456789abcdef-two\n");
    assert_true(reload());
    assert_string_equal(sp_named_secret_get(&t.secret).ptr, "0123456789abcdef-two");
    assert_int_equal(sp_counter_value(t.secret.reload_ok), 1);
    static const char *const bad[] = {"", "\n", "short", "0123456789abcdef x"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        write_file(bad[i]);
        assert_false(reload());
        assert_string_equal(sp_named_secret_get(&t.secret).ptr, "0123456789abcdef-two");
        assert_int_equal(sp_counter_value(t.secret.reload_refused), i + 1);
    }
    unlink(path);
    assert_false(reload());
    assert_int_equal(sp_counter_value(t.secret.reload_ok), 1);
    drop();
}

static void test_use_is_counted(void **state)
{
    good("{name: used, value: {inline_string: 0123456789abcdef}}", "0123456789abcdef");
    uint64_t v;
    sp_named_secret_hit(&t.secret, 1800000000);
    sp_named_secret_hit(&t.secret, 1800000000);
    sp_named_secret_hit(&t.secret, 1799999990); /* another worker's clock */
    sp_live_set_gauges(sp_doc_live(t.doc));
    assert_int_equal(sp_stats_find(SP_STR("secret.used.hit"), &v), 0);
    assert_int_equal(v, 3);
    assert_int_equal(sp_stats_find(SP_STR("secret.used.last_used"), &v), 0);
    assert_int_equal(v, 1800000000);
    drop();
    /* The next config's of that name knows it; and is not used so lately. */
    good("{name: used, value: {inline_string: 0123456789abcdef}}", "0123456789abcdef");
    assert_int_equal(t.secret.last_used_s, 1800000000);
    sp_named_secret_hit(&t.secret, 1700000000);
    sp_live_set_gauges(sp_doc_live(t.doc));
    sp_stats_find(SP_STR("secret.used.last_used"), &v);
    assert_int_equal(v, 1800000000);
    drop();
}

static int setup(void **state)
{
    snprintf(path, sizeof(path), "/tmp/sp-named-secret-%d", getpid());
    sp_stats_init(0);
    return 0;
}

static int teardown(void **state)
{
    unlink(path);
    sp_stats_done();
    sp_arena_thread_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),        cmocka_unit_test(test_json_key), cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_reload),         cmocka_unit_test(test_use_is_counted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
