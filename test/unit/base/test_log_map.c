/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/chains.h"
#include "base/log.h"
#include "base/map.h"

static void map_finds_what_was_added(void **state)
{
    static char keys[2000][16];
    struct sp_map m;
    sp_map_init(&m);
    assert_null(sp_map_get(&m, SP_STR("x")));
    for (int i = 0; i < 2000; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        assert_true(sp_map_add(&m, sp_str_c(keys[i]), keys[i]));
    }
    assert_false(sp_map_add(&m, SP_STR("k77"), NULL));
    for (int i = 0; i < 2000; i++)
        assert_ptr_equal(sp_map_get(&m, sp_str_c(keys[i])), keys[i]);
    assert_null(sp_map_get(&m, SP_STR("k2000")));
    sp_map_done(&m);
}

struct fruit {
    struct sp_chain_node node;
    int key;
};

static struct fruit *find(const struct sp_chains *c, int key)
{
    struct sp_chain_node *n = sp_chains_first(c, (uint64_t)key % 100); /* others have the same hash */
    while (n && SP_CONTAINER_OF(n, struct fruit, node)->key != key)
        n = sp_chains_next(n);
    return n ? SP_CONTAINER_OF(n, struct fruit, node) : NULL;
}

static void chains_forget_what_was_removed(void **state)
{
    static struct fruit all[1000];
    struct sp_chains c = {0};
    assert_null(find(&c, 1));
    for (int i = 0; i < 1000; i++) {
        all[i].key = i;
        sp_chains_add(&c, &all[i].node, (uint64_t)i % 100);
    }
    for (int i = 0; i < 1000; i += 3) {
        sp_chains_remove(&c, &all[i].node);
        sp_chains_remove(&c, &all[i].node); /* no harm */
    }
    for (int i = 0; i < 1000; i++)
        assert_ptr_equal(find(&c, i), i % 3 ? &all[i] : NULL);
    assert_int_equal(c.n, 666);
    sp_chains_add(&c, &all[3].node, 3);
    assert_ptr_equal(find(&c, 3), &all[3]);
    sp_chains_done(&c);
}

static char *logged(bool json, const char *text)
{
    char path[] = "/tmp/sp-log-XXXXXX";
    close(mkstemp(path));
    assert_int_equal(sp_log_open(path), 0);
    sp_log_json(json);
    sp_log(SP_LOG_WARNING, "test", "%s", text);
    sp_log(SP_LOG_DEBUG, "test", "not seen");
    sp_log_json(false);
    FILE *f = fopen(path, "r");
    char *out = calloc(1, 8192);
    assert_true(fread(out, 1, 8191, f) > 0);
    fclose(f);
    unlink(path);
    return out;
}

static void no_line_can_be_forged(void **state)
{
    char *s = logged(false, "a\nb\rc\x1b[1m\x7f");
    assert_non_null(strstr(s, "][warning][test] a?b?c?[1m?\n"));
    assert_null(strstr(s, "not seen"));
    free(s);
    /* A terminal takes U+009B for ESC [, and text turned around reads otherwise than it is. No UTF-8 would be no JSON. */
    s = logged(false, "\xc2\x9bm \xe2\x80\xae \xe2\x81\xa7 \x9b \xc3\xa9 \xe2\x82\xac \xe2\x82");
    assert_non_null(strstr(s, "] ??m ??? ??? ? \xc3\xa9 \xe2\x82\xac ??\n"));
    free(s);
    s = logged(true, "q\"\\\n");
    assert_non_null(strstr(s, "\"component\":\"test\",\"message\":\"q\\\"\\\\?\"}\n"));
    free(s);
}

static void long_lines_are_cut(void **state)
{
    char *text = malloc(5001);
    memset(text, '"', 5000);
    text[5000] = 0;
    char *s = logged(true, text);
    assert_true(strlen(s) < 4500);
    assert_string_equal(s + strlen(s) - 3, "\"}\n");
    free(s);
    free(text);
}

static void limit_counts_what_it_leaves_out(void **state)
{
    struct sp_log_limit l = {0};
    unsigned left, passed = 0;
    for (int i = 0; i < 100; i++)
        passed += sp_log_allow(&l, 3, &left);
    assert_true(passed >= 3 && passed <= 6); /* a second may end meanwhile */
    atomic_store(&l.second, 0);
    assert_true(sp_log_allow(&l, 3, &left));
    assert_int_equal(left + passed, 100);
}

static void levels(void **state)
{
    enum sp_log_level level;
    assert_int_equal(sp_log_level_parse(SP_STR("warn"), &level), 0);
    assert_int_equal(level, SP_LOG_WARNING);
    assert_int_equal(sp_log_level_parse(SP_STR("critical"), &level), 0);
    assert_int_equal(level, SP_LOG_CRITICAL);
    assert_int_equal(sp_log_level_parse(SP_STR("loud"), &level), -EINVAL);
}

static enum sp_log_level level_of(const char *component)
{
    enum sp_log_level level;
    const char *name;
    for (unsigned i = 0; (name = sp_log_component(i, &level)) != NULL; i++)
        if (strcmp(name, component) == 0)
            return level;
    fail();
    return SP_LOG_OFF;
}

static void each_component_has_a_level(void **state)
{
    char why[200];
    assert_false(sp_log_on(SP_LOG_DEBUG, "tls"));
    assert_int_equal(sp_log_set_levels(SP_STR("tls:debug,health:off"), why, sizeof(why)), 0);
    assert_int_equal(level_of("tls"), SP_LOG_DEBUG);
    assert_int_equal(level_of("health"), SP_LOG_OFF);
    assert_int_equal(level_of("dns"), SP_LOG_INFO);
    assert_true(sp_log_on(SP_LOG_DEBUG, "tls"));
    assert_false(sp_log_on(SP_LOG_TRACE, "tls"));
    assert_false(sp_log_on(SP_LOG_DEBUG, "dns"));
    assert_false(sp_log_on(SP_LOG_CRITICAL, "health"));
    static const struct {
        const char *list, *why;
    } wrong[] = {
        {"dns:debug,tls", "\"tls\" is no component:level (such as tls:debug)"},
        {"dns:debug,tsl:info", "there is no component \"tsl\" (did you mean tls)"},
        {"dns:debug,something-else:info", "there is no component \"something-else\" (/logging lists them)"},
        {"dns:debug,tls:loud", "\"loud\" is no level (trace, debug, info, warning, error, critical or off)"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(wrong); i++) {
        assert_int_equal(sp_log_set_levels(sp_str_c(wrong[i].list), why, sizeof(why)), -EINVAL);
        assert_string_equal(why, wrong[i].why);
        assert_int_equal(level_of("dns"), SP_LOG_INFO);
    }
    sp_log_set_level(SP_LOG_ERROR);
    assert_int_equal(level_of("tls"), SP_LOG_ERROR);
    assert_int_equal(sp_log_get_level(), SP_LOG_ERROR);
    assert_false(sp_log_on(SP_LOG_WARNING, "tls"));
    sp_log_set_level(SP_LOG_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_finds_what_was_added), cmocka_unit_test(chains_forget_what_was_removed),
        cmocka_unit_test(no_line_can_be_forged),
        cmocka_unit_test(long_lines_are_cut), cmocka_unit_test(limit_counts_what_it_leaves_out),
        cmocka_unit_test(levels), cmocka_unit_test(each_component_has_a_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
