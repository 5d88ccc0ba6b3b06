/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/demo.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/admin.h"
#include "tools/demo_config.h"
#include "tools/demo_origin.h"

enum { FIRST_PORT = 10443, LINES_MAX = 9 };

struct line {
    const char *what; /* what it shows */
    char command[400];
    int expected; /* status; 0: curl itself fails */
};

struct demo {
    struct sp_demo_files files;
    struct line lines[LINES_MAX];
    unsigned n_lines;
    int ready_fd; /* --check: told when the door is open; -1 otherwise */
};

static bool port_is_free(unsigned port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    bool is_free = fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0;
    if (fd >= 0)
        close(fd);
    return is_free;
}

/* The first free port from `*next` on, so that the lines look the same each time if they can. */
static unsigned take_port(unsigned *next)
{
    for (unsigned tries = 0; tries < 1000 && *next < 65000; tries++) {
        unsigned port = (*next)++;
        if (port_is_free(port))
            return port;
    }
    return 0;
}

static void add_line(struct demo *d, int expected, const char *what, const char *fmt, ...) SP_PRINTF(4, 5);
static void add_line(struct demo *d, int expected, const char *what, const char *fmt, ...)
{
    assert(d->n_lines < LINES_MAX);
    struct line *l = &d->lines[d->n_lines++];
    va_list ap;
    l->what = what;
    l->expected = expected;
    va_start(ap, fmt);
    vsnprintf(l->command, sizeof(l->command), fmt, ap);
    va_end(ap);
}

static void make_lines(struct demo *d)
{
    const char *dir = d->files.dir;
    unsigned door = d->files.door;
    add_line(d, 200, "through the door: secret and token are good",
             "curl --cacert %s/ca.pem -H @%s/secret.header -H @%s/token.header https://127.0.0.1:%u/hello", dir, dir, dir, door);
    add_line(d, 403, "without the CDN's secret",
             "curl --cacert %s/ca.pem -H @%s/token.header https://127.0.0.1:%u/hello", dir, dir, door);
    add_line(d, 403, "with a wrong secret",
             "curl --cacert %s/ca.pem -H @%s/wrong-secret.header -H @%s/token.header https://127.0.0.1:%u/hello", dir, dir,
             dir, door);
    add_line(d, 403, "from an address that is not the CDN's",
             "curl --cacert %s/ca.pem --interface 127.0.0.2 -H @%s/secret.header -H @%s/token.header "
             "https://127.0.0.1:%u/hello",
             dir, dir, dir, door);
    add_line(d, 401, "without a token", "curl --cacert %s/ca.pem -H @%s/secret.header https://127.0.0.1:%u/hello", dir, dir,
             door);
    add_line(d, 404, "a path without a route",
             "curl --cacert %s/ca.pem -H @%s/secret.header -H @%s/token.header https://127.0.0.1:%u/nowhere", dir, dir, dir,
             door);
    add_line(d, 0, "round the door, to the origin itself: TLS refuses who has no client certificate",
             "curl --cacert %s/ca.pem --connect-to origin.demo:%u:127.0.0.1:%u https://origin.demo:%u/hello", dir,
             d->files.origin, d->files.origin, d->files.origin);
    add_line(d, 200, "the admin page: is the door open?", "curl http://127.0.0.1:%u/ready", d->files.admin);
    add_line(d, 200, "the admin page: what was refused, and why",
             "curl -g 'http://127.0.0.1:%u/stats?usedonly&filter=(origin_shield|ip_restriction|jwt_authn|no_route)'",
             d->files.admin);
}

static void print_lines(const struct demo *d)
{
    printf("\nThe door is open. Certificates, secret and tokens of this run are in %s; the config is sallyport.yaml there.\n"
           "Paste these into another terminal:\n",
           d->files.dir);
    for (unsigned i = 0; i < d->n_lines; i++) {
        if (d->lines[i].expected)
            printf("\n# %d: %s\n%s\n", d->lines[i].expected, d->lines[i].what, d->lines[i].command);
        else
            printf("\n# no answer: %s\n%s\n", d->lines[i].what, d->lines[i].command);
    }
    printf("\nEach request is logged below, with the reason of a refusal. Ctrl-C ends the demo.\n\n");
    fflush(stdout);
}

static void on_ready(void *ctx, struct sp_server *s)
{
    struct demo *d = ctx;
    if (d->ready_fd < 0) {
        print_lines(d);
        return;
    }
    ssize_t r = write(d->ready_fd, "+", 1);
    (void)r; /* the other side sees the end of the pipe if this fails */
}

static int serve(struct demo *d)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/sallyport.yaml", d->files.dir);
    struct sp_options o = {.config_path = path,
                           .concurrency = SP_MIN(sp_cpus_available(), 2u),
                           .log_level = SP_LOG_WARNING,
                           .drain_time_s = 5};
    sp_log_set_level(o.log_level);
    struct sp_server_hooks mine = {.on_ready = on_ready, .ctx = d}, with_origin, all;
    struct sp_demo_origin *origin = sp_demo_origin_new(d->files.dir, d->files.origin);
    struct sp_admin *admin = sp_admin_new();
    sp_demo_origin_hooks(origin, &mine, &with_origin);
    sp_admin_hooks(admin, &with_origin, &all);
    int code = sp_server_run(&o, &all, stderr);
    sp_admin_free(admin);
    sp_demo_origin_free(origin);
    return code;
}

/* Runs a line as it was printed, only quieter; the status, 0 when curl failed. */
static int run_line(const struct line *l)
{
    char command[600], text[16] = "";
    snprintf(command, sizeof(command), "%s -q -sS -m 20 --noproxy '*' -o /dev/null -w '%%{http_code}' 2>/dev/null", l->command);
    FILE *f = popen(command, "r"); /* NOLINT(cert-env33-c): curl, with what this program itself has put together */
    if (!f)
        return -1;
    bool got = fgets(text, sizeof(text), f) != NULL;
    int rc = pclose(f);
    if (rc != 0)
        return WIFEXITED(rc) && WEXITSTATUS(rc) != 127 ? 0 : -1;
    return got ? atoi(text) : -1;
}

static int check_lines(const struct demo *d)
{
    unsigned good = 0;
    for (unsigned i = 0; i < d->n_lines; i++) {
        int got = run_line(&d->lines[i]);
        bool ok = got == d->lines[i].expected;
        good += ok;
        printf("%s  expected %3d, got %3d: %s\n", ok ? "ok    " : "FAILED", d->lines[i].expected, got, d->lines[i].what);
        if (!ok)
            printf("        %s\n", d->lines[i].command);
        fflush(stdout);
    }
    printf("demo --check: %u of %u lines as said\n", good, d->n_lines);
    return good == d->n_lines ? 0 : 1;
}

/* The door in a child, the lines from here. */
static int check(struct demo *d)
{
    int ends[2], status = 0, result = 1;
    char byte;
    if (pipe(ends) < 0)
        return 1;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        d->ready_fd = ends[1];
        exit(serve(d));
    }
    close(ends[1]);
    if (child > 0 && read(ends[0], &byte, 1) == 1)
        result = check_lines(d);
    else
        fprintf(stderr, "sallyport demo: the door did not open\n");
    close(ends[0]);
    if (child > 0) {
        kill(child, SIGTERM);
        waitpid(child, &status, 0);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "sallyport demo: the door did not end well (status %d)\n", status);
        result = 1;
    }
    return result;
}

static int usage(void)
{
    fprintf(stderr, "usage: sallyport demo [--check] [--port N]\n"
                    "  --check   runs the demo's own curl lines and exits 0 if each answers as said, else 1\n"
                    "  --port N  the first port to try (default %d); origin and admin page follow\n",
            FIRST_PORT);
    return SP_EXIT_USAGE;
}

int sp_demo_main(int argc, char **argv)
{
    struct demo d = {.ready_fd = -1};
    bool checking = false;
    uint64_t first = FIRST_PORT;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--check") == 0)
            checking = true;
        else if (strcmp(argv[i], "--port") != 0 || i + 1 == argc || sp_str_u64(sp_str_c(argv[++i]), 64000, &first) < 0 || !first)
            return usage();
    }
    unsigned next = (unsigned)first;
    d.files.door = take_port(&next);
    d.files.origin = take_port(&next);
    d.files.admin = take_port(&next);
    if (!d.files.door || !d.files.origin || !d.files.admin) {
        fprintf(stderr, "sallyport demo: no free ports from %u on (try another --port)\n", (unsigned)first);
        return SP_EXIT_BIND;
    }
    if (sp_demo_files_make(&d.files) < 0)
        return 1;
    make_lines(&d);
    int code = checking ? check(&d) : serve(&d);
    sp_demo_files_remove(&d.files);
    return code;
}
