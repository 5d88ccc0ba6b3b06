/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree that validate prints: lines, long lists, long lines, JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/tree.h"

static struct sp_tree tree;

static int setup(void **state)
{
    (void)state;
    sp_tree_init(&tree);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sp_tree_done(&tree);
    return 0;
}

static const char *printed(unsigned most)
{
    static char said[16384];
    FILE *to = fmemopen(said, sizeof(said), "w");
    assert_non_null(to);
    sp_tree_print(&tree, most, to);
    fclose(to);
    return said;
}

static void lines(void **state)
{
    (void)state;
    assert_string_equal(printed(0), "");
    struct sp_tree_node *a = sp_tree_add(&tree, NULL, "listener", SP_STR("door"));
    sp_tree_say(&tree, a, "address", "%s:%d", "0.0.0.0", 1);
    sp_tree_say(&tree, a, "more", "x");
    sp_tree_add(&tree, sp_tree_add(&tree, a, "filter chain", SP_STR("1")), "gate", SP_STR("g"));
    sp_tree_add(&tree, NULL, "admin page", SP_STR(""));
    assert_string_equal(printed(0), "listener door: 0.0.0.0:1, x\n  filter chain 1\n    gate g\nadmin page\n");
}

static void control_bytes(void **state)
{
    (void)state;
    sp_tree_say(&tree, sp_tree_add(&tree, NULL, "route", SP_STR("/a\x1b[31m\nb")), "x", "c\rd\x7f");
    assert_string_equal(printed(0), "route /a?[31m?b: c?d?\n");
}

static void add_routes(struct sp_tree_node *under, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sp_tree_add(&tree, under, "route", sp_arena_printf(&tree.arena, "/%u", i));
}

static void long_lists(void **state)
{
    (void)state;
    struct sp_tree_node *a = sp_tree_add(&tree, NULL, "virtual host", SP_STR("a"));
    add_routes(a, 5);
    sp_tree_add(&tree, a, "filter", SP_STR("f"));
    add_routes(a, 1);
    assert_string_equal(printed(2), "virtual host a\n  route /0\n  route /1\n  ... 3 more routes (--all shows them)\n  filter f\n  route /0\n");
    assert_string_equal(printed(4), "virtual host a\n  route /0\n  route /1\n  route /2\n  route /3\n  route /4\n  filter f\n  route /0\n");
    assert_string_equal(printed(0), printed(100));
}

static void long_lines(void **state)
{
    (void)state;
    struct sp_tree_node *a = sp_tree_add(&tree, sp_tree_add(&tree, NULL, "x", SP_STR("")), "y", SP_STR("n"));
    sp_tree_say(&tree, a, "a", "%0100d", 1);
    sp_tree_say(&tree, a, "b", "%020d", 2);
    sp_tree_say(&tree, a, "c", "three");
    char expected[512];
    snprintf(expected, sizeof(expected), "x\n  y n: %0100d,\n        %020d, three\n", 1, 2);
    assert_string_equal(printed(0), expected);
}

static void json(void **state)
{
    (void)state;
    struct sp_tree_node *a = sp_tree_add(&tree, NULL, "virtual host", SP_STR("a"));
    sp_tree_say(&tree, a, "domains", "*");
    add_routes(a, 3);
    sp_tree_add(&tree, a, "gate", SP_STR("\xff"));
    sp_tree_add(&tree, NULL, "alias", SP_STR("b"));
    json_t *j = sp_tree_json(&tree), *host = json_array_get(json_object_get(j, "virtual_hosts"), 0);
    assert_string_equal(json_string_value(json_object_get(host, "name")), "a");
    assert_string_equal(json_string_value(json_object_get(host, "domains")), "*");
    assert_int_equal(json_array_size(json_object_get(host, "routes")), 3); /* never shortened */
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(host, "gates"), 0), "name")), "?");
    assert_int_equal(json_array_size(json_object_get(j, "aliases")), 1);
    json_decref(j);
}

int main(void)
{
#define ALONE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {ALONE(lines), ALONE(control_bytes), ALONE(long_lists), ALONE(long_lines), ALONE(json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
