/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A config that is compiled while memory is out: refused in words, and nothing of it is kept. */
#include "faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/reserve.h"
#include "config/node.h"
#include "server/compile.h"
#include "stats/stats.h"

static const char yaml[] =
    "static_resources:\n"
    "  clusters:\n"
    "  - {name: c, type: STATIC, load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: "
    "{address: 127.0.0.1, port_value: 1}}}}]}]}}\n";

static void dead(struct sp_snapshot *s)
{
}

static bool said(const struct sp_diag *diag, const char *text)
{
    for (unsigned i = 0; i < diag->n_items; i++)
        if (strcmp(diag->items[i].text, text) == 0)
            return true;
    return false;
}

static void test_low(void **state)
{
    static void *held[4000];
    unsigned n = 0;
    struct sp_diag diag;
    sp_diag_init(&diag);
    struct sp_set *set = sp_set_load(NULL, yaml, NULL, &diag);
    assert_non_null(set);
    assert_true(sp_reserve_open(8));
    fault_set(F_MALLOC, 0, -1);
    for (; sp_memory() != SP_MEM_LOW; n++)
        held[n] = sp_xmalloc(4096);
    struct sp_config *c = sp_config_compile(set, 1, NULL, dead, &diag);
    faults_off();
    assert_null(c);
    assert_true(said(&diag, "there is no memory to compile it (give the process more, or the config less)"));
    while (n)
        free(held[--n]);
    sp_diag_done(&diag);
    sp_diag_init(&diag);
    set = sp_set_load(NULL, yaml, NULL, &diag);
    c = sp_config_compile(set, 1, NULL, dead, &diag);
    assert_non_null(c);
    sp_config_free(c);
    sp_diag_done(&diag);
    sp_reserve_close();
}

/* A reader that cannot be made: an error as others are. */
static void test_yaml(void **state)
{
    struct sp_diag diag;
    struct sp_arena a;
    struct sp_node *root = NULL;
#if SP_ASAN || defined(__SANITIZE_THREAD__)
    skip(); /* there libyaml's own calls do not come through here */
#endif
    sp_arena_init(&a);
    sp_diag_init(&diag);
    assert_true(sp_reserve_open(1));
    fault_set(F_MALLOC, 0, -1);
    int r = sp_node_parse_yaml(&a, "f.yaml", SP_STR("a: 1"), &diag, &root);
    faults_off();
    assert_true(r < 0);
    assert_true(said(&diag, "there is no memory to read it (give the process more)"));
    assert_int_equal(sp_node_parse_yaml(&a, "f.yaml", SP_STR("a: 1"), &diag, &root), 0);
    sp_diag_done(&diag);
    sp_arena_done(&a);
    sp_reserve_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_low), cmocka_unit_test(test_yaml)};
    sp_stats_init(1);
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_stats_done();
    sp_buf_thread_done();
    sp_arena_thread_done();
    return r;
}
