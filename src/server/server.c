/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/server.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/reserve.h"
#include "config/live.h"
#include "net/inherit.h"
#include "net/tls_ctx.h"
#include "sallyport_version.h"
#include "server/confine.h"
#include "server/confine_config.h"
#include "server/gauges.h"
#include "server/hot_restart.h"
#include "server/notify.h"
#include "server/refusals.h"
#include "server/reload_impl.h"
#include "server/watchdog.h"
#include "server/stats_flush.h"
#include "stream/access_log.h"
#include "stream/local_health.h"
#include "stream/refused.h"

enum { FILES_WAIT_MS = 2000 };

static const int signals[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};

struct sp_server {
    struct sp_options options;
    struct sp_server_hooks hooks;
    struct sp_worker main;
    struct sp_serving *workers; /* concurrency of them, then the prober */
    struct sp_worker **readers; /* the same, as workers: who may read what sp_live publishes */
    unsigned n_workers, n_ended;
    struct sp_reload *reload;
    struct sp_hot_restart *hot; /* NULL: not wanted */
    bool handed_over;
    struct sp_gauges gauges;
    struct sp_watchdog watchdog;
    struct sp_stats_flush flush;
    enum sp_server_state state;
    int exit_code;
    bool failing;
    struct sp_timer last, stop; /* stop: listeners, after a graceful drain */
    bool stop_inbound_only;
    uv_signal_t signals[SP_ARRAY_LEN(signals)];
};

struct sp_worker *sp_server_main(struct sp_server *s)
{
    return &s->main;
}

struct sp_config *sp_server_config(struct sp_server *s)
{
    return sp_reload_config(s->reload);
}

const struct sp_config *sp_server_next_config(const struct sp_server *s)
{
    return sp_reload_next(s->reload);
}

void sp_server_reload(struct sp_server *s)
{
    sp_reload_now(s->reload);
}

void sp_server_reload_ask(struct sp_server *s, struct sp_reload_ask *ask)
{
    sp_reload_ask(s->reload, ask);
}

void sp_server_refusals(struct sp_server *s, struct sp_refusals_ask *ask)
{
    sp_refusals_ask(ask, &s->main, s->readers, s->n_workers);
}

struct sp_reload_info sp_server_reload_info(const struct sp_server *s)
{
    return sp_reload_info(s->reload);
}

const struct sp_xds_stats *sp_server_xds(const struct sp_server *s)
{
    return sp_reload_xds(s->reload);
}

const struct sp_options *sp_server_options(const struct sp_server *s)
{
    return &s->options;
}

enum sp_server_state sp_server_state(const struct sp_server *s)
{
    return s->state;
}

const char *sp_server_state_name(const struct sp_server *s)
{
    static const char *const names[] = {"INITIALIZING", "LIVE", "DRAINING"};
    return names[s->state];
}

unsigned sp_server_concurrency(const struct sp_server *s)
{
    return s->n_workers;
}

const struct sp_addr *sp_server_bound(const struct sp_server *s, unsigned index)
{
    return sp_reload_bound(s->reload, index);
}

void sp_server_set_failing(struct sp_server *s, bool failing)
{
    s->failing = failing;
    sp_local_health_fail(failing);
}

bool sp_server_failing(const struct sp_server *s)
{
    return s->failing;
}

static struct sp_config *load(const struct sp_options *o, const struct sp_server_hooks *hooks, unsigned n_workers,
                              FILE *diag_to)
{
    struct sp_diag diag;
    sp_diag_init(&diag);
    struct sp_config *config = sp_config_load_all(o, hooks, n_workers, NULL, NULL, &diag);
    sp_diag_print(&diag, diag_to);
    if (!config)
        fprintf(diag_to, "sallyport: the config is refused: %u error%s\n", diag.n_errors, diag.n_errors == 1 ? "" : "s");
    sp_diag_done(&diag);
    return config;
}

int sp_server_validate(const struct sp_options *options, const struct sp_server_hooks *hooks, FILE *diag_to)
{
    assert(options && diag_to);
    if (sp_tls_global_init() < 0)
        return SP_EXIT_CONFIG;
    sp_stats_init(2);
    struct sp_config *config = load(options, hooks, 1, diag_to);
    int code = config ? SP_EXIT_OK : SP_EXIT_CONFIG;
    sp_config_free(config);
    sp_access_log_thread_flush();
    sp_stats_done();
    sp_buf_thread_done();
    sp_arena_thread_done();
    sp_tls_global_done();
    return code;
}

static const struct sp_serving_events events;

static void make_workers(struct sp_server *s)
{
    uint64_t drain_ns = s->options.drain_time_s * SP_NS_PER_S;
    for (unsigned i = 0; i <= s->n_workers; i++) {
        char name[16];
        bool prober = i == s->n_workers;
        snprintf(name, sizeof(name), prober ? "prober" : "worker_%u", i % 1000);
        int r = sp_serving_init(&s->workers[i], name, i, prober, drain_ns, &s->main, &events, s);
        if (r < 0) {
            sp_log(SP_LOG_CRITICAL, "server", "cannot make an event loop: %s (raise the limit of open files: ulimit -n)",
                   uv_strerror(r));
            _exit(SP_EXIT_BIND); /* nothing serves yet, and there is nothing to fall back to */
        }
    }
}

static void on_serving(void *ctx);
static void on_failed(void *ctx);

/* Sockets that others have opened for this process. */
static int inherit(struct sp_server *s)
{
    char why[512];
    const struct sp_config *c = sp_server_config(s);
    unsigned n = sp_inherit_systemd();
    if (n)
        sp_log(SP_LOG_INFO, "server", "systemd has opened %u socket%s for us", n, n == 1 ? "" : "s");
    if (!s->options.hot_restart)
        return SP_EXIT_OK;
    s->hot = sp_hot_restart_take(s->options.hot_restart, sp_confine_user(c->doc, c->bootstrap), why, sizeof(why));
    if (s->hot)
        return SP_EXIT_OK;
    sp_log(SP_LOG_CRITICAL, "server", "%s", why);
    return SP_EXIT_BIND;
}

static void not_wanted(void *arg, const struct sp_addr *at)
{
    char text[SP_ADDR_TEXT_MAX];
    sp_addr_format(at, text);
    (void)arg;
    sp_log(SP_LOG_WARNING, "listener", "a socket on %s was handed to us, but no listener has that address: it is closed", text);
}

/* Takes the config. */
static int bind_all(struct sp_server *s, struct sp_config *config)
{
    s->workers = sp_xcalloc(s->n_workers + 1, sizeof(*s->workers));
    s->readers = sp_xcalloc(s->n_workers + 1, sizeof(struct sp_worker *));
    for (unsigned i = 0; i <= s->n_workers; i++)
        s->readers[i] = &s->workers[i].worker;
    const struct sp_reload_build build = {.options = &s->options, .hooks = &s->hooks, .main = &s->main, .workers = s->workers,
                                          .readers = s->readers, .n_workers = s->n_workers, .on_serving = on_serving,
                                          .on_failed = on_failed, .ctx = s};
    s->reload = sp_reload_new(&build, config);
    int code = inherit(s);
    if (code == SP_EXIT_OK && sp_reload_bind(s->reload) < 0)
        code = SP_EXIT_BIND;
    if (code == SP_EXIT_OK && s->hooks.on_bind)
        code = s->hooks.on_bind(s->hooks.ctx, s);
    sp_inherit_drop(not_wanted, NULL);
    if (code == SP_EXIT_OK)
        make_workers(s);
    return code;
}

static void drain_all(struct sp_server *s, uint64_t drain_ns)
{
    s->state = SP_SERVER_DRAINING;
    for (unsigned i = 0; i <= s->n_workers; i++)
        sp_serving_drain(&s->workers[i], drain_ns, s->handed_over);
    sp_reload_stop(s->reload);
    if (s->hot)
        sp_hot_restart_stop(s->hot);
}

static uint64_t drain_ns_of(const struct sp_server *s)
{
    return s->options.drain_time_s * SP_NS_PER_S;
}

void sp_server_quit(struct sp_server *s)
{
    assert(s);
    bool again = s->state == SP_SERVER_DRAINING && !s->handed_over;
    if (!s->handed_over)
        sp_notify("STOPPING=1\n");
    s->handed_over = false;
    if (again)
        sp_log(SP_LOG_WARNING, "server", "asked to end again: closing what is left");
    else
        sp_log(SP_LOG_INFO, "server", "draining for at most %u s", s->options.drain_time_s);
    drain_all(s, again ? 0 : drain_ns_of(s));
}

/* A reload may be under way: then a second later. */
static void on_stop_due(struct sp_timer *t)
{
    struct sp_server *s = SP_CONTAINER_OF(t, struct sp_server, stop);
    if (s->state == SP_SERVER_LIVE && sp_reload_stop_listeners(s->reload, drain_ns_of(s), s->stop_inbound_only) < 0)
        sp_timer_start(&s->main.turn, &s->stop, SP_NS_PER_S);
}

int sp_server_drain_listeners(struct sp_server *s, const struct sp_drain_how *how)
{
    assert(s && how);
    if (s->state != SP_SERVER_LIVE)
        return -EBUSY;
    if (!how->graceful && !how->skip_exit)
        return sp_reload_stop_listeners(s->reload, drain_ns_of(s), how->inbound_only);
    sp_local_drain(how->inbound_only);
    if (how->skip_exit)
        return 0;
    s->stop_inbound_only = how->inbound_only;
    s->stop.fire = on_stop_due;
    sp_timer_start(&s->main.turn, &s->stop, drain_ns_of(s));
    return 0;
}

static void each_socket(void *ctx, void (*add)(void *arg, int fd), void *arg)
{
    struct sp_server *s = ctx;
    sp_reload_each_socket(s->reload, add, arg);
    if (s->hooks.each_socket)
        s->hooks.each_socket(s->hooks.ctx, add, arg);
}

static void on_handed_over(void *ctx)
{
    struct sp_server *s = ctx;
    sp_log(SP_LOG_INFO, "server", "draining for at most %u s", s->options.drain_time_s);
    s->handed_over = true;
    if (s->hooks.on_handed_over)
        s->hooks.on_handed_over(s->hooks.ctx, s);
    drain_all(s, drain_ns_of(s));
}

static const struct sp_hot_restart_events hot_events = {.each_socket = each_socket, .on_handed_over = on_handed_over};

static void on_failed(void *ctx)
{
    struct sp_server *s = ctx;
    s->exit_code = SP_EXIT_BIND;
    drain_all(s, 0);
}

static void update_gauges(void *ctx)
{
    sp_server_update_gauges(ctx);
}

static void on_serving(void *ctx)
{
    struct sp_server *s = ctx;
    if (s->state != SP_SERVER_INITIALIZING)
        return;
    s->state = SP_SERVER_LIVE;
    sp_gauges_ready(&s->gauges);
    sp_watchdog_start(&s->watchdog, &s->main, s->readers, s->n_workers);
    sp_stats_flush_start(&s->flush, s->reload, &s->main.turn, &s->workers[s->n_workers].worker, update_gauges, s);
    const struct sp_config *c = sp_server_config(s);
    for (unsigned i = 0; i < c->n_listeners; i++) {
        char text[SP_ADDR_TEXT_MAX];
        sp_addr_format(sp_reload_bound(s->reload, i), text);
        sp_log(SP_LOG_INFO, "listener", "\"%.*s\" listens on %s", SP_STR_ARG(sp_listener_name(c->listeners[i])), text);
    }
    sp_log(SP_LOG_INFO, "server", "the door is open: %u worker%s", s->n_workers, s->n_workers == 1 ? "" : "s");
    if (s->hot && !sp_hot_restart_serve(s->hot, &s->main, &hot_events, s)) {
        on_failed(s);
        return;
    }
    sp_notify_ready();
    if (s->hooks.on_ready)
        s->hooks.on_ready(s->hooks.ctx, s);
}

static void on_last(struct sp_timer *t)
{
    sp_worker_stop(&SP_CONTAINER_OF(t, struct sp_server, last)->main);
}

static void on_ended(void *ctx)
{
    struct sp_server *s = ctx;
    if (++s->n_ended <= s->n_workers)
        return;
    if (s->hooks.on_stop)
        s->hooks.on_stop(s->hooks.ctx, s);
    /* One more turn for what on_stop closed. */
    s->last.fire = on_last;
    sp_timer_start(&s->main.turn, &s->last, 5 * SP_NS_PER_MS);
}

static void on_switched(void *ctx, struct sp_plan *plan, int err)
{
    sp_reload_switched(((struct sp_server *)ctx)->reload, plan, err);
}

static void on_cooled(void *ctx, struct sp_config *config, struct sp_plan *plan)
{
    sp_reload_cooled(((struct sp_server *)ctx)->reload, config, plan);
}

static void on_forgotten(void *ctx, struct sp_cluster *cluster)
{
    sp_reload_forgotten(((struct sp_server *)ctx)->reload, cluster);
}

static const struct sp_serving_events events = {
    .on_switched = on_switched, .on_cooled = on_cooled, .on_forgotten = on_forgotten, .on_ended = on_ended};

static void on_signal(uv_signal_t *handle, int number)
{
    struct sp_server *s = handle->data;
    switch (number) {
    case SIGUSR1:
        sp_access_log_reopen();
        if (s->options.log_path)
            sp_log_open(s->options.log_path);
        sp_log(SP_LOG_INFO, "server", "log files opened anew");
        break;
    case SIGHUP: /* ends most programs: a closed terminal must not end the door */
        sp_log(SP_LOG_INFO, "server", "SIGHUP: loading the config anew");
        sp_server_reload(s);
        break;
    default:
        sp_log(SP_LOG_INFO, "server", "%s", number == SIGTERM ? "SIGTERM" : "SIGINT");
        sp_server_quit(s);
    }
}

static void on_main_start(struct sp_worker *w)
{
    struct sp_server *s = w->user;
    for (size_t i = 0; i < SP_ARRAY_LEN(signals); i++) {
        uv_signal_init(&w->loop, &s->signals[i]);
        s->signals[i].data = s;
        uv_signal_start(&s->signals[i], on_signal, signals[i]);
    }
    if (s->hooks.on_start)
        s->hooks.on_start(s->hooks.ctx, s);
    int far = sp_far_watch_start();
    if (far < 0)
        sp_log(SP_LOG_WARNING, "files", "cannot start a thread to watch them: %s; a file system that does not answer will hold up the main thread",
               strerrordesc_np(-far));
    for (unsigned i = 0; i <= s->n_workers; i++) {
        int r = sp_serving_start(&s->workers[i]);
        if (r < 0) {
            sp_log(SP_LOG_CRITICAL, "server", "cannot start a thread: %s (raise the limits: ulimit -u, pids.max)", strerrordesc_np(-r));
            _exit(SP_EXIT_BIND); /* nothing serves yet; some threads run already */
        }
    }
    sp_reload_start(s->reload);
}

/* All has drained: one more of them must not kill a process that is about to say that it ended well. */
static void ignore_signals(struct sp_server *s)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL); /* uv_close puts back what kills */
    for (size_t i = 0; i < SP_ARRAY_LEN(signals); i++) {
        uv_close((uv_handle_t *)&s->signals[i], NULL);
        signal(signals[i], SIG_IGN);
    }
}

/* Files that are still being read are waited for, but not for ever. False: a file system does not answer. */
static bool files_answer(const struct sp_server *s, struct sp_worker *w)
{
    const struct timespec step = {.tv_nsec = 5 * 1000000};
    for (unsigned waited = 0; sp_live_is_reading() || sp_reload_is_loading(s->reload); waited += 5) {
        if (waited >= FILES_WAIT_MS) {
            sp_log(SP_LOG_WARNING, "files", "a file is still being read: the process ends without waiting for it");
            return false;
        }
        nanosleep(&step, NULL);
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    return true;
}

static void on_main_stop(struct sp_worker *w)
{
    struct sp_server *s = w->user;
    ignore_signals(s);
    bool read = files_answer(s, w);
    if (!sp_far_watch_stop() || !read) { /* what they use cannot be freed */
        sp_access_log_thread_flush();
        sp_log(SP_LOG_INFO, "server", "ended");
        _exit(s->exit_code);
    }
    sp_watchdog_stop(&s->watchdog);
    sp_timer_stop(&s->last);
    sp_timer_stop(&s->stop);
    sp_stats_flush_stop(&s->flush);
}

static void harden_process(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a log that reaches RLIMIT_FSIZE is a write that fails */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
#ifndef __SANITIZE_ADDRESS__ /* its leak check attaches to the process */
    prctl(PR_SET_DUMPABLE, 0); /* no core file ever holds a key */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
#endif
}

static void run(struct sp_server *s, bool serves)
{
    s->main.user = s;
    if (serves) {
        s->main.on_start = on_main_start;
        s->main.on_stop = on_main_stop;
    }
    sp_worker_run(&s->main);
    if (serves)
        sp_reload_join(s->reload);
    for (unsigned i = 0; serves && i <= s->n_workers; i++)
        sp_serving_done(&s->workers[i]);
}

void sp_server_update_gauges(struct sp_server *s)
{
    assert(s);
    struct sp_gauges_input in = {.epoch = s->hot ? sp_hot_restart_epoch(s->hot) : 0,
                                 .state = s->state, .concurrency = s->n_workers, .config = sp_server_config(s)};
    sp_gauges_update(&s->gauges, &in);
    sp_live_set_gauges(sp_doc_live(sp_server_config(s)->doc));
}

uint64_t sp_server_uptime_s(const struct sp_server *s)
{
    return sp_gauges_uptime_s(&s->gauges);
}

int sp_server_run(const struct sp_options *options, const struct sp_server_hooks *hooks, FILE *diag_to)
{
    assert(options && diag_to);
    struct sp_server *s = sp_xcalloc(1, sizeof(*s));
    s->options = *options;
    if (hooks)
        s->hooks = *hooks;
    s->n_workers = options->concurrency ? options->concurrency : sp_cpus_available();
    struct sp_config *config = NULL;
    int code = SP_EXIT_CONFIG;
    harden_process();
    uv_replace_allocator(sp_xmalloc, sp_xrealloc, sp_xcalloc, free); /* it ends the process where it has none */
    sp_json_use_reserve();
    sp_stats_init(s->n_workers + 1);
    sp_gauges_init(&s->gauges);
    if (!sp_reserve_open(2 + s->n_workers / 4))
        sp_log(SP_LOG_CRITICAL, "server", "there is no memory to put aside for bad times");
    else if (sp_tls_global_init() < 0)
        sp_log(SP_LOG_CRITICAL, "tls", "wolfSSL's start failed");
    else if ((config = load(options, hooks, s->n_workers, diag_to)) != NULL)
        code = sp_worker_init(&s->main, "main", s->n_workers + 1) < 0 ? SP_EXIT_BIND : SP_EXIT_OK;
    if (code == SP_EXIT_OK) {
        sp_log(SP_LOG_INFO, "server", "sallyport %s starts", SP_VERSION);
        code = bind_all(s, config);
        if (code == SP_EXIT_OK && !sp_confine(config, &s->options))
            code = SP_EXIT_BIND;
        if (code != SP_EXIT_OK)
            s->main.stopping = true; /* its loop runs once, to close what it has */
        run(s, code == SP_EXIT_OK);
        sp_worker_done(&s->main);
        code = code == SP_EXIT_OK ? s->exit_code : code;
    }
    if (s->reload)
        sp_reload_free(s->reload);
    else
        sp_config_free(config);
    sp_access_log_thread_flush();
    sp_refused_thread_done();
    sp_log(SP_LOG_INFO, "server", "ended");
    sp_hot_restart_free(s->hot);
    free(s->workers);
    free(s->readers);
    free(s);
    sp_stats_done();
    sp_tls_global_done();
    sp_reserve_close();
    return code;
}
