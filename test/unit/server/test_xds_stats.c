/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is counted of files that are taken, refused, broken and mended. */
#include "server/xds_stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/files.h"
#include "stats/stats.h"

static char dir[] = "/tmp/sp_xds_XXXXXX";
static const char bootstrap[] = "dynamic_resources: {lds_config: {path: l.yaml}, cds_config: {path: c.yaml}}\n";

static int setup(void **state)
{
    sp_stats_init(1);
    return mkdtemp(dir) ? chdir(dir) : -1;
}

static int teardown(void **state)
{
    char command[100];
    sp_stats_done();
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return chdir("/") + system(command);
}

static void file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void stat_is(const char *name, uint64_t want)
{
    uint64_t v = 0;
    if (sp_stats_find(sp_str_c(name), &v) < 0)
        fail_msg("there is no %s", name);
    if (v != want)
        fail_msg("%s is %llu, not %llu", name, (unsigned long long)v, (unsigned long long)want);
}

static void lds_is(uint64_t attempt, uint64_t success, uint64_t rejected, uint64_t failure)
{
    stat_is("listener_manager.lds.update_attempt", attempt);
    stat_is("listener_manager.lds.update_success", success);
    stat_is("listener_manager.lds.update_rejected", rejected);
    stat_is("listener_manager.lds.update_failure", failure);
}

/* Loads; tells the stats as the server does. The set that serves stays when this one is refused. */
static void turn(struct sp_xds_stats *x, struct sp_set **serves)
{
    struct sp_files *files = sp_files_new();
    struct sp_diag d;
    char why[400];
    sp_diag_init(&d);
    struct sp_set *set = sp_set_load(NULL, bootstrap, files, &d);
    if (set) {
        sp_xds_stats_taken(x, set);
        sp_set_free(*serves);
        *serves = set;
    } else {
        snprintf(why, sizeof(why), "%s:%u:1: %s\n", d.items[0].mark.file, d.items[0].mark.line, d.items[0].text);
        sp_xds_stats_refused(x, files, why);
    }
    sp_files_unref(files);
    sp_diag_done(&d);
}

static const struct sp_set_source *lds(const struct sp_set *s)
{
    for (unsigned i = 0; i < s->n_sources; i++)
        if (s->sources[i].kind == SP_SET_LDS)
            return &s->sources[i];
    return NULL;
}

static void test_a_life(void **state)
{
    struct sp_xds_stats *x = sp_xds_stats_new();
    struct sp_set *s = NULL;
    file("l.yaml", "version_info: '3'\nresources: []\n");
    file("c.yaml", "resources: []\n");
    turn(x, &s);
    lds_is(1, 1, 0, 0);
    stat_is("listener_manager.lds.version", 2744517546871237796u); /* Envoy's for "3" */
    stat_is("cluster_manager.cds.version", 17241709254077376921u); /* and for "" */
    stat_is("cluster_manager.cds.config_reload", 1);

    turn(x, &s); /* nothing changed */
    lds_is(1, 1, 0, 0);
    assert_int_equal(sp_xds_stats_of(x, lds(s)).failed_ms, 0);

    file("l.yaml", "version_info: '4'\nresources: 7\n");
    turn(x, &s);
    lds_is(2, 1, 1, 0);
    stat_is("cluster_manager.cds.update_attempt", 1);
    assert_true(sp_xds_stats_of(x, lds(s)).failed_ms > 0);
    assert_non_null(strstr(sp_xds_stats_of(x, lds(s)).why.ptr, "l.yaml:2:1: expected a list"));
    turn(x, &s); /* tried already */
    lds_is(2, 1, 1, 0);

    file("l.yaml", "resources: [\n");
    turn(x, &s);
    lds_is(3, 1, 1, 1);
    unlink("l.yaml");
    turn(x, &s);
    lds_is(4, 1, 1, 2);
    stat_is("listener_manager.lds.version", 2744517546871237796u);

    file("l.yaml", "version_info: '5'\nresources: []\n");
    turn(x, &s);
    lds_is(5, 2, 1, 2);
    assert_int_equal(sp_xds_stats_of(x, lds(s)).failed_ms, 0);
    assert_string_equal(lds(s)->file->version_info, "5");
    sp_set_free(s);
    sp_xds_stats_free(x);
}

/* A good file that was refused with a broken one counts again when the other is mended. */
static void test_refused_with_another(void **state)
{
    struct sp_xds_stats *x = sp_xds_stats_new();
    struct sp_set *s = NULL;
    uint64_t before;
    file("l.yaml", "resources: []\n");
    file("c.yaml", "resources: []\n");
    turn(x, &s);
    assert_int_equal(sp_stats_find(SP_STR("cluster_manager.cds.update_success"), &before), 0);
    file("c.yaml", "version_info: two\nresources: []\n");
    file("l.yaml", "resources: 5\n");
    turn(x, &s);
    stat_is("cluster_manager.cds.update_rejected", 1);
    stat_is("cluster_manager.cds.update_success", before);
    file("l.yaml", "resources: [] # good again\n");
    turn(x, &s);
    stat_is("cluster_manager.cds.update_success", before + 1);
    sp_set_free(s);
    sp_xds_stats_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_life),
        cmocka_unit_test(test_refused_with_another),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
