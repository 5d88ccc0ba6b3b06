/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the program and its libraries (glibc, libuv, c-ares, wolfSSL) call once they serve. */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/socket.h>

#include "base/defs.h"
#include "server/confine_impl.h"

/* A name that this machine's or this libseccomp's table lacks is passed over. */
static const char *const allowed[] = {
    /* descriptors */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "close", "close_range", "dup", "dup2", "dup3", "fcntl",
    "ioctl", "lseek", "pipe", "pipe2", "eventfd", "eventfd2", "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1",
    "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "timerfd_create", "timerfd_settime", "timerfd_gettime", "signalfd4",
    "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "sendfile", "splice",
    /* files, which Landlock and the user's rights narrow down */
    "open", "openat", "openat2", "stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getdents64", "getcwd", "rename", "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat", "mkdir", "mkdirat",
    "chmod", "fchmod", "fchmodat", "fchmodat2", "ftruncate", "fallocate", "fsync", "fdatasync", "flock", "umask", "fadvise64",
    /* sockets; socket itself is below */
    "socketpair", "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername", "setsockopt", "getsockopt", "sendto",
    "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "shutdown",
    /* memory */
    "mmap", "munmap", "mremap", "mprotect", "madvise", "brk", "mincore", "membarrier", "mlock", "munlock", "memfd_create",
    /* threads; clone itself is below */
    "futex", "futex_waitv", "set_robust_list", "get_robust_list", "rseq", "set_tid_address", "sched_yield", "sched_getaffinity",
    "sched_setaffinity", "sched_getparam", "sched_getscheduler", "getcpu", "exit", "exit_group", "restart_syscall", "arch_prctl", "prctl",
    /* time, facts, signals to itself */
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times", "getrandom", "getpid", "gettid", "getppid",
    "getuid", "geteuid", "getgid", "getegid", "getgroups", "getpgrp", "getsid", "getrusage", "getrlimit", "prlimit64", "getpriority", "setpriority",
    "sysinfo", "uname", "capget", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigpending", "sigaltstack", "tgkill", "kill",
};

/* Nothing here or in a library has a use for them; whoever is inside and tries ends the process. */
static const char *const fatal[] = {
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "init_module", "finit_module",
    "delete_module", "kexec_load", "kexec_file_load", "bpf", "mount", "umount2", "pivot_root", "chroot", "setns", "unshare", "open_by_handle_at",
    "userfaultfd", "keyctl", "add_key", "request_key", "perf_event_open", "io_uring_setup", "swapon", "swapoff", "reboot", "settimeofday",
    "clock_settime", "sethostname", "acct", "quotactl", "modify_ldt", "iopl", "ioperm",
};

static int add(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t n)
{
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number != __NR_SCMP_ERROR)
            r = seccomp_rule_add(ctx, action, number, 0);
        if (r == -EDOM || r == -EACCES) /* another machine's; what is the default anyway */
            r = 0;
    }
    return r;
}

/* Threads, but no processes and no namespaces; clone3, whose flags no filter can see, does not exist: glibc goes on with clone. */
static int add_threads(scmp_filter_ctx ctx)
{
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM));
}

/* The internet and this machine; netlink is how glibc asks for the machine's own addresses. */
static int add_sockets(scmp_filter_ctx ctx)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    int r = 0;
    for (size_t i = 0; i < SP_ARRAY_LEN(families) && r == 0; i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
    return r;
}

int sp_confine_calls(void)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (!ctx)
        return -ENOMEM;
    int r = add(ctx, SCMP_ACT_KILL_PROCESS, fatal, SP_ARRAY_LEN(fatal));
    if (r == 0)
        r = add(ctx, SCMP_ACT_ALLOW, allowed, SP_ARRAY_LEN(allowed));
    if (r == 0)
        r = add_threads(ctx);
    if (r == 0)
        r = add_sockets(ctx);
    if (r == 0)
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    if (r == 0)
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: the order above costs nothing */
    if (r == 0)
        r = seccomp_load(ctx);
    seccomp_release(ctx);
    return r;
}
