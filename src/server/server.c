/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/server.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/live.h"
#include "config/load.h"
#include "net/tls_ctx.h"
#include "sallyport_version.h"
#include "server/gauges.h"
#include "server/serving.h"
#include "stream/access_log.h"
#include "stream/local_health.h"

/* Envoy lets a start wait for its first health checks too; nobody should wait for ever. */
enum { WARM_MS = 15000, WARM_POLL_MS = 5 };

static const int signals[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};

struct sp_server {
    struct sp_options options;
    struct sp_server_hooks hooks;
    struct sp_worker main;
    struct sp_serving *workers; /* concurrency of them, then the prober */
    struct sp_worker **readers; /* the same, as workers: who may read what sp_live publishes */
    unsigned n_workers, n_started, n_ended, n_listening;
    struct sp_config *config;
    struct sp_addr *bound; /* one a listener */
    struct sp_gauges gauges;
    enum sp_server_state state;
    int exit_code;
    bool failing;
    uint64_t warm_deadline_ns;
    struct sp_timer warm, last;
    uv_signal_t signals[SP_ARRAY_LEN(signals)];
};

struct sp_worker *sp_server_main(struct sp_server *s)
{
    return &s->main;
}

struct sp_config *sp_server_config(struct sp_server *s)
{
    return s->config;
}

const struct sp_options *sp_server_options(const struct sp_server *s)
{
    return &s->options;
}

enum sp_server_state sp_server_state(const struct sp_server *s)
{
    return s->state;
}

unsigned sp_server_concurrency(const struct sp_server *s)
{
    return s->n_workers;
}

const struct sp_addr *sp_server_bound(const struct sp_server *s, unsigned index)
{
    assert(index < s->config->n_listeners);
    return &s->bound[index];
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

/* The main thread gives up its share last, when all workers are joined: so this is the main thread. */
static void config_dead(struct sp_snapshot *snapshot)
{
    sp_config_free(SP_CONTAINER_OF(snapshot, struct sp_config, snapshot));
}

static struct sp_config *load(const struct sp_options *o, const struct sp_server_hooks *hooks, unsigned n_workers,
                              FILE *diag_to)
{
    struct sp_diag diag;
    struct sp_config *config = NULL;
    sp_diag_init(&diag);
    struct sp_doc *doc = sp_config_load(o->config_path, o->config_yaml, &diag);
    if (doc)
        config = sp_config_compile(doc, n_workers, config_dead, &diag);
    if (config && hooks && hooks->on_compile && !hooks->on_compile(hooks->ctx, config, &diag)) {
        sp_config_free(config);
        config = NULL;
    }
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

static const char *bind_remedy(int err)
{
    switch (err) {
    case EACCES:
        return "ports under 1024 need the capability CAP_NET_BIND_SERVICE; a unix socket needs a writable directory";
    case EADDRINUSE:
        return "another process has it: ss -ltnp shows which";
    case EADDRNOTAVAIL:
        return "this machine has no such address: ip address shows those it has";
    default:
        return "check the listener's address";
    }
}

/* Binds listener i for all workers, into fds[worker][i]. */
static int bind_listener(struct sp_server *s, unsigned i, int **fds)
{
    const struct sp_listener *l = s->config->listeners[i];
    bool own = sp_listener_reuse_port(l) && sp_listener_addr(l)->family != AF_UNIX;
    for (unsigned w = 0; w < s->n_workers; w++) {
        int fd;
        if (w == 0)
            fd = sp_listener_bind(l, sp_listener_addr(l), &s->bound[i]);
        else if (own)
            fd = sp_listener_bind(l, &s->bound[i], &s->bound[i]);
        else if ((fd = dup(fds[0][i])) < 0)
            fd = -errno;
        if (fd < 0) {
            char text[SP_ADDR_TEXT_MAX], err[128];
            sp_addr_format(sp_listener_addr(l), text);
            sp_log(SP_LOG_CRITICAL, "listener", "cannot bind %s (listener \"%.*s\"): %s (%s)", text,
                   SP_STR_ARG(sp_listener_name(l)), strerror_r(-fd, err, sizeof(err)), bind_remedy(-fd));
            return SP_EXIT_BIND;
        }
        fds[w][i] = fd;
    }
    return SP_EXIT_OK;
}

static const struct sp_serving_events events;

static int make_workers(struct sp_server *s, int **fds)
{
    s->workers = sp_xcalloc(s->n_workers + 1, sizeof(*s->workers));
    s->readers = sp_xcalloc(s->n_workers + 1, sizeof(struct sp_worker *));
    for (unsigned i = 0; i <= s->n_workers; i++) {
        char name[16];
        s->readers[i] = &s->workers[i].worker;
        snprintf(name, sizeof(name), i < s->n_workers ? "worker_%u" : "prober", i % 1000);
        int r = sp_serving_init(&s->workers[i], name, i, s->config, i < s->n_workers ? fds[i] : NULL, &s->main, &events, s);
        if (r < 0) {
            sp_log(SP_LOG_CRITICAL, "server", "cannot make an event loop: %s (raise the limit of open files: ulimit -n)",
                   uv_strerror(r));
            abort(); /* nothing serves yet, and there is nothing to fall back to */
        }
    }
    return SP_EXIT_OK;
}

static int bind_all(struct sp_server *s)
{
    unsigned n = s->config->n_listeners;
    int **fds = sp_xcalloc(s->n_workers, sizeof(*fds)), code = SP_EXIT_OK;
    s->bound = sp_xcalloc(n + 1, sizeof(*s->bound));
    for (unsigned w = 0; w < s->n_workers; w++) {
        fds[w] = sp_xcalloc(n + 1, sizeof(**fds));
        memset(fds[w], -1, (n + 1) * sizeof(**fds));
    }
    for (unsigned i = 0; i < n && code == SP_EXIT_OK; i++)
        code = bind_listener(s, i, fds);
    if (code == SP_EXIT_OK && s->hooks.on_bind)
        code = s->hooks.on_bind(s->hooks.ctx, s);
    if (code == SP_EXIT_OK) {
        code = make_workers(s, fds);
    } else {
        for (unsigned w = 0; w < s->n_workers; w++) {
            for (unsigned i = 0; i < n; i++)
                if (fds[w][i] >= 0)
                    close(fds[w][i]);
            free(fds[w]);
        }
    }
    free(fds);
    return code;
}

static void drain_all(struct sp_server *s, uint64_t drain_ns)
{
    s->state = SP_SERVER_DRAINING;
    sp_timer_stop(&s->warm);
    sp_live_set_stop(sp_doc_live(s->config->doc));
    for (unsigned i = 0; i <= s->n_workers; i++)
        sp_serving_drain(&s->workers[i], drain_ns);
}

void sp_server_quit(struct sp_server *s)
{
    assert(s);
    bool again = s->state == SP_SERVER_DRAINING;
    if (again)
        sp_log(SP_LOG_WARNING, "server", "asked to end again: closing what is left");
    else
        sp_log(SP_LOG_INFO, "server", "draining for at most %u s", s->options.drain_time_s);
    drain_all(s, again ? 0 : s->options.drain_time_s * SP_NS_PER_S);
}

static void on_listening(void *ctx, int err, struct sp_str listener)
{
    struct sp_server *s = ctx;
    if (err) {
        sp_log(SP_LOG_CRITICAL, "listener", "cannot listen (listener \"%.*s\"): %s", SP_STR_ARG(listener), uv_strerror(err));
        s->exit_code = SP_EXIT_BIND;
        drain_all(s, 0);
        return;
    }
    if (++s->n_listening < s->n_workers || s->state != SP_SERVER_INITIALIZING)
        return;
    s->state = SP_SERVER_LIVE;
    for (unsigned i = 0; i < s->config->n_listeners; i++) {
        char text[SP_ADDR_TEXT_MAX];
        sp_addr_format(&s->bound[i], text);
        sp_log(SP_LOG_INFO, "listener", "\"%.*s\" listens on %s", SP_STR_ARG(sp_listener_name(s->config->listeners[i])), text);
    }
    sp_log(SP_LOG_INFO, "server", "the door is open: %u worker%s", s->n_workers, s->n_workers == 1 ? "" : "s");
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

static const struct sp_serving_events events = {.on_listening = on_listening, .on_ended = on_ended};

static void on_warm(struct sp_timer *t)
{
    struct sp_server *s = SP_CONTAINER_OF(t, struct sp_server, warm);
    for (unsigned i = 0; i < s->config->clusters.n; i++) {
        if (sp_cluster_warm(s->config->clusters.v[i]))
            continue;
        if (s->main.turn.now_ns < s->warm_deadline_ns) {
            sp_timer_start(&s->main.turn, t, WARM_POLL_MS * SP_NS_PER_MS);
            return;
        }
        sp_log(SP_LOG_WARNING, "cluster", "\"%.*s\" had no first health check within %d s; opening all the same",
               SP_STR_ARG(sp_cluster_name(s->config->clusters.v[i])), WARM_MS / 1000);
    }
    if (!sp_live_set_ready(sp_doc_live(s->config->doc))) {
        if (s->main.turn.now_ns < s->warm_deadline_ns) {
            sp_timer_start(&s->main.turn, t, WARM_POLL_MS * SP_NS_PER_MS);
            return;
        }
        sp_log(SP_LOG_WARNING, "server", "what was to be fetched has not come within %d s; opening all the same", WARM_MS / 1000);
    }
    for (unsigned i = 0; i < s->n_workers; i++)
        sp_serving_listen(&s->workers[i]);
}

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
        sp_log(SP_LOG_INFO, "server", "SIGHUP has no effect (restart to take a new config)");
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
    sp_live_set_run(sp_doc_live(s->config->doc), w, s->readers, s->n_workers + 1);
    for (unsigned i = 0; i <= s->n_workers; i++) {
        int r = sp_serving_start(&s->workers[i]);
        if (r < 0) {
            sp_log(SP_LOG_CRITICAL, "server", "cannot start a thread: %s", strerror(-r));
            abort();
        }
    }
    s->warm.fire = on_warm;
    s->warm_deadline_ns = w->turn.now_ns + WARM_MS * SP_NS_PER_MS;
    sp_timer_start(&w->turn, &s->warm, 0);
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

static void on_main_stop(struct sp_worker *w)
{
    struct sp_server *s = w->user;
    ignore_signals(s);
    sp_timer_stop(&s->warm);
    sp_timer_stop(&s->last);
}

static void harden_process(void)
{
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
#ifndef __SANITIZE_ADDRESS__ /* its leak check attaches to the process */
    prctl(PR_SET_DUMPABLE, 0); /* no core file ever holds a key */
#endif
}

static void run(struct sp_server *s)
{
    s->main.user = s;
    if (s->workers) {
        s->main.on_start = on_main_start;
        s->main.on_stop = on_main_stop;
    }
    sp_worker_run(&s->main);
    for (unsigned i = 0; s->workers && i <= s->n_workers; i++)
        sp_serving_done(&s->workers[i]);
}

void sp_server_update_gauges(struct sp_server *s)
{
    assert(s);
    struct sp_gauges_input in = {.state = s->state, .concurrency = s->n_workers, .config = s->config};
    sp_gauges_update(&s->gauges, &in);
    sp_live_set_gauges(sp_doc_live(s->config->doc));
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
    int code = SP_EXIT_CONFIG;
    harden_process();
    sp_stats_init(s->n_workers + 1);
    sp_gauges_init(&s->gauges);
    if (sp_tls_global_init() < 0)
        sp_log(SP_LOG_CRITICAL, "tls", "wolfSSL's start failed");
    else if ((s->config = load(options, hooks, s->n_workers, diag_to)) != NULL)
        code = sp_worker_init(&s->main, "main", s->n_workers + 1) < 0 ? SP_EXIT_BIND : SP_EXIT_OK;
    if (code == SP_EXIT_OK) {
        sp_log(SP_LOG_INFO, "server", "sallyport %s starts", SP_VERSION);
        code = bind_all(s);
        if (code != SP_EXIT_OK)
            s->main.stopping = true; /* its loop runs once, to close what it has */
        run(s);
        sp_worker_done(&s->main);
        code = code == SP_EXIT_OK ? s->exit_code : code;
    }
    if (s->config && s->workers)
        sp_snapshot_unref(&s->config->snapshot, s->n_workers + 1);
    else
        sp_config_free(s->config);
    sp_access_log_thread_flush();
    sp_log(SP_LOG_INFO, "server", "ended");
    free(s->workers);
    free(s->readers);
    free(s->bound);
    free(s);
    sp_stats_done();
    sp_tls_global_done();
    return code;
}
