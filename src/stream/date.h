/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Date header (RFC 9110 section 5.6.7), made once a second and thread.
 */
#ifndef SP_STREAM_DATE_H
#define SP_STREAM_DATE_H

#include "base/arena.h"

enum { SP_DATE_LEN = 29 };

/* "Tue, 24 Nov 2026 18:44:44 GMT", in `arena`. */
struct sp_str sp_date(int64_t wall_ns, struct sp_arena *arena);

#endif
