/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of what `sallyport audit` looks for.  Private to tools/audit*. */
#ifndef SP_TOOLS_AUDIT_CHECKS_H
#define SP_TOOLS_AUDIT_CHECKS_H

#include "tools/audit_finding.h"

const struct sp_audit_check *sp_audit_checks(size_t *ret_n);

#endif
