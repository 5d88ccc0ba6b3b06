/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `sallyport validate FILE` and `--mode validate`: a config is loaded and compiled as for a start, and nothing runs.  A good one is
 * called OK on stdout, and behind it stands what it would run (tools/show.h), as text or JSON; then what its presets stand for, each as
 * a document of YAML, and, as comments, which values are read at the start only.  Errors and warnings go to stderr.
 */
#ifndef SP_TOOLS_VALIDATE_H
#define SP_TOOLS_VALIDATE_H

#include "server/options.h"

/* `--mode validate`: the process's exit code. */
int sp_validate_main(const struct sp_options *o);
/* `sallyport validate ...`: the same. */
int sp_validate_verb(int argc, char **argv);

#endif
