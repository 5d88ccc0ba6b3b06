/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trimming a request's authority: strip_trailing_host_dot, strip_any_host_port, strip_matching_host_port.  Pure; any
 * thread.  The authority is valid (sp_authority_valid).
 */
#ifndef SP_STREAM_HOST_H
#define SP_STREAM_HOST_H

#include "base/arena.h"

/* "a.test." and "a.test.:80" lose the dot. */
struct sp_str sp_host_strip_dot(struct sp_str authority, struct sp_arena *arena);
/* Without its port; if only_port is not 0, only if it is that one. */
struct sp_str sp_host_strip_port(struct sp_str authority, unsigned only_port);

#endif
