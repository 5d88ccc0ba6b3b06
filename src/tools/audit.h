/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `sallyport audit FILE`: what a config that is valid leaves open, as an attacker would look for it: each finding with its
 * place, how bad it is, why, what to do, and the control that it belongs to.  The checks are tables (audit_checks.h) over the loaded
 * config; one thread, nothing runs.  Exit code 0: looked at; 1: findings as bad as --fail-on says, or the config is
 * refused; 2: usage.
 */
#ifndef SP_TOOLS_AUDIT_H
#define SP_TOOLS_AUDIT_H

#include "tools/audit_finding.h"

/* All checks over a Bootstrap, the findings sorted. */
void sp_audit_run(struct sp_audit *a, const struct sp_doc *doc);
/* `sallyport audit ...`: the process's exit code. */
int sp_audit_main(int argc, char **argv);

#endif
