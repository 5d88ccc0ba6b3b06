/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/explain.h"

#include <assert.h>
#include <stdlib.h>

#include "admin/admin.h"
#include "config/live.h"
#include "server/server.h"
#include "tools/explain_stream.h"
#include "tools/explain_text.h"

struct explain {
    const struct sp_explain_args *args;
    struct sp_report report;
    struct sp_config *config;
    struct sp_worker worker, prober; /* of the one thread there is; their loops never run with the request */
    struct sp_explain_asked asked;
    bool ran;
};

static void attach(struct explain *x, struct sp_worker *w, bool on)
{
    for (unsigned i = 0; i < x->config->clusters.n; i++) {
        struct sp_cluster *c = x->config->clusters.v[i];
        if (!on) {
            sp_cluster_detach(c, w, true);
            continue;
        }
        sp_cluster_attach(c, w);
        sp_cluster_offline(c, w->index, &x->asked.o);
    }
}

static void describe_request(struct explain *x)
{
    const struct sp_explain_args *a = x->args;
    json_t *q = json_object_get(x->report.root, "request");
    char text[SP_ADDR_TEXT_MAX];
    sp_addr_format_ip(&a->from, text);
    sp_report_set(q, "method", a->method);
    sp_report_set(q, "url", a->url);
    sp_report_set(q, "from", sp_str_c(text));
}

static void request(struct explain *x)
{
    struct sp_explain_conn c = {.args = x->args, .report = &x->report, .places.doc = x->config->doc};
    describe_request(x);
    if (sp_explain_connect(&c, x->config))
        sp_explain_request(&c, &x->asked, &x->worker);
    sp_explain_conn_done(&c);
}

/* On the worker, before its loop: what the server's workers and its prober would do, by hand. */
static void on_start(struct sp_worker *w)
{
    struct explain *x = w->user;
    struct sp_live_set *live = sp_doc_live(x->config->doc);
    if (x->args->wall_ns)
        w->turn.wall_ns = x->args->wall_ns;
    attach(x, w, true);
    attach(x, &x->prober, true);
    sp_live_set_start_tasks(live, &x->prober);
    sp_turn_end(&x->prober.turn);
    request(x);
    sp_live_set_stop_tasks(live);
    sp_turn_end(&x->prober.turn);
    attach(x, &x->prober, false);
    attach(x, w, false);
    sp_worker_stop(w);
}

static void run(struct explain *x)
{
    x->worker.on_start = on_start;
    x->worker.user = x;
    if (sp_worker_init(&x->worker, "explain", 0) < 0 || sp_worker_init(&x->prober, "prober", 1) < 0)
        abort();
    sp_worker_run(&x->worker);
    sp_worker_stop(&x->prober);
    sp_worker_run(&x->prober);
    sp_worker_done(&x->worker);
    sp_worker_done(&x->prober);
}

/* All is compiled and good; the document goes with it. */
static bool on_compile(void *ctx, struct sp_config *config, const struct sp_config *previous, struct sp_diag *diag)
{
    struct explain *x = ctx;
    (void)previous, (void)diag;
    x->config = config;
    x->ran = true;
    sp_report_init(&x->report, config->doc, x->args->show_headers);
    sp_explain_asked_init(&x->asked, &x->report);
    run(x);
    return true;
}

static void print(const struct explain *x)
{
    if (!x->args->json) {
        sp_explain_text(x->report.root, stdout);
        return;
    }
    json_dumpf(x->report.root, stdout, JSON_INDENT(2));
    fputc('\n', stdout);
}

static int explain(const struct sp_explain_args *a)
{
    struct explain x = {.args = a};
    const struct sp_options options = {.config_path = a->config_path, .config_yaml = a->config_yaml, .mode = SP_MODE_VALIDATE,
                                       .log_level = a->log_level};
    const struct sp_server_hooks next = {.on_compile = on_compile, .ctx = &x};
    struct sp_server_hooks hooks;
    struct sp_admin *admin = sp_admin_new();
    sp_log_set_level(a->log_level);
    sp_admin_hooks(admin, &next, &hooks);
    int code = sp_server_validate(&options, &hooks, stderr);
    sp_admin_free(admin);
    if (!x.ran)
        return code;
    print(&x);
    code = x.report.exit_code;
    sp_report_done(&x.report);
    return code;
}

int sp_explain_main(int argc, char **argv)
{
    assert(argc > 1 && argv);
    struct sp_explain_args a;
    struct sp_arena arena;
    char why[512];
    int code = SP_EXIT_USAGE;
    sp_arena_init(&arena);
    if (sp_explain_args(argc, argv, &arena, &a, why, sizeof(why)) < 0) {
        fprintf(stderr, "sallyport explain: %s\nTry sallyport explain --help.\n", why);
    } else if (a.help) {
        sp_explain_help(stdout);
        code = SP_EXIT_OK;
    } else {
        code = explain(&a);
    }
    sp_arena_done(&arena);
    return code;
}
