/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/confine.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "config/live.h"
#include "server/confine_config.h"
#include "server/confine_impl.h"
#include "stream/log_file.h"

typedef Sallyport__Bootstrap__V1__Process ProcessMessage;
typedef Sallyport__Bootstrap__V1__Sandbox SandboxMessage;

/* What serving reads beside the config's files: names, the resolver, time zones; memory, processors and their limits; random bytes. */
static const char *const system_paths[] = {"/etc", "/run/systemd/resolve", "/usr/share/zoneinfo", "/usr/lib", "/lib", "/lib64", "/proc", "/sys",
                                           "/dev/null", "/dev/urandom", "/dev/random"};

/* ---- user and capabilities ---- */

static bool fail(const char *what, int err, const char *remedy)
{
    sp_log(SP_LOG_CRITICAL, "confine", "%s: %s (%s)", what, strerror(err), remedy);
    return false;
}

/* Log files that root has just made are to be opened by the user, when they are rotated. */
static void give_log(void *arg, const char *path)
{
    const struct sp_identity *id = arg;
    struct stat st;
    int fd = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == 0 && fchown(fd, id->uid, id->gid) < 0)
        sp_log(SP_LOG_WARNING, "confine", "%s stays root's: %s (chown it, or it cannot be opened anew)", path, strerror(errno));
    close(fd);
}

static int set_capabilities(bool keep_bind)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct has[2], want[2] = {{0}};
    if (syscall(SYS_capget, &head, has) < 0)
        return -errno;
    if (keep_bind)
        want[0].permitted = want[0].effective = has[0].permitted & (1u << CAP_NET_BIND_SERVICE);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        return -errno;
    return syscall(SYS_capset, &head, want) < 0 ? -errno : 0;
}

/* What no child, and no file with capabilities, could bring back. Fails without CAP_SETPCAP: then no_new_privs alone sees to it. */
static void empty_bounding_set(bool keep_bind)
{
    for (unsigned c = 0; c <= CAP_LAST_CAP; c++)
        if (!keep_bind || c != CAP_NET_BIND_SERVICE)
            prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
}

static bool become(const struct sp_identity *id)
{
    if (geteuid() == id->uid && getuid() == id->uid && getegid() == id->gid)
        return true;
    if (geteuid() != 0)
        return fail("cannot become the user of Edge.process", EPERM, "start as root or as that user, or take `user` out");
    int r = id->named ? initgroups(id->name, id->gid) : setgroups(1, &id->gid);
    if (r < 0 || setresgid(id->gid, id->gid, id->gid) < 0 || setresuid(id->uid, id->uid, id->uid) < 0)
        return fail("cannot become the user of Edge.process", errno, "CAP_SETUID and CAP_SETGID are needed at the start");
    if (id->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
        abort(); /* it would be worse to go on */
    return true;
}

static bool drop(const ProcessMessage *msg, const struct sp_options *options)
{
    struct sp_identity id;
    const char *field, *why = sp_confine_identify(msg, &id, &field);
    if (why)
        return fail(why, ENOENT, "Edge.process");
    if (id.change && geteuid() == 0 && id.uid != 0) {
        sp_log_file_each(give_log, &id);
        if (options->log_path)
            give_log(&id, options->log_path);
    }
    empty_bounding_set(msg->keep_bind);
    if (msg->keep_bind)
        prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (id.change && !become(&id))
        return false;
    if (id.change ? id.uid != 0 : geteuid() != 0) {
        int err = set_capabilities(msg->keep_bind);
        if (err < 0)
            return fail("cannot drop capabilities", -err, "report this");
    }
    return true;
}

/* ---- files ---- */

struct allowing {
    struct sp_confine_paths *p;
    int err;
};

static void allow_file(void *arg, const char *path, const struct sp_file_facts *facts)
{
    struct allowing *a = arg;
    (void)facts;
    if (a->err == 0)
        a->err = sp_confine_paths_allow_home(a->p, path, false);
}

static void allow_live(void *arg, const struct sp_live_info *info)
{
    for (unsigned i = 0; i < info->n_paths; i++)
        allow_file(arg, info->paths[i], NULL);
}

static void allow_written(void *arg, const char *path)
{
    struct allowing *a = arg;
    if (a->err == 0)
        a->err = sp_confine_paths_allow_home(a->p, path, true);
}

static void allow_named(struct allowing *a, char **paths, size_t n, bool write)
{
    for (size_t i = 0; i < n && a->err == 0; i++)
        a->err = sp_confine_paths_allow(a->p, paths[i], write);
}

static void allow_sockets(struct allowing *a, const struct sp_config *config)
{
    const Envoy__Config__Core__V3__Address *admin = config->bootstrap->admin ? config->bootstrap->admin->address : NULL;
    if (admin && admin->address_case == ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE && admin->pipe->path[0] == '/')
        allow_written(a, admin->pipe->path);
    for (unsigned i = 0; i < config->n_listeners; i++) {
        const struct sp_addr *at = sp_listener_addr(config->listeners[i]);
        if (at->family == AF_UNIX && at->path[0] == '/')
            allow_written(a, at->path);
    }
}

static int allow_all(struct sp_confine_paths *p, const struct sp_config *config, const struct sp_options *o, const SandboxMessage *msg)
{
    struct allowing a = {.p = p};
    for (size_t i = 0; i < SP_ARRAY_LEN(system_paths) && a.err == 0; i++)
        a.err = sp_confine_paths_allow(p, system_paths[i], false);
    if (o->config_path)
        allow_file(&a, o->config_path, NULL);
    sp_doc_each_file(config->doc, allow_file, &a);
    sp_live_set_each(sp_doc_live(config->doc), allow_live, &a);
    allow_sockets(&a, config);
    sp_log_file_each(allow_written, &a);
    const char *const own[] = {o->log_path, o->admin_address_path, o->hot_restart};
    for (size_t i = 0; i < SP_ARRAY_LEN(own); i++)
        if (own[i])
            allow_written(&a, own[i]);
    allow_named(&a, msg->read, msg->n_read, false);
    allow_named(&a, msg->write, msg->n_write, true);
    return a.err;
}

static int confine_files(const struct sp_config *config, const struct sp_options *o, const SandboxMessage *msg)
{
    struct sp_confine_paths p;
    int err = sp_confine_paths_new(&p);
    if (err < 0)
        return err;
    err = allow_all(&p, config, o, msg);
    if (err == 0)
        err = sp_confine_paths_apply(&p);
    sp_confine_paths_done(&p);
    return err;
}

static bool without(const SandboxMessage *msg, const char *what, int err)
{
    if (!msg->best_effort)
        return fail(what, -err, "a newer kernel has it; `best_effort: true` goes on without it");
    sp_log(SP_LOG_WARNING, "confine", "%s: %s (best_effort: going on without it)", what, strerror(-err));
    return true;
}

bool sp_confine(const struct sp_config *config, const struct sp_options *options)
{
    assert(config && options);
    const ProcessMessage *msg = sp_confine_process(config->doc, config->bootstrap);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fail("cannot set no_new_privs", errno, "report this");
    if (!msg) {
        if (geteuid() == 0)
            sp_log(SP_LOG_INFO, "confine", "serving as root: whoever breaks in is root too (name a user in Edge.process)");
        sp_log_file_new_thread(); /* the one that there is was made before: so it does below */
        return true;
    }
    if (!drop(msg, options))
        return false;
#if !SP_ASAN
    prctl(PR_SET_DUMPABLE, 0); /* which a change of users may have undone */
#endif
    const SandboxMessage *sandbox = msg->sandbox;
    int err = sandbox ? confine_files(config, options, sandbox) : 0;
    if (err < 0 && !without(sandbox, "cannot confine the process to its files (Landlock)", err))
        return false;
    sp_log_file_new_thread();
    err = sandbox ? sp_confine_calls() : 0;
    if (err < 0 && !without(sandbox, "cannot confine the process to its system calls (seccomp)", err))
        return false;
    sp_log(SP_LOG_INFO, "confine", "serving as user %u, %s", (unsigned)geteuid(), sandbox ? "in a sandbox" : "without a sandbox");
    return true;
}
