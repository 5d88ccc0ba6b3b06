/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings as text, as JSON, and as SARIF 2.1.0 for code scanning.  Private to tools/audit*.  One thread. */
#ifndef SP_TOOLS_AUDIT_PRINT_H
#define SP_TOOLS_AUDIT_PRINT_H

#include <stdio.h>

#include "tools/audit_finding.h"

/* All take sorted findings. */
void sp_audit_print_text(const struct sp_audit *a, FILE *to);
void sp_audit_print_json(const struct sp_audit *a, FILE *to);
/* Files below the working directory are named relative to it, as code scanning wants them. */
void sp_audit_print_sarif(const struct sp_audit *a, FILE *to);
/* All checks, a line each, an area under its name. */
void sp_audit_print_checks(FILE *to);

#endif
