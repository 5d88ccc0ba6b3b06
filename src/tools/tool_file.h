/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole files, for tools.  Any thread. */
#ifndef SP_TOOLS_TOOL_FILE_H
#define SP_TOOLS_TOOL_FILE_H

#include "base/arena.h"

enum { SP_TOOL_FILE_MAX = 64 << 20 };

/* 0 and the bytes in `arena`, or negative errno. */
int sp_tool_read(const char *path, struct sp_arena *arena, struct sp_str *ret);
/* Makes or replaces a file that only its owner may read. 0 or negative errno. */
int sp_tool_write(const char *path, struct sp_str text);

#endif
