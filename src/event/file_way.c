/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event/file_way.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINKS = 40 }; /* as the kernel has it */

struct way {
    char dir[PATH_MAX];  /* where it has come to; no '/' at its end but of the root */
    char rest[PATH_MAX]; /* what is left to go */
    char name[NAME_MAX + 1];
};

/* Takes the next name off `rest`; false: there is none, or it is no name that a file can have. */
static bool next_name(struct way *w)
{
    size_t skip = strspn(w->rest, "/"), n = strcspn(w->rest + skip, "/");
    if (n == 0 || n >= sizeof(w->name))
        return false;
    memcpy(w->name, w->rest + skip, n);
    w->name[n] = 0;
    memmove(w->rest, w->rest + skip + n, strlen(w->rest + skip + n) + 1);
    return true;
}

static void up(struct way *w)
{
    char *slash = strrchr(w->dir, '/');
    assert(slash);
    slash[slash == w->dir] = 0;
}

static bool join(const struct way *w, char *out)
{
    return snprintf(out, PATH_MAX, "%s%s%s", w->dir, w->dir[1] ? "/" : "", w->name) < PATH_MAX;
}

/* What the link says, before what is left. */
static bool follow(struct way *w, const char *link)
{
    char target[PATH_MAX], rest[PATH_MAX];
    ssize_t n = readlink(link, target, sizeof(target) - 1);
    if (n <= 0)
        return false;
    target[n] = 0;
    if (target[0] == '/')
        memcpy(w->dir, "/", 2);
    memcpy(rest, w->rest, sizeof(rest));
    return snprintf(w->rest, sizeof(w->rest), "%s/%s", target, rest) < (int)sizeof(w->rest);
}

static bool begin(struct way *w, const char *path)
{
    if (path[0] == '/')
        memcpy(w->dir, "/", 2);
    else if (!getcwd(w->dir, sizeof(w->dir)))
        return false;
    return snprintf(w->rest, sizeof(w->rest), "%s", path) < (int)sizeof(w->rest);
}

void sp_file_way(const char *path, void (*step)(void *arg, const char *dir, const char *name, bool last), void *arg)
{
    assert(path && path[0] && step);
    bool of_dir = path[strlen(path) - 1] == '/';
    struct way w;
    char at[PATH_MAX];
    struct stat st;
    unsigned links = 0;
    if (!begin(&w, path))
        return;
    while (next_name(&w)) {
        bool end = w.rest[strspn(w.rest, "/")] == 0;
        if (strcmp(w.name, ".") == 0)
            continue;
        if (strcmp(w.name, "..") == 0) {
            up(&w);
            continue;
        }
        if (!join(&w, at))
            return;
        if (lstat(at, &st) < 0) {
            step(arg, w.dir, w.name, true);
            return;
        }
        if (S_ISLNK(st.st_mode)) {
            step(arg, w.dir, w.name, false);
            if (++links > MAX_LINKS || !follow(&w, at))
                return;
            continue;
        }
        if (end && !of_dir) {
            step(arg, w.dir, w.name, true);
            return;
        }
        memcpy(w.dir, at, sizeof(at));
    }
    if (of_dir)
        step(arg, w.dir, "", true);
}
