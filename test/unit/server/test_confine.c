/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process may still do once it is confined.  Each trial runs in a child: it cannot be undone.  The config's side needs none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/confine_config.h"
#include "server/confine_impl.h"

/* What `trial` returned (an exit code), or minus the signal that ended it. */
static int in_child(int (*trial)(void *arg), void *arg)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_DUMPABLE, 0);
        _exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? 99 : trial(arg));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* ---- system calls ---- */

static void *add_one(void *arg)
{
    ++*(int *)arg;
    return NULL;
}

/* Line of what fails. */
static int serves(void *unused)
{
    (void)unused;
    int n = 0, pair[2], err = sp_confine_calls();
    pthread_t t;
    if (err < 0)
        return 98;
    if (pthread_create(&t, NULL, add_one, &n) != 0 || pthread_join(t, NULL) != 0 || n != 1)
        return 1;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 1) < 0)
        return 2;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || write(pair[0], "x", 1) != 1)
        return 3;
    char *p = malloc(8 << 20);
    if (!p)
        return 4;
    memset(p, 1, 8 << 20);
    free(p);
    struct timespec soon = {.tv_nsec = 1};
    nanosleep(&soon, NULL);
    return open("/dev/null", O_RDONLY | O_CLOEXEC) < 0 ? 5 : 0;
}

static void test_what_serving_takes(void **state)
{
    (void)state;
    assert_int_equal(in_child(serves, NULL), 0);
}

static void run_shell(void)
{
    execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
}
static void attach(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
static void make_namespace(void)
{
    syscall(SYS_unshare, 0);
}
static void read_memory(void)
{
    syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}
static void make_ring(void)
{
    syscall(SYS_io_uring_setup, 1, NULL);
}
static void mount_one(void)
{
    mount("none", "/nowhere", "tmpfs", 0, NULL);
}

static int tries(void *arg)
{
    void (*what)(void);
    memcpy(&what, arg, sizeof(what)); /* no cast of data to code in C */
    if (sp_confine_calls() < 0)
        return 98;
    what();
    return 50;
}

static void test_what_only_an_intruder_tries(void **state)
{
    (void)state;
    void (*const all[])(void) = {run_shell, attach, make_namespace, read_memory, make_ring, mount_one};
    for (size_t i = 0; i < SP_ARRAY_LEN(all); i++) {
        void (*one)(void) = all[i];
        assert_int_equal(in_child(tries, &one), -SIGSYS);
    }
}

static int lacks(void *unused)
{
    (void)unused;
    if (sp_confine_calls() < 0)
        return 98;
    if (socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != ENOSYS)
        return 1;
    if (syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0) >= 0 || errno != ENOSYS) /* a process */
        return 2;
    return syscall(SYS_setuid, 0) >= 0 || errno != ENOSYS ? 3 : 0;
}

static void test_what_there_is_not(void **state)
{
    (void)state;
    assert_int_equal(in_child(lacks, NULL), 0);
}

static _Atomic int go;

static void *sleeper(void *unused)
{
    (void)unused;
    while (!go)
        sched_yield();
    return (void *)(intptr_t)(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == ENOSYS);
}

static int in_another_thread(void *unused)
{
    (void)unused;
    pthread_t t;
    void *held = NULL;
    if (pthread_create(&t, NULL, sleeper, NULL) != 0 || sp_confine_calls() < 0)
        return 98;
    go = 1;
    return pthread_join(t, &held) == 0 && held ? 0 : 1;
}

static void test_threads_that_there_are(void **state)
{
    (void)state;
    assert_int_equal(in_child(in_another_thread, NULL), 0);
}

/* ---- files ---- */

struct place {
    char dir[64], file[80], other[96], link[96], target[96];
};

static void put(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, "x", 1) == 1);
    close(fd);
}

static void make_place(struct place *p)
{
    *p = (struct place){.dir = "/tmp/sp_confine_XXXXXX"};
    assert_non_null(mkdtemp(p->dir));
    const char *sub[] = {"in", "out", "far"};
    char path[96];
    for (size_t i = 0; i < SP_ARRAY_LEN(sub); i++) {
        snprintf(path, sizeof(path), "%.60s/%s", p->dir, sub[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    snprintf(p->file, sizeof(p->file), "%.60s/in/file", p->dir);
    snprintf(p->other, sizeof(p->other), "%.60s/out/file", p->dir);
    snprintf(p->target, sizeof(p->target), "%.60s/far/file", p->dir);
    snprintf(p->link, sizeof(p->link), "%.60s/in/link", p->dir);
    put(p->file);
    put(p->other);
    put(p->target);
    assert_int_equal(symlink(p->target, p->link), 0);
}

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int reads(void *arg)
{
    const struct place *p = arg;
    struct sp_confine_paths l;
    char made[120];
    snprintf(made, sizeof(made), "%.80s.new", p->file);
    if (sp_confine_paths_new(&l) < 0)
        return 98;
    if (sp_confine_paths_allow_home(&l, p->link, false) < 0 || sp_confine_paths_allow(&l, "/nowhere/at/all", false) < 0 ||
        sp_confine_paths_apply(&l) < 0)
        return 97;
    sp_confine_paths_done(&l);
    if (!opens(p->file, O_RDONLY) || !opens(p->link, O_RDONLY) || !opens(p->target, O_RDONLY))
        return 1;
    if (opens(p->other, O_RDONLY) || opens("/etc/passwd", O_RDONLY) || opens("/", O_RDONLY | O_DIRECTORY))
        return 2;
    if (opens(p->file, O_WRONLY) || opens(made, O_WRONLY | O_CREAT) || unlink(p->file) == 0 || truncate(p->file, 0) == 0)
        return 3;
    return 0;
}

static int writes(void *arg)
{
    const struct place *p = arg;
    struct sp_confine_paths l;
    char made[120], script[120];
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(made, sizeof(made), "%.80s.new", p->file);
    snprintf(un.sun_path, sizeof(un.sun_path), "%.80s.sock", p->file);
    snprintf(script, sizeof(script), "%.80s.dir", p->file);
    if (sp_confine_paths_new(&l) < 0)
        return 98;
    if (sp_confine_paths_allow_home(&l, p->file, true) < 0 || sp_confine_paths_apply(&l) < 0)
        return 97;
    sp_confine_paths_done(&l);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!opens(made, O_WRONLY | O_CREAT) || !opens(p->file, O_WRONLY | O_APPEND | O_TRUNC) || rename(made, p->file) < 0)
        return 1;
    if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 || unlink(un.sun_path) < 0)
        return 2;
    return opens(p->other, O_WRONLY) || opens(p->other, O_RDONLY) || mkdir(script, 0700) == 0 || mknod(made, S_IFCHR, 0) == 0 ? 3 : 0;
}

static void test_files(void **state)
{
    (void)state;
    struct place p;
    make_place(&p);
    assert_int_equal(in_child(reads, &p), 0);
    assert_int_equal(in_child(writes, &p), 0);
    assert_false(opens(p.dir, O_WRONLY)); /* and this process may do as before */
    assert_true(opens(p.other, O_RDWR));
    char cmd[120];
    snprintf(cmd, sizeof(cmd), "rm -r %.60s", p.dir);
    assert_int_equal(system(cmd), 0);
}

/* ---- the config ---- */

static struct sp_doc *doc;
static struct sp_diag diag;

static struct sp_doc *load(const char *process)
{
    char yaml[512];
    snprintf(yaml, sizeof(yaml),
             "bootstrap_extensions: [{name: e, typed_config: {'@type': type.googleapis.com/sallyport.bootstrap.v1.Edge%s%s}}]\n",
             *process ? ", process: " : "", process);
    return sp_doc_load_text("t.yaml", sp_str_c(yaml), SP_SYNTAX_YAML, &envoy__config__bootstrap__v3__bootstrap__descriptor, &diag);
}

static const char *said(const char *process, const struct sp_doc *serves)
{
    sp_doc_free(doc);
    doc = load(process);
    assert_non_null(doc);
    unsigned before = diag.n_items;
    sp_confine_check(doc, &diag, sp_doc_root(doc), serves, serves ? sp_doc_root(serves) : NULL);
    assert_in_range(diag.n_items, before, before + 1);
    return diag.n_items > before ? diag.items[before].text : "";
}

static void wrong(const char *process, const char *why)
{
    const char *text = said(process, NULL);
    if (!strstr(text, why))
        fail_msg("%s: %s", process, text);
}

static void test_config(void **state)
{
    (void)state;
    sp_diag_init(&diag);
    assert_string_equal(said("", NULL), "");
    assert_string_equal(said("{user: root, group: root}", NULL), "");
    assert_string_equal(said("{user: '4711', sandbox: {read: [/a, /b/], write: [/c], best_effort: true}}", NULL), "");
    wrong("{user: no such}", "there is no such user (useradd --system makes one)");
    wrong("{user: '4294967295'}", "there is no such user");
    wrong("{user: root, group: no such}", "there is no such group (groupadd --system makes one)");
    wrong("{group: root}", "a group without a user (name the user too)");
    wrong("{sandbox: {read: [/a, b]}}", "not an absolute path (write it from / on)");
    wrong("{sandbox: {write: ['']}}", "not an absolute path");
    struct sp_doc *serves = load("{user: '1', keep_bind: true}");
    assert_string_equal(said("{keep_bind: true, user: '1'}", serves), "");
    assert_int_equal(sp_confine_user(serves, sp_doc_root(serves)), 1);
    static const char *const others[] = {"", "{user: '2', keep_bind: true}", "{user: '1', keep_bind: true, sandbox: {}}"};
    for (size_t i = 0; i < SP_ARRAY_LEN(others); i++)
        assert_non_null(strstr(said(others[i], serves), "what the process may do cannot change while it runs (put Edge.process back as it was, or restart)"));
    sp_doc_free(serves);
    sp_doc_free(doc);
    sp_diag_done(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_serving_takes), cmocka_unit_test(test_what_only_an_intruder_tries),
        cmocka_unit_test(test_what_there_is_not), cmocka_unit_test(test_threads_that_there_are), cmocka_unit_test(test_files),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
