/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of the audit's checks. */
#ifndef SP_TEST_AUDIT_KIT_H
#define SP_TEST_AUDIT_KIT_H

#include <stdbool.h>

/* Whether the check `id` finds something in a config. */
bool finds(const char *yaml, const char *id);

#endif
