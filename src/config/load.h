/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The root of a config: file and command line, merged and checked against the field rules; and files that it names, loaded
 * beside it.  config/set.h puts them together.  Called from the thread that compiles configs; blocks on the disk.
 */
#ifndef SP_CONFIG_LOAD_H
#define SP_CONFIG_LOAD_H

#include "config/doc.h"

struct sp_files;

/*
 * Loads envoy.config.bootstrap.v3.Bootstrap from `path` (-c), `yaml` (--config-yaml) or both, the YAML merged over
 * the file, and checks the field rules (config/rules.h).  At least one of the two is not NULL.  NULL after an
 * error; all errors are in `diag`.
 */
struct sp_doc *sp_config_load(const char *path, const char *yaml, struct sp_diag *diag);

/*
 * The same, giving what could be read beside the errors; NULL without even that.  `files` (config/files.h, may be NULL) is what
 * the document enters the files in that it is made of.
 */
struct sp_doc *sp_config_load_partial(const char *path, const char *yaml, struct sp_files *files, struct sp_diag *diag);

/*
 * Loads one more file into a document under construction, a message of type `root`, and checks the field rules. It has paths
 * of its own, beginning at its root.  NULL if it cannot be read at all; other errors are in `diag` too.
 */
const ProtobufCMessage *sp_doc_attach(struct sp_doc *doc, const char *path, const ProtobufCMessageDescriptor *root,
                                      struct sp_diag *diag);

/* As sp_doc_load_text, but gives what could be read beside the errors, so that the rules can be checked too. */
struct sp_doc *sp_doc_load_partial(const char *name, struct sp_str text, enum sp_syntax syntax,
                                   const ProtobufCMessageDescriptor *root, struct sp_diag *diag);
/* The same of a file, by its name. */
struct sp_doc *sp_doc_load_file_partial(const char *path, const ProtobufCMessageDescriptor *root,
                                        struct sp_diag *diag);
/* How a file of that name is read. */
enum sp_syntax sp_doc_syntax(const char *path);

#endif
