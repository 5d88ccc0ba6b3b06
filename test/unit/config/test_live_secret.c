/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Secrets that are read anew. */
#include "config/live_secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "event/worker.h"
#include "stats/stats.h"
#include "support.h"

#define SOURCE (&envoy__config__core__v3__data_source__descriptor)

static bool long_enough(void *ctx, const struct sp_doc *doc, struct sp_diag *diag,
                        const Envoy__Config__Core__V3__DataSource *source, struct sp_str value)
{
    if (value.len >= 4)
        return true;
    sp_source_err(doc, diag, source, NULL, "too short");
    return false;
}

static struct sp_live *make(const struct sp_doc *doc, struct sp_diag *diag, struct sp_arena *arena)
{
    const struct sp_live_secret_spec spec = {.source = sp_doc_root(doc),
                                             .flags = SP_SECRET_CHOMP | SP_SECRET_NOT_EMPTY,
                                             .label = SP_STR("x"),
                                             .check = long_enough};
    return sp_live_secret_new(doc, diag, arena, &spec);
}

static void test_kinds_of_sources(void **state)
{
    static const struct {
        const char *yaml, *value; /* NULL: refused */
    } cases[] = {
        {"inline_string: open sesame", "open sesame"},
        {"inline_bytes: b3BlbiBzZXNhbWU=", "open sesame"},
        {"environment_variable: SP_TEST_SECRET", "from outside"},
        {"inline_string: abc", NULL},
        {"filename: /nonexistent/secret", NULL},
        {"environment_variable: SP_TEST_NO_SUCH", NULL},
    };
    setenv("SP_TEST_SECRET", "from outside", 1);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_arena arena;
        struct sp_diag diag;
        sp_arena_init(&arena);
        sp_diag_init(&diag);
        struct sp_doc *doc = load_good(SOURCE, SP_SYNTAX_YAML, cases[i].yaml);
        struct sp_live *l = make(doc, &diag, &arena);
        assert_int_equal(l != NULL, cases[i].value != NULL);
        assert_int_equal(diag.n_errors, cases[i].value ? 0 : 1);
        if (l)
            assert_true(sp_str_eq(sp_live_secret_get(l), sp_str_c(cases[i].value)));
        sp_arena_done(&arena);
        sp_doc_free(doc);
        sp_diag_done(&diag);
    }
}

struct world {
    struct sp_worker main, *list[1];
    struct sp_live_set *set;
    struct sp_live *live;
    struct sp_timer step;
    unsigned steps;
    char path[64];
};

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void on_step(struct sp_timer *t)
{
    struct world *o = SP_CONTAINER_OF(t, struct world, step);
    static const char *const write[] = {"second\n", "no", "third", ""}, *const now[] = {"first", "second", "second", "third"};
    assert_true(sp_str_eq(sp_live_secret_get(o->live), sp_str_c(now[o->steps])));
    if (o->steps == 3) {
        sp_live_set_stop(o->set);
        sp_worker_stop(&o->main);
        return;
    }
    write_file(o->path, write[o->steps++]);
    sp_timer_start(&o->main.turn, t, 400 * SP_NS_PER_MS);
}

static void on_start(struct sp_worker *w)
{
    struct world *o = w->user;
    sp_live_set_run(o->set, w, o->list, 1);
    o->step.fire = on_step;
    sp_timer_start(&w->turn, &o->step, 0);
}

static void test_a_file_that_changes(void **state)
{
    static struct world o;
    struct sp_arena arena;
    struct sp_diag diag;
    char yaml[128];
    snprintf(o.path, sizeof(o.path), "/tmp/sp_secret_XXXXXX");
    close(mkstemp(o.path));
    write_file(o.path, "first\n");
    snprintf(yaml, sizeof(yaml), "filename: %s", o.path);
    sp_stats_init(1);
    sp_arena_init(&arena);
    sp_diag_init(&diag);
    struct sp_doc *doc = load_good(SOURCE, SP_SYNTAX_YAML, yaml);
    o.live = make(doc, &diag, &arena);
    assert_non_null(o.live);
    o.set = sp_doc_live(doc);
    o.list[0] = &o.main;
    o.main.user = &o;
    o.main.on_start = on_start;
    assert_int_equal(sp_worker_init(&o.main, "main", 0), 0);
    atomic_store(&sp_log_threshold, SP_LOG_OFF);
    sp_worker_run(&o.main);
    sp_worker_done(&o.main);
    sp_arena_done(&arena);
    sp_doc_free(doc);
    sp_diag_done(&diag);
    sp_stats_done();
    unlink(o.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_of_sources),
        cmocka_unit_test(test_a_file_that_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
