/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The config of a start or a reload: file and command line, merged and checked against the field rules.  Called
 * from the thread that compiles configs; blocks on the disk.
 */
#ifndef SP_CONFIG_LOAD_H
#define SP_CONFIG_LOAD_H

#include "config/doc.h"

/*
 * Loads envoy.config.bootstrap.v3.Bootstrap from `path` (-c), `yaml` (--config-yaml) or both, the YAML merged over
 * the file, and checks the field rules (config/rules.h).  At least one of the two is not NULL.  NULL after an
 * error; all errors are in `diag`.
 */
struct sp_doc *sp_config_load(const char *path, const char *yaml, struct sp_diag *diag);

/* As sp_doc_load_text, but gives what could be read beside the errors, so that the rules can be checked too. */
struct sp_doc *sp_doc_load_partial(const char *name, struct sp_str text, enum sp_syntax syntax,
                                   const ProtobufCMessageDescriptor *root, struct sp_diag *diag);
/* The same of a file, by its name. */
struct sp_doc *sp_doc_load_file_partial(const char *path, const ProtobufCMessageDescriptor *root,
                                        struct sp_diag *diag);
/* How a file of that name is read. */
enum sp_syntax sp_doc_syntax(const char *path);

#endif
