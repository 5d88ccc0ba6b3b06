/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_files: the files that a config was made of, with what they were just before they were read: whoever watches them from
 * there on misses no change.  A path that ends in '/' is a directory: a move into it counts (watched_directory).
 *
 * Counted: a document holds one (sp_doc_reads adds to it), and so does whoever loads, to know what to watch after a load that
 * failed.  Filled by the thread that loads and compiles; read by others once that is over.
 */
#ifndef SP_CONFIG_FILES_H
#define SP_CONFIG_FILES_H

#include "base/str.h"
#include "event/file_watch.h"

struct sp_files;

struct sp_files *sp_files_new(void);
struct sp_files *sp_files_ref(struct sp_files *f);
void sp_files_unref(struct sp_files *f); /* NULL-safe */

/* Call it before reading. A path that is there already keeps what it was then. */
void sp_files_add(struct sp_files *f, const char *path);
void sp_files_add_dir(struct sp_files *f, const char *path);
/* The same of a file that somebody else watches once the config serves (config/live.h): it counts only for one that was refused. */
void sp_files_add_watched(struct sp_files *f, const char *path);
/* Nothing could be read from it. */
void sp_files_mark_unread(struct sp_files *f, const char *path);
bool sp_files_unread(const struct sp_files *f, const char *path);
/* What it was; false: it is not among them. */
bool sp_files_find(const struct sp_files *f, const char *path, struct sp_file_facts *ret_facts);
/* In the order in which they were added; `all`: those that others watch too. */
void sp_files_each(const struct sp_files *f, bool all, void (*each)(void *arg, const char *path, const struct sp_file_facts *facts),
                   void *arg);

#endif
