/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/files.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"

struct file {
    struct file *next;
    const char *path;
    struct sp_file_facts facts;
    bool unread, watched;
};

struct sp_files {
    _Atomic unsigned refs;
    struct sp_arena arena;
    struct sp_map by_path;
    struct file *first, **last;
};

struct sp_files *sp_files_new(void)
{
    struct sp_files *f = sp_xcalloc(1, sizeof(*f));
    atomic_init(&f->refs, 1);
    sp_arena_init(&f->arena);
    sp_map_init(&f->by_path);
    f->last = &f->first;
    return f;
}

struct sp_files *sp_files_ref(struct sp_files *f)
{
    assert(f);
    atomic_fetch_add(&f->refs, 1);
    return f;
}

void sp_files_unref(struct sp_files *f)
{
    if (!f || atomic_fetch_sub(&f->refs, 1) != 1)
        return;
    sp_map_done(&f->by_path);
    sp_arena_done(&f->arena);
    free(f);
}

static void add(struct sp_files *f, struct sp_str path, bool watched)
{
    struct file *file = path.len ? sp_map_get(&f->by_path, path) : NULL;
    if (file)
        file->watched = file->watched && watched;
    if (file || !path.len)
        return;
    file = sp_arena_zalloc(&f->arena, sizeof(*file));
    struct sp_str copy = sp_arena_str(&f->arena, path);
    file->path = copy.ptr;
    file->facts = sp_file_facts(copy.ptr);
    file->watched = watched;
    sp_map_add(&f->by_path, copy, file);
    *f->last = file;
    f->last = &file->next;
}

void sp_files_add(struct sp_files *f, const char *path)
{
    assert(f && path);
    add(f, sp_str_c(path), false);
}

void sp_files_add_watched(struct sp_files *f, const char *path)
{
    assert(f && path);
    add(f, sp_str_c(path), true);
}

void sp_files_add_dir(struct sp_files *f, const char *path)
{
    assert(f && path);
    struct sp_str dir = sp_str_c(path);
    if (dir.len && dir.ptr[dir.len - 1] != '/')
        dir = sp_arena_printf(&f->arena, "%s/", path);
    add(f, dir, false);
}

void sp_files_mark_unread(struct sp_files *f, const char *path)
{
    assert(f && path);
    struct file *file = sp_map_get(&f->by_path, sp_str_c(path));
    if (file)
        file->unread = true;
}

bool sp_files_unread(const struct sp_files *f, const char *path)
{
    assert(f && path);
    const struct file *file = sp_map_get(&f->by_path, sp_str_c(path));
    return file && file->unread;
}

bool sp_files_find(const struct sp_files *f, const char *path, struct sp_file_facts *ret_facts)
{
    assert(f && path && ret_facts);
    const struct file *file = sp_map_get(&f->by_path, sp_str_c(path));
    if (file)
        *ret_facts = file->facts;
    return file != NULL;
}

void sp_files_each(const struct sp_files *f, bool all, void (*each)(void *arg, const char *path, const struct sp_file_facts *facts),
                   void *arg)
{
    assert(f && each);
    for (const struct file *file = f->first; file; file = file->next)
        if (all || !file->watched)
            each(arg, file->path, &file->facts);
}
