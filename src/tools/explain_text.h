/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report as text, for people.  Private to tools/explain*. */
#ifndef SP_TOOLS_EXPLAIN_TEXT_H
#define SP_TOOLS_EXPLAIN_TEXT_H

#include <jansson.h>
#include <stdio.h>

void sp_explain_text(const json_t *root, FILE *to);

#endif
