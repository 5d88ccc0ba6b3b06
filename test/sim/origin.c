/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "origin.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 64 };

struct origin {
    unsigned port;
    pid_t pid;
    char dir[64];
    /* scripted */
    const struct origin_step *const *scripts;
    unsigned n_scripts;
    int listening;
    pthread_t acceptor, threads[MAX_THREADS];
    int fds[MAX_THREADS];
    _Atomic unsigned n;
    _Atomic bool stopping;
};

static void sleep_ms(size_t ms)
{
    struct timespec ts = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&ts, NULL);
}

static int listen_on(unsigned port, unsigned *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    socklen_t len = sizeof(a);
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 128) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        abort();
    *ret_port = ntohs(a.sin_port);
    return fd;
}

/* --- scripts --- */

struct job {
    struct origin *o;
    int fd;
    const struct origin_step *script;
};

static bool read_head(int fd)
{
    unsigned newlines = 0;
    char c;
    while (newlines < 2) {
        if (read(fd, &c, 1) != 1)
            return false;
        newlines = c == '\n' ? newlines + 1 : c == '\r' ? newlines : 0;
    }
    return true;
}

static bool read_bytes(int fd, size_t n)
{
    char buf[65536];
    while (n) {
        ssize_t r = read(fd, buf, n < sizeof(buf) ? n : sizeof(buf));
        if (r <= 0)
            return false;
        n -= (size_t)r;
    }
    return true;
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t r = send(fd, p, n, MSG_NOSIGNAL);
        if (r <= 0)
            return false;
        p += r;
        n -= (size_t)r;
    }
    return true;
}

static bool write_bulk(int fd, size_t n)
{
    char buf[65536];
    memset(buf, 'x', sizeof(buf));
    while (n) {
        size_t k = n < sizeof(buf) ? n : sizeof(buf);
        if (!write_all(fd, buf, k))
            return false;
        n -= k;
    }
    return true;
}

static void reset_it(int fd)
{
    struct linger l = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

/* False: the connection is over. */
static bool do_step(int fd, const struct origin_step *s)
{
    switch (s->what) {
    case O_HEAD:
        return read_head(fd);
    case O_BODY:
        return read_bytes(fd, s->n);
    case O_SEND:
        return write_all(fd, s->text, strlen(s->text));
    case O_BULK:
        return write_bulk(fd, s->n);
    case O_SLEEP:
        sleep_ms(s->n);
        return true;
    case O_HOLD:
        while (read_bytes(fd, 1))
            ;
        return false;
    case O_RESET:
        reset_it(fd);
        return false;
    case O_CLOSE:
    case O_END:
        break;
    }
    return false;
}

static void *run_script(void *arg)
{
    struct job *j = arg;
    for (const struct origin_step *s = j->script; do_step(j->fd, s); s++)
        ;
    close(j->fd);
    free(j);
    return NULL;
}

static void *run_acceptor(void *arg)
{
    struct origin *o = arg;
    while (!o->stopping) {
        struct pollfd p = {.fd = o->listening, .events = POLLIN};
        if (poll(&p, 1, 10) <= 0)
            continue;
        int fd = accept4(o->listening, NULL, NULL, SOCK_CLOEXEC);
        unsigned n = o->n;
        if (fd < 0 || n >= MAX_THREADS)
            continue;
        struct timeval limit = {.tv_sec = 10};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        struct job *j = malloc(sizeof(*j));
        *j = (struct job){o, fd, o->scripts[n < o->n_scripts ? n : o->n_scripts - 1]};
        o->n = n + 1;
        pthread_create(&o->threads[n], NULL, run_script, j);
    }
    return NULL;
}

struct origin *origin_scripted(const struct origin_step *const *scripts, unsigned n_scripts)
{
    struct origin *o = calloc(1, sizeof(*o));
    o->scripts = scripts;
    o->n_scripts = n_scripts;
    o->listening = listen_on(0, &o->port);
    int small = 65536; /* so that a peer soon notices that nobody reads */
    setsockopt(o->listening, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    pthread_create(&o->acceptor, NULL, run_acceptor, o);
    return o;
}

/* --- child processes --- */

static void make_dir(struct origin *o)
{
    snprintf(o->dir, sizeof(o->dir), "/tmp/sp-origin-XXXXXX");
    if (!mkdtemp(o->dir))
        abort();
    chmod(o->dir, 0755); /* nginx's workers are somebody else when we are root */
}

static bool answers(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
    close(fd);
    return yes;
}

static void spawn(struct origin *o, const char *const argv[])
{
    o->pid = fork();
    if (o->pid < 0)
        abort();
    if (o->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    for (unsigned i = 0; i < 500; i++) {
        if (answers(o->port))
            return;
        sleep_ms(10);
    }
    abort();
}

static bool installed(const char *path)
{
    return access(path, X_OK) == 0;
}

static unsigned free_port(void)
{
    unsigned port;
    close(listen_on(0, &port));
    return port;
}

static void put_file(const struct origin *o, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", o->dir, name);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

static struct origin *nginx_new(void)
{
    struct origin *o = calloc(1, sizeof(*o));
    make_dir(o);
    o->port = free_port();
    return o;
}

static struct origin *nginx_start(struct origin *o, const char *listen_as, const char *config)
{
    char path[128], prefix[128];
    snprintf(path, sizeof(path), "%s/nginx.conf", o->dir);
    snprintf(prefix, sizeof(prefix), "%s/", o->dir);
    FILE *f = fopen(path, "w");
    fprintf(f,
            "daemon off; master_process off; worker_processes 1; error_log %serror.log; pid %spid;\n"
            "events { worker_connections 512; }\n"
            "http { access_log off; client_body_temp_path %sb; proxy_temp_path %sp; fastcgi_temp_path %sf; uwsgi_temp_path %su;\n"
            "scgi_temp_path %ss; client_max_body_size 0; server { listen 127.0.0.1:%u%s; root %s; %s } }\n",
            prefix, prefix, prefix, prefix, prefix, prefix, prefix, o->port, listen_as, o->dir, config);
    fclose(f);
    spawn(o, (const char *[]){"/usr/sbin/nginx", "-p", prefix, "-c", path, NULL});
    return o;
}

struct origin *origin_nginx(const char *config)
{
    return installed("/usr/sbin/nginx") ? nginx_start(nginx_new(), "", config) : NULL;
}

struct origin *origin_nginx_tls(const char *cert, const char *key, const char *ca, const char *config)
{
    char more[2048];
    if (!installed("/usr/sbin/nginx"))
        return NULL;
    struct origin *o = nginx_new();
    put_file(o, "cert.pem", cert);
    put_file(o, "key.pem", key);
    put_file(o, "ca.pem", ca);
    snprintf(more, sizeof(more), "ssl_certificate %s/cert.pem; ssl_certificate_key %s/key.pem; ssl_client_certificate %s/ca.pem; %s",
             o->dir, o->dir, o->dir, config);
    return nginx_start(o, " ssl http2", more);
}

struct origin *origin_nghttpd(void)
{
    const char *program = installed("/usr/sbin/nghttpd") ? "/usr/sbin/nghttpd" : "/usr/bin/nghttpd";
    if (!installed(program))
        return NULL;
    struct origin *o = calloc(1, sizeof(*o));
    make_dir(o);
    o->port = free_port();
    char port[16], dir[80];
    snprintf(port, sizeof(port), "%u", o->port);
    snprintf(dir, sizeof(dir), "%s", o->dir);
    spawn(o, (const char *[]){program, "--no-tls", "-a", "127.0.0.1", "-d", dir, port, NULL});
    return o;
}

char origin_byte(size_t i)
{
    return (char)(i * 31 + i / 251);
}

void origin_file(struct origin *o, const char *name, size_t n)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", o->dir, name);
    FILE *f = fopen(path, "w");
    for (size_t i = 0; i < n; i++)
        putc(origin_byte(i), f);
    fclose(f);
    chmod(path, 0644);
}

unsigned origin_port(const struct origin *o)
{
    return o->port;
}

unsigned origin_connections(struct origin *o)
{
    return o->n;
}

void origin_kill(struct origin *o)
{
    if (o->pid <= 0)
        return;
    kill(o->pid, SIGKILL);
    waitpid(o->pid, NULL, 0);
    o->pid = 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void origin_free(struct origin *o)
{
    if (!o)
        return;
    if (o->scripts) {
        o->stopping = true;
        pthread_join(o->acceptor, NULL);
        close(o->listening);
        for (unsigned i = 0; i < o->n; i++)
            pthread_join(o->threads[i], NULL);
    }
    origin_kill(o);
    if (o->dir[0])
        nftw(o->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(o);
}
