/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_time_format: Envoy's time formats: strftime's conversions, %s (seconds since the epoch), %f and %1f to %9f (digits
 * of the second's fraction), %E3S (seconds with digits).  The part of a text that changes once a second is kept a thread
 * and a format, so that writing the time of a log line is a copy.  Immutable, any thread.
 */
#ifndef SP_STREAM_TIME_FORMAT_H
#define SP_STREAM_TIME_FORMAT_H

#include "base/arena.h"

enum { SP_TIME_TEXT_MAX = 256, SP_TIME_WHY_MAX = 96 };

struct sp_time_format;

/* In `arena`; NULL when the format is none, `why` says what is wrong. local: in the machine's time zone, else UTC. */
struct sp_time_format *sp_time_format_new(struct sp_str text, bool local, struct sp_arena *arena,
                                          char why[SP_TIME_WHY_MAX]);
/* The text of a Unix time in nanoseconds; its length. */
size_t sp_time_format_write(const struct sp_time_format *f, int64_t wall_ns, char out[static SP_TIME_TEXT_MAX]);

#endif
