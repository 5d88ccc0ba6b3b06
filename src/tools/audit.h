/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `sallyport audit FILE`: what a config that is valid leaves open, each finding with its place, how bad it is, and what to
 * do.  The checks are one table (audit_checks.c) and look at the loaded config, all of it good; one thread, at the start of
 * which nothing runs.  Exit code 0: nothing found; 1: findings, or the config is refused; 2: usage.
 */
#ifndef SP_TOOLS_AUDIT_H
#define SP_TOOLS_AUDIT_H

#include "config/doc.h"
#include "server/options.h"

/* All checks over a Bootstrap, findings to `to` in order of place, a line each; how many. */
unsigned sp_audit_run(const struct sp_doc *doc, FILE *to);
/* The process's exit code. */
int sp_audit_main(const struct sp_options *o);

#endif
